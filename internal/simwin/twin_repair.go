package simwin

import (
	"context"
	"slices"
)

// recover does nothing: the start of the run has done it.
func (p *process) recover(f []string) (object, error) {
	if len(f) != 1 {
		return nil, errInput
	}
	return object{{"undone", append([]object{}, p.undone...)}}, nil
}

// deleteValues deletes values that name files of ours of this user.
func (p *process) deleteValues(ctx context.Context, f []string) (object, error) {
	if len(f) < 5 || !isSID(f[1]) || !stateForm.MatchString(f[2]) || !rungsForm.MatchString(f[3]) {
		return nil, errInput
	}
	sid, names := f[1], f[4:]
	for i, name := range names {
		if !slices.Contains(valueNames, name) || slices.Contains(names[:i], name) {
			return nil, errInput
		}
	}
	if err := p.safePath(ctx, p.pictures+`\`+sid, ""); err != nil {
		return nil, err
	}
	read, err := p.expect(sid, f[2])
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		if !slices.ContainsFunc(read.values, func(v pictureValue) bool { return v.name == name && v.kind == "sz" && p.ours(sid, v.text()) }) {
			return nil, failure{"conflict", 0, "ours", name + " names no file of ours"}
		}
	}
	w, err := p.usePictureKey(ctx, sid, f[3], func(key *keyHandle) error { return p.removeValues(ctx, key, names) })
	return w.object(), err
}

func (p *process) removeValues(ctx context.Context, key *keyHandle, names []string) error {
	for _, name := range names {
		if err := p.removePictureValue(ctx, key, name); err != nil {
			return err
		}
	}
	return nil
}

// restoreOriginal puts back what save_original kept: only what names a file that is there.
func (p *process) restoreOriginal(ctx context.Context, f []string) (object, error) {
	if len(f) != 5 || !isSID(f[1]) || !stateForm.MatchString(f[2]) || !rungsForm.MatchString(f[3]) || !stateForm.MatchString(f[4]) {
		return nil, errInput
	}
	sid, saved := f[1], f[4]
	if err := p.safePath(ctx, p.state, ""); err != nil {
		return nil, err
	}
	p.where = "original"
	kept, err := p.readOriginal(sid)
	if err != nil {
		return nil, err
	}
	if kept.state != saved {
		return nil, failure{"conflict", 0, "original", "what is saved is something else"}
	}
	read, err := p.expect(sid, f[2])
	if err != nil {
		return nil, err
	}
	back, missing := []keptValue{}, []string{}
	for _, v := range kept.values {
		if p.otherFile(sid, v.data) {
			back = append(back, v)
		} else {
			missing = append(missing, v.name)
		}
	}
	if len(back) == 0 && slices.ContainsFunc(read.values, func(v pictureValue) bool { return !p.ours(sid, v.text()) }) {
		return nil, failure{"conflict", 0, "original", "nothing of before is left, and the values are not ours"}
	}
	p.where = "key"
	there, err := p.openPictureKey(sid, keyRead)
	if err := p.imageKey(sid, there, err); err != nil {
		return nil, err
	}
	w := written{sid: sid, rung: "plain", account: read}
	if read.state != "absent" || len(back) > 0 {
		w, err = p.usePictureKey(ctx, sid, f[3], func(key *keyHandle) error { return p.putBack(ctx, key, read, back) })
	}
	if err == nil && saved == "absent" && w.rung == "plain" {
		err = p.removeOwnKey(ctx, &w)
	}
	if err == nil {
		err = p.removeOwnFile(ctx, p.originalPath(sid))
	}
	return append(w.object(), member{"missing", missing}), err
}

// putBack sets what differs, then deletes what is too much.
func (p *process) putBack(ctx context.Context, key *keyHandle, read account, back []keptValue) error {
	for _, v := range back {
		same := func(r pictureValue) bool { return r.name == v.name && r.kind == "sz" && r.text() == v.data }
		if slices.ContainsFunc(read.values, same) {
			continue
		}
		if err := p.setPictureValue(ctx, key, v.name, v.data); err != nil {
			return err
		}
	}
	var rest []string
	for _, r := range read.values {
		if !slices.ContainsFunc(back, func(v keptValue) bool { return v.name == r.name }) {
			rest = append(rest, r.name)
		}
	}
	return p.removeValues(ctx, key, rest)
}

// removeOwnKey deletes the key that we have made, when nothing is left in it.
func (p *process) removeOwnKey(ctx context.Context, w *written) error {
	key, err := p.openPictureKey(w.sid, keyRead)
	if err != nil || key == nil {
		return err
	}
	names, err := p.m.valueNames(key)
	if err != nil || len(names) > 0 {
		return err
	}
	if n, err := p.m.subkeyCount(key); err != nil || n > 0 {
		return err
	}
	if err := p.removePictureKey(ctx, w.sid); err != nil {
		return err
	}
	w.account = account{state: "absent"}
	return nil
}
