package simad

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Controls that are understood.
const (
	oidPaged       = "1.2.840.113556.1.4.319"
	oidDomainScope = "1.2.840.113556.1.4.1339" // no references
	oidShowDeleted = "1.2.840.113556.1.4.417"
	oidDirSync     = "1.2.840.113556.1.4.841"
	oidExtendedDN  = "1.2.840.113556.1.4.529"
	oidNoReferrals = "2.16.840.1.113730.3.4.2" // ManageDsaIT
)

const (
	scopeBase     = 0
	scopeOneLevel = 1
)

// Texts of Windows Server.
const (
	noCredentials = "000004DC: LdapErr: DSID-0C090A5C, comment: In order to perform this operation a successful bind must be completed on the connection., data 0, v4563\x00"
	badExtension  = "00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0\n\x00"
	foreignCookie = "0000054F: SvcErr: DSID-03140A10, problem 5003 (WILL_NOT_PERFORM), data 0\n\x00"
	badControl    = "00000057: LdapErr: DSID-0C090A22, comment: Error processing control, data 0, v4563\x00"
	exceededTime  = "000020E7: SvcErr: DSID-03140000, problem 5004 (TIME_LIMIT), data 0\n\x00"
	exceededSize  = "000020E6: SvcErr: DSID-03140000, problem 5012 (SIZE_LIMIT), data 0\n\x00"
)

// search answers a search request: entries, references, and the end.
func (s *session) search(m *message) error {
	s.c.counts.searches.Add(1)
	q := m.search
	if q.base == "" && q.scope == scopeBase {
		return s.rootDSE(m)
	}
	if code := s.c.faults.result(q.base); code != success {
		return s.finish(m.id, opDone, s.c.domain.faulty(code))
	}
	if !s.bound {
		return s.finish(m.id, opDone, result{code: operationsError, text: noCredentials})
	}
	paging, references, fault := s.controls(m)
	if fault.code != success {
		return s.finish(m.id, opDone, fault)
	}
	q.filter = s.c.ownNumbers(q.filter)
	switch {
	case q.dirSync != nil:
		return s.changes(m)
	case paging != nil:
		return s.page(m, paging, references)
	}
	return s.unpaged(m, references)
}

// controls reads the controls of a search. A critical one that is not understood is refused.
func (s *session) controls(m *message) (paging *pageRequest, references bool, fault result) {
	references = true
	refused := s.c.faults.get().NoControl
	for _, c := range m.controls {
		switch c.oid {
		case refused:
			return nil, false, result{code: criticalUnavailable, text: badExtension}
		case oidPaged:
			p, err := decodePaging(c.value)
			if err != nil {
				return nil, false, result{code: protocolError, text: badControl}
			}
			paging = p
		case oidDomainScope, oidNoReferrals:
			references = false
		case oidShowDeleted:
			m.search.deleted = s.may().SeeDeleted
		case oidExtendedDN:
			text, err := decodeExtendedDN(c.value)
			if err != nil {
				return nil, false, result{code: protocolError, text: badControl}
			}
			m.search.extended, m.search.extendedText = true, text
		case oidDirSync:
			request, err := decodeDirSync(c.value)
			switch {
			case err != nil:
				return nil, false, result{code: protocolError, text: badControl}
			case !c.critical:
				return nil, false, result{code: operationsError, text: badControl} // as Samba answers
			}
			s.c.faults.hangs(HangSync, s.done)
			m.search.dirSync = request
		default:
			if c.critical {
				return nil, false, result{code: criticalUnavailable, text: badExtension}
			}
		}
	}
	if s.c.faults.get().NoPaging {
		paging = nil
	}
	return paging, references, result{}
}

// unpaged sends all at once, up to MaxPageSize.
func (s *session) unpaged(m *message, references bool) error {
	found, fault := s.c.domain.find(m.search)
	if fault.code != success {
		return s.finish(m.id, opDone, fault)
	}
	limit, end := s.c.max, result{}
	if n := int(m.search.sizeLimit); n > 0 {
		limit = min(limit, n)
	}
	if len(found) > limit {
		found, end = found[:limit], result{code: sizeLimitExceeded, text: exceededSize}
	}
	for _, o := range found {
		if err := s.entry(m, o); err != nil {
			return err
		}
	}
	if err := s.references(m, references); err != nil {
		return err
	}
	return s.finish(m.id, opDone, end)
}

// find returns the objects that match, in order of creation.
func (d *Domain) find(q *searchRequest) ([]*object, result) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	base, fault := d.base(q.base, q.deleted)
	if fault.code != success {
		return nil, fault
	}
	if q.scope == scopeBase {
		if q.filter.eval(d, base) != isTrue {
			return nil, result{}
		}
		return []*object{base}, result{}
	}
	candidates := d.candidates(q.filter)
	if base.key == d.schemaName().key() {
		candidates = d.attributeObjects()
	}
	var found []*object
	for _, o := range candidates {
		if inScope(o, base, q.scope) && (!o.deleted || q.deleted) && q.filter.eval(d, o) == isTrue && !d.otherContext(base, o) {
			found = append(found, o)
		}
	}
	return found, result{}
}

// candidates are the objects that may match: those of the GUIDs that the filter names, as from an index, or all.
func (d *Domain) candidates(f filter) []*object {
	guids, ok := d.namedGUIDs(f)
	if !ok {
		return d.order
	}
	var found []*object
	for g := range guids {
		if o := d.byGUID[g]; o != nil {
			found = append(found, o)
		}
	}
	created := func(o *object) int64 {
		n, _ := strconv.ParseInt(string(o.attrs.first("uSNCreated")), 10, 64)
		return n
	}
	slices.SortFunc(found, func(a, b *object) int { return cmp.Compare(created(a), created(b)) })
	return found
}

// namedGUIDs are those that an object must have one of to match; ok is false where the filter asks for no GUID.
func (d *Domain) namedGUIDs(f filter) (guids map[guid]bool, ok bool) {
	switch f := f.(type) {
	case compareFilter:
		if value, valid := normalizeGUID(f.value); valid && strings.EqualFold(f.attribute, "objectGUID") && f.op == filterEqual && len(value) == len(guid{}) {
			return map[guid]bool{guid([]byte(value)): true}, true
		}
	case andFilter:
		for _, inner := range f {
			if guids, ok := d.namedGUIDs(inner); ok {
				return guids, true
			}
		}
	case orFilter:
		all := map[guid]bool{}
		for _, inner := range f {
			guids, ok := d.namedGUIDs(inner)
			if !ok {
				return nil, false
			}
			maps.Copy(all, guids)
		}
		return all, len(f) > 0
	}
	return nil, false
}

func inScope(o, base *object, scope int64) bool {
	if scope == scopeOneLevel {
		return len(o.name) == len(base.name)+1 && o.below(base.key)
	}
	return o.below(base.key)
}

// otherContext tells whether o lies in the configuration, another naming context, while the search began in the domain.
func (d *Domain) otherContext(base, o *object) bool {
	configuration := strings.ToLower(d.configuration())
	return o.below(configuration) && !base.below(configuration)
}

// base finds where a search begins: a distinguished name, <SID=…> or <GUID=…> (MS-ADTS 3.1.1.3.1.2.4).
func (d *Domain) base(name string, deleted bool) (*object, result) {
	if o, ok := d.alternativeName(name); ok {
		if o == nil || o.deleted && !deleted {
			return nil, d.noObject("")
		}
		return o, result{}
	}
	parsed, err := parseDN(name)
	if err != nil {
		return nil, result{code: invalidDNSyntax, text: fmt.Sprintf(
			"0000208F: NameErr: DSID-03100225, problem 2006 (BAD_NAME), data 8350, best match of:\n\t'%s'\n\x00", name)}
	}
	if o := d.objects[parsed.key()]; o != nil && (!o.deleted || deleted) {
		return o, result{}
	}
	for up := parsed; len(up) > 0; up = up.parent() {
		if d.isOther(up) {
			return nil, d.elsewhere(parsed)
		}
		if o := d.objects[up.key()]; o != nil && !o.deleted {
			return nil, d.noObject(o.name.String())
		}
	}
	return nil, d.elsewhere(parsed)
}

// faulty is a search's end that a fault asks for.
func (d *Domain) faulty(code int) result {
	if code == referral {
		return d.elsewhere(dn{{"DC", "elsewhere"}, {"DC", "example"}})
	}
	return result{code: code, text: exceededTime}
}

// isOther tells whether the name is that of another domain of the forest, which may lie below ours by its name.
func (d *Domain) isOther(name dn) bool {
	return slices.ContainsFunc(d.others, func(o *Domain) bool { return o.root.key() == name.key() })
}

func (d *Domain) noObject(best string) result {
	return result{code: noSuchObject, matched: best, text: fmt.Sprintf(
		"0000208D: NameErr: DSID-0310028B, problem 2001 (NO_OBJECT), data 0, best match of:\n\t'%s'\n\x00", best)}
}

// elsewhere refers to the domain that a name outside of ours must belong to.
func (d *Domain) elsewhere(name dn) result {
	var labels []string
	for _, r := range name {
		if strings.EqualFold(r.attribute, "DC") {
			labels = append(labels, r.value)
		}
	}
	if len(labels) == 0 {
		return d.noObject("")
	}
	host := strings.Join(labels, ".")
	return result{code: referral, referrals: []string{"ldap://" + host + "/" + name.String()}, text: fmt.Sprintf(
		"0000202B: RefErr: DSID-0310082F, data 0, 1 access points\n\tref 1: '%s'\n\x00", host)}
}

// alternativeName reads <SID=…> and <GUID=…>; ok is false for other names.
func (d *Domain) alternativeName(name string) (o *object, ok bool) {
	if !strings.HasPrefix(name, "<") || !strings.HasSuffix(name, ">") {
		return nil, false
	}
	kind, value, _ := strings.Cut(name[1:len(name)-1], "=")
	switch strings.ToUpper(kind) {
	case "SID":
		return d.byAttribute("objectSid", value), true
	case "GUID":
		if g, err := parseGUID(value); err == nil {
			return d.byGUID[g], true
		}
		if g, ok := guidOfHex(value); ok {
			return d.byGUID[g], true
		}
	}
	return nil, true
}

// guidOfHex reads the form without dashes, which is that of the bytes as they travel.
func guidOfHex(s string) (g guid, ok bool) {
	if len(s) != 32 {
		return g, false
	}
	for i := range g {
		n, err := strconv.ParseUint(s[2*i:2*i+2], 16, 8)
		if err != nil {
			return g, false
		}
		g[i] = byte(n)
	}
	return g, true
}

// references sends the search result references that a search below the domain's root gets, one for each naming context beside it and for each
// domain below it.
func (s *session) references(m *message, wanted bool) error {
	d := s.c.domain
	base, err := parseDN(m.search.base)
	if !wanted || m.search.scope == scopeBase || err != nil || base.key() != d.root.key() {
		return nil
	}
	scheme := "ldap"
	if s.tls {
		scheme = "ldaps"
	}
	for _, target := range d.subordinates() {
		op := operation(opReference)
		op.AppendChild(octetString(scheme + "://" + target))
		if err := s.send(m.id, op); err != nil {
			return err
		}
	}
	return nil
}

// subordinates are the naming contexts right below the domain: host and distinguished name.
func (d *Domain) subordinates() []string {
	var targets []string
	if d.forest == d.DN() {
		targets = []string{"ForestDnsZones." + d.name + "/DC=ForestDnsZones," + d.DN()}
	}
	targets = append(targets, "DomainDnsZones."+d.name+"/DC=DomainDnsZones,"+d.DN())
	if d.forest == d.DN() {
		targets = append(targets, d.name+"/"+d.configuration())
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, o := range d.others {
		if o.root.parent().key() == d.root.key() {
			targets = append(targets, o.name+"/"+o.DN())
		}
	}
	return targets
}
