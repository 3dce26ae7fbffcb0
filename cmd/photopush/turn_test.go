package main

import (
	"bufio"
	"bytes"
	"os"
	"strings"
	"testing"

	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
)

// TestPushWaitsForItsTurn lets one process hold a visit open until another has tried.
func TestPushWaitsForItsTurn(t *testing.T) {
	c := smallCompany(t, lab.Options{})
	w := c.Workstations[0]
	reached, release := make(chan struct{}), make(chan struct{})
	hold := simwin.Fault{Mode: simwin.Wait, Visit: 1, Request: 3, Times: 1, Reached: reached, Release: release}
	if err := w.Server.SetFault(hold); err != nil {
		t.Fatal(err)
	}
	serve := process(c, "serve")
	start(t, serve)
	<-reached

	push := process(c, "push", "u1001", "-w", "ws0001")
	var out bytes.Buffer
	push.Stdout = &out
	stderr, err := push.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := push.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewScanner(stderr)
	if !lines.Scan() || lines.Text() != "photopush: push u1001: ws0001.corp.example: another process is visiting it, waiting for its turn" {
		t.Errorf("push says %q, %v", lines.Text(), lines.Err())
	}
	close(release)
	for lines.Scan() {
		t.Errorf("push says more: %s", lines.Text())
	}
	if code := wait(t, push); code != 0 {
		t.Errorf("push: exit code %d", code)
	}
	if err := serve.Process.Signal(os.Interrupt); err != nil {
		t.Error(err)
	}
	if code := wait(t, serve); code != 0 {
		t.Errorf("serve: exit code %d after an interrupt", code)
	}
	must(t, c, "sync") // what the interrupt may have left
	if !strings.HasPrefix(out.String(), "u1001: ws0001.corp.example: ") {
		t.Errorf("push prints %q", out.String())
	}
	for _, w := range c.Workstations {
		if most := w.Server.Stats().MaxInFlight; most > 1 {
			t.Errorf("%s had %d visits at once", w.Host, most)
		}
	}
	if n := judge(t, c); n != 4 {
		t.Errorf("%d pairs are in step, want 4", n)
	}
}
