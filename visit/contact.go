package visit

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

// A contact is one visit under way.
type contact struct {
	*Visitor
	w       photopush.Workstation
	session Session
	inv     *photopush.Inventory
	out     photopush.Outcome
	failed  map[photopush.SID]error // users who get nothing more in this visit, and why
}

// run executes verbs in one process, and takes over what was read back, also of a run that stopped half-way.
func (c *contact) run(ctx context.Context, verbs []accountpicture.Verb) error {
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		return &photopush.Error{Reason: photopush.Internal, Op: "encode verbs for", On: c.w.Host, Err: err}
	}
	out, err := c.session.Run(ctx, accountpicture.CommandLine, input)
	if err != nil {
		c.out.Unread = c.out.Unread || changes(verbs) && lost(err)
		return err
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err != nil {
		c.out.Unread = c.out.Unread || changes(verbs)
		return &photopush.Error{Reason: photopush.Script, Op: "run script on", On: c.w.Host,
			Err: fmt.Errorf("%w (exit code %d%s)", err, out.ExitCode, excerpt(out.Stderr))}
	}
	inv, err := accountpicture.Apply(c.inv, verbs, answers, c.Now().UTC())
	if inv != nil {
		c.inv = inv
	}
	return err
}

// look takes the inventory.
func (c *contact) look(ctx context.Context) error {
	if err := c.run(ctx, []accountpicture.Verb{accountpicture.TakeInventory{}}); err != nil {
		return err
	}
	c.out.Unread = false // whatever happened before is read now
	return nil
}

// readBack sets each pair's Have to what the inventory proves.
func (c *contact) readBack() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		p.Have = accountpicture.Have(c.inv, p.User)
	}
}

// wishes fetches the picture sets of the pairs that differ.
func (c *contact) wishes(ctx context.Context) []accountpicture.Wish {
	var wishes []accountpicture.Wish
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		if p.Want.Digest() == "" || p.InStep() {
			continue
		}
		if err := accountpicture.Readable(c.inv, p.User); err != nil {
			c.fail(p.User, err)
			continue
		}
		set, err := c.Pictures.Set(ctx, p.User, p.Want.Digest())
		if err != nil {
			c.fail(p.User, err)
			continue
		}
		p.Want = photopush.Want(set.Digest) // the photo may have changed since the pass
		wishes = append(wishes, accountpicture.Wish{User: p.User, Set: set})
	}
	return wishes
}

// keepOriginals has the values of the users whom we write for the first time stored before that.
func (c *contact) keepOriginals(ctx context.Context, wishes []accountpicture.Wish) error {
	var first []photopush.Pair
	for _, w := range wishes {
		p := c.pair(w.User)
		if p.Original == nil && p.Have == "" {
			p.Original = append([]photopush.Value{}, c.inv.Account(p.User).Values...)
			first = append(first, *p)
		}
	}
	if len(first) == 0 {
		return nil
	}
	return c.Planner.KeepOriginals(ctx, first)
}

// push puts the pictures there. A user with whom it fails is left out and the others go on; it returns the first failure.
func (c *contact) push(ctx context.Context, wishes []accountpicture.Wish) error {
	for range len(wishes) + 1 { // each round ends the work, or takes one user out
		verbs, err := accountpicture.Plan(c.inv, c.without(wishes))
		if err != nil {
			return err
		}
		if len(verbs) == 0 {
			return c.firstFailure()
		}
		err = c.run(ctx, verbs)
		c.countPushed()
		user, ofUser := accountpicture.FailedUser(err)
		switch {
		case err == nil:
			return c.firstFailure()
		case !ofUser || !isolated(err):
			return err
		}
		c.fail(user, err)
	}
	return c.firstFailure()
}

func (c *contact) countPushed() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		have := accountpicture.Have(c.inv, p.User)
		if have != p.Have && have != "" && have == p.Want.Digest() {
			c.out.Pushed = append(c.out.Pushed, p.User)
		}
		p.Have = have
	}
}

// isolated tells whether a failure concerns one user only, so that the others may go on.
func isolated(err error) bool {
	switch photopush.ReasonOf(err) {
	case photopush.Denied, photopush.Script, photopush.UnsafePath:
		return true
	}
	return false
}

// fail leaves a user out of the rest of the visit.
func (c *contact) fail(user photopush.SID, err error) {
	if c.failed == nil {
		c.failed = map[photopush.SID]error{}
	}
	c.failed[user] = err
}

func (c *contact) without(wishes []accountpicture.Wish) []accountpicture.Wish {
	return slices.DeleteFunc(slices.Clone(wishes), func(w accountpicture.Wish) bool { return c.failed[w.User] != nil })
}

// firstFailure is the failure of the first pair that has one.
func (c *contact) firstFailure() error {
	for _, p := range c.out.Pairs {
		if err := c.failed[p.User]; err != nil {
			return err
		}
	}
	return nil
}

func (c *contact) pair(user photopush.SID) *photopush.Pair {
	i := slices.IndexFunc(c.out.Pairs, func(p photopush.Pair) bool { return p.User == user })
	return &c.out.Pairs[i]
}

// explain gives each pair that is not in step its reason: its own, or else that of the visit.
func (c *contact) explain() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		if p.InStep() {
			if p.Want.Digest() != "" {
				p.Reason, p.Detail = "", ""
			}
			continue
		}
		err := c.failed[p.User]
		if err == nil {
			err = c.out.Err
		}
		if err == nil {
			p.Reason, p.Detail = photopush.Conflict, "the workstation did what was asked, and yet does not show it"
			continue
		}
		p.Reason, p.Detail = photopush.ReasonOf(err), photopush.Detail(err)
	}
}

func changes(verbs []accountpicture.Verb) bool {
	return slices.ContainsFunc(verbs, func(v accountpicture.Verb) bool { return v.Changes() })
}

// excerpt is the beginning of what a process printed on standard error, made printable.
func excerpt(stderr []byte) string {
	const most = 200
	s := strings.Join(strings.FieldsFunc(string(stderr[:min(len(stderr), most)]), func(r rune) bool { return r < ' ' || r == utf8.RuneError || r == 0x7f }), " ")
	if s == "" {
		return ""
	}
	return ", " + strconv.Quote(s)
}
