package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	photopush "github.com/photopush/photopush"
)

// closeTimeout is what Close allows itself for deleting the shell, whatever became of its caller's context.
const closeTimeout = 5 * time.Second

// A Session is one connection to one workstation with one shell. It is for one goroutine.
type Session struct {
	client  *Client
	host    string // the workstation's full name
	address string // host:port
	log     *slog.Logger
	prelude prelude
	shellID string
	ours    bool // the workstation took our ShellId, so it takes our CommandIds too

	security security
	redials  int   // connections that may still be made after a loss
	spoiled  error // why nothing may be run here any more: an earlier command may still be running
	closed   bool

	mu   sync.Mutex // guards wire against cut
	wire *wire      // nil before connecting and after a loss
}

var (
	errNoHost  = errors.New("the computer object has no dNSHostName")
	errBadHost = errors.New("the dNSHostName is no host name")
)

func (c *Client) newSession(w photopush.Workstation) (*Session, error) {
	if w.Host == "" {
		return nil, &photopush.Error{Reason: photopush.DNS, Op: "connect to", On: w.Name, Err: errNoHost}
	}
	if strings.ContainsFunc(w.Host, notInHost) {
		return nil, &photopush.Error{Reason: photopush.DNS, Op: "connect to", On: strconv.Quote(w.Host), Err: errBadHost}
	}
	address := net.JoinHostPort(w.Host, strconv.Itoa(c.cfg.Port))
	s := &Session{
		client: c, host: w.Host, address: address, log: c.log.With("workstation", w.Host), redials: 1,
		prelude: prelude{to: "https://" + address + "/wsman", sessionID: newID(), envelope: c.envelopeLimit(w.Host)},
	}
	return s, c.enter(s)
}

// notInHost keeps what the directory says from becoming a header field or XML.
func notInHost(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune(".-_:%", r) // the last two are in IPv6 addresses
}

// open connects and creates the shell. What may have been created in vain is deleted, quickly when ctx has ended.
func (s *Session) open(ctx context.Context) error {
	err := s.connect(ctx)
	if err == nil {
		if err = s.create(ctx); err == nil {
			return nil
		}
		if mayBeDone(err) {
			s.discard(ctx)
		}
	}
	s.end()
	return s.failure("open shell on", err)
}

func (s *Session) discard(ctx context.Context) {
	limit := closeTimeout
	if ctx.Err() != nil {
		limit = 700 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if err := s.delete(ctx); err != nil {
		s.log.Debug("a shell may be left behind until its idle time", "shell", s.shellID, "err", err)
	}
}

// create makes the shell under an identifier of our own, so that asking twice makes one.
func (s *Session) create(ctx context.Context) error {
	own := newID()
	s.shellID = own
	m := s.prelude.create(own, s.client.cfg.IdleTimeout, s.client.cfg.OperationTimeout)
	r, err := s.askTwice(ctx, m)
	switch {
	case tooLarge(err) && s.prelude.envelope > smallEnvelope: // it can only mean the size of answers that the message announces
		s.client.rememberSmall(s.host)
		s.prelude.envelope = smallEnvelope
		return s.create(ctx)
	case hasFault(err, faultShellExists, faultAlreadyExists):
		s.ours = true
		return nil
	case err != nil:
		return err
	case r.shellID == "":
		return &malformedError{errors.New("a shell was created, but its ShellId is missing")}
	case len(r.shellID) > 100 || strings.ContainsAny(r.shellID, "<>&\""):
		return &malformedError{errors.New("the ShellId is no identifier")}
	}
	s.shellID, s.ours = r.shellID, strings.EqualFold(r.shellID, own)
	return nil
}

// Close deletes the shell, with it whatever still runs there, and closes the connection. It takes at most 5 s of its own, also when ctx
// has ended. An error means that the shell stays until its idle time.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := s.delete(ctx); err != nil {
		return s.failure("delete shell on", err)
	}
	return nil
}

// delete may dial once more for itself. A shell that is gone already is fine.
func (s *Session) delete(ctx context.Context) error {
	s.redials = 1
	_, err := s.askTwice(ctx, s.prelude.delete(s.shellID, min(closeTimeout, s.client.cfg.OperationTimeout)))
	if hasFault(err, faultUnexpectedSelectors, faultAborted) {
		return nil
	}
	return err
}

// end closes the connection.
func (s *Session) end() {
	s.drop()
	s.client.leave(s)
}

// drop closes the connection, if there is one.
func (s *Session) drop() {
	s.mu.Lock()
	w := s.wire
	s.wire = nil
	s.mu.Unlock()
	if w != nil {
		w.close()
	}
}

// cut ends the connection under whoever uses it.
func (s *Session) cut() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wire != nil {
		s.wire.cut()
	}
}

// connect dials, does the TLS handshake and begins the security context.
func (s *Session) connect(ctx context.Context) error {
	raw, err := s.dial(ctx)
	if err != nil {
		return err
	}
	maxBody := int(s.client.cfg.MaxEnvelope) + 16<<10 // sealing and framing add to the envelope
	w, err := newWire(ctx, raw, s.tlsConfig(), s.address, s.client.cfg.RequestTimeout, maxBody)
	if err != nil {
		return s.handshakeFailure(ctx, err)
	}
	s.mu.Lock()
	s.wire = w
	s.mu.Unlock()
	if s.client.isClosed() {
		return &photopush.Error{Reason: photopush.Internal, Op: "connect to", On: s.address, Err: errClosed}
	}
	state := w.tls.ConnectionState()
	if s.security, err = s.client.mechanism.begin(ctx, peer{host: s.host, tls: &state}); err != nil {
		return err
	}
	return s.security.establish(ctx, w.post)
}

func (s *Session) tlsConfig() *tls.Config {
	return &tls.Config{ServerName: s.host, RootCAs: s.client.roots, MinVersion: tls.VersionTLS12}
}

func (s *Session) dial(ctx context.Context) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, s.client.cfg.DialTimeout)
	defer cancel()
	raw, err := s.client.dial(within, "tcp", s.address)
	if err == nil {
		return raw, nil
	}
	reason := dialReason(ctx, err)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case reason == photopush.Offline && within.Err() != nil:
		err = &timeoutError{"no answer within", s.client.cfg.DialTimeout}
	}
	return nil, &photopush.Error{Reason: reason, Op: "connect to", On: s.address, Err: err}
}

func (s *Session) handshakeFailure(ctx context.Context, err error) error {
	reason := photopush.TLS
	switch {
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		reason = photopush.Timeout
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		err = fmt.Errorf("%w; is a certificate bound to the WinRM listener there?", err) // without one http.sys hangs up
	}
	return &photopush.Error{Reason: reason, Op: "TLS handshake with", On: s.address, Err: err}
}

// failure gives err the form that callers see.
func (s *Session) failure(op string, err error) error {
	if e, ok := errors.AsType[*photopush.Error](err); ok {
		return e
	}
	return &photopush.Error{Reason: reasonOf(err), Op: op, On: s.host, Err: err}
}
