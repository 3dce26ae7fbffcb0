package store

import (
	"context"
	"fmt"

	"github.com/photopush/photopush"
)

// Hold notes that an administrator wants no picture of ours for the user: on the workstations that only names, or with nil anywhere. Without held it
// notes that he wants it back: with nil everywhere, whatever was held where. What is held already stays so since it was. It is on the disk when
// it returns: no visit could find it out again.
//
// A user whom no directory has ever had is held on the workstations where he has a pair. ErrUnknownWorkstation is in the chain when there is no such
// workstation.
func (s *Store) Hold(ctx context.Context, user photopush.SID, only []photopush.GUID, held bool) error {
	if !user.IsAccount() {
		return s.fail("hold", fmt.Errorf("%q is no account's SID", user))
	}
	return s.writeDurably(ctx, "hold the pictures of "+string(user), func(t *tx) error {
		var since int64
		if held {
			since = t.now
		}
		if only == nil {
			return t.holdUser(user, since)
		}
		for _, w := range only {
			if err := t.holdPair(user, w, since); err != nil {
				return err
			}
		}
		return nil
	})
}

const (
	holdUser  = `UPDATE directory_user SET held = CASE WHEN ?1 > 0 AND held > 0 THEN held ELSE ?1 END WHERE sid = ?2`
	holdPairs = `UPDATE picture SET held = CASE WHEN ?1 > 0 AND held > 0 THEN held ELSE ?1 END WHERE sid = ?2`
	holdPair  = holdPairs + ` AND workstation = ?3`
	// heldPair is for a pair of which nothing is known yet.
	heldPair = `INSERT INTO picture (workstation, sid, want, held) SELECT id, ?1, '', ?2 FROM workstation WHERE id = ?3`
)

func (t *tx) holdUser(user photopush.SID, since int64) error {
	known, err := t.changed(holdUser, since, string(user))
	if err != nil || known && since > 0 {
		return err
	}
	_, err = t.exec(holdPairs, since, string(user))
	return err
}

func (t *tx) holdPair(user photopush.SID, w photopush.GUID, since int64) error {
	known, err := t.changed(holdPair, since, string(user), string(w))
	if err == nil && !known && since > 0 {
		known, err = t.changed(heldPair, string(user), since, string(w))
		if err == nil && !known {
			err = fmt.Errorf("workstation %s: %w", w, photopush.ErrUnknownWorkstation)
		}
	}
	return err
}

// changed runs a statement, and tells whether it met a row.
func (t *tx) changed(text string, args ...any) (bool, error) {
	r, err := t.exec(text, args...)
	if err != nil {
		return false, err
	}
	n, err := r.RowsAffected()
	return n > 0, err
}
