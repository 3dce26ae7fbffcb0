package filematch

import (
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]string{
		"{sAMAccountName}.jpg":                      "[sAMAccountName]",
		"{sAMAccountName}":                          "[sAMAccountName]",
		"{sAMAccountName}.*":                        "[sAMAccountName]",
		"photo of {givenName} {sn} ({givenname}).*": "[givenName sn]",
		"photo.{employeeID}":                        "[employeeID]",
		"":                                          "it names no attribute, want one in braces, such as {sAMAccountName}.jpg",
		"photo.jpg":                                 "it names no attribute, want one in braces, such as {sAMAccountName}.jpg",
		"{sAMAccountName}.":                         "it ends with a dot, want an extension behind it, or .* for any",
		"{sAMAccountName.jpg":                       "it has a { without a }",
		"sAMAccountName}.jpg":                       "it has a } without a {",
		"{}.jpg":                                    "{} is no attribute, want a name such as {sAMAccountName}",
		"{{sn}}.jpg":                                "{{sn} is no attribute, want a name such as {sAMAccountName}",
		"{sn)(uid=*}.jpg":                           "{sn)(uid=*} is no attribute, want a name such as {sAMAccountName}",
		"photos/{sn}.jpg":                           "it names a folder, want the name of a file alone",
		`..\{sn}.jpg`:                               "it names a folder, want the name of a file alone",
		"{sn}\n.jpg":                                "it holds control characters, or is not UTF-8",
		"{sn}\xff":                                  "it holds control characters, or is not UTF-8",
		"{sn}" + strings.Repeat("x", 253):           "it has 257 bytes, want at most 256",
		"{a}{b}{c}{d}{e}{f}{g}{h}{i}":               "it names 9 attributes, want at most 8",
		"{" + strings.Repeat("a", 65) + "}.jpg":     "{" + strings.Repeat("a", 65) + "} is no attribute, want a name such as {sAMAccountName}",
		"{msDS-PhoneticDisplayName}_{a}{b}{c}.jpeg.": "it ends with a dot, want an extension behind it, or .* for any",
	} {
		p, err := Parse(text)
		got := fmt.Sprint(err)
		if err == nil {
			got = fmt.Sprint(p.Attributes())
			if p.String() != text {
				t.Errorf("%q is written %q", text, p)
			}
		}
		if got != want {
			t.Errorf("%q: %s, want %s", text, got, want)
		}
	}
}

func TestMatch(t *testing.T) {
	person := map[string]string{"sAMAccountName": "anna.maier", "sn": "Müller", "givenName": "Änne", "employeeID": "0042"}
	for _, c := range []struct{ pattern, files string }{ // files: those that match, then, after a bar, others
		{"{sAMAccountName}.jpg", "anna.maier.jpg Anna.Maier.JPG|anna.maier.jpeg anna.maier anna.jpg .jpg"},
		{"{sAMAccountName}", "anna.maier.jpg ANNA.MAIER.PNG anna.maier.tmp|anna.maier anna.maier.old.jpg"},
		{"{sAMAccountName}.*", "anna.maier.jpg|anna.maier"},
		{"{sn}_{employeeID}.png", "müller_0042.png MÜLLER_0042.png " + norm.NFD.String("Müller_0042.PNG") + "|muller_0042.png mueller_0042.png"},
		{"photo.{employeeID}", "photo.0042.jpg PHOTO.0042.Png|photo.0042 photo.0042.jpg.bak"},
		{"{sn}{mail}.jpg", "|müller.jpg"}, // without a mail address nothing is his
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Fatal(err)
		}
		key, ok := p.Key(func(a string) string { return person[a] })
		match, others, _ := strings.Cut(c.files, "|")
		for i, names := range []string{match, others} {
			for _, name := range strings.Fields(names) {
				fileKey, fileOK := p.FileKey(name)
				if got := ok && fileOK && key == fileKey; got != (i == 0) {
					t.Errorf("%s: %s matches: %t", c.pattern, name, got)
				}
			}
		}
	}
}

func TestFold(t *testing.T) {
	same := [][]string{
		{"anna", "ANNA", "Anna"},
		{"é", "É", "e\u0301", "E\u0301"},
		{"ς", "σ", "Σ"},
		{"K", "k", "\u212a"}, // the sign for kelvin
		{"s", "S", "ſ"},
		{"Å", "å", "\u212b", "A\u030a"},
		{"ß", "ẞ"},
		{"ss", "SS"},
		{"i", "I"},
		{"ı"},
		{"İ", "I\u0307"},
		{"\u0436", "\u0416"},
		{"ﬁ"},
		{"fi", "FI"},
	}
	folded := map[string]int{}
	for i, names := range same {
		for _, name := range names {
			f := Fold(name)
			if at, ok := folded[f]; ok && at != i {
				t.Errorf("%q is the same as %q", name, same[at])
			}
			folded[f] = i
		}
	}
	if len(folded) != len(same) {
		t.Errorf("%d different texts, want %d", len(folded), len(same))
	}
}

func FuzzMatch(f *testing.F) {
	for _, seed := range []string{"{sAMAccountName}.jpg", "{sn}.*", "a{b}c{d}.x", "{{a}", "."} {
		f.Add(seed, "Anna.JPG")
	}
	f.Fuzz(func(t *testing.T, pattern, name string) {
		Fold(name)
		p, err := Parse(pattern)
		if err != nil {
			return
		}
		p.FileKey(name)
		key, ok := p.Key(func(string) string { return "x" }) // the name that the pattern makes is found by it
		if !ok {
			t.Fatalf("%q has no key", pattern)
		}
		made := regexp.MustCompile(`\{[^}]*\}`).ReplaceAllString(strings.TrimSuffix(pattern, ".*"), "x")
		if p.extension == "" {
			made += ".jpg"
		}
		if got, ok := p.FileKey(made); !ok || got != key {
			t.Errorf("%q: the file %q is found by %q (%t), want %q", pattern, made, got, ok, key)
		}
	})
}

func TestAttributesKeepTheirSpelling(t *testing.T) {
	p, err := Parse("{SN}-{givenName}-{sn}.jpg")
	if err != nil {
		t.Fatal(err)
	}
	var asked []string
	p.Key(func(a string) string { asked = append(asked, a); return "x" })
	if diff := cmp.Diff([]string{"SN", "givenName", "sn"}, asked); diff != "" {
		t.Error(diff)
	}
}
