package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/doctor"
	"github.com/photopush/photopush/jobs"
)

type checkCommand struct {
	Workstation string `arg:"" help:"Host or short name."`
	Format      string `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*checkCommand) Help() string {
	return `Walks the way of a push, step by step, in one visit, and changes nothing there. At the first step that fails it says why and what
to do; the steps after it are not tried. While another process visits the workstation, it waits for its turn.

    name            the host's name resolves
    tcp             the port of WinRM takes a connection
    tls             the certificate is trusted, and the host's (transport https)
    authentication  the account is accepted
    shell           a remote shell opens; by default Windows lets administrators only
    language        PowerShell runs the script, in full language mode
    system          Windows, PowerShell and .NET are new enough
    policy          no policy hides pictures
    rights          keys may be made in the registry key of account pictures
    path            only administrators can change the folders down to that of pictures, as far as they are there

Exit codes: 0 all is well; 1 an error of photopush itself; 2 command line or configuration, or a password file that cannot be read;
3 no such workstation; 4 a step failed, also because the workstation is off; 5 a credential was rejected; 6 no KDC answers, or no domain
controller where the name must be looked up; 130 interrupted, after the steps so far.`
}

// Validate refuses names that nobody can have.
func (c *checkCommand) Validate() error {
	if strings.TrimSpace(c.Workstation) == "" {
		return errors.New("want the host or short name of a workstation")
	}
	return nil
}

func (c *checkCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	p.jobs.Observe = func(e jobs.Event) {
		if e.Kind == jobs.Waiting {
			fmt.Fprintf(a.Stderr, "photopush: check %s: another process is visiting it, waiting for its turn\n", c.Workstation)
		}
	}
	w, err := p.jobs.Workstation(ctx, c.Workstation)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.Workstation, err)
	}
	checker, err := c.checker(p, w)
	if err != nil {
		return fmt.Errorf("check %s: %w", c.Workstation, err)
	}
	release, err := p.jobs.Occupy(ctx, w)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release()) }()
	within, cancel := context.WithTimeout(ctx, p.config.Jobs.VisitDeadline)
	defer cancel()
	return c.check(within, a, checker, w)
}

// checker looks at the workstation as its domain is configured, under the guard of its credential.
func (c *checkCommand) checker(p *parts, w photopush.Workstation) (*doctor.Checker, error) {
	for i, d := range p.jobs.Domains {
		if d.Name != w.Domain {
			continue
		}
		remote, err := p.jobs.Guarded(d.Name, d.Remote)
		if err != nil {
			return nil, err
		}
		return &doctor.Checker{
			LookupHost: p.config.Domains[i].Resolver().LookupHost,
			Open:       func(ctx context.Context, w photopush.Workstation) (doctor.Session, error) { return remote.Open(ctx, w) },
			Now:        time.Now,
			Access:     p.config.Registry,
		}, nil
	}
	return nil, fmt.Errorf("domain %s is not configured", w.Domain)
}

// check prints each step as it ends; as JSON, all of them at the end.
func (c *checkCommand) check(ctx context.Context, a *app, checker *doctor.Checker, w photopush.Workstation) error {
	host := cmp.Or(w.Host, w.Name)
	told := func(doctor.Step) {}
	if c.Format == "text" {
		fmt.Fprintln(a.Stdout, host)
		told = func(s doctor.Step) { fmt.Fprint(a.Stdout, stepLines(s)) }
	}
	steps, failed := checker.Check(ctx, w, told)
	if errors.Is(ctx.Err(), context.Canceled) {
		return ctx.Err()
	}
	if c.Format == "json" {
		err := writeJSON(a.Stdout, struct {
			Workstation string        `json:"workstation"`
			Steps       []doctor.Step `json:"steps"`
		}{host, steps})
		if err != nil {
			return err
		}
	}
	if failed == nil {
		return nil
	}
	if code := exitCode(ctx, failed); code != exitInternal {
		return withExit(code, nil)
	}
	return withExit(exitPerson, nil)
}

// stepLines are the lines of one step; they stand below each other also when they are printed one by one.
func stepLines(s doctor.Step) string {
	took := "" // a step that was not made takes no time
	if s.State == doctor.OK || s.State == doctor.Failed {
		took = fmt.Sprintf("%d ms", s.Millis)
	}
	line := fmt.Sprintf("%-14s  %-9s %9s  %s", s.Name, s.State, took, strings.TrimPrefix(string(s.Reason)+": "+s.Detail, ": "))
	text := strings.TrimRight(line, " ") + "\n"
	for _, line := range wrapped(s.Remedy, 100) {
		text += fmt.Sprintf("%16s%s\n", "", line)
	}
	return text
}

// wrapped parts text into lines of at most width characters, where its words allow that.
func wrapped(text string, width int) (lines []string) {
	line := ""
	for _, word := range strings.Fields(text) {
		if line != "" && utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > width {
			lines = append(lines, line)
			line = ""
		}
		line = strings.TrimPrefix(line+" "+word, " ")
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}
