package simad

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

const readerDN = "CN=reader,CN=Users,DC=corp,DC=example"

// told asks for the changes since a cookie, one line for each object: its name and the attributes that came, and returns the next cookie.
func told(t *testing.T, conn *ldap.Conn, flags int64, cookie []byte, filter string, attributes ...string) (lines []string, next []byte, more bool) {
	t.Helper()
	r, err := conn.DirSync(search("DC=corp,DC=example", ldap.ScopeWholeSubtree, filter, attributes...), flags, 0, cookie)
	must(t, err)
	for _, e := range r.Entries {
		var names []string
		for _, a := range e.Attributes {
			if a.Name != "objectGUID" && a.Name != "instanceType" && a.Name != "parentGUID" {
				names = append(names, fmt.Sprintf("%s:%d", a.Name, len(a.Values)))
			}
		}
		slices.Sort(names)
		lines = append(lines, strings.SplitN(e.DN, ",", 2)[0]+" "+strings.Join(names, " "))
	}
	control, ok := ldap.FindControl(r.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
	if !ok {
		t.Fatal("no DirSync control in the answer")
	}
	return lines, control.Cookie, control.Flags != 0
}

// TestDirSync changes a domain step by step.
func TestDirSync(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	second, err := d.Serve(ControllerOptions{Host: "dc2.corp.example", Certificate: selfSigned()})
	must(t, err)
	defer second.Close()
	fill(t, d, 3)
	group := newAttributes([]string{"top", "group"})
	_, err = d.add("CN=staff-group,"+staff, group)
	must(t, err)
	ada := "CN=u00000," + staff
	conns := []*ldap.Conn{dial(t, c, "reader@corp.example"), dial(t, second, "reader@corp.example")}
	filter, attributes := "(|(objectClass=user)(objectClass=group)(objectClass=organizationalUnit))", []string{"name", "displayName", "thumbnailPhoto", "member", "isDeleted", "userAccountControl"}
	must(t, d.Set(ada, "thumbnailPhoto", []byte{1}))
	_, cookie, _ := told(t, conns[0], 1, nil, filter, attributes...)
	steps := []struct {
		what   string
		change func() error
		want   []string
	}{
		{"nothing", func() error { return nil }, nil},
		{"two photos, one removed", func() error {
			return firstOf(d.Remove(ada, "thumbnailPhoto"), d.Set("CN=u00001,"+staff, "thumbnailPhoto", []byte{2}))
		}, []string{"CN=u00000 thumbnailPhoto:0", "CN=u00001 thumbnailPhoto:1"}},
		{"what is not asked for", func() error { return d.SetString(ada, "mail", "a@b") }, nil},
		{"a user moved", func() error { return d.Move(ada, "CN=u00000,OU=Away,DC=corp,DC=example") }, []string{"OU=Away name:1", "CN=u00000 name:1"}},
		{"an OU moved", func() error { return d.Move("OU=Away,DC=corp,DC=example", "OU=Away,"+staff) }, []string{"OU=Away name:1"}},
		{"members", func() error {
			return d.SetString("CN=staff-group,"+staff, "member", "CN=u00001,"+staff, "CN=u00002,"+staff)
		}, []string{"CN=staff-group member;range=1-1:2"}},
		{"another member", func() error {
			return d.SetString("CN=staff-group,"+staff, "member", "CN=u00002,"+staff, "CN=u00000,OU=Away,"+staff)
		}, []string{"CN=staff-group member;range=0-0:1 member;range=1-1:1"}},
		{"deleted, invisible", func() error { return d.Delete("CN=u00001," + staff) }, nil},
		{"deleted, visible", func() error {
			must(t, d.Allow(readerDN, Rights{SeeDeleted: true}))
			return d.Delete("CN=u00000,OU=Away," + staff)
		}, []string{"CN=u00000\\0ADEL:* displayName:0 isDeleted:1 name:1"}},
	}
	for i, step := range steps {
		t.Run(step.what, func(t *testing.T) {
			must(t, step.change())
			lines, next, _ := told(t, conns[i%2], 1|flagIncremental, cookie, filter, attributes...)
			for i, l := range lines {
				if name, rest, ok := strings.Cut(l, "DEL:"); ok {
					lines[i] = name + "DEL:*" + rest[36:]
				}
			}
			if diff := cmp.Diff(step.want, lines); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			cookie = next
		})
	}
	if r, err := conns[0].Search(search(staff, ldap.ScopeWholeSubtree, "(objectClass=user)", "name")); err != nil || !slices.Equal(names(r), []string{"u00002"}) {
		t.Errorf("an ordinary search finds %v, %v", names(r), err)
	}
}

func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// TestDirSyncRefusals asks in ways that are refused.
func TestDirSyncRefusals(t *testing.T) {
	d, c := newLab(t, ControllerOptions{MaxChanges: 2})
	fill(t, d, 5)
	conn := dial(t, c, "reader@corp.example")
	ask := func(base string, flags int64, cookie []byte) int {
		_, err := conn.DirSync(search(base, ldap.ScopeWholeSubtree, "(objectClass=user)", "name"), flags, 0, cookie)
		return resultCode(err)
	}
	for name, test := range map[string]struct{ got, want int }{
		"an OU":            {ask(staff, 1, nil), unwillingToPerform},
		"a foreign cookie": {ask("DC=corp,DC=example", 1, []byte("garbage")), criticalUnavailable},
		"no right":         {ask("DC=corp,DC=example", 0, nil), insufficientAccessRights},
	} {
		if test.got != test.want {
			t.Errorf("%s: code %d, want %d", name, test.got, test.want)
		}
	}
	must(t, d.Allow(readerDN, Rights{GetChanges: true}))
	if got := ask("DC=corp,DC=example", 0, nil); got != success {
		t.Errorf("with the right: code %d", got)
	}
	var all []string
	for cookie, more := []byte(nil), true; more; {
		var lines []string
		lines, cookie, more = told(t, conn, 1, cookie, "(objectClass=user)", "name")
		all = append(all, lines...)
	}
	if len(all) != 6 {
		t.Errorf("in answers of two objects came %v", all)
	}
}

// TestOwnNumbers compares the USNs of two controllers.
func TestOwnNumbers(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	second, err := d.Serve(ControllerOptions{Host: "dc2.corp.example", Certificate: selfSigned()})
	must(t, err)
	defer second.Close()
	fill(t, d, 2)
	read := func(c *Controller, base string, attribute string) string {
		r, err := dial(t, c, "reader@corp.example").Search(search(base, ldap.ScopeBaseObject, "(objectClass=*)", attribute))
		must(t, err)
		return r.Entries[0].GetAttributeValue(attribute)
	}
	for _, c := range []*Controller{c, second} {
		high := read(c, "", "highestCommittedUSN")
		must(t, d.Set("CN=u00001,"+staff, "thumbnailPhoto", []byte(high)))
		r, err := dial(t, c, "reader@corp.example").Search(search(staff, ldap.ScopeWholeSubtree, "(&(uSNChanged>="+high+")(!(uSNChanged="+high+")))", "uSNChanged"))
		if err != nil || len(r.Entries) != 1 || r.Entries[0].GetAttributeValue("uSNChanged") <= high {
			t.Errorf("above %s are %v, %v", high, r, err)
		}
		settings := read(c, "", "dsServiceName")
		before := read(c, settings, "invocationId")
		if len(before) != 16 {
			t.Errorf("invocationId %q", before)
		}
		must(t, c.Reinstall())
		if read(c, settings, "invocationId") == before {
			t.Error("the same invocationId after Reinstall")
		}
	}
	if read(c, "", "highestCommittedUSN") == read(second, "", "highestCommittedUSN") {
		t.Error("two controllers have the same USN")
	}
}

// TestTombstones looks at what is left of a deleted object.
func TestTombstones(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	fill(t, d, 1)
	must(t, d.Delete("CN=u00000,"+staff))
	conn := dial(t, c, "reader@corp.example")
	show := search("DC=corp,DC=example", ldap.ScopeWholeSubtree, "(sAMAccountName=u00000)", "isDeleted", "lastKnownParent", "objectCategory", "displayName", "objectSid")
	show.Controls = []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}
	r, err := conn.Search(show)
	if err != nil || len(r.Entries) != 0 {
		t.Errorf("without the right: %v, %v", r, err)
	}
	must(t, d.Allow(readerDN, Rights{SeeDeleted: true}))
	r, err = conn.Search(show)
	if err != nil || len(r.Entries) != 1 {
		t.Fatalf("with the right: %v, %v", r, err)
	}
	e := r.Entries[0]
	if !strings.HasPrefix(e.DN, `CN=u00000\0ADEL:`) || !strings.HasSuffix(e.DN, ",CN=Deleted Objects,DC=corp,DC=example") || e.GetAttributeValue("isDeleted") != "TRUE" ||
		e.GetAttributeValue("lastKnownParent") != staff || e.GetAttributeValue("objectCategory") != "" || e.GetAttributeValue("displayName") != "" || e.GetAttributeValue("objectSid") == "" {
		t.Errorf("the tombstone is %v", e)
	}
	if err := conn.Bind("u00000@corp.example", password); resultCode(err) != invalidCredentials {
		t.Errorf("a deleted account signs in: %v", err)
	}
}
