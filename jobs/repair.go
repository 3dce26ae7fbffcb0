package jobs

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

// A RepairRequest says where the keys of account pictures are to be closed that users may write.
type RepairRequest struct {
	Workstations []string // host or short names; none for all whose last inventory has shown such a key
	DryRun       bool     // tell what would be done, and change nothing
}

// A RepairResult is what became of it on one workstation.
type RepairResult struct {
	Workstation photopush.Workstation
	visit.Repair
}

// Repair visits workstations and closes keys there. tell is called for each when it is done, one at a time.
func (j *Jobs) Repair(ctx context.Context, r RepairRequest, tell func(RepairResult)) error {
	if _, err := j.Store.Rescue(ctx); err != nil {
		return err
	}
	targets, err := j.open(ctx, r.Workstations)
	if err != nil {
		return err
	}
	if err := j.usable(targets); err != nil {
		return err
	}
	var one sync.Mutex
	j.each(ctx, targets, func(w photopush.Workstation) {
		result := RepairResult{w, j.repairOne(ctx, w, r.DryRun, &one)}
		one.Lock()
		defer one.Unlock()
		tell(result)
	})
	return ctx.Err()
}

// open are the named workstations, or those of which it is known that a key is open.
func (j *Jobs) open(ctx context.Context, names []string) ([]photopush.Workstation, error) {
	var targets []photopush.Workstation
	seen := map[photopush.GUID]bool{}
	add := func(w photopush.Workstation) {
		if !seen[w.ID] {
			seen[w.ID] = true
			targets = append(targets, w)
		}
	}
	for _, name := range names {
		w, err := j.findWorkstation(ctx, name)
		if err != nil {
			return nil, err
		}
		add(w)
	}
	if len(names) > 0 {
		return targets, nil
	}
	found, err := j.Store.Findings(ctx)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if seen[f.Workstation.ID] {
			continue
		}
		w, err := j.Store.Workstation(ctx, f.Workstation.ID)
		if err != nil {
			return nil, err
		}
		if seen[w.ID] = true; w.Enabled {
			targets = append(targets, w.Workstation)
		}
	}
	return targets, nil
}

// each does something for the targets, as many side by side as there are lanes, and returns when all of it is done.
func (j *Jobs) each(ctx context.Context, targets []photopush.Workstation, do func(photopush.Workstation)) {
	var group sync.WaitGroup
	lanes := make(chan struct{}, j.Config.Visits)
	for _, w := range targets {
		lanes <- struct{}{}
		if ctx.Err() != nil {
			break
		}
		group.Go(func() {
			defer func() { <-lanes }()
			do(w)
		})
	}
	group.Wait()
}

// repairOne waits for its turn at the workstation, and stores what is there after it.
func (j *Jobs) repairOne(ctx context.Context, w photopush.Workstation, dryRun bool, one *sync.Mutex) visit.Repair {
	if !w.Enabled {
		return visit.Repair{Workstation: w.ID, Err: disabled(w)}
	}
	claim, err := j.turn(ctx, w, one)
	if err != nil {
		return visit.Repair{Workstation: w.ID, Err: err}
	}
	r := photopush.Result{Claim: claim, Outcome: photopush.Outcome{Workstation: w.ID, Started: j.Now().UTC()}}
	repair := j.contactRepair(ctx, w, dryRun)
	storing, cancel := context.WithTimeout(context.WithoutCancel(ctx), storeTime)
	defer cancel()
	if dryRun || repair.Inventory == nil { // what it learnt of the way there a visit learns as well
		err = j.Store.PutBack(storing, claim)
	} else {
		now := j.Now().UTC()
		r.Outcome.Finished, r.Outcome.Contacted, r.Outcome.Unread = now, true, repair.Unread
		r.Outcome.Inventory, r.Outcome.Findings, r.Outcome.Elsewhere = repair.Inventory, repair.Left, repair.Elsewhere
		r.NextDue, r.VerifyDue = now, now // what a pass left undone there for these keys can be done now
		err = j.keep(storing, r, one)
	}
	repair.Err = errors.Join(repair.Err, err)
	return repair
}

// keep stores the result of a repair.
func (j *Jobs) keep(ctx context.Context, r photopush.Result, one *sync.Mutex) error {
	one.Lock()
	defer one.Unlock()
	errs, err := j.Store.FinishAll(ctx, []photopush.Result{r})
	if err == nil {
		err = errs[0]
	}
	return err
}

// contactRepair visits the workstation. A panic is a fault of one visit, not of all others.
func (j *Jobs) contactRepair(ctx context.Context, w photopush.Workstation, dryRun bool) (r visit.Repair) {
	defer func() {
		if p := recover(); p != nil {
			j.Log.Error("repair", "workstation", w.Host, "panic", p, "stack", string(debug.Stack()))
			r = visit.Repair{Workstation: w.ID, Err: &photopush.Error{Reason: photopush.Internal, Op: "visit", On: w.Host, Err: fmt.Errorf("panic: %v", p)}}
		}
	}()
	d := j.domain(w.Domain)
	if d == nil {
		return visit.Repair{Workstation: w.ID, Err: &photopush.Error{Reason: photopush.OutOfScope, Op: "visit", On: w.Host, Err: notConfigured(w)}}
	}
	ctx, cancel := context.WithTimeout(ctx, j.Config.VisitDeadline)
	defer cancel()
	task := photopush.Visit{Workstation: w, DryRun: dryRun}
	keep := func(ctx context.Context, found []photopush.Finding) error { return j.Store.KeepSDDL(ctx, w.ID, found) }
	return j.visitor(ctx, d, task).Repair(ctx, task, keep)
}
