package simwin

import (
	"slices"

	"github.com/photopush/photopush"
)

// A token says for whom rights are checked (MS-DTYP 2.5.2).
type token struct {
	sids  []string // the account, where anybody asks for it, and its groups
	owner string   // owns what the token creates
	// privileges that are enabled
	takeOwnership bool // SeTakeOwnershipPrivilege: WRITE_OWNER on everything
	restore       bool // SeRestorePrivilege: any owner may be set
}

var (
	// administrator is the account that a remote shell runs under.
	administrator = token{
		sids:  []string{sidAdministrators, sidUsers, sidAuthenticated, sidEveryone, "S-1-5-2", "S-1-5-15"}, // NETWORK, This Organization
		owner: sidAdministrators,
	}
	// system is what Windows' own services run under.
	system = token{sids: []string{sidSystem, sidAdministrators, sidAuthenticated, sidEveryone}, owner: sidSystem, takeOwnership: true, restore: true}
)

// standardUser is somebody of the domain who is signed in at the console and belongs to no group that may do more than others.
func standardUser(sid photopush.SID) token {
	return token{
		sids: []string{string(sid), sidUsers, sidAuthenticated, sidEveryone, sidInteractive, domainSID + "-513", // Domain Users
			"S-1-2-0", "S-1-2-1", "S-1-5-15"}, // LOCAL, CONSOLE LOGON, This Organization
		owner: string(sid),
	}
}

func (t token) holds(sid string) bool { return slices.Contains(t.sids, sid) }

// mayOwn tells whether an owner can be set by this token: one of its own SIDs that is fit to be one. Groups are not, except
// Administrators (MS-DTYP 2.5.3.4.1 leaves it to SE_GROUP_OWNER, which Windows gives to that group alone).
func (t token) mayOwn(sid string) bool {
	return t.restore || sid == t.owner || sid == sidAdministrators && t.holds(sid)
}

// allows is the access check of MS-DTYP 2.5.3.2: entries in order, the first that decides a right wins, and an owner always has
// READ_CONTROL and WRITE_DAC, unless an entry for OWNER RIGHTS says what he has. A conditional entry's condition counts as not met.
func (sd SecurityDescriptor) allows(who token, want uint32, g mapping) bool {
	if sd.NullDACL {
		return true
	}
	want = g.specific(want)
	if who.takeOwnership {
		want &^= rightWriteOwner
	}
	owns := who.holds(sd.Owner)
	if owns && !sd.hasOwnerRights() {
		want &^= rightReadControl | rightWriteDAC
	}
	for _, ace := range sd.DACL {
		if want == 0 {
			return true
		}
		if ace.Flags&inheritOnly != 0 || !who.holds(ace.SID) && !(owns && ace.SID == sidOwnerRights) {
			continue
		}
		switch mask := g.specific(ace.Mask); ace.Kind {
		case Allow, AllowObject:
			want &^= mask
		case Deny, DenyObject:
			if want&mask != 0 {
				return false
			}
		}
	}
	return want == 0
}

func (sd SecurityDescriptor) hasOwnerRights() bool {
	return slices.ContainsFunc(sd.DACL, func(a ACE) bool { return a.SID == sidOwnerRights && a.Flags&inheritOnly == 0 })
}
