package directory

import (
	"context"
	"fmt"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

func TestUsersOverPages(t *testing.T) {
	for _, scheme := range []string{"ldaps", "ldap"} {
		for _, n := range []int{0, 1, 99, 100, 101, 250} {
			t.Run(fmt.Sprintf("%s/%d", scheme, n), func(t *testing.T) {
				c := newCompany(t, 1)
				for i := range n {
					c.user(t, simad.User{Account: fmt.Sprintf("u%04d", i), JPEGPhoto: [][]byte{[]byte(fmt.Sprintf("jpeg %d", i))}})
				}
				cfg := c.config()
				cfg.Controllers = []string{c.dcs[0].URL(scheme)}
				cfg.PageSize = 100
				d := open(t, cfg, Options{})
				seen := map[photopush.SID]string{}
				must(t, d.Users(t.Context(), func(u photopush.User, p []photopush.Photo) error {
					if len(p) != 1 || p[0].Attribute != "jpegPhoto" {
						t.Errorf("%s has the photos %v", u.DN, p)
					}
					seen[u.SID] = u.AccountName
					return nil
				}))
				if len(seen) != n {
					t.Errorf("read %d users, want %d", len(seen), n)
				}
				pages := max(1, (n+99)/100)
				if got := c.dcs[0].Counts(); got.Searches != pages || got.Entries != n || got.Binds != 1 {
					t.Errorf("the far end counts %+v, want %d searches, %d entries, 1 bind", got, pages, n)
				}
			})
		}
	}
}

func TestSmoke(t *testing.T) {
	c := newCompany(t, 1)
	c.user(t, simad.User{Account: "u1"})
	c.computer(t, simad.Computer{Name: "WS1"})
	d := open(t, c.config(), Options{})
	u, _, err := d.User(context.Background(), `CORP\u1`)
	must(t, err)
	t.Log(u)
	w, err := d.Workstation(context.Background(), "ws1")
	must(t, err)
	t.Log(w)
}
