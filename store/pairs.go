package store

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"

	"github.com/photopush/photopush"
)

// inStep is photopush.Pair.InStep in SQL.
func inStep(want, have string) string {
	return "(" + want + " = 'leave' OR " + want + " = " + have + " OR (" + want + " = 'absent' AND " + have + " = ''))"
}

// putWant keeps have, and since when the pair is out of step. A reason that a visit gave is replaced when the want changes, or when it is to leave the pair
// alone. The visit that runs meanwhile is noted: it went for the want before.
var putWant = `INSERT INTO picture (workstation, sid, want, reason, detail, since, changed_in)
	VALUES (?1, ?2, ?3, ?4, ?5, CASE WHEN ` + inStep("?3", "''") + ` THEN 0 ELSE ?6 END,
		coalesce((SELECT lease_token FROM workstation WHERE id = ?1), ''))
ON CONFLICT (workstation, sid) DO UPDATE SET want = excluded.want,
	reason = CASE WHEN excluded.want <> picture.want OR excluded.want = 'leave' THEN excluded.reason ELSE picture.reason END,
	detail = CASE WHEN excluded.want <> picture.want OR excluded.want = 'leave' THEN excluded.detail ELSE picture.detail END,
	since = CASE WHEN ` + inStep("excluded.want", "picture.have") + ` THEN 0 WHEN picture.since > 0 THEN picture.since ELSE ?6 END,
	changed_in = CASE WHEN excluded.want <> picture.want THEN excluded.changed_in ELSE picture.changed_in END`

// dueForWant comes before putWant: it makes the workstation due when the want is another one and out of step. A leased workstation is
// seen to when its visit ends.
var dueForWant = `UPDATE workstation SET due = ?4 WHERE id = ?1 AND lease_until = 0 AND (due = 0 OR due > ?4)
	AND NOT EXISTS (SELECT 1 FROM picture WHERE workstation = ?1 AND sid = ?2 AND want = ?3)
	AND NOT ` + inStep("?3", "coalesce((SELECT have FROM picture WHERE workstation = ?1 AND sid = ?2), '')")

// SetWants sets Want, Reason and Detail of pairs, a few hundred in each transaction. A pair whose want really changes and is out of step after
// that makes its workstation due at once, unless that is leased: then Finish sees to it. Have, Since and Original are kept.
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
	if _, err := t.exec(dueForWant, string(p.Workstation), string(p.User), string(p.Want), t.now); err != nil {
		return err
	}
	_, err := t.exec(putWant, string(p.Workstation), string(p.User), string(p.Want), string(p.Reason), sentence(p.Detail), t.now)
	return err
}

// PairsOf returns the pairs of a workstation, by SID.
func (s *Store) PairsOf(ctx context.Context, id photopush.GUID) ([]photopush.Pair, error) {
	r, err := s.r.QueryContext(ctx, `SELECT p.workstation, p.sid, p.want, p.have, p.reason, p.detail, p.since, coalesce(o.body, '')
		FROM picture p LEFT JOIN original o ON o.workstation = p.workstation AND o.sid = p.sid WHERE p.workstation = ? ORDER BY p.sid`, string(id))
	pairs, err := collect(r, err, scanPair)
	return pairs, s.fail("read pairs of "+string(id), err)
}

func scanPair(r *sql.Rows) (p photopush.Pair, err error) {
	var since int64
	var original string
	if err = r.Scan(&p.Workstation, &p.User, &p.Want, &p.Have, &p.Reason, &p.Detail, &since, &original); err != nil {
		return p, err
	}
	p.Since = fromMillis(since)
	if original != "" {
		err = json.Unmarshal([]byte(original), &p.Original)
	}
	return p, err
}

// KeepOriginals keeps Original of pairs of a workstation where none is kept yet. It is called before the first write there, so that a server that dies
// during the visit still knows what the user had. A nil Original is skipped, an empty one says that he had nothing.
func (s *Store) KeepOriginals(ctx context.Context, pairs []photopush.Pair) error {
	return s.write(ctx, "keep originals", func(t *tx) error {
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

const putSession = `INSERT INTO session (workstation, sid, source, first_seen, last_seen) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (workstation, sid, source) DO UPDATE SET
	first_seen = CASE WHEN excluded.first_seen < session.first_seen THEN excluded.first_seen ELSE session.first_seen END,
	last_seen = CASE WHEN excluded.last_seen > session.last_seen THEN excluded.last_seen ELSE session.last_seen END`

// PutSessions keeps evidence: of what is known already the earlier first and the later last time.
func (s *Store) PutSessions(ctx context.Context, sessions []photopush.Session) error {
	return chunks(sessions, func(part []photopush.Session) error {
		return s.write(ctx, "put sessions", func(t *tx) error { return t.putSessions(part) })
	})
}

func (t *tx) putSessions(sessions []photopush.Session) error {
	for _, e := range sessions {
		if !e.User.IsAccount() {
			return fmt.Errorf("%q is no account's SID", e.User)
		}
		_, err := t.exec(putSession, string(e.Workstation), string(e.User), e.Source, millis(e.FirstSeen), millis(e.LastSeen))
		if err != nil {
			return err
		}
	}
	return nil
}

// SessionsOf returns the evidence of who uses a workstation, by SID and source.
func (s *Store) SessionsOf(ctx context.Context, id photopush.GUID) ([]photopush.Session, error) {
	r, err := s.r.QueryContext(ctx, `SELECT workstation, sid, source, first_seen, last_seen FROM session WHERE workstation = ?
		ORDER BY sid, source`, string(id))
	sessions, err := collect(r, err, scanSession)
	return sessions, s.fail("read sessions of "+string(id), err)
}

func scanSession(r *sql.Rows) (e photopush.Session, err error) {
	var first, last int64
	err = r.Scan(&e.Workstation, &e.User, &e.Source, &first, &last)
	e.FirstSeen, e.LastSeen = fromMillis(first), fromMillis(last)
	return e, err
}
