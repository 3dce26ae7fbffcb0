//go:build unix

package simwin

import (
	"fmt"
	"slices"
	"strings"
)

var (
	differKeys   = []string{"", `\A`, `\B`, `\A\X`, `\A\Y`, `\B\Z`}
	differValues = []string{"Image32", "Image96", "x"}
	differMasks  = []string{"0xf003f", "0x20019", "0x20006", "0x2", "0x1", "0x60019", "0x10000", "0x40000", "0x20000", "0xc0000", "0x4", "0x10019"}
	differSIDs   = []string{sidAdministrators, sidAdministrators, sidUsers, sidEveryone, sidAuthenticated, sidSystem, "S-1-5-32-546", string(userSID)}
	differRights = []string{"0xf003f", "0x20019", "0x20006", "0x2001f", "0x2", "0x3", "0x1", "0x9", "0x20000", "0x60000", "0x60001", "0x80000", "0xe0000", "0x10000"}
	differSlots  = []string{"a", "b", "c"}
)

func (s *sequence) pick(from []string) string { return from[s.r.IntN(len(from))] }

// key picks a key, now and then in another spelling.
func (s *sequence) key() string {
	k := s.root + s.pick(differKeys)
	if s.r.IntN(4) == 0 {
		k = strings.ToLower(k)
	}
	return k
}

// sddl makes a DACL, in canonical order half of the time, of entries that are not handed on.
func (s *sequence) sddl() string {
	aces := []string{}
	for range s.r.IntN(4) {
		aces = append(aces, fmt.Sprintf("(%s;;%s;;;%s)", s.pick([]string{"A", "A", "D"}), s.pick(differMasks), s.pick(differSIDs)))
	}
	if s.r.IntN(2) == 0 {
		slices.Sort(aces)
		slices.Reverse(aces) // D before A
	}
	if s.r.IntN(2) == 0 {
		aces = append(aces, "(A;;KA;;;BA)")
	}
	return "D:P" + strings.Join(aces, "")
}

// step makes up one operation, and carries it out unless Wine is known to do something else.
func (s *sequence) step() {
	slot := s.pick(differSlots)
	switch n := s.r.IntN(100); {
	case n < 30:
		s.open(slot, s.key(), s.pick(differRights))
	case n < 40:
		s.createKey()
	case n < 44:
		s.deleteKey()
	case n < 54:
		s.do("set", slot, s.pick(differValues), fmt.Sprint(n, s.r.IntN(1000)))
	case n < 58:
		s.do("delvalue", slot, s.pick(differValues))
	case n < 64:
		s.do("get", slot, s.pick(differValues))
	case n < 70:
		s.query(s.pick([]string{"names", "subkeys", "count"}), slot)
	case n < 76:
		s.secure(slot, "sddl", slot)
	case n < 82:
		s.secure(slot, s.pick([]string{"grant", "grant", "revoke"}), slot, s.pick(differSIDs), s.pick(differMasks), s.pick([]string{"Allow", "Allow", "Deny"}))
	case n < 92:
		s.secure(slot, "dacl", slot, s.sddl())
	case n < 95:
		s.secure(slot, "protect", slot, s.pick([]string{"on", "off"}))
	case n < 98:
		s.secure(slot, "owner", slot, s.pick([]string{"BA", "SY", "BU"}))
	default:
		s.do("flush", slot)
	}
}

func (s *sequence) open(slot, path, rights string) string {
	want := mustRights(rights)
	if k := s.m.key(`HKLM\` + path); k != nil && s.m.who.holds(k.security.Owner) && !k.security.allows(s.m.who, want, keyMapping) &&
		k.security.allows(s.m.who, want&^(rightDelete|rightWriteOwner), keyMapping) {
		s.omit(ownersHaveMore)
		return ""
	}
	return s.do("open", slot, path, rights)
}

// secure does something with the descriptor of an open key.
func (s *sequence) secure(slot string, fields ...string) {
	if h := s.slots[slot]; h != nil && h.key.deleted() {
		s.omit(keepsDeleted)
		return
	}
	s.do(fields...)
}

func (s *sequence) createKey() {
	path, sddl := s.key(), ""
	parent, _ := parentPath(path)
	if s.m.key(`HKLM\`+path) == nil {
		above := s.m.key(`HKLM\` + parent)
		if above == nil {
			s.omit(inheritsNothing) // it would make two keys, and only one gets a descriptor at once
			return
		}
		if !above.security.allows(s.m.who, keyCreateSub, keyMapping) {
			s.omit(createsAnywhere)
			return
		}
		sddl = "O:BA" + s.sddl()
	}
	s.do("create", path, sddl)
}

func (s *sequence) deleteKey() {
	path := s.key()
	k := s.m.key(`HKLM\` + path)
	if k != nil && strings.EqualFold(path, s.root) {
		return
	}
	if k != nil && len(k.subkeys) == 0 && k.security.allows(s.m.who, keyRead, keyMapping) && !k.security.allows(s.m.who, rightDelete, keyMapping) {
		s.omit(deletesAnything)
		return
	}
	s.do("delkey", path)
}

func (s *sequence) query(what, slot string) {
	if h := s.slots[slot]; h != nil && !h.key.deleted() && h.rights&keyQueryValue == 0 {
		s.omit(countsAnything)
		return
	}
	s.do(what, slot)
}

// readBack reads everything that may be read, and then what more may be read of keys whose owner one may become.
func (s *sequence) readBack() {
	for _, k := range differKeys {
		path := s.root + k
		s.open("a", path, "0x20000")
		s.do("sddl", "a")
		s.left[keepsNoP]++ // what is compared has no P
		s.readKey(path)
		if s.open("a", path, "0x80000") != "ok" {
			continue
		}
		s.do("owner", "a", "BA")
		s.do("open", "a", path, "0x60000")
		s.do("sddl", "a")
		s.do("dacl", "a", "D:P(A;;KA;;;BA)")
		s.readKey(path)
	}
}

func (s *sequence) readKey(path string) {
	s.open("a", path, "0x20019")
	s.query("names", "a")
	s.query("subkeys", "a")
	for _, v := range differValues {
		s.do("get", "a", v)
	}
}

// probes carries out one operation for each named difference, whose outcome must differ.
func (s *sequence) probes() {
	differ := func(name string, fields ...string) {
		s.do(fields...)
		s.probe[len(s.lines)-1] = name
	}
	top, parent := s.root+"Probe", s.root+"Parent" // beside it, whose DACL may refuse
	s.do("create", top, "O:BAD:P(A;;KRWD;;;BA)")
	differ(createsAnywhere, "create", top+`\below`, "")
	s.m.CreateKey(`HKLM\` + top + `\below`) // as Wine did
	s.do("open", "a", top+`\below`, "0xe0000")
	s.do("dacl", "a", "D:P(A;;KR;;;BA)")
	differ(deletesAnything, "delkey", top+`\below`)
	s.m.DeleteKey(`HKLM\` + top + `\below`)
	s.do("open", "a", top, "0x20000")
	differ(countsAnything, "count", "a")
	differ(ownersHaveMore, "open", "b", top, "0x80000")
	s.do("create", s.root+"Gone", "O:BAD:P(A;;KA;;;BA)")
	s.do("open", "c", s.root+"Gone", "0xe0000")
	s.do("delkey", s.root+"Gone")
	differ(keepsDeleted, "dacl", "c", "D:P")
	differ(keepsNoP, "protected", "a")

	s.do("create", parent, "O:BAD:P(A;;KA;;;BA)")
	s.do("create", parent+`\child`, "O:BAD:P(A;;KA;;;BA)")
	s.do("open", "b", parent+`\child`, "0x60000")
	s.do("dacl", "b", "D:(A;;KA;;;BA)")
	s.do("open", "a", parent, "0x60000")
	s.do("dacl", "a", "D:P(A;;KA;;;BA)(A;CI;KR;;;BU)")
	differ(inheritsNothing, "sddl", "b")
	s.do("dacl", "a", "D:NO_ACCESS_CONTROL")
	differ(nullIsEmpty, "open", "b", parent, "0xf003f")
}
