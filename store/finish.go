package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	"github.com/photopush/photopush"
)

// Finish stores what a visit found, in one transaction: the workstation's row, its inventory, its pairs as they were read back, the originals that were not
// kept yet, the sessions it learnt, and what its inventory shows of permissions and of profiles that are gone. ErrLeaseLost is in the chain, and nothing was stored, when the claim is no longer ours.
//
// Another installation than before (InstallDate or MachineGUID) first clears what was believed to be there. What a pair of the
// outcome wants is what the visit decided; a want that was set while it ran stays, and leaves the workstation due.
func (s *Store) Finish(ctx context.Context, r photopush.Result) error {
	lost, err := s.FinishAll(ctx, []photopush.Result{r})
	if err != nil {
		return err
	}
	return lost[0]
}

// FinishAll is Finish for many in one transaction. lost has an entry for each: nil, or an error with ErrLeaseLost in its chain.
func (s *Store) FinishAll(ctx context.Context, results []photopush.Result) (lost []error, err error) {
	bodies := make([]string, len(results)) // encoded before the transaction begins
	for i, r := range results {
		if r.Outcome.Inventory == nil {
			continue
		}
		b, err := json.Marshal(r.Outcome.Inventory)
		if err != nil {
			return nil, s.fail("encode inventory of "+r.Claim.Workstation.Host, err)
		}
		bodies[i] = string(b)
	}
	lost = make([]error, len(results))
	err = s.write(ctx, "finish", func(t *tx) error {
		for i := range results {
			err := t.finish(&results[i], bodies[i])
			if errors.Is(err, ErrLeaseLost) {
				lost[i] = &photopush.Error{Reason: photopush.Conflict, Op: "finish visit of", On: results[i].Claim.Workstation.Host, Err: err}
			} else if err != nil {
				return err
			}
		}
		return nil
	})
	return lost, err
}

func (t *tx) finish(r *photopush.Result, body string) error {
	if err := t.endLease(r); err != nil {
		return err
	}
	cleared, err := t.storeInventory(r, body)
	if err != nil {
		return err
	}
	no, token := splitToken(r.Claim.Token)
	if r.Site != "" && r.Site != r.Claim.Site {
		if _, err := t.exec("UPDATE workstation SET site = ? WHERE no = ?", sentence(r.Site), no); err != nil {
			return err
		}
	}
	newer, err := t.storePairs(r, token, cleared)
	if err != nil {
		return err
	}
	if err := t.putHistory(r); err != nil {
		return err
	}
	for i := range r.Sessions {
		r.Sessions[i].Workstation = r.Claim.Workstation.ID
	}
	if err := t.putSessions(r.Sessions); err != nil || !newer {
		return err
	}
	_, err = t.exec("UPDATE workstation SET due = ? WHERE no = ?", t.now, no)
	return err
}

// endLease: what SetDue and SetVerify asked for while the visit ran still counts.
const endLease = `UPDATE workstation SET lease_owner = '', lease_token = '', lease_until = 0,
	priority = CASE WHEN due > 0 THEN priority ELSE 0 END,
	due = CASE WHEN due > 0 AND (?1 = 0 OR due < ?1) THEN due ELSE ?1 END,
	verify_due = CASE WHEN verify_due > leased_at AND verify_due <= ?2 THEN verify_due ELSE ?3 END,
	attempts = ?4, reason = ?5, detail = ?6,
	first_failed = CASE WHEN ?5 = '' THEN 0 WHEN first_failed > 0 THEN first_failed ELSE ?2 END,
	last_contact = CASE WHEN ?7 > 0 THEN ?7 ELSE last_contact END,
	last_success = CASE WHEN ?7 > 0 AND ?5 = '' THEN ?7 ELSE last_success END
	WHERE no = ?8 AND lease_token = ?9 AND lease_until > 0 AND id = ?10`

func (t *tx) endLease(r *photopush.Result) error {
	o := &r.Outcome
	var contact int64
	if o.Contacted {
		contact = millis(o.Finished)
	}
	detail := ""
	if o.Err != nil {
		detail = sentence(photopush.Detail(o.Err))
	}
	no, token := splitToken(r.Claim.Token)
	done, err := t.exec(endLease, millis(earlier(r.NextDue, r.VerifyDue)), t.now, millis(r.VerifyDue), r.Attempts, string(o.Reason), detail,
		contact, no, token, string(r.Claim.Workstation.ID))
	if err != nil {
		return err
	}
	if n, err := done.RowsAffected(); err != nil || n == 0 {
		return cmp.Or(err, ErrLeaseLost)
	}
	return nil
}

// earlier is the earlier of two times, where zero is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}

const putInventory = `INSERT INTO inventory (workstation, taken, usable, install_date, machine_guid, build, type, domain, entra_joined, default_tile, body)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workstation) DO UPDATE SET taken = excluded.taken, usable = excluded.usable,
	install_date = excluded.install_date, machine_guid = excluded.machine_guid, build = excluded.build, type = excluded.type,
	domain = excluded.domain, entra_joined = excluded.entra_joined, default_tile = excluded.default_tile, body = excluded.body`

// lastInventory also tells whether something hangs on it that the next one replaces or completes, which is rare.
const lastInventory = `SELECT install_date, machine_guid,
	EXISTS (SELECT 1 FROM finding f WHERE f.workstation = i.workstation) OR EXISTS (SELECT 1 FROM elsewhere e WHERE e.workstation = i.workstation),
	EXISTS (SELECT 1 FROM repaired r WHERE r.workstation = i.workstation AND r.after = '') FROM inventory i WHERE i.workstation = ?`

// storeInventory keeps the inventory, if the visit brought one. Nothing is planned from it any more when something may have been changed that was not read.
// cleared tells that another installation was found.
func (t *tx) storeInventory(r *photopush.Result, body string) (cleared bool, err error) {
	id, inv := string(r.Claim.Workstation.ID), r.Outcome.Inventory
	if inv == nil {
		if r.Outcome.Unread || r.Outcome.Reason == photopush.Unknown {
			_, err = t.exec("UPDATE inventory SET usable = 0 WHERE workstation = ?", id)
		}
		return false, err
	}
	var installed int64
	var machine string
	var found, open bool
	err = t.scan(lastInventory, []any{id}, &installed, &machine, &found, &open)
	switch nowInstalled, nowMachine := inv.Installation(); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return false, err
	case nowInstalled != installed || nowMachine != machine:
		cleared = true
		if _, err := t.exec("DELETE FROM original WHERE workstation = ?", id); err != nil {
			return true, err
		}
	}
	f := inv.Facts()
	_, err = t.exec(putInventory, id, millis(inv.Taken), !r.Outcome.Unread, inv.InstallDate, inv.MachineGUID, f.Build, f.Type, f.Domain, f.EntraJoined, f.DefaultTile, body)
	if err == nil && (found || len(r.Outcome.Findings)+len(r.Outcome.Elsewhere) > 0) {
		err = t.putFindings(r)
	}
	if err == nil && open {
		err = t.completeRepairs(r.Claim.Workstation.ID, inv)
	}
	if err == nil {
		err = t.endSessions(r.Claim.Workstation.ID, inv)
	}
	return cleared, err
}

// storePairs keeps what the visit decided, tried and read back. newer tells that a pair is out of step that the visit could not know to be: its want was set
// while the visit ran, or it was forgotten with the old installation and not looked at. A pair that the visit tried and did not bring into
// step waits for NextDue, and so do all when the visit failed as a whole.
func (t *tx) storePairs(r *photopush.Result, token string, cleared bool) (newer bool, err error) {
	o := &r.Outcome
	if len(o.Pairs) == 0 && o.Reason != "" && !cleared {
		return false, nil
	}
	rows, err := t.query(pairColumns, string(r.Claim.Workstation.ID))
	all, err := collect(rows, err, scanStored)
	if err != nil {
		return false, err
	}
	before := make(map[photopush.SID]stored, len(all))
	for _, p := range all {
		before[p.User] = p
	}
	for _, seen := range o.Pairs {
		seen.Workstation = r.Claim.Workstation.ID
		old, known := before[seen.User]
		delete(before, seen.User)
		row := readBack(old, seen, token, cleared, t.now)
		newer = newer || row.Want != seen.Want && !row.InStep()
		if !known || !row.same(old) {
			if err := t.putPair(row); err != nil {
				return false, err
			}
		}
		if row.Want == photopush.Absent && row.InStep() && !cleared && photopush.Ours(old.Have) { // also where the visit that did it was lost
			if err := t.putRemoved(row.Workstation, row.User); err != nil {
				return false, err
			}
		}
		if err := t.keepOriginal(seen); err != nil {
			return false, err
		}
	}
	for _, old := range before { // not looked at
		row := old
		if cleared {
			row.clear(t.now)
			if err := t.putPair(row); err != nil {
				return false, err
			}
		}
		newer = newer || !row.InStep() && (cleared || o.Reason == "" && row.changedIn == token)
	}
	return newer, nil
}

// readBack is the row after a visit that saw the pair. What it decided from a fresh inventory replaces the want, unless that was set while it ran: then the want
// stays with its reason. A pair that was left alone without a reason keeps the one it had.
func readBack(old stored, seen photopush.Pair, token string, cleared bool, now int64) stored {
	row := old
	if cleared {
		row.clear(now)
	}
	row.Workstation, row.User, row.Have = seen.Workstation, seen.User, seen.Have
	stillLeft := old.Want == photopush.Leave && seen.Want == photopush.Leave && seen.Reason == ""
	if old.Want == "" || old.changedIn != token {
		row.Want = seen.Want
		if !stillLeft {
			row.Reason, row.Detail = seen.Reason, sentence(seen.Detail)
		}
	} else if old.Want == seen.Want && !stillLeft {
		row.Reason, row.Detail = seen.Reason, sentence(seen.Detail)
	}
	row.judge(now)
	return row
}

// clear forgets what was there: the installation is another one by now.
func (p *stored) clear(now int64) {
	p.Have = photopush.HaveNothing
	if p.Want.Digest() != "" {
		p.Reason, p.Detail = "", ""
	}
	p.judge(now)
}
