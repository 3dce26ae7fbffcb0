//go:build unix

package accountpicture_test

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/internal/winelab"
	"github.com/photopush/photopush/photo"
)

// A fault is what happens at one call of one effect of a push.
type fault struct {
	effect string
	call   int
	where  string // before, after, middle
	kills  bool   // ends the process; else access is denied
}

func (f fault) String() string {
	what := "access denied"
	if f.kills {
		what = "killed"
	}
	return fmt.Sprintf("%s %s call %d of %s", what, f.where, f.call, f.effect)
}

func (f fault) action() string {
	if f.kills {
		return "[Environment]::Exit(9)"
	}
	return "throw [UnauthorizedAccessException]::new('a fault')" // 0x80070005
}

// faults breaks every effect before and after, in both ways. A push here has two users: the first has another picture by now (no new
// folder or key), the second has none; three files and eleven values each, three old files of the first.
func faults() []fault {
	var all []fault
	for _, at := range []struct {
		effect string
		call   int
	}{
		{"Enter-Lock", 1}, {"New-SecureFolder", 1}, {"Write-NewFile", 2}, {"New-PictureKey", 1},
		{"Set-PictureValue", 5}, {"Set-PictureValue", 22}, {"Remove-OwnFile", 2},
	} {
		for _, where := range []string{before, after} {
			for _, kills := range []bool{false, true} {
				all = append(all, fault{at.effect, at.call, where, kills})
			}
		}
	}
	return append(all, fault{"Write-NewFile", 6, middle, true})
}

// middle is a fault of Write-NewFile that leaves half a file behind.
const middle = "in the middle"

func (f fault) text() string {
	if f.where != middle {
		return faultText(f.effect, f.call, f.where, f.action())
	}
	half := "[IO.File]::WriteAllBytes($args[0], [byte[]] $args[1][0..($args[1].Length / 2)]); " + f.action()
	return faultText(f.effect, f.call, before, half)
}

// testSet is a picture set with three variants whose bytes are made up.
func testSet(name string) *photo.Set {
	digest := sha256.Sum256([]byte(name))
	set := &photo.Set{Digest: hex.EncodeToString(digest[:16]), Side: 500}
	for _, size := range []int{32, 96, 448} {
		jpeg := []byte(strings.Repeat(fmt.Sprintf("%s at %d px, ", name, size), size))
		sum := sha256.Sum256(jpeg)
		set.Variants = append(set.Variants, photo.Variant{Size: size, JPEG: jpeg, SHA256: hex.EncodeToString(sum[:])})
	}
	return set
}

func testUser(n int) photopush.SID {
	return photopush.SID(fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 5000+n))
}

// push plans from inv and runs the plan; it gives the inventory afterwards.
func (e engine) push(t *testing.T, inv *photopush.Inventory, wishes []accountpicture.Wish) *photopush.Inventory {
	t.Helper()
	verbs, err := accountpicture.Plan(inv, wishes, accountpicture.Options{TemporaryEntry: true})
	if err != nil {
		t.Fatal(err)
	}
	inv, err = accountpicture.Apply(inv, verbs, e.verbs(t, verbs), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

func (e engine) inventory(t *testing.T) *photopush.Inventory {
	t.Helper()
	verbs := []accountpicture.Verb{accountpicture.TakeInventory{}}
	inv, err := accountpicture.Apply(nil, verbs, e.verbs(t, verbs), time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// TestFaultsOnEngine breaks a push at every effect. After each break every value must name a complete file; one undisturbed run afterwards
// must get everything right.
func TestFaultsOnEngine(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	e.seed(t, golden.State{})
	old, wanted := testSet("old"), testSet("wanted")
	var first, all []accountpicture.Wish
	for i := range faults() {
		first = append(first, accountpicture.Wish{User: testUser(2 * i), Set: old})
		all = append(all, accountpicture.Wish{User: testUser(2 * i), Set: wanted}, accountpicture.Wish{User: testUser(2*i + 1), Set: wanted})
	}
	start := e.push(t, e.inventory(t), first)

	believed := map[photopush.SID]photopush.Account{} // what Apply says of runs that were answered
	for i, f := range faults() {
		t.Run(f.String(), func(t *testing.T) {
			users := all[2*i : 2*i+2]
			for sid, a := range e.broken(t, f, start, users) {
				believed[sid] = a
			}
			for _, u := range users {
				e.checkPicture(t, u.User, old, wanted)
			}
			if !t.Failed() {
				summary.Line(t, "real engine: %s: every value names a complete file", f)
			}
		})
	}

	now := e.inventory(t)
	for sid, a := range believed {
		if got := now.Account(sid); a.Error == "" && fmt.Sprint(got) != fmt.Sprint(a) {
			t.Errorf("%s is %+v, Apply believed %+v", sid, got, a)
		}
	}
	end := e.push(t, now, all)
	for _, w := range all {
		if have := accountpicture.Have(end, w.User); have != wanted.Digest {
			t.Errorf("%s has %q after the undisturbed run, want %s", w.User, have, wanted.Digest)
		}
		e.checkPicture(t, w.User, wanted)
	}
	read := e.inventory(t)
	read.Taken, read.FreeBytes, end.Taken, end.FreeBytes = time.Time{}, 0, time.Time{}, 0
	if fmt.Sprint(*read) != fmt.Sprint(*end) {
		t.Errorf("the workstation says\n%+v\nApply believed\n%+v", read, end)
	}
	verbs, err := accountpicture.Plan(read, all, accountpicture.Options{TemporaryEntry: true})
	if err != nil || len(verbs) != 0 {
		t.Errorf("a user in step needs %v, %v", verbs, err)
	}
	if t.Failed() {
		return
	}
	summary.Line(t, "a push on the real engine with each effect denied or killed, before and after, in %d cases: every value names a complete file, and the next run puts all right", len(faults()))
}

// broken runs a push with a fault, and gives what Apply says of its users; nothing when there was no answer.
func (e engine) broken(t *testing.T, f fault, inv *photopush.Inventory, wishes []accountpicture.Wish) map[photopush.SID]photopush.Account {
	t.Helper()
	verbs, err := accountpicture.Plan(inv, wishes, accountpicture.Options{TemporaryEntry: true})
	if err != nil {
		t.Fatal(err)
	}
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	o := e.Override(t, f.text())
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: input, Overrides: []string{o}})
	if err != nil {
		t.Fatal(err)
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if f.kills {
		if !errors.Is(err, accountpicture.ErrNoAnswer) || out.ExitCode != 9 {
			t.Fatalf("answered %v, %v with exit code %d; want no answer and 9", answers, err, out.ExitCode)
		}
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	applied, err := accountpicture.Apply(inv, verbs, answers, time.Now())
	if f.effect == "Remove-OwnFile" {
		if err != nil || len(answers) != len(verbs) {
			t.Fatalf("a file that cannot be deleted ended the run: %v", err)
		}
	} else if failure, ok := errors.AsType[*accountpicture.Failure](err); !ok || failure.Answer.Where != f.effect || photopush.ReasonOf(err) != photopush.Denied {
		t.Fatalf("failed with %v, want %s denied", err, f.effect)
	}
	accounts := map[photopush.SID]photopush.Account{}
	for _, w := range wishes {
		accounts[w.User] = applied.Account(w.User)
	}
	// What a kept file, a made key or a written file is after the fault is not read back; only what is must be right.
	if f.where == after && f.effect != "Enter-Lock" && f.effect != "New-SecureFolder" {
		return nil
	}
	return accounts
}

// checkPicture reads a user's values with a program that is not ours, and his files from outside: every value names a file that is
// there, with all bytes of a variant of one of the sets; with one set, there is no other file.
func (e engine) checkPicture(t *testing.T, sid photopush.SID, sets ...*photo.Set) {
	t.Helper()
	content := map[string]string{}
	for _, set := range sets {
		for _, v := range set.Variants {
			content[string(v.JPEG)] = v.SHA256
		}
	}
	key := strings.Replace(golden.UsersKey, "HKLM", "HKEY_LOCAL_MACHINE", 1) + `\` + string(sid)
	values := e.Keys(t, key)[key]
	if len(sets) == 1 && len(values) != len(accountpicture.Sizes) {
		t.Errorf("%s has %d values, want %d", sid, len(values), len(accountpicture.Sizes))
	}
	for name, v := range values {
		b, err := os.ReadFile(e.HostPath(v.Data))
		if err != nil || content[string(b)] == "" || v.Type != "REG_SZ" {
			t.Errorf("%s of %s is %s %s, which has %d bytes, %v", name, sid, v.Type, v.Data, len(b), err)
		}
	}
	if len(sets) > 1 {
		return
	}
	entries, err := os.ReadDir(e.HostPath(golden.Pictures + `\` + string(sid)))
	if err != nil || len(entries) != len(content) {
		t.Errorf("%s has %d files, %v; want %d", sid, len(entries), err, len(content))
	}
}
