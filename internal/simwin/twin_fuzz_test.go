package simwin

import (
	"errors"
	"strings"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/photopush/photopush/accountpicture"
)

// FuzzInput feeds verbs of any form to each script. Whatever they say, the answer is whole, and nothing has changed but our two roots: by
// the script that reads nothing at all, and by the one that pushes no permission.
func FuzzInput(f *testing.F) {
	state := stateOf(fuzzed(), userSID)
	for _, lines := range [][]string{push(userSID), {"inventory"}, {"check"}, {deleteFiles(userSID, absent, fileName(small, 32))}, {"put_file", "."}, {"", "\t\t"},
		{strings.Replace(put(userSID, small, 32)[0], string(userSID), `S-1-5-21-1-1-1-1\..\..`, 1), "QQ==", "."}, {"recover"}, {saveOriginal(userSID, state)},
		{strings.Replace(setValues(userSID, state, "Image96="+fileName(small, 32)), "plain", "plain,ace", 1)}, {restoreOriginal(userSID, state, "plain,ace", absent)},
		{deleteValues(userSID, state, "plain,ace", "Image32")}, {tightenACL("Users", aclSum(fuzzed(), pictureUsersKey), "owner", sidUsers)},
		{tightenACL(string(userSID), aclSum(fuzzed(), userPath), sidUsers)}} {
		for i := range accountpicture.Scripts {
			f.Add(uint8(i), strings.Join(lines, "\n")+"\n")
		}
	}
	f.Fuzz(func(t *testing.T, n uint8, input string) {
		script := accountpicture.Scripts[int(n)%len(accountpicture.Scripts)]
		m := fuzzed()
		before, keys := m.Snapshot(), m.KeyPermissions()
		out, code, err := startTwin(t.Context(), m, script.Text+input)
		if err != nil || code != 0 {
			t.Fatalf("ended with %d, %v", code, err)
		}
		answers(t, out)
		diff := before.Diff(m.Snapshot())
		if diff != nil && script.Name == "read" {
			t.Errorf("a script that reads has changed %q", diff)
		}
		for _, line := range diff {
			path, _, _ := strings.Cut(line[2:], ": ")
			_, file := cutFold(path, ourHome)
			_, key := cutFold(path, pictureUsersKey+`\`)
			if !file && !key && !(path == pictureUsersKey && script.Name == "repair") {
				t.Errorf("%s", line)
			}
		}
		if changed := keys.Changes(m.KeyPermissions()).Changed; changed != nil && script.Name != "repair" {
			t.Errorf("permissions: %q", changed)
		}
		if v := m.CheckIntact(); v.Journals != nil {
			t.Errorf("journals are left: %q", v.Journals)
		}
	})
}

// fuzzed is a workstation on which Windows made the user's key, with a value and a file of ours, and something that is kept of before.
func fuzzed() *Machine {
	m := NewMachine(MachineOptions{})
	m.AddProfile(UserProfile{SID: userSID, Name: "u1001"})
	folder := ourPics + `\` + string(userSID)
	m.WriteFile(folder+`\`+fileName(small, 32), small)
	m.SetValue(userPath, "Image32", StringValue(folder+`\`+fileName(small, 32)))
	m.MakeWindowsKey(userSID)
	m.WriteFile(savedPath, (account{state: absent}).reg(string(userSID)))
	for path, sddl := range map[string]string{ourHome: pictureFolderSDDL, ourPics: pictureFolderSDDL, folder: pictureFolderSDDL, ourHome + `\State`: stateFolderSDDL} {
		must(m.SecurePath(path, sddl))
	}
	return m
}

// TestManyRunsAtOnce starts runs side by side: each either does its work whole or finds the lock taken, and the end is whole.
func TestManyRunsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		runTwin(t, m, put(otherSID, small, 32)...)
		var wg sync.WaitGroup
		var mu sync.Mutex
		done := map[string]int{}
		for range 16 {
			wg.Go(func() {
				out, _, err := startTwin(t.Context(), m, inputFor(push(userSID)...))
				list := answers(t, out)
				mu.Lock()
				defer mu.Unlock()
				done[list[len(list)-1].failure()]++
				if err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		if done["ok"] != 1 || done["ok"]+done["conflict 0x80070020 lock"]+done["conflict 0x0 state"] != 16 {
			t.Errorf("ended as %v, want one that set the values and conflicts", done)
		}
		if got := m.Values(pictureUsersKey + `\` + string(userSID)); len(got) != 2 {
			t.Errorf("values %v", got)
		}
	})
}

// TestOutputThatFails is a client that is gone when the answer is written.
func TestOutputThatFails(t *testing.T) {
	m := NewMachine(MachineOptions{})
	gone := errors.New("gone")
	if _, err := m.Run(t.Context(), accountpicture.CommandLine, strings.NewReader(inputFor("inventory")), failing{gone}, failing{gone}); !errors.Is(err, gone) {
		t.Errorf("ended with %v, want the writer's error", err)
	}
}

type failing struct{ err error }

func (f failing) Write([]byte) (int, error) { return 0, f.err }
