package accountpicture

import (
	"strings"

	"github.com/photopush/photopush"
)

// An Outside is a value that names a file where none of ours lies, nor one of Windows: somebody else has written it.
type Outside struct {
	User  photopush.SID
	Value photopush.Value
	Kind  OutsideKind
}

// An OutsideKind says what kind of place it is.
type OutsideKind string

const (
	OutsideShare  OutsideKind = "share"  // of another computer: whoever reads it signs in there
	OutsideDevice OutsideKind = "device" // a device path
	OutsideLocal  OutsideKind = "local"  // another place of this computer
)

// Elsewhere are the values that name neither a file in our folder of that user, nor one in the folder where Windows keeps his pictures.
func Elsewhere(inv *photopush.Inventory) []Outside {
	var all []Outside
	for _, a := range inv.Accounts {
		for _, v := range a.Values {
			if kind := outside(inv, a.SID, v.Data); kind != "" {
				all = append(all, Outside{a.SID, v, kind})
			}
		}
	}
	return all
}

// outside is empty for data that names a file in one of the two folders, and for no data.
func outside(inv *photopush.Inventory, sid photopush.SID, data string) OutsideKind {
	path := strings.ReplaceAll(data, "/", `\`)
	windows := `\Users\Public\AccountPictures\` + string(sid)
	switch {
	case data == "", fileIn(folder(inv, sid), data), fileIn(`C:`+windows, data), fileIn(inv.ProgramFiles[:min(2, len(inv.ProgramFiles))]+windows, data):
		return ""
	case hasPrefixFold(path, `\\?\UNC\`), hasPrefixFold(path, `\\.\UNC\`):
		return OutsideShare
	case strings.HasPrefix(path, `\\?\`), strings.HasPrefix(path, `\\.\`), strings.HasPrefix(path, `\??\`):
		return OutsideDevice
	case strings.HasPrefix(path, `\\`):
		return OutsideShare
	}
	return OutsideLocal
}

// fileIn tells whether data is the path of a file right in the folder.
func fileIn(folder, data string) bool {
	return hasPrefixFold(data, folder+`\`) && !strings.ContainsAny(data[len(folder)+1:], `\/:`)
}

// hasPrefixFold ignores the case of ASCII letters, which is all that prefix has.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
