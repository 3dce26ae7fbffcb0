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

// A square is the square cut from a photo: Y, Cb and Cr as JPEG has them (JFIF 1.02), the chroma planes possibly smaller than Y. Working
// in planes spares the way through RGB and back, and three quarters of the chroma work.
type square struct {
	side   int
	planes [3]plane
}

// cut takes the square at x, y out of img, as it is stored. A GIF's first frame may cover less than its screen, which begins at 0, 0.
func cut(img image.Image, x, y, side int) square {
	if ycc, ok := img.(*image.YCbCr); ok && side >= Sizes[0] {
		return cutPlanes(ycc, x, y, side)
	}
	return cutPixels(img, x, y, side)
}

// cutPlanes shares the samples of m. Corner and side are rounded down to whole chroma samples: at most three pixels are lost, and no size,
// since every one of Sizes is a multiple of four.
func cutPlanes(m *image.YCbCr, x, y, side int) square {
	h, v := subsampling(m.SubsampleRatio)
	grid := max(h, v)
	x, y, side = x/grid*grid, y/grid*grid, side/grid*grid
	luma := plane{stride: m.YStride, pix: m.Y[m.YOffset(m.Rect.Min.X, m.Rect.Min.Y):]}
	s := square{side: side}
	s.planes[0] = luma.sub(x, y, side, side)
	for i, pix := range [][]uint8{m.Cb, m.Cr} {
		chroma := plane{stride: m.CStride, pix: pix[m.COffset(m.Rect.Min.X, m.Rect.Min.Y):]}
		s.planes[1+i] = chroma.sub(x/h, y/v, side/h, side/v)
	}
	return s
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
func cutPixels(img image.Image, x, y, side int) square {
	s := square{side: side, planes: [3]plane{newPlane(side, side), newPlane(side, side), newPlane(side, side)}}
	strip := image.NewRGBA(image.Rect(0, 0, side, 1))
	for j := range side {
		draw.Draw(strip, strip.Rect, image.White, image.Point{}, draw.Src)
		draw.Draw(strip, strip.Rect, img, image.Pt(x, y+j), draw.Over)
		yy, cb, cr := s.planes[0].row(j), s.planes[1].row(j), s.planes[2].row(j)
		for i := range side {
			p := strip.Pix[4*i : 4*i+3 : 4*i+3]
			yy[i], cb[i], cr[i] = color.RGBToYCbCr(p[0], p[1], p[2])
		}
	}
	return s
}
