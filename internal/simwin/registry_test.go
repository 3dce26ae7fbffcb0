package simwin

import (
	"errors"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestNamesIgnoreCase(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetValue(`HKLM\SOFTWARE\Some\Key`, "Name", StringValue("1"))
	m.SetValue(`hklm\software\SOME\key`, "NAME", StringValue("2"))
	if diff := cmp.Diff(map[string]RegistryValue{"Name": StringValue("2")}, m.Values(`HKLM\Software\some\KEY`)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"Key"}, m.Subkeys(`HKLM\software\some`)); diff != "" {
		t.Error(diff)
	}
	m.DeleteKey(`HKLM\SOFTWARE\SOME`)
	if m.Subkeys(`HKLM\SOFTWARE\Some`) != nil {
		t.Error("the key is still there")
	}
}

func TestValueText(t *testing.T) {
	cases := []struct {
		value RegistryValue
		want  string
		ok    bool
	}{
		{StringValue("é€😀"), "é€😀", true},
		{ExpandStringValue(`%X%`), `%X%`, true},
		{RegistryValue{RegSZ, nil}, "", true},
		{RegistryValue{RegSZ, []byte{'a', 0, 'b'}}, "ab", true},
		{RegistryValue{RegSZ, []byte{'a', 0, 0, 0, 'b', 0, 0, 0}}, "a\x00b", true},
		{RegistryValue{RegSZ, []byte{0x00, 0xd8}}, "\ufffd", true},
		{DWordValue(1), "", false},
		{RegistryValue{RegMultiSZ, []byte{'a', 0, 0, 0}}, "", false},
	}
	for _, c := range cases {
		if got, ok := c.value.Text(); got != c.want || ok != c.ok {
			t.Errorf("%v is %q, %v, want %q, %v", c.value, got, ok, c.want, c.ok)
		}
	}
	if _, ok := (RegistryValue{RegDWord, []byte{1}}).DWord(); ok {
		t.Error("a DWORD of one byte was read")
	}
}

// hresult is the HRESULT of an exception; 0 for no error.
func hresult(err error) uint32 {
	w, _ := errors.AsType[winError](err)
	return w.hresult
}

func TestKeyRights(t *testing.T) {
	const path = `HKLM\SOFTWARE\K`
	cases := map[string]struct {
		sddl                      string
		read, set, create, parent uint32 // HRESULTs: open to read, open to set values, CreateSubKey on it, CreateSubKey below it
	}{
		"default":                  {defaultKeySDDL, 0, 0, 0, 0},
		"made by Windows":          {"O:SYD:P(A;CI;KA;;;SY)(A;CI;KRWD;;;BA)(A;CI;KR;;;WD)", 0, securityException, accessDenied, accessDenied},
		"SYSTEM alone":             {"O:SYD:P(A;CI;KA;;;SY)", securityException, securityException, accessDenied, accessDenied},
		"denied to administrators": {"O:SYD:P(D;;0x2;;;BA)(A;;KA;;;BA)", 0, securityException, accessDenied, 0},
		"denied too late":          {"O:SYD:P(A;;KA;;;BA)(D;;KW;;;BA)", 0, 0, 0, 0},
		"null DACL":                {"O:SYD:NO_ACCESS_CONTROL", 0, 0, 0, 0},
		"generic":                  {"O:SYD:P(A;;GA;;;BA)", 0, 0, 0, 0},
		"inherit only":             {"O:SYD:P(A;CIIO;KA;;;BA)", securityException, securityException, accessDenied, accessDenied},
		"everybody":                {"O:SYD:P(A;;KA;;;WD)", 0, 0, 0, 0},
		"conditional":              {"O:SYD:P(XA;;KA;;;BA;(Exists x))", securityException, securityException, accessDenied, accessDenied},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			if err := m.SecureKey(path, c.sddl); err != nil {
				t.Fatal(err)
			}
			_, read := m.openKey(path, keyRead)
			_, set := m.openKey(path, keySetValue|keyQueryValue)
			_, create := m.createKey(path)
			_, below := m.createKey(path + `\new\newer`)
			if diff := cmp.Diff([]uint32{c.read, c.set, c.create, c.parent}, []uint32{hresult(read), hresult(set), hresult(create), hresult(below)}); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestOwnerMayAlwaysWriteDAC(t *testing.T) {
	sd := mustSDDL("O:BAD:P(A;;KR;;;BA)")
	if !sd.allows(administrator, rightWriteDAC|rightReadControl, keyMapping) || sd.allows(administrator, rightWriteOwner, keyMapping) {
		t.Error("an owner has READ_CONTROL and WRITE_DAC, and no more")
	}
	if mustSDDL("O:SYD:P(A;;KR;;;BA)").allows(administrator, rightWriteDAC, keyMapping) {
		t.Error("another than the owner may write the DACL")
	}
}

func TestKeyHandles(t *testing.T) {
	m := NewMachine(MachineOptions{})
	m.SetValue(`HKLM\SOFTWARE\K`, "a", StringValue("1"))
	if h, err := m.openKey(`HKLM\SOFTWARE\missing`, keyRead); h != nil || err != nil {
		t.Errorf("a missing key gave %v, %v, want nothing", h, err)
	}
	h, err := m.openKey(`HKLM\SOFTWARE\K`, keyRead)
	if err != nil {
		t.Fatal(err)
	}
	if err := m.setValue(h, "a", StringValue("2")); hresult(err) != accessDenied {
		t.Errorf("a value set through a handle to read: %v", err)
	}
	w, err := m.createKey(`HKLM\SOFTWARE\K`)
	if err != nil {
		t.Fatal(err)
	}
	m.DeleteKey(`HKLM\SOFTWARE\K`)
	if err := m.setValue(w, "a", StringValue("2")); hresult(err) != keyDeleted {
		t.Errorf("a value set in a deleted key: %v", err)
	}
	if m.Counters().Writes() != 0 {
		t.Errorf("counted %+v, want nothing", m.Counters())
	}
}

func TestKeysInherit(t *testing.T) {
	m := NewMachine(MachineOptions{})
	if err := m.SecureKey(`HKLM\SOFTWARE\K`, "O:SYD:P(A;CI;KA;;;SY)(A;;KA;;;BA)(A;CIIO;GA;;;CO)(A;CINP;KR;;;BU)(A;OI;KR;;;WD)"); err != nil {
		t.Fatal(err)
	}
	m.CreateKey(`HKLM\SOFTWARE\K\L\M`)
	got := []string{}
	for _, path := range []string{`HKLM\SOFTWARE\K\L`, `HKLM\SOFTWARE\K\L\M`} {
		sd, _ := m.KeySecurity(path)
		got = append(got, sd.String())
	}
	want := []string{
		mustSDDL("O:BAD:AI(A;CIID;KA;;;SY)(A;ID;KA;;;BA)(A;CIIOID;GA;;;CO)(A;ID;KR;;;BU)(A;OIIOID;KR;;;WD)").String(),
		mustSDDL("O:BAD:AI(A;CIID;KA;;;SY)(A;ID;KA;;;BA)(A;CIIOID;GA;;;CO)(A;OIIOID;KR;;;WD)").String(),
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if !slices.Equal(m.Subkeys(`HKLM\SOFTWARE\K`), []string{"L"}) {
		t.Error(m.Subkeys(`HKLM\SOFTWARE\K`))
	}
}
