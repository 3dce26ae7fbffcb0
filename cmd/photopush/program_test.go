package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"
)

// A suite is this package's tests. When they have run, it takes away the program that they may have built.
type suite struct{ *testing.M }

func (s suite) Run() int {
	code := s.M.Run()
	if err := os.RemoveAll(builtFolder); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return code
}

// builtFolder holds the program that was built; empty, and then nothing is removed, when none was.
var builtFolder string

// buildProgram builds photopush as make build does, once, and tells where it is.
var buildProgram = sync.OnceValues(func() (string, error) {
	var err error
	if builtFolder, err = os.MkdirTemp("", "photopush-built"); err != nil {
		return "", err
	}
	program := filepath.Join(builtFolder, "photopush")
	if out, err := exec.Command("go", "build", "-trimpath", "-o", program, ".").CombinedOutput(); err != nil {
		return "", fmt.Errorf("go build: %w: %s", err, out)
	}
	return program, nil
})

// builtTime is more than any command of a small company takes; what hangs is killed then, and the test fails.
const builtTime = 4 * time.Minute

// built runs a command of the program with a configuration, as an administrator would, in a process of its own.
func built(t *testing.T, config string, args ...string) ran {
	t.Helper()
	program, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), builtTime)
	defer cancel()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, program, append([]string{"--config", config}, args...)...)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err = cmd.Run()
	if exit, failed := errors.AsType[*exec.ExitError](err); failed && exit.Exited() {
		return ran{stdout.String(), stderr.String(), exit.ExitCode()}
	}
	if err != nil {
		t.Fatalf("photopush %v: %v\n%s%s", args, err, stdout.String(), stderr.String())
	}
	return ran{stdout.String(), stderr.String(), 0}
}

// mustBuilt runs a command that has to end with exit code 0 and nothing to say on standard error.
func mustBuilt(t *testing.T, config string, args ...string) ran {
	t.Helper()
	r := built(t, config, args...)
	if r.code != 0 || r.stderr != "" {
		t.Fatalf("photopush %v: exit code %d\n%s%s", args, r.code, r.stdout, r.stderr)
	}
	return r
}
