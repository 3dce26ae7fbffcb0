package simad

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A Group to add. OU and Name must be set.
type Group struct {
	OU         string   // distinguished name of the container; made when it is missing
	Name       string   // common name, sAMAccountName too
	RID        uint32   // last number of the SID, such as 513 for Domain Users; 0: the next one
	Members    []string // distinguished names
	Attributes map[string][]string
}

// AddGroup adds a global security group.
func (d *Domain) AddGroup(g Group) (Object, error) {
	if g.Name == "" || g.OU == "" {
		return Object{}, errors.New("simad: a group needs a name and an OU")
	}
	attrs := newAttributes([]string{"top", "group"})
	values := map[string]string{"sAMAccountName": g.Name, "groupType": "-2147483646", "sAMAccountType": "268435456"}
	if g.RID != 0 {
		values["objectSid"] = string(d.accountSID(g.RID))
	}
	if err := fillAttributes(attrs, values, g.Attributes); err != nil {
		return Object{}, err
	}
	if err := attrs.set("member", g.Members...); err != nil {
		return Object{}, err
	}
	return d.addAccount(g.OU, g.Name, attrs, login{})
}

// AddMembers adds values to the attribute member of a group.
func (d *Domain) AddMembers(group string, members ...string) error {
	return d.change(group, func(o *object) error {
		values := append(textsOf(o.attrs["member"].values), members...)
		return o.attrs.set("member", values...)
	})
}

// RemoveMembers takes values off the attribute member of a group.
func (d *Domain) RemoveMembers(group string, members ...string) error {
	return d.change(group, func(o *object) error {
		values := slices.DeleteFunc(textsOf(o.attrs["member"].values), func(v string) bool {
			return slices.ContainsFunc(members, func(m string) bool { return sameName(m, v) })
		})
		return o.attrs.set("member", values...)
	})
}

func textsOf(values [][]byte) []string {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return texts
}

func sameName(a, b string) bool {
	x, err1 := parseDN(a)
	y, err2 := parseDN(b)
	return err1 == nil && err2 == nil && x.key() == y.key()
}

// backLinks keeps memberOf of others in step with member of a group that was old and is o now. It changes no number of theirs: a
// back-link is no attribute of its own (MS-ADTS 3.1.1.1.6).
func (d *Domain) backLinks(old, o *object) {
	before, after := old.attrs["member"].values, o.attrs["member"].values
	for _, v := range before {
		if !containsBytes(after, v) {
			d.setMemberOf(v, old.key, "")
		}
	}
	for _, v := range after {
		if !containsBytes(before, v) {
			d.setMemberOf(v, old.key, o.name.String())
		}
	}
}

// setMemberOf takes the group with that key out of memberOf of a member, and puts a name in unless it is empty.
func (d *Domain) setMemberOf(member []byte, key, name string) {
	parsed, err := parseDN(string(member))
	if err != nil || d.objects[parsed.key()] == nil {
		return // a member of another domain
	}
	o := d.objects[parsed.key()]
	values := slices.DeleteFunc(textsOf(o.attrs["memberof"].values), func(v string) bool {
		group, err := parseDN(v)
		return err == nil && group.key() == key
	})
	if name != "" {
		values = append(values, name)
	}
	n := o.clone()
	if n.attrs.set("memberOf", values...) == nil {
		d.put(o, n)
	}
}

// linked are the attributes that the chain rule follows, as far as the simulation has them.
var linked = []string{"member", "memberof", "manager", "directreports", "managedby", "managedobjects"}

// reaches tells whether the value of the key can be reached from o by one or more steps over an attribute (MS-ADTS 3.1.1.3.4.4.3).
func (d *Domain) reaches(o *object, attributeName, key string, visited map[string]bool) bool {
	visited[o.key] = true
	var next []*object
	for _, v := range o.attrs[attributeName].values {
		name, err := parseDN(string(v))
		if err != nil {
			continue
		}
		if name.key() == key {
			return true
		}
		if to := d.objects[name.key()]; to != nil && !visited[to.key] {
			next = append(next, to)
		}
	}
	return slices.ContainsFunc(next, func(to *object) bool { return !visited[to.key] && d.reaches(to, attributeName, key, visited) })
}

// A valueRange is what the option range of an attribute asks for (MS-ADTS 3.1.1.3.1.3.3); high is -1 for an asterisk.
type valueRange struct{ low, high int }

// splitRange takes the option from the name of an attribute.
func splitRange(name string) (plain string, r valueRange, asked bool) {
	plain, option, ok := strings.Cut(name, ";")
	low, high, dash := strings.Cut(strings.TrimPrefix(strings.ToLower(option), "range="), "-")
	if !ok || !dash || !strings.HasPrefix(strings.ToLower(option), "range=") {
		return name, r, false
	}
	r.high = -1
	var err error
	if r.low, err = strconv.Atoi(low); err != nil || r.low < 0 {
		return name, r, false
	}
	if high != "*" {
		if r.high, err = strconv.Atoi(high); err != nil || r.high < r.low {
			return name, r, false
		}
	}
	return plain, r, true
}

// attributesOf are the attributes of an object that a search gets: in ranges where it asks for that, or where there are too many values.
func (s *session) attributesOf(m *message, o *object) []attribute {
	names, ranges := []string{}, map[string]valueRange{}
	for _, name := range m.search.attributes {
		plain, r, asked := splitRange(name)
		if asked {
			ranges[strings.ToLower(plain)] = r
		}
		names = append(names, plain)
	}
	var list []attribute
	for _, a := range s.c.domain.selected(s.who, o, names) {
		list = append(list, s.inRange(a, ranges)...)
	}
	if m.search.extended {
		for i, a := range list {
			list[i] = s.c.domain.extend(a, m.search.extendedText)
		}
	}
	return list
}

// inRange is an attribute as it is sent. Of one with too many values nobody has asked to count, the name comes without values before the
// first range, as on Windows.
func (s *session) inRange(a attribute, ranges map[string]valueRange) []attribute {
	limit, count := s.c.ranges, len(a.values)
	r, asked := ranges[strings.ToLower(a.name)]
	if !asked && (count <= limit || limit < 0) {
		return []attribute{a}
	}
	if !asked {
		r = valueRange{0, -1}
	}
	end := count // behind the last one that is sent
	if r.high >= 0 {
		end = min(end, r.high+1)
	}
	if limit > 0 {
		end = min(end, r.low+limit)
	}
	if r.low >= count {
		return []attribute{{name: fmt.Sprintf("%s;range=%d-*", a.name, r.low)}} // as Samba answers
	}
	last := "*"
	if end < count {
		last = strconv.Itoa(end - 1)
	}
	part := attribute{fmt.Sprintf("%s;range=%d-%s", a.name, r.low, last), a.values[r.low:end]}
	if asked {
		return []attribute{part}
	}
	return []attribute{{name: a.name}, part}
}

// extend puts GUID and SID before the distinguished names of an attribute (MS-ADTS 3.1.1.3.4.1.5).
func (d *Domain) extend(a attribute, text bool) attribute {
	plain, _, _ := strings.Cut(a.name, ";")
	if schema[strings.ToLower(plain)].syntax != dnSyntax {
		return a
	}
	extended := attribute{name: a.name}
	for _, v := range a.values {
		extended.values = append(extended.values, []byte(d.extendedName(string(v), text)))
	}
	return extended
}

// extendedName is a name with the GUID, and the SID if there is one, of the object that it names.
func (d *Domain) extendedName(name string, text bool) string {
	parsed, err := parseDN(name)
	d.mu.RLock()
	o := d.objects[parsed.key()]
	d.mu.RUnlock()
	if err != nil {
		return name
	}
	var g guid
	var sid []byte
	if o != nil {
		g, sid = o.guid(), o.attrs.first("objectSid")
	} else {
		sum := sha256.Sum256([]byte("phantom " + parsed.key())) // of an object of another domain the controller knows name and GUID (MS-ADTS 3.1.1.1.6)
		g = guid(sum[:16])
	}
	prefix := "<GUID=" + hex.EncodeToString(g[:]) + ">;"
	if text {
		prefix = "<GUID=" + g.String() + ">;"
	}
	switch {
	case len(sid) == 0:
	case text:
		prefix += "<SID=" + sidString(sid) + ">;"
	default:
		prefix += "<SID=" + hex.EncodeToString(sid) + ">;"
	}
	return prefix + name
}

// decodeExtendedDN reads the value of the control: whether GUIDs and SIDs are written as text; none means hexadecimal digits.
func decodeExtendedDN(value []byte) (text bool, err error) {
	if len(value) == 0 {
		return false, nil
	}
	p, err := ber.DecodePacketErr(value)
	if err != nil || len(p.Children) != 1 {
		return false, errMessage
	}
	flag, ok := integer(p.Children[0])
	if !ok || flag < 0 || flag > 1 {
		return false, errMessage
	}
	return flag == 1, nil
}
