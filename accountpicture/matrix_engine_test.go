//go:build unix

package accountpicture_test

import (
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/internal/winelab"
)

// A benchEngine is a workstation with the real engine.
type benchEngine struct {
	engine
}

// hit is what happens at the call: PowerShell.
func (f fault) hit() string {
	switch {
	case f.where == middle:
		return "[IO.File]::WriteAllBytes($args[0], [byte[]] $args[1][0..($args[1].Length / 2)]); [Environment]::Exit(9)"
	case f.kills:
		return "[Environment]::Exit(9)"
	}
	return "throw [UnauthorizedAccessException]::new('a fault')" // 0x80070005
}

// alone is the case of a run that has no others.
const alone = -1

// overridesOf are functions that do what the effects do, and in the cases that have a fault at the call something else before or after it.
//
// What other cases have left the start of a run undoes, too: after it the calls count as if there had been one journal, or in the second run none.
func overridesOf(faults map[int]fault, batch int) string {
	journals := 1 - batch
	text := fmt.Sprintf("function Start-Run {\n  Shipped-Start-Run\n  $run['calls Set-KeyDacl'] = $run['calls Remove-OwnFile'] = %d\n}\n", journals)
	first, last := map[string]string{}, map[string]string{}
	for n, f := range faults {
		line := fmt.Sprintf("  if ($run['calls %s'] -eq %d) { %s }\n", f.effect, f.call, f.hit())
		if n != alone {
			line = strings.Replace(line, "(", fmt.Sprintf("($case -eq %d -and ", n), 1)
		}
		first[f.effect] += "" // named
		if f.where == after {
			last[f.effect] += line
		} else {
			first[f.effect] += line
		}
	}
	for effect := range first {
		text += fmt.Sprintf("function %[1]s {\n  $run['calls %[1]s'] = 1 + $run['calls %[1]s']\n%[2]s  Shipped-%[1]s @args\n%[3]s}\n", effect, first[effect], last[effect])
	}
	return text
}

func (e benchEngine) execute(t *testing.T, verbs []accountpicture.Verb, f *fault) (answers []accountpicture.Answer, ended bool) {
	t.Helper()
	if f == nil {
		return e.verbs(t, verbs), false
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: encode(t, verbs), Overrides: []string{e.Override(t, overridesOf(map[int]fault{alone: *f}, f.batch))}})
	if err != nil {
		t.Fatal(err)
	}
	answers, err = accountpicture.ParseAnswer(out.Stdout)
	if errors.Is(err, accountpicture.ErrNoAnswer) && out.ExitCode == 9 {
		return nil, true
	}
	if err != nil {
		t.Fatalf("%v, exit code %d: %s%s", err, out.ExitCode, out.Stdout, out.Stderr)
	}
	return answers, false
}

func encode(t *testing.T, verbs []accountpicture.Verb) []byte {
	t.Helper()
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	return input
}

// condition reads values with a program that is not ours, and files from outside. Descriptors it takes from an inventory.
func (e benchEngine) condition(t *testing.T) condition {
	t.Helper()
	c := condition{values: map[photopush.SID][]golden.Value{}, files: map[string]string{}, descriptors: map[photopush.SID]string{}}
	prefix := strings.Replace(golden.UsersKey, "HKLM", "HKEY_LOCAL_MACHINE", 1) + `\`
	for path, values := range e.Keys(t, golden.UsersKey) {
		sid, below := strings.CutPrefix(path, prefix)
		if !below {
			continue
		}
		c.values[photopush.SID(sid)] = []golden.Value{}
		for name, v := range values {
			kind := map[bool]string{true: "sz", false: "other"}[v.Type == "REG_SZ"]
			c.values[photopush.SID(sid)] = append(c.values[photopush.SID(sid)], golden.Value{Name: name, Kind: kind, Data: v.Data})
		}
	}
	for _, folder := range []string{golden.Home, golden.Public} {
		root := e.HostPath(folder)
		if folder == golden.Public { // Wine's spelling
			root = filepath.Join(e.DriveC(), "users", "Public", "AccountPictures")
		}
		err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			c.files[strings.ToLower(folder+strings.ReplaceAll(strings.TrimPrefix(path, root), "/", `\`))] = string(content)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return c
}

// withDescriptors adds what the inventory says of permissions.
func (c condition) withDescriptors(inv *photopush.Inventory) condition {
	for _, a := range inv.Accounts {
		c.descriptors[a.SID] = a.ACL
	}
	return c
}

// TestMatrixOnEngine breaks the plan on the real engine: each effect of each verb, or with PHOTOPUSH_MATRIX=full each call of each effect, or of the
// one that it names.
func TestMatrixOnEngine(t *testing.T) {
	winelab.Shared(t)
	t.Parallel()
	at := effectsOf(t)
	which := "each effect of each verb"
	switch only := os.Getenv("PHOTOPUSH_MATRIX"); only {
	case "":
		at = chosen(at)
	case "full":
		which = "each call of each effect"
	default:
		which = "each call of " + only
		at = slices.DeleteFunc(at, func(f fault) bool { return f.effect != only })
	}
	var faults []fault
	for _, f := range at {
		faults = append(faults, faultsAt(f)...)
	}
	t.Run("workstations", func(t *testing.T) {
		for lane := range benches {
			var share []fault // every other one: both have some of each
			for i := lane; i < len(faults); i += benches {
				share = append(share, faults[i])
			}
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				e := benchEngine{engine: newEngine(t)}
				for some := range slices.Chunk(share, casesAtOnce) {
					e.matrix(t, some)
				}
			})
		}
	})
	if !t.Failed() {
		summary.Line(t, "fault matrix on the real engine: a plan with every verb, broken at %s, in %d cases; then every value names a complete picture, and the next runs put all right", which, len(faults))
	}
}

// casesAtOnce bounds the users of a workstation: an inventory lists 1,000.
const casesAtOnce = 100

// matrix breaks a plan for each fault, with users of its own, and mends all at the end. What one case leaves the others do not touch, but for journals, which
// every run undoes.
func (e benchEngine) matrix(t *testing.T, faults []fault) {
	e.seed(t, start(len(faults)))
	inv := inventory(t, e)
	e.breakAll(t, inv, faults, 0)
	var second []int // cases that break in the second run of their plan
	for n, f := range faults {
		if f.batch == 1 {
			second = append(second, n)
		}
	}
	if len(second) > 0 {
		verbs, err := plan(inv, second...)
		if err != nil {
			t.Fatal(err)
		}
		if answers := e.verbs(t, accountpicture.Batches(verbs)[0]); !answers[len(answers)-1].OK {
			t.Fatalf("the first run of plans: %+v", answers[len(answers)-1])
		}
		e.breakAll(t, inventory(t, e), faults, 1)
	}

	now := e.condition(t)
	for n, f := range faults {
		t.Run("after "+f.String(), func(t *testing.T) { now.checkIntact(t, n) })
	}
	cases := make([]int, len(faults))
	for n := range faults {
		cases[n] = n
	}
	mend(t, e, cases...)
	end := e.condition(t).withDescriptors(inventory(t, e))
	for n, f := range faults {
		t.Run("in the end, after "+f.String(), func(t *testing.T) { end.checkWanted(t, n) })
	}
}

// breakAll breaks that run of the plans: those that fail one after the other in one process, those that end in a process each.
func (e benchEngine) breakAll(t *testing.T, inv *photopush.Inventory, faults []fault, batch int) {
	t.Helper()
	var stdin []byte
	throws := map[int]fault{}
	var cases []int // of throws, in their order
	var verbs [][]accountpicture.Verb
	for n, f := range faults {
		if f.batch != batch {
			continue
		}
		todo := e.brokenRun(t, inv, n, batch)
		if f.kills {
			t.Run(f.String(), func(t *testing.T) {
				if err := e.journal(n, batch); err != nil {
					t.Fatal(err)
				}
				answers, ended := e.execute(t, todo, &f)
				f.check(t, answers, ended, len(todo))
			})
			continue
		}
		text, input, _ := strings.Cut(string(encode(t, todo)), "#end-of-script\n")
		if stdin == nil {
			stdin = []byte(text + "#end-of-script\n")
		}
		stdin = append(stdin, "keep\n"...)
		if j := journalFile(caseUser(n, journalUser)); batch == 0 {
			stdin = append(stdin, "file\t"+j.Path+"\t"+base64.StdEncoding.EncodeToString(j.Content)+"\n"...)
		}
		for line := range strings.Lines(input) {
			stdin = append(stdin, "input\t"+line...)
		}
		stdin = append(stdin, "run\n"...)
		throws[len(cases)] = f
		cases, verbs = append(cases, n), append(verbs, todo)
	}
	if len(cases) == 0 {
		return
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: e.benchCommand(t), Stdin: stdin, Overrides: []string{e.Override(t, overridesOf(throws, batch))}})
	if err != nil {
		t.Fatal(err)
	}
	done := readBench(t, string(out.Stdout))
	for i := range cases {
		f := throws[i]
		t.Run(f.String(), func(t *testing.T) {
			if i >= len(done) {
				t.Fatalf("no answer, exit code %d: %s", out.ExitCode, out.Stderr)
			}
			answers, err := accountpicture.ParseAnswer([]byte(done[i].answer))
			if err != nil {
				t.Fatal(err)
			}
			f.check(t, answers, false, len(verbs[i]))
		})
	}
}

// brokenRun are the verbs of the run that is broken: the first of the plan as it is now.
func (e benchEngine) brokenRun(t *testing.T, inv *photopush.Inventory, n, batch int) []accountpicture.Verb {
	t.Helper()
	if batch == 0 {
		inv = interrupted(inv, caseUser(n, journalUser))
	}
	verbs, err := plan(inv, n)
	if err != nil {
		t.Fatal(err)
	}
	return accountpicture.Batches(verbs)[0]
}

// journal leaves one behind, as a run that was ended would.
func (e benchEngine) journal(n, batch int) error {
	if batch != 0 {
		return nil
	}
	j := journalFile(caseUser(n, journalUser))
	return os.WriteFile(e.HostPath(j.Path), j.Content, 0o600)
}

// interrupted is an inventory of a workstation where a run was ended on the key of a user.
func interrupted(inv *photopush.Inventory, sid photopush.SID) *photopush.Inventory {
	changed := *inv
	changed.Accounts = slices.Clone(inv.Accounts)
	for i := range changed.Accounts {
		changed.Accounts[i].Journal = changed.Accounts[i].SID == sid
	}
	return &changed
}
