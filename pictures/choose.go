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

// Choose returns the photo with the most pixels that can be decoded; of equals the first. (Exchange writes a thumbnailPhoto of 48 to
// 96 px, and jpegPhoto has no limit.) The error has the reason no_photo where there is none, else bad_photo, and says what is
// wrong with each.
func Choose(photos []photopush.Photo) (photopush.Photo, error) {
	return choose("", photos, photo.Check)
}

type candidate struct {
	photo  photopush.Photo
	pixels int
}

// choose tries the photos of somebody in the order of their size, until one is good. An error other than bad_photo ends it.
func choose(whose string, photos []photopush.Photo, try func(raw []byte) error) (photopush.Photo, error) {
	var candidates []candidate
	var faults []string
	for _, p := range photos {
		info, err := photo.Examine(p.Bytes)
		if err != nil {
			faults = append(faults, fault(p, err))
			continue
		}
		candidates = append(candidates, candidate{p, info.Pixels()})
	}
	slices.SortStableFunc(candidates, func(a, b candidate) int { return cmp.Compare(b.pixels, a.pixels) })
	for _, c := range candidates {
		err := try(c.photo.Bytes)
		switch {
		case err == nil:
			return c.photo, nil
		case photopush.ReasonOf(err) != photopush.BadPhoto:
			return photopush.Photo{}, err
		}
		faults = append(faults, fault(c.photo, err))
	}
	return photopush.Photo{}, none(whose, faults)
}

// fault says what is wrong with one photo, without repeating the reason.
func fault(p photopush.Photo, err error) string {
	if e, ok := errors.AsType[*photopush.Error](err); ok && e.Err != nil {
		err = e.Err
	}
	return fmt.Sprintf("%s: %v", p.Attribute, err)
}

func none(whose string, faults []string) error {
	e := &photopush.Error{Reason: photopush.BadPhoto, Op: "choose photo", On: whose}
	if whose != "" {
		e.Op = "choose photo of"
	}
	if len(faults) == 0 {
		e.Reason, e.Err = photopush.NoPhoto, errors.New("neither jpegPhoto nor thumbnailPhoto has a value")
		return e
	}
	e.Err = errors.New(strings.Join(faults, "; "))
	return e
}
