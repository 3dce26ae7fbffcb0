package jobs

import (
	"context"
	"slices"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/want"
)

// plan decides for every pair that is known, and stores what changed.
func (j *Jobs) plan(ctx context.Context) error {
	const batch = 1000
	now, err := j.Store.Now(ctx)
	if err != nil {
		return err
	}
	var changed []photopush.Pair
	for p, err := range j.Store.Plan(ctx) {
		if err != nil {
			return err
		}
		if pair, differs := want.Decide(p, j.Policy, now).Pair(p); differs {
			changed = append(changed, pair)
		}
		if len(changed) == batch {
			if err := j.Store.SetWants(ctx, changed); err != nil {
				return err
			}
			changed = changed[:0]
		}
	}
	return j.Store.SetWants(ctx, changed)
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
		pair, _ := want.Decide(row, p.Policy, now).Pair(row)
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b photopush.Pair) int { return strings.Compare(string(a.User), string(b.User)) })
	return pairs, nil
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
	var unknown []photopush.SID
	for _, s := range p.Sessions(w.ID, inv) {
		i, known := index[s.User]
		if !known {
			i = len(rows)
			index[s.User] = i
			unknown = append(unknown, s.User)
			rows = append(rows, photopush.Plan{Workstation: &record, SID: s.User, Pair: photopush.Pair{Workstation: w.ID, User: s.User}})
		}
		if !s.LastSeen.Before(rows[i].Session.LastSeen) {
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
