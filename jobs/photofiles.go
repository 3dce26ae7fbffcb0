package jobs

import (
	"context"
	"fmt"
	"slices"

	photopush "github.com/photopush/photopush"
)

// PhotoFiles are photos in files, beside those of the directory: a user's files stand before his photos there. In the server they are a
// pictures.Folder.
//
// A pass lists them once, before it reads users (listFiles). Where the directory tells changes only, users for whom otherFiles says so are read with their
// photos besides, although the directory tells nothing of them; record looks at the files then.
type PhotoFiles interface {
	// List finds all files anew. When it fails nobody's files are known until it succeeds; the error names the folder.
	List(ctx context.Context) error
	// Mark names a user's files, with their sizes and times: another mark, other photos. It is empty where he has none; known is false where nobody's
	// files are known.
	Mark(u photopush.User) (mark string, known bool)
	// Photos reads a user's files. An error says that they are not known, or that one of them could not be read.
	Photos(ctx context.Context, u photopush.User) ([]photopush.Photo, error)
}

// listFiles finds the files of a pass. Its error leaves the pass incomplete, and takes nothing from anybody: whose picture was made of a file keeps it.
func (j *Jobs) listFiles(ctx context.Context) error {
	if j.PhotoFiles == nil {
		return nil
	}
	return j.PhotoFiles.List(ctx)
}

// filesMark names the user's files; known is false where nobody's are known.
func (j *Jobs) filesMark(u photopush.User) (mark string, known bool) {
	if j.PhotoFiles == nil {
		return "", true
	}
	return j.PhotoFiles.Mark(u)
}

// otherFiles tells whether the user has other files now than when his photo was chosen.
func (j *Jobs) otherFiles(u photopush.User, known photopush.UserRecord) bool {
	mark, ok := j.filesMark(u)
	return ok && mark != known.PhotoFiles
}

// WithFiles puts a user's files before the photos that the directory has of him, as a pass does. known is what is stored of him. An error says that
// his picture was made of a file that cannot be read now: nothing else may take its place meanwhile.
func (j *Jobs) WithFiles(ctx context.Context, known photopush.UserRecord, photos []photopush.Photo) ([]photopush.Photo, error) {
	if j.PhotoFiles == nil {
		return photos, nil
	}
	files, err := j.PhotoFiles.Photos(ctx, known.User)
	switch {
	case err != nil && (known.Photo.Source == photopush.SourceFile || ctx.Err() != nil):
		return nil, fmt.Errorf("read the photo of %s: %w", known.AccountName, err)
	case err != nil:
		files = []photopush.Photo{unreadable(err)}
	}
	return slices.Concat(files, photos), nil
}

// unreadable stands for a user's files that cannot be read.
func unreadable(err error) photopush.Photo {
	return photopush.Photo{Attribute: photopush.SourceFile, Fault: cause(err)}
}

// record is the user with what his photos give; known is what they gave before. Photos and recipe that are known by their hash are not decoded again, and
// files not read.
func (j *Jobs) record(ctx context.Context, u photopush.User, photos []photopush.Photo, known photopush.UserRecord) photopush.UserRecord {
	recipe := j.Recipe(u)
	mark, listed := j.filesMark(u)
	if !listed && known.Photo.Source == photopush.SourceFile {
		return keepFile(u, known)
	}
	r := photopush.UserRecord{User: u, Recipe: recipe, PhotoFiles: mark, PhotoHash: photoHash(recipe, mark, photos)}
	if r.PhotoHash == known.PhotoHash && judged(known) {
		r.Digest, r.PhotoReason, r.PhotoDetail, r.Photo = known.Digest, known.PhotoReason, known.PhotoDetail, known.Photo
		return r
	}
	if mark != "" {
		files, err := j.PhotoFiles.Photos(ctx, u)
		switch {
		case err != nil && known.Photo.Source == photopush.SourceFile:
			r = keepFile(u, known)
			r.PhotoHash, r.PhotoDetail = photoHash(recipe, unread, photos), "the picture made before stays: "+cause(err)
			return r
		case err != nil:
			r.PhotoFiles, r.PhotoHash = unread, photoHash(recipe, unread, photos)
			files = []photopush.Photo{unreadable(err)}
		}
		photos = slices.Concat(files, photos)
	}
	choice, err := j.Pictures.Choose(u, photos)
	if err != nil {
		r.PhotoReason, r.PhotoDetail = photopush.ReasonOf(err), cause(err)
		return r
	}
	r.Digest, r.Photo, r.PhotoDetail = choice.Digest, choice.Photo, choice.Detail
	return r
}

// unread stands for the mark of files that could not be looked at. It is that of no files, so that the next pass looks again.
const unread = "unread"

// keepFile is the user with the picture that was made of a file, which cannot be looked at now.
func keepFile(u photopush.User, known photopush.UserRecord) photopush.UserRecord {
	known.User, known.PhotoFiles = u, unread
	return known
}

// judged tells whether it is known what the user's photos give, and which of them was chosen.
func judged(u photopush.UserRecord) bool {
	return u.Digest != "" && u.Photo.Source != "" || u.PhotoReason == photopush.NoPhoto || u.PhotoReason == photopush.BadPhoto
}
