//go:build linux

package directory

import (
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// TestSambaNamesSpelledOtherwise names containers otherwise than a real directory does. To Samba, unlike Windows, a name without its accents is another one, but
// spaces in a row count as one.
func TestSambaNamesSpelledOtherwise(t *testing.T) {
	d := sambalab.New(t)
	const york, munich = "OU=New York," + staff, "OU=München," + staff
	d.AddOU(york)
	d.AddOU(munich)
	d.AddUsers(sambalab.User{Name: "ada"}, sambalab.User{Name: "bob", OU: york}, sambalab.User{Name: "cy", OU: munich})
	for name, test := range map[string]struct {
		users UserScope
		want  []string
	}{
		"base":            {UserScope{Bases: []string{"ou=NEW   york," + staff}}, []string{"bob"}},
		"exclusion":       {UserScope{Bases: []string{staff}, Exclude: []string{"OU=New  York," + staff}}, []string{"ada", "cy"}},
		"in another case": {UserScope{Bases: []string{staff}, Exclude: []string{"ou=MÜNCHEN," + strings.ToLower(staff)}}, []string{"ada", "bob"}},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := sambaConfig(d, d.LDAPS())
			cfg.Users = test.users
			checkScope(t, cfg, test.want...)
		})
	}
	for _, name := range []string{"OU=Munchen", "OU=Mu\u0308nchen"} {
		for key, users := range map[string]UserScope{
			"users.bases":   {Bases: []string{name + "," + staff}},
			"users.exclude": {Bases: []string{staff}, Exclude: []string{name + "," + staff}},
		} {
			cfg := sambaConfig(d, d.LDAPS())
			cfg.Users = users
			got, err := accounts(t, open(t, cfg, Options{}))
			want := "look for " + name + "," + staff + ": denied: there is no such object, or the account may not see it: correct " + key
			if len(got) > 0 || photopush.ReasonOf(err) != photopush.Denied || err.Error() != want {
				t.Errorf("%s: %v, %v\nwant %s", key, got, err, want)
			}
		}
	}
}
