package directory

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// newForest is a company with a second domain below it, each with a user ada of its own, and its configuration.
func newForest(t *testing.T) (c *company, sales Config) {
	t.Helper()
	c = newCompany(t, 1)
	c.user(t, simad.User{Account: "ada", DisplayName: "Ada of corp"})
	child, err := c.AddDomain("sales.corp.example", simad.Options{NetBIOS: "VERTRIEB"})
	must(t, err)
	for _, u := range []simad.User{
		{OU: "OU=Service,DC=sales,DC=corp,DC=example", Account: "svc-read", Password: readerPwd},
		{OU: "OU=Staff,DC=sales,DC=corp,DC=example", Account: "ada", DisplayName: "Ada of sales"},
	} {
		_, err := child.AddUser(u)
		must(t, err)
	}
	dc, err := child.Serve(simad.ControllerOptions{Certificate: c.ca.issue(t, "dc1.sales.corp.example")})
	must(t, err)
	t.Cleanup(func() { dc.Close() })
	sales = c.config()
	sales.Name, sales.BindUser = "sales.corp.example", "svc-read@sales.corp.example"
	sales.Controllers, sales.DNSServers = []string{dc.URL("ldaps")}, []string{dc.DNSAddr()}
	sales.Users.Bases = []string{"DC=sales,DC=corp,DC=example"}
	sales.Workstations.Bases = []string{"DC=sales,DC=corp,DC=example"}
	return c, sales
}

// TestForest finds each user in his own domain, by the names that mean it.
func TestForest(t *testing.T) {
	c, salesConfig := newForest(t)
	cfg := c.config()
	cfg.Users.Bases = []string{"DC=corp,DC=example"} // with references to the domain below, which are not followed
	corp, sales := open(t, cfg, Options{}), open(t, salesConfig, Options{})
	for name, want := range map[string][2]string{
		"ada": {"Ada of corp", "Ada of sales"}, `CORP\ada`: {"Ada of corp", ""}, `VERTRIEB\ada`: {"", "Ada of sales"}, `SALES\ada`: {"", ""},
		`sales.corp.example\ada`: {"", "Ada of sales"}, "ada@corp.example": {"Ada of corp", ""}, "ada@sales.corp.example": {"", "Ada of sales"},
	} {
		for i, d := range []*Directory{corp, sales} {
			u, _, err := d.User(t.Context(), name)
			if u.DisplayName != want[i] || (want[i] == "") != errors.Is(err, photopush.ErrUnknownUser) {
				t.Errorf("%s in %s is %q, %v, want %q", name, d.Name(), u.DisplayName, err, want[i])
			}
		}
	}
	for d, want := range map[*Directory][]string{corp: {"svc-read", "ada"}, sales: {"svc-read", "ada"}} {
		got, err := accounts(t, d)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", d.Name(), err, diff)
		}
	}
}

// TestReferral has a controller refer to another one, at the first page and in the middle of a read: nobody follows, and the error says what to do.
func TestReferral(t *testing.T) {
	for after, want := range map[int]int{0: 0, 1: 0, 2: 2} { // searches: for the base, and pages
		t.Run(fmt.Sprint(after), func(t *testing.T) {
			c := newCompany(t, 2)
			c.fill(t, 5)
			cfg := c.config()
			cfg.PageSize = 2
			c.dcs[0].SetFaults(simad.Faults{Result: 10, ResultAfter: after})
			got, err := accounts(t, open(t, cfg, Options{}))
			if photopush.ReasonOf(err) != photopush.OutOfScope || !strings.Contains(err.Error(), "move the base to a section of that domain in domains[]") || len(got) != want {
				t.Errorf("%d users, %v", len(got), err)
			}
			if n := c.dcs[1].Counts().Connections; n != 0 {
				t.Errorf("the second controller was asked %d times", n)
			}
		})
	}
}

// TestReferences counts the references that come with a read of a whole domain, and follows none.
func TestReferences(t *testing.T) {
	c, _ := newForest(t)
	cfg := c.config()
	cfg.Users.Bases = []string{"DC=corp,DC=example"}
	log := &logBuffer{}
	d := open(t, cfg, Options{Logger: slog.New(slog.NewTextHandler(log, &slog.HandlerOptions{Level: slog.LevelDebug}))})
	if got, err := accounts(t, d); err != nil || len(got) != 2 || !strings.Contains(log.String(), " referrals=4 ") { // two zones, the configuration, the domain below
		t.Errorf("%d users, %v; the log says %s", len(got), err, log)
	}
}
