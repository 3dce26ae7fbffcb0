package store

import (
	"context"
	"database/sql"

	"github.com/photopush/photopush"
)

// KeepSDDL keeps what the permissions of the findings' keys are, each key once. It is called before they are mended, and is on the disk when it
// returns: a person may want them back. Finish completes what is kept by what a later inventory reads.
func (s *Store) KeepSDDL(ctx context.Context, workstation photopush.GUID, found []photopush.Finding) error {
	return s.writeDurably(ctx, "keep permissions of "+string(workstation), func(t *tx) error {
		done := map[string]bool{}
		for _, f := range found {
			if done[f.Key] || f.SDDL == "" {
				continue
			}
			done[f.Key] = true
			if _, err := t.exec(keepSDDL, string(workstation), f.Key, f.SDDL, t.now); err != nil {
				return err
			}
		}
		return nil
	})
}

// keepSDDL: a repair that is tried again after it was lost changes what is kept already.
const keepSDDL = `INSERT INTO repaired (workstation, key, before, at) SELECT ?1, ?2, ?3, ?4
	WHERE NOT EXISTS (SELECT 1 FROM repaired WHERE workstation = ?1 AND key = ?2 AND before = ?3 AND after = '')`

// completeRepairs notes what an inventory that was taken after them has read.
func (t *tx) completeRepairs(id photopush.GUID, inv *photopush.Inventory) error {
	rows, err := t.query("SELECT id, key FROM repaired WHERE workstation = ? AND after = '' AND at <= ?", string(id), millis(inv.Taken))
	type open struct {
		id  int64
		key string
	}
	all, err := collect(rows, err, func(r *sql.Rows) (o open, err error) { return o, r.Scan(&o.id, &o.key) })
	for _, o := range all {
		if _, err = t.exec("UPDATE repaired SET after = ? WHERE id = ?", inv.ACL(o.key), o.id); err != nil {
			return err
		}
	}
	return err
}

// Repairs are the changes of permissions on a workstation, oldest first.
func (s *Store) Repairs(ctx context.Context, workstation photopush.GUID) ([]photopush.Repair, error) {
	r, err := s.r.QueryContext(ctx, "SELECT workstation, key, before, after, at FROM repaired WHERE workstation = ? ORDER BY id", string(workstation))
	all, err := collect(r, err, func(r *sql.Rows) (p photopush.Repair, err error) {
		var at int64
		err = r.Scan(&p.Workstation, &p.Key, &p.Before, &p.After, &at)
		p.At = fromMillis(at)
		return p, err
	})
	return all, s.fail("read repairs of "+string(workstation), err)
}
