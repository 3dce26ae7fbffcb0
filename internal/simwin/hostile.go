package simwin

import (
	"errors"

	"github.com/photopush/photopush"
)

// A User is somebody without special rights at a workstation, for tests that let him do his worst: everything he tries is held to the same
// descriptors as an administrator's process, with his own token. What he does is not in the machine's counters. While a run stands still
// at a Hold (EffectFault), he may do what he would do in a race.
//
// His methods are those of programs of his own making, which are not bound to what .NET offers.
type User struct {
	actor
	sid    photopush.SID
	counts Counters
}

// AsUser is a standard user of the domain, signed in at the console: Users, Authenticated Users, Everyone, INTERACTIVE, Domain Users.
// He needs no profile on the machine.
func (m *Machine) AsUser(sid photopush.SID) *User {
	u := &User{sid: sid}
	u.actor = actor{m, standardUser(sid), &u.counts}
	return u
}

// MakeFolder creates a folder, which he owns and which inherits. It fails when there is something of that name.
func (u *User) MakeFolder(path string) error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	_, err := u.addFolder(path)
	return err
}

func (u *User) addFolder(path string) (*node, error) {
	above, name, err := u.m.folderOf(path)
	if err != nil {
		return nil, err
	}
	if above.children[fold(name)] != nil {
		return nil, winError{alreadyExists, "Cannot create a file when that file already exists."}
	}
	if !above.security.allows(u.who, fileAppendData, fileMapping) {
		return nil, denied(path)
	}
	n := newFolder(name, above.security.child(u.who, true, fileMapping))
	above.children[fold(name)] = n
	u.count.FoldersCreated++
	return n, nil
}

// Link makes a junction at path: a new one, or of an empty folder that he may write to.
func (u *User) Link(path, target string) error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	n := u.m.find(path, false)
	switch {
	case n == nil:
		var err error
		if n, err = u.addFolder(path); err != nil {
			return err
		}
	case !n.folder(), !n.security.allows(u.who, fileWriteData, fileMapping):
		return denied(path)
	case len(n.children) > 0:
		return winError{folderNotEmpty, "The directory is not empty."}
	}
	n.attrs |= AttrReparsePoint
	n.target = target
	return nil
}

// WriteFile creates a file, or replaces what is in one.
func (u *User) WriteFile(path string, data []byte) error {
	h, err := u.openFile(path, openOrCreate, fileWriteData, shareRead)
	if err != nil {
		return err
	}
	defer u.close(h)
	u.m.mu.Lock()
	u.m.take(-h.node.size())
	h.node.data = nil
	u.m.mu.Unlock()
	return u.write(h, data)
}

// ReadFile reads a file.
func (u *User) ReadFile(path string) ([]byte, error) {
	h, err := u.openFile(path, openExisting, fileReadData, shareRead|shareWrite|shareDelete)
	if err != nil {
		return nil, err
	}
	defer u.close(h)
	return u.read(h), nil
}

// Open holds a file open, letting others share it as he likes, until release is called.
func (u *User) Open(path string, letRead, letWrite, letDelete bool) (release func(), err error) {
	var share uint32
	for flag, lets := range map[uint32]bool{shareRead: letRead, shareWrite: letWrite, shareDelete: letDelete} {
		if lets {
			share |= flag
		}
	}
	h, err := u.openFile(path, openExisting, fileReadData, share)
	if err != nil {
		return nil, err
	}
	return func() { u.close(h) }, nil
}

// Delete deletes a file, a link, or an empty folder. It fails when there is nothing.
func (u *User) Delete(path string) error {
	attrs, err := u.attributes(path)
	if err != nil {
		return err
	}
	if attrs&AttrDirectory != 0 {
		return u.deleteFolder(path)
	}
	return u.deleteFile(path)
}

// Move renames a file, a link, or a folder with all that is in it, also into another folder.
func (u *User) Move(from, to string) error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	if u.m.find(from, false) == nil {
		return winError{fileNotFound, "The system cannot find the file specified."}
	}
	return u.move(from, to)
}

// Replace puts a file in the place of another.
func (u *User) Replace(from, to string) error { return u.replaceFile(from, to) }

// SecurePath gives a file or folder another DACL, which needs WRITE_DAC: whatever he owns, and little else. Nothing is inherited.
func (u *User) SecurePath(path, sddl string) error {
	sd, err := ParseSDDL(sddl)
	if err != nil {
		return err
	}
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	n := u.m.find(path, true)
	switch {
	case n == nil:
		return winError{fileNotFound, "The system cannot find the file specified."}
	case !n.security.allows(u.who, rightWriteDAC, fileMapping):
		return denied(path)
	}
	sd.Owner = n.security.Owner
	n.security = sd
	return nil
}

// errNoKey is what he gets instead of .NET's null.
var errNoKey = winError{keyNotFound, "The system cannot find the registry key specified."}

// openFor opens a key with just the rights that he needs.
func (u *User) openFor(path string, rights uint32) (*keyHandle, error) {
	h, err := u.openKey(path, rights)
	if h == nil && err == nil {
		err = errNoKey
	}
	return h, err
}

// SetValue sets a value of a key that is there.
func (u *User) SetValue(path, name string, v RegistryValue) error {
	h, err := u.openFor(path, keySetValue)
	if err != nil {
		return err
	}
	return u.setValue(h, name, v)
}

// DeleteValue deletes a value; it is silent where there is none.
func (u *User) DeleteValue(path, name string) error {
	h, err := u.openFor(path, keySetValue)
	if err == nil {
		u.deleteValue(h, name)
	}
	return err
}

// CreateKey creates a key, or opens it with the right to write.
func (u *User) CreateKey(path string) error {
	_, err := u.createKey(path)
	return err
}

// DeleteKey deletes a key without subkeys, or a link itself.
func (u *User) DeleteKey(path string) error {
	u.m.mu.Lock()
	defer u.m.mu.Unlock()
	k := u.m.lookup(path, false, maxLinks)
	switch {
	case k == nil:
		return errNoKey
	case k.parent == nil, len(k.subkeys) > 0, !k.security.allows(u.who, rightDelete, keyMapping):
		return errKeyDenied
	}
	k.unlink()
	u.count.RegistryDeletes++
	return nil
}

// LinkKey makes a key that is a symbolic link; the name must be free.
func (u *User) LinkKey(path, target string) error { return u.linkKey(path, target) }

// SecureKey writes a DACL as SetSecurityInfo does.
func (u *User) SecureKey(path, sddl string) error {
	sd, err := ParseSDDL(sddl)
	if err != nil {
		return err
	}
	h, err := u.openFor(path, rightWriteDAC)
	if err != nil {
		return err
	}
	return u.setKeySecurity(h, sd, accessSection)
}

// OwnKey makes him the owner of a key, where its DACL lets him.
func (u *User) OwnKey(path string) error {
	h, err := u.openFor(path, rightWriteOwner)
	if err != nil {
		return err
	}
	return u.setKeyOwner(h, string(u.sid))
}

// Denied tells whether an error says that somebody lacks a right, rather than that something is missing or in use.
func Denied(err error) bool {
	w, ok := errors.AsType[winError](err)
	return ok && (w.hresult == accessDenied || w.hresult == securityException)
}
