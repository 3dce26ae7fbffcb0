//go:build unix

package accountpicture_test

import (
	"bytes"
	"errors"
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
)

// A twin is the simulated workstation, whose twin of the scripts executes verbs.
type twin struct{ *simwin.Machine }

const stateFolderSDDL = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"

func newTwin(t *testing.T, s golden.State) twin {
	t.Helper()
	m := simwin.NewMachine(simwin.MachineOptions{})
	must := func(err error) {
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, k := range s.Keys {
		m.CreateKey(k.Path)
		for _, v := range k.Values {
			m.SetValue(k.Path, v.Name, simwin.StringValue(v.Data))
		}
	}
	for key, sddl := range s.KeyDescriptors {
		if !strings.HasPrefix(sddl, "O:") {
			sddl = "O:" + string(testUser(0)) + sddl
		}
		must(m.SecureKey(key, sddl))
	}
	for _, f := range s.Folders {
		sddl := stateFolderSDDL + "(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;AC)"
		if strings.HasSuffix(f, `\State`) {
			sddl = stateFolderSDDL
		}
		must(m.MakeFolder(f, sddl))
	}
	for _, f := range s.Files {
		m.WriteFile(f.Path, f.Content)
	}
	return twin{m}
}

func (w twin) execute(t *testing.T, verbs []accountpicture.Verb, f *fault) (answers []accountpicture.Answer, ended bool) {
	t.Helper()
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	w.SetFault()
	if f != nil {
		w.SetFault(simFault(*f))
	}
	var stdout, stderr bytes.Buffer
	code, err := w.Run(t.Context(), accountpicture.CommandLine, bytes.NewReader(input), &stdout, &stderr)
	if err != nil {
		t.Fatal(err)
	}
	answers, err = accountpicture.ParseAnswer(stdout.Bytes())
	if errors.Is(err, accountpicture.ErrNoAnswer) && code == 9 {
		return nil, true
	}
	if err != nil {
		t.Fatalf("%v, exit code %d: %s%s", err, code, stdout.String(), stderr.String())
	}
	return answers, false
}

func simFault(f fault) simwin.EffectFault {
	e := simwin.EffectFault{Effect: f.effect, Nth: f.call, After: f.where == after, Kind: simwin.Throw, HResult: 0x80070005, Code: 9}
	switch {
	case f.where == middle:
		e.Kind = simwin.Torn
	case f.kills:
		e.Kind = simwin.Exit
	}
	return e
}

func (w twin) condition(*testing.T) condition {
	c := condition{values: map[photopush.SID][]golden.Value{}, files: map[string]string{}, descriptors: map[photopush.SID]string{}}
	for _, name := range w.Subkeys(golden.UsersKey) {
		path := golden.UsersKey + `\` + name
		sid := photopush.SID(name)
		c.values[sid] = []golden.Value{}
		for value, v := range w.Values(path) {
			data, _ := v.Text()
			kind := map[bool]string{true: "sz", false: "other"}[v.Type == simwin.RegSZ]
			c.values[sid] = append(c.values[sid], golden.Value{Name: value, Kind: kind, Data: data})
		}
		sd, _ := w.KeySecurity(path)
		c.descriptors[sid] = shortOwner(sd.String())
	}
	for _, folder := range []string{golden.Home, golden.Public} {
		for path, content := range w.Files(folder) {
			c.files[strings.ToLower(path)] = string(content)
		}
	}
	return c
}

// shortOwner writes SIDs as SDDL's aliases, where the matrix does.
func shortOwner(sddl string) string {
	return strings.NewReplacer("S-1-5-32-544", "BA", "S-1-5-18", "SY", "S-1-5-32-545", "BU", "S-1-15-2-1", "AC").Replace(sddl)
}

// newCase is the workstation of one case, at the point where its plan is made.
func newCase(t *testing.T) (twin, *photopush.Inventory) {
	t.Helper()
	w := newTwin(t, start(1))
	j := journalFile(caseUser(0, journalUser))
	w.WriteFile(j.Path, j.Content)
	return w, inventory(t, w)
}

// effectsOf lists every effect of the plan, in order, with the verb that has it.
func effectsOf(t *testing.T) []fault {
	t.Helper()
	w, inv := newCase(t)
	verbs, err := plan(inv, 0)
	if err != nil {
		t.Fatal(err)
	}
	var all []fault
	for i, batch := range accountpicture.Batches(verbs) {
		if answers, ended := w.execute(t, batch, nil); ended || !answers[len(answers)-1].OK {
			t.Fatalf("run %d of the plan: %+v", i, answers[len(answers)-1])
		}
		for _, e := range w.Effects() {
			all = append(all, fault{batch: i, effect: e.Name, call: e.Nth})
		}
	}
	for i := range all {
		all[i].verb = verbAt(t, all[i])
	}
	return all
}

// verbAt finds the verb that an effect is in: the one that fails with it, or the first one, before which the run starts.
func verbAt(t *testing.T, f fault) string {
	t.Helper()
	w, inv := newCase(t)
	verbs, err := plan(inv, 0)
	if err != nil {
		t.Fatal(err)
	}
	f.where = before
	for i, batch := range accountpicture.Batches(verbs) {
		if i < f.batch {
			w.execute(t, batch, nil)
			continue
		}
		answers, _ := w.execute(t, batch, &f)
		n := len(answers)
		switch {
		case answers[n-1].OK:
			return "delete_files"
		case n == 1 && w.effectsBefore(batch[0]):
			return "start"
		}
		return answers[n-1].Verb
	}
	t.Fatal("no such run")
	return ""
}

// effectsBefore tells whether the run's first verb has no effects of its own: what failed in it was the start of the run.
func (w twin) effectsBefore(first accountpicture.Verb) bool {
	_, recovers := first.(accountpicture.Recover)
	return recovers || len(w.Effects()) == 1
}

// TestMatrixOnTwin breaks the plan at every call of every effect.
func TestMatrixOnTwin(t *testing.T) {
	cases := 0
	for _, at := range effectsOf(t) {
		for _, f := range faultsAt(at) {
			cases++
			ok := t.Run(f.String(), func(t *testing.T) {
				w, inv := newCase(t)
				breakPlan(t, w, inv, 0, f)
				w.condition(t).checkIntact(t, 0)
				mend(t, w, 0)
				w.condition(t).checkWanted(t, 0)
			})
			if !ok && cases > 40 {
				t.FailNow()
			}
		}
	}
	if !t.Failed() {
		summary.Line(t, "fault matrix on the twin: a plan with every verb, broken at each call of each effect, in %d cases; then every value names a complete picture, and the next runs put all right", cases)
	}
}

// chosen are the effects of the plan that stand for the others: the first of each effect in each verb, and the last.
func chosen(all []fault) []fault {
	var some []fault
	for i, f := range all {
		first, last := true, true
		for j, g := range all {
			if same := f.batch == g.batch && f.verb == g.verb && f.effect == g.effect; same {
				first, last = first && j >= i, last && j <= i
			}
		}
		if first || last && f.effect == "Set-KeyDacl" {
			some = append(some, f)
		}
	}
	return some
}
