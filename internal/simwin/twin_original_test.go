package simwin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const (
	savedPath   = ourHome + `\State\` + string(userSID) + ".reg"
	journalPath = ourHome + `\State\` + string(userSID) + ".journal"
	userPath    = pictureUsersKey + `\` + string(userSID)
)

// windowsPicture gives the user values of Windows and of others, and keeps them.
func windowsPicture(t *testing.T, m *Machine) (state string) {
	m.AddWindowsPicture(userSID, 7)
	m.SetValue(userPath, "Image200", StringValue(`\\evil\share\a.jpg`))
	m.SetValue(userPath, "Image1080", ExpandStringValue(`%PUBLIC%\a.jpg`))
	state = stateOf(m, userSID)
	if got := oneAnswer(t, m, saveOriginal(userSID, state)); !got.ok() {
		t.Fatalf("saving: %v", got)
	}
	return state
}

func TestSaveOriginal(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetValue(userPath, "image32", StringValue(`C:\a "b" \é.jpg`))
	m.SetValue(userPath, "Image40", StringValue("C:\\a\r\n.jpg"))
	m.SetValue(userPath, "Image48", DWordValue(1))
	m.SetValue(userPath, "Image64", StringValue(strings.Repeat("x", 600)))
	state := stateOf(m, userSID)
	want := answerLine{"verb": "save_original", "ok": true, "sid": string(userSID), "state": state}
	if diff := cmp.Diff(want, oneAnswer(t, m, saveOriginal(userSID, state))); diff != "" {
		t.Error(diff)
	}
	data, _ := m.ReadFile(savedPath)
	lines := []string{"Windows Registry Editor Version 5.00", "; " + string(userSID) + " before photopush: " + state, "",
		`[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\` + string(userSID) + "]", `"Image32"="C:\\a \"b\" \\é.jpg"`}
	for _, name := range valueNames[1:] {
		lines = append(lines, `"`+name+`"=-`)
	}
	lines[7] = `"Image64"="` + strings.Repeat("x", 520) + `"`
	if diff := cmp.Diff(strings.Join(lines, "\r\n")+"\r\n", fileText(data)); diff != "" {
		t.Error(diff)
	}

	counted := m.Counters().Writes()
	if got := oneAnswer(t, m, saveOriginal(userSID, state)); !got.ok() || m.Counters().Writes() != counted {
		t.Errorf("saved again: %v, %d writes", got, m.Counters().Writes()-counted)
	}
	m.DeleteKey(userPath)
	m.WriteFile(savedPath+".new", []byte("left by a run that was ended"))
	if got := oneAnswer(t, m, saveOriginal(userSID, absent)); !got.ok() {
		t.Errorf("without a key: %v", got)
	}
	data, _ = m.ReadFile(savedPath)
	if !strings.HasSuffix(fileText(data), " before photopush: absent\r\n\r\n[-"+lines[3][1:]+"\r\n") {
		t.Errorf("of a missing key it keeps %q", fileText(data))
	}
	var effects []string
	for _, e := range m.Effects() {
		effects = append(effects, e.Name)
	}
	if !slices.Equal(effects, []string{EnterLock, RemoveOwnFile, WriteNewFile, MoveOwnFile}) {
		t.Errorf("effects %q", effects)
	}
}

func TestSaveOriginalRefuses(t *testing.T) {
	save := func(m *Machine) string { return saveOriginal(userSID, stateOf(m, userSID)) }
	refusals(t, func(m *Machine) { m.AddWindowsPicture(userSID, 7) }, map[string]refusal{
		"too few fields": {nil, says("save_original\t" + string(userSID)), "script 0x0 input"},
		"too many":       {nil, says(saveOriginal(userSID, absent) + "\tx"), "script 0x0 input"},
		"no SID":         {nil, says(saveOriginal(`S-1-5-21-1-1-1-1\..`, absent)), "script 0x0 input"},
		"no state":       {nil, says(saveOriginal(userSID, "")), "script 0x0 input"},
		"another state":  {nil, says(saveOriginal(userSID, absent)), "conflict 0x0 state"},
		"unreadable key": {func(m *Machine) { must(m.SecureKey(userPath, "O:SYD:P(A;;KA;;;SY)")) }, says(saveOriginal(userSID, absent)), "denied 0x8013150a values"},
		"a value of ours": {func(m *Machine) {
			m.SetValue(userPath, "Image96", ExpandStringValue(strings.ToUpper(ourPics)+`\`+string(userSID)+`\x.jpg`))
		}, save, "conflict 0x0 ours"},
		"what is saved is locked": {func(m *Machine) { m.WriteFile(savedPath, nil); m.Hold(savedPath, true) }, save, "script 0x80070020 original"},
	})
}

func TestRestoreOriginal(t *testing.T) {
	for name, c := range map[string]struct {
		spoil   func(m *Machine, paths map[string]string) // between the push and the restoring
		missing []string
		back    int
	}{
		"all there":     {func(*Machine, map[string]string) {}, []string{"Image200"}, 10},
		"key is gone":   {func(m *Machine, _ map[string]string) { m.DeleteKey(userPath) }, []string{"Image200"}, 10},
		"file is gone":  {func(m *Machine, p map[string]string) { m.Remove(p["Image96"]) }, []string{"Image96", "Image200"}, 9},
		"half was back": {func(m *Machine, p map[string]string) { m.SetValue(userPath, "Image32", StringValue(p["Image32"])) }, []string{"Image200"}, 10},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			saved := windowsPicture(t, m)
			paths := map[string]string{}
			for value, v := range m.Values(userPath) {
				paths[value], _ = v.Text()
			}
			runTwin(t, m, append(put(userSID, small, 32), setValues(userSID, saved, "Image32="+fileName(small, 32), "Image1080="+fileName(small, 32)))...)
			c.spoil(m, paths)
			got := oneAnswer(t, m, restoreOriginal(userSID, stateOf(m, userSID), "plain", saved))
			if fmt.Sprint(got["missing"]) != fmt.Sprint(c.missing) || got["rung"] != "plain" || got["state"] != stateOf(m, userSID) {
				t.Errorf("answer %v, want %q missing", got, c.missing)
			}
			values := m.Values(userPath)
			if len(values) != c.back {
				t.Errorf("%d values, want %d", len(values), c.back)
			}
			for value, v := range values {
				if text, _ := v.Text(); text != paths[value] {
					t.Errorf("%s is %q, want %q", value, text, paths[value])
				}
			}
			if _, there := m.ReadFile(savedPath); there {
				t.Error("what was restored is still kept")
			}
		})
	}
}

// TestRestoreNothing: a key that we have made goes, unless somebody else uses it.
func TestRestoreNothing(t *testing.T) {
	for name, c := range map[string]struct {
		add  func(m *Machine)
		want string // state after
	}{
		"ours alone":   {func(*Machine) {}, "absent"},
		"gone already": {func(m *Machine) { m.DeleteKey(userPath) }, "absent"},
		"a value more": {func(m *Machine) { m.SetValue(userPath, "Video1", DWordValue(1)) }, "there"},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			runTwin(t, m, append([]string{saveOriginal(userSID, absent)}, push(userSID)...)...)
			c.add(m)
			got := oneAnswer(t, m, restoreOriginal(userSID, stateOf(m, userSID), "plain,ace", absent))
			_, there := m.KeySecurity(userPath)
			if !got.ok() || there != (c.want == "there") || (got["state"] == "absent") == there {
				t.Errorf("answer %v, key there %v", got, there)
			}
			if _, kept := m.ReadFile(savedPath); kept {
				t.Error("what was restored is still kept")
			}
		})
	}
}

func TestRestoreOriginalRefuses(t *testing.T) {
	var saved string
	restore := func(m *Machine) string { return restoreOriginal(userSID, stateOf(m, userSID), "plain", saved) }
	refusals(t, func(m *Machine) { saved = windowsPicture(t, m) }, map[string]refusal{
		"too few fields":  {nil, says("restore_original\t" + string(userSID) + "\tabsent\tplain"), "script 0x0 input"},
		"no SID":          {nil, says(restoreOriginal(`..\x`, absent, "plain", absent)), "script 0x0 input"},
		"no rung":         {nil, says(restoreOriginal(userSID, absent, "ace", absent)), "script 0x0 input"},
		"nothing saved":   {func(m *Machine) { m.Remove(savedPath) }, restore, "conflict 0x0 original"},
		"something else":  {nil, says(restoreOriginal(userSID, absent, "plain", absent)), "conflict 0x0 original"},
		"a large file":    {func(m *Machine) { m.WriteFile(savedPath, slices.Repeat([]byte("x"), maxOriginal+1)) }, restore, "conflict 0x0 original"},
		"locked file":     {func(m *Machine) { m.Hold(savedPath, true) }, restore, "script 0x80070020 original"},
		"another state":   {nil, func(*Machine) string { return restoreOriginal(userSID, absent, "plain", saved) }, "conflict 0x0 state"},
		"key refuses":     {func(m *Machine) { m.MakeWindowsKey(userSID) }, restore, "denied 0x8013150a open-key"},
		"a subkey":        {func(m *Machine) { m.CreateKey(userPath + `\x`) }, restore, "unsafe_path 0x0 key"},
		"a foreign value": {func(m *Machine) { m.SetValue(userPath, "OneDrive", StringValue(`C:\x.exe`)) }, restore, "unsafe_path 0x0 key"},
		"all are gone":    {func(m *Machine) { m.Remove(publicFolder + `\AccountPictures`) }, restore, "conflict 0x0 original"},
		"State is unsafe": {func(m *Machine) { must(m.SecurePath(ourHome+`\State`, "O:BUD:P(A;;FA;;;BA)")) }, restore, "unsafe_path 0x0 guard"},
	})
}

func must(err error) {
	if err != nil {
		panic(err)
	}
}
