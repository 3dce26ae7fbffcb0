package jobs

import (
	"context"
	"errors"
	"slices"

	photopush "github.com/photopush/photopush"
)

// A PassRequest says what is special about a pass; the zero value is nothing.
type PassRequest struct {
	Verify        bool // look at every workstation, and write only where something is not as it should be
	AllowRemovals bool // take away leavers' pictures, however many they are
}

// Pass reads every domain, decides for every pair, and visits what is due. An error names what kept it from being complete; whatever could be done
// is done.
func (j *Jobs) Pass(ctx context.Context, r PassRequest) error {
	if n, err := j.Store.Rescue(ctx); err != nil {
		return err
	} else if n > 0 {
		j.Log.Info("took over from a process that ended", "workstations", n)
	}
	var untidy error
	if j.Tidy != nil {
		untidy = j.Tidy(ctx)
	}
	read, incomplete := j.readAll(ctx)
	incomplete = errors.Join(untidy, incomplete)
	if read == 0 || ctx.Err() != nil {
		return errors.Join(incomplete, ctx.Err())
	}
	if err := j.plan(ctx, r.AllowRemovals); err != nil {
		incomplete = errors.Join(incomplete, err)
		if _, tooMany := errors.AsType[*RemovalsError](err); !tooMany {
			return incomplete
		}
	}
	if r.Verify {
		if err := j.Store.SetVerify(ctx, nil); err != nil {
			return errors.Join(incomplete, err)
		}
	}
	_, due, _, err := j.Store.NextDue(ctx, j.names()...)
	if err != nil {
		return errors.Join(incomplete, err)
	}
	j.observe(Event{Kind: Planned, N: due})
	return errors.Join(incomplete, j.visitDue(ctx))
}

// ReadDirectory reads every domain, and the names of photos in files, as a pass does, and visits nobody. read is the number of domains that could be read; an error
// names what kept it from being complete.
func (j *Jobs) ReadDirectory(ctx context.Context) (read int, err error) { return j.readAll(ctx) }

// A Tally counts what a pass or a push did.
type Tally struct {
	Visited    int                      // workstations that answered
	Pushed     int                      // picture sets put there and read back
	Removed    int                      // pictures of ours that are gone, as was wanted and read back
	Replaced   int                      // pictures of ours that somebody else had replaced
	InStep     int                      // pairs that needed nothing
	Skipped    map[photopush.Reason]int // pairs left alone, by reason
	Failed     map[photopush.Reason]int // pairs that could not be brought into step; a workstation that fails as a whole counts once
	Offline    []photopush.Workstation  // workstations that wait until they are on
	Unfinished []Unfinished             // visits that ended with a reason, but for offline
}

// An Unfinished visit ended with a reason.
type Unfinished struct {
	Workstation photopush.Workstation
	Outcome     photopush.Outcome // without inventory and pairs
}

// NeedsPerson tells whether somebody must act before the next try can go better.
func (t *Tally) NeedsPerson() bool {
	return slices.ContainsFunc(t.Unfinished, func(u Unfinished) bool { return kindOf(u.Outcome.Reason) == person })
}

// Add counts a visit.
func (t *Tally) Add(w photopush.Workstation, o photopush.Outcome) {
	if o.Contacted {
		t.Visited++
	}
	t.Replaced += len(o.Overwritten)
	failed := 0
	for _, p := range o.Pairs {
		switch {
		case p.Want == photopush.Leave:
			count(&t.Skipped, p.Reason)
		case p.InStep() && slices.Contains(o.Pushed, p.User):
			t.Pushed++
		case p.InStep() && slices.Contains(o.Removed, p.User):
			t.Removed++
		case p.InStep():
			t.InStep++
		default:
			failed++
			count(&t.Failed, p.Reason)
		}
	}
	switch {
	case o.Reason == "":
		return
	case kindOf(o.Reason) == waits:
		t.Offline = append(t.Offline, w)
		return
	case failed == 0:
		count(&t.Failed, o.Reason)
	}
	o.Inventory, o.Pairs = nil, nil // thousands may fail
	t.Unfinished = append(t.Unfinished, Unfinished{w, o})
}

func count(m *map[photopush.Reason]int, r photopush.Reason) {
	if *m == nil {
		*m = map[photopush.Reason]int{}
	}
	(*m)[r]++
}
