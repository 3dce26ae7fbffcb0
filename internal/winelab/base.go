//go:build unix

package winelab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const (
	wineserver = "/usr/lib/wine/wineserver64"
	wine       = "/usr/lib/wine/wine64"
)

// New clones a workstation for one test. It is a 23H2 client of corp.example with one profile and an account picture made by Windows.
func New(t testing.TB) *Workstation {
	t.Helper()
	lab := filepath.Join(Shared(t), "powershell", "lab")
	if _, err := os.Stat(wine); err != nil && os.Getuid() != 0 {
		missing(t, "no Wine: "+err.Error()+"; apt-get install --no-install-recommends wine64 xz-utils")
	}
	root, err := rootFolder(lab)
	if err != nil {
		t.Fatal(err)
	}
	w := &Workstation{lab: lab}
	if err := locked(filepath.Join(root, "lock"), func() error { return w.clone(t, root) }); err != nil {
		t.Fatal(err)
	}
	return w
}

// rootFolder is where base and clones lie: in one file system, because a clone shares its files with the base. Other parts of a
// workstation give another folder.
func rootFolder(lab string) (string, error) {
	parts := sha256.New()
	for _, name := range []string{"lab", "windows11.reg", "wine-override.ps1"} {
		b, err := os.ReadFile(filepath.Join(filepath.Dir(lab), name))
		if err != nil {
			return "", err
		}
		fmt.Fprintf(parts, "%s %d\n%s", name, len(b), b)
	}
	engine, err := os.Stat(filepath.Join(filepath.Dir(lab), "engine.tar.xz"))
	if err != nil {
		return "", err
	}
	fmt.Fprintf(parts, "engine %d\n%s", engine.Size(), lab)
	cache, err := os.UserCacheDir()
	if err != nil {
		cache = filepath.Join(os.TempDir(), fmt.Sprintf("cache-%d", os.Getuid()))
	}
	root := filepath.Join(cache, "photopush", "winelab", fmt.Sprintf("%x", parts.Sum(nil)[:8]))
	return root, os.MkdirAll(filepath.Join(root, "clones"), 0o700)
}

// clone makes the clone of a test; the folder's lock is held.
func (w *Workstation) clone(t testing.TB, root string) error {
	clones, base := filepath.Join(root, "clones"), filepath.Join(root, "base")
	if err := sweep(clones); err != nil {
		return err
	}
	if err := w.ensureBase(t, base); err != nil {
		return err
	}
	mark, err := os.CreateTemp(clones, "*.lock")
	if err != nil {
		return err
	}
	if err := flock(mark); err != nil {
		return err
	}
	w.dir = strings.TrimSuffix(mark.Name(), ".lock")
	t.Cleanup(func() { w.down(t, mark) })
	if err := w.do(t.Context(), "clone", base, w.dir); err != nil {
		return err
	}
	if err := stop(base); err != nil { // idle for the next clone
		return err
	}
	// Wine writes its own DNS domain into the registry whenever it starts.
	return w.do(t.Context(), "import", w.dir, filepath.Join(filepath.Dir(w.lab), "windows11.reg"))
}

// ensureBase makes the base workstation unless it is there. One that was left half-made is made again.
func (w *Workstation) ensureBase(t testing.TB, base string) error {
	complete := filepath.Join(base, "complete")
	if _, err := os.Stat(complete); err == nil {
		return nil
	}
	if err := stop(base); err != nil {
		return err
	}
	if err := os.RemoveAll(base); err != nil {
		return err
	}
	build := func() error { return w.do(t.Context(), "up", base) }
	if _, err := os.Stat(wine); err != nil { // lab installs it: no other package manager of ours at the same time
		withoutLock := build
		build = func() error { return locked(filepath.Join(os.TempDir(), "photopush-apt.lock"), withoutLock) }
	}
	if err := build(); err != nil {
		return err
	}
	if err := stop(base); err != nil {
		return err
	}
	return os.WriteFile(complete, nil, 0o600)
}

// sweep ends and removes the clones of tests that were killed.
func sweep(clones string) error {
	marks, err := filepath.Glob(filepath.Join(clones, "*.lock"))
	if err != nil {
		return err
	}
	for _, name := range marks {
		mark, err := os.OpenFile(name, os.O_RDWR, 0)
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if tryFlock(mark) {
			err = remove(strings.TrimSuffix(name, ".lock"), mark)
		}
		mark.Close()
		if err != nil {
			return err
		}
	}
	return nil
}

// remove stops a clone and takes it away; whoever calls holds its mark.
func remove(dir string, mark *os.File) error {
	return errors.Join(stop(dir), os.RemoveAll(dir), os.Remove(mark.Name()))
}

func (w *Workstation) down(t testing.TB, mark *os.File) {
	defer mark.Close()
	if err := remove(w.dir, mark); err != nil {
		t.Error(err)
	}
}

// stop ends everything that runs on a workstation, and returns when it has ended. A workstation that is not there is none that runs.
func stop(dir string) error {
	prefix := filepath.Join(dir, "wine")
	if _, err := os.Stat(prefix); err != nil {
		return nil
	}
	for _, option := range []string{"-k", "-w"} { // kill; wait
		cmd := exec.Command(wineserver, option)
		cmd.Env = append(os.Environ(), "WINEPREFIX="+prefix)
		err := cmd.Run()
		if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited { // it says 2 where nothing runs
			return fmt.Errorf("stop workstation %s: %w", dir, err)
		}
	}
	return nil
}

// do runs the lab's program.
func (w *Workstation) do(ctx context.Context, args ...string) error {
	out, err := w.ask(ctx, args...)
	if err != nil {
		return fmt.Errorf("lab %s: %w: %s", strings.Join(args, " "), err, out)
	}
	return nil
}

// ask runs the lab's program and returns what it prints.
func (w *Workstation) ask(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "bash", append([]string{w.lab}, args...)...).CombinedOutput()
	return string(out), err
}
