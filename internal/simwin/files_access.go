package simwin

import (
	"maps"
	"slices"
)

// What a process may do with files: rights and sharing are checked when a file is opened, and errors are those of .NET's FileStream,
// File and Directory.

// Sharing of an open file (FileShare).
const (
	shareRead   = 0x1
	shareWrite  = 0x2
	shareDelete = 0x4
)

// A fileHandle is an open file.
type fileHandle struct {
	node   *node
	access uint32 // fileReadData, fileWriteData, rightDelete
	share  uint32
}

// mayOpen is the sharing check (MS-FSA 2.1.5.1.2.2): both ways, against every open handle. Who neither reads, writes nor deletes
// takes no part in it.
func (n *node) mayOpen(access, share uint32) bool {
	for h := range n.handles {
		if wants(access) == 0 || wants(h.access) == 0 {
			continue
		}
		if wants(access)&^h.share != 0 || wants(h.access)&^share != 0 {
			return false
		}
	}
	return true
}

// wants is the sharing that an access needs of the others.
func wants(access uint32) uint32 {
	var share uint32
	for right, s := range map[uint32]uint32{fileReadData: shareRead, fileWriteData: shareWrite, rightDelete: shareDelete} {
		if access&right != 0 {
			share |= s
		}
	}
	return share
}

func (n *node) open(access, share uint32) *fileHandle {
	h := &fileHandle{n, access, share}
	n.handles[h] = true
	return h
}

func (a actor) close(h *fileHandle) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	delete(h.node.handles, h)
}

func denied(path string) error {
	return winError{accessDenied, "Access to the path '" + path + "' is denied."}
}

func inUse(path string) error {
	return winError{sharingViolation, "The process cannot access the file '" + path + "' because it is being used by another process."}
}

// folderOf finds the folder that path lies in, and path's own name.
func (a actor) folderOf(path string) (*node, string, error) {
	if _, ok := splitPath(path); !ok {
		return nil, "", winError{invalidName, "The filename, directory name, or volume label syntax is incorrect."}
	}
	parent, name := parentPath(path)
	above := a.m.find(parent, true)
	if above == nil || !above.folder() {
		return nil, "", winError{pathNotFound, "Could not find a part of the path '" + path + "'."}
	}
	return above, name, nil
}

// fileExists and folderExists are File.Exists and Directory.Exists: links are followed, and no right is needed but the parent's list.
func (a actor) fileExists(path string) bool {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	return n != nil && !n.folder()
}

func (a actor) folderExists(path string) bool {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	return n != nil && n.folder()
}

// attributes is File.GetAttributes: of a link itself, not of where it leads.
func (a actor) attributes(path string) (uint32, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, false)
	if n == nil {
		if _, _, err := a.m.folderOf(path); err != nil {
			return 0, err
		}
		return 0, winError{fileNotFound, "Could not find file '" + path + "'."}
	}
	return n.attrs, nil
}

// pathSddl is GetAccessControl: it needs READ_CONTROL.
func (a actor) pathSddl(path string) (string, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	if n == nil {
		return "", winError{fileNotFound, "Could not find '" + path + "'."}
	}
	if !n.security.allows(a.who, rightReadControl, fileMapping) {
		return "", denied(path)
	}
	return n.security.String(), nil
}

// createFolder is Directory.CreateDirectory with a descriptor, in one call; a folder that is there already is left as it is. The owner
// must be one that the caller may set.
func (a actor) createFolder(path string, sd SecurityDescriptor) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	above, name, err := a.m.folderOf(path)
	if err != nil {
		return err
	}
	switch n := a.m.find(path, true); {
	case n != nil && n.folder():
		return nil
	case above.children[fold(name)] != nil:
		return winError{alreadyExists, "Cannot create '" + path + "' because a file or directory with the same name already exists."}
	case !above.security.allows(a.who, fileAppendData, fileMapping):
		return denied(path)
	case sd.Owner != "" && !a.who.mayOwn(sd.Owner):
		return winError{invalidOwner, "This security ID may not be assigned as the owner of this object."}
	}
	above.children[fold(name)] = newFolder(name, sd)
	a.count.FoldersCreated++
	return nil
}

// A disposition says what CreateFile does with a name (FileMode).
type disposition int

const (
	openExisting disposition = iota
	createNew
	openOrCreate
)

// openFile is FileStream's constructor.
func (a actor) openFile(path string, mode disposition, access, share uint32) (*fileHandle, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	above, name, err := a.m.folderOf(path)
	if err != nil {
		return nil, err
	}
	n := a.m.find(path, true)
	switch {
	case n == nil && mode == openExisting:
		return nil, winError{fileNotFound, "Could not find file '" + path + "'."}
	case n == nil:
		if !above.security.allows(a.who, fileWriteData, fileMapping) {
			return nil, denied(path)
		}
		if above.children[fold(name)] != nil { // a link that leads nowhere
			return nil, winError{pathNotFound, "Could not find a part of the path '" + path + "'."}
		}
		a.count.FileWrites++
		made := newFile(a.who, name, above)
		made.modified = a.m.now()
		return made.open(access, share), nil
	case mode == createNew:
		return nil, winError{fileExists, "The file '" + path + "' already exists."}
	case n.folder(), !n.security.allows(a.who, access, fileMapping), access&fileWriteData != 0 && n.attrs&AttrReadOnly != 0:
		return nil, denied(path)
	case !n.mayOpen(access, share):
		return nil, inUse(path)
	}
	return n.open(access, share), nil
}

// write appends to a file that was opened for writing. What fits is written before the disk is full; of what a quota refuses nothing is
// (that is believed).
func (a actor) write(h *fileHandle, data []byte) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if a.m.quota >= 0 && a.m.quota < int64(len(data)) {
		return winError{quotaExceeded, "The user's disk quota is exceeded."}
	}
	fits := min(int64(len(data)), max(a.m.free, 0))
	h.node.data, h.node.modified = slices.Concat(h.node.data, data[:fits]), a.m.now()
	a.m.take(fits)
	if fits < int64(len(data)) {
		return winError{diskFull, "There is not enough space on the disk."}
	}
	return nil
}

// take moves bytes from what is free to what is stored; negative ones back.
func (m *Machine) take(bytes int64) {
	m.free -= bytes
	if m.quota >= 0 {
		m.quota -= bytes
	}
}

// read is the whole content of an open file.
func (a actor) read(h *fileHandle) []byte {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	return h.node.data
}

// deleteFile is File.Delete: silent when the file is missing. It needs DELETE on the file, or DELETE_CHILD on its folder.
func (a actor) deleteFile(path string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	above, name, err := a.m.folderOf(path)
	if err != nil {
		return err
	}
	n := above.children[fold(name)]
	if n == nil {
		return nil
	}
	switch {
	case n.folder(), !a.mayDelete(above, n), n.attrs&AttrReadOnly != 0:
		return denied(path)
	case !n.mayOpen(rightDelete, shareRead|shareWrite|shareDelete):
		return inUse(path)
	}
	delete(above.children, fold(name))
	a.m.take(-n.size())
	a.count.FileDeletes++
	return nil
}

// list is the entries of a folder: Directory.GetFiles or GetDirectories, in the order of NTFS' index.
func (a actor) list(path string, folders bool) ([]string, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	switch {
	case n == nil || !n.folder():
		return nil, winError{pathNotFound, "Could not find a part of the path '" + path + "'."}
	case !n.security.allows(a.who, fileReadData, fileMapping):
		return nil, denied(path)
	}
	var names []string
	for _, folded := range slices.Sorted(maps.Keys(n.children)) {
		if c := n.children[folded]; c.folder() == folders {
			names = append(names, c.name)
		}
	}
	return names, nil
}

// length is FileInfo.Length: it needs no open file.
func (a actor) length(path string) (int, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	if n == nil || n.folder() {
		return 0, winError{fileNotFound, "Could not find file '" + path + "'."}
	}
	return len(n.data), nil
}

func (a actor) freeBytes() int64 {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	return a.m.free
}
