package jobs

import (
	"context"
	"errors"
	"slices"
	"sync"

	photopush "github.com/photopush/photopush"
)

// SourceNamed marks the evidence that an administrator named the workstation.
const SourceNamed = "named"

// ErrNoWorkstation: no inventory names the user, and no workstation was given.
var ErrNoWorkstation = errors.New("no inventory shows a profile of the user")

// ErrHeld: no workstation of the user is known, and his picture will not be pushed to one that he comes to.
var ErrHeld = errors.New("no workstation of the user is known; he gets no picture on any that he comes to")

// A PushRequest is a person whose picture is to be right now, or to go.
type PushRequest struct {
	User         string          // account name, UPN, DOMAIN\account or SID
	Workstations []string        // host or short names; none for all with a profile of the user
	Order        photopush.Order // empty: his picture is to be there
	DryRun       bool            // tell what would be done, and change nothing
}

// A PushResult is what became of it on one workstation.
type PushResult struct {
	Workstation photopush.Workstation
	Pair        photopush.Pair // as read back
	Pushed      bool           // false: it was right already, or Err says why not
	Removed     bool           // nothing of ours is there any more; false: nothing was, or Err says why not
	Steps       []string       // of a dry run: what would be done; none where nothing is to be done
	Err         error
}

// Push reads one user from the directory and visits his workstations at once, before everything else. tell is called for each
// workstation when it is done, one at a time. The user is returned as the directory has him, or where an order is for somebody who is not in
// scope any more, as he was last known.
func (j *Jobs) Push(ctx context.Context, r PushRequest, tell func(PushResult)) (photopush.UserRecord, error) {
	user, err := j.subject(ctx, r)
	if err != nil {
		return user, err
	}
	if _, err := j.Store.Rescue(ctx); err != nil {
		return user, err
	}
	targets, err := j.targets(ctx, user, r)
	if errors.Is(err, ErrNoWorkstation) && r.Order == photopush.Remove && !r.DryRun {
		if err := j.Store.Hold(ctx, user.SID, nil, true); err != nil {
			return user, err
		}
		return user, ErrHeld
	}
	if err != nil {
		return user, err
	}
	if !r.DryRun {
		if err := j.prepare(ctx, user, targets, r); err != nil {
			return user, err
		}
	}
	if err := j.usable(targets); err != nil {
		return user, err
	}
	j.pushAll(ctx, user, targets, r, tell)
	return user, ctx.Err()
}

// prepare stores what the request decides, so that no pass decides otherwise meanwhile.
func (j *Jobs) prepare(ctx context.Context, user photopush.UserRecord, targets []photopush.Workstation, r PushRequest) error {
	if err := j.hold(ctx, user, targets, r); err != nil {
		return err
	}
	for _, w := range targets {
		if err := j.planOne(ctx, w, user.SID); err != nil {
			return err
		}
	}
	return nil
}

// readUser finds the user, and stores what his photo gives now.
func (j *Jobs) readUser(ctx context.Context, name string) (photopush.UserRecord, error) {
	u, photos, err := j.find(ctx, name)
	if err != nil {
		return photopush.UserRecord{}, err
	}
	if err := j.listFiles(ctx); err != nil {
		j.Log.Warn("photos in files are not looked at", "err", err)
	}
	known, err := j.Store.Users(ctx, []photopush.SID{u.SID})
	if err != nil {
		return photopush.UserRecord{}, err
	}
	record := j.record(ctx, u, photos, known[u.SID])
	return record, j.Store.PutUsers(ctx, 0, []photopush.UserRecord{record})
}

// User finds the user in the domain that knows him, with his photos as they are now.
func (j *Jobs) User(ctx context.Context, name string) (photopush.User, []photopush.Photo, error) {
	u, photos, err := j.find(ctx, name)
	if err != nil {
		return u, nil, err
	}
	known, err := j.Store.Users(ctx, []photopush.SID{u.SID})
	if err != nil {
		return u, nil, err
	}
	record := known[u.SID]
	record.User = u
	photos, err = j.WithFiles(ctx, record, photos)
	return u, photos, err
}

// usable reports secrets that could not be used on the targets, each once.
func (j *Jobs) usable(targets []photopush.Workstation) error {
	var errs []error
	for _, d := range j.Domains {
		if slices.ContainsFunc(targets, func(w photopush.Workstation) bool { return w.Domain == d.Name }) {
			_, err := d.RemoteLogon.credential()
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// planOne decides for one pair, as a pass would.
func (j *Jobs) planOne(ctx context.Context, w photopush.Workstation, user photopush.SID) error {
	rows, err := j.Store.PlanOf(ctx, w.ID)
	if err != nil {
		return err
	}
	now, err := j.Store.Now(ctx)
	if err != nil {
		return err
	}
	for _, row := range rows {
		if row.SID != user {
			continue
		}
		if pair, changed := j.decideAlone(row, now).Pair(row); changed {
			return j.Store.SetWants(ctx, []photopush.Pair{pair})
		}
	}
	return nil
}

// pushAll visits the targets side by side.
func (j *Jobs) pushAll(ctx context.Context, user photopush.UserRecord, targets []photopush.Workstation, request PushRequest, tell func(PushResult)) {
	var one sync.Mutex
	j.each(ctx, targets, func(w photopush.Workstation) {
		r := j.pushOne(ctx, user, w, request, &one)
		one.Lock()
		defer one.Unlock()
		tell(r)
	})
}

// pushOne waits for its turn at the workstation, visits it and stores the outcome. Where there is nothing to push it visits nobody.
func (j *Jobs) pushOne(ctx context.Context, user photopush.UserRecord, w photopush.Workstation, request PushRequest, one *sync.Mutex) PushResult {
	r := PushResult{Workstation: w}
	if r.Err = pointless(user, w, request); r.Err != nil {
		return r
	}
	claim, err := j.turn(ctx, w, one)
	if err != nil {
		r.Err = err
		return r
	}
	claim.Verify = true // somebody asks because he saw something: look before saying that all is well
	result := j.visit(ctx, claim, photopush.Visit{Workstation: w, For: user.SID, Order: request.Order, DryRun: request.DryRun})
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	r.take(user.SID, request, result.Outcome)
	if request.Order == photopush.Restore && r.Removed {
		err = j.Store.Hold(storing, user.SID, []photopush.GUID{w.ID}, true) // or the next pass would push again
	}
	if request.Order == photopush.Restore && r.Err != nil {
		result.Outcome.Pairs = slices.DeleteFunc(result.Outcome.Pairs, func(p photopush.Pair) bool { return p.User == user.SID }) // wanted is what was before
	}
	switch {
	case request.DryRun:
		err = errors.Join(err, j.Store.PutBack(storing, claim))
	case unvisited(ctx, result.Outcome):
		err = errors.Join(err, j.Store.Release(storing, claim))
	default:
		one.Lock()
		err = errors.Join(err, j.store(storing, []photopush.Result{result}))
		one.Unlock()
	}
	r.Err = errors.Join(r.Err, err)
	return r
}

// pointless says why no visit could help, whatever it found there.
func pointless(user photopush.UserRecord, w photopush.Workstation, r PushRequest) error {
	switch {
	case !w.Enabled:
		return disabled(w)
	case r.Order != "":
		return nil
	case !user.Held.IsZero() && len(r.Workstations) > 0:
		return leave(w, photopush.OutOfScope, "the user's picture was taken away everywhere; photopush push without --workstation gives it back")
	case !user.Enabled:
		return leave(w, photopush.OutOfScope, "the user's account is disabled")
	case user.Digest == "":
		return leave(w, user.PhotoReason, user.PhotoDetail)
	}
	return nil
}

func disabled(w photopush.Workstation) error {
	return &photopush.Error{Reason: photopush.OutOfScope, Op: "visit", On: w.Host, Err: errors.New("the computer account is disabled")}
}

func leave(w photopush.Workstation, reason photopush.Reason, detail string) error {
	return &photopush.Error{Reason: reason, Op: "leave picture on", On: w.Host, Err: errors.New(detail)}
}

// take is what the outcome says of one user: his own reason, not that of others on the workstation.
func (r *PushResult) take(user photopush.SID, request PushRequest, o photopush.Outcome) {
	i := slices.IndexFunc(o.Pairs, func(p photopush.Pair) bool { return p.User == user })
	if i < 0 {
		if r.Err = o.Err; r.Err == nil {
			r.Err = &photopush.Error{Reason: photopush.OutOfScope, Op: "push to", On: r.Workstation.Host, Err: errors.New("the user is not known there any more")}
		}
		return
	}
	r.Pair, r.Steps = o.Pairs[i], o.Steps
	switch {
	case o.Steps != nil:
	case r.Pair.Want == photopush.Leave, r.Pair.Want == photopush.Absent && request.Order == "":
		r.Err = leave(r.Workstation, r.Pair.Reason, r.Pair.Detail)
	case r.Pair.InStep():
		r.Pushed, r.Removed = slices.Contains(o.Pushed, user), slices.Contains(o.Removed, user)
	default:
		r.Err = &photopush.Error{Reason: r.Pair.Reason, Err: errors.New(r.Pair.Detail)}
	}
}

// turn claims the workstation, and waits while another process visits it.
func (j *Jobs) turn(ctx context.Context, w photopush.Workstation, one *sync.Mutex) (photopush.Claim, error) {
	for told := false; ; {
		claim, _, ok, err := j.Store.ClaimOne(ctx, w.ID, j.Config.lease())
		if err != nil || ok {
			return claim, err
		}
		if !told {
			told = true
			one.Lock()
			j.observe(Event{Kind: Waiting, Workstation: w})
			one.Unlock()
		}
		if err := pause(ctx, poll); err != nil {
			return claim, err
		}
		if _, err := j.Store.Rescue(ctx); err != nil {
			return claim, err
		}
	}
}
