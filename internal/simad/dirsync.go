package simad

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A changeRequest is the value of the DirSync control (MS-ADTS 3.1.1.3.4.1.3).
type changeRequest struct {
	flags  uint32
	cookie []byte
}

// Flags of a request.
const (
	flagObjectSecurity = 0x1        // what the account may read; without it the account needs a right, and sees all
	flagIncremental    = 0x80000000 // of linked values those that were changed
)

func decodeDirSync(value []byte) (*changeRequest, error) {
	p, err := ber.DecodePacketErr(value)
	if err != nil || len(p.Children) != 3 {
		return nil, errMessage
	}
	flags, ok1 := integer(p.Children[0])
	_, ok2 := integer(p.Children[1])
	cookie, ok3 := octets(p.Children[2])
	if !ok1 || !ok2 || !ok3 {
		return nil, errMessage
	}
	return &changeRequest{uint32(flags), cookie}, nil
}

// A cookie is what follows syncMark: the USN of the domain up to which the client knows all, 8 bytes. Any controller of the domain takes it.
const syncMark = "simadsync1"

func syncCookie(usn int64) []byte {
	return binary.BigEndian.AppendUint64([]byte(syncMark), uint64(usn))
}

func (r *changeRequest) since() (usn int64, ok bool) {
	if len(r.cookie) == 0 {
		return 0, true
	}
	rest, ok := bytes.CutPrefix(r.cookie, []byte(syncMark))
	if !ok || len(rest) != 8 {
		return 0, false
	}
	return int64(binary.BigEndian.Uint64(rest)), true
}

// changes answers a search with the DirSync control: objects of the whole domain that have changed since the cookie and match, in the order of their
// last change, with what of them has changed.
func (s *session) changes(m *message) error {
	d, q, rights := s.c.domain, m.search, s.may()
	secured := q.dirSync.flags&flagObjectSecurity != 0
	if base, err := parseDN(q.base); err != nil || base.key() != d.root.key() {
		code := insufficientAccessRights
		if secured {
			code = unwillingToPerform
		}
		return s.finish(m.id, opDone, result{code: code, text: "00002098: SecErr: DSID-031514A0, problem 4003 (INSUFF_ACCESS_RIGHTS), data 0\n\x00"})
	}
	if !secured && !rights.GetChanges {
		return s.finish(m.id, opDone, result{code: insufficientAccessRights, text: "00002105: LdapErr: DSID-0C0909C1, comment: Error processing control, data 0, v4563\x00"})
	}
	since, ok := q.dirSync.since()
	if !ok {
		return s.finish(m.id, opDone, result{code: criticalUnavailable, text: badExtension})
	}
	found, usn := d.changedSince(q, since, rights.SeeDeleted || !secured)
	more := len(found) > s.c.options.MaxChanges
	if more {
		found = found[:s.c.options.MaxChanges]
		usn = found[len(found)-1].last
	}
	for _, o := range found {
		if list := d.changedAttributes(o, q, since); list != nil {
			if err := s.entryWith(m, o, list); err != nil {
				return err
			}
		}
	}
	switch faults := s.c.faults.get(); {
	case faults.NoPaging:
		return s.finish(m.id, opDone, result{})
	case faults.Endless:
		return s.finish(m.id, opDone, result{}, dirSyncControl(true, syncCookie(since)))
	}
	return s.finish(m.id, opDone, result{}, dirSyncControl(more, syncCookie(usn)))
}

// changedSince returns what has changed and matches, by USN, with the USN of now.
func (d *Domain) changedSince(q *searchRequest, since int64, deleted bool) (found []*object, usn int64) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	root := d.objects[d.root.key()]
	for _, o := range d.order {
		if o.last > since && (!o.deleted || deleted) && !d.otherContext(root, o) && q.filter.eval(d, o) == isTrue {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *object) int { return cmp.Compare(a.last, b.last) })
	return found, d.usn
}

// changedAttributes are those of the attributes asked for that have changed, removed ones without values, and what comes with every object;
// nil where none has changed. The attribute of the object's own name never comes (Samba: cn of CN=…).
func (d *Domain) changedAttributes(o *object, q *searchRequest, since int64) []attribute {
	d.mu.RLock()
	defer d.mu.RUnlock()
	all := len(q.attributes) == 0 || slices.Contains(q.attributes, "*")
	asked := func(name string) bool {
		return all || slices.ContainsFunc(q.attributes, func(a string) bool { return strings.EqualFold(a, name) })
	}
	var list []attribute
	for name, usn := range o.stamps {
		if usn <= since || !asked(name) || name == "instancetype" || name == strings.ToLower(o.name[0].attribute) {
			continue
		}
		switch {
		case name == "member":
			list = append(list, o.changedLinks(q.dirSync.flags&flagIncremental != 0, since)...)
		default:
			list = append(list, attribute{schema[name].name, o.attrs[name].values})
		}
	}
	if len(list) == 0 {
		return nil
	}
	slices.SortFunc(list, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	list = append(list, o.attrs["objectguid"], o.attrs["instancetype"])
	if o.stamps["name"] > since && asked("name") {
		if parent := d.parentGUID(o); parent != nil {
			list = append(list, attribute{"parentGUID", parent})
		}
	}
	return list
}

// changedLinks is member: its present values, or only those that were added, member;range=1-1, and taken off, member;range=0-0.
func (o *object) changedLinks(incremental bool, since int64) []attribute {
	if !incremental {
		return []attribute{{"member", o.attrs["member"].values}}
	}
	added, removed := attribute{name: "member;range=1-1"}, attribute{name: "member;range=0-0"}
	for _, l := range o.links {
		switch {
		case l.usn <= since:
		case l.present:
			added.values = append(added.values, l.value)
		case since > 0:
			removed.values = append(removed.values, l.value)
		}
	}
	return slices.DeleteFunc([]attribute{added, removed}, func(a attribute) bool { return len(a.values) == 0 })
}

// dirSyncControl is the control of an answer: whether there is more, and the cookie.
func dirSyncControl(more bool, cookie []byte) *ber.Packet {
	value := ber.NewSequence("")
	for _, n := range []int64{map[bool]int64{true: 1}[more], 0} {
		value.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, n, ""))
	}
	value.AppendChild(octetString(string(cookie)))
	p := ber.NewSequence("")
	p.AppendChild(octetString(oidDirSync))
	p.AppendChild(octetString(string(value.Bytes())))
	return p
}
