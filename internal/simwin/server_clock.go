package simwin

import (
	"slices"
	"sync"
	"time"
)

// A Clock tells the time and waits. The wall clock is the default; a ManualClock lets a test say when hours have passed.
type Clock interface {
	Now() time.Time
	// After sends once d has passed; stop gives up waiting.
	After(d time.Duration) (fired <-chan time.Time, stop func())
}

type wallClock struct{}

func (wallClock) Now() time.Time { return time.Now() }

func (wallClock) After(d time.Duration) (<-chan time.Time, func()) {
	t := time.NewTimer(d)
	return t.C, func() { t.Stop() }
}

// A ManualClock stands still until Advance.
type ManualClock struct {
	mu    sync.Mutex
	now   time.Time
	waits []*manualWait
}

type manualWait struct {
	at    time.Time
	fired chan time.Time
}

// NewManualClock shows the given time.
func NewManualClock(now time.Time) *ManualClock { return &ManualClock{now: now} }

// Now is the time the clock shows.
func (c *ManualClock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

// After fires during the Advance that reaches it.
func (c *ManualClock) After(d time.Duration) (<-chan time.Time, func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	w := &manualWait{c.now.Add(d), make(chan time.Time, 1)}
	if d <= 0 {
		w.fired <- c.now
		return w.fired, func() {}
	}
	c.waits = append(c.waits, w)
	return w.fired, func() { c.drop(w) }
}

// Advance moves the clock and fires what is due by then.
func (c *ManualClock) Advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.now = c.now.Add(d)
	c.waits = slices.DeleteFunc(c.waits, func(w *manualWait) bool {
		due := !w.at.After(c.now)
		if due {
			w.fired <- c.now
		}
		return due
	})
}

// Waiting is the number of waits that have not fired: a test waits for the one it wants to fire.
func (c *ManualClock) Waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return len(c.waits)
}

func (c *ManualClock) drop(w *manualWait) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = slices.DeleteFunc(c.waits, func(other *manualWait) bool { return other == w })
}
