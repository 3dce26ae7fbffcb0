package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A lostError says that a controller cannot be used now: it does not answer, closed the connection, or says that it is busy. Another
// one may do better. Everything else is an answer that another one would give too.
type lostError struct {
	reason photopush.Reason
	err    error
}

func (e *lostError) Error() string { return e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// isLost tells whether another controller should be tried.
func isLost(err error) bool {
	_, ok := errors.AsType[*lostError](err)
	return ok
}

// A resultError is a result code of the server with its text made printable; go-ldap's error is behind it.
type resultError struct{ err *ldap.Error }

func (e *resultError) Error() string {
	name := ldap.LDAPResultCodeMap[e.err.ResultCode]
	s := fmt.Sprintf("LDAP result %d %s", e.err.ResultCode, name)
	if e.err.Err != nil {
		if text := diagnostic(e.err.Err.Error()); text != "" {
			s += ": " + text
		}
	}
	return s
}

func (e *resultError) Unwrap() error { return e.err }

// diagnostic makes one bounded line of a server's text; Windows ends it with NUL and puts line breaks in it.
func diagnostic(s string) string {
	s = strings.Join(strings.FieldsFunc(decodeText(strings.NewReplacer("\n", " ", "\t", " ").Replace(s)), func(r rune) bool { return r == ' ' }), " ")
	if len(s) > 300 {
		s = strings.ToValidUTF8(s[:300], "") + "…"
	}
	return s
}

// searchError turns what a search ended with into an error of ours; on is where it searched.
func searchError(err error, op, on string) error {
	if err == nil || isLost(err) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	e, ok := errors.AsType[*ldap.Error](err)
	if !ok || e.ResultCode >= ldap.ErrorNetwork {
		return &lostError{photopush.Offline, fmt.Errorf("connection lost: %w", err)}
	}
	cause := &resultError{e}
	switch e.ResultCode {
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return &lostError{photopush.Offline, cause}
	case ldap.LDAPResultTimeLimitExceeded:
		return &lostError{photopush.Timeout, cause}
	case ldap.LDAPResultNoSuchObject:
		return &photopush.Error{Reason: photopush.Denied, Op: op, On: on,
			Err: fmt.Errorf("there is no such object, or the account may not see it: correct the base in the configuration: %w", cause)}
	case ldap.LDAPResultReferral:
		return &photopush.Error{Reason: photopush.OutOfScope, Op: op, On: on,
			Err: fmt.Errorf("it lies in another domain: move the base to a section of that domain in domains[]: %w", cause)}
	case ldap.LDAPResultInsufficientAccessRights, ldap.LDAPResultOperationsError:
		return &photopush.Error{Reason: photopush.Denied, Op: op, On: on, Err: cause}
	case ldap.LDAPResultSizeLimitExceeded, ldap.LDAPResultAdminLimitExceeded:
		return &photopush.Error{Reason: photopush.Quota, Op: op, On: on, Err: cause}
	}
	return &photopush.Error{Reason: photopush.Unsupported, Op: op, On: on, Err: cause}
}

// connectError classifies what went wrong before a connection could be used.
func connectError(err error) *lostError {
	if e, ok := errors.AsType[*lostError](err); ok {
		return e
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		return &lostError{photopush.DNS, e}
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return &lostError{photopush.Offline, errors.New("no answer in time")}
	}
	return &lostError{photopush.Offline, err}
}

// tlsError says what is wrong with a handshake, and what to do.
func tlsError(err error, host string) *lostError {
	say := func(format string, args ...any) *lostError {
		return &lostError{photopush.TLS, fmt.Errorf(format, args...)}
	}
	if e, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		issuer := "an unknown CA"
		if e.Cert != nil {
			issuer = fmt.Sprintf("%q", decodeText(e.Cert.Issuer.String()))
		}
		return say("the certificate was issued by %s, which is not trusted: name a file with that CA in ca_file: %w", issuer, err)
	}
	if e, ok := errors.AsType[x509.HostnameError](err); ok {
		return say("the certificate is not for %s but for %s: use that name in controllers: %w", host, certificateNames(e.Certificate), err)
	}
	if e, ok := errors.AsType[x509.CertificateInvalidError](err); ok && e.Reason == x509.Expired {
		return say("the certificate is not valid now: renew it on the controller, or check the clocks: %w", err)
	}
	if _, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return say("the certificate is not accepted: %w", err)
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return say("the port does not speak TLS: use ldap:// for a port that starts TLS, usually 389: %w", err)
	}
	if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() || errors.Is(err, context.DeadlineExceeded) {
		return &lostError{photopush.Offline, errors.New("no answer in time to the TLS handshake")}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) || errors.Is(err, syscall.ECONNRESET) {
		return say("the controller closed the connection during the TLS handshake: it may have no certificate yet: %w", err)
	}
	return say("TLS handshake: %w", err)
}

func certificateNames(c *x509.Certificate) string {
	if c == nil {
		return "another name"
	}
	names := c.DNSNames
	for _, ip := range c.IPAddresses {
		names = append(names, ip.String())
	}
	if len(names) == 0 {
		return "no name at all"
	}
	if len(names) > 5 {
		names = names[:5]
	}
	return decodeText(strings.Join(names, ", "))
}
