//go:build unix

package accountpicture_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/winelab"
)

// An engine is a workstation with the real PowerShell engine, which can be put into any state.
type engine struct {
	*winelab.Workstation
}

func newEngine(t *testing.T) engine { return engine{winelab.New(t)} }

// verbs executes verbs, and gives their answers.
func (e engine) verbs(t *testing.T, verbs []accountpicture.Verb, overrides ...string) []accountpicture.Answer {
	t.Helper()
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(int) photopush.Output {
		out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: input, Overrides: overrides})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var out photopush.Output
	if _, reads := verbs[0].(accountpicture.TakeInventory); reads && len(verbs) == 1 { // which can be asked again
		said, stderr := answersTo(t, 1, new(atomic.Int32), attempt)
		out = photopush.Output{Stdout: []byte(strings.Join(said, "")), Stderr: stderr}
	} else {
		out = attempt(0)
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err != nil {
		t.Fatalf("%v\nexit code %d\nstdout %s\nstderr %s", err, out.ExitCode, out.Stdout, out.Stderr)
	}
	return answers
}

// seed puts the workstation into a start, but for what an override plays.
func (e engine) seed(t *testing.T, s golden.State) {
	t.Helper()
	stdin := accountpicture.ReadScript.Text + strings.Join(seedLines(t, s), "\n") + "\n"
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: e.benchCommand(t), Stdin: []byte(stdin)})
	if err != nil || out.ExitCode != 0 {
		t.Fatalf("seed: %v, exit code %d: %s%s", err, out.ExitCode, out.Stdout, out.Stderr)
	}
}

// tree lists our folders and files, seen from outside the workstation.
func (e engine) tree(t *testing.T) (folders []string, files []golden.File) {
	t.Helper()
	root := e.HostPath(golden.Home)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		windows := golden.Home + strings.ReplaceAll(strings.TrimPrefix(path, root), "/", `\`)
		if d.IsDir() {
			folders = append(folders, windows)
			return nil
		}
		content, err := os.ReadFile(path)
		files = append(files, golden.File{Path: windows, Content: content})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders, files
}
