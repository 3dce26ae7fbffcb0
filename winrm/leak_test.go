package winrm

import (
	"context"
	"os"
	"runtime"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

// TestLeaks makes hundreds of visits that end in every way; goroutines and descriptors come back to where they were.
func TestLeaks(t *testing.T) {
	e := &engine{}
	host, c := simulated(t, e, nil)
	refusing, wrong := simulated(t, e, func(o *simwin.Options, _ *Config) { o.Users = map[string]string{"svc": "other"} })
	ways := map[string]func(i int){
		"right": func(int) {
			if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed != nil {
				t.Errorf("got %v, %v", err, closed)
			}
		},
		"refused": func(int) {
			if _, err := wrong.Open(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.Auth {
				t.Errorf("got %v, want auth", err)
			}
		},
		"lost": func(i int) {
			setFault(t, host, simwin.Fault{Mode: simwin.LoseAfter, Request: i%6 + 1})
			visitWith(t.Context(), c, []byte("x"))
			setFault(t, host)
		},
		"cancelled": func(i int) {
			setFault(t, host, simwin.Fault{Mode: simwin.Slow, Delay: 50 * time.Millisecond, Request: i%4 + 1})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			visitWith(ctx, c, []byte("x"))
			setFault(t, host)
		},
	}
	for _, way := range ways { // once each, so that what is made once is there
		way(0)
	}
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	for name, way := range ways {
		for i := range 60 {
			host.Reset()
			way(i)
		}
		settle(t, name, func() bool { return runtime.NumGoroutine() <= goroutines && openFiles(t) <= files })
	}
	if n := host.Stats().InFlight + refusing.Stats().InFlight; n != 0 {
		t.Errorf("%d visits are open at the far end", n)
	}
}

func setFault(t *testing.T, s *simwin.Server, faults ...simwin.Fault) {
	if err := s.SetFault(faults...); err != nil {
		t.Error(err)
	}
}

// settle waits until done, for the far end closes its side a little later.
func settle(t *testing.T, what string, done func() bool) {
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for deadline := time.Now().Add(10 * time.Second); time.Now().Before(deadline); <-tick.C {
		if done() {
			return
		}
	}
	buf := make([]byte, 1<<20)
	t.Errorf("%s: %d goroutines and %d descriptors stay:\n%s", what, runtime.NumGoroutine(), openFiles(t), buf[:runtime.Stack(buf, true)])
}

func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if os.IsNotExist(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	return len(entries)
}
