package photo

import (
	"errors"
	"image"
	"image/color"
	"math"
)

// lightBits is the precision of light in a conversion.
const lightBits = 16

// A conversion makes sRGB colours of those of a profile. Once it is made it calculates with whole numbers; and products are rounded before they are added, which keeps
// machines that could do both at once from another result.
type conversion struct {
	light  [3][256]int32           // for each value of R, G and B
	matrix [3][3]int64             // from light to light of sRGB, times 1 << 14
	value  [1<<lightBits + 1]uint8 // of sRGB, for light
}

// fromXYZ makes light of sRGB of X, Y and Z by D50: the inverse of the primaries of IEC 61966-2-1, adapted by Bradford's method as profiles are (ICC.1:2010, annex E).
var fromXYZ = [3][3]float64{
	{3.1338561, -1.6168667, -0.4906146},
	{-0.9787684, 1.9161415, 0.0334540},
	{0.0719453, -0.2289914, 1.4052427},
}

func newConversion(p *profile) *conversion {
	c := &conversion{}
	const full = 1 << lightBits
	for i := range p.curves {
		for v, light := range p.curves[i] {
			c.light[i][v] = int32(math.Round(min(light, 1) * full))
		}
	}
	for i := range c.matrix {
		for k := range c.matrix[i] {
			sum := 0.0
			for n := range fromXYZ[i] {
				sum += float64(fromXYZ[i][n] * p.matrix[n][k])
			}
			c.matrix[i][k] = int64(math.Round(sum * (1 << 14)))
		}
	}
	for light := range c.value {
		v := float64(light) / full
		if v <= 0.0031308 {
			v *= 12.92
		} else {
			v = float64(1.055*math.Pow(v, 1/2.4)) - 0.055
		}
		c.value[light] = uint8(math.Round(v * 255))
	}
	return c
}

// rgb converts one colour; what sRGB has not is the nearest that it has in each component.
func (c *conversion) rgb(r, g, b uint8) (uint8, uint8, uint8) {
	x, y, z := int64(c.light[0][r]), int64(c.light[1][g]), int64(c.light[2][b])
	var out [3]uint8
	for i, row := range c.matrix {
		light := (row[0]*x + row[1]*y + row[2]*z) >> 14
		out[i] = c.value[min(max(light, 0), 1<<lightBits)]
	}
	return out[0], out[1], out[2]
}

// picture converts a picture; its samples may be shared with others, and stay as they are.
func (c *conversion) picture(m *image.YCbCr) *image.YCbCr {
	out := image.NewYCbCr(m.Rect, m.SubsampleRatio)
	var sums [2][]int // of chroma, and how many pixels have a part in it
	sums[0], sums[1] = make([]int, len(out.Cb)), make([]int, len(out.Cr))
	parts := make([]int, len(out.Cb))
	for y := range m.Rect.Dy() {
		for x := range m.Rect.Dx() {
			at, chroma := m.YOffset(x, y), m.COffset(x, y)
			r, g, b := c.rgb(color.YCbCrToRGB(m.Y[at], m.Cb[chroma], m.Cr[chroma]))
			yy, cb, cr := color.RGBToYCbCr(r, g, b)
			out.Y[out.YOffset(x, y)] = yy
			k := out.COffset(x, y)
			sums[0][k], sums[1][k], parts[k] = sums[0][k]+int(cb), sums[1][k]+int(cr), parts[k]+1
		}
	}
	for k, n := range parts {
		out.Cb[k], out.Cr[k] = uint8((sums[0][k]+n/2)/n), uint8((sums[1][k]+n/2)/n)
	}
	return out
}

// changes tells whether anybody could see a difference: most files have a profile of sRGB itself.
func (c *conversion) changes() bool {
	const step, visible = 51, 2
	far := func(a, b uint8) bool { return max(a, b)-min(a, b) > visible }
	for n := range 6 * 6 * 6 {
		r, g, b := uint8(n%6*step), uint8(n/6%6*step), uint8(n/36*step)
		if x, y, z := c.rgb(r, g, b); far(x, r) || far(y, g) || far(z, b) {
			return true
		}
	}
	return false
}

// colours is the conversion that the file's colours need, nil for none; the error says why they cannot be converted. A file without a profile has sRGB colours.
func (s *source) colours() (*conversion, error) {
	raw, err := s.profile()
	if err != nil || raw == nil {
		return nil, err
	}
	if s.jpeg != nil && len(s.jpeg.components) == 4 {
		return nil, errors.New("the photo is in printing colours")
	}
	p, err := parseProfile(raw)
	if err != nil {
		return nil, err
	}
	if c := newConversion(p); c.changes() {
		return c, nil
	}
	return nil, nil
}
