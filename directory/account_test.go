package directory

import (
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/binary"
	"math/big"
	"os"
	"path/filepath"
	"testing"
	"time"
)

// clientFiles are those of a client's certificate, signed by an authority, as an administrator puts them on the server.
type clientFiles struct {
	certificate, key string
}

func (f clientFiles) account() Account {
	return Account{Auth: authCertificate, CertificateFile: f.certificate, KeyFile: f.key}
}

// newClientFiles is where the certificate and the key of a client lie, once write was called.
func newClientFiles(t testing.TB) clientFiles {
	dir := t.TempDir()
	return clientFiles{filepath.Join(dir, "client.pem"), filepath.Join(dir, "client.key")}
}

// write puts a new certificate and key there; change may alter what is signed. It returns the certificate.
func (f clientFiles) write(t testing.TB, ca *authority, change func(*x509.Certificate)) *x509.Certificate {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	must(t, err)
	template := &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: "svc-read"}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}, EmailAddresses: []string{"svc-read@corp.example"}, SubjectKeyId: serial.Bytes(),
	}
	if change != nil {
		change(template)
	}
	signed := ca.sign(t, template)
	for _, file := range []string{f.certificate, f.key} {
		must(t, os.WriteFile(file, pemOf(t, signed), 0o600))
	}
	return signed.Leaf
}

// cacheOf is a credential cache of the principal without tickets, version 4 of the file format of MIT krb5.
func cacheOf(realm string, names ...string) []byte {
	b := []byte{5, 4, 0, 0}
	b = binary.BigEndian.AppendUint32(b, 1) // KRB_NT_PRINCIPAL
	b = binary.BigEndian.AppendUint32(b, uint32(len(names)))
	for _, s := range append([]string{realm}, names...) {
		b = append(binary.BigEndian.AppendUint32(b, uint32(len(s))), s...)
	}
	return b
}

// TestIdentity: a place belongs to who signs in, not to the name of a file: what one account sees another may not.
func TestIdentity(t *testing.T) {
	c := newCompany(t, 1)
	scopeOf := func(a Account) string {
		t.Helper()
		cfg := c.config()
		cfg.Account = a
		return newInterest(cfg, userScope(cfg.Users), workstationScope(cfg.Workstations), photoAttributes).digest
	}
	simple := func(user string) Account { return Account{Auth: authSimple, BindUser: user, PasswordFile: c.password} }
	if scopeOf(simple("svc-read@corp.example")) != scopeOf(simple("SVC-READ@corp.example")) || scopeOf(simple("a@corp.example")) == scopeOf(simple("b@corp.example")) {
		t.Error("the name of an account does not tell it")
	}

	files := newClientFiles(t)
	missing := scopeOf(files.account())
	files.write(t, c.ca, nil)
	first := scopeOf(files.account())
	files.write(t, c.ca, nil)
	if renewed := scopeOf(files.account()); renewed != first {
		t.Error("a renewed certificate stands for another account")
	}
	for name, change := range map[string]func(*x509.Certificate){
		"subject":     func(c *x509.Certificate) { c.Subject.CommonName = "svc-other" },
		"alternative": func(c *x509.Certificate) { c.EmailAddresses = []string{"svc-other@corp.example"} },
	} {
		files.write(t, c.ca, change)
		if got := scopeOf(files.account()); got == first || got == missing {
			t.Errorf("a certificate with another %s name stands for the same account", name)
		}
	}

	cache := Account{Auth: authKerberos, CCacheFile: filepath.Join(t.TempDir(), "cache")}
	missing = scopeOf(cache)
	seen := map[string]bool{missing: true}
	for _, b := range [][]byte{cacheOf("CORP.EXAMPLE", "svc-read"), cacheOf("CORP.EXAMPLE", "svc-other"), cacheOf("OTHER.EXAMPLE", "svc-read")} {
		must(t, os.WriteFile(cache.CCacheFile, b, 0o600))
		if got := scopeOf(cache); seen[got] || got != scopeOf(cache) {
			t.Errorf("the cache %q does not tell its owner", b)
		} else {
			seen[got] = true
		}
	}
}
