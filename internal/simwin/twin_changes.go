package simwin

import (
	"context"
	"errors"
	"slices"
)

// The effects of the scripts, each the method of its name: nothing else here changes anything.

func (p *process) enterLock(ctx context.Context, path string, mode disposition) error {
	return p.effect(ctx, EnterLock, path, func() error {
		return patiently(ctx, func() error {
			h, err := p.m.openFile(path, mode, fileReadData|fileWriteData, 0)
			if err == nil {
				p.held = append(p.held, h)
			}
			return err
		})
	}, nil)
}

func (p *process) newSecureFolder(ctx context.Context, path, sddl string) error {
	return p.effect(ctx, NewSecureFolder, path, func() error { return p.m.createFolder(path, mustSDDL(sddl)) }, nil)
}

// writeNewFile creates, writes and flushes a file; what could not be finished is taken away again, unless the process dies.
func (p *process) writeNewFile(ctx context.Context, path string, data []byte) error {
	write := func(b []byte, mend bool) error {
		var h *fileHandle
		err := patiently(ctx, func() (err error) {
			h, err = p.m.openFile(path, createNew, fileWriteData, 0)
			return err
		})
		if err != nil {
			return err
		}
		err = p.m.write(h, b)
		p.m.close(h)
		if err != nil && mend {
			return errors.Join(err, p.m.deleteFile(path))
		}
		return err
	}
	return p.effect(ctx, WriteNewFile, path,
		func() error { return write(data, true) }, func() error { return write(data[:len(data)/2], false) })
}

// moveOwnFile moves a file of State, over the one that is there.
func (p *process) moveOwnFile(ctx context.Context, from, to string) error {
	return p.effect(ctx, MoveOwnFile, to, func() error {
		if p.m.fileExists(to) {
			return p.m.replaceFile(from, to)
		}
		return p.m.moveFile(from, to)
	}, nil)
}

func (p *process) removeOwnFile(ctx context.Context, path string) error {
	return p.effect(ctx, RemoveOwnFile, path, func() error {
		return patiently(ctx, func() error { return p.m.deleteFile(path) })
	}, nil)
}

func (p *process) removeOwnFolder(ctx context.Context, path string) error {
	return p.effect(ctx, RemoveOwnFolder, path, func() error { return p.m.deleteFolder(path) }, nil)
}

func (p *process) newPictureKey(ctx context.Context, sid string) (key *keyHandle, err error) {
	err = p.effect(ctx, NewPictureKey, sid, func() (err error) {
		key, err = p.m.createKey(userKey(sid))
		return err
	}, nil)
	return key, err
}

func (p *process) removePictureKey(ctx context.Context, sid string) error {
	return p.effect(ctx, RemovePictureKey, sid, func() error { return p.m.deleteKey(userKey(sid)) }, nil)
}

func (p *process) setPictureValue(ctx context.Context, key *keyHandle, name, data string) error {
	return p.effect(ctx, SetPictureValue, name, func() error { return p.m.setValue(key, name, StringValue(data)) }, nil)
}

func (p *process) removePictureValue(ctx context.Context, key *keyHandle, name string) error {
	return p.effect(ctx, RemovePictureValue, name, func() error {
		p.m.deleteValue(key, name)
		return nil
	}, nil)
}

// errNoSDDL is an ArgumentException.
var errNoSDDL = winError{0x80070057, "The SDDL form of a security descriptor object is invalid."}

// setKeyDacl writes the DACL of a text. What is not protected inherits anew when it is written: one without inherited entries must
// not gain any.
func (p *process) setKeyDacl(ctx context.Context, key *keyHandle, name, sddl string) error {
	return p.effect(ctx, SetKeyDacl, name, func() error {
		sd, err := ParseSDDL(sddl)
		if err != nil || sddl == "" {
			return errNoSDDL
		}
		if !slices.ContainsFunc(sd.DACL, func(a ACE) bool { return a.Flags&inherited != 0 }) {
			sd.Protected = true
		}
		return p.m.setKeySecurity(key, sd, accessSection)
	}, nil)
}

func (p *process) setKeyOwner(ctx context.Context, key *keyHandle, name string) error {
	return p.effect(ctx, SetKeyOwner, name, func() error { return p.m.setKeyOwner(key, sidAdministrators) }, nil)
}
