package simwin

import (
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

func TestInventory(t *testing.T) {
	m := NewMachine(MachineOptions{EntraJoined: true, UseDefaultTile: true, FreeBytes: 12345})
	m.AddProfile(UserProfile{SID: userSID, Name: "u1001", Interactive: true, Load: time.Date(2001, 1, 1, 0, 0, 0, 0, time.UTC)})
	m.AddProfile(UserProfile{SID: "S-1-5-18", Name: "system"})
	m.SetValue(pictureUsersKey+`\`+string(userSID), "image96", ExpandStringValue(`%PUBLIC%\é"\`+strings.Repeat("x", 600)))
	m.SetValue(pictureUsersKey+`\`+string(userSID), "Image48", DWordValue(7))
	m.WriteFile(ourPics+`\`+string(otherSID)+`\`+fileName(small, 48), small)
	m.WriteFile(ourPics+`\`+string(otherSID)+`\notes.txt`, small)
	a := oneAnswer(t, m, "inventory")
	delete(a, "users")
	want := answerLine{"verb": "inventory", "ok": true, "version": 2., "acl": m.keyText(pictureUsersKey), "others": 0., "ps": "5.1.22621.2506", "net": 533320., "build": 22631., "ubr": 4317., "display": "23H2",
		"edition": "Enterprise", "type": "Client", "installed": 1700000000., "machine": "7d3a1c52-90be-4f0e-8a44-00006553f100", "domain": "corp.example",
		"entra": true, "program_files": `C:\Program Files`, "free": 12345. - 2*float64(len(small)), "default_tile": true, "truncated": false,
		"profiles": []any{map[string]any{"sid": string(userSID), "loaded": true, "interactive": true, "load": 126227808000000000., "unload": 0.}}}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
	if m.Counters().Writes() != 0 {
		t.Errorf("an inventory wrote: %+v", m.Counters())
	}
}

func TestInventoryOfUsers(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetValue(pictureUsersKey+`\`+string(userSID), "image96", ExpandStringValue(`%PUBLIC%\é"\`+strings.Repeat("x", 600)))
	m.SetValue(pictureUsersKey+`\`+string(userSID), "Image48", DWordValue(7))
	m.WriteFile(ourPics+`\`+string(otherSID)+`\`+fileName(small, 48), small)
	m.WriteFile(ourPics+`\`+string(otherSID)+`\notes.txt`, small)
	closed := photopush.SID("S-1-5-21-9-2-3-4")
	if err := m.SecureKey(pictureUsersKey+`\`+string(closed), "O:SYD:P(A;;KA;;;SY)"); err != nil {
		t.Fatal(err)
	}
	users := oneAnswer(t, m, "inventory")["users"].([]any)
	data := `%PUBLIC%\é"\` + strings.Repeat("x", 600)
	want := []any{
		entry(userSID, map[string]any{"acl": m.keyText(userKey(string(userSID))),
			"state": accountpicture.State([]photopush.Value{{Name: "Image48", Kind: "other"}, {Name: "Image96", Kind: "expand_sz", Data: data}}),
			"values": []any{map[string]any{"name": "Image48", "kind": "other", "data": ""},
				map[string]any{"name": "Image96", "kind": "expand_sz", "data": string([]rune(data)[:520])}}}),
		entry(otherSID, map[string]any{"state": "absent",
			"files": []any{map[string]any{"name": fileName(small, 48), "length": float64(len(small)), "sha256": sum(small)}}}),
		entry(closed, map[string]any{"error": "0x8013150a values"}),
	}
	if diff := cmp.Diff(want, users); diff != "" {
		t.Error(diff)
	}
}

// entry is a user's entry in an inventory, with what is not empty, 0 or false.
func entry(sid photopush.SID, members map[string]any) map[string]any {
	e := map[string]any{"sid": string(sid), "state": "", "values": []any{}, "files": []any{}, "acl": "", "changed": 0., "saved": "", "earlier": 0., "journal": false, "error": ""}
	maps.Copy(e, members)
	return e
}

// TestInventoryOfBefore is what an inventory says of pictures that are not ours, and of what is kept.
func TestInventoryOfBefore(t *testing.T) {
	now := time.Date(2026, 5, 1, 12, 0, 0, 0, time.UTC)
	m := NewMachine(MachineOptions{Now: func() time.Time { return now }})
	m.CreateKey(pictureUsersKey + `\somebody`)
	m.CreateKey(pictureUsersKey + `\S-1-5-18`)
	saved := windowsPicture(t, m)
	v, _ := m.Value(userPath, "Image448")
	newest, _ := v.Text()
	m.SetModified(newest, now.Add(time.Hour))
	m.WriteFile(ourPics+`\`+string(userSID)+`\x.jpg`, []byte("x"))
	m.SetModified(ourPics+`\`+string(userSID)+`\x.jpg`, now.Add(2*time.Hour))
	m.SetValue(userPath, "Image32", StringValue(ourPics+`\`+string(userSID)+`\x.jpg`))
	m.WriteFile(journalPath, nil)
	a := oneAnswer(t, m, "inventory")
	user := a["users"].([]any)[0].(map[string]any)
	want := map[string]any{"acl": m.keyText(userPath), "changed": float64(fileTime(now.Add(time.Hour))), "saved": saved, "earlier": 10., "journal": true}
	for name, v := range want {
		if user[name] != v {
			t.Errorf("%s is %v, want %v", name, user[name], v)
		}
	}
	if a["others"] != 2. || a["acl"] != m.keyText(pictureUsersKey) {
		t.Errorf("others %v, acl %v", a["others"], a["acl"])
	}

	m.Hold(savedPath, true)
	user = oneAnswer(t, m, "inventory")["users"].([]any)[0].(map[string]any)
	if user["error"] != "0x80070020 state" || user["saved"] != "" || user["earlier"] != 0. || user["journal"] != false || user["changed"] != want["changed"] {
		t.Errorf("where what is kept cannot be read: %v", user)
	}
}
