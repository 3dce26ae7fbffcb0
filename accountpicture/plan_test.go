package accountpicture

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

const (
	user1 photopush.SID = "S-1-5-21-1-2-3-1001"
	user2 photopush.SID = "S-1-5-21-1-2-3-1002"
)

func hash(b []byte) string {
	h := sha256.Sum256(b)
	return hex.EncodeToString(h[:])
}

// makeSet is a picture set with variants of these sizes.
func makeSet(name string, sizes ...int) *photo.Set {
	set := &photo.Set{Digest: hash([]byte(name))[:32]}
	for _, size := range sizes {
		jpeg := []byte(fmt.Sprintf("%s %d", name, size))
		set.Variants = append(set.Variants, photo.Variant{Size: size, JPEG: jpeg, SHA256: hash(jpeg)})
	}
	return set
}

func emptyInventory() *photopush.Inventory {
	return &photopush.Inventory{PowerShell: "5.1.22621.2506", NETRelease: 533320, Build: 22631, ProgramFiles: `C:\Program Files`, FreeBytes: 10 << 30, UsersACL: windowsUsers}
}

func plan(t *testing.T, inv *photopush.Inventory, wishes ...Wish) []Verb {
	t.Helper()
	guarded := slices.ContainsFunc(inv.Accounts, func(a photopush.Account) bool { return a.ACL == windowsMade })
	verbs, err := Plan(inv, wishes, Options{TemporaryEntry: guarded})
	if err != nil {
		t.Fatal(err)
	}
	encodable(t, verbs)
	return verbs
}

// summary tells a plan in short: put of sizes, set of values, delete of how many; with a + where a temporary entry may be used.
func summary(verbs []Verb) []string {
	var lines []string
	entry := func(r Rungs) string { return strings.Repeat("+", strings.Count(string(r), "ace")) }
	for _, v := range verbs {
		switch v := v.(type) {
		case PutFile:
			n, _ := ParseFileName(v.File)
			lines = append(lines, fmt.Sprintf("%s put %d number %d", v.SID[len(v.SID)-4:], n.Size, n.Number))
		case SetValues:
			var names []string
			for _, n := range v.Values {
				f, _ := ParseFileName(n.File)
				names = append(names, fmt.Sprintf("%s=%d", strings.TrimPrefix(n.Value, "Image"), f.Size))
			}
			lines = append(lines, fmt.Sprintf("%s set%s %s", v.SID[len(v.SID)-4:], entry(v.Rungs), strings.Join(names, " ")))
		case DeleteFiles:
			lines = append(lines, fmt.Sprintf("%s delete %d", v.SID[len(v.SID)-4:], len(v.Files)))
		case SaveOriginal:
			lines = append(lines, fmt.Sprintf("%s save", v.SID[len(v.SID)-4:]))
		case DeleteValues:
			lines = append(lines, fmt.Sprintf("%s clear%s %d", v.SID[len(v.SID)-4:], entry(v.Rungs), len(v.Values)))
		case RestoreOriginal:
			lines = append(lines, fmt.Sprintf("%s restore%s", v.SID[len(v.SID)-4:], entry(v.Rungs)))
		case TightenACL:
			lines = append(lines, fmt.Sprintf("tighten %s for %s", v.Key, strings.Join(v.Trustees, " ")))
		default:
			lines = append(lines, v.Name())
		}
	}
	return lines
}

const allOf96 = "32=32 40=96 48=96 64=96 96=96 192=96 208=96 240=96 424=96 448=96 1080=96"

func TestPlan(t *testing.T) {
	set, other := makeSet("set", 32, 96), makeSet("other", 32, 96)
	inStep := func(t *testing.T, s *photo.Set) *photopush.Inventory {
		p := newStation(emptyInventory())
		p.run(t, plan(t, p.inv, Wish{User: user1, Set: s}), -1)
		return p.inv
	}
	change := func(inv *photopush.Inventory, edit func(a *photopush.Account)) *photopush.Inventory {
		edit(&inv.Accounts[0])
		inv.Accounts[0].State = State(inv.Accounts[0].Values)
		return inv
	}
	for name, test := range map[string]struct {
		inv    func(t *testing.T) *photopush.Inventory
		wishes []Wish
		want   []string
	}{
		"nothing there": {func(*testing.T) *photopush.Inventory { return emptyInventory() }, []Wish{{User: user1, Set: set}},
			[]string{"1001 save", "1001 put 32 number 0", "1001 put 96 number 0", "1001 set " + allOf96}},
		"two users, in the order of SIDs": {func(*testing.T) *photopush.Inventory { return emptyInventory() }, []Wish{{User: user2, Set: makeSet("x", 96)}, {User: user1, Set: set}},
			[]string{"1001 save", "1001 put 32 number 0", "1001 put 96 number 0", "1001 set " + allOf96, "1002 save", "1002 put 96 number 0", "1002 set " + strings.Replace(allOf96, "32=32", "32=96", 1)}},
		"no wish": {func(*testing.T) *photopush.Inventory { return emptyInventory() }, nil, nil},
		"in step": {func(t *testing.T) *photopush.Inventory { return inStep(t, set) }, []Wish{{User: user1, Set: set}}, nil},
		"another photo": {func(t *testing.T) *photopush.Inventory { return inStep(t, other) }, []Wish{{User: user1, Set: set}},
			[]string{"1001 put 32 number 0", "1001 put 96 number 0", "1001 set " + allOf96, "1001 delete 2"}},
		"a value tampered with": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Values[3].Data = `\\evil\share\x.jpg` })
		}, []Wish{{User: user1, Set: set}}, []string{"1001 set 64=96"}},
		"a value missing": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Values = slices.Delete(a.Values, 10, 11) })
		}, []Wish{{User: user1, Set: set}}, []string{"1001 set 1080=96"}},
		"a value of another kind": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Values[0].Kind = "expand_sz" })
		}, []Wish{{User: user1, Set: set}}, []string{"1001 set 32=32"}},
		"a value that names the file of another size": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Values[0].Data = a.Values[1].Data })
		}, []Wish{{User: user1, Set: set}}, []string{"1001 set 32=32"}},
		"a file tampered with": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Files[0].SHA256 = hash(nil) })
		}, []Wish{{User: user1, Set: set}}, nil},
		"a file that cannot be read": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Files[0].SHA256 = "" })
		}, []Wish{{User: user1, Set: set}}, nil},
		"a file missing": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) { a.Files = nil })
		}, []Wish{{User: user1, Set: set}}, []string{"1001 put 32 number 1", "1001 put 96 number 1", // under names that no value names
			"1001 set 32=32 " + strings.TrimPrefix(allOf96, "32=32 ")}},
		"an old file left over": {func(t *testing.T) *photopush.Inventory {
			return change(inStep(t, set), func(a *photopush.Account) {
				a.Files = append(a.Files, photopush.File{Name: variantName(other, other.Variants[0], 7).String(), Length: 1})
			})
		}, []Wish{{User: user1, Set: set}}, []string{"1001 delete 1"}},
		"a picture of Windows with Image200": {func(*testing.T) *photopush.Inventory {
			inv := emptyInventory()
			values := []photopush.Value{{Name: "Image200", Kind: "sz", Data: `C:\Users\Public\x.jpg`}}
			inv.Accounts = []photopush.Account{{SID: user1, State: State(values), Values: values}}
			return inv
		}, []Wish{{User: user1, Set: makeSet("one", 96)}},
			[]string{"1001 save", "1001 put 96 number 0", "1001 set 32=96 40=96 48=96 64=96 96=96 192=96 208=96 240=96 424=96 448=96 1080=96 200=96"}},
		"a user who could not be read": {func(t *testing.T) *photopush.Inventory {
			inv := inStep(t, other)
			inv.Accounts[0].Error = "0x80070005 values"
			return inv
		}, []Wish{{User: user1, Set: set}}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inv := test.inv(t)
			verbs := plan(t, inv, test.wishes...)
			got := summary(verbs)
			if name == "a file tampered with" || name == "a file that cannot be read" {
				checkMended(t, got)
			} else if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			p := newStation(inv)
			p.run(t, verbs, -1)
			for _, w := range test.wishes {
				if inv.Account(w.User).Error != "" {
					continue
				}
				if have := Have(p.inv, w.User); have != w.Set.Digest {
					t.Errorf("%s has %q after the plan, want %s", w.User, have, w.Set.Digest)
				}
				if again := plan(t, p.inv, w); len(again) != 0 {
					t.Errorf("after the plan it needs %v", summary(again))
				}
			}
		})
	}
}

// A before is what a user of Windows has: a picture that he has chosen himself.
func before() []photopush.Value {
	var values []photopush.Value
	for _, size := range Sizes[:9] {
		values = append(values, photopush.Value{Name: valueName(size), Kind: kindString, Data: fmt.Sprintf(`C:\Users\Public\AccountPictures\x\{1}-Image%d.jpg`, size)})
	}
	return values
}

// windows is a workstation on which user1 has such a picture.
func windows() *station {
	s := newStation(emptyInventory())
	s.edit(user1, func(a *photopush.Account) { a.Values = before(); a.State = State(a.Values) })
	return s
}

// TestPlanRemoval tells what is done so that no picture of ours is there, and what is there after it.
func TestPlanRemoval(t *testing.T) {
	set := makeSet("set", 32, 96)
	pushed := func(t *testing.T, s *station) *station {
		s.run(t, plan(t, s.inv, Wish{User: user1, Set: set}), -1)
		return s
	}
	change := func(s *station, edit func(a *photopush.Account)) *station {
		s.edit(user1, func(a *photopush.Account) { edit(a); a.State = State(a.Values) })
		return s
	}
	for name, test := range map[string]struct {
		station *station
		restore bool
		want    []string
		have    string
		values  []photopush.Value
		state   string // empty: that of the values
	}{
		"nothing there":       {newStation(emptyInventory()), false, nil, photopush.HaveNothing, nil, photopush.StateAbsent},
		"never ours":          {windows(), false, nil, photopush.HaveOther, before(), ""},
		"back to his picture": {pushed(t, windows()), false, []string{"1001 restore", "1001 delete 2"}, photopush.HaveOther, before(), ""},
		"back to nothing":     {pushed(t, newStation(emptyInventory())), false, []string{"1001 restore", "1001 delete 2"}, photopush.HaveNothing, nil, photopush.StateAbsent},
		"his files are gone": {func() *station {
			s := pushed(t, windows())
			for _, v := range before() {
				s.gone[v.Data] = true
			}
			return change(s, func(*photopush.Account) {})
		}(), false, []string{"1001 restore", "1001 delete 2"}, photopush.HaveNothing, nil, ""},
		"nothing kept": {change(pushed(t, windows()), func(a *photopush.Account) { a.Saved = "" }), false,
			[]string{"1001 clear 11", "1001 delete 2"}, photopush.HaveNothing, nil, ""},
		"he has chosen another since": {change(pushed(t, windows()), func(a *photopush.Account) { a.Values = before() }), false,
			[]string{"1001 delete 2"}, photopush.HaveOther, before(), ""},
		"another tool has taken one": {change(pushed(t, windows()), func(a *photopush.Account) { a.Values[1].Data = `D:\x.jpg` }), false,
			[]string{"1001 clear 10", "1001 delete 2"}, photopush.HaveOther, []photopush.Value{{Name: "Image40", Kind: "sz", Data: `D:\x.jpg`}}, ""},
		"one that names a file of ours elsewhere": {change(pushed(t, windows()), func(a *photopush.Account) { a.Values[1].Data = `D:\` + strings.ToUpper(a.Files[0].Name) }), false,
			[]string{"1001 clear 10", "1001 delete 1"}, photopush.HaveOverwritten, nil, "-"},
		"files alone": {change(pushed(t, windows()), func(a *photopush.Account) { a.Saved, a.Values = "", nil }), false,
			[]string{"1001 delete 2"}, photopush.HaveNothing, nil, ""},
		"restored over another": {change(pushed(t, windows()), func(a *photopush.Account) { a.Values[1].Data = `D:\x.jpg` }), true,
			[]string{"1001 restore", "1001 delete 2"}, photopush.HaveOther, before(), ""},
		"a temporary entry is needed": {func() *station {
			s := windows()
			s.deny[user1] = true
			s.inv.UsersACL = windowsUsers
			return pushed(t, change(s, func(a *photopush.Account) { a.ACL = windowsMade }))
		}(), false, []string{"1001 restore+", "1001 delete 2"}, photopush.HaveOther, before(), ""},
		"a journal and nothing else": {change(windows(), func(a *photopush.Account) { a.Journal = true }), false, []string{"recover"}, photopush.HaveOther, before(), ""},
	} {
		t.Run(name, func(t *testing.T) {
			start := test.station.inv
			wish := Wish{User: user1, Restore: test.restore}
			verbs := plan(t, start, wish)
			if diff := cmp.Diff(test.want, summary(verbs)); diff != "" {
				t.Errorf("plan (-want +got):\n%s", diff)
			}
			answers := test.station.clone().run(t, verbs, -1)
			inv, err := Apply(start, verbs, answers, time.Now())
			if err != nil {
				t.Fatal(err)
			}
			test.station.run(t, verbs, -1)
			a := test.station.inv.Account(user1)
			if have := Have(test.station.inv, user1); have != test.have {
				t.Errorf("it has %q, want %q", have, test.have)
			}
			if diff := cmp.Diff(a, inv.Account(user1), cmpopts.EquateEmpty(), cmpopts.IgnoreFields(photopush.Account{}, "Changed", "ACL")); diff != "" {
				t.Errorf("Apply (-there +believed):\n%s", diff)
			}
			if test.state == "-" {
				return
			}
			if test.state == "" {
				test.state = State(test.values)
			}
			if diff := cmp.Diff(test.values, a.Values, cmpopts.EquateEmpty()); diff != "" || a.State != test.state {
				t.Errorf("values in the state %s (-want +got):\n%s", a.State, diff)
			}
			if again := plan(t, test.station.inv, Wish{User: user1}); len(again) > 0 {
				t.Errorf("after the plan it needs %v", summary(again))
			}
		})
	}
}

// TestPlanKeeps: what a user has is kept before it is written over, and what is kept is not given up for nothing.
func TestPlanKeeps(t *testing.T) {
	own := before()
	for name, test := range map[string]struct {
		values []photopush.Value
		saved  string
		files  int // of those that are kept, how many are there
		want   bool
	}{
		"a picture, never kept":          {own, "", 0, true},
		"a picture, kept":                {own, State(own), 9, false},
		"another picture since":          {own[1:], State(own), 9, true},
		"no picture, never kept":         {nil, "", 0, true},
		"no picture, kept":               {nil, State(nil), 0, false},
		"no picture any more":            {nil, State(own), 9, false},
		"neither it nor its files":       {nil, State(own), 0, true},
		"a picture where was none":       {own, photopush.StateAbsent, 0, true},
		"a picture that is in part ours": {[]photopush.Value{own[0], {Name: "Image40", Kind: "sz", Data: folder(emptyInventory(), user1) + `\` + someFile}}, "", 0, false},
	} {
		inv := emptyInventory()
		inv.Accounts = []photopush.Account{{SID: user1, State: State(test.values), Values: test.values, Saved: test.saved, Earlier: test.files}}
		verbs := plan(t, inv, Wish{User: user1, Set: makeSet("set", 96)})
		if save, ok := verbs[0].(SaveOriginal); ok != test.want || ok && save.State != State(test.values) {
			t.Errorf("%s: planned %q, want save %t", name, summary(verbs), test.want)
		}
	}
}

// TestPlanOrder: what an interrupted run left comes first, then the pictures, then what is taken back; two runs do it.
func TestPlanOrder(t *testing.T) {
	s := newStation(emptyInventory())
	s.run(t, plan(t, s.inv, Wish{User: user1, Set: makeSet("set", 96)}), -1)
	s.edit(user1, func(a *photopush.Account) { a.Journal = true })
	verbs := plan(t, s.inv, Wish{User: user1}, Wish{User: user2, Set: makeSet("set", 96)})
	want := [][]string{{"recover", "1002 save", "1002 put 96 number 0", "1002 set " + strings.Replace(allOf96, "32=32", "32=96", 1)}, {"1001 restore", "1001 delete 1"}}
	var got [][]string
	for _, batch := range Batches(verbs) {
		got = append(got, summary(batch))
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("batches (-want +got):\n%s", diff)
	}
	if batches := Batches(nil); batches != nil {
		t.Errorf("nothing is %v", batches)
	}
	if batches := Batches([]Verb{Recover{}, DeleteFiles{}, DeleteValues{}, SetValues{}}); len(batches) != 2 || len(batches[0]) != 3 {
		t.Errorf("batches %v", batches)
	}
}

// TestPlanRungs: a temporary entry is added only to a key that users cannot have planted.
func TestPlanRungs(t *testing.T) {
	for name, test := range map[string]struct {
		allowed    bool
		users, own string
		want       Rungs
	}{
		"allowed":             {true, windowsUsers, windowsMade, RungsToEntry},
		"not allowed":         {false, windowsUsers, windowsMade, RungPlain},
		"Users is open":       {true, windowsUsers + "(A;OICI;KA;;;BU)", windowsMade, RungPlain},
		"his key is open":     {true, windowsUsers, windowsMade + "(A;;KA;;;WD)", RungPlain},
		"his own key":         {true, windowsUsers, strings.Replace(windowsMade, "O:SY", "O:"+string(user1), 1), RungPlain},
		"another may write":   {true, windowsUsers, windowsMade + "(A;;KA;;;S-1-5-21-1-2-3-1107)", RungPlain},
		"unreadable":          {true, windowsUsers, "", RungPlain},
		"Users is unreadable": {true, "", windowsMade, RungPlain},
		"no SDDL":             {true, windowsUsers, "x", RungPlain},
	} {
		t.Run(name, func(t *testing.T) {
			s := windows()
			s.inv.UsersACL = test.users
			edit(s.inv, user1, func(a *photopush.Account) { a.ACL = test.own })
			verbs, err := Plan(s.inv, []Wish{{User: user1, Set: makeSet("set", 96)}}, Options{TemporaryEntry: test.allowed})
			if err != nil {
				t.Fatal(err)
			}
			for _, v := range verbs {
				if set, ok := v.(SetValues); ok && set.Rungs != test.want {
					t.Errorf("the rungs are %q, want %q", set.Rungs, test.want)
				}
			}
		})
	}
}

// checkMended wants one file put under the next number, the values that named it set, and the damaged one deleted.
func checkMended(t *testing.T, got []string) {
	t.Helper()
	if len(got) != 3 || !strings.HasSuffix(got[0], " number 1") || !strings.HasPrefix(got[1], "1001 set ") || got[2] != "1001 delete 1" {
		t.Errorf("planned %q", got)
	}
}

func TestPlanErrors(t *testing.T) {
	open := newStation(emptyInventory())
	open.run(t, plan(t, open.inv, Wish{User: user1, Set: makeSet("set", 96)}), -1)
	open.inv.UsersACL = windowsUsers + "(A;OICI;KA;;;BU)"
	edit(open.inv, user1, func(a *photopush.Account) { a.Saved, a.Earlier = someHash, 9 })
	shown := newStation(emptyInventory())
	shown.run(t, plan(t, shown.inv, Wish{User: user1, Set: makeSet("set", 96)}), -1)
	shown.edit(user1, func(a *photopush.Account) { a.Saved = "" })
	set := makeSet("set", 96)
	full := emptyInventory()
	full.FreeBytes = 1 << 20
	wrong := makeSet("wrong", 97)
	for name, test := range map[string]struct {
		inv    *photopush.Inventory
		wishes []Wish
		reason photopush.Reason
		want   string
	}{
		"disk full": {full, []Wish{{User: user1, Set: set}}, photopush.DiskFull,
			`plan for C:\Program Files: disk_full: 1 MiB are free, the pictures need 6 B and 64 MiB must be left`},
		"two wishes": {emptyInventory(), []Wish{{User: user1, Set: set}, {User: user1, Set: set}}, photopush.Internal,
			"plan for S-1-5-21-1-2-3-1001: internal: two pictures are wished for one user"},
		"no account": {emptyInventory(), []Wish{{User: "S-1-5-18", Set: set}}, photopush.Internal, `plan for S-1-5-18: internal: "S-1-5-18" is no account`},
		"no variant": {emptyInventory(), []Wish{{User: user1, Set: &photo.Set{}}}, photopush.Internal, "plan for S-1-5-21-1-2-3-1001: internal: there is no picture"},
		"both": {emptyInventory(), []Wish{{User: user1, Set: set, Restore: true}}, photopush.Internal,
			"plan for S-1-5-21-1-2-3-1001: internal: a picture is wished, and the one before it"},
		"an open key": {open.inv, []Wish{{User: user1, Restore: true}}, photopush.Denied,
			"restore picture of S-1-5-21-1-2-3-1001: denied: his key may be written by users, or its permissions cannot be judged; run `photopush repair-acl` first"},
		"nothing to restore": {shown.inv, []Wish{{User: user1, Restore: true}}, photopush.Conflict,
			"restore picture of S-1-5-21-1-2-3-1001: conflict: nothing is kept there of before that could be put back"},
		"size": {emptyInventory(), []Wish{{User: user1, Set: wrong}}, photopush.Internal,
			fmt.Sprintf("plan for S-1-5-21-1-2-3-1001: internal: a picture of 97 px with the digest %q and the hash %q has no name", wrong.Digest, wrong.Variants[0].SHA256)},
	} {
		t.Run(name, func(t *testing.T) {
			verbs, err := Plan(test.inv, test.wishes, Options{})
			if err == nil || err.Error() != test.want || photopush.ReasonOf(err) != test.reason || verbs != nil {
				t.Errorf("planned %v, %v; want %s", verbs, err, test.want)
			}
		})
	}
	unknown := emptyInventory()
	unknown.FreeBytes = -1
	if verbs, err := Plan(unknown, []Wish{{User: user1, Set: set}}, Options{}); err != nil || len(verbs) == 0 {
		t.Errorf("with unknown free space it planned %v, %v", verbs, err)
	}
}

// TestStoppedAnywhere stops a plan before each of its verbs: what Apply believes then is what is there, and the next plan mends it.
func TestStoppedAnywhere(t *testing.T) {
	old, set := makeSet("old", 32, 448), makeSet("set", 32, 96, 448)
	start := newStation(emptyInventory())
	start.run(t, plan(t, start.inv, Wish{User: user1, Set: old}), -1)
	wishes := []Wish{{User: user1, Set: set}, {User: user2, Set: set}}
	verbs := plan(t, start.inv, wishes...)
	for stop := range verbs {
		p := start.clone()
		answers := p.run(t, verbs, stop)
		believed, err := Apply(start.inv, verbs, answers, time.Now())
		if photopush.ReasonOf(err) != photopush.Denied {
			t.Fatalf("stopped before verb %d: %v", stop, err)
		}
		user, ok := FailedUser(err)
		if !ok || user != verbs[stop].User() {
			t.Errorf("verb %d is of %s, the failure of %s", stop, verbs[stop].User(), user)
		}
		for _, w := range wishes {
			if a := believed.Account(w.User); a.Error != "" {
				if _, set := verbs[stop].(SetValues); !set || w.User != user || Readable(believed, user) == nil || Have(believed, user) != photopush.HaveUnknown {
					t.Errorf("%s is unread after verb %d: %s", w.User, stop, a.Error)
				}
			} else if diff := cmp.Diff(p.inv.Account(w.User), a, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("stopped before verb %d, Apply (-there +believed):\n%s", stop, diff)
			}
		}
		p.run(t, plan(t, p.inv, wishes...), -1)
		for _, w := range wishes {
			if Have(p.inv, w.User) != set.Digest {
				t.Errorf("stopped before verb %d, %s is not mended", stop, w.User)
			}
		}
	}
	if Have(start.inv, user1) != old.Digest {
		t.Error("Apply changed the inventory that it was given")
	}
}

func TestPreflight(t *testing.T) {
	for name, test := range map[string]struct {
		edit   func(*photopush.Inventory)
		reason photopush.Reason
		want   string
	}{
		"fine":             {func(*photopush.Inventory) {}, "", ""},
		"a server is fine": {func(i *photopush.Inventory) { i.Type = "Server" }, "", ""},
		"PowerShell 7":     {func(i *photopush.Inventory) { i.PowerShell, i.NETRelease = "7.6.9", 0 }, "", ""},
		"old build":        {func(i *photopush.Inventory) { i.Build = 10586 }, photopush.Unsupported, "check the workstation: unsupported: its build is 10586, want 14393 or later"},
		"PowerShell 5.0":   {func(i *photopush.Inventory) { i.PowerShell = "5.0.10586.0" }, photopush.Unsupported, `check the workstation: unsupported: its PowerShell is "5.0.10586.0", want 5.1 or later`},
		"PowerShell 4":     {func(i *photopush.Inventory) { i.PowerShell = "4.0" }, photopush.Unsupported, `check the workstation: unsupported: its PowerShell is "4.0", want 5.1 or later`},
		"no version":       {func(i *photopush.Inventory) { i.PowerShell = "" }, photopush.Unsupported, `check the workstation: unsupported: its PowerShell is "", want 5.1 or later`},
		"old .NET": {func(i *photopush.Inventory) { i.NETRelease = 394271 }, photopush.Unsupported,
			"check the workstation: unsupported: its .NET Framework has the release number 394271, want 394802 (4.6.2) or later"},
		"policy": {func(i *photopush.Inventory) { i.DefaultTile = true }, photopush.BlockedPolicy, "check the workstation: blocked_policy: UseDefaultTile is set"},
	} {
		t.Run(name, func(t *testing.T) {
			inv := emptyInventory()
			test.edit(inv)
			err := Preflight(inv)
			if photopush.ReasonOf(err) != test.reason || err != nil && err.Error() != test.want {
				t.Errorf("error %v, want %q", err, test.want)
			}
			if e, ok := errors.AsType[*photopush.Error](err); err != nil && (!ok || e.Reason == "") {
				t.Errorf("%v has no reason", err)
			}
		})
	}
}
