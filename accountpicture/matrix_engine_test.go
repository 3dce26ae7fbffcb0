//go:build unix

package accountpicture_test

import (
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

func (f fault) action() string {
	if f.kills {
		return "[Environment]::Exit(9)"
	}
	return "throw [UnauthorizedAccessException]::new('a fault')" // 0x80070005
}

// text is a function that does what the effect does, and at its n-th call something else before or after that.
func (f fault) text() string {
	action := f.action()
	if f.where == middle {
		action = "[IO.File]::WriteAllBytes($args[0], [byte[]] $args[1][0..($args[1].Length / 2)]); " + action
	}
	hit := fmt.Sprintf("  if ($run['calls'] -eq %d) { %s }\n", f.call, action)
	first, last := hit, ""
	if f.where == after {
		first, last = "", hit
	}
	return fmt.Sprintf("function %s {\n  $run['calls'] = 1 + $run['calls']\n%s  Shipped-%s @args\n%s}\n", f.effect, first, f.effect, last)
}

func (e benchEngine) execute(t *testing.T, verbs []accountpicture.Verb, f *fault) (answers []accountpicture.Answer, ended bool) {
	t.Helper()
	if f == nil {
		return e.verbs(t, verbs), false
	}
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: input, Overrides: []string{e.Override(t, f.text())}})
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

// TestMatrixOnEngine breaks the plan on the real engine: each effect of each verb, or with PHOTOPUSH_MATRIX=full each call of each effect.
func TestMatrixOnEngine(t *testing.T) {
	winelab.Shared(t)
	t.Parallel()
	at := effectsOf(t)
	which := "each effect of each verb"
	if os.Getenv("PHOTOPUSH_MATRIX") != "full" {
		at = chosen(at)
	} else {
		which = "each call of each effect"
	}
	var faults []fault
	for _, f := range at {
		faults = append(faults, faultsAt(f)...)
	}
	t.Run("workstations", func(t *testing.T) {
		for lane := range benches {
			share := faults[len(faults)*lane/benches : len(faults)*(lane+1)/benches]
			t.Run(fmt.Sprint(lane), func(t *testing.T) {
				t.Parallel()
				benchEngine{engine: newEngine(t)}.matrix(t, share)
			})
		}
	})
	if !t.Failed() {
		summary.Line(t, "fault matrix on the real engine: a plan with every verb, broken at %s, in %d cases; then every value names a complete picture, and the next runs put all right", which, len(faults))
	}
}

// matrix breaks a plan for each fault, with users of its own, and mends all at the end.
func (e benchEngine) matrix(t *testing.T, faults []fault) {
	e.seed(t, start(len(faults)))
	inv := inventory(t, e)
	for n, f := range faults {
		t.Run(f.String(), func(t *testing.T) {
			j := journalFile(caseUser(n, journalUser))
			if err := os.WriteFile(e.HostPath(j.Path), j.Content, 0o600); err != nil {
				t.Fatal(err)
			}
			breakPlan(t, e, interrupted(inv, caseUser(n, journalUser)), n, f)
			e.condition(t).checkIntact(t, n)
		})
	}
	var cases []int
	for n := range faults {
		cases = append(cases, n)
	}
	mend(t, e, cases...)
	end := inventory(t, e)
	all := e.condition(t).withDescriptors(end)
	for n, f := range faults {
		t.Run("after "+f.String(), func(t *testing.T) { all.checkWanted(t, n) })
	}
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
