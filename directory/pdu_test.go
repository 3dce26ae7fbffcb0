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
		"too long":               {[]byte{0x30, 0x84, 0x7f, 0xff, 0xff, 0xff}, nil, "an answer of 2147483647 bytes is larger than 64 MiB: an object has photos that are too large"},
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
