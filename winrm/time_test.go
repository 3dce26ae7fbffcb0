package winrm

import (
	"context"
	"errors"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
)

// TestCancel ends the context while the host holds a request. The call returns at once, the shell is deleted all the same.
func TestCancel(t *testing.T) {
	for n, step := range strings.Fields("Create Command Send Receive") {
		t.Run(step, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.override = func(i int, r *soapRequest) *hostAnswer {
					if i != n+1 {
						return nil
					}
					h.process(r)
					return &hostAnswer{hang: true}
				}
				c := testClient(t, testConfig(t), h.pipe)
				ctx, cancel := context.WithCancel(t.Context())
				start := time.Now()
				time.AfterFunc(3*time.Second, cancel)
				_, err, closed := visitWith(ctx, c, []byte("12345"))
				want := photopush.Timeout
				if step == "Send" || step == "Receive" {
					want = photopush.Unknown
				}
				if photopush.ReasonOf(err) != want || !errors.Is(err, context.Canceled) {
					t.Errorf("error is %v, want %s", err, want)
				}
				if took := time.Since(start); took > 4*time.Second {
					t.Errorf("it took %v after the cancel", took-3*time.Second)
				}
				h.wg.Wait()
				if shells, live := h.left(); closed != nil || shells != 0 || live != 0 {
					t.Errorf("close says %v; %d shells and %d connections left", closed, shells, live)
				}
			})
		})
	}
}

// TestCloseHasItsOwnTime: Close of a session whose host has gone silent takes 5 s, whatever its context.
func TestCloseHasItsOwnTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.override = func(i int, r *soapRequest) *hostAnswer {
			if i > 1 {
				return &hostAnswer{hang: true}
			}
			return nil
		}
		c := testClient(t, testConfig(t), h.pipe)
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		start := time.Now()
		err = s.Close(ctx)
		if took := time.Since(start); took != closeTimeout || photopush.ReasonOf(err) != photopush.Timeout {
			t.Errorf("it took %v and says %v", took, err)
		}
	})
}

// TestDeadlines has a host that stops answering at one step after another.
func TestDeadlines(t *testing.T) {
	hangAt := func(n int) func(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
		return func(t *testing.T) func(context.Context, string, string) (net.Conn, error) {
			h := newHost(t)
			h.override = func(i int, r *soapRequest) *hostAnswer {
				if i == n {
					return &hostAnswer{hang: true}
				}
				return nil
			}
			return h.pipe
		}
	}
	for _, test := range []struct {
		name string
		dial func(t *testing.T) func(context.Context, string, string) (net.Conn, error)
		took time.Duration
		want string
	}{
		{"dial", func(*testing.T) func(context.Context, string, string) (net.Conn, error) { return dialForever }, 2 * time.Second,
			"connect to ws1.corp.example:5986: offline: no answer within 2s"},
		{"TLS", func(*testing.T) func(context.Context, string, string) (net.Conn, error) { return dialSilence }, 10 * time.Second,
			"TLS handshake with ws1.corp.example:5986: timeout: no answer within 10s"},
		{"Create", hangAt(1), 30 * time.Second, "open shell on ws1.corp.example: timeout: connection lost: no answer within 30s"},
		{"Command", hangAt(2), 30 * time.Second, "run on ws1.corp.example: timeout: connection lost: no answer within 30s"},
		{"Send", hangAt(3), 30 * time.Second, "run on ws1.corp.example: unknown: connection lost: no answer within 30s"},
		{"Receive", hangAt(4), 30 * time.Second, "run on ws1.corp.example: unknown: connection lost: no answer within 30s"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c := testClient(t, testConfig(t), test.dial(t))
				start := time.Now()
				_, err, _ := visitWith(t.Context(), c, []byte("12345"))
				if err == nil || err.Error() != test.want {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
				if took := time.Since(start); took != test.took {
					t.Errorf("it took %v, want %v", took, test.took)
				}
			})
		})
	}
}

func dialForever(ctx context.Context, _, _ string) (net.Conn, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// dialSilence connects to somebody who never says a word.
func dialSilence(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		b := make([]byte, 1024)
		for {
			if _, err := theirs.Read(b); err != nil {
				theirs.Close()
				return
			}
		}
	}()
	return ours, nil
}

// TestNoBusyLoop has hosts that answer every Receive at once without an end. The run goes on until run_timeout, at a gentle pace.
func TestNoBusyLoop(t *testing.T) {
	for name, answer := range map[string]func(r *soapRequest) *hostAnswer{
		"timed out":   func(r *soapRequest) *hostAnswer { return faultAnswer(r, faultOperationTimedOut, "") },
		"in progress": func(r *soapRequest) *hostAnswer { return faultAnswer(r, faultReceiveInProgress, "") },
		"empty":       func(r *soapRequest) *hostAnswer { return okAnswer(r, "<rsp:ReceiveResponse/>") },
		"running": func(r *soapRequest) *hostAnswer {
			return okAnswer(r, `<rsp:ReceiveResponse><rsp:CommandState CommandId="`+r.OwnID+`" State="`+nsShell+`/CommandState/Running"/></rsp:ReceiveResponse>`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.override = func(_ int, r *soapRequest) *hostAnswer {
					if r.name() == "Receive" {
						return answer(r)
					}
					return nil
				}
				c := testClient(t, testConfig(t), h.pipe)
				start := time.Now()
				_, err, closed := visitWith(t.Context(), c, []byte("12345"))
				want := "run on ws1.corp.example: unknown: the command did not end within 5m0s"
				if err == nil || err.Error() != want || closed != nil {
					t.Errorf("got %v, %v, want %s", err, closed, want)
				}
				if took := time.Since(start); took != 5*time.Minute {
					t.Errorf("it took %v, want 5m", took)
				}
				if n := len(h.requests); n > 160 || n < 100 {
					t.Errorf("%d requests in five minutes, want one in two seconds", n)
				}
			})
		})
	}
}

// TestSlowCommand polls a host that holds each Receive for OperationTimeout.
func TestSlowCommand(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		polls := 0
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() != "Receive" || polls == 4 {
				return nil
			}
			polls++
			h.mu.Unlock()
			defer h.mu.Lock()
			time.Sleep(15 * time.Second) // fake time: the host holds the request
			return faultAnswer(r, faultOperationTimedOut, "")
		}
		c := testClient(t, testConfig(t), h.pipe)
		start := time.Now()
		out, err, _ := visitWith(t.Context(), c, []byte("12345"))
		if err != nil || string(out.Stdout) != "read 5 bytes" {
			t.Errorf("got %q, %v", out.Stdout, err)
		}
		if took := time.Since(start); took != time.Minute || h.conns != 1 {
			t.Errorf("it took %v on %d connections, want 1m on 1: no pause between polls", took, h.conns)
		}
	})
}

// TestClientClose cuts sessions that are still at work, and lets no new ones begin.
func TestClientClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.override = func(i int, _ *soapRequest) *hostAnswer {
			if i == 4 {
				return &hostAnswer{hang: true}
			}
			return nil
		}
		c := testClient(t, testConfig(t), h.pipe)
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		time.AfterFunc(time.Second, func() { c.Close() })
		start := time.Now()
		_, err = s.Run(t.Context(), commandLine, []byte("x"))
		if photopush.ReasonOf(err) != photopush.Unknown || time.Since(start) != time.Second {
			t.Errorf("after %v: %v, want unknown after 1s", time.Since(start), err)
		}
		if err := s.Close(t.Context()); !errors.Is(err, errClosed) {
			t.Errorf("Close of the session says %v", err)
		}
		if _, err := c.Open(t.Context(), testWorkstation); !errors.Is(err, errClosed) {
			t.Errorf("Open says %v", err)
		}
	})
}
