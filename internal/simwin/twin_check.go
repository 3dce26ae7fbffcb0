package simwin

import (
	"context"
	"errors"
	"strings"
)

// check opens to write what a push opens, guards our folders, and changes nothing.
func (p *process) check(ctx context.Context, f []string) (object, error) {
	if len(f) != 1 {
		return nil, errInput
	}
	p.where = "open-key"
	path, err := p.openUsersKey()
	if err != nil {
		return nil, err
	}
	r := reader{m: p.m}
	sids := p.selectSIDs(r.subkeys(pictureUsersKey))
	if r.err != nil {
		return nil, r.err
	}
	refused, closed := []string{}, []string{}
	for _, sid := range sids {
		if _, err := p.openPictureKey(sid, setRights); err == nil {
			continue
		}
		refused = append(refused, sid)
		if _, err := p.openPictureKey(sid, aclRights); err != nil {
			closed = append(closed, sid)
		}
	}
	for _, folder := range []string{p.state, p.pictures} {
		if err := p.safePath(ctx, folder, ""); err != nil {
			return nil, err
		}
	}
	return object{{"key", path == pictureUsersKey}, {"users", len(sids)}, {"refused", refused}, {"closed", closed},
		{"folder", p.m.folderExists(p.pictures)}}, nil
}

// errNoSoftware is a registry without a key in which AccountPicture could be made.
var errNoSoftware = errors.New("HKLM has no key SOFTWARE")

// openUsersKey opens the key in which users' keys are made with the right to make some, or the nearest one above it that is there.
func (p *process) openUsersKey() (path string, err error) {
	for path = pictureUsersKey; path != hiveHKLM; path = path[:strings.LastIndex(path, `\`)] {
		key, err := p.m.openKey(path, keyCreateSub|keyQueryValue)
		if key != nil || err != nil {
			return path, err
		}
	}
	return "", errNoSoftware
}
