package photo

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"math"
	"slices"
	"strings"
	"testing"
)

// number is an s15Fixed16Number.
func number(v float64) []byte {
	return binary.BigEndian.AppendUint32(nil, uint32(int32(math.Round(v*65536))))
}

func numbers(all ...float64) []byte {
	var b []byte
	for _, v := range all {
		b = append(b, number(v)...)
	}
	return b
}

// formula is a parametric curve.
func formula(kind byte, parameters ...float64) []byte {
	return slices.Concat([]byte("para\x00\x00\x00\x00\x00"), []byte{kind, 0, 0}, numbers(parameters...))
}

// table is a curve by its entries.
func table(entries ...uint16) []byte {
	b := binary.BigEndian.AppendUint32([]byte("curv\x00\x00\x00\x00"), uint32(len(entries)))
	for _, e := range entries {
		b = binary.BigEndian.AppendUint16(b, e)
	}
	return b
}

// iccTag is a tag of a profile.
type iccTag struct {
	name string
	data []byte
}

// icc is a profile of a screen.
func icc(space string, tags ...iccTag) []byte {
	b := make([]byte, 132+12*len(tags))
	copy(b[12:], "mntr"+space+"XYZ ")
	copy(b[36:], "acsp")
	binary.BigEndian.PutUint32(b[128:], uint32(len(tags)))
	for i, tag := range tags {
		entry := b[132+12*i:]
		copy(entry, tag.name)
		binary.BigEndian.PutUint32(entry[4:], uint32(len(b)))
		binary.BigEndian.PutUint32(entry[8:], uint32(len(tag.data)))
		b = append(b, tag.data...)
	}
	binary.BigEndian.PutUint32(b, uint32(len(b)))
	return b
}

// rgbTags are the tags of a profile with one curve, and columns of R, G and B.
func rgbTags(curve []byte, columns [3][3]float64) []iccTag {
	var tags []iccTag
	for i, name := range []string{"r", "g", "b"} {
		tags = append(tags, iccTag{name + "XYZ", append([]byte("XYZ \x00\x00\x00\x00"), numbers(columns[i][:]...)...)}, iccTag{name + "TRC", curve})
	}
	return tags
}

// Primaries as the profiles of their publishers have them, by D50.
var (
	adobePrimaries = [3][3]float64{{0.60974, 0.31111, 0.01947}, {0.20528, 0.62567, 0.06087}, {0.14919, 0.06322, 0.74457}}
	p3Primaries    = [3][3]float64{{0.51512, 0.24120, -0.00105}, {0.29198, 0.69225, 0.04189}, {0.15710, 0.06657, 0.78407}}
	srgbPrimaries  = [3][3]float64{{0.43607, 0.22249, 0.01392}, {0.38515, 0.71687, 0.09708}, {0.14307, 0.06061, 0.71410}}
)

var (
	adobeRGB  = icc("RGB ", rgbTags(table(563), adobePrimaries)...) // 563/256 is the power of 2.19921875
	srgbCurve = formula(3, 2.4, 1/1.055, 0.055/1.055, 1/12.92, 0.04045)
	displayP3 = icc("RGB ", rgbTags(srgbCurve, p3Primaries)...)
	srgb      = icc("RGB ", rgbTags(srgbCurve, srgbPrimaries)...)
	srgbTable = icc("RGB ", rgbTags(table(srgbEntries()...), srgbPrimaries)...)
)

func srgbEntries() []uint16 {
	entries := make([]uint16, 1024)
	for i := range entries {
		v := float64(i) / 1023
		if v <= 0.04045 {
			v /= 12.92
		} else {
			v = math.Pow((v+0.055)/1.055, 2.4)
		}
		entries[i] = uint16(math.Round(v * 65535))
	}
	return entries
}

func near(a, b uint8, most int) bool { return max(int(a)-int(b), int(b)-int(a)) <= most }

// TestConversion against values that were calculated another way: from the chromaticities of the primaries and of D65 (Adobe RGB 1998, 4.3.1; SMPTE EG 432-1;
// IEC 61966-2-1), without any profile. The two that become 0, 128, 0 are also those of the tests of CSS Color 4.
func TestConversion(t *testing.T) {
	for name, test := range map[string]struct {
		profile []byte
		values  map[[3]uint8][3]uint8
	}{
		"Adobe RGB": {adobeRGB, map[[3]uint8][3]uint8{
			{200, 100, 50}: {227, 100, 42}, {128, 128, 128}: {129, 129, 129}, {72, 127, 30}: {2, 128, 1}, {230, 190, 160}: {244, 191, 160}, {90, 60, 45}: {99, 57, 40},
			{30, 60, 120}: {0, 57, 123}, {255, 0, 0}: {255, 0, 0}, {0, 255, 0}: {0, 255, 0}, {0, 0, 0}: {0, 0, 0}, {255, 255, 255}: {255, 255, 255}}},
		"Display P3": {displayP3, map[[3]uint8][3]uint8{
			{200, 100, 50}: {215, 93, 31}, {128, 128, 128}: {128, 128, 128}, {55, 126, 34}: {0, 128, 1}, {230, 190, 160}: {238, 188, 155}, {90, 60, 45}: {95, 58, 42},
			{30, 60, 120}: {17, 61, 124}, {255, 0, 0}: {255, 0, 0}, {0, 255, 0}: {0, 255, 0}, {0, 0, 0}: {0, 0, 0}, {255, 255, 255}: {255, 255, 255}}},
	} {
		p, err := parseProfile(test.profile)
		if err != nil {
			t.Fatal(err)
		}
		c := newConversion(p)
		for from, want := range test.values {
			r, g, b := c.rgb(from[0], from[1], from[2])
			if !near(r, want[0], 1) || !near(g, want[1], 1) || !near(b, want[2], 1) {
				t.Errorf("%s: %v has become %v, want %v", name, from, [3]uint8{r, g, b}, want)
			}
		}
		if !c.changes() {
			t.Errorf("%s is taken for sRGB", name)
		}
	}
	for name, raw := range map[string][]byte{"sRGB by a formula": srgb, "sRGB by a table": srgbTable} {
		if p, err := parseProfile(raw); err != nil || newConversion(p).changes() {
			t.Errorf("%s changes colours, %v", name, err)
		}
	}
}

func TestCurves(t *testing.T) {
	for _, test := range []struct {
		what string
		tag  []byte
		at   map[float64]float64
	}{
		{"none", table(), map[float64]float64{0: 0, 0.3: 0.3, 1: 1}},
		{"a power", table(2 << 8), map[float64]float64{0: 0, 0.5: 0.25, 1: 1}},
		{"a table", table(0, 0x4000, 0xffff), map[float64]float64{0: 0, 0.25: 0.125, 0.5: 0.25, 0.75: 0.625, 1: 1}},
		{"formula 0", formula(0, 2), map[float64]float64{0.5: 0.25}},
		{"formula 1", formula(1, 2, 2, -1), map[float64]float64{0.25: 0, 0.5: 0, 0.75: 0.25, 1: 1}},
		{"formula 2", formula(2, 2, 2, -1, 0.125), map[float64]float64{0.25: 0.125, 0.75: 0.375}},
		{"formula 3", formula(3, 2, 1, 0, 0.5, 0.5), map[float64]float64{0.25: 0.125, 0.5: 0.25, 1: 1}},
		{"formula 4", formula(4, 2, 1, 0, 0.5, 0.5, 0.25, 0.125), map[float64]float64{0.25: 0.25, 0.5: 0.5, 1: 1.25}},
	} {
		light, err := parseCurve(test.tag)
		if err != nil {
			t.Errorf("%s: %v", test.what, err)
			continue
		}
		for v, want := range test.at {
			if got := light(v); math.Abs(got-want) > 0.0001 {
				t.Errorf("%s: %g gives %g, want %g", test.what, v, got, want)
			}
		}
	}
}

// plain is a picture of one colour.
func plain(r, g, b uint8) image.Image {
	img := image.NewNRGBA(image.Rect(0, 0, 61, 45))
	for i := range 61 * 45 {
		copy(img.Pix[4*i:], []byte{r, g, b, 255})
	}
	return img
}

// withProfile puts a profile into a JPEG file, in so many segments, the last one first.
func withProfile(file, profile []byte, parts int) []byte {
	var segments []byte
	for n := parts; n > 0; n-- {
		from, to := len(profile)*(n-1)/parts, len(profile)*n/parts
		segments = append(segments, segment(markerAPP2, slices.Concat([]byte(profileMark), []byte{byte(n), byte(parts)}, profile[from:to])...)...)
	}
	return slices.Concat(file[:2], segments, file[2:])
}

// pngPart is a chunk of a PNG file.
func pngPart(kind string, data []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
	b = append(append(b, kind...), data...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

// pngWithProfile puts a profile behind the header of a PNG file.
func pngWithProfile(t testing.TB, file, profile []byte) []byte {
	t.Helper()
	var z bytes.Buffer
	w := zlib.NewWriter(&z)
	if _, err := w.Write(profile); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	const header = 8 + 25
	return slices.Concat(file[:header], pngPart("iCCP", append([]byte("x\x00\x00"), z.Bytes()...)), file[header:])
}

// TestFitColours: photos of telephones and cameras with other colours than sRGB look the same in programs that know no profile, whatever becomes of their size.
func TestFitColours(t *testing.T) {
	jpg, png := encodeTestJPEG(t, plain(200, 100, 50)), encodePNG(t, plain(200, 100, 50))
	webp := webpWithProfile(readCorpus(t, "lossless.webp"), displayP3)
	for _, test := range []struct {
		what string
		raw  []byte
		want [3]uint8
		note string
		kept bool
	}{
		{"no profile", jpg, [3]uint8{200, 100, 50}, "", true},
		{"sRGB", withProfile(jpg, srgb, 1), [3]uint8{200, 100, 50}, "", true},
		{"sRGB by a table", withProfile(jpg, srgbTable, 2), [3]uint8{200, 100, 50}, "", true},
		{"Display P3", withProfile(jpg, displayP3, 1), [3]uint8{215, 93, 31}, "its colours are converted to sRGB", false},
		{"Adobe RGB", withProfile(jpg, adobeRGB, 3), [3]uint8{227, 100, 42}, "its colours are converted to sRGB", false},
		{"PNG in Display P3", pngWithProfile(t, png, displayP3), [3]uint8{215, 93, 31}, "its colours are converted to sRGB", false},
		{"PNG in sRGB", pngWithProfile(t, png, srgb), [3]uint8{200, 100, 50}, "", false},
		{"of a printer", withProfile(jpg, icc("CMYK"), 1), [3]uint8{200, 100, 50},
			"its colours may look different, for its colour profile cannot be used: it is not one of RGB colours with a matrix", true},
		{"half of a profile", withProfile(jpg, displayP3[:200], 1), [3]uint8{200, 100, 50}, "its colours may look different, for its colour profile cannot be used: it is damaged", true},
		{"too large", pngWithProfile(t, png, make([]byte, maxProfile+1)), [3]uint8{200, 100, 50},
			"its colours may look different, for its colour profile cannot be used: it has more than 4 MiB", false},
	} {
		for _, o := range []FitOptions{thumbnail, {MaxSide: 30, MinSide: 16, MaxBytes: 102_400}} {
			f := fit(t, test.raw, o)
			r, g, b, _ := decodeJPEG(t, f.JPEG).At(f.Width/2, f.Height/2).RGBA()
			got := [3]uint8{uint8(r >> 8), uint8(g >> 8), uint8(b >> 8)}
			if !near(got[0], test.want[0], 3) || !near(got[1], test.want[1], 3) || !near(got[2], test.want[2], 3) || f.Note != test.note {
				t.Errorf("%s: %v, want %v; it says %q", test.what, got, test.want, f.Note)
			}
			if kept := f.Quality == 0; o.MaxSide == thumbnail.MaxSide && kept != test.kept {
				t.Errorf("%s: pixels kept is %t", test.what, kept)
			}
			if again := fit(t, f.JPEG, o); !bytes.Equal(again.JPEG, f.JPEG) || again.Note != "" {
				t.Errorf("%s: fitted again it is another file", test.what)
			}
		}
	}
	if f := fit(t, webp, thumbnail); f.Note != "its colours are converted to sRGB" {
		t.Errorf("WebP: it says %q", f.Note)
	}
	if f := fit(t, withProfile(readCorpus(t, "cmyk.jpg"), displayP3, 1), thumbnail); !strings.HasSuffix(f.Note, "the photo is in printing colours") {
		t.Errorf("CMYK: it says %q", f.Note)
	}
}

// webpWithProfile makes the extended format of a simple file (RFC 9649, 2.7).
func webpWithProfile(file, profile []byte) []byte {
	part := func(kind string, data []byte) []byte {
		b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(data)))
		return append(append(b, data...), make([]byte, len(data)%2)...)
	}
	s, err := open(file)
	if err != nil {
		panic(err)
	}
	header := []byte{0x20, 0, 0, 0, byte(s.width - 1), byte((s.width - 1) >> 8), 0, byte(s.height - 1), byte((s.height - 1) >> 8), 0}
	body := slices.Concat([]byte("WEBP"), part("VP8X", header), part("ICCP", profile), file[12:])
	return append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(len(body))), body...)
}

// TestConvertPicture of an odd size: each sample is that of its pixels.
func TestConvertPicture(t *testing.T) {
	p, err := parseProfile(displayP3)
	if err != nil {
		t.Fatal(err)
	}
	m := image.NewYCbCr(image.Rect(0, 0, 5, 3), image.YCbCrSubsampleRatio420)
	yy, cb, cr := color.RGBToYCbCr(200, 100, 50)
	for i := range m.Y {
		m.Y[i] = yy
	}
	for i := range m.Cb {
		m.Cb[i], m.Cr[i] = cb, cr
	}
	out := newConversion(p).picture(m)
	wantY, wantCb, wantCr := color.RGBToYCbCr(215, 93, 31)
	for i := range out.Y {
		if !near(out.Y[i], wantY, 2) || m.Y[i] != yy {
			t.Fatalf("luma is %v, want %d; the source is %v", out.Y, wantY, m.Y)
		}
	}
	for i := range out.Cb {
		if !near(out.Cb[i], wantCb, 2) || !near(out.Cr[i], wantCr, 2) {
			t.Fatalf("chroma is %v and %v, want %d and %d", out.Cb, out.Cr, wantCb, wantCr)
		}
	}
}

func TestProfileRefused(t *testing.T) {
	with := func(change func(tags []iccTag) []iccTag) []byte {
		return icc("RGB ", change(rgbTags(srgbCurve, srgbPrimaries))...)
	}
	curve := func(tag []byte) []byte { return icc("RGB ", rgbTags(tag, srgbPrimaries)...) }
	for name, test := range map[string]struct {
		raw  []byte
		want string
	}{
		"empty":                {[]byte{}, "it is damaged"},
		"no profile":           {make([]byte, 500), "it is damaged"},
		"grey":                 {icc("GRAY"), "it is not one of RGB colours with a matrix"},
		"no tags":              {icc("RGB "), "it has no matrix"},
		"no curve":             {with(func(tags []iccTag) []iccTag { return tags[:5] }), "it is damaged"},
		"a tag beyond the end": {icc("RGB ", rgbTags(srgbCurve, srgbPrimaries)...)[:250], "it is damaged"},
		"a short column":       {with(func(tags []iccTag) []iccTag { tags[0].data = tags[0].data[:12]; return tags }), "it is damaged"},
		"a strange curve":      {curve([]byte("what\x00\x00\x00\x00\x00\x00\x00\x00")), "its curves are of a kind that is not known"},
		"a short table":        {curve(table(1, 2, 3)[:14]), "it is damaged"},
		"a strange formula":    {curve(formula(5, 1, 2, 3, 4, 5, 6, 7)), "it is damaged"},
		"a short formula":      {curve(formula(4, 1, 2)), "it is damaged"},
		"no light":             {curve(table(0, 0)), "its curves do not rise from black to white"},
		"upside down":          {curve(table(65535, 0)), "its curves do not rise from black to white"},
		"not a number":         {curve(formula(1, 0.5, 0, -1)), "its curves do not rise from black to white"},
		"black":                {icc("RGB ", rgbTags(srgbCurve, [3][3]float64{})...), "its white is none"},
	} {
		if _, err := parseProfile(test.raw); err == nil || err.Error() != test.want {
			t.Errorf("%s: %v, want %s", name, err, test.want)
		}
	}
	for name, segments := range map[string][][]byte{
		"twice": {{1, 2, 'a'}, {1, 2, 'b'}}, "number 0": {{0, 1}}, "one of two": {{1, 2}}, "another number of them": {{1, 2}, {2, 3}}, "beyond": {{2, 1}},
	} {
		if _, err := joinProfile(segments); err == nil {
			t.Errorf("segments: %s was taken", name)
		}
	}
}

func FuzzProfile(f *testing.F) {
	for _, raw := range [][]byte{adobeRGB, displayP3, srgbTable} {
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, err := parseProfile(raw)
		if err != nil {
			return
		}
		c := newConversion(p)
		if r, g, b := c.rgb(0, 0, 0); max(r, g, b) > 100 {
			t.Errorf("black becomes %d, %d, %d", r, g, b)
		}
		if r, g, b := c.rgb(255, 255, 255); min(r, g, b) < 200 {
			t.Errorf("white becomes %d, %d, %d", r, g, b)
		}
	})
}
