package simwin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSnapshotDiff(t *testing.T) {
	m := NewMachine(MachineOptions{})
	before := m.Snapshot()
	if !before.Equal(m.Snapshot()) {
		t.Fatal("two snapshots of the same state differ")
	}
	m.SetValue(policyKey, "UseDefaultTile", DWordValue(1))
	m.WriteFile(`C:\Users\Public\a.txt`, []byte("a"))
	m.SetValue(currentVersionNT, "UBR", DWordValue(1))
	got := before.Diff(m.Snapshot())
	for i, line := range got {
		got[i], _, _ = strings.Cut(line, ": ")
	}
	want := []string{`+ C:\Users\Public\a.txt`, `- ` + currentVersionNT + `!UBR`, `+ ` + currentVersionNT + `!UBR`,
		`+ ` + currentVersion + `\Policies`, `+ ` + policyKey, `+ ` + policyKey + `!UseDefaultTile`}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if below := m.Snapshot().Below(`c:\users`); len(below) != 3 {
		t.Errorf("below C:\\Users lie %v", below)
	}
}

func TestReinstall(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.AddProfile(UserProfile{SID: userSID, Name: "u1001"})
	m.AddWindowsPicture(userSID, 1)
	runTwin(t, m, push(otherSID)...)
	before := oneAnswer(t, m, "inventory")
	m.Reinstall(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), "aaaaaaaa-0000-4000-8000-000000000001")
	after := oneAnswer(t, m, "inventory")
	if after["installed"] == before["installed"] || after["machine"] == before["machine"] {
		t.Errorf("still the same installation: %v, %v", after["installed"], after["machine"])
	}
	if users := after["users"].([]any); len(users) != 0 || len(m.Files(`C:\Users\Public`)) != 0 || m.fileExists(ourHome+`\State\lock`) {
		t.Errorf("something is left: %v", users)
	}
	if len(after["profiles"].([]any)) != 1 {
		t.Errorf("profiles %v", after["profiles"])
	}
}

func TestWindowsPicture(t *testing.T) {
	m := NewMachine(MachineOptions{})
	key := pictureUsersKey + `\` + string(userSID)
	m.SetValue(key, "Image200", StringValue("old"))
	m.AddWindowsPicture(userSID, 1)
	first := m.Values(key)
	m.AddWindowsPicture(userSID, 2)
	second := m.Values(key)
	if len(first) != 11 || len(second) != 11 || len(m.Files(`C:\Users\Public\AccountPictures`)) != 11 {
		t.Fatalf("%d then %d values, %d files, want 11 of each", len(first), len(second), len(m.Files(publicFolder)))
	}
	if cmp.Equal(first, second) {
		t.Error("the second picture has the names of the first")
	}
	path, _ := second["Image96"].Text()
	if want := `C:\Users\Public\AccountPictures\` + string(userSID) + `\{0E2F5B9C-0000-4A7B-8000-000000000002}-Image96.jpg`; path != want {
		t.Errorf("Image96 is %s, want %s", path, want)
	}
	if attrs, err := m.attributes(path); err != nil || attrs&AttrHidden == 0 {
		t.Errorf("attributes %#x, %v, want hidden", attrs, err)
	}
}

func TestSignedIn(t *testing.T) {
	m := NewMachine(MachineOptions{})
	load := time.Date(2026, 3, 4, 5, 6, 7, 800, time.UTC)
	m.AddProfile(UserProfile{SID: userSID, Name: "u1001", Loaded: true, Load: load})
	for _, c := range []struct{ loaded, interactive bool }{{true, false}, {true, true}, {false, false}} {
		m.SetSignedIn(userSID, c.loaded, c.interactive)
		p := oneAnswer(t, m, "inventory")["profiles"].([]any)[0].(map[string]any)
		if p["loaded"] != c.loaded || p["interactive"] != c.interactive {
			t.Errorf("profile %v, want %+v", p, c)
		}
	}
	if got := fileTime(load); got != 134170743670000008 {
		t.Errorf("FILETIME %d", got)
	}
}
