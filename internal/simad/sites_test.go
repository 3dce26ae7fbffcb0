package simad

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

func TestSites(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	must(t, d.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")))
	must(t, d.AddSubnet("10.9.0.0/16", ""))
	conn := dial(t, c, reader)
	r, err := conn.Search(search("CN=Subnets,CN=Sites,CN=Configuration,DC=corp,DC=example", ldap.ScopeSingleLevel, "(objectClass=subnet)", "cn", "siteObject"))
	must(t, err)
	var got []string
	for _, e := range r.Entries {
		got = append(got, e.GetAttributeValue("cn")+" "+e.GetAttributeValue("siteObject"))
	}
	berlin := " CN=Berlin,CN=Sites,CN=Configuration,DC=corp,DC=example"
	if diff := cmp.Diff([]string{"10.1.0.0/16" + berlin, "2001:db8::/32" + berlin, "10.9.0.0/16 "}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestControllerObjects asks each controller who it is, and what lies behind that name.
func TestControllerObjects(t *testing.T) {
	d, first := newLab(t, ControllerOptions{})
	must(t, d.AddSite("Berlin"))
	second, err := d.Serve(ControllerOptions{Host: "dc2.corp.example", Site: "Berlin", Certificate: selfSigned()})
	must(t, err)
	t.Cleanup(func() { second.Close() })
	var invocations []string
	for _, test := range []struct {
		c            *Controller
		server, host string
	}{
		{first, "CN=DC1,CN=Servers,CN=Default-First-Site-Name,CN=Sites,CN=Configuration,DC=corp,DC=example", "dc1.corp.example"},
		{second, "CN=DC2,CN=Servers,CN=Berlin,CN=Sites,CN=Configuration,DC=corp,DC=example", "dc2.corp.example"},
	} {
		conn := dial(t, test.c, reader)
		r, err := conn.Search(search("", ldap.ScopeBaseObject, "(objectClass=*)", "serverName", "dsServiceName"))
		must(t, err)
		service := r.Entries[0].GetAttributeValue("dsServiceName")
		if got := r.Entries[0].GetAttributeValue("serverName"); got != test.server || service != "CN=NTDS Settings,"+test.server || service != test.c.DSA() {
			t.Errorf("the server is %s, its service %s", got, service)
		}
		r, err = conn.Search(search(service, ldap.ScopeBaseObject, "(objectClass=nTDSDSA)", "invocationId"))
		must(t, err)
		invocations = append(invocations, r.Entries[0].GetAttributeValue("invocationId"))
		r, err = conn.Search(search(test.server, ldap.ScopeBaseObject, "(objectClass=server)", "dNSHostName"))
		must(t, err)
		if got := r.Entries[0].GetAttributeValue("dNSHostName"); got != test.host {
			t.Errorf("%s has the host %s", test.server, got)
		}
	}
	if len(invocations[0]) != 16 || invocations[0] == invocations[1] {
		t.Errorf("invocationIds %x", invocations)
	}
}

// TestForest makes two domains that know each other, and asks each for the other's objects.
func TestForest(t *testing.T) {
	d, root := newLab(t, ControllerOptions{})
	must(t, d.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16")))
	child, err := d.AddDomain("sales.corp.example", Options{})
	must(t, err)
	must(t, d.AddSite("Paris"))
	_, err = child.AddUser(User{OU: "OU=Staff,DC=sales,DC=corp,DC=example", Account: "reader", Password: password})
	must(t, err)
	c, err := child.Serve(ControllerOptions{Certificate: selfSigned(), Site: "Paris"})
	must(t, err)
	t.Cleanup(func() { c.Close() })
	ofRoot, ofChild := dial(t, root, reader), dial(t, c, "reader@sales.corp.example")

	r, err := ofChild.Search(search("CN=Partitions,CN=Configuration,DC=corp,DC=example", ldap.ScopeSingleLevel, "(objectClass=crossRef)", "name"))
	if got := names(r); err != nil || cmp.Diff([]string{"CORP", "SALES"}, got) != "" {
		t.Errorf("crossRefs %v, %v", got, err)
	}
	if r, err := ofChild.Search(search("CN=10.1.0.0/16,CN=Subnets,CN=Sites,CN=Configuration,DC=corp,DC=example", ldap.ScopeBaseObject, "(siteObject=*)")); err != nil || len(r.Entries) != 1 {
		t.Errorf("the subnet is not known in the other domain: %v", err)
	}
	for base, conn := range map[string]*ldap.Conn{"OU=Staff,DC=sales,DC=corp,DC=example": ofRoot, "DC=sales,DC=corp,DC=example": ofRoot, staff: ofChild} {
		if _, err := conn.Search(search(base, ldap.ScopeWholeSubtree, "(objectClass=*)")); resultCode(err) != 10 {
			t.Errorf("%s in another domain: %v", base, err)
		}
	}
	r, err = ofRoot.Search(search("DC=corp,DC=example", ldap.ScopeWholeSubtree, "(sAMAccountName=reader)"))
	if err != nil || len(r.Entries) != 1 || !slices.Contains(r.Referrals, "ldaps://sales.corp.example/DC=sales,DC=corp,DC=example") {
		t.Errorf("%v, %v", r, err)
	}
	r, err = ofChild.Search(search("DC=sales,DC=corp,DC=example", ldap.ScopeWholeSubtree, "(sAMAccountName=reader)"))
	if err != nil || len(r.Entries) != 1 || cmp.Diff([]string{"ldaps://DomainDnsZones.sales.corp.example/DC=DomainDnsZones,DC=sales,DC=corp,DC=example"}, r.Referrals) != "" {
		t.Errorf("%v, %v", r, err)
	}
}

// TestSRV finds controllers as a client does, in full also where the answer is longer than a datagram.
func TestSRV(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	must(t, d.AddSite("Berlin"))
	second, err := d.Serve(ControllerOptions{Host: "dc2.corp.example", Site: "Berlin", Priority: 5, Weight: 7})
	must(t, err)
	t.Cleanup(func() { second.Close() })
	r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.DNSAddr())
	}}
	found := func(name string) []net.SRV {
		_, list, err := r.LookupSRV(t.Context(), "ldap", "tcp", name)
		if e, ok := errors.AsType[*net.DNSError](err); err != nil && !(ok && e.IsNotFound) {
			t.Fatal(err)
		}
		var values []net.SRV
		for _, s := range list {
			values = append(values, *s)
		}
		return values
	}
	one, two := net.SRV{Target: "dc1.corp.example.", Port: 389, Weight: 100}, net.SRV{Target: "dc2.corp.example.", Port: 389, Priority: 5, Weight: 7}
	for name, want := range map[string][]net.SRV{
		"dc._msdcs.corp.example.": {one, two}, "Berlin._sites.dc._msdcs.corp.example.": {two}, "Paris._sites.dc._msdcs.corp.example.": nil, "corp.example.": {one, two},
	} {
		if diff := cmp.Diff(want, found(name)); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
	second.SetRegistered(false)
	if diff := cmp.Diff([]net.SRV{one}, found("dc._msdcs.corp.example.")); diff != "" {
		t.Errorf("after it was retired: -want +got\n%s", diff)
	}
	for i := range 1000 {
		d.AddSRV(SRV{Name: "_ldap._tcp.many.corp.example", Target: fmt.Sprintf("dc%d.corp.example", i), Port: 389})
	}
	if n := len(found("many.corp.example.")); n != 1000 {
		t.Errorf("%d of 1000 records arrived", n)
	}
}

// TestResultAfter lets a search fail at its second page.
func TestResultAfter(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	fill(t, d, 4)
	c.SetFaults(Faults{Result: 10, ResultAfter: 1})
	conn := dial(t, c, reader)
	q := search(staff, ldap.ScopeWholeSubtree, "(objectCategory=person)")
	paging := ldap.NewControlPaging(2)
	q.Controls = []ldap.Control{paging}
	r, err := conn.Search(q)
	if err != nil || len(r.Entries) != 2 {
		t.Fatalf("first page: %v, %v", r, err)
	}
	paging.SetCookie(ldap.FindControl(r.Controls, ldap.ControlTypePaging).(*ldap.ControlPaging).Cookie)
	if _, err = conn.Search(q); resultCode(err) != 10 {
		t.Errorf("second page: %v", err)
	}
}
