//go:build unix

package simwin

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/photopush/photopush/internal/winelab"
)

// A real PowerShell engine behind the front: arguments, standard streams and exit code are its own, and Delete ends it.
func TestRealPowerShellThroughTheFront(t *testing.T) {
	w := winelab.New(t)
	s := start(t, Exec{Path: w.Powershell(), Env: w.Environ()}.Run, nil)
	c := dial(t, s)
	c.create("", "")
	const count = `$r = [Console]::In; $n = 0; while ($null -ne ($l = $r.ReadLine())) { $n += $l.Length }; [Console]::Out.WriteLine('letters  ' + $n); exit 5`
	c.run(powershell, "-NoProfile", "-NonInteractive", "-Command", `"`+count+`"`)
	for range 4 {
		c.send(strings.Repeat(strings.Repeat("x", 76)+"\n", 1000), "false")
	}
	c.send("", "true")
	if got := c.receiveAll(); strings.TrimSpace(got.stdout) != "letters  304000" || got.exit != "5" {
		t.Errorf("%+v", got)
	}
	c.run(powershell, "-NoProfile", "-NonInteractive", "-Command", `"[Console]::Out.WriteLine('up'); [Threading.Thread]::Sleep(1000000)"`)
	var got received
	for got.stdout == "" && !got.done { // Wine may have something to say on stderr first
		got = c.receive()
	}
	if strings.TrimSpace(got.stdout) != "up" || got.done || engines(t, w) == 0 {
		t.Errorf("%+v, %d engines", got, engines(t, w))
	}
	c.delete()
	until(t, "no engine of this workstation runs", func() bool { return engines(t, w) == 0 })
}

// engines counts processes that run this workstation's engine; an orphan that waits for init does not.
func engines(t *testing.T, w *winelab.Workstation) int {
	t.Helper()
	folder := filepath.Join(filepath.Dir(w.Powershell()), "engine")
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		line, err := os.ReadFile(f) // a process may be gone by now
		if err == nil && (strings.Contains(string(line), folder) || strings.Contains(string(line), strings.ReplaceAll(folder, "/", `\`))) {
			n++
		}
	}
	return n
}
