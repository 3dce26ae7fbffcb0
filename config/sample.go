package config

import (
	"bytes"
	"fmt"
	"reflect"
	"strings"

	"github.com/goccy/go-yaml"
)

//go:generate go test -run TestGenerated|TestRules -update .

const sampleHead = `# The configuration of photopush, with every key there is. Made from the program itself: photopush config example.
#
# Lines that begin with "# " explain; lines that begin with "#" and a key show the default, or an example where there is none: take the # off
# to change them. Everything else must be set. Durations have a unit: 30s, 5m, 2h, 7d. Sizes too: 100 KB, 64 MiB. Relative paths are
# meant from the folder of this file. No password stands in it: a key names the file, or the environment variable, that holds it.
# photopush config check FILE reports every fault at once.
`

// Example is a complete commented file, made from what the rooms declare, so that it cannot drift. Load accepts it.
func Example() []byte {
	s := &sample{required: required()}
	s.out.WriteString(sampleHead)
	s.section(reflect.TypeFor[Config](), "", "", "")
	return s.out.Bytes()
}

// required lists the keys that have no default which would do: those that the rules find fault with when nothing is set.
func required() map[string]bool {
	c := Config{Domains: make([]Domain, 1)}
	applyDefaults(reflect.ValueOf(&c).Elem())
	applyDefaults(reflect.ValueOf(&c.Domains[0]).Elem())
	keys := map[string]bool{"domains": true}
	for _, err := range flatten(c.validate()) {
		keys[keyPath.FindString(err.Error())] = true
	}
	return keys
}

// A sample writes the example file.
type sample struct {
	out      bytes.Buffer
	required map[string]bool
}

// section writes the keys of t; first stands before the first of them instead of its indentation ("- " of a list's entry).
func (s *sample) section(t reflect.Type, path, indent, first string) {
	for i, f := range fields(t) {
		full, lead, margin := join(path, f.key), indent, indent
		if i == 0 && first != "" {
			lead, margin = first, indent[:len(indent)-len("- ")]
		}
		if path == "" {
			s.out.WriteByte('\n')
		}
		s.comment(f, full, margin)
		switch {
		case f.section():
			fmt.Fprintf(&s.out, "%s%s:\n", lead, f.key)
			s.section(f.typ, full, indent+"  ", "")
		case f.list():
			fmt.Fprintf(&s.out, "%s%s:\n", lead, f.key)
			s.section(f.typ.Elem(), full+"[0]", indent+"    ", indent+"  - ")
		case s.required[full]:
			fmt.Fprintf(&s.out, "%s%s: %s\n", lead, f.key, f.sampleValue())
		default:
			fmt.Fprintf(&s.out, "%s#%s: %s\n", lead, f.key, f.sampleValue())
		}
	}
}

// comment writes the help of a key.
func (s *sample) comment(f field, path, indent string) {
	text := f.help
	switch {
	case s.required[path] && f.unless != "":
		text += " Required, unless " + f.unless + "."
	case s.required[path] && !f.list():
		text += " Required."
	}
	for _, l := range wrap(text, 120-len(indent)) {
		fmt.Fprintf(&s.out, "%s# %s\n", indent, l)
	}
}

// sampleValue is the default, or else the example, as it stands in a file.
func (f field) sampleValue() string {
	switch {
	case f.standard != "" && f.typ.Kind() == reflect.String:
		return quoted(f.standard)
	case f.standard != "":
		return f.standard
	case f.example != "" && f.typ.Kind() == reflect.String:
		return quoted(f.example)
	case f.example != "":
		return f.example
	}
	return map[reflect.Kind]string{reflect.String: `""`, reflect.Slice: "[]", reflect.Bool: "false"}[f.typ.Kind()]
}

// quoted writes text as YAML, in quotes where it needs them.
func quoted(text string) string {
	b, err := yaml.Marshal(text)
	if err != nil {
		panic("config: " + err.Error()) // a string can always be written
	}
	return strings.TrimSpace(string(b))
}

// wrap breaks text between words.
func wrap(text string, width int) []string {
	var lines []string
	current := ""
	for _, word := range strings.Fields(text) {
		if current != "" && len(current)+1+len(word) > width {
			lines = append(lines, current)
			current = ""
		}
		current = strings.TrimSpace(current + " " + word)
	}
	if current != "" {
		lines = append(lines, current)
	}
	return lines
}
