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
)

type checkCommand struct {
	Workstation string `arg:"" help:"Host or short name."`
	Format      string `enum:"text,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*checkCommand) Help() string {
	return `Walks the way of a push, step by step, in one visit, and changes nothing there. At the first step that fails it says why and what
to do; the steps after it are not tried.

    name            the host's name resolves
    tcp             the port of WinRM takes a connection
    tls             the certificate is trusted, and the host's (transport https)
    authentication  the account is accepted
    shell           the account is an administrator, and remote shells are allowed
    language        PowerShell runs the script, in full language mode
    system          Windows, PowerShell and .NET are new enough
    policy          no policy hides pictures
    rights          the registry key of account pictures may be written
    path            only administrators can change the folders on the way

Exit codes: 0 all is well; 3 no such workstation; 4 something needs a person; 5 a credential was rejected; 130 interrupted.`
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
	host := cmp.Or(w.Host, w.Name)
	if c.Format == "json" {
		return writeJSON(a.Stdout, struct {
			Workstation string        `json:"workstation"`
			Steps       []doctor.Step `json:"steps"`
		}{host, steps})
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", host)
	for _, s := range steps {
		took := "" // a step that was not made takes no time
		if s.State == doctor.OK || s.State == doctor.Failed {
			took = fmt.Sprintf("%d ms", s.Millis)
		}
		line := fmt.Sprintf("%-14s  %-9s %9s  %s", s.Name, s.State, took, strings.TrimPrefix(string(s.Reason)+": "+s.Detail, ": "))
		fmt.Fprintln(&b, strings.TrimRight(line, " "))
		for _, line := range wrapped(s.Remedy, 100) {
			fmt.Fprintf(&b, "%16s%s\n", "", line)
		}
	}
	_, err := fmt.Fprint(a.Stdout, b.String())
	return err
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
