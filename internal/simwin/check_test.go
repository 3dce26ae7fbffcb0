package simwin

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
)

// ourPicture puts a picture set of ours on a machine: sizes up to largest, the greater values naming the largest.
func ourPicture(m *Machine, sid photopush.SID, digest string, number uint32, largest int) {
	for _, size := range PictureSizes {
		setPicture(m, sid, size, digest, badge.JPEG(number, min(size, largest), min(size, largest), 85), min(size, largest))
	}
}

func setPicture(m *Machine, sid photopush.SID, value int, digest string, data []byte, size int) (path string) {
	hash := sha256.Sum256(data)
	path = fmt.Sprintf(`%s\%s\%s-%s-Image%d.jpg`, ourPics, sid, digest, hex.EncodeToString(hash[:8]), size)
	m.WriteFile(path, data)
	m.SetValue(pictureUsersKey+`\`+string(sid), fmt.Sprintf("Image%d", value), StringValue(path))
	return path
}

// everybody expects our picture of user 1001 and of nobody else; 1002 is known.
func everybody(sid photopush.SID) (uint32, bool) {
	switch sid {
	case userSID:
		return 1001, true
	case otherSID:
		return 1002, false
	}
	return 0, false
}

func TestCheckSound(t *testing.T) {
	m := NewMachine(MachineOptions{})
	ourPicture(m, userSID, digest, 1001, 448)
	m.AddWindowsPicture(otherSID, 77)
	v := m.Check(everybody)
	want := Verdict{Users: []Shown{
		{SID: userSID, Ours: true, Complete: true, Digest: digest, Number: 1001, Readable: true, Expected: true},
		{SID: otherSID, Complete: true, Number: 77, Readable: true, Expected: true},
	}}
	if diff := cmp.Diff(want, v); diff != "" {
		t.Error(diff)
	}
	if v := m.CheckIntact(); len(v.Broken) != 0 || len(v.Users) != 2 {
		t.Errorf("intact: %+v", v)
	}
}

func TestCheckFindsWhatIsBroken(t *testing.T) {
	key := pictureUsersKey + `\` + string(userSID)
	path96 := func(m *Machine) string {
		v, _ := m.Value(key, "Image96")
		s, _ := v.Text()
		return s
	}
	cases := map[string]struct {
		spoil func(m *Machine)
		want  string // value and why of the only finding; empty for none
	}{
		"file is gone":    {func(m *Machine) { m.Remove(path96(m)) }, "Image96 names no file"},
		"file is torn":    {func(m *Machine) { p := path96(m); b, _ := m.ReadFile(p); m.WriteFile(p, b[:len(b)/2]) }, "Image96 is cut: it does not end with the JPEG's end marker"},
		"file has a tail": {func(m *Machine) { p := path96(m); b, _ := m.ReadFile(p); m.WriteFile(p, append(b, 0)) }, "Image96 is cut: it does not end with the JPEG's end marker"},
		"file is empty":   {func(m *Machine) { m.WriteFile(path96(m), nil) }, "Image96 is no JPEG: unexpected EOF"},
		"middle is missing": {func(m *Machine) {
			p := path96(m)
			b, _ := m.ReadFile(p)
			m.WriteFile(p, append(b[:len(b)/2:len(b)/2], 0xff, 0xd9))
		}, "Image96 is no complete JPEG: invalid JPEG format: missing 0xff00 sequence"},
		"not square":         {func(m *Machine) { m.WriteFile(path96(m), badge.JPEG(1001, 96, 128, 85)) }, "Image96 is not square: 96 by 128 pixels"},
		"another size":       {func(m *Machine) { m.WriteFile(path96(m), badge.JPEG(1001, 64, 64, 85)) }, "Image96 has 64 pixels, want 96"},
		"somebody else":      {func(m *Machine) { m.WriteFile(path96(m), badge.JPEG(1002, 96, 96, 85)) }, "Image96 shows 1002, want 1001"},
		"expandable":         {func(m *Machine) { m.SetValue(key, "Image96", ExpandStringValue(path96(m))) }, "Image96 is of type 2, want 1 (REG_SZ)"},
		"a number":           {func(m *Machine) { m.SetValue(key, "Image96", DWordValue(1)) }, "Image96 is of type 4, want 1 (REG_SZ)"},
		"a folder":           {func(m *Machine) { m.SetValue(key, "Image96", StringValue(ourPics)) }, "Image96 names no file"},
		"a share":            {func(m *Machine) { m.SetValue(key, "Image96", StringValue(`\\evil\x.jpg`)) }, "Image96 names no file"},
		"a value is missing": {func(m *Machine) { m.DeleteValue(key, "Image96") }, ""},
		"another's folder": {func(m *Machine) {
			p := strings.Replace(path96(m), string(userSID), string(otherSID), 1)
			m.WriteFile(p, badge.JPEG(1001, 96, 96, 85))
			m.SetValue(key, "Image96", StringValue(p))
		}, "Image96 lies in our folder, but is no picture of ours for this user"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			ourPicture(m, userSID, digest, 1001, 208)
			c.spoil(m)
			v := m.Check(everybody)
			if shown, _ := v.Shown(userSID); shown.Complete || shown.Expected {
				t.Errorf("shown as whole: %+v", shown)
			}
			var got []string
			for _, f := range v.Broken {
				if f.SID == userSID && f.Value != "" {
					got = append(got, f.Value+" "+f.Why)
				}
			}
			if strings.Join(got, "; ") != c.want {
				t.Errorf("broken %q, want %q", got, c.want)
			}
		})
	}
}

func TestCheckMixtures(t *testing.T) {
	t.Run("leftover", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		ourPicture(m, userSID, digest, 1001, 96)
		path := setPicture(m, userSID, 96, digest, badge.JPEG(1001, 96, 96, 60), 96)
		ourPicture(m, userSID, digest, 1001, 96)
		v := m.Check(everybody)
		if diff := cmp.Diff([]string{path}, v.Leftover); diff != "" || len(v.Broken) != 0 {
			t.Error(diff, v.Broken)
		}
	})
	t.Run("leftover of somebody else", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		path := ourPics + `\` + string(userSID) + `\x.jpg`
		m.WriteFile(path, badge.JPEG(1002, 96, 96, 85))
		v := m.Check(everybody)
		if diff := cmp.Diff([]Finding{{userSID, "", path, "shows 1002 in the folder of 1001"}}, v.Broken); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("two sets", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		ourPicture(m, userSID, digest, 1001, 208)
		ourPicture(m, userSID, strings.Repeat("f", 32), 1001, 200)
		setPicture(m, userSID, 96, digest, badge.JPEG(1001, 96, 96, 85), 96)
		shown, _ := m.Check(everybody).Shown(userSID)
		if shown.Digest != "" || !shown.Ours || !shown.Complete {
			t.Errorf("%+v, want no digest: there are two", shown)
		}
	})
	t.Run("ours where none is wanted", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		ourPicture(m, otherSID, digest, 1002, 448)
		shown, _ := m.Check(everybody).Shown(otherSID)
		if shown.Expected || !shown.Complete {
			t.Errorf("%+v, want whole and not as expected", shown)
		}
	})
	t.Run("Windows' own where ours is wanted", func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		m.AddWindowsPicture(userSID, 5)
		v := m.Check(everybody)
		if shown, _ := v.Shown(userSID); shown.Expected || shown.Ours || len(v.Broken) != 0 {
			t.Errorf("%+v, %v, want sound and not as expected", shown, v.Broken)
		}
	})
}
