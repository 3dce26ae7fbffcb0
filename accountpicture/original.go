package accountpicture

import (
	"regexp"
	"slices"

	"github.com/photopush/photopush"
)

// Original is what a user had before our first write, to be kept before it: his values as they are, empty where he has none. It is
// nil when one of them names a place of ours: then that write was made already, and the workstation cannot tell what it replaced.
func Original(inv *photopush.Inventory, sid photopush.SID) []photopush.Value {
	values := inv.Account(sid).Values
	if slices.ContainsFunc(values, func(v photopush.Value) bool { return inFolder(inv, sid, v.Data) }) {
		return nil
	}
	return append([]photopush.Value{}, values...)
}

// inFolder tells whether a value's data lies in our folder of the user, as the script decides it.
func inFolder(inv *photopush.Inventory, sid photopush.SID, data string) bool {
	return hasPrefixFold(data, folder(inv, sid)+`\`)
}

// deletable tells whether a value is ours to delete: of our kind, in our folder.
func deletable(inv *photopush.Inventory, sid photopush.SID, v photopush.Value) bool {
	return v.Kind == kindString && inFolder(inv, sid, v.Data)
}

// plainPath is the path of a file on a drive of the workstation: no share, device or stream (docs/script.md, changed).
var plainPath = regexp.MustCompile(`\A[A-Za-z]:\\[^/:*?"<>|\x00-\x1f]{1,250}\.(?i:jpe?g|png|bmp|gif)\z`)

// restorable are how many of an account's values could be put back if they were kept now, as far as that is known: it is where at least one
// of their files is there. Whether each of them is, the script looks when it puts them back.
func restorable(a photopush.Account) int {
	n := 0
	for _, v := range a.Values {
		if v.Kind == kindString && plainPath.MatchString(v.Data) {
			n++
		}
	}
	if a.Changed.IsZero() {
		return 0
	}
	return n
}
