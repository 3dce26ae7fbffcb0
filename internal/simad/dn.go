package simad

import (
	"encoding/hex"
	"errors"
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// A dn is a parsed distinguished name (RFC 4514), the object's own name first.
type dn []rdn

// An rdn is one attribute with its value; Active Directory has no multi-valued ones.
type rdn struct{ attribute, value string }

var errDN = errors.New("malformed distinguished name")

// parseDN reads a distinguished name; "" is the empty one.
func parseDN(s string) (dn, error) {
	var d dn
	for strings.TrimSpace(s) != "" {
		attribute, rest, ok := strings.Cut(s, "=")
		attribute = strings.TrimSpace(attribute)
		if !ok || attribute == "" || strings.ContainsAny(attribute, `,+\"<>;# `) {
			return nil, errDN
		}
		value, after, more, err := parseValue(rest)
		if err != nil {
			return nil, err
		}
		d = append(d, rdn{attribute, value})
		if more && strings.TrimSpace(after) == "" {
			return nil, errDN
		}
		s = after
	}
	return d, nil
}

// parseValue reads a value up to the next comma that is not escaped.
func parseValue(s string) (value, rest string, more bool, err error) {
	var b strings.Builder
	s = strings.TrimLeft(s, " ")
	kept := 0 // length up to the last character that is no plain space
	for i := 0; i < len(s); i++ {
		switch c := s[i]; c {
		case '\\':
			n, text := unescape(s[i+1:])
			if n == 0 {
				return "", "", false, errDN
			}
			b.WriteString(text)
			i += n
			kept = b.Len()
		case ',', ';':
			return finish(b.String()[:kept], s[i+1:], true)
		case '+', '"', '<', '>':
			return "", "", false, errDN
		default:
			b.WriteByte(c)
			if c != ' ' {
				kept = b.Len()
			}
		}
	}
	return finish(b.String()[:kept], "", false)
}

func finish(value, rest string, more bool) (string, string, bool, error) {
	if value == "" || !utf8.ValidString(value) {
		return "", "", false, errDN
	}
	return value, rest, more, nil
}

// unescape reads what follows a backslash: two hex digits or one special character. n is the length read, 0 for neither.
func unescape(s string) (n int, text string) {
	if len(s) >= 2 {
		if b, err := hex.DecodeString(s[:2]); err == nil {
			return 2, string(b)
		}
	}
	if len(s) >= 1 && strings.ContainsRune(` #+,;<=>"\`, rune(s[0])) {
		return 1, s[:1]
	}
	return 0, ""
}

// String writes it as Active Directory does: special characters with a backslash, others as they are, a line feed in hex.
func (d dn) String() string {
	parts := make([]string, len(d))
	for i, r := range d {
		parts[i] = r.attribute + "=" + escapeValue(r.value)
	}
	return strings.Join(parts, ",")
}

func escapeValue(s string) string {
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case strings.IndexByte(`,+"\<>;=`, c) >= 0, c == '#' && i == 0, c == ' ' && (i == 0 || i == len(s)-1):
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < 0x20:
			b.WriteString(`\` + strings.ToUpper(hex.EncodeToString([]byte{c})))
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// key is equal for equal names, and that of an object below another ends with a comma and the key of the other.
func (d dn) key() string {
	parts := make([]string, len(d))
	for i, r := range d {
		parts[i] = strings.ToLower(r.attribute) + "=" + escapeValue(fold(r.value))
	}
	return strings.Join(parts, ",")
}

func (d dn) parent() dn {
	if len(d) == 0 {
		return nil
	}
	return d[1:]
}

// fold makes strings equal that Active Directory takes as equal: it compares with NORM_IGNORECASE, NORM_IGNOREKANATYPE,
// NORM_IGNORENONSPACE and NORM_IGNOREWIDTH (MS-ADTS 6.5.1), so that u equals ü.
func fold(s string) string {
	if isPlain(s) {
		return strings.ToLower(s)
	}
	var b strings.Builder
	for _, r := range norm.NFKD.String(cases.Fold().String(s)) {
		switch {
		case unicode.Is(unicode.Mn, r): // takes no space
		case 'ァ' <= r && r <= 'ヶ':
			b.WriteRune(r - 'ァ' + 'ぁ')
		default:
			b.WriteRune(r)
		}
	}
	return b.String()
}

func isPlain(s string) bool {
	for i := range len(s) {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
