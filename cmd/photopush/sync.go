package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/jobs"
)

type syncCommand struct {
	Verify        bool   `help:"Look at every workstation, also where all should be well; write only where it is not."`
	AllowRemovals bool   `help:"Take leavers' pictures away, even if they are more than policy.leavers_limit lets a pass take."`
	Format        string `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*syncCommand) Help() string {
	return `Reads the directory, decides who should have which picture where, and visits the workstations that differ and are due. Workstations that
are off wait, and are no failure. Several processes may run at the same time. Made for cron.

Exit codes: 0 the pass ran; 4 something needs a person; 5 a credential was rejected; 6 no domain controller answers.`
}

func (c *syncCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	tally, passErr := a.pass(ctx, p.jobs, jobs.PassRequest{Verify: c.Verify, AllowRemovals: c.AllowRemovals})
	if passErr != nil && c.Format == "text" && tally.Visited == 0 && len(tally.Offline) == 0 && len(tally.Unfinished) == 0 {
		return passErr // it says all: no visit was tried, and why
	}
	if err := c.print(a.Stdout, tally); err != nil {
		return errors.Join(passErr, err)
	}
	if passErr == nil && tally.NeedsPerson() {
		return withExit(exitPerson, nil)
	}
	return passErr
}

// pass runs a pass, with progress on a terminal.
func (a *app) pass(ctx context.Context, j *jobs.Jobs, r jobs.PassRequest) (*jobs.Tally, error) {
	tally := &jobs.Tally{}
	bar := newProgress(a.Stderr)
	defer bar.close()
	j.Observe = func(e jobs.Event) {
		if e.Kind == jobs.Visited {
			tally.Add(e.Workstation, e.Outcome)
		}
		bar.observe(e, tally)
	}
	return tally, j.Pass(ctx, r)
}

func (c *syncCommand) print(w io.Writer, t *jobs.Tally) error {
	if c.Format == "json" {
		return writeJSON(w, newSyncResult(t))
	}
	return printTally(w, t)
}

// A syncResult is the JSON of a pass.
type syncResult struct {
	Visited    int                      `json:"visited"`  // workstations that answered
	Pushed     int                      `json:"pushed"`   // pictures put on a workstation and read back
	Removed    int                      `json:"removed"`  // pictures of leavers, or that an administrator took away, read back as gone
	Replaced   int                      `json:"replaced"` // pictures that somebody else had replaced since the last look
	InStep     int                      `json:"in_step"`  // pictures on visited workstations that needed nothing
	Skipped    map[photopush.Reason]int `json:"skipped"`  // pairs of user and workstation left alone, by reason
	Failed     map[photopush.Reason]int `json:"failed"`   // by reason
	Offline    []string                 `json:"offline"`  // workstations that wait until they are on
	Unfinished []unfinished             `json:"failures"` // workstations, each with why
}

type unfinished struct {
	Workstation string           `json:"workstation"`
	Reason      photopush.Reason `json:"reason"`
	Detail      string           `json:"detail"`

	remedy string // for people
}

func newSyncResult(t *jobs.Tally) syncResult {
	r := syncResult{Visited: t.Visited, Pushed: t.Pushed, Removed: t.Removed, Replaced: t.Replaced, InStep: t.InStep, Skipped: notNil(t.Skipped), Failed: notNil(t.Failed), Offline: []string{}, Unfinished: []unfinished{}}
	for _, w := range t.Offline {
		r.Offline = append(r.Offline, w.Host)
	}
	slices.Sort(r.Offline)
	for _, f := range t.Unfinished {
		r.Unfinished = append(r.Unfinished, unfinished{f.Workstation.Host, f.Outcome.Reason, photopush.Detail(f.Outcome.Err), remedy(f.Outcome)})
	}
	slices.SortFunc(r.Unfinished, func(a, b unfinished) int { return strings.Compare(a.Workstation, b.Workstation) })
	return r
}

// remedy is what to do, for what the outcome's reason stands for: its error may be of another one of several users.
func remedy(o photopush.Outcome) string {
	if photopush.ReasonOf(o.Err) != o.Reason {
		return o.Reason.Sentence()
	}
	return photopush.Remedy(o.Err)
}

func notNil(m map[photopush.Reason]int) map[photopush.Reason]int {
	if m == nil {
		return map[photopush.Reason]int{}
	}
	return m
}

// printTally tells people what a pass did: what was done, what was left alone, what waits, and what needs them.
func printTally(w io.Writer, t *jobs.Tally) error {
	r := newSyncResult(t)
	var b strings.Builder
	fmt.Fprintf(&b, "%s visited: %s pushed, %d in step already.\n", count(r.Visited, "workstation"), count(r.Pushed, "picture"), r.InStep)
	if r.Removed > 0 {
		fmt.Fprintf(&b, "Taken away: %s.\n", count(r.Removed, "picture"))
	}
	if r.Replaced > 0 {
		fmt.Fprintf(&b, "Replaced by others since the last look: %s; `photopush stale --all` tells whose, and by what.\n", count(r.Replaced, "picture"))
	}
	if len(r.Skipped) > 0 {
		fmt.Fprintf(&b, "Left alone: %s.\n", byReason(r.Skipped))
	}
	if len(r.Offline) > 0 {
		fmt.Fprintf(&b, "Waiting until they are on: %s: %s.\n", count(len(r.Offline), "workstation"), someOf(r.Offline, 8))
	}
	if len(r.Failed) > 0 {
		fmt.Fprintf(&b, "Failed: %s.\n", byReason(r.Failed))
	}
	for i, f := range r.Unfinished {
		if i == 20 {
			fmt.Fprintf(&b, "  and %d more; `photopush stale` lists them all\n", len(r.Unfinished)-i)
			break
		}
		fmt.Fprintf(&b, "  %s: %s: %s\n    %s\n", f.Workstation, f.Reason, f.Detail, f.remedy)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// byReason prints counts, the reasons in alphabetical order: bad_photo 1, no_photo 2.
func byReason(m map[photopush.Reason]int) string {
	var parts []string
	for _, r := range slices.Sorted(maps.Keys(m)) {
		parts = append(parts, fmt.Sprintf("%s %d", r, m[r]))
	}
	return strings.Join(parts, ", ")
}

func someOf(names []string, most int) string {
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}
