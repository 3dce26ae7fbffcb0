package visit

import (
	"context"
	"errors"
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
	task    photopush.Visit
	session Session
	inv     *photopush.Inventory
	learnt  bool // the workstation has said something of inv in this visit
	again   bool // this is the second round: there is no third
	out     photopush.Outcome
	failed  map[photopush.SID]error // users who get nothing more in this round, and why
}

// run executes verbs in one process, and takes over what was read back, also of a run that stopped half-way. What it changed by
// then is not all known; the next visit begins by looking.
func (c *contact) run(ctx context.Context, verbs []accountpicture.Verb) error {
	err := c.execute(ctx, verbs)
	c.out.Unread = c.out.Unread || err != nil && changes(verbs)
	return err
}

func (c *contact) execute(ctx context.Context, verbs []accountpicture.Verb) error {
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		return &photopush.Error{Reason: photopush.Internal, Op: "encode verbs for", On: c.w.Host, Err: err}
	}
	out, err := c.session.Run(ctx, accountpicture.CommandLine, input)
	if err != nil {
		return err
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err != nil {
		return &photopush.Error{Reason: photopush.Script, Op: "run script on", On: c.w.Host,
			Err: fmt.Errorf("%w (exit code %d%s)", err, out.ExitCode, excerpt(out.Stderr))}
	}
	c.tellEntries(answers)
	inv, err := accountpicture.Apply(c.inv, verbs, answers, c.Now().UTC())
	if inv != nil {
		c.inv, c.learnt = inv, true
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

// readBack sets each pair's Have to what the inventory proves, and notes where somebody has replaced a picture of ours since.
func (c *contact) readBack() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		before := p.Have
		if p.Have = accountpicture.Have(c.inv, p.User); p.Have == photopush.HaveOverwritten && isDigest(before) {
			c.overwritten(p.User)
		}
	}
}

func (c *contact) overwritten(user photopush.SID) {
	if slices.ContainsFunc(c.out.Overwritten, func(o photopush.Overwrite) bool { return o.User == user }) {
		return
	}
	c.out.Overwritten = append(c.out.Overwritten, photopush.Overwrite{User: user, Values: accountpicture.Overwritten(c.inv, user), Changed: c.inv.Account(user).Changed})
}

// isDigest tells a digest from the other words that Have may be.
func isDigest(have string) bool {
	switch have {
	case photopush.HaveNothing, photopush.HaveOther, photopush.HaveOverwritten, photopush.HavePart, photopush.HaveUnknown:
		return false
	}
	return true
}

// wishes are those of the pairs that differ, with their picture sets. Its error is ctx's.
func (c *contact) wishes(ctx context.Context) ([]accountpicture.Wish, error) {
	var wishes []accountpicture.Wish
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		if p.InStep() {
			continue
		}
		if err := accountpicture.Readable(c.inv, p.User); err != nil {
			c.fail(p.User, err)
			continue
		}
		if p.Want == photopush.Absent {
			wishes = append(wishes, accountpicture.Wish{User: p.User, Restore: c.task.Order == photopush.Restore && p.User == c.task.For})
			continue
		}
		set, err := c.Pictures.Set(ctx, p.User, p.Want.Digest())
		switch {
		case ctx.Err() != nil:
			return nil, fmt.Errorf("get the picture of %s: %w", p.User, ctx.Err())
		case err != nil:
			c.noPicture(p, err)
			continue
		}
		p.Want = photopush.Want(set.Digest) // the photo may have changed since the pass
		wishes = append(wishes, accountpicture.Wish{User: p.User, Set: set})
	}
	return wishes, nil
}

// A PictureError is why a picture could not be had; the workstation has no part in it.
type PictureError struct{ Err error }

func (e *PictureError) Error() string { return e.Err.Error() }
func (e *PictureError) Unwrap() error { return e.Err }

// noPicture: a person who has no good photo any more is left alone, as the next pass would decide too. Everything else is a failure, which
// must not be taken for the workstation's own: a domain controller that does not answer does not make the workstation an offline one.
func (c *contact) noPicture(p *photopush.Pair, err error) {
	reason := photopush.ReasonOf(err)
	switch reason {
	case photopush.NoPhoto, photopush.BadPhoto, photopush.OutOfScope:
		p.Want, p.Reason, p.Detail = photopush.Leave, reason, photopush.Detail(err)
		return
	case photopush.Offline, photopush.NeverReachable, photopush.DNS, photopush.Timeout:
		reason = photopush.KDC
	}
	if _, ok := errors.AsType[*photopush.SecretError](err); ok { // of the directory's account
		reason = photopush.KDC
	}
	c.fail(p.User, &photopush.Error{Reason: reason, Op: "get the picture of", On: string(p.User), Err: &PictureError{err}})
}

// keepOriginals has the values of the users whom we write for the first time stored before that.
func (c *contact) keepOriginals(ctx context.Context, wishes []accountpicture.Wish) error {
	var first []photopush.Pair
	for _, w := range wishes {
		if w.Set == nil {
			continue
		}
		p := c.pair(w.User)
		if p.Original = accountpicture.Original(c.inv, p.User); p.Original != nil {
			first = append(first, *p)
		}
	}
	if len(first) == 0 {
		return nil
	}
	return c.Planner.KeepOriginals(ctx, first)
}

// push does what is wished. A user with whom it fails is left out and the others go on; it returns the first failure.
func (c *contact) push(ctx context.Context, wishes []accountpicture.Wish) error {
	for range len(wishes) + 1 { // each round ends the work, or takes one user out
		verbs, err := accountpicture.Plan(c.inv, c.without(wishes), c.Options)
		if err != nil {
			if c.failed[c.task.For] == nil && c.task.Order == photopush.Restore && cannotRestore(err) {
				c.fail(c.task.For, err) // the others have no part in it
				continue
			}
			return err
		}
		err = c.runAll(ctx, verbs)
		c.count()
		user, ofUser := accountpicture.FailedUser(err)
		switch {
		case err == nil:
			return c.verdict(wishes)
		case !ofUser || !c.isolated(err):
			return err
		}
		c.fail(user, err)
	}
	return c.verdict(wishes)
}

// cannotRestore tells whether a plan failed for what was to be restored.
func cannotRestore(err error) bool {
	reason := photopush.ReasonOf(err)
	return reason == photopush.Conflict || reason == photopush.Denied
}

// runAll executes a plan: a process for each script that it needs.
func (c *contact) runAll(ctx context.Context, verbs []accountpicture.Verb) error {
	for _, batch := range accountpicture.Batches(verbs) {
		if err := c.run(ctx, batch); err != nil {
			return err
		}
	}
	return nil
}

// count notes whose picture was put there, and of whom nothing of ours is there any more.
func (c *contact) count() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		before := p.Have
		if p.Have = accountpicture.Have(c.inv, p.User); p.Have == before || !p.InStep() {
			continue
		}
		switch {
		case p.Want == photopush.Absent && !slices.Contains(c.out.Removed, p.User):
			c.out.Removed = append(c.out.Removed, p.User)
		case p.Want.Digest() != "" && !slices.Contains(c.out.Pushed, p.User):
			c.out.Pushed = append(c.out.Pushed, p.User)
		}
	}
}

// isolated tells whether a failure concerns one user only, so that the others may go on. A conflict of one user does once looking again did
// not help: something there may fight for his picture for ever.
func (c *contact) isolated(err error) bool {
	switch photopush.ReasonOf(err) {
	case photopush.Denied, photopush.Script, photopush.UnsafePath:
		return true
	case photopush.Conflict:
		return c.again
	}
	return false
}

// verdict is the failure of a user; a wish that was done and yet does not show is one too.
func (c *contact) verdict(wishes []accountpicture.Wish) error {
	for _, w := range c.without(wishes) {
		if !c.pair(w.User).InStep() {
			c.fail(w.User, &photopush.Error{Reason: photopush.Conflict, Op: "read back picture of", On: string(w.User),
				Err: errors.New("the workstation did what was asked, and yet does not show it")})
		}
	}
	return c.failure()
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

// failure is that of the first pair that has one; a conflict goes before others, since looking again may help.
func (c *contact) failure() (first error) {
	for _, p := range c.out.Pairs {
		err := c.failed[p.User]
		if photopush.ReasonOf(err) == photopush.Conflict {
			return err
		}
		if first == nil {
			first = err
		}
	}
	return first
}

func (c *contact) pair(user photopush.SID) *photopush.Pair {
	i := slices.IndexFunc(c.out.Pairs, func(p photopush.Pair) bool { return p.User == user })
	return &c.out.Pairs[i]
}

// explain gives each pair that is not in step its reason: its own, or else that of the visit.
func (c *contact) explain() {
	for i := range c.out.Pairs {
		p := &c.out.Pairs[i]
		err := c.failed[p.User]
		if p.InStep() && err == nil {
			if p.Want.Digest() != "" {
				p.Reason, p.Detail = "", ""
			}
			continue
		}
		if err == nil {
			err = c.out.Err
		}
		if err != nil {
			p.Reason, p.Detail = reasonOf(err), photopush.Detail(err)
		}
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
