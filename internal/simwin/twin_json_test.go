package simwin

import (
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/google/go-cmp/cmp"
)

func TestJSON(t *testing.T) {
	o := object{{"b", true}, {"i", -1}, {"u", uint64(1) << 63}, {"s", "\"\\\x00\n~\x7fé😀"}, {"units", []uint16{'a', 0xd800}},
		{"none", []object{}}, {"list", []object{{{"x", []string{"1", "2"}}}, {}}}}
	want := `{"b":true,"i":-1,"u":9223372036854775808,"s":"\u0022\u005c\u0000\u000a~\u007f\u00e9\ud83d\ude00","units":"a\ud800","none":[],"list":[{"x":["1","2"]},{}]}`
	if diff := cmp.Diff(want, o.json()); diff != "" {
		t.Error(diff)
	}
}

func FuzzJSON(f *testing.F) {
	f.Add("plain")
	f.Add("\"\\\x00 \u2028\U0010ffff")
	f.Fuzz(func(t *testing.T, s string) {
		text := object{{"s", s}}.json()
		if i := strings.IndexFunc(text, func(r rune) bool { return r < 32 || r > 126 }); i >= 0 {
			t.Fatalf("%q is not printable ASCII at %d", text, i)
		}
		var back struct{ S string }
		if err := json.Unmarshal([]byte(text), &back); err != nil {
			t.Fatalf("%q: %v", text, err)
		}
		if want := string(utf16.Decode(utf16.Encode([]rune(s)))); back.S != want {
			t.Fatalf("%q came back as %q", want, back.S)
		}
	})
}
