package main

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
)

// killCommit names the commit after which the process ends as by kill -9.
const killCommit = "PHOTOPUSH_TEST_KILL_COMMIT"

func killAtCommit() {
	at, err := strconv.Atoi(os.Getenv(killCommit))
	if err != nil {
		return
	}
	afterCommit = func(n int) {
		if n == at {
			killSelf()
		}
	}
}

func killSelf() {
	self, err := os.FindProcess(os.Getpid())
	if err == nil {
		err = self.Kill()
	}
	if err != nil {
		panic(err)
	}
	select {} // until the signal arrives
}

// oldPicture is what a user had chosen himself.
var oldPicture = badge.JPEG(77, 96, 96, 85)

// smallCompany has three people on two workstations, one of them with an old picture.
func smallCompany(t *testing.T, o lab.Options) *lab.Company {
	o.Users, o.Workstations, o.Plain, o.Now = 3, 2, true, time.Date(2026, 11, 20, 8, 0, 0, 0, time.UTC)
	c := newCompany(t, o)
	w := c.Workstations[0]
	sid := string(w.Users[0].SID)
	path := `C:\Users\Public\AccountPictures\` + sid + `\{0E2F5B9C-0000-4A7B-8000-000000000001}-Image96.jpg`
	w.Machine.WriteFile(path, oldPicture)
	for _, name := range []string{"Image96", "Image448"} { // fewer and smaller than Windows makes: hundreds of companies are made
		w.Machine.SetValue(`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\`+sid, name, simwin.StringValue(path))
	}
	return c
}

// endState is everything that a sync leaves, times aside, a line each: registries, files, and what is stored.
func endState(t *testing.T, c *lab.Company) []string {
	t.Helper()
	var lines []string
	for host, s := range snapshots(c) {
		for what, is := range s {
			lines = append(lines, host+" "+what+" = "+is)
		}
	}
	for _, s := range statuses(t, openStore(t, c)) {
		lines = append(lines, timeless(reflect.ValueOf(s)))
	}
	slices.Sort(lines)
	return lines
}

// timeless prints a value with every time as set or not.
func timeless(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil():
		return "nil"
	case v.Kind() == reflect.Pointer:
		return timeless(v.Elem())
	case v.Type() == reflect.TypeFor[time.Time]():
		return map[bool]string{true: "never", false: "then"}[v.Interface().(time.Time).IsZero()]
	case v.Kind() == reflect.Struct:
		var parts []string
		for i := range v.NumField() {
			parts = append(parts, v.Type().Field(i).Name+":"+timeless(v.Field(i)))
		}
		return "{" + strings.Join(parts, " ") + "}"
	}
	return fmt.Sprint(v.Interface())
}

// undisturbed is the end state of a sync that nothing disturbs, and how many requests it made.
func undisturbed(t *testing.T) (state []string, requests int) {
	t.Helper()
	var n atomic.Int64
	c := smallCompany(t, lab.Options{OnRequest: func(*lab.Workstation, int, string) { n.Add(1) }})
	must(t, c, "sync")
	judge(t, c)
	return endState(t, c), int(n.Load())
}

// rerun lets a sync that ended anyhow be followed by another, and compares the end with that of an undisturbed one.
func rerun(t *testing.T, c *lab.Company, want []string) {
	t.Helper()
	intact(t, c)
	must(t, c, "sync")
	judge(t, c)
	if diff := cmp.Diff(want, endState(t, c)); diff != "" {
		t.Errorf("another end than undisturbed:\n%s", diff)
	}
}

func TestKilledAtAnyRequest(t *testing.T) {
	want, requests := undisturbed(t)
	t.Run("kill", func(t *testing.T) { // returns when its parallel tests are done
		for at := 1; at <= requests; at++ {
			t.Run(fmt.Sprintf("before request %d", at), func(t *testing.T) {
				t.Parallel()
				killAt(t, at, want, func(o *lab.Options, hook func(*lab.Workstation, int, string)) { o.OnRequest = hook })
			})
			t.Run(fmt.Sprintf("after request %d", at), func(t *testing.T) {
				t.Parallel()
				killAt(t, at, want, func(o *lab.Options, hook func(*lab.Workstation, int, string)) { o.OnAnswer = hook })
			})
		}
	})
	summary.Line(t, "sync killed before and after each of %d requests: the same end state as undisturbed", requests)
}

// killAt kills a sync at its n-th request, counted by the workstations, and runs it again.
func killAt(t *testing.T, at int, want []string, set func(*lab.Options, func(*lab.Workstation, int, string))) {
	var n atomic.Int64
	reached := make(chan struct{})
	var o lab.Options
	set(&o, func(*lab.Workstation, int, string) {
		if n.Add(1) == int64(at) {
			close(reached)
		}
	})
	c := smallCompany(t, o)
	cmd := process(c, "sync")
	start(t, cmd)
	ended := make(chan int, 1)
	go func() { ended <- wait(t, cmd) }()
	select {
	case <-reached:
		if err := cmd.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Error(err)
		}
		<-ended
	case code := <-ended:
		t.Errorf("the process ended with %d before its request %d", code, at)
	}
	rerun(t, c, want)
}

func TestKilledAfterAnyCommit(t *testing.T) {
	want, _ := undisturbed(t)
	for at := 1; ; at++ {
		c := smallCompany(t, lab.Options{})
		cmd := process(c, "sync")
		cmd.Env = append(cmd.Env, killCommit+"="+strconv.Itoa(at))
		start(t, cmd)
		code := wait(t, cmd)
		rerun(t, c, want)
		if t.Failed() {
			t.Fatalf("after commit %d", at)
		}
		if code == 0 {
			summary.Line(t, "sync killed after each of %d commits: the same end state as undisturbed", at-1)
			return
		}
	}
}

func start(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var output bytes.Buffer
	cmd.Stdout, cmd.Stderr = &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("the process printed:\n%s", output.String())
		}
	})
}
