package contactsheet

import (
	"image"
	"image/color"
	"math"
)

// disc is the mask that leaves the largest circle of a square: opaque within, and at its rim as much as the circle covers of a pixel.
func disc(side int) *image.Alpha {
	mask := image.NewAlpha(image.Rect(0, 0, side, side))
	radius := float64(side) / 2
	for y := range side {
		for x := range side {
			inside := radius + 0.5 - math.Hypot(float64(x)+0.5-radius, float64(y)+0.5-radius)
			mask.SetAlpha(x, y, color.Alpha{uint8(255*min(max(inside, 0), 1) + 0.5)})
		}
	}
	return mask
}
