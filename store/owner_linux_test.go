package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/photopush/photopush/store"
)

// The file of a process that runs as another account, such as an administrator's push beside the service, hinders nobody.
func TestOwnerOfAnotherAccount(t *testing.T) {
	path := filepath.Join(t.TempDir(), "p.db")
	s := openAt(t, path, store.Options{})
	_, err := s.Rescue(t.Context()) // opens the connection that reads, while it may
	ok(t, err)
	ok(t, os.WriteFile(path+".owner-0123", nil, 0))
	if os.Geteuid() == 0 {
		asNobody(t, filepath.Dir(path))
	}
	if _, err := s.Rescue(t.Context()); err != nil {
		t.Error(err)
	}
	if files := ownerFiles(t, path); len(files) != 1 {
		t.Errorf("%v left, want the other account's", files)
	}
}

// asNobody takes root's power over files from the goroutine until the test ends; it may still look into dir, a test's.
func asNobody(t *testing.T, dir string) {
	ok(t, errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)))
	runtime.LockOSThread()
	ok(t, syscall.Setfsuid(65534))
	t.Cleanup(func() {
		ok(t, syscall.Setfsuid(0))
		runtime.UnlockOSThread()
	})
}
