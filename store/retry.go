package store

import (
	"context"
	"time"

	"github.com/photopush/photopush"
)

// RetryRejected makes the workstations of a domain due at once that rejected the credential before its secret was changed.
func (s *Store) RetryRejected(ctx context.Context, domain string, changed time.Time) error {
	return s.write(ctx, "retry rejected", func(t *tx) error {
		_, err := t.exec("UPDATE workstation SET due = ? WHERE domain = ? AND reason = ? AND last_contact < ? AND due > ?",
			t.now, domain, string(photopush.Auth), millis(changed), t.now)
		return err
	})
}
