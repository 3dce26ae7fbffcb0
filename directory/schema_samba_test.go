//go:build linux

package directory

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush/internal/sambalab"
)

// TestSambaSchema asks a real schema for attributes whose changes are not told, and compares what the simulated one says of those that it has.
func TestSambaSchema(t *testing.T) {
	samba := sambalab.New(t)
	all := map[string]string{
		"(anr=ada)":                   "users.filter asks for anr, whose changes no controller tells: it is made when it is asked for", // name resolution
		"(!(msTSPrimaryDesktopBL=*))": "users.filter asks for msTSPrimaryDesktopBL, whose changes no controller tells: it is a link that other objects have",
		"(&(title=*)(company=x))":     "",
	}
	for filter, why := range unwatchable {
		all[filter] = why
	}
	for filter, why := range all {
		t.Run(filter, func(t *testing.T) {
			cfg := sambaConfig(samba, samba.LDAPS())
			cfg.Users.Filter = filter
			checkBlind(t, open(t, cfg, Options{}), why)
		})
	}

	sim := newCompany(t, 1)
	must(t, sim.SetPassword(readerDN, sambalab.ReadPassword))
	got := attributesOf(t, dialLDAP(t, sim.config(), sim.dcs[0].URL("ldaps")))
	want := attributesOf(t, dialLDAP(t, sambaConfig(samba, samba.LDAPS()), samba.LDAPS()))
	for name, says := range got {
		if want[name] != says && name != "extensionattribute1" { // which Exchange brings
			t.Errorf("%s is %q in the simulated schema, and %q in the real one", name, says, want[name])
		}
	}
	if len(got) < 80 || len(want) < 1000 {
		t.Errorf("%d and %d attributes", len(got), len(want))
	}
}

// attributesOf reads from the schema the link of each attribute and whether its changes are told.
func attributesOf(t *testing.T, c *ldap.Conn) map[string]string {
	t.Helper()
	all := map[string]string{}
	request := ldap.NewSearchRequest("CN=Schema,CN=Configuration,DC=corp,DC=example", ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(objectClass=attributeSchema)", []string{"lDAPDisplayName", "linkID", "systemFlags"}, nil)
	r, err := c.Search(request)
	must(t, err)
	for _, e := range r.Entries {
		flags, _ := strconv.ParseInt(e.GetAttributeValue("systemFlags"), 10, 32)
		all[strings.ToLower(e.GetAttributeValue("lDAPDisplayName"))] = fmt.Sprintf("link %s, flags %d", e.GetAttributeValue("linkID"), flags&(notReplicated|constructed))
	}
	return all
}
