package store

import (
	"context"
	"database/sql"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/pressly/goose/v3"
	"modernc.org/sqlite" // the driver "sqlite", too
	sqlite3 "modernc.org/sqlite/lib"
)

// applicationID marks the file as ours (PRAGMA application_id): "phpu".
const applicationID = 0x70687075

// busyTimeout is how long a transaction waits for another process's.
const busyTimeout = 30 * time.Second

// readers bounds the connections that read.
const readers = 4

//go:embed migrations/*.sql
var embedded embed.FS

func (s *Store) openSQLite(ctx context.Context) error {
	if err := createFile(s.path); err != nil {
		return err
	}
	db, err := s.openDB(1, "_txlock=immediate", "_pragma=synchronous(NORMAL)", "_pragma=cache_size(-32768)")
	if err != nil {
		return err
	}
	if err := claimFile(ctx, db); err != nil {
		return err
	}
	if err := useWAL(ctx, db); err != nil {
		return err
	}
	if err := migrate(ctx, db); err != nil {
		return err
	}
	if s.w, err = newWriter(ctx, db); err != nil {
		return err
	}
	s.r, err = s.openDB(readers, "_pragma=query_only(1)")
	return err
}

func (s *Store) openDB(connections int, params ...string) (*sql.DB, error) {
	db, err := sql.Open("sqlite", dsn(s.path, params...))
	if err != nil {
		return nil, err
	}
	s.dbs = append(s.dbs, db)
	db.SetMaxOpenConns(connections)
	db.SetMaxIdleConns(connections)
	return db, nil
}

func dsn(path string, more ...string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	path = filepath.ToSlash(path)
	if !strings.HasPrefix(path, "/") {
		path = "/" + path // C:/x
	}
	u := url.URL{Scheme: "file", Path: path}
	more = append([]string{fmt.Sprintf("_pragma=busy_timeout(%d)", busyTimeout.Milliseconds()), "_pragma=foreign_keys(1)"}, more...)
	return u.String() + "?" + strings.Join(more, "&")
}

// createFile makes sure that a new database is for us alone, and that an old file is a database at all. SQLite gives its -wal and -shm files
// the mode of the database.
func createFile(path string) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("its folder is not there: create %s, writable for the account photopush runs as", filepath.Dir(path))
	case err != nil:
		return err
	}
	defer f.Close()
	var head [16]byte
	switch _, err := io.ReadFull(f, head[:]); {
	case errors.Is(err, io.EOF):
		return nil // new
	case errors.Is(err, io.ErrUnexpectedEOF), err == nil && string(head[:]) != "SQLite format 3\x00":
		return errors.New("the file is no SQLite database: name another path, or move the file away")
	default:
		return err
	}
}

// claimFile refuses another program's database, and marks a new one as ours.
func claimFile(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer tx.Rollback()
	var id, tables int64
	if err := tx.QueryRowContext(ctx, "PRAGMA application_id").Scan(&id); err != nil {
		return err
	}
	if id == applicationID {
		return nil
	}
	if err := tx.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master").Scan(&tables); err != nil {
		return err
	}
	if id != 0 || tables != 0 {
		return errors.New("the file is the database of another program: name another path, or move the file away")
	}
	if _, err := tx.ExecContext(ctx, fmt.Sprintf("PRAGMA application_id = %d", applicationID)); err != nil {
		return err
	}
	return tx.Commit()
}

// useWAL turns on write-ahead logging. That stays in the file, so that the file must be ours by then. Of processes that do it at once to a new file
// SQLite lets some not wait: they are told that it is busy.
func useWAL(ctx context.Context, db *sql.DB) error {
	for until := time.Now().Add(busyTimeout); ; {
		_, err := db.ExecContext(ctx, "PRAGMA journal_mode = WAL")
		if e, ok := errors.AsType[*sqlite.Error](err); !ok || e.Code()&0xff != sqlite3.SQLITE_BUSY || time.Now().After(until) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(10 * time.Millisecond):
		}
	}
}

// migrate brings the schema up to date, forward only. Two processes may open a new database at once: who comes second meets tables that are
// there by then, and looks again.
func migrate(ctx context.Context, db *sql.DB) error {
	files, err := fs.Sub(embedded, "migrations")
	if err != nil {
		return err
	}
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, files, goose.WithDisableGlobalRegistry(true))
	if err != nil {
		return err
	}
	sources := provider.ListSources()
	newest := sources[len(sources)-1].Version
	for try := 0; ; try++ {
		version, err := schemaVersion(ctx, db)
		switch {
		case err != nil:
			return err
		case version == newest:
			return nil
		case version > newest:
			return fmt.Errorf("its schema is version %d and this photopush knows up to %d: a newer photopush has used it, run that one", version, newest)
		}
		if _, err = provider.Up(ctx); err != nil && (try == 9 || ctx.Err() != nil) {
			return err
		}
	}
}

// schemaVersion is the newest migration that was applied; 0 in a new database.
func schemaVersion(ctx context.Context, db *sql.DB) (version int64, err error) {
	var tables int
	err = db.QueryRowContext(ctx, "SELECT count(*) FROM sqlite_master WHERE type = 'table' AND name = 'goose_db_version'").Scan(&tables)
	if err != nil || tables == 0 {
		return 0, err
	}
	err = db.QueryRowContext(ctx, "SELECT coalesce(max(version_id), 0) FROM goose_db_version WHERE is_applied = 1").Scan(&version)
	return version, err
}
