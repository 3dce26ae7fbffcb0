package directory

import (
	"bytes"
	"io"
	"net"
	"strings"
	"testing"
	"testing/iotest"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A byteConn is a connection of which only reading matters.
type byteConn struct {
	net.Conn
	io.Reader
}

func (c byteConn) Read(p []byte) (int, error) { return c.Reader.Read(p) }

func TestPDUConn(t *testing.T) {
	short := []byte{0x30, 0x03, 0x02, 0x01, 0x05}
	long := append([]byte{0x30, 0x82, 0x01, 0x04, 0x04, 0x82, 0x01, 0x00}, make([]byte, 256)...)
	deep := []byte{0x04, 0x00}
	for range maxDepth + 1 {
		deep = append([]byte{0x30, byte(len(deep))}, deep...)
	}
	for name, test := range map[string]struct {
		in   []byte
		want []byte
		err  string
	}{
		"two":                    {append(bytes.Clone(short), long...), append(bytes.Clone(short), long...), "EOF"},
		"nothing":                {nil, nil, "EOF"},
		"header cut":             {[]byte{0x30, 0x82, 0x01}, nil, "unexpected EOF"},
		"contents cut":           {long[:100], nil, "unexpected EOF"},
		"inner longer":           {[]byte{0x30, 0x03, 0x02, 0x02, 0x05}, nil, "malformed LDAP message"},
		"inner much longer":      {[]byte{0x30, 0x06, 0x04, 0x84, 0x7f, 0xff, 0xff, 0xff}, nil, "malformed LDAP message"},
		"inner header cut":       {[]byte{0x30, 0x01, 0x02}, nil, "malformed LDAP message"},
		"indefinite":             {[]byte{0x30, 0x80, 0x00, 0x00}, nil, "malformed LDAP message"},
		"high tag":               {[]byte{0x3f, 0x81, 0x00}, nil, "malformed LDAP message"},
		"length of nine bytes":   {append([]byte{0x30, 0x89}, make([]byte, 20)...), nil, "malformed LDAP message"},
		"length that overflows":  {[]byte{0x30, 0x88, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, nil, "malformed LDAP message"},
		"too long":               {append([]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, make([]byte, maxHead)...), nil, "an answer of 2147483647 bytes is larger than 64 MiB: an object has photos that are too large"},
		"too long and cut":       {[]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, nil, "unexpected EOF"},
		"deep":                   {deep, nil, "malformed LDAP message"},
		"good, then one that is": {append(bytes.Clone(short), 0x30, 0x80), short, "malformed LDAP message"},
	} {
		t.Run(name, func(t *testing.T) {
			c := &pduConn{Conn: byteConn{Reader: iotest.OneByteReader(bytes.NewReader(test.in))}}
			var got []byte
			buf := make([]byte, 7)
			var err error
			for err == nil {
				var n int
				n, err = c.Read(buf)
				got = append(got, buf[:n]...)
			}
			if !bytes.Equal(got, test.want) || err.Error() != test.err {
				t.Errorf("got %x, %v, want %x, %s", got, err, test.want, test.err)
			}
			if _, again := c.Read(buf); again != err {
				t.Errorf("after %v came %v", err, again)
			}
		})
	}
}

// TestPDUMemory announces much and sends little: what is announced is not allocated.
func TestPDUMemory(t *testing.T) {
	in := append([]byte{0x30, 0x84, 0x03, 0xff, 0xff, 0x00}, bytes.Repeat([]byte{0}, 1000)...)
	n := testing.AllocsPerRun(10, func() {
		buf, err := readElement(bytes.NewReader(in), nil)
		if err == nil || cap(buf) > 1<<20 {
			t.Fatalf("%d bytes allocated, %v", cap(buf), err)
		}
	})
	if n > 20 {
		t.Errorf("%v allocations", n)
	}
}

// FuzzPDUConn lets the library behind a pduConn read what passed it, and wants it to take each element whole.
func FuzzPDUConn(f *testing.F) {
	f.Add([]byte{0x30, 0x03, 0x02, 0x01, 0x05})
	f.Add([]byte{0x30, 0x0c, 0x02, 0x01, 0x01, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00})
	f.Add([]byte{0x30, 0x80, 0x00, 0x00})
	f.Fuzz(func(t *testing.T, in []byte) {
		c := &pduConn{Conn: byteConn{Reader: bytes.NewReader(in)}}
		for {
			if err := c.fill(); err != nil {
				return
			}
			element := bytes.NewReader(c.buf)
			if _, err := ber.ReadPacket(element); err == nil && element.Len() != 0 {
				t.Fatalf("%x: %d bytes were left", c.buf, element.Len())
			} else if err != nil && (strings.Contains(err.Error(), "EOF") || strings.Contains(err.Error(), "depth")) {
				t.Fatalf("%x: the library wants more: %v", c.buf, err)
			}
		}
	})
}

// An entry that is too large loses its attributes, and what follows it is read as if nothing were.
func TestLargeEntry(t *testing.T) {
	const length = maxPDU + 5
	name := "CN=ada,DC=corp,DC=example"
	head := append([]byte{0x30, 0x84, 0x04, 0, 0, 5, 0x02, 1, 7, 0x64, 0x84, 0x03, 0xff, 0xff, 0xfc, 0x04, byte(len(name))}, name...)
	filler := io.LimitReader(zeros{}, int64(length-(len(head)-6)))
	next := []byte{0x30, 0x03, 0x02, 0x01, 0x05}
	c := &pduConn{Conn: byteConn{Reader: io.MultiReader(bytes.NewReader(head), filler, bytes.NewReader(next))}}
	packet, err := ber.ReadPacket(c)
	if err != nil {
		t.Fatal(err)
	}
	entry := packet.Children[1]
	if packet.Children[0].Value != int64(7) || entry.Tag != 4 || entry.ClassType != ber.ClassApplication || entry.Children[0].Value != name || len(entry.Children[1].Children) != 0 {
		t.Errorf("got %x", packet.Bytes())
	}
	if cap(c.buf) > maxHead {
		t.Errorf("%d bytes are kept", cap(c.buf))
	}
	if packet, err = ber.ReadPacket(c); err != nil || !bytes.Equal(packet.Bytes(), next) {
		t.Errorf("then came %v, %v", packet, err)
	}
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	clear(p)
	return len(p), nil
}

// FuzzBareEntry: what comes of any large answer is a message that is whole, or the error.
func FuzzBareEntry(f *testing.F) {
	f.Add([]byte{0x02, 1, 7, 0x64, 0x84, 0x03, 0xff, 0xff, 0xfc, 0x04, 1, 'x', 0x30})
	f.Add([]byte{0x02, 1, 7, 0x64})
	f.Add([]byte{0x02, 1, 7, 0x65, 3, 0x04, 1, 'x'})
	f.Fuzz(func(t *testing.T, in []byte) {
		got, err := bareEntry(bytes.NewReader(in), &largeError{len(in)})
		if err == nil && (checkElement(got, 0) != nil || len(got) > maxHead+64) {
			t.Errorf("%x gives %x", in, got)
		}
	})
}
