package winrm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
)

// visitWith opens a session, runs one command with input and closes.
func visitWith(ctx context.Context, c *Client, input []byte) (out photopush.Output, err, closed error) {
	s, err := c.Open(ctx, testWorkstation)
	if err != nil {
		return out, err, nil
	}
	out, err = s.Run(ctx, commandLine, input)
	return out, err, s.Close(context.WithoutCancel(ctx))
}

// TestLostConnections cuts the connection at every request: before it is processed, after that, and in the middle of the answer. No shell and no
// command is ever made twice, none stays behind, and the run is right, or unknown where the input may have been lost.
func TestLostConnections(t *testing.T) {
	steps := strings.Fields("Create Command Send Receive Signal Delete")
	for i, step := range steps {
		for when, text := range map[cut]string{before: "before", after: "after", midway: "midway"} {
			t.Run(step+" "+text, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t)
					h.cutAt[i+1] = when
					c := testClient(t, testConfig(t), h.pipe)
					out, err, closed := visitWith(t.Context(), c, []byte("12345"))
					switch {
					case step == "Send" && when == before:
						if photopush.ReasonOf(err) != photopush.Unknown {
							t.Errorf("error is %v, want unknown", err)
						}
					case err != nil:
						t.Error(err)
					case string(out.Stdout) != "read 5 bytes":
						t.Errorf("output is %q", out.Stdout)
					}
					if closed != nil {
						t.Error(closed)
					}
					h.wg.Wait()
					shells, live := h.left()
					if h.created != 1 || h.started != 1 || shells != 0 || live != 0 {
						t.Errorf("%d shells made and %d left, %d commands, %d connections open; want 1, 0, 1, 0", h.created, shells, h.started, live)
					}
					if h.conns > 3 || h.conns < 2 {
						t.Errorf("%d connections, want 2, or 3 where the run failed", h.conns)
					}
				})
			})
		}
	}
}

// TestLostAlways cuts every request from the n-th on: the client gives up after two attempts, and never says less than it must.
func TestLostAlways(t *testing.T) {
	for n, want := range []photopush.Reason{1: photopush.Timeout, 2: photopush.Timeout, 3: photopush.Unknown, 4: photopush.Unknown, 5: "", 6: ""} {
		if n == 0 {
			continue
		}
		for _, when := range []cut{before, after} {
			t.Run(fmt.Sprint(n, when), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t)
					for i := n; i < 100; i++ {
						h.cutAt[i] = when
					}
					c := testClient(t, testConfig(t), h.pipe)
					_, err, closed := visitWith(t.Context(), c, []byte("12345"))
					if got := photopush.ReasonOf(err); got != want {
						t.Errorf("error is %v, want %q", err, want)
					}
					if when == before && n > 1 && closed == nil {
						t.Error("Close found nothing wrong, although the shell was not deleted")
					}
					h.wg.Wait()
					if h.conns > 5 || h.created > 1 || h.started > 1 {
						t.Errorf("%d connections, %d shells, %d commands made", h.conns, h.created, h.started)
					}
				})
			})
		}
	}
}

// TestUnreadInput cuts the connection while the input is on its way: what was not sent to its end is sent again, smaller.
func TestUnreadInput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.cutAt[3] = unread
		c := testClient(t, testConfig(t), h.pipe)
		out, err, closed := visitWith(t.Context(), c, make([]byte, 300_000))
		if err != nil || closed != nil || string(out.Stdout) != "read 300000 bytes" {
			t.Errorf("got %q, %v, %v", out.Stdout, err, closed)
		}
		for _, r := range h.requests {
			if r.size > smallEnvelope {
				t.Errorf("%s has %d bytes, want at most %d after the first attempt", r.name(), r.size, smallEnvelope)
			}
		}
		if c.envelopeLimit(testHost) != 512000 {
			t.Error("a lost connection is remembered as a refusal")
		}
	})
}

// TestLostPiece loses the answer to a piece of input that is not the last: whether it arrived cannot be asked.
func TestLostPiece(t *testing.T) {
	for _, when := range []cut{before, after} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			h.cutAt[3] = when
			c := testClient(t, testConfig(t), h.pipe)
			_, err, closed := visitWith(t.Context(), c, make([]byte, 700_000))
			if photopush.ReasonOf(err) != photopush.Unknown || closed != nil {
				t.Errorf("got %v, %v, want unknown and a deleted shell", err, closed)
			}
			if got := strings.Join(h.names(), " "); got != "Create Command Send Delete" {
				t.Errorf("requests are %s", got)
			}
		})
	}
}

// TestLookGivesUp: when the answer to the last input is lost and the command shows no life, it takes one short look, and no more.
func TestLookGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.cutAt[3] = before
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() == "Receive" && r.Timeout != "PT5S" {
				t.Errorf("the look is %s, want PT5S", r.Timeout)
			}
			return nil
		}
		c := testClient(t, testConfig(t), h.pipe)
		start := time.Now()
		_, err, _ := visitWith(t.Context(), c, []byte("12345"))
		want := "run on ws1.corp.example: unknown: connection lost: the answer to the last input never came, and the command does not go on"
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
		if took := time.Since(start); took > time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestReceiveRepeatsMessageID: the same request may get the same answer.
func TestReceiveRepeatsMessageID(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.cutAt[4] = after
		visitWith(t.Context(), testClient(t, testConfig(t), h.pipe), []byte("12345"))
		if r := h.requests; len(r) < 5 || r[3].name() != "Receive" || r[4].name() != "Receive" || r[3].MessageID != r[4].MessageID {
			t.Errorf("requests are %v, want Receive twice with one MessageID", h.names())
		}
	})
}

// TestForeignIDs is a host that chooses identifiers itself (before Windows 8): a lost answer to Command is not asked for again.
func TestForeignIDs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() == "Create" {
				h.shells["THEIRS"] = &hostShell{commands: map[string]*hostCommand{}}
				return okAnswer(r, `<rsp:Shell><rsp:ShellId>THEIRS</rsp:ShellId></rsp:Shell>`)
			}
			return nil
		}
		h.cutAt[2] = after
		c := testClient(t, testConfig(t), h.pipe)
		_, err, closed := visitWith(t.Context(), c, []byte("12345"))
		if photopush.ReasonOf(err) != photopush.Timeout || closed != nil || h.started != 1 {
			t.Errorf("got %v, %v, %d commands", err, closed, h.started)
		}
	})
}

// TestNothingAfterLoss: a session whose command may still be running takes no other.
func TestNothingAfterLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.cutAt[3] = before
		c := testClient(t, testConfig(t), h.pipe)
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		_, first := s.Run(t.Context(), commandLine, []byte("x"))
		_, second := s.Run(t.Context(), commandLine, []byte("x"))
		if photopush.ReasonOf(first) != photopush.Unknown || photopush.ReasonOf(second) != photopush.Internal {
			t.Errorf("got %v, then %v", first, second)
		}
		var lost *lostError
		if !errors.As(second, &lost) {
			t.Errorf("the second error hides the first: %v", second)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
		if _, err := s.Run(t.Context(), commandLine, nil); photopush.ReasonOf(err) != photopush.Internal {
			t.Errorf("run after Close: %v", err)
		}
	})
}
