package store

import (
	"context"
	"slices"

	"github.com/photopush/photopush"
)

const (
	putOverwritten = `INSERT INTO history (workstation, sid, overwritten, overwritten_at, path, changed) VALUES (?, ?, 1, ?, ?, ?)
ON CONFLICT (workstation, sid) DO UPDATE SET overwritten = history.overwritten + 1, overwritten_at = excluded.overwritten_at,
	path = excluded.path, changed = excluded.changed`
	putRemoved = `INSERT INTO history (workstation, sid, removed_at) VALUES (?, ?, ?)
ON CONFLICT (workstation, sid) DO UPDATE SET removed_at = excluded.removed_at`
)

// putHistory notes what a visit saw others do to pictures of ours, and whose picture is gone.
func (t *tx) putHistory(r *photopush.Result) error {
	id := string(r.Claim.Workstation.ID)
	for _, o := range r.Outcome.Overwritten {
		if _, err := t.exec(putOverwritten, id, string(o.User), t.now, namedBy(o.Values), millis(o.Changed)); err != nil {
			return err
		}
	}
	for _, sid := range r.Outcome.Removed {
		if err := t.putRemoved(r.Claim.Workstation.ID, sid); err != nil {
			return err
		}
	}
	return nil
}

func (t *tx) putRemoved(w photopush.GUID, sid photopush.SID) error {
	_, err := t.exec(putRemoved, string(w), string(sid), t.now)
	return err
}

// namedBy is the file that the last of the values names, which is the largest picture.
func namedBy(values []photopush.Value) string {
	for _, v := range slices.Backward(values) {
		if v.Data != "" {
			return sentence(v.Data)
		}
	}
	return ""
}

type pairKey struct {
	workstation photopush.GUID
	user        photopush.SID
}

// histories are those of all pairs that have one.
func (s *Store) histories(ctx context.Context) (map[pairKey]photopush.History, error) {
	rows, err := s.r.QueryContext(ctx, "SELECT workstation, sid, overwritten, overwritten_at, path, changed, removed_at FROM history")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[pairKey]photopush.History{}
	for rows.Next() {
		var k pairKey
		var h photopush.History
		var at, changed, removed int64
		if err := rows.Scan(&k.workstation, &k.user, &h.Overwritten, &at, &h.Path, &changed, &removed); err != nil {
			return nil, err
		}
		h.OverwrittenAt, h.Changed, h.RemovedAt = fromMillis(at), fromMillis(changed), fromMillis(removed)
		all[k] = h
	}
	return all, rows.Err()
}
