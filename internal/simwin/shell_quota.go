package simwin

// admit tells whether one more shell of a user fits into the quotas. The table is locked.
func (t *shells) admit(owner string) *soapFault {
	own, users := 0, map[string]bool{owner: true}
	for _, sh := range t.byID {
		users[sh.owner] = true
		if sh.owner == owner {
			own++
		}
	}
	switch {
	case len(users) > t.limits.MaxUsers:
		return faultMaxShellUsers
	case own >= t.limits.MaxShellsPerUser:
		return faultMaxShells(t.limits.MaxShellsPerUser)
	case t.operations(owner) >= t.limits.MaxOperationsPerUser:
		return faultMaxOperations(t.limits.MaxOperationsPerUser)
	}
	return nil
}

// operations counts what a user has going on: his shells, and the commands that were started in them. Only top-level operations count, not
// those that belong to one (wsman.h, WSMAN_AUTHZ_QUOTA). A command counts until its shell is gone, even when it has ended and was terminated:
// public clients ran into the quota with one command after another (pywinrm issue 124, WinRM for Ruby issue 197, winrm-fs issue 1). The table is
// locked.
func (t *shells) operations(owner string) int {
	n := 0
	for _, sh := range t.byID {
		if sh.owner == owner {
			n += 1 + sh.started
		}
	}
	return n
}
