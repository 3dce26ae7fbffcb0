// Package store keeps what photopush knows: users, workstations, who uses what, what should be where and what was read back
// there, who visits what, and which credential was rejected. It decides nothing, and keeps no photo's bytes, only digests.
//
// Several processes share one database: claims and credential permits are exact among them. Wants are decided by package want,
// visits made by visit, and jobs says when.
package store

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/photopush/photopush"
)

// ErrLeaseLost is in the chain when a claim's lease ended and the workstation was given to another; nothing was stored.
var ErrLeaseLost = errors.New("the lease was lost")

// Config is the section database.
type Config struct {
	Path string `yaml:"path" default:"/var/lib/photopush/photopush.db" help:"File of the SQLite database, with its full path on a local disk; its folder must exist and be writable." example:"/var/lib/photopush/photopush.db"`
}

// Validate reports every fault; path is the section's key path, e.g. database.
func (c *Config) Validate(path string) error {
	switch {
	case c.Path == "":
		return fmt.Errorf("%s.path is empty, want the path of the database file", path)
	case !filepath.IsAbs(c.Path):
		return fmt.Errorf("%s.path is %q, want a full path", path, c.Path)
	}
	return nil
}

// Options are what a command or a test passes in; the zero value is fine.
type Options struct {
	Log         *slog.Logger     // nil: nothing is logged
	Clock       func() time.Time // nil: time.Now. All processes on one SQLite file share the machine's clock.
	AfterCommit func(n int)      // called after the n-th transaction of this Store that wrote, n from 1
}

// A Store is an open database. Its methods may be called from several goroutines; their errors are *photopush.Error with the
// reason Internal unless they say otherwise, or the context's.
type Store struct {
	path    string
	log     *slog.Logger
	clock   func() time.Time
	after   func(int)
	commits atomic.Int64
	closed  atomic.Bool

	dbs []*sql.DB // to be closed
	w   *writer
	r   *sql.DB // readers

	ownerMu sync.Mutex
	owner   *ownerFile // nil until something is claimed

	gateMu sync.Mutex
	gate   chan struct{} // closed and replaced when a permit ends here
}

// Open opens the database, and creates or brings it up to date as needed. The caller must Close it.
func Open(ctx context.Context, c Config, o Options) (*Store, error) {
	s := &Store{path: c.Path, log: o.Log, clock: o.Clock, after: o.AfterCommit, gate: make(chan struct{})}
	if s.log == nil {
		s.log = slog.New(slog.DiscardHandler)
	}
	if s.clock == nil {
		s.clock = time.Now
	}
	if err := s.openSQLite(ctx); err != nil {
		s.Close()
		return nil, s.fail("open", err)
	}
	return s, nil
}

// Close gives the files free; the second time it does nothing. Leases it still holds end by their time, or by the next Rescue.
func (s *Store) Close() error {
	if s.closed.Swap(true) {
		return nil
	}
	var errs []error
	if s.w != nil {
		errs = append(errs, s.w.close())
	}
	for _, db := range s.dbs {
		errs = append(errs, db.Close())
	}
	s.ownerMu.Lock()
	defer s.ownerMu.Unlock()
	if s.owner != nil {
		errs = append(errs, s.owner.remove())
		s.owner = nil
	}
	return errors.Join(errs...)
}

// Now is the database's clock, which leases and dues are measured by.
func (s *Store) Now(context.Context) (time.Time, error) { return fromMillis(s.now()), nil }

// now is the one place that reads the clock, in Unix milliseconds.
func (s *Store) now() int64 { return s.clock().UnixMilli() }

// fail names what was tried on the database. Errors that are ours already, and the context's, are passed on.
func (s *Store) fail(op string, err error) error {
	if err == nil {
		return nil
	}
	if _, ours := errors.AsType[*photopush.Error](err); ours {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s: %w", op, err)
	}
	return &photopush.Error{Reason: photopush.Internal, Op: op, On: "database " + s.path, Err: err}
}

func newToken() string {
	var b [16]byte
	rand.Read(b[:])
	return hex.EncodeToString(b[:])
}

// millis is t as it is stored; 0 for the zero time.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// Path is the database file's.
func (s *Store) Path() string { return s.path }
