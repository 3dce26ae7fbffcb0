package badge

import (
	"image"
	"image/color"
)

const (
	minSide = 24   // pixels: below that a cell has less than two
	maxSide = 8192 // no picture of ours is larger
	working = 96   // larger pictures are averaged down to less than twice this before they are read
)

// contrast is how much brighter light cells of the ring must be than dark ones, of 255.
const contrast = 60

// Read reads the number of a badge from the square picture that was made of it, 24 to 8,192 pixels wide. It gives false for
// a picture without one, or with one that is damaged.
func Read(img image.Image) (number uint32, ok bool) {
	side := img.Bounds().Dx()
	if side != img.Bounds().Dy() || side < minSide || side > maxSide {
		return 0, false
	}
	l := measure(img)
	size := span * float64(l.side)
	left := (float64(l.side) - size) / 2
	step := float64(l.side) / 128
	for _, dx := range []float64{0, -0.5, 0.5, -1, 1} {
		for top := 0.0; top <= float64(l.side)-size; top += step {
			if number, ok := l.readAt(left+dx*2*step, top, size); ok {
				return number, true
			}
		}
	}
	return 0, false
}

// A luma is the brightness of a square picture, with the sums of everything above and left of each pixel.
type luma struct {
	side int
	sums []float64 // (side+1) × (side+1)
}

// measure takes the brightness of a picture, large ones averaged in blocks.
func measure(img image.Image) luma {
	side := img.Bounds().Dx()
	block := max(side/working, 1)
	n := side / block
	l := luma{n, make([]float64, (n+1)*(n+1))}
	at := brightness(img)
	for y := range n {
		row := 0.0
		for x := range n {
			row += l.average(at, x*block, y*block, block)
			l.sums[(y+1)*(n+1)+x+1] = l.sums[y*(n+1)+x+1] + row
		}
	}
	return l
}

func (l luma) average(at func(x, y int) float64, x, y, block int) float64 {
	sum := 0.0
	for dy := range block {
		for dx := range block {
			sum += at(x+dx, y+dy)
		}
	}
	return sum / float64(block*block)
}

// brightness reads pixels by their place in the picture; JPEGs have their brightness at hand.
func brightness(img image.Image) func(x, y int) float64 {
	o := img.Bounds().Min
	if y, ok := img.(*image.YCbCr); ok {
		return func(px, py int) float64 { return float64(y.Y[y.YOffset(o.X+px, o.Y+py)]) }
	}
	return func(px, py int) float64 {
		return float64(color.GrayModel.Convert(img.At(o.X+px, o.Y+py)).(color.Gray).Y)
	}
}

// readAt reads the grid at one place.
func (l luma) readAt(left, top, size float64) (uint32, bool) {
	var means [cells][cells]float64
	var lights, darks float64
	cell := size / cells
	for y := range cells {
		for x := range cells {
			m := l.mean(left+(float64(x)+0.2)*cell, top+(float64(y)+0.2)*cell, 0.6*cell)
			means[y][x] = m
			switch {
			case !onRing(x, y):
			case ringLight(x, y):
				lights += m
			default:
				darks += m
			}
		}
	}
	const each = (cells*cells - inner*inner) / 2 // light and dark cells of the ring
	if (lights-darks)/each < contrast {
		return 0, false
	}
	return decode(&means, (lights+darks)/2/each)
}

// decode turns cells into a number, when ring and checksum agree.
func decode(means *[cells][cells]float64, threshold float64) (uint32, bool) {
	var word uint64
	for y := range cells {
		for x := range cells {
			bright := means[y][x] > threshold
			if onRing(x, y) {
				if bright != ringLight(x, y) {
					return 0, false
				}
				continue
			}
			word <<= 1
			if bright {
				word |= 1
			}
		}
	}
	number := uint32(word>>17) ^ whiten
	return number, word&1 == 1 && uint16(word>>1) == checksum(number)
}

// mean is the average brightness of a square, its borders counted by their share.
func (l luma) mean(x, y, size float64) float64 {
	return (l.sum(x+size, y+size) - l.sum(x, y+size) - l.sum(x+size, y) + l.sum(x, y)) / (size * size)
}

// sum is the brightness of everything above and left of a point, between pixels in proportion.
func (l luma) sum(x, y float64) float64 {
	limit := float64(l.side)
	x, y = min(max(x, 0), limit), min(max(y, 0), limit)
	x0, y0 := min(int(x), l.side-1), min(int(y), l.side-1)
	fx, fy := x-float64(x0), y-float64(y0)
	row := l.side + 1
	a, b := l.sums[y0*row+x0], l.sums[y0*row+x0+1]
	c, d := l.sums[(y0+1)*row+x0], l.sums[(y0+1)*row+x0+1]
	return a*(1-fx)*(1-fy) + b*fx*(1-fy) + c*(1-fx)*fy + d*fx*fy
}
