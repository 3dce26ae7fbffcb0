package simwin

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/winrm"
)

// writePair stores a certificate and its key for a client's configuration.
func writePair(t *testing.T, pair tls.Certificate) (cert, key string) {
	t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(pair.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	write := func(kind string, bytes []byte) string {
		file := filepath.Join(t.TempDir(), kind)
		if err := os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	return write("CERTIFICATE", pair.Certificate[0]), write("PRIVATE KEY", der)
}

// certificateClient is our client with that certificate. It reaches every workstation at addr.
func certificateClient(t *testing.T, addr string, pair tls.Certificate) *winrm.Client {
	t.Helper()
	cfg := winrm.DefaultConfig()
	cfg.Transport, cfg.Auth, cfg.User = "https", "certificate", ""
	cfg.CertificateFile, cfg.KeyFile = writePair(t, pair)
	cfg.CAFile = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(cfg.CAFile, labCA().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := winrm.New(cfg, winrm.Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// A versioned mechanism notes the version of TLS that its clients came by.
type versioned struct {
	*Certificates
	version *uint16
}

func (m versioned) Begin(c *tls.ConnectionState) Exchange {
	*m.version = c.Version
	return m.Certificates.Begin(c)
}

// TestCertificates: our client comes by TLS 1.2, where Windows can ask it for the certificate; see also TestRenegotiation.
func TestCertificates(t *testing.T) {
	clients, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	good := CertMapping{Issuer: clients.Thumbprint(), Subject: "svc@corp.example", URI: resourceCmd, Account: "admin", Password: "right"}
	changed := func(change func(*CertMapping)) CertMapping {
		m := good
		change(&m)
		return m
	}
	other := changed(func(m *CertMapping) { m.URI, m.Account, m.Password = nsConf, "other", "one" })
	for _, k := range []struct {
		name     string
		mappings []CertMapping
		issuer   *CA // of the client's certificate; nil for the one that is trusted
		account  string
		failed   int // logons
	}{
		{"mapped", []CertMapping{other, good}, nil, "admin", 0},
		{"by the end of the name", []CertMapping{changed(func(m *CertMapping) { m.Subject, m.URI = "*@CORP.example", "*" })}, nil, "admin", 0},
		{"by its begin", []CertMapping{changed(func(m *CertMapping) { m.Subject, m.URI = "svc@*", nsShell+"/*" })}, nil, "admin", 0},
		{"not mapped", nil, nil, "", 0},
		{"another name", []CertMapping{changed(func(m *CertMapping) { m.Subject = "*@else.example" })}, nil, "", 0},
		{"another issuer", []CertMapping{changed(func(m *CertMapping) { m.Issuer = labCA().Thumbprint() })}, nil, "", 0},
		{"for another resource", []CertMapping{changed(func(m *CertMapping) { m.URI = nsConf + "*" })}, nil, "", 0},
		{"disabled", []CertMapping{changed(func(m *CertMapping) { m.Disabled = true })}, nil, "", 0},
		{"the account has another password by now", []CertMapping{changed(func(m *CertMapping) { m.Password = "old" })}, nil, "", 1},
		{"not trusted", []CertMapping{changed(func(m *CertMapping) { m.Issuer = labCA().Thumbprint() })}, labCA(), "", 0},
		{"not allowed", []CertMapping{{Account: "no mechanism"}}, nil, "", 0},
	} {
		t.Run(k.name, func(t *testing.T) {
			var version uint16
			s := start(t, echo, func(o *Options) {
				if k.name != "not allowed" {
					m := NewCertificates(CertificateOptions{Roots: clients.Pool(), Users: o.Users, Mappings: k.mappings})
					o.Mechanisms = []Mechanism{versioned{m, &version}}
				}
			})
			issuer := clients
			if k.issuer != nil {
				issuer = k.issuer
			}
			pair, err := issuer.IssueClient("svc@corp.example")
			if err != nil {
				t.Fatal(err)
			}
			session, err := certificateClient(t, s.Addr(), pair).Open(t.Context(), ws1)
			if k.name != "not allowed" && version != tls.VersionTLS12 {
				t.Errorf("our client came by %s, where it cannot be asked after the handshake", tls.VersionName(version))
			}
			if k.account == "" {
				if photopush.ReasonOf(err) != photopush.Denied || s.Stats().Requests != 1 || s.Stats().FailedLogons["admin"] != k.failed {
					t.Errorf("%v; %+v", err, s.Stats())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			out, err := session.Run(t.Context(), powershell, []byte("input"))
			if err != nil || string(out.Stdout) != "input" {
				t.Errorf("%q, %v", out.Stdout, err)
			}
			if owners := shellOwners(s); !slices.Equal(owners, []string{k.account}) {
				t.Errorf("the shells are those of %v", owners)
			}
			if err := session.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if st := s.Stats(); st.Requests != 6 || st.Connections != 1 {
				t.Errorf("%d requests on %d connections, want 6 on 1", st.Requests, st.Connections)
			}
		})
	}
}

func shellOwners(s *Server) []string {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	var owners []string
	for _, sh := range s.shells.byID {
		owners = append(owners, sh.owner)
	}
	return owners
}

// A client that shows no certificate may sign in in another way, and has no use of the profile's name.
func TestNoCertificateShown(t *testing.T) {
	s := start(t, echo, func(o *Options) {
		o.Mechanisms = []Mechanism{NewCertificates(CertificateOptions{Roots: labCA().Pool()}), NewBasic(o.Host, o.Domain, o.Users)}
	})
	c := dial(t, s)
	c.create("", "")
	c.header = map[string][]string{"Authorization": {mutualProfile}}
	res, _, err := c.do(c.envelope(actionCreate, "", `<rsp:Shell/>`))
	if err != nil || res.StatusCode != 401 {
		t.Errorf("%v, %v", res, err)
	}
}

func TestUserNames(t *testing.T) {
	if got := readUserNames(userName("svc@corp.example")); !slices.Equal(got, []string{"svc@corp.example"}) {
		t.Error(got)
	}
	// behind an e-mail address and an otherName of another type
	list := []byte("\x81\x03a@b\xa0\x0a\x06\x03\x2a\x03\x04\xa0\x03\x0c\x01x")
	list = append(list, userName("svc@corp.example")[2:]...)
	if got := readUserNames(append([]byte{0x30, byte(len(list))}, list...)); !slices.Equal(got, []string{"svc@corp.example"}) {
		t.Error(got)
	}
}

func FuzzUserNames(f *testing.F) {
	f.Add(userName("svc@corp.example"))
	f.Add([]byte("\x30\x05\x81\x03a@b"))
	f.Add([]byte("\x30\x80"))
	f.Fuzz(func(t *testing.T, extension []byte) {
		for _, name := range readUserNames(extension) {
			if len(name) > len(extension) {
				t.Fatalf("a name of %d bytes out of %d", len(name), len(extension))
			}
			if again := readUserNames(userName(name)); len(again) != 1 || again[0] != name {
				t.Fatalf("%q is read back as %q", name, again)
			}
		}
	})
}
