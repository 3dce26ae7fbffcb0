package simwin

import "time"

// Deleting folders, and moving files: .NET's Directory.Delete, File.Move, File.Replace and what Windows asks for them.

// mayDelete is the right to take something away: DELETE on it, or DELETE_CHILD on its folder.
func (a actor) mayDelete(above, n *node) bool {
	return n.security.allows(a.who, rightDelete, fileMapping) || above.security.allows(a.who, fileDeleteChild, fileMapping)
}

// held tells whether something in a folder is open.
func (n *node) held() bool {
	open := len(n.handles) > 0
	n.each("", func(_ string, c *node) { open = open || len(c.handles) > 0 })
	return open
}

// deleteFolder is Directory.Delete without recursion: of an empty folder, or of a link, whatever it leads to.
func (a actor) deleteFolder(path string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	above, name, err := a.m.folderOf(path)
	if err != nil {
		return err
	}
	n := above.children[fold(name)]
	switch {
	case n == nil:
		return winError{pathNotFound, "Could not find a part of the path '" + path + "'."}
	case !n.folder():
		return winError{notAFolder, "The directory name is invalid."}
	case !a.mayDelete(above, n), n.attrs&AttrReadOnly != 0:
		return denied(path)
	case len(n.handles) > 0:
		return inUse(path)
	case len(n.children) > 0:
		return winError{folderNotEmpty, "The directory is not empty."}
	}
	delete(above.children, fold(name))
	a.count.FoldersDeleted++
	return nil
}

// moveFile is File.Move: never over another file. What is moved keeps its owner and DACL.
func (a actor) moveFile(from, to string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if n := a.m.find(from, true); n == nil || n.folder() {
		return winError{fileNotFound, "Could not find file '" + from + "'."}
	}
	return a.move(from, to)
}

// moveFolder is Directory.Move within a drive: a folder with all that is in it, or a link.
func (a actor) moveFolder(from, to string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if n := a.m.find(from, false); n == nil || !n.folder() {
		return winError{pathNotFound, "Could not find a part of the path '" + from + "'."}
	}
	return a.move(from, to)
}

// move is MoveFile: it needs the right to take the thing away, and that to add one like it where it goes. A folder in which something is
// open does not move.
func (a actor) move(from, to string) error {
	above, name, err := a.m.folderOf(from)
	if err != nil {
		return err
	}
	target, newName, err := a.m.folderOf(to)
	if err != nil {
		return err
	}
	n := above.children[fold(name)]
	add := uint32(fileWriteData)
	if n.folder() {
		add = fileAppendData
	}
	switch there := target.children[fold(newName)]; {
	case !a.mayDelete(above, n):
		return denied(from)
	case there != nil && there != n:
		return winError{alreadyExists, "Cannot create '" + to + "' because a file or directory with the same name already exists."}
	case !target.security.allows(a.who, add, fileMapping):
		return denied(to)
	case n.folder() && n.held():
		return denied(from)
	case !n.mayOpen(rightDelete, shareRead|shareWrite|shareDelete), n.contains(target):
		return inUse(from)
	}
	delete(above.children, fold(name))
	n.name = newName
	target.children[fold(newName)] = n
	a.count.FileMoves++
	return nil
}

// contains tells whether a folder is n, or lies in it.
func (n *node) contains(folder *node) bool {
	in := n == folder
	n.each("", func(_ string, c *node) { in = in || c == folder })
	return in
}

// replaceFile is File.Replace(from, to, null), ReplaceFile of Windows: from takes the place of to, with the attributes and the DACL of to
// but its own owner and time. Both must be there. from must not be open at all, to in no way that keeps others from deleting it.
func (a actor) replaceFile(from, to string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	source, replaced := a.m.find(from, true), a.m.find(to, true)
	if source == nil || replaced == nil {
		return winError{fileNotFound, "Unable to find the specified file."}
	}
	above, name, err := a.m.folderOf(from)
	if err != nil {
		return err
	}
	target, newName, err := a.m.folderOf(to)
	if err != nil {
		return err
	}
	all := uint32(shareRead | shareWrite | shareDelete)
	switch {
	case source.folder(), replaced.folder(), replaced.attrs&AttrReadOnly != 0,
		!source.security.allows(a.who, genericRead|rightWriteDAC, fileMapping), !a.mayDelete(above, source),
		!replaced.security.allows(a.who, genericRead, fileMapping), !a.mayDelete(target, replaced),
		!target.security.allows(a.who, fileWriteData, fileMapping):
		return denied(to)
	case source == replaced, len(source.handles) > 0, !replaced.mayOpen(fileReadData|rightDelete, all):
		return inUse(to)
	}
	owner := source.security.Owner
	source.name, source.attrs, source.security = replaced.name, replaced.attrs, replaced.security
	source.security.Owner = owner
	a.m.take(-replaced.size())
	delete(above.children, fold(name))
	target.children[fold(newName)] = source
	a.count.FileMoves++
	return nil
}

// noTime is what File.GetLastWriteTimeUtc says of a file that is missing: the beginning of Windows' calendar.
var noTime = time.Date(1601, 1, 1, 0, 0, 0, 0, time.UTC)

// lastWriteTime is File.GetLastWriteTimeUtc of a file. It throws nothing when there is none.
func (a actor) lastWriteTime(path string) time.Time {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	n := a.m.find(path, true)
	if n == nil || n.folder() {
		return noTime
	}
	return n.modified.UTC()
}

// SetModified sets the time of a file's last write; false when there is no such file.
func (m *Machine) SetModified(path string, t time.Time) bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	n := m.find(path, true)
	if n == nil || n.folder() {
		return false
	}
	n.modified = t
	return true
}
