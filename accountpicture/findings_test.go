package accountpicture

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

// What the keys have on Windows, and by the known recipes.
const (
	// windowsUsers is a key below HKLM\SOFTWARE as Windows comes.
	windowsUsers = "O:SYD:AI(A;CIID;KR;;;BU)(A;CIID;KA;;;BA)(A;CIID;KA;;;SY)(A;CIIOID;KA;;;CO)(A;CIID;KR;;;AC)"
	// windowsMade is a user's key that Windows has made: administrators may read it, and change its permissions.
	windowsMade = "O:SYD:P(A;;KA;;;SY)(A;;CCSWRPRCWD;;;BA)(A;;KR;;;WD)"
	// wineUsers is a key of Wine.
	wineUsers = "O:BAD:(A;OICI;KA;;;SY)(A;OICI;KA;;;BA)(A;OICI;KR;;;WD)"
)

// withACLs is a workstation with a key of user1, and a profile of user2, who has none.
func withACLs(users, own string) *photopush.Inventory {
	inv := emptyInventory()
	inv.UsersACL = users
	inv.Profiles = []photopush.Profile{{SID: "S-1-5-21-7-8-9-1001"}}
	inv.Accounts = []photopush.Account{{SID: user1, State: State(nil), ACL: own}}
	return inv
}

// TestFindings has permissions as Windows and the known recipes make them: what is found, and what would be done.
func TestFindings(t *testing.T) {
	const users, key1 = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users`, `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\S-1-5-21-1-2-3-1001`
	for name, test := range map[string]struct {
		users, own string
		want       []string
		repair     []string
	}{
		"Windows": {windowsUsers, windowsMade, nil, nil},
		"Wine":    {wineUsers, wineUsers, nil, nil},
		"no keys": {"", "", nil, nil},
		"the recipe: Full Control for Users": {windowsUsers + "(A;OICI;KA;;;BU)", "O:SYD:AI(A;CIID;KA;;;BU)(A;;KA;;;SY)",
			[]string{"Users (BUILTIN) may write " + users + ": full control", "Users (BUILTIN) may write " + key1 + ": full control, inherited"},
			[]string{"tighten Users for S-1-5-32-545"}},
		"the recipe: Full Control for Everyone": {windowsUsers + "(A;CI;KA;;;WD)", windowsMade,
			[]string{"Everyone may write " + users + ": full control"}, []string{"tighten Users for S-1-1-0"}},
		"the recipe: on the keys too": {windowsUsers + "(A;CI;KA;;;DU)", "O:SYD:P(A;CI;KA;;;DU)",
			[]string{"Domain Users may write " + users + ": full control", "Domain Users may write " + key1 + ": full control"},
			[]string{"tighten Users for S-1-5-21-1-2-3-513 S-1-5-21-7-8-9-513", "tighten S-1-5-21-1-2-3-1001 for S-1-5-21-1-2-3-513 S-1-5-21-7-8-9-513"}},
		"an own entry of a key that inherits: after Users": {windowsUsers + "(A;CI;KA;;;BU)", "O:SYD:AI(A;CI;KA;;;AU)(A;CIID;KA;;;BU)",
			[]string{"Users (BUILTIN) may write " + users + ": full control", "Authenticated Users may write " + key1 + ": full control", "Users (BUILTIN) may write " + key1 + ": full control, inherited"},
			[]string{"tighten Users for S-1-5-32-545"}},
		"an own entry of a key that inherits": {windowsUsers, "O:SYD:AI(A;CI;KA;;;AU)(A;CIID;KR;;;BU)",
			[]string{"Authenticated Users may write " + key1 + ": full control"}, []string{"tighten S-1-5-21-1-2-3-1001 for S-1-5-11"}},
		"Domain Users of a known domain": {windowsUsers + "(A;;KW;;;S-1-5-21-4-5-6-513)", "",
			[]string{"Domain Users may write " + users + ": set values, create keys"}, []string{"tighten Users for S-1-5-21-4-5-6-513"}},
		"single rights": {windowsUsers + "(A;;0x2;;;IU)(A;;0x4;;;IU)(A;;0x20;;;IU)(A;;SD;;;IU)(A;;WD;;;IU)(A;;WO;;;IU)(A;;GW;;;IU)(A;;GA;;;IU)(A;;GRGXKR;;;IU)", "",
			[]string{"INTERACTIVE may write " + users + ": set values", "INTERACTIVE may write " + users + ": create keys", "INTERACTIVE may write " + users + ": create links",
				"INTERACTIVE may write " + users + ": delete it", "INTERACTIVE may write " + users + ": change its permissions", "INTERACTIVE may write " + users + ": become its owner",
				"INTERACTIVE may write " + users + ": set values, create keys", "INTERACTIVE may write " + users + ": full control"},
			[]string{"tighten Users for S-1-5-4"}},
		"only passed on": {windowsUsers + "(A;CIIO;KA;;;BU)(A;OIIO;KA;;;AU)", "O:SYD:P(A;CIIO;KA;;;BU)",
			[]string{"Users (BUILTIN) may write " + users + ": full control"}, []string{"tighten Users for S-1-5-32-545"}},
		"inherited by Users itself": {"O:BAD:AI(A;CIID;KA;;;BU)", "", []string{"Users (BUILTIN) may write " + users + ": full control, inherited"}, nil},
		"conditions and objects": {windowsUsers + "(XA;;KA;;;BU;(x))(OA;;KW;;;AU)(ZA;;SD;;;WD)(D;;KA;;;IU)(XD;;KA;;;IU;(x))", "",
			[]string{"Users (BUILTIN) may write " + users + ": full control", "Authenticated Users may write " + users + ": set values, create keys", "Everyone may write " + users + ": delete it"},
			[]string{"tighten Users for S-1-1-0 S-1-5-11 S-1-5-32-545"}},
		"made by the old script": {windowsUsers, "O:" + string(user1) + "D:P(A;;KA;;;" + string(user1) + ")(A;;KA;;;SY)",
			[]string{string(user1) + " may write " + key1 + ": change its permissions, as its owner", string(user1) + " may write " + key1 + ": full control"},
			[]string{"tighten S-1-5-21-1-2-3-1001 for S-1-5-21-1-2-3-1001 owner"}},
		"another user's entry is an administrator's choice": {windowsUsers, windowsMade + "(A;;KA;;;S-1-5-21-1-2-3-1107)", nil, nil},
		"no DACL": {"O:BAD:NO_ACCESS_CONTROL", "O:S-1-1-0", []string{"Everyone may write " + users + ": full control",
			"Everyone may write " + key1 + ": change its permissions, as its owner", "Everyone may write " + key1 + ": full control"}, []string{"tighten S-1-5-21-1-2-3-1001 for owner"}},
		"nonsense": {"x", windowsMade, []string{"the permissions of " + users + ` cannot be judged: read the permissions "x": they name no owner`}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			inv := withACLs(test.users, test.own)
			var got []string
			for _, f := range Findings(inv) {
				got = append(got, f.String())
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("findings (-want +got):\n%s", diff)
			}
			verbs := PlanRepair(inv)
			encodable(t, verbs)
			if diff := cmp.Diff(test.repair, summary(verbs)); diff != "" {
				t.Errorf("repair (-want +got):\n%s", diff)
			}
			for _, v := range verbs {
				if v := v.(TightenACL); v.Key == KeyUsers && v.Sum != hash([]byte(test.users)) || v.Key != KeyUsers && v.Sum != hash([]byte(test.own)) {
					t.Errorf("%s has the sum %s", v.Key, v.Sum)
				}
			}
		})
	}
	inv := withACLs(windowsUsers+"(A;CI;KA;;;BU)", "O:SYD:P(A;;KA;;;BU)")
	inv.Accounts[0].Journal = true
	if got := summary(PlanRepair(inv)); !slices.Equal(got, []string{"recover", "tighten Users for S-1-5-32-545"}) {
		t.Errorf("with a journal: %q", got)
	}
	if f := Findings(inv); len(f) != 2 || !f[0].Below || f[1].Below || f[0].Inherited || f[0].SDDL != inv.UsersACL || f[0].Trustee != "S-1-5-32-545" {
		t.Errorf("findings %+v", f)
	}
	none := emptyInventory()
	none.UsersACL = windowsUsers + "(A;CI;KA;;;DU)"
	if got := PlanRepair(none); got != nil {
		t.Errorf("with Domain Users of nobody knows which domain: %q", summary(got))
	}
}

func TestElsewhere(t *testing.T) {
	inv := emptyInventory()
	windows, ours := `C:\Users\Public\AccountPictures\`+string(user1)+`\`, folder(inv, user1)+`\`
	for data, want := range map[string]OutsideKind{
		"":                                 "",
		windows + `{1}-Image96.jpg`:        "",
		strings.ToUpper(windows) + `x.jpg`: "",
		ours + someFile:                    "",
		windows + `..\x.jpg`:               OutsideLocal,
		windows + `x.jpg:y`:                OutsideLocal,
		ours + `../x.jpg`:                  OutsideLocal,
		strings.Replace(windows, "01", "02", 1) + `x.jpg`: OutsideLocal,
		`D:\IT\x.jpg`:             OutsideLocal,
		`%PUBLIC%\x.jpg`:          OutsideLocal,
		`x.jpg`:                   OutsideLocal,
		`\\evil\share\x.jpg`:      OutsideShare,
		`//evil@ssl/x.jpg`:        OutsideShare,
		`\\?\unc\evil\x.jpg`:      OutsideShare,
		`\\?\GLOBALROOT\Device\x`: OutsideDevice,
		`\\.\pipe\x`:              OutsideDevice,
		`//./C:/x.jpg`:            OutsideDevice,
		`\??\C:\x.jpg`:            OutsideDevice,
	} {
		inv.Accounts = []photopush.Account{{SID: user1, Values: []photopush.Value{{Name: "Image96", Kind: "sz", Data: data}}}}
		var wanted []Outside
		if want != "" {
			wanted = []Outside{{user1, inv.Accounts[0].Values[0], want}}
		}
		if got := Elsewhere(inv); !slices.Equal(got, wanted) {
			t.Errorf("%s: %v, want %q", data, got, want)
		}
	}
	inv.ProgramFiles = `E:\Program Files`
	inv.Accounts[0].Values[0].Data = `E` + windows[1:] + `x.jpg`
	if got := Elsewhere(inv); got != nil {
		t.Errorf("on another drive: %v", got)
	}
}

// TestDescribe has a plan of every kind of step, in words.
func TestDescribe(t *testing.T) {
	name := func(sid photopush.SID) string {
		return map[photopush.SID]string{user1: "anna.meier", user2: "ben.krug"}[sid]
	}
	const key, folder = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users`, `C:\Program Files\photopush\AccountPictures\`
	inv := withACLs(windowsUsers+"(A;CI;KA;;;BU)(A;;0x2;;;DU)", "O:"+string(user1)+"D:PAI(A;;KA;;;"+string(user1)+")(A;;KA;;;SY)")
	values := before()
	inv.Accounts[0].Values, inv.Accounts[0].State = values, State(values)
	inv.Accounts = append(inv.Accounts, photopush.Account{SID: user2, State: photopush.StateAbsent, Saved: photopush.StateAbsent, Journal: true})
	put := func(sid photopush.SID, size int) Verb { return PutFile{SID: sid, Bytes: make([]byte, size)} }
	got := Describe([]Verb{TakeInventory{}, Check{}, Recover{}, SaveOriginal{SID: user1}, put(user1, 200_123), put(user1, 13_900),
		SetValues{SID: user1, Rungs: RungsToEntry, Values: make([]Named, 11)}, DeleteFiles{SID: user1, Files: make([]string, 3)},
		SaveOriginal{SID: user2}, put(user2, 999), SetValues{SID: user2, Values: make([]Named, 1)}, put(user2, 1_250_000),
		DeleteValues{SID: user1, Rungs: RungsToEntry, Values: make([]string, 2)}, RestoreOriginal{SID: user2}, DeleteFiles{SID: user2, Files: make([]string, 1)}}, inv, name)
	want := []string{
		"read what is there",
		"try whether the keys of account pictures may be written, and whether the folders are safe; change nothing",
		"take back the temporary permissions that an interrupted run has left",
		"anna.meier: keep what was there before (9 values)",
		"anna.meier: write 2 picture files (214 KB) to " + folder + string(user1),
		"anna.meier: set 11 values of " + key + `\` + string(user1) + "; if Windows refuses: a temporary permission for Administrators on this key alone",
		"anna.meier: delete 3 files of ours that are not needed any more",
		"ben.krug: keep that there was no picture before",
		"ben.krug: write 1 picture file (999 B) to " + folder + string(user2),
		"ben.krug: set 1 value of " + key + `\` + string(user2),
		"ben.krug: write 1 picture file (1.2 MB) to " + folder + string(user2),
		"anna.meier: delete 2 values of " + key + `\` + string(user1) + "; if Windows refuses: a temporary permission for Administrators on this key alone",
		"ben.krug: delete the picture values of " + key + `\` + string(user2) + ", and the key if nothing else is in it: there was none before",
		"ben.krug: delete 1 file of ours that is not needed any more",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words (-want +got):\n%s", diff)
	}
	got = Describe(PlanRepair(inv), inv, name)
	want = []string{
		"take back the temporary permissions that an interrupted run has left",
		"let Users (BUILTIN) only read " + key + " (now: full control), keys below inherit it",
		"let Domain Users only read " + key + " (now: set values)",
		"anna.meier: make Administrators the owner of " + key + `\` + string(user1) + " (now: anna.meier)",
		"anna.meier: let anna.meier only read " + key + `\` + string(user1) + " (now: full control)",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("words of a repair (-want +got):\n%s", diff)
	}
	for saved, earlier := range map[string]int{someHash: 0, hash(nil): 4} {
		inv.Accounts[1].Saved, inv.Accounts[1].Earlier = saved, earlier
		want := "ben.krug: delete the picture values of " + key + `\` + string(user2) + ": the files of the picture before are gone"
		if earlier > 0 {
			want = "ben.krug: put back what was there before (4 values), and delete the other values of " + key + `\` + string(user2)
		}
		if got := Describe([]Verb{RestoreOriginal{SID: user2}}, inv, name); len(got) != 1 || got[0] != want {
			t.Errorf("%q, want %s", got, want)
		}
	}
}

func TestHave(t *testing.T) {
	set := makeSet("set", 32, 96)
	for want, edit := range map[string]func(a *photopush.Account){
		set.Digest:                func(*photopush.Account) {},
		photopush.HaveNothing:     func(a *photopush.Account) { a.Values, a.Files = nil, nil },
		photopush.HaveOther:       func(a *photopush.Account) { a.Values, a.Files = before(), nil },
		photopush.HaveOverwritten: func(a *photopush.Account) { a.Values[3].Data = `\\evil\x.jpg` },
		photopush.HavePart:        func(a *photopush.Account) { a.Files[0].SHA256 = hash(nil) },
		photopush.HaveUnknown:     func(a *photopush.Account) { a.Error = "0x80070005 state" },
	} {
		p := newStation(emptyInventory())
		p.run(t, plan(t, p.inv, Wish{User: user1, Set: set}), -1)
		edit(&p.inv.Accounts[0])
		if got := Have(p.inv, user1); got != want {
			t.Errorf("has %q, want %q", got, want)
		}
	}
	for name, edit := range map[string]func(a *photopush.Account){
		"files alone":    func(a *photopush.Account) { a.Values = nil },
		"values alone":   func(a *photopush.Account) { a.Files = nil },
		"a value is not": func(a *photopush.Account) { a.Values = a.Values[1:] },
	} {
		p := newStation(emptyInventory())
		p.run(t, plan(t, p.inv, Wish{User: user1, Set: set}), -1)
		edit(&p.inv.Accounts[0])
		if got := Have(p.inv, user1); got != photopush.HavePart {
			t.Errorf("%s: has %q, want %s", name, got, photopush.HavePart)
		}
	}
	if got := Have(emptyInventory(), user1); got != photopush.HaveNothing {
		t.Errorf("an unknown user has %q", got)
	}
}
