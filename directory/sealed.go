package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"sync"

	"github.com/photopush/photopush/gss"
)

// A sealedConn seals what is written and unseals what is read, in buffers of a length in four bytes and a wrap token (RFC 4752 section 3.3,
// RFC 4422 section 3.7). A buffer that was altered, left out, repeated or not sealed ends reading for ever. One goroutine may read while
// others write.
type sealedConn struct {
	net.Conn
	g    gss.Context
	most int // bytes of a message that the peer takes in one buffer

	buf     []byte // what was read last
	rest    []byte // what of its message was not yet taken
	readErr error

	mu       sync.Mutex // of what follows
	out      []byte
	writeErr error
}

func newSealedConn(conn net.Conn, g gss.Context, most int) *sealedConn {
	return &sealedConn{Conn: conn, g: g, most: most}
}

func (c *sealedConn) Read(p []byte) (int, error) {
	for len(c.rest) == 0 && len(p) > 0 { // a buffer may hold an empty message
		if c.readErr != nil {
			return 0, c.readErr
		}
		c.rest, c.readErr = c.readBuffer()
	}
	n := copy(p, c.rest)
	c.rest = c.rest[n:]
	return n, nil
}

var errSealedLength = errors.New("a sealed buffer has an impossible length")

// readBuffer reads one buffer and unseals it. Its error is io.EOF only at the end of a buffer.
func (c *sealedConn) readBuffer() ([]byte, error) {
	if cap(c.buf) > keepBuffer {
		c.buf = nil
	}
	head, err := appendN(c.Conn, c.buf[:0], 4)
	if err != nil {
		return nil, err
	}
	length := binary.BigEndian.Uint32(head)
	if length == 0 || length > maxSealed {
		return nil, fmt.Errorf("%w: %d bytes", errSealedLength, length)
	}
	if c.buf, err = appendN(c.Conn, head[:0], int(length)); err != nil {
		return nil, unexpected(err)
	}
	return c.g.Unseal(c.buf)
}

// Write seals p in as many buffers as the peer's limit wants. After an error nothing more is written: the sequence would have a hole.
func (c *sealedConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	written := 0
	for len(p) > 0 && c.writeErr == nil {
		part := p[:min(len(p), c.most)]
		if c.writeErr = c.writeBuffer(part); c.writeErr == nil {
			written += len(part)
			p = p[len(part):]
		}
	}
	return written, c.writeErr
}

func (c *sealedConn) writeBuffer(message []byte) error {
	if cap(c.out) > keepBuffer {
		c.out = nil
	}
	out, _, err := c.g.Seal(append(c.out[:0], 0, 0, 0, 0), message)
	if err != nil {
		return err
	}
	c.out = out
	binary.BigEndian.PutUint32(out, uint32(len(out)-4))
	_, err = c.Conn.Write(out)
	return err
}
