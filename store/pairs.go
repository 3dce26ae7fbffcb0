package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/photopush/photopush"
)

// A stored is a pair as its row has it.
type stored struct {
	photopush.Pair        // without Original and Held
	changedIn      string // token of the lease that lived when Want was set last; empty for none
}

// judge sets since when the pair is out of step: now, unless it was before.
func (p *stored) judge(now int64) {
	switch {
	case p.InStep():
		p.Since = time.Time{}
	case p.Since.IsZero():
		p.Since = fromMillis(now)
	}
}

const pairColumns = "SELECT workstation, sid, want, have, reason, detail, since, changed_in FROM picture WHERE workstation = ?"

func scanStored(r *sql.Rows) (p stored, err error) {
	var since int64
	err = r.Scan(&p.Workstation, &p.User, &p.Want, &p.Have, &p.Reason, &p.Detail, &since, &p.changedIn)
	p.Since = fromMillis(since)
	return p, err
}

const putPair = `INSERT INTO picture (workstation, sid, want, have, reason, detail, since, changed_in) VALUES (?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (workstation, sid) DO UPDATE SET want = excluded.want, have = excluded.have, reason = excluded.reason, detail = excluded.detail,
	since = excluded.since, changed_in = excluded.changed_in`

func (t *tx) putPair(p stored) error {
	_, err := t.exec(putPair, string(p.Workstation), string(p.User), string(p.Want), p.Have, string(p.Reason), p.Detail, millis(p.Since), p.changedIn)
	return err
}

// SetWants sets Want, Reason and Detail of pairs, a few hundred in each transaction. A pair whose want really changes and is out of step after
// that makes its workstation due at once, unless that is leased: then Finish sees to it. Have, Since, Original and Held are kept, and so is the
// reason that a visit gave while the pair is out of step with the same want.
func (s *Store) SetWants(ctx context.Context, pairs []photopush.Pair) error {
	for _, p := range pairs {
		if p.Want == "" || !p.User.IsAccount() {
			return s.fail("set want", fmt.Errorf("%q for %q on %s is no want of an account", p.Want, p.User, p.Workstation))
		}
	}
	return chunks(pairs, func(part []photopush.Pair) error {
		return s.write(ctx, "set wants", func(t *tx) error {
			for _, p := range part {
				if err := t.setWant(p); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

func (t *tx) setWant(p photopush.Pair) error {
	rows, err := t.query(pairColumns+" AND sid = ?", string(p.Workstation), string(p.User))
	old, err := collect(rows, err, scanStored)
	if err != nil {
		return err
	}
	row := stored{Pair: photopush.Pair{Workstation: p.Workstation, User: p.User}}
	if len(old) > 0 {
		row = old[0]
	}
	another := row.Want != p.Want
	row.Want = p.Want
	if another || p.Want == photopush.Leave || p.Want == photopush.Absent && row.InStep() {
		row.Reason, row.Detail = p.Reason, sentence(p.Detail)
	}
	row.judge(t.now)
	if another {
		if row.changedIn, err = t.wantChanged(row); err != nil {
			return err
		}
	}
	if len(old) > 0 && row.same(old[0]) {
		return nil
	}
	return t.putPair(row)
}

func (p stored) same(o stored) bool {
	return p.Want == o.Want && p.Have == o.Have && p.Reason == o.Reason && p.Detail == o.Detail && p.Since.Equal(o.Since) && p.changedIn == o.changedIn
}

// wantChanged makes the workstation due when the pair is out of step by its new want. While it is leased only the lease's token is noted.
func (t *tx) wantChanged(p stored) (token string, err error) {
	var due int64
	err = t.scan("SELECT lease_token, due FROM workstation WHERE id = ?", []any{string(p.Workstation)}, &token, &due)
	if errors.Is(err, sql.ErrNoRows) {
		err = fmt.Errorf("workstation %s: %w", p.Workstation, photopush.ErrUnknownWorkstation)
	}
	if err == nil && token == "" && !p.InStep() && (due == 0 || due > t.now) {
		_, err = t.exec("UPDATE workstation SET due = ? WHERE id = ?", t.now, string(p.Workstation))
	}
	return token, err
}

// PairsOf returns the pairs of a workstation, by SID.
func (s *Store) PairsOf(ctx context.Context, id photopush.GUID) ([]photopush.Pair, error) {
	r, err := s.r.QueryContext(ctx, `SELECT p.workstation, p.sid, p.want, p.have, p.reason, p.detail, p.since, p.held, coalesce(o.body, '')
		FROM picture p LEFT JOIN original o ON o.workstation = p.workstation AND o.sid = p.sid WHERE p.workstation = ? ORDER BY p.sid`, string(id))
	pairs, err := collect(r, err, scanPair)
	return pairs, s.fail("read pairs of "+string(id), err)
}

func scanPair(r *sql.Rows) (p photopush.Pair, err error) {
	var since, held int64
	var original string
	if err = r.Scan(&p.Workstation, &p.User, &p.Want, &p.Have, &p.Reason, &p.Detail, &since, &held, &original); err != nil {
		return p, err
	}
	p.Since, p.Held = fromMillis(since), fromMillis(held)
	if original != "" {
		err = json.Unmarshal([]byte(original), &p.Original)
	}
	return p, err
}

// KeepOriginals keeps Original of pairs of a workstation where none is kept yet. It is called before the first write there, so that a server that dies
// during the visit still knows what the user had. A nil Original is skipped, an empty one says that he had nothing.
func (s *Store) KeepOriginals(ctx context.Context, pairs []photopush.Pair) error {
	return s.writeDurably(ctx, "keep originals", func(t *tx) error {
		for _, p := range pairs {
			if err := t.keepOriginal(p); err != nil {
				return err
			}
		}
		return nil
	})
}

func (t *tx) keepOriginal(p photopush.Pair) error {
	if p.Original == nil {
		return nil
	}
	body, err := json.Marshal(p.Original)
	if err != nil {
		return err
	}
	_, err = t.exec("INSERT INTO original (workstation, sid, body) VALUES (?, ?, ?) ON CONFLICT (workstation, sid) DO NOTHING",
		string(p.Workstation), string(p.User), string(body))
	return err
}
