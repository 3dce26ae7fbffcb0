package photopush_test

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"

	"github.com/photopush/photopush"
)

// A file that may not be read yet must not be taken for one whose password was rejected: the right to read it leaves its mark as it is.
func TestSecretThatMayNotBeRead(t *testing.T) {
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte("secret\n"), 0); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Dir(file)
	if err := errors.Join(os.Chmod(dir, 0o755), os.Chmod(filepath.Dir(dir), 0o755)); err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 { // who may read everything
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			t.Fatal(err)
		}
		defer syscall.Setfsuid(0)
	}
	if mark, err := (photopush.Secret{File: file}).Mark(); !errors.Is(err, fs.ErrPermission) {
		t.Errorf("%v, %v", mark, err)
	}
}
