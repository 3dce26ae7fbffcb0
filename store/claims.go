package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// lease takes the workstations that the condition after it names.
const lease = `UPDATE workstation SET due = 0, lease_owner = ?, lease_token = ?, leased_at = ?, lease_until = ? WHERE no `

// leased is what a claim holds.
const leased = ` RETURNING no, id, domain, dn, name, host, os, os_version, enabled, last_logon, password_set, managed_by, site, attempts, verify_due,
	coalesce((SELECT body FROM inventory i WHERE i.workstation = workstation.id AND i.usable = 1), '')`

// claimable names the condition of the index workstation_due.
const claimable = `w.due > 0 AND w.lease_until = 0 AND w.enabled = 1 AND w.gone_since = 0`

// A claimed is a claim with its inventory as it is stored: it is decoded outside the transaction.
type claimed struct {
	photopush.Claim
	body string
}

// Claim takes due workstations: those on demand come first, and what is due longest goes before the rest; within a claim the order says nothing more. Fewer than asked for, or none, are no error: nothing else is due, or as
// many leases live as may. Leases that ended are given back first.
func (s *Store) Claim(ctx context.Context, r photopush.ClaimRequest) ([]photopush.Claim, error) {
	if r.Limit < 1 || r.Lease <= 0 {
		return nil, s.fail("claim", fmt.Errorf("limit %d and lease %s, want both above 0", r.Limit, r.Lease))
	}
	owner, err := s.ownerName()
	if err != nil {
		return nil, s.fail("claim", err)
	}
	var taken []claimed
	err = s.write(ctx, "claim", func(t *tx) (err error) {
		taken, err = t.claim(r, owner)
		return err
	})
	if err != nil {
		return nil, err
	}
	return s.decodeClaims(taken), nil
}

// decodeClaims reads the inventories. One that cannot be read, as another version may have written it, is taken anew by the visit: it must not keep
// others from being claimed.
func (s *Store) decodeClaims(taken []claimed) []photopush.Claim {
	claims := make([]photopush.Claim, len(taken))
	for i, c := range taken {
		claims[i] = c.Claim
		if c.body == "" {
			continue
		}
		inv, err := decodeInventory(c.body)
		if err != nil {
			s.log.Warn("stored inventory cannot be read, it is taken anew", "workstation", c.Workstation.Host, "err", err)
			continue
		}
		claims[i].Inventory = inv
	}
	return claims
}

func (t *tx) claim(r photopush.ClaimRequest, owner string) (taken []claimed, err error) {
	if err := t.expire(); err != nil {
		return nil, err
	}
	limit := r.Limit
	if r.MaxInFlight > 0 {
		var live int
		if err := t.scan("SELECT count(*) FROM workstation WHERE lease_until > 0", nil, &live); err != nil {
			return nil, err
		}
		limit = min(limit, r.MaxInFlight-live)
	}
	l := t.newLease(owner, r.Lease)
	// One statement for each priority keeps each a walk along the index.
	for _, p := range []photopush.Priority{photopush.OnDemand, photopush.Normal} {
		take := func(only []photopush.GUID) error {
			if limit <= len(taken) {
				return nil
			}
			condition, args := due(p, t.now, only, r.Domains, limit-len(taken))
			if r.MaxPerSite > 0 {
				var err error
				if condition, args, err = t.dueBySite(r, p, only, limit-len(taken)); err != nil || condition == "" {
					return err
				}
			}
			more, err := t.lease(l, only != nil || r.MaxPerSite > 0, condition, args...)
			taken = append(taken, more...)
			return err
		}
		if r.Only == nil {
			err = take(nil)
		} else {
			err = chunks(r.Only, take)
		}
		if err != nil {
			return nil, err
		}
	}
	return taken, nil
}

// due is the condition that names up to limit workstations that are due.
func due(p photopush.Priority, now int64, only []photopush.GUID, domains []string, limit int) (condition string, args []any) {
	text, args := dueRows("w.no", p, now, only, domains)
	return "IN (" + text + " ORDER BY w.due LIMIT ?)", append(args, limit)
}

// dueRows selects the columns of what is due.
func dueRows(columns string, p photopush.Priority, now int64, only []photopush.GUID, domains []string) (text string, args []any) {
	condition := "SELECT " + columns + " FROM workstation w WHERE " + claimable + " AND w.priority = ? AND w.due <= ?"
	args = []any{int(p), now}
	if only != nil {
		condition += " AND w.id IN (" + marks(len(only)) + ")"
		args = append(args, anys(only)...)
	}
	if domains != nil {
		condition += " AND w.domain IN (" + marks(len(domains)) + ")"
		args = append(args, anys(domains)...)
	}
	return condition, args
}

// A newLease is what the claims of one transaction share.
type newLease struct {
	owner, token string
	until        int64
}

func (t *tx) newLease(owner string, length time.Duration) newLease {
	return newLease{owner, newToken(), t.now + length.Milliseconds()}
}

func (t *tx) lease(l newLease, once bool, condition string, args ...any) ([]claimed, error) {
	rows, err := t.queryOnce(once, lease+condition+leased, append([]any{l.owner, l.token, t.now, l.until}, args...)...)
	return collect(rows, err, func(r *sql.Rows) (c claimed, err error) {
		var no, logon, password, verify int64
		w := &c.Workstation
		err = r.Scan(&no, &w.ID, &w.Domain, &w.DN, &w.Name, &w.Host, &w.OS, &w.OSVersion, &w.Enabled, &logon, &password, &w.ManagedBy,
			&c.Site, &c.Attempts, &verify, &c.body)
		w.LastLogon, w.PasswordSet = fromMillis(logon), fromMillis(password)
		c.Verify = verify > 0 && verify <= t.now
		c.Token, c.Until = claimToken(no, l.token), fromMillis(l.until)
		return c, err
	})
}

// claimToken is a claim's token: the number of the workstation's row and the lease's token.
func claimToken(no int64, token string) string { return strconv.FormatInt(no, 10) + "-" + token }

// splitToken gives its two parts; no row has the number 0.
func splitToken(claim string) (no int64, token string) {
	number, token, _ := strings.Cut(claim, "-")
	no, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		return 0, ""
	}
	return no, token
}

// freeLease ends a lease whose visit did not report: something may have been done there, so that nothing is planned from its inventory.
const (
	distrust  = `UPDATE inventory SET usable = 0 WHERE workstation IN (SELECT id FROM workstation WHERE lease_until > 0 AND `
	freeLease = `UPDATE workstation SET lease_owner = '', lease_token = '', lease_until = 0, due = ? WHERE lease_until > 0 AND `
)

// abandon frees the leases that condition names; due again at once.
func (t *tx) abandon(condition string, arg any) (n int64, err error) {
	if _, err := t.exec(distrust+condition+")", arg); err != nil {
		return 0, err
	}
	r, err := t.exec(freeLease+condition, t.now, arg)
	if err != nil {
		return 0, err
	}
	return r.RowsAffected()
}

// expire frees the leases that ended.
func (t *tx) expire() error {
	_, err := t.abandon("lease_until <= ?", t.now)
	return err
}

// ClaimOne claims one workstation, due or not. While another holds it there is no claim (ok is false), and heldUntil is the latest time it can be
// held till. It is counted as a live lease, but not refused for the number of others: someone waits for it. ErrUnknownWorkstation is in
// the chain when there is no such workstation, or it is disabled or gone.
func (s *Store) ClaimOne(ctx context.Context, id photopush.GUID, length time.Duration) (c photopush.Claim, heldUntil time.Time, ok bool, err error) {
	owner, err := s.ownerName()
	if err != nil {
		return c, heldUntil, false, s.fail("claim", err)
	}
	var taken []claimed
	err = s.write(ctx, "claim "+string(id), func(t *tx) error {
		if err := t.expire(); err != nil {
			return err
		}
		var no, until, due int64
		err := t.scan("SELECT no, lease_until, due FROM workstation WHERE id = ? AND enabled = 1 AND gone_since = 0", []any{string(id)}, &no, &until, &due)
		if errors.Is(err, sql.ErrNoRows) {
			return fmt.Errorf("%w", photopush.ErrUnknownWorkstation)
		}
		if heldUntil = fromMillis(until); err != nil || until > 0 {
			return err
		}
		taken, err = t.lease(t.newLease(owner, length), false, "= ?", no)
		for i := range taken {
			taken[i].Due = fromMillis(due)
		}
		return err
	})
	if err != nil || len(taken) == 0 {
		return c, heldUntil, false, err
	}
	return s.decodeClaims(taken)[0], time.Time{}, true, nil
}

// Release gives a claim back unvisited: due at once, and no attempt used. One that was lost already is no error.
func (s *Store) Release(ctx context.Context, c photopush.Claim) error {
	no, token := splitToken(c.Token)
	return s.write(ctx, "release "+c.Workstation.Host, func(t *tx) error {
		_, err := t.exec(`UPDATE workstation SET lease_owner = '', lease_token = '', lease_until = 0, due = ? WHERE no = ? AND lease_token = ? AND lease_until > 0`,
			t.now, no, token)
		return err
	})
}

// PutBack gives a claim of ClaimOne back as if it had not been made: due when it was before, unless somebody has made it due meanwhile.
func (s *Store) PutBack(ctx context.Context, c photopush.Claim) error {
	no, token := splitToken(c.Token)
	return s.write(ctx, "put back "+c.Workstation.Host, func(t *tx) error {
		_, err := t.exec(`UPDATE workstation SET lease_owner = '', lease_token = '', lease_until = 0, due = CASE WHEN due > 0 THEN due
			WHEN EXISTS (SELECT 1 FROM picture WHERE workstation = id AND changed_in = ?1) THEN ?2 ELSE ?3 END WHERE no = ?4 AND lease_token = ?1 AND lease_until > 0`,
			token, t.now, millis(c.Due), no)
		return err
	})
}

// SetDue makes workstations due at a time unless they are due earlier, and raises their priority. What is leased then is due after its visit.
func (s *Store) SetDue(ctx context.Context, ids []photopush.GUID, at time.Time, p photopush.Priority) error {
	return chunks(ids, func(part []photopush.GUID) error {
		return s.write(ctx, "set due", func(t *tx) error {
			for _, id := range part {
				_, err := t.exec(`UPDATE workstation SET due = CASE WHEN due > 0 AND due < ?1 THEN due ELSE ?1 END,
					priority = CASE WHEN priority > ?2 THEN priority ELSE ?2 END WHERE id = ?3`, millis(at), int(p), string(id))
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// SetVerify asks for a look at workstations although every pair is in step: due at once. nil names all that are enabled and not gone.
func (s *Store) SetVerify(ctx context.Context, only []photopush.GUID) error {
	const set = `UPDATE workstation SET verify_due = ?1, due = CASE WHEN due > 0 AND due < ?1 THEN due ELSE ?1 END WHERE `
	if only == nil {
		return s.write(ctx, "set verify", func(t *tx) error {
			_, err := t.execAll(set+"enabled = 1 AND gone_since = 0", t.now)
			return err
		})
	}
	return chunks(only, func(part []photopush.GUID) error {
		return s.write(ctx, "set verify", func(t *tx) error {
			for _, id := range part {
				if _, err := t.exec(set+"id = ?2", t.now, string(id)); err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// NextDue says when the next workstation is due (zero: none is planned) and how many are due now, of these domains or, without any, of all; and how many
// of all are leased. A lease that ended and was not claimed again counts as leased, and is due when it ended.
func (s *Store) NextDue(ctx context.Context, domains ...string) (next time.Time, due, leased int, err error) {
	where := claimable
	if len(domains) > 0 {
		where += " AND w.domain IN (" + marks(len(domains)) + ")"
	}
	var first, ends int64
	err = s.r.QueryRowContext(ctx, `SELECT coalesce(min(w.due), 0), count(*) FILTER (WHERE w.due <= ?),
		(SELECT count(*) FROM workstation WHERE lease_until > 0), (SELECT coalesce(min(lease_until), 0) FROM workstation WHERE lease_until > 0)
		FROM workstation w WHERE `+where, append([]any{s.now()}, anys(domains)...)...).Scan(&first, &due, &leased, &ends)
	if ends > 0 && (first == 0 || ends < first) {
		first = ends
	}
	return fromMillis(first), due, leased, s.fail("read next due", err)
}
