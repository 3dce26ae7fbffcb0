package photoimport

import (
	"context"
	"fmt"

	"github.com/photopush/photopush"
)

// UndoRequest says which run is to be undone.
type UndoRequest struct {
	Run   string
	Force bool // put earlier photos back also where somebody else has written another one since
}

// PlanUndo says what putting back would do that a run has replaced. Where the photo is still the one that the run wrote, what was there before is put back; where
// it is not, it is left, unless it is to be forced. An undo that was interrupted can be begun again.
func (im *Importer) PlanUndo(ctx context.Context, u UndoRequest) (*Plan, error) {
	p, err := readPast(im.Folder, u.Run)
	if err != nil {
		return nil, &RunError{err}
	}
	domains := map[string]Directory{}
	for _, d := range im.Domains {
		domains[d.Name()] = d
	}
	plan := &Plan{Undoes: u.Run}
	byDomain := map[string][]pastChange{}
	for _, c := range p.changes {
		if c.outcome != photopush.ImportRefused {
			byDomain[c.Domain] = append(byDomain[c.Domain], c)
		}
	}
	for name, changes := range byDomain {
		d, ok := domains[name]
		if !ok {
			return nil, &RunError{fmt.Errorf("run %s has changed photos of domain %s, which is not configured", u.Run, shown(name))}
		}
		rows, err := im.planUndo(ctx, p, d, changes, u.Force)
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", name, err)
		}
		plan.Rows = append(plan.Rows, rows...)
	}
	plan.sort()
	return plan, nil
}

// A RunError says that a run cannot be undone, or is not known.
type RunError struct{ Err error }

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// planUndo makes the rows of one domain.
func (im *Importer) planUndo(ctx context.Context, p *past, d Directory, changes []pastChange, force bool) ([]Row, error) {
	ids := make([]photopush.GUID, 0, len(changes))
	met := map[photopush.GUID]bool{}
	for _, c := range changes {
		if !met[c.GUID] {
			met[c.GUID] = true
			ids = append(ids, c.GUID)
		}
	}
	states := map[photopush.GUID]state{}
	err := d.PhotoStates(ctx, ids, attributes, func(s photopush.PhotoState) error {
		now := state{user: s.User, writable: s.Writable, digest: map[string]string{}, size: map[string]int{}}
		for a, v := range s.Values {
			now.digest[a], now.size[a] = photopush.ValuesDigest(v), size(v)
		}
		states[s.User.GUID] = now
		im.observe(ReadingPhotos, len(states), len(ids))
		return nil
	})
	if err != nil {
		return nil, err
	}
	rows := make([]Row, len(changes))
	for i, c := range changes {
		rows[i] = undoRow(p, d, c, states, force)
	}
	return rows, nil
}

// A state is what a user has now, without the photos.
type state struct {
	user     photopush.User
	writable map[string]bool
	digest   map[string]string
	size     map[string]int
}

func undoRow(p *past, d Directory, c pastChange, states map[photopush.GUID]state, force bool) Row {
	r := Row{Status: Write, Attribute: c.Attribute, Bytes: c.wasSize, dir: d, new: c.was,
		User:   photopush.User{GUID: c.GUID, SID: c.SID, Domain: c.Domain, AccountName: c.Account, DN: c.DN},
		values: func() ([][]byte, error) { return p.old(c) }}
	now, ok := states[c.GUID]
	if !ok {
		r.Status, r.Detail = NoUser, "the user is gone, or out of scope by now"
		return r
	}
	r.User, r.old, r.Was = now.user, now.digest[c.Attribute], now.size[c.Attribute]
	switch {
	case r.old == c.was:
		r.Status = Same
	case r.old != c.New && !force:
		r.Status, r.Detail = Changed, "somebody else has written another photo since"
	case !now.writable[c.Attribute]:
		r.Status, r.Detail = Denied, photopush.Detail(d.MayNotWrite(now.user, c.Attribute))
	}
	return r
}
