//go:build linux

package directory

import (
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// TestSambaGroups reads and looks for people by groups and excluded places of a real Active Directory.
func TestSambaGroups(t *testing.T) {
	d := sambalab.New(t)
	d.AddOU("OU=Deep," + staff)
	d.AddOU(groupsOU)
	for _, name := range []string{"ada", "bob", "cy", "di", "eve"} {
		d.AddUsers(sambalab.User{Name: name, Photo: []byte("thumbnail of " + name), Disabled: name == "di"})
	}
	d.AddUsers(sambalab.User{Name: "gus", OU: "OU=Deep," + staff})
	const odd = `CN=Comma\, \"quoted\" (all) *,` + groupsOU
	d.AddGroup(groupDN("inner"), staffDN("cy"))
	d.AddGroup(groupDN("outer"), groupDN("inner"), staffDN("ada"), staffDN("di"))
	d.AddGroup(groupDN("ring1"), staffDN("ada"))
	d.AddGroup(groupDN("ring2"), groupDN("ring1"), staffDN("bob"))
	d.Set(groupDN("ring1"), "member", staffDN("ada"), groupDN("ring2"))
	d.AddGroup(groupDN("odd"), "CN=gus,OU=Deep,"+staff)
	d.Move(groupDN("odd"), odd)
	d.AddGroup(groupDN("primary"), staffDN("eve"))
	d.Set(staffDN("eve"), "primaryGroupID", rid(t, d, groupDN("primary"))) // takes eve out of the group's member
	d.AddGroup(groupDN("of-primary"), groupDN("primary"))
	const domainUsers = "CN=Domain Users,CN=Users," + sambalab.BaseDN

	for name, test := range map[string]struct {
		users UserScope
		want  []string
	}{
		"nested":          {UserScope{Groups: []string{groupDN("outer")}}, []string{"ada", "cy", "di"}},
		"in each other":   {UserScope{Groups: []string{groupDN("ring1")}}, []string{"ada", "bob"}},
		"an odd name":     {UserScope{Groups: []string{odd}}, []string{"gus"}},
		"primary":         {UserScope{Groups: []string{groupDN("primary")}}, []string{"eve"}},
		"primary, nested": {UserScope{Groups: []string{groupDN("of-primary")}}, []string{"eve"}},
		"domain users":    {UserScope{Groups: []string{domainUsers}}, []string{"ada", "bob", "cy", "di", "eve", "gus"}}, // whose other primary group it was stays a member
		"excluded OU":     {UserScope{Exclude: []string{"OU=Deep," + staff}}, []string{"ada", "bob", "cy", "di", "eve"}},
		"all together":    {UserScope{Groups: []string{groupDN("outer"), odd}, Exclude: []string{"OU=Deep," + staff}, Filter: "(!(name=ada))"}, []string{"cy", "di"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sambaConfig(d, d.LDAPS())
			test.users.Bases = cfg.Users.Bases
			cfg.Users = test.users
			checkScope(t, cfg, test.want...)
		})
	}
	t.Run("who leaves out", func(t *testing.T) { testSambaWhyOutside(t, d) })
	t.Run("workstations", func(t *testing.T) { testSambaWorkstationGroups(t, d) })
	t.Run("members change", func(t *testing.T) { testSambaMembersChange(t, d) })
}

// rid is the last number of an object's SID.
func rid(t *testing.T, d *sambalab.Domain, dn string) string {
	t.Helper()
	sid := d.Get(dn, "objectSid")
	if len(sid) != 1 || len(sid[0]) < 4 {
		t.Fatalf("the SID of %s is %q", dn, sid)
	}
	return strconv.FormatUint(uint64(binary.LittleEndian.Uint32([]byte(sid[0][len(sid[0])-4:]))), 10)
}

func testSambaWhyOutside(t *testing.T, d *sambalab.Domain) {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Users = UserScope{Bases: []string{staff}, Exclude: []string{"OU=Deep," + staff}, Groups: []string{groupDN("outer")}, Filter: "(!(name=cy))"}
	dir := open(t, cfg, Options{})
	for name, want := range map[string]string{
		"svc-read": "users.bases leaves out CN=svc-read," + sambalab.ServiceOU, "gus": "users.exclude (OU=Deep," + staff + ") leaves out CN=gus,OU=Deep," + staff,
		"cy": "users.filter leaves out " + staffDN("cy"), "eve": "users.groups leaves out " + staffDN("eve"),
	} {
		if _, _, err := dir.User(t.Context(), name); err == nil || !strings.HasSuffix(err.Error(), ": no such user in scope: "+want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	cfg.Users.Groups = []string{groupDN("gone")}
	want := "find group " + groupDN("gone") + ": denied: there is no such group, or the account may not see it: correct users.groups[0]"
	if _, err := accounts(t, open(t, cfg, Options{})); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	cfg.Users.Groups, cfg.Users.Exclude = nil, []string{"OU=Gone," + staff}
	if _, err := accounts(t, open(t, cfg, Options{})); photopush.ReasonOf(err) != photopush.Denied || !strings.HasSuffix(err.Error(), "correct users.exclude") {
		t.Errorf("an excluded OU that is not there: %v", err)
	}
}

func testSambaWorkstationGroups(t *testing.T, d *sambalab.Domain) {
	d.AddOU("OU=Kiosks," + machines)
	for _, w := range []sambalab.Computer{{Name: "WS1"}, {Name: "WS2", Disabled: true}, {Name: "WS3"}, {Name: "KIOSK", OU: "OU=Kiosks," + machines}} {
		d.AddComputers(w)
	}
	d.AddGroup(groupDN("pilot-inner"), "CN=WS2,"+machines)
	d.AddGroup(groupDN("pilot"), groupDN("pilot-inner"), "CN=WS1,"+machines, "CN=KIOSK,OU=Kiosks,"+machines, staffDN("ada"))
	for name, test := range map[string]struct {
		groups []string
		want   []string
	}{
		"nested":           {[]string{groupDN("pilot")}, []string{"WS1", "WS2"}},
		"domain computers": {[]string{"CN=Domain Computers,CN=Users," + sambalab.BaseDN}, []string{"WS1", "WS2", "WS3"}},
	} {
		cfg := sambaConfig(d, d.LDAPS())
		cfg.Workstations.Groups, cfg.Workstations.Exclude = test.groups, []string{"OU=Kiosks," + machines}
		dir := open(t, cfg, Options{})
		var got []string
		must(t, dir.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
			got = append(got, w.Name)
			return nil
		}))
		slices.Sort(got)
		if diff := cmp.Diff(test.want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
		for _, name := range []string{"WS1", "WS2", "WS3", "KIOSK"} {
			in := slices.Contains(test.want, name)
			if _, err := dir.Workstation(t.Context(), name); (err == nil) != in || !in && !errors.Is(err, photopush.ErrUnknownWorkstation) {
				t.Errorf("%s by name: %v, in scope: %v", name, err, in)
			}
		}
	}
}

// testSambaMembersChange changes the members of a group that is in a configured one: that is told, although nothing of the members has changed.
func testSambaMembersChange(t *testing.T, d *sambalab.Domain) {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Users.Groups = []string{groupDN("outer")}
	dir := open(t, cfg, Options{})
	told, err := dir.Changes(t.Context(), nil)
	must(t, err)
	for i, member := range []string{"", "bob", "", "cy"} {
		if member != "" {
			d.Set(groupDN("inner"), "member", staffDN(member))
		}
		told, err = dir.Changes(t.Context(), told.Next)
		must(t, err)
		if told.All != (member != "") {
			t.Errorf("step %d: everything is to be read: %v, %s", i, told.All, told.Why)
		}
	}
}

// TestSambaManyMembers reads a group of 3,000 people.
func TestSambaManyMembers(t *testing.T) {
	const n = 3000
	d := sambalab.NewWith(t, sambalab.Options{Seed: sambalab.Seed{Users: n}})
	var members, want []string
	for i := 1; i <= n; i++ {
		name := fmt.Sprintf("u%05d", i)
		members, want = append(members, staffDN(name)), append(want, name)
	}
	d.Set(sambalab.ThirdGroup, "member", members...)
	cfg := sambaConfig(d, d.LDAPS())
	cfg.PageSize, cfg.Users.Groups = 500, []string{sambalab.ThirdGroup}
	got, err := accounts(t, open(t, cfg, Options{}))
	slices.Sort(got)
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%.2000s", err, diff)
	}
}
