package photo

import (
	"encoding/binary"
	"errors"
)

// pngChunk is the first chunk of a kind, wherever it is; nil for none (PNG third edition, 5.3).
func pngChunk(raw []byte, kind string) []byte {
	for rest := raw[8:]; len(rest) >= 12; {
		n := uint64(binary.BigEndian.Uint32(rest))
		if n+12 > uint64(len(rest)) {
			break
		}
		if string(rest[4:8]) == kind {
			return rest[8 : 8+n]
		}
		rest = rest[n+12:]
	}
	return nil
}

// pngOrientation reads the eXIf chunk (PNG third edition, 11.3.3.5).
func pngOrientation(raw []byte) orientation { return parseEXIF(pngChunk(raw, "eXIf")) }

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

// webpChunk is the first chunk of a kind in the extended file format; nil for none (RFC 9649, 2.7).
func webpChunk(raw []byte, kind string) []byte {
	for rest := raw[12:]; len(rest) >= 8; {
		n := uint64(binary.LittleEndian.Uint32(rest[4:]))
		if n+8 > uint64(len(rest)) {
			break
		}
		if string(rest[:4]) == kind {
			return rest[8 : 8+n]
		}
		rest = rest[min(8+n+n&1, uint64(len(rest))):]
	}
	return nil
}

// webpOrientation reads the EXIF chunk (RFC 9649, 2.7.1.5).
func webpOrientation(raw []byte) orientation { return parseEXIF(webpChunk(raw, "EXIF")) }
