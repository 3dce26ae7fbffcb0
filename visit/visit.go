// Package visit is one contact with one workstation, from inventory to read-back: connect, look where nothing is known, plan,
// put the pictures there, and tell what was read back. When and how often, and what is stored of it, it leaves to others.
package visit

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/photo"
)

// A Remote opens sessions with workstations; in the server it is a winrm.Client.
type Remote interface {
	// Open connects and signs in. Errors are of type *photopush.Error.
	Open(ctx context.Context, w photopush.Workstation) (Session, error)
}

// A Session is one connection with one shell.
type Session interface {
	// Run starts a command and feeds it input. Errors are of type *photopush.Error; with reason Unknown, or when ctx ended, the
	// command may have run.
	Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error)
	// Close ends the shell and the connection; it has a deadline of its own.
	Close(ctx context.Context) error
}

// Pictures supplies picture sets; in the server it is a pictures.Cache.
type Pictures interface {
	// Set returns the user's picture set with that digest, or a newer one when the photo has changed since.
	Set(ctx context.Context, user photopush.SID, digest string) (*photo.Set, error)
}

// A Planner says, while the visit is under way, which pairs the workstation has and what each should have.
type Planner interface {
	// Pairs lists the pairs that inv gives. Nothing else on the workstation is touched.
	Pairs(ctx context.Context, w photopush.Workstation, inv *photopush.Inventory) ([]photopush.Pair, error)
	// KeepOriginals stores what the users had before our first write, before that write.
	KeepOriginals(ctx context.Context, pairs []photopush.Pair) error
}

// A Visitor makes visits. Its fields are set once; it may be used by many goroutines.
type Visitor struct {
	Remote   Remote
	Pictures Pictures
	Planner  Planner
	Options  accountpicture.Options
	Name     func(photopush.SID) string // how a user is called where a dry run names him; nil for the SID
	Log      *slog.Logger
	Now      func() time.Time
}

// lockWait is how long a visit waits for an earlier run of the script that still holds the workstation's lock.
const lockWait = 3 * time.Second

// Visit contacts the workstation once. It returns when ctx ends; the outcome then says what was read back by then.
func (v *Visitor) Visit(ctx context.Context, task photopush.Visit) photopush.Outcome {
	c := &contact{Visitor: v, w: task.Workstation, task: task, inv: task.Inventory}
	c.out.Workstation, c.out.Started = task.Workstation.ID, v.Now().UTC()
	if err := c.do(ctx, c.visit); err != nil {
		c.out.Reason, c.out.Err = reasonOf(err), err
	}
	c.out.Finished = v.Now().UTC()
	if c.learnt && c.inv != nil {
		c.out.Inventory, c.out.Findings, c.out.Elsewhere = c.inv, accountpicture.Findings(c.inv), accountpicture.Elsewhere(c.inv)
	}
	c.explain()
	return c.out
}

// reasonOf is the reason of a failure; one that comes of the caller's end says nothing of the workstation.
func reasonOf(err error) photopush.Reason {
	if errors.Is(err, context.Canceled) {
		return photopush.Unknown
	}
	return photopush.ReasonOf(err)
}

// do connects, does what is to be done there, and closes.
func (c *contact) do(ctx context.Context, work func(context.Context) error) error {
	if c.w.Host == "" {
		return &photopush.Error{Reason: photopush.DNS, Op: "connect to", On: c.w.Name, Err: errors.New("the computer object has no dNSHostName")}
	}
	session, err := c.Remote.Open(ctx, c.w)
	if err != nil {
		c.out.Contacted = answered(err)
		return err
	}
	c.session, c.out.Contacted = session, true
	defer func() {
		if err := session.Close(context.WithoutCancel(ctx)); err != nil {
			c.Log.Debug("close session", "workstation", c.w.Host, "err", err) // an open shell ends by its idle time
		}
	}()
	return work(ctx)
}

// answered tells whether the machine said anything at all.
func answered(err error) bool {
	if _, stopped := errors.AsType[*photopush.CredentialStop](err); stopped {
		return false // nothing was sent
	}
	switch photopush.ReasonOf(err) {
	case photopush.Offline, photopush.NeverReachable, photopush.DNS, photopush.KDC, photopush.Internal, photopush.Timeout:
		return false
	}
	return true
}

// visit looks, plans and pushes; when something changed the picture in between it looks and plans again, once.
func (c *contact) visit(ctx context.Context) error {
	for {
		err := c.round(ctx)
		if photopush.ReasonOf(err) != photopush.Conflict {
			return err
		}
		c.out.Unread = true // what was believed is not what is there
		if c.again {
			return err
		}
		c.again = true
		c.Log.Debug("look again", "workstation", c.w.Host, "err", err)
		if accountpicture.Locked(err) {
			if err := wait(ctx, lockWait); err != nil {
				return err
			}
		}
		c.inv, c.failed = nil, nil
	}
}

func (c *contact) round(ctx context.Context) error {
	if c.inv == nil {
		if err := c.look(ctx); err != nil {
			return err
		}
	}
	pairs, err := c.Planner.Pairs(ctx, c.w, c.inv)
	if err != nil {
		return err
	}
	c.out.Pairs = c.chosen(pairs)
	c.readBack()
	wishes, err := c.wishes(ctx)
	if err != nil {
		return err
	}
	if len(wishes) == 0 && !accountpicture.Interrupted(c.inv) {
		return c.failure()
	}
	if err := preflight(c.inv, wishes); err != nil {
		return err
	}
	if c.task.DryRun {
		return c.tell(wishes)
	}
	if err := c.keepOriginals(ctx, wishes); err != nil {
		return err
	}
	return c.push(ctx, wishes)
}

// preflight says why nothing can be done there. A policy that hides pictures is no reason to leave ours there.
func preflight(inv *photopush.Inventory, wishes []accountpicture.Wish) error {
	if slices.ContainsFunc(wishes, func(w accountpicture.Wish) bool { return w.Set != nil }) {
		return accountpicture.Preflight(inv)
	}
	return accountpicture.PreflightSystem(inv)
}

func wait(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
