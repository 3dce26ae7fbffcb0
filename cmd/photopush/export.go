package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strconv"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/photoimport"
	"github.com/photopush/photopush/spreadsheet"
)

type exportCommand struct {
	Folder    string   `arg:"" name:"dir" help:"Folder for the files; it is made when it is missing."`
	Attribute []string `default:"thumbnailPhoto" placeholder:"NAME" help:"thumbnailPhoto, jpegPhoto or both, separated by a comma; of both each has a folder of its own. Default ${default}."`
	Match     string   `placeholder:"PATTERN" help:"Names of the files, such as {employeeID}, instead of import.match; the extension is that of the photo."`
	Domain    []string `placeholder:"NAME" help:"Only people of this domain; may be given several times."`
	Force     bool     `help:"Replace files of the same name that lie in the folder."`
	Format    string   `enum:"text,csv,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*exportCommand) Help() string {
	return `Writes the photos of everybody in scope into files, as the directory has them, byte for byte: a backup, or material for another program. An import with the
same pattern finds them again.

Characters that Windows or Linux forbid in a name become underscores, names of devices get one in front, and where two people have the same name, or one that
differs only in capitals, the second gets a number. Where somebody has several photos, the further ones get a number too, and a name that an import takes for
nobody's. A value that is no picture is written with the extension .bin. A file that is there
already is left alone, and told, unless --force is given.

Exit codes: 0 all are written; 2 command line or configuration, or a folder that cannot be used; 4 some were not written, each told with why; 5 a credential
was rejected; 6 no domain controller answers.`
}

// Validate refuses what no photo is in.
func (c *exportCommand) Validate() error {
	for _, a := range c.Attribute {
		if a != photopush.ThumbnailPhoto && a != photopush.JPEGPhoto {
			return fmt.Errorf("--attribute is %q, want thumbnailPhoto or jpegPhoto", a)
		}
	}
	return nil
}

func (c *exportCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	bar := newProgress(a.Stderr)
	defer bar.close()
	im := p.importer(a, p.config.Import, bar)
	if im.Domains, err = p.readers(c.Domain); err != nil {
		return withExit(exitUsage, err)
	}
	match := c.Match
	if match == "" {
		match = photoimport.ExportName(p.config.Import.Match)
	}
	tell := exportTeller{app: a, format: c.Format, files: []exportedFile{}}
	err = im.Export(ctx, photoimport.ExportRequest{Folder: c.Folder, Attributes: c.Attribute, Match: match, Force: c.Force}, tell.add)
	bar.close()
	if _, ok := errors.AsType[*photoimport.SourceError](err); ok {
		return withExit(exitUsage, err)
	}
	if err = errors.Join(err, tell.end(c.Folder)); err == nil && tell.failed > 0 {
		return withExit(exitPerson, nil)
	}
	return err
}

// An exportedFile is the JSON of one photo.
type exportedFile struct {
	User      string        `json:"user"`
	SID       photopush.SID `json:"sid"`
	Domain    string        `json:"domain"`
	Attribute string        `json:"attribute"`
	File      string        `json:"file,omitempty"`
	Bytes     int           `json:"bytes"`
	Error     string        `json:"error,omitempty"` // why it was not written
}

// An exportTeller gathers what is told at the end.
type exportTeller struct {
	*app
	format          string
	files           []exportedFile
	written, failed int
}

func (t *exportTeller) add(x photoimport.Exported) error {
	f := exportedFile{User: x.User.AccountName, SID: x.User.SID, Domain: x.User.Domain, Attribute: x.Attribute, File: x.File, Bytes: x.Bytes}
	switch {
	case errors.Is(x.Err, fs.ErrExist):
		f.Error = "there is such a file already; --force replaces it"
	case x.Err != nil:
		f.Error = x.Err.Error()
	}
	if f.Error == "" {
		t.written++
	} else {
		t.failed++
		fmt.Fprintf(t.Stderr, "photopush: export %s: %s: %s\n", f.User, f.File, f.Error)
	}
	if t.format != "text" {
		t.files = append(t.files, f)
	}
	return nil
}

func (t *exportTeller) end(folder string) error {
	switch t.format {
	case "json":
		return writeJSON(t.Stdout, t.files)
	case "csv":
		return t.csv()
	}
	_, err := fmt.Fprintf(t.Stdout, "%s: %s written, %d not\n", folder, count(t.written, "photo"), t.failed)
	return err
}

func (t *exportTeller) csv() error {
	w := spreadsheet.NewWriter(t.Stdout)
	if err := w.Row("user", "sid", "domain", "attribute", "file", "bytes", "error"); err != nil {
		return err
	}
	for _, f := range t.files {
		if err := w.Row(f.User, string(f.SID), f.Domain, f.Attribute, f.File, strconv.Itoa(f.Bytes), f.Error); err != nil {
			return err
		}
	}
	return w.Flush()
}
