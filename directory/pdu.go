package directory

import (
	"errors"
	"io"
	"net"
	"sync/atomic"
)

// Bounds of one answer. The largest is an entry with a few long photos; the nesting of LDAP messages stays below ten.
const (
	maxPDU   = 64 << 20
	maxDepth = 24
)

// keepBuffer is the largest buffer that is kept from one answer to the next.
const keepBuffer = 256 << 10

// A pduConn hands a client whole BER elements only, after it has checked that each inner element ends within the outer one. go-ldap
// reads lengths from the wire without a bound, and copies contents once per level; behind a pduConn a length cannot ask for
// more than maxPDU, and a nesting not for more than maxDepth copies. A search entry that is larger arrives without its attributes.
type pduConn struct {
	net.Conn
	buf  []byte // the element
	rest []byte // what of it was not yet read
	err  error
	tap  atomic.Pointer[tap] // takes search entries; nil: they are read as everything else
}

func (c *pduConn) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if len(c.rest) == 0 {
		if c.err != nil {
			return 0, c.err
		}
		if c.err = c.fill(); c.err != nil {
			return 0, c.err
		}
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

// fill reads the next element that no tap takes.
func (c *pduConn) fill() error {
	for {
		if err := c.next(); err != nil {
			return err
		}
		t := c.tap.Load()
		if t == nil {
			break
		}
		taken, err := t.take(c.buf)
		if err != nil {
			return err
		}
		if !taken {
			break
		}
	}
	c.rest = c.buf
	return nil
}

// next reads the next element into the buffer.
func (c *pduConn) next() error {
	if cap(c.buf) > keepBuffer {
		c.buf = nil
	}
	var err error
	c.buf, err = readElement(c.Conn, c.buf[:0])
	if large, ok := errors.AsType[*largeError](err); ok {
		c.buf, err = bareEntry(c.Conn, large)
	}
	if err != nil {
		return err
	}
	return checkElement(c.buf, 0)
}

var errBER = errors.New("malformed LDAP message")

// readElement appends one BER element (X.690 8.1) of at most maxPDU bytes to buf. The memory grows with what arrives, not with
// what is announced.
func readElement(r io.Reader, buf []byte) ([]byte, error) {
	buf, err := appendN(r, buf, 2)
	if err != nil {
		return buf, err
	}
	if n := int(buf[1] &^ 0x80); buf[1] > 0x80 && n <= 8 {
		if buf, err = appendN(r, buf, n); err != nil {
			return buf, unexpected(err)
		}
	}
	header, length, err := parseHeader(buf)
	if err != nil {
		return buf, err
	}
	if length > maxPDU-header {
		return buf, &largeError{length}
	}
	buf, err = appendN(r, buf, length)
	return buf, unexpected(err)
}

func appendN(r io.Reader, buf []byte, n int) ([]byte, error) {
	const step = 64 << 10
	for n > 0 {
		part := min(n, step)
		start := len(buf)
		buf = append(buf, make([]byte, part)...)
		if _, err := io.ReadFull(r, buf[start:]); err != nil {
			return buf[:start], err
		}
		n -= part
	}
	return buf, nil
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// parseHeader returns the lengths of the header and of the contents of an element. LDAP uses definite lengths and low tag numbers
// only (RFC 4511 5.1).
func parseHeader(b []byte) (header, length int, err error) {
	switch {
	case len(b) < 2 || b[0]&0x1f == 0x1f:
		return 0, 0, errBER
	case b[1] < 0x80:
		return 2, int(b[1]), nil
	}
	n := int(b[1] &^ 0x80)
	if n == 0 || n > 8 || len(b) < 2+n {
		return 0, 0, errBER
	}
	for _, c := range b[2 : 2+n] {
		if length >= 1<<40 {
			return 0, 0, errBER
		}
		length = length<<8 | int(c)
	}
	return 2 + n, length, nil
}

// checkElement tells whether b is exactly one element whose inner elements fit into it.
func checkElement(b []byte, depth int) error {
	header, length, err := parseHeader(b)
	if err != nil || length != len(b)-header || depth > maxDepth {
		return errBER
	}
	if b[0]&0x20 == 0 {
		return nil
	}
	for inner := b[header:]; len(inner) > 0; {
		header, length, err := parseHeader(inner)
		if err != nil || length > len(inner)-header {
			return errBER
		}
		if err := checkElement(inner[:header+length], depth+1); err != nil {
			return err
		}
		inner = inner[header+length:]
	}
	return nil
}
