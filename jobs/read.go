package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"

	photopush "github.com/photopush/photopush"
)

// batchSize is the number of users or workstations stored in one transaction.
const batchSize = 500

// readAll reads every domain. One that cannot be read leaves everything of it as it was; the error names each.
func (j *Jobs) readAll(ctx context.Context) (read int, err error) {
	var errs []error
	for _, d := range j.Domains {
		if err := j.readDomain(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("domain %s: %w", d.Name, err))
			continue
		}
		read++
	}
	return read, errors.Join(errs...)
}

func (j *Jobs) readDomain(ctx context.Context, d *Domain) error {
	return j.asReader(ctx, d, func() error {
		pass, err := j.Store.BeginPass(ctx, d.Name)
		if err != nil {
			return err
		}
		if err := j.readWorkstations(ctx, d, pass); err != nil {
			return err
		}
		if err := j.readUsers(ctx, d, pass); err != nil {
			return err
		}
		_, _, err = j.Store.EndPass(ctx, d.Name, pass, nil)
		return err
	})
}

// asReader runs read with the domain's directory account, unless that is stopped; a rejection stops it at once.
func (j *Jobs) asReader(ctx context.Context, d *Domain, read func() error) error {
	if err := d.DirectoryLogon.stopped(ctx, j.Store); err != nil {
		return err
	}
	c, err := d.DirectoryLogon.credential()
	if err != nil {
		return err
	}
	err = read()
	if unusable := unusableSecret(err); unusable != nil {
		return unusable
	}
	if photopush.ReasonOf(err) == photopush.Auth {
		return errors.Join(err, j.Store.Stop(context.WithoutCancel(ctx), c, err.Error()))
	}
	return err
}

// Read runs read, which asks the directory of a domain on behalf of a visit, under the same guard as a pass does: a stopped account is
// not tried, and a rejection stops it.
func (j *Jobs) Read(ctx context.Context, domain string, read func() error) error {
	d := j.domain(domain)
	if d == nil {
		return &photopush.Error{Reason: photopush.OutOfScope, Op: "read directory of", On: domain, Err: errors.New("the domain is not configured")}
	}
	return j.asReader(ctx, d, read)
}

func (j *Jobs) readWorkstations(ctx context.Context, d *Domain, pass int64) error {
	var batch []photopush.Workstation
	put := func() error {
		err := j.Store.PutWorkstations(ctx, pass, batch)
		j.observe(Event{Kind: ReadWorkstations, N: len(batch)})
		batch = batch[:0]
		return err
	}
	err := d.Directory.Workstations(ctx, nil, func(w photopush.Workstation) error {
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

// readUsers keeps of each photo its digest only. Users whose photos and recipe are known by their hash are not decoded again.
func (j *Jobs) readUsers(ctx context.Context, d *Domain, pass int64) error {
	r := userReader{Jobs: j, pass: pass}
	err := d.Directory.Users(ctx, photopush.UserQuery{Photos: true}, func(u photopush.User, photos []photopush.Photo) error { return r.add(ctx, u, photos) })
	if err == nil {
		err = r.flush(ctx)
	}
	return err
}

// A userReader gathers users until a batch is full, or their photos would take too much memory.
type userReader struct {
	*Jobs
	pass   int64
	users  []photopush.User
	photos [][]photopush.Photo
	bytes  int
}

// maxBatchBytes bounds the photos held at a time.
const maxBatchBytes = 8 << 20

func (r *userReader) add(ctx context.Context, u photopush.User, photos []photopush.Photo) error {
	r.users, r.photos = append(r.users, u), append(r.photos, photos)
	for _, p := range photos {
		r.bytes += len(p.Bytes)
	}
	if len(r.users) < batchSize && r.bytes < maxBatchBytes {
		return nil
	}
	return r.flush(ctx)
}

func (r *userReader) flush(ctx context.Context) error {
	sids := make([]photopush.SID, len(r.users))
	for i, u := range r.users {
		sids[i] = u.SID
	}
	known, err := r.Store.Users(ctx, sids)
	if err != nil {
		return err
	}
	records := make([]photopush.UserRecord, len(r.users))
	for i, u := range r.users {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		records[i] = r.record(u, r.photos[i], known[u.SID])
	}
	if err := r.Store.PutUsers(ctx, r.pass, records); err != nil {
		return err
	}
	r.observe(Event{Kind: ReadUsers, N: len(records)})
	r.users, r.photos, r.bytes = r.users[:0], r.photos[:0], 0
	return nil
}

// record is the user with what his photos give; known is what they gave before.
func (j *Jobs) record(u photopush.User, photos []photopush.Photo, known photopush.UserRecord) photopush.UserRecord {
	r := photopush.UserRecord{User: u, PhotoHash: photoHash(j.Recipe(u), photos)}
	judged := known.Digest != "" || known.PhotoReason == photopush.NoPhoto || known.PhotoReason == photopush.BadPhoto
	if r.PhotoHash == known.PhotoHash && judged {
		r.Digest, r.PhotoReason, r.PhotoDetail = known.Digest, known.PhotoReason, known.PhotoDetail
		return r
	}
	digest, err := j.Pictures.Digest(u, photos)
	if err != nil {
		r.PhotoReason, r.PhotoDetail = photopush.ReasonOf(err), cause(err)
		return r
	}
	r.Digest = digest
	return r
}

// cause is what is behind the reason; that it was the photo of this user goes without saying.
func cause(err error) string {
	if e, ok := errors.AsType[*photopush.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// photoHash names the photos together with the recipe; it is empty without a photo.
func photoHash(recipe string, photos []photopush.Photo) string {
	if len(photos) == 0 {
		return ""
	}
	h := sha256.New() // whose Write never fails
	part := func(b []byte) {
		var n [8]byte
		binary.BigEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		h.Write(b)
	}
	part([]byte(recipe))
	for _, p := range photos {
		part([]byte(p.Attribute))
		part(p.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}
