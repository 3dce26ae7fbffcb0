package simwin

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"net/http"

	"github.com/photopush/photopush/gss"
)

// A Kerberos accepts tickets for the workstation, under Negotiate or Kerberos, and seals messages with the context.
type Kerberos struct {
	scheme   string
	service  *gss.KerberosAcceptor
	bindings []byte
}

// NewKerberos is the mechanism of one scheme, Negotiate or Kerberos, with the workstation's keytab; leaf is its certificate, nil without TLS. A
// client that is bound to another channel is refused, one that is bound to none is not (CbtHardeningLevel Relaxed, the default).
func NewKerberos(scheme string, service *gss.KerberosAcceptor, leaf *x509.Certificate) *Kerberos {
	k := &Kerberos{scheme: scheme, service: service}
	if leaf != nil {
		k.bindings = gss.ServerEndPoint(leaf)
	}
	return k
}

// Scheme is that of the Authorization field.
func (k *Kerberos) Scheme() string { return k.scheme }

// Begin makes a context for one connection.
func (k *Kerberos) Begin() Exchange { return &kerberosExchange{k: k} }

type kerberosExchange struct {
	k       *Kerberos
	current gss.Context
}

func (*kerberosExchange) Lasting() bool { return true }

// Accept makes a new context of each token: http.sys lets a client sign in again on the same connection.
func (e *kerberosExchange) Accept(credentials string) (account, token string, err error) {
	raw, err := base64.StdEncoding.DecodeString(credentials)
	if err != nil {
		return "", "", err
	}
	c := e.k.service.Accept(e.k.bindings)
	out, _, err := c.Step(context.Background(), raw) // the acceptor waits for nothing
	if err != nil {
		return "", base64.StdEncoding.EncodeToString(out), err
	}
	e.current = c
	return c.Peer(), base64.StdEncoding.EncodeToString(out), nil
}

// protocol names sealed messages by the scheme (MS-WSMV 2.2.9.1.1 and 2.2.9.1.2).
func (e *kerberosExchange) protocol() string {
	if e.k.scheme == "Kerberos" {
		return "application/HTTP-Kerberos-session-encrypted"
	}
	return "application/HTTP-SPNEGO-session-encrypted"
}

var errNoContext = errors.New("there is no security context")

// Unseal implements Sealer.
func (e *kerberosExchange) Unseal(header http.Header, body []byte) ([]byte, error) {
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
func (e *kerberosExchange) Seal(message []byte) (contentType string, body []byte, err error) {
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
