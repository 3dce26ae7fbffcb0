package directory

import (
	"github.com/go-ldap/ldap/v3"
)

// A tap takes the entries of a search from its connection before go-ldap sees them, which would copy each byte of a photo many times, and counts its
// references. What remains for go-ldap is the end. A connection has one search at a time: every entry that comes meanwhile is one of it.
type tap struct {
	entries    chan *ldap.Entry
	references int           // to be read when the search has ended
	closed     chan struct{} // nobody takes entries any more
	names      map[string]string
}

func newTap() *tap {
	return &tap{entries: make(chan *ldap.Entry), closed: make(chan struct{}), names: map[string]string{}}
}

// take looks whether a whole message, whose elements were checked, is an entry or a reference, and hands over an entry. It waits until that is taken,
// so that the end of the search is never read before.
func (t *tap) take(message []byte) (taken bool, err error) {
	switch operationTag(message) {
	case tagSearchEntry:
		e, err := t.decode(message)
		if err != nil {
			return false, err
		}
		select {
		case t.entries <- e:
		case <-t.closed:
		}
		return true, nil
	case tagReference:
		t.references++
		return true, nil
	}
	return false, nil
}

// Further BER tags of what a search answers (RFC 4511 4.5.2).
const (
	tagSet       = 0x31
	tagReference = 0x73
)

// operationTag is the tag of the operation of an LDAP message; 0 for none.
func operationTag(message []byte) byte {
	contents, _, ok := splitElement(message, tagSequence)
	if !ok {
		return 0
	}
	_, rest, ok := splitElement(contents, tagInteger)
	if !ok || len(rest) == 0 {
		return 0
	}
	return rest[0]
}

// decode reads a search result entry (RFC 4511 4.5.2) from a message whose elements were checked. Nothing of what it returns lies in the message. Values
// are there twice, as from go-ldap; as text no more of them than maxText bytes.
func (t *tap) decode(message []byte) (*ldap.Entry, error) {
	contents, _, _ := splitElement(message, tagSequence)
	_, rest, _ := splitElement(contents, tagInteger)
	op, _, ok := splitElement(rest, tagSearchEntry)
	if !ok {
		return nil, errBER
	}
	name, rest, ok1 := splitElement(op, tagOctetString)
	list, rest, ok2 := splitElement(rest, tagSequence)
	size, ok3 := measure(list)
	if !ok1 || !ok2 || !ok3 || len(rest) > 0 {
		return nil, errBER
	}
	w := entryWriter{
		attributes: make([]ldap.EntryAttribute, 0, size.attributes),
		raw:        make([][]byte, 0, size.values),
		text:       make([]string, 0, size.values),
		bytes:      make([]byte, 0, size.bytes),
	}
	e := &ldap.Entry{DN: string(name), Attributes: make([]*ldap.EntryAttribute, 0, size.attributes)}
	for len(list) > 0 {
		attribute, next, _ := splitElement(list, tagSequence)
		list = next
		name, set, _ := splitElement(attribute, tagOctetString)
		values, _, _ := splitElement(set, tagSet)
		e.Attributes = append(e.Attributes, w.add(t.intern(name), values))
	}
	return e, nil
}

// maxInterned bounds the names of attributes that are kept while a search runs: a server may invent as many as it likes.
const maxInterned = 64

// intern returns the name as a string, the same one each time.
func (t *tap) intern(name []byte) string {
	if s, ok := t.names[string(name)]; ok {
		return s
	}
	s := string(name)
	if len(t.names) < maxInterned {
		t.names[s] = s
	}
	return s
}

// An entrySize is how much room an entry takes.
type entrySize struct{ attributes, values, bytes int }

// measure walks the attributes of an entry, and tells whether they are well-formed.
func measure(list []byte) (size entrySize, ok bool) {
	for len(list) > 0 {
		attribute, next, ok1 := splitElement(list, tagSequence)
		_, set, ok2 := splitElement(attribute, tagOctetString)
		values, rest, ok3 := splitElement(set, tagSet)
		if !ok1 || !ok2 || !ok3 || len(rest) > 0 {
			return size, false
		}
		for len(values) > 0 {
			value, rest, ok := splitElement(values, tagOctetString)
			if !ok {
				return size, false
			}
			size.values++
			size.bytes += len(value)
			values = rest
		}
		size.attributes++
		list = next
	}
	return size, true
}

// An entryWriter fills the room that was measured, so that an entry takes a few allocations and not some for each value.
type entryWriter struct {
	attributes []ldap.EntryAttribute
	raw        [][]byte
	text       []string
	bytes      []byte
}

// add copies the values of an attribute, which were measured.
func (w *entryWriter) add(name string, values []byte) *ldap.EntryAttribute {
	first := len(w.raw)
	for len(values) > 0 {
		value, rest, _ := splitElement(values, tagOctetString)
		begin := len(w.bytes)
		w.bytes = append(w.bytes, value...)
		w.raw = append(w.raw, w.bytes[begin:len(w.bytes):len(w.bytes)])
		values = rest
	}
	for _, v := range w.raw[first:] {
		w.text = append(w.text, string(v[:min(len(v), maxText)]))
	}
	w.attributes = append(w.attributes, ldap.EntryAttribute{
		Name: name, Values: w.text[first:len(w.text):len(w.text)], ByteValues: w.raw[first:len(w.raw):len(w.raw)],
	})
	return &w.attributes[len(w.attributes)-1]
}

// splitElement takes the contents of the first element of b, which must have the tag and be whole.
func splitElement(b []byte, tag byte) (contents, rest []byte, ok bool) {
	header, length, err := parseHeader(b)
	if err != nil || b[0] != tag || length > len(b)-header {
		return nil, nil, false
	}
	return b[header : header+length], b[header+length:], true
}
