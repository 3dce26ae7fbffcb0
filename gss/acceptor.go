package gss

import (
	"context"

	photopush "github.com/photopush/photopush"
)

// An Acceptor takes the mechanism that a client's first token asks for, as Windows' Negotiate does: Kerberos and NTLM, in SPNEGO or bare.
type Acceptor struct {
	Kerberos *KerberosAcceptor // nil for none
	NTLM     *NTLMAcceptor     // nil for none
}

// Accept begins the service's side of one context, on a connection with that channel binding; nil without TLS.
func (a *Acceptor) Accept(bindings []byte) Context { return &choosing{acceptor: a, bindings: bindings} }

// A choosing context becomes that of a mechanism with its first token.
type choosing struct {
	acceptor *Acceptor
	bindings []byte
	Context
}

// Step chooses with the first token, and then is the mechanism's.
func (c *choosing) Step(ctx context.Context, token []byte) ([]byte, bool, error) {
	if c.Context == nil {
		switch a := c.acceptor; {
		case a.NTLM != nil && wantsNTLM(token, a.Kerberos != nil):
			c.Context = a.NTLM.Accept(c.bindings)
		case a.Kerberos != nil:
			c.Context = a.Kerberos.Accept(c.bindings)
		default:
			return nil, false, &photopush.Error{Reason: photopush.Unsupported, Op: "accept", On: "client", Err: errOtherMechanism}
		}
	}
	return c.Context.Step(ctx, token)
}

// Seal implements Context.
func (c *choosing) Seal(dst, message []byte) ([]byte, int, error) {
	if c.Context == nil {
		return nil, 0, &photopush.Error{Reason: photopush.Internal, Op: "seal for", On: "client", Err: errNotDone}
	}
	return c.Context.Seal(dst, message)
}

// Unseal implements Context.
func (c *choosing) Unseal(sealed []byte) ([]byte, error) {
	if c.Context == nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "unseal from", On: "client", Err: errNotDone}
	}
	return c.Context.Unseal(sealed)
}

// Peer is empty before the first token.
func (c *choosing) Peer() string {
	if c.Context == nil {
		return ""
	}
	return c.Context.Peer()
}
