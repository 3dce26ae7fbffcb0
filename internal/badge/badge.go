// Package badge draws synthetic portrait photos that carry a number in their pixels, and reads it back after the photo was
// cropped to a square, resized and encoded as JPEG. A simulated company gives each user a badge for a photo, so that it can be judged
// by pixels alone whose picture a workstation shows. It knows no users and no files.
//
// The number stands in a grid of large light and dark cells on the chest of a portrait: 7 by 7 cells (32 bits of the number, 16
// of a checksum, one that is always light) within a ring of 32 cells that are dark and light in turn, by which the grid is found. The background and
// the head are expendable: they make photos differ, and give them the size in bytes of a real one.
package badge

import (
	"bytes"
	"image"
	"image/color"
	"image/jpeg"
	"math"
)

// cells is the width of the grid with its ring; inner that of the bits alone.
const (
	cells = 9
	inner = cells - 2
)

// span is the width of the grid as a share of the square that a crop leaves.
const span = 0.70

// whiten makes every number a mixture of light and dark cells.
const whiten = 0x5a3c96a5

// bits are the cells of a number, row by row: true is light.
func bits(number uint32) [inner * inner]bool {
	var b [inner * inner]bool
	word := uint64(number^whiten)<<16 | uint64(checksum(number))
	for i := range 48 {
		b[i] = word>>(47-i)&1 == 1
	}
	b[48] = true
	return b
}

// checksum is CRC-16/CCITT-FALSE of the number's four bytes.
func checksum(number uint32) uint16 {
	crc := uint16(0xffff)
	for shift := 24; shift >= 0; shift -= 8 {
		crc ^= uint16(byte(number>>shift)) << 8
		for range 8 {
			if crc&0x8000 != 0 {
				crc = crc<<1 ^ 0x1021
			} else {
				crc <<= 1
			}
		}
	}
	return crc
}

// onRing tells whether a cell belongs to the ring; those are light where ringLight says so.
func onRing(x, y int) bool { return x == 0 || y == 0 || x == cells-1 || y == cells-1 }

func ringLight(x, y int) bool { return (x+y)%2 == 1 }

// light tells whether a cell of the grid is light.
func light(b *[inner * inner]bool, x, y int) bool {
	if onRing(x, y) {
		return ringLight(x, y)
	}
	return b[(y-1)*inner+x-1]
}

// place is where the grid lies in a photo: left upper corner and width, in pixels. Of a landscape the middle square is
// expected to remain, of a portrait one that begins at most at a third of what is to go: the grid lies within all of these.
func place(width, height int) (x, y, size float64) {
	w, h := float64(width), float64(height)
	side := min(w, h)
	size = span * side
	x = (w - size) / 2
	slack := h - side
	return x, slack/3 + (side-slack/3-size)/2, size
}

// Draw draws the photo of a number. The same arguments give the same pixels. The grid survives the crop of portraits up to
// 9:16; a photo should have at least 32 pixels in each direction.
func Draw(number uint32, width, height int) image.Image {
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	p := newPainter(number, width, height)
	for y := range height {
		row := img.Pix[y*img.Stride : y*img.Stride+4*width]
		for x := range width {
			c := p.at(x, y)
			row[4*x], row[4*x+1], row[4*x+2], row[4*x+3] = c.R, c.G, c.B, 0xff
		}
	}
	return img
}

// JPEG is the photo of a number as a JPEG file. Quality is that of image/jpeg, 1 to 100.
func JPEG(number uint32, width, height, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, Draw(number, width, height), &jpeg.Options{Quality: quality}); err != nil {
		panic("badge: " + err.Error()) // only for a size that JPEG cannot hold, a fault of the caller
	}
	return b.Bytes()
}

// A painter knows the colour of every pixel of one photo.
type painter struct {
	bits                              [inner * inner]bool
	width, height                     float64
	x, y, size                        float64
	wall, shirt, skin, darkInk, paper color.RGBA
	noise                             uint32
}

func newPainter(number uint32, width, height int) *painter {
	p := &painter{bits: bits(number), width: float64(width), height: float64(height), noise: mix(number) | 1}
	p.x, p.y, p.size = place(width, height)
	h := mix(number ^ 0x9e3779b9)
	p.wall = tint(h, 120, 90)
	p.shirt = tint(h>>8, 60, 90)
	p.skin = color.RGBA{uint8(190 + h>>16%50), uint8(140 + h>>20%50), uint8(110 + h>>24%50), 255}
	p.darkInk = color.RGBA{uint8(20 + h>>3%25), uint8(20 + h>>7%25), uint8(20 + h>>11%25), 255}
	p.paper = color.RGBA{uint8(222 + h>>5%24), uint8(222 + h>>9%24), uint8(222 + h>>13%24), 255}
	return p
}

// tint is a colour of the given depth, by three bytes of h.
func tint(h uint32, base, depth uint32) color.RGBA {
	return color.RGBA{uint8(base + h&0xff%depth), uint8(base + h>>4&0xff%depth), uint8(base + h>>12&0xff%depth), 255}
}

// mix spreads the bits of n over the word (the finaliser of MurmurHash3).
func mix(n uint32) uint32 {
	n ^= n >> 16
	n *= 0x85ebca6b
	n ^= n >> 13
	n *= 0xc2b2ae35
	return n ^ n>>16
}

func (p *painter) at(x, y int) color.RGBA {
	fx, fy := float64(x)+0.5, float64(y)+0.5
	grain := int(mix(uint32(y)<<16^uint32(x)^p.noise)&15) - 8
	if cx, cy, ok := p.cell(fx, fy); ok {
		if light(&p.bits, cx, cy) {
			return shade(p.paper, grain/2)
		}
		return shade(p.darkInk, grain/2)
	}
	wave := int(10 * math.Sin(fx/p.width*7+fy/p.height*5))
	dx, dy := fx/p.width-0.5, fy/p.height
	switch {
	case dx*dx*30+(dy-0.12)*(dy-0.12)*60 < 1:
		return shade(p.skin, wave+grain)
	case dx*dx*5+(dy-1.1)*(dy-1.1)*1.4 < 1:
		return shade(p.shirt, wave+grain)
	}
	return shade(p.wall, wave+grain+int(40*(0.5-dy)))
}

// cell is the cell of the grid that a point lies in.
func (p *painter) cell(x, y float64) (cx, cy int, ok bool) {
	if x < p.x || y < p.y || x >= p.x+p.size || y >= p.y+p.size {
		return 0, 0, false
	}
	return int((x - p.x) / p.size * cells), int((y - p.y) / p.size * cells), true
}

func shade(c color.RGBA, by int) color.RGBA {
	add := func(v uint8) uint8 { return uint8(min(max(int(v)+by, 0), 255)) }
	return color.RGBA{add(c.R), add(c.G), add(c.B), 255}
}
