package main

import (
	"context"
	"errors"
	"os"
	"time"

	"golang.org/x/term"

	"github.com/photopush/photopush/report"
	"github.com/photopush/photopush/store"
)

type staleCommand struct {
	All    bool   `help:"Also what is in step."`
	Format string `enum:"text,csv,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*staleCommand) Help() string {
	return `Lists every workstation and user whose picture is not as it should be, since when and why, from what the last visits read back. Asks no
workstation and no domain controller.`
}

func (c *staleCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	m, err := material(ctx, p.store)
	if err != nil {
		return err
	}
	r, err := report.Make(m, report.Options{All: c.All, Now: time.Now()})
	if err != nil {
		return err
	}
	switch c.Format {
	case "csv":
		return r.CSV(a.Stdout)
	case "json":
		return r.JSON(a.Stdout)
	}
	return r.Text(a.Stdout, width(a))
}

// material is what a report is made of.
func material(ctx context.Context, s *store.Store) (m report.Material, err error) {
	m.Statuses = s.Statuses(ctx)
	if m.Findings, err = s.Findings(ctx); err != nil {
		return m, err
	}
	m.Elsewhere, err = s.Elsewhere(ctx)
	return m, err
}

// width is that of the terminal the result goes to; 0 for none.
func width(a *app) int {
	f, ok := a.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	w, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return w
}
