package winrm

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// Options are what a Client is given besides its configuration.
type Options struct {
	Logger *slog.Logger // nil discards

	// Dial resolves the host of addr and connects, within ctx; nil for the system's resolver. A name that does not resolve gives an
	// error with a *net.DNSError in its chain.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Kerberos has the account's tickets; auth kerberos needs it, and the client does not close it.
	Kerberos *gss.Kerberos
}

// A Client opens sessions with the workstations of one domain. It may be used by many goroutines; it starts none.
type Client struct {
	cfg       Config
	log       *slog.Logger
	dial      func(ctx context.Context, network, addr string) (net.Conn, error)
	roots     *x509.CertPool // nil for the system's
	mechanism mechanism
	envelopes sync.Pool // *[]byte, for messages with input

	mu      sync.Mutex
	closed  bool
	open    map[*link]struct{}
	orphans map[string]orphan   // by host
	small   map[string]struct{} // hosts that refused an envelope of MaxEnvelope
}

// New checks cfg and reads the CA file; it contacts nobody.
func New(cfg Config, opts Options) (*Client, error) {
	if err := cfg.Validate(""); err != nil {
		return nil, err
	}
	c := &Client{
		cfg: cfg, log: opts.Logger, dial: opts.Dial,
		open: make(map[*link]struct{}), small: make(map[string]struct{}), orphans: make(map[string]orphan),
	}
	var err error
	if c.mechanism, err = newMechanism(&c.cfg, opts); err != nil {
		return nil, err
	}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	if c.dial == nil {
		c.dial = new(net.Dialer).DialContext
	}
	if cfg.CAFile != "" {
		if c.roots, err = readRoots(cfg.CAFile); err != nil {
			return nil, fmt.Errorf("read ca_file: %w", err)
		}
	}
	return c, nil
}

var errClosed = errors.New("the client is closed")

// Open connects to the workstation, signs in and creates a shell there. The error is a *photopush.Error; nothing has been run.
func (c *Client) Open(ctx context.Context, w photopush.Workstation) (*Session, error) {
	s, err := c.newSession(w)
	if err != nil {
		return nil, err
	}
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	return s, nil
}

// Close ends the connections that are still open; a shell that was not deleted ends by its idle time.
func (c *Client) Close() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	for l := range c.open {
		l.cut()
	}
	clear(c.open)
	return nil
}

// enter counts a connection as open, unless the client is closed.
func (c *Client) enter(l *link) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return &photopush.Error{Reason: photopush.Internal, Op: "connect to", On: l.host, Err: errClosed}
	}
	c.open[l] = struct{}{}
	return nil
}

func (c *Client) leave(l *link) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.open, l)
}

// envelopeLimit is how large an envelope for that host may be, in bytes.
func (c *Client) envelopeLimit(host string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.small[host]; ok {
		return smallEnvelope
	}
	return int(c.cfg.MaxEnvelope)
}

// rememberSmall notes that the host refused an envelope larger than smallEnvelope.
func (c *Client) rememberSmall(host string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.small[host] = struct{}{}
}

func (c *Client) isClosed() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closed
}
