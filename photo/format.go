package photo

import (
	"bytes"
	"image"
	"image/gif"
	"image/jpeg"
	"image/png"
	"io"
	"slices"
	"strings"

	"golang.org/x/image/bmp"
	"golang.org/x/image/webp"
)

// A Format is a file format that is decoded.
type Format string

const (
	JPEG Format = "JPEG"
	PNG  Format = "PNG"
	GIF  Format = "GIF"
	BMP  Format = "BMP"
	WebP Format = "WebP"
)

// formats are told by their first bytes, never by a name; in magic, ? is any byte. What memory gives is an upper bound of what decoding and
// cutting take, for a file whose header is sound.
var formats = []struct {
	format Format
	magic  string
	config func(io.Reader) (image.Config, error)
	decode func(io.Reader) (image.Image, error)
	memory func(raw []byte, pixels int) int
}{
	{JPEG, "\xff\xd8\xff", jpeg.DecodeConfig, jpeg.Decode, nil}, // jpegFile.memory
	{PNG, "\x89PNG\r\n\x1a\n", png.DecodeConfig, png.Decode, pngMemory},
	{GIF, "GIF8?a", gif.DecodeConfig, gif.Decode, perPixel(2 + 3)},              // indices, twice when interlaced
	{BMP, "BM", bmp.DecodeConfig, bmp.Decode, perPixel(4 + 3)},                  // RGBA
	{WebP, "RIFF????WEBPVP8", webp.DecodeConfig, webp.Decode, perPixel(11 + 3)}, // lossless: twice RGBA; lossy: YCbCr, and alpha as lossless
}

func perPixel(n int) func([]byte, int) int {
	return func(_ []byte, pixels int) int { return n * pixels }
}

// pngMemory is four bytes per pixel, eight with 16 bits per sample, twice as much when interlaced (PNG third edition, 11.2.1).
func pngMemory(raw []byte, pixels int) int {
	const depth, interlace = 24, 28
	n := 4
	if raw[depth] == 16 {
		n = 8
	}
	if raw[interlace] != 0 {
		n *= 2
	}
	return (n + 3) * pixels
}

// extensions are what names of files end with, in lower case.
var extensions = []string{".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".dib", ".webp"}

// IsExtension tells whether files whose names end with e are usually of a format that is decoded. What a file is, only its bytes say.
func IsExtension(e string) bool { return slices.Contains(extensions, strings.ToLower(e)) }

// strangers are formats that are refused by name.
var strangers = []struct{ name, magic string }{
	{"TIFF", "II*\x00"}, {"TIFF", "MM\x00*"}, {"TIFF", "II+\x00"}, {"TIFF", "MM\x00+"},
	{"HEIC", "????ftyphei"}, {"HEIC", "????ftyphev"}, {"HEIC", "????ftypmif1"}, {"HEIC", "????ftypmsf1"},
	{"AVIF", "????ftypavi"},
	{"JPEG 2000", "\x00\x00\x00\x0cjP  "}, {"JPEG 2000", "\xff\x4f\xff\x51"},
	{"JPEG XL", "\xff\x0a"}, {"JPEG XL", "\x00\x00\x00\x0cJXL "},
	{"JPEG XR", "II\xbc"},
	{"PDF", "%PDF-"}, {"an icon", "\x00\x00\x01\x00"}, {"Photoshop", "8BPS"}, {"a Windows metafile", "\xd7\xcd\xc6\x9a"},
	{"sound or video", "RIFF"}, {"a video", "????ftyp"}, {"an archive", "PK\x03\x04"},
	{"JPEG as base64 text", "/9j/"}, {"PNG as base64 text", "iVBORw0KGgo"},
	{"SVG", "<svg"}, {"XML or SVG", "<?xml"}, {"HTML", "<!DOCTYPE"}, {"HTML", "<!doctype"}, {"HTML", "<html"},
}

// matches tells whether raw starts with magic.
func matches(raw []byte, magic string) bool {
	if len(raw) < len(magic) {
		return false
	}
	for i := range len(magic) {
		if magic[i] != '?' && magic[i] != raw[i] {
			return false
		}
	}
	return true
}

// stranger says what raw looks like when it is none of our formats.
func stranger(raw []byte) error {
	text := bytes.TrimLeft(bytes.TrimPrefix(raw[:min(len(raw), 256)], []byte("\ufeff")), " \t\r\n")
	for _, s := range strangers {
		if matches(raw, s.magic) || matches(text, s.magic) {
			return bad("it looks like %s; want JPEG, PNG, GIF, BMP or WebP", s.name)
		}
	}
	return bad("it begins with % x, which is none of JPEG, PNG, GIF, BMP and WebP", raw[:min(len(raw), 8)])
}
