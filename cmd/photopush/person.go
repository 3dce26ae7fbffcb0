package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/jobs"
)

// A personCommand does something with one user's picture, now: it is what push, remove and restore have in common.
type personCommand struct {
	User        string   `arg:"" help:"Account name, user principal name, DOMAIN\\account or SID."`
	Workstation []string `short:"w" placeholder:"NAME" help:"Only on this workstation; may be given several times."`
	DryRun      bool     `help:"Look at the workstations, tell what would be done there, and change nothing."`
	Format      string   `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// A personResult is the JSON of one workstation.
type personResult struct {
	Workstation string           `json:"workstation"`
	User        string           `json:"user"`
	State       string           `json:"state"` // a word of personStates, or failed; of a dry run "would change" or "nothing to do"
	Steps       []string         `json:"steps,omitempty"`
	Reason      photopush.Reason `json:"reason,omitempty"`
	Detail      string           `json:"detail,omitempty"`
}

// personStates are what is said where something was done, and where nothing was to be done: in JSON and in text.
var personStates = map[photopush.Order]struct{ done, nothing, doneText, nothingText string }{
	"":                {"pushed", "in step", "applied, shows at next sign-in", "in step already"},
	photopush.Remove:  {"removed", "nothing there", "removed, shows at next sign-in", "has no picture of ours"},
	photopush.Restore: {"restored", "nothing there", "what was there before is back, shows at next sign-in", "has no picture of ours"},
}

func (c *personCommand) run(ctx context.Context, a *app, name string, order photopush.Order) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	p.jobs.Observe = func(e jobs.Event) {
		if e.Kind == jobs.Waiting {
			fmt.Fprintf(a.Stderr, "photopush: %s %s: %s: another process is visiting it, waiting for its turn\n", name, c.User, e.Workstation.Host)
		}
	}
	results := []personResult{}
	var failed []error
	request := jobs.PushRequest{User: c.User, Workstations: c.Workstation, Order: order, DryRun: c.DryRun}
	_, err = p.jobs.Push(ctx, request, func(r jobs.PushResult) {
		results = append(results, c.result(r, order))
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
		if c.Format == "text" {
			c.tell(a, name, r, order)
		}
	})
	held := errors.Is(err, jobs.ErrHeld)
	if held {
		err = nil
	}
	if c.Format == "json" && (err == nil || len(results) > 0) { // what was done before an interruption was done
		err = errors.Join(err, writeJSON(a.Stdout, results))
	} else if held {
		fmt.Fprintf(a.Stdout, "%s: %v\n", c.User, jobs.ErrHeld)
	}
	if err != nil {
		return c.explain(name, err)
	}
	if len(failed) == 0 {
		return nil
	}
	return withExit(personCode(failed), nil)
}

// tell prints the workstation's line: what was done on standard output, what was not on standard error.
func (c *personCommand) tell(a *app, name string, r jobs.PushResult, order photopush.Order) {
	if r.Err != nil {
		fmt.Fprintf(a.Stderr, "photopush: %s %s: %s: %s: %v\n", name, c.User, r.Workstation.Host, photopush.ReasonOf(r.Err), photopush.Detail(r.Err))
		return
	}
	words := personStates[order]
	text := words.nothingText
	switch {
	case c.DryRun && len(r.Steps) > 0:
		text = "would do this:"
	case c.DryRun:
		text += ", nothing to do"
	case r.Pushed || r.Removed:
		text = words.doneText
	}
	fmt.Fprintf(a.Stdout, "%s: %s: %s\n", c.User, r.Workstation.Host, text)
	for _, step := range r.Steps {
		fmt.Fprintf(a.Stdout, "    %s\n", step)
	}
}

func (c *personCommand) result(r jobs.PushResult, order photopush.Order) personResult {
	words := personStates[order]
	out := personResult{Workstation: r.Workstation.Host, User: c.User, State: words.nothing, Steps: r.Steps}
	switch {
	case r.Err != nil:
		out.State, out.Reason, out.Detail = "failed", photopush.ReasonOf(r.Err), photopush.Detail(r.Err)
	case len(r.Steps) > 0:
		out.State = "would change"
	case c.DryRun:
		out.State = "nothing to do"
	case r.Pushed || r.Removed:
		out.State = words.done
	}
	return out
}

// personCode is that of a rejected or unusable credential, when that was why, else that of a picture that is not as it was asked for.
func personCode(failed []error) int {
	err := errors.Join(failed...)
	switch {
	case photopush.HasReason(err, photopush.Auth):
		return exitCredential
	case slices.ContainsFunc(failed, unusableSecret):
		return exitUsage
	}
	return exitPerson
}

func (c *personCommand) explain(name string, err error) error {
	err = fmt.Errorf("%s %s: %w", name, c.User, err)
	if errors.Is(err, jobs.ErrNoWorkstation) {
		return withExit(exitPerson, fmt.Errorf("%w: name one with --workstation, or run `photopush sync` first", err))
	}
	return err
}
