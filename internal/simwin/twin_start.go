package simwin

import (
	"context"
	"errors"
	"slices"
	"strings"
	"unicode/utf16"

	"github.com/photopush/photopush/accountpicture"
)

// findRoots finds our folders.
func (p *process) findRoots() error {
	p.where = "roots"
	r := reader{m: p.m}
	root := strings.TrimRight(string(utf16.Decode(r.text(currentVersion, "ProgramFilesDir"))), `\`)
	if r.err != nil {
		return r.err
	}
	if !localFolder.MatchString(root) {
		return failure{"unsupported", 0, "roots", "ProgramFilesDir is '" + root + "'"}
	}
	p.home = root + `\photopush`
	p.pictures = p.home + `\AccountPictures`
	p.state = p.home + `\State`
	return nil
}

// startRun is what a run does before its first verb. One that only reads waits for one that changes, and makes no lock.
func (p *process) startRun(ctx context.Context) error {
	if p.script.Name == accountpicture.ReadScript.Name {
		if !p.m.fileExists(p.state + `\lock`) {
			return nil
		}
		return p.lock(ctx, openExisting)
	}
	if err := p.safePath(ctx, p.state, stateFolderSDDL); err != nil {
		return err
	}
	if err := p.lock(ctx, openOrCreate); err != nil {
		return err
	}
	return p.undoJournals(ctx)
}

// lock holds the lock file until the process ends.
func (p *process) lock(ctx context.Context, mode disposition) error {
	err := p.enterLock(ctx, p.state+`\lock`, mode)
	if w, ok := errors.AsType[winError](err); ok && w.hresult == sharingViolation {
		return failure{"conflict", sharingViolation, "lock", "another run holds the lock"}
	}
	return err
}

// undoJournals gives the keys that journals name the permissions that the journals hold, and deletes the journals.
func (p *process) undoJournals(ctx context.Context) error {
	p.where = "journal"
	names, err := p.m.list(p.state, false)
	if err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		sid, is := strings.CutSuffix(name, ".journal")
		if !is || !isSID(sid) {
			continue
		}
		if err := p.undo(ctx, sid); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) undo(ctx context.Context, sid string) error {
	path, after := p.journal(sid), ""
	p.where = "journal"
	data, err := p.readFile(path)
	if err != nil {
		return err
	}
	text := fileText(data)
	p.where = "open-key"
	key, err := p.openPictureKey(sid, aclRights)
	if err != nil {
		return err
	}
	if key != nil {
		if err := p.setKeyDacl(ctx, key, sid, text); err != nil {
			return err
		}
		if after, err = p.m.keySDDL(key); err != nil {
			return err
		}
	}
	if err := p.removeOwnFile(ctx, path); err != nil {
		return err
	}
	p.undone = append(p.undone, object{{"sid", sid}, {"acl", text}, {"after", after}})
	return nil
}

func (p *process) journal(sid string) string { return p.state + `\` + sid + ".journal" }

// writeStateFile writes a file in State that is complete whenever it is there.
func (p *process) writeStateFile(ctx context.Context, path string, data []byte) error {
	if p.m.fileExists(path + ".new") {
		if err := p.removeOwnFile(ctx, path+".new"); err != nil {
			return err
		}
	}
	if err := p.writeNewFile(ctx, path+".new", data); err != nil {
		return err
	}
	return p.moveOwnFile(ctx, path+".new", path)
}
