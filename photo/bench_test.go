//go:build unix

package photo

import (
	"bytes"
	"image"
	"image/color"
	"image/draw"
	"image/jpeg"
	"math"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"github.com/disintegration/imaging"

	"github.com/photopush/photopush/internal/summary"
)

// The bars, which `make bench` prints: processor time against imaging, each size from the source, and how alike the pixels are.
const (
	barRatio = 0.45
	barPSNR  = 45.0 // dB
)

// BenchmarkPictureSet makes the picture set of a 648×648 photo, the largest that Exchange keeps, in turn with the reference: the same bytes,
// sizes and quality.
func BenchmarkPictureSet(b *testing.B) {
	raw := portrait(b, 648)
	recipe := DefaultRecipe()
	set, err := Render(raw, recipe)
	if err != nil {
		b.Fatal(err)
	}
	var ours, theirs time.Duration
	for b.Loop() {
		start := cpu(b)
		if _, err := Render(raw, recipe); err != nil {
			b.Fatal(err)
		}
		half := cpu(b)
		encodeAll(b, reference(b, raw, sizesOf(set)), recipe.Quality)
		ours, theirs = ours+half-start, theirs+cpu(b)-half
	}
	ratio, worst := ours.Seconds()/theirs.Seconds(), worstPSNR(b, raw)
	b.ReportMetric(ratio, "ratio")
	b.ReportMetric(worst, "dB")
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "cpu-ms/set")
	summary.Line(b, "photo: picture set of 648×648 px: ratio %.2f (bar %.2f), worst PSNR %.1f dB (bar %.0f)", ratio, barRatio, worst, barPSNR)
}

// TestPictureSetFidelity keeps the pixels like those of the reference, which is the half of the bar that takes no clock.
func TestPictureSetFidelity(t *testing.T) {
	if worst := worstPSNR(t, portrait(t, 648)); worst < barPSNR {
		t.Errorf("worst PSNR is %.1f dB, want at least %.0f", worst, barPSNR)
	}
}

// worstPSNR compares what the JPEG encoder is given here and there, size by size, as RGB.
func worstPSNR(t testing.TB, raw []byte) float64 {
	s, err := open(raw)
	if err != nil {
		t.Fatal(err)
	}
	img, err := s.decode()
	if err != nil {
		t.Fatal(err)
	}
	rs := newResampler(s.area(img, squareOf(s)))
	worst := math.Inf(1)
	for _, theirs := range reference(t, raw, Sizes[:10]) {
		size := theirs.Rect.Dx()
		dB := psnr(rs.resize(size, size), subsampled(theirs))
		t.Logf("%4d px: %.1f dB", size, dB)
		worst = min(worst, dB)
	}
	return worst
}

// reference resizes as a plain program would with imaging: each size from the source, with the Lanczos kernel. The source is made
// NRGBA once, which is what imaging is fastest with.
func reference(t testing.TB, raw []byte, sizes []int) (pixels []*image.NRGBA) {
	img, err := imaging.Decode(bytes.NewReader(raw), imaging.AutoOrientation(true))
	if err != nil {
		t.Fatal(err)
	}
	source := imaging.Clone(img)
	for _, size := range sizes {
		pixels = append(pixels, imaging.Resize(source, size, size, imaging.Lanczos))
	}
	return pixels
}

func encodeAll(t testing.TB, pixels []*image.NRGBA, quality int) {
	for _, p := range pixels {
		var b bytes.Buffer
		if err := imaging.Encode(&b, p, imaging.JPEG, imaging.JPEGQuality(quality)); err != nil {
			t.Fatal(err)
		}
	}
}

// subsampled is what the JPEG encoder makes of m: Y of every pixel, Cb and Cr of every two by two.
func subsampled(m *image.NRGBA) *image.YCbCr {
	out := image.NewYCbCr(m.Rect, image.YCbCrSubsampleRatio420)
	for y := 0; y < m.Rect.Dy(); y += 2 {
		for x := 0; x < m.Rect.Dx(); x += 2 {
			blue, red := 2, 2 // rounds
			for k := range 4 {
				p := m.NRGBAAt(x+k&1, y+k>>1)
				luma, cb, cr := color.RGBToYCbCr(p.R, p.G, p.B)
				out.Y[out.YOffset(x+k&1, y+k>>1)] = luma
				blue, red = blue+int(cb), red+int(cr)
			}
			out.Cb[out.COffset(x, y)], out.Cr[out.COffset(x, y)] = uint8(blue/4), uint8(red/4)
		}
	}
	return out
}

// psnr is the peak signal-to-noise ratio of two pictures of one size over R, G and B, in dB.
func psnr(a, b image.Image) float64 {
	x, y := image.NewRGBA(a.Bounds()), image.NewRGBA(a.Bounds())
	draw.Draw(x, x.Rect, a, a.Bounds().Min, draw.Src)
	draw.Draw(y, y.Rect, b, b.Bounds().Min, draw.Src)
	sum := 0.0
	for i := range x.Pix {
		d := float64(x.Pix[i]) - float64(y.Pix[i]) // alpha is 255 on both sides
		sum += d * d
	}
	return 10 * math.Log10(255*255*float64(len(x.Pix)/4*3)/sum)
}

// cpu is the processor time of this process, in all its threads.
func cpu(t testing.TB) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// portrait draws something like a photo of a person: soft light, a head, a checked shirt, and the noise of skin and cloth on every scale.
func portrait(t testing.TB, side int) []byte {
	m := image.NewRGBA(image.Rect(0, 0, side, side))
	rng := rand.New(rand.NewPCG(1, 2))
	light, warm := noise(rng, side), noise(rng, side)
	for y := range side {
		for x := range side {
			u, v := float64(x)/float64(side)-0.5, float64(y)/float64(side)-0.5
			r, g, b := 150+60*v, 165+40*u, 185-50*v
			switch {
			case u*u/0.04+(v+0.1)*(v+0.1)/0.07 < 1:
				r, g, b = 224, 172-30*v, 140
				if v < -0.2 {
					r, g, b = 70, 45, 30
				}
			case v > 0.2+u*u:
				check := 30 * math.Copysign(1, math.Sin(u*120)*math.Sin(v*120))
				r, g, b = 60+check, 70+check, 130-check
			}
			l, w := light[y*side+x], warm[y*side+x]
			m.SetRGBA(x, y, color.RGBA{bounded(r + l + w), bounded(g + l), bounded(b + l - w), 255})
		}
	}
	var out bytes.Buffer
	if err := jpeg.Encode(&out, m, &jpeg.Options{Quality: 92}); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func bounded(v float64) uint8 { return uint8(min(max(v, 0), 255)) }

// noise has as much contrast on fine scales as natural pictures have: half as much at twice the frequency.
func noise(rng *rand.Rand, side int) []float64 {
	out := make([]float64, side*side)
	for cell, amplitude := 128, 24.0; cell >= 1; cell, amplitude = cell/2, amplitude/1.6 {
		n := side/cell + 2
		lattice := make([]float64, n*n)
		for i := range lattice {
			lattice[i] = (rng.Float64()*2 - 1) * amplitude
		}
		for y := range side {
			for x := range side {
				i, fx, fy := y/cell*n+x/cell, float64(x%cell)/float64(cell), float64(y%cell)/float64(cell)
				top := lattice[i]*(1-fx) + lattice[i+1]*fx
				bottom := lattice[i+n]*(1-fx) + lattice[i+n+1]*fx
				out[y*side+x] += top*(1-fy) + bottom*fy
			}
		}
	}
	return out
}

// squareOf is the square that the default recipe cuts.
func squareOf(s *source) image.Rectangle {
	r, _ := CropAuto.Cut(s.info().Width, s.info().Height)
	return r
}
