package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	photopush "github.com/photopush/photopush"
)

// A link is the way to one workstation: one connection with one security context at a time. It is for one goroutine, but for cut.
type link struct {
	client   *Client
	host     string // the workstation's full name
	address  string // host:port
	log      *slog.Logger
	security security
	progress *progress // of an Open that is traced

	renewed    bool  // it was signed in anew, and nothing but a challenge was answered since
	accepted   bool  // an answer has shown that the account may sign in
	unanswered int   // messages without an answer before that
	rejected   error // why nothing is sent any more: the credential was rejected, or shown in vain, and would cost another logon
	lapsed     error // why a new sign-in on the connection failed, which was the end of it

	mu   sync.Mutex // guards wire against cut
	wire *wire      // nil before connecting and after a loss
}

var (
	errNoHost  = errors.New("the computer object has no dNSHostName")
	errBadHost = errors.New("the dNSHostName is no host name")
)

func (c *Client) newLink(w photopush.Workstation) (*link, error) {
	if w.Host == "" {
		return nil, &photopush.Error{Reason: photopush.DNS, Op: "connect to", On: w.Name, Err: errNoHost}
	}
	if strings.ContainsFunc(w.Host, notInHost) {
		return nil, &photopush.Error{Reason: photopush.DNS, Op: "connect to", On: strconv.Quote(w.Host), Err: errBadHost}
	}
	return &link{
		client: c, host: w.Host, address: net.JoinHostPort(w.Host, strconv.Itoa(c.cfg.port())), log: c.log.With("workstation", w.Host),
	}, nil
}

// notInHost keeps what the directory says from becoming a header field or XML.
func notInHost(r rune) bool {
	letter := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
	return !letter && !strings.ContainsRune(".-_:%", r) // the last two are in IPv6 addresses
}

// url is where the workstation's service is.
func (l *link) url() string { return l.client.cfg.Transport + "://" + l.address + "/wsman" }

// connect dials, does the TLS handshake where there is TLS, and begins the security context.
func (l *link) connect(ctx context.Context) error {
	prepared, err := l.client.mechanism.prepare(l.host)
	if err != nil {
		l.progress.skip(StepConnect, StepSignIn)
		return err
	}
	raw, err := l.dial(ctx)
	if err != nil {
		return err
	}
	l.progress.dialled(raw)
	maxBody := int(l.client.cfg.MaxEnvelope) + 16<<10 // sealing and framing add to the envelope
	w, err := newWire(ctx, raw, l.tlsConfig(prepared), l.address, l.client.cfg.RequestTimeout, maxBody)
	if err != nil {
		return l.handshakeFailure(ctx, err)
	}
	l.progress.shaken(w.state())
	l.mu.Lock()
	l.wire = w
	l.mu.Unlock()
	l.renewed = false
	if l.client.isClosed() {
		return &photopush.Error{Reason: photopush.Internal, Op: "connect to", On: l.address, Err: errClosed}
	}
	if l.security, err = l.client.mechanism.begin(ctx, peer{host: l.host, tls: w.state()}); err != nil {
		return err
	}
	err = l.establish(ctx)
	if _, ok := l.security.(*negotiated); ok && err == nil { // the other mechanisms sign in with the first message
		l.accepted, l.lapsed = true, nil
		l.signedIn()
	}
	return err
}

// establish makes the security context, within the time that one request may take. Whatever goes wrong, no message was processed.
func (l *link) establish(ctx context.Context) error {
	limit := l.client.cfg.RequestTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &timeoutError{"signing in did not end within", limit})
	defer cancel()
	err := l.security.establish(ctx, l.wire.post)
	spent, shown := errors.AsType[*spentError](err)
	if shown {
		err = spent.err
	}
	if lost, ok := errors.AsType[*lostError](err); ok {
		lost.sent = false
	} else if mayBeDone(err) {
		err = &photopush.Error{Reason: reasonOf(err), Op: "sign in to", On: l.host, Err: errors.New(err.Error())}
	}
	if shown || photopush.ReasonOf(err) == photopush.Auth {
		l.rejected = err
	}
	return err
}

// tlsConfig is nil for plain HTTP.
func (l *link) tlsConfig(certificates []tls.Certificate) *tls.Config {
	if l.client.cfg.Transport != overHTTPS {
		return nil
	}
	cfg := &tls.Config{ServerName: l.host, RootCAs: l.client.roots, MinVersion: tls.VersionTLS12}
	if len(certificates) > 0 {
		// Windows asks for the client's certificate once it has seen the request. With TLS 1.2 that is a renegotiation; what it is
		// with TLS 1.3, authentication after the handshake (RFC 8446, 4.6.2), this machine's TLS does not have.
		cfg.Certificates, cfg.Renegotiation, cfg.MaxVersion = certificates, tls.RenegotiateOnceAsClient, tls.VersionTLS12
	}
	return cfg
}

func (l *link) dial(ctx context.Context) (net.Conn, error) {
	within, cancel := context.WithTimeout(ctx, l.client.cfg.DialTimeout)
	defer cancel()
	raw, err := l.client.dial(within, "tcp", l.address)
	if err == nil {
		return raw, nil
	}
	reason := dialReason(ctx, err)
	switch {
	case ctx.Err() != nil:
		err = context.Cause(ctx)
	case reason == photopush.Offline && within.Err() != nil:
		err = &timeoutError{"no answer within", l.client.cfg.DialTimeout}
	}
	return nil, &photopush.Error{Reason: reason, Op: "connect to", On: l.address, Err: err}
}

func (l *link) handshakeFailure(ctx context.Context, err error) error {
	reason := photopush.TLS
	switch {
	case ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded):
		reason = photopush.Timeout
	case errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET):
		err = fmt.Errorf("%w; is a certificate bound to the WinRM listener there?", err) // without one http.sys hangs up
	}
	return &photopush.Error{Reason: reason, Op: "TLS handshake with", On: l.address, Err: err}
}

// post seals and sends an envelope; after a challenge that the security context takes up, it does so once more. Where the envelope's memory is to be
// used again soon, written is called once it is no longer needed; after a challenge the error is errAgain then.
func (l *link) post(ctx context.Context, envelope []byte, written func()) (*answer, error) {
	for {
		a, err := l.postOnce(ctx, envelope, written)
		if err != nil || a.status != http.StatusUnauthorized {
			return a, err
		}
		if err := l.renew(ctx, a); err != nil {
			return nil, err
		}
		if written != nil {
			return nil, errAgain
		}
	}
}

// errAgain says that a message was not processed and should be built again.
var errAgain = errors.New("again")

// maxUnanswered is how many messages without an answer are sent before one has shown that the account may sign in. With basic each of them
// carries the credential, and a host that breaks the connection may have counted a failed logon.
const maxUnanswered = 2

// postOnce seals and sends an envelope.
func (l *link) postOnce(ctx context.Context, envelope []byte, written func()) (*answer, error) {
	header, body, err := l.security.seal(envelope)
	if err != nil {
		l.over(written)
		return nil, err
	}
	a, err := l.wire.postThen(ctx, header, body, func() { l.over(written) })
	switch {
	case err == nil && a.status != http.StatusUnauthorized:
		l.accepted, l.renewed = true, false
	case err != nil && !l.accepted:
		if l.unanswered++; l.unanswered >= maxUnanswered {
			l.rejected = err
		}
	}
	return a, err
}

// over: neither the sealed message nor its envelope is needed any more.
func (l *link) over(written func()) {
	l.security.written()
	if written != nil {
		written()
	}
}

var (
	errSignedOut = errors.New("the host wants a new sign-in and closes the connection")
	errSignedIn  = errors.New("the sign-in was accepted, but the message was refused as if there were none (HTTP status 401)")
)

// renew signs in anew when a message was answered by 401, once. The message was not processed.
func (l *link) renew(ctx context.Context, a *answer) error {
	if l.renewed {
		return &photopush.Error{Reason: photopush.Denied, Op: "sign in to", On: l.host, Err: errSignedIn}
	}
	if err := l.security.challenged(a); err != nil {
		if photopush.ReasonOf(err) == photopush.Auth {
			l.rejected = err
		}
		return err
	}
	if l.wire.closing {
		return &lostError{err: errSignedOut} // it may be sent on a new connection
	}
	if err := l.establish(ctx); err != nil {
		l.lapsed, l.wire.closing = err, true // without a context nothing can be sent here
		return err
	}
	l.renewed = true
	return nil
}

// unseal gives the envelope of an answer. One that cannot be read is no *statusError, and ends the connection: the sequence is lost then.
func (l *link) unseal(a *answer) ([]byte, error) {
	body, err := l.security.unseal(a)
	switch {
	case err != nil:
		l.wire.closing = true
		return nil, err
	case !isSOAP(a) && a.status == http.StatusOK:
		return nil, &malformedError{fmt.Errorf("content type %q", clean(a.header.Get("Content-Type"), 80))}
	case !isSOAP(a) || isBlank(body):
		return nil, &statusError{a.status}
	}
	l.signedIn()
	return body, nil
}

// drop closes the connection, if there is one.
func (l *link) drop() {
	l.mu.Lock()
	w := l.wire
	l.wire = nil
	l.mu.Unlock()
	if w != nil {
		w.close()
	}
}

// cut ends the connection under whoever uses it.
func (l *link) cut() {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.wire != nil {
		l.wire.cut()
	}
}

// end closes the connection for good.
func (l *link) end() {
	l.drop()
	l.client.leave(l)
}

// failure gives err the form that callers see.
func (l *link) failure(op string, err error) error {
	if e, ok := errors.AsType[*photopush.Error](err); ok {
		return e
	}
	return &photopush.Error{Reason: reasonOf(err), Op: op, On: l.host, Err: err}
}
