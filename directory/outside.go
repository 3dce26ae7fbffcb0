package directory

import (
	"context"
	"fmt"

	"github.com/go-ldap/ldap/v3"
)

// whyOutside looks in the whole domain for an object that a search of the scope has not found, and says what leaves it out: the part of a
// sentence that names a key of the configuration and the object. It is empty when there is no such object.
func (d *Directory) whyOutside(ctx context.Context, s scope, filter string) (string, error) {
	everything := d.domainScope(s.kind)
	found, err := d.search(ctx, query{"look for", everything, everything.and(filter), forMembership([]string{"objectGUID"})})
	if err != nil || len(found) == 0 {
		return "", err
	}
	if s, err = d.locatedAnywhere(ctx, s, d.recently()); err != nil {
		return "", err
	}
	why, err := d.leftOut(ctx, s, found[0])
	return why + " " + decodeText(found[0].DN), err
}

// leftOut tells what leaves an object of the scope's kind out, its place first and its groups last.
func (d *Directory) leftOut(ctx context.Context, s scope, e *ldap.Entry) (string, error) {
	dn, err := parseName(e.DN)
	if err != nil || covering(s.bases, dn) < 0 {
		return s.key + ".bases leaves out", nil
	}
	if i := covering(s.excluded, dn); i >= 0 {
		return fmt.Sprintf("%s.exclude (%s) leaves out", s.key, s.excluded[i].name), nil
	}
	for _, r := range s.rules {
		if passes, err := d.passes(ctx, e.DN, s.kind+r.filter); err != nil || !passes {
			return r.origin, err
		}
	}
	members, err := d.membersAmong(ctx, s)
	if err != nil {
		return "", err
	}
	if member, err := members.has(ctx, e); err != nil || !member {
		return s.key + ".groups leaves out", err
	}
	return "try again: just come into scope is", nil
}

// passes tells whether the object of that name matches all filters of a list.
func (d *Directory) passes(ctx context.Context, name, filters string) (found bool, err error) {
	err = d.use(ctx, func(c *conn) error {
		entries, err := c.run(ctx, baseSearch(name, "(&"+filters+")", "1.1"), "look at", decodeText(name))
		found = len(entries) > 0
		return err
	})
	return found, err
}
