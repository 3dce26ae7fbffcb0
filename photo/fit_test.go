package photo

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"image"
	"image/color"
	"math/rand/v2"
	"os"
	"slices"
	"strings"
	"testing"
)

// thumbnail is what a directory takes.
var thumbnail = FitOptions{MaxSide: 648, MinSide: 96, MaxBytes: 102_400}

func fit(t testing.TB, raw []byte, o FitOptions) *Fitted {
	t.Helper()
	f, err := Fit(raw, o)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

const fitGolden = "testdata/fit.txt"

// TestFitGolden: what was written yesterday is recognised today as the same, so that a second import writes nothing.
func TestFitGolden(t *testing.T) {
	var b strings.Builder
	for _, name := range corpus(t) {
		for _, o := range []FitOptions{thumbnail, {MaxSide: 61, MinSide: 40, MaxBytes: 1500}, {Square: CropAuto, MaxSide: 48, MinSide: 32, MaxBytes: 102_400}} {
			f, err := Fit(readCorpus(t, name), o)
			if err != nil {
				fmt.Fprintf(&b, "%s %+v: %v\n", name, o, err)
				continue
			}
			fmt.Fprintf(&b, "%s %+v: %d×%d, %d bytes, quality %d, %x\n", name, o, f.Width, f.Height, len(f.JPEG), f.Quality, sha256.Sum256(f.JPEG))
		}
	}
	if *update {
		if err := os.WriteFile(fitGolden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(fitGolden)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(b.String(), "\n") {
		if lines := strings.Split(string(want), "\n"); i >= len(lines) || lines[i] != line {
			t.Fatalf("line %d of %s is now\n%s", i+1, fitGolden, line)
		}
	}
}

// TestFitIsSeenUpright looks at the colours of the quarters, keeps to the limits, and fits what it has fitted to itself.
func TestFitIsSeenUpright(t *testing.T) {
	other := []string{"gray", "alpha", "one", "animated.webp", "odd", "wide", "tiny.jpg"}
	looked := 0
	for _, name := range corpus(t) {
		if name == "animated.webp" {
			continue // refused
		}
		for _, o := range []FitOptions{thumbnail, {MaxSide: 60, MinSide: 32, MaxBytes: 102_400}, {Square: CropCentre, MaxSide: 50, MinSide: 32, MaxBytes: 2500}} {
			f := fit(t, readCorpus(t, name), o)
			img := decodeJPEG(t, f.JPEG)
			if b := img.Bounds(); b.Dx() != f.Width || b.Dy() != f.Height || max(f.Width, f.Height) > o.MaxSide || len(f.JPEG) > o.MaxBytes {
				t.Errorf("%s, %+v: %v, said to be %d×%d, %d bytes", name, o, b, f.Width, f.Height, len(f.JPEG))
			}
			if again := fit(t, f.JPEG, o); !bytes.Equal(again.JPEG, f.JPEG) || again.Quality != 0 {
				t.Errorf("%s, %+v: fitted again it is another file", name, o)
			}
			if slices.ContainsFunc(other, func(s string) bool { return strings.HasPrefix(name, s) }) {
				continue
			}
			looked++
			for q, want := range quarters {
				if got := mean(img, q); distance(got, want) > 30 {
					t.Errorf("%s, %+v: quarter %d is %v, want about %v", name, o, q, got, want)
				}
			}
		}
	}
	if looked < 70 {
		t.Errorf("looked at %d", looked)
	}
}

// noisy is a photo that hardly shrinks.
func noisy(w, h int) *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	r := rand.New(rand.NewPCG(1, 2))
	for i := range img.Pix {
		img.Pix[i] = uint8(r.Uint32()) | uint8(i%4/3)*255
	}
	return img
}

func TestFitLimits(t *testing.T) {
	for _, test := range []struct {
		what          string
		raw           []byte
		o             FitOptions
		width, height int // 0: any within the limit
		quality       func(int) bool
	}{
		{"small enough: the best quality", encodePNG(t, bands(300, 400)), thumbnail, 300, 400, func(q int) bool { return q == fitQuality }},
		{"large: scaled down in proportion", encodePNG(t, bands(1200, 1600)), thumbnail, 486, 648, func(q int) bool { return q == fitQuality }},
		{"a landscape", encodePNG(t, bands(1600, 1200)), thumbnail, 648, 486, func(q int) bool { return q == fitQuality }},
		{"cut to a square", encodePNG(t, bands(1200, 1600)), FitOptions{Square: CropAuto, MaxSide: 648, MinSide: 96, MaxBytes: 102_400}, 648, 648, func(q int) bool { return q == fitQuality }},
		{"never enlarged", encodePNG(t, bands(50, 60)), thumbnail, 50, 60, func(q int) bool { return q == fitQuality }},
		{"less quality first", encodePNG(t, noisy(400, 400)), thumbnail, 400, 400, func(q int) bool { return q >= leastQuality && q < fitQuality }},
		{"then fewer pixels", encodePNG(t, noisy(648, 648)), FitOptions{MaxSide: 648, MinSide: 96, MaxBytes: 20_000}, 0, 0, func(q int) bool { return q >= leastQuality }},
		{"a JPEG within the limits keeps its pixels", encodeTestJPEG(t, bands(300, 400)), thumbnail, 300, 400, func(q int) bool { return q == 0 }},
		{"one that is turned does not", withEXIF(encodeTestJPEG(t, bands(300, 400)), exifData("II", 6)), thumbnail, 400, 300, func(q int) bool { return q == fitQuality }},
		{"a line", encodePNG(t, bands(2000, 1)), thumbnail, 648, 1, func(q int) bool { return q == fitQuality }},
		{"a column", encodeTestJPEG(t, bands(3, 2000)), thumbnail, 1, 648, func(q int) bool { return q == fitQuality }},
		{"20 megapixels", encodeTestJPEG(t, bands(5472, 3648)), thumbnail, 648, 432, func(q int) bool { return q == fitQuality }},
	} {
		f := fit(t, test.raw, test.o)
		if test.width != 0 && (f.Width != test.width || f.Height != test.height) || !test.quality(f.Quality) || len(f.JPEG) > test.o.MaxBytes {
			t.Errorf("%s: %d×%d, quality %d, %d bytes", test.what, f.Width, f.Height, f.Quality, len(f.JPEG))
		}
	}
	// Of the qualities that fit the best is taken, and of the sizes one that uses most of the room.
	if f := fit(t, encodePNG(t, noisy(400, 400)), thumbnail); len(f.JPEG) < 90_000 {
		t.Errorf("%d bytes at quality %d: more would fit", len(f.JPEG), f.Quality)
	}
	if f := fit(t, encodePNG(t, noisy(648, 648)), FitOptions{MaxSide: 648, MinSide: 96, MaxBytes: 20_000}); len(f.JPEG) < 15_000 {
		t.Errorf("%d bytes at %d px: more would fit", len(f.JPEG), f.Width)
	}
	_, err := Fit(encodePNG(t, noisy(300, 300)), FitOptions{MaxSide: 200, MinSide: 150, MaxBytes: 3000})
	if got := refused(t, err); !strings.Contains(got, "it does not fit into 3000 bytes: with 150 px at the least quality it has ") {
		t.Errorf("got %s", got)
	}
}

// TestFitStripsMetadata: comments, EXIF data with its place and its small picture, colour profiles, what stands behind the end: nothing of it is left.
func TestFitStripsMetadata(t *testing.T) {
	plain := encodeTestJPEG(t, bands(300, 400))
	secret := []byte("51.4778 N 0.0014 W")
	jfif := append([]byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x02\x02"), bytes.Repeat([]byte("s"), 12)...)
	copy(jfif[14:], secret)
	for name, raw := range map[string][]byte{
		"EXIF":                  withEXIF(plain, append(exifData("II", 1), secret...)),
		"turned":                withEXIF(plain, append(exifData("II", 3), secret...)),
		"comment":               slices.Concat(plain[:2], segment(markerCOM, secret...), plain[2:]),
		"XMP":                   slices.Concat(plain[:2], segment(markerAPP1, append([]byte("http://ns.adobe.com/xap/1.0/\x00"), secret...)...), plain[2:]),
		"profile":               slices.Concat(plain[:2], segment(0xe2, append([]byte("ICC_PROFILE\x00"), secret...)...), plain[2:]),
		"small picture in JFIF": slices.Concat(plain[:2], segment(markerAPP0, jfif...), plain[2:]),
		"JFXX":                  slices.Concat(plain[:2], segment(markerAPP0, append([]byte("JFXX\x00"), secret...)...), plain[2:]),
		"Adobe":                 slices.Concat(plain[:2], segment(markerAPP14, append([]byte("Adobe\x00\x64\x00\x00\x00\x00\x01"), secret...)...), plain[2:]),
		"behind the end":        slices.Concat(plain, secret),
		"comment, last":         behindScan(plain, markerCOM, "", secret),
		"EXIF, last":            behindScan(plain, markerAPP1, "Exif\x00\x00", secret),
		"JFXX, last":            behindScan(plain, markerAPP0, "JFXX\x00", secret),
		"Adobe, last":           behindScan(plain, markerAPP14, "Adobe\x00\x64\x00\x00\x00\x00\x01", secret),
	} {
		f := fit(t, raw, thumbnail)
		if bytes.Contains(f.JPEG, secret[:12]) {
			t.Errorf("%s is in the photo that is written", name)
		}
		if m := decodeJPEG(t, f.JPEG); m.Bounds().Dx() != 300 {
			t.Errorf("%s: %v", name, m.Bounds())
		}
	}
}

// behindScan puts a segment behind the last scan of a JPEG file.
func behindScan(file []byte, marker byte, mark string, data []byte) []byte {
	end := len(file) - 2
	return slices.Concat(file[:end], segment(marker, append([]byte(mark), data...)...), file[end:])
}

func TestFitOnWhite(t *testing.T) {
	clear := image.NewNRGBA(image.Rect(0, 0, 80, 60))
	r, g, b, _ := decodeJPEG(t, fit(t, encodePNG(t, clear), thumbnail).JPEG).At(40, 30).RGBA()
	if r>>8 < 250 || g>>8 < 250 || b>>8 < 250 {
		t.Errorf("transparent black has become %v", color.RGBA64{uint16(r), uint16(g), uint16(b), 0xffff})
	}
}

// TestFitRefuses what Render refuses, and takes files that are larger than a directory's photos.
func TestFitRefuses(t *testing.T) {
	whole := encodeTestJPEG(t, bands(300, 400))
	for name, raw := range map[string][]byte{
		"empty": nil, "text": []byte("hello"), "cut off": whole[:len(whole)/2], "huge": pngHeader(60_000, 60_000, 8, 2, 0), "HEIC": []byte("\x00\x00\x00\x18ftypheic"),
		"too many bytes": append(bytes.Clone(whole), make([]byte, MaxFile)...),
	} {
		_, err := Fit(raw, thumbnail)
		refused(t, err)
		if err == nil {
			t.Errorf("%s was taken", name)
		}
	}
	large := append(bytes.Clone(whole), make([]byte, MaxBytes)...)
	if _, err := Render(large, DefaultRecipe()); err == nil {
		t.Error("a directory holds nothing so large")
	}
	fit(t, large, thumbnail)
}

func FuzzFit(f *testing.F) {
	for _, name := range []string{"baseline-420.jpg", "alpha.png", "still.gif", "8.bmp", "lossy.webp", "orientation-6-422.jpg"} {
		f.Add(readCorpus(f, name), uint16(50), uint16(2000), true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, side, most uint16, square bool) {
		o := FitOptions{MaxSide: 1 + int(side), MinSide: 32, MaxBytes: int(most)}
		if square {
			o.Square = CropAuto
		}
		fitted, err := Fit(raw, o)
		if err != nil {
			refused(t, err)
			return
		}
		if max(fitted.Width, fitted.Height) > o.MaxSide || len(fitted.JPEG) > o.MaxBytes {
			t.Errorf("%d×%d, %d bytes for %+v", fitted.Width, fitted.Height, len(fitted.JPEG), o)
		}
		again, err := Fit(fitted.JPEG, o)
		if err != nil || !bytes.Equal(again.JPEG, fitted.JPEG) {
			t.Errorf("fitted again: %v", err)
		}
	})
}

func BenchmarkFit(b *testing.B) {
	for name, img := range map[string]image.Image{"12 megapixels": bands(4000, 3000), "portrait": bands(480, 640)} {
		raw := encodeTestJPEG(b, img)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				fit(b, raw, thumbnail)
			}
		})
	}
}
