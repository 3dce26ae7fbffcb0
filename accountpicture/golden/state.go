package golden

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
)

// state reads the lines of a start or an end.
func (x *expansion) state(text string) State {
	s := State{Descriptors: map[string]string{}, KeyDescriptors: map[string]string{}}
	for line := range strings.Lines(text) {
		line = strings.TrimRight(line, "\r\n")
		switch {
		case strings.TrimSpace(line) == "":
		case strings.HasPrefix(line, "  "):
			x.value(&s, strings.TrimLeft(line, " "))
		default:
			x.line(&s, line)
		}
	}
	for _, o := range s.originals {
		s.Files = append(s.Files, File{Path: Home + `\State\` + o.user + ".reg", Content: o.reg()})
	}
	slices.SortFunc(s.Keys, func(a, b Key) int { return cmp.Compare(a.Path, b.Path) })
	slices.SortFunc(s.Files, func(a, b File) int { return cmp.Compare(a.Path, b.Path) })
	slices.Sort(s.Folders)
	s.Folders = slices.Compact(s.Folders)
	return s
}

func (x *expansion) value(s *State, line string) {
	parts := strings.SplitN(line, " ", 3)
	if len(parts) != 3 || x.values == nil {
		x.fail("%q is no value of a key", line)
		return
	}
	if parts[0] == "@" {
		parts[0] = ""
	}
	*x.values = append(*x.values, Value{Name: parts[0], Kind: parts[1], Data: parts[2]})
}

func (x *expansion) line(s *State, line string) {
	what, rest, _ := strings.Cut(line, " ")
	left, right, _ := strings.Cut(rest, " = ")
	switch what {
	case "key":
		s.Keys = append(s.Keys, Key{Path: rest})
		x.values = &s.Keys[len(s.Keys)-1].Values
	case "original":
		user, key, _ := strings.Cut(rest, " ")
		s.originals = append(s.originals, original{user: user, absent: key == ""})
		x.values = &s.originals[len(s.originals)-1].values
	case "journal":
		s.Files = append(s.Files, File{Path: Home + `\State\` + left + ".journal", Content: []byte(right)})
	case "tree":
		s.Folders = append(s.Folders, Home, Home+`\State`)
		if rest != "" {
			s.Folders = append(s.Folders, Pictures, Pictures+`\`+rest)
		}
	case "folder":
		s.Folders = append(s.Folders, rest)
	case "file":
		s.Files = append(s.Files, File{Path: left, Content: Content(right)})
	case "descriptor":
		s.Descriptors[left] = right
	case "keydescriptor":
		s.KeyDescriptors[left] = right
	case "missing":
		s.Missing = append(s.Missing, rest)
	case "link":
		s.Links = append(s.Links, rest)
	case "held":
		s.Held = append(s.Held, rest)
	case "fault":
		x.fault(s, strings.Fields(rest))
	default:
		x.fail("%q says nothing of a workstation", line)
	}
}

func (x *expansion) fault(s *State, words []string) {
	if len(words) != 3 {
		x.fail("fault %v: want effect, number of the call, HRESULT", words)
		return
	}
	call, err := strconv.Atoi(words[1])
	if err != nil {
		x.fail("fault: %w", err)
	}
	hresult, err := strconv.ParseUint(words[2], 0, 32)
	if err != nil {
		x.fail("fault: %w", err)
	}
	s.Faults = append(s.Faults, Fault{Effect: words[0], Call: call, HResult: uint32(hresult)})
}
