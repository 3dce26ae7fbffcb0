package simwin

import (
	"crypto/sha256"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// A Snapshot is the whole state of a workstation at one moment: what each key, value, folder and file is, by its path.
type Snapshot map[string]string

// Snapshot reads the whole registry and the whole drive, with owners, DACLs and contents. Free space and counters are no state.
func (m *Machine) Snapshot() Snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Snapshot{}
	for hive, root := range m.hives {
		s.addKey(hive, root)
	}
	s.addNode("C:", m.drive)
	m.drive.each("C:", s.addNode)
	return s
}

func (s Snapshot) addKey(path string, k *regKey) {
	s[path] = "key " + k.security.String()
	if k.link != "" {
		s[path] = "link to " + k.link + " " + k.security.String()
	}
	for _, v := range k.values {
		s[path+"!"+v.name] = fmt.Sprintf("value type %d %x", v.Type, v.Data)
		if text, ok := v.Text(); ok {
			s[path+"!"+v.name] = fmt.Sprintf("value type %d %q", v.Type, text)
		}
	}
	for _, sub := range k.subkeys {
		s.addKey(path+`\`+sub.name, sub)
	}
}

func (s Snapshot) addNode(path string, n *node) {
	switch {
	case n.target != "":
		s[path] = fmt.Sprintf("link %#x to %s %s", n.attrs, n.target, n.security)
	case n.folder():
		s[path] = fmt.Sprintf("folder %#x %s", n.attrs, n.security)
	default:
		s[path] = fmt.Sprintf("file %#x %d bytes %x %s", n.attrs, len(n.data), sha256.Sum256(n.data), n.security)
	}
}

// Equal tells whether two snapshots are the same.
func (s Snapshot) Equal(other Snapshot) bool { return maps.Equal(s, other) }

// Below keeps what lies at or below any of the paths; keys begin with HKLM or HKU, files with C:.
func (s Snapshot) Below(paths ...string) Snapshot {
	kept := Snapshot{}
	for path, what := range s {
		for _, p := range paths {
			if rest, ok := cutFold(path, p); ok && (rest == "" || rest[0] == '\\' || rest[0] == '!') {
				kept[path] = what
			}
		}
	}
	return kept
}

// Diff says what became of s in after, a line per path: "+ path: what" is new, "- path: what" is gone; a change is both.
func (s Snapshot) Diff(after Snapshot) []string {
	var lines []string
	paths := slices.Collect(maps.Keys(s))
	for path := range after {
		if _, ok := s[path]; !ok {
			paths = append(paths, path)
		}
	}
	slices.SortFunc(paths, func(a, b string) int { return strings.Compare(fold(a), fold(b)) })
	for _, path := range paths {
		was, before := s[path]
		is, now := after[path]
		if before && was != is {
			lines = append(lines, "- "+path+": "+was)
		}
		if now && was != is {
			lines = append(lines, "+ "+path+": "+is)
		}
	}
	return lines
}
