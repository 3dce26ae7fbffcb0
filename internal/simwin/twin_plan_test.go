package simwin

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
)

// The people of the plans. What is planned for them is worked out here, from what a workstation holds, and of nothing but lines.
const (
	guardedSID  = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1011") // Windows made his key, which refuses
	newSID      = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1012") // has nothing
	oldSID      = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1013") // has an older picture of ours, and a key that is open
	leftoverSID = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1014") // has a file of ours alone
)

var pushed = map[photopush.SID]uint32{guardedSID: 1011, newSID: 1012, oldSID: 1013}

// drawn are the pictures of a number, by size.
var drawn = sync.OnceValue(func() map[uint32]map[int][]byte {
	all := map[uint32]map[int][]byte{}
	for _, number := range []uint32{7, 1011, 1012, 1013} {
		all[number] = map[int][]byte{}
		for _, size := range drawnSizes {
			all[number][size] = badge.JPEG(number, size, size, 85)
		}
	}
	return all
})

// drawnSizes are those of the files; greater values name the largest.
var drawnSizes = []int{32, 40, 48, 64, 96}

func drawnSize(size int) int { return min(size, 96) }

// office is a workstation before the first push.
func office(t *testing.T) *Machine {
	m := NewMachine(MachineOptions{})
	check(t, m.SecureKey(pictureUsersKey, "O:BAD:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KA;;;BU)(A;CI;KR;;;AC)"))
	for _, size := range PictureSizes {
		path := fmt.Sprintf(`%s\AccountPictures\%s\{1}-Image%d.jpg`, publicFolder, guardedSID, size)
		m.WriteFile(path, drawn()[7][96])
		m.SetValue(userKey(string(guardedSID)), fmt.Sprint("Image", size), StringValue(path))
		setPicture(m, oldSID, size, digest, drawn()[1013][drawnSize(size)], drawnSize(size))
	}
	m.MakeWindowsKey(guardedSID)
	check(t, m.SecureKey(userKey(string(oldSID)), "O:"+string(oldSID)+"D:P(A;;KA;;;SY)(A;;KA;;;BA)(A;;KA;;;WD)"))
	m.WriteFile(ourPics+`\`+string(leftoverSID)+`\`+fileName(small, 32), small)
	for _, path := range []string{ourHome, ourPics, ourPics + `\` + string(oldSID), ourPics + `\` + string(leftoverSID)} {
		check(t, m.SecurePath(path, pictureFolderSDDL))
	}
	return m
}

// clone is a workstation like m, on which nothing is open.
func (m *Machine) clone() *Machine {
	c := NewMachine(MachineOptions{})
	m.mu.Lock()
	defer m.mu.Unlock()
	for hive, root := range m.hives {
		c.hives[hive] = root.clone(nil)
	}
	c.drive = m.drive.clone()
	return c
}

func (k *regKey) clone(parent *regKey) *regKey {
	c := newKey(k.name, parent, k.security)
	c.link, c.values = k.link, maps.Clone(k.values)
	for folded, sub := range k.subkeys {
		c.subkeys[folded] = sub.clone(c)
	}
	return c
}

func (n *node) clone() *node {
	c := *n
	c.handles = map[*fileHandle]bool{}
	if n.children != nil {
		c.children = map[string]*node{}
	}
	for folded, child := range n.children {
		c.children[folded] = child.clone()
	}
	return &c
}

// planPush has every verb of the script that pushes.
func planPush(m *Machine) []string {
	lines := []string{"recover"}
	for _, sid := range []photopush.SID{guardedSID, newSID, oldSID} {
		lines = append(lines, planPicture(m, sid, drawn()[pushed[sid]])...)
	}
	return append(lines, planDelete(m, leftoverSID, stateOf(m, leftoverSID), nil)...)
}

func planPicture(m *Machine, sid photopush.SID, pictures map[int][]byte) (lines []string) {
	state, p := stateOf(m, sid), process{m: m, pictures: ourPics, state: ourHome + `\State`}
	a, err := p.readValues(string(sid))
	must(err)
	kept, err := p.readOriginal(string(sid))
	must(err)
	made := kept.state == absent && len(a.values) == 0 // by a run that was ended before it set the first value
	if !made && !slices.ContainsFunc(a.values, func(v pictureValue) bool { return p.ours(string(sid), v.text()) }) {
		lines = append(lines, saveOriginal(sid, state))
	}
	names := map[int]string{}
	for _, size := range drawnSizes {
		put := put(sid, pictures[size], size)
		name := fileName(pictures[size], size)
		names[size] = strings.Replace(name, digest, strings.Repeat("a", 32), 1)
		there, ok := m.ReadFile(ourPics + `\` + string(sid) + `\` + names[size])
		if ok && sum(there) == sum(pictures[size]) {
			continue
		}
		if ok { // a run was ended in the middle of that file
			names[size] = strings.Replace(names[size], "-Image", "-1-Image", 1)
		}
		put[0] = strings.Replace(put[0], name, names[size], 1)
		lines = append(lines, put...)
	}
	var pairs, files []string
	after := ""
	for _, size := range PictureSizes {
		file := names[drawnSize(size)]
		files = append(files, file)
		pairs = append(pairs, fmt.Sprintf("Image%d=%s", size, file))
		after += fmt.Sprintf("Image%d=sz:%s\\%s\\%s\n", size, ourPics, sid, file)
	}
	if sum([]byte(after)) != state {
		lines = append(lines, strings.Replace(setValues(sid, state, pairs...), "plain", "plain,ace", 1))
	}
	return append(lines, planDelete(m, sid, sum([]byte(after)), files)...)
}

// planDelete deletes a user's files of ours but some, and his folder where it is left empty.
func planDelete(m *Machine, sid photopush.SID, state string, but []string) []string {
	files, err := m.list(ourPics+`\`+string(sid), false)
	if err != nil {
		return nil
	}
	files = slices.DeleteFunc(files, func(f string) bool { return slices.Contains(but, f) })
	if len(files) == 0 && but == nil {
		files = []string{fileName(small, 32)}
	}
	if len(files) == 0 {
		return nil
	}
	return []string{deleteFiles(sid, state, files...)}
}

// planRepair has every verb of the script that takes back.
func planRepair(m *Machine) []string {
	lines := []string{"recover"}
	for key, trustees := range map[string][]string{"Users": {sidUsers}, string(oldSID): {"owner", sidEveryone}} {
		path := pictureUsersKey
		if key != "Users" {
			path = userKey(key)
		}
		sd, _ := m.KeySecurity(path)
		if _, open := tightened(mustSDDL(sd.String()), trustees); open || sd.Owner != sidAdministrators {
			lines = append(lines, tightenACL(key, aclSum(m, path), trustees...))
		}
	}
	slices.Sort(lines)
	for _, sid := range []photopush.SID{guardedSID, newSID, oldSID, leftoverSID} {
		taken, state := planBack(m, sid)
		lines = append(append(lines, taken...), planDelete(m, sid, state, nil)...)
	}
	return lines
}

// planBack restores what is kept, else deletes what is ours; it tells the state after that.
func planBack(m *Machine, sid photopush.SID) (lines []string, state string) {
	p := process{m: m, pictures: ourPics, state: ourHome + `\State`}
	kept, err := p.readOriginal(string(sid))
	must(err)
	a, err := p.readValues(string(sid))
	must(err)
	if kept.state != "" {
		return []string{restoreOriginal(sid, a.state, "plain,ace", kept.state)}, kept.state
	}
	var ours []string
	for _, v := range a.values {
		if p.ours(string(sid), v.text()) {
			ours = append(ours, v.name)
		}
	}
	if len(ours) > 0 {
		return []string{deleteValues(sid, a.state, "plain,ace", ours...)}, sum(nil)
	}
	return nil, a.state
}
