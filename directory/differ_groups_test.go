//go:build linux

package directory

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simad"
)

// TestSimadAnswersAsSambaOfGroups puts the same groups into the simulated and into a real domain, and asks both the same: members and their ranges, back-links,
// chains, names with GUIDs. Windows sends 1,500 values at once, which its documentation says and Samba does not do: here the simulated one sends all too.
func TestSimadAnswersAsSambaOfGroups(t *testing.T) {
	samba := sambalab.New(t)
	sim := newCompany(t, 0)
	sim.serve(t, simad.ControllerOptions{MaxValRange: -1})
	samba.AddOU(groupsOU)
	for _, name := range []string{"ada", "bob", "cy"} {
		u := simad.User{Account: name}
		if name != "ada" {
			u.Attributes = map[string][]string{"manager": {staffDN("ada")}}
		}
		sim.user(t, u)
		samba.AddUsers(sambalab.User{Name: name, Attributes: u.Attributes})
	}
	for _, g := range []struct {
		name    string
		members []string
	}{
		{"inner", []string{staffDN("cy")}}, {"middle", []string{groupDN("inner"), staffDN("bob")}}, {"outer", []string{groupDN("middle"), staffDN("ada"), staffDN("bob")}},
		{"empty", nil}, {"ring1", []string{staffDN("ada")}}, {"ring2", []string{groupDN("ring1"), staffDN("ada")}},
	} {
		sim.group(t, g.name, g.members...)
		samba.AddGroup(groupDN(g.name), g.members...)
	}
	must(t, sim.AddMembers(groupDN("ring1"), groupDN("ring2")))
	samba.Set(groupDN("ring1"), "member", staffDN("ada"), groupDN("ring2"))
	must(t, sim.SetPassword(readerDN, sambalab.ReadPassword))

	a := dialLDAP(t, sim.config(), sim.dcs[0].URL("ldaps"))
	b := dialLDAP(t, sambaConfig(samba, samba.LDAPS()), samba.LDAPS())
	for _, q := range groupQuestions() {
		t.Run(q.filter+" "+strings.Join(q.attributes, " "), func(t *testing.T) {
			ask := q.ask
			if strings.HasPrefix(strings.ToLower(q.attributes[0]), "member") {
				ask = q.count // the order of links is not the same
			}
			if got, want := ask(a), ask(b); got != want {
				t.Errorf("simad answers %s\nSamba answers %s", got, want)
			}
		})
	}
	for _, value := range []string{"\x30\x03\x02\x01\x00", "\x30\x03\x02\x01\x01", ""} {
		for _, dn := range []string{groupDN("outer"), staffDN("bob")} {
			got, want := askExtended(t, a, dn, value), askExtended(t, b, dn, value)
			if got != want {
				t.Errorf("%s with the value %x: simad answers %s\nSamba answers %s", dn, value, got, want)
			}
		}
	}
}

// count asks for one object, and compares how many values its attributes have.
func (q question) count(c *ldap.Conn) string {
	r, err := c.Search(baseSearch(q.base, q.filter, q.attributes...))
	if err != nil || len(r.Entries) != 1 {
		return answerCode(err)
	}
	var names []string
	for _, a := range r.Entries[0].Attributes {
		names = append(names, fmt.Sprintf("%s=%d", a.Name, len(a.Values)))
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// groupQuestions ask below the domain's root for names, or one group for its attributes.
func groupQuestions() (all []question) {
	const chain = ":1.2.840.113556.1.4.1941:="
	below := "(|(name=ada)(name=bob)(name=cy)(name=inner)(name=middle)(name=outer)(name=ring1)(name=ring2)(name=empty))"
	for _, f := range []string{
		"(memberOf=" + groupDN("outer") + ")", "(memberOf=" + strings.ToLower(groupDN("outer")) + ")", "(memberOf=" + groupDN("empty") + ")", "(memberOf=*)", "(memberOf=no name)",
		"(!(memberOf=*))", "(member=" + staffDN("ada") + ")", "(&(objectCategory=group)(member=" + staffDN("bob") + "))", "(member=*)", "(!(member=*))", "(member=" + groupDN("ring2") + ")",
		"(objectClass=group)", "(objectCategory=group)", "(sAMAccountName=outer)", "(primaryGroupID=513)",
		"(memberOf" + chain + groupDN("outer") + ")", "(memberOf" + chain + groupDN("ring1") + ")", "(memberOf" + chain + groupDN("empty") + ")", "(memberOf" + chain + staffDN("ada") + ")",
		"(member" + chain + staffDN("cy") + ")", "(member" + chain + staffDN("ada") + ")", "(manager" + chain + staffDN("ada") + ")", "(!(memberOf" + chain + groupDN("outer") + "))",
		"(memberOf" + chain + "CN=gone," + groupsOU + ")",
	} {
		all = append(all, question{base: "DC=corp,DC=example", scope: ldap.ScopeWholeSubtree, filter: "(&" + f + below + ")", attributes: []string{"1.1"}})
	}
	for _, attributes := range [][]string{
		{"member"}, {"member;range=0-*"}, {"memBER;range=0-*"}, {"member;range=0-0"}, {"member;range=0-1"}, {"member;range=0-2"}, {"member;range=0-3"}, {"member;range=1-*"}, {"member;range=1-1"},
		{"member;range=2-*"}, {"member;range=2-5"}, {"memberOf;range=0-*"}, {"objectClass;range=1-*"}, {"name;range=0-*"}, {"memberOf", "groupType", "sAMAccountType"},
	} {
		for _, name := range []string{"outer", "ring1", "empty"} {
			all = append(all, question{base: groupDN(name), scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: attributes})
		}
	}
	return all
}

// Identities differ between the two: every digit counts as one.
var (
	hexGUID  = regexp.MustCompile(`<GUID=[0-9a-f]{32}>`)
	textGUID = regexp.MustCompile(`<GUID=[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}>`)
	hexSID   = regexp.MustCompile(`<SID=0105000000000005150000[0-9a-f]+>`)
	textSID  = regexp.MustCompile(`<SID=S-1-5-21(-\d+){4}>`)
)

// askExtended asks for an object with the control that puts GUID and SID before names.
func askExtended(t *testing.T, c *ldap.Conn, dn, value string) string {
	t.Helper()
	request := baseSearch(dn, "(objectClass=*)", "member", "memberOf", "manager", "distinguishedName", "name")
	request.Controls = []ldap.Control{ldap.NewControlString("1.2.840.113556.1.4.529", true, value)}
	r, err := c.Search(request)
	if err != nil || len(r.Entries) != 1 {
		return answerCode(err)
	}
	lines := []string{r.Entries[0].DN}
	for _, a := range r.Entries[0].Attributes {
		slices.Sort(a.Values)
		values := slices.Clone(a.Values)
		for i, v := range values {
			if _, name, ok := strings.Cut(v, ";CN="); ok {
				values[i] = name + " " + v
			}
		}
		slices.Sort(values)
		lines = append(lines, fmt.Sprintf("%s=%q", a.Name, values))
	}
	slices.Sort(lines)
	text := strings.Join(lines, " ")
	for form, re := range map[string]*regexp.Regexp{"<hex GUID>": hexGUID, "<text GUID>": textGUID, "<hex SID>": hexSID, "<text SID>": textSID} {
		text = re.ReplaceAllString(text, form)
	}
	return text
}
