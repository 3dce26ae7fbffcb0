//go:build linux

package sambalab

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

// A signer is an authority that signs certificates.
type signer struct {
	certificate *x509.Certificate
	key         crypto.Signer
}

// makeCertificates writes an authority, another one, and the controller's certificate.
func (d *Domain) makeCertificates() error {
	d.CAFile = filepath.Join(d.dir, "ca.pem")
	d.OtherCAFile = filepath.Join(d.dir, "other-ca.pem")
	if _, err := newAuthority(d.OtherCAFile); err != nil {
		return err
	}
	var err error
	if d.signer, err = newAuthority(d.CAFile); err != nil {
		return err
	}
	return d.certify()
}

// certify writes the controller's certificate, with its names and its address.
func (d *Domain) certify() error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: d.host},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
		DNSNames:     []string{d.host, Name},
		IPAddresses:  []net.IP{net.ParseIP(d.IP)},
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	der, err := x509.CreateCertificate(rand.Reader, template, d.signer.certificate, key.Public(), d.signer.key)
	if err != nil {
		return err
	}
	private, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(filepath.Join(d.dir, "dc.key"), "PRIVATE KEY", private); err != nil {
		return err
	}
	return writePEM(filepath.Join(d.dir, "dc.pem"), "CERTIFICATE", der)
}

func newAuthority(file string) (signer, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return signer{}, err
	}
	template := &x509.Certificate{
		SerialNumber:          big.NewInt(time.Now().UnixNano()),
		Subject:               pkix.Name{CommonName: "photopush test authority"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().Add(24 * time.Hour),
		IsCA:                  true,
		BasicConstraintsValid: true,
		KeyUsage:              x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return signer{}, err
	}
	authority, err := x509.ParseCertificate(der)
	if err != nil {
		return signer{}, err
	}
	return signer{authority, key}, writePEM(file, "CERTIFICATE", der)
}

// writePEM writes a file that only its owner may read: Samba refuses any other key.
func writePEM(file, kind string, der []byte) error {
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}
