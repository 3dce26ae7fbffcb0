package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/doctor"
)

type checkCommand struct {
	Workstation string `arg:"" help:"Host or short name."`
	Format      string `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*checkCommand) Help() string {
	return `Contacts the workstation once, step by step, and changes nothing there. At the first step that fails it says why and what to do.

Exit codes: 0 all is well; 3 no such workstation; 4 something needs a person; 5 a credential was rejected.`
}

func (c *checkCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	w, err := p.jobs.Workstation(ctx, c.Workstation)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.Workstation, err)
	}
	checker := &doctor.Checker{Now: time.Now}
	for i, d := range p.jobs.Domains {
		if d.Name != w.Domain {
			continue
		}
		remote, err := p.jobs.Guarded(d.Name, d.Remote)
		if err != nil {
			return err
		}
		checker.LookupHost = p.config.Domains[i].Resolver().LookupHost
		checker.Open = func(ctx context.Context, w photopush.Workstation) (doctor.Session, error) { return remote.Open(ctx, w) }
	}
	if checker.Open == nil {
		return fmt.Errorf("check %s: domain %s is not configured", w.Host, w.Domain)
	}
	within, cancel := context.WithTimeout(ctx, p.config.Jobs.VisitDeadline)
	defer cancel()
	steps, failed := checker.Check(within, w)
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if err := c.print(a, w, steps); err != nil {
		return err
	}
	switch {
	case failed == nil:
		return nil
	case photopush.ReasonOf(failed) == photopush.Auth:
		return withExit(exitCredential, nil)
	}
	return withExit(exitPerson, nil)
}

func (c *checkCommand) print(a *app, w photopush.Workstation, steps []doctor.Step) error {
	if c.Format == "json" {
		return writeJSON(a.Stdout, map[string]any{"workstation": w.Host, "steps": steps})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", w.Host)
	for _, s := range steps {
		fmt.Fprintf(&b, "%-10s %-9s %6d ms  %s\n", s.Name, s.State, s.Millis, strings.TrimPrefix(string(s.Reason)+": "+s.Detail, ": "))
		if s.Remedy != "" {
			fmt.Fprintf(&b, "%-10s %s\n", "", s.Remedy)
		}
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
}
