package photo

import (
	"bytes"
	"encoding/binary"
	"testing"
)

// exifData is EXIF data with an orientation, after an entry that is of no interest.
func exifData(order string, value int) []byte {
	var o binary.AppendByteOrder = binary.LittleEndian
	if order == "MM" {
		o = binary.BigEndian
	}
	b := []byte("Exif\x00\x00" + order)
	b = o.AppendUint16(b, 42)
	b = o.AppendUint32(b, 8)
	b = o.AppendUint16(b, 2)
	b = append(o.AppendUint32(o.AppendUint16(o.AppendUint16(b, 0x010f), 2), 4), "abc\x00"...)
	b = o.AppendUint32(o.AppendUint16(o.AppendUint16(b, tagOrientation), typeShort), 1)
	b = o.AppendUint16(o.AppendUint16(b, uint16(value)), 0)
	return o.AppendUint32(b, 0)
}

// withEXIF puts EXIF data behind the start of a JPEG file.
func withEXIF(file, exif []byte) []byte {
	out := binary.BigEndian.AppendUint16([]byte{0xff, markerSOI, 0xff, markerAPP1}, uint16(2+len(exif)))
	return append(append(out, exif...), file[2:]...)
}

func TestParseEXIF(t *testing.T) {
	patched := func(at int, with ...byte) []byte {
		b := exifData("II", 6)
		copy(b[at:], with)
		return b
	}
	const header, count, entry = 6, 6 + 8, 6 + 8 + 2 + entrySize
	for name, c := range map[string]struct {
		data []byte
		want orientation
	}{
		"little endian":         {exifData("II", 6), 6},
		"big endian":            {exifData("MM", 8), 8},
		"without the JPEG head": {exifData("MM", 3)[6:], 3},
		"zero":                  {exifData("II", 0), 1},
		"nine":                  {exifData("II", 9), 1},
		"high byte":             {exifData("II", 0x0106), 1},
		"empty":                 {nil, 1},
		"head alone":            {[]byte("Exif\x00\x00"), 1},
		"not TIFF":              {patched(header, 'X'), 1},
		"orders mixed":          {patched(header, 'I', 'M'), 1},
		"directory beyond":      {patched(header+4, 0xff, 0xff, 0xff, 0xff), 1},
		"directory at the end":  {patched(header+4, 37), 1},
		"too many entries":      {patched(count, 0xff, 0xff), 6},
		"no entries":            {patched(count, 0, 0), 1},
		"one entry":             {patched(count, 1, 0), 1},
		"other type":            {patched(entry+2, 4), 1},
		"two values":            {patched(entry+4, 2), 1},
		"cut off":               {exifData("II", 6)[:entry+entrySize-1], 1},
	} {
		if got := parseEXIF(c.data); got != c.want {
			t.Errorf("%s: %d, want %d", name, got, c.want)
		}
	}
}

// TestTurn turns a picture of 2×3 in each of the eight ways.
func TestTurn(t *testing.T) {
	stored := plane{w: 2, h: 3, stride: 4, pix: []byte("ab..cd..ef..")}
	for o, want := range map[orientation]string{
		0: "ab cd ef", 1: "ab cd ef", 2: "ba dc fe", 3: "fe dc ba", 4: "ef cd ab",
		5: "ace bdf", 6: "eca fdb", 7: "fdb eca", 8: "bdf ace", 9: "ab cd ef",
	} {
		p := o.turn(stored)
		var rows [][]byte
		for y := range p.h {
			rows = append(rows, p.row(y))
		}
		if got := string(bytes.Join(rows, []byte(" "))); got != want {
			t.Errorf("orientation %d: %q, want %q", o, got, want)
		}
	}
}

func FuzzEXIF(f *testing.F) {
	f.Add(exifData("II", 6))
	f.Add(exifData("MM", 3))
	f.Fuzz(func(t *testing.T, data []byte) {
		if o := parseEXIF(data); o < 1 || o > 8 {
			t.Errorf("orientation %d", o)
		}
	})
}
