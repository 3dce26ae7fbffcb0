//go:build linux

package gss_test

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
)

const judged = "HTTP/pc1.corp.example"

func password(t *testing.T, text string) photopush.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return photopush.Secret{File: file}
}

func client(t *testing.T, k *krblab.KDC, account gss.KerberosAccount, change ...func(*gss.KerberosConfig)) *gss.Kerberos {
	t.Helper()
	cfg := gss.DefaultKerberosConfig()
	cfg.Realm, cfg.KDCs = krblab.Realm, []string{k.Addr}
	for _, f := range change {
		f(&cfg)
	}
	c, err := gss.NewKerberos(cfg, account, gss.KerberosOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// meet makes a context between our client and MIT's library.
func meet(t *testing.T, c *gss.Kerberos, a *krblab.Acceptor, target gss.Target) (gss.Context, string, error) {
	t.Helper()
	i, err := c.Initiate(t.Context(), target)
	if err != nil {
		return nil, "", err
	}
	token, _, err := i.Step(t.Context(), nil)
	if err != nil {
		return nil, "", err
	}
	answer, name, err := a.Step(token)
	if err != nil {
		return nil, "", err
	}
	_, done, err := i.Step(t.Context(), answer)
	if err == nil && !done {
		t.Fatal("the context is not there after the answer")
	}
	return i, name, err
}

// TestMITJudgesSealing: MIT's library unwraps what we seal, and we unseal what it wraps, in WinRM's layout.
func TestMITJudgesSealing(t *testing.T) {
	for types, header := range map[string]int{"aes256-cts": 60, "aes128-cts": 60, "aes256-sha2": 72, "aes128-sha2": 64} {
		t.Run(types, func(t *testing.T) {
			t.Parallel()
			k := krblab.New(t, types)
			k.AddUser("svc", "Secret-1")
			keytab := k.Keytab(judged)
			c := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")})
			for _, bare := range []bool{false, true} {
				a := k.Accept(keytab, nil)
				i, name, err := meet(t, c, a, gss.Target{SPNs: []string{judged}, Bare: bare})
				if err != nil || name != "svc@"+krblab.Realm {
					t.Fatalf("bare %v: %q, %v", bare, name, err)
				}
				for _, size := range []int{0, 1, 15, 16, 17, 1000, 65536, 410_000, 2 << 20} {
					message := bytes.Repeat([]byte("photo"), size/5+1)[:size]
					sealed, n, err := i.Seal(nil, message)
					if err != nil || n != header {
						t.Fatalf("%d bytes: header %d, %v", size, n, err)
					}
					answer, split, err := a.Echo(sealed)
					if err != nil || split != strconv.Itoa(header) {
						t.Fatalf("%d bytes: MIT splits off %s, %v", size, split, err)
					}
					if got, err := i.Unseal(answer); err != nil || !bytes.Equal(got, message) {
						t.Fatalf("%d bytes from MIT: %v", size, err)
					}
				}
				judgeSigning(t, i, a)
			}
			if s := c.Stats(); s.AS != 2 || s.TGS != 1 {
				t.Errorf("%+v for two contexts, want 2 requests to sign in and 1 ticket", s)
			}
		})
	}
}

// judgeSigning: MIT's library verifies what we sign, and we verify what it signs; neither side takes a message of the other kind.
func judgeSigning(t *testing.T, i gss.Context, a *krblab.Acceptor) {
	t.Helper()
	for _, size := range []int{1, 4, 16, 1000, 65536} {
		message := bytes.Repeat([]byte("layer"), size/5+1)[:size]
		signed, err := i.Sign([]byte("before"), message)
		if err != nil || !bytes.HasPrefix(signed, []byte("before")) || !bytes.Contains(signed, message) {
			t.Fatalf("%d bytes signed: %v", size, err)
		}
		answer, err := a.Sign(signed[6:])
		if err != nil {
			t.Fatalf("%d bytes: %v", size, err)
		}
		if _, err := i.Unseal(bytes.Clone(answer)); photopush.ReasonOf(err) != photopush.Unsupported {
			t.Fatalf("a signed message was taken for a sealed one: %v", err)
		}
		if got, err := i.Verify(answer); err != nil || !bytes.Equal(got, message) {
			t.Fatalf("%d bytes from MIT: %v", size, err)
		}
	}
}

func TestMITJudgesChannelBinding(t *testing.T) {
	k := krblab.New(t)
	k.AddUser("svc", "Secret-1")
	keytab := k.Keytab(judged)
	c := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")})
	for _, x := range []struct {
		name         string
		ours, theirs []byte
		ok           bool
	}{
		{"right", []byte("tls-server-end-point:1"), []byte("tls-server-end-point:1"), true},
		{"wrong", []byte("tls-server-end-point:2"), []byte("tls-server-end-point:1"), false},
		{"missing", nil, []byte("tls-server-end-point:1"), true}, // the library takes a client that binds to nothing
	} {
		_, _, err := meet(t, c, k.Accept(keytab, x.theirs), gss.Target{SPNs: []string{judged}, Bindings: x.ours})
		if x.ok != (err == nil) {
			t.Errorf("%s binding: %v", x.name, err)
		}
	}
}

// TestMITKDC: keytab, cache, names, refusals, and what each costs the KDC.
func TestMITKDC(t *testing.T) {
	k := krblab.New(t)
	k.AddUser("svc", "Secret-1")
	k.AddUser("other", "Secret-2")
	keytab := k.Keytab(judged, "WSMAN/pc2.corp.example")
	for name, account := range map[string]gss.KerberosAccount{
		"keytab": {User: "svc@" + krblab.Realm, KeytabFile: k.Keytab("svc")},
		"cache":  {CacheFile: k.Cache("svc", "Secret-1")},
	} {
		if _, who, err := meet(t, client(t, k, account), k.Accept(keytab, nil), gss.Target{SPNs: []string{judged}}); err != nil || who != "svc@"+krblab.Realm {
			t.Errorf("%s: %q, %v", name, who, err)
		}
	}
	c := client(t, k, gss.KerberosAccount{User: "other", Password: password(t, "Secret-2")})
	i, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"HTTP/pc2.corp.example", "WSMAN/pc2.corp.example"}})
	if err != nil || i.Peer() != "WSMAN/pc2.corp.example" {
		t.Errorf("the second name: %v", err)
	}
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"HTTP/pc3.corp.example"}}); photopush.ReasonOf(err) != photopush.WrongHost {
		t.Errorf("an unknown name: %v", err)
	}
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"HTTP/127.0.0.1"}}); photopush.ReasonOf(err) != photopush.DNS {
		t.Errorf("an address: %v", err)
	}
	if _, _, err := meet(t, c, k.Accept(k.Keytab("HTTP/pc9.corp.example"), nil), gss.Target{SPNs: []string{judged}}); err == nil {
		t.Error("a service without the key made a context")
	}
	wrong := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Wrong-1")})
	_, _, before := k.Requests()
	if _, err := wrong.Initiate(t.Context(), gss.Target{SPNs: []string{judged, "WSMAN/pc1.corp.example"}}); photopush.ReasonOf(err) != photopush.Auth {
		t.Errorf("a wrong password: %v", err)
	}
	if _, _, after := k.Requests(); after-before != 1 {
		t.Errorf("the KDC saw a wrong password %d times, want once", after-before)
	}
	var all sync.WaitGroup
	gate := make(chan struct{})
	for range 8 {
		all.Go(func() {
			<-gate
			_, err := wrong.Initiate(context.WithoutCancel(t.Context()), gss.Target{SPNs: []string{judged}})
			if photopush.ReasonOf(err) != photopush.Auth || strings.Contains(err.Error(), "Wrong-1") {
				t.Errorf("a wrong password: %v", err)
			}
		})
	}
	close(gate)
	all.Wait()
	k.Kill()
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"HTTP/pc4.corp.example"}}); photopush.ReasonOf(err) != photopush.KDC || !strings.Contains(err.Error(), k.Addr) {
		t.Errorf("a dead KDC: %v", err)
	}
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"WSMAN/pc2.corp.example"}}); err != nil {
		t.Errorf("a ticket that is there, with a dead KDC: %v", err)
	}
	k.Start()
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{judged}}); err != nil {
		t.Errorf("the KDC is back: %v", err)
	}
}

// TestForbiddenService: a policy that keeps the account from one service is that service's refusal; the account is not rejected, and goes on to others.
func TestForbiddenService(t *testing.T) {
	k := krblab.New(t)
	k.AddUser("svc", "Secret-1")
	k.Keytab(judged, "WSMAN/silo.corp.example")
	k.Forbid("WSMAN/silo.corp.example")
	c := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")})
	for range 2 {
		_, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{"WSMAN/silo.corp.example"}})
		if photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(photopush.Remedy(err), "Let the account sign in to silo.corp.example") {
			t.Errorf("the forbidden service: %v; %s", err, photopush.Remedy(err))
		}
		if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{judged}}); err != nil {
			t.Errorf("another service: %v", err)
		}
	}
	if as, _, failed := k.Requests(); as != 1 || failed != 0 {
		t.Errorf("the account has signed in %d times, %d of them in vain, want once", as, failed)
	}
}

// TestFindingKDCs: by the configuration, by krb5.conf, by DNS; one that does not answer is passed over for the next.
func TestFindingKDCs(t *testing.T) {
	k := krblab.New(t)
	k.AddUser("svc", "Secret-1")
	k.Keytab(judged)
	host, text, err := net.SplitHostPort(k.Addr)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		t.Fatal(err)
	}
	silent, accepted := silentKDC(t)
	for name, x := range map[string]struct {
		cfg   gss.KerberosConfig
		found []*net.SRV
		asked string
	}{
		"configured":             {cfg: gss.KerberosConfig{KDCs: []string{k.Addr}}},
		"configured, one silent": {cfg: gss.KerberosConfig{KDCs: []string{silent, k.Addr}}},
		"krb5.conf":              {cfg: gss.KerberosConfig{Krb5Conf: k.Krb5Conf}},
		"DNS":                    {found: []*net.SRV{{Target: host + ".", Port: uint16(port)}}, asked: "_kerberos._tcp.corp.example"},
	} {
		asked := ""
		x.cfg.Realm, x.cfg.Timeout = krblab.Realm, time.Second
		c, err := gss.NewKerberos(x.cfg, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")}, gss.KerberosOptions{
			LookupSRV: func(_ context.Context, service, proto, name string) ([]*net.SRV, error) {
				asked = "_" + service + "._" + proto + "." + name
				return x.found, nil
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{judged}}); err != nil || asked != x.asked {
			t.Errorf("%s: %v; DNS was asked for %q", name, err, asked)
		}
	}
	if n := accepted.Load(); n != 1 {
		t.Errorf("the silent KDC was asked %d times, want once: it is asked last then", n)
	}
	c, err := gss.NewKerberos(gss.KerberosConfig{Realm: krblab.Realm, Timeout: time.Second}, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")},
		gss.KerberosOptions{LookupSRV: func(context.Context, string, string, string) ([]*net.SRV, error) { return nil, nil }})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Initiate(t.Context(), gss.Target{SPNs: []string{judged}}); photopush.ReasonOf(err) != photopush.KDC || !strings.Contains(err.Error(), "kerberos.kdcs") {
		t.Errorf("no KDC at all: %v", err)
	}
}

// silentKDC takes connections and never answers; they are counted.
func silentKDC(t *testing.T) (addr string, accepted *atomic.Int32) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	accepted = new(atomic.Int32)
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted.Add(1)
			defer c.Close()
		}
	})
	t.Cleanup(func() {
		l.Close()
		serving.Wait()
	})
	return l.Addr().String(), accepted
}

// TestSilentKDCs: where none answers, that is what is said, also when the caller's own time runs out first; who gives up is not told so.
func TestSilentKDCs(t *testing.T) {
	one, _ := silentKDC(t)
	two, _ := silentKDC(t)
	cfg := gss.KerberosConfig{Realm: krblab.Realm, KDCs: []string{one, two}, Timeout: 30 * time.Second}
	for want, end := range map[photopush.Reason]func(context.Context) (context.Context, context.CancelFunc){
		photopush.KDC: func(ctx context.Context) (context.Context, context.CancelFunc) {
			return context.WithTimeout(ctx, 100*time.Millisecond)
		},
		photopush.Timeout: func(ctx context.Context) (context.Context, context.CancelFunc) {
			ctx, cancel := context.WithCancel(ctx)
			time.AfterFunc(100*time.Millisecond, cancel)
			return ctx, cancel
		},
	} {
		c, err := gss.NewKerberos(cfg, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")}, gss.KerberosOptions{})
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := end(t.Context())
		if _, err := c.Initiate(ctx, gss.Target{SPNs: []string{judged}}); photopush.ReasonOf(err) != want {
			t.Errorf("got %v, want %s", err, want)
		}
		cancel()
	}
}

// TestManyTickets: many workstations at once, as a pass begins, are no burden that MIT's KDC would hang up on, and one KDC that is silent costs them its
// time-out once.
func TestManyTickets(t *testing.T) {
	k := krblab.New(t)
	silent, accepted := silentKDC(t)
	k.AddUser("svc", "Secret-1")
	names := make([]string, 150)
	for i := range names {
		names[i] = fmt.Sprintf("HTTP/pc%d.corp.example", i)
	}
	k.Keytab(names...)
	one := func(c *gss.KerberosConfig) { c.KDCs, c.Timeout = []string{silent, k.Addr}, 3*time.Second }
	c := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")}, one)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			if _, err := c.Initiate(ctx, gss.Target{SPNs: []string{name}}); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if s := c.Stats(); s.AS != 2 || s.TGS != len(names) {
		t.Errorf("%+v for %d services", s, len(names))
	}
	if n := accepted.Load(); n != 1 { // it was asked to sign in
		t.Errorf("the silent KDC was asked %d times", n)
	}
}

// TestRC4: a ticket under an RC4 key, and an account that has no other key, are used only where that is allowed; messages are sealed with AES then too. The
// account's key is made of a password with other letters than those of ASCII.
func TestRC4(t *testing.T) {
	k := krblab.New(t, "aes256-cts", "arcfour-hmac")
	k.AddUser("svc", "Secret-1")
	k.AddUser("old", "Secret-ä1", "arcfour-hmac")
	keytab := k.KeytabRC4(judged)
	allowed := func(c *gss.KerberosConfig) { c.AllowRC4 = true }
	for user, secret := range map[string]string{"svc": "Secret-1", "old": "Secret-ä1"} {
		account := gss.KerberosAccount{User: user, Password: password(t, secret)}
		if _, err := client(t, k, account).Initiate(t.Context(), gss.Target{SPNs: []string{judged}}); err == nil {
			t.Errorf("%s: RC4 was not allowed, and used", user)
		}
		i, name, err := meet(t, client(t, k, account, allowed), k.Accept(keytab, nil), gss.Target{SPNs: []string{judged}})
		if err != nil || name != user+"@"+krblab.Realm {
			t.Errorf("%s: %q, %v", user, name, err)
			continue
		}
		if _, header, err := i.Seal(nil, []byte("x")); err != nil || header != 60 {
			t.Errorf("%s: sealed with a header of %d, %v, want that of AES", user, header, err)
		}
	}
	_, err := client(t, k, gss.KerberosAccount{User: "svc", Password: password(t, "Secret-1")}).Initiate(t.Context(), gss.Target{SPNs: []string{judged}})
	if photopush.ReasonOf(err) != photopush.KDC || !strings.Contains(err.Error(), "allow_rc4") {
		t.Errorf("RC4 that is not allowed: %v", err)
	}
}
