package accountpicture

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"

	"github.com/photopush/photopush"
)

// PlanRepair gives the verbs that let those of the findings only read which can be mended: KeyUsers first, since whoever may write there could
// exchange the keys below meanwhile. What they inherit from it changes with it, on Windows: such a key comes in the next plan, from an
// inventory taken after this one was done; so does a key whose permissions an interrupted run has left changed.
//
// SDDL may call Domain Users DU, and does not say of which domain; the script compares SIDs. Those of all domains are sent that an
// account of the workstation is of: one that no entry names changes nothing.
func PlanRepair(inv *photopush.Inventory) []Verb {
	verbs := recoverFirst(inv)
	users, tightened := tighten(inv, KeyUsers, inv.UsersACL)
	if tightened {
		verbs = append(verbs, users)
	}
	for _, a := range inv.Accounts {
		acl, err := ParseSDDL(a.ACL)
		if err != nil || a.Journal || tightened && !acl.Protected {
			continue
		}
		if v, ok := tighten(inv, string(a.SID), a.ACL); ok {
			verbs = append(verbs, v)
		}
	}
	return verbs
}

// tighten is the verb for a key; false where it has no finding of its own that could be mended.
func tighten(inv *photopush.Inventory, key, sddl string) (TightenACL, bool) {
	trustees := map[string]bool{}
	for _, f := range judge(key, sddl) {
		switch {
		case f.Unclear != "" || f.Inherited:
		case f.Owner:
			trustees[TrusteeOwner] = true
		case f.Trustee == domainUsersAlias:
			for _, sid := range domainUsersOf(inv) {
				trustees[sid] = true
			}
		case photopush.SID(f.Trustee).IsAccount() || everybody[f.Trustee] != "":
			trustees[f.Trustee] = true
		}
	}
	if acl, err := ParseSDDL(sddl); err != nil || acl.Open {
		delete(trustees, "S-1-1-0") // where there is no DACL, no entry can be changed
	}
	if len(trustees) == 0 {
		return TightenACL{}, false
	}
	v := TightenACL{Key: key, Sum: sumOf(sddl)}
	for t := range trustees {
		v.Trustees = append(v.Trustees, t)
	}
	slices.Sort(v.Trustees)
	return v, true
}

// maxDomains are more than any real workstation has accounts of: its own, and those of its forest.
const maxDomains = 20

// domainUsersOf are the SIDs that Domain Users may have there: of the domains of profiles, which only Windows makes, before those of keys,
// whose names users may have chosen.
func domainUsersOf(inv *photopush.Inventory) []string {
	var sids []string
	add := func(sid photopush.SID) {
		i := strings.LastIndexByte(string(sid), '-')
		if of := string(sid[:max(i, 0)]) + domainUsers; i > 0 && len(sids) < maxDomains && !slices.Contains(sids, of) {
			sids = append(sids, of)
		}
	}
	for _, p := range inv.Profiles {
		add(p.SID)
	}
	for _, a := range inv.Accounts {
		add(a.SID)
	}
	return sids
}

func sumOf(sddl string) string {
	h := sha256.Sum256([]byte(sddl))
	return hex.EncodeToString(h[:])
}
