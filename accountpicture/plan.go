package accountpicture

import (
	"cmp"
	"errors"
	"fmt"
	"slices"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A Wish is the picture that a user should have on a workstation.
type Wish struct {
	User    photopush.SID
	Set     *photo.Set // nil for no picture of ours: then what was there before us comes back, where it is kept and nobody has put another one there
	Restore bool       // with Set nil: what was there before us comes back whatever is there now; refused where nothing of it is left
}

// Options are the section registry of the configuration: how the keys of account pictures are written.
type Options struct {
	TemporaryEntry bool `yaml:"temporary_permission" default:"true" help:"Where Windows lets not even administrators set a user's picture: let the script add a permission for Administrators to the key of this user alone, and take it off again in the same run. Never done on a key that users can change."`
}

// Validate reports every fault: there can be none.
func (o *Options) Validate(string) error { return nil }

// diskMargin is what must be left free on a workstation's disk after a push.
const diskMargin = 64 << 20

// Plan gives the verbs that lead from what the workstation has to what is wished: first the pictures, then what is taken back, each in the order
// of SIDs; none for a user in step, nor for one who is not Readable. At every instant of their execution every value names a complete
// file: files that are missing come first, then the values that differ, then our own files that no value names any more are deleted. A
// damaged file is never written over: the new one gets the next number in its name. What an interrupted run has left is recovered first.
// Its errors are of type *photopush.Error: DiskFull when the disk has no room, Conflict when nothing is kept that could be restored, Denied when it must not be on that key, Internal
// for wishes that cannot be.
//
// How many runs it takes, Batches says.
func Plan(inv *photopush.Inventory, wishes []Wish, opts Options) ([]Verb, error) {
	wishes = slices.SortedFunc(slices.Values(wishes), func(a, b Wish) int { return cmp.Compare(a.User, b.User) })
	var puts, removals []Verb
	var need int64
	for i, w := range wishes {
		if err := w.check(); err != nil {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "plan for", On: string(w.User), Err: err}
		}
		if i > 0 && wishes[i-1].User == w.User {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "plan for", On: string(w.User), Err: errors.New("two pictures are wished for one user")}
		}
		u := planFor(inv, w.User, opts)
		switch {
		case u.account.Error != "":
		case w.Set != nil:
			steps, size := u.put(w.Set)
			puts, need = append(puts, steps...), need+size
		case w.Restore && u.account.Earlier == 0 && (u.shows() || u.account.Saved != ""): // else only our files are left of one that was restored
			return nil, &photopush.Error{Reason: photopush.Conflict, Op: "restore picture of", On: string(w.User), Err: errors.New("nothing is kept there of before that could be put back")}
		case w.Restore && u.account.Saved != "" && !u.restorable():
			return nil, &photopush.Error{Reason: photopush.Denied, Op: "restore picture of", On: string(w.User), Err: &photopush.Cause{
				What: "his key may be written by users, or its permissions cannot be judged", Do: "run `photopush repair-acl` first"}}
		default:
			removals = append(removals, u.remove(w.Restore)...)
		}
	}
	if need > 0 && inv.FreeBytes >= 0 && inv.FreeBytes < need+diskMargin {
		return nil, &photopush.Error{Reason: photopush.DiskFull, Op: "plan for", On: inv.ProgramFiles,
			Err: fmt.Errorf("%s are free, the pictures need %s and %s must be left", photopush.Bytes(inv.FreeBytes), photopush.Bytes(need), photopush.Bytes(diskMargin))}
	}
	return slices.Concat(recoverFirst(inv), puts, removals), nil
}

// recoverFirst is Recover where a journal is known: a failure of it is then nobody's of the verbs that follow.
func recoverFirst(inv *photopush.Inventory) []Verb {
	if slices.ContainsFunc(inv.Accounts, func(a photopush.Account) bool { return a.Journal }) {
		return []Verb{Recover{}}
	}
	return nil
}

// Batches splits verbs into those of one run each, in their order: a run has one script, and each script knows some verbs only.
func Batches(verbs []Verb) [][]Verb {
	var batches [][]Verb
	begin := 0
	for i := range verbs {
		if _, err := scriptOf(verbs[begin : i+1]); err != nil && i > begin {
			batches, begin = append(batches, verbs[begin:i:i]), i
		}
	}
	if begin < len(verbs) {
		batches = append(batches, verbs[begin:])
	}
	return batches
}

func (w Wish) check() error {
	switch {
	case !w.User.IsAccount():
		return fmt.Errorf("%q is no account", w.User)
	case w.Set == nil:
		return nil
	case w.Restore:
		return errors.New("a picture is wished, and the one before it")
	case len(w.Set.Variants) == 0:
		return errors.New("there is no picture")
	}
	for _, v := range w.Set.Variants {
		if _, ok := ParseFileName(variantName(w.Set, v, 0).String()); !ok {
			return fmt.Errorf("a picture of %d px with the digest %q and the hash %q has no name", v.Size, w.Set.Digest, v.SHA256)
		}
	}
	return nil
}

// Interrupted tells whether a run was ended there that had changed the permissions of a key: the next plan undoes that, also where nothing
// else is to be done.
func Interrupted(inv *photopush.Inventory) bool { return len(recoverFirst(inv)) > 0 }
