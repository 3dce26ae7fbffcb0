package store

import (
	"context"
	"database/sql"
	"errors"
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
	recipe, photo_hash, digest, photo_reason, photo_detail, photo_files, photo_source, photo_format, photo_width, photo_height, photo_bytes, pass)
	VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
ON CONFLICT (sid) DO UPDATE SET guid = excluded.guid, domain = excluded.domain, dn = excluded.dn, account = excluded.account,
	account_key = excluded.account_key, upn = excluded.upn, upn_key = excluded.upn_key, display_name = excluded.display_name,
	enabled = excluded.enabled, recipe = excluded.recipe, photo_hash = excluded.photo_hash, digest = excluded.digest, photo_reason = excluded.photo_reason,
	photo_detail = excluded.photo_detail, photo_files = excluded.photo_files, photo_source = excluded.photo_source, photo_format = excluded.photo_format,
	photo_width = excluded.photo_width, photo_height = excluded.photo_height, photo_bytes = excluded.photo_bytes, gone_since = 0,
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
					u.UPN, strings.ToLower(u.UPN), u.DisplayName, u.Enabled, u.Recipe, u.PhotoHash, u.Digest, string(u.PhotoReason),
					sentence(u.PhotoDetail), u.PhotoFiles, u.Photo.Source, u.Photo.Format, u.Photo.Width, u.Photo.Height, u.Photo.Bytes, pass)
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

// EndPass says that the pass read everything of the domain: users and workstations that it did not meet are gone, and next is where the changes
// after it begin, as far as Place and Recipes go. Without it nobody is gone. A pass that began later and is still running does not matter: what it has
// put counts as met. A workstation that is gone is not claimed any more; its row stays.
func (s *Store) EndPass(ctx context.Context, domain string, pass int64, next photopush.Bookmark) (users, workstations int, err error) {
	err = s.write(ctx, "end pass of "+domain, func(t *tx) error {
		if err := t.endPass(domain, pass); err != nil {
			return err
		}
		for table, gone := range map[string]*int{"directory_user": &users, "workstation": &workstations} {
			r, err := t.execAll("UPDATE "+table+" SET gone_since = ? WHERE domain = ? AND pass < ? AND gone_since = 0", t.now, domain, pass)
			if err != nil {
				return err
			}
			n, err := r.RowsAffected()
			if err != nil {
				return err
			}
			*gone = int(n)
		}
		_, err := t.exec(`INSERT INTO bookmark (domain, place, recipes, complete, revision) VALUES (?, ?, ?, (SELECT started FROM pass WHERE id = ?), 1)
			ON CONFLICT (domain) DO UPDATE SET place = excluded.place, recipes = excluded.recipes, complete = excluded.complete,
			revision = bookmark.revision + 1`, domain, next.Place, next.Recipes, pass)
		return err
	})
	return users, workstations, err
}

// EndChanges says that the pass looked at everything that changed since the bookmark: what of it the pass did not put is gone, and next is where
// the changes after it begin. ErrOvertaken is in the chain when another process has stored another bookmark since: what the pass has put may have
// replaced what is newer, so that nobody is gone, and the place is forgotten: everything is to be read.
func (s *Store) EndChanges(ctx context.Context, domain string, pass int64, since photopush.Bookmark, looked []photopush.GUID, next photopush.Bookmark) (users, workstations int, err error) {
	overtaken := false
	err = s.write(ctx, "end pass of "+domain, func(t *tx) (err error) {
		if err := t.endPass(domain, pass); err != nil {
			return err
		}
		if overtaken, err = t.moveBookmark(domain, since, next); err != nil || overtaken {
			return err
		}
		users, workstations, err = t.goneOf(domain, pass, looked)
		return err
	})
	if err == nil && overtaken {
		err = fmt.Errorf("read of %s: %w", domain, photopush.ErrOvertaken)
	}
	return users, workstations, err
}

// moveBookmark stores the next place, unless the bookmark is another one than since: then it forgets the place.
func (t *tx) moveBookmark(domain string, since, next photopush.Bookmark) (overtaken bool, err error) {
	moved, err := t.changed("UPDATE bookmark SET place = ?, recipes = ?, revision = revision + 1 WHERE domain = ? AND revision = ?", next.Place, next.Recipes,
		domain, since.Revision)
	if err != nil || moved {
		return false, err
	}
	_, err = t.exec("UPDATE bookmark SET place = NULL, revision = revision + 1 WHERE domain = ?", domain)
	return true, err
}

// goneOf marks those of the objects that the pass has not put.
func (t *tx) goneOf(domain string, pass int64, looked []photopush.GUID) (users, workstations int, err error) {
	for _, id := range looked {
		for table, gone := range map[string]*int{"directory_user SET gone_since = ? WHERE guid = ?": &users, "workstation SET gone_since = ? WHERE id = ?": &workstations} {
			is, err := t.changed("UPDATE "+table+" AND domain = ? AND pass < ? AND gone_since = 0", t.now, string(id), domain, pass)
			if err != nil {
				return users, workstations, err
			}
			if is {
				*gone++
			}
		}
	}
	return users, workstations, nil
}

func (t *tx) endPass(domain string, pass int64) error {
	r, err := t.exec("UPDATE pass SET users_ended = ?, workstations_ended = ? WHERE id = ? AND domain = ? AND users_ended = 0", t.now, t.now, pass, domain)
	if err != nil {
		return err
	}
	if n, err := r.RowsAffected(); err != nil || n == 0 {
		return fmt.Errorf("pass %d is not running", pass)
	}
	return nil
}

// Bookmark tells how far the directory of a domain was read; the zero value is of one that never was.
func (s *Store) Bookmark(ctx context.Context, domain string) (b photopush.Bookmark, err error) {
	var complete int64
	err = s.r.QueryRowContext(ctx, "SELECT place, recipes, complete, revision FROM bookmark WHERE domain = ?", domain).Scan(&b.Place, &b.Recipes, &complete, &b.Revision)
	if errors.Is(err, sql.ErrNoRows) {
		return photopush.Bookmark{}, nil
	}
	b.Complete = fromMillis(complete)
	return b, s.fail("read bookmark of "+domain, err)
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
