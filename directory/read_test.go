package directory

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// accounts reads all users and returns their account names in the order of arrival.
func accounts(t testing.TB, d *Directory) ([]string, error) {
	t.Helper()
	var names []string
	err := d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, _ []photopush.Photo) error {
		names = append(names, u.AccountName)
		return nil
	})
	return names, err
}

// fill adds n users u0001 ….
func (c *company) fill(t testing.TB, n int) []string {
	t.Helper()
	var names []string
	for i := range n {
		name := fmt.Sprintf("u%04d", i+1)
		c.user(t, simad.User{Account: name, JPEGPhoto: [][]byte{[]byte("jpeg of " + name)}, ThumbnailPhoto: []byte("thumbnail of " + name)})
		names = append(names, name)
	}
	return names
}

func TestPages(t *testing.T) {
	for _, scheme := range []string{"ldaps", "ldap"} {
		for _, test := range []struct{ users, page, server, pages int }{
			{0, 100, 1000, 1}, {1, 100, 1000, 1}, {99, 100, 1000, 1}, {100, 100, 1000, 1}, {101, 100, 1000, 2}, {200, 100, 1000, 2},
			{7, 1, 1000, 7}, {2500, 1000, 1000, 3}, {2500, 500, 1000, 5}, {2500, 1000, 900, 3},
		} {
			if scheme == "ldap" && test.users > 200 {
				continue // behind the handshake both are alike
			}
			t.Run(fmt.Sprintf("%s %d users by %d of %d", scheme, test.users, test.page, test.server), func(t *testing.T) {
				c := newCompany(t, 0)
				dc, err := c.Serve(simad.ControllerOptions{Certificate: c.ca.issue(t, "dc1.corp.example"), MaxPageSize: test.server})
				must(t, err)
				defer dc.Close()
				names := c.fill(t, test.users)
				cfg := c.config()
				cfg.Controllers, cfg.DNSServers, cfg.PageSize = []string{dc.URL(scheme)}, []string{dc.DNSAddr()}, test.page
				d := open(t, cfg, Options{})
				got, err := accounts(t, d)
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Fatalf("%v, -want +got\n%s", err, diff)
				}
				counts := dc.Counts()
				// One search more is for the base.
				if counts.Searches != 1+test.pages || counts.Entries != 1+test.users || counts.Binds != 1 || counts.Connections != 1 {
					t.Errorf("the far end counts %+v, want 1 + %d searches, 1 + %d entries, 1 bind, 1 connection", counts, test.pages, test.users)
				}
				if want := map[string]int{"ldaps": 0, "ldap": 1}[scheme]; counts.StartTLS != want {
					t.Errorf("the far end counts %d StartTLS, want %d", counts.StartTLS, want)
				}
			})
		}
	}
}

func TestUserFields(t *testing.T) {
	c := newCompany(t, 1)
	sid := c.user(t, simad.User{Account: "ada", Name: `Lovelace, Ada "A" <ü>`, DisplayName: "Ada Lovelace",
		JPEGPhoto: [][]byte{[]byte("one"), []byte("two")}, ThumbnailPhoto: []byte("small")})
	c.user(t, simad.User{Account: "bob", UPN: "-", Disabled: true})
	d := open(t, c.config(), Options{})
	type read struct {
		User   photopush.User
		Photos []photopush.Photo
	}
	var got []read
	must(t, d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, p []photopush.Photo) error {
		got = append(got, read{u, p})
		return nil
	}))
	if len(got) != 2 {
		t.Fatalf("read %v", got)
	}
	want := []read{
		{photopush.User{
			SID: sid, GUID: got[0].User.GUID, Domain: "corp.example", DN: `CN=Lovelace\, Ada \"A\" \<ü\>,` + staff,
			AccountName: "ada", UPN: "ada@corp.example", DisplayName: "Ada Lovelace", Enabled: true,
		}, []photopush.Photo{{Attribute: "jpegPhoto", Bytes: []byte("one")}, {Attribute: "jpegPhoto", Bytes: []byte("two")}, {Attribute: "thumbnailPhoto", Bytes: []byte("small")}}},
		{photopush.User{
			SID: got[1].User.SID, GUID: got[1].User.GUID, Domain: "corp.example", DN: "CN=bob," + staff,
			AccountName: "bob", DisplayName: "bob",
		}, nil},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if got[0].User.OU() != staff {
		t.Errorf("OU is %q", got[0].User.OU())
	}
	if len(got[0].User.GUID) != 36 || got[0].User.GUID == got[1].User.GUID {
		t.Errorf("GUIDs are %s and %s", got[0].User.GUID, got[1].User.GUID)
	}
}

func TestPhotosAreBounded(t *testing.T) {
	c := newCompany(t, 1)
	sid := c.user(t, simad.User{Account: "u1", ThumbnailPhoto: []byte("small"),
		JPEGPhoto: [][]byte{make([]byte, 3000), {1}, {2}, make([]byte, 2048), {4}, {5}}})
	cfg := c.config()
	cfg.MaxPhotoSize = 2048
	d := open(t, cfg, Options{})
	photos, err := d.Photos(t.Context(), sid)
	must(t, err)
	var got []string
	for _, p := range photos {
		got = append(got, fmt.Sprintf("%s %d", p.Attribute, len(p.Bytes)))
	}
	if diff := cmp.Diff([]string{"jpegPhoto 2048", "jpegPhoto 1", "jpegPhoto 1", "jpegPhoto 2048", "thumbnailPhoto 5"}, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestScope(t *testing.T) {
	c := newCompany(t, 1)
	for _, u := range []simad.User{
		{Account: "in"},
		{Account: "deep", OU: "OU=Deep," + staff},
		{Account: "beside", OU: "OU=Other,DC=corp,DC=example"},
		{Account: "suffix", OU: "OU=Not" + staff[3:]},
		{Account: "sales", OU: "OU=Sales,DC=corp,DC=example", Attributes: map[string][]string{"department": {"Sales"}}},
	} {
		c.user(t, u)
	}
	c.computer(t, simad.Computer{Name: "pc-of-staff", OU: staff})
	for name, test := range map[string]struct {
		bases  []string
		filter string
		want   []string
	}{
		"one base":          {[]string{staff}, "", []string{"in", "deep"}},
		"another case":      {[]string{strings.ToLower(staff)}, "", []string{"in", "deep"}},
		"two bases":         {[]string{"OU=Sales,DC=corp,DC=example", staff}, "", []string{"sales", "in", "deep"}},
		"overlapping bases": {[]string{"OU=Deep," + staff, staff, staff}, "", []string{"in", "deep"}},
		"the domain":        {[]string{"DC=corp,DC=example"}, "", []string{"svc-read", "in", "deep", "beside", "suffix", "sales"}},
		"filter":            {[]string{"DC=corp,DC=example"}, "(department=sales)", []string{"sales"}},
		"filter not":        {[]string{"DC=corp,DC=example"}, "(!(department=sales))", []string{"svc-read", "in", "deep", "beside", "suffix"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			cfg.Users = UserScope{Bases: test.bases, Filter: test.filter}
			got, err := accounts(t, open(t, cfg, Options{}))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got\n%s", err, diff)
			}
		})
	}
}

func TestMissingBase(t *testing.T) {
	c := newCompany(t, 2)
	cfg := c.config()
	cfg.Users.Bases = []string{staff, "OU=Gone,DC=corp,DC=example"}
	d := open(t, cfg, Options{})
	want := "look for OU=Gone,DC=corp,DC=example: denied: there is no such object, or the account may not see it: correct users.bases"
	if _, err := accounts(t, d); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if _, _, err := d.User(t.Context(), "nobody"); photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(err.Error(), "OU=Gone,DC=corp,DC=example") {
		t.Errorf("User returned %v", err)
	}
	if n := c.dcs[1].Counts().Connections; n != 0 {
		t.Errorf("the second controller was asked %d times", n)
	}
}

func TestYield(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 30)
	cfg := c.config()
	cfg.PageSize = 10
	d := open(t, cfg, Options{})
	t.Run("its error ends the read", func(t *testing.T) {
		mine := &photopush.Error{Reason: photopush.Offline, Op: "store", Err: errors.New("full")}
		n := 0
		err := d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error {
			if n++; n == 15 {
				return mine
			}
			return nil
		})
		if err != error(mine) || n != 15 {
			t.Errorf("got %v after %d users", err, n)
		}
		// The rest of the page is still on its way: the connection is not used again.
		if _, err := accounts(t, d); err != nil || c.dcs[0].Counts().Binds != 2 {
			t.Errorf("%v, %d binds, want 2", err, c.dcs[0].Counts().Binds)
		}
	})
	t.Run("it may ask too", func(t *testing.T) {
		n := 0
		must(t, d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, _ []photopush.Photo) error {
			n++
			same, photos, err := d.User(t.Context(), string(u.SID))
			if same != u || len(photos) != 2 {
				t.Errorf("%s is %v with %d photos", u.AccountName, same, len(photos))
			}
			return err
		}))
		if n != 30 {
			t.Errorf("read %d users", n)
		}
	})
}

// TestUnusableObjects gives what cannot be used beside what can.
func TestUnusableObjects(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 2)
	broken := "CN=u0001," + staff
	for name, test := range map[string]struct {
		attribute string
		value     []byte
		want      []string
		line      string
	}{
		"no SID":          {"objectSid", nil, []string{"u0002"}, "objectSid of 0 bytes is no SID"},
		"builtin SID":     {"objectSid", unhex(t, "01020000000000052000000020020000"), []string{"u0002"}, "its SID S-1-5-32-544 is not that of an account"},
		"short GUID":      {"objectGUID", []byte("short"), []string{"u0002"}, "objectGUID has 5 bytes, want 16"},
		"no account name": {"sAMAccountName", nil, []string{"u0002"}, "it has no sAMAccountName"},
		"control":         {"userAccountControl", []byte("none"), []string{"u0002"}, `userAccountControl \"none\" is no 32-bit number`},
		"hidden control":  {"userAccountControl", nil, []string{"u0001", "u0002"}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, 1)
			c.fill(t, 2)
			must(t, c.Set(broken, test.attribute, test.value))
			log := &logBuffer{}
			got, err := accounts(t, open(t, c.config(), Options{Logger: log.logger()}))
			if diff := cmp.Diff(test.want, got); err != nil || diff != "" {
				t.Errorf("%v, -want +got\n%s", err, diff)
			}
			if has := strings.Contains(log.String(), test.line); !has || test.line == "" && strings.Contains(log.String(), "left out") {
				t.Errorf("log is %q, want %q in it", log.String(), test.line)
			}
		})
	}
}

// TestForeignObjects gives entries that a server must not have sent: they are never delivered, and what lies elsewhere ends the read, for others that lie
// there may not have been sent.
func TestForeignObjects(t *testing.T) {
	b := parseBases([]string{staff})[0]
	d := &Directory{log: slog.New(slog.DiscardHandler)}
	q := query{op: "read users", scope: scope{key: "users", configured: true}}
	for dn, want := range map[string]struct{ delivered, foreign bool }{
		"CN=in," + staff:              {delivered: true},
		"CN=out,DC=corp,DC=example":   {foreign: true},
		"CN=out,OU=Other" + staff[3:]: {foreign: true},
		"CN=a\\," + staff[:3]:         {foreign: true},
		"":                            {foreign: true},
		"no name":                     {},
		"CN=" + strings.Repeat("a", maxText) + "," + staff: {},
	} {
		delivered := false
		r := &reading{d: d, query: q, members: everybody{}, seen: map[rawGUID]struct{}{}, deliver: func(*ldap.Entry, rawGUID) error {
			delivered = true
			return nil
		}}
		e := ldap.NewEntry(dn, map[string][]string{"objectGUID": {strings.Repeat("g", 16)}})
		err := r.entry(t.Context(), b, e)
		found, findErr := d.matches(q, b, []*ldap.Entry{e}, map[rawGUID]struct{}{})
		if delivered != want.delivered || (len(found) == 1) != want.delivered {
			t.Errorf("%.50q: delivered: %v, found: %v", dn, delivered, found)
		}
		text := ""
		if want.foreign {
			text = fmt.Sprintf("read users below %s: conflict: the controller answers %q, which lies elsewhere: a container was renamed at the same moment, or has "+
				"another name: try again, or write into users.bases what the directory calls it", staff, dn)
		}
		for _, err := range []error{r.stopped, findErr} {
			if got := fmt.Sprint(err); want.foreign && got != text || !want.foreign && err != nil {
				t.Errorf("%.50q: got %v\nwant %s", dn, err, text)
			}
		}
		if want.foreign != errors.Is(err, errStopped) {
			t.Errorf("%.50q: the read goes on: %v", dn, err)
		}
	}
}

// TestReadUntilCanceled cancels in the middle of a read that yield holds up.
func TestReadUntilCanceled(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 30)
	cfg := c.config()
	cfg.PageSize = 10
	d := open(t, cfg, Options{})
	ctx, cancel := context.WithCancel(t.Context())
	n := 0
	err := d.Users(ctx, photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error {
		if n++; n == 12 {
			cancel()
		}
		return nil
	})
	if !errors.Is(err, context.Canceled) || n < 12 || n > 20 {
		t.Errorf("got %v after %d users", err, n)
	}
	if got, err := accounts(t, d); err != nil || len(got) != 30 {
		t.Errorf("afterwards %d users, %v", len(got), err)
	}
}

// repeated returns the names that came more than once.
func repeated(names []string) []string {
	var twice []string
	sorted := slices.Sorted(slices.Values(names))
	for i := 1; i < len(sorted); i++ {
		if sorted[i] == sorted[i-1] {
			twice = append(twice, sorted[i])
		}
	}
	return twice
}
