package directory

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

var places = map[string]place{
	"dirsync": {Version: 1, Method: methodDirSync, Scope: "abc", Cookie: []byte("cookie"), Groups: bytes.Repeat([]byte{7}, 32)},
	"usn":     {Version: 1, Method: methodUSN, Counts: []count{{bytes.Repeat([]byte{1}, 16), 5}, {bytes.Repeat([]byte{2}, 16), 1 << 60}}, AnyGroup: true},
}

func TestPlace(t *testing.T) {
	for name, p := range places {
		b, err := p.encode()
		must(t, err)
		got, err := decodePlace(b)
		if diff := cmp.Diff(p, got); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", name, err, diff)
		}
	}
	for text, want := range map[string]string{
		"": "EOF",
		`{"version":1,"method":"dirsync","cookie":"AA==","scope":"` + strings.Repeat("<", 65) + `"}`: "its scope is malformed",
		"null":                         "it is of version 0, want 1",
		`{"version":1}`:                "it is incomplete",
		`{"version":1,"method":"usn"}`: "it is incomplete",
		`{"version":1,"method":"dirsync","cookie":"AA=="}x`:                                            "something follows it",
		`{"version":1,"method":"dirsync","cookie":"AA==","more":1}`:                                    `json: unknown field "more"`,
		`{"version":1,"method":"dirsync","cookie":"AA==","groups":"AA=="}`:                             "its groups are malformed",
		`{"version":1,"method":"usn","counts":[{"invocation":"AA==","usn":1}]}`:                        "its counts are malformed",
		`{"version":1,"method":"usn","counts":[{"invocation":"AAAAAAAAAAAAAAAAAAAAAA==","usn":-1}]}`:   "its counts are malformed",
		`{"version":1,"method":"usn","counts":[{"invocation":"AAAAAAAAAAAAAAAAAAAAAA==","usn":1e30}]}`: "json: cannot unmarshal number 1e30 into Go struct field",
		`{"version":1,"method":"dirsync","cookie":"` + strings.Repeat("A", maxPlace) + `"}`:            "it has 65580 bytes, want 65536 at most",
	} {
		if _, err := decodePlace([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", text, err, want)
		}
	}
	if b, err := (place{Method: methodDirSync, Cookie: make([]byte, maxPlace)}).encode(); err == nil {
		t.Errorf("a place of %d bytes is kept", len(b))
	}
}

// TestCounted notes the numbers of more controllers than are kept.
func TestCounted(t *testing.T) {
	p := place{Method: methodUSN}
	for i := range byte(20) {
		p = p.counted(rawGUID{i}, int64(i))
	}
	p = p.counted(rawGUID{10}, 100)
	if n, ok := p.usn(rawGUID{10}); n != 100 || !ok {
		t.Errorf("number %d, %t", n, ok)
	}
	if _, ok := p.usn(rawGUID{3}); ok || len(p.Counts) != maxCounts {
		t.Errorf("%d numbers are kept, with that of the fourth", len(p.Counts))
	}
	if n, ok := p.usn(rawGUID{19}); n != 19 || !ok {
		t.Errorf("number %d, %t", n, ok)
	}
}

func FuzzDecodePlace(f *testing.F) {
	for _, p := range places {
		b, err := p.encode()
		must(f, err)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := decodePlace(b)
		if err != nil {
			return
		}
		p.watches(rawGUID{1})
		p.usn(rawGUID{1})
		again, err := p.encode()
		if err != nil && len(b) < maxPlace-1000 {
			t.Fatalf("what was read cannot be written: %v", err)
		}
		if err != nil {
			return
		}
		q, err := decodePlace(again)
		if diff := cmp.Diff(p, q); err != nil || diff != "" {
			t.Errorf("%v, -read +read again\n%s", err, diff)
		}
	})
}

func TestFilterTerms(t *testing.T) {
	for filter, want := range map[string][]term{
		"(&(a=1)(|(b>=2)(c<=3)(!(d~=4)))(e=*)(f=x*y)(g:1.2.840.113556.1.4.803:=2)(h:=i))": {{"a", "1"}, {"b", "2"}, {"c", "3"}, {"d", "4"}, {"e", ""}, {"f", ""}, {"g", "2"}, {"h", "i"}},
		`(memberOf:1.2.840.113556.1.4.1941:=CN=g\28x\29,DC=x)`:                            {{"memberOf", "CN=g(x),DC=x"}},
	} {
		got, err := filterTerms(filter)
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(term{})); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", filter, err, diff)
		}
	}
}

// TestPhotoCounted reads what Windows tells of the attributes of an object.
func TestPhotoCounted(t *testing.T) {
	data := func(name, usn string) string {
		return "<DS_REPL_ATTR_META_DATA>\n\t<pszAttributeName>" + name + "</pszAttributeName>\n\t<dwVersion>2</dwVersion>\n" +
			"\t<ftimeLastOriginatingChange>2026-01-02T03:04:05Z</ftimeLastOriginatingChange>\n\t<usnOriginatingChange>9999</usnOriginatingChange>\n" +
			"\t<usnLocalChange>" + usn + "</usnLocalChange>\n</DS_REPL_ATTR_META_DATA>\n\x00"
	}
	in := interest{photo: photoAttributes}
	for name, test := range map[string]struct {
		values []string
		want   bool
	}{
		"nothing is told":  {nil, true},
		"no photo":         {[]string{data("displayName", "500")}, false},
		"an older photo":   {[]string{data("displayName", "500"), data("THUMBNAILPHOTO", "100")}, false},
		"a newer photo":    {[]string{data("displayName", "50"), data("jpegPhoto", "101")}, true},
		"a broken number":  {[]string{data("jpegPhoto", "x")}, true},
		"no name":          {[]string{"<pszAttributeName>jpegPh"}, true},
		"another encoding": {[]string{"\x00\x01"}, true},
	} {
		e := ldap.NewEntry("CN=x", map[string][]string{replMetaData: test.values})
		if got := in.photoCounted(e, 100); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}
