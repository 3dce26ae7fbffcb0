package photo

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
)

// A jpegFile is a JPEG file by its markers (ITU-T T.81, annex B).
type jpegFile struct {
	decodable   []byte   // the segments that a decoder needs, so that nothing hides in the others; ends with the end of the image
	exif        []byte   // of the first APP1 segment with EXIF data
	profile     [][]byte // parts of the colour profile: number, count and bytes
	others      bool     // there are segments that are decoded, and may hold more than a picture
	jfif, adobe bool     // JFIF: three components are YCbCr; Adobe without a transformation, and no JFIF: they are RGB
	progressive bool
	components  []component
	scans       int
}

type component struct {
	id      byte
	h, v    int  // sampling factors
	scanned bool // a scan holds its DC coefficients
}

// maxScans bounds the work of a progressive file, in which a scan over all blocks may be a few bytes; encoders write about ten.
const maxScans = 100

const (
	markerSOF0, markerSOF1, markerSOF2 = 0xc0, 0xc1, 0xc2
	markerDHT, markerJPG, markerDAC    = 0xc4, 0xc8, 0xcc
	markerSOFLast                      = 0xcf
	markerRST0, markerRST7             = 0xd0, 0xd7
	markerSOI, markerEOI, markerSOS    = 0xd8, 0xd9, 0xda
	markerDQT, markerDRI               = 0xdb, 0xdd
	markerAPP0, markerAPP1, markerAPP2 = 0xe0, 0xe1, 0xe2
	markerAPP14, markerAPP15           = 0xee, 0xef
	markerTEM, markerCOM               = 0x01, 0xfe
)

// profileMark begins a segment with a colour profile (ICC.1:2010, B.4).
const profileMark = "ICC_PROFILE\x00"

// parseJPEG walks over raw from marker to marker until the end of the image, and refuses a file that a decoder may take although it is not
// complete, or that costs more work than its size tells.
func parseJPEG(raw []byte) (*jpegFile, error) {
	f := &jpegFile{decodable: append(make([]byte, 0, len(raw)), 0xff, markerSOI)}
	for rest := raw[2:]; ; {
		i := markerAt(rest)
		if i < 0 {
			return nil, errors.New("it is cut off: no end-of-image marker")
		}
		marker := rest[i+1]
		if marker == markerEOI {
			f.decodable = append(f.decodable, 0xff, markerEOI)
			return f, f.complete()
		}
		rest = rest[i+2:]
		if len(rest) < 2 || int(binary.BigEndian.Uint16(rest)) < 2 || int(binary.BigEndian.Uint16(rest)) > len(rest) {
			return nil, fmt.Errorf("it is cut off or damaged: the segment after marker ff%02x is not complete", marker)
		}
		n := int(binary.BigEndian.Uint16(rest))
		if err := f.segment(marker, rest[2:n]); err != nil {
			return nil, err
		}
		if marker == markerSOS {
			n += entropyCoded(rest[n:])
		}
		if needed(marker) {
			f.decodable = append(append(f.decodable, 0xff, marker), rest[:n]...)
		}
		rest = rest[n:]
	}
}

// markerAt finds the next marker that is followed by a segment, or the end of the image; -1 for none.
func markerAt(b []byte) int {
	for i := 0; ; i++ {
		k := bytes.IndexByte(b[i:], 0xff)
		if k < 0 || i+k+1 >= len(b) {
			return -1
		}
		i += k
		switch m := b[i+1]; {
		case m == 0 || m == 0xff || m == markerTEM || m >= markerRST0 && m <= markerRST7:
		default:
			return i
		}
	}
}

// entropyCoded is the length of the data of a scan: up to the next marker that is no restart.
func entropyCoded(b []byte) int {
	if i := markerAt(b); i >= 0 {
		return i
	}
	return len(b)
}

// needed tells whether a decoder looks into the segment: tables, frame, scans, and what tells the colour model.
func needed(marker byte) bool {
	return marker == markerAPP0 || marker == markerAPP14 || marker != markerCOM && (marker < markerAPP0 || marker > markerAPP15)
}

// plainSegment tells whether a segment holds nothing but the picture: frame, scan, tables, and the 14 bytes of JFIF without a small picture beside the large one (JFIF
// 1.02). An Adobe segment tells the colour model, and may hold more.
func plainSegment(marker byte, data []byte) bool {
	switch marker {
	case markerSOF0, markerSOF1, markerSOF2, markerSOS, markerDHT, markerDQT:
		return true
	case markerDRI:
		return len(data) == 2
	case markerAPP0:
		return len(data) == 14 && bytes.HasPrefix(data, []byte("JFIF\x00")) && data[12] == 0 && data[13] == 0
	}
	return false
}

func (f *jpegFile) segment(marker byte, data []byte) error {
	f.others = f.others || needed(marker) && !plainSegment(marker, data)
	switch {
	case marker == markerSOF0 || marker == markerSOF1 || marker == markerSOF2:
		f.progressive = marker == markerSOF2
		return f.frame(data)
	case marker > markerSOF2 && marker <= markerSOFLast && marker != markerDHT && marker != markerJPG && marker != markerDAC:
		return fmt.Errorf("it uses arithmetic, lossless or hierarchical coding (marker ff%02x), which hardly any program reads", marker)
	case marker == markerSOS:
		return f.scan(data)
	case marker == markerAPP1 && f.exif == nil && bytes.HasPrefix(data, []byte("Exif\x00\x00")):
		f.exif = data
	case marker == markerAPP2 && bytes.HasPrefix(data, []byte(profileMark)) && len(data) >= len(profileMark)+2:
		f.profile = append(f.profile, data[len(profileMark):])
	case marker == markerAPP0 && bytes.HasPrefix(data, []byte("JFIF\x00")):
		f.jfif = true
	case marker == markerAPP14 && len(data) >= 12 && string(data[:5]) == "Adobe" && data[11] == 0:
		f.adobe = true
	}
	return nil
}

// frame reads a frame header (B.2.2).
func (f *jpegFile) frame(data []byte) error {
	if f.components != nil {
		return errors.New("it has two frame headers")
	}
	if len(data) < 6 || data[5] == 0 || len(data) != 6+3*int(data[5]) {
		return errors.New("its frame header is damaged")
	}
	for c := data[6:]; len(c) > 0; c = c[3:] {
		f.components = append(f.components, component{id: c[0], h: int(c[1] >> 4), v: int(c[1] & 15)})
	}
	return nil
}

// scan reads a scan header (B.2.3).
func (f *jpegFile) scan(data []byte) error {
	f.scans++
	if len(data) < 4 || len(data) != 4+2*int(data[0]) {
		return errors.New("its scan header is damaged")
	}
	if f.scans > maxScans {
		return fmt.Errorf("it has more than %d scans", maxScans)
	}
	if f.progressive && data[len(data)-3] != 0 {
		return nil // AC coefficients
	}
	for c := data[1 : len(data)-3]; len(c) > 0; c = c[2:] {
		for i := range f.components {
			k := &f.components[i]
			if k.id != c[0] {
				continue
			}
			if k.scanned && !f.progressive {
				return errors.New("it has two scans of one component")
			}
			k.scanned = true
		}
	}
	return nil
}

// complete tells whether every component was there, and whether the decoder can meet no more scans than were seen here: it may look for a
// restart marker, and read on, within what is a segment here.
func (f *jpegFile) complete() error {
	if f.components == nil {
		return errors.New("it has no frame header")
	}
	for _, c := range f.components {
		if !c.scanned {
			return errors.New("it is cut off: a colour component is missing")
		}
	}
	if n := bytes.Count(f.decodable, []byte{0xff, markerSOS}); n > maxScans {
		return fmt.Errorf("it has %d scans, at most %d", n, maxScans)
	}
	return nil
}

// memory is what decoding takes: a byte per sample; in a progressive file also its coefficient of 32 bits; and where the components are RGB,
// CMYK or YCCK, four bytes per pixel when they are put together, and three when they are taken apart again.
func (f *jpegFile) memory(pixels int) int {
	area, widest := 0, 1
	for _, c := range f.components {
		area += c.h * c.v
		widest = max(widest, c.h*c.v)
	}
	n := pixels * area / widest
	if f.progressive {
		n *= 5
	}
	if f.mixed() {
		n += 7 * pixels
	}
	return n
}

// mixed tells whether the components are not Y, Cb and Cr, or Y alone.
func (f *jpegFile) mixed() bool {
	c := f.components
	if len(c) != 3 {
		return len(c) > 3
	}
	return !f.jfif && (f.adobe || c[0].id == 'R' && c[1].id == 'G' && c[2].id == 'B')
}
