package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// storeTime is how long storing a result may take after the work itself was interrupted.
const storeTime = 10 * time.Second

// siteTime is how long it may take to tell the site of a workstation after its visit.
const siteTime = 10 * time.Second

// poll is how often is asked whether another process has given something back.
const poll = 250 * time.Millisecond

// lanes visits what is due, Config.Visits at a time, until nothing is due any more. One goroutine claims and stores; each visit has its own.
type lanes struct {
	*Jobs
	results chan photopush.Result
	flying  int
	stopped map[string]error // domains whose credential must not be used any more
}

// visitDue visits what is due now. It returns when that is done, or when ctx ends and every visit under way has; the error then
// is ctx's. A rejected credential ends the visits of its domain and is the error.
func (j *Jobs) visitDue(ctx context.Context) error {
	l := &lanes{Jobs: j, results: make(chan photopush.Result), stopped: map[string]error{}}
	for _, d := range j.Domains {
		if err := l.ready(ctx, d); err != nil {
			l.stopped[d.Name] = fmt.Errorf("domain %s: %w", d.Name, err)
		}
	}
	err := l.work(ctx)
	for _, d := range j.Domains {
		err = errors.Join(err, l.stopped[d.Name])
	}
	return err
}

// ready tells why the workstations of a domain must not be visited now. Those that rejected an earlier password are asked again.
func (l *lanes) ready(ctx context.Context, d *Domain) error {
	if err := d.RemoteLogon.stopped(ctx, l.Store); err != nil {
		return err
	}
	c, err := d.RemoteLogon.credential()
	if err != nil || c.Mark.ModTime.IsZero() {
		return err
	}
	return l.Store.RetryRejected(ctx, d.Name, c.Mark.ModTime)
}

func (l *lanes) work(ctx context.Context) error {
	for {
		busy, err := l.start(ctx)
		if err != nil {
			return errors.Join(err, l.drain(ctx))
		}
		if l.flying > 0 {
			if err := l.finish(ctx, l.gather()); err != nil {
				return errors.Join(err, l.drain(ctx))
			}
			continue
		}
		if !busy || ctx.Err() != nil {
			return ctx.Err()
		}
		if err := pause(ctx, poll); err != nil { // other processes fill the limit
			return err
		}
	}
}

// start claims as many workstations as lanes are free, and starts their visits. busy says that something is due that could not be claimed.
func (l *lanes) start(ctx context.Context) (busy bool, err error) {
	free := l.Config.Visits - l.flying
	domains := l.domains()
	if free == 0 || len(domains) == 0 || ctx.Err() != nil {
		return false, nil
	}
	claims, err := l.Store.Claim(ctx, photopush.ClaimRequest{Limit: free, Lease: l.Config.lease(), MaxInFlight: l.Config.Visits,
		MaxPerSite: l.Config.VisitsPerSite, Domains: domains})
	for _, c := range claims { // also those that came with an error: they are ours
		l.flying++
		go func() { l.results <- l.visit(ctx, c, photopush.Visit{}) }()
	}
	if err != nil || l.flying > 0 {
		return false, err
	}
	_, due, leased, err := l.Store.NextDue(ctx, domains...)
	if err == nil && due > 0 && leased > 0 {
		_, err = l.Store.Rescue(ctx)
	}
	return due > 0 && leased > 0, err
}

// domains are those whose workstations may be visited.
func (l *lanes) domains() []string {
	var names []string
	for _, d := range l.Domains {
		if l.stopped[d.Name] == nil {
			names = append(names, d.Name)
		}
	}
	return names
}

// gather waits for a result, and takes those that are there too.
func (l *lanes) gather() []photopush.Result {
	rs := []photopush.Result{<-l.results}
	for {
		select {
		case r := <-l.results:
			rs = append(rs, r)
		default:
			l.flying -= len(rs)
			return rs
		}
	}
}

// finish stores results. A visit that did not come about is given back instead.
func (l *lanes) finish(ctx context.Context, rs []photopush.Result) error {
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	var done []photopush.Result
	var errs []error
	for _, r := range rs {
		if no := refused(r.Outcome.Err); no != nil && no.all {
			w := r.Claim.Workstation
			l.stopped[w.Domain] = fmt.Errorf("domain %s: %w", w.Domain, no.error)
		}
		if unvisited(ctx, r.Outcome) {
			errs = append(errs, l.Store.Release(storing, r.Claim))
			continue
		}
		done = append(done, r)
	}
	return errors.Join(append(errs, l.store(storing, done))...)
}

// drain ends what is under way when no more can be claimed or stored; what it cannot store another pass will find out.
func (l *lanes) drain(ctx context.Context) error {
	var errs []error
	for l.flying > 0 {
		errs = append(errs, l.finish(ctx, l.gather()))
	}
	return errors.Join(errs...)
}

// store keeps results and reports them.
func (j *Jobs) store(ctx context.Context, rs []photopush.Result) error {
	if len(rs) == 0 {
		return nil
	}
	errs, err := j.Store.FinishAll(ctx, rs)
	if err != nil {
		return err
	}
	for i, r := range rs {
		if errs[i] != nil { // the lease ended; whoever holds it now reads for himself what is there
			j.Log.Warn("visit outlived its lease", "workstation", r.Claim.Workstation.Host, "err", errs[i])
		}
		j.report(r.Claim.Workstation, r.Outcome)
	}
	return nil
}

func (j *Jobs) report(w photopush.Workstation, o photopush.Outcome) {
	switch {
	case o.Err == nil:
		j.Log.Debug("visit", "workstation", w.Host, "pushed", len(o.Pushed))
	case kindOf(o.Reason) == waits:
		j.Log.Debug("visit", "workstation", w.Host, "reason", o.Reason, "err", o.Err)
	default:
		j.Log.Warn("visit", "workstation", w.Host, "reason", o.Reason, "err", o.Err)
	}
	j.observe(Event{Kind: Visited, Workstation: w, Outcome: o})
}

// unvisited tells whether nothing at all was done: the workstation must not or could not be asked, or ctx ended before it was reached.
func unvisited(ctx context.Context, o photopush.Outcome) bool {
	return refused(o.Err) != nil || !o.Contacted && interrupted(ctx, o)
}

// interrupted tells whether the end of ctx is why a visit failed.
func interrupted(ctx context.Context, o photopush.Outcome) bool {
	return ctx.Err() != nil && o.Err != nil
}

// visit makes one visit within its deadline, and says what follows from it. task says for whom and what, if anybody asked.
func (j *Jobs) visit(ctx context.Context, c photopush.Claim, task photopush.Visit) photopush.Result {
	task.Workstation, task.Inventory = c.Workstation, c.Inventory
	if c.Verify || c.Inventory != nil && place(c.Workstation.ID, j.Config.VerifyEvery, c.Inventory.Taken).Before(j.Now()) {
		task.Inventory = nil
	}
	r := photopush.Result{Claim: c, Outcome: j.contact(ctx, task)}
	if d := j.domain(c.Workstation.Domain); d != nil && d.Site != nil && r.Outcome.Contacted {
		r.Site = d.site(ctx, c.Workstation)
	}
	if r.Outcome.Inventory != nil {
		r.Sessions = j.Sessions(c.Workstation.ID, r.Outcome.Inventory)
	}
	j.schedule(ctx, &r)
	return r
}

// site asks where the workstation is, for as long as leaves the lease time enough for the result to be stored: it is no part of the visit.
func (d *Domain) site(ctx context.Context, w photopush.Workstation) string {
	ctx, cancel := context.WithTimeout(ctx, siteTime)
	defer cancel()
	return d.Site(ctx, w)
}

// schedule says when the workstation is due again. One in step is looked at again at its place in the interval, counted from the last look,
// so that pushes in between do not put it off.
func (j *Jobs) schedule(ctx context.Context, r *photopush.Result) {
	now := j.Now().UTC()
	id, o := r.Claim.Workstation.ID, &r.Outcome
	if interrupted(ctx, *o) {
		o.Reason, r.Attempts, r.NextDue, r.VerifyDue = photopush.Unknown, r.Claim.Attempts, now, now
		return
	}
	if o.Reason == "" {
		r.VerifyDue = place(id, j.Config.VerifyEvery, looked(r, now))
		return
	}
	due, attempts := j.Config.next(urgent(o), r.Claim.Attempts, now)
	r.Attempts, r.NextDue, r.VerifyDue = attempts, due, due
}

// looked is when the inventory was taken that the outcome rests on.
func looked(r *photopush.Result, now time.Time) time.Time {
	for _, inv := range []*photopush.Inventory{r.Outcome.Inventory, r.Claim.Inventory} {
		if inv != nil && inv.Taken.Before(now) {
			return inv.Taken
		}
	}
	return now
}

// urgent is the reason that decides the next try: of those of the workstation and its pairs one that passes soon, so that one user's
// lasting trouble does not make the others wait. A picture that could not be had is such a one.
func urgent(o *photopush.Outcome) photopush.Reason {
	if _, ok := errors.AsType[*visit.PictureError](o.Err); ok {
		return photopush.KDC
	}
	for _, p := range o.Pairs {
		if !p.InStep() && p.Reason != "" && kindOf(p.Reason) == soon {
			return p.Reason
		}
	}
	return o.Reason
}

// contact visits the workstation. A panic is a fault of one visit, not of all others.
func (j *Jobs) contact(ctx context.Context, task photopush.Visit) (o photopush.Outcome) {
	started := j.Now().UTC()
	fail := func(reason photopush.Reason, err error) photopush.Outcome {
		err = &photopush.Error{Reason: reason, Op: "visit", On: task.Workstation.Host, Err: err}
		return photopush.Outcome{Workstation: task.Workstation.ID, Started: started, Finished: j.Now().UTC(), Reason: reason, Err: err}
	}
	defer func() {
		if p := recover(); p != nil {
			j.Log.Error("visit", "workstation", task.Workstation.Host, "panic", p, "stack", string(debug.Stack()))
			o = fail(photopush.Internal, fmt.Errorf("panic: %v", p))
			o.Unread = true
		}
	}()
	d := j.domain(task.Workstation.Domain)
	if d == nil {
		return fail(photopush.OutOfScope, notConfigured(task.Workstation))
	}
	ctx, cancel := context.WithTimeout(ctx, j.Config.VisitDeadline)
	defer cancel()
	return j.visitor(ctx, d, task).Visit(ctx, task)
}

func notConfigured(w photopush.Workstation) error {
	return fmt.Errorf("domain %s is not configured", w.Domain)
}

// visitor makes visits of one domain. Where only is told what would be done, what was held does not count: to ask is to want it.
func (j *Jobs) visitor(ctx context.Context, d *Domain, task photopush.Visit) *visit.Visitor {
	p := planner{Jobs: j}
	if task.DryRun {
		p.lifted = task.For
	}
	return &visit.Visitor{Remote: &guarded{d.Remote, d.RemoteLogon, j.Store}, Pictures: j.Pictures, Planner: p, Options: j.Access,
		Name: func(sid photopush.SID) string { return j.nameOf(ctx, sid) }, Log: j.Log, Now: j.Now}
}

// nameOf is how people call a user; his SID where the store does not know him.
func (j *Jobs) nameOf(ctx context.Context, sid photopush.SID) string {
	users, err := j.Store.Users(ctx, []photopush.SID{sid})
	if u, ok := users[sid]; err == nil && ok {
		return u.AccountName
	}
	return string(sid)
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
