package simwin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
)

// hostile are texts that should reach something that is not ours, in the place of any field.
var hostile = []string{
	``, ` `, `.`, `..`, `..\..\..\Windows\System32`, `../../x`, `\\evil\share\x`, `\\?\C:\x`, `\\.\PhysicalDrive0`, `C:\Windows\x`, `CON`, `NUL.journal`, `lock`,
	`S-1-5-18`, `S-1-5-32-544`, `S-1-5-21-1-2-3`, `S-1-5-21-1-2-3-4-5`, `s-1-5-21-1-2-3-4`, `S-1-5-21-1-2-3-4\..`, `S-1-5-21-1-2-3-4 `, "S-1-5-21-1-2-3-4\r", `S-1-5-21-1-2-3-٤`,
	`S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464`, `S-1-5-18 owner`, `OWNER`, `BA`, `Everyone`,
	`Users`, `users`, `Users\x`, `..\Users`, `HKLM\SYSTEM`, `Image33`, `image96`, `Image96=`, `Video96`, `Image96\x`, `Path`, `(default)`, `*`, `plain,ace,more`, `ace`, `Plain`,
	strings.Repeat("A", 100_000), `"`, "$(exit)", "`", `{0}`, "\x00", "é",
}

// fixture has something at every place that hostile input could want.
func fixture(t *testing.T) *Machine {
	m := NewMachine(MachineOptions{})
	runTwin(t, m, append(append(push(userSID), push(otherSID)...), put(userSID, []byte("an older picture"), 448)...)...)
	m.SetValue(pictureUsersKey, "Image96", StringValue("a value of Users itself"))
	m.SetValue(userPath, "Video96", StringValue("x"))
	m.SetValue(`HKLM\SYSTEM\Users`, "Image96", StringValue("x"))
	m.WriteFile(`C:\Windows\x`, []byte("x"))
	m.WriteFile(`C:\Windows\x.png`, []byte("x"))
	m.WriteFile(ourPics+`\x`, []byte("x"))
	m.WriteFile(savedPath, (account{state: stateOf(m, userSID)}).reg(string(userSID)))
	check(t, m.SecureKey(userPath, strings.Replace(openSDDL, "(A;CIID;KW;;;BU)", "", 1)))
	return m
}

// TestHostileFields puts each text in the place of each field of each verb, and behind its last one. Whatever it says, the answer is whole,
// and nothing is touched but the user's values, his files, State, and, by tighten_acl alone, permissions.
func TestHostileFields(t *testing.T) {
	m := fixture(t)
	state, sid := stateOf(m, userSID), string(userSID)
	verbs := [][]string{
		put(userSID, []byte("a new picture"), 240),
		{saveOriginal(userSID, state)},
		{setValues(userSID, state, "Image448="+fileName([]byte("an older picture"), 448))},
		{deleteFiles(userSID, state, fileName([]byte("an older picture"), 448))},
		{restoreOriginal(userSID, state, "plain", state)},
		{deleteValues(userSID, state, "plain", "Image96")},
		{tightenACL(sid, aclSum(m, userPath), sidUsers)},
		{tightenACL("Users", aclSum(m, pictureUsersKey), sidUsers)},
		{"recover"}, {"inventory"}, {"check"},
	}
	for _, lines := range verbs {
		fields := strings.Split(lines[0], "\t")
		t.Run(fields[0], func(t *testing.T) {
			m := fixture(t)
			for i := 1; i <= len(fields); i++ {
				for _, text := range hostile {
					line := append(append(append([]string{}, fields[:i]...), text), fields[min(i+1, len(fields)):]...)
					if reachesNothing(t, m, fmt.Sprintf("field %d is %.40q", i, text), sid, fields[0] == "tighten_acl", append([]string{strings.Join(line, "\t")}, lines[1:]...)) {
						m = fixture(t)
					}
				}
			}
		})
	}
}

// reachesNothing runs lines, and tells whether they have changed something, which must be what they may.
func reachesNothing(t *testing.T, m *Machine, what, sid string, permissions bool, lines []string) bool {
	t.Helper()
	before, keys := m.Snapshot(), m.KeyPermissions()
	out, code, err := startTwin(t.Context(), m, inputFor(lines...))
	if err != nil || code != 0 {
		t.Fatalf("%s: ended with %d, %v", what, code, err)
	}
	answers(t, out)
	diff := before.Diff(m.Snapshot())
	for _, line := range diff {
		path, _, _ := strings.Cut(line[2:], ": ")
		ours := false
		for _, place := range []string{userPath + "!Image", ourPics + `\` + sid + `\`, ourHome + `\State\`} {
			_, below := cutFold(path, place)
			ours = ours || below
		}
		if !ours && !(permissions && (path == userPath || path == pictureUsersKey)) {
			t.Errorf("%s: %s", what, line)
		}
	}
	for _, c := range keys.Changes(m.KeyPermissions()).Changed {
		if !permissions || strings.Contains(c, "has now ") && !strings.Contains(c, fmt.Sprintf("%#x", keyRead)) {
			t.Errorf("%s: %s", what, c)
		}
	}
	return diff != nil
}

// TestKeptByOthers: what stands in the file of what was there before is believed in nothing but data of values.
func TestKeptByOthers(t *testing.T) {
	state := strings.Repeat("0", 64)
	lines := []string{"; S-1-5-18 before photopush: " + state, `[-HKEY_LOCAL_MACHINE\SYSTEM]`, `"Path"="C:\\Windows\\x"`, `"Image33"="C:\\Windows\\x"`, `"image96"="C:\\Windows\\x"`,
		`"Image32"=dword:1`, `"Image40"="\\\\evil\\share\\x"`, `"Image48"="C:\\Windows\\..\\Windows\\x"`, `"Image64"="C:\\Windows\\x:stream"`,
		`"Image96"="` + strings.ReplaceAll(ourPics, `\`, `\\`) + `\\` + string(userSID) + `\\` + fileName(small, 32) + `"`, `"Image192"="C:\\Windows"`, `"Image208"="C:\\Windows\\x.png"`, `"Image240"="C:\\Windows\\x"`}
	m := fixture(t)
	m.WriteFile(savedPath, []byte(strings.Join(lines, "\r")))
	got := oneAnswer(t, m, restoreOriginal(userSID, stateOf(m, userSID), "plain", state))
	if fmt.Sprint(got["missing"]) != "[Image40 Image48 Image64 Image96 Image192 Image240]" {
		t.Errorf("answer %v", got)
	}
	values := m.Values(userPath)
	delete(values, "Video96")
	if text, _ := values["Image208"].Text(); len(values) != 1 || text != `C:\Windows\x.png` {
		t.Errorf("values %v", values)
	}
}

// TestScriptsAlone: no script does what another is for, whatever it is told.
func TestScriptsAlone(t *testing.T) {
	for _, s := range accountpicture.Scripts {
		m := fixture(t)
		before := m.Snapshot()
		state := stateOf(m, userSID)
		for _, line := range []string{put(userSID, []byte("x"), 32)[0], saveOriginal(userSID, state), setValues(userSID, state, "Image448="+fileName([]byte("an older picture"), 448)),
			deleteFiles(userSID, state, fileName([]byte("an older picture"), 448)), restoreOriginal(userSID, state, "plain", state), deleteValues(userSID, state, "plain", "Image96"),
			tightenACL("Users", aclSum(m, pictureUsersKey), "owner", sidUsers)} {
			verb, _, _ := strings.Cut(line, "\t")
			if s.Knows(verb) {
				continue
			}
			if got := runScript(t, m, s, line)[0]; got["verb"] != "input" || got.ok() {
				t.Errorf("%s answers %v to %s", s.Name, got, verb)
			}
		}
		if diff := before.Diff(m.Snapshot()); diff != nil {
			t.Errorf("%s has changed %q", s.Name, diff)
		}
	}
}
