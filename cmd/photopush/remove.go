package main

import (
	"context"

	photopush "github.com/photopush/photopush"
)

type removeCommand struct {
	personCommand
}

// Help is what --help says besides the flags.
func (*removeCommand) Help() string {
	return `Takes the user's picture away wherever photopush has put it: what was there before comes back where it is kept and its files still exist, else
Windows shows its default picture; our files are deleted. A picture that the user has chosen himself since stays. It is not pushed again, on the workstations that
are named or else on any, until photopush push asks for it. Somebody who has left the directory is found by the name that he had.

Workstations that are off are told as such; the next sync takes the picture away there.

Exit codes: 0 nothing of ours is left; 3 no such user or workstation; 4 not everywhere; 5 a credential was rejected; 6 no domain controller
answers.`
}

func (c *removeCommand) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a, "remove", photopush.Remove)
}

type restoreCommand struct {
	personCommand
}

// Help is what --help says besides the flags.
func (*restoreCommand) Help() string {
	return `Puts back the picture that the user had before photopush came, also where somebody has replaced ours since. Where nothing of it is left nothing is
changed, and the line says so: photopush remove takes the picture away in any case. A restored picture is not replaced again on that workstation, until photopush
push asks for it.

Exit codes: 0 restored everywhere; 3 no such user or workstation; 4 not everywhere; 5 a credential was rejected; 6 no domain controller
answers.`
}

func (c *restoreCommand) Run(ctx context.Context, a *app) error {
	return c.run(ctx, a, "restore", photopush.Restore)
}
