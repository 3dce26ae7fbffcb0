// Package photo makes account pictures: one photo in, as the directory has it, JPEG variants in the sizes of Windows out. It
// decodes, orients, crops, resizes and encodes, and is pure: the same bytes and recipe give the same picture set on every run
// and every machine. It reads no directory and keeps nothing; package pictures does. Whose photo is cut otherwise stands in the crop
// file, which is read once.
//
// A photo is hostile (users may write their own): magic bytes decide the format, every bound is checked before memory is taken,
// and what is not complete is refused.
package photo

import (
	"fmt"

	"github.com/photopush/photopush"
)

// Sizes are the sides of the square pictures that Windows 10 and 11 read, in pixels, ascending: a variant each, named by the registry
// value Image<size>.
var Sizes = []int{32, 40, 48, 64, 96, 192, 208, 240, 424, 448, 1080}

// Bounds of what is decoded at all.
const (
	MaxBytes  = 32 << 20   // of a photo as the directory has it, or of a file
	MaxPixels = 50_000_000 // of the whole photo
	MaxSide   = 16_384     // px
	maxMemory = 320 << 20  // bytes that decoding may take, estimated before it starts
)

// A Set is the picture set of one photo: all variants that it is large enough for.
type Set struct {
	Digest   string    // names photo and recipe: Recipe.Digest
	Side     int       // px of the square that was cut from the photo; no variant is larger unless the recipe enlarges
	Variants []Variant // by ascending size, at least one
}

// A Variant is one size of a picture set.
type Variant struct {
	Size   int    // px, one of Sizes; a photo below 32 px has a single variant of size 32 that keeps its own pixels
	JPEG   []byte // baseline, 4:2:0, no metadata
	SHA256 string // of JPEG, lower-case hex
}

// For returns the variant that the value Image<size> names: the smallest that is not smaller than size, else the largest there is.
func (s *Set) For(size int) *Variant {
	for i := range s.Variants {
		if s.Variants[i].Size >= size {
			return &s.Variants[i]
		}
	}
	return &s.Variants[len(s.Variants)-1]
}

// Bytes is the memory that the variants take.
func (s *Set) Bytes() int {
	n := 0
	for _, v := range s.Variants {
		n += len(v.JPEG)
	}
	return n
}

// An Info is what a photo says of itself before it is decoded.
type Info struct {
	Format Format
	Width  int // px, after the orientation of its EXIF data
	Height int
}

// Pixels is the area of the photo.
func (i Info) Pixels() int { return i.Width * i.Height }

// bad says of a photo what is wrong with it.
func bad(format string, args ...any) error {
	return &photopush.Error{Reason: photopush.BadPhoto, Op: "decode photo", Err: fmt.Errorf(format, args...)}
}
