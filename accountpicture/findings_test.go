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
				got = append(got, InWords(f))
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
	for data, want := range map[string]photopush.ElsewhereKind{
		"":                                 "",
		windows + `{1}-Image96.jpg`:        "",
		strings.ToUpper(windows) + `x.jpg`: "",
		ours + someFile:                    "",
		windows + `..\x.jpg`:               photopush.ElsewhereLocal,
		windows + `x.jpg:y`:                photopush.ElsewhereLocal,
		ours + `../x.jpg`:                  photopush.ElsewhereLocal,
		strings.Replace(windows, "01", "02", 1) + `x.jpg`: photopush.ElsewhereLocal,
		`D:\IT\x.jpg`:             photopush.ElsewhereLocal,
		`%PUBLIC%\x.jpg`:          photopush.ElsewhereLocal,
		`x.jpg`:                   photopush.ElsewhereLocal,
		`\\evil\share\x.jpg`:      photopush.ElsewhereShare,
		`//evil@ssl/x.jpg`:        photopush.ElsewhereShare,
		`\\?\unc\evil\x.jpg`:      photopush.ElsewhereShare,
		`\\?\GLOBALROOT\Device\x`: photopush.ElsewhereDevice,
		`\\.\pipe\x`:              photopush.ElsewhereDevice,
		`//./C:/x.jpg`:            photopush.ElsewhereDevice,
		`\??\C:\x.jpg`:            photopush.ElsewhereDevice,
	} {
		inv.Accounts = []photopush.Account{{SID: user1, Values: []photopush.Value{{Name: "Image96", Kind: "sz", Data: data}}}}
		var wanted []photopush.Elsewhere
		if want != "" {
			wanted = []photopush.Elsewhere{{User: user1, Value: inv.Accounts[0].Values[0], Kind: want}}
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
