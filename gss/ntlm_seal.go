package gss

import (
	"crypto/hmac"
	"crypto/md5"
	"crypto/rc4"
	"encoding/binary"
	"errors"
	"slices"

	photopush "github.com/photopush/photopush"
)

// An ntlmSealer seals and unseals the messages of one context with extended session security, 128 bits and an exchanged key (MS-NLMP 3.4).
type ntlmSealer struct {
	out, in ntlmDirection
	broken  bool // a message did not verify: the key stream is out of step
}

// An ntlmDirection is the keys, the key stream and the sequence of one side's messages.
type ntlmDirection struct {
	signing, sealing []byte
	stream           *rc4.Cipher
	seq              uint32 // of the next message
}

// ntlmTag is the length of a message's signature, which stands before it.
const ntlmTag = 16

func newNTLMSealer(key []byte, initiator bool) *ntlmSealer {
	s := &ntlmSealer{newNTLMDirection(key, "client-to-server"), newNTLMDirection(key, "server-to-client"), false}
	if !initiator {
		s.out, s.in = s.in, s.out
	}
	return s
}

// newNTLMDirection derives SIGNKEY and SEALKEY (MS-NLMP 3.4.5.2 and 3.4.5.3).
func newNTLMDirection(key []byte, way string) ntlmDirection {
	derive := func(use string) []byte {
		sum := md5.Sum(append(slices.Clone(key), "session key to "+way+" "+use+" key magic constant\x00"...))
		return sum[:]
	}
	d := ntlmDirection{signing: derive("signing"), sealing: derive("sealing")}
	d.reset()
	return d
}

// reset begins the key stream anew; the sequence goes on.
func (d *ntlmDirection) reset() { d.stream = newRC4(d.sealing) }

// tag appends the signature of message, whose key stream follows that of the message itself (MS-NLMP 3.4.4.2).
func (d *ntlmDirection) tag(dst, message []byte) []byte {
	var seq [4]byte
	binary.LittleEndian.PutUint32(seq[:], d.seq)
	sum := hmacMD5(d.signing, seq[:], message)[:8]
	return append(append(append(dst, 1, 0, 0, 0), sum...), seq[:]...)
}

// finish encrypts the checksum of a signature, and counts the message.
func (d *ntlmDirection) finish(tag []byte) {
	d.stream.XORKeyStream(tag[4:12], tag[4:12])
	d.seq++
}

// Seal puts the signature before the encrypted message, which is as long as the message.
func (s *ntlmSealer) Seal(dst, message []byte) ([]byte, int, error) {
	start := len(dst)
	dst = s.out.tag(slices.Grow(dst, ntlmTag+len(message)), message)
	dst = append(dst, message...)
	body := dst[start+ntlmTag:]
	s.out.stream.XORKeyStream(body, body)
	s.out.finish(dst[start : start+ntlmTag])
	return dst, ntlmTag, nil
}

var errBroken = errors.New("an earlier message could not be unsealed")

// Unseal decrypts in place.
func (s *ntlmSealer) Unseal(sealed []byte) ([]byte, error) {
	message, err := s.unseal(sealed)
	if err != nil {
		s.broken = true
		return nil, &photopush.Error{Reason: photopush.Unsupported, Op: "unseal", On: "message", Err: err}
	}
	return message, nil
}

func (s *ntlmSealer) unseal(sealed []byte) ([]byte, error) {
	switch {
	case s.broken:
		return nil, errBroken
	case len(sealed) < ntlmTag:
		return nil, errShortSeal
	}
	tag, message := sealed[:ntlmTag], sealed[ntlmTag:]
	if binary.LittleEndian.Uint32(tag[12:]) != s.in.seq {
		return nil, errSequence
	}
	s.in.stream.XORKeyStream(message, message)
	if !s.in.verify(tag, message) {
		return nil, errSealSum
	}
	return message, nil
}

// verify compares a signature with that of message, and counts it.
func (d *ntlmDirection) verify(tag, message []byte) bool {
	want := d.tag(nil, message)
	d.finish(want)
	return hmac.Equal(want, tag)
}

// listMIC signs the list of mechanisms that SPNEGO offered. It counts as a message, and the next one is sealed by the same piece of the key
// stream (MS-SPNG 3.3.5.1, "NTLM RC4 Key State for MechListMIC and First Signed Message").
func (s *ntlmSealer) listMIC(mechs []byte) []byte {
	mic := s.out.tag(nil, mechs)
	s.out.finish(mic)
	s.out.reset()
	return mic
}

func (s *ntlmSealer) verifyListMIC(mechs, mic []byte) bool {
	ok := len(mic) == ntlmTag && s.in.verify(mic, mechs)
	s.in.reset()
	return ok
}
