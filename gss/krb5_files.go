package gss

import (
	"errors"
	"fmt"
	"os"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/credentials"
	"github.com/jcmturner/gokrb5/v8/keytab"

	photopush "github.com/photopush/photopush"
)

// CheckFiles reads what proves the account, and contacts nobody. Its error is a *photopush.SecretError. Whether a ticket in a cache is still valid
// is not looked at: that changes by the hour.
func (a KerberosAccount) CheckFiles() error {
	var err error
	switch {
	case a.KeytabFile != "":
		_, err = readKeytab(a.KeytabFile)
	case a.CacheFile != "":
		_, err = readCache(a.CacheFile)
	default:
		_, err = a.Password.Reveal()
	}
	return err
}

// CheckFiles reads the file that the section names; path is as for Validate.
func (c *KerberosConfig) CheckFiles(path string) error {
	if c.Krb5Conf == "" {
		return nil
	}
	if _, err := loadKrb5Conf(c.Krb5Conf); err != nil {
		return fmt.Errorf("%s.krb5_conf: %w", path, err)
	}
	return nil
}

// loadKrb5Conf takes what gokrb5 knows of the file; what it does not know is no fault.
func loadKrb5Conf(file string) (*config.Config, error) {
	c, err := config.Load(file)
	if unsupported := (config.UnsupportedDirective{}); err != nil && !errors.As(err, &unsupported) {
		return nil, err
	}
	return c, nil
}

func readKeytab(file string) (*keytab.Keytab, error) {
	unusable := func(err error) error {
		return &photopush.SecretError{What: "keytab", Place: photopush.Secret{File: file}, Err: err}
	}
	b, err := readSmall(file)
	if err != nil {
		return nil, unusable(err)
	}
	keys := keytab.New()
	if err := keys.Unmarshal(b); err != nil {
		return nil, unusable(fmt.Errorf("it is no keytab: %w", err))
	}
	return keys, nil
}

func unusableCache(file string, err error) error {
	return &photopush.SecretError{What: "credential cache", Place: photopush.Secret{File: file}, Err: err}
}

func readCache(file string) (*credentials.CCache, error) {
	b, err := readSmall(file)
	if err != nil {
		return nil, unusableCache(file, err)
	}
	cache, err := parseCache(b)
	if err != nil {
		return nil, unusableCache(file, err)
	}
	return cache, nil
}

// CacheOwner is whose tickets a credential cache holds, as name@REALM. Its error is a *photopush.SecretError.
func CacheOwner(file string) (string, error) {
	cache, err := readCache(file)
	if err != nil {
		return "", err
	}
	return cache.GetClientPrincipalName().PrincipalNameString() + "@" + cache.GetClientRealm(), nil
}

// parseCache guards gokrb5's reader, which trusts the lengths in the file.
func parseCache(b []byte) (cache *credentials.CCache, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("it is no credential cache: %v", r)
		}
	}()
	cache = new(credentials.CCache)
	return cache, cache.Unmarshal(b)
}

var errEmptyFile = errors.New("it is empty")

// readSmall reads a file that an administrator made.
func readSmall(file string) ([]byte, error) {
	const limit = 1 << 20
	info, err := os.Stat(file)
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular() || info.Size() > limit:
		return nil, fmt.Errorf("it is no file of at most %d bytes", limit)
	case info.Size() == 0:
		return nil, errEmptyFile
	}
	return os.ReadFile(file)
}
