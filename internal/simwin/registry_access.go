package simwin

// What a process of an administrator may do with the registry: rights are checked when a key is opened, as in Windows, and errors
// are those that .NET's RegistryKey throws.

// keyDeleted is ERROR_KEY_DELETED: the key went away under an open handle.
const keyDeleted = 0x800703fa

// A keyHandle is an open key with the rights it was opened for.
type keyHandle struct {
	key    *regKey
	rights uint32
}

// openKey is RegistryKey.OpenSubKey: nil without an error when the key is missing, SecurityException when it may not be opened.
func (m *Machine) openKey(path string, rights uint32) (*keyHandle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	k := m.key(path)
	if k == nil {
		return nil, nil
	}
	if !k.security.allows(rights, keyMapping) {
		return nil, winError{securityException, "Requested registry access is not allowed."}
	}
	return &keyHandle{k, rights}, nil
}

// createKey is RegistryKey.CreateSubKey: an existing key is opened for reading and writing, a missing one created together with
// those above it. UnauthorizedAccessException when that is not allowed.
func (m *Machine) createKey(path string) (*keyHandle, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	hive, names := splitKey(path)
	k := m.hives[hive]
	for i, name := range names {
		sub := k.subkeys[fold(name)]
		if sub == nil {
			if !k.security.allows(keyCreateSub, keyMapping) {
				return nil, winError{accessDenied, "Access to the registry key is denied."}
			}
			m.counters.RegistryWrites += len(names) - i
			return &keyHandle{k.make(names[i:]), keyRead | keyWrite}, nil
		}
		k = sub
	}
	if !k.security.allows(keyRead|keyWrite, keyMapping) {
		return nil, winError{accessDenied, "Access to the registry key is denied."}
	}
	return &keyHandle{k, keyRead | keyWrite}, nil
}

func (k *regKey) deleted() bool {
	for ; k.parent != nil; k = k.parent {
	}
	return k.name != hiveHKLM && k.name != hiveHKU
}

// setValue is RegistryKey.SetValue.
func (m *Machine) setValue(h *keyHandle, name string, v RegistryValue) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.key.deleted() {
		return winError{keyDeleted, "Illegal operation attempted on a registry key that has been marked for deletion."}
	}
	if h.rights&keySetValue == 0 {
		return winError{accessDenied, "Cannot write to the registry key."}
	}
	h.key.set(name, v)
	m.counters.RegistryWrites++
	return nil
}

// getValue is RegistryKey.GetValue without expansion; false when the value is missing.
func (m *Machine) getValue(h *keyHandle, name string) (RegistryValue, bool, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.key.deleted() {
		return RegistryValue{}, false, winError{keyDeleted, "Illegal operation attempted on a registry key that has been marked for deletion."}
	}
	e, ok := h.key.values[fold(name)]
	return e.RegistryValue, ok, nil
}

// subkeyNames is RegistryKey.GetSubKeyNames.
func (m *Machine) subkeyNames(h *keyHandle) ([]string, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if h.key.deleted() {
		return nil, winError{keyDeleted, "Illegal operation attempted on a registry key that has been marked for deletion."}
	}
	return h.key.names(), nil
}
