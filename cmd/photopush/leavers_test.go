package main

import (
	"os"
	"strings"
	"testing"

	"github.com/photopush/photopush/internal/lab"
)

// TestMistypedScopeTakesNothingAway: a person must say that so many leavers are meant; the report then proves that their pictures are gone.
func TestMistypedScopeTakesNothingAway(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 20, Workstations: 10, Plain: true})
	must(t, c, "sync")
	pictures, before := judge(t, c), writes(c)
	if pictures < 20 {
		t.Fatalf("%d pictures", pictures)
	}
	config, err := os.ReadFile(c.ConfigFile)
	if err != nil {
		t.Fatal(err)
	}
	mistyped := strings.Replace(string(config), "    users:\n", "    users:\n      filter: (department=Slaes)\n", 1) + "policy:\n  leavers: remove\n"
	if err := os.WriteFile(c.ConfigFile, []byte(mistyped), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"sync"}, {"sync", "--verify"}} {
		r := here(t, c, args...)
		if r.code != exitPerson || !strings.Contains(r.stderr, "photopush sync --allow-removals") || strings.Count(r.stderr, "\n") != 1 {
			t.Errorf("%v: exit code %d\n%s", args, r.code, r.stderr)
		}
		if n := writes(c) - before; n != 0 {
			t.Fatalf("%v: %d writes", args, n)
		}
	}
	if r := must(t, c, "stale", "--all"); !strings.Contains(r.stdout, "picture kept") {
		t.Errorf("the report is\n%s", r.stdout)
	}
	if r := must(t, c, "sync", "--allow-removals"); !strings.Contains(r.stdout, "Taken away: ") {
		t.Errorf("sync says %s", r.stdout)
	}
	shown := 0
	for _, w := range c.Workstations {
		for _, u := range w.Machine.CheckIntact().Users {
			if u.Ours {
				shown++
			}
		}
	}
	if shown != 0 {
		t.Errorf("%d pictures are left", shown)
	}
	if r := must(t, c, "stale", "--all"); strings.Count(r.stdout, " removed ") != pictures || !strings.Contains(r.stdout, "the user is not in the directory's scope since") {
		t.Errorf("the report is\n%s", r.stdout)
	}
	again := writes(c)
	if must(t, c, "sync", "--verify"); writes(c) != again {
		t.Errorf("%d writes after all was taken away", writes(c)-again)
	}
}
