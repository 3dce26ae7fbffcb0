package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"golang.org/x/term"

	"github.com/photopush/photopush/jobs"
)

// A progress is one line on a terminal that is written again and again; elsewhere it is silent.
type progress struct {
	w                   io.Writer // nil: no terminal
	width               int
	shown               time.Time
	users, workstations int
	due, visited        int
}

func newProgress(w io.Writer) *progress {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return &progress{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width < 40 {
		width = 80
	}
	return &progress{w: w, width: width}
}

func (p *progress) observe(e jobs.Event, t *jobs.Tally) {
	switch e.Kind {
	case jobs.ReadWorkstations:
		p.workstations += e.N
	case jobs.ReadUsers:
		p.users += e.N
	case jobs.Planned:
		p.due = e.N
	case jobs.Visited:
		p.visited++
	}
	if p.w == nil || p.visited < p.due && time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	p.show(t)
}

func (p *progress) show(t *jobs.Tally) {
	text := fmt.Sprintf("directory: %d workstations, %d users", p.workstations, p.users)
	if p.due > 0 {
		text = fmt.Sprintf("%s %d/%d visited, %d pushed, %d off", bar(p.visited, p.due), p.visited, max(p.due, p.visited), t.Pushed, len(t.Offline))
	}
	fmt.Fprintf(p.w, "\r\x1b[K%.*s", p.width-1, text)
}

// meter shows how far a phase is.
func (p *progress) meter(phase string, done, of int) {
	if p.w == nil || done < of && time.Since(p.shown) < 100*time.Millisecond {
		return
	}
	p.shown = time.Now()
	text := fmt.Sprintf("%s: %d", phase, done)
	if of > 0 {
		text = fmt.Sprintf("%s %s: %d/%d", bar(done, of), phase, done, of)
	}
	fmt.Fprintf(p.w, "\r\x1b[K%.*s", p.width-1, text)
}

// close takes the line away.
func (p *progress) close() {
	if p.w != nil {
		fmt.Fprint(p.w, "\r\x1b[K")
	}
}

func bar(done, of int) string {
	const cells = 20
	full := min(cells, cells*done/max(of, 1))
	return "[" + strings.Repeat("#", full) + strings.Repeat(".", cells-full) + "]"
}
