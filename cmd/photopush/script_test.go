package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/photopush/photopush/internal/lab"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		killAtCommit()
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(suite{m}, map[string]func(){
		"photopush": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the manual: every file in testdata/script shows how a command is used and what it answers.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:  "testdata/script",
		Cmds: map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "company": company},
	})
}

// exits runs a program that must end with just this exit code: exits 2 photopush version --format xml
func exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		exit, ok := errors.AsType[*exec.ExitError](err)
		if !ok {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
}

// company starts a simulated company and makes its configuration the one that photopush reads: company 20 10 for 20 people and 10 workstations.
// What is odd in it, internal/lab tells.
func company(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: company PEOPLE WORKSTATIONS")
	}
	users, err := strconv.Atoi(args[0])
	ts.Check(err)
	workstations, err := strconv.Atoi(args[1])
	ts.Check(err)
	c, err := lab.Start(context.Background(), lab.Options{Dir: ts.MkAbs("."), Users: users, Workstations: workstations})
	ts.Check(err)
	ts.Defer(c.Close)
	ts.Setenv("PHOTOPUSH_CONFIG", c.ConfigFile)
}
