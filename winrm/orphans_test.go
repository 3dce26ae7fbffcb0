package winrm

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
)

// TestOrphans: a shell that could not be deleted is deleted by the next session there, by one request, unless it has gone by itself.
func TestOrphans(t *testing.T) {
	for _, late := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			c := testClient(t, testConfig(t), h.pipe)
			h.cutAt[6], h.cutAt[7] = before, before // Delete, and its repetition
			h.override = func(n int, r *soapRequest) *hostAnswer {
				if r.name() == "Delete" && n <= 7 {
					return &hostAnswer{status: 503}
				}
				return nil
			}
			if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed == nil || len(h.shells) != 1 {
				t.Fatalf("got %v, %v, %d shells", err, closed, len(h.shells))
			}
			h.cutAt, h.override, h.requests, h.unread = map[int]cut{}, nil, nil, 0
			want := "Delete Create Command Send Receive Signal Delete"
			if late {
				time.Sleep(c.cfg.IdleTimeout + time.Second)
				want = "Create Command Send Receive Signal Delete"
			}
			for range 2 {
				if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed != nil {
					t.Errorf("got %v, %v", err, closed)
				}
				if got := strings.Join(h.names(), " "); got != want {
					t.Errorf("requests are %s, want %s", got, want)
				}
				h.requests, want = nil, "Create Command Send Receive Signal Delete"
			}
			if n := len(h.shells); !late && n != 0 {
				t.Errorf("%d shells are left", n)
			}
		})
	}
}

// TestLateShell: a shell that is made after its Delete, which a cancelled visit sent, is deleted by the next session too.
func TestLateShell(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		c := testClient(t, testConfig(t), h.pipe)
		ctx, cancel := context.WithCancel(t.Context())
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() != "Create" {
				return nil
			}
			cancel()
			return &hostAnswer{hang: true}
		}
		if _, err := c.Open(ctx, testWorkstation); photopush.ReasonOf(err) != photopush.Timeout {
			t.Fatalf("got %v", err)
		}
		if got := strings.Join(h.names(), " "); got != "Create Delete" {
			t.Fatalf("requests are %s", got)
		}
		h.shells[h.requests[0].OwnID] = &hostShell{commands: map[string]*hostCommand{}}
		h.override, h.requests = nil, nil
		if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed != nil || len(h.shells) != 0 {
			t.Errorf("got %v, %v, %d shells", err, closed, len(h.shells))
		}
		if got := strings.Join(h.names(), " "); got != "Delete Create Command Send Receive Signal Delete" {
			t.Errorf("requests are %s", got)
		}
	})
}

// TestManyOrphans: what is remembered is bounded.
func TestManyOrphans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := testClient(t, testConfig(t), nil)
		for i := range maxOrphanHosts + 10 {
			c.rememberOrphan(fmt.Sprint(i), "A")
		}
		c.rememberOrphan("0", "B")
		if n := len(c.orphans); n != maxOrphanHosts {
			t.Errorf("%d hosts are remembered", n)
		}
		if o, ok := c.takeOrphan("0"); !ok || o.shellID != "B" {
			t.Errorf("got %v, %v", o, ok)
		}
		if _, ok := c.takeOrphan("0"); ok {
			t.Error("a shell is given twice")
		}
		c.rememberOrphan("0", "C")
		time.Sleep(c.cfg.IdleTimeout + time.Second)
		c.rememberOrphan("late", "D") // all of the others have gone by themselves
		if n := len(c.orphans); n != 1 {
			t.Errorf("%d hosts are remembered, want 1", n)
		}
	})
}

// TestSweepWithoutAnswer: a shell whose deletion got no answer is deleted by the session after.
func TestSweepWithoutAnswer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		c := testClient(t, testConfig(t), h.pipe)
		h.shells["LEFT"] = &hostShell{commands: map[string]*hostCommand{}}
		c.rememberOrphan(testHost, "LEFT")
		h.cutAt[1] = before
		for range 2 {
			if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed != nil {
				t.Errorf("got %v, %v", err, closed)
			}
		}
		if len(h.shells) != 0 || len(c.orphans) != 0 {
			t.Errorf("%d shells are left, %d remembered", len(h.shells), len(c.orphans))
		}
	})
}
