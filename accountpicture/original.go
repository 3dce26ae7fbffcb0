package accountpicture

import (
	"slices"
	"strings"

	"github.com/photopush/photopush"
)

// Original is what a user had before our first write, to be kept before it: his values as they are, empty where he has none. It is
// nil when one of them names a place of ours: then that write was made already, and the workstation cannot tell what it replaced.
func Original(inv *photopush.Inventory, sid photopush.SID) []photopush.Value {
	place := strings.ToLower(folder(inv, sid) + `\`)
	values := inv.Account(sid).Values
	if slices.ContainsFunc(values, func(v photopush.Value) bool { return strings.HasPrefix(strings.ToLower(v.Data), place) }) {
		return nil
	}
	return append([]photopush.Value{}, values...)
}
