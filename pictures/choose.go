package pictures

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A Preference says which of several photos that can be decoded is used.
type Preference string

const (
	Larger Preference = "larger" // the one with the most pixels; of equals the first
	First  Preference = "first"  // the first in their order
)

// Choose returns the photo that is preferred of those that can be decoded. The error has the reason no_photo where there is none, else bad_photo, and says
// what is wrong with each.
func (r *Rule) Choose(photos []photopush.Photo) (photopush.Photo, error) {
	c, err := r.choose("", photos, photo.Check)
	return c.photo, err
}

// A candidate is a photo whose header is sound.
type candidate struct {
	photo photopush.Photo
	info  photo.Info
}

// facts are what is kept of the photo.
func (c candidate) facts() photopush.PhotoFacts {
	return photopush.PhotoFacts{Source: c.photo.Attribute, Format: string(c.info.Format), Width: c.info.Width, Height: c.info.Height, Bytes: len(c.photo.Bytes)}
}

// A chosen photo was preferred to others, of which some may have faults.
type chosen struct {
	candidate
	faults []string
}

// choose tries the photos of somebody as they are preferred, until one is good. An error other than bad_photo ends it. (Exchange writes a thumbnailPhoto of 48
// to 96 px, and jpegPhoto has no limit.)
func (r *Rule) choose(whose string, photos []photopush.Photo, try func(raw []byte) error) (chosen, error) {
	var candidates []candidate
	var faults []string
	for _, raw := range photos {
		info, err := examine(raw)
		if err != nil {
			faults = append(faults, fault(raw, err))
			continue
		}
		candidates = append(candidates, candidate{raw, info})
	}
	if r.Prefer != First {
		slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.info.Pixels(), a.info.Pixels()) })
	}
	for _, c := range candidates {
		err := try(c.photo.Bytes)
		switch {
		case err == nil:
			return chosen{c, faults}, nil
		case photopush.ReasonOf(err) != photopush.BadPhoto:
			return chosen{}, err
		}
		faults = append(faults, fault(c.photo, err))
	}
	return chosen{}, r.none(whose, faults)
}

// examine looks at the header of what could be read.
func examine(p photopush.Photo) (photo.Info, error) {
	if p.Fault != "" {
		return photo.Info{}, errors.New(p.Fault)
	}
	return photo.Examine(p.Bytes)
}

// fault says what is wrong with one photo, without repeating the reason. The name of a file is quoted: whoever writes files may choose any.
func fault(p photopush.Photo, err error) string {
	if e, ok := errors.AsType[*photopush.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	if p.File != "" {
		return fmt.Sprintf("%s %q: %v", p.Attribute, p.File, err)
	}
	return fmt.Sprintf("%s: %v", p.Attribute, err)
}

func (r *Rule) none(whose string, faults []string) error {
	e := &photopush.Error{Reason: photopush.BadPhoto, Op: "choose photo", On: whose}
	if whose != "" {
		e.Op = "choose photo of"
	}
	if len(faults) == 0 {
		e.Reason, e.Err = photopush.NoPhoto, errors.New(r.where())
		return e
	}
	e.Err = errors.New(strings.Join(faults, "; "))
	return e
}
