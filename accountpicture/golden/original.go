package golden

import (
	"encoding/binary"
	"regexp"
	"slices"
	"strings"
	"unicode/utf16"
)

// An original is what State has of a user from before the first write, docs/script.md.
type original struct {
	user   string
	absent bool // he had no key
	values []Value
}

// state is that of the kept values.
func (o original) state() string {
	if o.absent {
		return "absent"
	}
	return stateOf(State{Keys: []Key{{Path: UsersKey + `\` + o.user, Values: o.values}}}, o.user)
}

// reg is the file: one that regedit imports.
func (o original) reg() []byte {
	key := strings.Replace(UsersKey, "HKLM", "HKEY_LOCAL_MACHINE", 1) + `\` + o.user
	lines := []string{"Windows Registry Editor Version 5.00", "; " + o.user + " before photopush: " + o.state(), ""}
	if o.absent {
		lines = append(lines, "[-"+key+"]")
	} else {
		lines = append(lines, "["+key+"]")
		for _, name := range imageNames {
			data := "-"
			if v, ok := o.value(name); ok {
				data = `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(v) + `"`
			}
			lines = append(lines, `"`+name+`"=`+data)
		}
	}
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune(strings.Join(lines, "\r\n") + "\r\n")) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// value is the data of a value that is kept.
func (o original) value(name string) (string, bool) {
	i := slices.IndexFunc(o.values, func(v Value) bool { return strings.EqualFold(v.Name, name) && v.Kind == "sz" })
	if i < 0 || strings.ContainsFunc(o.values[i].Data, func(r rune) bool { return r < ' ' }) {
		return "", false
	}
	return o.values[i].Data, true
}

var plainPath = regexp.MustCompile(`\A[A-Za-z]:\\[^/:*?"<>|\x00-\x1f]{1,250}\.(?i:jpe?g|png|bmp|gif)\z`)

// earlier counts the kept values that could be put back.
func (o original) earlier(s State) int {
	n := 0
	for _, name := range imageNames {
		data, ok := o.value(name)
		there := slices.ContainsFunc(s.Files, func(f File) bool { return strings.EqualFold(f.Path, data) })
		if ok && there && plainPath.MatchString(data) && !hasFold(data, Pictures+`\`+o.user+`\`) {
			n++
		}
	}
	return n
}

func hasFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}

// kept is what is kept of a user; false for nothing.
func (s State) kept(user string) (original, bool) {
	i := slices.IndexFunc(s.originals, func(o original) bool { return o.user == user })
	if i < 0 {
		return original{}, false
	}
	return s.originals[i], true
}

func (s State) saved(user string) string {
	if o, ok := s.kept(user); ok {
		return o.state()
	}
	return ""
}

// Kept is the file of what save_original keeps of a user: values of his key, nil where he had none.
func Kept(user string, values []Value) File {
	o := original{user: user, absent: values == nil, values: values}
	return File{Path: Home + `\State\` + user + ".reg", Content: o.reg()}
}
