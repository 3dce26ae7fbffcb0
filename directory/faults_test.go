package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// TestCutEverywhere cuts the connection at each answer, before, within and after it. With a second controller the read is whole and brings
// nothing twice; without one it is whole or an error.
func TestCutEverywhere(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 12)
	cfg := c.config()
	cfg.PageSize = 5
	// A bind, the base and its end, 12 entries and 3 ends are 18 answers; a cut at the 19th never happens.
	cutEverywhere(t, c, cfg, names, 18, func(t *testing.T, cut simad.Cut, err error) {
		// Only a cut behind the last answer does no harm; the one behind the bind's shows at the search.
		if whole := cut.N == 19 || cut.N == 18 && cut.Where == simad.After; whole != (err == nil) {
			t.Errorf("got %v", err)
		}
	})
}

// TestCutEverywhereWithGroups does the same where members are read before, in ranges of three. With one controller a connection that was cut while it lay
// idle between two searches is no loss.
func TestCutEverywhereWithGroups(t *testing.T) {
	c := newCompany(t, 0)
	for range 2 {
		c.serve(t, simad.ControllerOptions{MaxValRange: 3})
	}
	names := c.fill(t, 16)
	in := func(names []string) (members []string) {
		for _, name := range names {
			members = append(members, staffDN(name))
		}
		return members
	}
	c.group(t, "inner", in(names[:5])...)
	c.group(t, "outer", append(in(names[4:11]), groupDN("inner"))...)
	_, err := c.AddGroup(simad.Group{OU: groupsOU, Name: "primary", RID: 4711})
	must(t, err)
	must(t, c.SetString(staffDN(names[11]), "primaryGroupID", "4711"))
	cfg := c.config()
	cfg.PageSize, cfg.Users.Groups = 5, []string{groupDN("outer"), groupDN("primary")}
	_, err = accounts(t, open(t, cfg, Options{}))
	must(t, err)
	cutEverywhere(t, c, cfg, names[:12], c.dcs[0].Counts().Answers, nil)
}

// cutEverywhere cuts the connection at each of the answers that a read takes. alone, if not nil, judges the error of the read with one controller.
func cutEverywhere(t *testing.T, c *company, cfg Config, names []string, answers int, alone func(*testing.T, simad.Cut, error)) {
	t.Helper()
	one := cfg
	one.Controllers = one.Controllers[:1]
	cases := 0
	for place, name := range map[simad.Place]string{simad.Before: "before", simad.Inside: "inside", simad.After: "after"} {
		for n := 1; n <= answers+1; n++ {
			cases++
			cut := simad.Cut{N: n, Where: place}
			t.Run(fmt.Sprintf("%s %d", name, n), func(t *testing.T) {
				for i := range 2 {
					c.dcs[i].SetFaults(simad.Faults{})
				}
				c.dcs[0].SetFaults(simad.Faults{Cut: cut})
				got, err := accounts(t, open(t, cfg, Options{}))
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Errorf("with a second controller: %v, -want +got\n%s", err, diff)
				}
				c.dcs[0].SetFaults(simad.Faults{Cut: cut})
				got, err = accounts(t, open(t, one, Options{}))
				switch {
				case err == nil:
					if diff := cmp.Diff(names, got); diff != "" {
						t.Errorf("no error, and -want +got\n%s", diff)
					}
				case !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) != photopush.Offline:
					t.Errorf("got %v", err)
				case len(repeated(got)) > 0:
					t.Errorf("twice: %v", repeated(got))
				}
				if alone != nil {
					alone(t, cut, err)
				}
			})
		}
	}
	t.Logf("%d places", cases)
}

// TestCutOnBoth fails on every controller in the middle of a read, and says where.
func TestCutOnBoth(t *testing.T) {
	c := newCompany(t, 2)
	c.fill(t, 12)
	for _, dc := range c.dcs {
		dc.SetFaults(simad.Faults{Cut: simad.Cut{N: 11, Where: simad.Inside, Every: true}})
	}
	cfg := c.config()
	cfg.PageSize = 5
	got, err := accounts(t, open(t, cfg, Options{}))
	if !errors.Is(err, photopush.ErrNoDirectory) {
		t.Fatalf("got %v", err)
	}
	where := "offline: read users below " + staff + ", after 6 objects, the last CN=u0006," + staff + ": connection lost: unable to read LDAP response packet: unexpected EOF"
	want := "read directory corp.example: offline: no domain controller answers: " +
		c.dcs[0].URL("ldaps") + ": " + where + "; " + c.dcs[1].URL("ldaps") + ": " + where
	if err.Error() != want {
		t.Errorf("got  %s\nwant %s", err, want)
	}
	if len(got) != 6 || len(repeated(got)) > 0 {
		t.Errorf("delivered %v", got)
	}
}

// TestNoEnd answers a page without the control that says whether there is another one.
func TestNoEnd(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 3)
	c.dcs[0].SetFaults(simad.Faults{NoPaging: true})
	_, err := accounts(t, open(t, c.config(), Options{}))
	if !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), "the page has no end") {
		t.Errorf("got %v", err)
	}
}

// TestIdleConnectionLost cuts what lies idle; the next call does not notice.
func TestIdleConnectionLost(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	d := open(t, c.config(), Options{})
	for i := range 3 {
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Fatalf("read %d: %v, -want +got\n%s", i, err, diff)
		}
		c.dcs[0].CutConnections()
	}
	if n := c.dcs[0].Counts().Binds; n != 3 {
		t.Errorf("%d binds, want 3", n)
	}
}

// TestIdleConnectionDies cuts a connection that lay idle at the moment it is used again: that says nothing about its controller.
func TestIdleConnectionDies(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	d := open(t, c.config(), Options{})
	for n := range 6 {
		c.dcs[0].SetFaults(simad.Faults{Cut: simad.Cut{N: n, Where: simad.Before}})
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Errorf("cut at %d: %v, -want +got\n%s", n, err, diff)
		}
	}
}

// TestResultCodes lets every search end with a code.
func TestResultCodes(t *testing.T) {
	for code, want := range map[int]struct {
		reason photopush.Reason
		next   bool // the second controller is asked
	}{
		1: {photopush.Denied, false}, 3: {photopush.Timeout, true}, 4: {photopush.Quota, false}, 11: {photopush.Quota, false},
		12: {photopush.Unsupported, false}, 50: {photopush.Denied, false}, 51: {photopush.Offline, true}, 52: {photopush.Offline, true}, 80: {photopush.Unsupported, false},
	} {
		t.Run(fmt.Sprint(code), func(t *testing.T) {
			c := newCompany(t, 2)
			names := c.fill(t, 3)
			c.dcs[0].SetFaults(simad.Faults{Result: code})
			cfg := c.config()
			got, err := accounts(t, open(t, cfg, Options{}))
			if want.next {
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Errorf("with a second controller: %v, -want +got\n%s", err, diff)
				}
			}
			cfg.Controllers = cfg.Controllers[:1]
			got, err = accounts(t, open(t, cfg, Options{}))
			if photopush.ReasonOf(err) != want.reason || len(got) != 0 || errors.Is(err, photopush.ErrNoDirectory) != want.next {
				t.Errorf("got %v, %v", got, err)
			}
			if n := c.dcs[1].Counts().Searches; (n > 0) != want.next {
				t.Errorf("the second controller saw %d searches", n)
			}
		})
	}
}

// TestHang stops the server at each point. The time allowed is a second, the least that Validate takes.
func TestHang(t *testing.T) {
	for hang, name := range map[simad.Hang]string{
		simad.HangAccept: "accept", simad.HangBind: "bind", simad.HangSearch: "search", simad.HangPage: "page",
	} {
		for _, scheme := range []string{"ldaps", "ldap"} {
			if scheme == "ldap" && hang != simad.HangAccept {
				continue // past the handshake both are alike
			}
			t.Run(name+" "+scheme, func(t *testing.T) {
				t.Parallel()
				c := newCompany(t, 2)
				names := c.fill(t, 3)
				c.dcs[0].SetFaults(simad.Faults{Hang: hang})
				cfg := c.config()
				cfg.Timeout = time.Second
				cfg.Controllers[0] = c.dcs[0].URL(scheme)
				start := time.Now()
				got, err := accounts(t, open(t, cfg, Options{}))
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Errorf("%v, -want +got\n%s", err, diff)
				}
				cfg.Controllers = cfg.Controllers[:1]
				if _, err = accounts(t, open(t, cfg, Options{})); !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), "no answer") {
					t.Errorf("alone: %v", err)
				}
				if took := time.Since(start); took > 20*time.Second {
					t.Errorf("took %s", took)
				}
			})
		}
	}
}

// TestSlowIsNotSilent reads for longer than the timeout, which counts from one answer to the next.
func TestSlowIsNotSilent(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 1)
	names := c.fill(t, 12)
	c.dcs[0].SetFaults(simad.Faults{Delay: 120 * time.Millisecond})
	cfg := c.config()
	cfg.Timeout = time.Second
	got, err := accounts(t, open(t, cfg, Options{}))
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// TestCancel ends a call that waits for a silent server.
func TestCancel(t *testing.T) {
	for hang, name := range map[simad.Hang]string{
		simad.HangAccept: "accept", simad.HangBind: "bind", simad.HangSearch: "search", simad.HangPage: "page",
	} {
		for call, run := range map[string]func(context.Context, *Directory) error{
			"Users": func(ctx context.Context, d *Directory) error {
				return d.Users(ctx, photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error { return nil })
			},
			"User": func(ctx context.Context, d *Directory) error { _, _, err := d.User(ctx, "u0001"); return err },
		} {
			t.Run(name+" "+call, func(t *testing.T) {
				c := newCompany(t, 1)
				c.fill(t, 3)
				c.dcs[0].SetFaults(simad.Faults{Hang: hang})
				d := open(t, c.config(), Options{})
				ctx, cancel := context.WithCancel(t.Context())
				defer cancel()
				done := make(chan error, 1)
				go func() { done <- run(ctx, d) }()
				waitFor(t, func() bool { return stuck(c.dcs[0].Counts(), hang) })
				start := time.Now()
				cancel()
				select {
				case err := <-done:
					if !errors.Is(err, context.Canceled) {
						t.Errorf("got %v", err)
					}
				case <-time.After(5 * time.Second):
					t.Fatal("still waiting")
				}
				if took := time.Since(start); took > time.Second {
					t.Errorf("returned after %s", took)
				}
			})
		}
	}
}

// stuck tells whether a connection has reached the point where it hangs; a bind shows only as a connection.
func stuck(n simad.Counts, hang simad.Hang) bool {
	switch hang {
	case simad.HangSearch:
		return n.Binds > 0
	case simad.HangPage:
		return n.Entries > 0
	}
	return n.Connections > 0
}

func waitFor(t *testing.T, condition func() bool) {
	t.Helper()
	for end := time.Now().Add(10 * time.Second); !condition(); {
		if time.Now().After(end) {
			t.Fatal("waited in vain")
		}
		time.Sleep(time.Millisecond) // polling; nothing depends on its length
	}
}

// TestSecondController switches the first one off; it is not tried again while it rests, and first again afterwards.
func TestSecondController(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	now := time.Now()
	log := &logBuffer{}
	d := open(t, c.config(), Options{Logger: log.logger(), Now: func() time.Time { return now }})
	must(t, c.dcs[0].SetDown(true))
	for range 2 {
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Fatalf("%v, -want +got\n%s", err, diff)
		}
		c.dcs[1].CutConnections()
	}
	if n := strings.Count(log.String(), "domain controller cannot be used"); n != 1 {
		t.Errorf("%d log lines: %s", n, log)
	}
	must(t, c.dcs[0].SetDown(false))
	if _, err := accounts(t, d); err != nil || c.dcs[0].Counts().Binds != 0 {
		t.Errorf("%v; the first controller was asked before its rest was over", err)
	}
	now = now.Add(2 * restAfterFault)
	c.dcs[1].CutConnections()
	if _, err := accounts(t, d); err != nil || c.dcs[0].Counts().Binds != 1 {
		t.Errorf("%v; the first controller was not asked after its rest", err)
	}
}

// TestNoController names each controller and why, in one line.
func TestNoController(t *testing.T) {
	c := newCompany(t, 3)
	must(t, c.dcs[0].SetDown(true))
	c.dcs[1].SetCertificate(c.ca.issue(t, "elsewhere.corp.example", "10.0.0.9"))
	cfg := c.config()
	cfg.Controllers[2] = "ldaps://dc9.corp.example"
	d := open(t, cfg, Options{})
	for call, err := range map[string]error{
		"Users":        d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error { return nil }),
		"Workstations": d.Workstations(t.Context(), nil, func(photopush.Workstation) error { return nil }),
		"User":         errorOf2(d.User(t.Context(), "u1")),
		"Workstation":  errorOf(d.Workstation(t.Context(), "ws1")),
		"NetBIOS name": errorOf2(d.User(t.Context(), `CORP\u1`)),
	} {
		if !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) != photopush.Offline {
			t.Fatalf("%s returned %v", call, err)
		}
		got := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(err.Error(), "ADDR")
		want := "read directory corp.example: offline: no domain controller answers: " +
			c.dcs[0].URL("ldaps") + ": offline: dial tcp ADDR: connect: connection refused; " +
			c.dcs[1].URL("ldaps") + ": tls: the certificate is not for dc2.corp.example but for elsewhere.corp.example, 10.0.0.9: use that name in controllers: " +
			"tls: failed to verify certificate: x509: certificate is valid for elsewhere.corp.example, not dc2.corp.example; " +
			"ldaps://dc9.corp.example: dns: lookup dc9.corp.example on ADDR: no such host"
		if diff := cmp.Diff(strings.Split(want, "; "), strings.Split(got, "; ")); call != "NetBIOS name" && diff != "" {
			t.Errorf("%s: -want +got\n%s", call, diff)
		}
	}
}

func errorOf[T any](_ T, err error) error          { return err }
func errorOf2[T, U any](_ T, _ U, err error) error { return err }

func TestTLS(t *testing.T) {
	other := newAuthority(t)
	for name, test := range map[string]struct {
		scheme string
		break_ func(*testing.T, *company, *Config)
		reason photopush.Reason
		want   string
	}{
		"unknown CA": {"ldaps", func(t *testing.T, c *company, _ *Config) { c.dcs[0].SetCertificate(other.issue(t, "dc1.corp.example")) },
			photopush.TLS, `the certificate was issued by "CN=corp-CA", which is not trusted: name a file with that CA in ca_file: `},
		"unknown CA, StartTLS": {"ldap", func(t *testing.T, c *company, _ *Config) { c.dcs[0].SetCertificate(other.issue(t, "dc1.corp.example")) },
			photopush.TLS, `the certificate was issued by "CN=corp-CA", which is not trusted: name a file with that CA in ca_file: `},
		"the system's CAs": {"ldaps", func(_ *testing.T, _ *company, cfg *Config) { cfg.CAFile = "" },
			photopush.TLS, `which is not trusted: name a file with that CA in ca_file: `},
		"wrong name": {"ldap", func(t *testing.T, c *company, _ *Config) { c.dcs[0].SetCertificate(c.ca.issue(t, "dc9.corp.example")) },
			photopush.TLS, "the certificate is not for dc1.corp.example but for dc9.corp.example: use that name in controllers: "},
		"no name": {"ldaps", func(t *testing.T, c *company, cfg *Config) { cfg.Controllers[0] = "ldaps://" + c.dcs[0].LDAPSAddr() },
			photopush.TLS, "the certificate is not for 127.0.0.1 but for dc1.corp.example: use that name in controllers: "},
		"expired": {"ldaps", func(t *testing.T, c *company, _ *Config) {
			c.dcs[0].SetCertificate(c.ca.issueUntil(t, time.Now().Add(-time.Minute), "dc1.corp.example"))
		}, photopush.TLS, "the certificate is not valid now: renew it on the controller, or check the clocks: "},
		"no certificate": {"ldaps", func(_ *testing.T, c *company, _ *Config) { c.dcs[0].SetCertificate(tls.Certificate{}) },
			photopush.TLS, "the controller closed the connection during the TLS handshake: it may have no certificate yet: "},
		"no certificate, StartTLS": {"ldap", func(_ *testing.T, c *company, _ *Config) { c.dcs[0].SetCertificate(tls.Certificate{}) },
			photopush.TLS, "StartTLS was refused: the controller may have no certificate yet: LDAP result 52 Unavailable: "},
		"StartTLS answer cut": {"ldap", func(_ *testing.T, c *company, _ *Config) {
			c.dcs[0].SetFaults(simad.Faults{Cut: simad.Cut{N: 1, Where: simad.Inside}})
		}, photopush.Offline, "StartTLS: connection lost: unexpected EOF"},
		"TLS where there is none": {"ldaps", func(t *testing.T, _ *company, cfg *Config) { cfg.Controllers[0] = "ldaps://" + plainServer(t) },
			photopush.TLS, "the port does not speak TLS: use ldap:// for a port that starts TLS, usually 389: "},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, 1)
			cfg := c.config()
			cfg.Controllers[0] = c.dcs[0].URL(test.scheme)
			test.break_(t, c, &cfg)
			_, err := accounts(t, open(t, cfg, Options{}))
			if photopush.ReasonOf(err) != test.reason || !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
			if n := c.dcs[0].Counts(); n.Binds+n.FailedBinds != 0 {
				t.Errorf("the password was sent: %+v", n)
			}
		})
	}
}

// plainServer answers everything with text.
func plainServer(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			io.WriteString(c, "220 mail.corp.example\r\n")
			io.Copy(io.Discard, c)
			c.Close()
		}
	})
	t.Cleanup(func() { l.Close(); wg.Wait() })
	return l.Addr().String()
}

func TestCAFile(t *testing.T) {
	cfg := goodConfig()
	dir := t.TempDir()
	empty := filepath.Join(dir, "empty.pem")
	must(t, os.WriteFile(empty, []byte("nothing"), 0o600))
	for file, want := range map[string]string{
		filepath.Join(dir, "gone.pem"): "no such file or directory", empty: "it holds no PEM certificate",
	} {
		cfg.CAFile = file
		if _, err := New(cfg, Options{}); photopush.ReasonOf(err) != photopush.TLS || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), file) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

func TestResolver(t *testing.T) {
	c := newCompany(t, 1)
	c.AddHost("ws1.corp.example", netip.MustParseAddr("127.0.0.77"))
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	deadAddr := dead.LocalAddr().String()
	must(t, dead.Close())
	cfg := Config{Name: "corp.example", DNSServers: []string{deadAddr, c.dcs[0].DNSAddr()}}
	r := cfg.Resolver()
	for _, name := range []string{"ws1.corp.example", "WS1.Corp.Example", "ws1.corp.example."} {
		if got, err := r.LookupHost(t.Context(), name); err != nil || cmp.Diff([]string{"127.0.0.77"}, got) != "" {
			t.Errorf("%s is %v, %v", name, got, err)
		}
	}
	if got, err := r.LookupHost(t.Context(), "10.1.2.3"); err != nil || cmp.Diff([]string{"10.1.2.3"}, got) != "" {
		t.Errorf("an address is %v, %v", got, err)
	}
	_, err = r.LookupHost(t.Context(), "ws2.corp.example")
	if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound || e.Server != c.dcs[0].DNSAddr() || e.Name != "ws2.corp.example" {
		t.Errorf("got %v", err)
	}
	if got, err := r.LookupHost(t.Context(), "localhost"); err != nil || len(got) == 0 {
		t.Errorf("a name of another domain is %v, %v", got, err)
	}
}

// A DNS server that is silent, as one that is off, leaves time for the next: dialling a workstation has less than a resolver has patience.
func TestSilentDNSServer(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 1)
	c.AddHost("ws1.corp.example", netip.MustParseAddr("127.0.0.77"))
	silent, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	defer silent.Close()
	cfg := Config{Name: "corp.example", DNSServers: []string{silent.LocalAddr().String(), c.dcs[0].DNSAddr()}}
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	if got, err := cfg.Resolver().LookupHost(ctx, "ws1.corp.example"); err != nil || cmp.Diff([]string{"127.0.0.77"}, got) != "" {
		t.Errorf("got %v, %v", got, err)
	}
}

// TestLapsedSignIn has connections that lie idle until their sign-in has ended: a read opens a new one. On a new connection the same
// answer is the last word, and no connection with it is used again.
func TestLapsedSignIn(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	d := open(t, c.config(), Options{})
	for i := range 3 {
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Fatalf("%v, -want +got\n%s", err, diff)
		}
		if _, err := d.Changes(t.Context(), nil); err != nil {
			t.Error(err)
		}
		if n := c.dcs[0].Counts(); n.Binds != i+1 || n.Connections != i+1 {
			t.Errorf("after %d lapses the controller counts %+v", i, n)
		}
		c.dcs[0].LapseSignIns()
	}
	d = open(t, c.config(), Options{})
	c.dcs[0].SetFaults(simad.Faults{Result: 1})
	for range 3 {
		before := c.dcs[0].Counts().Connections
		if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.Denied || c.dcs[0].Counts().Connections != before+1 {
			t.Errorf("got %v after %d connections", err, c.dcs[0].Counts().Connections-before)
		}
	}
}

func TestLapsedSignInOfWriter(t *testing.T) {
	c, ada := newWriter(t, 1)
	d := open(t, c.config(), Options{})
	for _, step := range []photopush.PhotoSwap{swapOf(ada, vals("old"), vals("new")), swapOf(ada, vals("new"), vals("newer"))} {
		must(t, d.SwapPhoto(t.Context(), step))
		c.dcs[0].LapseSignIns()
	}
	if got, n := has(t, d, ada, "thumbnailPhoto"), c.dcs[0].Counts().Changes; got != "newer" || n != 2 {
		t.Errorf("%q after %d changes", got, n)
	}
}
