//go:build unix

package accountpicture_test

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/photo"
)

// The matrix breaks a plan that uses every verb at each of its effects: the effect fails, or the process ends, before and after it. Then every
// value of every user must name a complete picture of his, and one undisturbed run must end in the wanted state.

// The users of a case, by what they need.
const (
	windowsUser  = iota // has a picture of Windows on a key that administrators may not write: gets ours
	oldUser             // has an older picture of ours: gets another
	newUser             // has nothing: gets ours
	restoredUser        // has ours, and had one of Windows, on a key that administrators may not write: gets that back
	bareUser            // has ours, and nothing is kept of before: loses it
	keylessUser         // has ours, and had no key: loses both
	journalUser         // as windowsUser, and a run was ended there before
	openUser            // users may write his key, and one of them owns it
	usersOfCase
)

// wantsPicture tells whether a user of that need gets a picture.
func wantsPicture(need int) bool {
	return need == windowsUser || need == oldUser || need == newUser || need == journalUser
}

var oldSet, wantedSet = testSet("old"), testSet("wanted")

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

// caseUser is a user of the n-th case.
func caseUser(n, need int) photopush.SID { return testUser(n*usersOfCase + need) }

const (
	guardedSDDL = "O:BAD:(A;;KRWD;;;BA)(A;;KA;;;SY)(A;;KR;;;BU)(A;;KR;;;AC)" // as Windows makes keys
	openSDDL    = "D:(A;;KA;;;SY)(A;;KA;;;BA)(A;;KA;;;BU)(A;;KR;;;AC)"
	closedSDDL  = "D:(A;;KA;;;SY)(A;;KA;;;BA)(A;;KR;;;BU)(A;;KR;;;AC)"
	usersSDDL   = "O:BAD:(A;;KA;;;BA)(A;;KA;;;SY)(A;;KR;;;BU)(A;;KR;;;AC)"
)

// windowsFile is a picture that Windows keeps of a user.
func windowsFile(sid photopush.SID, size int) string {
	return fmt.Sprintf(`%s\%s\{0E2F5B9C-0000-4A7B-8000-000000000001}-Image%d.jpg`, golden.Public, sid, size)
}

func windowsValues(sid photopush.SID) []golden.Value {
	return []golden.Value{{Name: "Image96", Kind: "sz", Data: windowsFile(sid, 96)}, {Name: "Image448", Kind: "sz", Data: windowsFile(sid, 448)}}
}

// start is a workstation with the users of so many cases.
func start(cases int) golden.State {
	s := golden.State{KeyDescriptors: map[string]string{golden.UsersKey: usersSDDL}, Folders: []string{golden.Home, golden.Home + `\State`, golden.Pictures}}
	for n := range cases {
		for need := range usersOfCase {
			startUser(&s, caseUser(n, need), need)
		}
	}
	return s
}

func startUser(s *golden.State, sid photopush.SID, need int) {
	key := golden.UsersKey + `\` + string(sid)
	if need == windowsUser || need == restoredUser || need == journalUser {
		s.KeyDescriptors[key] = guardedSDDL
		for _, size := range []int{96, 448} {
			s.Files = append(s.Files, golden.File{Path: windowsFile(sid, size), Content: golden.Content("windows")})
		}
	}
	switch need {
	case newUser:
	case windowsUser, journalUser:
		if need == windowsUser { // what a run that was ended has left
			s.Files = append(s.Files, golden.File{Path: golden.Home + `\State\` + string(sid) + ".reg.new", Content: []byte("half")})
		}
		s.Keys = append(s.Keys, golden.Key{Path: key, Values: windowsValues(sid)})
	case openUser:
		s.Keys = append(s.Keys, golden.Key{Path: key})
		s.KeyDescriptors[key] = openSDDL
	default:
		folder := golden.Pictures + `\` + string(sid)
		s.Folders = append(s.Folders, folder)
		values := []golden.Value{}
		for _, size := range accountpicture.Sizes {
			values = append(values, golden.Value{Name: fmt.Sprintf("Image%d", size), Kind: "sz", Data: folder + `\` + setFile(oldSet, *oldSet.For(size))})
		}
		s.Keys = append(s.Keys, golden.Key{Path: key, Values: values})
		for _, v := range oldSet.Variants {
			s.Files = append(s.Files, golden.File{Path: folder + `\` + setFile(oldSet, v), Content: v.JPEG})
		}
	}
	switch need {
	case restoredUser:
		s.Files = append(s.Files, golden.Kept(string(sid), windowsValues(sid)))
	case keylessUser:
		s.Files = append(s.Files, golden.Kept(string(sid), nil))
	case oldUser: // kept long ago
		s.Files = append(s.Files, golden.Kept(string(sid), nil))
	}
}

func setFile(set *photo.Set, v photo.Variant) string {
	return accountpicture.FileName{Digest: set.Digest, Hash: v.SHA256[:16], Size: v.Size}.String()
}

// journalFile is that of a user whose key's permissions a run that was ended has changed.
func journalFile(sid photopush.SID) golden.File {
	return golden.File{Path: golden.Home + `\State\` + string(sid) + ".journal", Content: []byte(guardedSDDL)}
}

var everything = accountpicture.Options{TemporaryEntry: true}

// plan is the plan for the users of cases, with every verb. The error is the plan's.
func plan(inv *photopush.Inventory, cases ...int) ([]accountpicture.Verb, error) {
	concerned := map[photopush.SID]bool{}
	var wishes []accountpicture.Wish
	for _, n := range cases {
		for need := range usersOfCase {
			w := accountpicture.Wish{User: caseUser(n, need)}
			if wantsPicture(need) {
				w.Set = wantedSet
			}
			if concerned[w.User] = true; need != openUser {
				wishes = append(wishes, w)
			}
		}
	}
	only := *inv
	only.Accounts = slices.DeleteFunc(slices.Clone(inv.Accounts), func(a photopush.Account) bool { return !concerned[a.SID] })
	verbs, err := accountpicture.Plan(&only, wishes, everything)
	if err != nil {
		return nil, err
	}
	for _, v := range accountpicture.PlanRepair(&only) {
		if _, recovers := v.(accountpicture.Recover); !recovers {
			verbs = append(verbs, v)
		}
	}
	return verbs, nil
}

// A fault is what happens at one effect of a plan.
type fault struct {
	batch  int    // which of the plan's runs
	verb   string // in which the effect is; "start" before the first one
	effect string
	call   int    // of this effect in its run, from 1
	where  string // before, after, middle
	kills  bool   // ends the process; else access is denied
}

func (f fault) String() string {
	what := "access denied"
	if f.kills {
		what = "process ended"
	}
	return fmt.Sprintf("%s, %s call %d of %s in %s", what, f.where, f.call, f.effect, f.verb)
}

// Where a fault stands.
const (
	before = "before"
	after  = "after"
	middle = "in the middle" // half a file is left
)

// faultsAt breaks an effect in every way.
func faultsAt(f fault) []fault {
	var all []fault
	for _, where := range []string{before, after} {
		for _, kills := range []bool{false, true} {
			f.where, f.kills = where, kills
			all = append(all, f)
		}
	}
	if f.effect == "Write-NewFile" {
		f.where, f.kills = middle, true
		all = append(all, f)
	}
	return all
}

// A condition is what a workstation has, as it is seen from outside.
type condition struct {
	values      map[photopush.SID][]golden.Value // nil for a user without a key
	files       map[string]string                // content by path, in lower case: ours, and those of Windows
	descriptors map[photopush.SID]string         // SDDL of keys, where it was asked for
}

// checkIntact says where a value of a user of the case names no complete picture of his, and whether a file of Windows was touched.
func (c condition) checkIntact(t *testing.T, n int) {
	t.Helper()
	for need := range usersOfCase {
		sid := caseUser(n, need)
		for _, v := range c.values[sid] {
			content, there := c.files[strings.ToLower(v.Data)]
			switch {
			case !there || v.Kind != "sz":
				t.Errorf("%s: %s is %s %s, and names nothing", sid, v.Name, v.Kind, v.Data)
			case strings.HasPrefix(v.Data, golden.Pictures+`\`+string(sid)+`\`):
				if !inSets(content, oldSet, wantedSet) {
					t.Errorf("%s: %s names %s, which has %d bytes of no picture", sid, v.Name, v.Data, len(content))
				}
			case !strings.HasPrefix(v.Data, golden.Public+`\`+string(sid)+`\`):
				t.Errorf("%s: %s names %s, which is not his", sid, v.Name, v.Data)
			}
		}
		for _, size := range []int{96, 448} {
			if content, there := c.files[strings.ToLower(windowsFile(sid, size))]; there && content != string(golden.Content("windows")) {
				t.Errorf("%s was changed", windowsFile(sid, size))
			}
		}
	}
}

func inSets(content string, sets ...*photo.Set) bool {
	return slices.ContainsFunc(sets, func(s *photo.Set) bool {
		return slices.ContainsFunc(s.Variants, func(v photo.Variant) bool { return string(v.JPEG) == content })
	})
}

// checkWanted says where the users of a case are not as they should be in the end.
func (c condition) checkWanted(t *testing.T, n int) {
	t.Helper()
	c.checkIntact(t, n)
	for need := range usersOfCase {
		sid := caseUser(n, need)
		values, has := c.values[sid]
		switch {
		case wantsPicture(need):
			if len(values) != len(accountpicture.Sizes) {
				t.Errorf("%s has %d values, want %d", sid, len(values), len(accountpicture.Sizes))
			}
			for _, v := range values {
				if !inSets(c.files[strings.ToLower(v.Data)], wantedSet) {
					t.Errorf("%s: %s names %s, which is not what is wanted", sid, v.Name, v.Data)
				}
			}
			c.checkFiles(t, sid, len(wantedSet.Variants))
		case need == restoredUser:
			slices.SortFunc(values, func(a, b golden.Value) int { return cmp.Compare(b.Name, a.Name) })
			if want := windowsValues(sid); len(values) != 2 || values[0] != want[0] || values[1] != want[1] {
				t.Errorf("%s has %v, want what was there before: %v", sid, values, want)
			}
			c.checkFiles(t, sid, 0)
		case need == keylessUser && has, len(values) != 0:
			t.Errorf("%s has the values %v", sid, values)
		case need != openUser:
			c.checkFiles(t, sid, 0)
		}
		want := map[int]string{windowsUser: guardedSDDL, restoredUser: guardedSDDL, journalUser: guardedSDDL, openUser: "O:BA" + closedSDDL}[need]
		if want != "" && !golden.SameSDDL(c.descriptors[sid], want) {
			t.Errorf("the permissions of the key of %s are %s, want %s", sid, c.descriptors[sid], want)
		}
	}
	for path := range c.files {
		if strings.HasSuffix(path, ".journal") {
			t.Errorf("%s is left", path)
		}
	}
}

func (c condition) checkFiles(t *testing.T, sid photopush.SID, want int) {
	t.Helper()
	folder := strings.ToLower(golden.Pictures + `\` + string(sid) + `\`)
	got := 0
	for path := range c.files {
		if strings.HasPrefix(path, folder) {
			got++
		}
	}
	if got != want {
		t.Errorf("%s has %d files of ours, want %d", sid, got, want)
	}
}

// A bench is a workstation that the matrix runs on.
type bencher interface {
	// execute runs one batch of a plan, with a fault of that batch or none. ended tells that the process ended without an answer.
	execute(t *testing.T, verbs []accountpicture.Verb, f *fault) (answers []accountpicture.Answer, ended bool)
	condition(t *testing.T) condition
}

// inventory is what the workstation says of itself.
func inventory(t *testing.T, b bencher) *photopush.Inventory {
	t.Helper()
	verbs := []accountpicture.Verb{accountpicture.TakeInventory{}}
	answers, ended := b.execute(t, verbs, nil)
	if ended {
		t.Fatal("the inventory has no answer")
	}
	inv, err := accountpicture.Apply(nil, verbs, answers, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	return inv
}

// breakPlan executes the plan of a case up to the fault, as a visit would.
func breakPlan(t *testing.T, b bencher, inv *photopush.Inventory, n int, f fault) {
	t.Helper()
	verbs, err := plan(inv, n)
	if err != nil {
		t.Fatal(err)
	}
	for i, batch := range accountpicture.Batches(verbs) {
		var now *fault
		if i == f.batch {
			now = &f
		}
		answers, ended := b.execute(t, batch, now)
		if now == nil && (ended || len(answers) != len(batch) || !answers[len(answers)-1].OK) {
			t.Fatalf("run %d without a fault: %+v", i, answers)
		}
		if now == nil {
			continue
		}
		f.check(t, answers, ended, len(batch))
		return
	}
	t.Fatalf("the plan has no run %d", f.batch)
}

// tolerated are effects whose failure ends no run: a file in use stays for the next time, and so does a folder.
func (f fault) tolerated() bool {
	return f.verb == "delete_files" && (f.effect == "Remove-OwnFile" || f.effect == "Remove-OwnFolder")
}

func (f fault) check(t *testing.T, answers []accountpicture.Answer, ended bool, verbs int) {
	t.Helper()
	switch {
	case f.kills && !ended:
		t.Fatalf("answered %+v, want none", answers)
	case f.kills:
	case ended || len(answers) == 0:
		t.Fatal("there is no answer")
	case f.tolerated():
		if len(answers) != verbs || !answers[len(answers)-1].OK {
			t.Fatalf("%s ended the run: %+v", f, answers[len(answers)-1])
		}
	default:
		if a := answers[len(answers)-1]; a.OK || a.Reason != photopush.Denied || a.Where != f.effect {
			t.Fatalf("answered %+v, want %s denied", a, f.effect)
		}
	}
}

// mend runs what is left to do for the users of cases, as the next visits would, and fails when that does not end.
func mend(t *testing.T, b bencher, cases ...int) {
	t.Helper()
	for range 4 {
		inv := inventory(t, b)
		verbs, err := plan(inv, cases...)
		if err != nil {
			t.Fatal(err)
		}
		if len(verbs) == 0 {
			return
		}
		for _, batch := range accountpicture.Batches(verbs) {
			answers, ended := b.execute(t, batch, nil)
			if ended {
				t.Fatal("an undisturbed run has no answer")
			}
			if a := answers[len(answers)-1]; !a.OK && a.Reason != photopush.Conflict {
				t.Fatalf("an undisturbed run failed: %+v", a)
			}
		}
	}
	t.Fatal("an undisturbed run does not come to an end")
}
