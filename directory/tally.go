package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// Bounds of what is told one by one: where more has changed, a read of everything costs less.
const (
	maxChanges    = 50_000
	maxContainers = 20 // that were moved or renamed
)

// A tally collects what has changed.
type tally struct {
	in      interest
	from    place
	order   []rawGUID
	seen    map[rawGUID]*bool // whether its photos may be others
	named   []rawGUID         // that have another name or place: they may be containers, and groups
	deleted []rawGUID         // that may have been groups
	why     string            // everything must be read
}

func newTally(in interest, from place) *tally {
	return &tally{in: in, from: from, seen: map[rawGUID]*bool{}}
}

func (t *tally) add(guid rawGUID, photo bool) {
	if known := t.seen[guid]; known != nil {
		*known = *known || photo
		return
	}
	if len(t.order) == maxChanges {
		t.why = fmt.Sprintf("more than %d objects have changed", maxChanges)
		return
	}
	t.seen[guid] = &photo
	t.order = append(t.order, guid)
}

// list is what was collected; not nil.
func (t *tally) list() []photopush.Change {
	list := make([]photopush.Change, len(t.order))
	for i, guid := range t.order {
		list[i] = photopush.Change{ID: guid.GUID(), Photo: *t.seen[guid]}
	}
	return list
}

// identity reads the GUID of an object that has changed. An object that does not show it, or lost all attributes since it was too large to be read
// (bareEntry), cannot be told.
func (t *tally) identity(e *ldap.Entry) (guid rawGUID, ok bool) {
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		t.why = fmt.Sprintf("%s has changed, and cannot be told: %v", clip(decodeText(e.DN)), err)
	}
	return guid, err == nil
}

func (t *tally) membersChanged(e *ldap.Entry) {
	t.why = fmt.Sprintf("the group %s has changed, and its members decide who is in scope", clip(decodeText(e.DN)))
}

// hasAttribute tells whether an entry brings an attribute, with values or without, whole or in part: member;range=1-1.
func hasAttribute(e *ldap.Entry, name string) bool {
	for _, a := range e.Attributes {
		if plain, _, _ := strings.Cut(a.Name, ";"); strings.EqualFold(plain, name) {
			return true
		}
	}
	return false
}

// hasPhoto tells whether an entry brings an attribute that holds photos.
func (in interest) hasPhoto(e *ldap.Entry) bool {
	return slices.ContainsFunc(in.photo, func(name string) bool { return hasAttribute(e, name) })
}

// openContainers adds the users and computers below containers that were moved or renamed: of themselves nothing has changed, but they lie elsewhere.
func (d *Directory) openContainers(ctx context.Context, t *tally) error {
	var names []string
	err := d.eachOf(ctx, "(|"+containerClasses+")", t.named, nil, func(e *ldap.Entry) { names = append(names, e.DN) })
	if err != nil || len(names) == 0 {
		return err
	}
	if len(names) > maxContainers {
		t.why = fmt.Sprintf("more than %d containers were moved or renamed", maxContainers)
		return nil
	}
	d.forgetPlaces() // they may be bases, or excluded: whom one kept out, it would let in under another name
	for _, s := range []scope{d.people, d.devices} {
		if _, err := d.locatedAnywhere(ctx, s, d.recently()); err != nil {
			return err
		}
	}
	for _, name := range names {
		if err := d.openContainer(ctx, t, name); err != nil || t.why != "" {
			return err
		}
	}
	return nil
}

// lookForGroups looks, where groups count and it is not known which, whether one was renamed or deleted.
func (d *Directory) lookForGroups(ctx context.Context, t *tally) error {
	if !t.from.AnyGroup || t.why != "" {
		return nil
	}
	deleted := []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}
	return errors.Join(
		d.eachOf(ctx, groupClass, t.named, nil, t.membersChanged),
		d.eachOf(ctx, groupClass, t.deleted, deleted, t.membersChanged))
}

// eachOf finds the objects of a class among those with these GUIDs, in the whole domain.
func (d *Directory) eachOf(ctx context.Context, class string, guids []rawGUID, controls []ldap.Control, found func(*ldap.Entry)) error {
	for part := range slices.Chunk(guids, idsPerSearch) {
		var entries []*ldap.Entry
		err := d.use(ctx, func(c *conn) error {
			d.readFrom(c.controller)
			request := ldap.NewSearchRequest(d.root(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(&"+class+anyGUID(part)+")",
				[]string{"objectGUID"}, controls)
			var err error
			entries, err = c.run(ctx, request, "look up what has changed below", d.root())
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range entries {
			found(e)
		}
	}
	return nil
}

func (d *Directory) openContainer(ctx context.Context, t *tally, name string) error {
	below := scope{key: "name", bases: parseBases([]string{name}), kind: accountClasses}.withFilter()
	err := d.readAll(ctx, query{"read container", below, below.and(""), []string{"objectGUID"}}, func(_ *ldap.Entry, guid rawGUID) error {
		if t.add(guid, false); t.why != "" {
			return errStopped
		}
		return nil
	})
	if resultCode(err) == ldap.LDAPResultNoSuchObject || errors.Is(err, errForeign) {
		t.why = fmt.Sprintf("the container %s was moved again meanwhile", clip(decodeText(name)))
		return nil
	}
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
}
