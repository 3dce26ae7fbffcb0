package directory

import (
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// A base is where a search starts. What does not lie at or below it is not in scope, whatever a server answers.
type base struct {
	name   string   // as the configuration has it
	parsed *ldap.DN // that name, or in a located scope the one that the directory has
}

// covers tells whether dn lies at or below the base.
func (b base) covers(dn *ldap.DN) bool {
	return b.parsed.EqualFold(dn) || b.parsed.AncestorOfFold(dn)
}

// A scope says which objects are cared for: those of a kind that lie at or below a base and not at or below an excluded one, pass
// every rule, and are members of a group, directly, through other groups or by their primary group.
type scope struct {
	key        string // of the configuration, for errors: users, workstations
	configured bool   // bases and exclusions are spelled as in the configuration: they are to be located
	bases      []base
	excluded   []base
	kind       string // filter
	rules      []rule
	groups     []string // distinguished names; none: nobody has to be a member
	filter     string   // kind and rules
}

// A rule is a filter with what it comes from: the part of a sentence that ends with the object.
type rule struct{ origin, filter string }

// People are user objects, inetOrgPerson too, but no computers and no managed service accounts.
const peopleFilter = "(objectCategory=person)(objectClass=user)(!(objectClass=computer))"

// The rule 1.2.840.113556.1.4.803 is a bitwise and (MS-ADTS 3.1.1.3.4.4.1); 8192 is SERVER_TRUST_ACCOUNT, 67108864
// PARTIAL_SECRETS_ACCOUNT; the groups 516 and 521 are Domain Controllers and Read-only Domain Controllers.
const (
	computerFilter = "(objectCategory=computer)(objectClass=computer)"
	noControllers  = "(!(primaryGroupID=516))(!(primaryGroupID=521))" +
		"(!(userAccountControl:1.2.840.113556.1.4.803:=8192))(!(userAccountControl:1.2.840.113556.1.4.803:=67108864))"
	noServers = "(!(operatingSystem=*server*))"
)

func userScope(c UserScope) scope {
	return scope{
		key: "users", configured: true, bases: parseBases(c.Bases), excluded: parseBases(c.Exclude), kind: peopleFilter, groups: c.Groups,
		rules: []rule{{"users.filter leaves out", c.Filter}},
	}.withFilter()
}

func workstationScope(c WorkstationScope) scope {
	s := scope{
		key: "workstations", configured: true, bases: parseBases(c.Bases), excluded: parseBases(c.Exclude), kind: computerFilter, groups: c.Groups,
		rules: []rule{{"a domain controller never is one:", noControllers}},
	}
	if !c.IncludeServers {
		s.rules = append(s.rules, rule{"workstations.include_servers leaves out", noServers})
	}
	s.rules = append(s.rules, rule{"workstations.filter leaves out", c.Filter})
	return s.withFilter()
}

// withFilter joins what a server is to look at.
func (s scope) withFilter() scope {
	s.filter = s.kind
	for _, r := range s.rules {
		s.filter += r.filter
	}
	return s
}

// domainScope is everything of a kind in the whole domain.
func (d *Directory) domainScope(kind string) scope {
	return scope{key: "name", bases: parseBases([]string{d.root()}), kind: kind}.withFilter()
}

// and is the filter of the scope narrowed by another one.
func (s scope) and(filter string) string { return "(&" + s.filter + filter + ")" }

// excludes tells whether an object of that name is left out by its place.
func (s scope) excludes(dn *ldap.DN) bool { return covering(s.excluded, dn) >= 0 }

// covering is the index of the first base that covers dn; -1 for none.
func covering(bases []base, dn *ldap.DN) int {
	for i, b := range bases {
		if b.covers(dn) {
			return i
		}
	}
	return -1
}

// parseBases keeps the bases that no other one covers, so that nothing is read twice.
func parseBases(names []string) []base {
	var all []base
	for _, name := range names {
		if dn, err := ldap.ParseDN(name); err == nil {
			all = append(all, base{name, dn})
		}
	}
	var kept []base
	for i, b := range all {
		if !coveredByOther(all, i) {
			kept = append(kept, b)
		}
	}
	return kept
}

// coveredByOther tells whether another base covers the i-th; of equal ones the first stays.
func coveredByOther(all []base, i int) bool {
	for j, other := range all {
		if j == i || !other.covers(all[i].parsed) {
			continue
		}
		if j < i || !all[i].covers(other.parsed) {
			return true
		}
	}
	return false
}

// parseName reads the distinguished name of an object, which a server may have made as long as it likes.
func parseName(name string) (*ldap.DN, error) {
	if len(name) > maxText {
		return nil, errors.New("its distinguished name is too long")
	}
	return ldap.ParseDN(name)
}

// equals is a filter for an attribute that has exactly the value.
func equals(attribute, value string) string {
	return "(" + attribute + "=" + ldap.EscapeFilter(value) + ")"
}

// equalsBytes is the same for a binary value.
func equalsBytes(attribute string, value []byte) string {
	const digits = "0123456789abcdef"
	var b strings.Builder
	b.WriteString("(" + attribute + "=")
	for _, c := range value {
		b.Write([]byte{'\\', digits[c>>4], digits[c&15]})
	}
	b.WriteByte(')')
	return b.String()
}

// anyGUID is a filter for the objects with one of the GUIDs.
func anyGUID(guids []rawGUID) string {
	var b strings.Builder
	for _, guid := range guids {
		b.WriteString(equalsBytes("objectGUID", guid[:]))
	}
	return "(|" + b.String() + ")"
}
