//go:build unix

package winelab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
	"unicode/utf16"

	"github.com/photopush/photopush"
)

// A Run says how a command is run.
type Run struct {
	CommandLine string // as it would be given to CreateProcess; its program is Powershell, whatever it names
	Stdin       []byte
	Overrides   []string // files that Override wrote
	Env         []string // more of the environment, KEY=value
}

// drain is how long output is still read after the process ended while another one holds the pipe open.
const drain = 5 * time.Second

// Run executes a command and returns when it has ended. An error means that it did not run, or that ctx ended.
func (w *Workstation) Run(ctx context.Context, r Run) (photopush.Output, error) {
	cmd := exec.CommandContext(ctx, w.Powershell(), splitArguments(r.CommandLine)...)
	cmd.Env = append(w.Environ(r.Overrides...), r.Env...)
	var stdout, stderr bytes.Buffer
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = bytes.NewReader(r.Stdin), &stdout, &stderr, drain
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	err := cmd.Run()
	if _, exited := errors.AsType[*exec.ExitError](err); err != nil && !exited && !errors.Is(err, exec.ErrWaitDelay) || ctx.Err() != nil {
		return photopush.Output{}, fmt.Errorf("run %s: %w", w.Powershell(), errors.Join(ctx.Err(), err))
	}
	return photopush.Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: uint32(cmd.ProcessState.ExitCode())}, nil
}

// splitArguments are the arguments after the program: parted by blanks, those in double quotes whole. No quote stands in a quote.
func splitArguments(commandLine string) []string {
	var args []string
	for i, part := range strings.Split(commandLine, `"`) {
		if i%2 == 1 {
			args = append(args, part)
		} else {
			args = append(args, strings.Fields(part)...)
		}
	}
	return args[min(1, len(args)):]
}

// Query is a registry key with everything below it, as Wine's reg.exe prints it; empty when there is no such key.
func (w *Workstation) Query(t testing.TB, key string) string {
	t.Helper()
	for try := 1; ; try++ {
		out, err := w.ask(t.Context(), "query", w.dir, key)
		if err == nil && out != "" {
			return out
		}
		if strings.Contains(out, "Unable to find the specified registry key") {
			return ""
		}
		if try == queries { // on a busy machine a program of Wine's may end before it began
			t.Fatalf("reg query %s: %v %q", key, err, out)
		}
	}
}

// queries is how often reg.exe is asked before it counts as broken.
const queries = 3

// A RegistryValue is what reg.exe prints of a value.
type RegistryValue struct {
	Type string // REG_SZ
	Data string
}

// Keys reads a registry key with everything below it: the values by full key, such as HKEY_LOCAL_MACHINE\SOFTWARE, and by name.
func (w *Workstation) Keys(t testing.TB, key string) map[string]map[string]RegistryValue {
	t.Helper()
	keys := map[string]map[string]RegistryValue{}
	var at map[string]RegistryValue
	for line := range strings.Lines(w.Query(t, key)) {
		line = strings.TrimRight(line, "\r\n")
		if strings.HasPrefix(line, "HKEY_") {
			at = map[string]RegistryValue{}
			keys[line] = at
			continue
		}
		if parts := strings.SplitN(strings.TrimPrefix(line, "    "), "    ", 3); len(parts) == 3 && at != nil {
			at[parts[0]] = RegistryValue{Type: parts[1], Data: parts[2]}
		}
	}
	return keys
}

// Import merges the text of a .reg file, from its first section on, into the registry.
func (w *Workstation) Import(t testing.TB, text string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "import.reg")
	// As regedit writes it, UTF-16 with a byte order mark: without, strings in hex would be taken for bytes of a code page.
	b := []byte{0xff, 0xfe}
	for _, u := range utf16.Encode([]rune("Windows Registry Editor Version 5.00\n\n" + text)) {
		b = binary.LittleEndian.AppendUint16(b, u)
	}
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := w.do(t.Context(), "import", w.dir, file); err != nil {
		t.Fatal(err)
	}
}

// Check tells what Windows PowerShell 5.1 on .NET Framework 4.6.2 would not understand in a script; empty when that is nothing.
func (w *Workstation) Check(t testing.TB, script string) string {
	t.Helper()
	out, err := w.ask(t.Context(), "check", w.dir, script)
	if err == nil {
		return ""
	}
	return out
}
