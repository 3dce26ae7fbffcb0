package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/jobs"
)

type pushCommand struct {
	User        string   `arg:"" help:"Account name, user principal name, DOMAIN\\account or SID."`
	Workstation []string `short:"w" placeholder:"NAME" help:"Push to this workstation, whether or not the user has a profile there; may be given several times."`
	Format      string   `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*pushCommand) Help() string {
	return `Reads the user's photo from the directory now, and brings the picture up to date on each workstation where the user has a profile,
before everything else that is due. A line per workstation says what became of it; the picture shows at the next sign-in.

Exit codes: 0 in step everywhere; 3 no such user or workstation; 4 not in step everywhere; 5 a credential was rejected; 6 no domain
controller answers.`
}

// A pushResult is the JSON of one workstation.
type pushResult struct {
	Workstation string           `json:"workstation"`
	User        string           `json:"user"`
	State       string           `json:"state"` // pushed, in step, or failed
	Reason      photopush.Reason `json:"reason,omitempty"`
	Detail      string           `json:"detail,omitempty"`
}

func (c *pushCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	p.jobs.Observe = func(e jobs.Event) {
		if e.Kind == jobs.Waiting {
			fmt.Fprintf(a.Stderr, "photopush: push %s: %s: another process is visiting it, waiting for its turn\n", c.User, e.Workstation.Host)
		}
	}
	results := []pushResult{}
	var failed []error
	_, err = p.jobs.Push(ctx, jobs.PushRequest{User: c.User, Workstations: c.Workstation}, func(r jobs.PushResult) {
		results = append(results, c.result(r))
		if r.Err != nil {
			failed = append(failed, r.Err)
		}
		if c.Format == "text" {
			c.tell(a, r)
		}
	})
	if err != nil {
		return c.explain(err)
	}
	if c.Format == "json" {
		if err := writeJSON(a.Stdout, results); err != nil {
			return err
		}
	}
	if len(failed) == 0 {
		return nil
	}
	return withExit(c.code(failed), nil)
}

// tell prints the workstation's line: what was done on standard output, what was not on standard error.
func (c *pushCommand) tell(a *app, r jobs.PushResult) {
	if r.Err != nil {
		fmt.Fprintf(a.Stderr, "photopush: push %s: %s: %s: %v\n", c.User, r.Workstation.Host, photopush.ReasonOf(r.Err), photopush.Detail(r.Err))
		return
	}
	state := "in step already"
	if r.Pushed {
		state = "applied, shows at next sign-in"
	}
	fmt.Fprintf(a.Stdout, "%s: %s: %s\n", c.User, r.Workstation.Host, state)
}

func (c *pushCommand) result(r jobs.PushResult) pushResult {
	out := pushResult{Workstation: r.Workstation.Host, User: c.User, State: "in step"}
	switch {
	case r.Err != nil:
		out.State, out.Reason, out.Detail = "failed", photopush.ReasonOf(r.Err), photopush.Detail(r.Err)
	case r.Pushed:
		out.State = "pushed"
	}
	return out
}

// code is that of a rejected or unusable credential, when that was why, else that of a picture that is not in step.
func (c *pushCommand) code(failed []error) int {
	err := errors.Join(failed...)
	switch {
	case anyReason(err, photopush.Auth):
		return exitCredential
	case slices.ContainsFunc(failed, unusableSecret):
		return exitUsage
	}
	return exitPerson
}

func (c *pushCommand) explain(err error) error {
	err = fmt.Errorf("push %s: %w", c.User, err)
	if errors.Is(err, jobs.ErrNoWorkstation) {
		return withExit(exitPerson, fmt.Errorf("%w: name one with --workstation, or run `photopush sync` first", err))
	}
	return err
}
