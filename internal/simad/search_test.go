package simad

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func TestFilters(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: staff, Account: "ada", ThumbnailPhoto: []byte{1, 0, 255},
		Attributes: map[string][]string{"department": {"Sales"}, "logonCount": {"7"}, "description": {"first", "Second one"}, "manager": {"cn=bob," + staff}}})
	must(t, err)
	_, err = d.AddUser(User{OU: staff, Account: "bob", Disabled: true, Attributes: map[string][]string{"department": {"Müller & Söhne (Lager*)"}, "logonCount": {"10"}}})
	must(t, err)
	_, err = d.AddUser(User{OU: staff, Account: "cy"})
	must(t, err)
	_, err = d.AddComputer(Computer{OU: staff, Name: "PC1"})
	must(t, err)
	conn := dial(t, c, reader)
	everyone := []string{"PC1", "Staff", "ada", "bob", "cy"}
	for filter, want := range map[string][]string{
		"(objectClass=*)":           everyone,
		"(OBJECTCLASS=USER)":        {"PC1", "ada", "bob", "cy"},
		"(objectCategory=person)":   {"ada", "bob", "cy"},
		"(objectCategory=user)":     {"ada", "bob", "cy"},
		"(objectCategory=Computer)": {"PC1"},
		"(objectCategory=CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example)": {"ada", "bob", "cy"},
		"(department=sales)":                                {"ada"},
		"(department~=SALES)":                               {"ada"},
		"(department=muller & sohne \\28lager\\2a\\29)":     {"bob"},
		"(department=*)":                                    {"ada", "bob"},
		"(!(department=*))":                                 {"PC1", "Staff", "cy"},
		"(!(department=sales))":                             {"PC1", "Staff", "bob", "cy"},
		"(department=s*)":                                   {"ada"},
		"(department=*lager*)":                              {"bob"},
		"(department=*s)":                                   {"ada"},
		"(department=s*l*s)":                                {"ada"},
		"(department=s*s*s)":                                nil,
		"(department=sal*ales)":                             nil,
		"(department=*\\2a*)":                               {"bob"},
		"(description=second*)":                             {"ada"},
		"(logonCount=7)":                                    {"ada"},
		"(logonCount=07)":                                   {"ada"},
		"(logonCount>=8)":                                   {"bob"},
		"(logonCount<=10)":                                  {"ada", "bob"},
		"(logonCount>=x)":                                   nil,
		"(logonCount=*7*)":                                  nil,
		"(whenCreated>=20260102000000.0Z)":                  everyone,
		"(whenCreated>=20260103000000.0Z)":                  nil,
		"(whenCreated=20260102040405+0100)":                 everyone,
		"(userAccountControl:1.2.840.113556.1.4.803:=2)":    {"bob"},
		"(userAccountControl:1.2.840.113556.1.4.803:=514)":  {"bob"},
		"(userAccountControl:1.2.840.113556.1.4.804:=4098)": {"PC1", "bob"},
		"(!(userAccountControl:1.2.840.113556.1.4.803:=2))": {"PC1", "Staff", "ada", "cy"},
		"(userAccountControl:1.2.3:=2)":                     nil,
		"(!(userAccountControl:1.2.3:=2))":                  nil,
		"(unknownAttribute=x)":                              nil,
		"(!(unknownAttribute=x))":                           nil,
		"(|(unknownAttribute=x)(sAMAccountName=ada))":       {"ada"},
		"(&(unknownAttribute=x)(sAMAccountName=ada))":       nil,
		"(&)": everyone,
		"(|)": nil,
		"(&(objectClass=user)(|(name=ada)(name=bob))(!(name=bob)))": {"ada"},
		"(objectSid=" + ada.SID + ")":                               {"ada"},
		"(objectSid=S-1-5-21-1)":                                    nil,
		"(objectGUID=" + ada.GUID + ")":                             {"ada"},
		"(thumbnailPhoto=\\01\\00\\ff)":                             {"ada"},
		"(thumbnailPhoto=*)":                                        {"ada"},
		"(manager=CN=Bob, OU=staff,dc=corp,dc=example)":             {"ada"},
		"(manager=CN=B*)":                                           nil,
		"(sAMAccountName=ada)(sAMAccountName=bob)":                  {"error"},
	} {
		r, err := conn.Search(search(staff, ldap.ScopeWholeSubtree, filter, "name"))
		got := names(r)
		if err != nil {
			got = []string{"error"}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", filter, err, diff)
		}
	}
	g, err := parseGUID(ada.GUID)
	must(t, err)
	r, err := conn.Search(search(staff, ldap.ScopeWholeSubtree, "(objectGUID="+ldap.EscapeFilter(string(g[:]))+")", "name"))
	if err != nil || !slices.Equal(names(r), []string{"ada"}) {
		t.Errorf("a binary GUID finds %v, %v", names(r), err)
	}
}

func TestScopesAndBases(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: staff, Account: "ada"})
	must(t, err)
	_, err = d.AddUser(User{OU: "OU=Deep," + staff, Account: "bob", Name: `Müller, Bob \ "x"`})
	must(t, err)
	conn := dial(t, c, reader)
	for _, test := range []struct {
		base  string
		scope int
		want  []string
		code  int
	}{
		{staff, ldap.ScopeBaseObject, []string{"Staff"}, 0},
		{staff, ldap.ScopeSingleLevel, []string{"Deep", "ada"}, 0},
		{staff, ldap.ScopeWholeSubtree, []string{"Deep", `Müller, Bob \ "x"`, "Staff", "ada"}, 0},
		{"ou = STAFF , dc=corp,DC=example", ldap.ScopeBaseObject, []string{"Staff"}, 0},
		{`CN=muller\2c bob \\ \22x\22,OU=Deep,` + staff, ldap.ScopeBaseObject, []string{`Müller, Bob \ "x"`}, 0},
		{"<SID=" + ada.SID + ">", ldap.ScopeBaseObject, []string{"ada"}, 0},
		{"<GUID=" + ada.GUID + ">", ldap.ScopeWholeSubtree, []string{"ada"}, 0},
		{"<GUID=00000000-0000-0000-0000-000000000000>", ldap.ScopeBaseObject, nil, 32},
		{"CN=Partitions,CN=Configuration,DC=corp,DC=example", ldap.ScopeSingleLevel, []string{"CORP"}, 0},
		{"OU=Gone," + staff, ldap.ScopeWholeSubtree, nil, 32},
		{"DC=other,DC=test", ldap.ScopeWholeSubtree, nil, 10},
		{"no name", ldap.ScopeWholeSubtree, nil, 34},
		{"", ldap.ScopeWholeSubtree, nil, 32},
	} {
		r, err := conn.Search(search(test.base, test.scope, "(objectClass=*)", "name"))
		if diff := cmp.Diff(test.want, names(r)); diff != "" || resultCode(err) != test.code {
			t.Errorf("%s, scope %d: %v, -want +got\n%s", test.base, test.scope, err, diff)
		}
	}
	_, err = conn.Search(search("OU=Gone,"+staff, ldap.ScopeWholeSubtree, "(objectClass=*)"))
	if e, ok := errors.AsType[*ldap.Error](err); !ok || e.MatchedDN != staff || !strings.HasSuffix(e.Err.Error(), "best match of:\n\t'"+staff+"'\n\x00") {
		t.Errorf("got %v", err)
	}
}

func TestReferences(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn := dial(t, c, reader)
	q := search("DC=corp,DC=example", ldap.ScopeWholeSubtree, "(sAMAccountName=reader)", "name")
	r, err := conn.Search(q)
	want := []string{"ldaps://ForestDnsZones.corp.example/DC=ForestDnsZones,DC=corp,DC=example",
		"ldaps://DomainDnsZones.corp.example/DC=DomainDnsZones,DC=corp,DC=example", "ldaps://corp.example/CN=Configuration,DC=corp,DC=example"}
	if err != nil || len(r.Entries) != 1 || cmp.Diff(want, r.Referrals) != "" {
		t.Errorf("%v, %v", r, err)
	}
	q.Controls = []ldap.Control{ldap.NewControlString(oidDomainScope, true, "")}
	if r, err = conn.Search(q); err != nil || len(r.Referrals) != 0 {
		t.Errorf("with the domain scope control: %v, %v", r.Referrals, err)
	}
	if r, err = conn.Search(search(staff, ldap.ScopeWholeSubtree, "(name=*)")); err != nil || len(r.Referrals) != 0 {
		t.Errorf("below an OU: %v, %v", r.Referrals, err)
	}
	r, err = conn.Search(search("DC=corp,DC=example", ldap.ScopeWholeSubtree, "(objectClass=crossRef)"))
	if err != nil || len(r.Entries) != 0 {
		t.Errorf("the configuration is another naming context, but %v came, %v", names(r), err)
	}
}

func TestAttributes(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: staff, Account: "ada", JPEGPhoto: [][]byte{{1, 2}, {3}}})
	must(t, err)
	conn := dial(t, c, reader)
	get := func(typesOnly bool, attributes ...string) map[string][]string {
		q := search(ada.DN, ldap.ScopeBaseObject, "(objectClass=*)", attributes...)
		q.TypesOnly = typesOnly
		r, err := conn.Search(q)
		must(t, err)
		got := map[string][]string{}
		for _, a := range r.Entries[0].Attributes {
			got[a.Name] = a.Values
		}
		return got
	}
	for name, test := range map[string]struct {
		got, want map[string][]string
	}{
		"named, spelt as in the schema": {get(false, "samaccountname", "JPEGPHOTO", "mail", "nonsense"), map[string][]string{"sAMAccountName": {"ada"}, "jpegPhoto": {"\x01\x02", "\x03"}}},
		"none":                          {get(false, "1.1"), map[string][]string{}},
		"types only":                    {get(true, "sAMAccountName"), map[string][]string{"sAMAccountName": {}}},
		"constructed":                   {get(false, "canonicalName", "createTimeStamp"), map[string][]string{"canonicalName": {"corp.example/Staff/ada"}, "createTimeStamp": {"20260102030405.0Z"}}},
	} {
		if diff := cmp.Diff(test.want, test.got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	all := get(false, "*", "canonicalName")
	for name, want := range map[string][]string{
		"cn": {"ada"}, "name": {"ada"}, "distinguishedName": {ada.DN}, "userAccountControl": {"512"}, "primaryGroupID": {"513"}, "canonicalName": {"corp.example/Staff/ada"},
		"objectClass": {"top", "person", "organizationalPerson", "user"}, "whenCreated": {"20260102030405.0Z"}, "pwdLastSet": {"134117966450000000"},
		"objectCategory": {"CN=Person,CN=Schema,CN=Configuration,DC=corp,DC=example"},
	} {
		if diff := cmp.Diff(want, all[name]); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if _, there := get(false)["canonicalName"]; there {
		t.Error("a constructed attribute came unasked")
	}
}

func TestRootDSE(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn := dial(t, c, "")
	r, err := conn.Search(search("", ldap.ScopeBaseObject, "(objectClass=*)"))
	must(t, err)
	for name, want := range map[string][]string{
		"defaultNamingContext": {"DC=corp,DC=example"}, "configurationNamingContext": {"CN=Configuration,DC=corp,DC=example"},
		"dnsHostName": {"dc1.corp.example"}, "supportedLDAPVersion": {"3", "2"}, "ldapServiceName": {"corp.example:dc1$@CORP.EXAMPLE"},
	} {
		if diff := cmp.Diff(want, r.Entries[0].GetAttributeValues(name)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	if _, err := conn.Search(search(staff, ldap.ScopeBaseObject, "(objectClass=*)")); resultCode(err) != 1 {
		t.Errorf("without a bind: %v", err)
	}
}

func TestSizeLimits(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	fill(t, d, 1001)
	conn := dial(t, c, reader)
	people := "(objectCategory=person)"
	for _, test := range []struct {
		limit, want, code int
		filter            string
	}{
		{0, 1000, 4, people}, {2000, 1000, 4, people}, {10, 10, 4, people}, {1000, 1000, 4, people}, {0, 1000, 0, "(&(name=u*)(!(name=u01000)))"}, {1, 1, 0, "(name=u00000)"},
	} {
		q := search(staff, ldap.ScopeWholeSubtree, test.filter, "name")
		q.SizeLimit = test.limit
		r, err := conn.Search(q)
		if len(r.Entries) != test.want || resultCode(err) != test.code {
			t.Errorf("limit %d: %d entries, %v, want %d, code %d", test.limit, len(r.Entries), err, test.want, test.code)
		}
	}
}

func TestPaging(t *testing.T) {
	d, c := newLab(t, ControllerOptions{MaxPageSize: 100})
	fill(t, d, 250)
	conn := dial(t, c, reader)
	page := func(conn *ldap.Conn, size uint32, cookie []byte) (int, []byte, error) {
		q := search(staff, ldap.ScopeWholeSubtree, "(name=u*)", "name")
		control := ldap.NewControlPaging(size)
		control.SetCookie(cookie)
		q.Controls = []ldap.Control{control}
		r, err := conn.Search(q)
		if err != nil {
			return 0, nil, err
		}
		answer, ok := ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
		if !ok {
			t.Fatal("the answer has no paging control")
		}
		return len(r.Entries), answer.Cookie, nil
	}
	for size, want := range map[uint32][]int{100: {100, 100, 50}, 500: {100, 100, 50}, 125: {100, 100, 50}, 50: {50, 50, 50, 50, 50}} {
		var got []int
		for cookie := []byte(nil); ; {
			n, next, err := page(conn, size, cookie)
			must(t, err)
			got = append(got, n)
			if cookie = next; len(cookie) == 0 {
				break
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("size %d: -want +got\n%s", size, diff)
		}
	}
	_, cookie, err := page(conn, 50, nil)
	must(t, err)
	other := dial(t, c, reader)
	if _, _, err := page(other, 50, cookie); resultCode(err) != 53 {
		t.Errorf("on another connection: %v", err)
	}
	if _, _, err := page(conn, 50, []byte("garbage")); resultCode(err) != 12 {
		t.Errorf("garbage: %v", err)
	}
	must(t, d.Delete("CN=u00050,"+staff))
	must(t, d.SetString("CN=u00051,"+staff, "displayName", "changed"))
	if n, _, err := page(conn, 50, cookie); n != 49 || err != nil {
		t.Errorf("after one was deleted: %d, %v", n, err)
	}
	if _, _, err := page(conn, 50, cookie); err == nil {
		t.Error("a cookie was taken twice")
	}
	_, cookie, err = page(conn, 50, nil)
	must(t, err)
	if n, next, err := page(conn, 0, cookie); n != 0 || len(next) != 0 || err != nil {
		t.Errorf("giving up: %d, %x, %v", n, next, err)
	}
	if _, _, err := page(conn, 50, cookie); err == nil {
		t.Error("the search was given up, and goes on")
	}
}

func TestCriticalControls(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn := dial(t, c, reader)
	for critical, want := range map[bool]int{true: 12, false: 0} {
		q := search(staff, ldap.ScopeBaseObject, "(objectClass=*)")
		q.Controls = []ldap.Control{ldap.NewControlString("1.2.3.4", critical, "")}
		if _, err := conn.Search(q); resultCode(err) != want {
			t.Errorf("critical %v: %v", critical, err)
		}
	}
}
