package accountpicture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/photopush/photopush"
)

// A Failure is the answer of a verb that could not be done.
type Failure struct {
	User   photopush.SID // whose verb it was; empty where it concerns the whole run: the lock, the roots, the inventory
	Answer Answer
}

func (f *Failure) Error() string {
	s := f.Answer.Where
	if f.Answer.HResult != 0 {
		s += fmt.Sprintf(", HRESULT 0x%08X", f.Answer.HResult)
	}
	if f.Answer.Message != "" {
		s += ": " + f.Answer.Message
	}
	return s
}

// UnsafeFolder tells whether a folder on the way to the pictures is not safe, or could not be judged.
func (f *Failure) UnsafeFolder() bool { return f.Answer.Where == "guard" }

// FailedUser is the user whose verb failed; false when err is something else, or concerns the whole workstation.
func FailedUser(err error) (photopush.SID, bool) {
	f, ok := errors.AsType[*Failure](err)
	if !ok || f.User == "" {
		return "", false
	}
	return f.User, true
}

// Locked tells whether another run of the script was still at work.
func Locked(err error) bool {
	f, ok := errors.AsType[*Failure](err)
	return ok && f.Answer.Where == "lock"
}

// Apply gives the inventory as it is after a run of the verbs: what was read back, and nothing that was only hoped for. inv, what was
// known before, is not changed; it may be nil when the first verb is TakeInventory. When the run stopped at a failure, or its answers are
// not those of the verbs, the inventory is what the answers up to there prove, and the error, a *photopush.Error, says why. A user whose
// values may have changed without being read back is not Readable afterwards.
func Apply(inv *photopush.Inventory, verbs []Verb, answers []Answer, now time.Time) (*photopush.Inventory, error) {
	if inv != nil {
		copied := *inv
		copied.Accounts = slices.Clone(inv.Accounts)
		inv = &copied
	}
	for i, v := range verbs {
		if i >= len(answers) {
			return inv, mismatch("%d of %d verbs were answered", len(answers), len(verbs))
		}
		a := answers[i]
		if !a.OK {
			return failed(inv, v, a)
		}
		if a.Verb != v.Name() || a.SID != v.User() {
			return inv, mismatch("%s for %q was answered by %s for %q", v.Name(), v.User(), a.Verb, a.SID)
		}
		if inv == nil && v.Changes() {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "apply " + v.Name(), Err: errors.New("nothing is known of the workstation")}
		}
		var err error
		if inv, err = apply(inv, v, a, now); err != nil {
			return inv, err
		}
	}
	if len(answers) > len(verbs) {
		return inv, mismatch("%d verbs have %d answers", len(verbs), len(answers))
	}
	return inv, nil
}

func mismatch(format string, args ...any) error {
	return &photopush.Error{Reason: photopush.Script, Op: "read answer", Err: fmt.Errorf(format, args...)}
}

func failed(inv *photopush.Inventory, v Verb, a Answer) (*photopush.Inventory, error) {
	f := &Failure{Answer: a}
	if v.Changes() && a.Verb == v.Name() && !wholeRun[a.Where] {
		f.User = v.User()
	}
	if _, ok := v.(SetValues); ok && inv != nil && halfway[a.Where] {
		edit(inv, v.User(), func(account *photopush.Account) {
			account.Error = "the result of a set_values that stopped at " + a.Where
		})
	}
	return inv, &photopush.Error{Reason: a.Reason, Op: v.Name(), On: string(v.User()), Err: f}
}

// wholeRun are the steps that stop any verb of any user; halfway those after which values may have changed.
var (
	wholeRun = map[string]bool{"lock": true, "roots": true, "Enter-Lock": true, "bootstrap": true}
	halfway  = map[string]bool{"New-PictureKey": true, "Set-PictureValue": true, "values": true}
)

func apply(inv *photopush.Inventory, v Verb, a Answer, now time.Time) (*photopush.Inventory, error) {
	switch v := v.(type) {
	case TakeInventory:
		taken := *a.Inventory
		taken.Taken = now
		taken.Profiles = notLater(taken.Profiles, now)
		return &taken, nil
	case PutFile:
		if a.File != v.File || a.SHA256 != v.SHA256 {
			return inv, mismatch("%s was read back as %s with the hash %s", v.File, a.File, a.SHA256)
		}
		if a.New && inv.FreeBytes >= 0 {
			inv.FreeBytes = max(0, inv.FreeBytes-int64(len(v.Bytes)))
		}
		edit(inv, v.SID, func(account *photopush.Account) { addFile(account, v) })
	case SetValues:
		edit(inv, v.SID, func(account *photopush.Account) { account.State, account.Values = a.State, a.Values })
	case DeleteFiles:
		if gone := slices.Concat(a.Deleted, a.Kept); len(gone) != len(v.Files) || !sameNames(gone, v.Files) {
			return inv, mismatch("%d files should be deleted, others were", len(v.Files))
		}
		edit(inv, v.SID, func(account *photopush.Account) {
			account.Files = slices.DeleteFunc(slices.Clone(account.Files), func(f photopush.File) bool { return slices.Contains(a.Deleted, f.Name) })
		})
	}
	return inv, nil
}

// notLater takes times out of the future, which a wrong clock there gives, back to now.
func notLater(profiles []photopush.Profile, now time.Time) []photopush.Profile {
	profiles = slices.Clone(profiles)
	for i := range profiles {
		if profiles[i].LastUse.After(now) {
			profiles[i].LastUse = now
		}
	}
	return profiles
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
