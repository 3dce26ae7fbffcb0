package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"regexp"
	"strings"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// A binder proves the account on a connection. It is asked by one caller at a time.
type binder interface {
	// prepare comes before the connection, and may add to its TLS what the account is proved with there. Its error is final.
	prepare(*tls.Config) error

	// bind proves the account, and returns what LDAP is spoken over from then on. An error with reason Auth says that the credential was
	// rejected; a *lostError, that another controller may do better.
	bind(ctx context.Context, ch *channel) (net.Conn, error)
}

// newBinder is that of the account; tickets are those of Kerberos.
func newBinder(cfg *Config, tickets *gss.Kerberos, log *slog.Logger, now func() time.Time) (binder, error) {
	a := &cfg.Account
	b := &prudentBinder{name: a.Name(), secret: a.Secret(), log: log, now: now}
	switch {
	case a.Auth == authSimple:
		b.binder = &simpleBinder{user: a.BindUser, password: a.password()}
	case a.Auth == authCertificate:
		b.binder = &certificateBinder{file: a.CertificateFile, key: a.KeyFile, now: now}
	case tickets != nil:
		b.binder = &kerberosBinder{user: a.Name(), domain: cfg.Name, tickets: tickets}
	default:
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "bind as", On: a.Name(), Err: errNoTickets}
	}
	return b, nil
}

var errNoTickets = errors.New("auth kerberos needs Options.Kerberos")

// A prudentBinder does not try a rejected credential again until its secret has changed, and one that was sent without an answer not often.
type prudentBinder struct {
	binder
	name   string
	secret photopush.Secret
	log    *slog.Logger
	now    func() time.Time

	rejected   error // nil after a success
	mark       photopush.SecretMark
	unanswered photopush.Unanswered
}

func (b *prudentBinder) prepare(config *tls.Config) error {
	mark, err := b.secret.Mark()
	if err != nil {
		return unusable(b.name, err)
	}
	if b.rejected != nil && mark == b.mark {
		return b.rejected
	}
	b.rejected, b.mark = nil, mark
	if err := b.unanswered.Held(mark, b.now()); err != nil {
		return &photopush.Error{Reason: photopush.Offline, Op: "bind as", On: b.name, Err: fmt.Errorf("%w: %w", photopush.ErrNoDirectory, err)}
	}
	return b.binder.prepare(config)
}

// isHeld tells whether err says that the secret must not be sent for a while.
func isHeld(err error) bool {
	_, ok := errors.AsType[*photopush.HeldError](err)
	return ok
}

func (b *prudentBinder) bind(ctx context.Context, ch *channel) (net.Conn, error) {
	layer, err := b.binder.bind(ctx, ch)
	silent, ok := errors.AsType[*unansweredError](err)
	switch {
	case err == nil:
		b.unanswered.Answered()
	case photopush.ReasonOf(err) == photopush.Auth:
		b.rejected = err
	case ok:
		b.unanswered.Note(b.now(), fmt.Errorf("%s: %w", ch.controller.url, silent.err))
		if held := b.unanswered.Held(b.mark, b.now()); held != nil {
			b.log.Warn("account is not tried for a while", "account", b.name, "err", held)
		}
	}
	return layer, err
}

// An unansweredError says that a password was sent, and no answer came: it may have been found wrong.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }

// isUnanswered tells whether a password was sent in vain.
func isUnanswered(err error) bool {
	_, ok := errors.AsType[*unansweredError](err)
	return ok
}

// unusable is the error when there is no secret to prove the account with. Nothing was tried.
func unusable(name string, err error) error {
	return &photopush.Error{Reason: photopush.Internal, Op: "bind as", On: name, Err: err}
}

// A simpleBinder sends name and password (RFC 4513 5.1.3).
type simpleBinder struct {
	user     string
	password photopush.Secret
}

func (b *simpleBinder) prepare(*tls.Config) error { return nil }

func (b *simpleBinder) bind(ctx context.Context, ch *channel) (net.Conn, error) {
	password, err := b.password.Reveal()
	if err != nil {
		return nil, unusable(b.user, err)
	}
	a, err := ch.ask(ctx, bindRequest(b.user, ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, password, "simple")))
	switch {
	case errors.Is(err, errNotSent):
		return nil, ch.lost(ctx, err)
	case err != nil:
		return nil, &unansweredError{ch.lost(ctx, err)}
	case a.code != ldap.LDAPResultSuccess:
		return nil, bindError(a.err(), b.user, ch.controller.url)
	}
	return ch.Conn, nil
}

// bindRequest is a bind with version 3 of LDAP (RFC 4511 4.2).
func bindRequest(user string, authentication *ber.Packet) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationBindRequest, nil, "BindRequest")
	op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 3, "version"))
	op.AppendChild(ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, user, "name"))
	op.AppendChild(authentication)
	return op
}

// bindError says why a bind was refused.
func bindError(e *ldap.Error, user, url string) error {
	fail := func(reason photopush.Reason, err error) error {
		return &photopush.Error{Reason: reason, Op: "bind at " + url + " as", On: user, Err: err}
	}
	switch e.ResultCode {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInvalidDNSyntax:
		return fail(photopush.Auth, &rejectedError{&resultError{e}})
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultAuthMethodNotSupported:
		return fail(photopush.Unsupported, fmt.Errorf("the controller takes no password in this way: %w", &resultError{e}))
	}
	return searchError(e, "bind at "+url+" as", user)
}

// saslError says why a SASL bind was refused, within TLS or without. It is of the controller, not of the credential: no password was tried, and another
// controller may accept it.
func saslError(a *answer, user, url string, withinTLS bool) error {
	e := a.err()
	said := &resultError{e}
	data := refusalData(e.Error())
	switch {
	case data == badBindings:
		return &lostError{photopush.TLS, fmt.Errorf("%s: %w", otherTLS, said)}
	case data == badParameter && withinTLS && a.code == ldap.LDAPResultInvalidCredentials:
		return &lostError{photopush.Denied, fmt.Errorf("the controller does not let %s in: either %s; or %s: %w", user, refusal(""), otherTLS, said)}
	case a.code == ldap.LDAPResultInvalidCredentials:
		return &lostError{photopush.Denied, fmt.Errorf("the controller does not let %s in: %s: %w", user, refusal(e.Error()), said)}
	case a.code == ldap.LDAPResultStrongAuthRequired, a.code == ldap.LDAPResultConfidentialityRequired, a.code == ldap.LDAPResultAuthMethodNotSupported,
		a.code == ldap.LDAPResultUnwillingToPerform:
		return &lostError{photopush.Unsupported, fmt.Errorf("the controller does not let anybody sign in in this way: %w", said)}
	}
	if err := searchError(e, "bind at "+url+" as", user); isLost(err) {
		return err
	}
	return &lostError{photopush.Unsupported, said}
}

// otherTLS is what a refused channel binding means.
const otherTLS = "the controller sees another TLS connection than we do: something between us, such as a load balancer or an inspection of TLS, ends it " +
	"and begins another one: connect to the controller itself"

// What the text of a refusal may name: SEC_E_BAD_BINDINGS (MS-ERREF 2.1.1), and ERROR_INVALID_PARAMETER (2.2), which controllers that demand a channel binding
// (LdapEnforceChannelBinding 2) are reported to name as well when Kerberos brings none, or another one.
const (
	badBindings  = "80090346"
	badParameter = "57"
)

// refusalData is the number behind "data" in the text of a refusal, in lower-case hex; empty for none.
func refusalData(text string) string {
	if m := adData.FindStringSubmatch(text); m != nil {
		return strings.ToLower(m[1])
	}
	return ""
}

// refusal turns the text of result 49 to a ticket or certificate into words.
func refusal(text string) string {
	if words, ok := rejections[refusalData(text)]; ok && refusalData(text) != "52e" {
		return words
	}
	return "its key may have changed since the ticket was given, or its policy may not let the account sign in"
}

var adData = regexp.MustCompile(`, data ([0-9a-fA-F]{1,8})\b`)

// rejections are the Windows error codes that Active Directory puts behind "data" in the text of result 49, in hex
// (MS-ERREF 2.2: ERROR_LOGON_FAILURE is 0x52e).
var rejections = map[string]string{
	"525": "there is no such account",
	"52e": "wrong user name or password",
	"530": "the account may not sign in at this time",
	"531": "the account may not sign in from this computer",
	"532": "the password has expired",
	"533": "the account is disabled",
	"569": "the account lacks the right to sign in to the controller",
	"701": "the account has expired",
	"773": "the password must be changed first",
	"775": "the account is locked",
}

// A rejectedError is a controller's answer that it does not take name and password.
type rejectedError struct{ said *resultError }

func (e *rejectedError) Error() string { return rejection(e.said.err.Error()) + ": " + e.said.Error() }
func (e *rejectedError) Unwrap() error { return e.said }

// Remedy is what to do where the controller tells that it is not the password; empty otherwise.
func (e *rejectedError) Remedy() string {
	if do, ok := releases[refusalData(e.said.err.Error())]; ok {
		return do + "; then touch the password's file: it is not used again until that file has changed"
	}
	return ""
}

// releases are what lets an account in again whose password is right.
var releases = map[string]string{
	"530": "let the account sign in at all hours",
	"531": "let the account sign in from this server, or from every computer",
	"533": "enable the account in the domain",
	"569": "give the account the right to access the domain controllers from the network",
	"701": "give the account another end in the domain: it has expired",
	"775": "unlock the account in the domain, once it is known who sent wrong passwords",
}

// rejection turns the text of result 49 into words.
func rejection(text string) string {
	if words, ok := rejections[refusalData(text)]; ok {
		return words
	}
	return "user name or password was rejected"
}
