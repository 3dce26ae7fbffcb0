package winrm

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"unicode/utf8"
)

// Bounds of an answer's XML; recorded answers stay below a tenth of each.
const (
	maxDepth = 32
	maxAttrs = 32
	maxNames = 64 // namespace declarations in force at once
)

// A malformedError is an answer that is not what the protocol says; the host, or something in between, is not a WinRM service.
type malformedError struct{ err error }

func (e *malformedError) Error() string { return "not an answer of WinRM: " + e.err.Error() }
func (e *malformedError) Unwrap() error { return e.err }

// Remedy is what to do about it.
func (e *malformedError) Remedy() string { return notWinRM }

// An event is what the scanner found.
type event uint8

const (
	startTag event = iota + 1
	endTag
	textRun // character data between tags, in scanner.text
	endOfFile
)

// scanner reads the subset of XML 1.0 with namespaces that SOAP 1.2 allows: no DTD, so no entities but the five. It copies nothing: what
// it gives are slices of the input. Tags must nest, names must match, prefixes must be declared.
type scanner struct {
	in   []byte
	at   int
	pend bool // an empty-element tag whose end is still to be told

	depth int
	open  [maxDepth][]byte // qualified names
	bound int
	names [maxNames]binding

	// of the tag or text that was found last
	space, local []byte
	attrs        [maxAttrs]attr
	nattrs       int
	text         []byte
	raw          bool // text is a CDATA section: no references in it
}

type binding struct {
	prefix, space []byte
	depth         int
}

type attr struct{ name, value []byte } // name without its prefix, value as written

var (
	errTruncated = errors.New("the XML ends too soon")
	errNesting   = fmt.Errorf("the XML nests deeper than %d", maxDepth)
	errSyntax    = errors.New("the XML is not well-formed")
	errDTD       = errors.New("the XML has a document type, which SOAP forbids")
)

// next finds the next tag or text. White space between tags counts as text.
func (s *scanner) next() (event, error) {
	if s.pend {
		s.pend = false
		return s.pop()
	}
	for {
		if s.at >= len(s.in) {
			if s.depth > 0 {
				return 0, errTruncated
			}
			return endOfFile, nil
		}
		if s.in[s.at] != '<' {
			return s.chars()
		}
		rest := s.in[s.at:]
		switch {
		case bytes.HasPrefix(rest, []byte("<!--")):
			if err := s.skipTo("-->", 4); err != nil {
				return 0, err
			}
		case bytes.HasPrefix(rest, []byte("<?")):
			if err := s.skipTo("?>", 2); err != nil {
				return 0, err
			}
		case bytes.HasPrefix(rest, []byte("<![CDATA[")):
			return s.cdata()
		case bytes.HasPrefix(rest, []byte("<!")):
			return 0, errDTD
		case bytes.HasPrefix(rest, []byte("</")):
			return s.end()
		default:
			return s.start()
		}
	}
}

func (s *scanner) skipTo(mark string, from int) error {
	n := bytes.Index(s.in[s.at+from:], []byte(mark))
	if n < 0 {
		return errTruncated
	}
	s.at += from + n + len(mark)
	return nil
}

func (s *scanner) chars() (event, error) {
	n := bytes.IndexByte(s.in[s.at:], '<')
	if n < 0 {
		n = len(s.in) - s.at
	}
	s.text, s.raw = s.in[s.at:s.at+n], false
	s.at += n
	if s.depth == 0 && len(bytes.TrimSpace(bytes.TrimPrefix(s.text, []byte("\ufeff")))) > 0 {
		return 0, errSyntax
	}
	return textRun, nil
}

func (s *scanner) cdata() (event, error) {
	from := s.at + len("<![CDATA[")
	if s.depth == 0 {
		return 0, errSyntax
	}
	if err := s.skipTo("]]>", len("<![CDATA[")); err != nil {
		return 0, err
	}
	s.text, s.raw = s.in[from:s.at-len("]]>")], true
	return textRun, nil
}

func (s *scanner) start() (event, error) {
	s.at++
	name := s.name()
	if len(name) == 0 {
		return 0, errSyntax
	}
	if s.depth == maxDepth {
		return 0, errNesting
	}
	s.open[s.depth] = name
	s.depth++
	s.nattrs = 0
	for {
		gap := s.blank()
		if s.at >= len(s.in) {
			return 0, errTruncated
		}
		switch c := s.in[s.at]; {
		case c == '>':
			s.at++
			return startTag, s.resolve(name)
		case c == '/':
			if s.at++; s.at >= len(s.in) || s.in[s.at] != '>' {
				return 0, errSyntax
			}
			s.at++
			s.pend = true
			return startTag, s.resolve(name)
		case !gap:
			return 0, errSyntax
		}
		if err := s.attribute(); err != nil {
			return 0, err
		}
	}
}

func (s *scanner) attribute() error {
	name := s.name()
	s.blank()
	if len(name) == 0 || s.at >= len(s.in) || s.in[s.at] != '=' {
		return errSyntax
	}
	s.at++
	s.blank()
	if s.at >= len(s.in) || s.in[s.at] != '"' && s.in[s.at] != '\'' {
		return errSyntax
	}
	quote := s.in[s.at]
	s.at++
	n := bytes.IndexByte(s.in[s.at:], quote)
	if n < 0 {
		return errTruncated
	}
	value := s.in[s.at : s.at+n]
	s.at += n + 1
	if bytes.IndexByte(value, '<') >= 0 {
		return errSyntax
	}
	return s.keep(name, value)
}

// keep notes a namespace declaration or an attribute.
func (s *scanner) keep(name, value []byte) error {
	prefix, local, colon := bytes.Cut(name, []byte(":"))
	switch {
	case !colon && string(name) == "xmlns":
		prefix = nil
	case colon && string(prefix) == "xmlns":
		prefix = local
	default:
		if s.nattrs == maxAttrs {
			return fmt.Errorf("an element has more than %d attributes", maxAttrs)
		}
		if !colon {
			local = name
		}
		s.attrs[s.nattrs] = attr{local, value}
		s.nattrs++
		return nil
	}
	if s.bound == maxNames {
		return fmt.Errorf("there are more than %d namespaces", maxNames)
	}
	s.names[s.bound] = binding{prefix, value, s.depth}
	s.bound++
	return nil
}

// resolve splits the name of the tag that was opened into namespace and local name.
func (s *scanner) resolve(name []byte) error {
	prefix, local, colon := bytes.Cut(name, []byte(":"))
	if !colon {
		prefix, local = nil, name
	}
	for i := s.bound - 1; i >= 0; i-- {
		if bytes.Equal(s.names[i].prefix, prefix) {
			s.space, s.local = s.names[i].space, local
			return nil
		}
	}
	if colon {
		return fmt.Errorf("the prefix %q is not declared", clean(string(prefix), 40))
	}
	s.space, s.local = nil, local
	return nil
}

func (s *scanner) end() (event, error) {
	s.at += 2
	name := s.name()
	s.blank()
	if s.at >= len(s.in) {
		return 0, errTruncated
	}
	if s.in[s.at] != '>' || s.depth == 0 || !bytes.Equal(name, s.open[s.depth-1]) {
		return 0, errSyntax
	}
	s.at++
	return s.pop()
}

func (s *scanner) pop() (event, error) {
	for s.bound > 0 && s.names[s.bound-1].depth == s.depth {
		s.bound--
	}
	s.depth--
	return endTag, nil
}

func (s *scanner) name() []byte {
	from := s.at
	for s.at < len(s.in) && nameByte(s.in[s.at]) {
		s.at++
	}
	return s.in[from:s.at]
}

func nameByte(c byte) bool {
	return c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == ':' || c == '_' || c == '-' || c == '.' || c >= 0x80
}

// blank skips white space, and tells whether there was some.
func (s *scanner) blank() (some bool) {
	for s.at < len(s.in) && (s.in[s.at] == ' ' || s.in[s.at] == '\t' || s.in[s.at] == '\r' || s.in[s.at] == '\n') {
		s.at++
		some = true
	}
	return some
}

// is tells whether the tag that was found last has that name.
func (s *scanner) is(space, local string) bool {
	return string(s.local) == local && string(s.space) == space
}

// attr is an attribute of the tag that was found last, as written; nil when it has none of that name.
func (s *scanner) attr(name string) []byte {
	for _, a := range s.attrs[:s.nattrs] {
		if string(a.name) == name {
			return a.value
		}
	}
	return nil
}

// appendText appends raw with its references resolved.
func appendText(dst, raw []byte) ([]byte, error) {
	for {
		n := bytes.IndexByte(raw, '&')
		if n < 0 {
			return append(dst, raw...), nil
		}
		dst = append(dst, raw[:n]...)
		ref, rest, ok := bytes.Cut(raw[n+1:], []byte(";"))
		if !ok || len(ref) > 10 {
			return nil, errSyntax
		}
		r, err := reference(string(ref))
		if err != nil {
			return nil, err
		}
		dst, raw = utf8.AppendRune(dst, r), rest
	}
}

func reference(name string) (rune, error) {
	switch name {
	case "lt":
		return '<', nil
	case "gt":
		return '>', nil
	case "amp":
		return '&', nil
	case "quot":
		return '"', nil
	case "apos":
		return '\'', nil
	}
	if len(name) < 2 || name[0] != '#' {
		return 0, errSyntax
	}
	digits, base := name[1:], 10
	if digits[0] == 'x' {
		digits, base = digits[1:], 16
	}
	n, err := strconv.ParseUint(digits, base, 21)
	if err != nil || !utf8.ValidRune(rune(n)) || n == 0 {
		return 0, errSyntax
	}
	return rune(n), nil
}
