package simwin

import "errors"

// Symbolic links of the registry (MS-RRP 3.1.1.11). Whoever opens a link's path gets the key it stands for, unless he asks for the link
// itself, which no method of .NET does. So an administrator's program that opens a key below one that a user may create links in works
// on the key that the user chose: it is granted by the descriptor of that key, not of the link. Setting values with fixed names does
// little harm then; changing a DACL does: see propagate, which goes through links too.

// key finds a key by its full path; nil when it is missing. Links are followed, the last name's too. The mutex is held.
func (m *Machine) key(path string) *regKey { return m.lookup(path, true, maxLinks) }

// lookup finds a key by its full path. The last name's own link is followed only with follow. How many links Windows follows is not
// public; here it is as many as of files.
func (m *Machine) lookup(path string, follow bool, links int) *regKey {
	hive, names := splitKey(path)
	k := m.hives[hive]
	if k == nil {
		return nil
	}
	for i, name := range names {
		if k = k.subkeys[fold(name)]; k == nil {
			return nil
		}
		if k.link == "" || i == len(names)-1 && !follow {
			continue
		}
		if links == 0 || !mayLead(hive, k.link) {
			return nil
		}
		if k = m.lookup(k.link, true, links-1); k == nil {
			return nil
		}
	}
	return k
}

// mayLead tells whether Windows follows a link from one hive to another: out of a hive that users load, never into the machine's.
// Links from HKLM, which are the dangerous ones, lead anywhere. What the caller gets instead is not known to us; here the key is missing.
func mayLead(hive, target string) bool {
	to, _ := splitKey(target)
	return hive == hiveHKLM || to == hive
}

// MakeKeyLink puts a symbolic link to the key target at path, with those above it that are missing, as if somebody with every right
// did. The target may be missing. A key that is there already becomes no link.
func (m *Machine) MakeKeyLink(path, target string) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, name := parentPath(path)
	return m.makeKey(parent).addLink(administrator, name, target)
}

var errKeyExists = errors.New("there is a key of that name")

func (k *regKey) addLink(who token, name, target string) error {
	if k.subkeys[fold(name)] != nil {
		return errKeyExists
	}
	link := newKey(name, k, k.security.child(who, true, keyMapping))
	link.link = target
	k.subkeys[fold(name)] = link
	return nil
}
