package store

import (
	"context"
	"database/sql"
	"fmt"
	"slices"

	"github.com/photopush/photopush"
)

const putSession = `INSERT INTO session (workstation, sid, source, first_seen, last_seen) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (workstation, sid, source) DO UPDATE SET
	first_seen = CASE WHEN excluded.first_seen < session.first_seen THEN excluded.first_seen ELSE session.first_seen END,
	last_seen = CASE WHEN excluded.last_seen > session.last_seen THEN excluded.last_seen ELSE session.last_seen END, ended = 0`

// PutSessions keeps evidence: of what is known already the earlier first and the later last time. What had ended is there again.
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

// endSessions ends those of profiles that the inventory does not list any more.
func (t *tx) endSessions(id photopush.GUID, inv *photopush.Inventory) error {
	if !inv.AllProfiles() {
		return nil
	}
	rows, err := t.query("SELECT sid FROM session WHERE workstation = ? AND source = ? AND ended = 0", string(id), photopush.SourceProfile)
	known, err := collect(rows, err, func(r *sql.Rows) (sid photopush.SID, err error) { return sid, r.Scan(&sid) })
	if err != nil {
		return err
	}
	for _, sid := range known {
		if slices.ContainsFunc(inv.Profiles, func(p photopush.Profile) bool { return p.SID == sid }) {
			continue
		}
		_, err := t.exec("UPDATE session SET ended = ? WHERE workstation = ? AND sid = ? AND source = ?", millis(inv.Taken), string(id), string(sid),
			photopush.SourceProfile)
		if err != nil {
			return err
		}
	}
	return nil
}

// SessionsOf returns the evidence of who uses a workstation, by SID and source.
func (s *Store) SessionsOf(ctx context.Context, id photopush.GUID) ([]photopush.Session, error) {
	r, err := s.r.QueryContext(ctx, `SELECT workstation, sid, source, first_seen, last_seen, ended FROM session WHERE workstation = ?
		ORDER BY sid, source`, string(id))
	sessions, err := collect(r, err, scanSession)
	return sessions, s.fail("read sessions of "+string(id), err)
}

func scanSession(r *sql.Rows) (e photopush.Session, err error) {
	var first, last, ended int64
	err = r.Scan(&e.Workstation, &e.User, &e.Source, &first, &last, &ended)
	e.FirstSeen, e.LastSeen, e.Ended = fromMillis(first), fromMillis(last), fromMillis(ended)
	return e, err
}
