package main

import (
	"context"
	"errors"
	"fmt"
	"iter"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/report"
)

type photosCommand struct {
	Missing bool   `help:"Only people without a photo."`
	Low     bool   `help:"Only people whose photo has fewer than ${low} px a side."`
	Broken  bool   `help:"Only people of whose photos one cannot be used, or none."`
	Cached  bool   `help:"Tell what the last read knew, and ask no domain controller."`
	Format  string `enum:"text,csv,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*photosCommand) Help() string {
	return fmt.Sprintf(`Lists everybody in scope with the photo that a push would use: from jpegPhoto, thumbnailPhoto or a file of pictures.originals, with its size in
pixels of the upright photo. The state is good; low, for a photo of fewer than %d px a side, which looks blurred at sign-in; broken, when
none of somebody's photos can be decoded; missing; or unread, when it could not be looked at. --missing, --low and --broken add up.
Disabled accounts are left out. At the end stand the counts, of everybody and of each organizational unit.

The directory is read as a pass reads it, only what has changed where that is possible, and what was read is kept for the next pass. No
workstation is contacted.

Exit codes: 0 listed, whatever the photos are; 1 a part could not be read, which is told, and the rest listed; 2 command line or
configuration; 5 a credential was rejected; 6 no domain controller answers.`, photopush.LowResolution)
}

func (c *photosCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	var incomplete error
	if !c.Cached {
		var read int
		if read, incomplete = a.readDirectory(ctx, p.jobs); read == 0 || ctx.Err() != nil {
			return errors.Join(incomplete, ctx.Err())
		}
	}
	return errors.Join(incomplete, c.print(ctx, a, p))
}

// readDirectory reads all domains, with progress on a terminal.
func (a *app) readDirectory(ctx context.Context, j *jobs.Jobs) (read int, err error) {
	bar := newProgress(a.Stderr)
	defer bar.close()
	j.Observe = func(e jobs.Event) { bar.observe(e, &jobs.Tally{}) }
	return j.ReadDirectory(ctx)
}

func (c *photosCommand) print(ctx context.Context, a *app, p *parts) error {
	photos := report.Photos{People: p.people(ctx), Only: c.only()}
	switch c.Format {
	case "csv":
		return photos.CSV(a.Stdout)
	case "json":
		return photos.JSON(a.Stdout)
	}
	return photos.Text(a.Stdout)
}

// only are the states that were asked for; none for all.
func (c *photosCommand) only() (states []report.PhotoState) {
	for state, asked := range map[report.PhotoState]bool{report.PhotoMissing: c.Missing, report.PhotoLow: c.Low, report.PhotoBroken: c.Broken} {
		if asked {
			states = append(states, state)
		}
	}
	return states
}

// people yields everybody in scope of the configured domains, as they were read last.
func (p *parts) people(ctx context.Context) iter.Seq2[photopush.UserRecord, error] {
	return func(yield func(photopush.UserRecord, error) bool) {
		for _, d := range p.jobs.Domains {
			for u, err := range p.store.UsersOf(ctx, d.Name) {
				if !yield(u, err) || err != nil {
					return
				}
			}
		}
	}
}
