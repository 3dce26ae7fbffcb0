package directory

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A channel is a connection on its way to becoming a conn: what is asked over it until the account is accepted is asked here, one request
// after another, and go-ldap begins to read afterwards. So it has a context, keeps its typed errors, and may change what lies below LDAP.
type channel struct {
	net.Conn   // what LDAP is spoken over: raw, or TLS over it
	raw        net.Conn
	tls        *tls.Conn // nil without TLS
	controller *controller
	timeout    time.Duration // that the caller has set for all of it
	last       int64         // message ID
}

// ask sends a request that ends with one answer, and reads that and nothing beyond it. An error is of the connection, or says that what came
// is no answer; a refusal is an answer. Unless errNotSent is in its chain the request may have arrived.
func (ch *channel) ask(ctx context.Context, op *ber.Packet) (*answer, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("%w: %w", errNotSent, err)
	}
	stop := context.AfterFunc(ctx, func() { ch.raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	ch.last++
	request := ber.NewSequence("LDAPMessage")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, ch.last, "messageID"))
	request.AppendChild(op)
	if _, err := ch.Write(request.Bytes()); err != nil {
		return nil, ch.alert(err)
	}
	limited := &io.LimitedReader{R: ch, N: maxAnswer}
	b, err := readElement(limited, nil)
	switch {
	case err != nil && limited.N == 0:
		return nil, errLargeAnswer
	case err != nil:
		return nil, err
	}
	a, err := parseAnswer(b)
	switch {
	case err != nil:
		return nil, err
	case a.id == 0: // the Notice of Disconnection (RFC 4511 4.4.1)
		return nil, &resultError{a.err()}
	case a.id != ch.last || a.tag != answers[op.Tag]:
		return nil, errOtherAnswer
	}
	return a, nil
}

// alert is why TLS was ended where that was said before a write failed; else it is the write's error. With TLS 1.3 a client's certificate is judged behind the
// handshake, and the connection may be gone by the time of the first request.
func (ch *channel) alert(failed error) error {
	if ch.tls == nil {
		return failed
	}
	if _, err := ch.Read(make([]byte, 1)); isAlert(err) {
		return err
	}
	return failed
}

func isAlert(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op == "remote error"
}

var errNotSent = errors.New("time ran out before the request was sent")

// lost is the error when ask got no answer.
func (ch *channel) lost(ctx context.Context, err error) error {
	switch {
	case errors.Is(ctx.Err(), context.Canceled):
		return ctx.Err()
	case ctx.Err() != nil:
		return &lostError{photopush.Timeout, fmt.Errorf("no answer within %s", ch.timeout)}
	}
	if isAlert(err) {
		return &lostError{photopush.TLS, fmt.Errorf("the controller ends TLS: %w", err)}
	}
	return &lostError{photopush.Offline, fmt.Errorf("connection lost: %w", err)}
}

// answers are the tags of the answers to requests, with the bits of class and form (RFC 4511 4.2 and 4.12).
var answers = map[ber.Tag]byte{
	ldap.ApplicationBindRequest:     0x60 | ldap.ApplicationBindResponse,
	ldap.ApplicationExtendedRequest: 0x60 | ldap.ApplicationExtendedResponse,
}

// An answer is an LDAPResult with what may follow it in the answers to a bind and to an extended operation (RFC 4511 4.1.9, 4.2.2, 4.12).
type answer struct {
	id    int64
	tag   byte
	code  uint16
	text  string // the server's, as it comes
	creds []byte // serverSaslCreds of a bind; nil when absent
	value []byte // responseValue of an extended operation; nil when absent
}

// err is the result as go-ldap tells it.
func (a *answer) err() *ldap.Error {
	return &ldap.Error{ResultCode: a.code, Err: errors.New(a.text)}
}

// maxAnswer bounds an answer to one of these requests, in bytes: nobody has proved anything yet. The longest one holds a token of Kerberos.
const maxAnswer = 128 << 10

var errLargeAnswer = fmt.Errorf("the answer has more than %d bytes", maxAnswer)

var errOtherAnswer = errors.New("the controller answers another request")

// Tags of what an answer holds (RFC 4511 4.1.9, 4.2.2, 4.12).
const (
	tagEnumerated = 0x0a
	tagReferral   = 0xa3
	tagSaslCreds  = 0x87
	tagName       = 0x8a
	tagValue      = 0x8b
)

// parseAnswer reads a message that holds one LDAPResult. Lengths may have any form that BER allows: Windows writes them in four bytes.
func parseAnswer(b []byte) (*answer, error) {
	message, rest, err := take(b, tagSequence)
	if err != nil || len(rest) > 0 {
		return nil, errBER
	}
	id, message, err := takeNumber(message, tagInteger)
	if err != nil || len(message) == 0 {
		return nil, errBER
	}
	a := &answer{id: id, tag: message[0]}
	op, _, err := take(message, a.tag) // behind it are controls
	if err != nil {
		return nil, errBER
	}
	code, op, err := takeNumber(op, tagEnumerated)
	if err != nil || code < 0 || code >= ldap.ErrorNetwork { // from there on go-ldap has errors of its own
		return nil, errBER
	}
	_, op, err = take(op, tagOctetString) // matchedDN
	if err != nil {
		return nil, errBER
	}
	text, op, err := take(op, tagOctetString)
	if err != nil {
		return nil, errBER
	}
	a.code, a.text = uint16(code), string(text)
	return a, a.optional(op)
}

// optional reads what may follow the result, each once and in this order.
func (a *answer) optional(b []byte) error {
	var field []byte
	var err error
	for _, tag := range []byte{tagReferral, tagSaslCreds, tagName, tagValue} {
		if len(b) == 0 || b[0] != tag {
			continue
		}
		if field, b, err = take(b, tag); err != nil {
			return errBER
		}
		switch tag {
		case tagSaslCreds:
			a.creds = bytes.Clone(field)
		case tagValue:
			a.value = bytes.Clone(field)
		}
	}
	if len(b) > 0 {
		return errBER
	}
	return nil
}

// take splits off an element with that tag. Its contents are never nil.
func take(b []byte, tag byte) (contents, rest []byte, err error) {
	if len(b) == 0 || b[0] != tag {
		return nil, nil, errBER
	}
	header, length, err := parseHeader(b)
	if err != nil || length > len(b)-header {
		return nil, nil, errBER
	}
	return b[header : header+length], b[header+length:], nil
}

// takeNumber splits off a number of at most four bytes.
func takeNumber(b []byte, tag byte) (n int64, rest []byte, err error) {
	contents, rest, err := take(b, tag)
	if err != nil || len(contents) == 0 || len(contents) > 4 {
		return 0, nil, errBER
	}
	n = int64(int8(contents[0]))
	for _, c := range contents[1:] {
		n = n<<8 | int64(c)
	}
	return n, rest, nil
}

// extendedRequest is an extended operation without a value.
func extendedRequest(oid string) *ber.Packet {
	op := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, oid, "requestName"))
	return op
}
