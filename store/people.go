package store

import (
	"context"
	"database/sql"
	"fmt"
	"iter"
	"strings"

	"github.com/photopush/photopush"
)

const userColumns = `sid, guid, domain, dn, account, upn, display_name, enabled, recipe, photo_hash, digest, photo_reason, photo_detail,
	photo_files, photo_source, photo_format, photo_width, photo_height, photo_bytes, gone_since, held`

func scanUser(r *sql.Rows) (u photopush.UserRecord, err error) {
	var gone, held int64
	err = r.Scan(&u.SID, &u.GUID, &u.Domain, &u.DN, &u.AccountName, &u.UPN, &u.DisplayName, &u.Enabled, &u.Recipe, &u.PhotoHash, &u.Digest,
		&u.PhotoReason, &u.PhotoDetail, &u.PhotoFiles, &u.Photo.Source, &u.Photo.Format, &u.Photo.Width, &u.Photo.Height, &u.Photo.Bytes, &gone, &held)
	u.GoneSince, u.Held = fromMillis(gone), fromMillis(held)
	return u, err
}

func (s *Store) queryUsers(ctx context.Context, rest string, args ...any) ([]photopush.UserRecord, error) {
	r, err := s.r.QueryContext(ctx, "SELECT "+userColumns+" FROM directory_user "+rest, args...)
	users, err := collect(r, err, scanUser)
	return users, s.fail("read users", err)
}

// User returns one user; ErrUnknownUser is in the chain when there is none.
func (s *Store) User(ctx context.Context, sid photopush.SID) (photopush.UserRecord, error) {
	users, err := s.queryUsers(ctx, "WHERE sid = ?", string(sid))
	if err == nil && len(users) == 0 {
		err = fmt.Errorf("user %s: %w", sid, photopush.ErrUnknownUser)
	}
	if err != nil {
		return photopush.UserRecord{}, err
	}
	return users[0], nil
}

// Users returns those of the users that are known.
func (s *Store) Users(ctx context.Context, sids []photopush.SID) (map[photopush.SID]photopush.UserRecord, error) {
	known := make(map[photopush.SID]photopush.UserRecord, len(sids))
	return known, chunks(sids, func(part []photopush.SID) error {
		users, err := s.queryUsers(ctx, "WHERE sid IN ("+marks(len(part))+")", anys(part)...)
		for _, u := range users {
			known[u.SID] = u
		}
		return err
	})
}

// UsersOf yields the users of a domain that are not gone, by account.
func (s *Store) UsersOf(ctx context.Context, domain string) iter.Seq2[photopush.UserRecord, error] {
	return func(yield func(photopush.UserRecord, error) bool) {
		r, err := s.r.QueryContext(ctx, "SELECT "+userColumns+" FROM directory_user WHERE domain = ? AND gone_since = 0 ORDER BY account_key, sid", domain)
		if err != nil {
			yield(photopush.UserRecord{}, s.fail("read users of "+domain, err))
			return
		}
		defer r.Close()
		for r.Next() {
			u, err := scanUser(r)
			if !yield(u, s.fail("read users of "+domain, err)) || err != nil {
				return
			}
		}
		if err := r.Err(); err != nil {
			yield(photopush.UserRecord{}, s.fail("read users of "+domain, err))
		}
	}
}

// Unjudged are the users of a domain whose photo could not be judged, good or bad, when it was read.
func (s *Store) Unjudged(ctx context.Context, domain string) ([]photopush.GUID, error) {
	r, err := s.r.QueryContext(ctx, `SELECT guid FROM directory_user INDEXED BY directory_user_unjudged
		WHERE domain = ? AND digest = '' AND photo_reason NOT IN ('no_photo', 'bad_photo') AND gone_since = 0`, domain)
	ids, err := collect(r, err, func(r *sql.Rows) (id photopush.GUID, err error) { return id, r.Scan(&id) })
	return ids, s.fail("read users of "+domain, err)
}

// FindUsers finds by SID, user principal name, DOMAIN\account or account, without regard to case; DOMAIN is the domain's configured name
// or its first label. Users of the directory come before those that are gone. ErrUnknownUser is in the chain when nobody is found.
func (s *Store) FindUsers(ctx context.Context, name string) (found []photopush.UserRecord, err error) {
	const order = " ORDER BY gone_since, domain, account_key"
	key := strings.ToLower(name)
	domain, account, qualified := strings.Cut(key, `\`)
	switch {
	case account == "" && (qualified || domain == ""): // accounts without a UPN have an empty one
	case photopush.SID(strings.ToUpper(name)).IsAccount():
		found, err = s.queryUsers(ctx, "WHERE sid = ?", strings.ToUpper(name))
	case qualified:
		found, err = s.queryUsers(ctx, "WHERE account_key = ? AND (lower(domain) = ? OR lower(domain) LIKE ? ESCAPE '!')"+order,
			account, domain, likeEscape(domain)+".%")
	default:
		found, err = s.queryUsers(ctx, "WHERE account_key = ? OR upn_key = ?"+order, key, key)
	}
	if err == nil && len(found) == 0 {
		err = fmt.Errorf("user %s: %w", name, photopush.ErrUnknownUser)
	}
	return found, err
}

func likeEscape(s string) string {
	return strings.NewReplacer("!", "!!", "%", "!%", "_", "!_").Replace(s)
}
