package photo

// The weights of resampling: the Lanczos kernel, turned into integers. They are the same on every processor: explicit conversions keep a
// compiler from fusing a product with a sum, and no function is used that has an assembler version.

// lobes is the reach of the kernel in source pixels (in target pixels where the picture grows).
const lobes = 3

// weightBits is the precision of a weight. The sum of 8-bit samples times weights stays within 32 bits.
const weightBits = 16

// taps are the weights of one target sample: those of the source samples from first on.
type taps struct {
	first   int
	weights []uint64 // two's complement, sum 1<<weightBits
}

// A mapping says how a plane is resampled in one direction. It is the same operation for every plane, the kernel on pixels, folded where
// samples are fewer: a source sample stands for every pixel it covers, and a target sample is the mean of the pixels it covers, as a JPEG
// encoder makes it.
type mapping struct {
	from, to       int // pixels of the area and of the variant
	fromSub, toSub int // pixels that share a sample of the plane, before and after
}

// same tells whether nothing is to be done.
func (m mapping) same() bool { return m.from == m.to && m.fromSub == m.toSub }

// taps gives the taps of every target sample.
func (m mapping) taps() []taps {
	all := make([]taps, (m.to+m.toSub-1)/m.toSub)
	folded := make([]float64, (m.from+m.fromSub-1)/m.fromSub)
	var pixels []float64
	for i := range all {
		low, high := len(folded), 0
		for target := i * m.toSub; target < min((i+1)*m.toSub, m.to); target++ {
			var first int
			first, pixels = m.pixel(target, pixels[:0])
			for k, w := range pixels {
				folded[(first+k)/m.fromSub] += w
			}
			low, high = min(low, first/m.fromSub), max(high, (first+len(pixels)-1)/m.fromSub+1)
		}
		all[i] = taps{low, fixed(folded[low:high])}
		clear(folded[low:high])
	}
	return all
}

// pixel appends the weights of one target pixel, of sum 1, and tells the source pixel of the first. Beyond the edge there is nothing: the rest
// counts for more.
func (m mapping) pixel(target int, weights []float64) (first int, _ []float64) {
	step := float64(m.from) / float64(m.to)
	scale := max(step, 1)
	reach := float64(scale * lobes)
	centre := float64((float64(target)+0.5)*step) - 0.5
	first = max(ceil(centre-reach), 0)
	sum := 0.0
	for k := first; k <= min(floor(centre+reach), m.from-1); k++ {
		w := kernel((float64(k) - centre) / scale)
		sum += w
		weights = append(weights, w)
	}
	for k := range weights {
		weights[k] /= sum
	}
	return first, weights
}

// fixed scales weights to a sum of 1<<weightBits. What rounding leaves over goes to the largest, so that a flat area keeps its value.
func fixed(weights []float64) []uint64 {
	sum, largest := 0.0, 0
	for k, w := range weights {
		sum += w
		if w > weights[largest] {
			largest = k
		}
	}
	rest := int64(1) << weightBits
	out := make([]uint64, len(weights))
	for k, w := range weights {
		n := int64(floor(float64(w/sum*(1<<weightBits)) + 0.5))
		rest -= n
		out[k] = uint64(n)
	}
	out[largest] += uint64(rest)
	return out
}

const pi = 3.14159265358979323846

// kernel is sinc(x)·sinc(x/3) within |x| < 3. With s = sin(πx/3), sin(πx) is 3s-4s³.
func kernel(x float64) float64 {
	x = max(x, -x)
	switch {
	case x >= lobes:
		return 0
	case x < 1e-6:
		return 1
	}
	s := sinPi(x / lobes)
	t := float64(s * s)
	return float64(t*(3-float64(4*t))) * lobes / float64(pi*pi*float64(x*x))
}

// sinPi is sin(πx) for 0 <= x <= 1 by its Taylor series, exact to 13 digits.
func sinPi(x float64) float64 {
	x = min(x, 1-x)
	a := float64(pi * x)
	q := float64(a * a)
	sum := 1.0
	for _, over := range [...]float64{1 / 272., 1 / 210., 1 / 156., 1 / 110., 1 / 72., 1 / 42., 1 / 20., 1 / 6.} {
		sum = 1 - float64(float64(q*over)*sum)
	}
	return float64(a * sum)
}

func floor(x float64) int {
	n := int(x)
	if float64(n) > x {
		n--
	}
	return n
}

func ceil(x float64) int { return -floor(-x) }
