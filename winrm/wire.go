package winrm

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strconv"
	"time"

	photopush "github.com/photopush/photopush"
)

const (
	maxHeader  = 32 << 10 // bytes of an answer's status line and header fields
	maxInterim = 5        // answers 1xx before the real one
	keptBuffer = 64 << 10 // a larger buffer is given back after each answer
	tlsTimeout = 10 * time.Second
	// earlyAnswer is how long an answer is waited for that was sent before the request had arrived, such as 413.
	earlyAnswer = time.Second
)

// A wire is one TCP connection, with or without TLS inside, on which requests and answers of HTTP/1.1 take turns. It never dials and never repeats.
type wire struct {
	raw     net.Conn
	conn    net.Conn // what is read and written: raw, or a *tls.Conn on it
	in      *bufio.Reader
	budget  *budget
	host    string        // for the Host field, with the port
	timeout time.Duration // for sending a request, and again for its answer
	maxBody int
	head    []byte // buffer of the request's head
	body    []byte // buffer of the answer's body
	closing bool   // the far end closes after this answer, or answers and requests are out of step
}

// An answer is what a request got back. Its body is valid until the next request on the wire.
type answer struct {
	status int
	header http.Header
	body   []byte
}

// A lostError is a connection that broke around one request.
type lostError struct {
	sent bool // the last byte of the request was handed to the network, so that it may have been processed
	err  error
}

func (e *lostError) Error() string { return "connection lost: " + e.err.Error() }
func (e *lostError) Unwrap() error { return e.err }

// A timeoutError is one of our own limits that was reached; the caller's context has not ended.
type timeoutError struct {
	text  string
	limit time.Duration
}

func (e *timeoutError) Error() string            { return e.text + " " + e.limit.String() }
func (e *timeoutError) Is(target error) bool     { return target == os.ErrDeadlineExceeded }
func (e *timeoutError) Reason() photopush.Reason { return photopush.Timeout }

var (
	errOutOfStep = errors.New("there was more than one answer to a request")
	errTooLong   = errors.New("the answer is longer than max_envelope allows")
)

// newWire does the TLS handshake on raw, which it closes on an error; without a cfg there is none.
func newWire(ctx context.Context, raw net.Conn, cfg *tls.Config, host string, timeout time.Duration, maxBody int) (*wire, error) {
	conn := raw
	if cfg != nil {
		var err error
		if conn, err = handshake(ctx, raw, cfg); err != nil {
			raw.Close()
			return nil, err
		}
	}
	b := &budget{r: conn}
	return &wire{raw: raw, conn: conn, in: bufio.NewReaderSize(b, 4<<10), budget: b, host: host, timeout: timeout, maxBody: maxBody}, nil
}

func handshake(ctx context.Context, raw net.Conn, cfg *tls.Config) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, tlsTimeout, &timeoutError{"no answer within", tlsTimeout})
	defer cancel()
	conn := tls.Client(raw, cfg)
	if err := conn.HandshakeContext(ctx); err != nil {
		if ctx.Err() != nil {
			err = context.Cause(ctx)
		}
		return nil, err
	}
	return conn, nil
}

// state is that of TLS; nil without it.
func (w *wire) state() *tls.ConnectionState {
	conn, ok := w.conn.(*tls.Conn)
	if !ok {
		return nil
	}
	state := conn.ConnectionState()
	return &state
}

// post sends one request and reads its answer. When ctx ends it returns at once. An error leaves the wire unusable: it is a *lostError,
// with ctx's error in it when that ended, or a *malformedError.
func (w *wire) post(ctx context.Context, header http.Header, body []byte) (*answer, error) {
	return w.postThen(ctx, header, body, func() {})
}

// postThen is post, and calls written once body is no longer needed, which is before the answer.
func (w *wire) postThen(ctx context.Context, header http.Header, body []byte, written func()) (*answer, error) {
	stopped := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(stopped)
		w.raw.SetDeadline(time.Unix(1, 0))
	})
	defer func() {
		if !stop() {
			<-stopped
		}
	}()
	a, err := w.exchange(ctx, header, body, written)
	if err == nil {
		return a, nil
	}
	w.closing = true
	if lost, ok := errors.AsType[*lostError](err); ok {
		switch {
		case ctx.Err() != nil:
			lost.err = context.Cause(ctx)
		case errors.Is(lost.err, os.ErrDeadlineExceeded):
			lost.err = &timeoutError{"no answer within", w.timeout}
		}
	}
	return nil, err
}

func (w *wire) exchange(ctx context.Context, header http.Header, body []byte, written func()) (*answer, error) {
	err := w.ready(ctx)
	if err != nil {
		written()
		return nil, &lostError{err: err}
	}
	err = w.send(header, body)
	written()
	if err != nil {
		return w.early(ctx, err)
	}
	if err := w.deadline(ctx, w.timeout); err != nil {
		return nil, &lostError{sent: true, err: err}
	}
	return w.receive()
}

// ready tells whether a request may be sent now, and sets its time.
func (w *wire) ready(ctx context.Context) error {
	if w.in.Buffered() > 0 {
		return errOutOfStep
	}
	return w.deadline(ctx, w.timeout)
}

// deadline sets the time that is left. The check comes after the setting, so that the end of ctx is not overwritten unseen.
func (w *wire) deadline(ctx context.Context, d time.Duration) error {
	if err := w.raw.SetDeadline(time.Now().Add(d)); err != nil {
		return err
	}
	return ctx.Err()
}

// smallBody is copied behind the head, so that both leave in one packet.
const smallBody = 8 << 10

func (w *wire) send(header http.Header, body []byte) error {
	b := append(w.head[:0], "POST /wsman HTTP/1.1\r\nHost: "...)
	b = append(append(b, w.host...), "\r\nUser-Agent: photopush\r\nContent-Length: "...)
	b = append(strconv.AppendInt(b, int64(len(body)), 10), "\r\n"...)
	for name, values := range header {
		for _, v := range values {
			b = append(append(append(append(b, name...), ": "...), v...), "\r\n"...)
		}
	}
	b = append(b, "\r\n"...)
	if len(body) <= smallBody {
		b, body = append(b, body...), nil
	}
	w.head = b
	if _, err := w.conn.Write(b); err != nil || body == nil {
		return err
	}
	_, err := w.conn.Write(body)
	return err
}

// early looks for an answer that explains why the request could not be sent to its end; without one the request was not processed.
func (w *wire) early(ctx context.Context, cause error) (*answer, error) {
	if err := w.deadline(ctx, earlyAnswer); err != nil {
		return nil, &lostError{err: cause}
	}
	a, err := w.receive()
	w.closing = true
	if err != nil || a.status < 400 {
		return nil, &lostError{err: cause}
	}
	return a, nil
}

func (w *wire) receive() (*answer, error) {
	for range maxInterim {
		w.budget.left = maxHeader
		resp, err := http.ReadResponse(w.in, nil)
		if err != nil {
			return nil, broken(err)
		}
		if resp.StatusCode >= 200 {
			return w.read(resp)
		}
	}
	return nil, &malformedError{fmt.Errorf("more than %d interim answers", maxInterim)}
}

// read takes the body in, at most maxBody bytes of it.
func (w *wire) read(resp *http.Response) (*answer, error) {
	if resp.ContentLength > int64(w.maxBody) {
		return nil, &malformedError{errTooLong}
	}
	if cap(w.body) > keptBuffer {
		w.body = nil
	}
	w.budget.left = w.maxBody + maxHeader // chunk sizes and trailers count too
	buf := bytes.NewBuffer(w.body[:0])
	if resp.ContentLength > 0 {
		buf.Grow(int(resp.ContentLength) + bytes.MinRead)
	}
	n, err := buf.ReadFrom(io.LimitReader(resp.Body, int64(w.maxBody)+1))
	if err != nil {
		return nil, broken(err)
	}
	if n > int64(w.maxBody) {
		return nil, &malformedError{errTooLong}
	}
	w.body = buf.Bytes()
	w.closing = resp.Close
	return &answer{status: resp.StatusCode, header: resp.Header, body: w.body}, nil
}

// close says goodbye as TLS wants it; cut does not wait for anything.
func (w *wire) close() {
	if w.closing {
		w.raw.Close()
		return
	}
	w.raw.SetDeadline(time.Now().Add(time.Second))
	w.conn.Close()
}

func (w *wire) cut() { w.raw.Close() }

// budget is a reader that gives what is left and then an error, so that no part of an answer grows without end.
type budget struct {
	r    io.Reader
	left int
}

func (b *budget) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, errTooLong
	}
	n, err := b.r.Read(p[:min(len(p), b.left)])
	b.left -= n
	return n, err
}

// broken tells a connection that ended from an answer that is none.
func broken(err error) error {
	if _, ok := errors.AsType[net.Error](err); ok {
		return &lostError{sent: true, err: err}
	}
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return &lostError{sent: true, err: io.ErrUnexpectedEOF}
	}
	return &malformedError{err}
}
