package jobs

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// reads runs a pass, and tells what it asked the directory for.
func (d *domain) reading() tellings {
	d.c.Helper()
	d.asked = tellings{}
	d.c.mustPass()
	return d.asked
}

// user is what is stored of somebody.
func (c *company) user(p *employee) photopush.UserRecord {
	c.Helper()
	u, err := c.db.User(c.Context(), p.SID)
	c.ok(err)
	return u
}

func (d *domain) asks(what string, got, want tellings) {
	d.c.Helper()
	want.Changes = 1
	if got != want {
		d.c.Errorf("%s: asked for %+v, want %+v", what, got, want)
	}
}

// TestRejectedFurtherIn: a rejection stops the account also where it is the cause of something that was decided further out.
func TestRejectedFurtherIn(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(1)
		logon := c.Jobs.Domains[0].DirectoryLogon
		rejected := &photopush.Error{Reason: photopush.Unknown, Op: "write", Err: fmt.Errorf("lost: %w", &photopush.Error{Reason: photopush.Auth, Err: errors.New("wrong password")})}
		if err := c.As(t.Context(), logon, func() error { return rejected }); !errors.Is(err, rejected) {
			t.Errorf("got %v", err)
		}
		err := c.As(t.Context(), logon, func() error { t.Error("it was tried again"); return nil })
		if photopush.ReasonOf(err) != photopush.Auth {
			t.Errorf("got %v", err)
		}
	})
}

// TestTidy: each pass removes what is not to be kept, and goes on where that fails, which is told.
func TestTidy(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.domain(corp).staff(1)
		calls, failure := 0, errors.New("read-only file system")
		c.Tidy = func(context.Context) error { calls++; return failure }
		if _, err := c.pass(false); !errors.Is(err, failure) || calls != 1 || c.inStep() != 1 {
			t.Errorf("%v, %d calls, %d in step", err, calls, c.inStep())
		}
		failure = nil
		if c.mustPass(); calls != 2 {
			t.Errorf("%d calls", calls)
		}
	})
}

// TestChangesOnly: a pass asks for what has changed, and for photos where they may have.
func TestChangesOnly(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(4)
		a, b := d.users[0], d.users[1]
		d.asks("first pass", d.reading(), tellings{Photos: 4, Workstations: 4})
		d.asks("nothing changed", d.reading(), tellings{})
		if digests := c.digests; digests != 4 {
			t.Errorf("%d photos were judged", digests)
		}

		a.photo(7000)
		d.changed(a.GUID, true)
		b.DisplayName = "Renamed"
		d.changed(b.GUID, false)
		d.workstations[2].OS = "Windows 12"
		d.changed(d.workstations[2].ID, false)
		d.asks("changes", d.reading(), tellings{Photos: 1, Users: 1, Workstations: 1})
		if u := c.user(b); u.DisplayName != "Renamed" || u.Digest == "" {
			t.Errorf("%+v", u)
		}
		if c.inStep() != 4 || c.record(d.workstations[2]).OS != "Windows 12" {
			t.Errorf("%d in step", c.inStep())
		}
		d.asks("nothing changed", d.reading(), tellings{})
	})
}

// TestGoneAndBack: who left the scope is gone; of who comes back the photo is read, for it may have changed meanwhile.
func TestGoneAndBack(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(3)
		d.reading()
		left, station := d.users[1], d.workstations[1]
		d.users, d.workstations = slices.Delete(d.users, 1, 2), slices.Delete(d.workstations, 1, 2)
		d.changed(left.GUID, false)
		d.changed(station.ID, false)
		d.changed("11111111-0000-0000-0000-000000000000", true) // nobody of ours
		d.asks("gone", d.reading(), tellings{})
		if c.user(left).GoneSince.IsZero() || c.record(station).GoneSince.IsZero() {
			t.Error("nobody is gone")
		}
		left.photo(7001)
		d.users = append(d.users, left)
		d.changed(left.GUID, false)
		before := c.user(left).Digest
		d.asks("back", d.reading(), tellings{Users: 1, Photos: 1})
		if u := c.user(left); !u.GoneSince.IsZero() || u.Digest == before {
			t.Errorf("%+v", u)
		}
	})
}

// TestFullRead: from time to time everything is read, which finds what the list of changes does not tell.
func TestFullRead(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(3)
		d.reading()
		left := d.users[0]
		d.users = slices.Delete(d.users, 0, 1) // and nobody tells
		quiet := d.person()
		changed := d.users[0]
		changed.photo(7002)
		time.Sleep(c.Config.FullReadEvery - time.Hour)
		d.asks("too early", d.reading(), tellings{})
		time.Sleep(2 * time.Hour)
		before := c.user(changed).Digest
		d.asks("full read", d.reading(), tellings{Photos: 3, Workstations: 3})
		if n := c.digests; n != 5 { // those of two are known by their hash
			t.Errorf("%d photos were judged, want 5", n)
		}
		if c.user(left).GoneSince.IsZero() || c.user(quiet).Digest == "" || c.user(changed).Digest == before {
			t.Errorf("%+v, %+v, %+v", c.user(left), c.user(quiet), c.user(changed))
		}
		d.asks("nothing changed", d.reading(), tellings{})
	})
}

// TestHistoryLost: where it is not known what changed everything is read; photos that are known by their hash are not judged again.
func TestHistoryLost(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(2)
		d.reading()
		d.lost = "the cookie was refused"
		d.asks("history lost", d.reading(), tellings{Photos: 2, Workstations: 2})
		d.lost = ""
		d.asks("nothing changed", d.reading(), tellings{})
		if c.digests != 2 {
			t.Errorf("%d photos were judged", c.digests)
		}
		if c.log.count("the cookie was refused") != 1 {
			t.Error("nothing says why everything was read")
		}
	})
}

// TestStrayed: what was read from a controller that may not have known of it is told again.
func TestStrayed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(2)
		d.strays = true
		d.reading()
		d.asks("after a stray read of everything", d.reading(), tellings{Photos: 2, Workstations: 2})
		d.strays = false
		d.reading()
		d.users[0].photo(7005)
		d.changed(d.users[0].GUID, true)
		d.strays = true
		for range 2 {
			d.asks("told", d.reading(), tellings{Photos: 1})
		}
		d.strays = false
		d.asks("told once more", d.reading(), tellings{Photos: 1})
		d.asks("nothing changed", d.reading(), tellings{})
	})
}

// TestRecipesChange: whoever gets other pictures by them is read again, and nobody else.
func TestRecipesChange(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(3)
		d.reading()
		c.Recipes, c.Recipe = "other", func(u photopush.User) string {
			if u.SID == d.users[1].SID {
				return "r2"
			}
			return "r1"
		}
		d.asks("another recipe", d.reading(), tellings{Photos: 1})
		d.asks("nothing changed", d.reading(), tellings{})
		if u := c.user(d.users[1]); u.Recipe != "r2" {
			t.Errorf("%+v", u)
		}
	})
}

// TestUnjudged: a photo that could not be judged for a reason that passes is looked at in each pass until it can.
func TestUnjudged(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(2)
		d.users[0].photos = []photopush.Photo{{Attribute: "jpegPhoto", Bytes: []byte(unjudgeable)}}
		d.reading()
		d.asks("again", d.reading(), tellings{Photos: 1})
		d.users[0].photo(7003)
		d.asks("again", d.reading(), tellings{Photos: 1})
		d.asks("judged", d.reading(), tellings{})
	})
}

// TestReadFailsInTheMiddle: nothing is gone, and the next pass is told the same again.
func TestReadFailsInTheMiddle(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(3)
		d.reading()
		for _, p := range d.users {
			p.photo(7100)
			d.changed(p.GUID, true)
		}
		d.failUsers = errors.New("lost")
		if _, err := c.pass(false); err == nil {
			t.Error("no error")
		}
		d.failUsers = nil
		d.asks("again", d.reading(), tellings{Photos: 3})
		if c.inStep() != 3 {
			t.Errorf("%d in step", c.inStep())
		}
	})
}

// TestOvertaken: another process reads the same meanwhile, and stores what has changed since. The pass may have put what was before over it, so
// that it reads everything.
func TestOvertaken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).tells().staff(3)
		d.reading()
		changed, left := d.users[0], d.users[1]
		changed.photo(7004)
		d.changed(changed.GUID, true)
		d.changed(left.GUID, false)
		other := *c.Jobs
		other.Store = c.another(store.Options{})
		c.spy.putting = func() { // it has read, and is about to store
			c.spy.putting = nil
			changed.photo(8008)
			d.changed(changed.GUID, true)
			d.users = slices.Delete(slices.Clone(d.users), 1, 2)
			d.changed(left.GUID, false)
			c.ok(other.readDomain(t.Context(), other.Domains[0]))
			d.asked = tellings{}
		}
		c.mustPass()
		if d.asked != (tellings{Changes: 1, Photos: 2, Workstations: 3}) { // after the pass that was overtaken
			t.Errorf("asked for %+v", d.asked)
		}
		if want, _ := digest(changed.photos); c.user(changed).Digest != want {
			t.Error("the photo of before stays")
		}
		if c.user(left).GoneSince.IsZero() {
			t.Error("who is gone came back")
		}
	})
}

// TestIncrementalIsFull: after whatever changes, what is stored by changes alone is what a read of everything stores.
func TestIncrementalIsFull(t *testing.T) {
	for seed := range uint64(20) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(seed, 6))
				c, whole := newCompany(t), newCompany(t)
				d := c.domain(corp).tells().staff(6)
				twin := whole.domain(corp)
				var away []*employee
				for range 8 {
					for range random.IntN(5) {
						i := random.IntN(len(d.users))
						p := d.users[i]
						switch random.IntN(6) {
						case 0:
							p.photo(random.Uint32N(9000) + 1)
							d.changed(p.GUID, true)
						case 1:
							p.Enabled = !p.Enabled
							d.changed(p.GUID, false)
						case 2:
							if len(d.users) > 1 {
								d.users, away = slices.Delete(d.users, i, i+1), append(away, p)
								d.changed(p.GUID, false)
							}
						case 3:
							if len(away) > 0 {
								back := away[len(away)-1]
								away, d.users = away[:len(away)-1], append(d.users, back)
								d.changed(back.GUID, false)
							}
						case 4:
							d.changed(d.person().GUID, true)
						case 5:
							if len(away) > 0 { // told, as of everybody
								away[0].photo(random.Uint32N(9000) + 1)
								d.changed(away[0].GUID, true)
							}
						}
					}
					c.ok(c.readDomain(t.Context(), c.Jobs.Domains[0]))
					twin.users, twin.workstations = d.users, d.workstations
					whole.ok(whole.readDomain(t.Context(), whole.Jobs.Domains[0]))
					if diff := cmp.Diff(whole.directory(corp), c.directory(corp)); diff != "" {
						t.Fatalf("seed %d (-full +changes):\n%s", seed, diff)
					}
				}
			})
		})
	}
}

// directory is what is stored of a domain's people.
func (c *company) directory(domain string) map[photopush.SID]string {
	all := map[photopush.SID]string{}
	for u, err := range c.db.UsersOf(context.Background(), domain) {
		c.ok(err)
		all[u.SID] = fmt.Sprint(u.Enabled, u.Digest, u.PhotoReason, u.PhotoHash)
	}
	return all
}
