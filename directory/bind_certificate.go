package directory

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A certificateBinder signs in with a client's certificate. Where TLS was there from the beginning the connection is bound by it already, and
// SASL EXTERNAL is refused; where TLS was started it takes SASL EXTERNAL (MS-ADTS 5.1.1.2). A certificate that the domain maps to nobody
// is no error there, but makes an anonymous connection: so the controller is asked who we are.
type certificateBinder struct {
	file, key string
	now       func() time.Time
}

// prepare reads the files, so that a renewed certificate counts from the next connection on.
func (b *certificateBinder) prepare(config *tls.Config) error {
	own, err := loadCertificate(b.file, b.key, b.now())
	if err != nil {
		return unusable("certificate "+b.file, err)
	}
	// Whatever authorities the controller names: whether it takes the certificate is for it to say.
	config.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) { return &own, nil }
	return nil
}

// loadCertificate reads a client's certificate and its key. One that is not valid now is of no use: a controller would take it for nobody's, and not say why.
// The error is a *photopush.SecretError.
func loadCertificate(file, key string, now time.Time) (tls.Certificate, error) {
	own, err := photopush.LoadCertificate(file, key)
	if err != nil {
		return own, err
	}
	var cause *photopush.Cause
	switch {
	case now.After(own.Leaf.NotAfter):
		cause = &photopush.Cause{What: "it was valid until " + own.Leaf.NotAfter.UTC().Format(time.DateTime) + " UTC", Do: "renew it"}
	case now.Before(own.Leaf.NotBefore):
		cause = &photopush.Cause{What: "it is not valid before " + own.Leaf.NotBefore.UTC().Format(time.DateTime) + " UTC", Do: "set the time of this server"}
	default:
		return own, nil
	}
	return tls.Certificate{}, &photopush.SecretError{What: "certificate", Place: photopush.Secret{File: file}, Err: cause}
}

// whoAmIOID is the name of the operation "Who am I?" (RFC 4532 2.1; MS-ADTS 3.1.1.3.4.2).
const whoAmIOID = "1.3.6.1.4.1.4203.1.11.3"

var errNotMapped = &photopush.Cause{
	What: "the controller knows nobody by the certificate",
	Do: "let the domain controllers trust its authority for sign-ins (NTAuth), and map it to the account: its SID in the certificate, or " +
		"altSecurityIdentities of the account",
}

// bind returns a *lostError for a refusal: no password is tried, and another controller may know the certificate's authority.
func (b *certificateBinder) bind(ctx context.Context, ch *channel) (net.Conn, error) {
	if !ch.controller.tls {
		a, err := ch.ask(ctx, saslRequest("EXTERNAL", nil))
		switch {
		case err != nil:
			return nil, ch.lost(ctx, err)
		case a.code == ldap.LDAPResultInvalidCredentials:
			return nil, &lostError{photopush.Denied, fmt.Errorf("%w: %w", errNotMapped, &resultError{a.err()})}
		case a.code != ldap.LDAPResultSuccess:
			return nil, saslError(a, "certificate "+b.file, ch.controller.url, true)
		}
	}
	a, err := ch.ask(ctx, extendedRequest(whoAmIOID))
	switch {
	case err != nil:
		return nil, ch.lost(ctx, err)
	case a.code != ldap.LDAPResultSuccess:
		return nil, saslError(a, "certificate "+b.file, ch.controller.url, true)
	case len(a.value) == 0: // anonymous
		return nil, &lostError{photopush.Denied, errNotMapped}
	}
	return ch.Conn, nil
}
