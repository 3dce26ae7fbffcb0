package jobs

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/want"
)

// SourceNamed marks the evidence that an administrator named the workstation.
const SourceNamed = "named"

// ErrNoWorkstation: no inventory names the user, and no workstation was given.
var ErrNoWorkstation = errors.New("no inventory shows a profile of the user")

// A PushRequest is a person whose picture is to be right now.
type PushRequest struct {
	User         string   // account name, UPN, DOMAIN\account or SID
	Workstations []string // host or short names; none for all with a profile of the user
}

// A PushResult is what became of it on one workstation.
type PushResult struct {
	Workstation photopush.Workstation
	Pair        photopush.Pair // as read back
	Pushed      bool           // false: it was right already, or Err says why not
	Err         error
}

// Push reads one user from the directory and visits his workstations at once, before everything else. tell is called for each
// workstation when it is done, one at a time. The user is returned as the directory has him.
func (j *Jobs) Push(ctx context.Context, r PushRequest, tell func(PushResult)) (photopush.UserRecord, error) {
	user, err := j.readUser(ctx, r.User)
	if err != nil {
		return user, err
	}
	if _, err := j.Store.Rescue(ctx); err != nil {
		return user, err
	}
	targets, err := j.targets(ctx, user, r.Workstations)
	if err != nil {
		return user, err
	}
	for _, w := range targets {
		if err := j.planOne(ctx, w, user.SID); err != nil {
			return user, err
		}
	}
	j.pushAll(ctx, user.SID, targets, tell)
	return user, ctx.Err()
}

// readUser finds the user in the first domain that knows him, and stores what his photo gives now.
func (j *Jobs) readUser(ctx context.Context, name string) (photopush.UserRecord, error) {
	var errs []error
	for _, d := range j.Domains {
		var record photopush.UserRecord
		err := j.asReader(ctx, d, func() error {
			u, photos, err := d.Directory.User(ctx, name)
			if err != nil {
				return err
			}
			record = j.record(u, photos, photopush.UserRecord{})
			return j.Store.PutUsers(ctx, 0, []photopush.UserRecord{record})
		})
		if err == nil {
			return record, nil
		}
		errs = append(errs, err)
	}
	return photopush.UserRecord{}, worst(errs)
}

// worst is the error that says most: that nobody has the name counts only when every domain says so.
func worst(errs []error) error {
	var other []error
	for _, err := range errs {
		if !errors.Is(err, photopush.ErrUnknownUser) {
			other = append(other, err)
		}
	}
	if len(other) > 0 {
		return errors.Join(other...)
	}
	return errs[0]
}

// targets are the workstations to visit: the named ones, or those with a profile of the user.
func (j *Jobs) targets(ctx context.Context, user photopush.UserRecord, names []string) ([]photopush.Workstation, error) {
	if len(names) == 0 {
		records, err := j.Store.WorkstationsOf(ctx, user.SID)
		if err == nil && len(records) == 0 {
			err = ErrNoWorkstation
		}
		return workstations(records), err
	}
	var targets []photopush.Workstation
	var sessions []photopush.Session
	now := j.Now().UTC()
	for _, name := range names {
		w, err := j.findWorkstation(ctx, name)
		if err != nil {
			return nil, err
		}
		targets = append(targets, w)
		sessions = append(sessions, photopush.Session{Workstation: w.ID, User: user.SID, Source: SourceNamed, FirstSeen: now, LastSeen: now})
	}
	return targets, j.Store.PutSessions(ctx, sessions)
}

// findWorkstation looks the name up in the store, and then reads the directory's workstations anew: it may have been added since.
func (j *Jobs) findWorkstation(ctx context.Context, name string) (photopush.Workstation, error) {
	records, err := j.Store.FindWorkstations(ctx, name)
	if errors.Is(err, photopush.ErrUnknownWorkstation) {
		if err := j.readWorkstationsAnew(ctx); err != nil {
			return photopush.Workstation{}, err
		}
		records, err = j.Store.FindWorkstations(ctx, name)
	}
	switch {
	case err != nil:
		return photopush.Workstation{}, err
	case len(records) > 1:
		var hosts []string
		for _, r := range records {
			hosts = append(hosts, r.Host)
		}
		return photopush.Workstation{}, fmt.Errorf("%w by just that name: %s may be %s", photopush.ErrUnknownWorkstation, name, strings.Join(hosts, " or "))
	}
	return records[0].Workstation, nil
}

func (j *Jobs) readWorkstationsAnew(ctx context.Context) error {
	for _, d := range j.Domains {
		err := j.asReader(ctx, d, func() error {
			pass, err := j.Store.BeginPass(ctx, d.Name)
			if err != nil {
				return err
			}
			return j.readWorkstations(ctx, d, pass)
		})
		if err != nil {
			return err
		}
	}
	return nil
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
		if pair, changed := want.Decide(row, j.Policy, now).Pair(row); changed {
			return j.Store.SetWants(ctx, []photopush.Pair{pair})
		}
	}
	return nil
}

// pushAll visits the targets side by side.
func (j *Jobs) pushAll(ctx context.Context, user photopush.SID, targets []photopush.Workstation, tell func(PushResult)) {
	var group sync.WaitGroup
	var one sync.Mutex
	lanes := make(chan struct{}, j.Config.Visits)
	for _, w := range targets {
		lanes <- struct{}{}
		group.Go(func() {
			defer func() { <-lanes }()
			r := j.pushOne(ctx, user, w, &one)
			one.Lock()
			defer one.Unlock()
			tell(r)
		})
	}
	group.Wait()
}

// pushOne waits for its turn at the workstation, visits it and stores the outcome.
func (j *Jobs) pushOne(ctx context.Context, user photopush.SID, w photopush.Workstation, one *sync.Mutex) PushResult {
	r := PushResult{Workstation: w}
	claim, err := j.turn(ctx, w, one)
	if err != nil {
		r.Err = err
		return r
	}
	claim.Verify = true // somebody asks because he saw something: look before saying that all is well
	result := j.visit(ctx, claim)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if unvisited(result.Outcome) {
		err = j.Store.Release(storing, claim)
	} else {
		one.Lock()
		err = j.store(storing, []photopush.Result{result})
		one.Unlock()
	}
	r.take(user, result.Outcome)
	r.Err = errors.Join(r.Err, err)
	return r
}

func (r *PushResult) take(user photopush.SID, o photopush.Outcome) {
	r.Err = o.Err
	for _, p := range o.Pairs {
		if p.User != user {
			continue
		}
		r.Pair = p
		switch {
		case p.Want == photopush.Leave:
			r.Err = &photopush.Error{Reason: p.Reason, Op: "leave picture on", On: r.Workstation.Host, Err: errors.New(p.Detail)}
		case p.InStep():
			r.Err = nil // whatever befell other users of the workstation
			r.Pushed = slices.Contains(o.Pushed, user)
		}
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

func workstations(records []photopush.WorkstationRecord) []photopush.Workstation {
	ws := make([]photopush.Workstation, len(records))
	for i, r := range records {
		ws[i] = r.Workstation
	}
	return ws
}
