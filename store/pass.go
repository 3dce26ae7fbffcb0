package store

import (
	"context"
	"fmt"
	"strings"

	"github.com/photopush/photopush"
)

// BeginPass starts a read of a domain and returns its number. What a pass puts is marked with that number, so that its end can tell who was missing.
func (s *Store) BeginPass(ctx context.Context, domain string) (pass int64, err error) {
	err = s.write(ctx, "begin pass of "+domain, func(t *tx) error {
		return t.scan("INSERT INTO pass (domain, started) VALUES (?, ?) RETURNING id", []any{domain, t.now}, &pass)
	})
	return pass, err
}

const putUser = `INSERT INTO directory_user (sid, guid, domain, dn, account, account_key, upn, upn_key, display_name, enabled,
	photo_hash, digest, photo_reason, photo_detail, pass) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET guid = excluded.guid, domain = excluded.domain, dn = excluded.dn, account = excluded.account,
	account_key = excluded.account_key, upn = excluded.upn, upn_key = excluded.upn_key, display_name = excluded.display_name,
	enabled = excluded.enabled, photo_hash = excluded.photo_hash, digest = excluded.digest, photo_reason = excluded.photo_reason,
	photo_detail = excluded.photo_detail, gone_since = 0,
	pass = CASE WHEN excluded.pass > directory_user.pass THEN excluded.pass ELSE directory_user.pass END`

// PutUsers stores users as a pass read them, a few hundred in each transaction. A SID that is no account's is an error.
func (s *Store) PutUsers(ctx context.Context, pass int64, users []photopush.UserRecord) error {
	for _, u := range users {
		if !u.SID.IsAccount() {
			return s.fail("put user", fmt.Errorf("%q of %s is no account's SID", u.SID, u.DN))
		}
	}
	return chunks(users, func(part []photopush.UserRecord) error {
		return s.write(ctx, "put users", func(t *tx) error {
			for _, u := range part {
				_, err := t.exec(putUser, string(u.SID), string(u.GUID), u.Domain, u.DN, u.AccountName, strings.ToLower(u.AccountName),
					u.UPN, strings.ToLower(u.UPN), u.DisplayName, u.Enabled, u.PhotoHash, u.Digest, string(u.PhotoReason),
					sentence(u.PhotoDetail), pass)
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// A new workstation is due at once: nothing is known of it.
const putWorkstation = `INSERT INTO workstation (id, domain, dn, name, name_key, host, os, os_version, enabled, last_logon, password_set,
	managed_by, pass, due) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (id) DO UPDATE SET domain = excluded.domain, dn = excluded.dn, name = excluded.name, name_key = excluded.name_key,
	host = excluded.host, os = excluded.os, os_version = excluded.os_version, enabled = excluded.enabled,
	last_logon = excluded.last_logon, password_set = excluded.password_set, managed_by = excluded.managed_by, gone_since = 0,
	pass = CASE WHEN excluded.pass > workstation.pass THEN excluded.pass ELSE workstation.pass END`

// PutWorkstations stores workstations as a pass read them. A new one is due at once.
func (s *Store) PutWorkstations(ctx context.Context, pass int64, ws []photopush.Workstation) error {
	return chunks(ws, func(part []photopush.Workstation) error {
		return s.write(ctx, "put workstations", func(t *tx) error {
			for _, w := range part {
				_, err := t.exec(putWorkstation, string(w.ID), w.Domain, w.DN, w.Name, strings.ToLower(w.Name), strings.ToLower(w.Host), w.OS,
					w.OSVersion, w.Enabled, millis(w.LastLogon), millis(w.PasswordSet), w.ManagedBy, pass, t.now)
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// EndPassUsers says that the pass read every user of the domain: those it did not meet are gone. Without it nobody is. A pass that began later
// and is still running does not matter: what it has put counts as met.
func (s *Store) EndPassUsers(ctx context.Context, domain string, pass int64) (gone int, err error) {
	return s.endPass(ctx, "end pass of users of "+domain, domain, pass,
		"UPDATE pass SET users_ended = ? WHERE id = ? AND domain = ? AND users_ended = 0",
		"UPDATE directory_user SET gone_since = ? WHERE domain = ? AND pass < ? AND gone_since = 0")
}

// EndPassWorkstations is EndPassUsers for workstations. One that is gone is not claimed any more; its row stays.
func (s *Store) EndPassWorkstations(ctx context.Context, domain string, pass int64) (gone int, err error) {
	return s.endPass(ctx, "end pass of workstations of "+domain, domain, pass,
		"UPDATE pass SET workstations_ended = ? WHERE id = ? AND domain = ? AND workstations_ended = 0",
		"UPDATE workstation SET gone_since = ? WHERE domain = ? AND pass < ? AND gone_since = 0")
}

func (s *Store) endPass(ctx context.Context, op, domain string, pass int64, end, mark string) (gone int, err error) {
	err = s.write(ctx, op, func(t *tx) error {
		r, err := t.exec(end, t.now, pass, domain)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return fmt.Errorf("pass %d is not running", pass)
		}
		if r, err = t.execAll(mark, t.now, domain, pass); err != nil {
			return err
		}
		n, err := r.RowsAffected()
		gone = int(n)
		return err
	})
	return gone, err
}

// sentenceLength bounds a detail, which may come from a workstation.
const sentenceLength = 500

// sentence is text as it may stand in a row: bounded, without control characters.
func sentence(text string) string {
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, "?"))
	if r := []rune(text); len(r) > sentenceLength {
		text = string(r[:sentenceLength-1]) + "…"
	}
	return text
}
