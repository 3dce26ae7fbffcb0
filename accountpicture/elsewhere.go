package accountpicture

import (
	"strings"

	"github.com/photopush/photopush"
)

// Elsewhere are the values that name neither a file in our folder of that user, nor one in the folder where Windows keeps his pictures.
func Elsewhere(inv *photopush.Inventory) []photopush.Elsewhere {
	var all []photopush.Elsewhere
	for _, a := range inv.Accounts {
		for _, v := range a.Values {
			if kind := outside(inv, a.SID, v.Data); kind != "" {
				all = append(all, photopush.Elsewhere{User: a.SID, Value: v, Kind: kind})
			}
		}
	}
	return all
}

// outside is empty for data that names a file in one of the two folders, and for no data.
func outside(inv *photopush.Inventory, sid photopush.SID, data string) photopush.ElsewhereKind {
	path := strings.ReplaceAll(data, "/", `\`)
	windows := `\Users\Public\AccountPictures\` + string(sid)
	switch {
	case data == "", fileIn(folder(inv, sid), data), fileIn(`C:`+windows, data), fileIn(inv.ProgramFiles[:min(2, len(inv.ProgramFiles))]+windows, data):
		return ""
	case hasPrefixFold(path, `\\?\UNC\`), hasPrefixFold(path, `\\.\UNC\`):
		return photopush.ElsewhereShare
	case strings.HasPrefix(path, `\\?\`), strings.HasPrefix(path, `\\.\`), strings.HasPrefix(path, `\??\`):
		return photopush.ElsewhereDevice
	case strings.HasPrefix(path, `\\`):
		return photopush.ElsewhereShare
	}
	return photopush.ElsewhereLocal
}

// fileIn tells whether data is the path of a file right in the folder.
func fileIn(folder, data string) bool {
	return hasPrefixFold(data, folder+`\`) && !strings.ContainsAny(data[len(folder)+1:], `\/:`)
}

// hasPrefixFold ignores the case of ASCII letters, which is all that prefix has.
func hasPrefixFold(s, prefix string) bool {
	return len(s) >= len(prefix) && strings.EqualFold(s[:len(prefix)], prefix)
}
