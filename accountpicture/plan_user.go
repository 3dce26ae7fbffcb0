package accountpicture

import (
	"slices"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A userPlan is the plan for one user: the account as it will be after the verbs so far. Each verb expects what the ones before it leave.
type userPlan struct {
	inv     *photopush.Inventory
	account photopush.Account
	rungs   Rungs
	verbs   []Verb
}

// planFor begins the plan for a user. On a key that users can write, or that nobody can judge, the temporary entry is not for us: it may be
// a link to another key.
func planFor(inv *photopush.Inventory, sid photopush.SID, opts Options) *userPlan {
	p := &userPlan{inv: inv, account: inv.Account(sid), rungs: RungPlain}
	if opts.TemporaryEntry && closed(inv, p.account) {
		p.rungs = RungsToEntry
	}
	return p
}

// put gives the verbs that show the picture set, and the bytes that they put on the disk.
func (p *userPlan) put(set *photo.Set) (verbs []Verb, need int64) {
	a := p.account
	if p.unsaved() {
		p.verbs = append(p.verbs, SaveOriginal{SID: a.SID, State: a.State})
	}
	files := map[int]string{} // by size of the variant
	for _, v := range set.Variants {
		name, there := p.place(set, v)
		files[v.Size] = name
		if !there {
			p.verbs = append(p.verbs, PutFile{SID: a.SID, File: name, Bytes: v.JPEG, SHA256: v.SHA256})
			need += int64(len(v.JPEG))
		}
	}
	if change := differing(p.inv, a, set, files); len(change) > 0 {
		p.verbs = append(p.verbs, SetValues{SID: a.SID, State: a.State, Rungs: p.rungs, Values: change})
		p.becomes(valuesAfter(p.inv, a, change))
	}
	p.deleteFiles(func(name string) bool { return inUse(files, name) })
	return p.verbs, need
}

// unsaved tells whether what the user has now must be kept before it is written over: it is not ours, and not kept yet. No value at all is no choice
// of his: a picture that is kept, and could be put back, is not given up for it.
func (p *userPlan) unsaved() bool {
	a := p.account
	original := Original(p.inv, a.SID)
	return original != nil && a.Saved != a.State && (len(original) > 0 || a.Saved == "" || a.Earlier == 0)
}

// remove gives the verbs after which nothing of ours is there. What was there before comes back where it is kept and nobody has chosen
// another picture since; with restore, in any case.
func (p *userPlan) remove(restore bool) []Verb {
	a := p.account
	var ours []string
	foreign, others := false, false // values that are not ours; those that are not Windows' either
	for _, v := range a.Values {
		foreign = foreign || !inFolder(p.inv, a.SID, v.Data)
		others = others || outside(p.inv, a.SID, v.Data) != ""
		if deletable(p.inv, a.SID, v) {
			ours = append(ours, v.Name)
		}
	}
	switch {
	case p.restorable() && (restore && a.Saved != "" || a.Saved != "" && (!foreign || !others && len(ours) > 0 && a.Earlier > 0)): // the latter: a run that was ended has put a part of it back
		p.restore()
	case len(ours) > 0:
		p.deleteValues(ours)
	}
	p.deleteFiles(p.named)
	return p.verbs
}

// restorable tells whether what is kept may be put back: not on a key that users can have made or changed. It may be a link to another key, where a
// value that a user has chosen is what Windows executes, and an empty key is not ours to delete.
func (p *userPlan) restorable() bool {
	a := p.account
	return closedKey(p.inv.UsersACL) && (a.State == photopush.StateAbsent || closedKey(a.ACL))
}

// shows tells whether a value of the user names a place of ours.
func (p *userPlan) shows() bool {
	return slices.ContainsFunc(p.account.Values, func(v photopush.Value) bool { return inFolder(p.inv, p.account.SID, v.Data) })
}

func (p *userPlan) deleteValues(names []string) {
	a := p.account
	p.verbs = append(p.verbs, DeleteValues{SID: a.SID, State: a.State, Rungs: p.rungs, Values: names})
	p.becomes(slices.DeleteFunc(slices.Clone(a.Values), func(v photopush.Value) bool { return slices.Contains(names, v.Name) }))
}

// restore puts back what is kept. The inventory tells how much of it is left, and not what it is: all of it as a rule, or nothing, since Windows
// deletes the files of a picture together. Where it is a part, or the key cannot be deleted, the verb after it finds another state than
// it expects; then the inventory has the true one.
func (p *userPlan) restore() {
	a := p.account
	p.verbs = append(p.verbs, RestoreOriginal{SID: a.SID, State: a.State, Rungs: p.rungs, Saved: a.Saved})
	switch {
	case a.Earlier > 0:
		p.account.Values, p.account.State = nil, a.Saved // which values these are does not matter: none of them is ours
	case a.State == photopush.StateAbsent || a.Saved == photopush.StateAbsent:
		p.account.Values, p.account.State = nil, photopush.StateAbsent
	default:
		p.becomes(nil)
	}
}

// becomes notes the values that an existing key has from now on.
func (p *userPlan) becomes(values []photopush.Value) {
	p.account.Values, p.account.State = values, State(values)
}

// deleteFiles deletes our files that are not to be kept.
func (p *userPlan) deleteFiles(keep func(name string) bool) {
	var old []string
	for _, f := range p.account.Files {
		if !keep(f.Name) {
			old = append(old, f.Name)
		}
	}
	if len(old) > 0 {
		p.verbs = append(p.verbs, DeleteFiles{SID: p.account.SID, State: p.account.State, Files: old})
	}
}

// named tells whether a value has data that ends in the name of the file: the script keeps such a file, wherever that value says it lies.
func (p *userPlan) named(file string) bool {
	return slices.ContainsFunc(p.account.Values, func(v photopush.Value) bool {
		return strings.EqualFold(v.Data[strings.LastIndexAny(v.Data, `\/`)+1:], file)
	})
}

func variantName(set *photo.Set, v photo.Variant, number int) FileName {
	return FileName{Digest: set.Digest, Hash: v.SHA256[:min(16, len(v.SHA256))], Number: number, Size: v.Size}
}

// place is the name of the variant's file: of one that is there intact, else the first name that nothing has.
func (p *userPlan) place(set *photo.Set, v photo.Variant) (name string, there bool) {
	a := p.account
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
	for _, v := range a.Values { // what a value names is complete, or is not written: it would be incomplete for a moment
		_, n, ok := ours(p.inv, a.SID, v)
		number := n.Number
		if n.Number = 0; ok && n == want {
			taken[number] = true
		}
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

// inUse tells whether a value names the file: files are those of the picture set, by size.
func inUse(files map[int]string, name string) bool {
	for _, f := range files {
		if f == name {
			return true
		}
	}
	return false
}
