package simwin

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush/accountpicture"
)

// oldRecipeSDDL is what the popular instructions give everybody on the key of all users' pictures.
const oldRecipeSDDL = "O:BAD:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KA;;;BU)"

// A try is something that he tries, and whether Windows lets him.
type try struct {
	what string
	do   func() error
	may  bool
}

func tryAll(t *testing.T, tries []try) {
	t.Helper()
	for _, x := range tries {
		if err := x.do(); (err == nil) != x.may || err != nil && !Denied(err) {
			t.Errorf("%s: %v, want allowed %v", x.what, err, x.may)
		}
	}
}

func TestHostileFiles(t *testing.T) {
	m := NewMachine(MachineOptions{})
	runTwin(t, m, push(userSID)...)
	ours := ourPics + `\` + string(userSID)
	picture := ours + `\` + fileName(small, 32)
	own := publicFolder + `\AccountPictures\` + string(userSID)
	m.WriteFile(own+`\{0}-Image96.jpg`, []byte("as Windows writes it"))
	before := m.Snapshot().Below(ourHome)
	u := m.AsUser(userSID)
	tryAll(t, []try{
		{"a file at the root", func() error { return u.WriteFile(`C:\x`, nil) }, false},
		{"a folder at the root", func() error { return u.MakeFolder(`C:\planted`) }, true},
		{"a file in it", func() error { return u.WriteFile(`C:\planted\f`, []byte("x")) }, true},
		{"a folder in Program Files", func() error { return u.MakeFolder(`C:\Program Files\x`) }, false},
		{"a link in Program Files", func() error { return u.Link(`C:\Program Files\x`, `C:\planted`) }, false},
		{"a file in our folder", func() error { return u.WriteFile(ours+`\f`, nil) }, false},
		{"another content of our file", func() error { return u.WriteFile(picture, nil) }, false},
		{"our file away", func() error { return u.Delete(picture) }, false},
		{"our file elsewhere", func() error { return u.Move(picture, `C:\planted\g`) }, false},
		{"a file in our file's place", func() error { return u.Replace(`C:\planted\f`, picture) }, false},
		{"our folder elsewhere", func() error { return u.Move(ourHome, `C:\planted\h`) }, false},
		{"our folder's DACL", func() error { return u.SecurePath(ours, "D:P(A;;FA;;;WD)") }, false},
		{"our lock open", func() error { _, err := u.Open(ourHome+`\State\lock`, true, true, true); return err }, false},
		{"our picture open", func() error { _, err := u.Open(picture, true, true, false); return err }, true},
		{"his public folder elsewhere", func() error { return u.Move(own, `C:\planted\own`) }, true},
		{"a link in its place", func() error { return u.Link(own, ourHome) }, true},
		{"a file through the link", func() error { return u.WriteFile(own+`\f`, nil) }, false},
		{"the link away", func() error { return u.Delete(own) }, true},
		{"his own folder's DACL", func() error { return u.SecurePath(`C:\planted`, "D:P(A;OICI;FA;;;"+string(userSID)+")") }, true},
		{"a link of his empty folder", func() error {
			if err := u.MakeFolder(`C:\planted\empty`); err != nil {
				return err
			}
			return u.Link(`C:\planted\empty`, `C:\Users`)
		}, true},
	})
	if got, err := u.ReadFile(picture); err != nil || string(got) != string(small) {
		t.Errorf("he reads %q, %v", got, err)
	}
	if diff := before.Diff(m.Snapshot().Below(ourHome)); diff != nil {
		t.Errorf("our folder changed: %v", diff)
	}
	if sd, _ := m.PathSecurity(`C:\planted\f`); sd.Owner != string(userSID) {
		t.Errorf("his file is %s", sd)
	}
	if got, want := m.Counters().FoldersCreated, 4; got != want {
		t.Errorf("%d folders are counted as ours, want %d", got, want)
	}
}

func TestHostileKeys(t *testing.T) {
	mine, others := pictureUsersKey+`\`+string(userSID), pictureUsersKey+`\`+string(otherSID)
	for name, c := range map[string]struct {
		sddl string
		may  bool
	}{"default": {defaultKeySDDL, false}, "old recipe": {oldRecipeSDDL, true}} {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			secureKeys(t, m, map[string]string{pictureUsersKey: c.sddl})
			m.SetValue(mine, "Image96", StringValue("x"))
			m.SetValue(others, "Image96", StringValue("x"))
			u := m.AsUser(userSID)
			tryAll(t, []try{
				{"a value of his own", func() error { return u.SetValue(mine, "Image96", StringValue("y")) }, c.may},
				{"another's value", func() error { return u.SetValue(others, "Image96", StringValue("y")) }, c.may},
				{"another's value away", func() error { return u.DeleteValue(others, "Image96") }, c.may},
				{"a key below", func() error { return u.CreateKey(others + `\x`) }, c.may},
				{"a link below", func() error { return u.LinkKey(others+`\l`, currentVersion) }, c.may},
				{"a DACL", func() error { return u.SecureKey(others, "D:P(A;;KA;;;BU)") }, c.may},
				{"an owner", func() error { return u.OwnKey(others) }, c.may},
				{"a key away", func() error { return u.DeleteKey(mine) }, c.may},
			})
			if !c.may {
				return
			}
			if got := keyText(m, others); got != mustSDDL("O:"+string(userSID)+"D:P(A;;KA;;;BU)").String() {
				t.Errorf("the other's key is %s", got)
			}
		})
	}
}

// Through a link that a user planted in the old recipe's key, an administrator's program works on the key that the user chose.
func TestKeyLinks(t *testing.T) {
	const victim, path = `HKLM\SOFTWARE\Victim`, pictureUsersKey + `\` + string(userSID)
	m := NewMachine(MachineOptions{})
	secureKeys(t, m, map[string]string{pictureUsersKey: oldRecipeSDDL, victim: "O:BAD:(A;;KA;;;BA)(A;;KR;;;BU)"})
	u := m.AsUser(userSID)
	if err := u.LinkKey(path, victim); err != nil {
		t.Fatal(err)
	}
	if err := u.SetValue(path, "x", StringValue("")); !Denied(err) {
		t.Errorf("he sets a value in the key it leads to: %v", err)
	}
	if err := m.setValue(opened(t, m, path, keySetValue), "Image96", StringValue("p")); err != nil {
		t.Error(err)
	}
	if len(m.Values(victim)) != 1 {
		t.Error("the value is not where the link leads")
	}
	// an inheritable entry above the link reaches what it leads to
	h := opened(t, m, pictureUsersKey, rightWriteDAC)
	if err := m.setKeySecurity(h, mustSDDL(oldRecipeSDDL), accessSection); err != nil {
		t.Fatal(err)
	}
	if err := u.SetValue(victim, "x", StringValue("")); err != nil {
		t.Errorf("the entry did not reach the key behind the link: %v", err)
	}
	m.CreateKey(`HKU\.DEFAULT`)
	for _, target := range []string{`HKU\.DEFAULT`, path + `2`, `HKLM\SOFTWARE\none`} { // the second leads to itself
		m.DeleteKey(path + `2`)
		if err := m.MakeKeyLink(path+`2`, target); err != nil {
			t.Fatal(err)
		}
		if h, err := m.openKey(path+`2`, keyRead); (h != nil) != (target == `HKU\.DEFAULT`) || err != nil {
			t.Errorf("a link to %s: %v, %v", target, h, err)
		}
	}
	if _, err := m.createKey(path + `2`); hresult(err) != keyNotFound {
		t.Errorf("a key made through a link to nothing: %v", err)
	}
	if err := m.MakeKeyLink(`HKU\l`, victim); err != nil {
		t.Fatal(err)
	}
	if h, _ := m.openKey(`HKU\l`, keyRead); h != nil {
		t.Error("a link leads out of a hive that users load")
	}
	if err := m.deleteKey(path); err != nil || m.Subkeys(victim) != nil {
		t.Errorf("deleted through the link: %v, %v", err, m.Subkeys(victim))
	}
	if err := u.DeleteKey(path); err != nil {
		t.Errorf("the link itself: %v", err)
	}
}

func TestChangePicture(t *testing.T) {
	for build, want := range map[int]int{9600: 5, 22631: 11} {
		now := time.Date(2026, 3, 1, 8, 0, 0, 0, time.UTC)
		m := NewMachine(MachineOptions{Build: build, GuardedKeys: true, Now: func() time.Time { return now }})
		u := m.AsUser(userSID)
		if err := u.ChangePicture(7); err != nil {
			t.Fatal(err)
		}
		first := m.Files(publicFolder)
		m.SetValue(pictureUsersKey+`\`+string(userSID), "Image200", StringValue("old"))
		now = now.Add(time.Hour)
		if err := u.ChangePicture(8); err != nil {
			t.Fatal(err)
		}
		second := m.Files(publicFolder)
		if len(first) != want || len(second) != want {
			t.Errorf("build %d: %d and %d files, want %d", build, len(first), len(second), want)
		}
		for path := range second {
			if first[path] != nil || !m.lastWriteTime(path).Equal(now) {
				t.Errorf("build %d: %s is not new", build, path)
			}
		}
		if got := len(m.Values(pictureUsersKey + `\` + string(userSID))); got != want {
			t.Errorf("build %d: %d values, want %d", build, got, want)
		}
		if v := m.CheckIntact(); len(v.Broken) != 0 {
			t.Errorf("build %d: %v", build, v.Broken)
		}
		if _, err := m.openKey(pictureUsersKey+`\`+string(userSID), keySetValue); hresult(err) != securityException {
			t.Errorf("build %d: an administrator opens the key: %v", build, err)
		}
	}
}

func TestSizesOfBuilds(t *testing.T) {
	for build, want := range map[int]int{9600: 5, 10240: 7, 14393: 7, 19045: 11, 26100: 11} {
		if got := len(sizesOf(build)); got != want {
			t.Errorf("build %d writes %d sizes, want %d", build, got, want)
		}
	}
}

// race lets somebody act while a run stands still before or after one of its effects, and returns the run's answers.
func race(t *testing.T, m *Machine, at EffectFault, act func(), lines ...string) []answerLine {
	t.Helper()
	at.Kind, at.Reached, at.Release = Hold, make(chan struct{}), make(chan struct{})
	m.SetFault(at)
	type result struct {
		out string
		err error
	}
	done := make(chan result)
	go func() {
		out, _, err := startTwin(t.Context(), m, accountpicture.PushScript.Text+strings.Join(lines, "\n")+"\n")
		done <- result{out, err}
	}()
	select {
	case <-at.Reached:
		act()
		close(at.Release)
	case r := <-done:
		t.Fatalf("the run never came to %s %d: %s %v", at.Effect, at.Nth, r.out, r.err)
	}
	r := <-done
	if r.err != nil {
		t.Fatal(r.err)
	}
	return answers(t, r.out)
}

// Whatever a user does between two effects of a run, our folder and the keys of others are what the run made of them.
func TestHostileRaces(t *testing.T) {
	m := NewMachine(MachineOptions{})
	runTwin(t, m, push(userSID)...)
	sound := m.Snapshot().Below(ourHome, pictureUsersKey+`\`+string(userSID))
	effects := m.Effects()
	for _, e := range effects {
		for _, after := range []bool{false, true} {
			m := NewMachine(MachineOptions{})
			u := m.AsUser(otherSID)
			worst := func() {
				for _, path := range []string{ourHome, ourPics, ourHome + `\State`, ourPics + `\` + string(userSID), e.On} {
					if err := errorsOf(u.MakeFolder(path), u.Link(path, `C:\Users`), u.Move(path, `C:\gone`), u.WriteFile(path, nil)); len(err) != 4 {
						t.Errorf("%s %d after %v: he may do something to %s", e.Name, e.Nth, after, path)
					}
				}
				if err := u.SetValue(pictureUsersKey+`\`+string(userSID), "Image96", StringValue("x")); err == nil {
					t.Errorf("%s %d after %v: he sets another's value", e.Name, e.Nth, after)
				}
			}
			list := race(t, m, EffectFault{Effect: e.Name, Nth: e.Nth, After: after}, worst, push(userSID)...)
			if !list[len(list)-1].ok() {
				t.Errorf("%s %d after %v: %v", e.Name, e.Nth, after, list)
			}
			if diff := sound.Diff(m.Snapshot().Below(ourHome, pictureUsersKey+`\`+string(userSID))); diff != nil {
				t.Errorf("%s %d after %v: %v", e.Name, e.Nth, after, diff)
			}
		}
	}
}

// A user who changes his own picture in the middle of a push leaves values of both: the next inventory tells.
func TestOwnChangeDuringPush(t *testing.T) {
	m := NewMachine(MachineOptions{})
	u := m.AsUser(userSID)
	list := race(t, m, EffectFault{Effect: SetPictureValue, Nth: 2}, func() {
		if err := u.ChangePicture(9); err != nil {
			t.Error(err)
		}
	}, push(userSID)...)
	if last := list[len(list)-1]; !last.ok() || last["state"] == stateAfterPush(t) {
		t.Errorf("the answer hides what came between: %v", last)
	}
	values := m.Values(pictureUsersKey + `\` + string(userSID))
	if got, _ := values["Image96"].Text(); len(values) != 11 || !strings.HasPrefix(got, ourPics) {
		t.Errorf("%d values, Image96 is %q", len(values), got)
	}
}

func errorsOf(errs ...error) []error {
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}
