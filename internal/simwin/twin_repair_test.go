package simwin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeleteValues(t *testing.T) {
	m := NewMachine(MachineOptions{})
	runTwin(t, m, push(userSID)...)
	m.SetValue(userPath, "Image448", StringValue(`C:\other.jpg`))
	got := oneAnswer(t, m, deleteValues(userSID, stateOf(m, userSID), "plain", "Image96", "Image32"))
	want := answerLine{"verb": "delete_values", "ok": true, "sid": string(userSID), "rung": "plain", "before": "", "after": "", "state": stateOf(m, userSID),
		"values": []any{map[string]any{"name": "Image448", "kind": "sz", "data": `C:\other.jpg`}}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if e := m.Effects(); len(e) != 3 || e[1] != (Effect{RemovePictureValue, 1, "Image96"}) || e[2] != (Effect{RemovePictureValue, 2, "Image32"}) {
		t.Errorf("effects %v, want the values in the order given", e)
	}
}

func TestDeleteValuesRefuses(t *testing.T) {
	remove := func(names ...string) func(*Machine) string {
		return func(m *Machine) string { return deleteValues(userSID, stateOf(m, userSID), "plain", names...) }
	}
	value := func(v RegistryValue) func(*Machine) {
		return func(m *Machine) { m.SetValue(userPath, "Image48", v) }
	}
	folder := ourPics + `\` + string(userSID) + `\`
	refusals(t, func(m *Machine) { runTwin(t, m, push(userSID)...) }, map[string]refusal{
		"no name":                   {nil, remove(), "script 0x0 input"},
		"another name":              {nil, remove("Video1"), "script 0x0 input"},
		"another case":              {nil, remove("image96"), "script 0x0 input"},
		"a name twice":              {nil, remove("Image96", "Image32", "Image96"), "script 0x0 input"},
		"no rung":                   {nil, says(deleteValues(userSID, absent, "", "Image96")), "script 0x0 input"},
		"no SID":                    {nil, says(deleteValues("S-1-5-18", absent, "plain", "Image96")), "script 0x0 input"},
		"another state":             {nil, says(deleteValues(userSID, absent, "plain", "Image96")), "conflict 0x0 state"},
		"one is not there":          {nil, remove("Image96", "Image448"), "conflict 0x0 ours"},
		"one of others":             {value(StringValue(`C:\x.jpg`)), remove("Image96", "Image48"), "conflict 0x0 ours"},
		"of our folder for another": {value(StringValue(ourPics + `\` + string(otherSID) + `\x.jpg`)), remove("Image48"), "conflict 0x0 ours"},
		"expandable":                {value(ExpandStringValue(folder + "x.jpg")), remove("Image48"), "conflict 0x0 ours"},
		"a number":                  {value(DWordValue(1)), remove("Image48"), "conflict 0x0 ours"},
		"no key":                    {func(m *Machine) { m.DeleteKey(userPath) }, remove("Image48"), "conflict 0x0 ours"},
		"key refuses":               {func(m *Machine) { m.MakeWindowsKey(userSID) }, remove("Image96"), "denied 0x8013150a open-key"},
		"folder is a link":          {func(m *Machine) { m.Remove(ourPics); m.MakeLink(ourPics, `C:\Users`) }, remove("Image96"), "unsafe_path 0x0 guard"},
	})
}

// openSDDL is the key as popular instructions leave it, with entries of every kind.
const openSDDL = "O:BUD:AI(D;;WO;;;BG)(A;CI;KA;;;BU)(A;CIIO;GA;;;BU)(A;;GR;;;BU)(A;;0x20019;;;AU)(A;;KA;;;WD)(XA;;KW;;;IU;(@User.x == 1))(A;;KA;;;BA)(A;CIID;KW;;;BU)"

func TestTightenACL(t *testing.T) {
	for name, c := range map[string]struct {
		key, path string
		trustees  []string
		after     string // as it is written; empty where nothing changes
	}{
		"Users": {"Users", pictureUsersKey, []string{sidUsers, sidEveryone, sidInteractive},
			"O:BUD:(D;;WO;;;BG)(A;CI;KR;;;BU)(A;CIIO;KR;;;BU)(A;;KR;;;BU)(A;;0x20019;;;AU)(A;;KR;;;WD)(XA;;KR;;;IU;(@User.x == 1))(A;;KA;;;BA)"},
		"a user's":         {string(userSID), userPath, []string{sidEveryone}, "O:BUD:(D;;WO;;;BG)(A;CI;KA;;;BU)(A;CIIO;GA;;;BU)(A;;GR;;;BU)(A;;0x20019;;;AU)(A;;KR;;;WD)(XA;;KW;;;IU;(@User.x == 1))(A;;KA;;;BA)"},
		"who reads":        {string(userSID), userPath, []string{sidAuthenticated, "S-1-5-32-546"}, ""},
		"owner":            {string(userSID), userPath, []string{"owner"}, strings.Replace(openSDDL, "O:BU", "O:BA", 1)},
		"owner and others": {string(userSID), userPath, []string{sidEveryone, "owner"}, "O:BAD:(D;;WO;;;BG)(A;CI;KA;;;BU)(A;CIIO;GA;;;BU)(A;;GR;;;BU)(A;;0x20019;;;AU)(A;;KR;;;WD)(XA;;KW;;;IU;(@User.x == 1))(A;;KA;;;BA)"},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			m.SetValue(userPath, "video12", StringValue("x"))
			check(t, m.SecureKey(c.path, openSDDL))
			before, counted := m.keyText(c.path), m.Counters().SecurityChanges
			got := oneAnswer(t, m, tightenACL(c.key, aclSum(m, c.path), c.trustees...))
			want := answerLine{"verb": "tighten_acl", "ok": true, "key": c.key, "before": before, "after": m.keyText(c.path)}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
			sd, _ := m.KeySecurity(c.path)
			if c.after == "" {
				if n := m.Counters().SecurityChanges - counted; n != 0 || m.keyText(c.path) != before {
					t.Errorf("%d changes to %s", n, sd)
				}
				return
			}
			now, wanted := KeyPermissions{"x": sd.own()}, KeyPermissions{"x": mustSDDL(c.after).own()}
			if diff := wanted.Changes(now); diff.Changed != nil {
				t.Errorf("%q", diff.Changed)
			}
		})
	}
}

// own is the descriptor without what was inherited.
func (sd SecurityDescriptor) own() SecurityDescriptor {
	sd.DACL = sd.explicit()
	return sd
}

func TestTightenACLRefuses(t *testing.T) {
	tighten := func(key string, trustees ...string) func(*Machine) string {
		path := pictureUsersKey
		if key != "Users" {
			path = userKey(key)
		}
		return func(m *Machine) string { return tightenACL(key, aclSum(m, path), trustees...) }
	}
	user, hash := string(userSID), strings.Repeat("0", 64)
	cases := map[string]refusal{
		"no trustee":                   {nil, tighten("Users"), "script 0x0 input"},
		"another key":                  {nil, says(tightenACL(`Users\..`, hash, sidUsers)), "script 0x0 input"},
		"in small letters":             {nil, says(tightenACL("users", hash, sidUsers)), "script 0x0 input"},
		"a short sum":                  {nil, says(tightenACL("Users", hash[1:], sidUsers)), "script 0x0 input"},
		"a name":                       {nil, tighten("Users", "Everyone"), "script 0x0 input"},
		"Owner":                        {nil, tighten("Users", "Owner"), "script 0x0 input"},
		"an alias":                     {nil, tighten("Users", "BU"), "script 0x0 input"},
		"other permissions":            {nil, says(tightenACL("Users", hash, sidUsers)), "conflict 0x0 acl"},
		"a missing key":                {nil, tighten("S-1-5-21-9-9-9-9", sidUsers), "conflict 0x0 acl"},
		"a key that refuses":           {func(m *Machine) { must(m.SecureKey(userPath, "O:SYD:P(A;;KA;;;SY)(A;;KRWD;;;BA)")) }, tighten(user, "owner"), "denied 0x8013150a open-key"},
		"a key below with subkeys":     {func(m *Machine) { m.CreateKey(userPath + `\x`) }, tighten("Users", sidUsers), "unsafe_path 0x0 key"},
		"a key below with others":      {func(m *Machine) { m.SetValue(pictureUsersKey+`\x`, "Path", StringValue("x")) }, tighten("Users", sidUsers), "unsafe_path 0x0 key"},
		"a default value":              {func(m *Machine) { m.SetValue(userPath, "", StringValue("x")) }, tighten(user, sidUsers), "unsafe_path 0x0 key"},
		"a key below that is not read": {func(m *Machine) { must(m.SecureKey(userPath, "O:SYD:P(A;;KA;;;SY)")) }, tighten("Users", sidUsers), "denied 0x8013150a key"},
		"a user's key with subkeys":    {func(m *Machine) { m.CreateKey(userPath + `\x`) }, tighten(user, sidUsers), "unsafe_path 0x0 key"},
		"a link to services": {func(m *Machine) {
			m.SetValue(`HKLM\SYSTEM\x`, "ImagePath", StringValue("x"))
			must(m.MakeKeyLink(pictureUsersKey+`\S-1-5-21-2-2-2-2`, `HKLM\SYSTEM\x`))
		}, tighten("Users", sidUsers), "unsafe_path 0x0 key"},
	}
	for _, sid := range insiders {
		cases["insider "+sid] = refusal{nil, tighten("Users", sidUsers, sid), "script 0x0 input"}
	}
	refusals(t, func(m *Machine) {
		m.SetValue(userPath, "Image96", StringValue("x"))
		must(m.SecureKey(pictureUsersKey, openSDDL))
	}, cases)
}

func TestRecover(t *testing.T) {
	for _, line := range []string{"recover\tx", "recover\t"} {
		if got := oneAnswer(t, NewMachine(MachineOptions{}), line).failure(); got != "script 0x0 input" {
			t.Errorf("%q: %s", line, got)
		}
	}
}

func TestDeleteFilesDeletesTheFolder(t *testing.T) {
	folder := ourPics + `\` + string(userSID)
	for name, c := range map[string]struct {
		add   func(m *Machine)
		stays bool
	}{
		"empty after":      {func(*Machine) {}, false},
		"empty before":     {func(m *Machine) { m.Remove(folder + `\` + fileName(small, 32)) }, false},
		"another file":     {func(m *Machine) { m.WriteFile(folder+`\notes.txt`, nil) }, true},
		"another folder":   {func(m *Machine) { must(m.MakeFolder(folder+`\x`, "")) }, true},
		"cannot go before": {func(m *Machine) { m.SetFault(EffectFault{Effect: RemoveOwnFolder, HResult: accessDenied}) }, true},
		"a fault after":    {func(m *Machine) { m.SetFault(EffectFault{Effect: RemoveOwnFolder, After: true, HResult: accessDenied}) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			runTwin(t, m, put(userSID, small, 32)...)
			c.add(m)
			got := oneAnswer(t, m, deleteFiles(userSID, absent, fileName(small, 32)))
			if fmt.Sprint(got["deleted"]) != fmt.Sprint([]string{fileName(small, 32)}) || got["folder"] != c.stays || m.folderExists(folder) != c.stays {
				t.Errorf("answer %v, folder there %v", got, m.folderExists(folder))
			}
		})
	}
}

func TestCheckTellsWhatIsClosed(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.MakeWindowsKey(userSID)
	check(t, m.SecureKey(userKey(string(otherSID)), "O:SYD:P(A;;KA;;;SY)(A;;KR;;;BA)"))
	m.CreateKey(userKey("S-1-5-21-3-3-3-3"))
	a := oneAnswer(t, m, "check")
	if fmt.Sprint(a["refused"], a["closed"], a["users"]) != fmt.Sprint([]any{userSID, otherSID}, []any{otherSID}, 3) {
		t.Errorf("answer %v", a)
	}
}
