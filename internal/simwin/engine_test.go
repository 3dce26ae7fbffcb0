package simwin

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestSplitCommandLine(t *testing.T) {
	for line, want := range map[string][]string{
		``:                                    nil,
		`powershell.exe`:                      {"powershell.exe"},
		`"C:\Program Files\a.exe" b`:          {`C:\Program Files\a.exe`, "b"},
		`C:\a\b.exe c:\d\`:                    {`C:\a\b.exe`, `c:\d\`},
		`p  -Command "a 'b'  c"`:              {"p", "-Command", "a 'b'  c"},
		`p "a\"b" c\\d "e\\" f`:               {"p", `a"b`, `c\\d`, `e\`, "f"},
		`p a"b c"d`:                           {"p", "ab cd"},
		`p """a"""`:                           {"p", `"a"`},
		`p ""`:                                {"p", ""},
		"p\t a\tb":                            {"p", "a", "b"},
		`p \\server\share "\\server\s h\\" x`: {"p", `\\server\share`, `\\server\s h\`, "x"},
		`p "open`:                             {"p", "open"},
		`p \"a b\"`:                           {"p", `"a`, `b"`},
	} {
		if got := SplitCommandLine(line); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", line, got, want)
		}
	}
}

func program(t *testing.T, text string) Exec {
	t.Helper()
	path := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text), 0o700); err != nil {
		t.Fatal(err)
	}
	return Exec{Path: path, Env: []string{"PATH=" + os.Getenv("PATH"), "COLOUR=blue"}}
}

func TestExec(t *testing.T) {
	e := program(t, `printf '%s|' "$@"; cat; echo "$COLOUR" >&2; exit 7`)
	var out, errs bytes.Buffer
	code, err := e.Run(t.Context(), `C:\x\powershell.exe -Command "a  \"b\""`, strings.NewReader("input"), &out, &errs)
	if err != nil || code != 7 || out.String() != `-Command|a  "b"|input` || errs.String() != "blue\n" {
		t.Errorf("%d, %v, %q, %q", code, err, out.String(), errs.String())
	}
	if _, err := e.Run(t.Context(), "", nil, nil, nil); !errors.Is(err, ErrNoProgram) {
		t.Error(err)
	}
	if _, err := (Exec{Path: "/nowhere/at/all"}).Run(t.Context(), "x", strings.NewReader(""), io.Discard, io.Discard); err == nil {
		t.Error("a program that is not there was started")
	}
}

// The program ends without reading its input, which nobody ends.
func TestExecLeavesItsInput(t *testing.T) {
	e := program(t, `exit 0`)
	in := newPipe()
	if code, err := e.Run(t.Context(), "x", in, io.Discard, io.Discard); code != 0 || err != nil {
		t.Error(code, err)
	}
	if in.send([]byte("x"), false) {
		t.Error("somebody still reads")
	}
}

// Cancelling ends the program and what it has started, and it does not see that as the end of its input.
func TestExecIsCancelled(t *testing.T) {
	e := program(t, `sleep 1000 & echo $! $$; cat; echo end of input`)
	ctx, cancel := context.WithCancel(t.Context())
	r, w := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		_, err := e.Run(ctx, "x", newPipe(), w, io.Discard)
		w.Close()
		ended <- err
	}()
	line := make([]byte, 64)
	n, err := r.Read(line)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	rest, _ := io.ReadAll(r)
	if err := <-ended; !errors.Is(err, context.Canceled) || len(rest) != 0 {
		t.Errorf("%v, %q", err, rest)
	}
	for _, pid := range strings.Fields(string(line[:n])) {
		until(t, "process "+pid+" is gone", func() bool { return exec.Command("kill", "-0", pid).Run() != nil || zombie(pid) })
	}
}

// zombie: an orphan that was killed waits for init, not for us.
func zombie(pid string) bool {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	return err == nil && strings.Contains(string(stat), ") Z ")
}

// A program that lets another one hold its output does not keep Run for ever.
func TestExecWithOrphan(t *testing.T) {
	e := program(t, `trap '' HUP; sleep 1000 & echo started`)
	begin := time.Now()
	var out bytes.Buffer
	code, err := e.Run(t.Context(), "x", strings.NewReader(""), &out, io.Discard)
	if code != 0 || err != nil || out.String() != "started\n" || time.Since(begin) > drain+10*time.Second {
		t.Errorf("%d, %v, %q", code, err, out.String())
	}
}

func TestExecThroughTheShell(t *testing.T) {
	e := program(t, `cat; exit 3`)
	s := start(t, e.Run, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	c.send(strings.Repeat("0123456789", 30_000), "true")
	got := c.receiveAll()
	if len(got.stdout) != 300_000 || got.exit != "3" {
		t.Errorf("%d bytes, exit %s", len(got.stdout), got.exit)
	}
	c.run(powershell)
	c.delete()
	if pid, left := zombieOfOurs(); left {
		t.Errorf("process %d was left as a zombie", pid)
	}
}
