package simad

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	staff    = "OU=Staff,DC=corp,DC=example"
	reader   = "reader@corp.example"
	password = "correct horse 7"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// selfSigned is a certificate for 127.0.0.1 that signs itself.
var selfSigned = sync.OnceValue(func() tls.Certificate {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(time.Hour), IPAddresses: []net.IP{{127, 0, 0, 1}}}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		panic(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
})

func clientTLS(t testing.TB) *tls.Config {
	t.Helper()
	cert, err := x509.ParseCertificate(selfSigned().Certificate[0])
	must(t, err)
	pool := x509.NewCertPool()
	pool.AddCert(cert)
	return &tls.Config{RootCAs: pool, ServerName: "127.0.0.1"}
}

// newLab is a domain with one account, and a controller.
func newLab(t testing.TB, opts ControllerOptions) (*Domain, *Controller) {
	t.Helper()
	d, err := NewDomain("corp.example", Options{Now: func() time.Time { return time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC) }})
	must(t, err)
	_, err = d.AddUser(User{OU: "CN=Users,DC=corp,DC=example", Account: "reader", Password: password})
	must(t, err)
	must(t, d.AddOU(staff))
	opts.Certificate = selfSigned()
	c, err := d.Serve(opts)
	must(t, err)
	t.Cleanup(func() { c.Close() })
	return d, c
}

// dial connects over LDAPS, and binds unless user is empty.
func dial(t testing.TB, c *Controller, user string) *ldap.Conn {
	t.Helper()
	conn, err := ldap.DialURL("ldaps://"+c.LDAPSAddr(), ldap.DialWithTLSConfig(clientTLS(t)))
	must(t, err)
	conn.SetTimeout(10 * time.Second)
	t.Cleanup(func() { conn.Close() })
	if user != "" {
		must(t, conn.Bind(user, password))
	}
	return conn
}

func search(base string, scope int, filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(base, scope, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

// resultCode is the code of an error of go-ldap, -1 for others.
func resultCode(err error) int {
	if err == nil {
		return 0
	}
	if e, ok := errors.AsType[*ldap.Error](err); ok {
		return int(e.ResultCode)
	}
	return -1
}

// names are the account names, or else the common names, of entries.
func names(r *ldap.SearchResult) []string {
	if r == nil {
		return nil
	}
	var all []string
	for _, e := range r.Entries {
		all = append(all, e.GetAttributeValue("name"))
	}
	slices.Sort(all)
	return all
}

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

func TestBind(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	for _, u := range []User{
		{Account: "off", Disabled: true}, {Account: "locked", Locked: true}, {Account: "old", Expired: true}, {Account: "new", MustChange: true}, {Account: "other", UPN: "o@x.test"},
	} {
		u.OU, u.Password = staff, password
		_, err := d.AddUser(u)
		must(t, err)
	}
	_, err := d.AddUser(User{OU: staff, Account: "nopassword"})
	must(t, err)
	failed := 0
	for _, test := range []struct{ name, password, data string }{
		{"reader@corp.example", password, ""}, {"READER@CORP.EXAMPLE", password, ""}, {`CORP\reader`, password, ""}, {`corp.example\Reader`, password, ""},
		{"CN=reader,CN=Users,DC=corp,DC=example", password, ""}, {"o@x.test", password, ""}, {"other@corp.example", password, ""},
		{"reader", password, "52e"}, {`OTHER\reader`, password, "52e"}, {"nobody@corp.example", password, "52e"}, {"CN=nobody,DC=corp,DC=example", password, "52e"},
		{"reader@corp.example", "wrong", "52e"}, {"off@corp.example", password, "533"}, {"off@corp.example", "wrong", "52e"},
		{"locked@corp.example", password, "775"}, {"locked@corp.example", "wrong", "775"}, {"old@corp.example", password, "701"}, {"new@corp.example", password, "773"},
		{"nopassword@corp.example", "x", "52e"},
	} {
		conn := dial(t, c, "")
		err := conn.Bind(test.name, test.password)
		want := ""
		if test.data != "" {
			failed++
			want = `LDAP Result Code 49 "Invalid Credentials": 80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data ` + test.data + ", v4563\x00"
		}
		if got := fmt.Sprint(err); err == nil && want != "" || err != nil && got != want {
			t.Errorf("%s: got %q, want %q", test.name, got, want)
		}
	}
	if n := c.Counts(); n.FailedBinds != failed || n.Binds != 7 {
		t.Errorf("counts are %+v, want %d failed", n, failed)
	}
	conn := dial(t, c, reader)
	if err := conn.UnauthenticatedBind(""); err != nil {
		t.Errorf("anonymous: %v", err)
	}
	if _, err := conn.Search(search(staff, ldap.ScopeBaseObject, "(objectClass=*)")); resultCode(err) != 1 {
		t.Errorf("after an anonymous bind: %v", err)
	}
	if err := conn.ExternalBind(); resultCode(err) != 7 {
		t.Errorf("SASL: %v", err)
	}
	must(t, d.SetPassword("CN=reader,CN=Users,DC=corp,DC=example", "next"))
	if err := conn.Bind(reader, password); resultCode(err) != 49 {
		t.Errorf("the old password: %v", err)
	}
	must(t, conn.Bind(reader, "next"))
}

func TestStartTLS(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn, err := ldap.DialURL("ldap://" + c.LDAPAddr())
	must(t, err)
	defer conn.Close()
	if err := conn.Bind(reader, password); resultCode(err) != 8 {
		t.Errorf("in clear: %v", err)
	}
	must(t, conn.StartTLS(clientTLS(t)))
	must(t, conn.Bind(reader, password))
	if n := c.Counts(); n.StartTLS != 1 || n.Binds != 1 || n.FailedBinds != 0 {
		t.Errorf("counts are %+v", n)
	}
	if _, err := conn.Extended(ldap.NewExtendedRequest(oidStartTLS, nil)); resultCode(err) != 1 {
		t.Errorf("a second time: %v", err)
	}
	if _, err := conn.Extended(ldap.NewExtendedRequest("1.2.3", nil)); resultCode(err) != 2 {
		t.Errorf("another operation: %v", err)
	}
}

// fill adds n users.
func fill(t testing.TB, d *Domain, n int) {
	t.Helper()
	for i := range n {
		_, err := d.AddUser(User{OU: staff, Account: fmt.Sprintf("u%05d", i)})
		must(t, err)
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

func TestWritesAreRefused(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn := dial(t, c, reader)
	modify := ldap.NewModifyRequest(staff, nil)
	modify.Replace("description", []string{"x"})
	for name, err := range map[string]error{
		"modify": conn.Modify(modify), "delete": conn.Del(ldap.NewDelRequest(staff, nil)), "add": conn.Add(ldap.NewAddRequest("CN=x,"+staff, nil)),
		"rename": conn.ModifyDN(ldap.NewModifyDNRequest(staff, "OU=x", true, "")),
	} {
		if resultCode(err) != 53 {
			t.Errorf("%s: %v", name, err)
		}
	}
	if n := c.Counts().Writes; n != 4 {
		t.Errorf("%d writes counted", n)
	}
}

func TestChanges(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: "OU=Deep," + staff, Account: "ada"})
	must(t, err)
	conn := dial(t, c, reader)
	find := func() *ldap.Entry {
		r, err := conn.Search(search("<GUID="+ada.GUID+">", ldap.ScopeBaseObject, "(objectClass=*)"))
		if err != nil {
			return nil
		}
		return r.Entries[0]
	}
	before := find().GetAttributeValue("uSNChanged")
	must(t, d.Set(ada.DN, "thumbnailPhoto", []byte{1, 2, 3}))
	if e := find(); e.GetAttributeValue("thumbnailPhoto") != "\x01\x02\x03" || e.GetAttributeValue("uSNChanged") <= before {
		t.Errorf("after Set: %v", e)
	}
	must(t, d.Remove(ada.DN, "thumbnailPhoto"))
	if e := find(); e.GetAttributeValue("thumbnailPhoto") != "" {
		t.Errorf("after Remove: %v", e)
	}
	must(t, d.Move("OU=Deep,"+staff, "OU=High,OU=New,DC=corp,DC=example"))
	if e := find(); e.DN != "CN=ada,OU=High,OU=New,DC=corp,DC=example" || e.GetAttributeValue("distinguishedName") != e.DN {
		t.Errorf("after Move: %v", e.DN)
	}
	must(t, d.Move("CN=ada,OU=High,OU=New,DC=corp,DC=example", `CN=Lovelace\, Ada,`+staff))
	if e := find(); e.GetAttributeValue("cn") != "Lovelace, Ada" || e.GetAttributeValue("sAMAccountName") != "ada" {
		t.Errorf("after a rename: %v", e)
	}
	must(t, d.Delete(staff))
	if e := find(); e != nil {
		t.Errorf("after Delete: %v", e.DN)
	}
	for name, err := range map[string]error{
		"set":          d.SetString(ada.DN, "mail", "x"),
		"delete":       d.Delete(ada.DN),
		"move":         d.Move(ada.DN, "CN=x,"+staff),
		"schema":       d.SetString("CN=reader,CN=Users,DC=corp,DC=example", "nonsense", "x"),
		"single value": d.SetString("CN=reader,CN=Users,DC=corp,DC=example", "mail", "x", "y"),
		"outside":      d.AddOU("OU=x,DC=other"),
		"no name":      d.AddOU("x"),
		"twice":        errorOf(d.AddUser(User{OU: "CN=Users,DC=corp,DC=example", Account: "reader"})),
		"no account":   errorOf(d.AddUser(User{OU: staff})),
	} {
		if err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}

func errorOf[T any](_ T, err error) error { return err }

func TestTwoControllers(t *testing.T) {
	d, first := newLab(t, ControllerOptions{})
	second, err := d.Serve(ControllerOptions{Host: "dc2.corp.example", Certificate: selfSigned()})
	must(t, err)
	defer second.Close()
	addr := first.LDAPSAddr()
	conn := dial(t, first, reader)
	must(t, first.SetDown(true))
	if _, err := conn.Search(search(staff, ldap.ScopeBaseObject, "(name=*)")); err == nil {
		t.Error("a connection outlived its controller")
	}
	if _, err := net.Dial("tcp", addr); err == nil {
		t.Error("a controller that is down was reached")
	}
	dial(t, second, reader)
	must(t, first.SetDown(false))
	if first.LDAPSAddr() != addr {
		t.Errorf("the address is now %s", first.LDAPSAddr())
	}
	dial(t, first, reader)
	if a, b := first.Counts().Binds, second.Counts().Binds; a != 2 || b != 1 {
		t.Errorf("%d and %d binds", a, b)
	}
}

func TestCloseEndsEverything(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	for _, hang := range []Hang{HangAccept, HangBind, HangSearch, HangPage} {
		_, c := newLab(t, ControllerOptions{})
		c.SetFaults(Faults{Hang: hang})
		raw, err := net.Dial("tcp", c.LDAPAddr())
		must(t, err)
		raw.Write(encodeMessage(1, operation(opSearch)))
		raw.Write([]byte{0x30})
		must(t, c.Close())
		raw.Close()
	}
	must(t, c.Close())
	must(t, c.Close())
	if err := c.SetDown(true); err != nil {
		t.Error(err)
	}
	if err := c.SetDown(false); err == nil {
		t.Error("a closed controller was switched on")
	}
}

func TestConcurrentUse(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	fill(t, d, 50)
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			conn := dial(t, c, reader)
			for range 20 {
				r, err := conn.SearchWithPaging(search(staff, ldap.ScopeWholeSubtree, "(name=u*)"), 7)
				if err != nil || len(r.Entries) != 50 {
					t.Errorf("%d entries, %v", len(r.Entries), err)
				}
			}
		})
		wg.Go(func() {
			for j := range 200 {
				name := fmt.Sprintf("CN=u%05d,%s", i*10+j%10, staff)
				must(t, d.SetString(name, "description", fmt.Sprint(j)))
			}
		})
	}
	wg.Wait()
}

func TestNewDomain(t *testing.T) {
	for _, bad := range []string{"", "corp", "corp .example", "corp..example", "dc=x"} {
		if _, err := NewDomain(bad, Options{}); err == nil {
			t.Errorf("%q was taken", bad)
		}
	}
	a, err := NewDomain("Corp.Example", Options{NetBIOS: "FIRM"})
	must(t, err)
	b, err := NewDomain("corp.example", Options{})
	must(t, err)
	if a.NetBIOS() != "FIRM" || b.NetBIOS() != "CORP" || a.Name() != "corp.example" || a.DN() != "DC=corp,DC=example" {
		t.Errorf("%s, %s, %s, %s", a.NetBIOS(), b.NetBIOS(), a.Name(), a.DN())
	}
	one, err := a.AddUser(User{OU: staff, Account: "ada"})
	must(t, err)
	two, err := b.AddUser(User{OU: staff, Account: "ada"})
	must(t, err)
	if one != two || !strings.HasPrefix(one.SID, "S-1-5-21-") {
		t.Errorf("two runs disagree: %v, %v", one, two)
	}
}

func TestDNS(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	d.AddHost("WS1.corp.example.", netip.MustParseAddr("127.0.0.7"))
	d.AddHost("ws6.corp.example", netip.MustParseAddr("::1"))
	for _, network := range []string{"udp", "tcp"} {
		r := &net.Resolver{PreferGo: true, Dial: dialTo(network, c.DNSAddr())}
		for name, want := range map[string]string{"ws1.corp.example.": "127.0.0.7", "WS6.corp.example.": "::1", "dc1.corp.example.": "127.0.0.1"} {
			if got, err := r.LookupHost(t.Context(), name); err != nil || !slices.Equal(got, []string{want}) {
				t.Errorf("%s: %s is %v, %v", network, name, got, err)
			}
		}
		_, err := r.LookupHost(t.Context(), "gone.corp.example.")
		if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound {
			t.Errorf("%s: got %v", network, err)
		}
	}
	d.RemoveHost("ws1.corp.example")
	r := &net.Resolver{PreferGo: true, Dial: dialTo("udp", c.DNSAddr())}
	if got, err := r.LookupHost(t.Context(), "ws1.corp.example."); err == nil {
		t.Errorf("a removed host is %v", got)
	}
}
