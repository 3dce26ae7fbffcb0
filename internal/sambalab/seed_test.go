//go:build linux

package sambalab

import (
	"testing"

	"github.com/go-ldap/ldap/v3"
)

// TestSeeded starts a domain with accounts twice: made, and from what was kept.
func TestSeeded(t *testing.T) {
	for range 2 {
		d := NewWith(t, Options{Seed: Seed{Users: 60, Computers: 110}})
		c := dialReader(t, d)
		for filter, want := range map[string]int{
			"(&(objectCategory=person)(thumbnailPhoto=*))": 60, "(&(objectCategory=person)(userAccountControl:1.2.840.113556.1.4.803:=2)(name=u*))": 1,
			"(&(objectCategory=computer)(name=WS*))": 110, "(memberOf=" + ThirdGroup + ")": 20,
		} {
			found, err := c.Search(&ldap.SearchRequest{BaseDN: BaseDN, Scope: ldap.ScopeWholeSubtree, Filter: filter, Attributes: []string{"name"}})
			if err != nil || len(found.Entries) != want {
				t.Errorf("%s finds %d, %v, want %d", filter, len(found.Entries), err, want)
			}
		}
	}
}
