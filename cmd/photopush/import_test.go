package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simad"
	"github.com/photopush/photopush/internal/summary"
)

// killRecord names the record of an import's file after which the process ends as by kill -9.
const killRecord = "PHOTOPUSH_TEST_KILL_RECORD"

func killAtRecord() {
	at, err := strconv.Atoi(os.Getenv(killRecord))
	if err != nil {
		return
	}
	var n atomic.Int64
	afterRecord = func(int) {
		if n.Add(1) == int64(at) {
			killSelf()
		}
	}
}

// imported is how many photos the folder of importCompany has.
const imported = 3

// An importCompany has five people, of whom three have a file, one of them no photo before.
type importCompany struct {
	*lab.Company
	folder string
	before map[string]string
}

func newImportCompany(t *testing.T) *importCompany {
	t.Helper()
	c := &importCompany{Company: newCompany(t, lab.Options{Users: 5}), folder: t.TempDir()}
	for _, i := range []int{0, 1, 4} {
		p := c.People[i]
		if err := os.WriteFile(filepath.Join(c.folder, p.Account+".jpg"), badge.JPEG(p.Number+500, 300, 400, 90), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.before = c.photos(t)
	return c
}

// photos are the digests of everybody's photos.
func (c *importCompany) photos(t *testing.T) map[string]string {
	t.Helper()
	dir := t.TempDir()
	must(t, c.Company, "export", dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	photos := map[string]string{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		sum := sha256.Sum256(b)
		photos[f.Name()] = hex.EncodeToString(sum[:])
	}
	return photos
}

// runs are the runs, the newest first.
func (c *importCompany) runs(t *testing.T) (runs []runResult) {
	t.Helper()
	if err := json.Unmarshal([]byte(must(t, c.Company, "import", "--runs", "--format", "json").stdout), &runs); err != nil {
		t.Fatal(err)
	}
	return runs
}

// endsRight lets an import that ended anyhow be followed by another. Everybody then has the right photo, and none was written twice; and when every run is undone, the newest
// first, all is as it was.
func (c *importCompany) endsRight(t *testing.T, want map[string]string) {
	t.Helper()
	must(t, c.Company, "import", c.folder, "--yes")
	if diff := cmp.Diff(want, c.photos(t)); diff != "" {
		t.Errorf("another end than undisturbed:\n%s", diff)
	}
	if n := c.Controller.Counts().Changes; n != imported {
		t.Errorf("%d changes, want %d", n, imported)
	}
	written := 0
	runs := c.runs(t)
	for _, r := range runs {
		if r.Ended == nil && r.KeptUntil != nil {
			t.Errorf("run %s has not ended", r.Run)
		}
		written += r.Written + r.Unknown
		if r.KeptUntil != nil {
			must(t, c.Company, "import", "--undo", r.Run, "--yes")
		}
	}
	if written < imported {
		t.Errorf("the runs tell of %d photos, want at least %d: %+v", written, imported, runs)
	}
	if diff := cmp.Diff(c.before, c.photos(t)); diff != "" {
		t.Errorf("after undoing every run (-before +now):\n%s", diff)
	}
}

// undisturbedImport is what everybody's photos are after an import that nothing disturbs.
func undisturbedImport(t *testing.T) map[string]string {
	t.Helper()
	c := newImportCompany(t)
	must(t, c.Company, "import", c.folder, "--yes")
	want := c.photos(t)
	if maps.Equal(want, c.before) || c.Controller.Counts().Changes != imported {
		t.Fatalf("the import has changed %d photos", c.Controller.Counts().Changes)
	}
	return want
}

// TestImportKilledAtAnyWrite kills an import before and after each change takes effect at the domain controller.
func TestImportKilledAtAnyWrite(t *testing.T) {
	want := undisturbedImport(t)
	for at := 1; at <= imported; at++ {
		for _, done := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, carried out %t", at, done), func(t *testing.T) {
				c := newImportCompany(t)
				reached, killed := make(chan struct{}), make(chan struct{})
				var once atomic.Bool
				c.Controller.OnWrite(func(n int, effect bool) {
					if n == at && effect == done && once.CompareAndSwap(false, true) {
						close(reached)
						<-killed
					}
				})
				cmd := process(c.Company, "import", c.folder, "--yes", "--jobs", "1")
				start(t, cmd)
				<-reached
				if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
					t.Error(err)
				}
				if code := wait(t, cmd); code != -1 {
					t.Errorf("the process ended with %d", code)
				}
				close(killed)
				c.endsRight(t, want)
			})
		}
	}
	summary.Line(t, "import killed before and after each of %d changes: every photo right after the next one, none written twice, all undone", imported)
}

// TestImportKilledAnywhere kills an import after each record of its file, and after each commit of the store.
func TestImportKilledAnywhere(t *testing.T) {
	want := undisturbedImport(t)
	for _, variable := range []string{killRecord, killCommit} {
		for at := 1; ; at++ {
			c := newImportCompany(t)
			cmd := process(c.Company, "import", c.folder, "--yes")
			cmd.Env = append(cmd.Env, variable+"="+strconv.Itoa(at))
			start(t, cmd)
			code := wait(t, cmd)
			c.endsRight(t, want)
			if t.Failed() {
				t.Fatalf("%s=%d", variable, at)
			}
			if code == 0 {
				summary.Line(t, "import killed at each of %d points (%s)", at-1, variable)
				break
			}
		}
	}
}

// TestImportCutEverywhere cuts the connection at each answer of an import, and loses each change before and after its effect, with one domain controller alone.
func TestImportCutEverywhere(t *testing.T) {
	want := undisturbedImport(t)
	cases := 0
	cut := func(name string, f simad.Faults) {
		cases++
		c := newImportCompany(t)
		c.Controller.SetFaults(f)
		r := here(t, c.Company, "import", c.folder, "--yes", "--jobs", "1")
		c.Controller.SetFaults(simad.Faults{})
		if r.code != exitDone && r.code != exitDirectory {
			t.Errorf("%s: exit code %d\n%s", name, r.code, r.stderr)
		}
		c.endsRight(t, want)
		if t.Failed() {
			t.Fatalf("%s: the import has said\n%s%s", name, r.stdout, r.stderr)
		}
	}
	whole := newImportCompany(t)
	before := whole.Controller.Counts().Answers
	must(t, whole.Company, "import", whole.folder, "--yes", "--jobs", "1")
	answers := whole.Controller.Counts().Answers - before
	for n := 1; n <= imported; n++ {
		for _, loss := range []simad.Loss{simad.LoseWrite, simad.LoseAnswer} {
			cut(fmt.Sprintf("loss %d of change %d", loss, n), simad.Faults{LoseWrite: simad.WriteLoss{N: n, Loss: loss}})
		}
	}
	for n := 1; n <= answers; n++ {
		cut(fmt.Sprintf("answer %d", n), simad.Faults{Cut: simad.Cut{N: n, Where: simad.Inside}})
	}
	summary.Line(t, "import with its connection cut at each of %d places: every photo right after the next one, none written twice, all undone", cases)
}

// TestUndoKilledAnywhere kills an undo after each record of its file; begun again it does the rest.
func TestUndoKilledAnywhere(t *testing.T) {
	for at := 1; ; at++ {
		c := newImportCompany(t)
		must(t, c.Company, "import", c.folder, "--yes")
		id := c.runs(t)[0].Run
		cmd := process(c.Company, "import", "--undo", id, "--yes")
		cmd.Env = append(cmd.Env, killRecord+"="+strconv.Itoa(at))
		start(t, cmd)
		code := wait(t, cmd)
		must(t, c.Company, "import", "--undo", id, "--yes")
		if diff := cmp.Diff(c.before, c.photos(t)); diff != "" {
			t.Fatalf("killed after record %d (-before +now):\n%s", at, diff)
		}
		if n := c.Controller.Counts().Changes; n != 2*imported {
			t.Errorf("%d changes, want %d", n, 2*imported)
		}
		if code == 0 {
			return
		}
	}
}

// TestImportInterrupted sends the interrupt of Ctrl-C in the middle of a change: that is ended, others are not begun, and the run is told as it was.
func TestImportInterrupted(t *testing.T) {
	c := newImportCompany(t)
	reached, sent := make(chan struct{}), make(chan struct{})
	c.Controller.OnWrite(func(n int, done bool) {
		if n == 1 && !done {
			close(reached)
			<-sent
		}
	})
	cmd := process(c.Company, "import", c.folder, "--yes", "--jobs", "1", "--format", "json")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	start(t, cmd)
	<-reached
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	for lines.Scan() && !strings.HasSuffix(lines.Text(), "interrupted: what has begun is ended first") {
	}
	close(sent)
	for lines.Scan() { // to its end, before Wait closes it
	}
	if code := wait(t, cmd); code != exitInterrupted || lines.Err() != nil {
		t.Errorf("exit code %d, want %d; %v", code, exitInterrupted, lines.Err())
	}
	if n := c.Controller.Counts().Changes; n != 1 {
		t.Errorf("%d changes, want the one that had begun when the interrupt came", n)
	}
	if r := c.runs(t)[0]; r.Written != 1 || r.Unknown+r.Refused != 0 || r.Ended == nil {
		t.Errorf("the run is told as %+v", r)
	}
	c.endsRight(t, undisturbedImport(t))
}

// TestImportWhileImporting: one at a time; a script that meets another one is to try later.
func TestImportWhileImporting(t *testing.T) {
	c := newImportCompany(t)
	release, err := openStore(t, c.Company).LockImports()
	if err != nil {
		t.Fatal(err)
	}
	r := here(t, c.Company, "import", c.folder, "--yes")
	if r.code != exitPerson || !strings.Contains(r.stderr, "another import is running with this database; wait until it has ended") || c.Controller.Counts().Changes != 0 {
		t.Errorf("exit code %d, want %d: %s", r.code, exitPerson, r.stderr)
	}
	if err := release(); err != nil {
		t.Fatal(err)
	}
	must(t, c.Company, "import", c.folder, "--yes")
}

// TestSyncEndsUndo: photos that were replaced are kept for as long as is configured and no longer, whether or not anybody imports again.
func TestSyncEndsUndo(t *testing.T) {
	c := newImportCompany(t)
	must(t, c.Company, "import", c.folder, "--yes")
	kept, err := filepath.Glob(filepath.Join(filepath.Dir(c.ConfigFile), "imports", "*.journal"))
	if err != nil || len(kept) != 1 {
		t.Fatalf("%v, %v", kept, err)
	}
	old := filepath.Join(filepath.Dir(kept[0]), "20200101-000000-abcdef.journal")
	if err := os.WriteFile(old, []byte("somebody's photo"), 0o600); err != nil {
		t.Fatal(err)
	}
	here(t, c.Company, "sync") // whatever its workstations are like
	if now, err := filepath.Glob(filepath.Join(filepath.Dir(kept[0]), "*.journal")); err != nil || !slices.Equal(now, kept) {
		t.Errorf("left are %v, %v", now, err)
	}
}
