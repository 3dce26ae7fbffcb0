package directory

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A group is one that the configuration names, or one that is in such a group. Only groups of this domain count.
type group struct {
	guid rawGUID
	sid  string // binary, as objectSid has it
	name string // distinguished name
}

const groupFilter = "(objectCategory=group)"

var groupAttributes = []string{"objectGUID", "objectSid", "objectClass"}

// Bounds of a scope by groups: how many groups there may be with those in them, how many of them are named in one filter, and how
// long single lookups rely on the groups that were read last.
const (
	maxGroups       = 5000
	groupsPerSearch = 50
	groupsKnownFor  = time.Minute
)

// groupClosure reads the GUIDs of all groups whose attribute member decides who is in scope, users or workstations: those of the
// configuration and those in them. They are sorted, each is there once; none when the configuration names no group.
func (d *Directory) groupClosure(ctx context.Context) ([]rawGUID, error) {
	var all []rawGUID
	for _, s := range []scope{d.people, d.devices} {
		groups, err := d.readGroups(ctx, s)
		if err != nil {
			return nil, err
		}
		for _, g := range groups {
			all = append(all, g.guid)
		}
	}
	return uniqueGUIDs(all), nil
}

// knownGroups are the groups of a scope as they were read at some time.
type knownGroups struct {
	at     time.Time
	groups []group
}

// recentGroups are the groups of a scope as they were a minute ago at most: whoever asks for a single user does not wait for all groups.
func (d *Directory) recentGroups(ctx context.Context, s scope) ([]group, error) {
	d.mu.Lock()
	known, ok := d.groups[s.key]
	d.mu.Unlock()
	if age := d.now().Sub(known.at); ok && age >= 0 && age < groupsKnownFor {
		return known.groups, nil
	}
	return d.readGroups(ctx, s)
}

// readGroups reads the groups of a scope, and those in them.
func (d *Directory) readGroups(ctx context.Context, s scope) ([]group, error) {
	at := d.now()
	var all []group
	for i, name := range s.groups {
		g, err := d.findGroup(ctx, fmt.Sprintf("%s.groups[%d]", s.key, i), name)
		if err != nil {
			return nil, err
		}
		all = addGroups(all, g)
	}
	all, err := d.withInner(ctx, s.key+".groups", all)
	if err != nil {
		return nil, err
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.groups[s.key] = knownGroups{at, all}
	return all, nil
}

// withInner adds to groups those in them, level by level. Groups that contain each other are read once. key is what names the groups, for errors.
func (d *Directory) withInner(ctx context.Context, key string, all []group) ([]group, error) {
	for level := all; len(level) > 0; {
		var found []group
		for part := range slices.Chunk(level, groupsPerSearch) {
			inside, err := d.groupsIn(ctx, part)
			if err != nil {
				return nil, err
			}
			found = append(found, inside...)
		}
		before := len(all)
		all = addGroups(all, found...)
		level = slices.Clone(all[before:])
		if len(all) > maxGroups {
			return nil, &photopush.Error{Reason: photopush.Quota, Op: "read groups of", On: key,
				Err: fmt.Errorf("more than %d groups are in them: name other groups", maxGroups)}
		}
	}
	return all, nil
}

// addGroups appends those that are not there yet.
func addGroups(all []group, more ...group) []group {
	known := make(map[rawGUID]bool, len(all))
	for _, g := range all {
		known[g.guid] = true
	}
	for _, g := range more {
		if !known[g.guid] {
			known[g.guid] = true
			all = append(all, g)
		}
	}
	return all
}

// findGroup reads a group that the configuration names.
func (d *Directory) findGroup(ctx context.Context, key, name string) (g group, err error) {
	fail := func(format string, args ...any) error {
		return &photopush.Error{Reason: photopush.Denied, Op: "find group", On: name, Err: fmt.Errorf(format+": correct "+key, args...)}
	}
	err = d.use(ctx, func(c *conn) error {
		d.readFrom(c.controller)
		entries, err := c.run(ctx, baseSearch(name, "(objectClass=*)", groupAttributes...), "find group", name)
		if resultCode(err) == ldap.LDAPResultNoSuchObject || err == nil && len(entries) != 1 {
			return fail("there is no such group, or the account may not see it")
		}
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(entries[0].GetEqualFoldAttributeValues("objectClass"), func(s string) bool { return strings.EqualFold(s, "group") }) {
			return fail("it is no group")
		}
		g, err = decodeGroup(entries[0])
		if err != nil {
			return fail("%w", err)
		}
		return nil
	})
	return g, err
}

// groupsIn reads the groups that are members of others. It asks for their memberOf, since the attribute member of a group does not
// tell which of its values are groups.
func (d *Directory) groupsIn(ctx context.Context, others []group) (found []group, err error) {
	var any strings.Builder
	for _, g := range others {
		any.WriteString(equals("memberOf", g.name))
	}
	s := d.domainScope(groupFilter)
	err = d.readAll(ctx, query{"read groups", s, s.and("(|" + any.String() + ")"), groupAttributes}, func(e *ldap.Entry, _ rawGUID) error {
		g, err := decodeGroup(e)
		if err != nil {
			return &objectError{err}
		}
		found = append(found, g)
		return nil
	})
	return found, err
}

func decodeGroup(e *ldap.Entry) (group, error) {
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		return group{}, err
	}
	sid := e.GetEqualFoldRawAttributeValue("objectSid")
	if _, err := decodeSID(sid); err != nil {
		return group{}, err
	}
	return group{guid, string(sid), e.DN}, nil
}

// uniqueGUIDs sorts and takes out repetitions, in place.
func uniqueGUIDs(all []rawGUID) []rawGUID {
	slices.SortFunc(all, rawGUID.compare)
	return slices.Compact(all)
}
