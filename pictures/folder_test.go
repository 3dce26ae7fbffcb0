//go:build unix

package pictures

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A testFolder is one on disk.
type testFolder struct {
	*testing.T
	*Folder
}

func newTestFolder(t *testing.T, match string) *testFolder {
	t.Helper()
	f, err := NewFolder(FolderConfig{Folder: t.TempDir(), Match: match})
	if err != nil {
		t.Fatal(err)
	}
	return &testFolder{t, f}
}

func (f *testFolder) ok(err error) {
	f.Helper()
	if err != nil {
		f.Fatal(err)
	}
}

// put writes a file with its own name in it.
func (f *testFolder) put(names ...string) {
	f.Helper()
	for _, name := range names {
		f.ok(os.WriteFile(filepath.Join(f.folder, name), []byte(name), 0o600))
	}
}

// of are the names of an account's files as they are read, by what is in them.
func (f *testFolder) of(account string) string {
	f.Helper()
	photos, err := f.Photos(f.Context(), photopush.User{AccountName: account})
	f.ok(err)
	var names []string
	for _, p := range photos {
		if p.Attribute != photopush.SourceFile || p.File != string(p.Bytes) {
			f.Errorf("%+v", p)
		}
		names = append(names, p.File)
	}
	return strings.Join(names, " ")
}

func (f *testFolder) mark(account string) string {
	f.Helper()
	mark, known := f.Mark(photopush.User{AccountName: account})
	if !known {
		f.Fatal("the files are not known")
	}
	return mark
}

func TestFolder(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}")
	f.put("Anna.JPG", "anna.png", "anna.txt", "anna", "annabel.jpg", ".anna.jpg", "MÜLLER.jpeg", "weiß.jpg", "a.b.webp", "line\nfeed.jpg", "x\xff.jpg",
		"five.1.jpg", "five.bmp", "five.gif", "five.jpeg", "five.jpg", "five.png")
	f.ok(os.Mkdir(filepath.Join(f.folder, "folder.jpg"), 0o700))
	f.ok(os.Symlink("Anna.JPG", filepath.Join(f.folder, "link.jpg")))
	f.ok(syscall.Mkfifo(filepath.Join(f.folder, "pipe.jpg"), 0o600))
	for account, want := range map[string]string{
		"anna": "Anna.JPG anna.png", "ANNABEL": "annabel.jpg", "mu\u0308ller": "MÜLLER.jpeg", "weiß": "weiß.jpg", "weiss": "", "a.b": "a.b.webp", "a": "",
		"folder": "", "link": "", "pipe": "", "line\nfeed": "", "x\xff": "", "../anna": "", "": "", ".anna": "",
		"five": "five.bmp five.gif five.jpeg five.jpg",
	} {
		if got := f.of(account); got != want {
			t.Errorf("%q has %q, want %q", account, got, want)
		}
		if mark := f.mark(account); (mark != "") != (want != "") {
			t.Errorf("%q has the mark %q", account, mark)
		}
	}
}

func TestMarkChanges(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}.jpg")
	f.put("anna.jpg", "ben.jpg")
	f.ok(f.List(t.Context()))
	seen := map[string]string{}
	look := func(step string) {
		t.Helper()
		f.ok(f.List(t.Context()))
		mark := f.mark("anna")
		if first, ok := seen[mark]; ok {
			t.Errorf("%s: the mark is that of: %s", step, first)
		}
		seen[mark] = step
	}
	ben := f.mark("ben")
	look("at first")
	f.ok(os.Chtimes(filepath.Join(f.folder, "anna.jpg"), time.Time{}, time.Now().Add(-time.Hour)))
	look("another time")
	f.ok(os.WriteFile(filepath.Join(f.folder, "anna.jpg"), []byte("longer than before"), 0o600))
	f.ok(os.Chtimes(filepath.Join(f.folder, "anna.jpg"), time.Time{}, time.Now().Add(-time.Hour)))
	look("another size")
	f.put("ANNA.jpg")
	look("a second file")
	f.ok(os.Remove(filepath.Join(f.folder, "anna.jpg")))
	look("the first file is gone")
	f.ok(os.Remove(filepath.Join(f.folder, "ANNA.jpg")))
	look("both are gone")
	if seen[""] != "both are gone" || f.mark("ben") != ben {
		t.Errorf("marks are %v; ben's is %q, and was %q", seen, f.mark("ben"), ben)
	}
}

// TestFolderIsAway takes the folder away and back: meanwhile nobody's files are known, and that is not the same as none.
func TestFolderIsAway(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}")
	now := time.Now()
	f.now = func() time.Time { return now }
	anna := photopush.User{AccountName: "anna"}
	away := func(step, want string) {
		t.Helper()
		err := f.List(t.Context())
		if photopush.ReasonOf(err) != photopush.Internal || !strings.HasPrefix(fmt.Sprint(err), "list the photos in "+f.folder+": internal: "+want) ||
			!strings.HasPrefix(photopush.Remedy(err), "See to it that pictures.originals.folder is mounted") {
			t.Errorf("%s: %v", step, err)
		}
		if mark, known := f.Mark(anna); mark != "" || known {
			t.Errorf("%s: mark %q, %t", step, mark, known)
		}
		if _, again := f.Photos(t.Context(), anna); again == nil || again.Error() != err.Error() {
			t.Errorf("%s: %v", step, again)
		}
	}
	if _, known := f.Mark(anna); known {
		t.Error("files are known before they were listed")
	}
	away("an empty folder", "there is no photo in it")
	f.put("readme.txt")
	away("nothing of ours", "there is no photo in it")
	f.put("anna.jpg")
	f.limit = 1
	away("too many names", "it holds more than 1 names")
	f.limit = maxEntries
	f.ok(os.Rename(f.folder, f.folder+".away"))
	away("no folder", "no such file or directory")
	f.ok(os.WriteFile(f.folder, nil, 0o600))
	away("a file in its place", "not a directory")
	f.ok(os.Remove(f.folder))
	f.ok(os.Rename(f.folder+".away", f.folder))
	if _, err := f.Photos(t.Context(), anna); err == nil {
		t.Error("the folder is listed again at once")
	}
	now = now.Add(listAgain)
	if got := f.of("anna"); got != "anna.jpg" {
		t.Errorf("after a while anna has %q", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := f.List(ctx); !errors.Is(err, context.Canceled) && !strings.Contains(fmt.Sprint(err), "context canceled") {
		t.Errorf("interrupted: %v", err)
	}
}

// TestFileTurns makes something else of a file after it was listed.
func TestFileTurns(t *testing.T) {
	for name, turn := range map[string]func(f *testFolder, path string) error{
		"gone":     func(_ *testFolder, path string) error { return os.Remove(path) },
		"a folder": func(_ *testFolder, path string) error { return errors.Join(os.Remove(path), os.Mkdir(path, 0o700)) },
		"a pipe": func(_ *testFolder, path string) error {
			return errors.Join(os.Remove(path), syscall.Mkfifo(path, 0o600))
		},
		"a link out": func(_ *testFolder, path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/etc/hostname", path))
		},
		"a link in": func(_ *testFolder, path string) error {
			return errors.Join(os.Remove(path), os.Symlink("ben.jpg", path))
		},
		"a device": func(_ *testFolder, path string) error {
			return errors.Join(os.Remove(path), os.Symlink("/dev/zero", path))
		},
		"unreadable": func(_ *testFolder, path string) error { return os.Chmod(path, 0) },
	} {
		t.Run(name, func(t *testing.T) {
			if name == "unreadable" && os.Geteuid() == 0 {
				t.Skip("root reads everything")
			}
			f := newTestFolder(t, "{sAMAccountName}")
			f.put("anna.jpg", "ben.jpg")
			f.ok(f.List(t.Context()))
			f.ok(turn(f, filepath.Join(f.folder, "anna.jpg")))
			photos, err := f.Photos(t.Context(), photopush.User{AccountName: "anna"})
			if photos != nil || photopush.ReasonOf(err) != photopush.Internal || !strings.HasPrefix(fmt.Sprint(err), `read photo "anna.jpg" in `+f.folder+": internal: ") {
				t.Errorf("%v, %v", photos, err)
			}
			if got := f.of("ben"); got != "ben.jpg" {
				t.Errorf("ben has %q", got)
			}
		})
	}
}

// TestLargeFile is not read.
func TestLargeFile(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}")
	f.put("anna.jpg")
	f.ok(os.Truncate(filepath.Join(f.folder, "anna.jpg"), photo.MaxBytes+1))
	photos, err := f.Photos(t.Context(), photopush.User{AccountName: "anna"})
	f.ok(err)
	want := []photopush.Photo{{Attribute: "file", File: "anna.jpg", Fault: "it has 33554433 B, at most 32 MiB"}}
	if diff := cmp.Diff(want, photos); diff != "" {
		t.Error(diff)
	}
	_, err = defaultRule.Choose(photos)
	if want := `choose photo: bad_photo: file "anna.jpg": it has 33554433 B, at most 32 MiB`; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
}

// TestFolderSideBySide lists and reads at once; the race detector judges.
func TestFolderSideBySide(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}")
	f.put("anna.jpg")
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for range 20 {
				if err := f.List(t.Context()); err != nil {
					t.Error(err)
				}
				if photos, err := f.Photos(t.Context(), photopush.User{AccountName: "anna"}); err != nil || len(photos) != 1 {
					t.Error(photos, err)
				}
				f.Mark(photopush.User{AccountName: "anna"})
			}
		})
	}
	wg.Wait()
}

// TestEntryGoes: a name that is gone before it is looked at is none.
func TestEntryGoes(t *testing.T) {
	f := newTestFolder(t, "{sAMAccountName}")
	f.put("anna.jpg")
	entries, err := os.ReadDir(f.folder)
	f.ok(err)
	f.ok(os.Remove(filepath.Join(f.folder, "anna.jpg")))
	files := map[string][]file{}
	if err := f.add(files, entries[0]); err != nil || len(files) != 0 {
		t.Errorf("%v, %v", files, err)
	}
	failing := brokenEntry{entries[0]}
	if err := f.add(files, failing); !errors.Is(err, syscall.EIO) {
		t.Errorf("%v, want that it cannot be looked at", err)
	}
}

// A brokenEntry cannot be looked at.
type brokenEntry struct{ fs.DirEntry }

func (brokenEntry) Info() (fs.FileInfo, error) { return nil, syscall.EIO }
