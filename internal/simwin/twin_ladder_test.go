package simwin

import (
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// guarded is a machine on which Windows made the user's key, with a file of ours to name.
func guarded(t *testing.T) *Machine {
	m := NewMachine(MachineOptions{})
	m.WriteFile(`C:\old.jpg`, small)
	m.SetValue(userPath, "Image96", StringValue(`C:\old.jpg`))
	m.MakeWindowsKey(userSID)
	runTwin(t, m, put(userSID, small, 32)...)
	return m
}

func climb(m *Machine) string {
	return fmt.Sprintf("set_values\t%s\t%s\tplain,ace\tImage32=%s", userSID, stateOf(m, userSID), fileName(small, 32))
}

func TestLadder(t *testing.T) {
	m := guarded(t)
	before, keys := m.keyText(userPath), m.KeyPermissions()
	a := oneAnswer(t, m, climb(m))
	if a["rung"] != "ace" || a["before"] != before || a["after"] != m.keyText(userPath) {
		t.Errorf("answer %v", a)
	}
	if diff := cmp.Diff(PermissionChanges{Protected: []string{string(userSID)}}, keys.Changes(m.KeyPermissions())); diff != "" {
		t.Error(diff)
	}
	want := []Effect{{EnterLock, 1, ourHome + `\State\lock`}, {WriteNewFile, 1, journalPath + ".new"}, {MoveOwnFile, 1, journalPath}, {SetKeyDacl, 1, string(userSID)},
		{SetPictureValue, 1, "Image32"}, {SetKeyDacl, 2, string(userSID)}, {RemoveOwnFile, 1, journalPath}}
	if diff := cmp.Diff(want, m.Effects()); diff != "" {
		t.Error(diff)
	}
	if v := m.CheckIntact(); v.Journals != nil || len(v.Leftover) != 0 {
		t.Errorf("left: %+v", v)
	}
	if got := oneAnswer(t, m, deleteValues(userSID, stateOf(m, userSID), "plain,ace", "Image32")); got["rung"] != "ace" || got["before"] != got["after"] {
		t.Errorf("deleting a value: %v", got)
	}
	state := stateOf(m, userSID)
	if got := oneAnswer(t, m, saveOriginal(userSID, state)); !got.ok() {
		t.Errorf("saving: %v", got)
	}
	if got := oneAnswer(t, m, restoreOriginal(userSID, state, "plain,ace", state)); got["rung"] != "ace" {
		t.Errorf("restoring: %v", got)
	}
	if changed := keys.Changes(m.KeyPermissions()).Changed; changed != nil {
		t.Errorf("permissions: %q", changed)
	}
}

// TestLadderJournal: while the entry is there, so is the journal, and a run that reads sees both.
func TestLadderJournal(t *testing.T) {
	m := guarded(t)
	before := m.keyText(userPath)
	m.SetFault(EffectFault{Effect: SetPictureValue, Kind: Exit, Code: 9})
	if _, code, err := startTwin(t.Context(), m, inputFor(climb(m))); code != 9 || err != nil {
		t.Fatalf("ended with %d, %v", code, err)
	}
	if text, _ := m.ReadFile(journalPath); string(text) != before {
		t.Errorf("the journal holds %q, want %q", text, before)
	}
	want := `O:S-1-5-18D:P(A;;0xf003f;;;S-1-5-18)(A;;0x6001b;;;S-1-5-32-544)(A;;0x20019;;;S-1-5-32-545)(A;;0x20019;;;S-1-15-2-1)`
	if got := m.keyText(userPath); got != want {
		t.Errorf("in the middle it is %s, want %s", got, want)
	}
	if user := oneAnswer(t, m, "inventory")["users"].([]any)[0].(map[string]any); user["journal"] != true || user["acl"] != want {
		t.Errorf("the inventory says %v", user)
	}
	undone := oneAnswer(t, m, "recover")["undone"]
	if diff := cmp.Diff([]any{map[string]any{"sid": string(userSID), "acl": before, "after": m.keyText(userPath)}}, undone); diff != "" {
		t.Error(diff)
	}
	if again := oneAnswer(t, m, "recover")["undone"]; len(again.([]any)) != 0 {
		t.Errorf("undone again: %v", again)
	}
}

func TestLadderRefuses(t *testing.T) {
	keyIs := func(sddl string) func(*Machine) {
		return func(m *Machine) { must(m.SecureKey(userPath, sddl)) }
	}
	ready := func(m *Machine) {
		m.SetValue(userPath, "Image96", StringValue(`C:\old.jpg`))
		m.MakeWindowsKey(userSID)
		m.WriteFile(ourPics+`\`+string(userSID)+`\`+fileName(small, 32), small)
		must(m.SecurePath(ourPics+`\`+string(userSID), pictureFolderSDDL))
	}
	refusals(t, ready, map[string]refusal{
		"rung plain only": {nil, func(m *Machine) string {
			return setValues(userSID, stateOf(m, userSID), "Image32="+fileName(small, 32))
		}, "denied 0x8013150a open-key"},
		"rung ace only":      {nil, says("set_values\t" + string(userSID) + "\tabsent\tace\tImage32=" + fileName(small, 32)), "script 0x0 input"},
		"rungs exchanged":    {nil, says("set_values\t" + string(userSID) + "\tabsent\tace,plain\tImage32=" + fileName(small, 32)), "script 0x0 input"},
		"a subkey":           {func(m *Machine) { m.CreateKey(userPath + `\x`) }, climb, "unsafe_path 0x0 key"},
		"no right to change": {keyIs("O:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)"), climb, "denied 0x8013150a open-key"},
		"out of order":       {keyIs("O:SYD:P(A;;KRWD;;;BA)(D;;KW;;;BA)"), climb, "denied 0x0 acl"},
	})
}

// TestLadderStops throws at each step; whatever happens, the entry is taken off, or a journal tells of it.
func TestLadderStops(t *testing.T) {
	m := guarded(t)
	oneAnswer(t, m, climb(m))
	effects := m.Effects()[1:]
	for _, e := range effects {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprint(e.Name, e.Nth, after), func(t *testing.T) {
				m := guarded(t)
				keys := m.KeyPermissions()
				m.SetFault(EffectFault{Effect: e.Name, Nth: e.Nth, After: after, HResult: accessDenied})
				if got, want := oneAnswer(t, m, climb(m)).failure(), fmt.Sprintf("denied %#x %s", accessDenied, e.Name); got != want {
					t.Errorf("answer %s, want %s", got, want)
				}
				changed, v := keys.Changes(m.KeyPermissions()).Changed, m.CheckIntact()
				if changed != nil && v.Journals == nil {
					t.Errorf("%q, and no journal", changed)
				}
				oneAnswer(t, m, "recover")
				if changed := keys.Changes(m.KeyPermissions()).Changed; changed != nil || m.CheckIntact().Journals != nil {
					t.Errorf("after the next run: %q", changed)
				}
			})
		}
	}
}

func TestJournals(t *testing.T) {
	const sddl = "O:SYD:(A;;KA;;;SY)(A;;KRWD;;;BA)"
	other := ourHome + `\State\` + string(otherSID) + ".journal"
	for name, c := range map[string]struct {
		set  func(m *Machine)
		want string // of the first verb, whatever it is
	}{
		"two, in order": {func(m *Machine) { m.WriteFile(other, []byte(sddl)) }, "ok"},
		"names of others": {func(m *Machine) {
			m.WriteFile(ourHome+`\State\S-1-5-18.journal`, []byte("x"))
			m.WriteFile(ourHome+`\State\`+string(otherSID)+".JOURNAL", []byte("x"))
			m.WriteFile(other+".new", []byte("x"))
		}, "ok"},
		"key is gone":    {func(m *Machine) { m.DeleteKey(userPath) }, "ok"},
		"no SDDL":        {func(m *Machine) { m.WriteFile(journalPath, []byte("x")) }, "script 0x80070057 Set-KeyDacl"},
		"empty":          {func(m *Machine) { m.WriteFile(journalPath, nil) }, "script 0x80070057 Set-KeyDacl"},
		"locked":         {func(m *Machine) { m.Hold(journalPath, true) }, "script 0x80070020 journal"},
		"key refuses":    {func(m *Machine) { must(m.SecureKey(userPath, "O:SYD:P(A;;KA;;;SY)")) }, "denied 0x8013150a open-key"},
		"cannot go":      {func(m *Machine) { m.SetAttributes(journalPath, AttrReadOnly) }, "denied 0x80070005 Remove-OwnFile"},
		"DACL not taken": {func(m *Machine) { f := EffectFault{Effect: SetKeyDacl, HResult: accessDenied}; m.SetFault(f, f) }, "denied 0x80070005 Set-KeyDacl"},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			pass(t, m)
			for _, sid := range []string{string(userSID), string(otherSID)} {
				check(t, m.SecureKey(userKey(sid), "O:SYD:P(A;;KA;;;SY)(A;;KRWD;;;BA)(A;;CCDC;;;BA)"))
			}
			m.WriteFile(journalPath, []byte(sddl))
			c.set(m)
			for _, line := range []string{deleteFiles(userSID, stateOf(m, userSID), fileName(small, 32)), deleteFiles(userSID, "x")} {
				got := runTwin(t, m, line, "recover")
				if first := got[0].failure(); first != c.want && (first != "script 0x0 input" || c.want != "ok") {
					t.Errorf("answers %v, want %s", got, c.want)
				}
			}
			if c.want != "ok" {
				return
			}
			if v := m.CheckIntact(); slices.Contains(v.Journals, journalPath) || slices.Contains(v.Journals, other) {
				t.Errorf("journals are left: %q", v.Journals)
			}
		})
	}
}
