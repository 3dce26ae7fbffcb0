package photo

import "image"

// A resampler makes variants of one area, each from the area itself. What its planes share is kept: taps, and room for rows.
type resampler struct {
	area  area
	known map[mapping][]taps
	words []uint64
}

func newResampler(a area) *resampler {
	return &resampler{area: a, known: make(map[mapping][]taps), words: make([]uint64, 2*max(a.w, a.h))}
}

// resize makes the 4:2:0 picture of w×h px.
func (r *resampler) resize(w, h int) *image.YCbCr {
	y, cb, cr := r.plane(0, w, h, 1), r.plane(1, w, h, 2), r.plane(2, w, h, 2)
	return &image.YCbCr{
		Y: y.pix, Cb: cb.pix, Cr: cr.pix, YStride: y.stride, CStride: cb.stride,
		SubsampleRatio: image.YCbCrSubsampleRatio420, Rect: image.Rect(0, 0, w, h),
	}
}

// plane resamples one plane of the area for a variant of w×h px in which sub pixels share a sample in each direction.
func (r *resampler) plane(n, w, h, sub int) plane {
	p := r.area.planes[n]
	across := mapping{r.area.w, w, r.area.w / p.w, sub}
	down := mapping{r.area.h, h, r.area.h / p.h, sub}
	if across.same() && down.same() {
		return p
	}
	return r.turn(r.turn(p, r.taps(across)), r.taps(down))
}

func (r *resampler) taps(m mapping) []taps {
	t, ok := r.known[m]
	if !ok {
		t = m.taps()
		r.known[m] = t
	}
	return t
}

// turn resamples the rows of p and transposes the result: doing so twice resamples rows and columns.
//
// Two rows share a word: one product then serves both. A lower half below zero borrows from the upper half, which upper gives back.
func (r *resampler) turn(p plane, all []taps) plane {
	out := newPlane(p.h, len(all))
	pairs, more := r.words[:p.w], r.words[p.w:2*p.w]
	const half = 1<<(weightBits-1) | 1<<(weightBits-1+32)
	for y := 0; y < p.h; y += 4 {
		rows := [4]int{y, min(y+1, p.h-1), min(y+2, p.h-1), min(y+3, p.h-1)}
		pack(pairs, p.row(rows[0]), p.row(rows[1]))
		pack(more, p.row(rows[2]), p.row(rows[3]))
		for i := range all {
			weights, first := all[i].weights, all[i].first
			a, b := pairs[first:][:len(weights)], more[first:][:len(weights)]
			sumA, sumB := uint64(half), uint64(half)
			for k, w := range weights {
				sumA += a[k] * w
				sumB += b[k] * w
			}
			column := out.row(i)
			column[rows[0]], column[rows[1]] = lower(sumA), upper(sumA)
			column[rows[2]], column[rows[3]] = lower(sumB), upper(sumB)
		}
	}
	return out
}

// pack puts two rows into the halves of words.
func pack(dst []uint64, low, high []uint8) {
	low, high = low[:len(dst)], high[:len(dst)]
	for i := range dst {
		dst[i] = uint64(low[i]) | uint64(high[i])<<32
	}
}

func lower(sum uint64) uint8 { return clamp(int32(uint32(sum)) >> weightBits) }

func upper(sum uint64) uint8 {
	low := uint64(int64(int32(uint32(sum))))
	return clamp(int32(uint32((sum-low)>>32)) >> weightBits)
}

func clamp(v int32) uint8 {
	if uint32(v) <= 255 {
		return uint8(v)
	}
	return uint8(^(v >> 31)) // 0 below, 255 above
}
