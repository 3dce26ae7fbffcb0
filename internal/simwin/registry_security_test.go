package simwin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// opened opens a key that the test knows it may open.
func opened(t *testing.T, m *Machine, path string, rights uint32) *keyHandle {
	t.Helper()
	h, err := m.openKey(path, rights)
	if err != nil || h == nil {
		t.Fatalf("open %s: %v, %v", path, h, err)
	}
	return h
}

func secureKeys(t *testing.T, m *Machine, sddl map[string]string) {
	t.Helper()
	for path, s := range sddl {
		if err := m.SecureKey(path, s); err != nil {
			t.Fatal(err)
		}
	}
}

func keyText(m *Machine, path string) string {
	sd, _ := m.KeySecurity(path)
	return sd.String()
}

func TestKeyMadeByWindows(t *testing.T) {
	m := NewMachine(MachineOptions{GuardedKeys: true})
	m.AddWindowsPicture(userSID, 1)
	path := pictureUsersKey + `\` + string(userSID)
	if _, err := m.openKey(path, keySetValue|keyQueryValue); hresult(err) != securityException {
		t.Errorf("opened to set values: %v", err)
	}
	if _, err := m.createKey(path); hresult(err) != accessDenied {
		t.Errorf("created: %v", err)
	}
	if err := m.deleteKey(path); hresult(err) != accessDenied {
		t.Errorf("deleted: %v", err)
	}
	// the ladder's temporary entry, and its end
	before := keyText(m, path)
	h := opened(t, m, path, rightWriteDAC|rightReadControl)
	if err := m.setKeyOwner(h, sidAdministrators); hresult(err) != accessDenied {
		t.Errorf("owner set without WRITE_OWNER: %v", err)
	}
	text, err := m.keySDDL(h)
	if err != nil {
		t.Fatal(err)
	}
	was := mustSDDL(text)
	with := was.withRule(ACE{Allow, 0, keySetValue, sidAdministrators})
	with.Protected = true
	if err := m.setKeySecurity(h, with, accessSection); err != nil {
		t.Fatal(err)
	}
	if err := m.setValue(opened(t, m, path, keySetValue|keyQueryValue), "Image96", StringValue("x")); err != nil {
		t.Error(err)
	}
	was.Protected = true
	if err := m.setKeySecurity(h, was, accessSection); err != nil {
		t.Fatal(err)
	}
	after, _ := m.KeySecurity(path)
	after.Protected = false
	if diff := cmp.Diff(before, after.String()); diff != "" {
		t.Error(diff)
	}
	if c := m.Counters(); c.SecurityChanges != 2 || c.RegistryWrites != 1 || c.Writes() != 3 {
		t.Errorf("counted %+v", c)
	}
}

// A DACL that is not protected inherits from the parent when it is written, and hands on to what lies below.
func TestPropagation(t *testing.T) {
	const top = `HKLM\SOFTWARE\Top`
	m := NewMachine(MachineOptions{})
	secureKeys(t, m, map[string]string{
		top:                    "O:BAD:P(A;CI;KA;;;BA)(A;CI;KR;;;BU)(A;;KR;;;WD)",
		top + `\open`:          "O:BAD:(A;;KR;;;AU)(A;CIID;KW;;;WD)", // what it inherited is stale
		top + `\open\own`:      "O:BAD:(A;CIID;KA;;;SY)",
		top + `\guarded`:       "O:BAD:P(A;;KA;;;BA)",
		top + `\guarded\below`: "O:BAD:(A;;KA;;;BA)",
		top + `\closed`:        "O:SYD:(A;;KA;;;SY)",
		top + `\closed\below`:  "O:BAD:(A;;KA;;;BA)",
		top + `\null`:          "O:BAD:NO_ACCESS_CONTROL",
	})
	h := opened(t, m, top+`\open`, rightReadControl)
	if err := m.setKeySecurity(h, mustSDDL("D:(A;;KA;;;BA)"), accessSection); hresult(err) != accessDenied {
		t.Errorf("written without WRITE_DAC: %v", err)
	}
	h = opened(t, m, top, rightWriteDAC)
	if err := m.setKeySecurity(h, mustSDDL("D:P(A;CI;KA;;;BA)(A;CI;KR;;;AC)(A;;KR;;;WD)"), accessSection); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		top:                    "O:BAD:P(A;CI;KA;;;BA)(A;CI;KR;;;AC)(A;;KR;;;WD)",
		top + `\open`:          "O:BAD:AI(A;;KR;;;AU)(A;CIID;KA;;;BA)(A;CIID;KR;;;AC)",
		top + `\open\own`:      "O:BAD:AI(A;CIID;KA;;;BA)(A;CIID;KR;;;AC)",
		top + `\guarded`:       "O:BAD:P(A;;KA;;;BA)",
		top + `\guarded\below`: "O:BAD:(A;;KA;;;BA)",
		top + `\closed`:        "O:SYD:(A;;KA;;;SY)", // administrators may not write it
		top + `\closed\below`:  "O:BAD:(A;;KA;;;BA)",
		top + `\null`:          "O:BAD:AI(A;CIID;KA;;;BA)(A;CIID;KR;;;AC)",
	} {
		if diff := cmp.Diff(mustSDDL(want).String(), keyText(m, path)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
	}
}

func TestWrittenDACLInherits(t *testing.T) {
	const top, path = `HKLM\SOFTWARE\Top`, `HKLM\SOFTWARE\Top\K`
	for name, c := range map[string]struct{ parent, write, want string }{
		"not protected":              {"O:BAD:P(A;CI;KA;;;BA)(A;;KR;;;WD)", "D:(A;;KR;;;BU)", "O:BAD:AI(A;;KR;;;BU)(A;CIID;KA;;;BA)"},
		"what it inherited is stale": {"O:BAD:P(A;CI;KA;;;BA)", "D:(A;;KR;;;BU)(A;ID;KA;;;WD)", "O:BAD:AI(A;;KR;;;BU)(A;CIID;KA;;;BA)"},
		"protected":                  {"O:BAD:P(A;CI;KA;;;BA)", "D:P(A;;KR;;;BU)", "O:BAD:P(A;;KR;;;BU)"},
		"the creator is the owner":   {"O:BAD:P(A;CI;KA;;;CO)", "D:(A;;KR;;;BU)", "O:BAD:AI(A;;KR;;;BU)(A;ID;KA;;;BA)(A;CIIOID;KA;;;CO)"},
		"nothing to inherit":         {"O:BAD:P(A;;KA;;;BA)", "D:", "O:BAD:AI"},
		"merged":                     {"O:BAD:P(A;;KA;;;BA)", "D:P(A;;KR;;;BU)(A;;KW;;;BU)(A;;;;;WD)", "O:BAD:P(A;;KRKW;;;BU)"},
		"null":                       {"O:BAD:P(A;;KA;;;BA)", "D:NO_ACCESS_CONTROL", "O:BAD:NO_ACCESS_CONTROL"},
	} {
		m := NewMachine(MachineOptions{})
		secureKeys(t, m, map[string]string{top: c.parent, path: "O:BAD:P(A;;KA;;;BA)"})
		if err := m.setKeySecurity(opened(t, m, path, rightWriteDAC), mustSDDL(c.write), accessSection); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(mustSDDL(c.want).String(), keyText(m, path)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

func TestSetKeyOwner(t *testing.T) {
	const path = `HKLM\SOFTWARE\K`
	for _, c := range []struct {
		sid        string
		privileged bool
		want       uint32
	}{{sidAdministrators, false, 0}, {sidSystem, false, invalidOperation}, {sidUsers, false, invalidOperation}, {sidSystem, true, 0}} {
		m := NewMachine(MachineOptions{Privileged: c.privileged})
		secureKeys(t, m, map[string]string{path: "O:LSD:P(A;;KA;;;BA)"})
		h := opened(t, m, path, rightWriteOwner)
		if err := m.setKeyOwner(h, c.sid); hresult(err) != c.want {
			t.Errorf("%+v: %v", c, err)
		}
		sd, _ := m.KeySecurity(path)
		if changed := sd.Owner == c.sid; changed != (c.want == 0) {
			t.Errorf("%+v: the owner is %s", c, sd.Owner)
		}
	}
	// with the privilege, a key that grants nothing can be taken
	m := NewMachine(MachineOptions{Privileged: true})
	secureKeys(t, m, map[string]string{path: "O:SYD:P"})
	if err := m.setKeyOwner(opened(t, m, path, rightWriteOwner), sidAdministrators); err != nil {
		t.Error(err)
	}
	opened(t, m, path, rightWriteDAC|rightReadControl)
}

func TestKeyHandleWithoutRight(t *testing.T) {
	const path = `HKLM\SOFTWARE\K`
	m := NewMachine(MachineOptions{})
	m.SetValue(path, "a", StringValue("1"))
	h := opened(t, m, path, rightWriteDAC)
	_, names := m.valueNames(h)
	_, count := m.subkeyCount(h)
	_, keys := m.subkeyNames(h)
	_, sddl := m.keySDDL(h)
	for what, err := range map[string]error{"names": names, "count": count, "keys": keys, "sddl": sddl, "set": m.setValue(h, "a", StringValue("2"))} {
		if hresult(err) != accessDenied {
			t.Errorf("%s: %v", what, err)
		}
	}
	if _, ok, err := m.getValue(h, "a"); ok || err != nil {
		t.Errorf("a value was read: %v, %v", ok, err)
	}
	if m.deleteValue(h, "a"); len(m.Values(path)) != 1 {
		t.Error("a value was deleted")
	}
	m.deleteValue(opened(t, m, path, keySetValue), "A")
	if len(m.Values(path)) != 0 || m.Counters().RegistryDeletes != 1 {
		t.Errorf("values %v, counted %+v", m.Values(path), m.Counters())
	}
}

func TestDeleteKey(t *testing.T) {
	const path = `HKLM\SOFTWARE\K`
	for name, c := range map[string]struct {
		sddl string
		want uint32
		gone bool
	}{
		"allowed":           {"O:BAD:P(A;;KA;;;BA)", 0, true},
		"no DELETE":         {"O:BAD:P(A;;KRKW;;;BA)", accessDenied, false},
		"may not be read":   {"O:SYD:P(A;;SD;;;BA)", 0, false},
		"DELETE and a read": {"O:SYD:P(A;;KRSD;;;BA)", 0, true},
	} {
		m := NewMachine(MachineOptions{})
		secureKeys(t, m, map[string]string{path: c.sddl})
		if err := m.deleteKey(path); hresult(err) != c.want {
			t.Errorf("%s: %v", name, err)
		}
		if gone := m.Subkeys(path) == nil; gone != c.gone {
			t.Errorf("%s: gone is %v", name, gone)
		}
	}
	m := NewMachine(MachineOptions{})
	m.CreateKey(path + `\below`)
	if err := m.deleteKey(path); hresult(err) != invalidOperation {
		t.Errorf("with a subkey: %v", err)
	}
	if err := m.deleteKey(path + `\missing`); err != nil {
		t.Errorf("a missing one: %v", err)
	}
}
