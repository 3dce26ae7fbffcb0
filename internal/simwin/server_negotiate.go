package simwin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/photopush/photopush/gss"
)

// An Acceptor makes the service's side of security contexts: a *gss.Acceptor, or one of a single mechanism. The bindings are those of the
// TLS channel; nil without TLS.
type Acceptor interface {
	Accept(bindings []byte) gss.Context
}

// A Negotiation signs clients in by tokens, and seals messages with the context that comes of them.
type Negotiation struct {
	scheme   string
	service  Acceptor
	bindings []byte
}

// NewNegotiate is the scheme Negotiate. What it takes is the service's affair; Windows' takes Kerberos and NTLM, each in SPNEGO and bare
// (MS-SPNG 3.2.5.2; public clients send all four). leaf is the workstation's certificate, nil without TLS.
func NewNegotiate(service Acceptor, leaf *x509.Certificate) *Negotiation {
	return newNegotiation("Negotiate", service, leaf)
}

// NewKerberos is one scheme, Negotiate or Kerberos, with Kerberos alone. Under Kerberos it takes no SPNEGO (MS-WSMV 2.2.9.1.2). A client that
// is bound to another channel is refused, one that is bound to none is not (CbtHardeningLevel Relaxed, the default).
func NewKerberos(scheme string, service *gss.KerberosAcceptor, leaf *x509.Certificate) *Negotiation {
	return newNegotiation(scheme, service, leaf)
}

func newNegotiation(scheme string, service Acceptor, leaf *x509.Certificate) *Negotiation {
	n := &Negotiation{scheme: scheme, service: service}
	if leaf != nil {
		n.bindings = gss.ServerEndPoint(leaf)
	}
	return n
}

// Scheme is that of the Authorization field.
func (n *Negotiation) Scheme() string { return n.scheme }

// Begin: a connection has no context until the first token comes.
func (n *Negotiation) Begin(*tls.ConnectionState) Exchange { return &negotiating{n: n} }

// negotiating is the state of one connection.
type negotiating struct {
	n       *Negotiation
	pending gss.Context // waits for the client's next token
	current gss.Context // messages are sealed with it
}

func (*negotiating) Lasting() bool { return true }

var errSPNEGO = errors.New("a token in SPNEGO, which the scheme Kerberos does not take")

// Accept takes the next token of an exchange, or the first of a new one: http.sys lets a client sign in again on the same connection. The
// context that was there before is gone then (not seen on a wire).
func (e *negotiating) Accept(credentials string) (account, token string, err error) {
	raw, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return "", "", err
	}
	if e.n.scheme == "Kerberos" && inSPNEGO(raw) {
		return "", "", errSPNEGO
	}
	c := e.pending
	if c == nil {
		c = e.n.service.Accept(e.n.bindings)
	}
	e.pending, e.current = nil, nil
	out, done, err := c.Step(context.Background(), raw) // an acceptor waits for nothing
	token = base64.StdEncoding.EncodeToString(out)
	switch {
	case err != nil:
		return "", token, err
	case !done:
		e.pending = c
		return "", token, ErrContinue
	}
	e.current = c
	return c.Peer(), token, nil
}

// inSPNEGO tells whether a first token is framed as SPNEGO's (RFC 2743 section 3.1, RFC 4178).
func inSPNEGO(token []byte) bool {
	var frame asn1.RawValue
	if _, err := asn1.Unmarshal(token, &frame); err != nil {
		return false
	}
	return frame.Class == asn1.ClassApplication && frame.Tag == 0 && bytes.HasPrefix(frame.Bytes, []byte("\x06\x06\x2b\x06\x01\x05\x05\x02"))
}

// protocol names sealed messages by the scheme (MS-WSMV 2.2.9.1.1 and 2.2.9.1.2).
func (e *negotiating) protocol() string {
	if e.n.scheme == "Kerberos" {
		return "application/HTTP-Kerberos-session-encrypted"
	}
	return "application/HTTP-SPNEGO-session-encrypted"
}

var errNoContext = errors.New("there is no security context")

// Unseal implements Sealer.
func (e *negotiating) Unseal(header http.Header, body []byte) ([]byte, error) {
	if e.current == nil {
		return nil, errNoContext
	}
	sealed, length, err := readEncrypted(header.Get("Content-Type"), e.protocol(), body)
	if err != nil {
		return nil, err
	}
	message, err := e.current.Unseal(sealed)
	if err == nil && len(message) != length {
		err = errFraming
	}
	return message, err
}

// Seal implements Sealer.
func (e *negotiating) Seal(message []byte) (contentType string, body []byte, err error) {
	if e.current == nil {
		return "", nil, errNoContext
	}
	sealed, header, err := e.current.Seal(nil, message)
	if err != nil {
		return "", nil, err
	}
	contentType, body = writeEncrypted(e.protocol(), sealed, header, len(message))
	return contentType, body, nil
}
