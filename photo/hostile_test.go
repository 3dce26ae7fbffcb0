package photo

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/png"
	"runtime"
	"strings"
	"testing"
)

// TestStrangers names what is no photo of ours.
func TestStrangers(t *testing.T) {
	const want = "; want JPEG, PNG, GIF, BMP or WebP"
	for begin, text := range map[string]string{
		"":                             "it is empty",
		"II*\x00\x08\x00\x00\x00":      "it looks like TIFF" + want,
		"MM\x00*\x00\x00\x00\x08":      "it looks like TIFF" + want,
		"\x00\x00\x00\x18ftypheic":     "it looks like HEIC" + want,
		"\x00\x00\x00\x18ftypmif1":     "it looks like HEIC" + want,
		"\x00\x00\x00\x1cftypavif":     "it looks like AVIF" + want,
		"\x00\x00\x00\x1cftypisom":     "it looks like a video" + want,
		"\x00\x00\x00\x0cjP  \r\n":     "it looks like JPEG 2000" + want,
		"\xff\x0a....":                 "it looks like JPEG XL" + want,
		"<svg xmlns='...'>":            "it looks like SVG" + want,
		"\ufeff \n<?xml version='1.0'": "it looks like XML or SVG" + want,
		"<!doctype html>":              "it looks like HTML" + want,
		"%PDF-1.7":                     "it looks like PDF" + want,
		"/9j/4AAQSkZJRg":               "it looks like JPEG as base64 text" + want,
		"iVBORw0KGgoAAAA":              "it looks like PNG as base64 text" + want,
		"RIFF\x00\x00\x00\x00WAVEfmt ": "it looks like sound or video" + want,
		"PK\x03\x04":                   "it looks like an archive" + want,
		"\x00\x01\x02":                 "it begins with 00 01 02, which is none of JPEG, PNG, GIF, BMP and WebP",
		"hello, world":                 "it begins with 68 65 6c 6c 6f 2c 20 77, which is none of JPEG, PNG, GIF, BMP and WebP",
	} {
		_, err := Examine([]byte(begin))
		if got := refused(t, err); got != text {
			t.Errorf("%q: %q, want %q", begin, got, text)
		}
	}
}

// pngHeader is the beginning of a PNG file that claims a size.
func pngHeader(w, h uint32, depth, colour, interlace byte) []byte {
	b := []byte("\x89PNG\r\n\x1a\n\x00\x00\x00\x0dIHDR")
	b = binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(b, w), h)
	b = append(b, depth, colour, 0, 0, interlace)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[12:]))
}

// A segment of a JPEG file with its marker.
func segment(marker byte, data ...byte) []byte {
	return append(binary.BigEndian.AppendUint16([]byte{0xff, marker}, uint16(2+len(data))), data...)
}

// jpegHeader is a JPEG file of three components that claims a size, and has scans without data.
func jpegHeader(sof byte, w, h uint16, scans int) []byte {
	frame := binary.BigEndian.AppendUint16(binary.BigEndian.AppendUint16([]byte{8}, h), w)
	parts := [][]byte{{0xff, markerSOI}, segment(markerAPP0, []byte("JFIF\x00")...), segment(sof, append(frame, 3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0)...)}
	for range scans {
		last := byte(63)
		if sof == markerSOF2 {
			last = 0
		}
		parts = append(parts, segment(markerSOS, 3, 1, 0, 2, 0, 3, 0, 0, last, 0))
	}
	return bytes.Join(append(parts, []byte{0xff, markerEOI}), nil)
}

// withoutJFIF puts another segment, or none, in the place of APP0.
func withoutJFIF(file, other []byte) []byte {
	return bytes.Replace(file, segment(markerAPP0, []byte("JFIF\x00")...), other, 1)
}

// namedRGB names the components as those programs do that write RGB.
func namedRGB(file []byte) []byte {
	file = bytes.Replace(file, []byte{3, 1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0}, []byte{3, 'R', 0x11, 0, 'G', 0x11, 0, 'B', 0x11, 0}, 1)
	return bytes.Replace(file, []byte{3, 1, 0, 2, 0, 3, 0}, []byte{3, 'R', 0, 'G', 0, 'B', 0}, 1)
}

func gifHeader(w, h uint16) []byte {
	b := binary.LittleEndian.AppendUint16(binary.LittleEndian.AppendUint16([]byte("GIF89a"), w), h)
	return append(b, 0, 0, 0)
}

func bmpHeader(w, h int32) []byte {
	b := append([]byte("BM"), make([]byte, 52)...)
	binary.LittleEndian.PutUint32(b[10:], 54)
	binary.LittleEndian.PutUint32(b[14:], 40)
	binary.LittleEndian.PutUint32(b[18:], uint32(w))
	binary.LittleEndian.PutUint32(b[22:], uint32(h))
	b[26], b[28] = 1, 24
	return b
}

func webpHeader(w, h uint32, flags byte) []byte {
	b := append([]byte("RIFF\x16\x00\x00\x00WEBPVP8X\x0a\x00\x00\x00"), flags, 0, 0, 0)
	b = append(b, byte(w-1), byte((w-1)>>8), byte((w-1)>>16))
	return append(b, byte(h-1), byte((h-1)>>8), byte((h-1)>>16))
}

// TestBounds refuses by the header what would take too much, and takes no memory for it.
func TestBounds(t *testing.T) {
	for _, c := range []struct {
		name string
		raw  []byte
		want string
	}{
		{"PNG, side", pngHeader(16385, 1, 8, 2, 0), "PNG has 16385×1 px, at most 16384 a side"},
		{"PNG, 2³¹", pngHeader(1<<31-1, 1<<31-1, 1, 0, 0), "PNG header: png: unsupported feature: dimension overflow"},
		{"PNG, pixels", pngHeader(10000, 5001, 8, 2, 0), "PNG has 10000×5001 px, at most 50 megapixels"},
		{"PNG, no pixels", pngHeader(0, 5, 8, 2, 0), "PNG header: png: invalid format: non-positive dimension"},
		{"PNG, 16 bits", pngHeader(7000, 7000, 16, 6, 0), "PNG has 7000×7000 px, which take 514 MiB of memory to decode, at most 320"},
		{"PNG, interlaced", pngHeader(7000, 7000, 8, 6, 1), "PNG has 7000×7000 px, which take 514 MiB of memory to decode, at most 320"},
		{"JPEG, side", jpegHeader(markerSOF0, 3, 16385, 1), "JPEG has 3×16385 px, at most 16384 a side"},
		{"JPEG, pixels", jpegHeader(markerSOF0, 16384, 16384, 1), "JPEG has 16384×16384 px, at most 50 megapixels"},
		{"JPEG, progressive", jpegHeader(markerSOF2, 7000, 7000, 1), "JPEG has 7000×7000 px, which take 700 MiB of memory to decode, at most 320"},
		{"JPEG, RGB by Adobe", withoutJFIF(jpegHeader(markerSOF0, 6000, 6000, 1), segment(markerAPP14, []byte("Adobe\x00\x64\x00\x00\x00\x00\x00")...)), "JPEG has 6000×6000 px, which take 343 MiB of memory to decode, at most 320"},
		{"JPEG, RGB by names", namedRGB(withoutJFIF(jpegHeader(markerSOF0, 6000, 6000, 1), nil)), "JPEG has 6000×6000 px, which take 343 MiB of memory to decode, at most 320"},
		{"JPEG, no pixels", jpegHeader(markerSOF0, 0, 7, 1), "JPEG has no pixels"},
		{"JPEG, scans", jpegHeader(markerSOF2, 7, 7, 101), "JPEG: it has more than 100 scans"},
		{"JPEG, two scans", jpegHeader(markerSOF0, 7, 7, 2), "JPEG: it has two scans of one component"},
		{"JPEG, no scan", jpegHeader(markerSOF0, 7, 7, 0), "JPEG: it is cut off: a colour component is missing"},
		{"JPEG, arithmetic", jpegHeader(0xc9, 7, 7, 1), "JPEG: it uses arithmetic, lossless or hierarchical coding (marker ffc9), which hardly any program reads"},
		{"GIF, side", gifHeader(65535, 65535), "GIF has 65535×65535 px, at most 16384 a side"},
		{"GIF, no pixels", gifHeader(0, 0), "GIF has no pixels"},
		{"BMP, pixels", bmpHeader(16000, -16000), "BMP has 16000×16000 px, at most 50 megapixels"},
		{"BMP, no pixels", bmpHeader(0, 0), "BMP has no pixels"},
		{"WebP, side", webpHeader(1<<14+1, 9, 0), "WebP has 16385×9 px, at most 16384 a side"},
		{"WebP, memory", webpHeader(7000, 7000, 0x10), "WebP has 7000×7000 px, which take 654 MiB of memory to decode, at most 320"},
		{"WebP, animated", webpHeader(70, 70, 2), "WebP: it is an animation; want a single picture"},
		{"bytes", make([]byte, MaxBytes+1), "it has 33554433 bytes, at most 33554432"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			_, err := Render(c.raw, DefaultRecipe())
			runtime.ReadMemStats(&after)
			if got := refused(t, err); got != c.want {
				t.Errorf("%q, want %q", got, c.want)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 200_000 {
				t.Errorf("took %d bytes to refuse", n)
			}
			if _, err := Examine(c.raw); err == nil {
				t.Error("Examine lets it pass")
			}
		})
	}
}

// TestCutOff cuts every photo of the corpus at many places. Nothing is rendered from a part: what is not refused shows the whole picture,
// since all that was cut came after it.
func TestCutOff(t *testing.T) {
	for _, name := range corpus(t) {
		raw := readCorpus(t, name)
		whole, err := Render(raw, DefaultRecipe())
		if err != nil {
			continue
		}
		cuts := 0
		for n := 0; n < len(raw); n += 1 + len(raw)/41 {
			part, err := Render(raw[:n], DefaultRecipe())
			switch {
			case err != nil:
				refused(t, err)
				cuts++
			case part.Variants[0].SHA256 != whole.Variants[0].SHA256:
				t.Errorf("%s: the first %d of %d bytes give another picture", name, n, len(raw))
			}
		}
		if cuts < 20 {
			t.Errorf("%s: only %d cuts were refused", name, cuts)
		}
	}
}

// TestCutOffAndClosed cuts JPEG files within their data and puts an end-of-image marker behind, as a tool might that mends them.
func TestCutOffAndClosed(t *testing.T) {
	for _, name := range []string{"baseline-420.jpg", "baseline-444.jpg", "progressive.jpg", "gray.jpg", "cmyk.jpg"} {
		raw := readCorpus(t, name)
		begin := bytes.Index(raw, []byte{0xff, markerSOS}) + 14
		end := len(raw) - 2
		if name == "progressive.jpg" { // later scans refine the picture; the first is needed
			end = begin + bytes.Index(raw[begin:], []byte{0xff, markerDHT})
		}
		for n := begin; n < end-4; n += 1 + (end-begin)/31 {
			if raw[n-1] == 0xff {
				continue
			}
			if _, err := Render(append(bytes.Clone(raw[:n]), 0xff, markerEOI), DefaultRecipe()); err == nil {
				t.Errorf("%s: the first %d of %d bytes are taken for a picture", name, n, len(raw))
			}
		}
	}
}

// TestJPEGDisguises hides things where the decoder and the walk over markers might see them differently.
func TestJPEGDisguises(t *testing.T) {
	plain := readCorpus(t, "baseline-420.jpg")
	want := render(t, plain, DefaultRecipe()).Variants[0].SHA256
	behind := func(parts ...[]byte) []byte { // put behind the start of the image
		return bytes.Join(append([][]byte{plain[:2]}, append(parts, plain[2:])...), nil)
	}
	for name, raw := range map[string][]byte{
		"a thumbnail in APP1":       behind(segment(markerAPP1, append([]byte("Exif\x00\x00"), plain[:1000]...)...)),
		"a profile with FF DA":      behind(segment(0xe2, bytes.Repeat([]byte{0xff, 0xda}, 300)...)),
		"a comment":                 behind(segment(markerCOM, []byte("hello")...)),
		"fill bytes":                behind([]byte{0xff, 0xff, 0xff}),
		"a video behind":            append(bytes.Clone(plain), bytes.Repeat([]byte{0xff, 0xda, 0x00}, 1000)...),
		"60 KB of orientation":      behind(segment(markerAPP1, append(exifData("II", 1), make([]byte, 60_000)...)...)),
		"orientation in second APP": behind(segment(markerAPP1, exifData("II", 1)...), segment(markerAPP1, exifData("II", 6)...)),
	} {
		set, err := Render(raw, DefaultRecipe())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if set.Variants[0].SHA256 != want {
			t.Errorf("%s: another picture", name)
		}
	}
	hidden := behind(segment(markerDHT, bytes.Repeat([]byte{0xff, 0xda}, 101)...))
	if got, want := refused(t, errOf(Render(hidden, DefaultRecipe()))), "JPEG: it has 102 scans, at most 100"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

func errOf(_ *Set, err error) error { return err }

// TestMemory renders a photo of 0.8 megapixels from a format with planes and from one without: what it takes stays in proportion to the pixels.
func TestMemory(t *testing.T) {
	m := image.NewGray(image.Rect(0, 0, 1000, 800))
	for i := range m.Pix {
		m.Pix[i] = uint8(i % 1000 / 4)
	}
	var asPNG bytes.Buffer
	if err := png.Encode(&asPNG, m); err != nil {
		t.Fatal(err)
	}
	for name, raw := range map[string][]byte{"PNG": asPNG.Bytes(), "JPEG": encodeTestJPEG(t, m)} {
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		set := render(t, raw, DefaultRecipe())
		runtime.ReadMemStats(&after)
		if set.Side != 800 || len(set.Variants) != 10 {
			t.Errorf("%s: side %d, %d variants", name, set.Side, len(set.Variants))
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 40<<20 {
			t.Errorf("%s: took %d MiB in all for 0.8 megapixels", name, n>>20)
		}
	}
}

// FuzzRender finds no bytes that make it panic, fail for another reason, or give a file that is not what it should be.
func FuzzRender(f *testing.F) {
	for _, name := range corpus(f) {
		if raw := readCorpus(f, name); len(raw) < 5000 {
			f.Add(raw)
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		info, err := Examine(raw)
		if err != nil {
			refused(t, err)
			return
		}
		if info.Pixels() > 1<<16 {
			return // slow, and no other code
		}
		set, err := Render(raw, Recipe{CropAuto, 90, false})
		if (err == nil) != (Check(raw) == nil) {
			t.Fatalf("Render says %v, Check says %v", err, Check(raw))
		}
		if err != nil {
			refused(t, err)
			return
		}
		for _, v := range set.Variants {
			checkVariant(t, v, min(v.Size, set.Side))
		}
	})
}

// FuzzJPEG walks over what is left of a file a second time: the decoder must meet there what was seen at first.
func FuzzJPEG(f *testing.F) {
	for _, name := range corpus(f) {
		if strings.HasSuffix(name, ".jpg") && name != "large.jpg" {
			f.Add(readCorpus(f, name))
		}
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if !matches(raw, "\xff\xd8\xff") {
			return
		}
		file, err := parseJPEG(raw)
		if err != nil {
			return
		}
		again, err := parseJPEG(file.decodable)
		if err != nil || !bytes.Equal(again.decodable, file.decodable) || again.scans != file.scans {
			t.Fatalf("what is decodable is not so: %v", err)
		}
		if fmt.Sprint(again.components) != fmt.Sprint(file.components) {
			t.Fatalf("components %v, then %v", file.components, again.components)
		}
	})
}
