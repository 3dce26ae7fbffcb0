package photo

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
)

// maxProfile is the largest colour profile that is looked at, in bytes. Those of cameras, telephones and screens have less than 20 KB.
const maxProfile = 4 << 20

// A profile says what the numbers of a file's colours mean: a matrix and three curves (ICC.1:2010, 8.3.3). Other kinds are for printers and scanners.
type profile struct {
	curves [3][256]float64 // light, 0 to 1, for each value of R, G and B
	matrix [3][3]float64   // from light of R, G and B to X, Y and Z, by D50
}

var errProfile = errors.New("it is damaged")

// parseProfile reads a profile of RGB colours (ICC.1:2010, 7.2 and 7.3).
func parseProfile(raw []byte) (*profile, error) {
	switch {
	case len(raw) < 132 || string(raw[36:40]) != "acsp":
		return nil, errProfile
	case string(raw[16:20]) != "RGB " || string(raw[20:24]) != "XYZ ":
		return nil, errors.New("it is not one of RGB colours with a matrix")
	}
	tags := map[string][]byte{}
	entries := raw[132:]
	for range min(binary.BigEndian.Uint32(raw[128:]), 100) {
		if len(entries) < 12 {
			return nil, errProfile
		}
		at, n := uint64(binary.BigEndian.Uint32(entries[4:])), uint64(binary.BigEndian.Uint32(entries[8:]))
		if at+n > uint64(len(raw)) {
			return nil, errProfile
		}
		tags[string(entries[:4])] = raw[at : at+n]
		entries = entries[12:]
	}
	p := &profile{}
	for i, colour := range []string{"r", "g", "b"} {
		column, ok := tags[colour+"XYZ"]
		if !ok {
			return nil, errors.New("it has no matrix")
		}
		if len(column) < 20 || string(column[:4]) != "XYZ " {
			return nil, errProfile
		}
		for k := range p.matrix {
			p.matrix[k][i] = s15Fixed16(column[8+4*k:])
		}
		light, err := parseCurve(tags[colour+"TRC"])
		if err != nil {
			return nil, err
		}
		for v := range p.curves[i] {
			p.curves[i][v] = light(float64(v) / 255)
		}
	}
	return p, p.check()
}

// s15Fixed16 reads an s15Fixed16Number.
func s15Fixed16(b []byte) float64 { return float64(int32(binary.BigEndian.Uint32(b))) / 65536 }

// parseCurve reads a curveType or parametricCurveType (ICC.1:2010, 10.5 and 10.15): light for a value, both 0 to 1.
func parseCurve(tag []byte) (func(float64) float64, error) {
	if len(tag) < 12 {
		return nil, errProfile
	}
	switch string(tag[:4]) {
	case "curv":
		return tableCurve(binary.BigEndian.Uint32(tag[8:]), tag[12:])
	case "para":
		return formulaCurve(binary.BigEndian.Uint16(tag[8:]), tag[12:])
	}
	return nil, errors.New("its curves are of a kind that is not known")
}

// tableCurve is a power, where the table has one entry, or interpolates between its entries.
func tableCurve(n uint32, entries []byte) (func(float64) float64, error) {
	if uint64(n)*2 > uint64(len(entries)) {
		return nil, errProfile
	}
	entry := func(i int) float64 { return float64(binary.BigEndian.Uint16(entries[2*i:])) }
	switch n {
	case 0:
		return func(v float64) float64 { return v }, nil
	case 1:
		power := entry(0) / 256
		return func(v float64) float64 { return math.Pow(v, power) }, nil
	}
	return func(v float64) float64 {
		at := v * float64(n-1)
		i := min(int(at), int(n)-2)
		return (entry(i) + float64((entry(i+1)-entry(i))*(at-float64(i)))) / 65535
	}, nil
}

// formulaCurve is (a·v+b)^g, with a straight piece at its beginning.
func formulaCurve(kind uint16, parameters []byte) (func(float64) float64, error) {
	count := map[uint16]int{0: 1, 1: 3, 2: 4, 3: 5, 4: 7}[kind]
	if count == 0 || len(parameters) < 4*count {
		return nil, errProfile
	}
	var p [7]float64
	for i := range count {
		p[i] = s15Fixed16(parameters[4*i:])
	}
	g, a, b, c, d, e, f := p[0], p[1], p[2], p[3], p[4], p[5], p[6]
	switch kind {
	case 0:
		a = 1
	case 1:
		c, d = 0, -b/a
	case 2:
		c, d, e, f = 0, -b/a, c, c
	}
	return func(v float64) float64 {
		if v < d {
			return float64(c*v) + f
		}
		return math.Pow(float64(a*v)+b, g) + e
	}, nil
}

// check refuses a profile that does not make black of 0 and white of 255: colours would be worse by it than without.
func (p *profile) check() error {
	white := [3]float64{0.9642, 1, 0.8249} // D50, 7.2.16
	for k, row := range p.matrix {
		if math.Abs(row[0]+row[1]+row[2]-white[k]) > 0.05 {
			return errors.New("its white is none")
		}
	}
	for _, curve := range p.curves {
		for v := range curve {
			if !(curve[v] >= 0 && curve[v] <= 1.01) || v > 0 && curve[v] < curve[v-1] { // not a number fails too
				return errors.New("its curves do not rise from black to white")
			}
		}
		if curve[0] > 0.05 || curve[255] < 0.95 {
			return errors.New("its curves do not rise from black to white")
		}
	}
	return nil
}

// profile is the file's ICC profile; nil for none.
func (s *source) profile() ([]byte, error) {
	switch s.format {
	case JPEG:
		return joinProfile(s.jpeg.profile)
	case PNG:
		return inflateProfile(pngChunk(s.data, "iCCP"))
	case WebP:
		return webpChunk(s.data, "ICCP"), nil
	}
	return nil, nil
}

// joinProfile puts together what stands in several segments: each has its number and how many there are (ICC.1:2010, B.4).
func joinProfile(segments [][]byte) ([]byte, error) {
	if len(segments) == 0 {
		return nil, nil
	}
	parts := make([][]byte, len(segments))
	size := 0
	for _, s := range segments {
		n, of := int(s[0]), int(s[1])
		if n < 1 || n > len(parts) || of != len(parts) || parts[n-1] != nil {
			return nil, errProfile
		}
		parts[n-1] = s[2:]
		if size += len(s); size > maxProfile {
			return nil, fmt.Errorf("it has more than %d MiB", maxProfile>>20)
		}
	}
	return bytes.Join(parts, nil), nil
}

// inflateProfile reads the chunk iCCP: a name, the method 0, and the profile compressed (PNG third edition, 11.3.2.3).
func inflateProfile(chunk []byte) ([]byte, error) {
	if chunk == nil {
		return nil, nil
	}
	_, rest, ok := bytes.Cut(chunk, []byte{0})
	if !ok || len(rest) < 1 || rest[0] != 0 {
		return nil, errProfile
	}
	z, err := zlib.NewReader(bytes.NewReader(rest[1:]))
	if err != nil {
		return nil, errProfile
	}
	raw, err := io.ReadAll(io.LimitReader(z, maxProfile+1))
	switch {
	case err != nil:
		return nil, errProfile
	case len(raw) > maxProfile:
		return nil, fmt.Errorf("it has more than %d MiB", maxProfile>>20)
	}
	return raw, nil
}
