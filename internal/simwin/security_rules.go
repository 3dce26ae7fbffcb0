package simwin

import "slices"

// What .NET makes of a descriptor when it reads one into a RegistrySecurity or DirectorySecurity, and when a rule is added (CommonAcl in
// System.Security.AccessControl, ACL.cs of dotnet/runtime; .NET Framework has the same code).

// rank is the place of an entry in the canonical order: explicit denials, then explicit permissions, each those for objects last; then
// whatever was inherited, in its own order.
func (a ACE) rank() int {
	switch {
	case a.Flags&inherited != 0:
		return 4
	case a.Kind == Deny || a.Kind == DenyCallback:
		return 0
	case a.Kind == DenyObject:
		return 1
	case a.Kind == Allow || a.Kind == AllowCallback:
		return 2
	}
	return 3
}

// canonical is AreAccessRulesCanonical: with a DACL for which it is false, adding and removing rules throw InvalidOperationException.
func (sd SecurityDescriptor) canonical() bool {
	return slices.IsSortedFunc(sd.DACL, func(x, y ACE) int { return x.rank() - y.rank() })
}

// asRead is the descriptor as .NET shows it. No DACL at all looks like one that allows everything to everybody.
func (sd SecurityDescriptor) asRead() SecurityDescriptor {
	if sd.NullDACL {
		sd.NullDACL = false
		sd.DACL = []ACE{{Allow, objectInherit | containerInherit, 0xffffffff, sidEveryone}}
		return sd
	}
	return sd.merged()
}

// merged is the descriptor without entries that have no meaning, and, where the DACL is canonical, with explicit entries of one kind, SID
// and flags made one. .NET also merges entries of one mask whose flags add up; that is not done here.
func (sd SecurityDescriptor) merged() SecurityDescriptor {
	canonical := sd.canonical()
	var aces []ACE
	for _, a := range sd.DACL {
		if a.Flags&(objectInherit|containerInherit) == 0 {
			a.Flags &^= noPropagate
		}
		if a.Mask == 0 || a.Flags&inheritOnly != 0 && a.Flags&(objectInherit|containerInherit) == 0 {
			continue
		}
		i := slices.IndexFunc(aces, a.merges)
		if i >= 0 && canonical {
			aces[i].Mask |= a.Mask
			continue
		}
		aces = append(aces, a)
	}
	sd.DACL = aces
	return sd
}

// merges tells whether an explicit entry can become one with another by taking its rights.
func (a ACE) merges(other ACE) bool {
	plain := a.Kind == Allow || a.Kind == Deny
	return plain && a.Kind == other.Kind && a.SID == other.SID && a.Flags == other.Flags && a.Flags&inherited == 0
}

// withRule is AddAccessRule for an explicit entry: one of the same kind, SID and flags takes its rights, else it gets its place in the
// canonical order.
func (sd SecurityDescriptor) withRule(rule ACE) SecurityDescriptor {
	sd = sd.asRead()
	sd.DACL = slices.Clone(sd.DACL)
	if i := slices.IndexFunc(sd.DACL, rule.merges); i >= 0 {
		sd.DACL[i].Mask |= rule.Mask
		return sd
	}
	i := slices.IndexFunc(sd.DACL, func(a ACE) bool { return a.rank() > rule.rank() })
	if i < 0 {
		i = len(sd.DACL)
	}
	sd.DACL = slices.Insert(sd.DACL, i, rule)
	return sd
}
