package directory

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// maxMembers bounds the members of all groups of a scope: 16 bytes each are held while it is read.
const maxMembers = 1_000_000

// A membership tells who is a member. Asking may take a search.
type membership interface {
	has(ctx context.Context, e *ldap.Entry) (bool, error)
}

// everybody is the membership of a scope without groups.
type everybody struct{}

func (everybody) has(context.Context, *ldap.Entry) (bool, error) { return true, nil }

// forMembership adds what a membership must see of an object.
func forMembership(attributes []string) []string {
	all := slices.Clone(attributes)
	for _, a := range []string{"objectGUID", "objectSid", "primaryGroupID"} {
		if !slices.Contains(all, a) {
			all = append(all, a)
		}
	}
	return all
}

// primary tells whether an object's primary group is one of the groups. It stands in primaryGroupID alone (MS-ADA3), as the last number
// of the group's SID: neither the group's member nor the object's memberOf tells of it.
func primary(groups []group, e *ldap.Entry) bool {
	rid, err := strconv.ParseUint(e.GetEqualFoldAttributeValue("primaryGroupID"), 10, 32)
	sid := e.GetEqualFoldRawAttributeValue("objectSid")
	if err != nil || len(sid) < 4 {
		return false
	}
	want := binary.LittleEndian.AppendUint32(slices.Clone(sid[:len(sid)-4]), uint32(rid))
	return slices.ContainsFunc(groups, func(g group) bool { return g.sid == string(want) })
}

// A memberSet holds all members.
type memberSet struct {
	groups []group
	guids  []rawGUID // sorted; of users, computers, groups and whatever else is a member
}

func (m *memberSet) has(_ context.Context, e *ldap.Entry) (bool, error) {
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return false, nil // it has no identity
	}
	_, found := slices.BinarySearchFunc(m.guids, guid, rawGUID.compare)
	return found || primary(m.groups, e), nil
}

// filters find all members within a scope: by their GUIDs, and by the last number of the SID of their primary group.
func (m *memberSet) filters(s scope) []string {
	filters := s.narrowed(false, m.guids)
	for part := range slices.Chunk(m.groups, idsPerSearch) {
		var any strings.Builder
		for _, g := range part {
			if sid, err := decodeSID([]byte(g.sid)); err == nil && sid.IsAccount() {
				any.WriteString("(primaryGroupID=" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32([]byte(g.sid[len(g.sid)-4:]))), 10) + ")")
			}
		}
		if any.Len() > 0 {
			filters = append(filters, s.and("(|"+any.String()+")"))
		}
	}
	return filters
}

// readMembers reads the groups of a scope and all their members.
func (d *Directory) readMembers(ctx context.Context, s scope) (*memberSet, error) {
	groups, err := d.readGroups(ctx, s)
	if err != nil {
		return nil, err
	}
	m := &memberSet{groups: groups}
	for _, g := range groups {
		guids, err := d.membersOf(ctx, g)
		if err != nil {
			return nil, err
		}
		if m.guids = append(m.guids, guids...); len(m.guids) > maxMembers {
			m.guids = uniqueGUIDs(m.guids)
		}
		if len(m.guids) > maxMembers {
			return nil, tooManyMembers(s.key + ".groups")
		}
	}
	m.guids = uniqueGUIDs(m.guids)
	if len(m.guids) == 0 {
		d.log.Warn("the groups have no members, or the account may not see them", "groups", s.key+".groups", "domain", d.cfg.Name)
	}
	return m, nil
}

func tooManyMembers(of string) error {
	return &photopush.Error{Reason: photopush.Quota, Op: "read members of", On: of, Err: fmt.Errorf("they are more than %d: name other groups", maxMembers)}
}

// membersOf reads the GUIDs of the members of one group. What one controller has begun, another one begins anew.
func (d *Directory) membersOf(ctx context.Context, g group) (all []rawGUID, err error) {
	err = d.use(ctx, func(c *conn) error {
		d.readFrom(c.controller)
		all, err = c.members(ctx, g)
		return err
	})
	return all, err
}

// maxRounds is how often the members of a group that changes meanwhile are read.
const maxRounds = 3

// members reads all members of a group. Ranges are counted from the beginning, so that a member who is taken out meanwhile lets
// another one slip from one range into the one that was read before: a group that changed is read again, and whoever was seen once counts.
func (c *conn) members(ctx context.Context, g group) ([]rawGUID, error) {
	var all []rawGUID
	for range maxRounds {
		first, last := "", ""
		for next, more := 0, true; more; {
			part, err := c.memberRange(ctx, g, next)
			if err != nil {
				return nil, err
			}
			if next == 0 {
				first = part.version
			}
			last, more = part.version, part.more
			next += len(part.guids)
			if all = append(all, part.guids...); next > maxMembers {
				return nil, tooManyMembers(g.name)
			}
		}
		if first == last {
			break
		}
	}
	return uniqueGUIDs(all), nil
}

// A memberPart is one range of the values of member.
type memberPart struct {
	guids   []rawGUID
	more    bool
	version string // uSNChanged of the group
}

// extendedDN asks for distinguished names with the GUID before them, in hexadecimal digits (MS-ADTS 3.1.1.3.4.1.5). The value is the
// sequence of the integer 0.
func extendedDN() ldap.Control {
	return ldap.NewControlString("1.2.840.113556.1.4.529", true, "\x30\x03\x02\x01\x00")
}

// memberRange reads the values of member from the given one on, as many as the controller likes to give: 1,500 by default
// (MaxValRange, MS-ADTS 3.1.1.3.1.3.3 and 3.1.1.3.4.6).
func (c *conn) memberRange(ctx context.Context, g group, from int) (part memberPart, err error) {
	fail := func(err error) error {
		return &photopush.Error{Reason: photopush.Unsupported, Op: "read members of", On: decodeText(g.name), Err: err}
	}
	request := baseSearch("<GUID="+string(g.guid.GUID())+">", "(objectClass=*)", fmt.Sprintf("member;range=%d-*", from), "uSNChanged")
	request.Controls = []ldap.Control{extendedDN()}
	entries, err := c.run(ctx, request, "read members of", decodeText(g.name))
	if resultCode(err) == ldap.LDAPResultNoSuchObject || err == nil && len(entries) != 1 {
		return part, &photopush.Error{Reason: photopush.Conflict, Op: "read members of", On: decodeText(g.name),
			Err: errors.New("the group was deleted meanwhile, or is not known yet to another controller: try again")}
	}
	if err != nil {
		return part, err
	}
	part.version = entries[0].GetEqualFoldAttributeValue("uSNChanged")
	for _, a := range entries[0].Attributes {
		if name, _, _ := strings.Cut(a.Name, ";"); !strings.EqualFold(name, "member") || len(a.ByteValues) == 0 {
			continue // Windows sends member without values beside its range
		}
		if part.more, err = parseRange(a.Name, from, len(a.ByteValues)); err != nil {
			return part, fail(err)
		}
		for _, v := range a.ByteValues {
			guid, err := decodeExtendedDN(v)
			if err != nil {
				return part, fail(err)
			}
			part.guids = append(part.guids, guid)
		}
		break
	}
	return part, nil
}

// parseRange reads the name of an attribute with a range of count values that begins at from, and tells whether another one follows.
func parseRange(name string, from, count int) (more bool, err error) {
	_, option, _ := strings.Cut(strings.ToLower(name), ";")
	low, high, ok := strings.Cut(strings.TrimPrefix(option, "range="), "-")
	first, err := strconv.Atoi(low)
	if !ok || err != nil || first != from {
		return false, fmt.Errorf("the controller answers %q to the range from %d on", clip(name), from)
	}
	if high == "*" {
		return false, nil
	}
	if last, err := strconv.Atoi(high); err != nil || last != from+count-1 {
		return false, fmt.Errorf("the controller answers %q with %d values", clip(name), count)
	}
	return true, nil
}

// decodeExtendedDN takes the GUID from <GUID=…>;<SID=…>;CN=…, 32 hexadecimal digits in the order in which the bytes travel.
func decodeExtendedDN(v []byte) (guid rawGUID, err error) {
	digits, ok := bytes.CutPrefix(v, []byte("<GUID="))
	digits, _, closed := bytes.Cut(digits, []byte(">;"))
	if !ok || !closed || len(digits) != 2*len(guid) {
		return guid, fmt.Errorf("the controller answers %q where a distinguished name with its GUID was asked for", clip(decodeText(string(v))))
	}
	_, err = hex.Decode(guid[:], digits)
	return guid, err
}

// A memberQuery asks the directory about one object after another: for few of them it is quicker than to read all members.
type memberQuery struct {
	d      *Directory
	groups []group
}

// has asks for one of the groups that has the object among its members. The attribute member is asked, as for a memberSet, and not
// memberOf of the object, which not every account may read.
func (m *memberQuery) has(ctx context.Context, e *ldap.Entry) (bool, error) {
	if primary(m.groups, e) {
		return true, nil
	}
	s := m.d.domainScope(groupFilter)
	for part := range slices.Chunk(m.groups, idsPerSearch) {
		guids := make([]rawGUID, len(part))
		for i, g := range part {
			guids[i] = g.guid
		}
		filter := s.and(anyGUID(guids) + equals("member", e.DN))
		found, err := m.d.search(ctx, query{"look for groups", s, filter, []string{"objectGUID"}})
		if err != nil || len(found) > 0 {
			return len(found) > 0, err
		}
	}
	return false, nil
}

// membersAmong is the membership for a few objects that are looked for.
func (d *Directory) membersAmong(ctx context.Context, s scope) (membership, error) {
	if len(s.groups) == 0 {
		return everybody{}, nil
	}
	groups, err := d.recentGroups(ctx, s)
	return &memberQuery{d, groups}, err
}
