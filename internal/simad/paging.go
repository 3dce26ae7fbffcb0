package simad

import (
	"encoding/binary"
	"fmt"
	"slices"
	"sync/atomic"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A pageRequest is the value of the paged results control (RFC 2696 2).
type pageRequest struct {
	size   int64
	cookie []byte
}

func decodePaging(value []byte) (*pageRequest, error) {
	p, err := ber.DecodePacketErr(value)
	if err != nil || len(p.Children) != 2 {
		return nil, errMessage
	}
	size, ok1 := integer(p.Children[0])
	cookie, ok2 := octets(p.Children[1])
	if !ok1 || !ok2 || size < 0 || size > 1<<31-1 {
		return nil, errMessage
	}
	return &pageRequest{size, cookie}, nil
}

// maxPageStates is how many paged searches a connection may have open; the oldest one is forgotten.
const maxPageStates = 10

// pageStates are the open paged searches of one connection. Their cookies are worth nothing on another one.
type pageStates []*pageState

type pageState struct {
	cookie []byte
	query  string // base and scope: a cookie belongs to its search
	rest   []guid
}

// cookies are numbered over all connections, so that a foreign one can be told from an invented one.
var cookies atomic.Uint64

const cookieMark = "simadck1"

func newCookie() []byte {
	return binary.BigEndian.AppendUint64([]byte(cookieMark), cookies.Add(1))
}

func (p *pageStates) take(cookie []byte, query string) (*pageState, result) {
	i := slices.IndexFunc(*p, func(s *pageState) bool { return string(s.cookie) == string(cookie) })
	switch {
	case i >= 0 && (*p)[i].query == query:
		s := (*p)[i]
		*p = slices.Delete(*p, i, i+1)
		return s, result{}
	case i < 0 && len(cookie) == len(cookieMark)+8 && string(cookie[:len(cookieMark)]) == cookieMark:
		return nil, result{code: unwillingToPerform, text: foreignCookie} // Samba's answer to that of another connection
	}
	return nil, result{code: criticalUnavailable, text: badExtension}
}

func (p *pageStates) keep(s *pageState) []byte {
	s.cookie = newCookie()
	*p = append(*p, s)
	if len(*p) > maxPageStates {
		*p = slices.Delete(*p, 0, 1)
	}
	return s.cookie
}

// page answers one page of a search. The objects are chosen at the first page; later ones show them as they are then.
func (s *session) page(m *message, request *pageRequest, references bool) error {
	state, fault := s.pageState(m.search, request)
	if fault.code != success {
		return s.finish(m.id, opDone, fault)
	}
	if request.size == 0 && len(request.cookie) > 0 {
		return s.finish(m.id, opDone, result{}, pagingControl(nil)) // the client gives up its search
	}
	size := s.c.max
	if request.size > 0 {
		size = min(size, int(request.size))
	}
	end := result{}
	if n := int(m.search.sizeLimit); n > 0 && n < size && n < len(state.rest) {
		size, end = n, result{code: sizeLimitExceeded, text: exceededSize}
	}
	n := min(size, len(state.rest))
	for _, g := range state.rest[:n] {
		if o := s.c.domain.current(g, m.search); o != nil {
			if err := s.entry(m, o); err != nil {
				return err
			}
		}
	}
	state.rest = state.rest[n:]
	if len(state.rest) == 0 || end.code != success {
		if err := s.references(m, references); err != nil {
			return err
		}
		return s.finish(m.id, opDone, end, pagingControl(nil))
	}
	return s.finish(m.id, opDone, result{}, pagingControl(s.pages.keep(state)))
}

func (s *session) pageState(q *searchRequest, request *pageRequest) (*pageState, result) {
	query := fmt.Sprintf("%d %s", q.scope, q.base)
	if len(request.cookie) > 0 {
		return s.pages.take(request.cookie, query)
	}
	found, fault := s.c.domain.find(q)
	state := &pageState{query: query}
	for _, o := range found {
		state.rest = append(state.rest, o.guid())
	}
	return state, fault
}

// current is the object with that GUID if it still matches.
func (d *Domain) current(g guid, q *searchRequest) *object {
	d.mu.RLock()
	defer d.mu.RUnlock()
	o := d.byGUID[g]
	if o == nil || o.deleted && !q.deleted || q.filter.eval(d, o) != isTrue {
		return nil
	}
	return o
}

// pagingControl is the control of an answer. Active Directory makes no estimate of the whole: 0.
func pagingControl(cookie []byte) *ber.Packet {
	value := ber.NewSequence("")
	value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 0, "size"))
	value.AppendChild(octetString(string(cookie)))
	p := ber.NewSequence("")
	p.AppendChild(octetString(oidPaged))
	p.AppendChild(octetString(string(value.Bytes())))
	return p
}
