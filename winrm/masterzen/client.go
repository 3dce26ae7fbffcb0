package masterzen

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"strconv"
	"time"

	"github.com/google/uuid"
	zen "github.com/masterzen/winrm"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/winrm"
)

// A Client opens sessions with the workstations of one domain. It may be used by many goroutines.
type Client struct {
	cfg winrm.Config
	log *slog.Logger
	way *winrm.Client
}

// New checks cfg and reads its files as winrm.New does; it contacts nobody.
func New(cfg winrm.Config, o winrm.Options) (*Client, error) {
	way, err := winrm.New(cfg, o)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, log: o.Logger, way: way}
	if c.log == nil {
		c.log = slog.New(slog.DiscardHandler)
	}
	return c, nil
}

// Close ends the connections that are still open; a shell that was not deleted ends by its idle time.
func (c *Client) Close() error { return c.way.Close() }

// sealing is more than encryption and its frame add to a message, in bytes: hosts may count them too.
const sealing = 1 << 10

// Open connects to the workstation, signs in and creates a shell there. The error is a *photopush.Error; nothing has been run.
func (c *Client) Open(ctx context.Context, w photopush.Workstation) (*Session, error) {
	ch, err := c.way.Dial(ctx, w)
	if err != nil {
		return nil, err
	}
	s := &Session{client: c, w: w, transporter: newTransporter(ctx, ch, true)}
	s.transporter.shell = &shellOptions{id: uuid.NewString(), idle: c.cfg.IdleTimeout}
	s.transporter.maxMessage = int(c.cfg.MaxEnvelope) - sealing
	if s.zen, err = c.zen(ch.URL(), s.transporter); err == nil {
		s.shell, err = s.zen.CreateShell()
	}
	if err == nil {
		return s, nil
	}
	if failure := s.transporter.Err(); failure != nil {
		err = failure
	}
	if photopush.ReasonOf(err) == photopush.Unknown {
		s.discard(ctx)
	}
	s.transporter.channel.Close()
	return nil, s.failure("open shell on", err)
}

// zen makes masterzen's client for the service at address, with transporter below it.
func (c *Client) zen(address string, transporter *Transporter) (*zen.Client, error) {
	u, err := url.Parse(address)
	if err != nil {
		return nil, err
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		return nil, err
	}
	p := zen.NewParameters(seconds(c.cfg.OperationTimeout), "en-US", int(c.cfg.MaxEnvelope))
	p.TransportDecorator = func() zen.Transporter { return transporter }
	endpoint := zen.NewEndpoint(u.Hostname(), port, u.Scheme == "https", false, nil, nil, nil, 0)
	return zen.NewClientWithParameters(endpoint, "", "", p)
}

// discard deletes a shell that may have been made although its Create failed.
func (s *Session) discard(ctx context.Context) {
	limit := closeTimeout
	if ctx.Err() != nil {
		limit = 700 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	s.shell = s.zen.NewShell(s.transporter.shell.id)
	if err := s.delete(ctx); err != nil {
		s.client.log.Debug("a shell may be left behind until its idle time", "workstation", s.w.Host, "err", err)
	}
}

// failure gives err the form that callers see while nothing was done on the workstation.
func (s *Session) failure(op string, err error) error {
	reason := photopush.ReasonOf(err)
	if reason == photopush.Unknown {
		reason = photopush.Timeout
	}
	return &photopush.Error{Reason: reason, Op: op, On: s.w.Host, Err: cause(err)}
}

// cause is err without the words for what was tried on what, which whoever reports it says better.
func cause(err error) error {
	if e, ok := errors.AsType[*photopush.Error](err); ok && e.Err != nil {
		return e.Err
	}
	return err
}

// seconds is d as an xs:duration.
func seconds(d time.Duration) string { return fmt.Sprintf("PT%gS", d.Seconds()) }
