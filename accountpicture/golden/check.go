package golden

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
)

// CheckAnswer says how standard output of a run differs from the pair's answer.
func (p Pair) CheckAnswer(stdout []byte) error {
	_, inside, found := bytes.Cut(stdout, []byte("#photopush-answer\n"))
	text, _, complete := bytes.Cut(inside, []byte("#end-of-answer\n"))
	if !found || !complete {
		return fmt.Errorf("no complete answer in %q", stdout)
	}
	var got []string
	for line := range strings.Lines(string(text)) {
		got = append(got, strings.TrimSuffix(line, "\n"))
	}
	for i := range max(len(got), len(p.Answer)) {
		if i >= len(got) || i >= len(p.Answer) {
			return fmt.Errorf("%d answers, want %d: %s", len(got), len(p.Answer), strings.Join(got, "\n"))
		}
		if j := strings.IndexFunc(got[i], func(r rune) bool { return r < ' ' || r > '~' }); j >= 0 {
			return fmt.Errorf("answer %d is not printable ASCII at %q", i+1, got[i][j:])
		}
		g, err := masked(got[i])
		if err != nil {
			return fmt.Errorf("answer %d: %w: %s", i+1, err, got[i])
		}
		w, err := masked(p.Answer[i])
		if err != nil {
			return fmt.Errorf("the pair's answer %d: %w: %s", i+1, err, p.Answer[i])
		}
		if !same(g, w) {
			return fmt.Errorf("answer %d is\n%s\nwant\n%s", i+1, asJSON(g), asJSON(w))
		}
	}
	return nil
}

// same compares an answer, or a part of it, with the pair's.
func same(got, want any) bool {
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok || len(g) != len(w) {
			return false
		}
		for name, member := range w {
			if other, ok := g[name]; !ok || !same(other, member) {
				return false
			}
		}
		return true
	case []any:
		g, ok := got.([]any)
		return ok && slices.EqualFunc(g, w, same)
	case string:
		g, isText := got.(string)
		return w == "*" || g == w || isText && sddlForm.MatchString(w) && SameSDDL(g, w)
	}
	return reflect.DeepEqual(got, want)
}

// CheckDescriptors says how the DACLs of keys, by path, differ from what they must be.
func (p Pair) CheckDescriptors(got map[string]string) error {
	for path, sddl := range p.Descriptors() {
		if !SameSDDL(got[path], sddl[strings.Index(sddl, "D:"):]) {
			return fmt.Errorf("the descriptor of %s is %q, want %q", path, got[path], sddl)
		}
	}
	return nil
}

// Descriptors are those that keys which the start describes must have in the end: what it was, unless the end says otherwise. A key that is
// gone by then has none.
func (p Pair) Descriptors() map[string]string {
	want := map[string]string{}
	for path, sddl := range p.Start.KeyDescriptors {
		if now, ok := p.End.KeyDescriptors[path]; ok {
			sddl = now
		}
		if path == UsersKey || slices.ContainsFunc(p.End.Keys, func(k Key) bool { return k.Path == path }) {
			want[path] = sddl
		}
	}
	return want
}

// masked is an answer without what is not compared.
func masked(line string) (map[string]any, error) {
	var a map[string]any
	d := json.NewDecoder(strings.NewReader(line))
	d.UseNumber()
	if err := d.Decode(&a); err != nil {
		return nil, err
	}
	for _, name := range []string{"message", "ps", "net", "machine", "free"} {
		delete(a, name)
	}
	if profiles, ok := a["profiles"].([]any); ok {
		a["profiles"] = slices.DeleteFunc(profiles, func(p any) bool {
			profile, _ := p.(map[string]any)
			sid, _ := profile["sid"].(string)
			return strings.HasPrefix(sid, "S-1-5-21-0-0-0-")
		})
	}
	return a, nil
}

// CheckEnd says how a workstation differs from the pair's end: its keys below UsersKey, its folders from Home down, and its files
// below Home. Their order does not matter.
func (p Pair) CheckEnd(keys []Key, folders []string, files []File) error {
	if got, want := describe(keys, folders, files), describe(p.End.Keys, p.End.Folders, p.End.Files); got != want {
		return fmt.Errorf("the workstation is\n%swant\n%s", got, want)
	}
	return nil
}

// describe writes down what of a workstation is compared.
func describe(keys []Key, folders []string, files []File) string {
	var lines []string
	for _, k := range keys {
		if !strings.HasPrefix(k.Path, UsersKey+`\`) {
			continue
		}
		lines = append(lines, "key "+k.Path)
		values := slices.SortedFunc(slices.Values(k.Values), func(a, b Value) int { return cmp.Compare(a.Name, b.Name) })
		for _, v := range values {
			lines = append(lines, fmt.Sprintf("key %s value %s %s %s", k.Path, v.Name, v.Kind, ascii(v.Data)))
		}
	}
	for _, f := range folders {
		if f != Home && !strings.HasPrefix(f, Home+`\`) {
			continue
		}
		lines = append(lines, "folder "+f)
	}
	for _, f := range files {
		if !strings.HasPrefix(f.Path, Home+`\`) {
			continue
		}
		switch {
		case f.Path == Lock:
		case strings.HasSuffix(f.Path, ".new"): // whatever was written of it by then
			lines = append(lines, "file "+f.Path)
		case strings.HasSuffix(f.Path, ".journal"):
			lines = append(lines, "file "+f.Path+" "+strings.Join(entries(string(f.Content)), " "))
		default:
			lines = append(lines, "file "+f.Path+" "+sha(f.Content))
		}
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n") + "\n"
}

// ascii is s with a question mark for every UTF-16 code unit that is not ASCII: not every program that reads a registry can show it.
func ascii(s string) string {
	var b strings.Builder
	for _, r := range s {
		switch {
		case r <= '~':
			b.WriteRune(r)
		case r > 0xffff:
			b.WriteString("??")
		default:
			b.WriteByte('?')
		}
	}
	return b.String()
}
