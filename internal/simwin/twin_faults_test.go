package simwin

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

// A campaign is a plan that is broken at each of its effects.
type campaign struct {
	start  func(*testing.T) *Machine // made once: cases begin with clones
	plan   func(*Machine) []string
	expect Expect   // at its end
	mends  []string // keys whose permissions it is to change
}

func wanted(sid photopush.SID) (uint32, bool) { return pushed[sid], pushed[sid] != 0 }

func takenBack(sid photopush.SID) (uint32, bool) { return 0, false }

var campaigns = map[string]campaign{
	"push":   {office, planPush, wanted, nil},
	"repair": {afterPush, planRepair, takenBack, []string{"Users", string(oldSID), string(newSID)}}, // newSID inherits
}

// afterPush is a workstation on which everybody has our picture, and somebody a file too much.
func afterPush(t *testing.T) *Machine {
	m := office(t)
	whole(t, m, planPush(m))
	m.WriteFile(ourPics+`\`+string(leftoverSID)+`\`+fileName(small, 32), small)
	check(t, m.SecurePath(ourPics+`\`+string(leftoverSID), pictureFolderSDDL))
	return m
}

// whole runs a plan in which nothing fails.
func whole(t *testing.T, m *Machine, plan []string) {
	t.Helper()
	for _, a := range runTwin(t, m, plan...) {
		if kept, _ := a["kept"].([]any); !a.ok() || len(kept) > 0 {
			t.Fatalf("answer %v", a)
		}
	}
}

// TestEffectsOfPlans: between them the plans have every effect and every verb that changes something.
func TestEffectsOfPlans(t *testing.T) {
	names, verbs := map[string]bool{}, map[string]bool{}
	for _, c := range campaigns {
		m := c.start(t)
		plan := c.plan(m)
		whole(t, m, plan)
		for _, e := range m.Effects() {
			names[e.Name] = true
		}
		for _, line := range plan {
			verb, _, _ := strings.Cut(line, "\t")
			verbs[verb] = true
		}
	}
	for _, name := range EffectNames() {
		if !names[name] {
			t.Errorf("no plan has the effect %s", name)
		}
	}
	for _, verb := range []string{"recover", "save_original", "put_file", "set_values", "delete_files", "restore_original", "delete_values", "tighten_acl"} {
		if !verbs[verb] {
			t.Errorf("no plan has the verb %s", verb)
		}
	}
}

// TestPlansBreakAnywhere breaks each plan before, after and within each of its effects. At once the judge finds nothing broken, and no
// permission open without a journal; one undisturbed run later all is as if nothing had happened.
func TestPlansBreakAnywhere(t *testing.T) {
	for name, c := range campaigns {
		t.Run(name, func(t *testing.T) {
			first := c.start(t)
			m := first.clone()
			whole(t, m, c.plan(m))
			end, keys, effects := m.Snapshot(), m.KeyPermissions(), m.Effects()
			checker, cases := NewChecker(), 0
			for _, e := range effects {
				for kind, f := range map[string]EffectFault{"throw before": {}, "throw after": {After: true}, "exit before": {Kind: Exit}, "exit after": {Kind: Exit, After: true}, "torn": {Kind: Torn}} {
					if f.Kind == Torn && e.Name != WriteNewFile {
						continue
					}
					f.Effect, f.Nth, f.HResult, f.Code = e.Name, e.Nth, accessDenied, 9
					cases++
					t.Run(fmt.Sprintf("%s %s %d", kind, e.Name, e.Nth), func(t *testing.T) {
						t.Parallel()
						m := c.broken(t, first.clone(), checker, f)
						whole(t, m, c.plan(m))
						c.checkEnd(t, checker, m, keys)
						if f.Kind == Torn && strings.HasPrefix(e.On, ourPics) {
							return // another file has another name
						}
						if diff := end.Diff(m.Snapshot()); diff != nil {
							t.Errorf("it ends otherwise:\n%s", strings.Join(diff, "\n"))
						}
					})
				}
			}
			t.Logf("%d effects, broken in %d cases", len(effects), cases)
		})
	}
}

// broken runs the plan with the fault, and judges what is left.
func (c campaign) broken(t *testing.T, m *Machine, checker *Checker, f EffectFault) *Machine {
	before := m.KeyPermissions()
	m.SetFault(f)
	out, code, err := startTwin(t.Context(), m, inputFor(c.plan(m)...))
	if ends := f.Kind != Throw; err != nil || ends != (code == 9) || ends != (out == "") {
		t.Fatalf("ended with %d, %v: %s", code, err, out)
	}
	v := checker.Check(m, func(sid photopush.SID) (uint32, bool) { return pushed[sid], false })
	if len(v.Broken) > 0 {
		t.Errorf("broken: %v", v.Broken)
	}
	for _, what := range before.Changes(m.KeyPermissions()).Changed {
		key, _, _ := strings.Cut(what, " ")
		if !slices.Contains(c.mends, key) && !slices.Contains(v.Journals, ourHome+`\State\`+key+".journal") {
			t.Errorf("without a journal: %s", what)
		}
	}
	return m
}

// checkEnd judges a workstation on which the plan has done its work.
func (c campaign) checkEnd(t *testing.T, checker *Checker, m *Machine, keys KeyPermissions) {
	v := checker.Check(m, c.expect)
	for _, u := range v.Users {
		if !u.Expected {
			t.Errorf("not as wanted: %+v", u)
		}
	}
	if diff := cmp.Diff(Verdict{Users: v.Users}, v); diff != "" {
		t.Errorf("something is left: %s", diff)
	}
	if changed := keys.Changes(m.KeyPermissions()); changed.Changed != nil || changed.Protected != nil {
		t.Errorf("permissions: %+v", changed)
	}
}
