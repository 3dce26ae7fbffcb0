package accountpicture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/photopush/photopush"
)

// Apply gives the inventory as it is after a run of the verbs: what was read back, and nothing that was only hoped for. inv, what was
// known before, is not changed; it may be nil when the first verb is TakeInventory. When the run stopped at a failure, or its answers are
// not those of the verbs, the inventory is what the answers up to there prove, and the error, in whose chain a *photopush.Error is, says why. A
// user whose values may have changed without being read back is not Readable afterwards. Where the permissions of a key are not as they were
// before a temporary entry, the run went on: so does Apply, and its error is a Changed.
func Apply(inv *photopush.Inventory, verbs []Verb, answers []Answer, now time.Time) (*photopush.Inventory, error) {
	if inv != nil {
		copied := *inv
		copied.Accounts = slices.Clone(inv.Accounts)
		inv = &copied
	}
	inv, changed, err := applyAll(inv, verbs, answers, now)
	if err != nil && changed != nil {
		return inv, errors.Join(err, changed)
	}
	return inv, cmp.Or(err, changed)
}

// applyAll works on inv itself. Its first error is of the first key whose permissions changed.
func applyAll(inv *photopush.Inventory, verbs []Verb, answers []Answer, now time.Time) (_ *photopush.Inventory, changed, err error) {
	for i, v := range verbs {
		if i >= len(answers) {
			return inv, changed, mismatch("%d of %d verbs were answered", len(answers), len(verbs))
		}
		a := answers[i]
		if !a.OK {
			return inv, changed, failed(inv, v, a, i == 0)
		}
		if a.Verb != v.Name() || a.SID != v.User() {
			return inv, changed, mismatch("%s for %q was answered by %s for %q", v.Name(), v.User(), a.Verb, a.SID)
		}
		if inv == nil && v.Changes() {
			return nil, nil, &photopush.Error{Reason: photopush.Internal, Op: "apply " + v.Name(), Err: errors.New("nothing is known of the workstation")}
		}
		inv, err = apply(inv, v, a, now)
		if _, ok := errors.AsType[*Changed](err); ok {
			changed, err = cmp.Or(changed, err), nil
		}
		if err != nil {
			return inv, changed, err
		}
	}
	if len(answers) > len(verbs) {
		return inv, changed, mismatch("%d verbs have %d answers", len(verbs), len(answers))
	}
	return inv, changed, nil
}

func mismatch(format string, args ...any) error {
	return &photopush.Error{Reason: photopush.Script, Op: "read answer", Err: fmt.Errorf(format, args...)}
}

func apply(inv *photopush.Inventory, v Verb, a Answer, now time.Time) (*photopush.Inventory, error) {
	switch v := v.(type) {
	case TakeInventory:
		taken := *a.Inventory
		taken.Taken = now
		notLater(&taken, now)
		return &taken, nil
	case PutFile:
		return inv, applyPut(inv, v, a)
	case SaveOriginal:
		if a.State != v.State {
			return inv, mismatch("the state %s should be saved, %s was", v.State, a.State)
		}
		edit(inv, v.SID, func(account *photopush.Account) { account.Saved, account.Earlier = a.State, restorable(*account) })
	case SetValues:
		return inv, applyWritten(inv, v, a)
	case DeleteValues:
		for _, value := range a.Values {
			if slices.Contains(v.Values, value.Name) {
				return inv, mismatch("%s should be deleted, and is there", value.Name)
			}
		}
		return inv, applyWritten(inv, v, a)
	case RestoreOriginal:
		edit(inv, v.SID, func(account *photopush.Account) { account.Saved, account.Earlier = "", 0 })
		return inv, applyWritten(inv, v, a)
	case DeleteFiles:
		if gone := slices.Concat(a.Deleted, a.Kept); len(gone) != len(v.Files) || !sameNames(gone, v.Files) {
			return inv, mismatch("%d files should be deleted, others were", len(v.Files))
		}
		edit(inv, v.SID, func(account *photopush.Account) {
			account.Files = slices.DeleteFunc(slices.Clone(account.Files), func(f photopush.File) bool { return slices.Contains(a.Deleted, f.Name) })
		})
	case TightenACL:
		return inv, applyTightened(inv, v, a)
	case Recover:
		return inv, applyRecovered(inv, a)
	}
	return inv, nil
}

func applyPut(inv *photopush.Inventory, v PutFile, a Answer) error {
	if a.File != v.File || a.SHA256 != v.SHA256 {
		return mismatch("%s was read back as %s with the hash %s", v.File, a.File, a.SHA256)
	}
	if a.New && inv.FreeBytes >= 0 {
		inv.FreeBytes = max(0, inv.FreeBytes-int64(len(v.Bytes)))
	}
	edit(inv, v.SID, func(account *photopush.Account) { addFile(account, v) })
	return nil
}

// applyWritten notes the values that were read back, and wants the permissions of the key to be as before.
func applyWritten(inv *photopush.Inventory, v Verb, a Answer) error {
	edit(inv, v.User(), func(account *photopush.Account) {
		account.State, account.Values = a.State, a.Values
		account.Changed = time.Time{} // of files of others: when, is for the next inventory to say
		switch {
		case a.Rung == rungACE:
			account.ACL = a.After
		case a.State == photopush.StateAbsent:
			account.ACL = ""
		}
	})
	if a.Rung != rungACE {
		return nil
	}
	return asBefore(v.Name(), v.User(), a.Before, a.After)
}

func applyTightened(inv *photopush.Inventory, v TightenACL, a Answer) error {
	if sumOf(a.Before) != v.Sum {
		return mismatch("the permissions of %s were not those that should be changed", v.Key)
	}
	setACL(inv, v.Key, a.After)
	return nil
}

// setACL notes owner and DACL of a key; empty where they are not known. What a key below KeyUsers inherits changes with it.
func setACL(inv *photopush.Inventory, key, sddl string) {
	if key != KeyUsers {
		edit(inv, photopush.SID(key), func(account *photopush.Account) { account.ACL = sddl })
		return
	}
	inv.UsersACL = sddl
	for i := range inv.Accounts {
		if acl, err := ParseSDDL(inv.Accounts[i].ACL); err != nil || !acl.Protected {
			inv.Accounts[i].ACL = ""
		}
	}
}

// applyRecovered: no journal is left. Users that the inventory does not know are not believed in.
func applyRecovered(inv *photopush.Inventory, a Answer) error {
	var errs []error
	for i := range inv.Accounts {
		inv.Accounts[i].Journal = false
	}
	for _, u := range a.Undone {
		if !slices.ContainsFunc(inv.Accounts, func(account photopush.Account) bool { return account.SID == u.SID }) {
			continue
		}
		edit(inv, u.SID, func(account *photopush.Account) { account.ACL = u.After })
		if u.After != "" {
			errs = append(errs, asBefore(Recover{}.Name(), u.SID, u.ACL, u.After))
		}
	}
	return errors.Join(errs...)
}

// notLater takes times out of the future, which a wrong clock there gives, back to now.
func notLater(taken *photopush.Inventory, now time.Time) {
	taken.Profiles, taken.Accounts = slices.Clone(taken.Profiles), slices.Clone(taken.Accounts)
	for i := range taken.Profiles {
		if t := &taken.Profiles[i].LastUse; t.After(now) {
			*t = now
		}
	}
	for i := range taken.Accounts {
		if t := &taken.Accounts[i].Changed; t.After(now) {
			*t = now
		}
	}
}

// edit changes the account of a user in place, in the order of SIDs; it makes one where there is none.
func edit(inv *photopush.Inventory, sid photopush.SID, change func(*photopush.Account)) {
	i, found := slices.BinarySearchFunc(inv.Accounts, sid, func(a photopush.Account, sid photopush.SID) int { return cmp.Compare(a.SID, sid) })
	if !found {
		inv.Accounts = slices.Insert(inv.Accounts, i, photopush.Account{SID: sid, State: photopush.StateAbsent})
	}
	change(&inv.Accounts[i])
}

func addFile(account *photopush.Account, v PutFile) {
	file := photopush.File{Name: v.File, Length: int64(len(v.Bytes)), SHA256: v.SHA256}
	i, found := slices.BinarySearchFunc(account.Files, v.File, func(f photopush.File, name string) int { return cmp.Compare(f.Name, name) })
	if found {
		account.Files = slices.Clone(account.Files)
		account.Files[i] = file
		return
	}
	account.Files = slices.Insert(slices.Clone(account.Files), i, file)
}

func sameNames(a, b []string) bool {
	a, b = slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b))
	return slices.Equal(a, b)
}
