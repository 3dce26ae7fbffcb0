package simad

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"
)

// TestBackLinks changes, renames and deletes groups and members, and looks at memberOf.
func TestBackLinks(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	fill(t, d, 2)
	a, b := "CN=u00000,"+staff, "CN=u00001,"+staff
	for _, g := range []Group{{OU: staff, Name: "g1", Members: []string{a, b, "CN=away,DC=other,DC=example"}}, {OU: staff, Name: "g2", Members: []string{"CN=g1," + staff, a}}} {
		_, err := d.AddGroup(g)
		must(t, err)
	}
	conn := dial(t, c, "reader@corp.example")
	for i, step := range []struct {
		change func() error
		of     string
		want   []string
	}{
		{func() error { return nil }, a, []string{"CN=g1," + staff, "CN=g2," + staff}},
		{func() error { return nil }, "CN=g1," + staff, []string{"CN=g2," + staff}},
		{func() error { return d.RemoveMembers("CN=g2,"+staff, strings.ToUpper(a)) }, a, []string{"CN=g1," + staff}},
		{func() error { return d.AddMembers("CN=g2,"+staff, b) }, b, []string{"CN=g1," + staff, "CN=g2," + staff}},
		{func() error { return d.Move("CN=g2,"+staff, "CN=renamed,"+staff) }, b, []string{"CN=g1," + staff, "CN=renamed," + staff}},
		{func() error { return d.Delete("CN=g1," + staff) }, b, []string{"CN=renamed," + staff}},
		{func() error { return nil }, a, nil},
		{func() error { return d.Move(b, "CN=b,"+staff) }, "CN=b," + staff, []string{"CN=renamed," + staff}},
	} {
		must(t, step.change())
		r, err := conn.Search(search(step.of, ldap.ScopeBaseObject, "(objectClass=*)", "memberOf"))
		must(t, err)
		got := r.Entries[0].GetAttributeValues("memberOf")
		slices.Sort(got)
		if !slices.Equal(got, step.want) {
			t.Errorf("step %d: memberOf of %s is %v, want %v", i, step.of, got, step.want)
		}
	}
	must(t, d.Delete(staff)) // a group and its member together
}

// TestRanges asks for the values of member as a whole and in parts. MaxValRange is 1,500 as on Windows.
func TestRanges(t *testing.T) {
	d, c := newLab(t, ControllerOptions{})
	var members []string
	for i := range 3001 {
		members = append(members, fmt.Sprintf("CN=m%d,DC=other,DC=example", i))
	}
	for _, n := range []int{1500, 1501, 3001} {
		_, err := d.AddGroup(Group{OU: staff, Name: fmt.Sprintf("g%d", n), Members: members[:n]})
		must(t, err)
	}
	conn := dial(t, c, "reader@corp.example")
	for _, test := range []struct {
		group, attribute string
		want             []string // name, number and first value of each attribute
	}{
		{"g1500", "member", []string{"member 1500 m0"}},
		{"g1500", "member;range=0-*", []string{"member;range=0-* 1500 m0"}},
		{"g1501", "member", []string{"member 0", "member;range=0-1499 1500 m0"}},
		{"g1501", "member;range=1500-*", []string{"member;range=1500-* 1 m1500"}},
		{"g3001", "MEMBER;RANGE=1500-*", []string{"member;range=1500-2999 1500 m1500"}},
		{"g3001", "member;range=10-12", []string{"member;range=10-12 3 m10"}},
		{"g3001", "member;range=3000-4000", []string{"member;range=3000-* 1 m3000"}},
		{"g3001", "member;range=3001-*", []string{"member;range=3001-* 0"}},
	} {
		r, err := conn.Search(search("CN="+test.group+","+staff, ldap.ScopeBaseObject, "(objectClass=*)", test.attribute))
		must(t, err)
		var got []string
		for _, a := range r.Entries[0].Attributes {
			line := fmt.Sprintf("%s %d", a.Name, len(a.Values))
			if len(a.Values) > 0 {
				line += " " + strings.TrimPrefix(strings.SplitN(a.Values[0], ",", 2)[0], "CN=")
			}
			got = append(got, line)
		}
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s of %s: -want +got\n%s", test.attribute, test.group, diff)
		}
	}
}
