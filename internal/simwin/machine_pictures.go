package simwin

import (
	"fmt"
	"strconv"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
)

// PictureSizes are the sizes of the values that Windows 10 and 11 write when a user picks a picture.
var PictureSizes = []int{32, 40, 48, 64, 96, 192, 208, 240, 424, 448, 1080}

// AddWindowsPicture gives a user an account picture as Windows makes it when he picks one himself: a file per size in
// C:\Users\Public\AccountPictures\<SID>, of which the pixels show number, and a value for each. Values that are there are replaced,
// earlier files of Windows are removed, and Image200 is deleted. The key is made where it is missing, as MakeWindowsKey makes it if the
// options say so.
func (m *Machine) AddWindowsPicture(sid photopush.SID, number uint32) {
	guid := m.newGUID()
	folder := publicFolder + `\AccountPictures\` + string(sid)
	m.Remove(folder)
	key := pictureUsersKey + `\` + string(sid)
	if m.guardedKeys && m.Subkeys(key) == nil {
		m.MakeWindowsKey(sid)
	}
	m.DeleteValue(key, "Image200")
	for _, size := range PictureSizes {
		name := "Image" + strconv.Itoa(size)
		path := folder + `\` + guid + "-" + name + ".jpg"
		m.WriteFile(path, badge.JPEG(number, size, size, 85))
		m.SetAttributes(path, AttrHidden|AttrArchive)
		m.SetValue(key, name, StringValue(path))
	}
}

// newGUID begins the names of the files of one picture.
func (m *Machine) newGUID() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.pictures++
	return fmt.Sprintf("{0E2F5B9C-0000-4A7B-8000-%012X}", m.pictures)
}

// windowsKeySDDL is what keys that Windows makes for users are like: administrators may read them and write their DACL, nothing more;
// not protected, though every entry is its own. No such descriptor is published; this is what scripts that meet one imply.
const windowsKeySDDL = "O:SYD:(A;;KA;;;SY)(A;;KRWD;;;BA)(A;;KR;;;BU)(A;;KR;;;AC)"

// MakeWindowsKey makes the key of a user's picture as Windows itself does, or gives an existing one that descriptor: SYSTEM owns it, and
// an administrator is refused when he sets a value.
func (m *Machine) MakeWindowsKey(sid photopush.SID) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeKey(pictureUsersKey + `\` + string(sid)).security = mustSDDL(windowsKeySDDL)
}
