package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// Names that Active Directory takes for the same: as it was created, without the accent, decomposed as macOS pastes it, in capitals, in full width.
var spellings = []string{"OU=München", "OU=Munchen", "OU=Mu\u0308nchen", "ou=MÜNCHEN", "OU=Ｍünchen"}

// TestNamesSpelledOtherwise names containers otherwise than the directory does: who lies below is read, or left out, all the same.
func TestNamesSpelledOtherwise(t *testing.T) {
	c := newCompany(t, 1)
	const munich = "OU=München," + staff
	c.user(t, simad.User{Account: "ada"})
	c.user(t, simad.User{Account: "bob", OU: munich})
	c.user(t, simad.User{Account: "cy", OU: "OU=Vertrieb," + munich})
	c.computer(t, simad.Computer{Name: "PC1", OU: "OU=カナ," + machines})
	for _, name := range spellings {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			cfg.Users = UserScope{Bases: []string{name + "," + staff}}
			checkScope(t, cfg, "bob", "cy")
			cfg.Users = UserScope{Bases: []string{"OU=Vertrieb," + name + "," + staff, "CN=ada," + staff}}
			checkScope(t, cfg, "ada", "cy")
			cfg.Users = UserScope{Bases: []string{staff}, Exclude: []string{name + "," + staff}}
			checkScope(t, cfg, "ada")
			cfg.Users = UserScope{Bases: []string{staff}, Exclude: []string{"OU=Vertrieb," + name + "," + staff}}
			checkScope(t, cfg, "ada", "bob")
		})
	}
	t.Run("kana", func(t *testing.T) {
		cfg := c.config()
		cfg.Workstations.Bases = []string{"OU=かな," + machines}
		_, pcs, err := readEverything(t, open(t, cfg, Options{}))
		if err != nil || len(pcs) != 1 {
			t.Errorf("%d workstations, %v", len(pcs), err)
		}
	})
	t.Run("one base twice", func(t *testing.T) {
		cfg := c.config()
		cfg.Users.Bases = []string{spellings[0] + "," + staff, spellings[1] + "," + staff}
		got, err := accounts(t, open(t, cfg, Options{}))
		if diff := cmp.Diff([]string{"bob", "cy"}, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got\n%s", err, diff)
		}
	})
}

// TestChangesBelowAnotherSpelling follows changes below a base and an exclusion that the configuration spells otherwise: nobody is lost and nobody let in, also
// when the containers get names that are the same to Active Directory.
func TestChangesBelowAnotherSpelling(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		t.Run(method, func(t *testing.T) {
			c := newCompany(t, 1)
			const munich = "OU=München," + staff
			c.user(t, simad.User{Account: "ada", OU: munich})
			c.user(t, simad.User{Account: "bob", OU: "OU=Über," + munich})
			cfg := c.config()
			cfg.Changes = method
			cfg.Users = UserScope{Bases: []string{"OU=Munchen," + staff}, Exclude: []string{"OU=Uber,OU=Munchen," + staff}}
			d, k := open(t, cfg, Options{}), &keeper{}
			k.pass(t, d)
			for i, change := range []func(){
				func() { c.user(t, simad.User{Account: "cy", OU: munich}) },
				func() { must(t, c.SetString("CN=ada,"+munich, "displayName", "Ada")) },
				func() { must(t, c.Move("OU=Über,"+munich, "OU=Uber,"+munich)) },
				func() { must(t, c.Move(munich, "OU=MUNCHEN,"+staff)) },
			} {
				change()
				if told := k.pass(t, d); told.All {
					t.Errorf("change %d: everything is read: %s", i, told.Why)
				}
				k.check(t, d)
				if want := min(2, 2+i); len(k.users) != want {
					t.Errorf("change %d: %d users are in scope, want %d", i, len(k.users), want)
				}
			}
		})
	}
}

// TestRenamedMeanwhile renames a base, and an excluded container, beside single lookups and writes, which rely for a minute on the names that were looked up.
func TestRenamedMeanwhile(t *testing.T) {
	c, ada := newWriter(t, 1)
	const munich = "OU=München," + staff
	must(t, c.Grant(readerDN, munich, photopush.ThumbnailPhoto))
	sid := c.user(t, simad.User{Account: "bob", OU: munich, ThumbnailPhoto: []byte("old")})
	c.computer(t, simad.Computer{Name: "PC1", OU: "OU=Kiosks," + machines})
	all := c.config()
	bob, _, err := open(t, all, Options{}).User(t.Context(), "bob")
	must(t, err)

	cfg := c.config()
	cfg.Users.Exclude, cfg.Workstations.Exclude = []string{munich}, []string{"OU=Kiosks," + machines}
	now := time.Now()
	d := open(t, cfg, Options{Now: func() time.Time { return now }})
	calls := map[string]func() error{
		"by name":     func() error { _, _, err := d.User(t.Context(), "bob"); return err },
		"photos":      func() error { _, err := d.Photos(t.Context(), sid); return err },
		"swap":        func() error { return d.SwapPhoto(t.Context(), swapOf(bob, vals("old"), vals("new"))) },
		"workstation": func() error { _, err := d.Workstation(t.Context(), "PC1"); return err },
		"states": func() error {
			n := 0
			err := d.PhotoStates(t.Context(), []photopush.GUID{bob.GUID}, nil, func(photopush.PhotoState) error { n++; return nil })
			if n > 0 {
				return errors.New("he was let in")
			}
			return err
		},
	}
	for what, call := range calls {
		if err := call(); what != "states" && photopush.ReasonOf(err) != photopush.OutOfScope || what == "states" && err != nil {
			t.Errorf("%s, excluded: %v", what, err)
		}
	}
	must(t, c.Move(munich, "OU=Berlin,"+staff))
	must(t, c.Move("OU=Kiosks,"+machines, "OU=Stands,"+machines))
	now = now.Add(locatedFor)
	for what, call := range calls {
		key := map[bool]string{true: "workstations", false: "users"}[what == "workstation"]
		if err := call(); photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(fmt.Sprint(err), "there is no such object, or the account may not see it: correct "+key+".exclude") {
			t.Errorf("%s, after the container was renamed: %v", what, err)
		}
	}
	if got := has(t, open(t, all, Options{}), bob, photopush.ThumbnailPhoto); got != "old" {
		t.Errorf("the photo is %q", got)
	}

	t.Run("the base", func(t *testing.T) {
		must(t, c.Move("OU=Berlin,"+staff, munich))
		base := c.config()
		base.Users.Bases = []string{"OU=Munchen," + staff}
		d := open(t, base, Options{})
		_, _, err := d.User(t.Context(), "bob")
		must(t, err)
		must(t, c.Move(munich, "OU=Munchen,"+staff))
		if _, _, err := d.User(t.Context(), "bob"); photopush.ReasonOf(err) != photopush.Conflict || !strings.Contains(err.Error(), "a container was renamed at the same moment") {
			t.Errorf("right after: %v", err)
		}
		if _, _, err := d.User(t.Context(), "bob"); err != nil {
			t.Errorf("once more: %v", err)
		}
		if err := d.SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new"))); photopush.ReasonOf(err) != photopush.OutOfScope {
			t.Errorf("somebody outside: %v", err)
		}
	})
}

// TestBaseRenamedWhileReading renames a base between two pages, so that the rest of those below it have another name than the base had.
func TestBaseRenamedWhileReading(t *testing.T) {
	c := newCompany(t, 1)
	const munich = "OU=München," + staff
	for i := range 6 {
		c.user(t, simad.User{Account: fmt.Sprint("u", i), OU: munich})
	}
	cfg := c.config()
	cfg.Users.Bases, cfg.PageSize = []string{munich}, 2
	c.dcs[0].OnSearch(func(n int) {
		if n == 3 {
			must(t, c.Move(munich, "OU=Munchen,"+staff))
		}
	})
	d := open(t, cfg, Options{})
	got, err := accounts(t, d)
	if photopush.ReasonOf(err) != photopush.Conflict || len(got) != 2 {
		t.Errorf("%v, %v", got, err)
	}
	c.dcs[0].OnSearch(nil)
	if got, err = accounts(t, d); err != nil || len(got) != 6 {
		t.Errorf("afterwards %v, %v", got, err)
	}
}

// TestUnusableNames has containers whose names cannot be compared: nobody is let in, and nobody let go.
func TestUnusableNames(t *testing.T) {
	c := newCompany(t, 1)
	const deep, north = "OU=Deep," + staff, "OU=Nörd,OU=Deep," + staff
	c.user(t, simad.User{Account: "ada", OU: north})
	c.user(t, simad.User{Account: "bob"})
	must(t, c.Remove(deep, "objectClass")) // the account may not read it
	for name, test := range map[string]struct {
		users UserScope
		want  []string
		err   string
	}{
		"base that cannot be read": {UserScope{Bases: []string{deep}}, []string{"ada"}, ""},
		"such an exclusion": {UserScope{Bases: []string{staff}, Exclude: []string{deep}}, nil, "look for " + deep +
			": denied: the account may not read it, and so not learn how the directory spells its name: let it read the object, or correct users.exclude"},
		"base that cannot be read, spelled otherwise": {UserScope{Bases: []string{"OU=Déep," + staff}}, nil, "read users below OU=Déep," + staff +
			`: conflict: the controller answers "CN=ada,` + north + `", which lies elsewhere: a container was renamed at the same moment, or has another name: try again, ` +
			"or write into users.bases what the directory calls it"},
		"exclusion that leaves nothing": {UserScope{Bases: []string{deep, "OU=Nórd,OU=Déep," + staff}, Exclude: []string{"OU=Nord,OU=Deep," + staff}}, nil,
			"look for OU=Nord,OU=Deep," + staff + ": denied: it leaves nothing of the base OU=Nórd,OU=Déep," + staff + ": correct users.exclude"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			cfg.Users = test.users
			d := open(t, cfg, Options{})
			got, err := accounts(t, d)
			if diff := cmp.Diff(test.want, got); diff != "" || test.err != "" && (err == nil || err.Error() != test.err) || test.err == "" && err != nil {
				t.Errorf("got  %v\nwant %s\n-want +got\n%s", err, test.err, diff)
			}
		})
	}
}
