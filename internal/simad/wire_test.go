package simad

import (
	"bytes"
	"context"
	"encoding/hex"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
	"golang.org/x/net/dns/dnsmessage"
)

func dialTo(network, addr string) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}
}

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	must(t, err)
	return b
}

// TestWire sends bytes written by hand after RFC 4511 and compares what comes back, byte for byte.
func TestWire(t *testing.T) {
	const rootSearch = "30 2e 02 01 02 63 29 04 00 0a 01 00 0a 01 00 02 01 00 02 01 00 01 01 00 87 0b 6f626a656374436c617373 30 09 04 07 312e312e312e31"
	const anonymousBind = "30 0c 02 01 01 60 07 02 01 03 04 00 80 00"
	for name, test := range map[string]struct{ send, want string }{
		"anonymous bind": {anonymousBind, "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00"},
		"rootDSE, an attribute it has not": {rootSearch,
			"30 09 02 01 02 64 04 04 00 30 00" + "30 0c 02 01 02 65 07 0a 01 00 04 00 04 00"},
		"lengths in the long form": {"30 84 00 00 00 10 02 01 01 60 84 00 00 00 07 02 01 03 04 00 80 00", "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00"},
		"abandon, then bind":       {"30 06 02 01 05 50 01 04" + anonymousBind, "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00"},
		"unbind, then bind":        {"30 05 02 01 05 42 00" + anonymousBind, ""},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := newLab(t, ControllerOptions{})
			raw, err := net.Dial("tcp", c.LDAPAddr())
			must(t, err)
			defer raw.Close()
			_, err = raw.Write(unhex(t, test.send))
			must(t, err)
			if want := unhex(t, test.want); len(want) > 0 {
				got := make([]byte, len(want))
				if n, err := io.ReadFull(raw, got); err != nil || !bytes.Equal(got, want) {
					t.Errorf("got  %x, %v\nwant %x", got[:n], err, want)
				}
				raw.(*net.TCPConn).CloseWrite()
			}
			if rest, _ := io.ReadAll(raw); len(rest) > 0 {
				t.Errorf("then came %x", rest)
			}
		})
	}
}

// TestMalformed sends what is no LDAP; the connection ends, most often with a Notice of Disconnection.
func TestMalformed(t *testing.T) {
	notice := []byte("1.3.6.1.4.1.1466.20036")
	for name, test := range map[string]struct {
		send   string
		notice bool
	}{
		"text":              {"474554202f20485454502f312e310d0a0d0a", false},
		"indefinite length": {"30 80 00 00", false},
		"too long":          {"30 84 7f ff ff ff", false},
		"inner too long":    {"30 03 02 05 01", true},
		"no operation":      {"30 03 02 01 01", true},
		"negative ID":       {"30 05 02 01 ff 42 00", true},
		"unknown operation": {"30 05 02 01 01 59 00", true},
		"bind in pieces":    {"30 08 02 01 01 60 03 02 01 03", true},
		"filter":            {"30 1d 02 01 02 63 18 04 00 0a 01 00 0a 01 00 02 01 00 02 01 00 01 01 00 8c 03 616263 30 00", true},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := newLab(t, ControllerOptions{})
			raw, err := net.Dial("tcp", c.LDAPAddr())
			must(t, err)
			defer raw.Close()
			_, err = raw.Write(unhex(t, test.send))
			must(t, err)
			if got, _ := io.ReadAll(raw); bytes.Contains(got, notice) != test.notice {
				t.Errorf("got %x", got)
			}
		})
	}
}

// TestCuts checks what each fault does to the bytes on the wire.
func TestCuts(t *testing.T) {
	bind := unhex(t, "30 0c 02 01 01 60 07 02 01 03 04 00 80 00")
	whole := unhex(t, "30 0c 02 01 01 61 07 0a 01 00 04 00 04 00")
	for name, test := range map[string]struct {
		cut  Cut
		want []byte
	}{
		"before":       {Cut{N: 2, Where: Before}, whole},
		"inside":       {Cut{N: 2, Where: Inside}, append(bytes.Clone(whole), whole[:7]...)},
		"after":        {Cut{N: 2, Where: After}, append(bytes.Clone(whole), whole...)},
		"of the first": {Cut{N: 1, Where: Before}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			_, c := newLab(t, ControllerOptions{})
			c.SetFaults(Faults{Cut: test.cut})
			raw, err := net.Dial("tcp", c.LDAPAddr())
			must(t, err)
			defer raw.Close()
			for range 3 {
				raw.Write(bind) // fails once the connection is cut
			}
			got := make([]byte, 0, 100)
			buf := make([]byte, 100)
			for {
				n, err := raw.Read(buf)
				got = append(got, buf[:n]...)
				if err != nil {
					break
				}
			}
			// A reset may take bytes with it that were sent before; what came is a beginning of what was wanted.
			if !bytes.HasPrefix(test.want, got) || len(got) > len(test.want) {
				t.Errorf("got  %x\nwant %x", got, test.want)
			}
		})
	}
}

func TestDN(t *testing.T) {
	for in, want := range map[string]string{
		"":                               "",
		"CN=a,DC=b":                      "cn=a,dc=b",
		" cn = a , DC = b ":              "cn=a,dc=b",
		`CN=a\,b,DC=c`:                   `cn=a\,b,dc=c`,
		`CN=a\2cb,DC=c`:                  `cn=a\,b,dc=c`,
		`CN=J\c3\b6rg,DC=c`:              `cn=jorg,dc=c`,
		`CN=a\0ACNF:1,DC=c`:              `cn=a\0Acnf:1,dc=c`,
		`CN=\ a\ ,DC=c`:                  `cn=\ a\ ,dc=c`,
		`CN=a  ,DC=c`:                    `cn=a,dc=c`,
		`CN=\#1 \+ 2\=3 \<\>\;\"\\,DC=c`: `cn=\#1 \+ 2\=3 \<\>\;\"\\,dc=c`,
		`CN=a;DC=c`:                      `cn=a,dc=c`,
	} {
		d, err := parseDN(in)
		if err != nil || d.key() != want {
			t.Errorf("%q has the key %q, %v, want %q", in, d.key(), err, want)
		}
		if again, err := parseDN(d.String()); err != nil || again.key() != want {
			t.Errorf("%q is written %q, which has the key %q, %v", in, d, again.key(), err)
		}
	}
	for _, bad := range []string{"a", "=a", "CN=", "CN=a,", "CN=a+OU=b", `CN=a\`, `CN=a\zb`, `CN="a"`, "CN=a,b", "C,N=a", `CN=\ff,DC=a`} {
		if d, err := parseDN(bad); err == nil {
			t.Errorf("%q became %q", bad, d)
		}
	}
}

func FuzzDecodeMessage(f *testing.F) {
	for _, s := range []string{
		"300c020101600702010304008000", "30050201054200",
		"3025020102632004000a01000a0100020100020100010100870b6f626a656374436c6173733000",
		"301d02010177188016312e332e362e312e342e312e313436362e3230303337",
	} {
		b, err := hex.DecodeString(s)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	q, err := ldap.CompileFilter(`(&(|(a=b)(c=*d*e))(!(f>=1))(g:1.2.840.113556.1.4.803:=2)(h=*)(i~=j)(k<=l))`)
	if err != nil {
		f.Fatal(err)
	}
	op := operation(opSearch)
	op.AppendChild(octetString("DC=corp,DC=example"))
	for range 2 {
		op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, 0, ""))
	}
	for range 2 {
		op.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, ""))
	}
	op.AppendChild(ber.NewLDAPBoolean(ber.ClassUniversal, ber.TypePrimitive, ber.TagBoolean, false, ""))
	op.AppendChild(q)
	op.AppendChild(ber.NewSequence(""))
	f.Add(encodeMessage(3, op, pagingControl([]byte("cookie"))))
	d, err := NewDomain("corp.example", Options{})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := decodeMessage(b)
		if err != nil || m.search == nil {
			return
		}
		d.find(m.search)
		for _, c := range m.controls {
			decodePaging(c.value)
		}
	})
}

func FuzzParseDN(f *testing.F) {
	f.Add(`CN=a\,b\2c,OU=x y,DC=corp`)
	f.Add(`CN=\ a\ ;DC=\0a`)
	f.Fuzz(func(t *testing.T, s string) {
		d, err := parseDN(s)
		if err != nil {
			return
		}
		again, err := parseDN(d.String())
		if err != nil || again.key() != d.key() {
			t.Errorf("%q is written %q, read as %q, %v", s, d, again, err)
		}
	})
}

func FuzzAnswerDNS(f *testing.F) {
	d, err := NewDomain("corp.example", Options{})
	if err != nil {
		f.Fatal(err)
	}
	d.AddHost("ws1.corp.example", netip.MustParseAddr("127.0.0.7"))
	q := dnsmessage.Message{Header: dnsmessage.Header{ID: 7}, Questions: []dnsmessage.Question{
		{Name: dnsmessage.MustNewName("ws1.corp.example."), Type: dnsmessage.TypeA, Class: dnsmessage.ClassINET}}}
	b, err := q.Pack()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		answer, err := d.answerUDP(b)
		if err != nil {
			return
		}
		var m dnsmessage.Message
		if err := m.Unpack(answer); err != nil || !m.Response {
			t.Errorf("%x was answered by %x: %v", b, answer, err)
		}
	})
}
