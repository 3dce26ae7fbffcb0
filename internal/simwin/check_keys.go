package simwin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// KeyPermissions are owner and DACL of AccountPicture\Users and of every key below it at one moment, by path.
type KeyPermissions map[string]SecurityDescriptor

// KeyPermissions reads them. Of a link, those of the link itself.
func (m *Machine) KeyPermissions() KeyPermissions {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := KeyPermissions{}
	if k := m.lookup(pictureUsersKey, false, maxLinks); k != nil {
		all.add(pictureUsersKey, k)
	}
	return all
}

func (p KeyPermissions) add(path string, k *regKey) {
	p[path] = k.security
	for _, sub := range k.subkeys {
		p.add(path+`\`+sub.name, sub)
	}
}

// PermissionChanges say what became of the permissions of keys that are there before and after; keys that are new or gone count for nothing.
type PermissionChanges struct {
	Changed   []string // a line per owner, per entry that is gone or new, and per protection that is gone; in the order of the keys
	Protected []string // keys that inherit nothing any more: Windows has no way to write entries of its own without that
}

// Changes compares owners and sets of entries. Entries that .NET makes one of, when it writes them, are one before, too.
func (p KeyPermissions) Changes(after KeyPermissions) PermissionChanges {
	var c PermissionChanges
	for _, path := range slices.Sorted(maps.Keys(p)) {
		is, there := after[path]
		if !there {
			continue
		}
		was, key := p[path], path[strings.LastIndexByte(path, '\\')+1:]
		for _, what := range changes(was.asRead(), is.asRead()) {
			c.Changed = append(c.Changed, key+" "+what)
		}
		if is.Protected && !was.Protected {
			c.Protected = append(c.Protected, key)
		}
	}
	return c
}

func changes(was, is SecurityDescriptor) []string {
	var list []string
	if was.Owner != is.Owner {
		list = append(list, fmt.Sprintf("was owned by %s, now by %s", was.Owner, is.Owner))
	}
	if was.Protected && !is.Protected {
		list = append(list, "is no longer protected")
	}
	for _, a := range missing(was.DACL, is.DACL) {
		list = append(list, "has no longer "+a.String())
	}
	for _, a := range missing(is.DACL, was.DACL) {
		list = append(list, "has now "+a.String())
	}
	return list
}

// missing are the entries of some that are not among others.
func missing(some, others []ACE) []ACE {
	return slices.DeleteFunc(slices.Clone(some), func(a ACE) bool { return slices.Contains(others, a) })
}

// String is the entry in SDDL.
func (a ACE) String() string {
	return strings.TrimPrefix(SecurityDescriptor{DACL: []ACE{a}}.String(), "D:")
}
