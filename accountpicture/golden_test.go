//go:build unix

package accountpicture_test

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

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
	var answered atomic.Int64
	var version atomic.Value
	t.Run("pairs", func(t *testing.T) {
		for bench := range benches {
			t.Run(fmt.Sprint(bench), func(t *testing.T) {
				t.Parallel()
				e := newEngine(t)
				a := e.verbs(t, []accountpicture.Verb{accountpicture.TakeInventory{}})
				version.Store(a[0].Inventory.PowerShell)
				for i := bench; i < len(groups); i += benches {
					answered.Add(int64(e.pairs(t, groups[i])))
				}
			})
		}
	})
	if version.Load() == nil {
		return // no workstation, and said so
	}
	summary.Line(t, "golden pairs executed by the real engine: %d of %d (System.Management.Automation %s, Wine)", answered.Load(), len(files), version.Load())
	if int(answered.Load()) != len(files) {
		t.Errorf("the engine answered %d pairs, there are %d", answered.Load(), len(files))
	}
}

// grouped puts pairs together that can run in one process, because they start alike and change nothing: what an override plays may differ.
func grouped(pairs []golden.Pair) [][]golden.Pair {
	var groups [][]golden.Pair
	for _, p := range pairs {
		i := slices.IndexFunc(groups, func(g []golden.Pair) bool {
			return alike(p.Start, g[0].Start) && alike(p.Start, p.End) && alike(g[0].Start, g[0].End)
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
const oneAfterTheOther = `powershell -NoProfile -NonInteractive -Command "$ErrorActionPreference='Stop';$l=[string[]]@($input);$n=[array]::IndexOf($l,'#end-of-script');` +
	`$s=[scriptblock]::Create($l[0..$n] -join [char]10);$v=@();$case=0;foreach($x in $l[($n+1)..($l.Count-1)]){if($x -cne '` + parting + `'){$v+=$x}else{& $s ([string[]](@($l[0..$n])+$v)) ($n+1);$v=@();$case++}}"`

const parting = "#next-input"

// pairs runs pairs that start alike, in one process; it tells how many the engine answered completely.
func (e engine) pairs(t *testing.T, pairs []golden.Pair) (answered int) {
	start := pairs[0].Start
	e.seed(t, start)
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
	run := winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: []byte(accountpicture.Script + pairs[0].Input), Overrides: overrides}
	if len(pairs) > 1 {
		run.CommandLine, run.Stdin = oneAfterTheOther, []byte(accountpicture.Script)
		for _, p := range pairs {
			run.Stdin = append(run.Stdin, p.Input+parting+"\n"...)
		}
	}
	out, err := e.Run(t.Context(), run)
	if err != nil {
		t.Fatal(err)
	}
	if out.ExitCode != 0 {
		t.Errorf("%s: exit code %d: %s", pairs[0].Name, out.ExitCode, out.Stderr)
	}
	for key := range start.KeyDescriptors {
		e.setKeyDescriptor(t, key, "D:P(A;OICI;KA;;;BA)") // so that it can be read back
	}
	folders, files := e.tree(t)
	keys := e.keys(t)
	answers := strings.SplitAfter(string(out.Stdout), "#end-of-answer\n")
	for i, p := range pairs {
		t.Run(p.Name, func(t *testing.T) {
			if i >= len(answers) {
				t.Fatalf("no answer in %s%s", out.Stdout, out.Stderr)
			}
			if a, err := accountpicture.ParseAnswer([]byte(answers[i])); err != nil {
				t.Errorf("%v\nstdout %s\nstderr %s", err, answers[i], out.Stderr)
			} else if len(a) > 0 {
				answered++
			}
			if err := p.CheckAnswer([]byte(answers[i])); err != nil {
				t.Error(err)
			}
			if err := p.CheckEnd(keys, folders, files); err != nil {
				t.Error(err)
			}
		})
	}
	return answered
}
