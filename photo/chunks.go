package photo

import (
	"encoding/binary"
	"errors"
)

// pngOrientation reads the eXIf chunk (PNG third edition, 11.3.3.5), wherever it is.
func pngOrientation(raw []byte) orientation {
	for rest := raw[8:]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n+12 > uint64(len(rest)) {
			break
		}
		if string(rest[4:8]) == "eXIf" {
			return parseEXIF(rest[8 : 8+n])
		}
		rest = rest[n+12:]
	}
	return upright
}

// checkWebP refuses an animation, and a file that is shorter than it says (RFC 9649, 2.4).
func checkWebP(raw []byte) error {
	if uint64(binary.LittleEndian.Uint32(raw[4:]))+8 > uint64(len(raw)) {
		return errors.New("it is cut off: shorter than its header says")
	}
	const animated = 2 // flag of the extended header, 2.7.1
	if len(raw) > 20 && string(raw[12:16]) == "VP8X" && raw[20]&animated != 0 {
		return errors.New("it is an animation; want a single picture")
	}
	return nil
}

// webpOrientation reads the EXIF chunk of the extended file format (RFC 9649, 2.7.1.5).
func webpOrientation(raw []byte) orientation {
	for rest := raw[12:]; len(rest) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n+8 > uint64(len(rest)) {
			break
		}
		if string(rest[:4]) == "EXIF" {
			return parseEXIF(rest[8 : 8+n])
		}
		rest = rest[min(8+n+n&1, uint64(len(rest))):]
	}
	return upright
}
