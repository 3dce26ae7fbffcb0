package winrm

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

// engine is a program on a simulated workstation: it reads all of its input and tells how much it was.
type engine struct {
	runs    atomic.Int32 // processes that had their whole input
	started chan struct{}
	hold    chan struct{} // the program waits for it before it ends; nil for not at all
}

func (e *engine) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	if e.started != nil {
		e.started <- struct{}{}
	}
	n, err := io.Copy(io.Discard, stdin)
	if err != nil || ctx.Err() != nil {
		return 1, ctx.Err()
	}
	if e.hold != nil {
		select {
		case <-e.hold:
		case <-ctx.Done():
			return 1, ctx.Err()
		}
	}
	e.runs.Add(1)
	fmt.Fprintf(stdout, "%s\nread %d bytes\n", commandLine, n)
	fmt.Fprint(stderr, "warning")
	return 4294967295, nil
}

// simulated starts a simulated workstation, and gives a client that can reach it.
func simulated(t testing.TB, e simwin.Engine, change func(*simwin.Options, *Config)) (*simwin.Server, *Client) {
	ca, err := simwin.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(testHost)
	if err != nil {
		t.Fatal(err)
	}
	cfg := testConfig(t)
	if err := os.WriteFile(cfg.CAFile, ca.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg.OperationTimeout = time.Second
	o := simwin.Options{Host: testHost, Addr: "127.0.0.1:0", Certificate: cert, Users: map[string]string{"svc": "secret"}, Engine: e}
	if change != nil {
		change(&o, &cfg)
	}
	s, err := simwin.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s, testClient(t, cfg, func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	})
}

// TestSimulatedVisits counts what a visit costs, at the far end.
func TestSimulatedVisits(t *testing.T) {
	for _, test := range []struct {
		runs, requests int
		old            bool
	}{{1, 6, false}, {2, 10, false}, {1, 8, true}, {2, 14, true}} {
		t.Run(fmt.Sprintf("%d runs, old %v", test.runs, test.old), func(t *testing.T) {
			host, c := simulated(t, &engine{}, func(o *simwin.Options, _ *Config) { o.Old = test.old })
			if test.old {
				c.rememberSmall(testHost)
			}
			s, err := c.Open(t.Context(), testWorkstation)
			if err != nil {
				t.Fatal(err)
			}
			for range test.runs {
				out, err := s.Run(t.Context(), commandLine, make([]byte, 300_000))
				if want := commandLine + "\nread 300000 bytes\n"; err != nil || string(out.Stdout) != want || string(out.Stderr) != "warning" || out.ExitCode != 1<<32-1 {
					t.Fatalf("got %q, %q, %d, %v", out.Stdout, out.Stderr, out.ExitCode, err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			stats := host.Stats()
			if stats.Requests != test.requests || stats.Connections != 1 || stats.Processes != test.runs {
				t.Errorf("%d requests, %d connections, %d processes, want %d, 1, %d", stats.Requests, stats.Connections, stats.Processes, test.requests, test.runs)
			}
			if v := stats.Visits; len(v) != 1 || v[0].Ended.IsZero() {
				t.Errorf("visits are %+v, want one whose shell is gone", v)
			}
		})
	}
}

// TestSimulatedLosses cuts the connection at every request in every way that the simulated workstation knows.
func TestSimulatedLosses(t *testing.T) {
	for _, mode := range []simwin.Mode{simwin.LoseBefore, simwin.LoseAfter, simwin.LoseMidway} {
		for i, step := range strings.Fields("Create Command Send Receive Signal Delete") {
			t.Run(fmt.Sprint(step, " ", mode), func(t *testing.T) {
				e := &engine{}
				host, c := simulated(t, e, nil)
				if err := host.SetFault(simwin.Fault{Mode: mode, Request: i + 1}); err != nil {
					t.Fatal(err)
				}
				out, err, closed := visitWith(t.Context(), c, []byte("12345"))
				switch {
				case step == "Send" && mode == simwin.LoseBefore:
					if photopush.ReasonOf(err) != photopush.Unknown || e.runs.Load() != 0 {
						t.Errorf("got %v after %d runs", err, e.runs.Load())
					}
				case err != nil || !strings.Contains(string(out.Stdout), "read 5 bytes") || e.runs.Load() != 1:
					t.Errorf("got %q, %v after %d runs", out.Stdout, err, e.runs.Load())
				}
				if closed != nil {
					t.Error(closed)
				}
				stats := host.Stats()
				if stats.Processes != 1 || len(stats.Visits) != 1 || stats.Visits[0].Ended.IsZero() || stats.Connections > 3 {
					t.Errorf("stats are %+v", stats)
				}
			})
		}
	}
}

// TestSimulatedNonsense: answers that are none end the visit soon, and the shell is deleted by Close where it can be.
func TestSimulatedNonsense(t *testing.T) {
	for _, mode := range []simwin.Mode{simwin.Garbage, simwin.WrongType, simwin.EmptyError, simwin.Oversize, simwin.Endless} {
		for i, want := range []photopush.Reason{"", photopush.Unsupported, photopush.Unsupported, photopush.Unknown, photopush.Unknown} {
			if i == 0 {
				continue
			}
			t.Run(fmt.Sprint(mode, i), func(t *testing.T) {
				host, c := simulated(t, &engine{}, nil)
				if err := host.SetFault(simwin.Fault{Mode: mode, Request: i}); err != nil {
					t.Fatal(err)
				}
				_, err, closed := visitWith(t.Context(), c, []byte("12345"))
				if got := photopush.ReasonOf(err); got != want {
					t.Errorf("got %v, want %s", err, want)
				}
				if closed != nil {
					t.Error(closed)
				}
				for _, v := range host.Stats().Visits {
					if v.Ended.IsZero() {
						t.Error("a shell is left")
					}
				}
			})
		}
	}
}

// TestSimulatedFaults lets the workstation as a whole fail.
func TestSimulatedFaults(t *testing.T) {
	for want, fault := range map[string]simwin.Fault{
		"connect to ws1.corp.example:5986: offline: dial tcp 127.0.0.1:":                                       {Mode: simwin.Off},
		"TLS handshake with ws1.corp.example:5986: tls: tls: failed to verify certificate: x509: certificate ": {Mode: simwin.WrongCertificate},
		"open shell on ws1.corp.example: unsupported: HTTP status 404 Not Found: no WinRM service":             {Mode: simwin.Refuse, Status: 404},
		"open shell on ws1.corp.example: timeout: HTTP status 503 Service Unavailable":                         {Mode: simwin.Refuse, Status: 503},
		"open shell on ws1.corp.example: denied: fault 5 (ACCESS_DENIED): ":                                    {Mode: simwin.AnswerFault, Code: 5},
		"open shell on ws1.corp.example: remote_shell_disabled: fault 2150859180 (REMOTESHELLS_NOT_ALLOWED): ": {Mode: simwin.AnswerFault, Code: 2150859180},
		"open shell on ws1.corp.example: quota: fault 2150859173 (QUOTA_MAX_SHELLS)":                           {Mode: simwin.AnswerFault, Code: 2150859173},
	} {
		host, c := simulated(t, &engine{}, nil)
		if err := host.SetFault(fault); err != nil {
			t.Fatal(err)
		}
		_, err := c.Open(t.Context(), testWorkstation)
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestSimulatedCancel cancels a held Receive; the process dies with its shell.
func TestSimulatedCancel(t *testing.T) {
	e := &engine{started: make(chan struct{}, 1), hold: make(chan struct{})}
	host, c := simulated(t, e, nil)
	ctx, cancel := context.WithCancel(t.Context())
	var cancelled time.Time
	var wg sync.WaitGroup
	wg.Go(func() { <-e.started; cancelled = time.Now(); cancel() })
	_, err, closed := visitWith(ctx, c, []byte("12345"))
	wg.Wait()
	if took := time.Since(cancelled); took > time.Second {
		t.Errorf("run and close took %v after the cancel", took)
	}
	if photopush.ReasonOf(err) == "" || closed != nil {
		t.Errorf("got %v, %v", err, closed)
	}
	if v := host.Stats().Visits; len(v) != 1 || v[0].Ended.IsZero() || e.runs.Load() != 0 {
		t.Errorf("visits are %+v, %d runs", v, e.runs.Load())
	}
}

// TestSimulatedQuota: shells that are left behind count against the next visit, until their idle time.
func TestSimulatedQuota(t *testing.T) {
	_, c := simulated(t, &engine{}, func(o *simwin.Options, _ *Config) { o.Limits.MaxShellsPerUser = 1 })
	s, err := c.Open(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Open(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.Quota {
		t.Errorf("got %v, want quota", err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if s, err = c.Open(t.Context(), testWorkstation); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
}
