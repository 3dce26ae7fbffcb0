package simwin

import (
	"encoding/binary"
	"fmt"
	"maps"
	"slices"
	"strings"
	"unicode/utf16"
)

// Types of registry values (MS-RRP 3.1.1.5).
const (
	RegNone     = 0
	RegSZ       = 1
	RegExpandSZ = 2
	RegBinary   = 3
	RegDWord    = 4
	RegMultiSZ  = 7
	RegQWord    = 11
)

// A RegistryValue is one value as it is stored: its type and its bytes, which need not fit the type.
type RegistryValue struct {
	Type uint32
	Data []byte // strings as UTF-16, little-endian, with their NUL; numbers little-endian
}

// StringValue is a REG_SZ.
func StringValue(s string) RegistryValue { return RegistryValue{RegSZ, utf16Bytes(s)} }

// ExpandStringValue is a REG_EXPAND_SZ.
func ExpandStringValue(s string) RegistryValue { return RegistryValue{RegExpandSZ, utf16Bytes(s)} }

// DWordValue is a REG_DWORD.
func DWordValue(n uint32) RegistryValue {
	return RegistryValue{RegDWord, binary.LittleEndian.AppendUint32(nil, n)}
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	return b
}

// units are the UTF-16 code units of a REG_SZ or REG_EXPAND_SZ as RegistryKey.GetValue gives them: one closing NUL is taken off.
func (v RegistryValue) units() []uint16 {
	b := v.Data
	if len(b)%2 == 1 {
		b = append(slices.Clone(b), 0)
	}
	u := make([]uint16, 0, len(b)/2)
	for i := 0; i < len(b); i += 2 {
		u = append(u, binary.LittleEndian.Uint16(b[i:]))
	}
	if n := len(u); n > 0 && u[n-1] == 0 {
		u = u[:n-1]
	}
	return u
}

// Text is the string of a REG_SZ or REG_EXPAND_SZ, unexpanded; false for another type.
func (v RegistryValue) Text() (string, bool) {
	if v.Type != RegSZ && v.Type != RegExpandSZ {
		return "", false
	}
	return string(utf16.Decode(v.units())), true
}

// DWord is the number of a REG_DWORD; false for another type or length.
func (v RegistryValue) DWord() (uint32, bool) {
	if v.Type != RegDWord || len(v.Data) != 4 {
		return 0, false
	}
	return binary.LittleEndian.Uint32(v.Data), true
}

// fold is the form in which names of keys, values and files are compared: Windows maps each character to its upper case.
func fold(name string) string { return strings.ToUpper(name) }

// A regKey is one key. Only a Machine that holds its mutex touches it.
type regKey struct {
	name     string // as it was first spelt
	parent   *regKey
	subkeys  map[string]*regKey  // by folded name
	values   map[string]regEntry // by folded name
	security SecurityDescriptor
	link     string // of a symbolic link: the path of the key it stands for
}

type regEntry struct {
	name string
	RegistryValue
}

func newKey(name string, parent *regKey, sd SecurityDescriptor) *regKey {
	return &regKey{name: name, parent: parent, subkeys: map[string]*regKey{}, values: map[string]regEntry{}, security: sd}
}

// Default descriptors of the hives' roots, from which keys inherit: administrators and SYSTEM everything, users read.
const (
	defaultKeySDDL = "O:BAD:PAI(A;CI;KA;;;SY)(A;CI;KA;;;BA)(A;CI;KR;;;BU)(A;CI;KR;;;AC)"
	hiveHKLM       = "HKLM"
	hiveHKU        = "HKU"
)

func (k *regKey) set(name string, v RegistryValue) {
	if old, ok := k.values[fold(name)]; ok {
		name = old.name
	}
	k.values[fold(name)] = regEntry{name, RegistryValue{v.Type, slices.Clone(v.Data)}}
}

// names lists the subkeys in the order of Windows' index: by their folded names.
func (k *regKey) names() []string {
	names := []string{}
	for _, folded := range slices.Sorted(maps.Keys(k.subkeys)) {
		names = append(names, k.subkeys[folded].name)
	}
	return names
}

// splitKey parts HKLM\SOFTWARE\X into its hive and its path. A path that begins with no known hive is a fault of the caller.
func splitKey(path string) (hive string, names []string) {
	hive, rest, _ := strings.Cut(path, `\`)
	if rest != "" {
		names = strings.Split(rest, `\`)
	}
	return fold(hive), names
}

// SetValue sets a value as if somebody with every right did, and creates the keys that are missing. path begins with HKLM or HKU
// (any other hive is an error of the caller, and panics); the 64-bit view is meant.
func (m *Machine) SetValue(path, name string, v RegistryValue) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeKey(path).set(name, v)
}

// CreateKey creates a key and those above it that are missing.
func (m *Machine) CreateKey(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeKey(path)
}

func (m *Machine) makeKey(path string) *regKey {
	k := m.hiveOf(path)
	_, names := splitKey(path)
	for _, name := range names {
		k = m.subkey(administrator, k, name)
	}
	return k
}

// subkey finds or creates a key; what creates it is who.
func (m *Machine) subkey(who token, k *regKey, name string) *regKey {
	sub := k.subkeys[fold(name)]
	if sub == nil {
		sub = newKey(name, k, k.security.child(who, true, keyMapping))
		k.subkeys[fold(name)] = sub
	}
	if sub.link != "" {
		return m.key(sub.link)
	}
	return sub
}

// hiveOf is the root of the hive in which a path lies.
func (m *Machine) hiveOf(path string) *regKey {
	hive, _ := splitKey(path)
	root := m.hives[hive]
	if root == nil {
		panic(fmt.Sprintf("simwin: %q is in no hive, want HKLM or HKU", path))
	}
	return root
}

// Value reads a value; false when it or its key is missing.
func (m *Machine) Value(path, name string) (RegistryValue, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.key(path); k != nil {
		e, ok := k.values[fold(name)]
		return e.RegistryValue, ok
	}
	return RegistryValue{}, false
}

// Values reads all values of a key by their names as stored; nil when there is no such key.
func (m *Machine) Values(path string) map[string]RegistryValue {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.key(path).all()
}

func (k *regKey) all() map[string]RegistryValue {
	if k == nil {
		return nil
	}
	values := map[string]RegistryValue{}
	for _, e := range k.values {
		values[e.name] = e.RegistryValue
	}
	return values
}

// Subkeys lists the names of a key's subkeys; nil when there is no such key.
func (m *Machine) Subkeys(path string) []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.key(path); k != nil {
		return k.names()
	}
	return nil
}

// DeleteValue deletes a value, if it is there.
func (m *Machine) DeleteValue(path, name string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.key(path); k != nil {
		delete(k.values, fold(name))
	}
}

// DeleteKey deletes a key with everything below it, or a link, if it is there. A root of a hive stays.
func (m *Machine) DeleteKey(path string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.lookup(path, false, maxLinks); k != nil && k.parent != nil {
		k.unlink()
	}
}

func (k *regKey) unlink() {
	delete(k.parent.subkeys, fold(k.name))
	k.parent = nil
}

// SecureKey gives a key (created when it is missing) an owner and a DACL; its subkeys keep theirs.
func (m *Machine) SecureKey(path, sddl string) error {
	sd, err := ParseSDDL(sddl)
	if err != nil {
		return err
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.makeKey(path).security = sd
	return nil
}

// KeySecurity is the descriptor of a key; false when it is missing.
func (m *Machine) KeySecurity(path string) (SecurityDescriptor, bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if k := m.key(path); k != nil {
		return k.security, true
	}
	return SecurityDescriptor{}, false
}
