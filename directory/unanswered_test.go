package directory

import (
	"context"
	"errors"
	"net"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// loseBinds makes the controllers lose each answer to a bind.
func (c *company) loseBinds(where simad.Place, dcs ...int) {
	for _, i := range dcs {
		c.dcs[i].SetFaults(simad.Faults{Cut: simad.Cut{N: 1, Where: where, Every: true}})
	}
}

// TestUnansweredBinds has a wrong password, and controllers whose answers are lost: it is sent twice, and then once in half an hour, however many
// controllers there are and however often somebody calls.
func TestUnansweredBinds(t *testing.T) {
	c := newCompany(t, 6)
	c.fill(t, 3)
	c.setPassword(t, "wrong")
	c.loseBinds(simad.Inside, 0, 1, 2, 3, 4, 5)
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log := &logBuffer{}
	d := open(t, c.config(), Options{Now: func() time.Time { return now }, Logger: log.logger()})
	fails := func(rejected int, until string) {
		t.Helper()
		for range 3 {
			_, err := accounts(t, d)
			want := "bind as svc-read@corp.example: offline: no domain controller answers: the password or key was sent N times and not answered, so that it may be wrong: " +
				"lest the account be locked it is not sent again before " + until + "; the last time: "
			got := regexp.MustCompile(`sent \d+ times`).ReplaceAllString(err.Error(), "sent N times")
			if !errors.Is(err, photopush.ErrNoDirectory) || !strings.HasPrefix(got, want) || !strings.Contains(photopush.Remedy(err), "its file anew") {
				t.Errorf("got  %v\nwant %s", err, want)
			}
		}
		if n := c.failedBinds(); n != rejected {
			t.Errorf("the controllers count %d rejected binds, want %d", n, rejected)
		}
	}
	fails(2, "03:34:05")
	now = now.Add(30*time.Minute - time.Second)
	fails(2, "03:34:05")
	now = now.Add(time.Second)
	fails(3, "04:04:05")
	if c.dcs[0].Counts().FailedBinds+c.dcs[1].Counts().FailedBinds != 2 {
		t.Error("a controller that was silent before was asked first again")
	}
	if n := strings.Count(log.String(), "account is not tried for a while"); n != 2 {
		t.Errorf("%d log lines: %s", n, log)
	}
	c.setPassword(t, readerPwd+" ") // wrong, too, but another one
	fails(5, "04:04:05")
}

// TestUnansweredRightPassword goes on at the next controller when one loses its answer, time and again: what was accepted since counts for nothing.
func TestUnansweredRightPassword(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	for range 5 {
		c.loseBinds(simad.Before, 0)
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Fatalf("%v, -want +got\n%s", err, diff)
		}
		c.dcs[1].CutConnections()
		now = now.Add(restAfterSilence)
	}
	if n := c.dcs[0].Counts().Binds; n != 5 {
		t.Errorf("the first controller was asked %d times", n)
	}
}

// TestUnansweredAlone has one controller, which answers again later: the account is held, and comes back.
func TestUnansweredAlone(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	c.loseBinds(simad.Before, 0)
	for range 2 {
		if _, err := accounts(t, d); !errors.Is(err, photopush.ErrNoDirectory) || isHeld(err) {
			t.Errorf("got %v", err)
		}
	}
	c.dcs[0].SetFaults(simad.Faults{})
	if _, err := accounts(t, d); !isHeld(err) {
		t.Errorf("got %v", err)
	}
	now = now.Add(30 * time.Minute)
	got, err := accounts(t, d)
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// TestUnansweredBesideConnection has a connection to the second controller while the password is changed, and the first one loses its answers. The reads
// go on over that connection; the better controller is sent the password once in an hour, and from the second time on that is said.
func TestUnansweredBesideConnection(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	now := time.Now()
	log := &logBuffer{}
	d := open(t, c.config(), Options{Now: func() time.Time { return now }, Logger: log.logger()})
	must(t, c.dcs[0].SetDown(true))
	_, err := accounts(t, d)
	must(t, err)
	must(t, errors.Join(c.dcs[0].SetDown(false), c.SetPassword(readerDN, "another one")))
	c.loseBinds(simad.Before, 0)
	for i := range 60 {
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Fatalf("read %d: %v, -want +got\n%s", i, err, diff)
		}
		now = now.Add(time.Minute)
	}
	if n := c.failedBinds(); n != 1 {
		t.Errorf("%d rejected binds within an hour", n)
	}
	for range 3 {
		now = now.Add(restAfterSilence)
		_, err := accounts(t, d)
		must(t, err)
	}
	if n := strings.Count(log.String(), "account is not tried for a while"); c.failedBinds() != 4 || n != 3 {
		t.Errorf("%d rejected binds, %d log lines", c.failedBinds(), n)
	}
}

// TestSlowRejectionOnReturn has a better controller that asks another one about a wrong password, and so needs longer than a probe may take to be
// reached: its answer is waited for, and ends the account's use.
func TestSlowRejectionOnReturn(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 2)
	c.fill(t, 3)
	now := time.Now()
	d := open(t, c.config(), Options{Now: func() time.Time { return now }})
	must(t, c.dcs[0].SetDown(true))
	_, err := accounts(t, d)
	must(t, err)
	must(t, errors.Join(c.dcs[0].SetDown(false), c.SetPassword(readerDN, "another one")))
	c.dcs[0].SetFaults(simad.Faults{Delay: maxProbe + 500*time.Millisecond})
	now = now.Add(restAfterFault)
	for range 3 {
		if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.Auth || c.failedBinds() != 1 {
			t.Errorf("%v after %d rejections", err, c.failedBinds())
		}
	}
}

// TestNotSent does not count what was not sent: the connection ends before the bind, or the time of the caller.
func TestNotSent(t *testing.T) {
	c := newCompany(t, 3)
	c.fill(t, 1)
	var mu sync.Mutex
	dialled := 0
	d := open(t, c.config(), Options{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		mu.Lock()
		defer mu.Unlock()
		dialled++
		return nil, errors.New("refused")
	}})
	for range 3 {
		if _, err := accounts(t, d); isHeld(err) || !errors.Is(err, photopush.ErrNoDirectory) {
			t.Errorf("got %v", err)
		}
	}
	if dialled != 9 {
		t.Errorf("dialled %d times", dialled)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	ch := &channel{raw: nil, timeout: time.Second}
	if _, err := (&simpleBinder{user: reader, password: photopush.Secret{File: c.password}}).bind(ctx, ch); isUnanswered(err) || !errors.Is(err, context.Canceled) {
		t.Errorf("with a context that has ended: %v", err)
	}
}
