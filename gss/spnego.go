package gss

import (
	"encoding/asn1"
	"errors"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// The mechanisms, by which SPNEGO and the frame of a first token name them (RFC 4178, RFC 4121, MS-SPNG 1.9).
var (
	oidSPNEGO     = asn1.ObjectIdentifier{1, 3, 6, 1, 5, 5, 2}
	oidKerberos   = asn1.ObjectIdentifier{1, 2, 840, 113554, 1, 2, 2}
	oidMSKerberos = asn1.ObjectIdentifier{1, 2, 840, 48018, 1, 2, 2} // what Windows calls Kerberos in SPNEGO, for a wrong number long ago
	oidNTLM       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 2, 2, 10}
)

// maxToken bounds a token before anything in it is looked at; a ticket with a large PAC has some 50 KB.
const maxToken = 128 << 10

var (
	errFrame  = errors.New("the token is not framed as RFC 2743 section 3.1 says")
	errSPNEGO = errors.New("the token is no SPNEGO message")
)

// The states of a negTokenResp (RFC 4178 section 4.2.2).
const (
	stateAbsent = iota - 1
	stateCompleted
	stateIncomplete
	stateReject
	stateRequestMIC
)

const maxMechanisms = 16 // in one negTokenInit

type negTokenInit struct {
	mechTypes              []asn1.ObjectIdentifier
	mechToken, mechListMIC []byte
}

type negTokenResp struct {
	state      int
	mech       asn1.ObjectIdentifier // nil when absent
	token, mic []byte
}

// frameToken puts the mechanism's name before a first token (RFC 2743 section 3.1).
func frameToken(oid asn1.ObjectIdentifier, inner []byte) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.Tag(0).Constructed()|0x40, func(b *cryptobyte.Builder) {
		b.AddASN1ObjectIdentifier(oid)
		b.AddBytes(inner)
	})
	return b.BytesOrPanic() // it fails for an OID that is none only, and ours are constants
}

func unframeToken(token []byte) (asn1.ObjectIdentifier, []byte, error) {
	var oid asn1.ObjectIdentifier
	s := cryptobyte.String(token)
	var body cryptobyte.String
	if len(token) > maxToken || !s.ReadASN1(&body, cbasn1.Tag(0).Constructed()|0x40) || !s.Empty() || !body.ReadASN1ObjectIdentifier(&oid) {
		return nil, nil, errFrame
	}
	return oid, body, nil
}

// explicit is the tag [n] around a field.
func explicit(n uint8) cbasn1.Tag { return cbasn1.Tag(n).Constructed().ContextSpecific() }

func addOctets(b *cryptobyte.Builder, tag uint8, value []byte) {
	if value == nil {
		return
	}
	b.AddASN1(explicit(tag), func(b *cryptobyte.Builder) { b.AddASN1OctetString(value) })
}

// marshal frames the message as the first of an exchange.
func (n *negTokenInit) marshal() []byte {
	return frameToken(oidSPNEGO, sequence(0, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddBytes(mechList(n.mechTypes)) })
		addOctets(b, 2, n.mechToken)
		addOctets(b, 3, n.mechListMIC)
	}))
}

// mechList is the MechTypeList, which a mechListMIC is made of.
func mechList(mechs []asn1.ObjectIdentifier) []byte {
	var b cryptobyte.Builder
	b.AddASN1(cbasn1.SEQUENCE, func(b *cryptobyte.Builder) {
		for _, m := range mechs {
			b.AddASN1ObjectIdentifier(m)
		}
	})
	return b.BytesOrPanic()
}

func sequence(tag uint8, fields cryptobyte.BuilderContinuation) []byte {
	var b cryptobyte.Builder
	b.AddASN1(explicit(tag), func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, fields) })
	return b.BytesOrPanic()
}

func (n *negTokenResp) marshal() []byte {
	return sequence(1, func(b *cryptobyte.Builder) {
		if n.state != stateAbsent {
			b.AddASN1(explicit(0), func(b *cryptobyte.Builder) { b.AddASN1Enum(int64(n.state)) })
		}
		if n.mech != nil {
			b.AddASN1(explicit(1), func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(n.mech) })
		}
		addOctets(b, 2, n.token)
		addOctets(b, 3, n.mic)
	})
}

// parseSPNEGO reads one message of either kind; exactly one result is not nil.
func parseSPNEGO(token []byte) (*negTokenInit, *negTokenResp, error) {
	if len(token) > maxToken {
		return nil, nil, errSPNEGO
	}
	if len(token) > 0 && token[0] == 0x60 {
		oid, inner, err := unframeToken(token)
		if err != nil || !oid.Equal(oidSPNEGO) {
			return nil, nil, errSPNEGO
		}
		token = inner
	}
	s := cryptobyte.String(token)
	var body, fields cryptobyte.String
	var tag cbasn1.Tag
	if !s.ReadAnyASN1(&body, &tag) || !s.Empty() || !body.ReadASN1(&fields, cbasn1.SEQUENCE) || !body.Empty() {
		return nil, nil, errSPNEGO
	}
	switch tag {
	case explicit(0):
		n := new(negTokenInit)
		return n, nil, n.parse(fields)
	case explicit(1):
		n := &negTokenResp{state: stateAbsent}
		return nil, n, n.parse(fields)
	}
	return nil, nil, errSPNEGO
}

// parse skips reqFlags, and the negHints that Windows' NegTokenInit2 has where the MIC is in RFC 4178 (MS-SPNG 2.2.1).
func (n *negTokenInit) parse(fields cryptobyte.String) error {
	return eachField(fields, func(tag cbasn1.Tag, value cryptobyte.String) bool {
		switch tag {
		case explicit(0):
			return readMechs(value, &n.mechTypes)
		case explicit(2):
			return readOctets(value, &n.mechToken)
		case explicit(3):
			if value.PeekASN1Tag(cbasn1.OCTET_STRING) {
				return readOctets(value, &n.mechListMIC)
			}
			return true
		case explicit(4):
			return readOctets(value, &n.mechListMIC)
		}
		return tag == explicit(1)
	})
}

func (n *negTokenResp) parse(fields cryptobyte.String) error {
	return eachField(fields, func(tag cbasn1.Tag, value cryptobyte.String) bool {
		switch tag {
		case explicit(0):
			return value.ReadASN1Enum(&n.state) && value.Empty() && n.state >= stateCompleted && n.state <= stateRequestMIC
		case explicit(1):
			return value.ReadASN1ObjectIdentifier(&n.mech) && value.Empty()
		case explicit(2):
			return readOctets(value, &n.token)
		case explicit(3):
			return readOctets(value, &n.mic)
		}
		return false
	})
}

// eachField goes through the fields in their order; a field twice or out of order is an error.
func eachField(fields cryptobyte.String, field func(cbasn1.Tag, cryptobyte.String) bool) error {
	for last := cbasn1.Tag(0); !fields.Empty(); {
		var value cryptobyte.String
		var tag cbasn1.Tag
		if !fields.ReadAnyASN1(&value, &tag) || tag <= last || !field(tag, value) {
			return errSPNEGO
		}
		last = tag
	}
	return nil
}

func readMechs(value cryptobyte.String, into *[]asn1.ObjectIdentifier) bool {
	var list cryptobyte.String
	if !value.ReadASN1(&list, cbasn1.SEQUENCE) || !value.Empty() {
		return false
	}
	for !list.Empty() {
		var oid asn1.ObjectIdentifier
		if len(*into) == maxMechanisms || !list.ReadASN1ObjectIdentifier(&oid) {
			return false
		}
		*into = append(*into, oid)
	}
	return true
}

func readOctets(value cryptobyte.String, into *[]byte) bool {
	var octets cryptobyte.String
	if !value.ReadASN1(&octets, cbasn1.OCTET_STRING) || !value.Empty() {
		return false
	}
	*into = octets
	return true
}

var (
	errRejected       = errors.New("the service rejected the account without saying why; it may not be allowed to sign in there")
	errOtherMechanism = errors.New("the service chose a mechanism that was not offered")
)
