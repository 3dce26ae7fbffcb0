package accountpicture

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
)

// A FileName is the name of a picture file of ours, in its parts:
// 5f8a…(32)-9c1e…(16)-Image96.jpg, or 5f8a…-9c1e…-2-Image96.jpg where a damaged file has the first name.
type FileName struct {
	Digest string // of the picture set, 32 lower-case hex digits
	Hash   string // the first 16 hex digits of the SHA-256 of the file
	Number int    // 0, or 1 to 999 when a damaged file has the name before, or a value names a file that is gone
	Size   int    // of the picture in pixels; Windows' own repair looks for Image<size> in names
}

var fileName = regexp.MustCompile(`\A([0-9a-f]{32})-([0-9a-f]{16})(?:-([1-9][0-9]{0,2}))?-Image(32|40|48|64|96|192|200|208|240|424|448|1080)\.jpg\z`)

// maxNumber is the largest number in a file's name.
const maxNumber = 999

func (n FileName) String() string {
	number := ""
	if n.Number > 0 {
		number = "-" + strconv.Itoa(n.Number)
	}
	return fmt.Sprintf("%s-%s%s-Image%d.jpg", n.Digest, n.Hash, number, n.Size)
}

// ParseFileName reads a name; ok is false for one that is not of our making.
func ParseFileName(name string) (n FileName, ok bool) {
	m := fileName.FindStringSubmatch(name)
	if m == nil {
		return FileName{}, false
	}
	n.Digest, n.Hash = m[1], m[2]
	n.Number, _ = strconv.Atoi("0" + m[3])
	n.Size, _ = strconv.Atoi(m[4])
	return n, true
}

// intact tells whether a file has the content that its name tells.
func intact(f photopush.File) bool {
	n, ok := ParseFileName(f.Name)
	return ok && f.Length > 0 && len(f.SHA256) == 64 && strings.HasPrefix(f.SHA256, n.Hash)
}

// folder is where the files of a user lie on a workstation.
func folder(inv *photopush.Inventory, sid photopush.SID) string {
	return inv.ProgramFiles + `\photopush\AccountPictures\` + string(sid)
}

// ours is the file of ours that a value of the user names; ok is false when it names something else.
func ours(inv *photopush.Inventory, sid photopush.SID, v photopush.Value) (name string, n FileName, ok bool) {
	dir := folder(inv, sid) + `\`
	if v.Kind != kindString || len(v.Data) <= len(dir) || !strings.EqualFold(v.Data[:len(dir)], dir) {
		return "", FileName{}, false
	}
	name = strings.ToLower(v.Data[len(dir):])
	name = strings.Replace(name, "-image", "-Image", 1)
	n, ok = ParseFileName(name)
	return name, n, ok
}

// findFile is the user's file of that name; nil when it is not there.
func findFile(a photopush.Account, name string) *photopush.File {
	i := slices.IndexFunc(a.Files, func(f photopush.File) bool { return f.Name == name })
	if i < 0 {
		return nil
	}
	return &a.Files[i]
}
