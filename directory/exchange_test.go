package directory

import (
	"bytes"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/google/go-cmp/cmp"
)

// Answers as they come from the wire.
var (
	bindDone     = []byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00")
	bindWindows  = []byte("\x30\x84\x00\x00\x00\x1a\x02\x01\x02\x61\x84\x00\x00\x00\x11\x0a\x01\x0e\x04\x00\x04\x00\x87\x84\x00\x00\x00\x04\x60\x01\x02\x03")
	extendedDone = []byte("\x30\x12\x02\x01\x03\x78\x0d\x0a\x01\x00\x04\x00\x04\x00\x8a\x01\x31\x8b\x01\x75")
	disconnect   = []byte("\x30\x11\x02\x01\x00\x78\x0c\x0a\x01\x34\x04\x00\x04\x02no\x8a\x01\x31")
)

func TestParseAnswer(t *testing.T) {
	for name, c := range map[string]struct {
		in   []byte
		want *answer
	}{
		"bind":              {bindDone, &answer{id: 1, tag: 0x61}},
		"bind by Windows":   {bindWindows, &answer{id: 2, tag: 0x61, code: 14, creds: []byte{0x60, 1, 2, 3}}},
		"extended":          {extendedDone, &answer{id: 3, tag: 0x78, value: []byte("u")}},
		"disconnection":     {disconnect, &answer{tag: 0x78, code: 52, text: "no"}},
		"referral":          {[]byte("\x30\x10\x02\x01\x01\x61\x0b\x0a\x01\x0a\x04\x00\x04\x00\xa3\x02\x04\x00"), &answer{id: 1, tag: 0x61, code: 10}},
		"controls behind":   {[]byte("\x30\x0e\x02\x01\x01\x61\x07\x0a\x01\x00\x04\x00\x04\x00\xa0\x00"), &answer{id: 1, tag: 0x61}},
		"empty credentials": {[]byte("\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x00\x04\x00\x04\x00\x87\x00"), &answer{id: 1, tag: 0x61, creds: []byte{}}},

		"nothing":                {nil, nil},
		"another sequence":       {[]byte("\x31\x00"), nil},
		"something behind":       {append(bytes.Clone(bindDone), 0), nil},
		"no number":              {[]byte("\x30\x0b\x02\x00\x61\x07\x0a\x01\x00\x04\x00\x04\x00"), nil},
		"no operation":           {[]byte("\x30\x03\x02\x01\x01"), nil},
		"a result of no bytes":   {[]byte("\x30\x0b\x02\x01\x01\x61\x06\x0a\x00\x04\x00\x04\x00"), nil},
		"a result of five bytes": {[]byte("\x30\x10\x02\x01\x01\x61\x0b\x0a\x05\x01\x00\x00\x00\x00\x04\x00\x04\x00"), nil},
		"a negative result":      {[]byte("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\xff\x04\x00\x04\x00"), nil},
		"a result of go-ldap's":  {[]byte("\x30\x0d\x02\x01\x01\x61\x08\x0a\x02\x00\xc8\x04\x00\x04\x00"), nil},
		"no text":                {[]byte("\x30\x0a\x02\x01\x01\x61\x05\x0a\x01\x00\x04\x00"), nil},
		"credentials twice":      {[]byte("\x30\x10\x02\x01\x01\x61\x0b\x0a\x01\x00\x04\x00\x04\x00\x87\x00\x87\x00"), nil},
		"an unknown field":       {[]byte("\x30\x0e\x02\x01\x01\x61\x09\x0a\x01\x00\x04\x00\x04\x00\x89\x00"), nil},
		"too long inside":        {[]byte("\x30\x0c\x02\x01\x01\x61\x08\x0a\x01\x00\x04\x00\x04\x00"), nil},
	} {
		got, err := parseAnswer(c.in)
		if (err == nil) != (c.want != nil) {
			t.Errorf("%s: %v", name, err)
		}
		if diff := cmp.Diff(c.want, got, cmp.AllowUnexported(answer{})); c.want != nil && diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

func TestBindRequests(t *testing.T) {
	for name, c := range map[string]struct {
		op   *ber.Packet
		want string
	}{
		"simple":      {bindRequest("u@d", ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, "pw", "simple")), "\x60\x0c\x02\x01\x03\x04\x03u@d\x80\x02pw"},
		"SASL":        {saslRequest("GSSAPI", []byte{0x60}), "\x60\x12\x02\x01\x03\x04\x00\xa3\x0b\x04\x06GSSAPI\x04\x01\x60"},
		"SASL, empty": {saslRequest("EXTERNAL", nil), "\x60\x13\x02\x01\x03\x04\x00\xa3\x0c\x04\x08EXTERNAL\x04\x00"},
	} {
		if got := string(c.op.Bytes()); got != c.want {
			t.Errorf("%s is %x, want %x", name, got, c.want)
		}
	}
}

// FuzzParseAnswer: whatever comes, an answer has the bytes that came, and a number of LDAP.
func FuzzParseAnswer(f *testing.F) {
	for _, b := range [][]byte{bindDone, bindWindows, extendedDone, disconnect} {
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, err := parseAnswer(b)
		if err != nil {
			return
		}
		for _, part := range [][]byte{a.creds, a.value, []byte(a.text)} {
			if !bytes.Contains(b, part) {
				t.Errorf("%q is not in what came", part)
			}
		}
		if a.code >= 200 || len(a.creds)+len(a.value)+len(a.text) > len(b) {
			t.Errorf("%+v", a)
		}
	})
}

// FuzzReadOffer: an offer that is taken has the layer, and room for a message where that is sealed.
func FuzzReadOffer(f *testing.F) {
	f.Add([]byte{7, 1, 0, 0}, layerSeal)
	f.Add([]byte{1, 0, 0, 0}, layerNone)
	f.Add([]byte{4, 0, 0, 72}, layerSeal)
	f.Fuzz(func(t *testing.T, offer []byte, layer int) {
		if layer != layerNone {
			layer = layerSeal
		}
		most, err := readOffer(offer, layer)
		if err == nil && (len(offer) != 4 || offer[0]&byte(layer) == 0 || layer == layerSeal && (most < 1 || most > 0xffffff)) {
			t.Errorf("% x for layer %d gives %d", offer, layer, most)
		}
	})
}
