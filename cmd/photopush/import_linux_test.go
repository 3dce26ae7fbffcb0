package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// terminal is a terminal at which somebody has typed something.
func terminal(t *testing.T, typed string) *os.File {
	t.Helper()
	keyboard, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { keyboard.Close() })
	if err := unix.IoctlSetPointerInt(int(keyboard.Fd()), unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	number, err := unix.IoctlGetInt(int(keyboard.Fd()), unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	screen, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", number), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { screen.Close() })
	if _, err := keyboard.WriteString(typed); err != nil {
		t.Fatal(err)
	}
	return screen
}

// TestImportAsks at a terminal, once the preview was shown; CSV and JSON show at the end, so that nobody can be asked before.
func TestImportAsks(t *testing.T) {
	for _, test := range []struct {
		format, typed string
		asks          bool
		writes        int
	}{{"text", "y\n", true, imported}, {"text", "yes\n", true, imported}, {"text", "n\n", true, 0}, {"text", "\n", true, 0}, {"csv", "y\n", false, 0}, {"json", "y\n", false, 0}} {
		t.Run(test.format+" "+strings.TrimSpace(test.typed), func(t *testing.T) {
			c := newImportCompany(t)
			var stdout, stderr bytes.Buffer
			code := run([]string{"--config", c.ConfigFile, "import", c.folder, "--format", test.format}, terminal(t, test.typed), &stdout, &stderr)
			if asked := strings.Contains(stderr.String(), "Write 3 photos? [y/N]"); code != 0 || asked != test.asks {
				t.Errorf("exit code %d, %s", code, &stderr)
			}
			if n := c.Controller.Counts().Changes; n != test.writes {
				t.Errorf("%d photos were written, want %d", n, test.writes)
			}
			if !test.asks && !strings.Contains(stderr.String(), "nothing was written: 3 photos would be; --yes writes without asking") || stdout.Len() == 0 {
				t.Errorf("it says %s%s", &stdout, &stderr)
			}
		})
	}
}
