package photo

import (
	"bytes"
	"image"
	"math"
	"math/rand/v2"
	"testing"
)

// TestKernel compares the kernel with its definition.
func TestKernel(t *testing.T) {
	sinc := func(x float64) float64 {
		if x == 0 {
			return 1
		}
		return math.Sin(math.Pi*x) / (math.Pi * x)
	}
	for i := -4000; i <= 4000; i++ {
		x := float64(i) / 1000
		want := sinc(x) * sinc(x/3)
		if math.Abs(x) >= 3 {
			want = 0
		}
		if got := kernel(x); math.Abs(got-want) > 1e-10 {
			t.Fatalf("kernel(%v) is %v, want %v", x, got, want)
		}
	}
}

// TestTaps sees to it that weights sum up to one, and that no tap reaches over the edge.
func TestTaps(t *testing.T) {
	for _, m := range []mapping{
		{648, 448, 1, 1}, {648, 448, 2, 2}, {648, 448, 1, 2}, {648, 448, 4, 2}, {100, 32, 2, 2}, {32, 1080, 1, 1}, {32, 1080, 2, 2},
		{1, 1080, 1, 2}, {21, 21, 1, 2}, {1, 1, 1, 2}, {16384, 32, 1, 1}, {33, 32, 1, 1},
	} {
		all := m.taps()
		if want := (m.to + m.toSub - 1) / m.toSub; len(all) != want {
			t.Fatalf("%+v: %d taps, want %d", m, len(all), want)
		}
		samples := (m.from + m.fromSub - 1) / m.fromSub
		for i, tap := range all {
			sum := uint64(0)
			for _, w := range tap.weights {
				sum += w
			}
			if sum != 1<<weightBits || tap.first < 0 || tap.first+len(tap.weights) > samples {
				t.Fatalf("%+v: tap %d has sum %d, samples %d to %d", m, i, sum, tap.first, tap.first+len(tap.weights))
			}
		}
	}
}

// TestFlatStaysFlat resizes areas of one colour: every one of the 256 values stays what it is.
func TestFlatStaysFlat(t *testing.T) {
	for v := range 256 {
		p := plane{w: 50, h: 50, stride: 50, pix: bytes.Repeat([]byte{uint8(v)}, 2500)}
		r := newResampler(area{50, 50, [3]plane{p, p, p}})
		for _, size := range []int{32, 64} {
			m := r.resize(size, size)
			for _, pix := range [][]uint8{m.Y, m.Cb, m.Cr} {
				if n := bytes.Count(pix, []byte{uint8(v)}); n != len(pix) {
					t.Fatalf("%d of %d samples of value %d changed", len(pix)-n, len(pix), v)
				}
			}
		}
	}
}

// TestTurnAgainstPlainSums compares two rows per word with plain arithmetic, on noise of the hardest contrast: sums below zero and above white.
func TestTurnAgainstPlainSums(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 6))
	for _, h := range []int{1, 2, 3, 4, 5, 50} {
		p := newPlane(50, h)
		for i := range p.pix {
			p.pix[i] = uint8(rng.IntN(2) * 255)
		}
		r := newResampler(area{w: 50, h: 50})
		all := mapping{50, 37, 1, 1}.taps()
		got := r.turn(p, all)
		for i, tap := range all {
			for y := range h {
				sum := 1 << (weightBits - 1)
				for k, w := range tap.weights {
					sum += int(int64(w)) * int(p.row(y)[tap.first+k])
				}
				if want := uint8(min(max(sum>>weightBits, 0), 255)); got.row(i)[y] != want {
					t.Fatalf("height %d: sample %d of row %d is %d, want %d", h, i, y, got.row(i)[y], want)
				}
			}
		}
	}
}

// TestSameSizeIsACopy leaves the samples of a 4:2:0 photo as they are where the size is its own.
func TestSameSizeIsACopy(t *testing.T) {
	img := decodeJPEG(t, encodeTestJPEG(t, bands(64, 64))).(*image.YCbCr)
	m := newResampler(cut(img, 0, 0, 64, 64)).resize(64, 64)
	for y := range 64 {
		for x := range 64 {
			if m.YCbCrAt(x, y) != img.YCbCrAt(x, y) {
				t.Fatalf("at %d, %d: %v, want %v", x, y, m.YCbCrAt(x, y), img.YCbCrAt(x, y))
			}
		}
	}
}

// TestCutPlanes cuts at places between chroma samples, for every way of subsampling.
func TestCutPlanes(t *testing.T) {
	for ratio, want := range map[image.YCbCrSubsampleRatio][2]int{
		image.YCbCrSubsampleRatio444: {1, 1}, image.YCbCrSubsampleRatio422: {2, 1}, image.YCbCrSubsampleRatio420: {2, 2},
		image.YCbCrSubsampleRatio440: {1, 2}, image.YCbCrSubsampleRatio411: {4, 1}, image.YCbCrSubsampleRatio410: {4, 2},
	} {
		m := image.NewYCbCr(image.Rect(0, 0, 103, 61), ratio)
		for i := range m.Y {
			m.Y[i] = uint8(i)
		}
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = uint8(i), uint8(i)
		}
		q := cut(m, 21, 1, 59, 59)
		grid := max(want[0], want[1])
		x, y := 21/grid*grid, 1/grid*grid
		if q.w != 59/grid*grid || q.planes[1].w*want[0] != q.w || q.planes[1].h*want[1] != q.w {
			t.Fatalf("%v: side %d, chroma %d×%d", ratio, q.w, q.planes[1].w, q.planes[1].h)
		}
		for j := range q.w {
			for i := range q.w {
				c := m.YCbCrAt(x+i, y+j)
				luma, cb, cr := q.planes[0].row(j)[i], q.planes[1].row(j / want[1])[i/want[0]], q.planes[2].row(j / want[1])[i/want[0]]
				if c.Y != luma || c.Cb != cb || c.Cr != cr {
					t.Fatalf("%v: at %d, %d: %v, want %v", ratio, i, j, [3]uint8{luma, cb, cr}, c)
				}
			}
		}
	}
}
