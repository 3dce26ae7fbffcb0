package store

import (
	"cmp"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"slices"
	"time"

	"github.com/photopush/photopush"
)

// Finish stores what a visit found, in one transaction: the workstation's row, its inventory, its pairs as they were read back, the originals that were not
// kept yet, and the sessions it learnt. ErrLeaseLost is in the chain, and nothing was stored, when the claim is no longer ours.
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
	for _, p := range r.Outcome.Pairs {
		p.Workstation = r.Claim.Workstation.ID
		if err := t.storePair(p, r.Claim.Token); err != nil {
			return err
		}
	}
	for i := range r.Sessions {
		r.Sessions[i].Workstation = r.Claim.Workstation.ID
	}
	if err := t.putSessions(r.Sessions); err != nil {
		return err
	}
	return t.dueForChanges(r, cleared)
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
	WHERE id = ?8 AND lease_token = ?9 AND lease_until > 0`

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
	done, err := t.exec(endLease, millis(earlier(r.NextDue, r.VerifyDue)), t.now, millis(r.VerifyDue), r.Attempts, string(o.Reason), detail,
		contact, string(r.Claim.Workstation.ID), r.Claim.Token)
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
	err = t.scan("SELECT install_date, machine_guid FROM inventory WHERE workstation = ?", []any{id}, &installed, &machine)
	switch nowInstalled, nowMachine := inv.Installation(); {
	case errors.Is(err, sql.ErrNoRows):
	case err != nil:
		return false, err
	case nowInstalled != installed || nowMachine != machine:
		cleared = true
		if err := t.clearPictures(id); err != nil {
			return true, err
		}
	}
	f := inv.Facts()
	_, err = t.exec(putInventory, id, millis(inv.Taken), !r.Outcome.Unread, inv.InstallDate, inv.MachineGUID, f.Build, f.Type, f.Domain, f.EntraJoined, f.DefaultTile, body)
	return cleared, err
}

// clearPictures forgets what was there: the disk is another one by now.
func (t *tx) clearPictures(id string) error {
	if _, err := t.exec("DELETE FROM original WHERE workstation = ?", id); err != nil {
		return err
	}
	_, err := t.exec(`UPDATE picture SET have = '', reason = CASE WHEN want = 'leave' THEN reason ELSE '' END,
		detail = CASE WHEN want = 'leave' THEN detail ELSE '' END,
		since = CASE WHEN `+inStep("want", "''")+` THEN 0 WHEN since > 0 THEN since ELSE ?1 END WHERE workstation = ?2`, t.now, id)
	return err
}

// newer: the want was set while this visit ran, after the visit had decided.
const newer = "picture.changed_in = ?8"

// putPair takes over what the visit decided, tried and read back. A want that was set meanwhile stays, with its reason, and judges what was read
// back; a pair that was left alone without a reason keeps the one it had.
var putPair = `INSERT INTO picture (workstation, sid, want, have, reason, detail, since)
	VALUES (?1, ?2, ?3, ?4, ?5, ?6, CASE WHEN ` + inStep("?3", "?4") + ` THEN 0 ELSE ?7 END)
ON CONFLICT (workstation, sid) DO UPDATE SET have = excluded.have,
	want = CASE WHEN ` + newer + ` THEN picture.want ELSE excluded.want END,
	reason = CASE WHEN ` + newer + ` OR ` + stillLeft + ` THEN picture.reason ELSE excluded.reason END,
	detail = CASE WHEN ` + newer + ` OR ` + stillLeft + ` THEN picture.detail ELSE excluded.detail END,
	since = CASE WHEN ` + inStep("CASE WHEN "+newer+" THEN picture.want ELSE excluded.want END", "excluded.have") + ` THEN 0
		WHEN picture.since > 0 THEN picture.since ELSE ?7 END`

const stillLeft = "(picture.want = 'leave' AND excluded.want = 'leave' AND excluded.reason = '')"

func (t *tx) storePair(p photopush.Pair, token string) error {
	_, err := t.exec(putPair, string(p.Workstation), string(p.User), string(p.Want), p.Have, string(p.Reason), sentence(p.Detail), t.now, token)
	if err != nil {
		return err
	}
	return t.keepOriginal(p)
}

var outOfStep = "SELECT sid, want, changed_in FROM picture WHERE workstation = ? AND NOT " + inStep("want", "have")

// dueForChanges makes the workstation due when a pair is out of step that the visit could not know to be: its want was set meanwhile, or it was
// forgotten with the old installation and not looked at. A pair that the visit tried and did not bring into step waits for NextDue, and so does all
// when the visit failed as a whole.
func (t *tx) dueForChanges(r *photopush.Result, cleared bool) error {
	o := &r.Outcome
	if len(o.Pairs) == 0 && o.Reason != "" && !cleared {
		return nil
	}
	triedFor := make(map[photopush.SID]photopush.Want, len(o.Pairs))
	for _, p := range o.Pairs {
		triedFor[p.User] = p.Want
	}
	rows, err := t.query(outOfStep, string(r.Claim.Workstation.ID))
	again, err := collect(rows, err, func(rows *sql.Rows) (bool, error) {
		var sid photopush.SID
		var want photopush.Want
		var changedIn string
		err := rows.Scan(&sid, &want, &changedIn)
		tried, ok := triedFor[sid]
		return ok && tried != want || !ok && (cleared || o.Reason == "" && changedIn == r.Claim.Token), err
	})
	if err != nil || !slices.Contains(again, true) {
		return err
	}
	_, err = t.exec("UPDATE workstation SET due = ? WHERE id = ?", t.now, string(r.Claim.Workstation.ID))
	return err
}
