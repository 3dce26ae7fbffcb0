package directory

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// Active Directory takes more names for equal than we could: it compares them by the rules of a locale and without regard to case, accents, width and kana
// (MS-DRSR 5.50.1, MS-ADTS 6.5.1), so that OU=Munchen finds OU=München. The bases and exclusions of the configuration are therefore looked up, and what a
// controller answers is compared with the names that it has for them.

// A locatedScope is a scope of the configuration with the names that a controller has for its bases and exclusions, as they were at some time.
type locatedScope struct {
	at    time.Time
	scope scope
}

// locatedFor is how long single lookups rely on names that were looked up.
const locatedFor = time.Minute

// recently is the time since when names must have been looked up for a single lookup.
func (d *Directory) recently() time.Time { return d.now().Add(-locatedFor) }

// located is the scope as the controller has located it, after that time. All bases and exclusions must be there: an excluded container that was renamed would
// let in whom it kept out. Scopes that are not of the configuration have the names of the directory already.
func (d *Directory) located(ctx context.Context, c *conn, s scope, after time.Time) (scope, error) {
	if !s.configured {
		return s, nil
	}
	key, now := s.key+" at "+c.controller.url, d.now()
	d.mu.Lock()
	known, ok := d.places[key]
	d.mu.Unlock()
	if ok && known.at.After(after) && !known.at.After(now) {
		return known.scope, nil
	}
	found, err := c.locate(ctx, s)
	if err != nil {
		return scope{}, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.places[key] = locatedScope{now, found}
	return found, nil
}

// locatedAnywhere is the scope as any controller has located it.
func (d *Directory) locatedAnywhere(ctx context.Context, s scope, after time.Time) (found scope, err error) {
	err = d.use(ctx, func(c *conn) (err error) {
		d.readFrom(c.controller)
		found, err = d.located(ctx, c, s, after)
		return err
	})
	return found, err
}

// forgetPlaces lets all scopes be located again, since an object was answered that does not lie in its base.
func (d *Directory) forgetPlaces() {
	d.mu.Lock()
	defer d.mu.Unlock()
	clear(d.places)
}

// locate looks up the bases and exclusions of a scope. Their order stays.
func (c *conn) locate(ctx context.Context, s scope) (_ scope, err error) {
	if s.bases, err = c.ownNames(ctx, s.bases, s.key+".bases", false); err != nil {
		return scope{}, err
	}
	if s.excluded, err = c.ownNames(ctx, s.excluded, s.key+".exclude", true); err != nil {
		return scope{}, err
	}
	for _, b := range s.bases {
		if i := covering(s.excluded, b.parsed); i >= 0 {
			return scope{}, nameError(s.excluded[i], "it leaves nothing of the base %s: correct %s.exclude", b.name, s.key)
		}
	}
	return s, nil
}

// ownNames are the bases with the names that the controller has for them; key is where the configuration names them.
func (c *conn) ownNames(ctx context.Context, bases []base, key string, must bool) ([]base, error) {
	own := make([]base, len(bases))
	for i, b := range bases {
		var err error
		if own[i], err = c.ownName(ctx, b, key, must); err != nil {
			return nil, err
		}
	}
	return own, nil
}

// ownName is a base with the name that the controller has for it. That of an object which the account may not read stays as it is, unless it must be known: who
// lies below a base of another name is noticed (foreignError), who lies below an exclusion is not.
func (c *conn) ownName(ctx context.Context, b base, key string, must bool) (base, error) {
	found, err := c.run(ctx, baseSearch(b.name, "(objectClass=*)", "1.1"), "look for", b.name)
	switch {
	case resultCode(err) == ldap.LDAPResultNoSuchObject:
		return b, nameError(b, "there is no such object, or the account may not see it: correct %s", key)
	case err != nil:
		return b, err
	case len(found) == 0 && !must:
		return b, nil
	case len(found) != 1:
		return b, nameError(b, "the account may not read it, and so not learn how the directory spells its name: let it read the object, or correct %s", key)
	}
	own, err := parseName(found[0].DN)
	if err != nil || len(own.RDNs) != len(b.parsed.RDNs) || !strings.EqualFold(domainOf(own), domainOf(b.parsed)) {
		return b, nameError(b, "the controller answers %q, which is another object: write into %s what the directory calls it", clip(decodeText(found[0].DN)), key)
	}
	b.parsed = own
	return b, nil
}

func nameError(b base, format string, args ...any) error {
	return &photopush.Error{Reason: photopush.Denied, Op: "look for", On: b.name, Err: fmt.Errorf(format, args...)}
}

var (
	errForeign = errors.New("which lies elsewhere")
	errLeftOut = errors.New("the object is excluded")
)

// foreignError is the error for an object that was answered although it does not lie below the base: the base has another name by now, or always had. Whoever
// is left out for that must not be taken for gone.
func (d *Directory) foreignError(q query, b base, e *ldap.Entry) error {
	d.forgetPlaces()
	remedy := "try again"
	if q.scope.configured {
		remedy += ", or write into " + q.scope.key + ".bases what the directory calls it"
	}
	return &photopush.Error{Reason: photopush.Conflict, Op: q.op + " below", On: decodeText(b.name),
		Err: fmt.Errorf("the controller answers %q, %w: a container was renamed at the same moment, or has another name: %s", clip(decodeText(e.DN)), errForeign, remedy)}
}
