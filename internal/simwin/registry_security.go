package simwin

import "errors"

// Owners and DACLs of keys, as .NET's RegistryKey.GetAccessControl and SetAccessControl read and write them.
//
// .NET writes with SetSecurityInfo on the handle (NativeObjectSecurity.Persist in dotnet/runtime and .NET Framework), with
// PROTECTED_DACL_SECURITY_INFORMATION where the descriptor is protected and UNPROTECTED_… where it is not. SetSecurityInfo, other than
// RegSetKeySecurity, works out inheritance: of the key itself, from its parent, and of every key below it that is not protected
// ("Automatic Propagation of Inheritable ACEs", Microsoft; "Why doesn't RegSetKeySecurity propagate inheritable ACEs, but
// SetSecurityInfo does?", The Old New Thing, 2020).

// sections of a descriptor (AccessControlSections).
type sections int

const (
	accessSection sections = 2
	ownerSection  sections = 4
)

// checkSecurity is check for what is done with a descriptor: .NET knows ERROR_KEY_DELETED there no more than ERROR_INVALID_OWNER.
func (h *keyHandle) checkSecurity(rights uint32) error {
	err := h.check(rights)
	if err == errKeyDeleted {
		return winError{invalidOperation, "Method failed with unexpected error code 1018."}
	}
	return err
}

// keySDDL is GetAccessControl(Owner, Access) as SDDL: it needs READ_CONTROL on the handle.
func (a actor) keySDDL(h *keyHandle) (string, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if err := h.checkSecurity(rightReadControl); err != nil {
		return "", err
	}
	return h.key.security.asRead().String(), nil
}

// setKeySecurity is SetAccessControl of the sections that were changed: the owner needs WRITE_OWNER on the handle, the DACL WRITE_DAC.
// Of a DACL that is not protected only the explicit entries count; the inherited ones come anew from the parent. In one that is protected
// inherited entries become explicit ones. (That last is believed: .NET takes them off or makes them explicit before it writes.)
func (a actor) setKeySecurity(h *keyHandle, sd SecurityDescriptor, which sections) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	needs := uint32(0)
	if which&ownerSection != 0 {
		needs |= rightWriteOwner
	}
	if which&accessSection != 0 {
		needs |= rightWriteDAC
	}
	if err := h.checkSecurity(needs); err != nil {
		return err
	}
	if which&ownerSection != 0 {
		// .NET turns ERROR_INVALID_OWNER (0x8007051b for files) of SetSecurityInfo into an InvalidOperationException
		if !a.who.mayOwn(sd.Owner) {
			return winError{invalidOperation, "The security identifier is not allowed to be the owner of this object."}
		}
		h.key.security.Owner = sd.Owner
	}
	if which&accessSection != 0 {
		a.setDACL(h.key, sd)
	}
	a.count.SecurityChanges++
	return nil
}

// setKeyOwner is SetAccessControl of an owner.
func (a actor) setKeyOwner(h *keyHandle, sid string) error {
	return a.setKeySecurity(h, SecurityDescriptor{Owner: sid}, ownerSection)
}

func (a actor) setDACL(k *regKey, sd SecurityDescriptor) {
	to := SecurityDescriptor{Owner: k.security.Owner, Protected: sd.Protected, NullDACL: sd.NullDACL, DACL: sd.merged().DACL}
	if to.Protected {
		for i := range to.DACL {
			to.DACL[i].Flags &^= inherited
		}
	} else if k.parent != nil {
		to = to.below(k.parent.security, keyMapping)
	}
	k.security = to
	a.propagate(k, map[*regKey]bool{k: true})
}

// propagate gives the keys below what they inherit, down to those that are protected, and passes over those whose DACL the caller may
// not write (that it does not stop there is believed). It opens each by its name, so that it goes through symbolic links: a DACL
// with an inheritable entry that is written above a user's link lands on the key that he chose. What is written to a key of ours must
// not be inheritable, and nothing may be written to a key that others can create links in.
func (a actor) propagate(k *regKey, seen map[*regKey]bool) {
	for _, sub := range k.subkeys {
		if sub.link != "" {
			sub = a.m.key(sub.link)
		}
		if sub == nil || seen[sub] || sub.security.Protected ||
			!sub.security.allows(a.who, rightReadControl|rightWriteDAC, keyMapping) {
			continue
		}
		seen[sub] = true
		sub.security = sub.security.below(k.security, keyMapping)
		a.propagate(sub, seen)
	}
}

// linkKey is RegCreateKeyEx with REG_OPTION_CREATE_LINK: Windows asks for KEY_CREATE_LINK and KEY_CREATE_SUB_KEY on the key above.
func (a actor) linkKey(path, target string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	parent, name := parentPath(path)
	k := a.m.key(parent)
	if k == nil {
		return winError{keyNotFound, "The specified registry key does not exist."}
	}
	if !k.security.allows(a.who, keyCreateLink|keyCreateSub, keyMapping) {
		return errKeyDenied
	}
	err := k.addLink(a.who, name, target)
	if errors.Is(err, errKeyExists) { // ERROR_ALREADY_EXISTS
		return winError{alreadyExists, "There is a registry key of that name."}
	}
	a.count.RegistryWrites++
	return err
}
