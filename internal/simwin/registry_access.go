package simwin

// What a process may do with the registry: rights are checked when a key is opened, as in Windows, and errors are those that .NET's
// RegistryKey throws. Where .NET swallows an error of Windows, so does the method here, and says so.

// Errors of .NET's RegistryKey besides those of files. It makes no HRESULT of most errors of Windows.
const (
	keyNotFound      = 0x00000002 // ERROR_FILE_NOT_FOUND
	keyDeleted       = 0x000003fa // ERROR_KEY_DELETED: the key went away under an open handle
	invalidOperation = 0x80131509 // InvalidOperationException
)

// A keyHandle is an open key with the rights it was opened for.
type keyHandle struct {
	key    *regKey
	rights uint32
}

var (
	errKeyDeleted   = winError{keyDeleted, "Illegal operation attempted on a registry key that has been marked for deletion."}
	errKeyDenied    = winError{accessDenied, "Access to the registry key is denied."}
	errKeyNotOpened = winError{securityException, "Requested registry access is not allowed."}
)

// check says why a handle is not good for something that needs these rights; nil when it is.
func (h *keyHandle) check(rights uint32) error {
	if h.key.deleted() {
		return errKeyDeleted
	}
	if rights&^h.rights != 0 {
		return errKeyDenied
	}
	return nil
}

func (k *regKey) deleted() bool {
	for ; k.parent != nil; k = k.parent {
	}
	return k.name != hiveHKLM && k.name != hiveHKU
}

// openKey is RegistryKey.OpenSubKey(name, ReadWriteSubTree, rights): nil without an error when the key is missing, SecurityException
// when it may not be opened. The rights of a handle are what was asked for, whatever becomes of the DACL afterwards.
func (a actor) openKey(path string, rights uint32) (*keyHandle, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	k := a.m.key(path)
	if k == nil {
		return nil, nil
	}
	if !k.security.allows(a.who, rights, keyMapping) {
		return nil, errKeyNotOpened
	}
	return &keyHandle{k, keyMapping.specific(rights)}, nil
}

// createKey is RegistryKey.CreateSubKey: an existing key is opened for reading and writing, a missing one created together with
// those above it. UnauthorizedAccessException when that is not allowed.
func (a actor) createKey(path string) (*keyHandle, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	_, names := splitKey(path)
	k, made := a.m.hiveOf(path), 0
	for _, name := range names {
		if k.subkeys[fold(name)] == nil {
			if made == 0 && !k.security.allows(a.who, keyCreateSub, keyMapping) {
				return nil, errKeyDenied
			}
			made++
		}
		if k = a.m.subkey(a.who, k, name); k == nil { // a link that leads nowhere
			return nil, winError{keyNotFound, "The specified registry key does not exist."}
		}
	}
	if made == 0 && !k.security.allows(a.who, keyRead|keyWrite, keyMapping) {
		return nil, errKeyDenied
	}
	a.count.RegistryWrites += made
	return &keyHandle{k, keyRead | keyWrite}, nil
}

// deleteKey is RegistryKey.DeleteSubKey(name, false) of the hive's root. It needs DELETE on the key. A key that is missing, and one that
// may not be read, is passed over without a word: .NET opens it for reading first, and takes a refusal for its absence. Of a link, the
// key that it stands for is deleted.
//
// That is what PowerShell's Remove-Item is reported to do (documentation of the module AdvReg); MS-RRP 3.1.1.11 says
// ERROR_FILE_NOT_FOUND of a remote call.
func (a actor) deleteKey(path string) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	k := a.m.key(path)
	switch {
	case k == nil || !k.security.allows(a.who, keyRead, keyMapping):
		return nil
	case len(k.subkeys) > 0:
		return winError{invalidOperation, "Registry key has subkeys and recursive removes are not supported by this method."}
	case k.parent == nil || !k.security.allows(a.who, rightDelete, keyMapping):
		return errKeyDenied
	}
	k.unlink()
	a.count.RegistryDeletes++
	return nil
}

// setValue is RegistryKey.SetValue.
func (a actor) setValue(h *keyHandle, name string, v RegistryValue) error {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if err := h.check(keySetValue); err != nil {
		return err
	}
	h.key.set(name, v)
	a.count.RegistryWrites++
	return nil
}

// deleteValue is RegistryKey.DeleteValue(name, false). It throws nothing but the absence of the name, which false silences: a handle
// without the right to set values deletes nothing, and says nothing.
func (a actor) deleteValue(h *keyHandle, name string) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if _, there := h.key.values[fold(name)]; !there || h.check(keySetValue) != nil {
		return
	}
	delete(h.key.values, fold(name))
	a.count.RegistryDeletes++
}

// getValue is RegistryKey.GetValue without expansion; false when the value is missing, or when the handle does not read values.
func (a actor) getValue(h *keyHandle, name string) (RegistryValue, bool, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if h.key.deleted() {
		return RegistryValue{}, false, errKeyDeleted
	}
	e, ok := h.key.values[fold(name)]
	if !ok || h.rights&keyQueryValue == 0 {
		return RegistryValue{}, false, nil
	}
	return e.RegistryValue, true, nil
}

// valueNames is RegistryKey.GetValueNames, in no order that means something.
func (a actor) valueNames(h *keyHandle) ([]string, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if err := h.check(keyQueryValue); err != nil {
		return nil, err
	}
	names := []string{}
	for _, e := range h.key.values {
		names = append(names, e.name)
	}
	return names, nil
}

// subkeyCount is RegistryKey.SubKeyCount, which asks for the right to query values.
func (a actor) subkeyCount(h *keyHandle) (int, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	if err := h.check(keyQueryValue); err != nil {
		return 0, err
	}
	return len(h.key.subkeys), nil
}

// subkeyNames is RegistryKey.GetSubKeyNames, which counts first, and enumerates only where there is something.
func (a actor) subkeyNames(h *keyHandle) ([]string, error) {
	a.m.mu.Lock()
	defer a.m.mu.Unlock()
	needs := uint32(keyQueryValue)
	if len(h.key.subkeys) > 0 {
		needs |= keyEnumerateSub
	}
	if err := h.check(needs); err != nil {
		return nil, err
	}
	return h.key.names(), nil
}

// flushKey is RegistryKey.Flush: it throws nothing, and needs no right of its own.
func (actor) flushKey(*keyHandle) {}
