package main

import (
	"bufio"
	"bytes"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
)

// TestCheckIsInterrupted: at whatever request the workstation is silent, an interrupt ends the check at once and takes its shell away.
func TestCheckIsInterrupted(t *testing.T) {
	for _, action := range []string{"Create", "Send"} {
		t.Run(action, func(t *testing.T) {
			c := newCompany(t, lab.Options{Users: 1, Workstations: 1, Plain: true})
			server := c.Workstations[0].Server
			reached, release := make(chan struct{}), make(chan struct{})
			if err := server.SetFault(simwin.Fault{Mode: simwin.Wait, Action: action, Reached: reached, Release: release}); err != nil {
				t.Fatal(err)
			}
			check := process(c, "check", "ws0001")
			var stdout, stderr bytes.Buffer
			check.Stdout, check.Stderr = &stdout, &stderr
			if err := check.Start(); err != nil {
				t.Fatal(err)
			}
			<-reached
			if err := check.Process.Signal(os.Interrupt); err != nil {
				t.Fatal(err)
			}
			code := wait(t, check)
			close(release)
			last := map[string]string{"Create": "tls ", "Send": "shell "}[action] // of the steps so far
			lines := strings.Split(strings.TrimSpace(stdout.String()), "\n")
			if code != exitInterrupted || !strings.HasPrefix(lines[len(lines)-1], last) || strings.Contains(stdout.String(), "failed") || stderr.String() != "photopush: interrupted\n" {
				t.Errorf("exit code %d, stdout %q, stderr %q", code, stdout.String(), stderr.String())
			}
			for i, v := range server.Stats().Visits {
				if v.Ended.IsZero() {
					t.Errorf("the shell of visit %d was left behind", i+1)
				}
			}
			must(t, c, "check", "ws0001")
		})
	}
}

// TestCheckWaitsForItsTurn: while another process visits the workstation, a check would only make the script of one of them answer conflict.
func TestCheckWaitsForItsTurn(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 1, Workstations: 1, Plain: true})
	must(t, c, "sync")
	server := c.Workstations[0].Server
	reached, release := make(chan struct{}), make(chan struct{})
	if err := server.SetFault(simwin.Fault{Mode: simwin.Wait, Action: "Receive", Times: 1, Reached: reached, Release: release}); err != nil {
		t.Fatal(err)
	}
	push := process(c, "sync", "--verify")
	if err := push.Start(); err != nil {
		t.Fatal(err)
	}
	<-reached
	check := process(c, "check", "ws0001")
	var stdout bytes.Buffer
	check.Stdout = &stdout
	stderr, err := check.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := check.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(stderr).ReadString('\n') // it has come to wait
	close(release)
	if want := "photopush: check ws0001: another process is visiting it, waiting for its turn\n"; err != nil || line != want {
		t.Errorf("%q, %v, want %q", line, err, want)
	}
	if code := wait(t, push); code != exitDone {
		t.Errorf("the pass ended with exit code %d", code)
	}
	if code := wait(t, check); code != exitDone || !strings.Contains(stdout.String(), "path            ok") {
		t.Errorf("the check ended with exit code %d\n%s", code, stdout.String())
	}
	if n := server.Stats().Connections; n != 3 {
		t.Errorf("%d connections, want one for each of two passes and a check", n)
	}
}

// TestCheckChangesNothing, on workstations of every kind, before and after a pass.
func TestCheckChangesNothing(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 20, Workstations: 10})
	for _, pushed := range []bool{false, true} {
		if pushed {
			must(t, c, "sync")
		}
		before, written := snapshots(c), writes(c)
		for _, w := range c.Workstations {
			well := w.Oddity == lab.Ordinary || w.Oddity == lab.OldPicture
			if r := here(t, c, "check", w.Host); (r.code == exitDone) != well || (r.code == exitPerson) == well || r.stderr != "" {
				t.Errorf("%s (%s): exit code %d\n%s%s", w.Host, w.Oddity, r.code, r.stdout, r.stderr)
			}
		}
		after := snapshots(c)
		for host, s := range before {
			if diff := s.Diff(after[host]); diff != nil {
				t.Errorf("%s has changed: %q", host, diff)
			}
		}
		if n := writes(c) - written; n != 0 {
			t.Errorf("%d writes", n)
		}
	}
}

func TestWrapped(t *testing.T) {
	for text, want := range map[string][]string{
		"":                     nil,
		"one":                  {"one"},
		"one two three":        {"one two", "three"},
		"exactly 10":           {"exactly 10"},
		"incomprehensible yes": {"incomprehensible", "yes"},
		"zehn Äöü 10":          {"zehn Äöü", "10"},
	} {
		if got := wrapped(text, 10); !slices.Equal(got, want) {
			t.Errorf("%q is wrapped as %q, want %q", text, strings.Join(got, "|"), strings.Join(want, "|"))
		}
	}
}
