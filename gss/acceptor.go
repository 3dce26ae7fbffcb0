package gss

import (
	"context"
	"errors"

	photopush "github.com/photopush/photopush"
)

// An Acceptor takes the mechanism that a client's first token asks for, as Windows' Negotiate does: Kerberos and NTLM, in SPNEGO or bare.
type Acceptor struct {
	Kerberos *KerberosAcceptor // nil for none
	NTLM     *NTLMAcceptor     // nil for none
}

// Accept begins the service's side of one context, on a connection with that channel binding; nil without TLS.
func (a *Acceptor) Accept(bindings []byte) Context {
	return newContext(&choosing{acceptor: a, bindings: bindings})
}

// A choosing side becomes that of a mechanism with its first token.
type choosing struct {
	acceptor *Acceptor
	bindings []byte
	chosen   side // nil before
}

var errNoMechanism = errors.New("the client asks for a mechanism that is not accepted here")

func (c *choosing) step(ctx context.Context, token []byte) ([]byte, bool, error) {
	if c.chosen == nil {
		switch a := c.acceptor; {
		case a.NTLM != nil && wantsNTLM(token, a.Kerberos != nil):
			c.chosen = a.NTLM.side(c.bindings)
		case a.Kerberos != nil:
			c.chosen = a.Kerberos.side(c.bindings)
		default:
			return nil, false, c.fail(photopush.Unsupported, errNoMechanism)
		}
	}
	return c.chosen.step(ctx, token)
}

func (c *choosing) sealer() sealer { return c.chosen.sealer() }

func (c *choosing) fail(reason photopush.Reason, err error) error {
	return &photopush.Error{Reason: reason, Op: "accept", On: "client", Err: err}
}

// Peer is empty before the first token.
func (c *choosing) Peer() string {
	if c.chosen == nil {
		return ""
	}
	return c.chosen.Peer()
}
