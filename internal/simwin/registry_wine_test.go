//go:build unix

package simwin

import (
	_ "embed"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/internal/winelab"
)

// registryScript does on a registry what a wineSide's operations say.
//
//go:embed testdata/registry.ps1
var registryScript string

// TestRegistryLikeWine carries out random operations on the registry of a simulated workstation and, by .NET in the PowerShell engine, on
// Wine's. Every outcome and the state at the end must be the same, but for the differences that are named.
func TestRegistryLikeWine(t *testing.T) {
	w := winelab.New(t)
	left := map[string]int{}
	compared := map[string]int{} // by what they were
	for _, seed := range []uint64{1, 2, 3} {
		s := newSequence(seed)
		for range 250 {
			s.step()
		}
		s.readBack()
		if seed == 1 {
			s.probes()
		}
		out := runWine(t, w, s.lines)
		if len(out) != len(s.lines) {
			t.Fatalf("seed %d: Wine gave %d outcomes for %d operations: %q", seed, len(out), len(s.lines), out)
		}
		for i, line := range s.lines {
			wine, differs := normal(out[i]), s.probe[i]
			if differs != "" && wine == s.outcomes[i] {
				t.Errorf("seed %d, operation %d, %q: Wine says %q as we do: it no longer %s", seed, i, line, wine, differs)
			} else if differs == "" && wine != s.outcomes[i] {
				t.Fatalf("seed %d, operation %d, %q: Wine says %q, we say %q; all of them:\n%s", seed, i, line, wine, s.outcomes[i], s.told())
			}
			if differs == "" {
				kind, _, _ := strings.Cut(wine, " ")
				compared[kind]++
			}
		}
		for name, n := range s.left {
			left[name] += n
		}
	}
	for _, kind := range []string{"ok", "null", "0x8013150a", "0x80070005", "0x80131509"} {
		if compared[kind] < 5 {
			t.Errorf("only %d operations ended with %s: they try too little", compared[kind], kind)
		}
	}
	var named []string
	for _, d := range wineDiffers {
		t.Logf("Wine %s: left out %d times. %s.", d.name, left[d.name], d.reason)
		named = append(named, fmt.Sprintf("%d where Wine %s", left[d.name], d.name))
	}
	summary.Line(t, "simwin: registry operations end as on Wine, seeds 1 to 3: %v; left out: %s", compared, strings.Join(named, "; "))
}

// Differences between Wine's registry and Windows', in which the simulated one follows Windows.
const (
	createsAnywhere = "creates keys below one that refuses it"
	deletesAnything = "deletes keys without DELETE"
	ownersHaveMore  = "gives owners DELETE and WRITE_OWNER too"
	countsAnything  = "counts and lists what a key holds without the right"
	keepsDeleted    = "reads and writes descriptors of deleted keys"
	keepsNoP        = "keeps no protection bit"
	inheritsNothing = "lets keys inherit nothing"
	nullIsEmpty     = "takes no DACL for an empty one"
)

var wineDiffers = []struct{ name, reason string }{
	{createsAnywhere, "Windows asks the key above for KEY_CREATE_SUB_KEY"},
	{deletesAnything, "Windows asks the key itself"},
	{ownersHaveMore, "Windows gives them READ_CONTROL and WRITE_DAC"},
	{countsAnything, "Windows asks for KEY_QUERY_VALUE"},
	{keepsDeleted, "Windows says ERROR_KEY_DELETED"},
	{keepsNoP, "Windows keeps it, and nothing is inherited then"},
	{inheritsNothing, "Windows does so when a key is made and when a DACL is written, down to the keys below"},
	{nullIsEmpty, "Windows allows everything to everybody then"},
}

func runWine(t *testing.T, w *winelab.Workstation, lines []string) []string {
	t.Helper()
	out, err := w.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: []byte(registryScript + strings.Join(lines, "\n") + "\n")})
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Split(strings.TrimSpace(strings.ReplaceAll(string(out.Stdout), "\r", "")), "\n")
	if answers[len(answers)-1] != "end" {
		t.Fatalf("the script did not come to its end: %q %s", answers, out.Stderr)
	}
	return answers[:len(answers)-1]
}

// normal brings descriptors into one form: owner and entries as a set, without the bits of inheritance that Wine does not keep.
func normal(outcome string) string {
	text, ok := strings.CutPrefix(outcome, "ok O:")
	if !ok {
		return outcome
	}
	sd, err := ParseSDDL("O:" + text)
	if err != nil {
		return outcome + ": " + err.Error()
	}
	return describe(sd)
}

func describe(sd SecurityDescriptor) string {
	var aces []string
	for _, a := range sd.DACL {
		aces = append(aces, fmt.Sprintf("%s %s %#x %s", a.Kind, flagText(a.Flags), a.Mask, a.SID))
	}
	slices.Sort(aces)
	return "ok " + sd.Owner + " [" + strings.Join(aces, ", ") + "]"
}

// A sequence is a list of operations with what they did on a simulated workstation.
type sequence struct {
	r        *rand.Rand
	m        *Machine
	root     string // below HKLM
	slots    map[string]*keyHandle
	lines    []string
	outcomes []string
	probe    map[int]string // operations whose outcome differs by name
	left     map[string]int // how many operations were left out, by name
}

func newSequence(seed uint64) *sequence {
	s := &sequence{
		r: rand.New(rand.NewPCG(seed, 0)), m: NewMachine(MachineOptions{}),
		root: fmt.Sprintf(`SOFTWARE\Differential%d`, seed), slots: map[string]*keyHandle{}, probe: map[int]string{}, left: map[string]int{},
	}
	s.m.key(`HKLM\SOFTWARE`).security = mustSDDL("O:BAD:P(A;;KA;;;BA)") // nothing to be inherited
	s.m.who.restore = true                                              // on Wine everybody may set every owner
	for _, k := range differKeys {
		s.do("create", s.root+k, "O:BAD:P(A;;KA;;;BA)")
	}
	for _, slot := range differSlots {
		s.do("open", slot, s.root, "0xf003f")
	}
	return s
}

// do carries an operation out on the simulated workstation, and keeps it for Wine.
func (s *sequence) do(fields ...string) string {
	outcome := normal(s.outcome(fields))
	s.lines, s.outcomes = append(s.lines, strings.Join(fields, "\t")), append(s.outcomes, outcome)
	return outcome
}

// omit leaves an operation out that would end otherwise on Wine.
func (s *sequence) omit(difference string) { s.left[difference]++ }

func said(err error, result string) string {
	if err != nil {
		return fmt.Sprintf("0x%08x", hresult(err))
	}
	return result
}

func listed(names []string, err error) string {
	names = slices.Clone(names)
	for i := range names {
		names[i] = strings.ToUpper(names[i])
	}
	slices.Sort(names)
	return said(err, "ok "+strings.Join(names, ","))
}

func (s *sequence) outcome(f []string) string {
	switch f[0] {
	case "open":
		h, err := s.m.openKey(`HKLM\`+f[2], mustRights(f[3]))
		s.slots[f[1]] = h
		if h == nil && err == nil {
			return "null"
		}
		return said(err, "ok")
	case "create":
		return said(s.create(`HKLM\`+f[1], f[2]), "ok")
	case "delkey":
		return said(s.m.deleteKey(`HKLM\`+f[1]), "ok")
	}
	h := s.slots[f[1]]
	if h == nil {
		return "none"
	}
	switch f[0] {
	case "set":
		return said(s.m.setValue(h, f[2], StringValue(f[3])), "ok")
	case "delvalue":
		s.m.deleteValue(h, f[2])
		return "ok"
	case "get":
		v, there, err := s.m.getValue(h, f[2])
		text, _ := v.Text()
		if !there {
			text = "(none)"
		}
		return said(err, "ok "+text)
	case "names":
		return listed(s.m.valueNames(h))
	case "subkeys":
		return listed(s.m.subkeyNames(h))
	case "count":
		n, err := s.m.subkeyCount(h)
		return said(err, fmt.Sprint("ok ", n))
	case "sddl":
		text, err := s.m.keySDDL(h)
		return said(err, "ok "+text)
	case "protected":
		text, err := s.m.keySDDL(h)
		return said(err, fmt.Sprint("ok ", mustSDDL(text).Protected))
	case "flush":
		s.m.flushKey(h)
		return "ok"
	case "owner":
		return said(s.m.setKeyOwner(h, mustSDDL("O:"+f[2]).Owner), "ok")
	}
	return said(s.changeDACL(h, f), "ok")
}

func mustRights(text string) uint32 {
	rights, err := parseRights(text)
	if err != nil {
		panic(err)
	}
	return rights
}

func (s *sequence) create(path, sddl string) error {
	if _, err := s.m.createKey(path); err != nil || sddl == "" {
		return err
	}
	h, err := s.m.openKey(path, rightWriteDAC|rightWriteOwner|rightReadControl)
	if err != nil {
		return err
	}
	return s.m.setKeySecurity(h, mustSDDL(sddl), accessSection|ownerSection)
}

func (s *sequence) changeDACL(h *keyHandle, f []string) error {
	if f[0] == "dacl" {
		return s.m.setKeySecurity(h, mustSDDL(f[2]), accessSection)
	}
	text, err := s.m.keySDDL(h)
	if err != nil {
		return err
	}
	sd := mustSDDL(text)
	if !sd.canonical() && f[0] != "protect" {
		return winError{invalidOperation, "This access control list is not in canonical form and therefore cannot be modified."}
	}
	switch f[0] {
	case "protect":
		sd.Protected = f[2] == "on"
	case "grant":
		sd = sd.withRule(rule(f))
	case "revoke":
		sd.DACL = slices.DeleteFunc(sd.DACL, func(a ACE) bool { return a == rule(f) })
	}
	return s.m.setKeySecurity(h, sd, accessSection)
}

func rule(f []string) ACE {
	kind := Allow
	if f[4] == "Deny" {
		kind = Deny
	}
	return ACE{kind, 0, mustRights(f[3]), f[2]}
}

// told is a list of operations with their outcomes, one a line.
func (s *sequence) told() string {
	var b strings.Builder
	for i, line := range s.lines {
		fmt.Fprintf(&b, "%d %s: %s\n", i, line, s.outcomes[i])
	}
	return b.String()
}
