//go:build linux

package directory

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simad"
)

const (
	photoDN       = "CN=svc-photo," + sambalab.ServiceOU
	photoUser     = "svc-photo@" + sambalab.Name
	photoPassword = "lab-Photo-1"
)

const leastPrivilege = "../docs/least-privilege.md"

// addPhotoAccount makes the account that writes photos, by the recipe.
func addPhotoAccount(t *testing.T, d *sambalab.Domain) {
	t.Helper()
	d.Shell(sambalab.Recipe(t, leastPrivilege, "write"))
	d.SetPassword(photoDN, photoPassword)
}

// sambaWriter is the configuration of the account that writes photos.
func sambaWriter(t *testing.T, d *sambalab.Domain) Config {
	t.Helper()
	cfg := sambaConfig(d, d.LDAPS())
	cfg.BindUser, cfg.PasswordFile = photoUser, filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(cfg.PasswordFile, []byte(photoPassword+"\n"), 0o600))
	return cfg
}

// TestSambaLeastPrivilege runs the recipes, and lets the accounts try what they may and what they may not.
func TestSambaLeastPrivilege(t *testing.T) {
	d := sambalab.New(t)
	// The reading account is there already: of its recipe all but the first line is left to do.
	_, rest, _ := strings.Cut(sambalab.Recipe(t, leastPrivilege, "read"), "\n")
	d.Shell(rest)
	addPhotoAccount(t, d)
	d.AddOU("OU=Deep," + sambalab.StaffOU)
	d.AddUsers(sambalab.User{Name: "ada", Photo: []byte("old")}, sambalab.User{Name: "deep", OU: "OU=Deep," + sambalab.StaffOU}, sambalab.User{Name: "away", OU: sambalab.ServiceOU},
		sambalab.User{Name: "gone"})
	ada, deep, away := "CN=ada,"+sambalab.StaffOU, "CN=deep,OU=Deep,"+sambalab.StaffOU, "CN=away,"+sambalab.ServiceOU
	cfg := sambaWriter(t, d)
	photo := dialLDAP(t, cfg, d.LDAPS())
	must(t, photo.Bind(photoUser, photoPassword))
	read := dialLDAP(t, sambaConfig(d, d.LDAPS()), d.LDAPS())

	replace := func(dn string, attributes ...string) func(*ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		for _, a := range attributes {
			m.Replace(a, []string{"514"})
		}
		return func(c *ldap.Conn) error { return c.Modify(m) }
	}
	remove := func(dn, attribute string) func(*ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, nil)
		return func(c *ldap.Conn) error { return c.Modify(m) }
	}
	create := ldap.NewAddRequest("CN=new,"+sambalab.StaffOU, nil)
	create.Attribute("objectClass", []string{"user"})
	create.Attribute("sAMAccountName", []string{"new"})
	for _, test := range []struct {
		what        string
		do          func(*ldap.Conn) error
		photo, read int // result codes
	}{
		{"thumbnailPhoto", replace(ada, "thumbnailPhoto"), 0, 50},
		{"jpegPhoto", replace(ada, "jpegPhoto"), 0, 50},
		{"both at once", replace(ada, "thumbnailPhoto", "jpegPhoto"), 0, 50},
		{"below the OU", replace(deep, "thumbnailPhoto"), 0, 50},
		{"remove thumbnailPhoto", remove(ada, "thumbnailPhoto"), 0, 50},
		{"remove jpegPhoto", remove(ada, "jpegPhoto"), 0, 50},
		{"photo (another attribute)", replace(ada, "photo"), 50, 50},
		{"displayName", replace(ada, "displayName"), 50, 50},
		{"userAccountControl", replace(ada, "userAccountControl"), 50, 50},
		{"a photo and displayName", replace(ada, "thumbnailPhoto", "displayName"), 50, 50},
		{"outside the OU", replace(away, "thumbnailPhoto"), 50, 50},
		{"the OU itself", replace(sambalab.StaffOU, "description"), 50, 50},
		{"create", func(c *ldap.Conn) error { return c.Add(create) }, 50, 50},
		{"delete", func(c *ldap.Conn) error { return c.Del(ldap.NewDelRequest(ada, nil)) }, 50, 50},
		{"rename", func(c *ldap.Conn) error { return c.ModifyDN(ldap.NewModifyDNRequest(ada, "CN=eve", true, "")) }, 50, 50},
	} {
		t.Run(test.what, func(t *testing.T) {
			if got, want := answerCode(test.do(read)), code(test.read); got != want {
				t.Errorf("svc-read: %s, want %s", got, want)
			}
			if got, want := answerCode(test.do(photo)), code(test.photo); got != want {
				t.Errorf("svc-photo: %s, want %s", got, want)
			}
		})
	}
	if err := replace(readerOf(sambalab.ServiceOU), "thumbnailPhoto")(read); err != nil {
		t.Errorf("everybody may write his own photo: %v", err)
	}
	t.Run("deletions", func(t *testing.T) {
		d.Delete("CN=gone," + sambalab.StaffOU)
		for name, want := range map[*ldap.Conn]int{read: 1, photo: 0} {
			if n := tombstones(t, name); n != want {
				t.Errorf("%d deleted users are seen, want %d", n, want)
			}
		}
	})
}

func readerOf(ou string) string { return "CN=svc-read," + ou }

func code(n int) string {
	if n == 0 {
		return "<nil>"
	}
	return fmt.Sprintf("code %d", n)
}

// tombstones counts the deleted users that the account sees.
func tombstones(t *testing.T, c *ldap.Conn) int {
	t.Helper()
	request := ldap.NewSearchRequest("CN=Deleted Objects,"+sambalab.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false,
		"(&(isDeleted=TRUE)(objectClass=user))", []string{"objectGUID"}, []ldap.Control{ldap.NewControlMicrosoftShowDeleted()})
	r, err := c.Search(request)
	if ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return 0
	}
	must(t, err)
	return len(r.Entries)
}

// TestSambaSwap writes to a real directory: every kind of change, what it refuses, and a controller that dies in between.
func TestSambaSwap(t *testing.T) {
	d := sambalab.New(t)
	addPhotoAccount(t, d)
	d.AddUsers(sambalab.User{Name: "ada", Photo: []byte("old")}, sambalab.User{Name: "bob"})
	d.AddUsers(sambalab.User{Name: "away", OU: sambalab.ServiceOU})
	cfg := sambaWriter(t, d)
	cfg.Controllers = []string{"ldaps://" + d.IP} // its DNS server dies with it
	cfg.Users.Bases = append(cfg.Users.Bases, sambalab.ServiceOU)
	cfg.Timeout = 2 * time.Second
	dir := open(t, cfg, Options{})
	user := func(name string) photopush.User {
		u, _, err := dir.User(t.Context(), name)
		must(t, err)
		return u
	}
	ada, bob, away := user("ada"), user("bob"), user("away")
	large := strings.Repeat("a", photopush.MaxThumbnail)
	for _, step := range []struct {
		what, attribute string
		user            photopush.User
		old, to         [][]byte
		reason          photopush.Reason
		left            string
	}{
		{"replace", "thumbnailPhoto", ada, vals("old"), vals("new"), "", "new"},
		{"from another state", "thumbnailPhoto", ada, vals("old"), vals("newer"), photopush.Conflict, "new"},
		{"the largest", "thumbnailPhoto", ada, vals("new"), vals(large), "", large},
		{"too large", "thumbnailPhoto", ada, vals(large), vals(large + "a"), photopush.BadPhoto, large},
		{"two values", "thumbnailPhoto", ada, vals(large), vals("a", "b"), photopush.BadPhoto, large},
		{"remove", "thumbnailPhoto", ada, vals(large), nil, "", ""},
		{"into none", "thumbnailPhoto", ada, nil, vals("\x00\xff\xd8"), "", "\x00\xff\xd8"},
		{"several", "jpegPhoto", bob, nil, vals("a", large+large, "c"), "", ""},
		{"several by one", "jpegPhoto", bob, vals("c", "a", large+large), vals("d"), "", "d"},
		{"remove jpegPhoto", "jpegPhoto", bob, vals("d"), nil, "", ""},
		{"outside the OU", "thumbnailPhoto", away, nil, vals("x"), photopush.Denied, ""},
		{"another attribute", "displayName", ada, nil, vals("x"), photopush.Denied, ""},
		{"no attribute", "portrait", ada, nil, vals("x"), photopush.Unsupported, ""},
	} {
		err := dir.SwapPhoto(t.Context(), photopush.PhotoSwap{User: step.user, Attribute: step.attribute, Old: step.old, New: step.to})
		if photopush.ReasonOf(err) != step.reason {
			t.Errorf("%s: %v, want %q", step.what, err, step.reason)
		}
		if got := has(t, dir, step.user, step.attribute); step.what != "several" && got != step.left {
			t.Errorf("%s: left is %.20q, want %.20q", step.what, got, step.left)
		}
	}
	writable := map[string]string{}
	must(t, dir.PhotoStates(t.Context(), []photopush.GUID{ada.GUID, away.GUID}, []string{"thumbnailPhoto", "jpegPhoto"}, func(s photopush.PhotoState) error {
		writable[s.User.AccountName] = fmt.Sprint(s.Writable["thumbnailPhoto"], s.Writable["jpegPhoto"])
		return nil
	}))
	if want := map[string]string{"ada": "true true", "away": "false false"}; !maps.Equal(writable, want) {
		t.Errorf("what may be written is %v, want %v", writable, want)
	}
	testSambaSwapDies(t, d, dir, ada)
}

// testSambaSwapDies hangs and kills the controller with a request before it, and starts it again.
func testSambaSwapDies(t *testing.T, d *sambalab.Domain, dir *Directory, ada photopush.User) {
	now := vals("\x00\xff\xd8")
	must(t, dir.SwapPhoto(t.Context(), swapOf(ada, now, now))) // connected
	d.Hang()
	err := dir.SwapPhoto(t.Context(), swapOf(ada, now, vals("hung")))
	if !errors.Is(err, photopush.ErrNoDirectory) {
		t.Errorf("a hung controller: %v", err)
	}
	d.Resume()
	d.Kill()
	if err := dir.SwapPhoto(t.Context(), swapOf(ada, now, vals("hung"))); !errors.Is(err, photopush.ErrNoDirectory) {
		t.Errorf("a dead controller: %v", err)
	}
	d.Start()
	must(t, dir.SwapPhoto(t.Context(), swapOf(ada, now, vals("hung"))))
	if got := has(t, dir, ada, "thumbnailPhoto"); got != "hung" {
		t.Errorf("the photo is %q", got)
	}
}

// TestSimadModifiesAsSamba sends the same changes to a simulated and to a real domain, with an account that may write the same in both, and compares the result
// codes and what is there afterwards. simad has Samba's codes here; its own tests have those of Windows.
func TestSimadModifiesAsSamba(t *testing.T) {
	samba := sambalab.New(t)
	addPhotoAccount(t, samba)
	samba.AddUsers(sambalab.User{Name: "ada"})
	samba.AddUsers(sambalab.User{Name: "away", OU: sambalab.ServiceOU})
	sim := newCompany(t, 0)
	dc, err := sim.Serve(simad.ControllerOptions{Host: "dc1.corp.example", Certificate: sim.ca.issue(t, "dc1.corp.example"), SambaRules: true})
	must(t, err)
	t.Cleanup(func() { dc.Close() })
	sim.dcs = append(sim.dcs, dc)
	sim.user(t, simad.User{Account: "ada", DisplayName: "ada"})
	sim.user(t, simad.User{Account: "away", OU: sambalab.ServiceOU})
	sim.user(t, simad.User{Account: "svc-photo", OU: sambalab.ServiceOU, Password: photoPassword})
	must(t, sim.SetPassword(readerDN, sambalab.ReadPassword)) // dialLDAP signs in with it first
	must(t, sim.Grant(photoDN, staff, "thumbnailPhoto", "jpegPhoto"))
	a := dialLDAP(t, sim.config(), dc.URL("ldaps"))
	b := dialLDAP(t, sambaConfig(samba, samba.LDAPS()), samba.LDAPS())
	for _, c := range []*ldap.Conn{a, b} {
		must(t, c.Bind(photoUser, photoPassword))
	}
	ada := "CN=ada," + sambalab.StaffOU
	large := strings.Repeat("x", photopush.MaxThumbnail)
	for i, m := range []struct {
		dn      string
		changes []ldap.Change
	}{
		{ada, []ldap.Change{modification(ldap.AddAttribute, "thumbnailPhoto", "a")}},
		{ada, []ldap.Change{modification(ldap.AddAttribute, "thumbnailPhoto", "a")}},
		{ada, []ldap.Change{modification(ldap.AddAttribute, "thumbnailPhoto", "b")}},
		{ada, []ldap.Change{modification(ldap.DeleteAttribute, "thumbnailPhoto", "b")}},
		{ada, []ldap.Change{modification(ldap.DeleteAttribute, "thumbnailPhoto", "a"), modification(ldap.AddAttribute, "thumbnailPhoto", "b")}},
		{ada, []ldap.Change{modification(ldap.DeleteAttribute, "thumbnailPhoto", "a"), modification(ldap.AddAttribute, "thumbnailPhoto", "c")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", large)}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", large+"x")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", "a", "b")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", "")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "jpegPhoto", "a", "b")}},
		{ada, []ldap.Change{modification(ldap.AddAttribute, "jpegPhoto", "b")}},
		{ada, []ldap.Change{modification(ldap.AddAttribute, "jpegPhoto", large+"x")}},
		{ada, []ldap.Change{modification(ldap.DeleteAttribute, "jpegPhoto", "a", "b"), modification(ldap.AddAttribute, "jpegPhoto", "c")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "jpegPhoto")}},
		{ada, []ldap.Change{modification(ldap.DeleteAttribute, "jpegPhoto")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "displayName", "x")}},
		{ada, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", "n"), modification(ldap.ReplaceAttribute, "displayName", "x")}},
		{"CN=away," + sambalab.ServiceOU, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", "x")}},
		{"CN=nobody," + sambalab.StaffOU, []ldap.Change{modification(ldap.ReplaceAttribute, "thumbnailPhoto", "x")}},
	} {
		request := &ldap.ModifyRequest{DN: m.dn, Changes: m.changes}
		got, want := answerCode(a.Modify(request)), answerCode(b.Modify(request))
		if got != want {
			t.Errorf("%d: simad answers %s, Samba answers %s", i, got, want)
		}
		for _, q := range []question{{base: sambalab.StaffOU, scope: ldap.ScopeWholeSubtree, filter: "(sAMAccountName=ada)", attributes: []string{"thumbnailPhoto", "jpegPhoto"}}} {
			if got, want := q.ask(a), q.ask(b); got != want {
				t.Errorf("%d: simad has %.300s\nSamba has %.300s", i, got, want)
			}
		}
	}
}

func modification(operation uint, attribute string, values ...string) ldap.Change {
	return ldap.Change{Operation: operation, Modification: ldap.PartialAttribute{Type: attribute, Vals: values}}
}
