package simad

import (
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A truth is a value of LDAP's three-valued logic (RFC 4511 4.5.1.7).
type truth int

const (
	isFalse truth = iota
	isUndefined
	isTrue
)

func truthOf(b bool) truth {
	if b {
		return isTrue
	}
	return isFalse
}

// A filter is one node of a search filter.
type filter interface {
	eval(d *Domain, o *object) truth
}

type (
	andFilter     []filter
	orFilter      []filter
	notFilter     struct{ inner filter }
	presentFilter string
	compareFilter struct {
		attribute string
		op        ber.Tag // filterEqual, filterGreater, filterLess
		value     []byte
	}
	substringFilter struct {
		attribute      string
		initial, final []byte
		any            [][]byte
	}
	matchFilter struct {
		attribute, rule string
		value           []byte
	}
)

// Tags of filters.
const (
	filterAnd       = 0
	filterOr        = 1
	filterNot       = 2
	filterEqual     = 3
	filterSubstring = 4
	filterGreater   = 5
	filterLess      = 6
	filterPresent   = 7
	filterApprox    = 8 // the same as equality in Active Directory (MS-ADTS 3.1.1.3.1.3.1)
	filterMatch     = 9
)

func decodeFilter(p *ber.Packet) (filter, error) {
	if p.ClassType != ber.ClassContext {
		return nil, errMessage
	}
	switch p.Tag {
	case filterAnd, filterOr:
		list, err := decodeFilters(p.Children)
		if p.Tag == filterAnd {
			return andFilter(list), err
		}
		return orFilter(list), err
	case filterNot:
		if len(p.Children) != 1 {
			return nil, errMessage
		}
		inner, err := decodeFilter(p.Children[0])
		return notFilter{inner}, err
	case filterEqual, filterGreater, filterLess, filterApprox:
		return decodeCompare(p)
	case filterSubstring:
		return decodeSubstring(p)
	case filterPresent:
		return presentFilter(p.Data.String()), nil
	case filterMatch:
		return decodeMatch(p)
	}
	return nil, errMessage
}

func decodeFilters(children []*ber.Packet) ([]filter, error) {
	var list []filter
	for _, c := range children {
		f, err := decodeFilter(c)
		if err != nil {
			return nil, err
		}
		list = append(list, f)
	}
	return list, nil
}

func decodeCompare(p *ber.Packet) (filter, error) {
	if len(p.Children) != 2 {
		return nil, errMessage
	}
	attribute, ok1 := octets(p.Children[0])
	value, ok2 := octets(p.Children[1])
	if !ok1 || !ok2 {
		return nil, errMessage
	}
	f := compareFilter{string(attribute), p.Tag, value}
	if f.op == filterApprox {
		f.op = filterEqual
	}
	return f, nil
}

func decodeSubstring(p *ber.Packet) (filter, error) {
	if len(p.Children) != 2 || len(p.Children[1].Children) == 0 {
		return nil, errMessage
	}
	attribute, ok := octets(p.Children[0])
	if !ok {
		return nil, errMessage
	}
	f := substringFilter{attribute: string(attribute)}
	for _, part := range p.Children[1].Children {
		switch b := part.Data.Bytes(); {
		case part.ClassType != ber.ClassContext:
			return nil, errMessage
		case part.Tag == 0:
			f.initial = b
		case part.Tag == 1:
			f.any = append(f.any, b)
		case part.Tag == 2:
			f.final = b
		default:
			return nil, errMessage
		}
	}
	return f, nil
}

func decodeMatch(p *ber.Packet) (filter, error) {
	var f matchFilter
	for _, part := range p.Children {
		switch part.Tag {
		case 1:
			f.rule = part.Data.String()
		case 2:
			f.attribute = part.Data.String()
		case 3:
			f.value = part.Data.Bytes()
		}
	}
	return f, nil
}

func (f andFilter) eval(d *Domain, o *object) truth {
	all := isTrue
	for _, inner := range f {
		if all = min(all, inner.eval(d, o)); all == isFalse {
			break
		}
	}
	return all
}

func (f orFilter) eval(d *Domain, o *object) truth {
	one := isFalse
	for _, inner := range f {
		if one = max(one, inner.eval(d, o)); one == isTrue {
			break
		}
	}
	return one
}

func (f notFilter) eval(d *Domain, o *object) truth { return isTrue - f.inner.eval(d, o) }

func (f presentFilter) eval(_ *Domain, o *object) truth {
	name := strings.ToLower(string(f))
	if _, known := schema[name]; !known {
		return isUndefined
	}
	return truthOf(len(o.attrs[name].values) > 0)
}

// eval of a known attribute that the object lacks is False, not Undefined, in Active Directory: (!(department=Sales)) finds those who have no
// department too.
func (f compareFilter) eval(d *Domain, o *object) truth {
	t, known := schema[strings.ToLower(f.attribute)]
	if !known || t.constructed {
		return isUndefined
	}
	want, ok := t.normalize(d, f.value)
	if !ok {
		return isUndefined
	}
	for _, v := range o.attrs[strings.ToLower(f.attribute)].values {
		if have, ok := t.normalize(d, v); ok && f.holds(t, have, want) {
			return isTrue
		}
	}
	return isFalse
}

func (f compareFilter) holds(t attributeType, have, want string) bool {
	if f.op == filterEqual {
		return have == want
	}
	order, ok := t.compare(have, want)
	return ok && (order == 0 || (order > 0) == (f.op == filterGreater))
}

func (f substringFilter) eval(d *Domain, o *object) truth {
	t, known := schema[strings.ToLower(f.attribute)]
	if !known || !t.substrings() {
		return isUndefined
	}
	for _, v := range o.attrs[strings.ToLower(f.attribute)].values {
		if have, ok := t.normalize(d, v); ok && f.holds(d, t, have) {
			return isTrue
		}
	}
	return isFalse
}

func (f substringFilter) holds(d *Domain, t attributeType, have string) bool {
	part := func(b []byte) string {
		s, _ := t.normalize(d, b)
		return s
	}
	have, ok := strings.CutPrefix(have, part(f.initial))
	if !ok {
		return false
	}
	if have, ok = strings.CutSuffix(have, part(f.final)); !ok {
		return false
	}
	for _, b := range f.any {
		_, after, found := strings.Cut(have, part(b))
		if !found {
			return false
		}
		have = after
	}
	return true
}

// Matching rules of Active Directory (MS-ADTS 3.1.1.3.4.4).
const (
	ruleBitAnd = "1.2.840.113556.1.4.803"
	ruleBitOr  = "1.2.840.113556.1.4.804"
	ruleChain  = "1.2.840.113556.1.4.1941"
)

func (f matchFilter) eval(d *Domain, o *object) truth {
	t, known := schema[strings.ToLower(f.attribute)]
	if f.rule == ruleChain {
		name, err := parseDN(string(f.value))
		if !slices.Contains(linked, strings.ToLower(f.attribute)) || err != nil {
			return isUndefined
		}
		return truthOf(d.reaches(o, strings.ToLower(f.attribute), name.key(), map[string]bool{}))
	}
	mask, err := strconv.ParseInt(string(f.value), 10, 64)
	if !known || t.syntax != integerSyntax || err != nil || f.rule != ruleBitAnd && f.rule != ruleBitOr {
		return isUndefined
	}
	have, err := strconv.ParseInt(string(o.attrs.first(f.attribute)), 10, 64)
	if err != nil {
		return isFalse
	}
	if f.rule == ruleBitAnd {
		return truthOf(have&mask == mask)
	}
	return truthOf(have&mask != 0)
}
