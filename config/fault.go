package config

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// A Fault is one thing that is wrong in the file.
type Fault struct {
	File string
	Line int    // from 1; of the key, or of the section that lacks it
	Key  string // full path, domains[0].winrm.port; empty when the fault is no key's
	Text string // what is wrong and what is wanted, the key included; never a secret
}

func (f *Fault) Error() string { return fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Text) }

// report gives the faults in the order of the lines.
func (d *decoder) report(file string) error {
	slices.SortStableFunc(d.faults, func(a, b *Fault) int { return cmp.Compare(a.Line, b.Line) })
	errs := make([]error, len(d.faults))
	for i, f := range d.faults {
		f.File = filepath.Clean(file)
		errs[i] = f
	}
	return errors.Join(errs...)
}

// fault notes that the key at path, on the given line, is wrong; text goes on after the key.
func (d *decoder) fault(path string, line int, text string, args ...any) {
	d.faults = append(d.faults, &Fault{Line: line, Key: path, Text: path + " " + fmt.Sprintf(text, args...)})
}

// keyPath is what every fault of a section begins with.
var keyPath = regexp.MustCompile(`\A[a-z][a-z0-9_]*(\[[0-9]+\])*(\.[a-z][a-z0-9_]*(\[[0-9]+\])*)*`)

// addInvalid notes what the sections' Validate reported, unless the same key was found wrong before: a value that could not be read
// has its default, and what the rules say of that would mislead.
func (d *decoder) addInvalid(err error) {
	before := len(d.faults)
	for _, err := range flatten(err) {
		key := keyPath.FindString(err.Error())
		if slices.ContainsFunc(d.faults[:before], func(f *Fault) bool { return within(key, f.Key) }) {
			continue
		}
		d.faults = append(d.faults, &Fault{Line: d.line(key), Key: key, Text: err.Error()})
	}
}

// flatten takes apart what errors.Join put together, and nothing else that wraps several errors.
func flatten(err error) []error {
	if err == nil {
		return nil
	}
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok || err.Error() != errors.Join(joined.Unwrap()...).Error() {
		return []error{err}
	}
	var all []error
	for _, e := range joined.Unwrap() {
		all = append(all, flatten(e)...)
	}
	return all
}

// within tells whether the key at path is, or lies in, or holds the one at other.
func within(path, other string) bool {
	if other == "" || path == "" {
		return false
	}
	inside := func(p, o string) bool {
		rest, ok := strings.CutPrefix(p, o)
		return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return inside(path, other) || inside(other, path)
}

// line is where the key stands; for one that the file does not have, where the section stands that lacks it.
func (d *decoder) line(path string) int {
	for {
		if n, ok := d.lines[path]; ok {
			return n
		}
		path = path[:max(0, strings.LastIndexAny(path, ".["))]
	}
}
