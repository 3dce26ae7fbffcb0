//go:build linux

package winrm

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
)

// judgedSizes are those of the messages that a judge takes and gives back.
var judgedSizes = []int{0, 1, 15, 16, 17, 4096, 150_000, 512_000, 2 << 20}

// judgedClient reaches a judge's service under the name of the test's workstation.
func judgedClient(t *testing.T, s *krblab.Service, tickets *gss.Kerberos, change func(*Config)) *Client {
	t.Helper()
	cfg := DefaultConfig()
	cfg.User, cfg.MaxEnvelope = "svc-push", 4<<20
	cfg.PasswordFile = writeFile(t, "password", []byte("Secret-1\n"))
	change(&cfg)
	c, err := New(cfg, Options{Kerberos: tickets, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr)
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func writeFile(t *testing.T, name string, data []byte) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(file, data, 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// exchange sends messages of all sizes on one connection, and a fault between them, and wants each back.
func exchange(t *testing.T, c *Client, sealed bool) {
	t.Helper()
	ch, err := c.Dial(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	for _, size := range judgedSizes {
		if size == 0 && !sealed {
			continue // in clear there is nothing to judge in an empty message
		}
		for _, word := range []string{"photo", "fault"} {
			message := bytes.Repeat([]byte(word), size/5+1)[:size]
			want, status := message, 200
			switch {
			case size == 0:
				want = []byte("nothing")
			case sealed && strings.HasPrefix(string(message), "fault"):
				status = 500
			}
			answer, got, err := ch.Post(t.Context(), message)
			if err != nil || got != status || !bytes.Equal(answer, want) {
				t.Fatalf("%d bytes: status %d with %d bytes, %v", size, got, len(answer), err)
			}
		}
	}
}

// judgedTickets are those of an account at a real KDC.
func judgedTickets(t *testing.T, k *krblab.KDC) *gss.Kerberos {
	t.Helper()
	k.AddUser("svc-push", "Secret-1")
	cfg := gss.DefaultKerberosConfig()
	cfg.Realm, cfg.KDCs = krblab.Realm, []string{k.Addr}
	password := photopush.Secret{File: writeFile(t, "password", []byte("Secret-1\n"))}
	tickets, err := gss.NewKerberos(cfg, gss.KerberosAccount{User: "svc-push", Password: password}, gss.KerberosOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}

// TestMITJudgesMessages: our client signs in to a service built on MIT's library, with tickets of MIT's KDC, and every message and fault is sealed, under
// both names of the protocol, by a service that frames strictly and by one that does not.
func TestMITJudgesMessages(t *testing.T) {
	k := krblab.New(t)
	tickets := judgedTickets(t, k)
	keytab := k.Keytab("HTTP/" + testHost)
	for _, loose := range []bool{false, true} {
		s := k.Serve(keytab, krblab.ServiceOptions{Loose: loose})
		for header, scheme := range map[string]string{"negotiate": "Negotiate", "kerberos": "Kerberos"} {
			exchange(t, judgedClient(t, s, tickets, func(c *Config) { c.KerberosHeader = header }), true)
			if said := s.Said(); said != "signed-in "+scheme+" svc-push@"+krblab.Realm {
				t.Errorf("the service says %q", said)
			}
		}
	}
}

// TestMITJudgesBinding: inside TLS our client is bound to the certificate that it sees; a service that is behind another one refuses it.
func TestMITJudgesBinding(t *testing.T) {
	k := krblab.New(t)
	tickets := judgedTickets(t, k)
	keytab := k.Keytab("HTTP/" + testHost)
	certificate, ca := judgedCertificate(t)
	overTLS := func(c *Config) { c.Transport, c.CAFile = overHTTPS, ca }
	exchange(t, judgedClient(t, k.Serve(keytab, krblab.ServiceOptions{Certificate: certificate, Own: true}), tickets, overTLS), false)

	other := k.Serve(keytab, krblab.ServiceOptions{Certificate: certificate, Binding: []byte("tls-server-end-point:another certificate")})
	if _, err := judgedClient(t, other, tickets, overTLS).Dial(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.Denied {
		t.Errorf("a service behind another certificate: %v", err)
	}
	if said := other.Said(); !strings.Contains(strings.ToLower(said), "channel binding") {
		t.Errorf("the service says %q", said)
	}
	missing := k.Serve(keytab, krblab.ServiceOptions{Binding: []byte("tls-server-end-point:a certificate")})
	exchange(t, judgedClient(t, missing, tickets, func(*Config) {}), true) // over HTTP there is nothing to be bound to: MIT's library takes that
}

// TestNTLMSSPJudgesMessages: the same with NTLM, sealed by gss-ntlmssp.
func TestNTLMSSPJudgesMessages(t *testing.T) {
	certificate, ca := judgedCertificate(t)
	accounts := []string{"CORP:svc-push:Secret-1"}
	domain := func(c *Config) {
		c.Auth, c.User, c.AllowDomainNTLM = authNTLM, `CORP\svc-push`, []string{`CORP\svc-push`}
	}
	s := krblab.ServeNTLM(t, krblab.ServiceOptions{Accounts: accounts})
	exchange(t, judgedClient(t, s, nil, domain), true)
	if said := s.Said(); said != `signed-in Negotiate CORP\svc-push` {
		t.Errorf("the service says %q", said)
	}
	exchange(t, judgedClient(t, krblab.ServeNTLM(t, krblab.ServiceOptions{Accounts: accounts, Loose: true}), nil, domain), true)

	overTLS := func(c *Config) { domain(c); c.Transport, c.CAFile = overHTTPS, ca }
	exchange(t, judgedClient(t, krblab.ServeNTLM(t, krblab.ServiceOptions{Accounts: accounts, Certificate: certificate, Own: true}), nil, overTLS), false)
	for name, x := range map[string]struct {
		options krblab.ServiceOptions
		change  func(*Config)
	}{
		"another certificate": {krblab.ServiceOptions{Accounts: accounts, Certificate: certificate, Binding: []byte("tls-server-end-point:other")}, overTLS},
		"another password":    {krblab.ServiceOptions{Accounts: []string{"CORP:svc-push:Other-1"}}, domain},
	} {
		service := krblab.ServeNTLM(t, x.options)
		if _, err := judgedClient(t, service, nil, x.change).Dial(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.Auth {
			t.Errorf("%s: %v", name, err)
		}
		if said := service.Said(); !strings.HasPrefix(said, "error ") {
			t.Errorf("%s: the service says %q, want a refusal", name, said)
		}
	}
}

// judgedCertificate is a file with certificate and key for the test's workstation, and one with the certificate alone.
func judgedCertificate(t *testing.T) (both, alone string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{testHost}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	public := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	return writeFile(t, "both.pem", append(slices.Clone(public), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private})...)), writeFile(t, "ca.pem", public)
}
