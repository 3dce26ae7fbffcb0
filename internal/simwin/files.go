package simwin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// File attributes (MS-FSCC 2.6).
const (
	AttrReadOnly     = 0x1
	AttrHidden       = 0x2
	AttrDirectory    = 0x10
	AttrArchive      = 0x20
	AttrReparsePoint = 0x400
)

// Default descriptors of Windows 10 and 11, as publicly known; users of a volume may add folders at its root.
const (
	rootSDDL         = "O:" + sidTrustedInstaller + "D:PAI(A;;LC;;;AU)(A;OICIIO;SDGXGWGR;;;AU)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)"
	programFilesSDDL = "O:" + sidTrustedInstaller + "D:PAI(A;;FA;;;" + sidTrustedInstaller + ")(A;CIIO;GA;;;" + sidTrustedInstaller + ")(A;;0x1301bf;;;SY)(A;OICIIO;GA;;;SY)" +
		"(A;;0x1301bf;;;BA)(A;OICIIO;GA;;;BA)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)(A;OICIIO;GA;;;CO)(A;;0x1200a9;;;AC)(A;OICIIO;GXGR;;;AC)"
	usersSDDL  = "O:SYD:PAI(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1200a9;;;BU)(A;OICIIO;GXGR;;;BU)(A;;0x1200a9;;;WD)(A;OICIIO;GXGR;;;WD)"
	publicSDDL = "O:SYD:PAI(A;OICIIO;FA;;;CO)(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1200af;;;IU)(A;OICIIO;0x1301ff;;;IU)" +
		"(A;;0x1200af;;;SU)(A;OICIIO;0x1301ff;;;SU)(A;;0x1200af;;;S-1-5-3)(A;OICIIO;0x1301ff;;;S-1-5-3)"
)

const (
	usersFolder  = `C:\Users`
	publicFolder = `C:\Users\Public`
)

// A node is one file or folder. Only a Machine that holds its mutex touches it.
type node struct {
	name     string
	attrs    uint32
	security SecurityDescriptor
	modified time.Time        // of a file: its last write
	data     []byte           // of a file; never changed in place, so that it may be shared
	children map[string]*node // of a folder, by folded name
	target   string           // of a link: where it leads
	handles  map[*fileHandle]bool
}

func (n *node) folder() bool { return n.attrs&AttrDirectory != 0 }

func newFolder(name string, sd SecurityDescriptor) *node {
	return &node{name: name, attrs: AttrDirectory, security: sd, children: map[string]*node{}, handles: map[*fileHandle]bool{}}
}

// maxLinks is how many links one path may follow (MS-FSCC 2.1.2 leaves it to the system; Windows has 63).
const maxLinks = 63

// splitPath parts an absolute path of drive C:. false for any other text.
func splitPath(path string) ([]string, bool) {
	rest, ok := cutFold(path, "C:")
	if !ok || rest != "" && rest[0] != '\\' {
		return nil, false
	}
	if rest = strings.Trim(rest, `\`); rest == "" {
		return nil, true
	}
	names := strings.Split(rest, `\`)
	for _, name := range names {
		if name == "" || name == "." || name == ".." || strings.ContainsAny(name, "<>:\"/|?*\x00") || strings.TrimRight(name, ". ") != name {
			return nil, false
		}
	}
	return names, true
}

func cutFold(s, prefix string) (string, bool) {
	if len(s) < len(prefix) || fold(s[:len(prefix)]) != fold(prefix) {
		return s, false
	}
	return s[len(prefix):], true
}

// find follows a path, and the links on it. The last component's own link is followed only with follow. nil when it is missing.
func (m *Machine) find(path string, follow bool) *node {
	for range maxLinks {
		names, ok := splitPath(path)
		if !ok {
			return nil
		}
		n, link := m.drive, false
		for i, name := range names {
			if n = n.children[fold(name)]; n == nil {
				return nil
			}
			if last := i == len(names)-1; n.target != "" && (!last || follow) {
				path = strings.Join(append([]string{n.target}, names[i+1:]...), `\`)
				link = true
				break
			}
		}
		if !link {
			return n
		}
	}
	return nil
}

// parentPath is the path of the folder that path lies in, and its last name.
func parentPath(path string) (parent, name string) {
	path = strings.TrimRight(path, `\`)
	i := strings.LastIndexByte(path, '\\')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}

// makeFolders finds or creates a folder and those above it, each inheriting from its parent.
func (m *Machine) makeFolders(path string) *node {
	if n := m.find(path, true); n != nil {
		if !n.folder() {
			panic(fmt.Sprintf("simwin: %q is a file, want a folder", path))
		}
		return n
	}
	parent, name := parentPath(path)
	if _, ok := splitPath(path); !ok || parent == "" {
		panic(fmt.Sprintf("simwin: %q is no path of drive C:", path))
	}
	above := m.makeFolders(parent)
	n := newFolder(name, above.security.child(administrator, true, fileMapping))
	above.children[fold(name)] = n
	return n
}

// MakeFolder creates a folder, and those above it that are missing, as if somebody with every right did. sddl may be empty: then it
// inherits. An existing folder gets the descriptor. A path that is not on drive C: is an error of the caller, and panics.
func (m *Machine) MakeFolder(path, sddl string) error {
	var sd SecurityDescriptor
	if sddl != "" {
		var err error
		if sd, err = ParseSDDL(sddl); err != nil {
			return err
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.makeFolders(path); sddl != "" {
		n.security = sd
	}
	return nil
}

// MakeLink puts a junction (a folder that is a reparse point) at path, leading to target.
func (m *Machine) MakeLink(path, target string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, name := parentPath(path)
	above := m.makeFolders(parent)
	n := newFolder(name, above.security.child(administrator, true, fileMapping))
	n.attrs |= AttrReparsePoint
	n.target = target
	above.children[fold(name)] = n
}

// WriteFile creates or overwrites a file, and creates the folders that are missing.
func (m *Machine) WriteFile(path string, data []byte) {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, name := parentPath(path)
	above := m.makeFolders(parent)
	n := above.children[fold(name)]
	if n == nil {
		n = newFile(administrator, name, above)
	}
	m.take(int64(len(data)) - int64(len(n.data)))
	n.data, n.modified = slices.Clone(data), m.now()
}

func newFile(who token, name string, above *node) *node {
	n := &node{name: name, attrs: AttrArchive, security: above.security.child(who, false, fileMapping), handles: map[*fileHandle]bool{}}
	above.children[fold(name)] = n
	return n
}

// ReadFile is the content of a file; false when there is none of that name.
func (m *Machine) ReadFile(path string) ([]byte, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path, true)
	if n == nil || n.folder() {
		return nil, false
	}
	return slices.Clone(n.data), true
}

// Remove deletes a file, a link, or a folder with everything in it, if it is there.
func (m *Machine) Remove(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	parent, name := parentPath(path)
	above := m.find(parent, true)
	if above == nil || above.children[fold(name)] == nil {
		return
	}
	m.take(-above.children[fold(name)].size())
	delete(above.children, fold(name))
}

func (n *node) size() int64 {
	total := int64(len(n.data))
	for _, c := range n.children {
		total += c.size()
	}
	return total
}

// Files lists the files below a folder, by their full paths as stored, with their content. Links are not followed.
func (m *Machine) Files(folder string) map[string][]byte {
	m.mu.Lock()
	defer m.mu.Unlock()
	files := map[string][]byte{}
	if n := m.find(folder, false); n != nil {
		n.each(strings.TrimRight(folder, `\`), func(path string, n *node) {
			if !n.folder() {
				files[path] = n.data
			}
		})
	}
	return files
}

// each visits what lies below a folder, in the order of the folded names.
func (n *node) each(path string, visit func(path string, n *node)) {
	for _, folded := range slices.Sorted(maps.Keys(n.children)) {
		c := n.children[folded]
		p := path + `\` + c.name
		visit(p, c)
		c.each(p, visit)
	}
}

// SetAttributes replaces the attributes of a file or folder; whether it is a folder cannot be changed. False when it is missing.
func (m *Machine) SetAttributes(path string, attrs uint32) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path, false)
	if n == nil {
		return false
	}
	n.attrs = attrs&^AttrDirectory | n.attrs&AttrDirectory
	return true
}

// SecurePath gives a file or folder an owner and a DACL; what lies below keeps its own.
func (m *Machine) SecurePath(path, sddl string) error {
	sd, err := ParseSDDL(sddl)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path, false)
	if n == nil {
		return fmt.Errorf("secure %s: no such file or folder", path)
	}
	n.security = sd
	return nil
}

// PathSecurity is the descriptor of a file or folder; false when it is missing.
func (m *Machine) PathSecurity(path string) (SecurityDescriptor, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if n := m.find(path, false); n != nil {
		return n.security, true
	}
	return SecurityDescriptor{}, false
}

// Hold opens a file as another program would, letting others read but neither write nor delete it; with exclusive not even read.
// release closes it. Nil when there is no such file, or when it is open in a way that does not allow this.
func (m *Machine) Hold(path string, exclusive bool) (release func()) {
	share := uint32(shareRead)
	if exclusive {
		share = 0
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path, true)
	if n == nil || n.folder() || !n.mayOpen(fileReadData, share) {
		return nil
	}
	h := n.open(fileReadData, share)
	return func() { m.close(h) }
}
