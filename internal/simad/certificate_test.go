package simad

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"math/big"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// newClient is a client's certificate that signs itself, and the pool with it.
func newClient(t *testing.T) (tls.Certificate, *x509.CertPool) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	must(t, err)
	template := &x509.Certificate{SerialNumber: big.NewInt(7), NotAfter: time.Now().Add(time.Hour), SubjectKeyId: []byte{0xab, 0xcd}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	must(t, err)
	signed, err := x509.ParseCertificate(der)
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(signed)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, pool
}

// TestCertificates: go-ldap signs in with a certificate as MS-ADTS 5.1.1.2 has it: by TLS alone where that is there from the beginning, which refuses SASL
// EXTERNAL then, and by SASL EXTERNAL where it was started.
func TestCertificates(t *testing.T) {
	own, pool := newClient(t)
	d, c := newLab(t, ControllerOptions{ClientCAs: pool})
	connect := func(certificates ...tls.Certificate) (*ldap.Conn, *ldap.Conn) {
		t.Helper()
		config := clientTLS(t)
		config.Certificates = certificates
		secure, err := ldap.DialURL("ldaps://"+c.LDAPSAddr(), ldap.DialWithTLSConfig(config))
		must(t, err)
		started, err := ldap.DialURL("ldap://" + c.LDAPAddr())
		must(t, err)
		t.Cleanup(func() { secure.Close(); started.Close() })
		must(t, started.StartTLS(config))
		return secure, started
	}
	who := func(conn *ldap.Conn) string {
		t.Helper()
		r, err := conn.WhoAmI(nil)
		must(t, err)
		return r.AuthzID
	}
	for _, step := range []struct {
		what         string
		identity     string
		certificates []tls.Certificate
		known        string // by TLS alone
		code         int    // of SASL EXTERNAL over LDAPS
		started      string // after SASL EXTERNAL over StartTLS
	}{
		{"mapped", "X509:<SKI>abcd", []tls.Certificate{own}, `u:CORP\reader`, unwillingToPerform, `u:CORP\reader`},
		{"not mapped", "X509:<SKI>abce", []tls.Certificate{own}, "", unwillingToPerform, ""},
		{"none", "X509:<SKI>abcd", nil, "", invalidCredentials, ""},
	} {
		must(t, d.SetString("CN=reader,CN=Users,DC=corp,DC=example", "altSecurityIdentities", step.identity))
		secure, started := connect(step.certificates...)
		if got := who(secure); got != step.known {
			t.Errorf("%s, LDAPS: %q", step.what, got)
		}
		if code := resultCode(secure.ExternalBind()); code != step.code {
			t.Errorf("%s, EXTERNAL over LDAPS: code %d", step.what, code)
		}
		if got := who(started); got != "" {
			t.Errorf("%s, StartTLS alone: %q", step.what, got)
		}
		if err := started.ExternalBind(); (err == nil) != (step.started != "") || who(started) != step.started {
			t.Errorf("%s, EXTERNAL: %v, %q", step.what, err, who(started))
		}
	}
	plain, err := ldap.DialURL("ldap://" + c.LDAPAddr())
	must(t, err)
	defer plain.Close()
	if code := resultCode(plain.ExternalBind()); code != authMethodNotSupported {
		t.Errorf("EXTERNAL without TLS: code %d", code)
	}
}
