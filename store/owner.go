package store

import (
	"context"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// An ownerFile shows to other processes of this machine that the owner of leases and permits lives: it holds the lock on a file beside the database.
// The system gives the lock free when the process dies, however it dies.
type ownerFile struct {
	name string // of the owner, random; the file is <database>.owner-<name>
	file *os.File
}

func ownerPath(database, name string) string { return database + ".owner-" + name }

// newOwner makes and locks an owner's file. A rescue may remove it between the two; then the lock is on a file without a name, and another one is made.
func newOwner(database string) (*ownerFile, error) {
	for {
		name := newToken()
		f, err := os.OpenFile(ownerPath(database, name), os.O_CREATE|os.O_EXCL|os.O_RDWR, 0o600)
		if err != nil {
			return nil, err
		}
		if ok, err := tryLock(f); err == nil && ok && stillThere(f) {
			return &ownerFile{name, f}, nil
		} else if err != nil {
			f.Close()
			os.Remove(f.Name())
			return nil, err
		}
		f.Close()
	}
}

func stillThere(f *os.File) bool {
	held, err := f.Stat()
	if err != nil {
		return false
	}
	named, err := os.Stat(f.Name())
	return err == nil && os.SameFile(held, named)
}

// remove gives the lock free. Removing comes first where the system allows it, so that nobody else can take the file for a dead owner's.
func (o *ownerFile) remove() error {
	early := os.Remove(o.file.Name())
	err := o.file.Close()
	if early != nil && !errors.Is(early, fs.ErrNotExist) {
		return errors.Join(err, os.Remove(o.file.Name()))
	}
	return err
}

// ownerName makes this Store's owner file when the first claim or permit needs it.
func (s *Store) ownerName() (string, error) {
	s.ownerMu.Lock()
	defer s.ownerMu.Unlock()
	if s.owner == nil {
		o, err := newOwner(s.path)
		if err != nil {
			return "", err
		}
		s.owner = o
	}
	return s.owner.name, nil
}

// dead tells whether the owner's process is gone: its file is missing, or can be locked. The file is then removed.
func (s *Store) dead(name string) (bool, error) {
	s.ownerMu.Lock()
	own := s.owner != nil && s.owner.name == name
	s.ownerMu.Unlock()
	if own {
		return false, nil
	}
	f, err := os.OpenFile(ownerPath(s.path, name), os.O_RDWR, 0)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return true, nil
	case errors.Is(err, fs.ErrPermission): // an administrator's, beside the service: it counts as alive, and what it holds ends by its time
		return false, nil
	case err != nil:
		return false, err
	}
	locked, err := tryLock(f)
	if err != nil || !locked {
		f.Close()
		return false, err
	}
	return true, (&ownerFile{name, f}).remove()
}

// Rescue gives back what processes of this machine held that are dead, and says how many workstations that were. These are due at once, and nothing
// is planned from their inventory: a visit may have changed something.
func (s *Store) Rescue(ctx context.Context) (n int, err error) {
	r, err := s.r.QueryContext(ctx, `SELECT DISTINCT lease_owner FROM workstation WHERE lease_until > 0
		UNION SELECT permit_owner FROM credential WHERE permit_owner <> ''`)
	owners, err := collect(r, err, func(r *sql.Rows) (name string, err error) {
		err = r.Scan(&name)
		return name, err
	})
	if err != nil {
		return 0, s.fail("rescue", err)
	}
	for _, name := range owners {
		dead, err := s.dead(name)
		if err != nil {
			return n, s.fail("rescue", err)
		}
		if !dead {
			continue
		}
		freed, err := s.rescueFrom(ctx, name)
		if n += freed; err != nil {
			return n, err
		}
	}
	return n, s.fail("rescue", s.sweep())
}

func (s *Store) rescueFrom(ctx context.Context, owner string) (n int, err error) {
	err = s.write(ctx, "rescue", func(t *tx) error {
		freed, err := t.abandon("lease_owner = ?", owner)
		if err != nil {
			return err
		}
		n = int(freed)
		_, err = t.exec("UPDATE credential SET permit_owner = '', permit_token = '', permit_until = 0 WHERE permit_owner = ?", owner)
		return err
	})
	if n > 0 {
		s.log.Info("rescued leases of a process that died", "workstations", n)
	}
	return n, err
}

// sweep removes the files of dead owners that held nothing.
func (s *Store) sweep() error {
	prefix := filepath.Base(s.path) + ".owner-"
	entries, err := os.ReadDir(filepath.Dir(s.path))
	for _, e := range entries {
		if name, ok := strings.CutPrefix(e.Name(), prefix); ok {
			if _, err := s.dead(name); err != nil {
				return err
			}
		}
	}
	return err
}
