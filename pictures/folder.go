package pictures

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
	"github.com/photopush/photopush/photo"
)

// A Folder is the folder of originals. Whoever may write there is as hostile as a photo: only regular files are looked at, by names that lead nowhere else.
// It is safe for concurrent use.
type Folder struct {
	folder  string
	pattern *filematch.Pattern
	limit   int // names in the folder
	now     func() time.Time

	listing sync.Mutex // held while the folder is read

	mu    sync.Mutex
	files map[string][]file // by the pattern's key; nil while they are not known
	err   error             // why not
	tried time.Time         // when that was found out
}

// A file is one by its name, as it was listed.
type file struct {
	name string
	size int64
	time time.Time
}

// Bounds of a folder.
const (
	maxEntries   = 200_000 // names in it
	maxFiles     = 4       // of one user; further ones are left out
	listAgain    = time.Minute
	entriesBatch = 1000
)

// NewFolder prepares the folder that c names, which Validate has accepted; nil where it names none. It reads nothing.
func NewFolder(c FolderConfig) (*Folder, error) {
	if c.Folder == "" {
		return nil, nil
	}
	pattern, err := c.pattern()
	if err != nil {
		return nil, err
	}
	return &Folder{folder: filepath.Clean(c.Folder), pattern: pattern, limit: maxEntries, now: time.Now, err: errors.New("it was not read yet")}, nil
}

// List reads the names of all files anew, with their sizes and times. A folder without a photo is an error too: it is rather a share that is not mounted than
// one from which every photo was taken.
func (f *Folder) List(ctx context.Context) error {
	f.listing.Lock()
	defer f.listing.Unlock()
	return f.list(ctx)
}

func (f *Folder) list(ctx context.Context) error {
	files, err := f.read(ctx)
	if err != nil {
		files, err = nil, f.fault(err)
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.files, f.err, f.tried = files, err, f.now()
	return err
}

// fault is an error of the folder as a whole.
func (f *Folder) fault(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // it names the folder once more
	}
	return &photopush.Error{Reason: photopush.Internal, Op: "list the photos in", On: f.folder, Err: &photopush.Cause{What: err.Error(),
		Do: "see to it that pictures.originals.folder is mounted and that photopush may read it; until then whose picture was made of a file keeps it"}}
}

// read lists the folder.
func (f *Folder) read(ctx context.Context) (map[string][]file, error) {
	dir, err := os.Open(f.folder)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	files := map[string][]file{}
	for seen := 0; ; {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		entries, err := dir.ReadDir(entriesBatch)
		if seen += len(entries); seen > f.limit {
			return nil, fmt.Errorf("it holds more than %d names", f.limit)
		}
		for _, e := range entries {
			if err := f.add(files, e); err != nil {
				return nil, err
			}
		}
		switch {
		case errors.Is(err, io.EOF) && len(files) == 0:
			return nil, errors.New("there is no photo in it")
		case errors.Is(err, io.EOF):
			return files, nil
		case err != nil:
			return nil, err
		}
	}
}

// add takes the entry, if it is a regular file that may be somebody's photo by its name. One that is gone by now is none.
func (f *Folder) add(files map[string][]file, e fs.DirEntry) error {
	key, ok := f.key(e.Name())
	if !ok || !e.Type().IsRegular() {
		return nil
	}
	info, err := e.Info()
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return err
	case info.Mode().IsRegular():
		files[key] = append(files[key], file{e.Name(), info.Size(), info.ModTime()})
	}
	return nil
}

// key is what the file is found by; ok is false for a name that no photo has.
func (f *Folder) key(name string) (key string, ok bool) {
	if strings.HasPrefix(name, ".") || !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl) || !photo.IsExtension(filepath.Ext(name)) {
		return "", false
	}
	return f.pattern.FileKey(name)
}

// find returns the user's files, by their names, as they were listed last. An error says that they are not known.
func (f *Folder) find(u photopush.User) ([]file, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.err != nil {
		return nil, f.err
	}
	key, ok := f.pattern.Key(func(name string) string {
		value, _ := attribute(u, name)
		return value
	})
	if !ok {
		return nil, nil
	}
	files := slices.Clone(f.files[key])
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	return files[:min(len(files), maxFiles)], nil
}

// Mark names the user's files, with sizes and times, as they were listed last: 32 hex digits, empty where he has none. known is false while the list is not known.
func (f *Folder) Mark(u photopush.User) (mark string, known bool) {
	files, err := f.find(u)
	if err != nil || len(files) == 0 {
		return "", err == nil
	}
	h := sha256.New()
	for _, x := range files {
		fmt.Fprintf(h, "%s/%d/%d\n", x.name, x.size, x.time.UnixNano())
	}
	return hex.EncodeToString(h.Sum(nil)[:16]), true
}

// Photos reads the user's files, those that were listed last; it lists them itself where that was not done yet, or failed a while ago. One that is too large
// comes with its fault. An error says that the list is not known, or that a file could not be read or is gone.
func (f *Folder) Photos(ctx context.Context, u photopush.User) ([]photopush.Photo, error) {
	if err := f.known(ctx); err != nil {
		return nil, err
	}
	files, err := f.find(u)
	if err != nil || len(files) == 0 {
		return nil, err
	}
	root, err := os.OpenRoot(f.folder)
	if err != nil {
		return nil, f.fault(err)
	}
	defer root.Close()
	photos := make([]photopush.Photo, len(files))
	for i, x := range files {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if photos[i], err = readFile(root, x.name); err != nil {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "read photo", On: fmt.Sprintf("%q in %s", x.name, f.folder), Err: err}
		}
	}
	return photos, nil
}

// known lists the files where they are not known. After a failure it waits a while: everybody who works at once asks.
func (f *Folder) known(ctx context.Context) error {
	f.listing.Lock()
	defer f.listing.Unlock()
	f.mu.Lock()
	err, tried := f.err, f.tried
	f.mu.Unlock()
	if err == nil || f.now().Sub(tried) < listAgain {
		return err
	}
	return f.list(ctx)
}

var errNoFile = errors.New("it is no regular file any more")

// readFile reads a file of the folder itself. Between its look and its opening it may become another thing: it is not waited for, and what was opened counts.
func readFile(root *os.Root, name string) (photopush.Photo, error) {
	p := photopush.Photo{Attribute: photopush.SourceFile, File: name}
	before, err := root.Lstat(name)
	if err != nil {
		return p, cause(err)
	}
	if !before.Mode().IsRegular() {
		return p, errNoFile
	}
	opened, err := root.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return p, cause(err)
	}
	defer opened.Close()
	info, err := opened.Stat()
	switch {
	case err != nil:
		return p, cause(err)
	case !info.Mode().IsRegular(), !os.SameFile(before, info):
		return p, errNoFile
	case info.Size() > photo.MaxBytes:
		p.Fault = fmt.Sprintf("it has %s, at most %s", photopush.Bytes(info.Size()), photopush.Bytes(photo.MaxBytes))
		return p, nil
	}
	p.Bytes, err = io.ReadAll(io.LimitReader(opened, photo.MaxBytes+1))
	return p, cause(err)
}

// cause is an error without the name of the file, which the caller quotes.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}
