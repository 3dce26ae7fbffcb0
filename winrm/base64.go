package winrm

import (
	"encoding/base64"
	"encoding/binary"
	"slices"
)

// alphabet is that of RFC 4648 section 4.
const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"

// pairs has the two characters that 12 bits become, the first in the lower byte.
var pairs = func() (p [1 << 12]uint16) {
	for i := range p {
		p[i] = uint16(alphabet[i>>6]) | uint16(alphabet[i&63])<<8
	}
	return p
}()

// appendBase64 is base64.StdEncoding.AppendEncode, in little more than half the time (BenchmarkAppendBase64): six bytes are looked up at once. Most of what a
// push sends goes through here.
func appendBase64(b, data []byte) []byte {
	n := base64.StdEncoding.EncodedLen(len(data))
	b = slices.Grow(b, n)
	out := b[len(b) : len(b)+n]
	for len(data) >= 8 { // eight are read, the last two again
		x := binary.BigEndian.Uint64(data)
		y := uint64(pairs[x>>52]) | uint64(pairs[x>>40&0xfff])<<16 | uint64(pairs[x>>28&0xfff])<<32 | uint64(pairs[x>>16&0xfff])<<48
		binary.LittleEndian.PutUint64(out, y)
		data, out = data[6:], out[8:]
	}
	base64.StdEncoding.Encode(out, data)
	return b[:len(b)+n]
}
