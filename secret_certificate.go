package photopush

import (
	"crypto/tls"
	"errors"
	"io/fs"
)

// LoadCertificate reads a client's certificate and its key, in PEM form. The error is a *SecretError; both files may be at fault, of which it
// names one.
func LoadCertificate(certificate, key string) (tls.Certificate, error) {
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err == nil {
		return pair, nil
	}
	if path, ok := errors.AsType[*fs.PathError](err); ok && path.Path == key {
		return tls.Certificate{}, &SecretError{What: "key", Place: Secret{File: key}, Err: err}
	}
	return tls.Certificate{}, &SecretError{What: "certificate", Place: Secret{File: certificate}, Err: err}
}
