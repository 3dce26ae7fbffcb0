package main

import (
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/server"
)

type serveCommand struct{}

// Help is what --help says besides the flags.
func (*serveCommand) Help() string {
	return `Runs a pass at once and at each time of jobs.schedule, visits in between what becomes due, and answers /healthz on loopback. Interrupt or SIGTERM
ends it: visits under way are ended and stored first.`
}

func (*serveCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	return a.serve(ctx, p)
}

// serve runs the service and its listener until ctx ends.
func (a *app) serve(ctx context.Context, p *parts) error {
	service, err := jobs.NewService(p.jobs)
	if err != nil {
		return withExit(exitUsage, err)
	}
	listener, err := server.Listen(ctx, p.config.Server, a.Log, func(context.Context) server.Health { return health(service.Progress()) })
	if err != nil {
		return withExit(exitUsage, err)
	}
	fmt.Fprintf(a.Stderr, "photopush: serving; health at http://%s/healthz\n", listener.Addr())
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return service.Run(ctx) })
	g.Go(func() error { return listener.Run(ctx) })
	return g.Wait()
}

// health judges a service's progress.
func health(p jobs.Progress) server.Health {
	h := server.Health{OK: p.Err == nil, Running: p.Running, LastPass: p.LastPass, NextPass: p.NextPass}
	if p.Err != nil {
		h.Detail = "the last pass was not complete; see the log"
	}
	return h
}
