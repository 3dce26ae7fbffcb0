package simwin

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"sync/atomic"
	"syscall"
	"testing"
	"time"
)

func setFault(t *testing.T, s *Server, faults ...Fault) {
	t.Helper()
	if err := s.SetFault(faults...); err != nil {
		t.Fatal(err)
	}
}

func TestOff(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	setFault(t, s, Fault{Mode: Off})
	if _, _, err := c.do("x"); !errors.Is(err, syscall.ECONNREFUSED) && !errors.Is(err, io.EOF) && !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v", err)
	}
	if _, err := net.Dial("tcp", s.Addr()); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("%v", err)
	}
	setFault(t, s)
	c.wantFault(codeUnexpectedSelectors, actionDelete, "", "") // shells died with the system
	c.create("", "")
}

func TestSilent(t *testing.T) {
	s := start(t, stuck, nil)
	known := dial(t, s)
	known.create("", "")
	setFault(t, s, Fault{Mode: Silent})
	for _, c := range []*client{known, dial(t, s)} {
		c.http.Timeout = 200 * time.Millisecond
		_, _, err := c.do(c.envelope(actionDelete, "", ""))
		if te, ok := errors.AsType[net.Error](err); !ok || !te.Timeout() {
			t.Errorf("%v", err)
		}
		c.http.Timeout = 0
	}
	setFault(t, s)
	known.delete()
}

func TestWrongCertificate(t *testing.T) {
	s := start(t, stuck, nil)
	setFault(t, s, Fault{Mode: WrongCertificate})
	_, _, err := dial(t, s).do("x")
	if _, ok := errors.AsType[x509.HostnameError](err); !ok {
		if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
			t.Errorf("%v", err)
		}
	}
	setFault(t, s)
	dial(t, s).create("", "")
}

func TestSlow(t *testing.T) {
	clock := NewManualClock(time.Unix(0, 0))
	s := start(t, stuck, func(o *Options) { o.Clock = clock })
	setFault(t, s, Fault{Mode: Slow, Delay: time.Minute, Times: 1})
	c := dial(t, s)
	made := make(chan struct{})
	go func() { defer close(made); c.create("", "") }()
	until(t, "the request waits", func() bool { return clock.Waiting() == 1 })
	clock.Advance(59 * time.Second)
	if s.Stats().Visits != nil {
		t.Error("the shell is there before its time")
	}
	clock.Advance(time.Second)
	<-made
	c.delete()
}

func TestWaitHoldsTheFirstVisit(t *testing.T) {
	s := start(t, stuck, nil)
	reached, release := make(chan struct{}), make(chan struct{})
	setFault(t, s, Fault{Mode: Wait, Visit: 1, Request: 2, Reached: reached, Release: release})
	first, second := dial(t, s), dial(t, s)
	done := make(chan struct{})
	go func() {
		defer close(done)
		first.create("", "")
		first.run(powershell)
		first.delete()
	}()
	<-reached
	second.create("", "")
	second.run(powershell)
	until(t, "the process has started", func() bool { return s.Stats().Processes == 1 })
	if st := s.Stats(); st.InFlight != 2 || st.MaxInFlight != 2 {
		t.Errorf("%+v", st)
	}
	second.delete()
	close(release)
	<-done
	if st := s.Stats(); st.InFlight != 0 || st.MaxInFlight != 2 || len(st.Visits) != 2 {
		t.Errorf("%+v", st)
	}
}

func TestAnswersInPlaceOfTheRightOne(t *testing.T) {
	s := start(t, stuck, nil)
	for name, k := range map[string]struct {
		fault  Fault
		status int
		check  func(t *testing.T, r *http.Response, body []byte, err error)
	}{
		"refused":   {Fault{Mode: Refuse, Status: 503}, 503, nil},
		"forbidden": {Fault{Mode: Refuse, Status: 403}, 403, nil},
		"empty error": {Fault{Mode: EmptyError}, 500, func(t *testing.T, _ *http.Response, body []byte, err error) {
			if len(body) != 0 {
				t.Errorf("%q", body)
			}
		}},
		"garbage": {Fault{Mode: Garbage}, 200, func(t *testing.T, r *http.Response, body []byte, err error) {
			if _, err := parseXML(body); err == nil || r.Header.Get("Content-Type") != soapType {
				t.Errorf("%q", body)
			}
		}},
		"oversize": {Fault{Mode: Oversize, Size: 2 << 20}, 200, func(t *testing.T, r *http.Response, body []byte, err error) {
			if len(body) != 2<<20 {
				t.Errorf("%d bytes", len(body))
			}
		}},
		"wrong type": {Fault{Mode: WrongType}, 200, func(t *testing.T, r *http.Response, body []byte, err error) {
			if r.Header.Get("Content-Type") != "text/html; charset=us-ascii" {
				t.Error(r.Header)
			}
		}},
	} {
		t.Run(name, func(t *testing.T) {
			setFault(t, s, k.fault)
			c := dial(t, s)
			res, body, err := c.do(c.envelope(actionCreate, "", `<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>`))
			if err != nil {
				t.Fatal(err)
			}
			if res.StatusCode != k.status {
				t.Errorf("HTTP %d: %.200s", res.StatusCode, body)
			}
			if k.check != nil {
				k.check(t, res, body, err)
			}
		})
	}
}

func TestEndlessBody(t *testing.T) {
	s := start(t, stuck, nil)
	setFault(t, s, Fault{Mode: Endless})
	c := dial(t, s)
	r, err := http.NewRequest(http.MethodPost, s.URL(), nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, res.Body, 8<<20); err != nil {
		t.Errorf("it ended after %d bytes: %v", n, err)
	}
	res.Body.Close()
}

func TestFaultByCodeForSomeRequests(t *testing.T) {
	s := start(t, stuck, nil)
	setFault(t, s, Fault{Mode: AnswerFault, Code: codeMaxShells, Action: "Create", Times: 2})
	c := dial(t, s)
	for range 2 {
		c.wantFault(codeMaxShells, actionCreate, "", `<rsp:Shell/>`)
	}
	c.create("", "")
	setFault(t, s, Fault{Mode: AnswerFault, Code: codeAccessDenied}, Fault{Mode: AnswerFault, Code: codeShellsNotAllowed})
	c.wantFault(codeAccessDenied, actionDelete, "", "")
	setFault(t, s, Fault{Mode: AnswerFault, Code: 0x8007052E})
	c.wantFault(0x8007052E, actionDelete, "", "")
	setFault(t, s)
	c.delete()
}

// Each request of a session is lost once, before and after it is carried out; the far end tells which.
func TestConnectionLostAtEachRequest(t *testing.T) {
	for _, mode := range []Mode{LoseBefore, LoseAfter, LoseMidway} {
		for n := 1; n <= 3; n++ {
			var processes atomic.Int32
			s := start(t, func(ctx context.Context, _ string, _ io.Reader, _, _ io.Writer) (uint32, error) {
				processes.Add(1)
				<-ctx.Done()
				return 0, ctx.Err()
			}, nil)
			setFault(t, s, Fault{Mode: mode, Request: n})
			c := dial(t, s)
			c.http.Transport.(*http.Transport).DisableKeepAlives = true // no retry of its own
			id := newID()
			requests := []func() string{
				func() string {
					return c.envelope(actionCreate, "", `<rsp:Shell ShellId="`+id+`"><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>`)
				},
				func() string {
					c.shell = id
					return c.envelope(actionCommand, "", `<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command></rsp:CommandLine>`)
				},
				func() string { return c.envelope(actionDelete, "", "") },
			}
			for i, request := range requests[:n] {
				_, _, err := c.do(request())
				if (err != nil) != (i+1 == n) {
					t.Fatalf("mode %d, loss at %d: request %d: %v", mode, n, i+1, err)
				}
			}
			done := n
			if mode == LoseBefore {
				done--
			}
			if n := len(s.Stats().Visits); (n == 1) != (done >= 1) {
				t.Errorf("mode %d: %d visits", mode, n)
			}
			if done == 2 {
				until(t, "the process runs", func() bool { return processes.Load() == 1 })
			}
			if got, want := running(s) == 1, done == 2; got != want {
				t.Errorf("mode %d, loss at %d: a process runs: %v, want %v", mode, n, got, want)
			}
			s.Close()
		}
	}
}

func TestHooksSeeEachRequest(t *testing.T) {
	var before, after []string
	s := start(t, stuck, func(o *Options) {
		o.OnRequest = func(n int, action string) { before = append(before, action) }
		o.OnAnswer = func(n int, action string) { after = append(after, action) }
	})
	c := dial(t, s)
	c.create("", "")
	setFault(t, s, Fault{Mode: AnswerFault, Code: 5, Times: 1})
	c.wantFault(5, actionGet, "", "")
	c.delete()
	if len(before) != 3 || len(after) != 2 || before[1] != "Get" || after[1] != "Delete" {
		t.Errorf("%v, %v", before, after)
	}
}
