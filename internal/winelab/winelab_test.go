//go:build unix

package winelab

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func TestWorkstation(t *testing.T) {
	w := New(t)
	prefix := w.dir
	t.Run("runs a command with input and output", func(t *testing.T) {
		out, err := w.Run(t.Context(), Run{CommandLine: `C:\x\powershell.exe -NoProfile -Command "@($input).Count; exit 7"`, Stdin: []byte("a\nb\n")})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(out.Stdout)); got != "2" || out.ExitCode != 7 {
			t.Errorf("printed %q with exit code %d, want 2 and 7; stderr %s", got, out.ExitCode, out.Stderr)
		}
	})
	t.Run("replaces a function", func(t *testing.T) {
		o := w.Override(t, "function Say { 'replaced ' + (Shipped-Say) }")
		script := "function Say { 'shipped' }\nSay\n#end-of-script\n"
		out, err := w.Run(t.Context(), Run{CommandLine: `p -Command "& ([scriptblock]::Create(@($input) -join [char]10))"`, Stdin: []byte(script), Overrides: []string{o}})
		if err != nil {
			t.Fatal(err)
		}
		if got := strings.TrimSpace(string(out.Stdout)); got != "replaced shipped" {
			t.Errorf("printed %q", got)
		}
	})
	t.Run("has a registry", func(t *testing.T) {
		w.Import(t, "[HKEY_LOCAL_MACHINE\\SOFTWARE\\winelab\\below]\n\"a name\"=\"C:\\\\some data\"\n\"n\"=dword:00000007\n\"x\"=hex(2):25,00,50,00,25,00,00,00\n")
		keys := w.Keys(t, `HKLM\SOFTWARE\winelab`)
		got := keys[`HKEY_LOCAL_MACHINE\SOFTWARE\winelab\below`]
		if got["a name"] != (RegistryValue{"REG_SZ", `C:\some data`}) || got["n"] != (RegistryValue{"REG_DWORD", "0x7"}) || got["x"] != (RegistryValue{"REG_EXPAND_SZ", "%P%"}) {
			t.Errorf("read back %v", keys)
		}
		if q := w.Query(t, `HKLM\SOFTWARE\winelab-absent`); q != "" {
			t.Errorf("a key that is not there reads %q", q)
		}
	})
	t.Run("is not the base", func(t *testing.T) {
		other := New(t)
		if other.dir == w.dir || len(other.Keys(t, `HKLM\SOFTWARE\winelab`)) != 0 {
			t.Errorf("the second workstation %s shares the registry of the first, %s", other.dir, w.dir)
		}
		prefix = other.dir
	})
	if _, err := os.Stat(prefix); !os.IsNotExist(err) {
		t.Errorf("%s is still there after its test: %v", prefix, err)
	}
}

func TestSweep(t *testing.T) {
	clones := t.TempDir()
	for _, name := range []string{"dead", "alive"} {
		if err := os.MkdirAll(filepath.Join(clones, name), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(clones, name+".lock"), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	alive, err := os.OpenFile(filepath.Join(clones, "alive.lock"), os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer alive.Close()
	if err := flock(alive); err != nil {
		t.Fatal(err)
	}
	if err := sweep(clones); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(clones, "*"))
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{filepath.Join(clones, "alive"), filepath.Join(clones, "alive.lock")}; !slices.Equal(left, want) {
		t.Errorf("left %v, want %v", left, want)
	}
}

func TestSplitArguments(t *testing.T) {
	for line, want := range map[string][]string{
		`C:\p.exe -NoProfile -Command "a b 'c'"`: {"-NoProfile", "-Command", "a b 'c'"},
		`p`:                                      {},
		``:                                       {},
	} {
		if got := splitArguments(line); !slices.Equal(got, want) {
			t.Errorf("splitArguments(%q) = %q, want %q", line, got, want)
		}
	}
}
