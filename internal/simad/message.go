package simad

import (
	"errors"
	"fmt"
	"io"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// maxRequest is MaxReceiveBuffer of Active Directory's default query policy: a longer request ends the connection.
const maxRequest = 10485760

// maxDepth bounds the nesting of a request, mostly of its filter.
const maxDepth = 100

// Tags of the operations (RFC 4511 4.2 ff.).
const (
	opBind           = 0
	opBindResponse   = 1
	opUnbind         = 2
	opSearch         = 3
	opEntry          = 4
	opDone           = 5
	opModify         = 6
	opAdd            = 8
	opDelete         = 10
	opModifyDN       = 12
	opCompare        = 14
	opAbandon        = 16
	opReference      = 19
	opExtended       = 23
	opExtendedResult = 24
)

// Result codes (RFC 4511 4.1.9).
const (
	success                  = 0
	operationsError          = 1
	protocolError            = 2
	timeLimitExceeded        = 3
	sizeLimitExceeded        = 4
	authMethodNotSupported   = 7
	strongAuthRequired       = 8
	referral                 = 10
	criticalUnavailable      = 12
	noSuchAttribute          = 16
	constraintViolation      = 19
	attributeOrValueExists   = 20
	invalidAttributeSyntax   = 21
	noSuchObject             = 32
	invalidDNSyntax          = 34
	invalidCredentials       = 49
	insufficientAccessRights = 50
	unavailable              = 52
	unwillingToPerform       = 53
)

// A message is one request.
type message struct {
	id       int64
	op       ber.Tag
	bind     *bindRequest
	search   *searchRequest
	modify   *modifyRequest
	extended string // its OID
	abandon  int64
	controls []control
}

type bindRequest struct {
	version  int64
	name     string
	simple   bool
	password string
	sasl     string // mechanism
}

type searchRequest struct {
	base       string
	scope      int64
	sizeLimit  int64
	timeLimit  int64
	typesOnly  bool
	filter     filter
	attributes []string
	deleted    bool           // tombstones are shown
	dirSync    *changeRequest // only what has changed is asked for

	extended, extendedText bool // distinguished names come with GUID and SID, in hexadecimal digits or as text
}

type control struct {
	oid      string
	critical bool
	value    []byte
}

var errMessage = errors.New("malformed LDAP message")

// readMessage reads one message and tells when it is too long. It never takes more memory than has arrived.
func readMessage(r io.Reader) ([]byte, error) {
	header := make([]byte, 2, 6)
	if _, err := io.ReadFull(r, header); err != nil {
		return nil, err
	}
	length := int(header[1])
	if length > 0x80 {
		n := length - 0x80
		if n > 4 {
			return nil, errMessage
		}
		header = header[:2+n]
		if _, err := io.ReadFull(r, header[2:]); err != nil {
			return nil, err
		}
		length = 0
		for _, c := range header[2:] {
			length = length<<8 | int(c)
		}
	}
	if header[0] != 0x30 || header[1] == 0x80 || length > maxRequest {
		return nil, errMessage
	}
	rest, err := io.ReadAll(io.LimitReader(r, int64(length)))
	if err == nil && len(rest) < length {
		err = io.ErrUnexpectedEOF
	}
	return append(header, rest...), err
}

// decodeMessage reads a request. What it does not know has an op and nothing else.
func decodeMessage(b []byte) (*message, error) {
	if !nests(b, maxDepth) {
		return nil, errMessage
	}
	p, err := ber.DecodePacketErr(b)
	if err != nil || len(p.Children) < 2 || len(p.Children) > 3 {
		return nil, errMessage
	}
	id, ok := integer(p.Children[0])
	op := p.Children[1]
	if !ok || id < 0 || id > 1<<31-1 || op.ClassType != ber.ClassApplication {
		return nil, errMessage
	}
	m := &message{id: id, op: op.Tag}
	if len(p.Children) == 3 {
		if m.controls, err = decodeControls(p.Children[2]); err != nil {
			return nil, err
		}
	}
	return m, m.decodeOp(op)
}

func (m *message) decodeOp(op *ber.Packet) (err error) {
	switch m.op {
	case opBind:
		m.bind, err = decodeBind(op)
	case opSearch:
		m.search, err = decodeSearch(op)
	case opModify:
		m.modify, err = decodeModify(op)
	case opExtended:
		if len(op.Children) < 1 || op.Children[0].ClassType != ber.ClassContext || op.Children[0].Tag != 0 {
			return errMessage
		}
		m.extended = op.Children[0].Data.String()
	case opAbandon:
		n, err := ber.ParseInt64(op.Data.Bytes())
		if err != nil {
			return errMessage
		}
		m.abandon = n
	}
	return err
}

func decodeBind(op *ber.Packet) (*bindRequest, error) {
	if len(op.Children) != 3 {
		return nil, errMessage
	}
	version, ok1 := integer(op.Children[0])
	name, ok2 := octets(op.Children[1])
	auth := op.Children[2]
	if !ok1 || !ok2 || auth.ClassType != ber.ClassContext {
		return nil, errMessage
	}
	b := &bindRequest{version: version, name: string(name)}
	switch {
	case auth.Tag == 0 && auth.TagType == ber.TypePrimitive:
		b.simple, b.password = true, auth.Data.String()
	case auth.Tag == 3 && len(auth.Children) > 0:
		mechanism, ok := octets(auth.Children[0])
		if !ok {
			return nil, errMessage
		}
		b.sasl = string(mechanism)
	default:
		b.sasl = fmt.Sprintf("choice %d", auth.Tag)
	}
	return b, nil
}

func decodeSearch(op *ber.Packet) (*searchRequest, error) {
	c := op.Children
	if len(c) != 8 {
		return nil, errMessage
	}
	base, ok := octets(c[0])
	s := &searchRequest{base: string(base)}
	numbers := []struct {
		to  *int64
		max int64
	}{{&s.scope, 2}, {new(int64), 3}, {&s.sizeLimit, 1<<31 - 1}, {&s.timeLimit, 1<<31 - 1}}
	for i, n := range numbers {
		v, isInteger := integer(c[1+i])
		ok = ok && isInteger && v >= 0 && v <= n.max
		*n.to = v
	}
	typesOnly, isBool := c[5].Value.(bool)
	if !ok || !isBool || c[7].Tag != ber.TagSequence {
		return nil, errMessage
	}
	s.typesOnly = typesOnly
	for _, a := range c[7].Children {
		name, ok := octets(a)
		if !ok {
			return nil, errMessage
		}
		s.attributes = append(s.attributes, string(name))
	}
	var err error
	s.filter, err = decodeFilter(c[6])
	return s, err
}

func decodeControls(p *ber.Packet) ([]control, error) {
	if p.ClassType != ber.ClassContext || p.Tag != 0 {
		return nil, errMessage
	}
	var all []control
	for _, c := range p.Children {
		if len(c.Children) < 1 || len(c.Children) > 3 {
			return nil, errMessage
		}
		oid, ok := octets(c.Children[0])
		if !ok {
			return nil, errMessage
		}
		parsed := control{oid: string(oid)}
		for _, part := range c.Children[1:] {
			switch v := part.Value.(type) {
			case bool:
				parsed.critical = v
			default:
				if parsed.value, ok = octets(part); !ok {
					return nil, errMessage
				}
			}
		}
		all = append(all, parsed)
	}
	return all, nil
}

// nests tells whether every element of b ends within its outer one, and nests at most depth deep.
func nests(b []byte, depth int) bool {
	if depth < 0 {
		return false
	}
	for len(b) > 0 {
		if len(b) < 2 || b[0]&0x1f == 0x1f {
			return false
		}
		constructed, length, header := b[0]&0x20 != 0, int(b[1]), 2
		if length >= 0x80 {
			n := length - 0x80
			if n < 1 || n > 4 || len(b) < 2+n {
				return false
			}
			length = 0
			for _, c := range b[2 : 2+n] {
				length = length<<8 | int(c)
			}
			header += n
		}
		if length > len(b)-header || constructed && !nests(b[header:header+length], depth-1) {
			return false
		}
		b = b[header+length:]
	}
	return true
}

func integer(p *ber.Packet) (int64, bool) {
	n, ok := p.Value.(int64)
	return n, ok && p.ClassType == ber.ClassUniversal
}

func octets(p *ber.Packet) ([]byte, bool) {
	return p.ByteValue, p.ClassType == ber.ClassUniversal && p.Tag == ber.TagOctetString && p.TagType == ber.TypePrimitive
}

// A result is the end of an operation.
type result struct {
	code      int
	matched   string
	text      string
	referrals []string
}

func (r result) append(p *ber.Packet) *ber.Packet {
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, r.code, "resultCode"))
	p.AppendChild(octetString(r.matched))
	p.AppendChild(octetString(r.text))
	if len(r.referrals) > 0 {
		refs := ber.Encode(ber.ClassContext, ber.TypeConstructed, 3, nil, "referral")
		for _, u := range r.referrals {
			refs.AppendChild(octetString(u))
		}
		p.AppendChild(refs)
	}
	return p
}

func octetString(s string) *ber.Packet {
	return ber.NewString(ber.ClassUniversal, ber.TypePrimitive, ber.TagOctetString, s, "")
}

func operation(tag ber.Tag) *ber.Packet {
	return ber.Encode(ber.ClassApplication, ber.TypeConstructed, tag, nil, "")
}

// encodeMessage wraps an operation of ours.
func encodeMessage(id int64, op *ber.Packet, controls ...*ber.Packet) []byte {
	p := ber.NewSequence("LDAPMessage")
	p.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, id, "messageID"))
	p.AppendChild(op)
	if len(controls) > 0 {
		all := ber.Encode(ber.ClassContext, ber.TypeConstructed, 0, nil, "controls")
		for _, c := range controls {
			all.AppendChild(c)
		}
		p.AppendChild(all)
	}
	return p.Bytes()
}
