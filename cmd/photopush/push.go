package main

import "context"

type pushCommand struct {
	personCommand
}

// Help is what --help says besides the flags.
func (*pushCommand) Help() string {
	return `Reads the user's photo from the directory now, and brings the picture up to date on each workstation where the user has a profile,
before everything else that is due; on a workstation that is named, whether or not he has one. A line per workstation says what became of it; the
picture shows at the next sign-in. What photopush remove or restore has held back for the user is wanted again.

Exit codes: 0 in step everywhere; 3 no such user or workstation; 4 not in step everywhere; 5 a credential was rejected; 6 no domain
controller answers.`
}

func (c *pushCommand) Run(ctx context.Context, a *app) error { return c.run(ctx, a, "push", "") }
