package photo

import (
	"fmt"
	"image"
	"slices"
	"strconv"
	"strings"
)

// A Crop says where the square is cut from a photo: auto, centre, top, or just which square, as square:x:y:side in pixels of the upright
// photo from its upper left corner. A square is for one person's photo; only the crop file has it.
type Crop string

const (
	CropAuto   Crop = "auto"   // from the middle; of a photo that is higher than wide, a third of the rest is cut above, two thirds below
	CropCentre Crop = "centre" // from the middle
	CropTop    Crop = "top"    // of a photo that is higher than wide the upper end, else from the middle
)

// places are the crops that fit every photo.
var places = []Crop{CropAuto, CropCentre, CropTop}

// ParseCrop reads a crop of either kind. One crop has one spelling, since the digest is made of it.
func ParseCrop(text string) (Crop, error) {
	c := Crop(strings.ToLower(text))
	if slices.Contains(places, c) {
		return c, nil
	}
	r, ok := c.square()
	if !ok {
		return "", fmt.Errorf("crop is %q, want auto, centre, top, or square:x:y:side with a side of %d to %d px", clip(text), Sizes[0], MaxSide)
	}
	return Crop(fmt.Sprintf("square:%d:%d:%d", r.Min.X, r.Min.Y, r.Dx())), nil
}

// Cut is the square that is cut from an upright photo of width×height px. A square that does not lie within the photo was measured on
// another one: fits is false then, and the photo is cut as with auto.
func (c Crop) Cut(width, height int) (r image.Rectangle, fits bool) {
	photo := image.Rect(0, 0, width, height)
	r, explicit := c.square()
	switch {
	case explicit && r.In(photo):
		return r, true
	case explicit:
		r, _ = CropAuto.Cut(width, height)
		return r, false
	}
	side := min(width, height)
	x, y := (width-side)/2, (height-side)/2
	switch c {
	case CropAuto:
		y = (height - side) / 3 // faces are in the upper part
	case CropTop:
		y = 0
	}
	return image.Rect(x, y, x+side, y+side), true
}

// square reads square:x:y:side.
func (c Crop) square() (r image.Rectangle, ok bool) {
	fields := strings.Split(string(c), ":")
	if len(fields) != 4 || fields[0] != "square" {
		return r, false
	}
	var n [3]int
	for i, f := range fields[1:] {
		v, err := strconv.ParseUint(f, 10, 16)
		if err != nil || v > MaxSide {
			return r, false
		}
		n[i] = int(v)
	}
	x, y, side := n[0], n[1], n[2]
	return image.Rect(x, y, x+side, y+side), side >= Sizes[0]
}

// clip keeps an error short that quotes what a file or a command line says.
func clip(text string) string {
	const most = 60
	if runes := []rune(text); len(runes) > most {
		return string(runes[:most]) + "…"
	}
	return text
}
