package store

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"

	"github.com/photopush/photopush"
)

// ErrImporting is in the chain when another process is importing with this database.
var ErrImporting = errors.New("another import is running with this database; wait until it has ended")

// LockImports lets one import at a time run with the database, however many processes there are on this machine; ErrImporting is in the chain while another one
// runs. The lock ends with release, or with the process.
func (s *Store) LockImports() (release func() error, err error) {
	f, err := os.OpenFile(s.path+".import", os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, s.fail("lock imports", err)
	}
	locked, err := tryLock(f)
	if err == nil && !locked {
		err = ErrImporting
	}
	if err != nil {
		f.Close()
		return nil, &photopush.Error{Reason: photopush.Conflict, Op: "import", Err: err}
	}
	return f.Close, nil
}

// BeginImport stores a run before its first change.
func (s *Store) BeginImport(ctx context.Context, r photopush.ImportRun) error {
	return s.writeDurably(ctx, "begin import", func(t *tx) error {
		_, err := t.exec("INSERT INTO import_run (id, undoes, source, by, started) VALUES (?, ?, ?, ?, ?)", r.ID, r.Undoes, sentence(r.Source), sentence(r.By), millis(r.Started))
		return err
	})
}

// PutImportChanges stores what became of changes of runs that have begun; a later word about a change replaces the earlier one.
func (s *Store) PutImportChanges(ctx context.Context, changes []photopush.ImportChange) error {
	return chunks(changes, func(part []photopush.ImportChange) error {
		return s.write(ctx, "store import", func(t *tx) error {
			for _, c := range part {
				_, err := t.exec(`INSERT INTO import_change (run, no, domain, guid, sid, account, dn, attribute, before, after, outcome, detail, at)
					VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
					ON CONFLICT (run, no) DO UPDATE SET outcome = excluded.outcome, detail = excluded.detail, at = excluded.at`,
					c.Run, c.No, c.Domain, string(c.GUID), string(c.SID), c.Account, c.DN, c.Attribute, c.Before, c.After, string(c.Outcome), sentence(c.Detail), millis(c.At))
				if err != nil {
					return err
				}
			}
			return nil
		})
	})
}

// EndImport says that a run has ended, and that all of its changes are stored.
func (s *Store) EndImport(ctx context.Context, id string) error {
	return s.writeDurably(ctx, "end import", func(t *tx) error {
		r, err := t.exec("UPDATE import_run SET ended = ? WHERE id = ? AND ended = 0", t.now, id)
		if err != nil {
			return err
		}
		if n, err := r.RowsAffected(); err != nil || n == 0 {
			return errors.Join(fmt.Errorf("run %s is not running", id), err)
		}
		return nil
	})
}

// Imports lists the runs, the newest first.
func (s *Store) Imports(ctx context.Context) ([]photopush.ImportRun, error) {
	r, err := s.r.QueryContext(ctx, `SELECT id, undoes, source, by, started, ended,
		(SELECT count(*) FROM import_change WHERE run = id AND outcome = 'written'),
		(SELECT count(*) FROM import_change WHERE run = id AND outcome = 'refused'),
		(SELECT count(*) FROM import_change WHERE run = id AND outcome = 'unknown')
		FROM import_run ORDER BY started DESC, id DESC`)
	runs, err := collect(r, err, func(r *sql.Rows) (run photopush.ImportRun, err error) {
		var started, ended int64
		err = r.Scan(&run.ID, &run.Undoes, &run.Source, &run.By, &started, &ended, &run.Written, &run.Refused, &run.Unknown)
		run.Started, run.Ended = fromMillis(started), fromMillis(ended)
		return run, err
	})
	return runs, s.fail("read imports", err)
}

// UnendedImports lists the runs without an end, the newest first: one that is going on, and those that were killed. Their changes are not counted.
func (s *Store) UnendedImports(ctx context.Context) (ids []string, err error) {
	r, err := s.r.QueryContext(ctx, "SELECT id FROM import_run WHERE ended = 0 ORDER BY started DESC, id DESC")
	ids, err = collect(r, err, func(r *sql.Rows) (id string, err error) {
		err = r.Scan(&id)
		return id, err
	})
	return ids, s.fail("read imports", err)
}

// ImportChanges lists what a run did, in its order.
func (s *Store) ImportChanges(ctx context.Context, id string) ([]photopush.ImportChange, error) {
	r, err := s.r.QueryContext(ctx, `SELECT run, no, domain, guid, sid, account, dn, attribute, before, after, outcome, detail, at
		FROM import_change WHERE run = ? ORDER BY no`, id)
	changes, err := collect(r, err, func(r *sql.Rows) (c photopush.ImportChange, err error) {
		var at int64
		err = r.Scan(&c.Run, &c.No, &c.Domain, &c.GUID, &c.SID, &c.Account, &c.DN, &c.Attribute, &c.Before, &c.After, &c.Outcome, &c.Detail, &at)
		c.At = fromMillis(at)
		return c, err
	})
	return changes, s.fail("read import", err)
}
