package simwin

import (
	"context"
	"errors"
)

// Rights that keys are opened with.
const (
	setRights  = keySetValue | keyQueryValue
	aclRights  = rightWriteDAC | rightReadControl
	lookRights = aclRights | keyQueryValue | keyEnumerateSub
)

func userKey(sid string) string { return pictureUsersKey + `\` + sid }

// openPictureKey opens the key of a user; nil when there is none.
func (p *process) openPictureKey(sid string, rights uint32) (*keyHandle, error) {
	return p.m.openKey(userKey(sid), rights)
}

// written is what the verbs that write values answer.
type written struct {
	sid, rung, before, after string
	account
}

func (w written) object() object {
	return object{{"sid", w.sid}, {"rung", w.rung}, {"before", w.before}, {"after", w.after}, {"state", w.state}, {"values", w.objects()}}
}

// usePictureKey lets write write the values of a user, and reads them back. The key is made where it is missing. Where Windows refuses to
// open it, and rungs allow it, a permission is added to this key alone for the time of the writing.
func (p *process) usePictureKey(ctx context.Context, sid, rungs string, write func(*keyHandle) error) (written, error) {
	w := written{sid: sid, rung: "plain"}
	p.where = "open-key"
	key, err := p.openPictureKey(sid, setRights)
	if e, ok := errors.AsType[winError](err); ok && e.hresult == securityException && rungs == "plain,ace" {
		w.rung = "ace"
		err = p.useTemporaryEntry(ctx, &w, write)
	} else {
		if err == nil && key == nil {
			key, err = p.newPictureKey(ctx, sid)
		}
		if err == nil {
			err = write(key)
		}
	}
	if err == nil {
		w.account, err = p.readValues(sid)
	}
	return w, err
}

// useTemporaryEntry writes through an entry that is taken off again whatever happens, unless the process ends; a journal holds what the
// permissions were for the run that comes after one that was ended.
func (p *process) useTemporaryEntry(ctx context.Context, w *written, write func(*keyHandle) error) error {
	p.where = "open-key"
	guard, err := p.openPictureKey(w.sid, lookRights)
	if err != nil {
		return err
	}
	p.where = "key"
	if err := p.pictureKey(w.sid, guard); err != nil {
		return err
	}
	p.where = "acl"
	if guard == nil {
		return errNoHandle
	}
	var sd SecurityDescriptor
	if w.before, sd, err = p.keyACL(guard); err != nil {
		return err
	}
	if err := inOrder(sd, w.sid); err != nil {
		return err
	}
	if err := p.writeStateFile(ctx, p.journal(w.sid), []byte(w.before)); err != nil {
		return err
	}
	entry := ACE{Kind: Allow, Mask: setRights, SID: sidAdministrators}
	return p.finally(p.writeOpened(ctx, guard, w.sid, accessText(sd.withRule(entry)), write), func() error {
		return p.takeOff(ctx, guard, w)
	})
}

// inOrder fails for a DACL that .NET would not change.
func inOrder(sd SecurityDescriptor, name string) error {
	if sd.canonical() {
		return nil
	}
	return failure{"denied", 0, "acl", "the permissions of " + name + " are out of order"}
}

// errNoHandle is what PowerShell throws where somebody has deleted the key in between: OpenSubKey gave nothing, and nothing has no methods.
var errNoHandle = winError{0x80131501, "You cannot call a method on a null-valued expression."}

// writeOpened adds the entry, and writes.
func (p *process) writeOpened(ctx context.Context, guard *keyHandle, sid, sddl string, write func(*keyHandle) error) error {
	if err := p.setKeyDacl(ctx, guard, sid, sddl); err != nil {
		return err
	}
	p.where = "open-key"
	key, err := p.openPictureKey(sid, setRights)
	if err == nil && key == nil {
		err = errNoHandle
	}
	if err != nil {
		return err
	}
	return write(key)
}

// takeOff gives the key back the DACL that it had.
func (p *process) takeOff(ctx context.Context, guard *keyHandle, w *written) error {
	if err := p.setKeyDacl(ctx, guard, w.sid, w.before); err != nil {
		return err
	}
	var err error
	if w.after, err = p.m.keySDDL(guard); err != nil {
		return err
	}
	p.m.flushKey(guard)
	return p.removeOwnFile(ctx, p.journal(w.sid))
}

// finally runs do after an exception too, whose place it leaves alone; a process that has ended runs nothing more.
func (p *process) finally(err error, do func() error) error {
	if err != nil && !exception(err) {
		return err
	}
	where := p.where
	if err := do(); err != nil {
		return err
	}
	p.where = where
	return err
}

// exception tells what a script can catch from the end of its process.
func exception(err error) bool {
	_, thrown := errors.AsType[winError](err)
	_, stopped := errors.AsType[failure](err)
	return thrown || stopped
}

// accessText is the DACL alone.
func accessText(sd SecurityDescriptor) string {
	sd.Owner = ""
	return sd.String()
}

// pictureKey fails for a key with subkeys: what has some may be a link to another key, which cannot be seen otherwise.
func (p *process) pictureKey(sid string, key *keyHandle) error {
	if key == nil {
		return nil
	}
	n, err := p.m.subkeyCount(key)
	if err == nil && n > 0 {
		err = failure{"unsafe_path", 0, "key", "the key " + sid + " has subkeys"}
	}
	return err
}
