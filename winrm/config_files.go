package winrm

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"os"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// CheckFiles reads every file that the section names, and reports each that will not do; path is the section's place in the configuration.
func (c *Config) CheckFiles(path string) error {
	if path != "" {
		path += "."
	}
	var errs []error
	fault := func(key string, err error) {
		if err != nil {
			errs = append(errs, fmt.Errorf("%s%s: %w", path, key, err))
		}
	}
	if c.CAFile != "" {
		_, err := readRoots(c.CAFile)
		fault("ca_file", err)
	}
	switch {
	case c.Auth == authCertificate:
		key := "certificate_file"
		_, err := loadCertificate(c.CertificateFile, c.KeyFile)
		if e, ok := errors.AsType[*photopush.SecretError](err); ok && e.Place.File == c.KeyFile {
			key = "key_file"
		}
		fault(key, err)
	case c.KeytabFile != "":
		fault("keytab_file", gss.KerberosAccount{KeytabFile: c.KeytabFile}.CheckFiles())
	case c.CCacheFile != "":
		fault("ccache_file", gss.KerberosAccount{CacheFile: c.CCacheFile}.CheckFiles())
	case c.PasswordFile != "":
		_, err := c.Password().Reveal()
		fault("password_file", err)
	}
	return errors.Join(errs...)
}

// loadCertificate reads a certificate and its key. The error is a *photopush.SecretError; both files may be at fault, of which it names one.
func loadCertificate(file, key string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(file, key)
	if err == nil {
		return pair, nil
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Path == key {
		return pair, &photopush.SecretError{What: "key", Place: photopush.Secret{File: key}, Err: err}
	}
	return pair, &photopush.SecretError{What: "certificate", Place: photopush.Secret{File: file}, Err: err}
}

func readRoots(file string) (*x509.CertPool, error) {
	pem, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", file)
	}
	return roots, nil
}
