package jobs

import (
	"errors"
	"slices"
	"testing"

	photopush "github.com/photopush/photopush"
)

// TestNamedDomain asks the domain that a name means, and no other one when that one knows it.
func TestNamedDomain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		first, second := c.domain(corp).staff(1), c.domain("sales.corp.example").staff(1)
		first.fail = because(photopush.Offline, "dead")
		if u, _, err := c.User(t.Context(), "u2000@sales.corp.example"); err != nil || u.AccountName != "u2000" || first.reads != 0 || second.reads != 1 {
			t.Errorf("%v, %v; %d and %d domains were asked", u, err, first.reads, second.reads)
		}
		if _, _, err := c.User(t.Context(), "u1@sales.corp.example"); photopush.ReasonOf(err) != photopush.Offline || errors.Is(err, photopush.ErrUnknownUser) {
			t.Errorf("unknown in its domain, and the other one dead: %v", err)
		}
		if u, _, err := c.User(t.Context(), "u2000"); err != nil || u.AccountName != "u2000" || c.log.count("could not be asked") != 1 {
			t.Errorf("a bare name while a domain is dead: %v, %v; log %s", u, err, &c.log.b)
		}
	})
}

func TestByName(t *testing.T) {
	j := &Jobs{Domains: []*Domain{{Name: "corp.example"}, {Name: "sales.corp.example"}, {Name: "other.test"}}}
	for name, want := range map[string]string{
		"ada": "corp.example", "anna.meier": "corp.example", `SALES\ada`: "sales.corp.example", `Sales.Corp.Example\ada`: "sales.corp.example", `OTHER\ada`: "other.test",
		`OLDNAME\ada`: "corp.example", "ada@OTHER.test": "other.test", "ada@corp.example": "corp.example", "ws1.sales.corp.example": "sales.corp.example",
		"ws1.corp.example": "corp.example", "S-1-5-21-1-2-3-4": "corp.example", "": "corp.example",
	} {
		list := j.byName(name)
		if list[0].Name != want || len(list) != 3 || !slices.ContainsFunc(list, func(d *Domain) bool { return d == j.Domains[0] }) {
			t.Errorf("%s: %s is asked first of %d, want %s", name, list[0].Name, len(list), want)
		}
	}
}
