package photoimport

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/photopush/photopush"
)

// UndoRequest says which run is to be undone.
type UndoRequest struct {
	Run     string
	Force   bool     // put earlier photos back also where somebody else has written another one since
	LeftOut []string // domains that are configured, but are not to be touched
}

// PlanUndo says what putting back would do that a run has replaced. Where the photo is still the one that the run wrote, what was there before is put back; where
// it is not, it is left, unless it is to be forced. What cannot be put back is told, and does not keep the rest from it. An undo that was interrupted can be begun
// again. The error is a *RunError where the run is not known. The caller closes the plan.
func (im *Importer) PlanUndo(ctx context.Context, u UndoRequest) (_ *Plan, err error) {
	p, err := readPast(im.Folder, u.Run)
	if err != nil {
		return nil, &RunError{err}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, p.close())
		}
	}()
	im.warnOfDamage(p)
	plan := &Plan{Undoes: u.Run, close: p.close}
	for _, n := range p.suspect {
		plan.Rows = append(plan.Rows, Row{Status: Lost, Detail: fmt.Sprintf("record %d of the run's file is damaged: whose photo it was cannot be told; look into a backup of %s", n, p.file.Name())})
	}
	byDomain := map[string][]pastChange{}
	for _, c := range p.changes {
		if c.No != 0 && c.outcome != photopush.ImportRefused {
			byDomain[c.Domain] = append(byDomain[c.Domain], c)
		}
	}
	for _, d := range im.Domains {
		rows, note, err := im.planUndo(ctx, p, d, byDomain[d.Name()], u.Force)
		if err != nil {
			return nil, fmt.Errorf("domain %s: %w", d.Name(), err)
		}
		plan.Rows = append(plan.Rows, rows...)
		if note != "" {
			plan.Notes = append(plan.Notes, note)
		}
		delete(byDomain, d.Name())
	}
	for name, changes := range byDomain {
		plan.Rows = append(plan.Rows, strangers(name, changes, u.LeftOut)...)
	}
	plan.sort()
	return plan, nil
}

// A RunError says that a run cannot be undone, or is not known.
type RunError struct{ Err error }

func (e *RunError) Error() string { return e.Err.Error() }
func (e *RunError) Unwrap() error { return e.Err }

// strangers are the rows of a domain that is not among those of the undo.
func strangers(name string, changes []pastChange, leftOut []string) []Row {
	rows := make([]Row, len(changes))
	for i := range changes {
		rows[i] = changes[i].row()
		if slices.Contains(leftOut, name) {
			rows[i].Status, rows[i].Detail = Elsewhere, "domain "+shown(name)
		} else {
			rows[i].Status, rows[i].Detail = Lost, "domain "+shown(name)+" is not configured: add it to domains[], and undo the run again"
		}
	}
	return rows
}

// row is a change as the run told of it.
func (c *pastChange) row() Row {
	return Row{Attribute: c.Attribute, Bytes: c.wasSize, new: c.was,
		User: photopush.User{GUID: c.GUID, SID: c.SID, Domain: c.Domain, AccountName: c.Account, DN: c.DN}}
}

// planUndo makes the rows of one domain, and a note where another controller was read than was written to.
func (im *Importer) planUndo(ctx context.Context, p *past, d Directory, changes []pastChange, force bool) (rows []Row, note string, err error) {
	if len(changes) == 0 {
		return nil, "", nil
	}
	ids := make([]photopush.GUID, 0, len(changes))
	met := map[photopush.GUID]bool{}
	for _, c := range changes {
		if !met[c.GUID] {
			met[c.GUID] = true
			ids = append(ids, c.GUID)
		}
	}
	states := map[photopush.GUID]state{}
	err = d.PhotoStates(ctx, ids, attributes, func(s photopush.PhotoState) error {
		now := state{user: s.User, writable: s.Writable, digest: map[string]string{}, size: map[string]int{}}
		for a, v := range s.Values {
			now.digest[a], now.size[a] = photopush.ValuesDigest(v), size(v)
		}
		states[s.User.GUID] = now
		im.observe(ReadingPhotos, len(states), len(ids))
		return nil
	})
	if err != nil {
		return nil, "", err
	}
	rows = make([]Row, len(changes))
	for i, c := range changes {
		rows[i] = undoRow(p, d, c, states, force)
	}
	return rows, doubt(d.Controller(), changes, rows), nil
}

// doubt is a note where rows say that the run's photos are not there, and they were written to another controller than was read: they may not have arrived.
func doubt(read string, changes []pastChange, rows []Row) string {
	var written []string
	for i, c := range changes {
		if s := rows[i].Status; c.Controller != "" && c.Controller != read && (s == Same || s == Changed) && !slices.Contains(written, c.Controller) {
			written = append(written, c.Controller)
		}
	}
	if len(written) == 0 {
		return ""
	}
	return fmt.Sprintf("The run wrote at %s, and %s was read now, where it may not have arrived yet: if it ended not long ago, undo it again when the controllers have replicated.",
		shown(strings.Join(written, " and ")), read)
}

// A state is what a user has now, without the photos.
type state struct {
	user     photopush.User
	writable map[string]bool
	digest   map[string]string
	size     map[string]int
}

func undoRow(p *past, d Directory, c pastChange, states map[photopush.GUID]state, force bool) Row {
	r := c.row()
	r.Status, r.dir, r.values = Write, d, func() ([][]byte, error) { return p.old(c) }
	now, ok := states[c.GUID]
	if !ok {
		r.Status, r.Detail = Gone, gone
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
