package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"golang.org/x/term"

	"github.com/photopush/photopush/photoimport"
	"github.com/photopush/photopush/store"
)

type importCommand struct {
	Source       string   `arg:"" optional:"" help:"A folder with photos, or a CSV file with a column of people and one of files."`
	Yes          bool     `short:"y" help:"Write without asking; for scripts."`
	Match        string   `placeholder:"PATTERN" help:"Name of a person's file, such as {employeeID}.jpg, instead of import.match."`
	Attribute    []string `placeholder:"NAME" help:"Write to thumbnailPhoto, jpegPhoto or both, separated by a comma, instead of import.attributes."`
	Size         int      `placeholder:"N" help:"Longer side of the photos at most, in px, instead of import.size and import.jpeg_photo_size."`
	Square       *bool    `negatable:"" help:"Cut the square out, or keep the whole photo, instead of what import.square says."`
	SkipExisting bool     `help:"Leave people alone who have a photo in the attribute."`
	Domain       []string `placeholder:"NAME" help:"Only people of this domain; may be given several times."`
	UserColumn   string   `placeholder:"NAME" help:"Column of a CSV file that names people, where its header has an unusual word."`
	FileColumn   string   `placeholder:"NAME" help:"Column of a CSV file that names files, likewise."`
	Jobs         int      `placeholder:"N" help:"Photos that are written at once, instead of import.jobs."`
	Undo         string   `placeholder:"RUN" help:"Put back what this run has replaced, instead of importing."`
	Force        bool     `help:"With --undo: also where somebody else has written another photo since."`
	Runs         bool     `help:"List the runs, instead of importing."`
	All          bool     `help:"List every row, not the first of each kind."`
	Format       string   `enum:"text,csv,json" default:"text" help:"Output: ${enum}."`
}

// Help is what --help says besides the flags.
func (*importCommand) Help() string {
	return `Finds out whose photo each file is, shows what would be written where, and asks before it writes anything. Without a terminal, and with --format csv or
json, it only shows; --yes writes without asking.

A folder is read with the folders in it; hidden files and links are passed over. A file is somebody's when its name is what import.match makes of
his attributes, in capitals or not. A CSV file needs a header with a column of people (user, sAMAccountName, userPrincipalName, employeeID,
mail, …) and one of files (file, picture, …), meant from its own folder; comma, semicolon and tab separate. Where two files are somebody's, or a file is two
people's, none is written.

Photos are turned upright, laid on white, freed of metadata, and written as JPEG: scaled down to import.size, never up, with the best quality that
stays within import.thumbnail_bytes. The whole photo is kept unless --square is given. A photo that is there already is left alone, so that the same
import can be run again.

What was there before is kept for import.keep_undo, and --undo RUN puts it back where the photo is still the one that was written. Ctrl-C ends a run in
order. The account is that of domains[].writer; docs/least-privilege.md gives it no more rights than it needs.

Exit codes: 0 done, shown, or not wanted; 2 command line or configuration, or a source or run that cannot be used; 4 something that was meant for somebody was
not written, each told with why, or another import is running, so that this one is to be tried later; 5 a credential was rejected; 6 no domain controller answers; 130 interrupted.`
}

// Validate refuses what does not go together.
func (c *importCommand) Validate() error {
	asked := 0
	for _, b := range []bool{c.Source != "", c.Undo != "", c.Runs} {
		if b {
			asked++
		}
	}
	switch {
	case asked == 0:
		return errors.New("name a folder or a CSV file, or use --undo RUN or --runs")
	case asked > 1:
		return errors.New("a source, --undo and --runs exclude each other")
	case c.Force && c.Undo == "":
		return errors.New("--force is for --undo")
	}
	return nil
}

func (c *importCommand) Run(ctx context.Context, a *app) (err error) {
	p, err := a.open(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Close()) }()
	cfg, err := c.config(p.config.Import)
	if err != nil {
		return withExit(exitUsage, err)
	}
	bar := newProgress(a.Stderr)
	defer bar.close()
	im := p.importer(a, cfg, bar)
	if c.Runs {
		return c.list(ctx, a, im)
	}
	if im.Domains, err = p.writers(a, c.Domain); err != nil {
		return withExit(exitUsage, err)
	}
	plan, err := c.plan(ctx, im, p)
	if err != nil {
		return c.explain(err)
	}
	bar.close()
	err = c.carryOut(ctx, a, im, plan)
	return errors.Join(err, plan.Close())
}

// config is the section with what the flags change.
func (c *importCommand) config(cfg photoimport.Config) (photoimport.Config, error) {
	if c.Match != "" {
		cfg.Match = c.Match
	}
	if len(c.Attribute) > 0 {
		cfg.Attributes = c.Attribute
	}
	if c.Size != 0 {
		cfg.Size, cfg.JPEGPhotoSize = c.Size, c.Size
	}
	if c.Square != nil {
		cfg.Square = *c.Square
	}
	if c.Jobs != 0 {
		cfg.Jobs = c.Jobs
	}
	return cfg, cfg.Validate("import")
}

// plan is that of an import or an undo.
func (c *importCommand) plan(ctx context.Context, im *photoimport.Importer, p *parts) (*photoimport.Plan, error) {
	if c.Undo != "" {
		u := photoimport.UndoRequest{Run: c.Undo, Force: c.Force}
		for i := range p.config.Domains {
			name := p.config.Domains[i].Name
			if !slices.ContainsFunc(im.Domains, func(d photoimport.Directory) bool { return d.Name() == name }) {
				u.LeftOut = append(u.LeftOut, name)
			}
		}
		return im.PlanUndo(ctx, u)
	}
	return im.Plan(ctx, photoimport.Request{
		Source: c.Source, Columns: photoimport.Columns{User: c.UserColumn, File: c.FileColumn}, Crop: p.config.Photo.Crop, SkipExisting: c.SkipExisting,
	})
}

// explain gives faults of the source, and of the run that is to be undone, their exit code, and that somebody else is importing.
func (c *importCommand) explain(err error) error {
	if errors.Is(err, store.ErrImporting) {
		return withExit(exitPerson, err)
	}
	if _, ok := errors.AsType[*photoimport.SourceError](err); ok {
		return withExit(exitUsage, err)
	}
	if _, ok := errors.AsType[*photoimport.RunError](err); ok {
		return withExit(exitUsage, err)
	}
	return err
}

// carryOut shows the plan, asks, writes, and tells what became of it.
func (c *importCommand) carryOut(ctx context.Context, a *app, im *photoimport.Importer, plan *photoimport.Plan) error {
	n := plan.Count(photoimport.Write)
	if c.Format == "text" {
		if err := plan.Text(a.Stdout, c.All); err != nil {
			return err
		}
	}
	agreed := c.Yes
	if !agreed && n > 0 {
		var err error
		if agreed, err = c.ask(ctx, a, n); err != nil {
			return err
		}
	}
	if !agreed {
		return c.show(a, plan, "")
	}
	told := tellInterrupt(ctx, a.Stderr)
	id, err := im.Run(ctx, plan)
	told()
	if id == "" && err != nil {
		return c.explain(err)
	}
	if c.Format == "text" && id != "" {
		err = errors.Join(err, tellRun(a.Stdout, im, plan, id))
	}
	if err = errors.Join(err, c.show(a, plan, id)); err == nil && plan.NeedsPerson() {
		return withExit(exitPerson, nil)
	}
	return err
}

// tellInterrupt says when ctx ends that what has begun is ended first, until the function that it returns is called.
func tellInterrupt(ctx context.Context, w io.Writer) (stop func()) {
	told := make(chan struct{})
	forget := context.AfterFunc(ctx, func() {
		defer close(told)
		fmt.Fprintln(w, "photopush: import: interrupted: what has begun is ended first")
	})
	return func() {
		if !forget() {
			<-told
		}
	}
}

// show writes the rows as they are now, where they were not shown as text.
func (c *importCommand) show(a *app, plan *photoimport.Plan, run string) error {
	switch c.Format {
	case "csv":
		return plan.CSV(a.Stdout)
	case "json":
		return plan.JSON(a.Stdout, run)
	}
	return nil
}

// tellRun says what a run has done, and how it is undone.
func tellRun(w io.Writer, im *photoimport.Importer, plan *photoimport.Plan, id string) error {
	done := &photoimport.Plan{}
	for _, r := range plan.Rows {
		switch r.Status {
		case photoimport.Written, photoimport.Refused, photoimport.Unknown, photoimport.NotTried:
			done.Rows = append(done.Rows, r)
		}
	}
	if _, err := fmt.Fprintf(w, "\nRun %s:\n", id); err != nil {
		return err
	}
	if err := done.Text(w, false); err != nil {
		return err
	}
	until := im.Now().Add(im.Config.KeepUndo).Format(time.DateOnly)
	_, err := fmt.Fprintf(w, "Until %s, photopush import --undo %s puts back what was there before.\n", until, id)
	return err
}

// ask asks the person at the terminal. Without one nothing is agreed to, nor where nobody has read anything yet: CSV and JSON are for programs, and come at the end.
func (c *importCommand) ask(ctx context.Context, a *app, n int) (bool, error) {
	in, ok := a.Stdin.(*os.File)
	if !ok || c.Format != "text" || !term.IsTerminal(int(in.Fd())) {
		fmt.Fprintf(a.Stderr, "photopush: import: nothing was written: %s would be; --yes writes without asking\n", count(n, "photo"))
		return false, nil
	}
	verb := "Write"
	if c.Undo != "" {
		verb = "Put back"
	}
	fmt.Fprintf(a.Stderr, "%s %s? [y/N] ", verb, count(n, "photo"))
	answer := make(chan string, 1)
	go func() { // ends with the answer, or with the process: a read from a terminal cannot be called off
		line, _ := bufio.NewReader(in).ReadString('\n')
		answer <- strings.ToLower(strings.TrimSpace(line))
	}()
	select {
	case text := <-answer:
		agreed := text == "y" || text == "yes"
		if !agreed {
			fmt.Fprintln(a.Stderr, "photopush: import: nothing was written")
		}
		return agreed, nil
	case <-ctx.Done():
		return false, ctx.Err()
	}
}

// A runResult is the JSON of one run.
type runResult struct {
	Run       string     `json:"run"`
	Undoes    string     `json:"undoes,omitempty"`
	Source    string     `json:"source,omitempty"`
	By        string     `json:"by"`
	Started   time.Time  `json:"started"`
	Ended     *time.Time `json:"ended"` // null while it runs
	Written   int        `json:"written"`
	Refused   int        `json:"refused"`
	Unknown   int        `json:"unknown"`
	KeptUntil *time.Time `json:"kept_until"` // null: it cannot be undone any more, or has changed nothing
}

// list lists the runs.
func (c *importCommand) list(ctx context.Context, a *app, im *photoimport.Importer) error {
	runs, kept, err := im.Runs(ctx)
	if err != nil {
		return err
	}
	results := []runResult{}
	for _, r := range runs {
		x := runResult{Run: r.ID, Undoes: r.Undoes, Source: r.Source, By: r.By, Started: r.Started, Written: r.Written, Refused: r.Refused, Unknown: r.Unknown}
		if !r.Ended.IsZero() {
			x.Ended = &r.Ended
		}
		if until, ok := kept[r.ID]; ok {
			x.KeptUntil = &until
		}
		results = append(results, x)
	}
	if c.Format == "json" {
		return writeJSON(a.Stdout, results)
	}
	if c.Format == "csv" {
		return withExit(exitUsage, errors.New("--runs has no CSV: use --format json"))
	}
	t := tabwriter.NewWriter(a.Stdout, 0, 0, 2, ' ', 0)
	for _, r := range results {
		what, undo := "import of "+r.Source, "cannot be undone"
		if r.Undoes != "" {
			what = "undo of " + r.Undoes
		}
		if r.KeptUntil != nil {
			undo = "can be undone until " + r.KeptUntil.Local().Format(time.DateOnly)
		}
		state := fmt.Sprintf("%d written, %d not, %d unknown", r.Written, r.Refused, r.Unknown)
		if r.Ended == nil {
			state = "running"
		}
		fmt.Fprintf(t, "%s\t%s\t%s\tby %s\t%s\n", r.Run, what, state, r.By, undo)
	}
	return t.Flush()
}
