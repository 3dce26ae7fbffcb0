// Package filematch says which file is whose by its name: a pattern such as {sAMAccountName}.jpg is filled with a person's attributes, and compared with
// the names of files without regard to case and to the form in which Unicode writes an accent. It reads no files and no directory.
package filematch

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/unicode/norm"
)

// A Pattern is the name of a file with attributes of a person in braces. What stands behind its last dot is the extension that a file must have; .* or
// nothing there lets every extension in.
type Pattern struct {
	text      string
	parts     []part
	extension string // folded, with its dot; empty for any
}

// A part is literal text, or the name of an attribute.
type part struct{ literal, attribute string }

// Bounds of a pattern, and of the name that is made of it; no file system takes longer names.
const (
	maxPattern    = 256 // bytes
	maxAttributes = 8
	maxName       = 1024 // bytes
)

// An attribute's name, as LDAP has it (RFC 4512 section 1.4, descr).
var attributeName = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9-]{0,63}\z`)

// Parse reads a pattern. It names one attribute at least, no folder, and no control characters.
func Parse(s string) (*Pattern, error) {
	switch {
	case len(s) > maxPattern:
		return nil, fmt.Errorf("it has %d bytes, want at most %d", len(s), maxPattern)
	case !utf8.ValidString(s), strings.ContainsFunc(s, unicode.IsControl):
		return nil, errors.New("it holds control characters, or is not UTF-8")
	case strings.ContainsAny(s, `/\`):
		return nil, errors.New("it names a folder, want the name of a file alone")
	}
	p := &Pattern{text: s}
	name := strings.TrimSuffix(s, ".*")
	if dot := strings.LastIndexByte(name, '.'); name == s && dot >= 0 && !strings.ContainsAny(name[dot:], "{}") {
		p.extension, name = Fold(name[dot:]), name[:dot]
	}
	if err := p.parse(name); err != nil {
		return nil, err
	}
	switch n := len(p.Attributes()); {
	case n == 0:
		return nil, errors.New("it names no attribute, want one in braces, such as {sAMAccountName}.jpg")
	case n > maxAttributes:
		return nil, fmt.Errorf("it names %d attributes, want at most %d", n, maxAttributes)
	case p.extension == ".":
		return nil, errors.New("it ends with a dot, want an extension behind it, or .* for any")
	}
	return p, nil
}

func (p *Pattern) parse(name string) error {
	for name != "" {
		literal, rest, opens := strings.Cut(name, "{")
		if strings.Contains(literal, "}") {
			return errors.New("it has a } without a {")
		}
		if literal != "" {
			p.parts = append(p.parts, part{literal: literal})
		}
		if !opens {
			return nil
		}
		attribute, rest, closes := strings.Cut(rest, "}")
		switch {
		case !closes:
			return errors.New("it has a { without a }")
		case !attributeName.MatchString(attribute):
			return fmt.Errorf("{%s} is no attribute, want a name such as {sAMAccountName}", attribute)
		}
		p.parts = append(p.parts, part{attribute: attribute})
		name = rest
	}
	return nil
}

// String is the pattern as it was written.
func (p *Pattern) String() string { return p.text }

// Extension is what files must end with, in capitals and with its dot; empty for any.
func (p *Pattern) Extension() string { return p.extension }

// Attributes are the attributes that it names, each once, as they are written in it.
func (p *Pattern) Attributes() []string {
	var names []string
	for _, part := range p.parts {
		if part.attribute != "" && !slices.ContainsFunc(names, func(n string) bool { return strings.EqualFold(n, part.attribute) }) {
			names = append(names, part.attribute)
		}
	}
	return names
}

// Key is what a person's files are found by: those with the same FileKey are his. value returns an attribute of the person, by its name as the pattern
// writes it; ok is false where he lacks one.
func (p *Pattern) Key(value func(attribute string) string) (key string, ok bool) {
	name, ok := p.Name(value)
	return Fold(name), ok
}

// Name is the name of a person's file as the pattern writes it, without an extension; ok is false where he lacks an attribute. It may hold what no file's name
// may.
func (p *Pattern) Name(value func(attribute string) string) (name string, ok bool) {
	var b strings.Builder
	for _, part := range p.parts {
		text := part.literal
		if part.attribute != "" {
			if text = value(part.attribute); text == "" {
				return "", false
			}
		}
		if b.WriteString(text); b.Len() > maxName {
			return "", false
		}
	}
	return b.String(), true
}

// FileKey is what the file of that name is found by; ok is false where the pattern wants another extension. The name has no folder. Where every extension is let in
// the caller leaves out what is no photo by its name, or else anna.maier would be the file of anna.
func (p *Pattern) FileKey(name string) (key string, ok bool) {
	if len(name) > maxName || !utf8.ValidString(name) {
		return "", false
	}
	folded := Fold(name)
	dot := strings.LastIndexByte(folded, '.')
	switch {
	case p.extension != "":
		key, ok = strings.CutSuffix(folded, p.extension)
	case dot >= 0:
		key, ok = folded[:dot], true
	default:
		key, ok = folded, true
	}
	return key, ok && key != ""
}

// Fold gives names that differ only in case, or in the form of their accents, the same text: the composed form (NFC, Unicode Standard Annex 15), each
// character the first of those that simple case folding makes equal. ß stays apart from ss, and ı from i: they are other people's names.
func Fold(s string) string {
	return strings.Map(foldRune, norm.NFC.String(s))
}

func foldRune(r rune) rune {
	if r < utf8.RuneSelf && r != 'k' && r != 's' { // those two have others beyond ASCII, which come after them
		return unicode.ToUpper(r)
	}
	first := r
	for next := unicode.SimpleFold(r); next != r; next = unicode.SimpleFold(next) {
		first = min(first, next)
	}
	return first
}
