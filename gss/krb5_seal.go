package gss

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha1"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"slices"

	"github.com/jcmturner/gokrb5/v8/crypto"
	"github.com/jcmturner/gokrb5/v8/crypto/common"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// Key usages of sealed messages (RFC 4121 section 2).
const (
	usageAcceptorSeal  = 22
	usageInitiatorSeal = 24
)

// The wrap token of RFC 4121 section 4.2.6.2: token ID, flags, a filler, EC, RRC and the sequence number.
const (
	wrapHeader = 16

	flagSentByAcceptor = 1 << 0
	flagSealed         = 1 << 1
	flagAcceptorSubkey = 1 << 2

	maxExtra = 256 // bytes of EC that are believed; Windows sends 0 or 16
)

// MaxOverhead is the most that sealing adds to a message, in bytes: two headers, a confounder and the longest checksum.
const MaxOverhead = wrapHeader + aes.BlockSize + wrapHeader + 24

// A kerberosSeal seals and unseals the messages of one context in the layout of WinRM: EC is 0, and RRC moves the encrypted header and
// the checksum in front of the data, so that the data is as long as the message (MS-WSMV 2.2.9.1).
type kerberosSeal struct {
	out, in  direction
	flags    byte // of what we send
	expected byte // of what we get
}

// A direction is the derived keys and the sequence of one side's messages.
type direction struct {
	block   cipher.Block
	mac     hash.Hash // of sealed messages
	signing hash.Hash // of signed ones
	check   int       // bytes of the checksum
	seq     uint64    // of the next message
	plain   bool      // the checksum covers the plaintext (RFC 3962), else the ciphertext (RFC 8009)
}

// newKerberosSeal takes the acceptor's subkey when there is one, and the first sequence numbers of both sides.
func newKerberosSeal(key types.EncryptionKey, initiator, acceptorSubkey bool, sendSeq, recvSeq uint64) (*kerberosSeal, error) {
	ours, theirs := uint32(usageInitiatorSeal), uint32(usageAcceptorSeal)
	s := &kerberosSeal{flags: flagSealed, expected: flagSealed | flagSentByAcceptor}
	if !initiator {
		ours, theirs = theirs, ours
		s.flags, s.expected = s.expected, s.flags
	}
	if acceptorSubkey {
		s.flags |= flagAcceptorSubkey
		s.expected |= flagAcceptorSubkey
	}
	var err error
	if s.out, err = newDirection(key, ours, sendSeq); err != nil {
		return nil, err
	}
	s.in, err = newDirection(key, theirs, recvSeq)
	return s, err
}

func newDirection(key types.EncryptionKey, usage uint32, seq uint64) (direction, error) {
	fail := func(err error) (direction, error) {
		return direction{}, &photopush.Error{Reason: photopush.Unsupported, Op: "derive keys for", On: "sealed messages", Err: err}
	}
	d := direction{seq: seq}
	var digest func() hash.Hash
	switch key.KeyType {
	case etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96:
		digest, d.check, d.plain = sha1.New, 12, true
	case etypeID.AES128_CTS_HMAC_SHA256_128:
		d.check = 16
	case etypeID.AES256_CTS_HMAC_SHA384_192:
		d.check = 24
	default:
		return fail(fmt.Errorf("encryption type %d seals no messages here, want AES", key.KeyType))
	}
	e, err := crypto.GetEtype(key.KeyType)
	if err != nil {
		return fail(err)
	}
	if size := keySize(key.KeyType); len(key.KeyValue) != size {
		return fail(fmt.Errorf("the key has %d bytes, want %d", len(key.KeyValue), size))
	}
	if digest == nil {
		digest = e.GetHashFunc()
	}
	ke, err := e.DeriveKey(key.KeyValue, common.GetUsageKe(usage))
	if err != nil {
		return fail(err)
	}
	ki, err := e.DeriveKey(key.KeyValue, common.GetUsageKi(usage))
	if err != nil {
		return fail(err)
	}
	kc, err := e.DeriveKey(key.KeyValue, common.GetUsageKc(usage))
	if err != nil {
		return fail(err)
	}
	if d.block, err = aes.NewCipher(ke); err != nil {
		return fail(err)
	}
	d.mac, d.signing = hmac.New(digest, ki), hmac.New(digest, kc)
	return d, nil
}

// keySize is the length of a protocol key in bytes; the library's own answer for aes256-cts-hmac-sha384-192 is that of a derived key.
func keySize(etype int32) int {
	switch etype {
	case etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA384_192:
		return 32
	}
	return 16
}

// Seal needs one buffer: what will be moved to the front is made behind the data.
func (s *kerberosSeal) Seal(dst, message []byte) ([]byte, int, error) {
	d := &s.out
	rotate := wrapHeader + d.check
	start := len(dst)
	dst = slices.Grow(dst, wrapHeader+rotate+aes.BlockSize+len(message)+rotate)
	b := dst[start : start+wrapHeader+rotate+aes.BlockSize+len(message)+rotate]
	var head [wrapHeader]byte
	head[0], head[1], head[2], head[3] = 5, 4, s.flags, 0xff
	binary.BigEndian.PutUint64(head[8:], d.seq)

	sealed := b[wrapHeader+rotate : len(b)-d.check] // confounder, message, header with RRC 0
	if _, err := rand.Read(sealed[:aes.BlockSize]); err != nil {
		return nil, 0, &photopush.Error{Reason: photopush.Internal, Op: "seal", On: "message", Err: err}
	}
	copy(sealed[aes.BlockSize:], message)
	copy(sealed[aes.BlockSize+len(message):], head[:])
	var sum []byte
	if d.plain {
		sum = d.sum(sealed)
	}
	encryptCTS(d.block, sealed)
	if !d.plain {
		sum = d.sum(sealed)
	}
	copy(b[len(b)-d.check:], sum)
	copy(b[wrapHeader:], b[len(b)-rotate:])
	binary.BigEndian.PutUint16(head[6:], uint16(rotate))
	copy(b, head[:])
	d.seq++
	return dst[:start+len(b)-rotate], wrapHeader + rotate + aes.BlockSize, nil
}

// sum is the truncated checksum of one message; that of RFC 8009 begins with the initial vector, which is zero.
func (d *direction) sum(b []byte) []byte {
	d.mac.Reset()
	if !d.plain {
		var iv [aes.BlockSize]byte
		d.mac.Write(iv[:])
	}
	d.mac.Write(b)
	return d.mac.Sum(nil)[:d.check]
}

var (
	errShortSeal = errors.New("the sealed message is too short")
	errNotSealed = errors.New("it is no sealed message of Kerberos")
	errSealFlags = errors.New("the sealed message has the wrong direction or key")
	errSealSum   = errors.New("the sealed message was altered, or sealed with another key")
	errSequence  = errors.New("the sealed message is out of sequence")
)

// Unseal takes any EC and RRC that the RFC allows; peers may rotate differently.
func (s *kerberosSeal) Unseal(sealed []byte) ([]byte, error) {
	message, err := s.unseal(sealed)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Unsupported, Op: "unseal", On: "message", Err: err}
	}
	return message, nil
}

func (s *kerberosSeal) unseal(sealed []byte) ([]byte, error) {
	d := &s.in
	if len(sealed) < wrapHeader+aes.BlockSize+wrapHeader+d.check {
		return nil, errShortSeal
	}
	head, rest := sealed[:wrapHeader], sealed[wrapHeader:]
	extra := int(binary.BigEndian.Uint16(head[4:]))
	switch {
	case head[0] != 5 || head[1] != 4 || head[3] != 0xff:
		return nil, errNotSealed
	case head[2] != s.expected:
		return nil, errSealFlags
	case extra > maxExtra || len(rest) < aes.BlockSize+extra+wrapHeader+d.check:
		return nil, errShortSeal
	case binary.BigEndian.Uint64(head[8:]) != d.seq:
		return nil, errSequence
	}
	rotateLeft(rest, int(binary.BigEndian.Uint16(head[6:]))%len(rest))
	body, sum := rest[:len(rest)-d.check], rest[len(rest)-d.check:]
	if !d.plain && !hmac.Equal(sum, d.sum(body)) {
		return nil, errSealSum
	}
	decryptCTS(d.block, body)
	if d.plain && !hmac.Equal(sum, d.sum(body)) {
		return nil, errSealSum
	}
	inner := body[len(body)-wrapHeader:]
	if !bytes.Equal(inner[:6], head[:6]) || !bytes.Equal(inner[8:], head[8:]) {
		return nil, errSealSum
	}
	d.seq++
	return body[aes.BlockSize : len(body)-wrapHeader-extra], nil
}

func rotateLeft(b []byte, n int) {
	front := bytes.Clone(b[:n])
	copy(b, b[n:])
	copy(b[len(b)-n:], front)
}

// encryptCTS is CBC with ciphertext stealing and an initial vector of zero, the last two blocks swapped (RFC 3962 section 5), in place.
// b has two blocks at least.
func encryptCTS(block cipher.Block, b []byte) {
	const size = aes.BlockSize
	whole := (len(b) - 1) / size * size // all blocks but the last, which has 1 to 16 bytes
	var iv, last [size]byte
	cipher.NewCBCEncrypter(block, iv[:]).CryptBlocks(b[:whole], b[:whole])
	previous := b[whole-size : whole]
	copy(last[:], b[whole:])
	for i := range last {
		last[i] ^= previous[i]
	}
	block.Encrypt(last[:], last[:])
	copy(b[whole:], previous)
	copy(previous, last[:])
}

// decryptCTS undoes encryptCTS.
func decryptCTS(block cipher.Block, b []byte) {
	const size = aes.BlockSize
	whole := (len(b) - 1) / size * size
	var iv, last, before [size]byte
	if whole > size {
		copy(before[:], b[whole-2*size:]) // what the last but one block is chained to
		cipher.NewCBCDecrypter(block, iv[:]).CryptBlocks(b[:whole-size], b[:whole-size])
	}
	swapped, tail := b[whole-size:whole], b[whole:]
	block.Decrypt(last[:], swapped)
	for i := range tail {
		last[i], tail[i] = tail[i], last[i]^tail[i] // last becomes the stolen block
	}
	block.Decrypt(swapped, last[:])
	for i := range swapped {
		swapped[i] ^= before[i]
	}
}
