package simwin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"unicode/utf16"

	"github.com/photopush/photopush"
)

// users is what there is of account pictures: the key's permissions, and whoever has a key below it, or a folder of ours.
func (p *process) users(ctx context.Context) (object, error) {
	r := reader{m: p.m}
	names := r.subkeys(pictureUsersKey)
	if r.err != nil {
		return nil, r.err
	}
	others := 0
	for _, name := range names {
		if !isSID(strings.ToUpper(name)) {
			others++
		}
	}
	if p.m.folderExists(p.pictures) {
		folders, err := p.m.list(p.pictures, true)
		if err != nil {
			return nil, err
		}
		names = append(names, folders...)
	}
	list := []object{}
	for _, sid := range p.selectSIDs(names) {
		user, err := p.user(ctx, sid)
		if err != nil {
			return nil, err
		}
		list = append(list, user)
	}
	return object{{"acl", p.readACL(pictureUsersKey)}, {"others", others}, {"users", list}}, nil
}

// A userEntry is one user of an inventory.
type userEntry struct {
	account
	files   []object
	acl     string
	changed uint64
	saved   string
	earlier int
	journal bool
	problem string
}

// user is one user; what cannot be read of him does not stop the others.
func (p *process) user(ctx context.Context, sid string) (object, error) {
	u := userEntry{files: []object{}}
	err := p.readUser(ctx, sid, &u)
	if w, ok := errors.AsType[winError](err); ok {
		u.problem = fmt.Sprintf("0x%08x %s", w.hresult, p.where)
		err = nil
	}
	return object{{"sid", sid}, {"state", u.state}, {"values", u.objects()}, {"files", u.files}, {"acl", u.acl}, {"changed", u.changed},
		{"saved", u.saved}, {"earlier", u.earlier}, {"journal", u.journal}, {"error", u.problem}}, err
}

// readUser fills in what can be read, up to the first exception.
func (p *process) readUser(ctx context.Context, sid string, u *userEntry) (err error) {
	if u.account, err = p.readValues(sid); err != nil {
		return err
	}
	if u.files, err = p.readFiles(ctx, sid); err != nil {
		return err
	}
	u.acl, u.changed = p.readACL(userKey(sid)), p.changed(sid, u.values)
	p.where = "state"
	kept, err := p.readOriginal(sid)
	if err != nil {
		return err
	}
	u.saved, u.journal = kept.state, p.m.fileExists(p.journal(sid))
	for _, v := range kept.values {
		if p.otherFile(sid, v.data) {
			u.earlier++
		}
	}
	return nil
}

// readACL is owner and DACL of a key as SDDL; empty where the key is missing or does not let itself be read.
func (p *process) readACL(path string) string {
	key, err := p.m.openKey(path, keyRead)
	if err != nil || key == nil {
		return ""
	}
	sddl, err := p.m.keySDDL(key)
	if err != nil {
		return ""
	}
	return sddl[:min(len(sddl), maxACL)]
}

// changed is when the newest file was written that is shown and not ours, as a FILETIME.
func (p *process) changed(sid string, values []pictureValue) uint64 {
	newest := uint64(0)
	for _, v := range values {
		if v.kind == "sz" && p.otherFile(sid, v.text()) {
			newest = max(newest, fileTime(p.m.lastWriteTime(v.text())))
		}
	}
	return newest
}

// An account is what the registry holds of a user's picture.
type account struct {
	state  string
	values []pictureValue
}

// A pictureValue is an Image value.
type pictureValue struct {
	name string
	kind string // sz, expand_sz, other
	data []uint16
}

// text is the data as answers have it.
func (v pictureValue) text() string { return string(utf16.Decode(cut(v.data, maxData))) }

// readValues reads the Image values of a user, and makes the state that names them.
func (p *process) readValues(sid string) (account, error) {
	p.where = "values"
	h, err := p.m.openKey(userKey(sid), keyRead)
	if err != nil {
		return account{}, err
	}
	if h == nil {
		return account{state: photopush.StateAbsent}, nil
	}
	a, sum := account{}, sha256.New()
	for _, name := range valueNames {
		v, ok, err := p.m.getValue(h, name)
		if err != nil {
			return account{}, err
		}
		if !ok {
			continue
		}
		pv := pictureValue{name: name, kind: "other"}
		switch v.Type {
		case RegSZ:
			pv.kind, pv.data = "sz", v.units()
		case RegExpandSZ:
			pv.kind, pv.data = "expand_sz", v.units()
		}
		a.values = append(a.values, pv)
		fmt.Fprintf(sum, "%s=%s:%s\n", pv.name, pv.kind, string(utf16.Decode(pv.data)))
	}
	a.state = hex.EncodeToString(sum.Sum(nil))
	return a, nil
}

func (a account) objects() []object {
	list := []object{}
	for _, v := range a.values {
		list = append(list, object{{"name", v.name}, {"kind", v.kind}, {"data", cut(v.data, maxData)}})
	}
	return list
}
