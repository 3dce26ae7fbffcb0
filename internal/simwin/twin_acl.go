package simwin

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"regexp"
	"slices"
)

var (
	trusteeForm = regexp.MustCompile(`\AS-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}\z`)
	imageValue  = regexp.MustCompile(`(?i)\A(Image|Video)[0-9]{1,4}\z`)
)

// tightenACL lets entries of the trustees that are this key's own read from now on, and nothing else.
func (p *process) tightenACL(ctx context.Context, f []string) (object, error) {
	if len(f) < 4 || f[1] != "Users" && !isSID(f[1]) || !hexSum.MatchString(f[2]) || slices.ContainsFunc(f[3:], noTrustee) {
		return nil, errInput
	}
	name, trustees, path, rights := f[1], f[3:], pictureUsersKey, uint32(lookRights)
	if name != "Users" {
		path = userKey(name)
	}
	if slices.Contains(trustees, "owner") {
		rights |= rightWriteOwner
	}
	p.where = "open-key"
	key, err := p.m.openKey(path, rights)
	if err != nil {
		return nil, err
	}
	before, sd, err := p.expectACL(key, name, f[2])
	if err != nil {
		return nil, err
	}
	if err := inOrder(sd, name); err != nil {
		return nil, err
	}
	if err := p.onlyPictures(key, name); err != nil {
		return nil, err
	}
	if slices.Contains(trustees, "owner") {
		if err := p.setKeyOwner(ctx, key, name); err != nil {
			return nil, err
		}
	}
	if sddl, changed := tightened(sd, trustees); changed {
		if err := p.setKeyDacl(ctx, key, name, sddl); err != nil {
			return nil, err
		}
	}
	p.where = "acl"
	after, err := p.m.keySDDL(key)
	return object{{"key", name}, {"before", before}, {"after", after}}, err
}

func noTrustee(s string) bool {
	return s != "owner" && (!trusteeForm.MatchString(s) || slices.Contains(insiders, s))
}

// expectACL compares a key's permissions with what the verb says they are. Of a key that is missing there are none.
func (p *process) expectACL(key *keyHandle, name, sum string) (text string, sd SecurityDescriptor, err error) {
	p.where = "acl"
	if key != nil {
		if text, sd, err = p.keyACL(key); err != nil {
			return "", sd, err
		}
	}
	if got := sha256.Sum256([]byte(text)); key == nil || hex.EncodeToString(got[:]) != sum {
		err = failure{"conflict", 0, "acl", "the permissions of " + name + " are others"}
	}
	return text, sd, err
}

// keyACL is owner and DACL of a key, as text too.
func (p *process) keyACL(key *keyHandle) (text string, sd SecurityDescriptor, err error) {
	if text, err = p.m.keySDDL(key); err != nil {
		return "", sd, err
	}
	if sd, err = ParseSDDL(text); err != nil {
		err = errNoSDDL
	}
	return text, sd, err
}

// onlyPictures fails unless the user's key, or every key below Users, holds nothing but pictures.
func (p *process) onlyPictures(all *keyHandle, name string) error {
	p.where = "key"
	if name != "Users" {
		return p.imageKey(name, all, nil)
	}
	names, err := p.m.subkeyNames(all)
	if err != nil {
		return err
	}
	for _, name := range names {
		sub, err := p.openPictureKey(name, keyRead)
		if err := p.imageKey(name, sub, err); err != nil {
			return err
		}
	}
	return nil
}

func (p *process) imageKey(name string, key *keyHandle, err error) error {
	if err != nil || key == nil {
		return err
	}
	if err := p.pictureKey(name, key); err != nil {
		return err
	}
	names, err := p.m.valueNames(key)
	if err == nil && slices.ContainsFunc(names, func(n string) bool { return !imageValue.MatchString(n) }) {
		err = failure{"unsafe_path", 0, "key", "the key " + name + " has values of another kind"}
	}
	return err
}

// tightened is the DACL in which every allowing entry of a trustee, unless it was inherited, allows KEY_READ at most.
func tightened(sd SecurityDescriptor, trustees []string) (sddl string, changed bool) {
	for i, a := range sd.DACL {
		allow := a.Kind == Allow || a.Kind == AllowCallback || a.Kind == AllowObject
		if allow && a.Flags&inherited == 0 && slices.Contains(trustees, a.SID) && a.Mask|keyRead != keyRead {
			sd.DACL[i].Mask, changed = keyRead, true
		}
	}
	return accessText(sd), changed
}
