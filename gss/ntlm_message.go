package gss

import (
	"encoding/binary"
	"errors"
	"slices"
	"unicode/utf16"
)

// Flags that the messages negotiate (MS-NLMP 2.2.2.5).
const (
	ntlmUnicode       = 1 << 0
	ntlmOEM           = 1 << 1
	ntlmRequestTarget = 1 << 2
	ntlmSign          = 1 << 4
	ntlmSeal          = 1 << 5
	ntlmNTLM          = 1 << 9
	ntlmAnonymous     = 1 << 11
	ntlmAlwaysSign    = 1 << 15
	ntlmTargetDomain  = 1 << 16
	ntlmTargetServer  = 1 << 17
	ntlmExtended      = 1 << 19 // extended session security
	ntlmTargetInfo    = 1 << 23
	ntlmVersion       = 1 << 25
	ntlm128           = 1 << 29
	ntlmKeyExchange   = 1 << 30
	ntlm56            = 1 << 31

	// ntlmNeeded is what both sides must have, so that messages are sealed with 128 bits and a key of their own.
	ntlmNeeded  = ntlmUnicode | ntlmSign | ntlmSeal | ntlmNTLM | ntlmExtended | ntlm128 | ntlmKeyExchange
	ntlmOffered = ntlmNeeded | ntlmRequestTarget | ntlmAlwaysSign | ntlmTargetInfo | ntlmVersion | ntlm56
)

// The attributes of a target information (MS-NLMP 2.2.2.1).
const (
	avEnd             = 0
	avComputer        = 1
	avDomain          = 2
	avDNSComputer     = 3
	avDNSDomain       = 4
	avFlags           = 6
	avTimestamp       = 7
	avTargetName      = 9
	avChannelBindings = 10

	avFlagMIC = 2 // in avFlags: the message has a MIC
)

const (
	ntlmSignature = "NTLMSSP\x00"

	ntlmNegotiate    = 1
	ntlmChallenge    = 2
	ntlmAuthenticate = 3

	// Where the fixed part of each message ends, with Version and MIC (MS-NLMP 2.2.1).
	negotiateBytes    = 40
	challengeBytes    = 56
	authenticateBytes = 88
	micOffset         = 72

	maxNTLM = 16 << 10 // bytes of a message; those of Windows have some hundreds
	maxAV   = 64       // attributes of one list
)

// ntlmVersionField names Windows 10 without a build, and revision 15 of the protocol, the only one (MS-NLMP 2.2.2.10). It is for debugging.
var ntlmVersionField = []byte{10, 0, 0, 0, 0, 0, 0, 15}

var errNTLM = errors.New("the token is no NTLM message")

// isNTLM tells a bare NTLM message from other tokens.
func isNTLM(token []byte) bool {
	return len(token) >= 12 && string(token[:8]) == ntlmSignature
}

// ntlmHeader checks what every message begins with.
func ntlmHeader(message []byte, kind uint32, fixed int) error {
	if !isNTLM(message) || len(message) > maxNTLM || len(message) < fixed || binary.LittleEndian.Uint32(message[8:]) != kind {
		return errNTLM
	}
	return nil
}

// ntlmField is a field of the payload, which shares memory with the message; its length, its maximum and its offset are at at.
func ntlmField(message []byte, at int) ([]byte, error) {
	n, offset := int64(binary.LittleEndian.Uint16(message[at:])), int64(binary.LittleEndian.Uint32(message[at+4:]))
	if n == 0 {
		return nil, nil
	}
	if offset+n > int64(len(message)) {
		return nil, errNTLM
	}
	return message[offset : offset+n : offset+n], nil
}

// An ntlmBuilder makes a message: the fixed part is written in place, payload is added behind.
type ntlmBuilder struct{ b []byte }

func newNTLMMessage(kind uint32, fixed int) *ntlmBuilder {
	b := make([]byte, fixed, 512)
	copy(b, ntlmSignature)
	binary.LittleEndian.PutUint32(b[8:], kind)
	return &ntlmBuilder{b}
}

func (m *ntlmBuilder) uint32(at int, v uint32) { binary.LittleEndian.PutUint32(m.b[at:], v) }

func (m *ntlmBuilder) field(at int, value []byte) {
	binary.LittleEndian.PutUint16(m.b[at:], uint16(len(value)))
	binary.LittleEndian.PutUint16(m.b[at+2:], uint16(len(value)))
	binary.LittleEndian.PutUint32(m.b[at+4:], uint32(len(m.b)))
	m.b = append(m.b, value...)
}

// An avPair is one attribute.
type avPair struct {
	id    uint16
	value []byte
}

// parseAV reads the attributes up to the end mark, which must be there; none may come twice.
func parseAV(b []byte) ([]avPair, error) {
	var pairs []avPair
	for len(b) >= 4 {
		id, n := binary.LittleEndian.Uint16(b), int(binary.LittleEndian.Uint16(b[2:]))
		switch {
		case id == avEnd:
			return pairs, nil
		case n > len(b)-4 || len(pairs) == maxAV || findAV(pairs, id) != nil:
			return nil, errNTLM
		}
		pairs = append(pairs, avPair{id, b[4 : 4+n : 4+n]})
		b = b[4+n:]
	}
	return nil, errNTLM
}

// findAV is the value of an attribute; nil when it is missing. One that is empty is not nil.
func findAV(pairs []avPair, id uint16) []byte {
	i := slices.IndexFunc(pairs, func(p avPair) bool { return p.id == id })
	if i < 0 {
		return nil
	}
	return pairs[i].value
}

// setAV replaces an attribute or adds it.
func setAV(pairs []avPair, id uint16, value []byte) []avPair {
	if i := slices.IndexFunc(pairs, func(p avPair) bool { return p.id == id }); i >= 0 {
		pairs[i].value = value
		return pairs
	}
	return append(pairs, avPair{id, value})
}

func marshalAV(pairs []avPair) []byte {
	var b []byte
	for _, p := range append(pairs[:len(pairs):len(pairs)], avPair{avEnd, nil}) {
		b = binary.LittleEndian.AppendUint16(b, p.id)
		b = binary.LittleEndian.AppendUint16(b, uint16(len(p.value)))
		b = append(b, p.value...)
	}
	return b
}

// toUTF16 is text as NTLM has it: UTF-16, little endian.
func toUTF16(text string) []byte {
	var b []byte
	for _, unit := range utf16.Encode([]rune(text)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// fromOEM reads a name in the OEM character set, of which only ASCII is the same everywhere.
func fromOEM(b []byte) (string, error) {
	for _, c := range b {
		if c >= 0x80 {
			return "", errNTLM
		}
	}
	return string(b), nil
}

func fromUTF16(b []byte) (string, error) {
	if len(b)%2 != 0 {
		return "", errNTLM
	}
	units := make([]uint16, len(b)/2)
	for i := range units {
		units[i] = binary.LittleEndian.Uint16(b[2*i:])
	}
	return string(utf16.Decode(units)), nil
}
