package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/store"
)

// newCompany starts a simulated company that ends with the test.
func newCompany(t *testing.T, o lab.Options) *lab.Company {
	t.Helper()
	o.Dir = t.TempDir()
	c, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// A ran command is over.
type ran struct {
	stdout, stderr string
	code           int // -1: killed
}

// here runs a command in this process.
func here(t *testing.T, c *lab.Company, args ...string) ran {
	t.Helper()
	var out, errs bytes.Buffer
	code := run(append([]string{"--config", c.ConfigFile}, args...), nil, &out, &errs)
	return ran{out.String(), errs.String(), code}
}

// must runs a command in this process that has to end with exit code 0.
func must(t *testing.T, c *lab.Company, args ...string) ran {
	t.Helper()
	r := here(t, c, args...)
	if r.code != 0 {
		t.Fatalf("photopush %v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r
}

// asCommand makes the test binary be photopush; see TestMain.
const asCommand = "PHOTOPUSH_TEST_COMMAND"

// process prepares a command in a process of its own.
func process(c *lab.Company, args ...string) *exec.Cmd {
	cmd := exec.Command(os.Args[0], append([]string{"--config", c.ConfigFile}, args...)...)
	cmd.Env = append(os.Environ(), asCommand+"=1")
	return cmd
}

// wait gives the exit code of a process when it has ended, -1 when it was killed. It may be called beside the test.
func wait(t *testing.T, cmd *exec.Cmd) int {
	t.Helper()
	err := cmd.Wait()
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	if err != nil {
		t.Error(err)
	}
	return 0
}

// openStore opens the company's database beside photopush.
func openStore(t *testing.T, c *lab.Company) *store.Store {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(filepath.Dir(c.ConfigFile), "photopush.db")}, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	})
	return s
}

func statuses(t *testing.T, s *store.Store) []photopush.Status {
	t.Helper()
	var all []photopush.Status
	for status, err := range s.Statuses(context.Background()) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, status)
	}
	return all
}

// judge fails the test where a workstation shows anything broken, or something else than is stored; it returns how many pairs are in step.
func judge(t *testing.T, c *lab.Company) (inStep int) {
	t.Helper()
	j := c.Judge()
	for _, b := range j.Broken {
		t.Errorf("broken: %s", b)
	}
	for _, s := range statuses(t, openStore(t, c)) {
		p := s.Pair
		if p.Want.Digest() == "" || !p.InStep() {
			continue
		}
		inStep++
		if !j.Shows(p.Workstation, p.User, p.Have) {
			t.Errorf("%s %s is stored as in step, and is not", p.Workstation, p.User)
		}
	}
	return inStep
}

// intact fails the test where a value names a missing or partial file.
func intact(t *testing.T, c *lab.Company) {
	t.Helper()
	for _, w := range c.Workstations {
		for _, f := range w.Machine.CheckIntact().Broken {
			t.Errorf("%s %s", w.Host, f)
		}
	}
}

func writes(c *lab.Company) int { return c.Figures().Writes }

// snapshots are the registries and files of all workstations that the product may write.
func snapshots(c *lab.Company) map[string]simwin.Snapshot {
	all := map[string]simwin.Snapshot{}
	for _, w := range c.Workstations {
		all[w.Host] = w.Machine.Snapshot()
	}
	return all
}
