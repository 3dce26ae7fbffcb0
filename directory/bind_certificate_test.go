package directory

import (
	"context"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// Samba's LDAP server takes neither a client's certificate nor SASL EXTERNAL. So these tests have the simulated domain, which follows MS-ADTS; in TestCertificates
// a service on OpenSSL is the judge.

// certified is a company of controllers that take certificates of its authority, and the files of one that is mapped to svc-read.
func certified(t *testing.T, opts ...simad.ControllerOptions) (*company, clientFiles) {
	t.Helper()
	c := newCompany(t, 0)
	for _, o := range opts {
		o.ClientCAs = x509.NewCertPool()
		o.ClientCAs.AddCert(c.ca.cert)
		c.serve(t, o)
	}
	files := newClientFiles(t)
	must(t, c.mapTo(readerDN, files.write(t, c.ca, nil)))
	return c, files
}

// mapTo lets a certificate stand for an account.
func (c *company) mapTo(dn string, cert *x509.Certificate) error {
	return c.SetString(dn, "altSecurityIdentities", "X509:<SKI>"+hex.EncodeToString(cert.SubjectKeyId))
}

// byCertificate is a configuration that signs in with the files, over TLS from the beginning (ldaps) or started (ldap).
func (c *company) byCertificate(files clientFiles, scheme string) Config {
	cfg := c.config()
	cfg.Account = files.account()
	for i, dc := range c.dcs {
		cfg.Controllers[i] = dc.URL(scheme)
	}
	return cfg
}

// TestCertificate signs in with a client's certificate, reads, and takes a renewed one for the connections that follow.
func TestCertificate(t *testing.T) {
	for _, scheme := range []string{"ldaps", "ldap"} {
		t.Run(scheme, func(t *testing.T) {
			c, files := certified(t, simad.ControllerOptions{})
			names := c.fill(t, 3)
			log := &logBuffer{}
			d := open(t, c.byCertificate(files, scheme), Options{Logger: log.logger()})
			for i := range 2 {
				got, err := accounts(t, d)
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Fatalf("%v, -want +got\n%s", err, diff)
				}
				if n := c.dcs[0].Counts(); n.Binds != i+1 || n.FailedBinds != 0 {
					t.Errorf("the controller counts %+v", n)
				}
				must(t, c.mapTo(readerDN, files.write(t, c.ca, nil)))
				c.dcs[0].CutConnections()
			}
			if _, err := d.Changes(t.Context(), nil); err != nil {
				t.Error(err)
			}
			if want := `account="certificate ` + files.certificate + `"`; !strings.Contains(log.String(), want) {
				t.Errorf("no line with %s: %s", want, log)
			}
		})
	}
}

// TestUnknownCertificate has certificates that stand for nobody: the call says so and what to do, each controller is asked once, and nothing is read.
func TestUnknownCertificate(t *testing.T) {
	stranger := newAuthority(t)
	for name, test := range map[string]struct {
		sign    func(*testing.T, *company, clientFiles) *x509.Certificate
		account func(*simad.User)
	}{
		"not mapped": {sign: func(t *testing.T, c *company, f clientFiles) *x509.Certificate { f.write(t, c.ca, nil); return nil }},
		"of another authority": {sign: func(t *testing.T, c *company, f clientFiles) *x509.Certificate {
			return f.write(t, stranger, nil)
		}},
		"of a server": {sign: func(t *testing.T, c *company, f clientFiles) *x509.Certificate {
			return f.write(t, c.ca, func(x *x509.Certificate) { x.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth} })
		}},
		"of a disabled account": {
			sign:    func(t *testing.T, c *company, f clientFiles) *x509.Certificate { return f.write(t, c.ca, nil) },
			account: func(u *simad.User) { u.Disabled = true },
		},
	} {
		for _, scheme := range []string{"ldaps", "ldap"} {
			t.Run(name+" "+scheme, func(t *testing.T) {
				c, files := certified(t, simad.ControllerOptions{}, simad.ControllerOptions{})
				u := simad.User{OU: "OU=Service,DC=corp,DC=example", Account: "svc2", Password: readerPwd}
				if test.account != nil {
					test.account(&u)
				}
				c.user(t, u)
				if cert := test.sign(t, c, files); cert != nil {
					must(t, c.mapTo("CN=svc2,OU=Service,DC=corp,DC=example", cert))
				}
				d := open(t, c.byCertificate(files, scheme), Options{})
				for i := range 2 {
					_, err := accounts(t, d)
					if !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) != photopush.Denied || !errors.Is(err, errNotMapped) {
						t.Errorf("got %v", err)
					}
					if do := photopush.Remedy(err); !strings.Contains(do, "altSecurityIdentities") {
						t.Errorf("the remedy is %q", do)
					}
					for _, dc := range c.dcs {
						if n := dc.Counts(); n.FailedBinds != i+1 || n.Connections != i+1 || n.Binds != 0 || n.Searches != 0 {
							t.Errorf("after %d calls a controller counts %+v", i+1, n)
						}
					}
				}
			})
		}
	}
}

// TestCertificateEndsTLS has a controller that ends TLS over a certificate that it does not trust, which shows behind the handshake only; the next one takes it.
func TestCertificateEndsTLS(t *testing.T) {
	for _, scheme := range []string{"ldaps", "ldap"} {
		t.Run(scheme, func(t *testing.T) {
			c, files := certified(t, simad.ControllerOptions{})
			names := c.fill(t, 3)
			strict := c.serve(t, simad.ControllerOptions{StrictTLS: true})
			cfg := c.byCertificate(files, scheme)
			cfg.Controllers = []string{strict.URL(scheme), c.dcs[0].URL(scheme)}
			log := &logBuffer{}
			got, err := accounts(t, open(t, cfg, Options{Logger: log.logger()}))
			if diff := cmp.Diff(names, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got\n%s", err, diff)
			}
			if !strings.Contains(log.String(), "reason=tls") || strict.Counts().Connections != 1 {
				t.Errorf("%+v, log: %s", strict.Counts(), log)
			}
			cfg.Controllers = cfg.Controllers[:1]
			_, err = accounts(t, open(t, cfg, Options{}))
			if photopush.ReasonOf(err) != photopush.TLS || !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), "the controller ends TLS") {
				t.Errorf("alone: %v", err)
			}
		})
	}
}

// A resetConn is reset by its peer before the first request: it takes the two flights of the handshake, and nothing more.
type resetConn struct {
	net.Conn
	writes int
}

func (c *resetConn) Write(b []byte) (int, error) {
	if c.writes++; c.writes > 2 {
		return 0, syscall.ECONNRESET
	}
	return c.Conn.Write(b)
}

// TestCertificateEndsTLSEarly: why the controller ended TLS is told also where the connection is gone by the time of the first request.
func TestCertificateEndsTLSEarly(t *testing.T) {
	c, files := certified(t)
	c.serve(t, simad.ControllerOptions{StrictTLS: true})
	d := open(t, c.byCertificate(files, "ldaps"), Options{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		conn, err := new(net.Dialer).DialContext(ctx, network, c.dcs[0].LDAPSAddr())
		return &resetConn{Conn: conn}, err
	}})
	if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.TLS || !strings.Contains(err.Error(), "the controller ends TLS") {
		t.Errorf("got %v", err)
	}
}

// TestCertificateFiles that cannot be used are told as such, and nobody is contacted.
func TestCertificateFiles(t *testing.T) {
	late := time.Now().Add(2 * time.Hour)
	for name, test := range map[string]struct {
		change func(t *testing.T, c *company, f clientFiles)
		now    func() time.Time
		want   string
	}{
		"expired": {now: func() time.Time { return late }, want: "cannot use the certificate in file CERT: it was valid until "},
		"not yet": {now: func() time.Time { return time.Now().Add(-2 * time.Hour) }, want: "cannot use the certificate in file CERT: it is not valid before "},
		"no file": {change: func(t *testing.T, _ *company, f clientFiles) { must(t, os.Remove(f.certificate)) }, want: "cannot use the secret in file CERT: no such file"},
		"no key":  {change: func(t *testing.T, _ *company, f clientFiles) { must(t, os.Remove(f.key)) }, want: "cannot use the key in file KEY: no such file"},
		"no PEM": {change: func(t *testing.T, _ *company, f clientFiles) {
			must(t, os.WriteFile(f.certificate, []byte("x"), 0o600))
		}, want: "cannot use the certificate in file CERT: tls: failed to find any PEM data"},
		"key of other": {change: otherKey, want: "cannot use the certificate in file CERT: tls: private key does not match public key"},
	} {
		t.Run(name, func(t *testing.T) {
			c, files := certified(t, simad.ControllerOptions{})
			if test.change != nil {
				test.change(t, c, files)
			}
			_, err := accounts(t, open(t, c.byCertificate(files, "ldaps"), Options{Now: test.now}))
			if err == nil {
				t.Fatal("no error")
			}
			got := strings.NewReplacer(files.certificate, "CERT", files.key, "KEY").Replace(err.Error())
			if want := "bind as certificate CERT: internal: " + test.want; !strings.HasPrefix(got, want) {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if _, ok := errors.AsType[*photopush.SecretError](err); !ok || c.dcs[0].Counts().Connections != 0 {
				t.Errorf("%#v; the controller counts %+v", err, c.dcs[0].Counts())
			}
		})
	}
}

// otherKey puts the key of another certificate beside the one that is there.
func otherKey(t *testing.T, c *company, f clientFiles) {
	own, err := os.ReadFile(f.certificate)
	must(t, err)
	f.write(t, c.ca, nil)
	must(t, os.WriteFile(f.certificate, own, 0o600))
}

// TestCertificateCutEverywhere cuts the connection at each answer until the account is accepted: the next controller is used.
func TestCertificateCutEverywhere(t *testing.T) {
	for scheme, answers := range map[string]int{"ldaps": 1, "ldap": 3} { // who am I; StartTLS and the bind before it
		c, files := certified(t, simad.ControllerOptions{}, simad.ControllerOptions{})
		names := c.fill(t, 3)
		for n := 1; n <= answers; n++ {
			for _, place := range []simad.Place{simad.Before, simad.Inside} {
				c.dcs[0].SetFaults(simad.Faults{Cut: simad.Cut{N: n, Where: place}})
				before := c.dcs[1].Counts().Searches
				got, err := accounts(t, open(t, c.byCertificate(files, scheme), Options{}))
				if diff := cmp.Diff(names, got); err != nil || diff != "" || c.dcs[1].Counts().Searches == before {
					t.Errorf("%s, cut %d, %d: %v, -want +got\n%s", scheme, n, place, err, diff)
				}
			}
		}
	}
}
