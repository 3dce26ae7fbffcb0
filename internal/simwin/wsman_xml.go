package simwin

import (
	"bytes"
	"encoding/binary"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// Bounds of a request's XML, far above what WinRM clients send, so that no request costs more than its size.
const (
	maxDepth    = 64
	maxElements = 20_000
)

// An element is one of a request. Comments, and blanks between elements, are gone.
type element struct {
	space, name string
	attrs       []xml.Attr
	text        string
	kids        []*element
}

func (n *element) is(space, name string) bool { return n != nil && n.space == space && n.name == name }

// child is the first child of that name; nil when there is none, or no n.
func (n *element) child(space, name string) *element {
	if n == nil {
		return nil
	}
	for _, k := range n.kids {
		if k.is(space, name) {
			return k
		}
	}
	return nil
}

// value is the text without blanks around it.
func (n *element) value() string {
	if n == nil {
		return ""
	}
	return strings.TrimSpace(n.text)
}

// attr finds an attribute that is in no namespace.
func (n *element) attr(name string) (string, bool) {
	if n == nil {
		return "", false
	}
	for _, a := range n.attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value, true
		}
	}
	return "", false
}

// parseXML reads one document. DTDs and processing instructions are refused (SOAP 1.2 part 1, section 5).
func parseXML(text []byte) (*element, error) {
	text, taken := takeLong(text)
	d := xml.NewDecoder(bytes.NewReader(text))
	d.CharsetReader = func(_ string, r io.Reader) (io.Reader, error) { return r, nil } // the text is UTF-8 by now
	b := builder{taken: taken}
	for {
		t, err := d.Token()
		if err == io.EOF {
			return b.finish()
		}
		if err == nil {
			err = b.add(t)
		}
		if err != nil {
			return nil, err
		}
	}
}

// Encoding/xml goes through texts byte by byte, which a thousand workstations in one process feel: input of a command is hundreds of kilobytes of
// base64. Such texts are taken out before, and a character for private use stands for each.
const (
	longText  = 4 << 10
	maxTaken  = 32
	firstMark = '\uE000' // and those after it, which have the same first two bytes
)

var inBase64 = func() (in [256]bool) {
	for _, c := range []byte("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/=") {
		in[c] = true
	}
	return in
}()

// takeLong takes long runs of base64 that stand between two tags out of a document; one that has a mark already, or may have one, is left as it is.
func takeLong(text []byte) (short []byte, taken [][]byte) {
	if len(text) < longText || bytes.Contains(text, []byte(string(firstMark))[:2]) || bytes.Contains(text, []byte("&#")) {
		return text, nil
	}
	for rest := text; ; {
		at := bytes.IndexByte(rest, '>') + 1
		end := at
		for end < len(rest) && inBase64[rest[end]] {
			end++
		}
		switch {
		case at == 0 || len(taken) == maxTaken:
			return append(short, rest...), taken
		case end-at >= longText && end < len(rest) && rest[end] == '<':
			short = utf8.AppendRune(append(short, rest[:at]...), firstMark+rune(len(taken)))
			taken = append(taken, rest[at:end])
		default:
			short = append(short, rest[:end]...)
		}
		rest = rest[end:]
	}
}

// putBack puts what was taken out of a text in again.
func (b *builder) putBack(text []byte) string {
	for i, long := range b.taken {
		if mark := []byte(string(firstMark + rune(i))); bytes.Contains(text, mark) {
			text = bytes.ReplaceAll(text, mark, long)
		}
	}
	return string(text)
}

type builder struct {
	root  *element
	open  []*element
	texts [][]byte
	taken [][]byte
	count int
}

func (b *builder) add(t xml.Token) error {
	switch t := t.(type) {
	case xml.StartElement:
		return b.start(t)
	case xml.EndElement:
		last := len(b.open) - 1
		b.open[last].text = b.putBack(b.texts[last])
		b.open, b.texts = b.open[:last], b.texts[:last]
	case xml.CharData:
		if len(b.open) > 0 {
			last := len(b.texts) - 1
			b.texts[last] = append(b.texts[last], t...)
		} else if len(bytes.TrimSpace(t)) > 0 {
			return errors.New("text outside of the document")
		}
	case xml.ProcInst:
		if t.Target != "xml" {
			return errors.New("a processing instruction")
		}
	case xml.Directive:
		return errors.New("a document type declaration")
	}
	return nil
}

func (b *builder) start(t xml.StartElement) error {
	if b.count++; b.count > maxElements {
		return fmt.Errorf("more than %d elements", maxElements)
	}
	if len(b.open) == maxDepth {
		return fmt.Errorf("more than %d levels", maxDepth)
	}
	n := &element{space: t.Name.Space, name: t.Name.Local, attrs: append([]xml.Attr(nil), t.Attr...)}
	switch {
	case len(b.open) > 0:
		parent := b.open[len(b.open)-1]
		parent.kids = append(parent.kids, n)
	case b.root != nil:
		return errors.New("a second document")
	default:
		b.root = n
	}
	b.open = append(b.open, n)
	b.texts = append(b.texts, nil)
	return nil
}

func (b *builder) finish() (*element, error) {
	if b.root == nil || len(b.open) > 0 {
		return nil, errors.New("no complete document")
	}
	return b.root, nil
}

// A charset is how a message is written; an answer uses that of its request (DSP0226: UTF-8 and UTF-16).
type charset int

const (
	utf8Charset charset = iota
	utf16LittleEndian
	utf16BigEndian
)

// decodeText turns a message into UTF-8. A byte order mark counts more than what the content type says.
func decodeText(body []byte, utf16Declared bool) ([]byte, charset, error) {
	switch {
	case bytes.HasPrefix(body, []byte{0xEF, 0xBB, 0xBF}):
		return body[3:], utf8Charset, validText(body[3:])
	case bytes.HasPrefix(body, []byte{0xFF, 0xFE}):
		return fromUTF16(body[2:], binary.LittleEndian, utf16LittleEndian)
	case bytes.HasPrefix(body, []byte{0xFE, 0xFF}):
		return fromUTF16(body[2:], binary.BigEndian, utf16BigEndian)
	case utf16Declared:
		return fromUTF16(body, binary.LittleEndian, utf16LittleEndian)
	}
	return body, utf8Charset, validText(body)
}

func validText(text []byte) error {
	if !utf8.Valid(text) {
		return errors.New("not UTF-8")
	}
	return nil
}

func fromUTF16(body []byte, order binary.ByteOrder, cs charset) ([]byte, charset, error) {
	if len(body)%2 != 0 {
		return nil, cs, errors.New("half a UTF-16 character")
	}
	units := make([]uint16, len(body)/2)
	for i := range units {
		units[i] = order.Uint16(body[2*i:])
	}
	return []byte(string(utf16.Decode(units))), cs, nil
}

// encodeText is decodeText's other direction, with a byte order mark for UTF-16.
func encodeText(text []byte, cs charset) []byte {
	if cs == utf8Charset {
		return text
	}
	var order binary.AppendByteOrder = binary.LittleEndian
	if cs == utf16BigEndian {
		order = binary.BigEndian
	}
	out := order.AppendUint16(nil, 0xFEFF)
	for _, u := range utf16.Encode([]rune(string(text))) {
		out = order.AppendUint16(out, u)
	}
	return out
}
