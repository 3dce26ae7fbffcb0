package photo

import (
	"bytes"
	"encoding/binary"
)

// An orientation is the EXIF tag 0x0112, 1 to 8: where the first row and column of the stored picture are to be seen (Exif 2.32,
// 4.6.4 A). Anything else is 1: damaged EXIF data is no reason to refuse a photo.
type orientation uint8

const upright orientation = 1

// swaps tells whether width and height change places.
func (o orientation) swaps() bool { return o >= 5 && o <= 8 }

// stored tells which pixel of a stored picture of w×h is seen at x, y.
func (o orientation) stored(x, y, w, h int) (int, int) {
	switch o {
	case 2: // mirrored left to right
		return w - 1 - x, y
	case 3: // upside down
		return w - 1 - x, h - 1 - y
	case 4: // mirrored top to bottom
		return x, h - 1 - y
	case 5: // transposed
		return y, x
	case 6: // to be turned right
		return y, h - 1 - x
	case 7: // transposed along the other diagonal
		return w - 1 - y, h - 1 - x
	case 8: // to be turned left
		return w - 1 - y, x
	default:
		return x, y
	}
}

// turn makes p stand upright.
func (o orientation) turn(p plane) plane {
	if o <= upright || o > 8 {
		return p
	}
	out := newPlane(p.w, p.h)
	if o.swaps() {
		out = newPlane(p.h, p.w)
	}
	offset := func(x, y int) int {
		sx, sy := o.stored(x, y, p.w, p.h)
		return sy*p.stride + sx
	}
	right, down := offset(1, 0)-offset(0, 0), offset(0, 1)-offset(0, 0)
	for y := range out.h {
		row, at := out.row(y), offset(0, 0)+y*down
		for x := range row {
			row[x] = p.pix[at]
			at += right
		}
	}
	return out
}

const (
	tagOrientation = 0x0112
	typeShort      = 3
	entrySize      = 12
)

// parseEXIF finds the orientation in EXIF data: a TIFF header and its first directory (TIFF 6.0, section 2), nothing further.
func parseEXIF(data []byte) orientation {
	data = bytes.TrimPrefix(data, []byte("Exif\x00\x00"))
	if len(data) < 8 {
		return upright
	}
	var order binary.ByteOrder
	switch string(data[:4]) {
	case "II*\x00":
		order = binary.LittleEndian
	case "MM\x00*":
		order = binary.BigEndian
	default:
		return upright
	}
	at := order.Uint32(data[4:])
	if uint64(at)+2 > uint64(len(data)) {
		return upright
	}
	entries := data[at+2:]
	for range order.Uint16(data[at:]) {
		if len(entries) < entrySize {
			break
		}
		if order.Uint16(entries) == tagOrientation {
			return shortValue(entries[:entrySize], order)
		}
		entries = entries[entrySize:]
	}
	return upright
}

// shortValue reads the orientation from its entry: one number of 16 bits.
func shortValue(entry []byte, order binary.ByteOrder) orientation {
	kind, count, value := order.Uint16(entry[2:]), order.Uint32(entry[4:]), order.Uint16(entry[8:])
	if kind != typeShort || count != 1 || value < 1 || value > 8 {
		return upright
	}
	return orientation(value)
}
