package photoimport

import (
	"context"
	"errors"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/photopush/photopush"
)

// storeBatch is how many outcomes are stored at once.
const storeBatch = 100

// Run does what the plan says: its rows with the status write, several at once, and says in each what became of it. The run's number is in the result as soon as
// anything may have been changed. When ctx ends, what has begun is ended in order, and the rest is not tried; so it is when no controller answers any more,
// or the credential is rejected. Whatever ends a run, it can be undone, and the same import begun again does the rest.
func (im *Importer) Run(ctx context.Context, p *Plan) (id string, err error) {
	if p.Count(Write) == 0 {
		return "", ctx.Err()
	}
	release, err := im.Store.LockImports()
	if err != nil {
		return "", err
	}
	defer func() { err = errors.Join(err, release()) }()
	if err := im.tidy(ctx); err != nil {
		return "", err
	}
	r, err := im.begin(ctx, p)
	if err != nil {
		return "", err
	}
	err = r.all(ctx, p)
	return r.id, errors.Join(err, r.end(context.WithoutCancel(ctx), p))
}

// tidy stores what runs did that were killed, as their files tell, and removes the files that were kept for long enough. The lock is held.
func (im *Importer) tidy(ctx context.Context) error {
	runs, err := im.Store.Imports(ctx)
	if err != nil {
		return err
	}
	for _, r := range runs {
		if !r.Ended.IsZero() {
			continue
		}
		if past, err := readPast(im.Folder, r.ID); err == nil {
			err = im.Store.PutImportChanges(ctx, past.stored())
			if err != nil {
				return err
			}
		} else {
			im.Log.Warn("what a run did that was killed cannot be told", "run", r.ID, "err", err)
		}
		if err := im.Store.EndImport(ctx, r.ID); err != nil {
			return err
		}
	}
	if err := prune(im.Folder, im.Now().Add(-im.Config.KeepUndo)); err != nil {
		return folderError(im.Folder, err)
	}
	return nil
}

// tidyUnlessRunning is tidy, and nothing while another process is importing.
func (im *Importer) tidyUnlessRunning(ctx context.Context) error {
	release, err := im.Store.LockImports()
	if photopush.ReasonOf(err) == photopush.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(im.tidy(ctx), release())
}

// folderError is the error when the folder of the runs' files cannot be used: nothing is changed then.
func folderError(folder string, err error) error {
	return &photopush.Error{Reason: photopush.Internal, Op: "record import in", On: folder, Err: err}
}

// A run is an import or an undo under way.
type run struct {
	*Importer
	id      string
	journal *journal

	mu      sync.Mutex
	no      int // changes that were recorded
	done    int
	total   int
	stop    error // why no further row is begun
	results []photopush.ImportChange
}

// begin makes the run's file, and then its row in the store.
func (im *Importer) begin(ctx context.Context, p *Plan) (*run, error) {
	started := im.Now().UTC()
	r := &run{Importer: im, id: newRunID(started), total: p.Count(Write)}
	var err error
	if r.journal, err = newJournal(im.Folder, runRecord{r.id, p.Undoes, p.Source, im.By, started}, im.AfterRecord); err != nil {
		return nil, folderError(im.Folder, err)
	}
	if err := im.Store.BeginImport(ctx, photopush.ImportRun{ID: r.id, Undoes: p.Undoes, Source: p.Source, By: im.By, Started: started}); err != nil {
		return nil, errors.Join(err, r.journal.close())
	}
	return r, nil
}

// all does the rows.
func (r *run) all(ctx context.Context, p *Plan) error {
	var g errgroup.Group
	g.SetLimit(r.Config.Jobs)
	for i := range p.Rows {
		row := &p.Rows[i]
		if row.Status != Write {
			continue
		}
		g.Go(func() error {
			if ctx.Err() != nil || r.stopped() != nil {
				row.Status, row.Detail = NotTried, "the run ended before"
				return nil
			}
			// What has begun is ended, whoever is impatient: its waits are bounded by the directory.
			r.row(context.WithoutCancel(ctx), row)
			return nil
		})
	}
	g.Wait() // no row returns an error
	if err := r.stopped(); err != nil {
		return err
	}
	return ctx.Err()
}

func (r *run) stopped() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.stop
}

// halt lets no further row begin; the first reason counts.
func (r *run) halt(err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stop == nil {
		r.stop = err
	}
}

// end stores what is left to be stored, and that the run is over.
func (r *run) end(ctx context.Context, p *Plan) error {
	p.sort()
	r.mu.Lock()
	defer r.mu.Unlock()
	return errors.Join(r.journal.close(), r.flush(ctx), r.Store.EndImport(ctx, r.id))
}

// flush stores outcomes; r.mu is held.
func (r *run) flush(ctx context.Context) error {
	err := r.Store.PutImportChanges(ctx, r.results)
	r.results = nil
	return err
}

// row does one row: look, record, change, and record what became of it.
func (r *run) row(ctx context.Context, row *Row) {
	swap, err := r.look(ctx, row)
	switch {
	case err != nil:
		row.Status = Refused
	case swap == nil:
		row.Status = Same
	default:
		var untold error
		if row.Status, err, untold = r.change(ctx, row, swap); untold != nil {
			r.halt(untold)
		}
	}
	row.Detail = photopush.Detail(err)
	if isFatal(err) {
		r.halt(err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done++
	r.observe(WritingPhotos, r.done, r.total)
}

// isFatal tells whether no other row can be done either.
func isFatal(err error) bool {
	if _, ok := errors.AsType[*photopush.SecretError](err); ok {
		return true
	}
	return errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) == photopush.Auth
}

// look reads what is there now, and what is to be there; nil where that is there already. The photo may have changed since the plan was made, and so may the file.
func (r *run) look(ctx context.Context, row *Row) (*photopush.PhotoSwap, error) {
	values, err := row.values()
	if err != nil {
		return nil, err
	}
	fail := func(reason photopush.Reason, text string) error {
		return &photopush.Error{Reason: reason, Op: "write " + row.Attribute + " of", On: row.User.DN, Err: errors.New(text)}
	}
	if photopush.ValuesDigest(values) != row.new {
		return nil, fail(photopush.Conflict, "the file "+row.File+" is another one than in the preview")
	}
	var found *photopush.PhotoState
	err = row.dir.PhotoStates(ctx, []photopush.GUID{row.User.GUID}, []string{row.Attribute}, func(s photopush.PhotoState) error {
		found = &s
		return nil
	})
	switch {
	case err != nil:
		return nil, err
	case found == nil:
		return nil, fail(photopush.OutOfScope, "the user is gone, or out of scope by now")
	}
	row.User = found.User
	old := found.Values[row.Attribute]
	switch digest := photopush.ValuesDigest(old); {
	case digest == row.new:
		return nil, nil
	case digest != row.old:
		return nil, fail(photopush.Conflict, "it has changed since the preview, and is left as it is")
	}
	return &photopush.PhotoSwap{User: row.User, Attribute: row.Attribute, Old: old, New: values}, nil
}

// change records the change, makes it, and records what became of it. Without a record nothing is changed; untold is an error of recording alone.
func (r *run) change(ctx context.Context, row *Row, swap *photopush.PhotoSwap) (status Status, err, untold error) {
	c := &changeRecord{Domain: row.dir.Name(), GUID: row.User.GUID, SID: row.User.SID, Account: row.User.AccountName, DN: row.User.DN,
		Attribute: row.Attribute, Old: swap.Old, New: row.new}
	if err := r.record(c); err != nil {
		err = folderError(r.Folder, err)
		return Refused, err, err
	}
	err = row.dir.SwapPhoto(ctx, *swap)
	status, outcome := Written, photopush.ImportWritten
	switch reason := photopush.ReasonOf(err); {
	case err == nil:
	case reason == photopush.Unknown:
		status, outcome = Unknown, photopush.ImportUnknown
	default:
		status, outcome = Refused, photopush.ImportRefused
	}
	at := r.Now().UTC()
	if untold = r.journal.append(record{Outcome: &outcomeRecord{c.No, outcome, photopush.Detail(err), at}}); untold != nil {
		untold = folderError(r.Folder, untold)
	}
	return status, err, errors.Join(untold, r.store(ctx, c.stored(r.id, row.old, row.new, outcome, photopush.Detail(err), at)))
}

// record numbers the change and puts it on the disk. Records stand in the order of their numbers.
func (r *run) record(c *changeRecord) error {
	r.mu.Lock()
	c.No = r.no + 1
	n, err := r.journal.write(record{Change: c})
	if err == nil {
		r.no++
	}
	r.mu.Unlock()
	if err != nil {
		return err
	}
	return r.journal.flushed(n)
}

// store keeps an outcome for the store, and stores what has gathered.
func (r *run) store(ctx context.Context, c photopush.ImportChange) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.results = append(r.results, c); len(r.results) < storeBatch {
		return nil
	}
	return r.flush(ctx)
}

// Runs lists the runs, the newest first, and until when what each replaced is kept, where it is kept still. A run without an end is going on.
func (im *Importer) Runs(ctx context.Context) ([]photopush.ImportRun, map[string]time.Time, error) {
	if err := im.tidyUnlessRunning(ctx); err != nil {
		return nil, nil, err
	}
	runs, err := im.Store.Imports(ctx)
	if err != nil {
		return nil, nil, err
	}
	kept := map[string]time.Time{}
	for _, r := range runs {
		if past, err := readPast(im.Folder, r.ID); err == nil && len(past.changes) > 0 {
			kept[r.ID] = r.Started.Add(im.Config.KeepUndo)
		}
	}
	return runs, kept, nil
}
