package jobs

import (
	"context"
	"errors"
	"fmt"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// storeTime is how long storing a result may take after the work itself was interrupted.
const storeTime = 10 * time.Second

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
	for _, stop := range l.stopped {
		err = errors.Join(err, stop)
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
	claims, err := l.Store.Claim(ctx, photopush.ClaimRequest{Limit: free, Lease: l.Config.lease(), MaxInFlight: l.Config.Visits, Domains: domains})
	if err != nil {
		return false, err
	}
	for _, c := range claims {
		l.flying++
		go func() { l.results <- l.visit(ctx, c) }()
	}
	if len(claims) > 0 || l.flying > 0 {
		return false, nil
	}
	_, due, leased, err := l.Store.NextDue(ctx)
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

// finish stores results. A visit that a stopped credential prevented is given back instead.
func (l *lanes) finish(ctx context.Context, rs []photopush.Result) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	var done []photopush.Result
	for _, r := range rs {
		if stops(r.Outcome.Err) {
			w := r.Claim.Workstation
			l.stopped[w.Domain] = fmt.Errorf("domain %s: %w", w.Domain, r.Outcome.Err)
		}
		if unvisited(r.Outcome) {
			if err := l.Store.Release(ctx, r.Claim); err != nil {
				return err
			}
			continue
		}
		done = append(done, r)
	}
	return l.store(ctx, done)
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

// unvisited tells whether nothing at all was done: a stopped credential, or an end before the workstation was reached.
func unvisited(o photopush.Outcome) bool {
	return stops(o.Err) || !o.Contacted && errors.Is(o.Err, context.Canceled)
}

// visit makes one visit within its deadline, and says what follows from it.
func (j *Jobs) visit(ctx context.Context, c photopush.Claim) photopush.Result {
	task := photopush.Visit{Workstation: c.Workstation, Inventory: c.Inventory}
	if c.Verify {
		task.Inventory = nil
	}
	outcome := j.contact(ctx, task)
	r := photopush.Result{Claim: c, Outcome: outcome, Attempts: c.Attempts}
	if outcome.Inventory != nil {
		r.Sessions = j.Sessions(c.Workstation.ID, outcome.Inventory)
	}
	j.schedule(ctx, &r)
	return r
}

// schedule says when the workstation is due again.
func (j *Jobs) schedule(ctx context.Context, r *photopush.Result) {
	now := j.Now().UTC()
	id := r.Claim.Workstation.ID
	if errors.Is(r.Outcome.Err, context.Canceled) && ctx.Err() != nil {
		r.Outcome.Reason, r.NextDue, r.VerifyDue = photopush.Unknown, now, now
		return
	}
	due, attempts := j.Config.next(id, r.Outcome.Reason, r.Claim.Attempts, now)
	r.Attempts = attempts
	if r.Outcome.Reason == "" {
		r.VerifyDue = due
		return
	}
	r.NextDue, r.VerifyDue = due, due
}

func (j *Jobs) contact(ctx context.Context, task photopush.Visit) photopush.Outcome {
	d := j.domain(task.Workstation.Domain)
	if d == nil {
		err := &photopush.Error{Reason: photopush.OutOfScope, Op: "visit", On: task.Workstation.Host,
			Err: fmt.Errorf("domain %s is not configured", task.Workstation.Domain)}
		return photopush.Outcome{Workstation: task.Workstation.ID, Reason: err.Reason, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, j.Config.VisitDeadline)
	defer cancel()
	v := visit.Visitor{Remote: &guarded{d.Remote, d.RemoteLogon, j.Store}, Pictures: j.Pictures, Planner: planner{j}, Log: j.Log, Now: j.Now}
	return v.Visit(ctx, task)
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
