//go:build unix

package accountpicture_test

import (
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
	var answered sync.Map // names of pairs
	var again atomic.Int32
	var version atomic.Value
	t.Run("pairs", func(t *testing.T) {
		for n, share := range shares(pairs) {
			t.Run(fmt.Sprint(n), func(t *testing.T) {
				t.Parallel()
				e := newEngine(t)
				a := e.verbs(t, []accountpicture.Verb{accountpicture.TakeInventory{}})
				version.Store(a[0].Inventory.PowerShell)
				for _, part := range share {
					e.pairs(t, part, &answered, &again)
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

// shares parts the pairs: for each workstation lists of pairs that can run in one process, because they are for the same script.
func shares(pairs []golden.Pair) [benches][][]golden.Pair {
	var all [benches][][]golden.Pair
	for _, script := range accountpicture.Scripts {
		var of []golden.Pair
		for _, p := range pairs {
			if p.Script() == script.Name {
				of = append(of, p)
			}
		}
		for n := range benches {
			all[n] = append(all[n], of[len(of)*n/benches:len(of)*(n+1)/benches])
		}
	}
	return all
}

// pairs runs pairs in one process, and notes the names of those that the engine answered completely. On a busy machine Wine may end the engine with
// nothing said: what is left is run once more.
func (e engine) pairs(t *testing.T, pairs []golden.Pair, answered *sync.Map, again *atomic.Int32) {
	done, out := e.bench(t, pairs)
	if len(done) < len(pairs) && out.ExitCode != engineError {
		t.Logf("the engine ended with exit code %d after %d of %d pairs, and is run again: %s", out.ExitCode, len(done), len(pairs), out.Stderr)
		again.Add(1)
		var more []benched
		more, out = e.bench(t, pairs[len(done):])
		done = append(done, more...)
	}
	if out.ExitCode != 0 {
		t.Errorf("exit code %d after %d of %d pairs: %s", out.ExitCode, len(done), len(pairs), out.Stderr)
	}
	for i, p := range pairs {
		t.Run(p.Name, func(t *testing.T) {
			if i >= len(done) {
				t.Fatalf("no answer; standard error is %s", out.Stderr)
			}
			if a, err := accountpicture.ParseAnswer([]byte(done[i].answer)); err != nil {
				t.Errorf("%v: %s", err, done[i].answer)
			} else if len(a) > 0 {
				answered.Store(p.Name, true)
			}
			if err := done[i].check(p); err != nil {
				t.Error(err)
			}
		})
	}
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
