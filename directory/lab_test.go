package directory

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

const (
	staff     = "OU=Staff,DC=corp,DC=example"
	machines  = "OU=Workstations,DC=corp,DC=example"
	reader    = "svc-read@corp.example"
	readerDN  = "CN=svc-read,OU=Service,DC=corp,DC=example"
	readerPwd = "correct horse 7"
)

// A company is a simulated domain with one or more controllers, and the files that a configuration names.
type company struct {
	*simad.Domain
	ca       *authority
	caFile   string
	password string // file
	dcs      []*simad.Controller
}

// newCompany starts a domain with an account that reads it.
func newCompany(t testing.TB, controllers int) *company {
	t.Helper()
	domain, err := simad.NewDomain("corp.example", simad.Options{})
	must(t, err)
	c := &company{Domain: domain, ca: newAuthority(t)}
	dir := t.TempDir()
	c.caFile, c.password = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	must(t, os.WriteFile(c.caFile, c.ca.pem, 0o600))
	c.setPassword(t, readerPwd)
	_, err = domain.AddUser(simad.User{OU: "OU=Service,DC=corp,DC=example", Account: "svc-read", Password: readerPwd})
	must(t, err)
	must(t, domain.AddOU(staff))
	must(t, domain.AddOU(machines))
	for range controllers {
		c.serve(t, simad.ControllerOptions{})
	}
	return c
}

// serve adds a controller, the next of dc1, dc2, ….
func (c *company) serve(t testing.TB, opts simad.ControllerOptions) *simad.Controller {
	t.Helper()
	opts.Host = fmt.Sprintf("dc%d.corp.example", len(c.dcs)+1)
	opts.Certificate = c.ca.issue(t, opts.Host)
	dc, err := c.Serve(opts)
	must(t, err)
	t.Cleanup(func() { dc.Close() })
	c.dcs = append(c.dcs, dc)
	return dc
}

func (c *company) setPassword(t testing.TB, password string) {
	t.Helper()
	must(t, os.WriteFile(c.password, []byte(password+"\n"), 0o600))
}

// config is a configuration of the company with LDAPS to every controller.
func (c *company) config() Config {
	cfg := Config{
		Name:         "corp.example",
		CAFile:       c.caFile,
		Encryption:   "ldaps",
		Changes:      "auto",
		Account:      Account{Auth: "simple", BindUser: reader, PasswordFile: c.password},
		Users:        UserScope{Bases: []string{staff}},
		Workstations: WorkstationScope{Bases: []string{machines}},
		PageSize:     500,
		Timeout:      10 * time.Second,
		MaxPhotoSize: 5 << 20,
	}
	for _, dc := range c.dcs {
		cfg.Controllers = append(cfg.Controllers, dc.URL("ldaps"))
		cfg.DNSServers = append(cfg.DNSServers, dc.DNSAddr())
	}
	return cfg
}

// unlisted is a configuration that names no controllers, and a dialler that finds those that DNS names at the ports that they have here in
// place of 636 and 389. It fails for what is no controller of the company.
func (c *company) unlisted() (Config, func(context.Context, string, string) (net.Conn, error)) {
	cfg := c.config()
	cfg.Controllers = nil
	return cfg, func(ctx context.Context, network, address string) (net.Conn, error) {
		for _, dc := range c.dcs {
			for port, real := range map[string]string{":636": dc.LDAPSAddr(), ":389": dc.LDAPAddr()} {
				if address == dc.Host()+port {
					return new(net.Dialer).DialContext(ctx, network, real)
				}
			}
		}
		return nil, fmt.Errorf("%s is no controller of the company", address)
	}
}

// open makes a Directory that is closed at the end of the test.
func open(t testing.TB, cfg Config, opts Options) *Directory {
	t.Helper()
	d, err := New(cfg, opts)
	must(t, err)
	t.Cleanup(func() { d.Close() })
	return d
}

func (c *company) user(t testing.TB, u simad.User) photopush.SID {
	t.Helper()
	if u.OU == "" {
		u.OU = staff
	}
	o, err := c.AddUser(u)
	must(t, err)
	return photopush.SID(o.SID)
}

func (c *company) computer(t testing.TB, w simad.Computer) {
	t.Helper()
	if w.OU == "" {
		w.OU = machines
	}
	_, err := c.AddComputer(w)
	must(t, err)
}

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// An authority signs certificates.
type authority struct {
	key  *ecdsa.PrivateKey
	cert *x509.Certificate
	pem  []byte
}

func newAuthority(t testing.TB) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "corp-CA"},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	cert, err := x509.ParseCertificate(der)
	must(t, err)
	return &authority{key, cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})}
}

// issue makes a certificate for host names and addresses, valid now.
func (a *authority) issue(t testing.TB, names ...string) tls.Certificate {
	t.Helper()
	return a.issueUntil(t, time.Now().Add(time.Hour), names...)
}

// issueClient makes a certificate to sign in with.
func (a *authority) issueClient(t testing.TB, name string) tls.Certificate {
	t.Helper()
	return a.issueFor(t, x509.ExtKeyUsageClientAuth, time.Now().Add(time.Hour), name)
}

func (a *authority) issueUntil(t testing.TB, end time.Time, names ...string) tls.Certificate {
	t.Helper()
	return a.issueFor(t, x509.ExtKeyUsageServerAuth, end, names...)
}

func (a *authority) issueFor(t testing.TB, usage x509.ExtKeyUsage, end time.Time, names ...string) tls.Certificate {
	t.Helper()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: names[0]},
		NotBefore: end.Add(-2 * time.Hour), NotAfter: end,
		ExtKeyUsage: []x509.ExtKeyUsage{usage},
	}
	for _, n := range names {
		if ip := net.ParseIP(n); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, n)
		}
	}
	return a.sign(t, template)
}

// sign makes a certificate with a key of its own.
func (a *authority) sign(t testing.TB, template *x509.Certificate) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &key.PublicKey, a.key)
	must(t, err)
	leaf, err := x509.ParseCertificate(der)
	must(t, err)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: leaf}
}

func pemOf(t testing.TB, c tls.Certificate) []byte {
	t.Helper()
	key, err := x509.MarshalPKCS8PrivateKey(c.PrivateKey)
	must(t, err)
	b := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: c.Certificate[0]})
	return append(b, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
}

// A logBuffer keeps log lines of level Info and above.
type logBuffer struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *logBuffer) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}

func (l *logBuffer) logger() *slog.Logger { return slog.New(slog.NewTextHandler(l, nil)) }
