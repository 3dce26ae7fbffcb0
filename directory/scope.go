package directory

import (
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// A base is where a search starts. What does not lie at or below it is not in scope, whatever a server answers.
type base struct {
	name   string
	parsed *ldap.DN
}

// covers tells whether dn lies at or below the base.
func (b base) covers(dn *ldap.DN) bool {
	return b.parsed.EqualFold(dn) || b.parsed.AncestorOfFold(dn)
}

// A scope is a set of bases with the filter that an object must match below them.
type scope struct {
	key    string // of the configuration, for errors: users, workstations
	bases  []base
	filter string
}

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
	return scope{"users", parseBases(c.Bases), peopleFilter + c.Filter}
}

func workstationScope(c WorkstationScope) scope {
	filter := computerFilter + noControllers
	if !c.IncludeServers {
		filter += noServers
	}
	return scope{"workstations", parseBases(c.Bases), filter + c.Filter}
}

// and is the filter of the scope narrowed by another one.
func (s scope) and(filter string) string { return "(&" + s.filter + filter + ")" }

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
