package directory

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// TestRest lets a controller fail again and again, which doubles its rest up to a bound, and ends with the first call that goes well.
func TestRest(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	d := &Directory{now: func() time.Time { return now }}
	c := &controller{}
	rests := func(n int) []time.Duration {
		var list []time.Duration
		for range n {
			d.rest(c)
			list = append(list, c.resting.Sub(now))
		}
		return list
	}
	m := time.Minute
	if diff := cmp.Diff([]time.Duration{m, 2 * m, 4 * m, 8 * m, 16 * m, 16 * m}, rests(6)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	rests(100)
	if diff := cmp.Diff([]time.Duration{16 * m}, rests(1)); diff != "" {
		t.Errorf("after a hundred: -want +got\n%s", diff)
	}
	d.healthy(c)
	if diff := cmp.Diff([]time.Duration{m, 2 * m}, rests(2)); diff != "" {
		t.Errorf("after a success: -want +got\n%s", diff)
	}
}

// TestOpensButFails has a controller that lets us sign in and then answers nothing: signing in is no success.
func TestOpensButFails(t *testing.T) {
	c := newCompany(t, 2)
	c.fill(t, 3)
	c.dcs[0].SetFaults(simad.Faults{Result: 51})
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	for i, rest := range []time.Duration{time.Minute, 2 * time.Minute, 4 * time.Minute} {
		if _, err := accounts(t, d); err != nil || c.dcs[0].Counts().Binds != i+1 {
			t.Fatalf("%v; the busy controller saw %d binds, want %d", err, c.dcs[0].Counts().Binds, i+1)
		}
		now = now.Add(rest - time.Second)
		if _, err := accounts(t, d); err != nil || c.dcs[0].Counts().Binds != i+1 {
			t.Fatalf("%v; the busy controller was asked within its rest", err)
		}
		now = now.Add(time.Second)
	}
}

// TestReturn goes back to the preferred controller once it answers again, while the connection to the other one is alive.
func TestReturn(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	now := time.Now()
	log := &logBuffer{}
	d := open(t, c.config(), Options{Now: func() time.Time { return now }, Logger: log.logger()})
	read := func(want ...string) { t.Helper(); c.readsFrom(t, d, names, want...) }
	read("dc1")
	must(t, c.dcs[0].SetDown(true))
	read("dc2")
	read()
	now = now.Add(restAfterFault)
	read() // it was tried, and rests for longer now
	must(t, c.dcs[0].SetDown(false))
	now = now.Add(restAfterFault)
	read()
	now = now.Add(restAfterFault)
	read("dc1")
	waitFor(t, func() bool { return c.dcs[1].Counts().Unbinds == 1 })
	if n := strings.Count(log.String(), `msg="domain controller in use"`); n != 3 {
		t.Errorf("%d log lines: %s", n, log)
	}
}

// TestReturnDuringRead has a long read on the second controller while the first one comes back: the read ends where it began, what is asked beside it goes
// to the first one, and the connection of the read is not kept.
func TestReturnDuringRead(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 6)
	now := time.Now()
	cfg := c.config()
	cfg.PageSize = 2
	d := open(t, cfg, Options{Now: func() time.Time { return now }})
	must(t, c.dcs[0].SetDown(true))
	var got []string
	must(t, d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, _ []photopush.Photo) error {
		if got = append(got, u.AccountName); len(got) == 3 {
			must(t, c.dcs[0].SetDown(false))
			now = now.Add(restAfterFault)
			_, _, err := d.User(t.Context(), "u0001")
			return err
		}
		return nil
	}))
	if diff := cmp.Diff(names, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	waitFor(t, func() bool { return c.dcs[1].Counts().Unbinds == 1 })
	if c.dcs[0].Counts().Binds != 1 || c.dcs[1].Counts().Binds != 1 {
		t.Errorf("the first controller saw %+v, the second one %+v", c.dcs[0].Counts(), c.dcs[1].Counts())
	}
	for _, i := range d.idle {
		if i.controller != d.controllers[0] {
			t.Errorf("a connection to %s is kept", i.controller.url)
		}
	}
}

// TestSilentBetterController does not hold up a call for long that has a connection already.
func TestSilentBetterController(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	must(t, c.dcs[0].SetDown(true))
	_, err := accounts(t, d)
	must(t, err)
	must(t, c.dcs[0].SetDown(false))
	c.dcs[0].SetFaults(simad.Faults{Hang: simad.HangAccept})
	now = now.Add(restAfterFault)
	start := time.Now()
	got, err := accounts(t, d)
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	if took := time.Since(start); took > maxProbe+5*time.Second || c.dcs[1].Counts().Binds != 1 {
		t.Errorf("took %s, and %d connections", took, c.dcs[1].Counts().Binds)
	}
}

// TestRejectedOnReturn has the password changed while a connection to the second controller is alive: the first one's rejection ends the call, and is
// not asked for twice.
func TestRejectedOnReturn(t *testing.T) {
	c := newCompany(t, 2)
	c.fill(t, 3)
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	must(t, c.dcs[0].SetDown(true))
	_, err := accounts(t, d)
	must(t, err)
	must(t, errors.Join(c.dcs[0].SetDown(false), c.SetPassword(readerDN, "another one")))
	now = now.Add(restAfterFault)
	for range 3 {
		if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.Auth || c.failedBinds() != 1 {
			t.Errorf("%v after %d rejections", err, c.failedBinds())
		}
	}
}
