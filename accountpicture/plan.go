package accountpicture

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A Wish is the picture that a user should have on a workstation.
type Wish struct {
	User photopush.SID
	Set  *photo.Set
}

// diskMargin is what must be left free on a workstation's disk after a push.
const diskMargin = 64 << 20

// Plan gives the verbs that lead from what the workstation has to what is wished, in the order of SIDs; none for a user in step, nor
// for one who is not Readable. At every instant of their execution every value names a complete file: files that are missing come first,
// then the values that differ, then our own files that no value names any more are deleted. A damaged file is never written over: the
// new one gets the next number in its name. Its errors are of type *photopush.Error: DiskFull when the disk has no room, Internal for
// wishes that cannot be.
func Plan(inv *photopush.Inventory, wishes []Wish) ([]Verb, error) {
	wishes = slices.SortedFunc(slices.Values(wishes), func(a, b Wish) int { return cmp.Compare(a.User, b.User) })
	var verbs []Verb
	var need int64
	for i, w := range wishes {
		if err := w.check(); err != nil {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "plan for", On: string(w.User), Err: err}
		}
		if i > 0 && wishes[i-1].User == w.User {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "plan for", On: string(w.User), Err: fmt.Errorf("two pictures are wished for one user")}
		}
		a := inv.Account(w.User)
		if a.Error != "" {
			continue
		}
		steps, size := planUser(inv, a, w.Set)
		verbs, need = append(verbs, steps...), need+size
	}
	if need > 0 && inv.FreeBytes >= 0 && inv.FreeBytes < need+diskMargin {
		return nil, &photopush.Error{Reason: photopush.DiskFull, Op: "plan for", On: inv.ProgramFiles,
			Err: fmt.Errorf("%s are free, the pictures need %s and %s must be left", photopush.Bytes(inv.FreeBytes), photopush.Bytes(need), photopush.Bytes(diskMargin))}
	}
	return verbs, nil
}

func (w Wish) check() error {
	switch {
	case !w.User.IsAccount():
		return fmt.Errorf("%q is no account", w.User)
	case w.Set == nil || len(w.Set.Variants) == 0:
		return fmt.Errorf("there is no picture")
	}
	for _, v := range w.Set.Variants {
		if _, ok := ParseFileName(variantName(w.Set, v, 0).String()); !ok {
			return fmt.Errorf("a picture of %d px with the digest %q and the hash %q has no name", v.Size, w.Set.Digest, v.SHA256)
		}
	}
	return nil
}

// planUser gives the verbs for one user, and the bytes that they put on his disk.
func planUser(inv *photopush.Inventory, a photopush.Account, set *photo.Set) (verbs []Verb, need int64) {
	files := map[int]string{} // by size of the variant
	for _, v := range set.Variants {
		name, there := place(a, set, v)
		files[v.Size] = name
		if !there {
			verbs = append(verbs, PutFile{SID: a.SID, File: name, Bytes: v.JPEG, SHA256: v.SHA256})
			need += int64(len(v.JPEG))
		}
	}
	state := a.State
	if change := differing(inv, a, set, files); len(change) > 0 {
		verbs = append(verbs, SetValues{SID: a.SID, State: state, Values: change})
		state = State(valuesAfter(inv, a, change))
	}
	if old := leftover(a, files); len(old) > 0 {
		verbs = append(verbs, DeleteFiles{SID: a.SID, State: state, Files: old})
	}
	return verbs, need
}

func variantName(set *photo.Set, v photo.Variant, number int) FileName {
	return FileName{Digest: set.Digest, Hash: v.SHA256[:min(16, len(v.SHA256))], Number: number, Size: v.Size}
}

// place is the name of the variant's file: of one that is there intact, else the first name that nothing has.
func place(a photopush.Account, set *photo.Set, v photo.Variant) (name string, there bool) {
	taken := map[int]bool{}
	want := variantName(set, v, 0)
	for _, f := range a.Files {
		n, _ := ParseFileName(f.Name)
		number := n.Number
		if n.Number = 0; n != want {
			continue
		}
		if f.SHA256 == v.SHA256 && f.Length == int64(len(v.JPEG)) {
			return f.Name, true
		}
		taken[number] = true
	}
	for taken[want.Number] && want.Number < maxNumber {
		want.Number++
	}
	return want.String(), false
}

// differing are the values that do not name the file that they should.
func differing(inv *photopush.Inventory, a photopush.Account, set *photo.Set, files map[int]string) []Named {
	var change []Named
	for _, size := range wantedSizes(a) {
		want := Named{Value: valueName(size), File: files[set.For(size).Size]}
		i := slices.IndexFunc(a.Values, func(v photopush.Value) bool { return v.Name == want.Value })
		if i >= 0 {
			if name, _, ok := ours(inv, a.SID, a.Values[i]); ok && name == want.File {
				continue
			}
		}
		change = append(change, want)
	}
	return change
}

// valuesAfter are the user's values once the change is made.
func valuesAfter(inv *photopush.Inventory, a photopush.Account, change []Named) []photopush.Value {
	var after []photopush.Value
	for _, name := range ValueNames {
		if i := slices.IndexFunc(change, func(n Named) bool { return n.Value == name }); i >= 0 {
			after = append(after, photopush.Value{Name: name, Kind: kindString, Data: folder(inv, a.SID) + `\` + change[i].File})
		} else if i := slices.IndexFunc(a.Values, func(v photopush.Value) bool { return v.Name == name }); i >= 0 {
			after = append(after, a.Values[i])
		}
	}
	return after
}

// leftover are our files of the user that are not in use.
func leftover(a photopush.Account, files map[int]string) []string {
	inUse := map[string]bool{}
	for _, name := range files {
		inUse[name] = true
	}
	var old []string
	for _, f := range a.Files {
		if !inUse[f.Name] {
			old = append(old, f.Name)
		}
	}
	return old
}
