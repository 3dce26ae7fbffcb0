package simwin

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
)

// TestGolden gives the twin the pairs that the script answers on a real engine.
func TestGolden(t *testing.T) {
	pairs, err := golden.Load("../../accountpicture/testdata/golden")
	if err != nil {
		t.Fatal(err)
	}
	if len(pairs) == 0 {
		t.Fatal("there is no golden pair")
	}
	for _, p := range pairs {
		t.Run(p.Name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { checkPair(t, p) }) // held files are waited for
		})
	}
	t.Logf("the twin answered %d golden pairs", len(pairs))
}

func checkPair(t *testing.T, p golden.Pair) {
	m := NewMachine(MachineOptions{})
	seed(t, m, golden.Standard)
	seed(t, m, p.Start)
	before := m.Counters()
	script := slices.IndexFunc(accountpicture.Scripts, func(s accountpicture.Script) bool { return s.Name == p.Script() })
	input := accountpicture.Scripts[script].Text + p.InputOn(m.keyText)
	var out, errs bytes.Buffer
	code, err := m.Run(t.Context(), accountpicture.CommandLine, strings.NewReader(input), &out, &errs)
	if err != nil || code != 0 || errs.Len() != 0 {
		t.Fatalf("%s: ended with %d, %v, %q", p.About, code, err, errs.String())
	}
	if err := p.CheckAnswer([]byte(aliased(out.String()))); err != nil {
		t.Errorf("%s: %v", p.About, err)
	}
	keys, folders, files := end(t, m)
	if err := p.CheckEnd(keys, folders, files); err != nil {
		t.Errorf("%s: %v", p.About, err)
	}
	descriptors := map[string]string{}
	for path := range p.Descriptors() {
		descriptors[path] = aliased(m.keyText(path))
	}
	if err := p.CheckDescriptors(descriptors); err != nil {
		t.Errorf("%s: %v", p.About, err)
	}
	if m.Counters().Processes != before.Processes+1 {
		t.Errorf("%+v processes", m.Counters())
	}
}

var sidInSDDL = regexp.MustCompile(`(O:|;)(S-1-[0-9-]+)(D:|\))`)

// aliased writes descriptors as Windows does, with two letters for the SIDs that have some: pairs are compared as they are written.
func aliased(text string) string {
	return sidInSDDL.ReplaceAllStringFunc(text, func(s string) string {
		m := sidInSDDL.FindStringSubmatch(s)
		for alias, sid := range sidAliases {
			if sid == m[2] {
				return m[1] + alias + m[3]
			}
		}
		return s
	})
}

// seed puts a state on a machine.
func seed(t *testing.T, m *Machine, s golden.State) {
	t.Helper()
	for _, k := range s.Keys {
		m.CreateKey(k.Path)
		for _, v := range k.Values {
			m.SetValue(k.Path, v.Name, registryValue(t, v))
		}
	}
	for _, path := range s.Missing {
		m.DeleteKey(path)
	}
	for path, sddl := range s.KeyDescriptors {
		if !strings.HasPrefix(sddl, "O:") {
			sddl = "O:BA" + sddl
		}
		check(t, m.SecureKey(path, sddl))
	}
	for _, path := range s.Folders {
		sddl := s.Descriptors[path]
		if sddl == "" {
			sddl = pictureFolderSDDL
		}
		if fold(path) == fold(golden.Home+`\State`) && s.Descriptors[path] == "" {
			sddl = stateFolderSDDL
		}
		check(t, m.MakeFolder(path, sddl))
	}
	for _, f := range s.Files {
		m.WriteFile(f.Path, f.Content)
	}
	for path, sddl := range s.Descriptors {
		if sddl != "" {
			check(t, m.SecurePath(path, sddl))
		}
	}
	for _, path := range s.Links {
		if !m.SetAttributes(path, AttrDirectory|AttrReparsePoint) {
			t.Fatalf("%s is not there to be a link", path)
		}
	}
	for _, path := range s.Held {
		if m.Hold(path, true) == nil {
			t.Fatalf("%s is not there to be held", path)
		}
	}
	var faults []EffectFault
	for _, f := range s.Faults {
		faults = append(faults, EffectFault{Effect: f.Effect, Nth: f.Call, Kind: Throw, HResult: f.HResult})
	}
	m.SetFault(faults...)
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func registryValue(t *testing.T, v golden.Value) RegistryValue {
	t.Helper()
	switch v.Kind {
	case "sz":
		return StringValue(v.Data)
	case "expand_sz":
		return ExpandStringValue(v.Data)
	case "dword":
		n, err := strconv.ParseUint(v.Data, 10, 32)
		check(t, err)
		return DWordValue(uint32(n))
	case "binary":
		b, err := hex.DecodeString(v.Data)
		check(t, err)
		return RegistryValue{RegBinary, b}
	}
	t.Fatalf("unknown kind of value %q", v.Kind)
	return RegistryValue{}
}

// end reads what a pair compares.
func end(t *testing.T, m *Machine) (keys []golden.Key, folders []string, files []golden.File) {
	t.Helper()
	for path, what := range m.Snapshot().Below(golden.UsersKey) {
		if !strings.HasPrefix(what, "key ") {
			continue
		}
		k := golden.Key{Path: path}
		for name, v := range m.Values(path) {
			k.Values = append(k.Values, goldenValue(t, name, v))
		}
		keys = append(keys, k)
	}
	for path, what := range m.Snapshot().Below(golden.Home) {
		if strings.HasPrefix(what, "folder ") {
			folders = append(folders, path)
		}
	}
	slices.Sort(folders)
	for path, content := range m.Files(golden.Home) {
		if strings.HasSuffix(path, ".journal") {
			content = []byte(aliased(string(content)))
		}
		files = append(files, golden.File{Path: path, Content: content})
	}
	return keys, folders, files
}

func goldenValue(t *testing.T, name string, v RegistryValue) golden.Value {
	t.Helper()
	text, _ := v.Text()
	switch v.Type {
	case RegSZ:
		return golden.Value{Name: name, Kind: "sz", Data: text}
	case RegExpandSZ:
		return golden.Value{Name: name, Kind: "expand_sz", Data: text}
	case RegDWord:
		n, _ := v.DWord()
		return golden.Value{Name: name, Kind: "dword", Data: strconv.FormatUint(uint64(n), 10)}
	case RegBinary:
		return golden.Value{Name: name, Kind: "binary", Data: hex.EncodeToString(v.Data)}
	}
	t.Fatalf("value %s is of type %d", name, v.Type)
	return golden.Value{}
}
