// Package logon learns who uses which workstation. Here: from the profiles that a workstation's inventory names. It is pure; what a
// session is worth is left to want, keeping it to store.
package logon

import "github.com/photopush/photopush"

// SourceProfile marks evidence that comes from a user profile on the workstation.
const SourceProfile = photopush.SourceProfile

// FromInventory turns the profiles of an inventory into sessions, one for each account and in the order of the profiles. Profiles of
// services and of other than domain or local accounts are left out; so is a time after the inventory, which a wrong clock gave.
//
// LastSeen is the time of the inventory for a profile that is loaded, else its last load or unload; zero where Windows does not say (before
// 1809). FirstSeen is when we learnt of it: the earlier of LastSeen and the inventory.
func FromInventory(id photopush.GUID, inv *photopush.Inventory) []photopush.Session {
	if inv == nil {
		return nil
	}
	seen := make(map[photopush.SID]int, len(inv.Profiles))
	var all []photopush.Session
	for _, p := range inv.Profiles {
		if !p.SID.IsAccount() {
			continue
		}
		s := session(id, inv, p)
		at, double := seen[p.SID]
		switch {
		case !double:
			seen[p.SID] = len(all)
			all = append(all, s)
		case s.LastSeen.After(all[at].LastSeen):
			all[at] = s
		}
	}
	return all
}

func session(id photopush.GUID, inv *photopush.Inventory, p photopush.Profile) photopush.Session {
	s := photopush.Session{Workstation: id, User: p.SID, Source: SourceProfile, FirstSeen: inv.Taken.UTC(), LastSeen: p.LastUse.UTC()}
	if p.Loaded || p.Interactive || p.LastUse.After(inv.Taken) {
		s.LastSeen = inv.Taken.UTC()
	}
	if !s.LastSeen.IsZero() && s.LastSeen.Before(s.FirstSeen) {
		s.FirstSeen = s.LastSeen
	}
	return s
}
