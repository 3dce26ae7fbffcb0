package photo

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"image"
	"image/jpeg"
	"slices"
)

// Render makes the picture set of raw: every size up to that of the photo, all of them where the recipe enlarges. A photo below the
// smallest size gives one variant of its own pixels. The error has the reason bad_photo and says what is wrong with the photo.
func Render(raw []byte, r Recipe) (*Set, error) {
	s, err := open(raw)
	if err != nil {
		return nil, err
	}
	img, err := s.decode()
	if err != nil {
		return nil, err
	}
	square, _ := r.Crop.Cut(s.info().Width, s.info().Height)
	q := s.area(img, square)
	side := q.w
	set := &Set{Digest: r.Digest(raw), Side: side}
	rs := newResampler(q)
	for _, size := range Sizes {
		switch {
		case size <= side || r.Upscale:
			err = set.add(size, rs.resize(size, size), r.Quality)
		case len(set.Variants) == 0:
			err = set.add(size, rs.resize(side, side), r.Quality)
		}
		if err != nil {
			return nil, err
		}
	}
	return set, nil
}

// area cuts r, in px of the upright photo, out of img, and turns it upright.
func (s *source) area(img image.Image, r image.Rectangle) area {
	// The corner that comes first as stored may be any of the four.
	x0, y0 := s.orientation.stored(r.Min.X, r.Min.Y, s.width, s.height)
	x1, y1 := s.orientation.stored(r.Max.X-1, r.Max.Y-1, s.width, s.height)
	w, h := r.Dx(), r.Dy()
	if s.orientation.swaps() {
		w, h = h, w
	}
	a := cut(img, min(x0, x1), min(y0, y1), w, h)
	for n, p := range a.planes {
		a.planes[n] = s.orientation.turn(p)
	}
	if s.orientation.swaps() {
		a.w, a.h = a.h, a.w
	}
	return a
}

// add encodes a variant. The standard library's encoder writes baseline 4:2:0 and no metadata.
func (s *Set) add(size int, img image.Image, quality int) error {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality}); err != nil {
		return err // a bytes.Buffer takes everything
	}
	sum := sha256.Sum256(b.Bytes())
	s.Variants = append(s.Variants, Variant{Size: size, JPEG: slices.Clip(bytes.Clone(b.Bytes())), SHA256: hex.EncodeToString(sum[:])})
	return nil
}
