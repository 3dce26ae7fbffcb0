package photo

import (
	"image"
	"image/color"
	"image/draw"
)

// A plane is one component of a picture: 8-bit samples, row by row.
type plane struct {
	w, h   int
	stride int
	pix    []uint8
}

func newPlane(w, h int) plane { return plane{w: w, h: h, stride: w, pix: make([]uint8, w*h)} }

func (p plane) row(y int) []uint8 { return p.pix[y*p.stride:][:p.w] }

// sub is a window into p that shares its samples.
func (p plane) sub(x, y, w, h int) plane {
	return plane{w: w, h: h, stride: p.stride, pix: p.pix[y*p.stride+x:]}
}

// An area is what is cut from a photo: Y, Cb and Cr as JPEG has them (JFIF 1.02), the chroma planes possibly smaller than Y. Working
// in planes spares the way through RGB and back, and three quarters of the chroma work.
type area struct {
	w, h   int // px
	planes [3]plane
}

// cut takes the area of w×h px at x, y out of img, as it is stored. A GIF's first frame may cover less than its screen, which begins at 0, 0.
func cut(img image.Image, x, y, w, h int) area {
	if ycc, ok := img.(*image.YCbCr); ok && min(w, h) >= Sizes[0] {
		return cutPlanes(ycc, x, y, w, h)
	}
	return cutPixels(img, x, y, w, h)
}

// cutPlanes shares the samples of m. Corner and sides are rounded down to whole chroma samples: at most three pixels are lost, and no size,
// since every one of Sizes is a multiple of four.
func cutPlanes(m *image.YCbCr, x, y, w, h int) area {
	across, down := subsampling(m.SubsampleRatio)
	grid := max(across, down)
	x, y, w, h = x/grid*grid, y/grid*grid, w/grid*grid, h/grid*grid
	luma := plane{stride: m.YStride, pix: m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):]}
	a := area{w: w, h: h}
	a.planes[0] = luma.sub(x, y, w, h)
	for i, pix := range [][]uint8{m.Cb, m.Cr} {
		chroma := plane{stride: m.CStride, pix: pix[m.COffset(m.Rect.Min.X, m.Rect.Min.Y):]}
		a.planes[1+i] = chroma.sub(x/across, y/down, w/across, h/down)
	}
	return a
}

// subsampling is how many pixels share a chroma sample, across and down.
func subsampling(r image.YCbCrSubsampleRatio) (h, v int) {
	switch r {
	case image.YCbCrSubsampleRatio422:
		return 2, 1
	case image.YCbCrSubsampleRatio420:
		return 2, 2
	case image.YCbCrSubsampleRatio440:
		return 1, 2
	case image.YCbCrSubsampleRatio411:
		return 4, 1
	case image.YCbCrSubsampleRatio410:
		return 4, 2
	default:
		return 1, 1
	}
}

// cutPixels converts, row by row, and lays what is transparent on white.
func cutPixels(img image.Image, x, y, w, h int) area {
	a := area{w: w, h: h, planes: [3]plane{newPlane(w, h), newPlane(w, h), newPlane(w, h)}}
	strip := image.NewRGBA(image.Rect(0, 0, w, 1))
	for j := range h {
		draw.Draw(strip, strip.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, strip.Rect, img, image.Pt(x, y+j), draw.Over)
		yy, cb, cr := a.planes[0].row(j), a.planes[1].row(j), a.planes[2].row(j)
		for i := range w {
			p := strip.Pix[4*i : 4*i+3 : 4*i+3]
			yy[i], cb[i], cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
		}
	}
	return a
}
