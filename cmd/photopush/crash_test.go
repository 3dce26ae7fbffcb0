package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/photopush/photopush/internal/lab"
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
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				err = self.Kill()
			}
			if err != nil {
				panic(err)
			}
			select {} // until the signal arrives
		}
	}
}

// smallCompany has three people on two workstations, one of them with an old picture.
func smallCompany(t *testing.T, o lab.Options) *lab.Company {
	o.Users, o.Workstations, o.Plain = 3, 2, true
	c := newCompany(t, o)
	w := c.Workstations[0]
	w.Machine.AddWindowsPicture(w.Users[0].SID, 77)
	return c
}

// endState is everything that a sync leaves, times aside: registries, files, and what is stored.
func endState(t *testing.T, c *lab.Company) string {
	t.Helper()
	var b strings.Builder
	for _, w := range c.Workstations {
		fmt.Fprintf(&b, "%s %v\n", w.Host, w.Machine.Snapshot()) // fmt prints maps in the order of their keys
	}
	for _, s := range statuses(t, openStore(t, c)) {
		fmt.Fprintln(&b, timeless(reflect.ValueOf(s)))
	}
	return b.String()
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
func undisturbed(t *testing.T) (state string, requests int) {
	t.Helper()
	var n atomic.Int64
	c := smallCompany(t, lab.Options{OnRequest: func(*lab.Workstation, int, string) { n.Add(1) }})
	must(t, c, "sync")
	judge(t, c)
	return endState(t, c), int(n.Load())
}

// rerun lets a sync that ended anyhow be followed by another, and compares the end with that of an undisturbed one.
func rerun(t *testing.T, c *lab.Company, want string) {
	t.Helper()
	intact(t, c)
	must(t, c, "sync")
	judge(t, c)
	if got := endState(t, c); got != want {
		t.Errorf("another end than undisturbed:\n got %s\nwant %s", got, want)
	}
}

func TestKilledAtAnyRequest(t *testing.T) {
	want, requests := undisturbed(t)
	for _, moment := range []string{"before", "after"} {
		for at := 1; at <= requests; at++ {
			t.Run(fmt.Sprintf("%s request %d", moment, at), func(t *testing.T) {
				t.Parallel()
				var n atomic.Int64
				kill := make(chan struct{})
				hook := func(*lab.Workstation, int, string) {
					if n.Add(1) == int64(at) {
						close(kill)
					}
				}
				o := lab.Options{OnRequest: hook}
				if moment == "after" {
					o = lab.Options{OnAnswer: hook}
				}
				c := smallCompany(t, o)
				cmd := process(c, "sync")
				start(t, cmd)
				killed := make(chan error, 1)
				ended := make(chan struct{})
				go func() {
					select {
					case <-kill:
						killed <- cmd.Process.Kill()
					case <-ended:
						killed <- nil
					}
				}()
				code := wait(t, cmd)
				close(ended)
				if err := <-killed; err != nil && code == -1 {
					t.Fatal(err)
				}
				rerun(t, c, want)
			})
		}
	}
	summary(t, "sync killed before and after each of %d requests: same end state as undisturbed", requests)
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
			summary(t, "sync killed after each of %d commits: same end state as undisturbed", at-1)
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
