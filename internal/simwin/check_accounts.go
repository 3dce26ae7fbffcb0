package simwin

import (
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
)

// An accountView is what one user's key and folder hold, read at one moment.
type accountView struct {
	sid    photopush.SID
	key    bool
	values []namedFile       // in the order of the names
	files  map[string][]byte // in our folder, by folded path
	paths  map[string]string // the same by folded path, as stored
	folder string
	ours   string // the folder of all our pictures
}

// A namedFile is a value with the file that it names.
type namedFile struct {
	value string
	reg   RegistryValue
	path  string
	data  []byte
	there bool
}

// accounts reads every user with a key or a folder of ours.
func (m *Machine) accounts() []accountView {
	ours := strings.TrimRight(m.programFiles(), `\`) + `\photopush\AccountPictures`
	names := m.Subkeys(pictureUsersKey)
	if folders, err := m.list(ours, true); err == nil {
		for _, f := range folders {
			if !contains(names, f) {
				names = append(names, f)
			}
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	var views []accountView
	for _, name := range names {
		views = append(views, m.account(name, ours))
	}
	return views
}

func (m *Machine) account(sid, ours string) accountView {
	a := accountView{sid: photopush.SID(sid), folder: ours + `\` + sid, ours: ours, files: map[string][]byte{}, paths: map[string]string{}}
	k := m.key(pictureUsersKey + `\` + sid)
	a.key = k != nil
	for name, v := range k.all() {
		if _, image := cutFold(name, "Image"); !image {
			continue
		}
		f := namedFile{value: name, reg: v}
		f.path, _ = v.Text()
		if n := m.find(f.path, true); n != nil && !n.folder() {
			f.data, f.there = n.data, true
		}
		a.values = append(a.values, f)
	}
	slices.SortFunc(a.values, func(x, y namedFile) int { return sizeOf(x.value) - sizeOf(y.value) })
	if n := m.find(a.folder, false); n != nil {
		n.each(a.folder, func(path string, n *node) {
			if !n.folder() {
				a.files[fold(path)], a.paths[fold(path)] = n.data, path
			}
		})
	}
	return a
}

// sizeOf is the size in a value's name: 96 of Image96; -1 where there is none.
func sizeOf(value string) int {
	rest, _ := cutFold(value, "Image")
	size, err := strconv.Atoi(rest)
	if err != nil {
		return -1
	}
	return size
}
