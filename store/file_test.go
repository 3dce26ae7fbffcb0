package store_test

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"github.com/pressly/goose/v3"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

func execSQL(t *testing.T, path string, statements ...string) {
	t.Helper()
	db, err := sql.Open("sqlite", path)
	ok(t, err)
	defer db.Close()
	for _, s := range statements {
		_, err := db.Exec(s)
		ok(t, err)
	}
}

func TestOpenRefuses(t *testing.T) {
	for _, test := range []struct {
		name    string
		prepare func(t *testing.T, path string)
		want    string // after "open database PATH: internal: "
	}{
		{"no folder", func(t *testing.T, path string) { ok(t, os.Remove(filepath.Dir(path))) },
			"its folder is not there: create DIR, writable for the account photopush runs as"},
		{"text", func(t *testing.T, path string) {
			ok(t, os.WriteFile(path, []byte("photopush.db, kept elsewhere\n"), 0o600))
		},
			"the file is no SQLite database: name another path, or move the file away"},
		{"a few bytes", func(t *testing.T, path string) { ok(t, os.WriteFile(path, []byte("SQLite"), 0o600)) },
			"the file is no SQLite database: name another path, or move the file away"},
		{"a header alone", func(t *testing.T, path string) {
			ok(t, os.WriteFile(path, []byte("SQLite format 3\x00"+strings.Repeat("x", 4096)), 0o600))
		}, "file is not a database (26)"},
		{"a folder", func(t *testing.T, path string) { ok(t, os.Mkdir(path, 0o700)) }, "open PATH: is a directory"},
		{"another program's tables", func(t *testing.T, path string) { execSQL(t, path, "CREATE TABLE bookmark (url TEXT)") },
			"the file is the database of another program: name another path, or move the file away"},
		{"another program's mark", func(t *testing.T, path string) { execSQL(t, path, "PRAGMA application_id = 7") },
			"the file is the database of another program: name another path, or move the file away"},
		{"a newer schema", func(t *testing.T, path string) {
			openAt(t, path, store.Options{})
			execSQL(t, path, "INSERT INTO goose_db_version (version_id, is_applied) VALUES (4711, 1)")
		}, "its schema is version 4711 and this photopush knows up to 4: a newer photopush has used it, run that one"},
	} {
		t.Run(test.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "in", "p.db")
			ok(t, os.Mkdir(filepath.Dir(path), 0o700))
			test.prepare(t, path)
			before, _ := os.ReadFile(path)
			s, err := store.Open(t.Context(), store.Config{Path: path}, store.Options{})
			if err == nil {
				s.Close()
				t.Fatal("it was opened")
			}
			if after, _ := os.ReadFile(path); !bytes.Equal(before, after) && strings.Contains(test.want, "name another path") {
				t.Error("the file is not ours, and was changed")
			}
			want := "open database PATH: internal: " + test.want
			got := strings.NewReplacer(path, "PATH", filepath.Dir(path), "DIR").Replace(err.Error())
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// The file is for us alone, whatever the umask, and so are those that SQLite puts beside it.
func TestFileMode(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path, store.Options{})
	company(t, s, 1, 1)
	_, err := s.Claim(t.Context(), photopush.ClaimRequest{Limit: 1, Lease: time.Minute})
	ok(t, err)
	files, err := os.ReadDir(filepath.Dir(path))
	ok(t, err)
	if len(files) != 4 { // the database, -wal, -shm, .owner
		t.Errorf("%d files, want 4", len(files))
	}
	for _, f := range files {
		fi, err := f.Info()
		ok(t, err)
		if fi.Mode().Perm() != 0o600 {
			t.Errorf("%s has mode %v", f.Name(), fi.Mode())
		}
	}
}

func TestOddPaths(t *testing.T) {
	for _, name := range []string{"a b.db", "100%41.db", "what?mode=memory.db", "a#b.db", "Bücher&_txlock=x.db", "a'b.db"} {
		path := filepath.Join(t.TempDir(), name)
		s := openAt(t, path, store.Options{})
		company(t, s, 1, 0)
		if fi, err := os.Stat(path); err != nil || fi.Size() == 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// Several processes may meet a new file at the same moment.
func TestOpenedAtOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	var group sync.WaitGroup
	errs := make([]error, 8)
	for i := range errs {
		group.Go(func() {
			s, err := store.Open(context.Background(), store.Config{Path: path}, store.Options{})
			if err == nil {
				err = s.Close()
			}
			errs[i] = err
		})
	}
	group.Wait()
	ok(t, errors.Join(errs...))
	company(t, openAt(t, path, store.Options{}), 1, 1)
}

func TestCloseLeavesNoOwner(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path, store.Options{})
	if files := ownerFiles(t, path); len(files) != 0 {
		t.Errorf("%v before anything was claimed", files)
	}
	_, err := s.Claim(t.Context(), photopush.ClaimRequest{Limit: 1, Lease: time.Minute})
	ok(t, err)
	if files := ownerFiles(t, path); len(files) != 1 {
		t.Errorf("%v after a claim", files)
	}
	ok(t, s.Close())
	if files := ownerFiles(t, path); len(files) != 0 {
		t.Errorf("%v after Close", files)
	}
	if err := s.SetVerify(t.Context(), nil); err == nil || !strings.HasSuffix(err.Error(), "internal: the database is closed") {
		t.Errorf("a write after Close: %v", err)
	}
}

// A Rescue sweeps up what a dead process left that held nothing.
func TestRescueSweeps(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path, store.Options{})
	ok(t, os.WriteFile(path+".owner-0123", nil, 0o600))
	n, err := s.Rescue(t.Context())
	ok(t, err)
	if files := ownerFiles(t, path); n != 0 || len(files) != 0 {
		t.Errorf("%d rescued, %v left", n, files)
	}
}

func TestAfterCommit(t *testing.T) {
	var got []int
	s := openAt(t, filepath.Join(t.TempDir(), "p.db"), store.Options{AfterCommit: func(n int) { got = append(got, n) }})
	company(t, s, 1200, 0) // begin, three batches of workstations, three of users
	if err := s.PutUsers(t.Context(), 1, []photopush.UserRecord{{}}); err == nil {
		t.Error("a user without a SID was put")
	}
	if len(got) != 7 || got[0] != 1 || got[6] != 7 {
		t.Errorf("commits %v, want 1 to 7", got)
	}
}

// While another process holds the database, a caller whose time is up gets away at once.
func TestContextEndsWait(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path, store.Options{})
	db, err := sql.Open("sqlite", path+"?_txlock=immediate")
	ok(t, err)
	defer db.Close()
	tx, err := db.Begin()
	ok(t, err)
	defer tx.Rollback()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	began := time.Now()
	if err := s.SetVerify(ctx, nil); !errors.Is(err, context.DeadlineExceeded) || photopush.ReasonOf(err) != photopush.Timeout {
		t.Errorf("error %v", err)
	}
	if waited := time.Since(began); waited > 5*time.Second {
		t.Errorf("waited %s", waited)
	}
	ok(t, tx.Rollback())
	ok(t, s.SetVerify(t.Context(), nil))
}

func TestConfig(t *testing.T) {
	for path, want := range map[string]string{
		"": "database.path is empty, want the path of the database file", "p.db": `database.path is "p.db", want a full path`,
	} {
		err := (&store.Config{Path: path}).Validate("database")
		if err == nil || err.Error() != want {
			t.Errorf("%q: %v, want %s", path, err, want)
		}
	}
	ok(t, (&store.Config{Path: filepath.Join(t.TempDir(), "p.db")}).Validate("database"))
}

// A context may end at the very moment in which a transaction has begun.
func TestCancelledWrite(t *testing.T) {
	s := openAt(t, filepath.Join(t.TempDir(), "p.db"), store.Options{})
	for i := range 3000 {
		ctx, cancel := context.WithCancel(t.Context())
		timer := time.AfterFunc(time.Duration(i%60)*time.Microsecond, cancel)
		_, err := s.BeginPass(ctx, "corp.example")
		timer.Stop()
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatalf("write %d: %v", i, err)
		}
	}
	_, err := s.BeginPass(t.Context(), "corp.example")
	ok(t, err)
}

// What the first version has stored is there after the database was brought up to date.
func TestUpToDate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	first, err := os.ReadFile("migrations/00001_first.sql")
	ok(t, err)
	db, err := sql.Open("sqlite", path)
	ok(t, err)
	provider, err := goose.NewProvider(goose.DialectSQLite3, db, fstest.MapFS{"00001_first.sql": {Data: first}}, goose.WithDisableGlobalRegistry(true))
	ok(t, err)
	_, err = provider.Up(t.Context())
	ok(t, err)
	ok(t, db.Close())
	execSQL(t, path, "PRAGMA application_id = 0x70687075",
		`INSERT INTO workstation (id, domain, dn, name, name_key, host, os, os_version, enabled, last_logon, password_set, managed_by, pass)
			VALUES ('w', 'corp.example', '', 'W', 'w', 'w', '', '', 1, 0, 0, '', 1)`,
		"INSERT INTO picture (workstation, sid, want, have) VALUES ('w', 'S-1-5-21-1-2-3-1000', 'a', 'a')",
		"INSERT INTO session (workstation, sid, source, first_seen, last_seen) VALUES ('w', 'S-1-5-21-1-2-3-1000', 'profile', 1, 2)")
	rows, err := openAt(t, path, store.Options{}).PlanOf(t.Context(), "w")
	ok(t, err)
	if len(rows) != 1 || rows[0].Pair.Have != "a" || !rows[0].Pair.Held.IsZero() || rows[0].Session.LastSeen.IsZero() || !rows[0].Session.Ended.IsZero() {
		t.Errorf("got %+v", rows)
	}
}
