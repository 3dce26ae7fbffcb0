package accountpicture

import (
	"errors"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/photopush/photopush"
)

func TestApplyRefuses(t *testing.T) {
	set := SetValues{SID: user1, State: "absent", Values: []Named{{"Image96", "f"}}}
	ok := Answer{Verb: "set_values", OK: true, SID: user1, State: hash(nil)}
	put := PutFile{SID: user1, File: "f", SHA256: "h"}
	for name, test := range map[string]struct {
		verbs   []Verb
		answers []Answer
		want    string
	}{
		"too few":      {[]Verb{set, set}, []Answer{ok}, "read answer: script: 1 of 2 verbs were answered"},
		"too many":     {[]Verb{set}, []Answer{ok, ok}, "read answer: script: 1 verbs have 2 answers"},
		"other verb":   {[]Verb{DeleteFiles{SID: user1}}, []Answer{ok}, `read answer: script: delete_files for "S-1-5-21-1-2-3-1001" was answered by set_values for "S-1-5-21-1-2-3-1001"`},
		"other user":   {[]Verb{SetValues{SID: user2}}, []Answer{ok}, `read answer: script: set_values for "S-1-5-21-1-2-3-1002" was answered by set_values for "S-1-5-21-1-2-3-1001"`},
		"other file":   {[]Verb{put}, []Answer{{Verb: "put_file", OK: true, SID: user1, File: "g", SHA256: "h"}}, "read answer: script: f was read back as g with the hash h"},
		"other hash":   {[]Verb{put}, []Answer{{Verb: "put_file", OK: true, SID: user1, File: "f", SHA256: "i"}}, "read answer: script: f was read back as f with the hash i"},
		"other delete": {[]Verb{DeleteFiles{SID: user1, Files: []string{"f"}}}, []Answer{{Verb: "delete_files", OK: true, SID: user1, Kept: []string{"g"}}}, "read answer: script: 1 files should be deleted, others were"},
		"other state kept": {[]Verb{SaveOriginal{SID: user1, State: "absent"}}, []Answer{{Verb: "save_original", OK: true, SID: user1, State: hash(nil)}},
			"read answer: script: the state absent should be saved, " + hash(nil) + " was"},
		"still there": {[]Verb{DeleteValues{SID: user1, Values: []string{"Image96"}}}, []Answer{{Verb: "delete_values", OK: true, SID: user1, Values: []photopush.Value{{Name: "Image96"}}}},
			"read answer: script: Image96 should be deleted, and is there"},
		"other permissions": {[]Verb{TightenACL{Key: KeyUsers, Sum: hash(nil)}}, []Answer{{Verb: "tighten_acl", OK: true, Before: "x"}},
			"read answer: script: the permissions of Users were not those that should be changed"},
		"other key": {[]Verb{TightenACL{Key: KeyUsers, Sum: hash(nil)}}, []Answer{{Verb: "tighten_acl", OK: true, SID: user1}},
			`read answer: script: tighten_acl for "" was answered by tighten_acl for "S-1-5-21-1-2-3-1001"`},
		"locked": {[]Verb{set}, []Answer{{Verb: "set_values", Reason: photopush.Conflict, HResult: 0x80070020, Where: "lock", Message: "another run"}},
			"set_values S-1-5-21-1-2-3-1001: conflict: lock, HRESULT 0x80070020: another run"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Apply(emptyInventory(), test.verbs, test.answers, time.Now())
			if err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
			if _, ok := FailedUser(err); ok || Locked(err) != (name == "locked") {
				t.Errorf("taken for the failure of a user (%v), or of the lock (%v)", ok, Locked(err))
			}
		})
	}
	if inv, err := Apply(nil, []Verb{set}, []Answer{ok}, time.Now()); inv != nil || photopush.ReasonOf(err) != photopush.Internal {
		t.Errorf("without an inventory: %v, %v", inv, err)
	}
}

// TestApply: what each answer proves.
func TestApply(t *testing.T) {
	values := before()
	start := func() *photopush.Inventory {
		inv := withACLs(windowsUsers+"(A;CI;KA;;;BU)", windowsMade)
		inv.Accounts[0] = photopush.Account{SID: user1, State: State(values), Values: values, ACL: windowsMade, Changed: time.Unix(1, 0), Saved: someHash, Earlier: 2, Journal: true}
		inv.Accounts = append(inv.Accounts, photopush.Account{SID: user2, State: State(nil), ACL: windowsUsers, Journal: true})
		return inv
	}
	const tightened = windowsUsers + "(A;CI;KR;;;BU)"
	for name, test := range map[string]struct {
		verb   Verb
		answer Answer
		want   func(inv *photopush.Inventory)
	}{
		"save": {SaveOriginal{SID: user1, State: State(values)}, Answer{State: State(values)},
			func(inv *photopush.Inventory) { inv.Accounts[0].Saved, inv.Accounts[0].Earlier = State(values), 9 }},
		"set": {SetValues{SID: user1}, Answer{Rung: "plain", State: someHash, Values: values[:1]}, func(inv *photopush.Inventory) {
			inv.Accounts[0].State, inv.Accounts[0].Values, inv.Accounts[0].Changed = someHash, values[:1], time.Time{}
		}},
		"set with an entry": {SetValues{SID: user1}, Answer{Rung: "ace", Before: windowsMade, After: windowsMade, State: someHash}, func(inv *photopush.Inventory) {
			inv.Accounts[0].State, inv.Accounts[0].Values, inv.Accounts[0].Changed = someHash, nil, time.Time{}
		}},
		"delete": {DeleteValues{SID: user1, Values: []string{"Image32"}}, Answer{Rung: "plain", State: someHash, Values: values[1:]}, func(inv *photopush.Inventory) {
			inv.Accounts[0].State, inv.Accounts[0].Values, inv.Accounts[0].Changed = someHash, values[1:], time.Time{}
		}},
		"restore": {RestoreOriginal{SID: user1}, Answer{Rung: "plain", State: "absent", Missing: []string{"Image96"}}, func(inv *photopush.Inventory) {
			inv.Accounts[0] = photopush.Account{SID: user1, State: "absent", Journal: true}
		}},
		"tighten Users: what is below and not protected is not known any more": {TightenACL{Key: KeyUsers, Sum: sumOf(start().UsersACL)}, Answer{Before: start().UsersACL, After: tightened},
			func(inv *photopush.Inventory) { inv.UsersACL, inv.Accounts[1].ACL = tightened, "" }},
		"tighten": {TightenACL{Key: string(user2), Sum: sumOf(windowsUsers)}, Answer{Before: windowsUsers, After: tightened},
			func(inv *photopush.Inventory) { inv.Accounts[1].ACL = tightened }},
		"recover": {Recover{}, Answer{Undone: []Undone{{user2, windowsUsers, windowsUsers}, {"S-1-5-21-1-2-3-1009", "x", "y"}}},
			func(inv *photopush.Inventory) { inv.Accounts[0].Journal, inv.Accounts[1].Journal = false, false }},
		"recover of a key that is gone": {Recover{}, Answer{Undone: []Undone{{SID: user1}}},
			func(inv *photopush.Inventory) {
				inv.Accounts[0].Journal, inv.Accounts[1].Journal, inv.Accounts[0].ACL = false, false, ""
			}},
	} {
		t.Run(name, func(t *testing.T) {
			test.answer.Verb, test.answer.OK, test.answer.SID = test.verb.Name(), true, test.verb.User()
			inv, want := start(), start()
			test.want(want)
			got, err := Apply(inv, []Verb{test.verb}, []Answer{test.answer}, time.Now())
			if diff := cmp.Diff(want, got, cmpopts.EquateEmpty()); err != nil || diff != "" {
				t.Errorf("%v (-want +got):\n%s", err, diff)
			}
			if diff := cmp.Diff(start(), inv); diff != "" {
				t.Errorf("it changed the inventory that it was given:\n%s", diff)
			}
		})
	}
}

// TestApplyChanged: permissions that are not as before are an error of that user, and what the run did after it counts all the same.
func TestApplyChanged(t *testing.T) {
	left := windowsMade + "(A;;0x3;;;BA)"
	set := Answer{Verb: "set_values", OK: true, SID: user1, Rung: "ace", Before: windowsMade, After: left, State: someHash}
	next := Answer{Verb: "set_values", OK: true, SID: user2, Rung: "ace", Before: "O:SYD:(A;;KR;;;WD)", After: "O:SYD:P(A;;KR;;;WD)", State: someHash}
	verbs := []Verb{SetValues{SID: user1}, SetValues{SID: user2}}
	inv, err := Apply(emptyInventory(), verbs, []Answer{set, next}, time.Now())
	if want := "set_values S-1-5-21-1-2-3-1001: script: the permissions of the key are not as before: (A;;0x3;;;S-1-5-32-544) was added"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if user, ok := FailedUser(err); !ok || user != user1 {
		t.Errorf("taken for a failure of %q", user)
	}
	if inv.Account(user1).ACL != left || inv.Account(user2).State != someHash || inv.Account(user2).ACL != next.After {
		t.Errorf("believed: %+v", inv.Accounts)
	}
	if set.ProtectionAdded() || !next.ProtectionAdded() {
		t.Error("a protection that was added is not told, or one that was not is")
	}
	failure := Answer{Verb: "set_values", Reason: photopush.Denied, Where: "open-key"}
	_, err = Apply(emptyInventory(), verbs, []Answer{set, failure}, time.Now())
	if _, ok := errors.AsType[*Changed](err); !ok || photopush.ReasonOf(err) != photopush.Denied {
		t.Errorf("of a failure after it, only %v is told", err)
	}
	set.After = "x"
	if _, err = Apply(emptyInventory(), verbs[:1], []Answer{set}, time.Now()); photopush.ReasonOf(err) != photopush.Script {
		t.Errorf("permissions that cannot be read: %v", err)
	}
	undone := Answer{Verb: "recover", OK: true, Undone: []Undone{{user1, windowsMade, left}}}
	_, err = Apply(withACLs("", windowsMade), []Verb{Recover{}}, []Answer{undone}, time.Now())
	if user, _ := FailedUser(err); photopush.ReasonOf(err) != photopush.Script || user != user1 {
		t.Errorf("a journal that could not be undone: %v", err)
	}
}

// TestFailures: whose failure a step is, and what is not known any more after it.
func TestFailures(t *testing.T) {
	entry, plain := SetValues{SID: user1, Rungs: RungsToEntry}, SetValues{SID: user1}
	for name, test := range map[string]struct {
		verb            Verb
		where           string
		later           bool // it is not the first verb of the run
		user            photopush.SID
		unread, journal bool
		acl, saved      bool // is still known
	}{
		"refused":                          {entry, "open-key", false, user1, false, false, true, true},
		"the lock":                         {entry, "lock", false, "", false, false, true, true},
		"a journal at the start":           {PutFile{SID: user1}, "journal", false, "", false, false, true, true},
		"its key":                          {PutFile{SID: user1}, "open-key", false, "", false, false, true, true},
		"its permissions":                  {SaveOriginal{SID: user1}, "Set-KeyDacl", false, "", false, false, true, true},
		"its end":                          {DeleteFiles{SID: user1}, "Remove-OwnFile", false, "", false, false, true, true},
		"recover":                          {Recover{}, "Set-KeyDacl", false, "", false, false, true, true},
		"a folder":                         {PutFile{SID: user1}, "New-SecureFolder", false, user1, false, false, true, true},
		"the values":                       {entry, "Set-PictureValue", false, user1, true, false, true, true},
		"a key deleted":                    {RestoreOriginal{SID: user1}, "Remove-PictureKey", true, user1, true, false, true, true},
		"a value deleted":                  {DeleteValues{SID: user1}, "Remove-PictureValue", true, user1, true, false, true, true},
		"the permissions, with an entry":   {entry, "Set-KeyDacl", true, user1, true, true, false, true},
		"the journal, with an entry":       {entry, "Remove-OwnFile", true, user1, true, true, false, true},
		"the journal is written":           {entry, "Write-NewFile", true, user1, false, false, true, true},
		"the journal is moved":             {entry, "Move-OwnFile", true, user1, false, true, false, true},
		"the saved file is deleted":        {RestoreOriginal{SID: user1}, "Remove-OwnFile", true, user1, true, false, true, true},
		"without an entry":                 {plain, "Set-KeyDacl", true, user1, true, false, true, true},
		"the saved file is moved":          {SaveOriginal{SID: user1}, "Move-OwnFile", true, user1, false, false, true, false},
		"the saved file is written":        {SaveOriginal{SID: user1}, "Write-NewFile", true, user1, false, false, true, true},
		"permissions of his key":           {TightenACL{Key: string(user1)}, "Set-KeyDacl", true, user1, false, false, false, true},
		"permissions of Users":             {TightenACL{Key: KeyUsers}, "Set-KeyOwner", true, "", false, false, true, true},
		"his key is no key of pictures":    {TightenACL{Key: string(user1)}, "key", true, user1, false, false, true, true},
		"a file that is not what was said": {plain, "file", true, user1, false, false, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			inv := withACLs(windowsUsers, windowsMade)
			inv.Accounts[0].Saved = someHash
			verbs, answers := []Verb{test.verb}, []Answer{{Verb: test.verb.Name(), Reason: photopush.Denied, Where: test.where}}
			if test.later {
				verbs = append([]Verb{Recover{}}, verbs...)
				answers = append([]Answer{{Verb: "recover", OK: true}}, answers...)
			}
			got, err := Apply(inv, verbs, answers, time.Now())
			if photopush.ReasonOf(err) != photopush.Denied {
				t.Fatal(err)
			}
			if user, _ := FailedUser(err); user != test.user {
				t.Errorf("a failure of %q, want %q", user, test.user)
			}
			a := got.Account(user1)
			if (a.Error != "") != test.unread || a.Journal != test.journal || (a.ACL != "") != test.acl || (a.Saved != "") != test.saved {
				t.Errorf("believed: %+v", a)
			}
			if (got.UsersACL == "") != (name == "permissions of Users") {
				t.Errorf("the permissions of Users are %q", got.UsersACL)
			}
		})
	}
}

// TestApplyInventory: what was taken counts, from now on; its times are not later than that.
func TestApplyInventory(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	taken := withACLs(windowsUsers, windowsMade)
	taken.Profiles[0].LastUse, taken.Accounts[0].Changed = now.Add(time.Hour), now.Add(time.Hour)
	got, err := Apply(emptyInventory(), []Verb{TakeInventory{}}, []Answer{{Verb: "inventory", OK: true, Inventory: taken}}, now)
	if err != nil || got.Taken != now || got.Profiles[0].LastUse != now || got.Accounts[0].Changed != now || got.UsersACL != windowsUsers {
		t.Errorf("%+v, %v", got, err)
	}
	if taken.Profiles[0].LastUse == now || taken.Accounts[0].Changed == now {
		t.Error("it changed the answer")
	}
}
