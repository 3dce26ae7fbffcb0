package simwin

import (
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
)

// TestGuard puts a descriptor or a link on the way to our pictures, and pushes.
func TestGuard(t *testing.T) {
	const (
		programs = `C:\Program Files`
		sidPath  = ourPics + `\` + string(userSID)
		fine     = "ok"
		unsafe   = "unsafe_path 0x0 guard"
		base     = "O:SYD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	)
	secure := func(path, sddl string) func(*testing.T, *Machine) {
		return func(t *testing.T, m *Machine) {
			if err := m.MakeFolder(path, sddl); err != nil {
				t.Fatal(err)
			}
		}
	}
	ours := func(ace string) func(*testing.T, *Machine) { return secure(ourPics, base+ace) }
	parent := func(ace string) func(*testing.T, *Machine) { return secure(programs, base+ace) }
	root := func(ace string) func(*testing.T, *Machine) { return secure(`C:`, base+ace) }
	link := func(path string) func(*testing.T, *Machine) {
		return func(t *testing.T, m *Machine) {
			m.Remove(path)
			m.MakeLink(path, `C:\Users\Public`)
		}
	}
	cases := map[string]struct {
		set  func(*testing.T, *Machine)
		want string
	}{
		"as installed":                      {func(*testing.T, *Machine) {}, fine},
		"root of an image":                  {root("(A;;0x1301bf;;;AU)(A;OICIIO;SDGXGWGR;;;AU)"), fine},
		"root where users delete children":  {root("(A;;0x40;;;AU)"), unsafe},
		"root that users own":               {secure(`C:`, "O:BUD:P(A;OICI;FA;;;BA)"), unsafe},
		"parent owned by TrustedInstaller":  {secure(programs, "O:"+sidTrustedInstaller+"D:P(A;OICI;FA;;;BA)"), fine},
		"parent owned by a user":            {secure(programs, "O:"+string(otherSID)+"D:P(A;OICI;FA;;;BA)"), unsafe},
		"parent owned by nobody":            {secure(programs, "D:P(A;OICI;FA;;;BA)"), unsafe},
		"parent with a null DACL":           {secure(programs, "O:BAD:NO_ACCESS_CONTROL"), unsafe},
		"parent where users add files":      {parent("(A;;0x6;;;BU)"), fine},
		"parent where users delete":         {parent("(A;;SD;;;BU)"), unsafe},
		"parent where users write DACs":     {parent("(A;;WD;;;BU)"), unsafe},
		"parent where users take ownership": {parent("(A;;WO;;;BU)"), unsafe},
		"parent with generic all":           {parent("(A;;GA;;;AU)"), unsafe},
		"parent with generic write":         {parent("(A;;GW;;;AU)"), unsafe},
		"parent with generic read":          {parent("(A;;GRGX;;;AU)"), fine},
		"parent that passes on":             {parent("(A;OICIIO;FA;;;BU)"), fine},
		"parent with a conditional right":   {parent(`(XA;;FA;;;WD;(@User.x == 1))`), unsafe},
		"parent with an object right":       {parent("(OA;;FA;;;WD)"), unsafe},
		"parent that denies":                {parent("(D;;GA;;;BG)"), fine},
		"parent with creator owner":         {parent("(A;;FA;;;CO)"), unsafe},
		"ours that users read":              {ours("(A;OICI;0x1200a9;;;BU)"), fine},
		"ours where users add files":        {ours("(A;;0x2;;;BU)"), unsafe},
		"ours where users add folders":      {ours("(A;;0x4;;;BU)"), unsafe},
		"ours where users write attributes": {ours("(A;;0x100;;;BU)"), unsafe},
		"ours where users write EAs":        {ours("(A;;0x10;;;BU)"), unsafe},
		"ours that a user owns":             {secure(sidPath, "O:"+string(userSID)+"D:P(A;OICI;FA;;;BA)"), unsafe},
		"home is a link":                    {link(ourHome), unsafe},
		"pictures are a link":               {link(ourPics), unsafe},
		"the user's folder is a link":       {link(sidPath), unsafe},
		"Program Files is a link":           {link(programs), unsafe},
		"home is a file":                    {func(t *testing.T, m *Machine) { m.WriteFile(ourHome, nil) }, "conflict 0x800700b7 New-SecureFolder"},
		"the user's folder is a file":       {func(t *testing.T, m *Machine) { m.WriteFile(sidPath, nil); pass(t, m) }, "conflict 0x800700b7 New-SecureFolder"},
		"Program Files is missing":          {func(t *testing.T, m *Machine) { m.Remove(programs) }, "script 0x80070002 guard"},
		"descriptor that cannot be read":    {secure(programs, "O:SYD:P(A;OICI;FA;;;SY)"), "denied 0x80070005 guard"},
		"moved Program Files": {func(t *testing.T, m *Machine) {
			m.SetValue(currentVersion, "ProgramFilesDir", StringValue(`C:\Apps (x)\`))
			secure(`C:\Apps (x)`, base)(t, m)
		}, fine},
		"Program Files on a share": {func(t *testing.T, m *Machine) {
			m.SetValue(currentVersion, "ProgramFilesDir", StringValue(`\\host\share`))
		}, "unsupported 0x0 roots"},
		"no Program Files": {func(t *testing.T, m *Machine) { m.DeleteValue(currentVersion, "ProgramFilesDir") }, "unsupported 0x0 roots"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			if strings.HasPrefix(name, "ours") || strings.HasPrefix(name, "the user's") || strings.HasPrefix(name, "pictures") {
				pass(t, m)
			}
			c.set(t, m)
			before := m.Snapshot()
			got := runTwin(t, m, put(userSID, small, 32)...)[0].failure()
			if got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			if diff := before.Diff(m.Snapshot()); got != fine && diff != nil {
				t.Errorf("a refused push changed %q", diff)
			}
		})
	}
}

// TestGuardSays: a person reads the same of the twin's guard as of the script's.
func TestGuardSays(t *testing.T) {
	const owned = "$folder is owned by '$($security.Owner)'"
	for sddl, k := range map[string]struct{ form, sid string }{
		"O:SYD:P(A;OICI;FA;;;BA)(A;;0x1301bf;;;BU)": {"$folder can be changed by $sid", sidUsers},
		"O:BUD:P(A;OICI;FA;;;BA)":                   {owned, sidUsers},
		"D:P(A;OICI;FA;;;BA)":                       {owned, ""},
		"O:BAD:NO_ACCESS_CONTROL":                   {"$folder is open to everybody", ""},
	} {
		if !strings.Contains(accountpicture.ReadScript.Text, `"`+k.form+`"`) {
			t.Errorf("the script does not say %s", k.form)
		}
		m := NewMachine(MachineOptions{})
		if err := m.MakeFolder(ourPics, sddl); err != nil {
			t.Fatal(err)
		}
		want := strings.NewReplacer("$folder", ourPics, "$($security.Owner)", k.sid, "$sid", k.sid).Replace(k.form)
		if got := runTwin(t, m, put(userSID, small, 32)...)[0]["message"]; got != want {
			t.Errorf("with %s it says %q, want %q", sddl, got, want)
		}
	}
}

// pass gives our folders their descriptors, as a first push does.
func pass(t *testing.T, m *Machine) {
	for path, sddl := range map[string]string{ourHome: pictureFolderSDDL, ourPics: pictureFolderSDDL, ourHome + `\State`: stateFolderSDDL} {
		if err := m.MakeFolder(path, sddl); err != nil {
			t.Fatal(err)
		}
	}
	m.WriteFile(ourHome+`\State\lock`, nil)
}
