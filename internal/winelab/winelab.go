// Package winelab gives tests real Windows programs: workstations on Wine with the PowerShell engine and a registry, as the shared
// folder's powershell/README.md describes them. One base workstation is made once per machine and user, in the user's cache folder;
// each test gets a clone of its own beside it, which is gone when the test ends.
//
// What a workstation is asked, and what the answers mean, it leaves to the tests. It is not for production code.
package winelab

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A Workstation runs until its test ends. Many runs at once on one workstation are fine.
type Workstation struct {
	dir string // of the clone
	lab string // the program that makes and asks workstations
}

// Shared is the folder that holds the workstation's parts: PHOTOPUSH_SHARED, or shared beside the module's root. Without it the test
// is skipped, but fails where CI is true.
func Shared(t testing.TB) string {
	t.Helper()
	dir := os.Getenv("PHOTOPUSH_SHARED")
	if dir == "" {
		dir = filepath.Join(moduleRoot(t), "..", "shared")
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Join(dir, "powershell", "lab")); err != nil {
		missing(t, "no real PowerShell engine: "+err.Error()+"; PHOTOPUSH_SHARED can name the folder that has powershell/lab")
	}
	return dir
}

// missing skips the test, or fails it where nothing may be skipped.
func missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// moduleRoot is the folder of go.mod, above the test's.
func moduleRoot(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			t.Fatal("the test runs outside the module")
		}
		dir = parent
	}
}

// Powershell is the path of what stands for powershell.exe on the workstation: a program of this machine.
func (w *Workstation) Powershell() string { return filepath.Join(w.dir, "powershell") }

// DriveC is the folder of this machine that is the workstation's C:.
func (w *Workstation) DriveC() string { return filepath.Join(w.dir, "wine", "drive_c") }

// HostPath is the path on this machine of a path on the workstation's C:.
func (w *Workstation) HostPath(windows string) string {
	rest, ok := strings.CutPrefix(windows, `C:\`)
	if !ok {
		panic("winelab: " + windows + " is not on C:")
	}
	return filepath.Join(w.DriveC(), filepath.FromSlash(strings.ReplaceAll(rest, `\`, "/")))
}

// windowsPath is the path on the workstation of a file of this machine.
func windowsPath(host string) string { return "Z:" + strings.ReplaceAll(host, "/", `\`) }

// Override writes a file of PowerShell functions that a run can put in place of the script's own; it returns its path. The one that is
// replaced can be called as Shipped-<name>.
func (w *Workstation) Override(t testing.TB, text string) string {
	t.Helper()
	f, err := os.CreateTemp(w.dir, "override-*.ps1")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString(text); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}

// Environ is the environment for Powershell with the overrides, each the path of a file, in the order in which they are applied.
func (w *Workstation) Environ(overrides ...string) []string {
	env := os.Environ()
	if len(overrides) == 0 {
		return env
	}
	paths := make([]string, len(overrides))
	for i, o := range overrides {
		paths[i] = windowsPath(o)
	}
	return append(env, "PSHOST_OVERRIDE="+strings.Join(paths, ";"))
}
