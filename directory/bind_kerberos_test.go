//go:build linux

package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
)

const (
	kerberosHost1 = "dc1.corp.example"
	kerberosUser  = "svc"
	kerberosPwd   = "Secret-1"
)

// A realm is a KDC with an account, and services of LDAP under the names of controllers.
type realm struct {
	*krblab.KDC
	ca       *authority
	caFile   string
	password string // file

	mu    sync.Mutex
	addrs map[string]string // of controllers, by host
}

func newRealm(t *testing.T) *realm {
	t.Helper()
	r := &realm{KDC: krblab.New(t), ca: newAuthority(t), addrs: map[string]string{}}
	r.AddUser(kerberosUser, kerberosPwd)
	dir := t.TempDir()
	r.caFile, r.password = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	must(t, os.WriteFile(r.caFile, r.ca.pem, 0o600))
	must(t, os.WriteFile(r.password, []byte(kerberosPwd+"\n"), 0o600))
	return r
}

// principal is the name of a controller's LDAP service that only domain controllers have.
func principal(host string) string { return "ldap/" + host + "/corp.example" }

// serve starts a service as the controller of that name.
func (r *realm) serve(host, keytab string, o krblab.LDAPOptions) *krblab.Service {
	s := r.ServeLDAP(keytab, o)
	r.name(host, s.Addr)
	return s
}

func (r *realm) name(host, addr string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.addrs[host] = addr
}

// config reads the domain at those controllers.
func (r *realm) config(controllers ...string) Config {
	cfg := goodConfig()
	cfg.Controllers, cfg.DNSServers, cfg.CAFile, cfg.Timeout = controllers, nil, r.caFile, 10*time.Second
	cfg.Account = Account{Auth: authKerberos, BindUser: kerberosUser, PasswordFile: r.password}
	return cfg
}

func (r *realm) dial(ctx context.Context, network, address string) (net.Conn, error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	addr := r.addrs[host]
	r.mu.Unlock()
	return new(net.Dialer).DialContext(ctx, network, addr)
}

// open makes a Directory, with tickets when its account wants them.
func (r *realm) open(t *testing.T, cfg Config) *Directory {
	t.Helper()
	o := Options{DialContext: r.dial}
	if account := cfg.KerberosAccount(); account != nil {
		k := gss.DefaultKerberosConfig()
		k.Realm, k.KDCs, k.Timeout = krblab.Realm, []string{r.Addr}, time.Second
		var err error
		o.Kerberos, err = gss.NewKerberos(k, *account, gss.KerberosOptions{})
		must(t, err)
		t.Cleanup(func() { o.Kerberos.Close() })
	}
	return open(t, cfg, o)
}

// signedIn tells whether the directory answers: the service finds nothing for those who are signed in, and refuses all others.
func signedIn(t *testing.T, d *Directory) error {
	t.Helper()
	_, _, err := d.User(t.Context(), "u1")
	if errors.Is(err, photopush.ErrUnknownUser) {
		return nil
	}
	if err == nil {
		t.Fatal("a user was found")
	}
	return err
}

// certificate writes a certificate for those names, with its key, to one file.
func (r *realm) certificate(t *testing.T, names ...string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "certificate.pem")
	must(t, os.WriteFile(file, pemOf(t, r.ca.issue(t, names...)), 0o600))
	return file
}

// TestKerberosWithinTLS: a service that demands the binding to its certificate, and refuses to protect messages twice, lets us in.
func TestKerberosWithinTLS(t *testing.T) {
	r := newRealm(t)
	keytab := r.Keytab(principal(kerberosHost1))
	certificate := r.certificate(t, kerberosHost1)
	for scheme, start := range map[string]bool{"ldaps": false, "ldap": true} {
		t.Run(scheme, func(t *testing.T) {
			s := r.serve(kerberosHost1, keytab, krblab.LDAPOptions{Certificate: certificate, StartTLS: start, Own: true})
			d := r.open(t, r.config(scheme+"://"+kerberosHost1))
			if err := signedIn(t, d); err != nil {
				t.Error(err)
			}
			if said, want := s.Said(), "signed-in svc@CORP.EXAMPLE layer 1 at most 0"; said != want {
				t.Errorf("the service says %q, want %q", said, want)
			}
		})
	}
}

// TestChannelBinding: who is bound to another channel, or to none, is refused by such a service; that is told apart from all other refusals.
func TestChannelBinding(t *testing.T) {
	r := newRealm(t)
	keytab := r.Keytab(principal(kerberosHost1))
	certificate := r.certificate(t, kerberosHost1)

	t.Run("another one", func(t *testing.T) {
		r.serve(kerberosHost1, keytab, krblab.LDAPOptions{Certificate: certificate, Binding: []byte("tls-server-end-point:another")})
		err := signedIn(t, r.open(t, r.config("ldaps://"+kerberosHost1)))
		if photopush.ReasonOf(err) != photopush.TLS || !strings.Contains(err.Error(), "sees another TLS connection than we do") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("TLS ends in between", func(t *testing.T) {
		s := r.serve(kerberosHost1, keytab, krblab.LDAPOptions{Certificate: certificate, Own: true})
		r.name(kerberosHost1, interceptor(t, s.Addr, r.ca.issue(t, kerberosHost1)))
		err := signedIn(t, r.open(t, r.config("ldaps://"+kerberosHost1)))
		if photopush.ReasonOf(err) != photopush.TLS || !strings.Contains(err.Error(), "data 80090346") {
			t.Errorf("got %v", err)
		}
	})
	t.Run("none", func(t *testing.T) {
		s := r.serve(kerberosHost1, keytab, krblab.LDAPOptions{Certificate: certificate, Own: true})
		d := r.open(t, r.config("ldaps://"+kerberosHost1))
		conn, err := tls.Dial("tcp", s.Addr, &tls.Config{RootCAs: d.tls.RootCAs, ServerName: kerberosHost1})
		must(t, err)
		defer conn.Close()
		unaware := &channel{Conn: conn, raw: conn, controller: d.controllers[0], timeout: time.Second} // as if there was no TLS
		_, err = d.bind.bind(t.Context(), unaware)
		if lost, ok := errors.AsType[*lostError](err); !ok || lost.reason != photopush.TLS || !strings.Contains(err.Error(), "data 80090346") {
			t.Errorf("got %v", err)
		}
	})
}

// interceptor ends TLS with a certificate of its own, and begins it anew to addr.
func interceptor(t *testing.T, addr string, certificate tls.Certificate) string {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	must(t, err)
	relay(t, l, func() (net.Conn, error) { return tls.Dial("tcp", addr, &tls.Config{InsecureSkipVerify: true}) }, plainPipe)
	return l.Addr().String()
}

// relay carries what comes to a listener on to what dial connects to, both ways by pipe, until the test ends.
func relay(t *testing.T, l net.Listener, dial func() (net.Conn, error), pipe func(to, from net.Conn, answers bool)) {
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			near, err := l.Accept()
			if err != nil {
				return
			}
			far, err := dial()
			if err != nil {
				near.Close()
				continue
			}
			wg.Go(func() { defer far.Close(); defer near.Close(); pipe(far, near, false) })
			wg.Go(func() { defer far.Close(); defer near.Close(); pipe(near, far, true) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		wg.Wait()
	})
}

func plainPipe(to, from net.Conn, _ bool) { _, _ = io.Copy(to, from) } // it ends with either connection

// TestSealedByMIT: MIT's library unseals what is written, in buffers that are no longer than it says, and what it seals is read.
func TestSealedByMIT(t *testing.T) {
	r := newRealm(t)
	keytab := r.Keytab(principal(kerberosHost1))
	cfg := r.config("ldap://" + kerberosHost1)
	cfg.Encryption = overSealed
	cfg.Users.Filter = "(|" + strings.Repeat("(department=Sales and Shipping)", 100) + ")"
	for name, c := range map[string]struct {
		o    krblab.LDAPOptions
		want string // the buffers of the answer to the search for users, after that for their base
	}{
		"usual":              {krblab.LDAPOptions{}, "search in 1 buffers"},
		"short buffers":      {krblab.LDAPOptions{Offer: []byte{4, 0, 0, 200}}, "search in 29 buffers"},
		"in single bytes":    {krblab.LDAPOptions{Chunk: 1}, "search in 1 buffers"},
		"the largest number": {krblab.LDAPOptions{Offer: []byte{5, 0xff, 0xff, 0xff}}, "search in 1 buffers"},
	} {
		t.Run(name, func(t *testing.T) {
			s := r.serve(kerberosHost1, keytab, c.o)
			if err := signedIn(t, r.open(t, cfg)); err != nil {
				t.Error(err)
			}
			for _, want := range []string{"signed-in svc@CORP.EXAMPLE layer 4 at most 131072", "search in 1 buffers", c.want} {
				if said := s.Said(); said != want {
					t.Errorf("the service says %q, want %q", said, want)
				}
			}
		})
	}
}

// TestOffers refuses what is not enough, or malformed.
func TestOffers(t *testing.T) {
	r := newRealm(t)
	keytab := r.Keytab(principal(kerberosHost1))
	certificate := r.certificate(t, kerberosHost1)
	for name, c := range map[string]struct {
		scheme string
		o      krblab.LDAPOptions
		want   string
	}{
		"no sealing":         {"ldap", krblab.LDAPOptions{Offer: []byte{3, 1, 0, 0}}, "the controller does not encrypt with Kerberos"},
		"no room":            {"ldap", krblab.LDAPOptions{Offer: []byte{7, 0, 0, 72}}, "at most 72 bytes, which is none"},
		"short":              {"ldap", krblab.LDAPOptions{Offer: []byte{7}}, "malformed"},
		"long":               {"ldap", krblab.LDAPOptions{Offer: []byte{7, 1, 0, 0, 0}}, "malformed"},
		"sealed":             {"ldap", krblab.LDAPOptions{Sealed: true}, "wrong direction or key"},
		"always with a seal": {"ldaps", krblab.LDAPOptions{Certificate: certificate, Offer: []byte{6, 1, 0, 0}}, "wants Kerberos to protect messages within TLS too"},
	} {
		t.Run(name, func(t *testing.T) {
			r.serve(kerberosHost1, keytab, c.o)
			cfg := r.config(c.scheme + "://" + kerberosHost1)
			cfg.Encryption = overSealed
			err := signedIn(t, r.open(t, cfg))
			if photopush.ReasonOf(err) != photopush.Unsupported || !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestKerberosWrongPassword costs one attempt at the KDC, whatever is asked, and of how many controllers.
func TestKerberosWrongPassword(t *testing.T) {
	r := newRealm(t)
	keytab := r.Keytab(principal(kerberosHost1), principal("dc2.corp.example"))
	for _, host := range []string{kerberosHost1, "dc2.corp.example"} {
		r.serve(host, keytab, krblab.LDAPOptions{})
	}
	must(t, os.WriteFile(r.password, []byte("wrong\n"), 0o600))
	cfg := r.config("ldap://"+kerberosHost1, "ldap://dc2.corp.example")
	cfg.Encryption = overSealed
	d := r.open(t, cfg)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 2 {
				if err := signedIn(t, d); photopush.ReasonOf(err) != photopush.Auth || errors.Is(err, photopush.ErrNoDirectory) {
					t.Errorf("got %v", err)
				}
			}
		})
	}
	wg.Wait()
	if _, _, failed := r.Requests(); failed != 1 {
		t.Errorf("the KDC counts %d wrong passwords, want 1", failed)
	}
	must(t, os.WriteFile(r.password, []byte(kerberosPwd+"\r\n"), 0o600))
	if err := signedIn(t, d); err != nil {
		t.Errorf("with the right password: %v", err)
	}
}

// TestNoKDC: a KDC that is away is no rejected credential, and a ticket that is there still serves.
func TestNoKDC(t *testing.T) {
	r := newRealm(t)
	s := r.serve(kerberosHost1, r.Keytab(principal(kerberosHost1)), krblab.LDAPOptions{})
	cfg := r.config("ldap://" + kerberosHost1)
	cfg.Encryption = overSealed
	d := r.open(t, cfg)
	r.Kill()
	for range 2 {
		if err := signedIn(t, d); photopush.ReasonOf(err) != photopush.KDC || !errors.Is(err, photopush.ErrNoDirectory) {
			t.Fatalf("got %v", err)
		}
	}
	r.Start()
	must(t, signedIn(t, d))
	s.Said()
	r.Kill()
	d.idle[0].drop()
	if err := signedIn(t, d); err != nil {
		t.Errorf("with a ticket: %v", err)
	}
}

// TestOneControllersFault: what is wrong with one controller sends us to the next one.
func TestOneControllersFault(t *testing.T) {
	const other = "dc2.corp.example"
	r := newRealm(t)
	good := r.Keytab(principal(other))
	for name, c := range map[string]struct {
		keytab string // of the first controller
		reason photopush.Reason
	}{
		"name unknown to the KDC": {good, photopush.WrongHost},
		"another key":             {r.outdated(t), photopush.WrongHost},
	} {
		t.Run(name, func(t *testing.T) {
			host := map[bool]string{true: "dc3.corp.example", false: kerberosHost1}[c.keytab == good]
			r.serve(host, c.keytab, krblab.LDAPOptions{})
			s := r.serve(other, good, krblab.LDAPOptions{})
			cfg := r.config("ldap://"+host, "ldap://"+other)
			cfg.Encryption = overSealed
			if err := signedIn(t, r.open(t, cfg)); err != nil {
				t.Error(err)
			}
			if said := s.Said(); !strings.HasPrefix(said, "signed-in svc@") {
				t.Errorf("the other one says %q", said)
			}
			cfg.Controllers = cfg.Controllers[:1]
			err := signedIn(t, r.open(t, cfg))
			if photopush.ReasonOf(err) != c.reason || !errors.Is(err, photopush.ErrNoDirectory) {
				t.Errorf("alone: %v, want %s", err, c.reason)
			}
		})
	}
}

// outdated is a keytab of the first controller whose key is no more that of the KDC.
func (r *realm) outdated(t *testing.T) string {
	t.Helper()
	old := r.Keytab(principal(kerberosHost1))
	r.Keytab(principal(kerberosHost1)) // makes another one
	return old
}

// TestKerberosSecrets: a secret that cannot be tried is told as such, and no other controller or KDC is asked.
func TestKerberosSecrets(t *testing.T) {
	r := newRealm(t)
	cfg := r.config("ldap://"+kerberosHost1, "ldap://dc2.corp.example")
	cfg.Encryption = overSealed
	for want, account := range map[string]Account{
		"cannot use the secret in file /none": {Auth: authKerberos, BindUser: kerberosUser, KeytabFile: "/none"},
		"it is no keytab":                     {Auth: authKerberos, BindUser: kerberosUser, KeytabFile: r.password},
		"cannot use the credential cache in":  {Auth: authKerberos, CCacheFile: r.password},
	} {
		cfg.Account = account
		r.serve(kerberosHost1, r.Keytab(principal(kerberosHost1)), krblab.LDAPOptions{})
		err := signedIn(t, r.open(t, cfg))
		if _, ok := errors.AsType[*photopush.SecretError](err); !ok || errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	if as, tgs, failed := r.Requests(); as+tgs+failed != 0 {
		t.Errorf("the KDC was asked: %d, %d, %d", as, tgs, failed)
	}
}

// TestCertificates signs in with a client's certificate, where TLS is there from the beginning and where it is started.
func TestCertificates(t *testing.T) {
	r := newRealm(t)
	server := r.certificate(t, kerberosHost1)
	accounts := map[string]string{"svc-cert": `CORP\svc-cert`}
	for scheme, start := range map[string]bool{"ldaps": false, "ldap": true} {
		for name, c := range map[string]struct {
			client string // common name
			want   photopush.Reason
		}{"mapped": {"svc-cert", ""}, "not mapped": {"svc-other", photopush.Denied}} {
			t.Run(scheme+" "+name, func(t *testing.T) {
				r.serve(kerberosHost1, "/dev/null", krblab.LDAPOptions{Certificate: server, StartTLS: start, Clients: r.caFile, Accounts: accounts})
				file := filepath.Join(t.TempDir(), "client.pem")
				must(t, os.WriteFile(file, pemOf(t, r.ca.issueClient(t, c.client)), 0o600))
				cfg := r.config(scheme + "://" + kerberosHost1)
				cfg.Account = Account{Auth: authCertificate, CertificateFile: file, KeyFile: file}
				err := signedIn(t, r.open(t, cfg))
				if photopush.ReasonOf(err) != c.want || err != nil && !strings.Contains(err.Error(), "knows nobody by the certificate") {
					t.Errorf("got %v", err)
				}
			})
		}
	}
	t.Run("of another authority", func(t *testing.T) {
		r.serve(kerberosHost1, "/dev/null", krblab.LDAPOptions{Certificate: server, Clients: r.caFile, Accounts: accounts})
		file := filepath.Join(t.TempDir(), "client.pem")
		must(t, os.WriteFile(file, pemOf(t, newAuthority(t).issueClient(t, "svc-cert")), 0o600))
		cfg := r.config("ldaps://" + kerberosHost1)
		cfg.Account = Account{Auth: authCertificate, CertificateFile: file, KeyFile: file}
		if err := signedIn(t, r.open(t, cfg)); photopush.ReasonOf(err) != photopush.TLS || !errors.Is(err, photopush.ErrNoDirectory) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("no file", func(t *testing.T) {
		cfg := r.config("ldaps://" + kerberosHost1)
		cfg.Account = Account{Auth: authCertificate, CertificateFile: server, KeyFile: "/none"}
		err := signedIn(t, r.open(t, cfg))
		if e, ok := errors.AsType[*photopush.SecretError](err); !ok || e.What != "key" || errors.Is(err, photopush.ErrNoDirectory) {
			t.Errorf("got %v", err)
		}
	})
}
