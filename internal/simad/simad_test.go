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
	if err := conn.MD5Bind("corp.example", "reader", password); resultCode(err) != 7 {
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

func TestWritesAreRefused(t *testing.T) {
	_, c := newLab(t, ControllerOptions{})
	conn := dial(t, c, reader)
	modify := ldap.NewModifyRequest(staff, nil)
	modify.Replace("description", []string{"x"})
	for name, err := range map[string]error{
		"modify": conn.Modify(modify), "delete": conn.Del(ldap.NewDelRequest(staff, nil)), "add": conn.Add(ldap.NewAddRequest("CN=x,"+staff, nil)),
		"rename": conn.ModifyDN(ldap.NewModifyDNRequest(staff, "OU=x", true, "")),
	} {
		if resultCode(err) != insufficientAccessRights {
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
