package accountpicture

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

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
