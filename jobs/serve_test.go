package jobs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// serve runs the service for so long, and returns it after it has ended.
func (c *company) serve(d time.Duration) *Service {
	c.Helper()
	s, err := NewService(c.Jobs)
	c.ok(err)
	ctx, cancel := context.WithTimeout(c.Context(), d)
	defer cancel()
	c.ok(s.Run(ctx))
	return s
}

// passes are those whose reading came to its end.
func (c *company) passes() (n int) {
	for _, e := range c.seen {
		if e.Kind == Planned {
			n++
		}
	}
	return n
}

func TestServeFollowsItsSchedule(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Config.Schedule, c.Config.TimeZone = "30 3 * * *", "Europe/Berlin" // the bubble begins at midnight UTC, an hour later there
		c.domain(corp).staff(2)
		s, err := NewService(c.Jobs)
		c.ok(err)
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error, 1)
		go func() { done <- s.Run(ctx) }()
		begin := time.Now()
		time.Sleep(time.Hour)
		p := s.Progress()
		if p.Running || p.Err != nil || p.LastPass.Sub(begin) > time.Minute || !p.NextPass.Equal(begin.Add(150*time.Minute)) || c.inStep() != 2 {
			t.Errorf("after an hour: %+v", p)
		}
		c.domains[0].users[0].photo(5001)
		time.Sleep(2 * time.Hour)
		p = s.Progress()
		if !p.LastPass.Equal(begin.Add(150*time.Minute)) || !p.NextPass.Equal(begin.Add(150*time.Minute+24*time.Hour)) || c.inStep() != 2 || c.passes() != 2 {
			t.Errorf("after three hours: %+v, %d passes", p, c.passes())
		}
		cancel()
		c.ok(<-done)
	})
}

// TestServeVisitsWhatBecomesDue between two passes: a workstation that was off.
func TestServeVisitsWhatBecomesDue(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Config.Schedule = "0 12 * * *"
		c.domain(corp).staff(2)
		on := time.Now().Add(4 * time.Hour)
		c.open = func(ctx context.Context, w photopush.Workstation) error {
			if time.Now().Before(on) {
				return off(ctx, w)
			}
			return nil
		}
		c.serve(8 * time.Hour)
		if c.passes() != 1 || c.inStep() != 2 {
			t.Errorf("%d passes, %d in step", c.passes(), c.inStep())
		}
		if n := c.spy.nextDue; n > 30 {
			t.Errorf("asked %d times in 8 hours what is due", n)
		}
	})
}

// TestServeComesToItsPasses although something stays due that nobody may visit, and does not spin.
func TestServeComesToItsPasses(t *testing.T) {
	for name, bar := range map[string]func(*company){
		"a stopped credential": func(c *company) {
			credential, err := c.Jobs.Domains[1].RemoteLogon.credential()
			c.ok(err)
			c.ok(c.db.Stop(context.Background(), credential, "rejected"))
		},
		"a domain that is not configured any more": func(c *company) { c.Jobs.Domains = c.Jobs.Domains[:1] },
		"a dead domain controller": func(c *company) {
			c.domains[1].fail = because(photopush.Offline, "dead")
			c.noSet = because(photopush.Offline, "dead")
		},
		"a database that cannot tell what is due": func(c *company) { c.spy.failDue = because(photopush.Internal, "disk I/O error") },
		"a database that gives no claims":         func(c *company) { c.spy.failing = because(photopush.Internal, "disk I/O error") },
		"a process that holds a workstation": func(c *company) {
			other := c.another(store.Options{})
			_, err := other.Claim(context.Background(), photopush.ClaimRequest{Limit: 1, Lease: 24 * time.Hour})
			c.ok(err)
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.Config.Schedule = "0 * * * *"
				c.domain(corp).staff(2)
				c.domain("other.example").staff(2)
				c.ok(c.readDomain(t.Context(), c.Jobs.Domains[0]))
				c.ok(c.readDomain(t.Context(), c.Jobs.Domains[1]))
				bar(c)
				reads := c.domains[0].reads
				c.serve(time.Hour + time.Minute)
				if n := c.domains[0].reads - reads; n != 4 { // workstations and users, twice
					t.Errorf("the domain was read %d times", n)
				}
				if n := c.spy.claims + c.spy.nextDue; n > 500 {
					t.Errorf("the database was asked %d times in an hour", n)
				}
				if n := c.log.count("level=ERROR"); n > 20 {
					t.Errorf("%d errors in the log:\n%s", n, &c.log.b)
				}
			})
		})
	}
}

// TestServeEnds at once wherever it is.
func TestServeEnds(t *testing.T) {
	for name, hold := range map[string]func(*company){
		"between two passes": func(*company) {},
		"in a visit": func(c *company) {
			c.run = func(ctx context.Context, _ photopush.Workstation, _ int) error {
				<-ctx.Done()
				return context.Cause(ctx)
			}
		},
		"while others fill the limit": func(c *company) {
			c.ok(c.readDomain(c.Context(), c.Jobs.Domains[0]))
			_, err := c.another(store.Options{}).Claim(context.Background(), photopush.ClaimRequest{Limit: 4, Lease: 24 * time.Hour})
			c.ok(err)
		},
		"after an error": func(c *company) { c.spy.failing = because(photopush.Internal, "disk I/O error") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.Config.VisitDeadline = 30 * time.Minute
				c.domain(corp).staff(6)
				hold(c)
				began := time.Now()
				s := c.serve(20*time.Second + 7*time.Millisecond)
				if took := time.Since(began); took > 21*time.Second {
					t.Errorf("ended %s late", took-20*time.Second)
				}
				if running := s.Progress().Running; running && name == "between two passes" {
					t.Error("it still runs")
				}
			})
		})
	}
}

func TestServeTellsOfAPassThatFailed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		d.fail = because(photopush.Offline, "dead")
		s := c.serve(time.Minute)
		if p := s.Progress(); !errors.Is(p.Err, d.fail) || p.Running || c.log.count("msg=pass") != 1 {
			t.Errorf("%+v, log:\n%s", p, &c.log.b)
		}
		d.fail = nil
		if p := c.serve(time.Minute).Progress(); p.Err != nil || c.inStep() != 1 {
			t.Errorf("%+v", p)
		}
	})
}

func TestScheduleFaults(t *testing.T) {
	for schedule, want := range map[string]string{
		"TZ=UTC":               "the zone belongs into time_zone",
		"CRON_TZ=":             "the zone belongs into time_zone",
		"TZ=UTC 0 * * * *":     "the zone belongs into time_zone",
		"0 0 30 2 *":           "that day never comes",
		"":                     "empty spec string",
		"0 0 * *":              "expected exactly 5 fields",
		"0 0 29 2 *":           "",
		"@daily":               "",
		"15,45 6-20 * * 1-5":   "",
		"0 0 * * * *":          "expected exactly 5 fields",
		"61 * * * *":           "above maximum",
		strings.Repeat("*", 9): "expected exactly 5 fields",
	} {
		c := testConfig()
		c.Schedule = schedule
		err := c.Validate("jobs")
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %s", schedule, err, want)
		}
		if _, made := NewService(&Jobs{Config: c}); (made == nil) != (err == nil) {
			t.Errorf("%q: the service says %v", schedule, made)
		}
	}
}
