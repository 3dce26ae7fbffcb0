package accountpicture

import (
	"fmt"
	"slices"

	"github.com/photopush/photopush"
)

// Have is the digest of the picture set of ours that the user has: every value that Windows reads names the file of its size, and every
// such file is there with the content that its name tells. Else it is the word for what he has (photopush.HaveNothing and so on); only what
// the inventory proves counts.
func Have(inv *photopush.Inventory, sid photopush.SID) string {
	a := inv.Account(sid)
	if a.Error != "" {
		return photopush.HaveUnknown
	}
	if digest := complete(inv, a); digest != "" {
		return digest
	}
	own, foreign := len(a.Files) > 0, false
	for _, v := range a.Values {
		if _, _, ok := ours(inv, sid, v); ok {
			own = true
		} else {
			foreign = true
		}
	}
	switch {
	case own && foreign:
		return photopush.HaveOverwritten
	case own:
		return photopush.HavePart
	case foreign:
		return photopush.HaveOther
	}
	return photopush.HaveNothing
}

// complete is the digest of the picture set that every value shows; empty where they do not show one.
func complete(inv *photopush.Inventory, a photopush.Account) string {
	var digest string
	for i, size := range wantedSizes(a) {
		n, ok := named(inv, a, valueName(size))
		if i == 0 {
			digest = n.Digest
		}
		if !ok || n.Digest != digest || n.Size != nearest(intactSizes(a, digest), size) {
			return ""
		}
	}
	return digest
}

// wantedSizes are the sizes of the values that the user should have: Image200 only where it is there already.
func wantedSizes(a photopush.Account) []int {
	sizes := slices.Clone(Sizes)
	if slices.ContainsFunc(a.Values, func(v photopush.Value) bool { return v.Name == valueName(oldSize) }) {
		sizes = append(sizes, oldSize)
	}
	return sizes
}

// named is the intact file of ours that a value names.
func named(inv *photopush.Inventory, a photopush.Account, value string) (FileName, bool) {
	i := slices.IndexFunc(a.Values, func(v photopush.Value) bool { return v.Name == value })
	if i < 0 {
		return FileName{}, false
	}
	file, n, ok := ours(inv, a.SID, a.Values[i])
	if !ok {
		return FileName{}, false
	}
	f := findFile(a, file)
	return n, f != nil && intact(*f)
}

// intactSizes are the sizes of the picture set that are there.
func intactSizes(a photopush.Account, digest string) []int {
	var sizes []int
	for _, f := range a.Files {
		if n, ok := ParseFileName(f.Name); ok && n.Digest == digest && intact(f) {
			sizes = append(sizes, n.Size)
		}
	}
	return sizes
}

// nearest is the smallest of the sizes that is not smaller than size, else the largest, as photo.Set.For chooses; 0 of none.
func nearest(sizes []int, size int) int {
	above, below := 0, 0
	for _, s := range sizes {
		if s >= size && (above == 0 || s < above) {
			above = s
		}
		below = max(below, s)
	}
	if above > 0 {
		return above
	}
	return below
}

// Overwritten are the values of a user to whom we had given a picture, that name something else by now: the user, a Microsoft
// account, or another tool was there. Nil where we never wrote, or where every value is ours.
func Overwritten(inv *photopush.Inventory, sid photopush.SID) []photopush.Value {
	a := inv.Account(sid)
	if len(a.Files) == 0 {
		return nil
	}
	var foreign []photopush.Value
	for _, v := range a.Values {
		if _, _, ok := ours(inv, sid, v); !ok {
			foreign = append(foreign, v)
		}
	}
	return foreign
}

// Readable is nil when all of the user's picture could be read; else an error with the reason Denied. Such a user has nothing that
// could be believed, and Plan leaves him out.
func Readable(inv *photopush.Inventory, sid photopush.SID) error {
	a := inv.Account(sid)
	if a.Error == "" {
		return nil
	}
	return &photopush.Error{Reason: photopush.Denied, Op: "read picture of", On: string(sid), Err: fmt.Errorf("%s could not be read", a.Error)}
}
