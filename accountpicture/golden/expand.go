package golden

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// An expansion replaces what stands in braces, and reads states. Its first error stays.
type expansion struct {
	start, end State
	values     *[]Value // of the key that was named last
	err        error
}

func (x *expansion) fail(format string, args ...any) {
	if x.err == nil {
		x.err = fmt.Errorf(format, args...)
	}
}

var (
	braces = regexp.MustCompile(`\{(u[1-9]|users|home|pictures|public|quiet|0x[0-9a-fA-F]{8}|(name|length|sha|base64|state|state-after|values|values-after|saved|saved-after|user) [a-z]+[0-9]+( [0-9]+)?)\}`)
	word   = regexp.MustCompile(`\A([a-z]+)([0-9]+)\z`)
)

func (x *expansion) expand(text string) string {
	return braces.ReplaceAllStringFunc(text, func(s string) string {
		what, rest, _ := strings.Cut(strings.Trim(s, "{}"), " ")
		switch {
		case what == "users":
			return UsersKey
		case what == "home":
			return Home
		case what == "pictures":
			return Pictures
		case what == "public":
			return Public
		case what == "quiet":
			return `"rung":"plain","before":"","after":""`
		case strings.HasPrefix(what, "0x"):
			n, _ := strconv.ParseUint(what[2:], 16, 32)
			return strconv.FormatUint(n, 10)
		case rest == "":
			return User(int(what[1] - '0'))
		}
		return x.with(what, rest)
	})
}

func (x *expansion) with(what, rest string) string {
	switch what {
	case "name":
		return name(rest)
	case "length":
		return strconv.Itoa(len(Content(rest)))
	case "sha":
		return sha(Content(rest))
	case "base64":
		return base64Lines(Content(rest))
	}
	user := User(int(rest[len(rest)-1] - '0'))
	switch what {
	case "state":
		return stateOf(x.start, user)
	case "state-after":
		return stateOf(x.end, user)
	case "values":
		return asJSON(valuesOf(x.start, user))
	case "values-after":
		return asJSON(valuesOf(x.end, user))
	case "saved":
		return x.start.saved(user)
	case "saved-after":
		return x.end.saved(user)
	}
	return asJSON(x.user(user))
}

// user is the entry of a user in an inventory of the start.
func (x *expansion) user(sid string) map[string]any {
	u := map[string]any{"sid": sid, "state": stateOf(x.start, sid), "values": valuesOf(x.start, sid), "files": filesOf(x.start, sid), "acl": "*", "changed": "*",
		"saved": x.start.saved(sid), "earlier": 0, "error": ""}
	if findKey(x.start, sid) == nil {
		u["acl"], u["changed"] = "", 0
	}
	if d, ok := x.start.KeyDescriptors[UsersKey+`\`+sid]; ok {
		u["acl"] = d[strings.Index(d, "D:"):]
	}
	if o, ok := x.start.kept(sid); ok {
		u["earlier"] = o.earlier(x.start)
	}
	u["journal"] = slices.ContainsFunc(x.start.Files, func(f File) bool { return f.Path == Home+`\State\`+sid+".journal" })
	return u
}

// name is the name of the file of a word, such as a96, or a96 2.
func name(rest string) string {
	w, number, numbered := strings.Cut(rest, " ")
	m := word.FindStringSubmatch(w)
	if numbered {
		number = "-" + number
	}
	return fmt.Sprintf("%s-%s%s-Image%s.jpg", sha([]byte(m[1]))[:32], sha(Content(w))[:16], number, m[2])
}

func sha(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

func base64Lines(b []byte) string {
	text := base64.StdEncoding.EncodeToString(b)
	var lines []string
	for part := range slices.Chunk([]byte(text), 76) {
		lines = append(lines, string(part))
	}
	return strings.Join(lines, "\n")
}

func asJSON(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err) // only maps and strings are given
	}
	return string(b)
}

// imageNames are the values that count for a state, in their order.
var imageNames = []string{"Image32", "Image40", "Image48", "Image64", "Image96", "Image192", "Image200", "Image208", "Image240", "Image424", "Image448", "Image1080"}

// answerValue is a value as answers show it.
type answerValue struct {
	Name string `json:"name"`
	Kind string `json:"kind"`
	Data string `json:"data"`
}

func findKey(s State, user string) *Key {
	i := slices.IndexFunc(s.Keys, func(k Key) bool { return k.Path == UsersKey+`\`+user })
	if i < 0 {
		return nil
	}
	return &s.Keys[i]
}

func valuesOf(s State, user string) []answerValue {
	list := []answerValue{}
	k := findKey(s, user)
	if k == nil {
		return list
	}
	for _, name := range imageNames {
		for _, v := range k.Values {
			if !strings.EqualFold(v.Name, name) {
				continue
			}
			if v.Kind != "sz" && v.Kind != "expand_sz" {
				v.Kind, v.Data = "other", ""
			}
			list = append(list, answerValue{name, v.Kind, v.Data})
		}
	}
	return list
}

func stateOf(s State, user string) string {
	if findKey(s, user) == nil {
		return "absent"
	}
	text := ""
	for _, v := range valuesOf(s, user) {
		text += v.Name + "=" + v.Kind + ":" + v.Data + "\n"
	}
	return sha([]byte(text))
}

var pictureFile = regexp.MustCompile(`\A[0-9a-f]{32}-[0-9a-f]{16}(-[1-9][0-9]{0,2})?-Image(32|40|48|64|96|192|200|208|240|424|448|1080)\.jpg\z`)

// filesOf are the files of a user as inventories show them.
func filesOf(s State, user string) []map[string]any {
	list := []map[string]any{}
	for _, f := range s.Files {
		dir, base := path.Split(strings.ReplaceAll(f.Path, `\`, "/"))
		if dir == strings.ReplaceAll(Pictures+`\`+user+`\`, `\`, "/") && pictureFile.MatchString(base) {
			list = append(list, map[string]any{"name": base, "length": len(f.Content), "sha256": sha(f.Content)})
		}
	}
	return list
}
