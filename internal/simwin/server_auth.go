package simwin

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/photopush/photopush/gss"
)

// A Mechanism is a way to authenticate that http.sys offers.
type Mechanism interface {
	// Scheme is its name in the Authorization header: Basic, Negotiate, Kerberos, or the URI of the profile for certificates.
	Scheme() string
	// Begin makes the state of one connection, which has that TLS; nil for none. It is used by one request at a time.
	Begin(c *tls.ConnectionState) Exchange
}

// An Exchange is a mechanism's state on one connection.
type Exchange interface {
	// Accept takes what follows the scheme's name. It returns the account when the client is known by now, and the token for
	// WWW-Authenticate when the mechanism has one to send, also with an error. ErrContinue asks for another leg; a *LogonError names who
	// was refused.
	Accept(credentials string) (account, token string, err error)
	// Lasting tells whether the connection stays authenticated, so that requests without credentials follow (Negotiate, Kerberos).
	Lasting() bool
}

// A Sealer is an Exchange that encrypts messages (MS-WSMV 2.2.9.1).
type Sealer interface {
	Unseal(header http.Header, body []byte) (message []byte, err error)
	Seal(message []byte) (contentType string, body []byte, err error)
}

// ErrContinue says that the exchange of tokens is not over.
var ErrContinue = errors.New("the client has to send another token")

// A LogonError is a refused logon.
type LogonError struct{ Account string }

func (e *LogonError) Error() string { return "logon of " + e.Account + " is refused" }

// A Basic checks names and passwords. Windows asks for them with every request.
type Basic struct {
	accounts map[string]basicAccount // by every form of the name, lower case
}

type basicAccount struct {
	name, password string
	ofDomain       bool // known, so that a refused logon counts as his, and refused
}

// NewBasic knows local accounts by name, .\name and HOST\name, and those of a domain, written CORP\name, also as name@corp.example and
// name@CORP. Windows accepts Basic for local accounts only ("Installation and configuration for Windows Remote Management": Basic maps to
// local accounts), so those of a domain are refused whatever their password. Names do not depend on case.
func NewBasic(host, domain string, users map[string]string) *Basic {
	b := &Basic{map[string]basicAccount{}}
	machine, _, _ := strings.Cut(host, ".")
	for name, password := range users {
		forms := []string{name}
		netbios, account, ofDomain := strings.Cut(name, `\`)
		switch {
		case ofDomain && domain != "":
			forms = append(forms, account+"@"+domain, account+"@"+netbios, domain+`\`+account)
		case ofDomain:
			forms = append(forms, account+"@"+netbios)
		case !strings.Contains(name, "@"):
			forms = append(forms, `.\`+name, machine+`\`+name)
		}
		for _, f := range forms {
			b.accounts[strings.ToLower(f)] = basicAccount{name, password, ofDomain}
		}
	}
	return b
}

// Scheme is Basic.
func (b *Basic) Scheme() string { return "Basic" }

// Begin: Basic keeps nothing between requests.
func (b *Basic) Begin(*tls.ConnectionState) Exchange { return basicExchange{b} }

type basicExchange struct{ *Basic }

func (basicExchange) Lasting() bool { return false }

func (e basicExchange) Accept(credentials string) (account, token string, err error) {
	raw, err := base64.StdEncoding.DecodeString(credentials)
	name, password, ok := strings.Cut(string(raw), ":")
	if err != nil || !ok || !utf8.Valid(raw) {
		return "", "", &LogonError{"(unreadable)"}
	}
	known, ok := e.accounts[strings.ToLower(name)]
	if !ok {
		return "", "", &LogonError{strings.ToLower(name)}
	}
	if known.ofDomain || known.password != password {
		return "", "", &LogonError{known.name}
	}
	return known.name, "", nil
}

func schemeOf(offer string) string {
	scheme, _, _ := strings.Cut(offer, " ")
	return strings.ToLower(scheme)
}

// offersOf is what a 401 offers where those mechanisms are allowed, in Windows' order. The profile for certificates is in no challenge.
func offersOf(mechanisms []Mechanism) []string {
	offers := []string{"Negotiate", "Kerberos", `Basic realm="WSMAN"`}
	return slices.DeleteFunc(offers, func(o string) bool {
		return !slices.ContainsFunc(mechanisms, func(m Mechanism) bool { return strings.EqualFold(m.Scheme(), schemeOf(o)) })
	})
}

// A verdict is what authentication made of a request.
type verdict struct {
	account  string // empty: the answer is 401
	scheme   string // as the client wrote it
	token    string // to be sent back
	signedIn bool   // this request's token ended an exchange, so that it needs no message
	more     bool   // the exchange goes on: the connection stays open
	expired  bool   // the client has to sign in again, on the same connection
	exchange Exchange
}

// authenticate is http.sys before the service: a connection that a lasting mechanism has authenticated needs no header any more.
func (s *Server) authenticate(c *connection, r *http.Request) verdict {
	scheme, credentials, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	if scheme == "" {
		return c.standing(s.options.Clock.Now())
	}
	for _, m := range s.options.Mechanisms {
		if strings.EqualFold(m.Scheme(), scheme) && (scheme == mutualProfile || s.offers(scheme)) {
			return s.accept(c, m, r.TLS, scheme, strings.TrimSpace(credentials))
		}
	}
	return verdict{}
}

// accept gives the credentials to the mechanism. Whatever the connection was signed in for before is over by then (not seen on a wire).
func (s *Server) accept(c *connection, m Mechanism, t *tls.ConnectionState, scheme, credentials string) verdict {
	x := c.exchangeOf(m, t)
	account, token, err := x.Accept(credentials)
	switch {
	case errors.Is(err, ErrContinue):
		c.signOut()
		return verdict{scheme: scheme, token: token, exchange: x, more: true}
	case err != nil:
		s.refused(scheme, err)
		c.forget(m)
		return verdict{scheme: scheme, token: token}
	}
	v := verdict{account: s.options.accountOf(account), scheme: scheme, token: token, exchange: x, signedIn: x.Lasting()}
	c.keep(v)
	return v
}

// accountOf is the name by which Windows knows a client: DOMAIN\name, whichever mechanism signed him in (recorded as the Owner of a shell).
func (o Options) accountOf(peer string) string {
	if name, realm, ok := strings.Cut(peer, "@"); ok && o.NetBIOS != "" && strings.EqualFold(realm, o.Domain) {
		return o.NetBIOS + `\` + name
	}
	return peer
}

// refused counts the logons that an account's lockout would count.
func (s *Server) refused(scheme string, err error) {
	s.options.Log.Debug("a sign-in is refused", "host", s.options.Host, "scheme", scheme, "err", err)
	if logon, ok := errors.AsType[*LogonError](err); ok {
		s.meter.logonFailed(logon.Account)
	}
	if logon, ok := errors.AsType[*gss.LogonError](err); ok {
		account := logon.Account
		if _, known := s.options.Users[account]; !known {
			account = strings.ToLower(account)
		}
		s.meter.logonFailed(account)
	}
}
