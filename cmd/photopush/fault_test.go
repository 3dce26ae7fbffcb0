package main

import (
	"fmt"
	"slices"
	"testing"

	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
)

// effects lists what the script does on the first workstation of a small company in an undisturbed sync, in order.
func effects(t *testing.T, prepare func(*testing.T, *lab.Company)) []simwin.Effect {
	t.Helper()
	c := smallCompany(t, lab.Options{})
	prepare(t, c)
	must(t, c, "sync")
	return c.Workstations[0].Machine.Effects()
}

// afterFault checks what a disturbed sync may leave, then lets the next pass put it right.
func afterFault(t *testing.T, c *lab.Company, mend func()) {
	t.Helper()
	intact(t, c)
	judge(t, c) // whatever is stored as in step is in step
	mend()
	must(t, c, "sync", "--verify")
	if n := judge(t, c); n != 4 {
		t.Errorf("%d pairs are in step after the next pass, want 4", n)
	}
}

// some takes of each kind of effect the first, one in the middle and the last; simwin's own tests and those on the real engine take more.
func some(all []simwin.Effect) []simwin.Effect {
	var chosen []simwin.Effect
	for _, name := range simwin.EffectNames() {
		var of []simwin.Effect
		for _, e := range all {
			if e.Name == name {
				of = append(of, e)
			}
		}
		for i, e := range of {
			if i == 0 || i == len(of)/2 || i == len(of)-1 {
				chosen = append(chosen, simwin.Effect{Name: name, Nth: i + 1, On: e.On})
			}
		}
	}
	return chosen
}

// scriptFaults are the ways in which a step of the script breaks.
var scriptFaults = map[string]func(*simwin.EffectFault){
	"access denied before": func(f *simwin.EffectFault) { f.Kind = simwin.Throw; f.HResult = 0x80070005 },
	"disk full after":      func(f *simwin.EffectFault) { f.Kind = simwin.Throw; f.HResult = 0x80070070; f.After = true },
	"ends before":          func(f *simwin.EffectFault) { f.Kind = simwin.Exit },
	"ends after":           func(f *simwin.EffectFault) { f.Kind = simwin.Exit; f.After = true },
	"torn":                 func(f *simwin.EffectFault) { f.Kind = simwin.Torn },
}

// breakScript runs a sync on a company that prepare made ready, for each way of breaking each of the places.
func breakScript(t *testing.T, places []simwin.Effect, prepare func(*testing.T, *lab.Company)) (cases int) {
	t.Run("effect", func(t *testing.T) {
		for name, set := range scriptFaults {
			for _, e := range places {
				f := simwin.EffectFault{Effect: e.Name, Nth: e.Nth}
				set(&f)
				if f.Kind == simwin.Torn && e.Name != simwin.WriteNewFile {
					continue
				}
				cases++
				t.Run(fmt.Sprintf("%s %s %d", name, f.Effect, f.Nth), func(t *testing.T) {
					t.Parallel()
					c := smallCompany(t, lab.Options{})
					prepare(t, c)
					m := c.Workstations[0].Machine
					m.SetFault(f)
					here(t, c, "sync")
					afterFault(t, c, func() { m.SetFault() })
				})
			}
		}
	})
	return cases
}

func TestScriptFailsAnywhere(t *testing.T) {
	all := effects(t, func(*testing.T, *lab.Company) {})
	if len(all) < 20 {
		t.Fatalf("the script had %d effects, want those of a push for two users", len(all))
	}
	places := some(all)
	cases := breakScript(t, places, func(*testing.T, *lab.Company) {})
	summary.Line(t, "first sync with the script's effects (%d of %d) failing, ending the process or torn, before and after, in %d cases: never a broken picture, right after the next pass", len(places), len(all), cases)
}

// newPhoto makes ready for a push that replaces pictures of ours.
func newPhoto(t *testing.T, c *lab.Company) {
	must(t, c, "sync")
	if err := c.NewPhoto(c.People[0], c.People[0].Number); err != nil { // of the same person, so that the old one is no wrong one
		t.Fatal(err)
	}
}

func TestReplacingFailsAnywhere(t *testing.T) {
	all := effects(t, newPhoto)
	places := slices.DeleteFunc(some(all), func(e simwin.Effect) bool { return e.Name == simwin.WriteNewFile })
	if !slices.ContainsFunc(places, func(e simwin.Effect) bool { return e.Name == simwin.RemoveOwnFile }) {
		t.Fatal("no file is deleted")
	}
	cases := breakScript(t, places, newPhoto)
	summary.Line(t, "sync of a new photo with the script's effects (%d of %d) failing or ending the process, before and after, in %d cases: never a broken picture, right after the next pass", len(places), len(all), cases)
}

func TestConnectionLostAnywhere(t *testing.T) {
	c := smallCompany(t, lab.Options{})
	must(t, c, "sync")
	requests := c.Workstations[0].Server.Stats().Requests
	modes := map[string]simwin.Mode{"before": simwin.LoseBefore, "after": simwin.LoseAfter, "midway": simwin.LoseMidway}
	t.Run("connection", func(t *testing.T) {
		for name, mode := range modes {
			for n := 1; n <= requests; n++ {
				t.Run(fmt.Sprintf("lost %s request %d", name, n), func(t *testing.T) {
					t.Parallel()
					c := smallCompany(t, lab.Options{})
					s := c.Workstations[0].Server
					if err := s.SetFault(simwin.Fault{Mode: mode, Request: n}); err != nil {
						t.Fatal(err)
					}
					here(t, c, "sync")
					afterFault(t, c, func() {
						if err := s.SetFault(); err != nil {
							t.Error(err)
						}
					})
				})
			}
		}
	})
	summary.Line(t, "sync with the connection lost before, after and in the middle of each of %d requests: never a broken picture, right after the next pass", requests)
}
