package accountpicture

import (
	"encoding/base64"
	"errors"
	"fmt"
	"slices"
	"strings"
)

// lineBytes are the bytes in a full line of base64, which has 4,096 characters.
const lineBytes = 4096 / 4 * 3

// Encode is the standard input of a run that executes the verbs in their order: the script and the verbs. The error names every
// fault of every verb; such a verb would be refused by the script.
func Encode(verbs []Verb) ([]byte, error) {
	if len(verbs) == 0 {
		return nil, errors.New("encode verbs: there is none")
	}
	script, err := scriptOf(verbs)
	if err != nil {
		return nil, err
	}
	var errs []error
	var b strings.Builder
	b.WriteString(script.Text)
	for i, v := range verbs {
		lines, err := v.lines()
		if err != nil {
			errs = append(errs, fmt.Errorf("verb %d, %s: %w", i+1, v.Name(), err))
			continue
		}
		for _, line := range lines {
			b.WriteString(line)
			b.WriteByte('\n')
		}
	}
	if len(errs) > 0 {
		return nil, errors.Join(errs...)
	}
	return []byte(b.String()), nil
}

// scriptOf is the first script that knows all the verbs.
func scriptOf(verbs []Verb) (Script, error) {
	for _, s := range Scripts {
		if !slices.ContainsFunc(verbs, func(v Verb) bool { return !s.Knows(v.Name()) }) {
			return s, nil
		}
	}
	return Script{}, errors.New("encode verbs: no script knows them all")
}

// base64Lines are the lines after put_file, with the dot that ends them.
func base64Lines(b []byte) []string {
	lines := make([]string, 0, len(b)/lineBytes+2)
	for len(b) > 0 {
		n := min(len(b), lineBytes)
		lines = append(lines, base64.StdEncoding.EncodeToString(b[:n]))
		b = b[n:]
	}
	return append(lines, ".")
}
