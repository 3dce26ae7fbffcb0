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
	errs := []error{j.listFiles(ctx)}
	for _, d := range j.Domains {
		if err := j.readDomain(ctx, d); err != nil {
			errs = append(errs, fmt.Errorf("domain %s: %w", d.Name, err))
			continue
		}
		read++
	}
	return read, errors.Join(errs...)
}

// readDomain reads what is to be read of a domain. A read that another process has overtaken begins anew, and is of everything: it may have stored what was
// no longer so.
func (j *Jobs) readDomain(ctx context.Context, d *Domain) error {
	return j.asReader(ctx, d, func() error {
		err := (&domainRead{Jobs: j, d: d}).read(ctx)
		if errors.Is(err, photopush.ErrOvertaken) {
			err = (&domainRead{Jobs: j, d: d}).read(ctx)
		}
		return err
	})
}

// asReader runs read with the domain's directory account.
func (j *Jobs) asReader(ctx context.Context, d *Domain, read func() error) error {
	return j.As(ctx, d.DirectoryLogon, read)
}

// As runs f, which signs in to a directory with the account, unless that is stopped; a rejection stops it at once.
func (j *Jobs) As(ctx context.Context, l Logon, f func() error) error {
	if err := l.stopped(ctx, j.Store); err != nil {
		return err
	}
	c, err := l.credential()
	if err != nil {
		return err
	}
	err = f()
	if unusable := unusableSecret(err); unusable != nil {
		return unusable
	}
	if photopush.HasReason(err, photopush.Auth) {
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

// cause is what is behind the reason; that it was the photo of this user goes without saying.
func cause(err error) string {
	if e, ok := errors.AsType[*photopush.Error](err); ok && e.Err != nil {
		return e.Err.Error()
	}
	return err.Error()
}

// photoHash names the photos together with the recipe, files by their mark; it is empty without a photo.
func photoHash(recipe, files string, photos []photopush.Photo) string {
	if len(photos) == 0 && files == "" {
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
	if files != "" {
		part([]byte(files))
	}
	for _, p := range photos {
		part([]byte(p.Attribute))
		part(p.Bytes)
	}
	return hex.EncodeToString(h.Sum(nil))
}
