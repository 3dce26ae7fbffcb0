//go:build linux

package masterzen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/winrm"
)

// TestVisit: one connection, a message for every step, and no piece of input waits for a request for output.
func TestVisit(t *testing.T) {
	r := newRealm(t)
	for _, test := range []struct{ input, runs, requests int }{{0, 1, 7}, {5, 1, 7}, {300_000, 1, 7}, {1_000_000, 1, 9}, {300_000, 2, 11}} {
		t.Run(fmt.Sprintf("%d bytes, %d runs", test.input, test.runs), func(t *testing.T) {
			p := &program{}
			w := r.workstation(t, p, nil)
			s, err := r.client(t, w.Addr(), nil).Open(t.Context(), testWorkstation)
			if err != nil {
				t.Fatal(err)
			}
			for range test.runs {
				out, err := s.Run(t.Context(), commandLine, bytes.Repeat([]byte("x"), test.input))
				want := fmt.Sprintf("%s\nread %d bytes\n", commandLine, test.input)
				if err != nil || string(out.Stdout) != want || string(out.Stderr) != "warning" || out.ExitCode != 1<<32-1 {
					t.Fatalf("got %q, %q, %d, %v", out.Stdout, out.Stderr, out.ExitCode, err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			stats := w.Stats()
			if stats.Requests != test.requests || stats.Connections != 1 || stats.Processes != test.runs {
				t.Errorf("%d requests, %d connections, %d processes, want %d, 1, %d", stats.Requests, stats.Connections, stats.Processes, test.requests, test.runs)
			}
			allGone(t, w)
		})
	}
}

// allGone fails when a shell is left.
func allGone(t *testing.T, w *simwin.Server) {
	t.Helper()
	for _, v := range w.Stats().Visits {
		if v.Ended.IsZero() {
			t.Error("a shell is left")
		}
	}
}

// TestFaults: a fault is an error with its reason, and nothing is asked for any more after it but the end of the shell.
func TestFaults(t *testing.T) {
	r := newRealm(t)
	for _, test := range []struct {
		fault    simwin.Fault
		want     string
		requests int // at most
	}{
		{simwin.Fault{Mode: simwin.Off}, "connect to ws1.corp.example:5985: offline: dial tcp ", 0},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Create", Code: 2150859173}, "open shell on ws1.corp.example: quota: fault 2150859173 (QUOTA_MAX_SHELLS)", 2},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Create", Code: 5}, "open shell on ws1.corp.example: denied: fault 5 (ACCESS_DENIED)", 2},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Create", Code: 2150858793}, "open shell on ws1.corp.example: timeout: fault 2150858793 (OPERATION_TIMEDOUT)", 2},
		{simwin.Fault{Mode: simwin.Refuse, Action: "Create", Status: 503}, "open shell on ws1.corp.example: timeout: HTTP status 503", 2},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Command", Code: 5}, "run on ws1.corp.example: denied: fault 5 (ACCESS_DENIED)", 4},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Command", Code: 2150858793}, "run on ws1.corp.example: timeout: fault 2150858793", 4},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Send", Code: 5}, "run on ws1.corp.example: denied: fault 5 (ACCESS_DENIED)", 5},
		{simwin.Fault{Mode: simwin.AnswerFault, Action: "Receive", Code: 5}, "run on ws1.corp.example: unknown: fault 5 (ACCESS_DENIED)", 6},
		{simwin.Fault{Mode: simwin.WrongType, Action: "Create"}, "open shell on ws1.corp.example: timeout: ", 4},
		{simwin.Fault{Mode: simwin.WrongType, Action: "Receive"}, "run on ws1.corp.example: unknown: ", 8},
		{simwin.Fault{Mode: simwin.Garbage, Action: "Receive"}, "run on ws1.corp.example: unknown: ", 8},
		{simwin.Fault{Mode: simwin.EmptyError, Action: "Receive"}, "run on ws1.corp.example: unknown: ", 8},
		{simwin.Fault{Mode: simwin.Oversize, Action: "Receive"}, "run on ws1.corp.example: unknown: ", 8},
		{simwin.Fault{Mode: simwin.Endless, Action: "Receive"}, "run on ws1.corp.example: unknown: ", 8},
	} {
		t.Run(fmt.Sprint(test.fault.Mode, test.fault.Action, test.fault.Code), func(t *testing.T) {
			w := r.workstation(t, &program{}, nil)
			if err := w.SetFault(test.fault); err != nil {
				t.Fatal(err)
			}
			_, err, closed := visit(t.Context(), r.client(t, w.Addr(), nil), []byte("12345"))
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if closed != nil {
				t.Error(closed)
			}
			if n := w.Stats().Requests; n > test.requests {
				t.Errorf("%d requests, want at most %d", n, test.requests)
			}
			allGone(t, w)
		})
	}
}

// TestLosses cuts the connection at every request. The run ends with its reason, the command was not started twice, and no shell stays.
func TestLosses(t *testing.T) {
	r := newRealm(t)
	reasons := map[string]photopush.Reason{
		"Create": photopush.Timeout, "Command": photopush.Timeout, "Send": photopush.Unknown, "Receive": photopush.Unknown, "Signal": "", "Delete": "",
	}
	for _, mode := range []simwin.Mode{simwin.LoseBefore, simwin.LoseAfter, simwin.LoseMidway} {
		for step, want := range reasons {
			t.Run(fmt.Sprint(step, " ", mode), func(t *testing.T) {
				p := &program{}
				w := r.workstation(t, p, nil)
				if err := w.SetFault(simwin.Fault{Mode: mode, Action: step, Times: 1}); err != nil {
					t.Fatal(err)
				}
				out, err, closed := visit(t.Context(), r.client(t, w.Addr(), nil), []byte("12345"))
				if photopush.ReasonOf(err) != want || want == "" && !strings.Contains(string(out.Stdout), "read 5 bytes") {
					t.Errorf("got %q, %v, want reason %q", out.Stdout, err, want)
				}
				if _, ok := errors.AsType[*photopush.Error](err); err != nil && !ok {
					t.Errorf("the error is a %T", err)
				}
				if closed != nil {
					t.Error(closed)
				}
				stats := w.Stats()
				if stats.Requests > 10 || stats.Processes > 1 || p.runs.Load() > 1 {
					t.Errorf("%d requests, %d processes, %d runs", stats.Requests, stats.Processes, p.runs.Load())
				}
				allGone(t, w)
			})
		}
	}
}

// TestSilentOutput: "no output yet" is asked again, as often as a host says so, and not without pause when it says so at once.
func TestSilentOutput(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, &program{}, nil)
	fault := simwin.Fault{Mode: simwin.AnswerFault, Action: "Receive", Code: 2150858793, Times: 2}
	if err := w.SetFault(fault); err != nil {
		t.Fatal(err)
	}
	if out, err, closed := visit(t.Context(), r.client(t, w.Addr(), nil), []byte("12345")); err != nil || closed != nil || len(out.Stdout) == 0 {
		t.Fatalf("got %q, %v, %v", out.Stdout, err, closed)
	}
	w.Reset()
	fault.Times = 0
	if err := w.SetFault(fault); err != nil {
		t.Fatal(err)
	}
	_, err, closed := visit(t.Context(), r.client(t, w.Addr(), func(c *winrm.Config) { c.RunTimeout = time.Second }), []byte("12345"))
	if photopush.ReasonOf(err) != photopush.Unknown || !strings.Contains(err.Error(), "the command did not end within 1s") || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	if n := w.Stats().Requests; n > 12 {
		t.Errorf("%d requests in a second", n)
	}
	allGone(t, w)
}

// chatty is a program that prints a little, a hundred times, as soon as it is asked.
type chatty struct{}

func (chatty) Run(ctx context.Context, _ string, stdin io.Reader, stdout, _ io.Writer) (uint32, error) {
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return 1, err
	}
	for range 100 {
		if _, err := io.WriteString(stdout, "x"); err != nil {
			return 1, nil // the shell is gone
		}
	}
	return 0, ctx.Err()
}

// TestPieces: output in many pieces is put together, whole.
func TestPieces(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, chatty{}, func(o *simwin.Options) { o.Limits.Gather = -1 })
	out, err, closed := visit(t.Context(), r.client(t, w.Addr(), nil), []byte("x"))
	if err != nil || closed != nil || string(out.Stdout) != strings.Repeat("x", 100) {
		t.Errorf("got %q, %v, %v", out.Stdout, err, closed)
	}
}

// TestCancel: a held request for output is let go at once, and the process dies with its shell.
func TestCancel(t *testing.T) {
	r := newRealm(t)
	p := &program{started: make(chan struct{}, 1), hold: true}
	w := r.workstation(t, p, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	var wg sync.WaitGroup
	wg.Go(func() { <-p.started; cancelled = time.Now(); cancel() })
	_, err, closed := visit(ctx, r.client(t, w.Addr(), func(c *winrm.Config) { c.OperationTimeout = 15 * time.Second }), []byte("12345"))
	wg.Wait()
	if took := time.Since(cancelled); took > 3*time.Second {
		t.Errorf("run and close took %v after the cancel", took)
	}
	if !errors.Is(err, context.Canceled) || photopush.ReasonOf(err) != photopush.Unknown || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	allGone(t, w)
}

// TestSpoiled: after a failure nothing more is run, for the command may still be at work.
func TestSpoiled(t *testing.T) {
	r := newRealm(t)
	p := &program{}
	w := r.workstation(t, p, nil)
	s, err := r.client(t, w.Addr(), nil).Open(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range []string{"", " x", "x \x00", "x \xff"} {
		if _, err := s.Run(t.Context(), line, nil); photopush.ReasonOf(err) != photopush.Internal {
			t.Errorf("%q: got %v", line, err)
		}
	}
	if err := w.SetFault(simwin.Fault{Mode: simwin.AnswerFault, Action: "Receive", Code: 5}); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if _, err := s.Run(t.Context(), commandLine, []byte("x")); err == nil {
			t.Error("no error")
		}
	}
	for range 2 {
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Run(t.Context(), commandLine, nil); !errors.Is(err, errEnded) {
		t.Errorf("got %v", err)
	}
	if n := w.Stats().Processes; n != 1 {
		t.Errorf("%d processes, want 1", n)
	}
	allGone(t, w)
}

// TestMaxOutput: what a command prints is bounded, and masterzen's goroutines end.
func TestMaxOutput(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, &program{prints: 200_000}, nil)
	c := r.client(t, w.Addr(), func(c *winrm.Config) { c.MaxOutput = 64 << 10 })
	_, err, closed := visit(t.Context(), c, []byte("x"))
	if photopush.ReasonOf(err) != photopush.Unknown || !strings.Contains(err.Error(), "max_output") || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	allGone(t, w)
}

// TestSmallHost: a workstation with a limit of 150 KB needs max_envelope to be set so; without it the failure is clear.
func TestSmallHost(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, &program{}, func(o *simwin.Options) { o.Old = true })
	input := make([]byte, 300_000)
	if _, err, closed := visit(t.Context(), r.client(t, w.Addr(), nil), input); photopush.ReasonOf(err) != photopush.Unsupported || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	small := func(c *winrm.Config) { c.MaxEnvelope = 150 << 10 }
	if _, err, closed := visit(t.Context(), r.client(t, w.Addr(), small), input); err != nil || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	allGone(t, w)
}

// TestRejectedOnce: a password that is wrong when the workstation wants a new sign-in is tried once, whatever the end of the shell would take.
func TestRejectedOnce(t *testing.T) {
	service, err := simwin.NewNTLM(simwin.NTLMOptions{Host: testHost, Users: map[string]string{"svc": "Secret-1"}})
	if err != nil {
		t.Fatal(err)
	}
	clock := simwin.NewManualClock(time.Now())
	w, err := simwin.Start(t.Context(), simwin.Options{
		Host: testHost, Addr: "127.0.0.1:0", Engine: &program{}, Clock: clock, Users: map[string]string{"svc": "Secret-1"},
		Mechanisms: []simwin.Mechanism{simwin.NewNegotiate(&gss.Acceptor{NTLM: service}, nil)},
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.Close)
	cfg := winrm.DefaultConfig()
	cfg.Auth, cfg.User, cfg.PasswordFile = "ntlm", "svc", filepath.Join(t.TempDir(), "password")
	password := func(text string) {
		if err := os.WriteFile(cfg.PasswordFile, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c, err := New(cfg, winrm.Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, w.Addr())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	password("Secret-1")
	s, err := c.Open(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	password("wrong")
	clock.Advance(20 * time.Second)
	_, err = s.Run(t.Context(), commandLine, []byte("x"))
	if closed := s.Close(t.Context()); photopush.ReasonOf(err) != photopush.Auth || photopush.ReasonOf(closed) != photopush.Auth {
		t.Errorf("got %v, then %v", err, closed)
	}
	if n := w.Stats().FailedLogons["svc"]; n != 1 {
		t.Errorf("%d failed logons, want 1", n)
	}
}
