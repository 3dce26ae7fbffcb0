package winrm

import (
	"crypto/x509"
	"errors"
	"fmt"
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
		_, err := photopush.LoadCertificate(c.CertificateFile, c.KeyFile)
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
