package simwin

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush/internal/badge"
)

// sizesOf are the sizes that a build of Windows writes. Which build of Windows 10 added the last four is not known to us: early ones
// write seven, recent ones eleven, and the border here is a guess.
func sizesOf(build int) []int {
	switch {
	case build < 10240: // 8 and 8.1
		return []int{40, 96, 200, 240, 448}
	case build < 19041:
		return []int{32, 40, 48, 96, 192, 240, 448}
	}
	return PictureSizes
}

// ChangePicture is what happens when he picks a picture in the settings: Windows' broker, which runs as SYSTEM, writes new files into
// C:\Users\Public\AccountPictures\<SID>, all values that this build knows, deletes Image200 (Windows 10 and later), and then his older
// files there. The pixels show number. The broker goes by paths, and follows what links it meets on them.
func (u *User) ChangePicture(number uint32) error {
	var did Counters // the broker's, which nobody asks for
	b := actor{u.m, system, &did}
	folder := publicFolder + `\AccountPictures\` + string(u.sid)
	u.m.mu.Lock()
	u.m.makeFolders(folder)
	u.m.mu.Unlock()
	older, err := b.list(folder, false)
	if err != nil {
		return err
	}
	build, _ := u.m.Value(currentVersionNT, "CurrentBuildNumber")
	text, _ := build.Text()
	n, err := strconv.Atoi(text)
	if err != nil {
		return err
	}
	if err := b.savePicture(u, folder, sizesOf(n), number); err != nil {
		return err
	}
	for _, name := range older {
		if strings.HasPrefix(name, "{") {
			err = errors.Join(err, b.deleteFile(folder+`\`+name))
		}
	}
	return err
}

// savePicture writes files and values.
func (b actor) savePicture(u *User, folder string, sizes []int, number uint32) error {
	key := pictureUsersKey + `\` + string(u.sid)
	if b.m.guardedKeys && b.m.Subkeys(key) == nil {
		b.m.MakeWindowsKey(u.sid)
	}
	h, err := b.createKey(key)
	if err != nil {
		return err
	}
	guid := b.m.newGUID()
	for _, size := range sizes {
		name := "Image" + strconv.Itoa(size)
		path := folder + `\` + guid + "-" + name + ".jpg"
		if err := b.putFile(path, badge.JPEG(number, size, size, 85)); err != nil {
			return err
		}
		b.m.SetAttributes(path, AttrHidden|AttrArchive)
		if err := b.setValue(h, name, StringValue(path)); err != nil {
			return err
		}
	}
	if !slices.Contains(sizes, 200) {
		b.deleteValue(h, "Image200")
	}
	return nil
}

func (b actor) putFile(path string, data []byte) error {
	f, err := b.openFile(path, createNew, fileWriteData, 0)
	if err != nil {
		return err
	}
	defer b.close(f)
	return b.write(f, data)
}
