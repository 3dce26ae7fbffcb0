package photoimport

import (
	"context"
	"errors"
	"io/fs"
	"os"
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
	if err := im.tidy(ctx, p.Undoes); err != nil {
		return "", err
	}
	r, err := im.begin(ctx, p)
	if err != nil {
		return "", err
	}
	err = r.all(ctx, p)
	if err = errors.Join(err, r.end(context.WithoutCancel(ctx), p)); err == nil && !p.NeedsPerson() {
		err = im.prune("")
	}
	return r.id, err
}

// tidy stores what runs did that were killed, as their files tell, and removes the files that were kept for long enough, but not that of a run that is to be undone
// now; empty for none. The lock is held.
func (im *Importer) tidy(ctx context.Context, undone string) error {
	killed, err := im.Store.UnendedImports(ctx)
	if err != nil {
		return err
	}
	for _, id := range killed {
		if err := im.endKilled(ctx, id); err != nil {
			return err
		}
	}
	return im.prune(undone)
}

// endKilled ends a run that was killed. One whose file cannot be read now stays as it is: it may be readable later.
func (im *Importer) endKilled(ctx context.Context, id string) error {
	p, err := readPast(im.Folder, id)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		im.Log.Warn("what a run did that was killed cannot be told: its file is gone", "run", id)
		return im.Store.EndImport(ctx, id)
	case err != nil:
		im.Log.Warn("what a run did that was killed cannot be told now", "run", id, "err", err)
		return nil
	}
	im.warnOfDamage(p)
	if err := errors.Join(im.Store.PutImportChanges(ctx, p.stored()), p.close()); err != nil {
		return err
	}
	return im.Store.EndImport(ctx, id)
}

func (im *Importer) warnOfDamage(p *past) {
	if len(p.damaged) > 0 {
		im.Log.Warn("records of a run's file are damaged", "file", p.file.Name(), "records", p.damaged)
	}
}

// expired are the files of runs that were kept for long enough.
func (im *Importer) expired() ([]string, error) {
	files, err := expired(im.Folder, im.Now().Add(-im.Config.KeepUndo))
	if err != nil {
		err = folderError(im.Folder, err)
	}
	return files, err
}

// prune removes the files of runs that were kept for long enough, but not that of one run; empty for none. The lock is held.
func (im *Importer) prune(but string) error {
	files, err := im.expired()
	for _, f := range files {
		if f != journalPath(im.Folder, but) {
			err = errors.Join(err, os.Remove(f))
		}
	}
	return err
}

// Tidy stores what runs did that were killed, and removes what has been kept for Config.KeepUndo: photos of people are not to be kept for longer, whether anybody
// imports again or not. It does nothing while another process is importing, and keeps nobody from importing where there is nothing to do.
func (im *Importer) Tidy(ctx context.Context) error {
	killed, err := im.Store.UnendedImports(ctx)
	if err != nil {
		return err
	}
	files, err := im.expired()
	if err != nil || len(killed)+len(files) == 0 {
		return err
	}
	release, err := im.Store.LockImports()
	if photopush.ReasonOf(err) == photopush.Conflict {
		return nil
	}
	if err != nil {
		return err
	}
	return errors.Join(im.tidy(ctx, ""), release())
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

// end stores what is left to be stored, and that the run is over. What cannot be stored is told by the run's file: the next import or look at the runs stores it.
func (r *run) end(ctx context.Context, p *Plan) error {
	p.sort()
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.journal.close()
	if stored := r.flush(ctx); stored != nil {
		return errors.Join(err, stored)
	}
	return errors.Join(err, r.Store.EndImport(ctx, r.id))
}

// flush stores outcomes, and keeps them when that fails; r.mu is held.
func (r *run) flush(ctx context.Context) error {
	err := r.Store.PutImportChanges(ctx, r.results)
	if err == nil {
		r.results = nil
	}
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
	return errors.Is(err, photopush.ErrNoDirectory) || photopush.HasReason(err, photopush.Auth)
}

// gone says why there is nobody to write to.
const gone = "the user is gone, or out of scope by now"

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
		return nil, fail(photopush.OutOfScope, gone)
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
		Attribute: row.Attribute, Old: swap.Old, New: row.new, Controller: row.dir.Controller()}
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
	if untold = r.journal.append(record{Outcome: &outcomeRecord{c.No, outcome, photopush.Detail(err), at, row.dir.Controller()}}); untold != nil {
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
	if err := im.Tidy(ctx); err != nil {
		return nil, nil, err
	}
	runs, err := im.Store.Imports(ctx)
	if err != nil {
		return nil, nil, err
	}
	kept := map[string]time.Time{}
	for _, r := range runs {
		changed, err := hasChanged(im.Folder, r.ID)
		if changed {
			kept[r.ID] = r.Started.Add(im.Config.KeepUndo)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			im.Log.Warn("a run's file cannot be read", "run", r.ID, "err", err)
		}
	}
	return runs, kept, nil
}
