package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/want"
)

// plan decides for every pair that is known, and stores what changed. Leavers' pictures are taken away only when they are not too many at once, or
// when that is allowed; else the error is a *RemovalsError, and everything but that is done.
func (j *Jobs) plan(ctx context.Context, allowRemovals bool) error {
	const batch = 1000
	now, err := j.Store.Now(ctx)
	if err != nil {
		return err
	}
	var changed []photopush.Pair
	var leaving leavers
	for p, err := range j.Store.Plan(ctx) {
		if err != nil {
			return err
		}
		d := want.Decide(p, j.Policy, now)
		leaving.count(p.Pair)
		switch pair, differs := d.Pair(p); {
		case newlyLeaver(d, p.Pair):
			leaving.add(pair)
		case differs:
			changed = append(changed, pair)
		}
		if len(changed) == batch {
			if err := j.Store.SetWants(ctx, changed); err != nil {
				return err
			}
			changed = changed[:0]
		}
	}
	if err := j.Store.SetWants(ctx, changed); err != nil {
		return err
	}
	if err := leaving.check(j.Policy); err != nil && !allowRemovals {
		return err
	}
	return j.Store.SetWants(ctx, leaving.pairs)
}

// A planner says during a visit which pairs the workstation has: those that are known, and those that its inventory shows.
type planner struct {
	*Jobs
	lifted photopush.SID // of whom what an administrator held back does not count
}

// Pairs decides from the inventory; only users whom the directory knows count.
func (p planner) Pairs(ctx context.Context, w photopush.Workstation, inv *photopush.Inventory) ([]photopush.Pair, error) {
	rows, err := p.rows(ctx, w, inv)
	if err != nil {
		return nil, err
	}
	now, err := p.Store.Now(ctx)
	if err != nil {
		return nil, err
	}
	pairs := make([]photopush.Pair, 0, len(rows))
	for _, row := range rows {
		if row.SID == p.lifted {
			row = lift(row)
		}
		pairs = append(pairs, p.decide(row, inv, now))
	}
	slices.SortFunc(pairs, func(a, b photopush.Pair) int { return strings.Compare(string(a.User), string(b.User)) })
	return pairs, nil
}

// decide goes by what the inventory shows.
func (p planner) decide(row photopush.Plan, inv *photopush.Inventory, now time.Time) photopush.Pair {
	seen := row
	seen.Pair.Have = accountpicture.Have(inv, row.SID)
	d := p.decideAlone(seen, now)
	pair, _ := d.Pair(row)
	if pair.Want == photopush.Absent { // not why an earlier visit could not do it
		pair.Reason, pair.Detail = d.Reason, d.Detail
	}
	return pair
}

func lift(row photopush.Plan) photopush.Plan {
	row.Pair.Held = time.Time{}
	if row.User != nil {
		u := *row.User
		u.Held = time.Time{}
		row.User = &u
	}
	return row
}

// KeepOriginals stores what the users had before our first write.
func (p planner) KeepOriginals(ctx context.Context, pairs []photopush.Pair) error {
	return p.Store.KeepOriginals(ctx, pairs)
}

// rows are the store's rows of the workstation, with the facts and the sessions of the inventory, and new rows for new sessions.
func (p planner) rows(ctx context.Context, w photopush.Workstation, inv *photopush.Inventory) ([]photopush.Plan, error) {
	rows, err := p.Store.PlanOf(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	record, err := p.Store.Workstation(ctx, w.ID)
	if err != nil {
		return nil, err
	}
	record.Facts = inv.Facts()
	index := map[photopush.SID]int{}
	for i := range rows {
		rows[i].Workstation = &record
		index[rows[i].SID] = i
	}
	endSessions(rows, inv)
	var unknown []photopush.SID
	for _, s := range p.Sessions(w.ID, inv) {
		i, known := index[s.User]
		if !known {
			i = len(rows)
			index[s.User] = i
			unknown = append(unknown, s.User)
			rows = append(rows, photopush.Plan{Workstation: &record, SID: s.User, Pair: photopush.Pair{Workstation: w.ID, User: s.User}})
		}
		if last := rows[i].Session; !last.Ended.IsZero() || !s.LastSeen.Before(last.LastSeen) {
			rows[i].Session = s
		}
	}
	users, err := p.Store.Users(ctx, unknown)
	if err != nil {
		return nil, err
	}
	for _, sid := range unknown {
		if u, ok := users[sid]; ok {
			rows[index[sid]].User = &u
		}
	}
	return slices.DeleteFunc(rows, func(r photopush.Plan) bool { return r.User == nil && r.Pair.Want == "" }), nil
}

// endSessions notes which profiles are gone, as the store will when the visit is finished.
func endSessions(rows []photopush.Plan, inv *photopush.Inventory) {
	if !inv.AllProfiles() {
		return
	}
	for i := range rows {
		s := &rows[i].Session
		there := slices.ContainsFunc(inv.Profiles, func(p photopush.Profile) bool { return p.SID == rows[i].SID })
		if s.Source == photopush.SourceProfile && s.Ended.IsZero() && !there {
			s.Ended = inv.Taken
		}
	}
}
