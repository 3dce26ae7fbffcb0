package jobs

import (
	"context"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	photopush "github.com/photopush/photopush"
)

// A domainRead is one read of a domain's directory: of everything, or of what changed since the bookmark.
type domainRead struct {
	*Jobs
	d     *Domain
	since photopush.Bookmark
	pass  int64
	list  []photopush.Change      // what is to be looked at
	fresh map[photopush.GUID]bool // users whose photos are to be looked at again, whatever is known of them
	need  []photopush.GUID        // users in scope whose photos were not read yet, and must be
}

// maxFresh bounds the users that are asked for one by one; for more of them everything is read.
const maxFresh = 20_000

// read reads what changed since the last time, or everything: where it is not known what changed, and from time to time, for what no list of changes
// shows. Photos come only for those of whom it is not known what their photos give, but for the read of everything.
func (r *domainRead) read(ctx context.Context) (err error) {
	if r.since, err = r.Store.Bookmark(ctx, r.d.Name); err != nil {
		return err
	}
	told, err := r.d.Directory.Changes(ctx, r.since.Place)
	if err != nil {
		return err
	}
	r.list = told.List
	if err := r.findFresh(ctx); err != nil {
		return err
	}
	if r.pass, err = r.Store.BeginPass(ctx, r.d.Name); err != nil {
		return err
	}
	now, err := r.Store.Now(ctx)
	if err != nil {
		return err
	}
	why := told.Why
	switch {
	case told.All:
	case r.since.Complete.IsZero():
		why = "it was never read"
	case len(r.fresh) > maxFresh:
		why = fmt.Sprintf("the photos of %d people are to be looked at", len(r.fresh))
	case now.Sub(r.since.Complete) >= r.Config.FullReadEvery:
		why = "the last time was " + r.since.Complete.Format(time.DateOnly)
	default:
		return r.changed(ctx, told)
	}
	return r.everything(ctx, told, why)
}

// findFresh gathers the users whose photos are to be looked at again: they may have changed, could not be judged, or were judged by another recipe or with
// other files.
func (r *domainRead) findFresh(ctx context.Context) error {
	r.fresh = map[photopush.GUID]bool{}
	for _, c := range r.list {
		if c.Photo {
			r.fresh[c.ID] = true
		}
	}
	unjudged, err := r.Store.Unjudged(ctx, r.d.Name)
	if err != nil {
		return err
	}
	for _, id := range unjudged {
		r.fresh[id] = true
	}
	if r.since.Recipes == r.Recipes && r.PhotoFiles == nil {
		return nil
	}
	for u, err := range r.Store.UsersOf(ctx, r.d.Name) {
		if err != nil {
			return err
		}
		if u.Recipe != r.Recipe(u.User) || r.otherFiles(u.User, u) {
			r.fresh[u.GUID] = true
		}
	}
	return nil
}

// bookmark is what is stored with what was read of what was told.
func (r *domainRead) bookmark(told photopush.Changes) photopush.Bookmark {
	return photopush.Bookmark{Place: r.d.Directory.Settled(told), Recipes: r.Recipes}
}

// everything reads all objects with all photos.
func (r *domainRead) everything(ctx context.Context, told photopush.Changes, why string) error {
	start := time.Now()
	if err := r.workstations(ctx, nil); err != nil {
		return err
	}
	if err := r.users(ctx, photopush.UserQuery{Photos: true}); err != nil {
		return err
	}
	users, workstations, err := r.Store.EndPass(ctx, r.d.Name, r.pass, r.bookmark(told))
	if err == nil {
		r.Log.Info("directory read", "domain", r.d.Name, "what", "everything", "why", why, "gone_users", users, "gone_workstations", workstations,
			"took", time.Since(start).Round(time.Millisecond))
	}
	return err
}

// changed reads the objects that changed, and the users whose photos are to be looked at again. Of what changed, what is not found in scope is gone.
func (r *domainRead) changed(ctx context.Context, told photopush.Changes) error {
	looked := make([]photopush.GUID, len(r.list))
	var others []photopush.GUID
	for i, c := range r.list {
		looked[i] = c.ID
		if !r.fresh[c.ID] {
			others = append(others, c.ID)
		}
	}
	if len(looked) > 0 {
		if err := r.workstations(ctx, looked); err != nil {
			return err
		}
	}
	for _, q := range []photopush.UserQuery{{IDs: slices.Sorted(maps.Keys(r.fresh)), Photos: true}, {IDs: others}} {
		if len(q.IDs) == 0 {
			continue
		}
		if err := r.users(ctx, q); err != nil {
			return err
		}
	}
	if len(r.need) > 0 { // their photos turned out to be missing
		if err := r.users(ctx, photopush.UserQuery{IDs: r.need, Photos: true}); err != nil {
			return err
		}
	}
	users, workstations, err := r.Store.EndChanges(ctx, r.d.Name, r.pass, r.since, looked, r.bookmark(told))
	if err == nil && len(looked)+len(r.fresh) > 0 {
		r.Log.Info("directory read", "domain", r.d.Name, "what", "changes", "changed", len(looked), "photos", len(r.fresh)+len(r.need),
			"gone_users", users, "gone_workstations", workstations)
	}
	return err
}

// workstations stores those with these IDs, nil for all.
func (r *domainRead) workstations(ctx context.Context, ids []photopush.GUID) error {
	var batch []photopush.Workstation
	put := func() error {
		err := r.Store.PutWorkstations(ctx, r.pass, batch)
		r.observe(Event{Kind: ReadWorkstations, N: len(batch)})
		batch = batch[:0]
		return err
	}
	err := r.d.Directory.Workstations(ctx, ids, func(w photopush.Workstation) error {
		if batch = append(batch, w); len(batch) < batchSize {
			return nil
		}
		return put()
	})
	if err == nil {
		err = put()
	}
	return err
}

// users stores the users that q asks for.
func (r *domainRead) users(ctx context.Context, q photopush.UserQuery) error {
	b := &userBatch{domainRead: r, photosRead: q.Photos}
	if err := r.d.Directory.Users(ctx, q, func(u photopush.User, photos []photopush.Photo) error { return b.add(ctx, u, photos) }); err != nil {
		return err
	}
	return b.flush(ctx)
}

// A userBatch gathers users until it is full, or their photos would take too much memory. Of each photo its digest alone is kept.
type userBatch struct {
	*domainRead
	photosRead bool
	users      []photopush.User
	photos     [][]photopush.Photo
	bytes      int
}

// maxBatchBytes bounds the photos held at a time. Somebody's files are not held, but take long to be decoded while the directory waits: they count as much as a
// large photo does.
const (
	maxBatchBytes = 8 << 20
	bytesOfFiles  = maxBatchBytes / 32
)

func (b *userBatch) add(ctx context.Context, u photopush.User, photos []photopush.Photo) error {
	b.users, b.photos = append(b.users, u), append(b.photos, photos)
	for _, p := range photos {
		b.bytes += len(p.Bytes)
	}
	if mark, _ := b.filesMark(u); mark != "" && b.photosRead {
		b.bytes += bytesOfFiles
	}
	if len(b.users) < batchSize && b.bytes < maxBatchBytes {
		return nil
	}
	return b.flush(ctx)
}

func (b *userBatch) flush(ctx context.Context) error {
	sids := make([]photopush.SID, len(b.users))
	for i, u := range b.users {
		sids[i] = u.SID
	}
	known, err := b.Store.Users(ctx, sids)
	if err != nil {
		return err
	}
	var records []photopush.UserRecord
	if b.photosRead {
		records, err = b.judge(ctx, known)
	} else {
		records, err = b.kept(known), ctx.Err()
	}
	if err != nil {
		return err
	}
	if err := b.Store.PutUsers(ctx, b.pass, records); err != nil {
		return err
	}
	b.observe(Event{Kind: ReadUsers, N: len(records)})
	b.users, b.photos, b.bytes = b.users[:0], b.photos[:0], 0
	return nil
}

// maxJudged bounds the users whose photos are decoded at once, however many processors there are: each may take some hundred MiB.
const maxJudged = 8

// judge looks at the photos of all, several side by side: the directory waits meanwhile, and a new photo takes up to half a second.
func (b *userBatch) judge(ctx context.Context, known map[photopush.SID]photopush.UserRecord) ([]photopush.UserRecord, error) {
	records := make([]photopush.UserRecord, len(b.users))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(min(runtime.GOMAXPROCS(0), maxJudged))
	for i, u := range b.users {
		g.Go(func() error {
			if ctx.Err() == nil {
				records[i] = b.record(ctx, u, b.photos[i], known[u.SID])
			}
			return ctx.Err()
		})
	}
	return records, g.Wait()
}

// kept are those of whose photos what is known holds; the others need theirs.
func (b *userBatch) kept(known map[photopush.SID]photopush.UserRecord) (records []photopush.UserRecord) {
	for _, u := range b.users {
		before := known[u.SID]
		if !b.keeps(u, before) {
			b.need = append(b.need, u.GUID)
			continue
		}
		before.User = u
		records = append(records, before)
	}
	return records
}

// keeps tells whether what is known of the user's photos holds: nothing was learnt of the photos of one who was out of scope meanwhile.
func (b *userBatch) keeps(u photopush.User, known photopush.UserRecord) bool {
	return known.SID != "" && known.GoneSince.IsZero() && known.Recipe == b.Recipe(u) && judged(known) && !b.fresh[u.GUID] && !b.otherFiles(u, known)
}
