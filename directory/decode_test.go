package directory

import (
	"bytes"
	"encoding/hex"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	must(t, err)
	return b
}

func TestDecodeSID(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want photopush.SID
		bad  bool
	}{
		// The example of MS-DTYP 2.4.2: S-1-5-21-…; and well-known ones.
		"account":         {"01 05 000000000005 15000000 A065CF7E 784B9B5F E77C8770 91040000", "S-1-5-21-2127521184-1604012920-1887927527-1169", false},
		"administrators":  {"01 02 000000000005 20000000 20020000", "S-1-5-32-544", false},
		"everyone":        {"01 01 000000000001 00000000", "S-1-1-0", false},
		"large authority": {"01 01 010000000000 01000000", "S-1-0x010000000000-1", false},
		"empty":           {"", "", true},
		"revision":        {"02 01 000000000001 00000000", "", true},
		"short":           {"01 02 000000000005 20000000", "", true},
		"long":            {"01 01 000000000001 00000000 00", "", true},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := decodeSID(unhex(t, test.in))
			if got != test.want || (err != nil) != test.bad {
				t.Errorf("got %q, %v, want %q", got, err, test.want)
			}
		})
	}
}

func TestEncodeSID(t *testing.T) {
	got, err := encodeSID("S-1-5-21-2127521184-1604012920-1887927527-1169")
	if want := unhex(t, "01 05 000000000005 15000000 A065CF7E 784B9B5F E77C8770 91040000"); err != nil || !bytes.Equal(got, want) {
		t.Errorf("got %x, %v, want %x", got, err, want)
	}
	for _, bad := range []photopush.SID{"", "S-1-5-32-544", "S-1-5-21-1-2-3-4294967296", "S-1-5-21-1-2-3-4-5", "S-1-5-21-1-2-3-4)(a=*"} {
		if b, err := encodeSID(bad); err == nil {
			t.Errorf("%q became %x", bad, b)
		}
	}
}

func TestDecodeGUID(t *testing.T) {
	// {00112233-4455-6677-8899-aabbccddeeff} as MS-DTYP 2.3.4.2 sends it.
	g, err := decodeGUID(unhex(t, "33221100 5544 7766 8899 aabbccddeeff"))
	want := photopush.GUID("00112233-4455-6677-8899-aabbccddeeff")
	if err != nil || g.GUID() != want {
		t.Errorf("got %s, %v, want %s", g.GUID(), err, want)
	}
	if back, err := encodeGUID(want); err != nil || back != g {
		t.Errorf("%s is %x, %v, want %x", want, back, err, g)
	}
	for _, bad := range []photopush.GUID{"", "x", want[1:], want + "00", "00112233445566778899aabbccddeeff", photopush.GUID(strings.ToUpper(string(want)))} {
		if g, err := encodeGUID(bad); err == nil {
			t.Errorf("%q is %x", bad, g)
		}
	}
	for _, n := range []int{0, 15, 17} {
		if _, err := decodeGUID(make([]byte, n)); err == nil {
			t.Errorf("%d bytes were taken", n)
		}
	}
}

func TestDecodeFileTime(t *testing.T) {
	for in, want := range map[string]time.Time{
		"0":                   {},
		"9223372036854775807": {},
		"116444736000000000":  time.Unix(0, 0).UTC(),
		"133497217234567890":  time.Date(2024, 1, 14, 16, 2, 3, 456789000, time.UTC),
		"1":                   time.Date(1601, 1, 1, 0, 0, 0, 100, time.UTC),
	} {
		if got, err := decodeFileTime(in); err != nil || !got.Equal(want) {
			t.Errorf("%s is %s, %v, want %s", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "-1", "x", "1.5", "9223372036854775808"} {
		if got, err := decodeFileTime(bad); err == nil {
			t.Errorf("%q became %s", bad, got)
		}
	}
}

func TestDecodeAccountControl(t *testing.T) {
	for in, want := range map[string]uint32{"512": 512, "514": 514, "-2147483648": 1 << 31, "4294967295": 1<<32 - 1, "83890176": 0x5001000} {
		if got, err := decodeAccountControl(in); err != nil || got != want {
			t.Errorf("%s is %#x, %v, want %#x", in, got, err, want)
		}
	}
	for _, bad := range []string{"", "x", "4294967296", "-2147483649"} {
		if got, err := decodeAccountControl(bad); err == nil {
			t.Errorf("%q became %d", bad, got)
		}
	}
}

func TestDecodeHost(t *testing.T) {
	for in, want := range map[string]string{
		"": "", "WS1.Corp.Example": "ws1.corp.example", "ws1.": "ws1", "a_b-c.x": "a_b-c.x", "10.0.0.1": "10.0.0.1",
	} {
		if got, err := decodeHost(in); err != nil || got != want {
			t.Errorf("%q is %q, %v, want %q", in, got, err, want)
		}
	}
	for _, bad := range []string{
		"a b", "a..b", ".a", "-a", "a-", "a/b", "a:1", "a@b", "ü", "a\n", "x\x00", strings.Repeat("a", 64), strings.Repeat("a.", 128) + "b", "[::1]", "a%b",
	} {
		if got, err := decodeHost(bad); err == nil {
			t.Errorf("%q became %q", bad, got)
		}
	}
}

func TestDecodeText(t *testing.T) {
	for in, want := range map[string]string{
		"Müller, Jörg": "Müller, Jörg", "a\x00b\nc\x1b[0m\x7f": "abc[0m", "a\xffb": "a\ufffdb",
		strings.Repeat("ü", 3000): strings.Repeat("ü", maxText/2),
	} {
		if got := decodeText(in); got != want {
			t.Errorf("%.40q became %.40q, want %.40q", in, got, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\x01\x05\x00\x00\x00\x00\x00\x05\x15\x00\x00\x00\x01\x00\x00\x00\x02\x00\x00\x00\x03\x00\x00\x00\x04\x00\x00\x00"))
	f.Add([]byte("0123456789abcdef"))
	f.Add([]byte("133497217234567890"))
	f.Add([]byte("WS1.corp.example"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if sid, err := decodeSID(b); err == nil && sid.IsAccount() {
			back, err := encodeSID(sid)
			if err != nil || !bytes.Equal(back, b) {
				t.Errorf("%x is %s, which is %x, %v", b, sid, back, err)
			}
		}
		if g, err := decodeGUID(b); err == nil && len(g.GUID()) != 36 {
			t.Errorf("%x is %q", b, g.GUID())
		}
		if at, err := decodeFileTime(string(b)); err == nil && !at.IsZero() && (at.Year() < 1601 || at.Year() > 30828) {
			t.Errorf("%q is %s", b, at)
		}
		decodeAccountControl(string(b))
		if host, err := decodeHost(string(b)); err == nil && strings.ContainsAny(host, "/\\@:%[] \x00\n*") {
			t.Errorf("%q is a host", host)
		}
		if s := decodeText(string(b)); len(s) > maxText*3 || strings.ContainsAny(s, "\x00\n\x1b") {
			t.Errorf("%q became %q", b, s)
		}
	})
}
