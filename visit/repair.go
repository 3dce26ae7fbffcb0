package visit

import (
	"context"
	"errors"
	"fmt"
	"slices"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// A Repair is what became of the permissions of a workstation's keys.
type Repair struct {
	Workstation photopush.GUID
	Contacted   bool
	Inventory   *photopush.Inventory // what is there now; nil when nothing was learnt
	Unread      bool                 // something may have been changed that was not read back
	Found       []photopush.Finding
	Elsewhere   []photopush.Elsewhere
	Left        []photopush.Finding // what is still open after it; in a dry run all that was found
	Steps       []string            // of a dry run: what would be done
	Err         error
}

// rounds is how often a repair plans anew: what keys inherit from the one above changes with it, so that they come in the next round.
const rounds = 3

// Repair lets those who could write the keys of account pictures, by an old recipe, read them from now on. keep is given what the permissions are,
// before anything is changed.
func (v *Visitor) Repair(ctx context.Context, task photopush.Visit, keep func(context.Context, []photopush.Finding) error) Repair {
	c := &contact{Visitor: v, w: task.Workstation, task: task}
	r := Repair{Workstation: task.Workstation.ID}
	r.Err = c.do(ctx, func(ctx context.Context) error { return c.repair(ctx, &r, keep) })
	r.Contacted, r.Unread = c.out.Contacted, c.out.Unread
	if c.learnt {
		r.Inventory = c.inv
	}
	return r
}

func (c *contact) repair(ctx context.Context, r *Repair, keep func(context.Context, []photopush.Finding) error) error {
	var refused []error
	skip := map[photopush.SID]bool{} // whose keys refuse: the others are closed all the same
	for round := 1; ; round++ {
		if err := c.look(ctx); err != nil {
			return errors.Join(append(refused, err)...)
		}
		r.Left, r.Elsewhere = accountpicture.Findings(c.inv), accountpicture.Elsewhere(c.inv)
		if round == 1 {
			r.Found = r.Left
		}
		verbs := slices.DeleteFunc(accountpicture.PlanRepair(c.inv), func(v accountpicture.Verb) bool { return skip[v.User()] })
		switch {
		case len(verbs) == 0 || round > rounds+len(skip):
			return errors.Join(append(refused, c.left(r))...)
		case c.task.DryRun:
			r.Steps = accountpicture.Describe(verbs, c.inv, c.name)
			return nil
		}
		if err := keep(ctx, r.Left); err != nil {
			return err
		}
		err := c.runAll(ctx, verbs)
		user, ofUser := accountpicture.FailedUser(err)
		switch {
		case err == nil:
		case ofUser && !skip[user]:
			skip[user] = true
			refused = append(refused, err)
		default:
			return errors.Join(append(refused, err)...)
		}
	}
}

// left is an error when something is still open.
func (c *contact) left(r *Repair) error {
	if len(r.Left) == 0 {
		return nil
	}
	return &photopush.Error{Reason: photopush.Denied, Op: "close the keys of", On: c.w.Host,
		Err: &photopush.Cause{What: fmt.Sprintf("%d permissions are still open, the first: %s", len(r.Left), accountpicture.InWords(r.Left[0])),
			Do: "take away the group policy that sets them first; what is left then must be mended by hand"}}
}
