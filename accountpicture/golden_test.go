//go:build unix

package accountpicture_test

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/internal/winelab"
)

// benches is how many workstations share the pairs.
const benches = 2

// TestGoldenOnEngine runs every pair on the real engine, and counts those that it answered.
func TestGoldenOnEngine(t *testing.T) {
	winelab.Shared(t)
	t.Parallel()
	pairs, err := golden.Load(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join("testdata", "golden", "*"))
	if err != nil {
		t.Fatal(err)
	}
	groups := grouped(pairs)
	var answered sync.Map // names of pairs
	var again atomic.Int32
	var version atomic.Value
	t.Run("pairs", func(t *testing.T) {
		for bench := range benches {
			t.Run(fmt.Sprint(bench), func(t *testing.T) {
				t.Parallel()
				e := newEngine(t)
				a := e.verbs(t, []accountpicture.Verb{accountpicture.TakeInventory{}})
				version.Store(a[0].Inventory.PowerShell)
				for i := bench; i < len(groups); i += benches {
					e.pairs(t, groups[i], &answered, &again)
				}
			})
		}
	})
	if version.Load() == nil {
		return // no workstation, and said so
	}
	var unanswered []string
	for _, p := range pairs {
		if _, ok := answered.Load(p.Name); !ok {
			unanswered = append(unanswered, p.Name)
		}
	}
	summary.Line(t, "golden pairs executed by the real engine: %d of %d (System.Management.Automation %s, Wine)", len(pairs)-len(unanswered), len(files), version.Load())
	if n := again.Load(); n > 0 {
		summary.Line(t, "golden pairs: %d times the engine ended without a word, and was run again", n)
	}
	if len(unanswered) > 0 {
		t.Errorf("the engine answered no %q", unanswered)
	}
	if len(pairs) != len(files) {
		t.Errorf("%d pairs in %d files", len(pairs), len(files))
	}
}

// grouped puts pairs together that can run in one process, because they start alike and change nothing: what an override plays may differ.
func grouped(pairs []golden.Pair) [][]golden.Pair {
	var groups [][]golden.Pair
	for _, p := range pairs {
		i := slices.IndexFunc(groups, func(g []golden.Pair) bool {
			return p.Script() == g[0].Script() && alike(p.Start, g[0].Start) && alike(p.Start, p.End) && alike(g[0].Start, g[0].End)
		})
		if i < 0 {
			groups = append(groups, nil)
			i = len(groups) - 1
		}
		groups[i] = append(groups[i], p)
	}
	return groups
}

// alike tells whether a workstation is the same in both states, but for what an override plays.
func alike(a, b golden.State) bool {
	text := func(s golden.State) string {
		return fmt.Sprint(s.Keys, s.Folders, s.Files, s.KeyDescriptors, s.Missing, s.Held)
	}
	return text(a) == text(b)
}

// oneAfterTheOther stands for the bootstrap where several inputs follow the script, parted by a line.
const oneAfterTheOther = `powershell -NoProfile -NonInteractive -Command "$ErrorActionPreference='Stop';$l=[string[]]@($input);` +
	`$c=[array]::IndexOf($l,'#end-of-common');$n=[array]::IndexOf($l,'#end-of-script');$v=@();$case=0;` +
	`$common=[scriptblock]::Create($l[0..$c] -join [char]10);$own=[scriptblock]::Create($l[($c+1)..$n] -join [char]10);` +
	`foreach($x in $l[($n+1)..($l.Count-1)]){if($x -cne '` + parting + `'){$v+=$x}else{$lines=[string[]]$v;$next=0;. $common;& $own;$v=@();$case++}}"`

const parting = "#next-input"

// pairs runs pairs that start alike, in one process, and notes the names of those that the engine answered completely.
func (e engine) pairs(t *testing.T, pairs []golden.Pair, answered *sync.Map, again *atomic.Int32) {
	answers, stderr := answersTo(t, len(pairs), again, func(from int) photopush.Output { return e.attempt(t, pairs[from:]) })
	open := map[string]string{} // so that the keys can be read back
	for key := range pairs[0].Start.KeyDescriptors {
		open[key] = "D:P(A;OICI;KA;;;BA)"
	}
	descriptors := e.setKeyDescriptors(t, open).before
	folders, files := e.tree(t)
	keys := e.keys(t)
	for i, p := range pairs {
		t.Run(p.Name, func(t *testing.T) {
			if i >= len(answers) {
				t.Fatalf("no answer; standard error is %s", stderr)
			}
			if a, err := accountpicture.ParseAnswer([]byte(answers[i])); err != nil {
				t.Errorf("%v\nstdout %s\nstderr %s", err, answers[i], stderr)
			} else if len(a) > 0 {
				answered.Store(p.Name, true)
			}
			if err := p.CheckAnswer([]byte(answers[i])); err != nil {
				t.Error(err)
			}
			if err := errors.Join(p.CheckEnd(keys, folders, files), p.CheckDescriptors(descriptors)); err != nil {
				t.Error(err)
			}
		})
	}
}

// attempt puts the workstation into the pairs' start and runs them.
func (e engine) attempt(t *testing.T, pairs []golden.Pair) photopush.Output {
	t.Helper()
	start := pairs[0].Start
	printed := e.seed(t, start)
	input := func(p golden.Pair) string { return p.InputOn(func(key string) string { return printed[key] }) }
	var states []golden.State
	for _, p := range pairs {
		states = append(states, p.Start)
	}
	var overrides []string
	if text := overrideText(states); text != "" {
		overrides = append(overrides, e.Override(t, text))
	}
	for _, path := range start.Held {
		defer e.hold(t, path)()
	}
	run := winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: []byte(scriptText(pairs[0]) + input(pairs[0])), Overrides: overrides}
	if len(pairs) > 1 {
		run.CommandLine, run.Stdin = oneAfterTheOther, []byte(scriptText(pairs[0]))
		for _, p := range pairs {
			run.Stdin = append(run.Stdin, input(p)+parting+"\n"...)
		}
	}
	out, err := e.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// scriptText is that of the script that a pair is for.
func scriptText(p golden.Pair) string {
	i := slices.IndexFunc(accountpicture.Scripts, func(s accountpicture.Script) bool { return s.Name == p.Script() })
	return accountpicture.Scripts[i].Text
}

// answersTo are the answers to n inputs. attempt runs those from one on, each time from their start. On a busy machine Wine may end the engine
// with nothing said, as it does reg.exe: that is no answer, and what is left is run once more. What the engine said stands, right or wrong; so
// does its own exit code for an error.
func answersTo(t testing.TB, n int, again *atomic.Int32, attempt func(from int) photopush.Output) (answers []string, stderr []byte) {
	t.Helper()
	for try := 1; ; try++ {
		out := attempt(len(answers))
		parts := strings.SplitAfter(string(out.Stdout), answerEnd)
		whole, rest := parts[:len(parts)-1], parts[len(parts)-1]
		answers = append(answers, whole...)
		silent := len(answers) < n && strings.TrimSpace(rest) == "" && out.ExitCode != engineError
		if silent && try == 1 {
			t.Logf("the engine ended with exit code %d after %d of %d answers, and is run again: %s", out.ExitCode, len(answers), n, out.Stderr)
			again.Add(1)
			continue
		}
		if out.ExitCode != 0 {
			t.Errorf("exit code %d after %d of %d answers: %s", out.ExitCode, len(answers), n, out.Stderr)
		}
		if len(answers) < n && !silent {
			answers = append(answers, rest)
		}
		return answers, out.Stderr
	}
}

const (
	answerEnd   = "#end-of-answer\n"
	engineError = 1 // what powershell.exe leaves after an error of its own
)

func TestAnswersTo(t *testing.T) {
	const one = "#photopush-answer\n{}\n" + answerEnd
	out := func(stdout string, code uint32) photopush.Output {
		return photopush.Output{Stdout: []byte(stdout), ExitCode: code}
	}
	for name, k := range map[string]struct {
		runs  []photopush.Output
		from  []int // what each run began with
		whole int   // answers
		rest  string
		fails bool
	}{
		"at once":                {[]photopush.Output{out(one+one+one, 0)}, []int{0}, 3, "", false},
		"nothing, then all":      {[]photopush.Output{out("", 0), out(one+one+one, 0)}, []int{0, 0}, 3, "", false},
		"ended from outside":     {[]photopush.Output{out("", 137), out(one+one+one, 0)}, []int{0, 0}, 3, "", false},
		"the last one is left":   {[]photopush.Output{out(one+one, 0), out(one, 0)}, []int{0, 2}, 3, "", false},
		"nothing twice":          {[]photopush.Output{out("", 0), out("\r\n", 0)}, []int{0, 0}, 0, "", false},
		"begun":                  {[]photopush.Output{out(one+"#photopush", 0)}, []int{0}, 1, "#photopush", false},
		"an error of the engine": {[]photopush.Output{out("", engineError)}, []int{0}, 0, "", true},
		"an error at last":       {[]photopush.Output{out("", 0), out(one+one+one, 3)}, []int{0, 0}, 3, "", true},
	} {
		t.Run(name, func(t *testing.T) {
			quiet := &quietTest{TB: t}
			var again atomic.Int32
			var from []int
			answers, _ := answersTo(quiet, 3, &again, func(n int) photopush.Output {
				from = append(from, n)
				return k.runs[len(from)-1]
			})
			want := slices.Repeat([]string{one}, k.whole)
			if k.rest != "" || k.fails && k.whole < 3 {
				want = append(want, k.rest)
			}
			if !slices.Equal(answers, want) || !slices.Equal(from, k.from) || int(again.Load()) != len(k.runs)-1 || quiet.failed != k.fails {
				t.Errorf("answers %q, runs from %v, %d again, failed %v", answers, from, again.Load(), quiet.failed)
			}
		})
	}
}

// A quietTest notes that it failed, and does not.
type quietTest struct {
	testing.TB
	failed bool
}

func (q *quietTest) Errorf(string, ...any) { q.failed = true }
