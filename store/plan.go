package store

import (
	"context"
	"database/sql"
	"iter"
	"time"

	"github.com/photopush/photopush"
)

// Plan yields every user on every workstation that a session or a pair names, by workstation and SID, out of one snapshot; workstations that are
// gone are left out. Pair.Original is not filled in. SetWants may be called while it runs.
func (s *Store) Plan(ctx context.Context) iter.Seq2[photopush.Plan, error] {
	return func(yield func(photopush.Plan, error) bool) {
		if err := s.plan(ctx, "", func(p photopush.Plan) bool { return p.SID == "" || yield(p, nil) }); err != nil {
			yield(photopush.Plan{}, s.fail("read plan", err))
		}
	}
}

// PlanOf is Plan for one workstation.
func (s *Store) PlanOf(ctx context.Context, id photopush.GUID) (all []photopush.Plan, err error) {
	err = s.plan(ctx, id, func(p photopush.Plan) bool {
		if p.SID != "" {
			all = append(all, p)
		}
		return true
	})
	return all, s.fail("read plan of "+string(id), err)
}

// Statuses yields what a report is made of: pairs and users known to the directory on every workstation that is not gone, then users
// without any workstation; by workstation and SID.
func (s *Store) Statuses(ctx context.Context) iter.Seq2[photopush.Status, error] {
	return func(yield func(photopush.Status, error) bool) {
		if err := s.statuses(ctx, yield); err != nil {
			yield(photopush.Status{}, s.fail("read status", err))
		}
	}
}

func (s *Store) statuses(ctx context.Context, yield func(photopush.Status, error) bool) error {
	past, err := s.histories(ctx)
	if err != nil {
		return err
	}
	met := map[photopush.SID]bool{}
	var last *photopush.WorkstationRecord // shown already
	more := true
	err = s.plan(ctx, "", func(p photopush.Plan) bool {
		switch {
		case p.SID != "" && (p.User != nil || p.Pair.Want != ""):
			met[p.SID] = true
			last = p.Workstation
			more = yield(photopush.Status{Workstation: p.Workstation, User: p.User, Pair: p.Pair, LastSeen: p.Session.LastSeen,
				History: past[pairKey{p.Workstation.ID, p.SID}]}, nil)
		case p.SID == "" && last != p.Workstation: // the end of a workstation
			more = yield(photopush.Status{Workstation: p.Workstation}, nil)
		}
		return more
	})
	if err != nil || !more {
		return err
	}
	users, err := s.queryUsers(ctx, "WHERE gone_since = 0 ORDER BY sid")
	for i := range users {
		if !met[users[i].SID] && !yield(photopush.Status{User: &users[i]}, nil) {
			return nil
		}
	}
	return err
}

// plan merges three ordered cursors of one snapshot, which costs no join and no sort. Each workstation ends with a row without SID. only
// limits it to one workstation; "" is all. It stops when f returns false.
func (s *Store) plan(ctx context.Context, only photopush.GUID, f func(photopush.Plan) bool) error {
	tx, err := s.r.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	users, err := planUsers(ctx, tx, only)
	if err != nil {
		return err
	}
	where, args := "", []any(nil)
	if only != "" {
		where, args = " AND t.workstation = ?", []any{string(only)}
	}
	var m merge
	defer m.close()
	if m.sessions, err = newCursor(ctx, tx, readSession, `SELECT t.workstation, t.sid, t.source, t.first_seen, t.last_seen, t.ended FROM session t
		WHERE true`+where+` ORDER BY t.workstation, t.sid`, args); err != nil {
		return err
	}
	if m.pairs, err = newCursor(ctx, tx, readPair, `SELECT t.workstation, t.sid, t.want, t.have, t.reason, t.detail, t.since, t.held FROM picture t
		WHERE true`+where+` ORDER BY t.workstation, t.sid`, args); err != nil {
		return err
	}
	r, err := tx.QueryContext(ctx, "SELECT "+workstationColumns+workstationTables+
		"WHERE w.gone_since = 0 "+ifThen(only != "", "AND w.id = ? ")+"ORDER BY w.id", args...)
	if err != nil {
		return err
	}
	defer r.Close()
	for r.Next() {
		w, err := scanWorkstation(r)
		if err != nil {
			return err
		}
		if more, err := m.workstation(&w, users, f); err != nil || !more {
			return err
		}
	}
	return r.Err()
}

func ifThen(condition bool, text string) string {
	if condition {
		return text
	}
	return ""
}

func planUsers(ctx context.Context, tx *sql.Tx, only photopush.GUID) (map[photopush.SID]*photopush.UserRecord, error) {
	rest, args := "", []any(nil)
	if only != "" {
		rest = ` WHERE sid IN (SELECT sid FROM session WHERE workstation = ? UNION SELECT sid FROM picture WHERE workstation = ?)`
		args = []any{string(only), string(only)}
	}
	r, err := tx.QueryContext(ctx, "SELECT "+userColumns+" FROM directory_user"+rest, args...)
	all, err := collect(r, err, scanUser)
	users := make(map[photopush.SID]*photopush.UserRecord, len(all))
	for i := range all {
		users[all[i].SID] = &all[i]
	}
	return users, err
}

// A merge walks sessions and pairs along the workstations.
type merge struct {
	sessions *cursor[photopush.Session]
	pairs    *cursor[photopush.Pair]
}

func (m *merge) close() {
	if m.sessions != nil {
		m.sessions.rows.Close()
	}
	if m.pairs != nil {
		m.pairs.rows.Close()
	}
}

func (m *merge) workstation(w *photopush.WorkstationRecord, users map[photopush.SID]*photopush.UserRecord, f func(photopush.Plan) bool) (more bool, err error) {
	for {
		p := photopush.Plan{Workstation: w}
		e, p1, err := m.heads(w.ID)
		if err != nil {
			return false, err
		}
		switch {
		case e == nil && p1 == nil:
			return f(p), nil
		case p1 == nil || e != nil && e.User <= p1.User:
			p.SID = e.User
		default:
			p.SID = p1.User
		}
		if e != nil && e.User == p.SID {
			if p.Session, err = m.lastSession(w.ID, p.SID); err != nil {
				return false, err
			}
		}
		if p1 != nil && p1.User == p.SID {
			p.Pair = *p1
			m.pairs.pop()
		}
		p.User = users[p.SID]
		if !f(p) {
			return false, nil
		}
	}
}

// heads are the next session and pair of the workstation; nil where there is none. Those of workstations that are gone are skipped.
func (m *merge) heads(id photopush.GUID) (*photopush.Session, *photopush.Pair, error) {
	e, err := m.sessions.head(func(e *photopush.Session) bool { return e.Workstation < id })
	if err != nil {
		return nil, nil, err
	}
	if e != nil && e.Workstation != id {
		e = nil
	}
	p, err := m.pairs.head(func(p *photopush.Pair) bool { return p.Workstation < id })
	if err != nil {
		return nil, nil, err
	}
	if p != nil && p.Workstation != id {
		p = nil
	}
	return e, p, nil
}

// lastSession takes the user's sessions from the cursor, one for each source, and returns the one that was learnt last: of a profile that is gone counts
// when that was learnt, so that it outweighs what came before, and nothing that comes after.
func (m *merge) lastSession(id photopush.GUID, sid photopush.SID) (last photopush.Session, err error) {
	for {
		e, err := m.sessions.head(nil)
		if err != nil || e == nil || e.Workstation != id || e.User != sid {
			return last, err
		}
		if last.User == "" || learnt(*e).After(learnt(last)) {
			last = *e
		}
		m.sessions.pop()
	}
}

func learnt(e photopush.Session) time.Time {
	if e.Ended.IsZero() {
		return e.LastSeen
	}
	return e.Ended
}

// A cursor reads rows one ahead.
type cursor[T any] struct {
	rows *sql.Rows
	read func(*sql.Rows, *T) error
	next T
	full bool // next holds a row
}

func newCursor[T any](ctx context.Context, tx *sql.Tx, read func(*sql.Rows, *T) error, text string, args []any) (*cursor[T], error) {
	r, err := tx.QueryContext(ctx, text, args...)
	if err != nil {
		return nil, err
	}
	return &cursor[T]{rows: r, read: read}, nil
}

// head is the next row that is not skipped; nil at the end.
func (c *cursor[T]) head(skip func(*T) bool) (*T, error) {
	for {
		if !c.full {
			if !c.rows.Next() {
				return nil, c.rows.Err()
			}
			if err := c.read(c.rows, &c.next); err != nil {
				return nil, err
			}
			c.full = true
		}
		if skip == nil || !skip(&c.next) {
			return &c.next, nil
		}
		c.full = false
	}
}

func (c *cursor[T]) pop() { c.full = false }

func readSession(r *sql.Rows, e *photopush.Session) (err error) {
	*e, err = scanSession(r)
	return err
}

func readPair(r *sql.Rows, p *photopush.Pair) error {
	var since, held int64
	err := r.Scan(&p.Workstation, &p.User, &p.Want, &p.Have, &p.Reason, &p.Detail, &since, &held)
	p.Since, p.Held = fromMillis(since), fromMillis(held)
	return err
}
