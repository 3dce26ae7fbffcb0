package directory

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"sync"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A binder authenticates a connection that is encrypted already. It is asked by one caller at a time.
type binder interface {
	// bind returns a *photopush.Error with reason Auth when the credential was rejected; it then returns that error again, without
	// asking a controller, until the credential has changed. A *lostError means that another controller may do better.
	bind(ctx context.Context, c *conn) error
}

// A simpleBinder sends name and password (RFC 4513 5.1.3).
type simpleBinder struct {
	user   string
	secret photopush.Secret

	mu       sync.Mutex
	rejected error // of the last rejection, nil after a success
	mark     photopush.SecretMark
}

func (b *simpleBinder) bind(ctx context.Context, c *conn) error {
	b.mu.Lock()
	defer b.mu.Unlock()
	mark, err := b.secret.Mark()
	if err != nil {
		return b.unusable(err)
	}
	if b.rejected != nil && mark == b.mark {
		return b.rejected
	}
	password, err := b.secret.Reveal()
	if err != nil {
		return b.unusable(err)
	}
	b.rejected, b.mark = nil, mark
	err = c.simpleBind(ctx, b.user, password)
	if photopush.ReasonOf(err) == photopush.Auth {
		b.rejected = err
	}
	return err
}

// unusable is the error when there is no password to send. Nothing was tried.
func (b *simpleBinder) unusable(err error) error {
	return &photopush.Error{Reason: photopush.Internal, Op: "bind as", On: b.user, Err: err}
}

func (c *conn) simpleBind(ctx context.Context, user, password string) error {
	w := c.watch(ctx)
	err := c.ldap.Bind(user, password)
	ended := w.end(err)
	// A rejection counts even when the time ran out at the same moment: it must not be asked for twice.
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.ResultCode < ldap.ErrorNetwork {
		return bindError(e, user, c.controller.url)
	}
	return searchError(ended, "bind as", user)
}

// bindError says why a bind was refused.
func bindError(e *ldap.Error, user, url string) error {
	fail := func(reason photopush.Reason, err error) error {
		return &photopush.Error{Reason: reason, Op: "bind at " + url + " as", On: user, Err: err}
	}
	switch e.ResultCode {
	case ldap.LDAPResultInvalidCredentials, ldap.LDAPResultInappropriateAuthentication, ldap.LDAPResultInvalidDNSyntax:
		return fail(photopush.Auth, fmt.Errorf("%s: %w", rejection(e.Error()), &resultError{e}))
	case ldap.LDAPResultStrongAuthRequired, ldap.LDAPResultConfidentialityRequired, ldap.LDAPResultAuthMethodNotSupported:
		return fail(photopush.Unsupported, fmt.Errorf("the controller takes no password in this way: %w", &resultError{e}))
	}
	return searchError(e, "bind at "+url+" as", user)
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

// rejection turns the text of result 49 into words.
func rejection(text string) string {
	if m := adData.FindStringSubmatch(text); m != nil {
		if words, ok := rejections[strings.ToLower(m[1])]; ok {
			return words
		}
	}
	return "user name or password was rejected"
}
