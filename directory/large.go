package directory

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
)

// A largeError is an element of more than maxPDU bytes, of which the header was read.
type largeError struct{ length int } // of its contents

func (e *largeError) Error() string {
	return fmt.Sprintf("an answer of %d bytes is larger than %d MiB: an object has photos that are too large", e.length, maxPDU>>20)
}

// BER tags of what a search entry begins with (RFC 4511 4.5.2).
const (
	tagInteger     = 0x02
	tagOctetString = 0x04
	tagSequence    = 0x30
	tagSearchEntry = 0x64
)

// maxHead bounds what is kept of a large entry: message number and distinguished name are in its beginning.
const maxHead = maxText + 64

// bareEntry reads over the contents of a large search entry, and returns the entry without attributes. People may put as many values as they like into
// their jpegPhoto: they lose their own picture by that, and must not keep all others from being read. large is the error for everything
// that is no entry.
func bareEntry(r io.Reader, large *largeError) ([]byte, error) {
	head, err := appendN(r, nil, min(large.length, maxHead))
	if err != nil {
		return nil, unexpected(err)
	}
	id, rest, ok := cutElement(head, tagInteger)
	if !ok {
		return nil, large
	}
	header, _, err := parseHeader(rest)
	if err != nil || rest[0] != tagSearchEntry {
		return nil, large
	}
	name, _, ok := cutElement(rest[header:], tagOctetString)
	if !ok {
		return nil, large
	}
	if _, err := io.CopyN(io.Discard, r, int64(large.length-len(head))); err != nil {
		return nil, unexpected(err)
	}
	return element(tagSequence, id, element(tagSearchEntry, name, element(tagSequence))), nil
}

// cutElement takes the first element of b, which must have the tag and be whole.
func cutElement(b []byte, tag byte) (first, rest []byte, ok bool) {
	header, length, err := parseHeader(b)
	if err != nil || b[0] != tag || length > len(b)-header {
		return nil, nil, false
	}
	return b[:header+length], b[header+length:], true
}

// element encodes an element of a few thousand bytes at most.
func element(tag byte, parts ...[]byte) []byte {
	contents := bytes.Join(parts, nil)
	b := binary.BigEndian.AppendUint16([]byte{tag, 0x82}, uint16(len(contents)))
	return append(b, contents...)
}
