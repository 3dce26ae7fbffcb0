package photoimport

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"unicode"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// Bounds of a source.
const (
	maxFiles = 200_000
	maxDepth = 16 // folders within folders
)

// A file is one that may be somebody's photo.
type file struct {
	name  string // within the source, with slashes; of a list, as it is written there
	place string // of a list: where the file lies, however the list spells that; with slashes
	who   string // of a list: whose it is
	line  int    // of a list
	read  func() ([]byte, error)
}

// A source is what photos come from.
type source struct {
	path    string
	files   []file
	ignored []Row // what is left out at once, and why
	list    *list // nil for a folder
	root    *os.Root
}

// openSource reads a folder with the folders in it, or a list of names and files. The caller closes it.
func openSource(name string, columns Columns) (*source, error) {
	info, err := os.Stat(name)
	if err == nil && !info.IsDir() && !info.Mode().IsRegular() {
		err = errors.New("it is neither a folder nor a file")
	}
	if err != nil {
		return nil, sourceError(name, err)
	}
	if !info.IsDir() {
		return openList(name, columns)
	}
	root, err := os.OpenRoot(name)
	if err != nil {
		return nil, sourceError(name, err)
	}
	s := &source{path: name, root: root}
	if err := s.walk(); err != nil {
		return nil, sourceError(name, errors.Join(err, root.Close()))
	}
	return s, nil
}

func (s *source) close() error {
	if s.root == nil {
		return nil
	}
	return s.root.Close()
}

// A SourceError says what is wrong with a folder or list of photos. Nothing was tried with it.
type SourceError struct {
	Source string
	Err    error
}

func (e *SourceError) Error() string { return "read " + e.Source + ": " + e.Err.Error() }
func (e *SourceError) Unwrap() error { return e.Err }

func sourceError(name string, err error) error {
	if p, ok := errors.AsType[*fs.PathError](err); ok && p.Path == name {
		err = p.Err
	}
	return &SourceError{name, err}
}

// walk lists the regular files. Links are not followed, wherever they lead.
func (s *source) walk() error {
	return fs.WalkDir(s.root.FS(), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if name == "." {
			return nil
		}
		switch {
		case hidden(d.Name()):
			s.ignore(name, "it is hidden")
			if d.IsDir() {
				return fs.SkipDir
			}
		case d.IsDir() && strings.Count(name, "/") >= maxDepth:
			s.ignore(name, fmt.Sprintf("it lies more than %d folders deep", maxDepth))
			return fs.SkipDir
		case d.IsDir():
		case d.Type()&fs.ModeSymlink != 0:
			s.ignore(name, "it is a link, and links are not followed")
		case !d.Type().IsRegular():
			s.ignore(name, "it is no regular file")
		case len(s.files) == maxFiles:
			return fmt.Errorf("it has more than %d files", maxFiles)
		default:
			s.files = append(s.files, file{name: name, read: func() ([]byte, error) { return s.readIn(name) }})
		}
		return nil
	})
}

func (s *source) ignore(name, why string) {
	s.ignored = append(s.ignored, Row{Status: Ignored, File: shown(name), Detail: why})
}

// hidden tells what a person does not see in a folder, and what systems leave there.
func hidden(name string) bool {
	switch strings.ToLower(name) {
	case "thumbs.db", "desktop.ini", "ehthumbs.db":
		return true
	}
	return strings.HasPrefix(name, ".")
}

func (s *source) readIn(name string) ([]byte, error) {
	// Without O_NONBLOCK a pipe that was put in the file's place would be waited for.
	f, err := s.root.OpenFile(filepath.FromSlash(name), os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	return readAll(f)
}

// readAll reads a file and closes it; one that is too large is not read to its end.
func readAll(f *os.File) ([]byte, error) {
	defer f.Close()
	info, err := f.Stat()
	switch {
	case err != nil:
		return nil, err
	case !info.Mode().IsRegular():
		return nil, errors.New("it is no regular file")
	case info.Size() > photo.MaxFile:
		return nil, fmt.Errorf("it has %d bytes, at most %d", info.Size(), photo.MaxFile)
	}
	return io.ReadAll(io.LimitReader(f, photo.MaxFile+1))
}

// Extensions of files that may be photos: those that are decoded, and those that it is better to name than to pass over.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp", ".heic", ".heif", ".tif", ".tiff", ".avif", ".jp2", ".jxl"}

func looksLikePhoto(name string) bool {
	return slices.Contains(extensions, strings.ToLower(path.Ext(name)))
}

// shown is a name as it may stand on a terminal.
func shown(name string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || r == unicode.ReplacementChar {
			return '?'
		}
		return r
	}, strings.ToValidUTF8(name, "?"))
}

func badFile(name string, err error) error {
	return &photopush.Error{Reason: photopush.BadPhoto, Op: "read", On: shown(name), Err: err}
}
