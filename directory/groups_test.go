package directory

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

const groupsOU = "OU=Groups,DC=corp,DC=example"

func groupDN(name string) string { return "CN=" + name + "," + groupsOU }

func (c *company) group(t testing.TB, name string, members ...string) {
	t.Helper()
	_, err := c.AddGroup(simad.Group{OU: groupsOU, Name: name, Members: members})
	must(t, err)
}

// people are the users of the tests of groups: ada to fay below Staff, gus below an OU of it.
func people(t *testing.T, c *company) {
	t.Helper()
	for _, name := range []string{"ada", "bob", "cy", "di", "eve", "fay"} {
		c.user(t, simad.User{Account: name, ThumbnailPhoto: []byte("thumbnail of " + name)})
	}
	c.user(t, simad.User{Account: "gus", OU: "OU=Deep," + staff})
}

func staffDN(name string) string { return "CN=" + name + "," + staff }

// checkScope compares who is read, all together and by GUID, few and many, and who is found by name, with who ought to be in scope.
func checkScope(t *testing.T, cfg Config, want ...string) {
	t.Helper()
	everybody := cfg
	everybody.Users = UserScope{Bases: []string{"DC=corp,DC=example"}}
	ids := map[string]photopush.GUID{}
	sids := map[string]photopush.SID{}
	must(t, open(t, everybody, Options{}).Users(t.Context(), photopush.UserQuery{}, func(u photopush.User, _ []photopush.Photo) error {
		ids[u.AccountName], sids[u.AccountName] = u.GUID, u.SID
		return nil
	}))
	d := open(t, cfg, Options{})
	read := func(what string, q photopush.UserQuery) {
		t.Helper()
		var got []string
		must(t, d.Users(t.Context(), q, func(u photopush.User, _ []photopush.Photo) error {
			got = append(got, u.AccountName)
			return nil
		}))
		slices.Sort(got)
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -want +got\n%s", what, diff)
		}
	}
	slices.Sort(want)
	read("all", photopush.UserQuery{Photos: true})
	all := slices.Collect(func(yield func(photopush.GUID) bool) {
		for _, id := range ids {
			if !yield(id) {
				return
			}
		}
	})
	read("by GUID", photopush.UserQuery{IDs: all})
	for len(all) <= fewIDs {
		all = append(all, photopush.GUID(fmt.Sprintf("00000000-0000-0000-0000-%012d", len(all))))
	}
	read("by many GUIDs", photopush.UserQuery{IDs: all})
	for name, sid := range sids {
		in := slices.Contains(want, name)
		if _, _, err := d.User(t.Context(), name); (err == nil) != in || !in && !errors.Is(err, photopush.ErrUnknownUser) {
			t.Errorf("%s by name: %v, in scope: %v", name, err, in)
		}
		if _, err := d.Photos(t.Context(), sid); (err == nil) != in || !in && !errors.Is(err, photopush.ErrUnknownUser) {
			t.Errorf("photos of %s: %v, in scope: %v", name, err, in)
		}
	}
}

func TestGroups(t *testing.T) {
	c := newCompany(t, 1)
	people(t, c)
	const foreign = "CN=S-1-5-21-9-9-9-1234,CN=ForeignSecurityPrincipals,DC=corp,DC=example"
	must(t, c.AddOU(foreign))
	c.group(t, "direct", staffDN("ada"), staffDN("bob"), "CN=svc-read,OU=Service,DC=corp,DC=example", foreign, "CN=x,DC=other,DC=example")
	c.group(t, "inner", staffDN("cy"))
	c.group(t, "middle", groupDN("inner"), staffDN("di"))
	c.group(t, "outer", groupDN("middle"), staffDN("ada"))
	c.group(t, "ring1", staffDN("ada"))
	c.group(t, "ring2", groupDN("ring1"), staffDN("bob"))
	must(t, c.AddMembers(groupDN("ring1"), groupDN("ring2"), groupDN("ring1")))
	c.group(t, "empty")
	c.group(t, `Comma, "quoted" (all) *`, "CN=gus,OU=Deep,"+staff)
	_, err := c.AddGroup(simad.Group{OU: groupsOU, Name: "primary", RID: 4711, Members: []string{staffDN("fay")}})
	must(t, err)
	must(t, c.SetString(staffDN("eve"), "primaryGroupID", "4711"))
	c.group(t, "of-primary", groupDN("primary"))

	odd := `CN=Comma\, \"quoted\" (all) *,` + groupsOU
	for name, test := range map[string]struct {
		users UserScope
		want  []string
	}{
		"direct":           {UserScope{Groups: []string{groupDN("direct")}}, []string{"ada", "bob"}},
		"in another case":  {UserScope{Groups: []string{strings.ToUpper(groupDN("direct"))}}, []string{"ada", "bob"}},
		"nested":           {UserScope{Groups: []string{groupDN("outer")}}, []string{"ada", "cy", "di"}},
		"in each other":    {UserScope{Groups: []string{groupDN("ring1")}}, []string{"ada", "bob"}},
		"several":          {UserScope{Groups: []string{groupDN("direct"), groupDN("middle"), groupDN("direct")}}, []string{"ada", "bob", "cy", "di"}},
		"primary":          {UserScope{Groups: []string{groupDN("primary")}}, []string{"eve", "fay"}},
		"primary, nested":  {UserScope{Groups: []string{groupDN("of-primary")}}, []string{"eve", "fay"}},
		"an odd name":      {UserScope{Groups: []string{odd}}, []string{"gus"}},
		"empty":            {UserScope{Groups: []string{groupDN("empty")}}, nil},
		"excluded OU":      {UserScope{Exclude: []string{"ou=deep," + staff}}, []string{"ada", "bob", "cy", "di", "eve", "fay"}},
		"excluded person":  {UserScope{Exclude: []string{staffDN("ada"), "OU=Deep," + staff}}, []string{"bob", "cy", "di", "eve", "fay"}},
		"groups and all":   {UserScope{Groups: []string{groupDN("outer"), odd}, Exclude: []string{"OU=Deep," + staff}, Filter: "(!(name=di))"}, []string{"ada", "cy"}},
		"groups and bases": {UserScope{Bases: []string{"OU=Deep," + staff, "OU=Service,DC=corp,DC=example"}, Groups: []string{odd, groupDN("direct")}}, []string{"gus", "svc-read"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			if test.users.Bases == nil {
				test.users.Bases = cfg.Users.Bases
			}
			cfg.Users = test.users
			checkScope(t, cfg, test.want...)
		})
	}
	t.Run("closure", func(t *testing.T) {
		cfg := c.config()
		cfg.Users.Groups, cfg.Workstations.Groups = []string{groupDN("outer"), groupDN("ring2")}, []string{groupDN("of-primary")}
		guids, err := open(t, cfg, Options{}).groupClosure(t.Context())
		if err != nil || len(guids) != 7 {
			t.Errorf("%d groups, %v, want 7", len(guids), err)
		}
		if guids, err := open(t, c.config(), Options{}).groupClosure(t.Context()); guids != nil || err != nil {
			t.Errorf("without groups %v, %v", guids, err)
		}
	})
}

func TestGroupsOfWorkstations(t *testing.T) {
	c := newCompany(t, 1)
	office(t, c)
	c.group(t, "inner", "CN=WS2,"+machines)
	c.group(t, "pilot", "CN=WS1,"+machines, "CN=DC9,"+machines, "CN=SRV1,"+machines, groupDN("inner"), "CN=person,"+machines)
	_, err := c.AddGroup(simad.Group{OU: groupsOU, Name: "computers", RID: 515})
	must(t, err)
	for name, test := range map[string]struct {
		scope WorkstationScope
		want  []string
	}{
		"group":               {WorkstationScope{Groups: []string{groupDN("pilot")}}, []string{"WS1", "WS2"}},
		"group, servers":      {WorkstationScope{Groups: []string{groupDN("pilot")}, IncludeServers: true}, []string{"WS1", "WS2", "SRV1"}},
		"primary":             {WorkstationScope{Groups: []string{groupDN("computers")}}, []string{"WS1", "WS2", "WS3"}},
		"primary, one person": {WorkstationScope{Groups: []string{groupDN("computers")}, Exclude: []string{"CN=WS1," + machines}}, []string{"WS2", "WS3"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			test.scope.Bases = cfg.Workstations.Bases
			cfg.Workstations = test.scope
			d := open(t, cfg, Options{})
			var got []string
			ids := map[string]photopush.GUID{}
			must(t, open(t, c.config(), Options{}).Workstations(t.Context(), nil, func(w photopush.Workstation) error {
				ids[w.Name] = w.ID
				return nil
			}))
			must(t, d.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
				got = append(got, w.Name)
				return nil
			}))
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			for _, name := range []string{"WS1", "WS2", "WS3", "SRV1", "DC9"} {
				in := slices.Contains(test.want, name)
				if _, err := d.Workstation(t.Context(), name); (err == nil) != in || !in && !errors.Is(err, photopush.ErrUnknownWorkstation) {
					t.Errorf("%s by name: %v, in scope: %v", name, err, in)
				}
				if ids[name] == "" {
					continue
				}
				var byID []string
				must(t, d.Workstations(t.Context(), []photopush.GUID{ids[name]}, func(w photopush.Workstation) error {
					byID = append(byID, w.Name)
					return nil
				}))
				if in != (len(byID) == 1) {
					t.Errorf("%s by GUID: %v, in scope: %v", name, byID, in)
				}
			}
		})
	}
}

// TestWhyOutside asks for people whom each key leaves out.
func TestWhyOutside(t *testing.T) {
	c := newCompany(t, 1)
	people(t, c)
	c.group(t, "some", staffDN("ada"), staffDN("bob"), "CN=gus,OU=Deep,"+staff, "CN=svc-read,OU=Service,DC=corp,DC=example")
	c.computer(t, simad.Computer{Name: "WS1"})
	c.computer(t, simad.Computer{Name: "WS2", OU: "OU=Kiosks," + machines})
	c.computer(t, simad.Computer{Name: "WS3", OS: "Windows 7"})
	cfg := c.config()
	cfg.Users = UserScope{Bases: []string{staff}, Exclude: []string{"OU=Deep," + staff}, Groups: []string{groupDN("some")}, Filter: "(!(name=bob))"}
	cfg.Workstations.Exclude, cfg.Workstations.Filter, cfg.Workstations.Groups = []string{"OU=Kiosks," + machines}, "(operatingSystem=Windows 1*)", []string{groupDN("some")}
	d := open(t, cfg, Options{})
	for name, want := range map[string]string{
		"svc-read": "users.bases leaves out CN=svc-read,OU=Service,DC=corp,DC=example",
		"gus":      "users.exclude (OU=Deep," + staff + ") leaves out CN=gus,OU=Deep," + staff,
		"bob":      "users.filter leaves out CN=bob," + staff,
		"cy":       "users.groups leaves out CN=cy," + staff,
	} {
		if _, _, err := d.User(t.Context(), name); err == nil || !strings.HasSuffix(err.Error(), ": no such user in scope: "+want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
	for name, want := range map[string]string{
		"ws1": "workstations.groups leaves out CN=WS1," + machines,
		"ws2": "workstations.exclude (OU=Kiosks," + machines + ") leaves out CN=WS2,OU=Kiosks," + machines,
		"ws3": "workstations.filter leaves out CN=WS3," + machines,
	} {
		if _, err := d.Workstation(t.Context(), name); err == nil || !strings.HasSuffix(err.Error(), ": no such workstation in scope: "+want) {
			t.Errorf("got  %v\nwant %s", err, want)
		}
	}
}

// TestWrongNames has groups and excluded places that are not what they are taken for.
func TestWrongNames(t *testing.T) {
	c := newCompany(t, 2)
	people(t, c)
	c.group(t, "good")
	const gone = ": denied: there is no such group, or the account may not see it: correct users.groups[1]"
	for name, test := range map[string]struct {
		groups, exclude []string
		want            string
	}{
		"no such group":    {[]string{groupDN("good"), groupDN("gone")}, nil, "find group " + groupDN("gone") + gone},
		"no group":         {[]string{groupDN("good"), staffDN("ada")}, nil, "find group " + staffDN("ada") + ": denied: it is no group: correct users.groups[1]"},
		"nothing excluded": {nil, []string{"OU=Gone," + staff}, "look for OU=Gone," + staff + ": denied: there is no such object, or the account may not see it: correct users.exclude"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			cfg.Users.Groups, cfg.Users.Exclude = test.groups, test.exclude
			d := open(t, cfg, Options{})
			got, err := accounts(t, d)
			if err == nil || err.Error() != test.want || got != nil {
				t.Errorf("got  %v, %v\nwant %s", got, err, test.want)
			}
			if _, _, err := d.User(t.Context(), "ada"); test.groups != nil && (err == nil || err.Error() != test.want) {
				t.Errorf("User returned %v", err)
			}
			if n := c.dcs[1].Counts().Connections; n != 0 {
				t.Errorf("the second controller was asked %d times", n)
			}
		})
	}
}

// crowd adds n users u0001 …, and a group of all but every tenth.
func (c *company) crowd(t testing.TB, n int) (members []string) {
	t.Helper()
	var names []string
	for i, name := range c.fill(t, n) {
		if i%10 != 9 {
			names = append(names, staffDN(name))
			members = append(members, name)
		}
	}
	c.group(t, "crowd", names...)
	return members
}

// TestManyMembers reads groups that come in ranges. Where bases are many too, it is cheaper to read all below them.
func TestManyMembers(t *testing.T) {
	for _, test := range []struct{ users, bases, limit, ranges int }{
		{1667, 1, 1500, 2}, {166, 1, 150, 1}, {167, 1, 150, 2}, {340, 1, 150, 3}, {170, 66, 150, 2}, {170, 67, 150, 2},
	} {
		t.Run(fmt.Sprintf("%d users, %d bases", test.users, test.bases), func(t *testing.T) {
			c := newCompany(t, 0)
			c.serve(t, simad.ControllerOptions{MaxValRange: test.limit})
			want := c.crowd(t, test.users)
			cfg := c.config()
			cfg.Users.Groups = []string{groupDN("crowd")}
			for i := range test.bases - 1 {
				ou := fmt.Sprintf("OU=Empty%d,DC=corp,DC=example", i)
				must(t, c.AddOU(ou))
				cfg.Users.Bases = append(cfg.Users.Bases, ou)
			}
			d := open(t, cfg, Options{})
			got, err := accounts(t, d)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); err != nil || diff != "" {
				t.Fatalf("%v, -want +got\n%s", err, diff)
			}
			// The group itself, the groups in it, its ranges, the bases, and the people: by a hundred GUIDs and by primary group, or all of them by pages.
			byGUID := ((len(want)+idsPerSearch-1)/idsPerSearch + 1) * test.bases
			before := 2 + test.ranges + test.bases
			searches, entries := before+byGUID, 1+test.ranges+test.bases+len(want)
			if byGUID > fewSearches {
				searches, entries = before+(test.users+cfg.PageSize-1)/cfg.PageSize+test.bases-1, 1+test.ranges+test.bases+test.users
			}
			if counts := c.dcs[0].Counts(); counts.Searches != searches || counts.Entries != entries {
				t.Errorf("the far end counts %d searches and %d entries, want %d and %d", counts.Searches, counts.Entries, searches, entries)
			}
		})
	}
}

// TestMembersChangeMeanwhile takes members out and puts others in between two ranges: nobody who is a member all the time is lost.
func TestMembersChangeMeanwhile(t *testing.T) {
	c := newCompany(t, 0)
	c.serve(t, simad.ControllerOptions{MaxValRange: 150})
	want := c.crowd(t, 190)
	cfg := c.config()
	cfg.Users.Groups = []string{groupDN("crowd")}
	changes := 0
	c.dcs[0].OnSearch(func(n int) {
		if n == 4 || n == 6 { // the second range, twice
			changes++
			must(t, c.RemoveMembers(groupDN("crowd"), staffDN(want[n])))
		}
	})
	got, err := accounts(t, open(t, cfg, Options{}))
	must(t, err)
	for i, name := range want {
		if i != 4 && i != 6 && !slices.Contains(got, name) {
			t.Errorf("%s is lost", name)
		}
	}
	if changes != 2 || len(repeated(got)) > 0 {
		t.Errorf("%d changes, twice: %v", changes, repeated(got))
	}
}

// TestGroupsAreKnownForAMinute counts what single lookups cost.
func TestGroupsAreKnownForAMinute(t *testing.T) {
	c := newCompany(t, 1)
	people(t, c)
	c.group(t, "inner", staffDN("ada"))
	c.group(t, "outer", groupDN("inner"))
	cfg := c.config()
	cfg.Users.Groups = []string{groupDN("outer")}
	now := time.Now()
	d := open(t, cfg, Options{Now: func() time.Time { return now }})
	searches := 0
	for i, test := range []struct {
		name string
		cost int // the group, its groups in two levels, the base, the user, the membership
	}{{"ada", 6}, {"ada", 2}, {"ada", 6}} {
		if i == 2 {
			now = now.Add(groupsKnownFor)
		}
		_, _, err := d.User(t.Context(), test.name)
		must(t, err)
		n := c.dcs[0].Counts().Searches
		if n-searches != test.cost {
			t.Errorf("lookup %d cost %d searches, want %d", i, n-searches, test.cost)
		}
		searches = n
	}
}

// TestMembersAreWatched changes groups in a configured one: everything is to be read then, although nothing of the members has changed.
func TestMembersAreWatched(t *testing.T) {
	c := newCompany(t, 1)
	people(t, c)
	c.group(t, "inner", staffDN("ada"))
	c.group(t, "outer", groupDN("inner"))
	c.group(t, "beside", staffDN("bob"))
	cfg := c.config()
	cfg.Workstations.Groups = []string{groupDN("outer")}
	for _, cfg.Changes = range []string{methodDirSync, methodUSN} {
		d := open(t, cfg, Options{})
		told, err := d.Changes(t.Context(), nil)
		must(t, err)
		for i, step := range []struct {
			change func() error
			all    bool
		}{
			{func() error { return nil }, false},
			{func() error { return c.AddMembers(groupDN("inner"), staffDN("cy")) }, true},
			{func() error { return c.AddMembers(groupDN("beside"), staffDN("cy")) }, false},
			{func() error { return c.RemoveMembers(groupDN("inner"), staffDN("cy")) }, true},
			{func() error { return c.AddMembers(groupDN("outer"), groupDN("beside")) }, true},
			{func() error { return c.RemoveMembers(groupDN("beside"), staffDN("cy")) }, true}, // it is one of them by now
			{func() error { return c.RemoveMembers(groupDN("outer"), groupDN("beside")) }, true},
		} {
			must(t, step.change())
			told, err = d.Changes(t.Context(), told.Next)
			must(t, err)
			if told.All != step.all {
				t.Errorf("%s, step %d: everything is to be read: %v, %s", cfg.Changes, i, told.All, told.Why)
			}
		}
	}
}

// TestTooManyGroups nests more groups than are followed.
func TestTooManyGroups(t *testing.T) {
	c := newCompany(t, 1)
	var names []string
	for i := range maxGroups {
		name := fmt.Sprintf("g%d", i)
		c.group(t, name)
		names = append(names, groupDN(name))
	}
	c.group(t, "all", names...)
	cfg := c.config()
	cfg.Users.Groups = []string{groupDN("all")}
	_, err := accounts(t, open(t, cfg, Options{}))
	want := "read groups of users.groups: quota: more than 5000 groups are in them: name other groups"
	if err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}

// TestHostileRanges gives what a controller must not answer.
func TestHostileRanges(t *testing.T) {
	for name, test := range map[string]struct {
		attribute string
		from, n   int
		more, ok  bool
	}{
		"all":             {"member;range=0-*", 0, 3, false, true},
		"in another case": {"Member;Range=1500-*", 1500, 3, false, true},
		"part":            {"member;range=1500-2999", 1500, 1500, true, true},
		"other beginning": {"member;range=0-1499", 1500, 1500, false, false},
		"fewer values":    {"member;range=0-1499", 0, 1499, false, false},
		"more values":     {"member;range=0-1499", 0, 1501, false, false},
		"no end":          {"member;range=0-", 0, 1, false, false},
		"no range":        {"member", 0, 1, false, false},
		"negative":        {"member;range=-1-*", 0, 1, false, false},
		"huge":            {"member;range=0-99999999999999999999", 0, 1, false, false},
		"another option":  {"member;binary", 0, 1, false, false},
	} {
		if more, err := parseRange(test.attribute, test.from, test.n); more != test.more || (err == nil) != test.ok {
			t.Errorf("%s: %v, %v", name, more, err)
		}
	}
}

func TestDecodeExtendedDN(t *testing.T) {
	for in, ok := range map[string]bool{
		"<GUID=000102030405060708090a0b0c0d0e0f>;CN=x":            true,
		"<GUID=000102030405060708090A0B0C0D0E0F>;<SID=0105>;CN=x": true,
		"CN=x": false, "": false, "<GUID=>;": false, "<GUID=00>;CN=x": false, "<GUID=000102030405060708090a0b0c0d0e0f": false,
		"<GUID=0001020304050607-8090a0b0c0d0e0f>;CN=x": false, "<GUID=00010203-0405-0607-0809-0a0b0c0d0e0f>;CN=x": false,
		"CN=x<GUID=000102030405060708090a0b0c0d0e0f>;": false,
	} {
		guid, err := decodeExtendedDN([]byte(in))
		if (err == nil) != ok || ok && guid != (rawGUID{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}) {
			t.Errorf("%s: %v, %v", in, guid, err)
		}
	}
}

// TestPrimaryGroup compares whole SIDs: a group of another domain may have the same last number.
func TestPrimaryGroup(t *testing.T) {
	sid := func(s photopush.SID) string {
		b, err := encodeSID(s)
		must(t, err)
		return string(b)
	}
	groups := []group{{sid: sid("S-1-5-21-1-2-3-513")}, {sid: sid("S-1-5-21-7-7-7-600")}}
	for _, test := range []struct {
		sid, rid string
		want     bool
	}{
		{sid("S-1-5-21-1-2-3-1104"), "513", true}, {sid("S-1-5-21-1-2-3-1104"), "600", false}, {sid("S-1-5-21-1-2-3-1104"), "514", false},
		{"", "513", false}, {sid("S-1-5-21-1-2-3-1104"), "", false}, {sid("S-1-5-21-1-2-3-1104"), "-1", false}, {"abc", "513", false},
	} {
		e := ldap.NewEntry("CN=x", map[string][]string{"objectSid": {test.sid}, "primaryGroupID": {test.rid}})
		if got := primary(groups, e); got != test.want {
			t.Errorf("%q with %s: %v", test.sid, test.rid, got)
		}
	}
}
