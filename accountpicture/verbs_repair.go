package accountpicture

import (
	"errors"
	"regexp"
	"slices"

	"github.com/photopush/photopush"
)

// DeleteValues deletes values of the user that name files of ours.
type DeleteValues struct {
	SID    photopush.SID
	State  string // expected before
	Rungs  Rungs
	Values []string // of ValueNames, at least one
}

// RestoreOriginal puts back what SaveOriginal kept, as far as its files are there still; other values are deleted.
type RestoreOriginal struct {
	SID   photopush.SID
	State string // expected before
	Rungs Rungs
	Saved string // the state that must be kept there
}

// TightenACL lets trustees only read a key that they may write.
type TightenACL struct {
	Key      string   // KeyUsers, or the SID of the user whose key it is
	Sum      string   // SHA-256 of owner and DACL as the inventory has them, lower-case hex
	Trustees []string // SIDs whose own entries are changed; TrusteeOwner for the owner, which becomes Administrators
}

const (
	// KeyUsers is UsersKey where a key below it is called by the SID of its user.
	KeyUsers = "Users"
	// TrusteeOwner stands for whoever owns the key.
	TrusteeOwner = "owner"
)

func (DeleteValues) Name() string             { return "delete_values" }
func (v DeleteValues) User() photopush.SID    { return v.SID }
func (DeleteValues) Changes() bool            { return true }
func (RestoreOriginal) Name() string          { return "restore_original" }
func (v RestoreOriginal) User() photopush.SID { return v.SID }
func (RestoreOriginal) Changes() bool         { return true }
func (TightenACL) Name() string               { return "tighten_acl" }
func (TightenACL) Changes() bool              { return true }

// User is the user of the key; empty for KeyUsers, which is everybody's.
func (v TightenACL) User() photopush.SID {
	if v.Key == KeyUsers {
		return ""
	}
	return photopush.SID(v.Key)
}

var sidForm = regexp.MustCompile(`\AS-1-[0-9]{1,15}(-[0-9]{1,10}){1,15}\z`)

func (v DeleteValues) lines() ([]string, error) {
	err := errors.Join(userAndState(v.SID, v.State), v.Rungs.check(), fault(len(v.Values) > 0, "no value is named"))
	for i, name := range v.Values {
		err = errors.Join(err,
			fault(slices.Contains(ValueNames, name), "%q is no name of a value", name),
			fault(!slices.Contains(v.Values[:i], name), "the value %s is named twice", name))
	}
	return []string{fields(append([]string{v.Name(), string(v.SID), v.State, v.Rungs.field()}, v.Values...)...)}, err
}

func (v RestoreOriginal) lines() ([]string, error) {
	err := errors.Join(userAndState(v.SID, v.State), v.Rungs.check(), fault(stateForm.MatchString(v.Saved), "%q is no state", v.Saved))
	return []string{fields(v.Name(), string(v.SID), v.State, v.Rungs.field(), v.Saved)}, err
}

func (v TightenACL) lines() ([]string, error) {
	err := errors.Join(
		fault(v.Key == KeyUsers || v.User().IsAccount(), "%q is no key of account pictures", v.Key),
		fault(hexSHA256.MatchString(v.Sum), "%q is no hash", v.Sum),
		fault(len(v.Trustees) > 0, "no trustee is named"))
	for _, t := range v.Trustees {
		err = errors.Join(err, fault(t == TrusteeOwner || sidForm.MatchString(t) && !slices.Contains(insiders, t), "the trustee %q cannot be kept from writing", t))
	}
	return []string{fields(append([]string{v.Name(), v.Key, v.Sum}, v.Trustees...)...)}, err
}
