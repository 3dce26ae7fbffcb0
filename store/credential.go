package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

const (
	// permitLease bounds the one attempt of a credential that nobody vouches for; its owner's death ends it sooner.
	permitLease = time.Minute
	// acceptedFor is how long a success vouches for a credential. It is short, because the password may be changed at the directory at
	// any time, and a pass that begins with many visits at once must not burn it then.
	acceptedFor = 10 * time.Minute
	// maxRejections is the number of distinct workstations that stop a credential.
	maxRejections = 2
	// permitPoll is how often a waiting Permit looks for what other processes learnt.
	permitPoll = 50 * time.Millisecond
)

// credentialKey is the primary key of a credential's row.
func credentialKey(c photopush.Credential) []any {
	var at int64
	if !c.Mark.ModTime.IsZero() {
		at = c.Mark.ModTime.UnixNano()
	}
	return []any{strings.ToLower(c.Account), c.Mechanism, at, c.Mark.Size}
}

const ofCredential = " WHERE account = ? AND mechanism = ? AND mark_time = ? AND mark_size = ?"

// A standing is what is known of a credential.
type standing struct {
	acceptedUntil, stoppedSince, permitUntil int64
	detail, permitOwner, permitToken         string
	rejectedHere                             bool // by the workstation that is asked for
}

const readStanding = `SELECT accepted_until, stopped_since, permit_until, detail, permit_owner, permit_token, EXISTS (SELECT 1 FROM credential_rejection j WHERE
	j.account = c.account AND j.mechanism = c.mechanism AND j.mark_time = c.mark_time AND j.mark_size = c.mark_size AND j.workstation = ? AND j.known = 0)
	FROM credential c` + ofCredential

// readCredential gives the zero standing for a credential that was never tried.
func readCredential(c photopush.Credential, workstation photopush.GUID, scan func(text string, args []any, dest ...any) error) (st standing, err error) {
	err = scan(readStanding, append([]any{string(workstation)}, credentialKey(c)...), &st.acceptedUntil, &st.stoppedSince, &st.permitUntil,
		&st.detail, &st.permitOwner, &st.permitToken, &st.rejectedHere)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return st, err
}

// refusal is the error that says not to try; nil when trying is right, now or later.
func (st standing) refusal(c photopush.Credential) error {
	switch {
	case st.stoppedSince > 0:
		return stopError(&photopush.CredentialStop{Credential: c, Since: fromMillis(st.stoppedSince), Detail: st.detail})
	case st.rejectedHere:
		return stopError(&photopush.CredentialStop{Credential: c, Detail: "this workstation rejected it already, and no other has accepted it since"})
	}
	return nil
}

func stopError(stop *photopush.CredentialStop) error {
	return &photopush.Error{Reason: photopush.Auth, Op: "use credential", On: stop.Credential.Account, Err: stop}
}

// Permit waits for the right to try a credential on a workstation, until ctx ends.
//
// A credential that succeeded lately may be tried by many at once (token is empty then). Any other has one attempt in flight over all processes, for a minute at
// most, and is not tried again on a workstation that rejected it. With the second workstation's rejection it is stopped. So a wrong password
// costs two attempts, however many visits begin at once and however many processes there are. Another mark (the secret's file has changed)
// begins anew. *photopush.CredentialStop is in the chain of an error that says not to try.
//
// Exactly one of Accepted, Rejected and Unused must follow, as soon as the far end has answered.
func (s *Store) Permit(ctx context.Context, c photopush.Credential, workstation photopush.GUID) (token string, err error) {
	owner, err := s.ownerName()
	if err != nil {
		return "", s.fail("permit", err)
	}
	for {
		ended := s.gateEnded()
		token, wait, err := s.tryPermit(ctx, c, workstation, owner)
		if err != nil || !wait {
			return token, s.fail("permit", err)
		}
		poll := time.NewTimer(permitPoll)
		select {
		case <-ctx.Done():
		case <-ended:
		case <-poll.C:
		}
		poll.Stop()
		if ctx.Err() != nil {
			return "", s.fail("wait for the credential of "+c.Account, ctx.Err())
		}
	}
}

// tryPermit decides by a read alone where it can: most visits meet a credential that was accepted, or wait.
func (s *Store) tryPermit(ctx context.Context, c photopush.Credential, workstation photopush.GUID, owner string) (token string, wait bool, err error) {
	st, err := readCredential(c, workstation, func(text string, args []any, dest ...any) error {
		return s.r.QueryRowContext(ctx, text, args...).Scan(dest...)
	})
	if err == nil {
		err = st.refusal(c)
	}
	if err != nil {
		return "", false, err
	}
	now := s.now()
	if st.acceptedUntil > now {
		return "", false, nil
	}
	if st.permitUntil > now {
		if dead, err := s.dead(st.permitOwner); err != nil || !dead {
			return "", true, err
		}
	}
	return s.takePermit(ctx, c, workstation, owner, st.permitToken)
}

// takePermit takes the one place. displaced is the permit that was met: its owner is dead, or its time was over.
func (s *Store) takePermit(ctx context.Context, c photopush.Credential, workstation photopush.GUID, owner, displaced string) (token string, wait bool, err error) {
	err = s.write(ctx, "permit", func(t *tx) error {
		st, err := readCredential(c, workstation, t.scan)
		if err == nil {
			err = st.refusal(c)
		}
		if err != nil || st.acceptedUntil > t.now {
			return err
		}
		if wait = st.permitUntil > t.now && st.permitToken != displaced; wait {
			return nil
		}
		token = newToken()
		_, err = t.exec(`INSERT INTO credential (account, mechanism, mark_time, mark_size, permit_token, permit_owner, permit_until) VALUES (?, ?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, mechanism, mark_time, mark_size) DO UPDATE SET permit_token = excluded.permit_token,
			permit_owner = excluded.permit_owner, permit_until = excluded.permit_until`,
			append(credentialKey(c), token, owner, t.now+permitLease.Milliseconds())...)
		return err
	})
	return token, wait, err
}

// Accepted says that the far end accepted the credential: it vouches for it, and whoever rejected it before is known to, and not counted again.
func (s *Store) Accepted(ctx context.Context, c photopush.Credential, token string) error {
	if token == "" { // one of many; seldom worth a write
		st, err := readCredential(c, "", func(text string, args []any, dest ...any) error {
			return s.r.QueryRowContext(ctx, text, args...).Scan(dest...)
		})
		if err != nil || st.acceptedUntil > s.now()+(acceptedFor-acceptedFor/10).Milliseconds() {
			return s.fail("accept credential", err)
		}
	}
	return s.endPermit(ctx, "accept credential", c, token, func(t *tx) error {
		if _, err := t.exec("UPDATE credential_rejection SET known = 1"+ofCredential, credentialKey(c)...); err != nil {
			return err
		}
		_, err := t.exec("UPDATE credential SET accepted_until = ?"+ofCredential, append([]any{t.now + acceptedFor.Milliseconds()}, credentialKey(c)...)...)
		return err
	})
}

// Rejected counts a rejection by a workstation. stop is not nil when it is the one that stops the credential, or it was stopped already. detail names who
// rejected it and how; it must hold nothing secret.
func (s *Store) Rejected(ctx context.Context, c photopush.Credential, token string, workstation photopush.GUID, detail string) (stop *photopush.CredentialStop, err error) {
	err = s.endPermit(ctx, "count rejection", c, token, func(t *tx) error {
		_, err := t.exec(`INSERT INTO credential_rejection (account, mechanism, mark_time, mark_size, workstation, at) VALUES (?, ?, ?, ?, ?, ?)
			ON CONFLICT (account, mechanism, mark_time, mark_size, workstation) DO NOTHING`, append(credentialKey(c), string(workstation), t.now)...)
		if err != nil {
			return err
		}
		var n int
		if err := t.scan("SELECT count(*) FROM credential_rejection"+ofCredential+" AND known = 0", credentialKey(c), &n); err != nil {
			return err
		}
		if n >= maxRejections {
			stop, err = t.stop(c, detail)
			return err
		}
		_, err = t.exec("UPDATE credential SET accepted_until = 0"+ofCredential, credentialKey(c)...)
		return err
	})
	return stop, err
}

// Unused ends a permit when nothing was learnt about the credential: the workstation is off, or the visit was cancelled.
func (s *Store) Unused(ctx context.Context, c photopush.Credential, token string) error {
	if token == "" {
		return nil
	}
	return s.endPermit(ctx, "give back permit", c, token, func(*tx) error { return nil })
}

// endPermit frees the place that token names, runs f in the same transaction, and wakes who waits here.
func (s *Store) endPermit(ctx context.Context, op string, c photopush.Credential, token string, f func(*tx) error) error {
	err := s.writeDurably(ctx, op, func(t *tx) error {
		_, err := t.exec(`INSERT INTO credential (account, mechanism, mark_time, mark_size) VALUES (?, ?, ?, ?)
			ON CONFLICT (account, mechanism, mark_time, mark_size) DO NOTHING`, credentialKey(c)...)
		if err == nil && token != "" {
			_, err = t.exec("UPDATE credential SET permit_token = '', permit_owner = '', permit_until = 0"+ofCredential+" AND permit_token = ?",
				append(credentialKey(c), token)...)
		}
		if err != nil {
			return err
		}
		return f(t)
	})
	s.gateMu.Lock()
	defer s.gateMu.Unlock()
	close(s.gate)
	s.gate = make(chan struct{})
	return err
}

func (s *Store) gateEnded() <-chan struct{} {
	s.gateMu.Lock()
	defer s.gateMu.Unlock()
	return s.gate
}

// Stop stops a credential at once, as after LDAP result 49 or a failed Kerberos pre-authentication, which come from the directory itself.
func (s *Store) Stop(ctx context.Context, c photopush.Credential, detail string) error {
	return s.endPermit(ctx, "stop credential", c, "", func(t *tx) error {
		_, err := t.stop(c, detail)
		return err
	})
}

// stop keeps the first stop: that is since when.
func (t *tx) stop(c photopush.Credential, detail string) (*photopush.CredentialStop, error) {
	stop := &photopush.CredentialStop{Credential: c}
	var since int64
	err := t.scan(`UPDATE credential SET accepted_until = 0, detail = CASE WHEN stopped_since > 0 THEN detail ELSE ? END,
		stopped_since = CASE WHEN stopped_since > 0 THEN stopped_since ELSE ? END`+ofCredential+" RETURNING stopped_since, detail",
		append([]any{sentence(detail), t.now}, credentialKey(c)...), &since, &stop.Detail)
	stop.Since = fromMillis(since)
	return stop, err
}

// Stopped tells whether the credential is stopped; nil when it is not, or when its secret has another mark by now.
func (s *Store) Stopped(ctx context.Context, c photopush.Credential) (*photopush.CredentialStop, error) {
	st, err := readCredential(c, "", func(text string, args []any, dest ...any) error {
		return s.r.QueryRowContext(ctx, text, args...).Scan(dest...)
	})
	if err != nil || st.stoppedSince == 0 {
		return nil, s.fail("read credential stop", err)
	}
	return &photopush.CredentialStop{Credential: c, Since: fromMillis(st.stoppedSince), Detail: st.detail}, nil
}

// Clear forgets every stop and count of an account, by the order of a person: an environment variable cannot tell that it has changed.
func (s *Store) Clear(ctx context.Context, account string) error {
	return s.write(ctx, fmt.Sprintf("clear credential stops of %s", account), func(t *tx) error {
		for _, table := range []string{"credential_rejection", "credential"} {
			if _, err := t.exec("DELETE FROM "+table+" WHERE account = ?", strings.ToLower(account)); err != nil {
				return err
			}
		}
		return nil
	})
}
