package main

import (
	"context"
	"errors"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
)

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		killAtCommit()
		killAtRecord()
		os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr))
	}
	testscript.Main(suite{m}, map[string]func(){
		"photopush": func() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) },
	})
}

// TestScripts runs the manual: every file in testdata/script shows how a command is used and what it answers.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:   "testdata/script",
		Cmds:  map[string]func(*testscript.TestScript, bool, []string){"exits": exits, "company": company, "trouble": trouble},
		Setup: func(env *testscript.Env) error { env.Values[companyKey{}] = new(*lab.Company); return nil },
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
	*ts.Value(companyKey{}).(**lab.Company) = c
	ts.Setenv("PHOTOPUSH_CONFIG", c.ConfigFile)
}

// companyKey is under which a script keeps its company.
type companyKey struct{}

// troubles are what can be put in the way on a workstation.
var troubles = map[string]func(w *lab.Workstation) error{
	"certificate": func(w *lab.Workstation) error { return w.Server.SetFault(simwin.Fault{Mode: simwin.WrongCertificate}) },
	"shells": func(w *lab.Workstation) error {
		return w.Server.SetFault(simwin.Fault{Mode: simwin.AnswerFault, Code: 2150859180})
	},
	"administrator": func(w *lab.Workstation) error {
		return w.Server.SetFault(simwin.Fault{Mode: simwin.AnswerFault, Code: 5})
	},
	"key": func(w *lab.Workstation) error { return w.Machine.SecureKey(usersKey, keyOfWindows) },
	"user-key": func(w *lab.Workstation) error {
		return w.Machine.SecureKey(usersKey+`\`+string(w.Users[0].SID), keyOfWindows)
	},
	"windows-picture": func(w *lab.Workstation) error { // on a key that administrators may not write
		w.Machine.AddWindowsPicture(w.Users[0].SID, 1)
		return w.Machine.SecureKey(usersKey+`\`+string(w.Users[0].SID), "O:SYD:(A;;KA;;;SY)(A;;KRWD;;;BA)(A;;KR;;;BU)(A;;KR;;;AC)")
	},
	"open-key": func(w *lab.Workstation) error {
		return w.Machine.SecureKey(usersKey, "O:BAD:(A;;KA;;;SY)(A;;KA;;;BA)(A;OICI;KA;;;BU)(A;CI;KR;;;AC)")
	},
	"new-picture": func(w *lab.Workstation) error { return w.Machine.AsUser(w.Users[0].SID).ChangePicture(2) },
	"folder": func(w *lab.Workstation) error {
		return w.Machine.SecurePath(`C:\Program Files`, "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;;0x1301bf;;;BU)")
	},
}

const (
	usersKey     = `HKLM\` + accountpicture.UsersKey
	keyOfWindows = "O:SYD:P(A;;KRWD;;;BA)(A;;KA;;;SY)" // administrators read
)

// trouble puts something in the way on a workstation: trouble ws0001 certificate.
func trouble(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 || troubles[args[1]] == nil {
		ts.Fatalf("usage: trouble WORKSTATION %s", strings.Join(slices.Sorted(maps.Keys(troubles)), "|"))
	}
	for _, w := range (*ts.Value(companyKey{}).(**lab.Company)).Workstations {
		if name, _, _ := strings.Cut(w.Host, "."); name == args[0] {
			ts.Check(troubles[args[1]](w))
			return
		}
	}
	ts.Fatalf("there is no workstation %s", args[0])
}
