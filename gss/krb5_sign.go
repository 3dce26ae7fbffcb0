package gss

import (
	"crypto/hmac"
	"encoding/binary"
	"slices"

	photopush "github.com/photopush/photopush"
)

// Sign appends a wrap token without confidentiality: header, message, checksum, not rotated. EC is the checksum's length, and counts as zero in
// what the checksum is made of, as RRC does (RFC 4121 section 4.2.4).
func (s *kerberosSeal) Sign(dst, message []byte) ([]byte, error) {
	d := &s.out
	dst = slices.Grow(dst, wrapHeader+len(message)+d.check)
	start := len(dst)
	dst = append(dst, 5, 4, s.flags&^flagSealed, 0xff, 0, 0, 0, 0)
	dst = binary.BigEndian.AppendUint64(dst, d.seq)
	sum := d.signature(message, dst[start:start+wrapHeader])
	binary.BigEndian.PutUint16(dst[start+4:], uint16(d.check))
	d.seq++
	return append(append(dst, message...), sum...), nil
}

// Verify takes any RRC, and nothing that is sealed.
func (s *kerberosSeal) Verify(token []byte) ([]byte, error) {
	message, err := s.verify(token)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Unsupported, Op: "verify", On: "message", Err: err}
	}
	return message, nil
}

func (s *kerberosSeal) verify(token []byte) ([]byte, error) {
	d := &s.in
	if len(token) < wrapHeader+d.check {
		return nil, errShortSeal
	}
	head, rest := [wrapHeader]byte(token), token[wrapHeader:]
	switch {
	case head[0] != 5 || head[1] != 4 || head[3] != 0xff:
		return nil, errNotSealed
	case head[2] != s.expected&^flagSealed:
		return nil, errSealFlags
	case int(binary.BigEndian.Uint16(head[4:])) != d.check:
		return nil, errShortSeal
	case binary.BigEndian.Uint64(head[8:]) != d.seq:
		return nil, errSequence
	}
	rotateLeft(rest, int(binary.BigEndian.Uint16(head[6:]))%len(rest))
	message, sum := rest[:len(rest)-d.check], rest[len(rest)-d.check:]
	clear(head[4:8])
	if !hmac.Equal(sum, d.signature(message, head[:])) {
		return nil, errSealSum
	}
	d.seq++
	return message, nil
}

// signature is the truncated checksum of a message and the header before it.
func (d *direction) signature(message, head []byte) []byte {
	d.signing.Reset()
	d.signing.Write(message)
	d.signing.Write(head)
	return d.signing.Sum(nil)[:d.check]
}
