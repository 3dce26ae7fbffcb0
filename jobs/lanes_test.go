package jobs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// TestInterruptedPass: what was reached is looked at again, what was not is as before.
func TestInterruptedPass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(6)
		ctx, cancel := context.WithCancel(t.Context())
		defer cancel()
		c.vouch(0)
		running, opening := d.workstations[0], d.workstations[1]
		c.open = func(ctx context.Context, w photopush.Workstation) error {
			if w.ID != opening.ID {
				return nil
			}
			<-ctx.Done()
			return &photopush.Error{Reason: photopush.Timeout, Op: "connect to", On: w.Host, Err: errors.New("ended")}
		}
		c.run = func(ctx context.Context, w photopush.Workstation, n int) error {
			if w.ID != running.ID || n < 2 {
				return nil
			}
			go cancel()
			<-ctx.Done()
			return &photopush.Error{Reason: photopush.Unknown, Op: "run on", On: w.Host, Err: context.Cause(ctx)}
		}
		began := time.Now()
		err := c.Pass(ctx, PassRequest{})
		if !errors.Is(err, context.Canceled) || time.Since(began) > time.Second {
			t.Errorf("%v after %s", err, time.Since(began))
		}
		r := c.record(running)
		if r.Reason != photopush.Unknown || r.Attempts != 0 || r.Due.After(time.Now()) || !r.LeaseUntil.IsZero() || r.LastContact.IsZero() {
			t.Errorf("the one that was reached: %+v", r)
		}
		if p := c.stored(running, d.users[0].SID); p.InStep() || p.Reason != photopush.Unknown {
			t.Errorf("%+v", p)
		}
		if _, usable, err := c.db.Inventory(t.Context(), running.ID); err != nil || usable {
			t.Errorf("its inventory counts as what is there: %v, %v", usable, err)
		}
		r = c.record(opening)
		if r.Reason != "" || r.Attempts != 0 || r.Due.After(time.Now()) || !r.LeaseUntil.IsZero() {
			t.Errorf("the one that was not reached: %+v", r)
		}
		c.open, c.run = nil, nil
		if c.mustPass(); c.inStep() != 6 {
			t.Errorf("%d in step", c.inStep())
		}
	})
}

// TestInterruptedBetweenSteps: that is never taken for a pass that found nothing to do.
func TestInterruptedBetweenSteps(t *testing.T) {
	for name, kind := range map[string]Kind{"workstations read": ReadWorkstations, "users read": ReadUsers, "planned": Planned, "visited": Visited} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.Config.Visits = 1
				c.domain(corp).staff(3)
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				c.Observe = func(e Event) {
					if e.Kind == kind {
						cancel()
					}
				}
				if err := c.Pass(ctx, PassRequest{}); !errors.Is(err, context.Canceled) {
					t.Errorf("%v", err)
				}
				c.Observe = c.observe
				if c.mustPass(); c.inStep() != 3 {
					t.Errorf("%d in step", c.inStep())
				}
			})
		})
	}
}

// TestVisitDeadline: a visit that hangs ends before its lease does, and holds up nobody.
func TestVisitDeadline(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(8)
		c.run = func(ctx context.Context, w photopush.Workstation, n int) error {
			if w.ID == d.workstations[0].ID && n == 2 {
				<-ctx.Done()
				return &photopush.Error{Reason: photopush.Unknown, Op: "run on", On: w.Host, Err: context.Cause(ctx)}
			}
			return nil
		}
		began := time.Now()
		tally := c.mustPass()
		if took := time.Since(began); took != c.Config.VisitDeadline {
			t.Errorf("the pass took %s", took)
		}
		if tally.Pushed != 7 || tally.Failed[photopush.Unknown] != 1 || c.log.count("outlived") != 0 {
			t.Errorf("%+v", tally)
		}
		r := c.record(d.workstations[0])
		if wait := time.Until(r.Due); r.Attempts != 1 || wait < 2*time.Minute || wait > 3*time.Minute {
			t.Errorf("%+v", r)
		}
	})
}

// TestPanic: a fault in one visit is that visit's.
func TestPanic(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(3)
		c.mustPass()
		for i, p := range d.users {
			p.photo(uint32(5001 + i))
		}
		c.run = func(_ context.Context, w photopush.Workstation, _ int) error {
			if w.ID == d.workstations[1].ID {
				panic("index out of range")
			}
			return nil
		}
		tally := c.mustPass()
		if _, usable, err := c.db.Inventory(t.Context(), d.workstations[1].ID); err != nil || usable {
			t.Errorf("its inventory counts as what is there: %v, %v", usable, err)
		}
		if tally.Pushed != 2 || tally.Failed[photopush.Internal] != 1 || len(c.inFlight) != 0 {
			t.Errorf("%+v, open sessions %v", tally, c.inFlight)
		}
		if c.log.count("index out of range") == 0 || c.log.count("lanes_test.go") == 0 {
			t.Errorf("the log does not tell where: %s", &c.log.b)
		}
		r := c.record(d.workstations[1])
		if r.Reason != photopush.Internal || r.Attempts != 1 || r.Detail != "visit ws1001.corp.example: panic: index out of range" {
			t.Errorf("%+v", r)
		}
	})
}

// TestWrongPassword: two attempts, whatever is due and however often it is tried; the other domain does not suffer; a corrected secret is tried at once.
func TestWrongPassword(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d, other := c.domain(corp).staff(9), c.domain("other.example").staff(3)
		attempts, wrong := 0, true
		c.open = func(_ context.Context, w photopush.Workstation) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			if w.Domain == corp && wrong {
				attempts++
				return &photopush.Error{Reason: photopush.Auth, Op: "sign in to", On: w.Host, Err: errors.New("401")}
			}
			return nil
		}
		for range 2 {
			tally, err := c.pass(false)
			if photopush.ReasonOf(err) != photopush.Auth || strings.Count(err.Error(), "\n") != 0 || !strings.HasPrefix(err.Error(), "domain corp.example: use account svc-push@corp.example: auth: ") {
				t.Errorf("%v", err)
			}
			if attempts != 2 || c.inStep() != 3 {
				t.Errorf("%d attempts, %d in step: %+v", attempts, c.inStep(), tally)
			}
		}
		rejected := 0
		for _, w := range d.workstations {
			r := c.record(w)
			if !r.LeaseUntil.IsZero() || r.Attempts > 1 {
				t.Errorf("%+v", r)
			}
			if r.Reason == photopush.Auth {
				rejected++
			} else if r.Due.After(time.Now()) {
				t.Errorf("%s was never asked, and waits until %s", w.Host, r.Due)
			}
		}
		if rejected != 1 {
			t.Errorf("%d are kept as rejecting: the one whose rejection stopped the credential is given back", rejected)
		}
		wrong = false
		time.Sleep(time.Minute)
		c.password(corp+"-work", "the right one")
		if c.mustPass(); c.inStep() != 12 || attempts != 2 {
			t.Errorf("%d in step after the password was corrected", c.inStep())
		}
		if other.reads == 0 {
			t.Error("the other domain was not read")
		}
	})
}

// TestKDCRejects: what the KDC says of a password holds everywhere, so that it is tried once.
func TestKDCRejects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(9)
		c.Jobs.Domains[0].RemoteLogon.Mechanism = "kerberos"
		attempts := 0
		c.open = func(_ context.Context, w photopush.Workstation) error {
			c.mu.Lock()
			defer c.mu.Unlock()
			attempts++
			return because(photopush.Auth, "KDC_ERR_PREAUTH_FAILED")
		}
		for range 2 {
			if _, err := c.pass(false); photopush.ReasonOf(err) != photopush.Auth || attempts != 1 {
				t.Errorf("%d attempts, %v", attempts, err)
			}
		}
	})
}

// TestRejectedMidway: a password that is changed in the middle of a visit, and rejected there, counts: the next workstation's rejection stops it.
func TestRejectedMidway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(9)
		rejected := 0
		reject := func() error {
			c.mu.Lock()
			defer c.mu.Unlock()
			rejected++
			return because(photopush.Auth, "401")
		}
		c.run = func(context.Context, photopush.Workstation, int) error { return reject() }
		c.open = func(context.Context, photopush.Workstation) error {
			if rejected > 0 {
				return reject()
			}
			return nil
		}
		c.Config.Visits = 1
		for range 2 {
			if _, err := c.pass(false); photopush.ReasonOf(err) != photopush.Auth || rejected != 2 {
				t.Errorf("rejected %d times, %v", rejected, err)
			}
		}
	})
}

// TestOneWorkstationRejects: that is its own fault as long as others accept.
func TestOneWorkstationRejects(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(9)
		c.open = func(_ context.Context, w photopush.Workstation) error {
			if w.ID == d.workstations[8].ID {
				return because(photopush.Auth, "401")
			}
			return nil
		}
		for day := range 3 {
			tally := c.mustPass()
			if !tally.NeedsPerson() || tally.Failed[photopush.Auth] != 1 || c.inStep() != 8 {
				t.Errorf("%+v", tally)
			}
			if r := c.record(d.workstations[8]); r.Reason != photopush.Auth || r.Attempts != day+1 || time.Until(r.Due) < 24*time.Hour {
				t.Errorf("day %d: %+v", day, r)
			}
			time.Sleep(25 * time.Hour)
		}
	})
}

// TestSecretThatCannotBeRead: nobody is asked, nothing is counted against a workstation.
func TestSecretThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(3)
		secret := filepath.Join(c.dir, corp+"-work")
		gone := func(context.Context, photopush.Workstation) error {
			if err := os.Remove(secret); err != nil && !errors.Is(err, os.ErrNotExist) {
				t.Error(err)
			}
			return because(photopush.Offline, "no answer")
		}
		c.Config.Visits = 1
		for _, open := range []func(context.Context, photopush.Workstation) error{gone, nil} { // it vanishes during the first pass
			c.open = open
			tally, err := c.pass(false)
			want := "domain corp.example: cannot use the secret in file " + secret + ": no such file or directory; put it there, readable by the account that photopush runs as"
			if err == nil || err.Error() != want || photopush.ReasonOf(err) == photopush.Auth || tally.Visited != 0 {
				t.Errorf("%v, %+v", err, tally)
			}
		}
		for i, w := range d.workstations {
			if r := c.record(w); r.Attempts != 0 || !r.LeaseUntil.IsZero() || i > 0 && (r.Reason != "" || r.Due.After(time.Now())) {
				t.Errorf("%+v", r)
			}
		}
	})
}

// TestSecretIsFoundUnusableInAVisit: what the mark does not show, such as a keytab that is none, ends the visits too; nothing is counted.
func TestSecretIsFoundUnusableInAVisit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(3)
		c.Config.Visits = 1
		c.open = func(context.Context, photopush.Workstation) error {
			return &photopush.Error{Reason: photopush.Internal, Op: "sign in as", On: "svc-push",
				Err: &photopush.SecretError{What: "keytab", Place: photopush.Secret{File: "k"}, Err: errors.New("it is no keytab")}}
		}
		for range 3 { // a rejection would stop the credential
			tally, err := c.pass(false)
			if err == nil || !strings.HasPrefix(err.Error(), "domain corp.example: cannot use the keytab in file k: it is no keytab; ") || tally.Visited != 0 || len(tally.Unfinished) != 0 {
				t.Errorf("%v, %+v", err, tally)
			}
		}
		c.open = nil
		if tally := c.mustPass(); tally.Visited != len(d.workstations) {
			t.Errorf("%+v", tally)
		}
	})
}

// TestWaitingForPermitCountsForNothing: while nobody vouches for the credential one attempt is in flight; who waits in vain is as before.
func TestWaitingForPermitCountsForNothing(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Config.VisitDeadline = 10 * time.Second
		d := c.domain(corp).staff(4)
		first := true
		c.open = func(ctx context.Context, w photopush.Workstation) error {
			c.mu.Lock()
			hangs := first
			first = false
			c.mu.Unlock()
			if !hangs {
				return nil
			}
			<-ctx.Done()
			time.Sleep(time.Second) // the others' time is over before it gives its place back
			return &photopush.Error{Reason: photopush.Timeout, Op: "sign in to", On: w.Host, Err: ctx.Err()}
		}
		began := time.Now()
		tally := c.mustPass()
		if took := time.Since(began); took < 10*time.Second || took > 12*time.Second {
			t.Errorf("the pass took %s", took)
		}
		if tally.Failed[photopush.Timeout] != 1 || c.inStep() != 3 {
			t.Errorf("%+v", tally)
		}
		attempts := 0
		for _, w := range d.workstations {
			attempts += c.record(w).Attempts
		}
		if attempts != 1 || c.spy.released != 3 {
			t.Errorf("%d attempts, %d given back", attempts, c.spy.released)
		}
	})
}

// TestOthersFillTheLimit: it waits for them without spinning, and goes on when they are done.
func TestOthersFillTheLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(6)
		c.ok(c.readDomain(t.Context(), c.Jobs.Domains[0]))
		other := c.another(store.Options{})
		claims, err := other.Claim(t.Context(), photopush.ClaimRequest{Limit: 4, Lease: 10 * time.Minute})
		c.ok(err)
		done := make(chan error, 1)
		go func() { done <- c.Pass(t.Context(), PassRequest{}) }()
		time.Sleep(15 * time.Second)
		synctest.Wait()
		if c.visits() != 0 {
			t.Errorf("%d visits beside 4 of others", c.visits())
		}
		if n := c.spy.claims; n < 15 || n > 75 {
			t.Errorf("%d claims in 15 s", n)
		}
		for _, claim := range claims {
			c.ok(other.Release(t.Context(), claim))
		}
		c.ok(<-done)
		if c.inStep() != 6 {
			t.Errorf("%d in step", c.inStep())
		}
	})
}

// TestOthersAreWaitedForOnlyWhereItHelps: what is due in a domain that must not be visited is no reason to wait.
func TestOthersAreWaitedForOnlyWhereItHelps(t *testing.T) {
	for name, bar := range map[string]func(*company){
		"not configured any more": func(c *company) { c.Jobs.Domains = c.Jobs.Domains[:1] },
		"stopped": func(c *company) {
			credential, err := c.Jobs.Domains[1].RemoteLogon.credential()
			c.ok(err)
			c.ok(c.db.Stop(context.Background(), credential, "rejected"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.domain(corp).staff(3)
				c.domain("other.example").staff(3)
				c.ok(c.readDomain(t.Context(), c.Jobs.Domains[0]))
				c.ok(c.readDomain(t.Context(), c.Jobs.Domains[1]))
				bar(c)
				other := c.another(store.Options{})
				claims, err := other.Claim(t.Context(), photopush.ClaimRequest{Limit: 1, Lease: time.Hour, Domains: []string{"other.example"}})
				c.ok(err)
				began := time.Now()
				_, err = c.pass(false)
				if stopped := name == "stopped"; stopped != (photopush.ReasonOf(err) == photopush.Auth) || !stopped && err != nil {
					t.Errorf("%v", err)
				}
				if took := time.Since(began); took > time.Second || c.inStep() != 3 || c.visits() != 3 {
					t.Errorf("after %s: %d visits, %d in step", took, c.visits(), c.inStep())
				}
				c.ok(other.Release(t.Context(), claims[0]))
			})
		})
	}
}

// TestDeadProcess: what a dead process held is taken over at once, and looked at.
func TestDeadProcess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		c.mustPass()
		d.users[0].photo(5001)
		dead, err := store.Open(t.Context(), store.Config{Path: c.db.Path()}, store.Options{})
		c.ok(err)
		_, _, got, err := dead.ClaimOne(t.Context(), d.workstations[0].ID, time.Hour)
		c.ok(errors.Join(err, dead.Close()))
		if tally := c.mustPass(); !got || tally.Pushed != 1 || c.inStep() != 2 {
			t.Errorf("%v, %+v", got, tally)
		}
	})
}

// TestLeaseLost: a process that was asleep for an hour overwrites nothing of what another has done since.
func TestLeaseLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		other := c.another(store.Options{Clock: func() time.Time { return time.Now().Add(time.Hour) }})
		var taken []photopush.Claim
		c.run = func(ctx context.Context, _ photopush.Workstation, n int) (err error) {
			if n == 2 {
				taken, err = other.Claim(ctx, photopush.ClaimRequest{Limit: 1, Lease: time.Hour})
			}
			return err
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := c.Pass(ctx, PassRequest{}); !errors.Is(err, context.DeadlineExceeded) && err != nil {
			t.Error(err)
		}
		if len(taken) != 1 || c.log.count("visit outlived its lease") != 1 {
			t.Errorf("claimed %d; the log: %s", len(taken), &c.log.b)
		}
		if p := c.stored(d.workstations[0], d.users[0].SID); p.Have != "" {
			t.Errorf("stored without the lease: %+v", p)
		}
		if r := c.record(d.workstations[0]); r.LeaseUntil.IsZero() {
			t.Errorf("the other's lease is gone: %+v", r)
		}
	})
}

// TestDatabaseFails: the pass ends with the error once its visits have, and leaves nothing behind.
func TestDatabaseFails(t *testing.T) {
	full := because(photopush.Internal, "disk full")
	for name, fail := range map[string]func(*spy){
		"finish":                      func(s *spy) { s.failFinish = full },
		"claim, with claims in hand":  func(s *spy) { s.failing = full },
		"asking what is due":          func(s *spy) { s.failDue = full },
		"asking, with all of it done": func(s *spy) { s.failFinish, s.failDue = full, full },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.domain(corp).staff(5)
				fail(c.spy)
				if err := c.Pass(t.Context(), PassRequest{}); !errors.Is(err, full) {
					t.Errorf("%v", err)
				}
				if len(c.inFlight) != 0 {
					t.Errorf("%d sessions are open", len(c.inFlight))
				}
				*c.spy = spy{Store: c.db}
				time.Sleep(2 * c.Config.lease()) // this process lives: its lost claims end by their time
				if c.mustPass(); c.inStep() != 5 {
					t.Errorf("%d in step", c.inStep())
				}
			})
		})
	}
}

// TestNoHost: a computer object without an address is never asked for, and says why.
func TestNoHost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		d.workstations[0].Host = ""
		d.workstations[1].Enabled = false
		tally := c.mustPass()
		if c.visits() != 0 || tally.Failed[photopush.DNS] != 1 || tally.Visited != 0 {
			t.Errorf("%d visits, %+v", c.visits(), tally)
		}
		if r := c.record(d.workstations[0]); r.Detail != "connect to WS1000: the computer object has no dNSHostName" || r.Attempts != 1 {
			t.Errorf("%+v", r)
		}
	})
}

// TestStopErrorsComeInTheOrderOfTheConfiguration, so that the same fault reads the same.
func TestStopErrorsComeInTheOrderOfTheConfiguration(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		var want []string
		for i := range 6 {
			name := fmt.Sprintf("d%d.example", i)
			c.domain(name)
			credential, err := c.Jobs.Domains[i].RemoteLogon.credential()
			c.ok(err)
			c.ok(c.db.Stop(t.Context(), credential, "rejected"))
			want = append(want, "domain "+name)
		}
		err := c.visitDue(t.Context())
		lines := strings.Split(err.Error(), "\n")
		for i, line := range lines {
			if !strings.HasPrefix(line, want[i]) {
				t.Errorf("line %d: %s", i, line)
			}
		}
	})
}

// TestDirectoryAccountIsGuardedDuringVisits: the account that reads photos is not tried once it is stopped, and a rejection stops it.
func TestDirectoryAccountIsGuardedDuringVisits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp)
		tried := 0
		read := func() error { tried++; return because(photopush.Auth, "data 532") }
		for range 3 {
			if err := c.Read(t.Context(), corp, read); photopush.ReasonOf(err) != photopush.Auth {
				t.Errorf("%v", err)
			}
		}
		if tried != 1 {
			t.Errorf("%d attempts", tried)
		}
		c.password(corp+"-read", "a longer one")
		c.ok(c.Read(t.Context(), corp, func() error { return nil }))
		if err := c.Read(t.Context(), "gone.example", read); photopush.ReasonOf(err) != photopush.OutOfScope || tried != 1 {
			t.Errorf("%v, %d attempts", err, tried)
		}
	})
}

// TestInventoryThatCannotBeRead, as another version may have stored it: it is taken anew, and nobody else waits.
func TestInventoryThatCannotBeRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(3)
		c.mustPass()
		db, err := sql.Open("sqlite", c.db.Path())
		c.ok(err)
		_, err = db.Exec(`UPDATE inventory SET body = '{"Build":"new form"}' WHERE workstation = ?`, string(d.workstations[1].ID))
		c.ok(errors.Join(err, db.Close()))
		for i, p := range d.users {
			p.photo(uint32(5001 + i))
		}
		if tally := c.mustPass(); tally.Pushed != 3 || c.inStep() != 3 {
			t.Errorf("%+v", tally)
		}
	})
}

// TestSiteIsNotTold: that nobody tells where a workstation is holds its result up for a short while only, and takes no lease away.
func TestSiteIsNotTold(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(1)
		c.Jobs.Domains[0].Site = func(ctx context.Context, _ photopush.Workstation) string {
			<-ctx.Done()
			return ""
		}
		c.open = func(ctx context.Context, _ photopush.Workstation) error {
			return pause(ctx, c.Config.VisitDeadline-time.Second)
		}
		start := time.Now()
		if tally := c.mustPass(); tally.Pushed != 1 || c.log.count("outlived") != 0 {
			t.Errorf("%+v, %d visits outlived their lease", tally, c.log.count("outlived"))
		}
		if took := time.Since(start); took > c.Config.VisitDeadline+siteTime {
			t.Errorf("took %s", took)
		}
	})
}

// TestSiteLimit: a site is never visited more often at once than it may be, and the sites side by side. A site that is not known yet has no limit.
func TestSiteLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Config.VisitsPerSite = 1
		d := c.domain(corp).staff(8)
		site := func(id photopush.GUID) string {
			return map[bool]string{true: "Hub", false: "Branch"}[id < d.workstations[4].ID]
		}
		asked := 0
		c.Jobs.Domains[0].Site = func(_ context.Context, w photopush.Workstation) string {
			c.mu.Lock()
			defer c.mu.Unlock()
			asked++
			return site(w.ID)
		}
		c.open = func(ctx context.Context, _ photopush.Workstation) error { return pause(ctx, time.Second) }
		c.mustPass()
		if c.most != 4 || asked != 8 || c.record(d.workstations[7]).Site != "Branch" {
			t.Errorf("at most %d at once, asked for %d, %q", c.most, asked, c.record(d.workstations[7]).Site)
		}
		c.most = 0
		c.open = func(ctx context.Context, w photopush.Workstation) error {
			c.mu.Lock()
			for id := range c.inFlight {
				if id != w.ID && site(id) == site(w.ID) {
					t.Errorf("%s is visited beside %s", w.ID, id)
				}
			}
			c.mu.Unlock()
			return pause(ctx, time.Second)
		}
		if tally, err := c.pass(true); err != nil || tally.Visited != 8 || c.most != 2 {
			t.Errorf("%+v, %v, at most %d at once", tally, err, c.most)
		}
	})
}
