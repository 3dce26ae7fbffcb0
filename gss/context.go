package gss

import (
	"context"

	photopush "github.com/photopush/photopush"
)

// A side is one mechanism's side of a context, up to where messages are sealed.
type side interface {
	// step is Context.Step. It is not called after an error, nor when it was done.
	step(ctx context.Context, token []byte) (out []byte, done bool, err error)

	// sealer seals the messages, once step is done.
	sealer() sealer

	Peer() string
	fail(reason photopush.Reason, err error) error
}

// A sealer seals and unseals the messages of one context; see Context.
type sealer interface {
	Seal(dst, message []byte) (sealed []byte, header int, err error)
	Unseal(sealed []byte) (message []byte, err error)
}

// An orderly context keeps a side to the order of things: tokens first, then messages, and nothing more after an error.
type orderly struct {
	side
	messages sealer // nil before the side is done
	ended    error  // what ended the exchange of tokens
}

func newContext(s side) Context { return &orderly{side: s} }

// Step implements Context.
func (c *orderly) Step(ctx context.Context, token []byte) ([]byte, bool, error) {
	switch {
	case c.ended != nil:
		return nil, false, c.ended
	case c.messages != nil:
		return nil, false, c.fail(photopush.Unsupported, errContextEnd)
	case ctx.Err() != nil:
		return nil, false, c.fail(photopush.Timeout, context.Cause(ctx))
	}
	out, done, err := c.step(ctx, token)
	switch {
	case err != nil:
		c.ended = err
		return out, false, err
	case done:
		c.messages = c.sealer()
	}
	return out, done, nil
}

// Seal implements Context.
func (c *orderly) Seal(dst, message []byte) ([]byte, int, error) {
	if err := c.early(); err != nil {
		return nil, 0, err
	}
	return c.messages.Seal(dst, message)
}

// Unseal implements Context.
func (c *orderly) Unseal(sealed []byte) ([]byte, error) {
	if err := c.early(); err != nil {
		return nil, err
	}
	return c.messages.Unseal(sealed)
}

// A signer is a sealer that can do without sealing; see Context.
type signer interface {
	Sign(dst, message []byte) (token []byte, err error)
	Verify(token []byte) (message []byte, err error)
}

// Sign implements Context.
func (c *orderly) Sign(dst, message []byte) ([]byte, error) {
	s, err := c.signer()
	if err != nil {
		return nil, err
	}
	return s.Sign(dst, message)
}

// Verify implements Context.
func (c *orderly) Verify(token []byte) ([]byte, error) {
	s, err := c.signer()
	if err != nil {
		return nil, err
	}
	return s.Verify(token)
}

func (c *orderly) signer() (signer, error) {
	if err := c.early(); err != nil {
		return nil, err
	}
	if s, ok := c.messages.(signer); ok {
		return s, nil
	}
	return nil, c.fail(photopush.Unsupported, errNoSigning)
}

// early is why there are no messages yet, or never will be.
func (c *orderly) early() error {
	switch {
	case c.ended != nil:
		return c.ended
	case c.messages == nil:
		return c.fail(photopush.Internal, errNotDone)
	}
	return nil
}
