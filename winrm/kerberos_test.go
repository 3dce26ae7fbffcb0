//go:build linux

package winrm

import (
	"bytes"
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/simwin"
)

// A kerberosLab is a workstation over HTTP with a keytab of a real KDC, and an account.
type kerberosLab struct {
	kdc     *krblab.KDC
	tickets *gss.Kerberos
	clock   *simwin.ManualClock
	server  *simwin.Server
	client  *Client
}

func newKerberosLab(t testing.TB, header string, host string, change ...func(*simwin.Options)) *kerberosLab {
	t.Helper()
	l := &kerberosLab{kdc: krblab.New(t), clock: simwin.NewManualClock(time.Now())}
	l.kdc.AddUser("svc-push", "Secret-1")
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("Secret-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	keytab := l.kdc.Keytab("HTTP/" + testHost)
	if host != testHost { // the address of another machine
		l.kdc.Keytab("HTTP/" + host)
	}
	keys, err := os.ReadFile(keytab)
	if err != nil {
		t.Fatal(err)
	}
	service, err := gss.NewKerberosAcceptor(keys, gss.AcceptorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	o := simwin.Options{
		Host: testHost, Addr: "127.0.0.1:0", Engine: &engine{}, Clock: l.clock,
		Mechanisms: []simwin.Mechanism{simwin.NewKerberos("Negotiate", service, nil), simwin.NewKerberos("Kerberos", service, nil)},
	}
	for _, f := range change {
		f(&o)
	}
	if l.server, err = simwin.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.server.Close)
	kcfg := gss.DefaultKerberosConfig()
	kcfg.Realm, kcfg.KDCs = krblab.Realm, []string{l.kdc.Addr}
	l.tickets, err = gss.NewKerberos(kcfg, gss.KerberosAccount{User: "svc-push", Password: photopush.Secret{File: password}}, gss.KerberosOptions{})
	if err != nil {
		t.Fatal(err)
	}
	cfg := DefaultConfig()
	cfg.User, cfg.PasswordFile, cfg.KerberosHeader = "svc-push", password, header
	l.client, err = New(cfg, Options{Kerberos: l.tickets, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, l.server.Addr())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.client.Close() })
	return l
}

// TestKerberosVisit: seven requests on one connection, with tickets of a real KDC, and none of it asked for again in the second visit.
func TestKerberosVisit(t *testing.T) {
	for _, header := range []string{"negotiate", "kerberos"} {
		t.Run(header, func(t *testing.T) {
			l := newKerberosLab(t, header, testHost)
			input := bytes.Repeat([]byte("picture "), 30_000)
			for visit := 1; visit <= 2; visit++ {
				s, err := l.client.Open(t.Context(), photopush.Workstation{Name: "PC1", Host: testHost})
				if err != nil {
					t.Fatal(err)
				}
				out, err := s.Run(t.Context(), `C:\Windows\System32\cmd.exe /c x`, input)
				if err != nil || !strings.Contains(string(out.Stdout), "read 240000 bytes") {
					t.Fatalf("%q, %v", out.Stdout, err)
				}
				if err := s.Close(t.Context()); err != nil {
					t.Fatal(err)
				}
				stats := l.server.Stats()
				if stats.Requests != 7*visit || stats.Connections != visit {
					t.Errorf("after visit %d: %d requests on %d connections, want 7 on 1 each", visit, stats.Requests, stats.Connections)
				}
			}
			if as, tgs, _ := l.kdc.Requests(); as != 1 || tgs != 1 {
				t.Errorf("the KDC issued %d and %d tickets for two visits, want 1 and 1", as, tgs)
			}
		})
	}
}

// TestKerberosTrace: there is no step of TLS, and the sign-in tells whose ticket it was. What fails at the KDC or with the ticket is the sign-in.
func TestKerberosTrace(t *testing.T) {
	l := newKerberosLab(t, "negotiate", testHost)
	var steps trace
	s, err := l.client.Open(steps.in(t.Context()), photopush.Workstation{Name: "PC1", Host: testHost})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if diff := cmp.Diff([]string{StepConnect, StepSignIn, StepShell}, steps.lines()); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	if got, want := steps[1].Detail, "kerberos as svc-push, HTTP/"+testHost; got != want {
		t.Errorf("the sign-in says %q, want %q", got, want)
	}
	for host, want := range map[string][]string{
		"pc1":              {StepSignIn + " dns"}, // nobody was dialled: a short name has no key
		"pc7.corp.example": {StepConnect, StepSignIn + " " + string(photopush.WrongHost)},
	} {
		var steps trace
		if _, err := l.client.Open(steps.in(t.Context()), photopush.Workstation{Host: host}); err == nil {
			t.Fatalf("%s has been opened", host)
		}
		if diff := cmp.Diff(want, steps.lines()); diff != "" {
			t.Errorf("%s (-want +got):\n%s", host, diff)
		}
	}
}

// TestKerberosSignsInAgain: after 15 s of silence the workstation wants a new context, on the same connection.
func TestKerberosSignsInAgain(t *testing.T) {
	l := newKerberosLab(t, "negotiate", testHost)
	s, err := l.client.Open(t.Context(), photopush.Workstation{Name: "PC1", Host: testHost})
	if err != nil {
		t.Fatal(err)
	}
	l.clock.Advance(20 * time.Second)
	if _, err := s.Run(t.Context(), `C:\Windows\System32\cmd.exe /c x`, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if stats := l.server.Stats(); stats.Connections != 1 || stats.Requests != 9 {
		t.Errorf("%d requests on %d connections, want 9 on 1: one was refused, one signed in again", stats.Requests, stats.Connections)
	}
}

// TestStaleDNS: a ticket for a name whose address another machine has is of no use there, and says so.
func TestStaleDNS(t *testing.T) {
	other := "pc99.corp.example"
	l := newKerberosLab(t, "negotiate", other)
	if _, err := l.client.Open(t.Context(), photopush.Workstation{Name: "PC99", Host: other}); photopush.ReasonOf(err) != photopush.WrongHost {
		t.Errorf("got %v", err)
	}
}

// TestDeadKDC: nobody is asked for anything else.
func TestDeadKDC(t *testing.T) {
	l := newKerberosLab(t, "negotiate", testHost)
	l.kdc.Kill()
	if _, err := l.client.Open(t.Context(), photopush.Workstation{Name: "PC1", Host: testHost}); photopush.ReasonOf(err) != photopush.KDC {
		t.Errorf("got %v", err)
	}
}

// TestThousandVisits: of 1,000 sealed visits a third is refused and a third cancelled midway, at every request in turn; nothing of them stays.
func TestThousandVisits(t *testing.T) {
	const stale = "pc99.corp.example"
	var midway atomic.Pointer[func()]
	l := newKerberosLab(t, "negotiate", stale, func(o *simwin.Options) {
		o.OnRequest = func(int, string) {
			if f := midway.Load(); f != nil {
				(*f)()
			}
		}
	})
	visit := func(ctx context.Context, host string) error {
		s, err := l.client.Open(ctx, photopush.Workstation{Name: "PC", Host: host})
		if err != nil {
			return err
		}
		_, err = s.Run(ctx, `C:\Windows\System32\cmd.exe /c x`, []byte("input"))
		if closed := s.Close(ctx); err == nil {
			err = closed
		}
		return err
	}
	ways := []func(i int){
		func(int) {
			if err := visit(t.Context(), testHost); err != nil {
				t.Errorf("got %v", err)
			}
		},
		func(int) {
			if err := visit(t.Context(), stale); photopush.ReasonOf(err) != photopush.WrongHost {
				t.Errorf("got %v, want wrong_host", err)
			}
		},
		func(i int) {
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			var n atomic.Int32
			at := int32(1 + i/3%5)
			stop := func() {
				if n.Add(1) == at {
					cancel()
				}
			}
			midway.Store(&stop)
			defer midway.Store(nil)
			if err := visit(ctx, testHost); err == nil && at < 5 { // the fifth is the Receive, whose answer may be faster
				t.Errorf("a visit that was cancelled at request %d succeeded", at)
			}
		},
	}
	for i := range ways { // once each, so that what is made once is there
		ways[i](i)
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for i := range 1000 {
		ways[i%3](i)
	}
	settle(t, "1,000 visits", func() bool {
		if l.server.Stats().InFlight > 0 {
			ways[0](0) // a shell that was made after its Delete is deleted by the next visit
		}
		return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files && l.server.Stats().InFlight == 0
	})
	if as, tgs, _ := l.kdc.Requests(); as != 1 || tgs > 2+2*340 {
		t.Errorf("the KDC issued %d and %d tickets", as, tgs)
	}
}

// TestKerberosFullMessages: input that fills several messages is cut so that they fit as they travel, sealed.
func TestKerberosFullMessages(t *testing.T) {
	l := newKerberosLab(t, "negotiate", testHost)
	out, err, closed := visitWith(t.Context(), l.client, make([]byte, 1_000_000))
	if err != nil || closed != nil || !strings.Contains(string(out.Stdout), "read 1000000 bytes") {
		t.Fatalf("%q, %v, %v", out.Stdout, err, closed)
	}
	if stats := l.server.Stats(); stats.Requests != 9 || stats.Connections != 1 {
		t.Errorf("%d requests on %d connections, want 9 on 1", stats.Requests, stats.Connections)
	}
}
