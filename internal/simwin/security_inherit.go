package simwin

import "slices"

// child is the descriptor of what who creates below with none of its own (MS-DTYP 2.5.3.4): his owner, and what the parent lets be
// inherited. Where that is nothing at all, the token's default DACL: everything for its owner and for SYSTEM.
func (sd SecurityDescriptor) child(who token, container bool, g mapping) SecurityDescriptor {
	made := SecurityDescriptor{Owner: who.owner, AutoInherited: true, NullDACL: sd.NullDACL}
	made.DACL = sd.inheritance(container, made.Owner, g)
	if len(made.DACL) == 0 && !made.NullDACL {
		made.AutoInherited = false
		made.DACL = []ACE{{Allow, 0, g.all, who.owner}, {Allow, 0, g.all, sidSystem}}
	}
	return made
}

// inheritance is what something below, which has this owner, inherits.
func (sd SecurityDescriptor) inheritance(container bool, owner string, g mapping) []ACE {
	var aces []ACE
	for _, ace := range sd.DACL {
		aces = append(aces, ace.inherit(container, owner, g)...)
	}
	return aces
}

func (a ACE) inherit(container bool, owner string, g mapping) []ACE {
	if a.Flags&(objectInherit|containerInherit) == 0 {
		return nil
	}
	effective := ACE{Kind: a.Kind, Mask: g.specific(a.Mask), SID: a.SID, Flags: inherited}
	if effective.SID == sidCreatorOwner {
		effective.SID = owner
	}
	if !container {
		if a.Flags&objectInherit == 0 {
			return nil
		}
		return []ACE{effective}
	}
	further := a
	further.Flags = a.Flags&(objectInherit|containerInherit) | inheritOnly | inherited
	switch {
	case a.Flags&containerInherit == 0 && a.Flags&noPropagate != 0:
		return nil
	case a.Flags&containerInherit == 0:
		return []ACE{further} // object inherit only: passes through a folder to its files
	case a.Flags&noPropagate != 0:
		return []ACE{effective}
	case a.SID == sidCreatorOwner || a.Mask != effective.Mask:
		return []ACE{effective, further}
	}
	effective.Flags |= a.Flags & (objectInherit | containerInherit)
	return []ACE{effective}
}

// explicit are the entries of its own, in their order.
func (sd SecurityDescriptor) explicit() []ACE {
	return slices.DeleteFunc(slices.Clone(sd.DACL), func(a ACE) bool { return a.Flags&inherited != 0 })
}

// below is the descriptor after inheritance from a parent was worked out anew, as SetSecurityInfo does it for an object that is not
// protected: explicit entries first, then the parent's, in its order ("Automatic Propagation of Inheritable ACEs", Microsoft). One with
// no DACL that inherits something has a DACL afterwards.
func (sd SecurityDescriptor) below(parent SecurityDescriptor, g mapping) SecurityDescriptor {
	if sd.Protected {
		return sd
	}
	from := parent.inheritance(true, sd.Owner, g)
	if sd.NullDACL && len(from) == 0 {
		return sd
	}
	sd.DACL = append(sd.explicit(), from...)
	sd.NullDACL, sd.AutoInherited = false, true
	return sd
}
