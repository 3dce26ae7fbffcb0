package photo

import (
	"bytes"
	"image"
	"image/jpeg"
	"math"
)

// MaxFile is the largest file that Fit reads, in bytes: cameras write more than a directory holds.
const MaxFile = 64 << 20

// Qualities of JPEG between which Fit chooses; below the least, fewer pixels look better.
const (
	fitQuality   = 92
	leastQuality = 60
)

// FitOptions say what a photo is to become.
type FitOptions struct {
	Square   Crop // cut this square out of it first; empty: the whole photo is kept, in its proportions
	MaxSide  int  // px of the longer side at most
	MinSide  int  // px of the longer side that it is never made smaller than
	MaxBytes int
}

// A Fitted photo is upright, opaque, and without metadata.
type Fitted struct {
	JPEG    []byte
	Source  Info
	Width   int // px
	Height  int
	Quality int    // of the JPEG; 0: the pixels of the file are kept as they are
	Note    string // what is to be known of its colours; empty for nothing
}

// Fit makes a photo for the directory out of a file: decoded as Render does, turned upright, laid on white where it is transparent, scaled down where it is
// too large and never up, and encoded with the best quality that stays within the limit. Where even the least quality does not, it gets fewer pixels. A JPEG
// that is within the limits already keeps its pixels, and loses its metadata. The same file and options give the same bytes on every machine, and what was fitted
// once is fitted by the same options to itself. Colours become those of sRGB, as programs take them that know no profile. The error has the reason bad_photo and says what is wrong with the file.
func Fit(raw []byte, o FitOptions) (*Fitted, error) {
	s, err := openWithin(raw, MaxFile)
	if err != nil {
		return nil, err
	}
	img, err := s.decode()
	if err != nil {
		return nil, err
	}
	info := s.info()
	cut := image.Rect(0, 0, info.Width, info.Height)
	if o.Square != "" {
		cut, _ = o.Square.Cut(info.Width, info.Height)
	}
	colours, err := s.colours()
	note := ""
	switch {
	case err != nil:
		note = "its colours may look different, for its colour profile cannot be used: " + err.Error()
	case colours != nil:
		note = "its colours are converted to sRGB"
	}
	if colours == nil && s.keeps(cut, o) {
		return &Fitted{JPEG: s.data, Source: info, Width: info.Width, Height: info.Height, Note: note}, nil
	}
	f := fitter{options: o, area: s.area(img, cut), colours: colours}
	f.resampler = newResampler(f.area)
	fitted, err := f.fit()
	if err != nil {
		return nil, err
	}
	fitted.Source, fitted.Note = info, note
	return fitted, nil
}

// keeps tells whether the file's own pixels will do: a plain JPEG that stands upright, is within the limits, and is not to be cut.
func (s *source) keeps(cut image.Rectangle, o FitOptions) bool {
	whole := cut == image.Rect(0, 0, s.width, s.height)
	return s.jpeg != nil && s.jpeg.plain() && s.orientation <= upright && whole && max(s.width, s.height) <= o.MaxSide && len(s.data) <= o.MaxBytes
}

// plain tells whether every program shows the file alike, grey or YCbCr, and whether nothing but the picture is left in it.
func (f *jpegFile) plain() bool { return !f.mixed() && len(f.components) != 2 && !f.others }

// A fitter tries sizes and qualities.
type fitter struct {
	options   FitOptions
	area      area
	colours   *conversion // nil for none
	resampler *resampler
}

func (f *fitter) fit() (*Fitted, error) {
	longest := max(f.area.w, f.area.h)
	least := min(longest, f.options.MinSide)
	for side := min(longest, f.options.MaxSide); ; {
		fitted, size, err := f.encode(side)
		if err != nil || fitted != nil {
			return fitted, err
		}
		if side <= least {
			return nil, bad("it does not fit into %d bytes: with %d px at the least quality it has %d", f.options.MaxBytes, side, size)
		}
		// The bytes go with the area; a little less than that spares a try.
		share := math.Sqrt(float64(f.options.MaxBytes)/float64(size)) * 0.97
		side = max(least, min(side-1, int(float64(side)*share)))
	}
}

// encode makes the picture with a longer side of so many px, with the best quality that fits; nil, and the size in bytes at the least quality, where none does.
func (f *fitter) encode(side int) (*Fitted, int, error) {
	w, h := scaled(f.area.w, f.area.h, side)
	img := f.resampler.resize(w, h)
	if f.colours != nil {
		img = f.colours.picture(img)
	}
	try := func(quality int) ([]byte, error) {
		var b bytes.Buffer
		err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
		return b.Bytes(), err
	}
	best, err := try(fitQuality)
	if err != nil || len(best) <= f.options.MaxBytes {
		return &Fitted{JPEG: best, Width: w, Height: h, Quality: fitQuality}, len(best), err
	}
	if best, err = try(leastQuality); err != nil || len(best) > f.options.MaxBytes {
		return nil, len(best), err
	}
	low, high := leastQuality, fitQuality // low fits, high does not
	for high-low > 1 {
		quality := (low + high) / 2
		b, err := try(quality)
		if err != nil {
			return nil, 0, err
		}
		if len(b) <= f.options.MaxBytes {
			best, low = b, quality
		} else {
			high = quality
		}
	}
	return &Fitted{JPEG: best, Width: w, Height: h, Quality: low}, len(best), nil
}

// scaled is w×h with a longer side of so many px.
func scaled(w, h, side int) (int, int) {
	longest := max(w, h)
	part := func(n int) int { return max(1, (2*n*side+longest)/(2*longest)) }
	return part(w), part(h)
}
