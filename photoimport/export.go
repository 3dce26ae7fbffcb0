package photoimport

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
	"github.com/photopush/photopush/photo"
)

// An ExportRequest says what is to be written into files.
type ExportRequest struct {
	Folder     string // made when it is missing
	Attributes []string
	Match      string // names of the files, as those of an import, without an extension or with .*
	Force      bool   // replace files of earlier exports
}

// An Exported photo was written into a file, or was not.
type Exported struct {
	User      photopush.User
	Attribute string
	File      string // within the folder
	Bytes     int
	Err       error // why it was not written; an error with fs.ErrExist in its chain where there is such a file already
}

// Export writes the photos of everybody in scope into files, as the directory has them, and hands over each. Of several attributes each has a folder of its own. Names
// are those that an import with the same pattern finds again, for nobody else; they are safe on Windows and Linux, no two are the same there, none leads out of the
// folder, and they do not depend on the order in which the directory answers.
func (im *Importer) Export(ctx context.Context, r ExportRequest, yield func(Exported) error) error {
	pattern, err := filematch.Parse(r.Match)
	if err == nil && pattern.Extension() != "" {
		err = errors.New("it has an extension, which the photos decide: want .* for it, or nothing")
	}
	if err != nil {
		return &SourceError{r.Match, err}
	}
	people, err := im.readPeople(ctx, pattern.Attributes())
	if err != nil {
		return err
	}
	if err := os.MkdirAll(r.Folder, 0o700); err != nil {
		return sourceError(r.Folder, err)
	}
	root, err := os.OpenRoot(r.Folder)
	if err != nil {
		return sourceError(r.Folder, err)
	}
	e := &exporter{request: r, root: root, pattern: pattern, stems: map[photopush.GUID]string{}, yield: yield}
	e.name(people)
	err = e.all(ctx, im, people)
	return errors.Join(err, root.Close())
}

// An exporter writes files.
type exporter struct {
	request ExportRequest
	root    *os.Root
	pattern *filematch.Pattern
	stems   map[photopush.GUID]string // names of people's first files, without extension; none for whom the pattern has no name
	yield   func(Exported) error
}

// name gives everybody a name, whether there is a photo or not. The first of people whose names are alike has it as it is, which an import finds to be ambiguous;
// those of the others are nobody's.
func (e *exporter) name(people []person) {
	given := map[string]int{}
	for i := range people {
		text, ok := e.pattern.Name(people[i].value)
		if !ok {
			continue
		}
		stem := stemOf(text)
		key := filematch.Fold(stem)
		if given[key]++; given[key] > 1 {
			stem = numbered(stem, "person", given[key])
		}
		e.stems[people[i].GUID] = stem
	}
}

func (e *exporter) all(ctx context.Context, im *Importer, people []person) error {
	byDomain := map[Directory][]photopush.GUID{}
	for i := range people {
		byDomain[people[i].dir] = append(byDomain[people[i].dir], people[i].GUID)
	}
	done := 0
	for _, d := range im.Domains {
		err := d.PhotoStates(ctx, byDomain[d], e.request.Attributes, func(s photopush.PhotoState) error {
			done++
			im.observe(ReadingPhotos, done, len(people))
			return e.person(s)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// person writes the photos of one person.
func (e *exporter) person(s photopush.PhotoState) error {
	for _, a := range e.request.Attributes {
		for i, b := range s.Values[a] {
			x := Exported{User: s.User, Attribute: a, Bytes: len(b)}
			if stem, ok := e.stems[s.User.GUID]; ok {
				if i > 0 {
					stem = numbered(stem, "value", i+1)
				}
				x.File, x.Err = e.write(a, stem, b)
			} else {
				x.Err = fmt.Errorf("the person lacks an attribute of the pattern %s", e.pattern)
			}
			if err := e.yield(x); err != nil {
				return err
			}
		}
	}
	return nil
}

// formats are the extensions of the formats.
var formats = map[photo.Format]string{photo.JPEG: ".jpg", photo.PNG: ".png", photo.GIF: ".gif", photo.BMP: ".bmp", photo.WebP: ".webp"}

// write writes a value of an attribute. What is no picture is kept all the same, under a name that says so.
func (e *exporter) write(attribute, stem string, b []byte) (name string, err error) {
	extension := ".bin"
	if info, err := photo.Examine(b); err == nil {
		extension = formats[info.Format]
	}
	folder := ""
	if len(e.request.Attributes) > 1 {
		folder = attribute + "/"
		if err := e.root.Mkdir(attribute, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
			return folder, err
		}
	}
	name = folder + stem + extension
	return name, e.create(name, b)
}

// create makes the file, and replaces one only where that is wanted: by renaming, so that neither a link nor half a file is left.
func (e *exporter) create(name string, b []byte) error {
	if !e.request.Force {
		return e.put(name, b)
	}
	temporary := name + ".photopush-new"
	if err := e.root.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err := e.put(temporary, b); err != nil {
		return err
	}
	return e.root.Rename(temporary, name)
}

func (e *exporter) put(name string, b []byte) error {
	f, err := e.root.OpenFile(name, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Close()); err != nil {
		err = errors.Join(err, e.root.Remove(name))
	}
	return err
}

// ExportName is a pattern without the extension that an import may have.
func ExportName(match string) string {
	p, err := filematch.Parse(match)
	if err != nil || p.Extension() == "" {
		return match
	}
	return match[:strings.LastIndexByte(match, '.')]
}
