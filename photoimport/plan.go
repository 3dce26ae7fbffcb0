package photoimport

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"slices"
	"strings"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
	"github.com/photopush/photopush/photo"
)

// A Request says what to import.
type Request struct {
	Source       string // a folder, or a list
	Columns      Columns
	Crop         photo.Crop // the square that is cut where Config.Square says so
	SkipExisting bool       // leave people alone who have a photo in the attribute
}

// keepFitted bounds the fitted photos that are kept from the plan to the run, in bytes; what is beyond is made again.
const keepFitted = 64 << 20

// Plan reads people, files and photos, and says what an import would do. Nothing is written. The error is a *SourceError where folder or list cannot be read.
// The caller closes the plan.
func (im *Importer) Plan(ctx context.Context, r Request) (_ *Plan, err error) {
	pattern, err := filematch.Parse(im.Config.Match)
	if err != nil {
		return nil, err
	}
	s, err := openSource(r.Source, r.Columns)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.close())
		}
	}()
	wanted := pattern.Attributes()
	if s.list != nil {
		wanted = slices.DeleteFunc([]string{s.list.attribute}, func(a string) bool { return a == "" })
	}
	people, err := im.readPeople(ctx, wanted)
	if err != nil {
		return nil, err
	}
	domains, notes, err := im.labels(ctx, s)
	if err != nil {
		return nil, err
	}
	p := &planner{Importer: im, request: r, source: s}
	plan := &Plan{Source: r.Source, Files: len(s.files) + len(s.ignored), People: len(people), Notes: notes, close: s.close}
	plan.Rows = append(s.ignored, s.match(people, pattern, domains)...)
	if err := p.readPhotos(ctx, people); err != nil {
		return nil, err
	}
	if err := p.fit(ctx); err != nil {
		return nil, err
	}
	plan.Rows = append(plan.Rows, p.rows...)
	plan.addMissing(people)
	plan.sort()
	return plan, nil
}

// addMissing adds the people who have no file at all.
func (p *Plan) addMissing(people []person) {
	met := map[photopush.GUID]bool{}
	for i := range p.Rows {
		met[p.Rows[i].User.GUID] = true
	}
	for i := range people {
		if u := people[i].User; u.Enabled && !met[u.GUID] && len(people[i].files) == 0 {
			p.Rows = append(p.Rows, Row{Status: NoFile, User: u})
		}
	}
}

func (p *Plan) sort() {
	order := map[Status]int{}
	for i, s := range Statuses() {
		order[s] = i
	}
	slices.SortStableFunc(p.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(order[a.Status], order[b.Status]), strings.Compare(strings.ToLower(a.User.AccountName), strings.ToLower(b.User.AccountName)),
			strings.Compare(a.File, b.File), strings.Compare(b.Attribute, a.Attribute))
	})
}

// A planner makes rows of people with a file.
type planner struct {
	*Importer
	request Request
	source  *source
	rows    []Row

	mu    sync.Mutex
	kept  int // bytes of fitted photos
	done  int
	total int
}

// readPhotos makes a row of each attribute of each person with a file: what is there, and whether it may be replaced.
func (p *planner) readPhotos(ctx context.Context, people []person) error {
	of := map[photopush.GUID]*person{}
	byDomain := map[Directory][]photopush.GUID{}
	for i := range people {
		if len(people[i].files) == 1 {
			of[people[i].GUID] = &people[i]
			byDomain[people[i].dir] = append(byDomain[people[i].dir], people[i].GUID)
		}
	}
	done := 0
	met := map[photopush.GUID]bool{}
	for _, d := range p.Domains {
		err := d.PhotoStates(ctx, byDomain[d], p.Config.Attributes, func(s photopush.PhotoState) error {
			met[s.User.GUID] = true
			done++
			p.observe(ReadingPhotos, done, len(of))
			for _, a := range p.Config.Attributes {
				p.rows = append(p.rows, p.row(of[s.User.GUID], s, a))
			}
			return nil
		})
		if err != nil {
			return fmt.Errorf("domain %s: %w", d.Name(), err)
		}
		for _, id := range byDomain[d] {
			if !met[id] {
				p.rows = append(p.rows, Row{Status: Gone, User: of[id].User, File: shown(p.source.files[of[id].files[0]].name), Detail: gone})
			}
		}
	}
	return nil
}

func (p *planner) row(of *person, s photopush.PhotoState, attribute string) Row {
	f := &p.source.files[of.files[0]]
	r := Row{Status: Write, User: s.User, File: shown(f.name), Attribute: attribute, Was: size(s.Values[attribute]), dir: of.dir,
		old: photopush.ValuesDigest(s.Values[attribute]), from: f}
	switch {
	case p.request.SkipExisting && r.old != "":
		r.Status = HasPhoto
	case !s.Writable[attribute]:
		r.Status, r.Detail = Denied, photopush.Detail(of.dir.MayNotWrite(s.User, attribute))
	}
	options := p.Config.fitting(attribute, p.request.Crop)
	r.values = func() ([][]byte, error) {
		fitted, _, err := fitFile(f, options)
		if err != nil {
			return nil, err
		}
		return [][]byte{fitted.JPEG}, nil
	}
	return r
}

func size(values [][]byte) (n int) {
	for _, v := range values {
		n += len(v)
	}
	return n
}

// fitFile reads a file and makes the photo of it. It also tells the file's size in bytes.
func fitFile(f *file, o photo.FitOptions) (*photo.Fitted, int, error) {
	raw, err := f.read()
	if err != nil {
		if path, ok := errors.AsType[*fs.PathError](err); ok {
			err = path.Err
		}
		return nil, 0, badFile(f.name, err)
	}
	fitted, err := photo.Fit(raw, o)
	return fitted, len(raw), err
}

// fit makes the photos of all files, several at once.
func (p *planner) fit(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(4, runtime.GOMAXPROCS(0)))
	var rows []*Row
	for i := range p.rows {
		if s := p.rows[i].Status; s != HasPhoto && s != Gone {
			rows = append(rows, &p.rows[i])
		}
	}
	p.total = len(rows)
	for _, r := range rows {
		g.Go(func() error {
			if err := ctx.Err(); err != nil {
				return err
			}
			p.fitRow(r)
			return nil
		})
	}
	return g.Wait()
}

// fitRow fills in what would be written.
func (p *planner) fitRow(r *Row) {
	fitted, n, err := fitFile(r.from, p.Config.fitting(r.Attribute, p.request.Crop))
	p.mu.Lock()
	defer p.mu.Unlock()
	p.done++
	p.observe(FittingPhotos, p.done, p.total)
	r.SourceBytes = n
	if err != nil {
		r.Status, r.Detail = Unusable, photopush.Detail(err)
		return
	}
	values := [][]byte{fitted.JPEG}
	r.Source, r.Width, r.Height, r.Bytes, r.Quality = fitted.Source, fitted.Width, fitted.Height, len(fitted.JPEG), fitted.Quality
	if r.Status == Write {
		r.Detail = fitted.Note
	}
	if r.new = photopush.ValuesDigest(values); r.new == r.old {
		r.Status, r.Detail = Same, ""
	} else if p.kept += r.Bytes; p.kept <= keepFitted {
		r.values = func() ([][]byte, error) { return values, nil }
	}
}
