//go:build linux

package directory

import (
	"crypto/tls"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simad"
)

// TestSimadAnswersAsSamba puts the same objects into the simulated and into a real domain, asks both the same, and compares. Where
// Windows is known to differ from Samba, simad follows Windows, and the table says so.
func TestSimadAnswersAsSamba(t *testing.T) {
	samba := sambalab.New(t)
	sim := newCompany(t, 1)
	samba.AddOU("OU=Deep," + staff)
	users := []simad.User{
		{Account: "ada", ThumbnailPhoto: []byte{1, 0, 255}, Attributes: map[string][]string{"department": {"Sales"}, "description": {"first one"}, "mail": {"ada@example.com"}}},
		{Account: "bob", Disabled: true, Attributes: map[string][]string{"department": {"Lager & Söhne (West*)"}, "manager": {"CN=ada," + staff}}},
		{Account: "cy", Name: `Comma, "Cy" <c>`},
		{Account: "di", OU: "OU=Deep," + staff},
	}
	for _, u := range users {
		sim.user(t, u)
		samba.AddUsers(sambalab.User{Name: u.Account, CN: u.Name, OU: u.OU, Disabled: u.Disabled, Photo: u.ThumbnailPhoto, Attributes: u.Attributes})
	}
	sim.computer(t, simad.Computer{Name: "PC1", OS: "Windows 11 Pro", OSVersion: "10.0 (22631)"})
	samba.AddComputers(sambalab.Computer{Name: "PC1", Host: "pc1.corp.example", OS: "Windows 11 Pro", OSVersion: "10.0 (22631)"})
	must(t, sim.SetPassword(readerDN, sambalab.ReadPassword))

	a := dialLDAP(t, sim.config(), sim.dcs[0].URL("ldaps"))
	b := dialLDAP(t, sambaConfig(samba, samba.LDAPS()), samba.LDAPS())
	for _, q := range differQuestions {
		t.Run(q.name(), func(t *testing.T) {
			got, want := q.ask(a), q.ask(b)
			if q.windows != "" {
				want = q.windows
			}
			if got != want {
				t.Errorf("simad answers %s\nSamba answers %s", got, want)
			}
		})
	}
	for _, bind := range []struct{ user, password string }{
		{"svc-read@corp.example", "wrong"}, {"nobody@corp.example", "x"}, {"svc-read", sambalab.ReadPassword}, {`CORP\svc-read`, sambalab.ReadPassword},
		{readerDN, sambalab.ReadPassword}, {`OTHER\svc-read`, sambalab.ReadPassword}, {"", ""},
	} {
		if got, want := bindAnswer(a, bind.user, bind.password), bindAnswer(b, bind.user, bind.password); got != want {
			t.Errorf("bind as %q: simad answers %s, Samba answers %s", bind.user, got, want)
		}
	}
}

// A question is one search; the answer is compared as text.
type question struct {
	base       string
	scope      int
	filter     string
	attributes []string
	windows    string // the answer of Windows, where Samba's is another one
}

func (q question) name() string { return fmt.Sprintf("%.60s %d %s", q.base, q.scope, q.filter) }

func (q question) ask(c *ldap.Conn) string {
	attributes := q.attributes
	if attributes == nil {
		attributes = []string{"1.1"}
	}
	r, err := c.Search(ldap.NewSearchRequest(q.base, q.scope, ldap.NeverDerefAliases, 0, 0, false, q.filter, attributes, nil))
	if err != nil {
		return answerCode(err)
	}
	var lines []string
	for _, e := range r.Entries {
		var attributes []string
		for _, a := range e.Attributes {
			attributes = append(attributes, fmt.Sprintf("%s=%q", a.Name, a.Values))
		}
		slices.Sort(attributes)
		lines = append(lines, strings.ToLower(e.DN)+" "+strings.Join(attributes, " "))
	}
	slices.Sort(lines)
	return fmt.Sprintf("%s, %d references", strings.Join(lines, "; "), len(r.Referrals))
}

func answerCode(err error) string {
	if e, ok := errors.AsType[*ldap.Error](err); ok {
		return fmt.Sprintf("code %d", e.ResultCode)
	}
	return fmt.Sprint(err)
}

// differQuestions ask below Staff unless said otherwise.
var differQuestions = makeQuestions()

func makeQuestions() []question {
	var all []question
	for _, f := range []string{
		"(objectClass=*)", "(OBJECTCLASS=USER)", "(objectCategory=person)", "(objectCategory=user)", "(objectCategory=computer)",
		"(objectCategory=CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example)", "(department=sales)",
		`(department=lager & s\c3\b6hne \28west\2a\29)`, "(department=*)", "(!(department=*))", "(!(department=sales))", "(department=s*)", "(department=*WEST*)",
		"(department=*s)", "(department=s*l*s)", "(department=s*s*s)", `(department=*\2a*)`, "(description=FIRST*)",
		"(whenCreated>=20200102000000.0Z)", "(whenCreated>=29990103000000.0Z)", "(userAccountControl:1.2.840.113556.1.4.803:=2)",
		"(userAccountControl:1.2.840.113556.1.4.804:=4098)", "(!(userAccountControl:1.2.840.113556.1.4.803:=2))", "(&(unknownAttributeX=x)(sAMAccountName=ada))",
		"(|(unknownAttributeX=x)(sAMAccountName=ada))", "(unknownAttributeX=x)", "(&(objectClass=user)(|(name=ada)(name=bob))(!(name=bob)))", `(thumbnailPhoto=\01\00\ff)`,
		"(thumbnailPhoto=*)", "(manager=CN=Ada, OU=staff,dc=corp,dc=example)", "(cn=Comma, \"Cy\" <c>)", "(sAMAccountName=a*a)", "(sAMAccountName=*)",
		"(primaryGroupID=513)", "(sAMAccountName=ADA)", "(objectSid=S-1-5-21-1)", `(objectGUID=\00)`,
	} {
		all = append(all, question{base: staff, scope: ldap.ScopeWholeSubtree, filter: f})
	}
	return append(all,
		question{base: staff, scope: ldap.ScopeSingleLevel, filter: "(objectClass=*)"},
		question{base: staff, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)"},
		question{base: strings.ToLower(staff), scope: ldap.ScopeBaseObject, filter: "(objectClass=user)"},
		question{base: `CN=comma\2c \22Cy\22 \3cc\3e,` + staff, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)"},
		// Accents, width and kana make no other name (MS-ADTS 6.5.1); to Samba they do.
		question{base: "OU=Stáff,DC=corp,DC=example", scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", windows: strings.ToLower(staff) + " , 0 references"},
		question{base: "OU=Gone," + staff, scope: ldap.ScopeWholeSubtree, filter: "(objectClass=*)"},
		question{base: "no name", scope: ldap.ScopeWholeSubtree, filter: "(objectClass=*)"},
		question{base: "DC=corp,DC=example", scope: ldap.ScopeWholeSubtree, filter: "(sAMAccountName=ada)"},
		question{base: "DC=other,DC=test", scope: ldap.ScopeWholeSubtree, filter: "(objectClass=*)", windows: "code 10"},
		// Approximate is equal (MS-ADTS 3.1.1.3.1.3.1), and distinguished names have no substrings.
		question{base: staff, scope: ldap.ScopeWholeSubtree, filter: "(department~=SALES)", windows: "cn=ada," + strings.ToLower(staff) + " , 0 references"},
		question{base: staff, scope: ldap.ScopeWholeSubtree, filter: "(manager=cn=a*)", windows: ", 0 references"},
		question{base: "CN=Partitions,CN=Configuration,DC=corp,DC=example", scope: ldap.ScopeSingleLevel, filter: "(nETBIOSName=*)", attributes: []string{"NETBIOSNAME", "nCName", "dnsRoot"}},
		question{base: "", scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{"defaultNamingContext", "configurationNamingContext", "dnsHostName", "nonsense"}},
		question{base: "CN=ada," + staff, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{
			"samaccountname", "thumbnailPhoto", "objectClass", "objectCategory", "name", "cn", "canonicalName", "department", "nonsense", "sAMAccountType"}},
		question{base: "CN=PC1," + machines, scope: ldap.ScopeBaseObject, filter: "(objectClass=*)", attributes: []string{
			"sAMAccountName", "dNSHostName", "operatingSystem", "operatingSystemVersion", "objectClass", "objectCategory", "primaryGroupID"}},
	)
}

func bindAnswer(c *ldap.Conn, user, password string) string {
	if password == "" {
		return answerCode(c.UnauthenticatedBind(user))
	}
	err := c.Bind(user, password)
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.Err != nil {
		if m := adData.FindString(e.Err.Error()); m != "" {
			return answerCode(err) + m
		}
	}
	return answerCode(err)
}

func dialLDAP(t *testing.T, cfg Config, url string) *ldap.Conn {
	t.Helper()
	pool, err := readCAs(cfg.CAFile)
	must(t, err)
	u, err := parseController(url)
	must(t, err)
	to := newController(u, 0)
	raw, err := cfg.Resolver().DialContext(t.Context(), "tcp", to.addr)
	must(t, err)
	c := ldap.NewConn(tls.Client(raw, &tls.Config{RootCAs: pool, ServerName: to.host}), true)
	c.Start()
	c.SetTimeout(10 * time.Second)
	t.Cleanup(func() { c.Close() })
	must(t, c.Bind(reader, sambalab.ReadPassword))
	return c
}
