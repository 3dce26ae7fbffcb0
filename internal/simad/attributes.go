package simad

import (
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Bits of systemFlags (MS-ADTS 2.2.10).
const (
	attributeNotReplicated = 0x1
	attributeConstructed   = 0x4
	baseSchemaObject       = 0x10
)

// links are the linkIDs of attributes: even for a link, one more for what shows it at its other end (MS-ADTS 3.1.1.1.6).
var links = map[string]int{
	"member": 2, "memberof": 3, "manager": 42, "directreports": 43, "siteobject": 46, "nonsecuritymember": 50, "nonsecuritymemberbl": 51, "managedby": 72,
	"managedobjects": 73, "serverreference": 94, "msds-primarycomputer": 2186,
}

// attributeObjects are the objects of the schema that describe the attributes, as far as the simulation has those. They are made when somebody asks, and
// their common names are those of LDAP, other than in Active Directory.
func (d *Domain) attributeObjects() []*object {
	var all []*object
	for _, key := range slices.Sorted(maps.Keys(schema)) {
		t, flags := schema[key], baseSchemaObject
		if t.constructed {
			flags |= attributeConstructed
		}
		if slices.Contains(notReplicated, key) {
			flags |= attributeNotReplicated
		}
		attrs := newAttributes([]string{"top", "attributeSchema"})
		text := func(name, value string) { attrs[strings.ToLower(name)] = attribute{name, [][]byte{[]byte(value)}} }
		text("cn", t.name)
		text("lDAPDisplayName", t.name)
		text("systemFlags", strconv.Itoa(flags))
		if id := links[key]; id > 0 {
			text("linkID", strconv.Itoa(id))
		}
		name := append(dn{{"CN", t.name}}, d.schemaName()...)
		all = append(all, &object{name: name, key: name.key(), attrs: attrs})
	}
	return all
}

// schemaName is the distinguished name of the schema.
func (d *Domain) schemaName() dn {
	name, _ := parseDN("CN=Schema," + d.configuration()) // well-formed, as that of the domain is
	return name
}
