package simwin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"time"
)

// readFiles lists our files of a user by name, the first 100.
func (p *process) readFiles(ctx context.Context, sid string) ([]object, error) {
	p.where = "files"
	list := []object{}
	folder := p.pictures + `\` + sid
	if !p.m.folderExists(folder) {
		return list, nil
	}
	names, err := p.m.list(folder, false)
	if err != nil {
		return list, err
	}
	names = slices.DeleteFunc(names, func(n string) bool { return !pictureName.MatchString(n) })
	slices.Sort(names)
	p.truncated = p.truncated || len(names) > maxFiles
	for _, name := range names[:min(len(names), maxFiles)] {
		sum, err := p.hash(ctx, folder+`\`+name)
		if _, unreadable := errors.AsType[winError](err); err != nil && !unreadable {
			return nil, err
		}
		length, err := p.m.length(folder + `\` + name)
		if err != nil {
			return list[:0], err
		}
		list = append(list, object{{"name", name}, {"length", length}, {"sha256", sum}})
	}
	return list, nil
}

// hash reads a file as one that others may read, write and delete at the same time.
func (p *process) hash(ctx context.Context, path string) (sum string, err error) {
	err = patiently(ctx, func() error {
		h, err := p.m.openFile(path, openExisting, fileReadData, shareRead|shareWrite|shareDelete)
		if err != nil {
			return err
		}
		defer p.m.close(h)
		s := sha256.Sum256(p.m.read(h))
		sum = hex.EncodeToString(s[:])
		return nil
	})
	return sum, err
}

// readFile reads a file as File.ReadAllText does: while nobody writes it.
func (p *process) readFile(path string) ([]byte, error) {
	h, err := p.m.openFile(path, openExisting, fileReadData, shareRead)
	if err != nil {
		return nil, err
	}
	defer p.m.close(h)
	return p.m.read(h), nil
}

// patiently tries three times more, 100 ms apart, while somebody holds the file, as a virus scanner may for a moment.
func patiently(ctx context.Context, do func() error) error {
	for tries := 1; ; tries++ {
		err := do()
		if w, ok := errors.AsType[winError](err); !ok || tries > 3 || w.hresult != sharingViolation && w.hresult != lockViolation {
			return err
		}
		if err := pause(ctx, 100*time.Millisecond); err != nil {
			return err
		}
	}
}
