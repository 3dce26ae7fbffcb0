package winrm

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
	"sync"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// negotiation signs in by tokens in HTTP fields (RFC 4559), before the first message. Without TLS every message is sealed; inside TLS the
// context is bound to the host's certificate (RFC 5929, tls-server-end-point), and messages travel as they are, as Windows' own client sends them.
type negotiation struct {
	scheme   string // Negotiate or Kerberos
	protocol string // of sealed messages
	account  string // for people
	rejected photopush.Reason
	fqdn     bool // the mechanism needs a full name
	mutual   bool // the host proves who it is

	// start makes a new context for host. WSMAN is asked for when the key of HTTP turned out to be another account's.
	start func(ctx context.Context, host string, bindings []byte, wsman bool) (gss.Context, error)
	// mistaken tells that the host could not read the ticket for it, so that another is worth trying; nil where there are no tickets.
	mistaken func(host string)

	sealed sync.Pool // *[]byte, of messages on their way
}

var errNoFullName = &photopush.Cause{
	What: "kerberos needs the full name of the workstation, with its domain: an address or a short name has no key",
	Do:   "correct dNSHostName of the computer object: Windows sets it when the workstation restarts in its domain",
}

func (n *negotiation) prepare(host string) ([]tls.Certificate, error) {
	_, err := netip.ParseAddr(host)
	if n.fqdn && (err == nil || !strings.Contains(strings.TrimSuffix(host, "."), ".")) {
		return nil, &photopush.Error{Reason: photopush.DNS, Op: "sign in to", On: host, Err: errNoFullName}
	}
	return nil, nil
}

func (n *negotiation) begin(_ context.Context, p peer) (security, error) {
	c := &negotiated{how: n, host: p.host}
	if p.tls != nil {
		c.bindings = gss.ServerEndPoint(p.tls.PeerCertificates[0])
	}
	return c, nil
}

// negotiated is the context of one connection.
type negotiated struct {
	how      *negotiation
	host     string
	bindings []byte // nil without TLS
	context  gss.Context
	asked    bool // the host was sent a token, in the last attempt
	shown    bool // the credential was in it, and counts there as a failed logon if it is wrong
	buf      *[]byte
}

// A spentError is a sign-in that failed once the credential had been shown: whatever the host said, if anything, it may have counted a failed logon.
type spentError struct{ err error }

func (e *spentError) Error() string { return e.err.Error() }
func (e *spentError) Unwrap() error { return e.err }

// maxLegs bounds the requests of one handshake; Kerberos needs one, NTLM two.
const maxLegs = 4

// establish makes a new context. When a ticket was of no use it is forgotten, and one for another name is tried, once.
func (c *negotiated) establish(ctx context.Context, post poster) error {
	err := c.attempt(ctx, post, false)
	if c.asked && c.how.mistaken != nil && photopush.ReasonOf(err) == photopush.WrongHost { // else it is the KDC that knows neither name
		c.how.mistaken(c.host)
		if c.attempt(ctx, post, true) == nil {
			return nil
		}
	}
	if err != nil && c.shown {
		return &spentError{err}
	}
	return err
}

func (c *negotiated) attempt(ctx context.Context, post poster, wsman bool) error {
	c.context, c.asked, c.shown = nil, false, false
	g, err := c.how.start(ctx, c.host, c.bindings, wsman)
	if err != nil {
		return err
	}
	token, done, err := g.Step(ctx, nil)
	for range maxLegs {
		if err != nil {
			return err
		}
		c.asked, c.shown = true, done && c.how.rejected == photopush.Auth
		a, err := post(ctx, http.Header{"Authorization": {c.how.scheme + " " + base64.StdEncoding.EncodeToString(token)}}, nil)
		if err != nil {
			return err
		}
		reply, err := tokenOf(a, c.how.scheme)
		switch {
		case a.status == http.StatusUnauthorized && c.shown:
			return c.turnedAway(a)
		case err != nil:
			return c.fail(photopush.Unsupported, err)
		case a.status == http.StatusOK:
			return c.finish(ctx, g, done, reply)
		case a.status != http.StatusUnauthorized:
			return &statusError{a.status}
		case done || len(reply) == 0:
			return c.turnedAway(a)
		}
		if token, done, err = g.Step(ctx, reply); err != nil {
			return err
		}
		if len(token) == 0 {
			return c.fail(photopush.Unsupported, errMoreWanted)
		}
	}
	return c.fail(photopush.Unsupported, fmt.Errorf("signing in did not end within %d requests", maxLegs))
}

var (
	errNoProof    = errors.New("the host accepted the sign-in without proving who it is (no AP-REP)")
	errMoreWanted = errors.New("the host wants to go on where the sign-in has ended")
)

// finish judges an acceptance. With Kerberos it must prove that the host has the key.
func (c *negotiated) finish(ctx context.Context, g gss.Context, done bool, reply []byte) error {
	if !done {
		if len(reply) == 0 {
			return c.fail(photopush.Unsupported, errNoProof)
		}
		more, complete, err := g.Step(ctx, reply)
		switch {
		case err != nil:
			return err
		case !complete || len(more) > 0:
			return c.fail(photopush.Unsupported, errMoreWanted)
		}
	}
	c.context = g
	return nil
}

// turnedAway judges an answer 401 that ends the handshake. A mechanism that has not shown its credential yet was not wanted; one that was shown is
// rejected, whatever the host offers instead: else a wrong password would be tried everywhere.
func (c *negotiated) turnedAway(a *answer) error {
	offers := a.header.Values("WWW-Authenticate")
	switch {
	case c.shown:
	case !offered(offers, c.how.scheme):
		return c.fail(photopush.Unsupported, &notOfferedError{c.how.scheme, schemes(offers)})
	case c.how.rejected == photopush.Auth:
		return c.fail(photopush.Unsupported, errNotTaken)
	}
	return c.fail(c.how.rejected, &rejectedError{"the sign-in", c.how.account})
}

var errNotTaken = &photopush.Cause{
	What: "the host offers to negotiate, but does not take NTLM",
	Do:   "allow Negotiate there (winrm/config/service/auth), and incoming NTLM (policy 'Network security: Restrict NTLM: Incoming NTLM traffic')",
}

func (c *negotiated) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "sign in to", On: c.host, Err: err}
}

// tokenOf is the token that the answer has for the scheme; nil for none. It is bounded by maxHeader.
func tokenOf(a *answer, scheme string) ([]byte, error) {
	for _, f := range a.header.Values("WWW-Authenticate") {
		name, text, _ := strings.Cut(strings.TrimSpace(f), " ")
		if text = strings.TrimSpace(text); !strings.EqualFold(name, scheme) || text == "" {
			continue
		}
		text, _, _ = strings.Cut(text, ",") // what joins fields into one
		token, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return nil, fmt.Errorf("the token of %s is no base64: %w", scheme, err)
		}
		return token, nil
	}
	return nil, nil
}

var errNoContext = errors.New("there is no security context")

// seal frames a message; inside TLS it stays as it is. Without a context nothing is sent.
func (c *negotiated) seal(envelope []byte) (http.Header, []byte, error) {
	if c.context == nil {
		return nil, nil, c.fail(photopush.Internal, errNoContext)
	}
	if c.bindings != nil {
		return http.Header{"Content-Type": {soapType}}, envelope, nil
	}
	if c.buf == nil {
		if c.buf, _ = c.how.sealed.Get().(*[]byte); c.buf == nil {
			c.buf = new([]byte)
		}
	}
	const overhead = 512 // frame, header and padding
	if need := len(envelope) + overhead; cap(*c.buf) < need {
		*c.buf = make([]byte, 0, need)
	}
	body, err := appendMultipart((*c.buf)[:0], c.how.protocol, envelope, c.context.Seal)
	if err != nil {
		return nil, nil, err
	}
	*c.buf = body
	return http.Header{"Content-Type": {multipartType(c.how.protocol)}}, body, nil
}

// written gives the buffer back at once: an answer may take long, and hundreds of visits wait for theirs.
func (c *negotiated) written() {
	if c.buf != nil {
		c.how.sealed.Put(c.buf)
		c.buf = nil
	}
}

var errNotSealed = errors.New("the answer is not sealed; it is not read")

// unseal refuses what is not sealed, faults too. Of an answer that is none of WinRM's, such as http.sys', only the status counts.
func (c *negotiated) unseal(a *answer) ([]byte, error) {
	if c.bindings != nil {
		return a.body, nil
	}
	contentType := a.header.Get("Content-Type")
	media, _, _ := strings.Cut(contentType, ";")
	switch {
	case strings.EqualFold(strings.TrimSpace(media), "multipart/encrypted"):
	case a.status >= 300 && (isBlank(a.body) || !isSOAP(a)):
		return nil, &statusError{a.status}
	default:
		return nil, &malformedError{errNotSealed}
	}
	f, err := parseMultipart(contentType, a.body)
	if err != nil {
		return nil, &malformedError{err}
	}
	message, err := c.context.Unseal(f.sealed)
	switch {
	case err != nil:
		return nil, &malformedError{err}
	case len(message) != f.length:
		return nil, &malformedError{fmt.Errorf("an encrypted message of %d bytes whose Length is %d", len(message), f.length)}
	}
	return message, nil
}

// challenged takes up the challenge on a connection that was silent for a while: Windows asks again after 15 s.
func (c *negotiated) challenged(a *answer) error {
	if offers := a.header.Values("WWW-Authenticate"); !offered(offers, c.how.scheme) {
		return c.fail(photopush.Unsupported, &notOfferedError{c.how.scheme, schemes(offers)})
	}
	return nil
}
