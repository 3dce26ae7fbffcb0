package simad

import (
	"bytes"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// stamps tell by lower-case name when each attribute was changed last, those that were removed too: the USN of the domain.
type stamps map[string]int64

// A link is a value of member with the time of its last change. Active Directory replicates such values one by one (MS-ADTS 3.1.1.1.9).
type link struct {
	value   []byte
	usn     int64
	present bool // else it was taken off
}

// notReplicated are attributes that each controller has its own value of, or makes from others: they have no stamp.
var notReplicated = []string{"usnchanged", "usncreated", "whenchanged", "distinguishedname", "memberof", "managedobjects", "directreports",
	"lastlogon", "badpwdcount", "logoncount", "objectguid", "nonsecuritymemberbl", "msds-generationid"}

// stamp notes which attributes o has otherwise than old had them.
func (o *object) stamp(old *object, usn int64) {
	next := maps.Clone(old.stamps)
	if next == nil {
		next = stamps{}
	}
	names := slices.AppendSeq(slices.Collect(maps.Keys(old.attrs)), maps.Keys(o.attrs))
	for _, name := range names {
		if slices.Contains(notReplicated, name) || slices.EqualFunc(old.attrs[name].values, o.attrs[name].values, bytes.Equal) {
			continue
		}
		next[name] = usn
		o.last = usn
	}
	o.stamps = next
	if next["member"] == usn {
		o.links = changedLinks(old.links, o.attrs["member"].values, usn)
	}
}

// changedLinks are the links after the present values have become others.
func changedLinks(old []link, values [][]byte, usn int64) []link {
	var next []link
	for _, l := range old {
		if has := slices.ContainsFunc(values, func(v []byte) bool { return bytes.Equal(v, l.value) }); has != l.present {
			l.usn, l.present = usn, has
		}
		next = append(next, l)
	}
	for _, v := range values {
		if !slices.ContainsFunc(old, func(l link) bool { return bytes.Equal(l.value, v) }) {
			next = append(next, link{v, usn, true})
		}
	}
	return next
}

// kept are the attributes that a tombstone keeps, as far as the simulation knows them (MS-ADTS 3.1.1.5.5.1.1).
var kept = []string{"objectclass", "objectguid", "objectsid", "samaccountname", "useraccountcontrol", "instancetype", "usncreated", "whencreated",
	"dnshostname", "ntsecuritydescriptor", "distinguishedname", "name", "cn", "ou"}

// Delete makes tombstones of an object and of all that lies below it. They lie in Deleted Objects, for those who may see them.
func (d *Domain) Delete(name string) error {
	parsed, err := parseDN(name)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := parsed.key()
	if d.objects[key] == nil {
		return fmt.Errorf("%w: %s", errNoObject, name)
	}
	var doomed []*object
	for _, o := range d.order {
		if o.below(key) {
			doomed = append(doomed, o)
		}
	}
	gone := map[string]string{}
	for _, o := range doomed {
		gone[o.key] = ""
		if err := d.bury(d.byGUID[o.guid()]); err != nil { // the one before may have been its group
			return err
		}
	}
	d.relink(gone)
	return nil
}

// bury makes a tombstone of an object (MS-ADTS 3.1.1.5.5.1.1).
func (d *Domain) bury(o *object) error {
	rdn := o.name[0]
	rdn.value += "\nDEL:" + o.guid().String()
	name := append(dn{rdn}, append(dn{{"CN", "Deleted Objects"}}, d.root...)...)
	return d.replace(o, func(n *object) error {
		for attributeName := range n.attrs {
			if !slices.Contains(kept, attributeName) {
				delete(n.attrs, attributeName)
			}
		}
		n.deleted, n.login = true, login{}
		for attributeName, value := range map[string]string{"isDeleted": "TRUE", "isRecycled": "TRUE", "lastKnownParent": o.name.parent().String()} {
			if err := n.attrs.set(attributeName, value); err != nil {
				return err
			}
		}
		return n.rename(name)
	})
}

// Move renames an object or puts it elsewhere; to is its new distinguished name. What lies below it goes along, and does not count as
// changed: only its distinguished name is another one.
func (d *Domain) Move(from, to string) error {
	source, err := parseDN(from)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", from, err)
	}
	target, err := parseDN(to)
	if err != nil || len(target) == 0 {
		return fmt.Errorf("simad: %q: %w", to, errDN)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	key := source.key()
	switch {
	case d.objects[key] == nil:
		return fmt.Errorf("%w: %s", errNoObject, from)
	case d.objects[target.key()] != nil && target.key() != key:
		return fmt.Errorf("simad: %s exists already", to)
	case target.key() != key && (&object{key: target.key()}).below(key):
		return fmt.Errorf("simad: %s lies below %s", to, from)
	}
	if err := d.ensureParents(target.parent()); err != nil {
		return err
	}
	target = d.spelled(target)
	moved := map[string]string{}
	for _, o := range slices.Clone(d.order) {
		if !o.below(key) {
			continue
		}
		name := append(slices.Clone(o.name[:len(o.name)-len(source)]), target...)
		moved[o.key] = name.String()
		if err := d.relocate(o, name, o.key == key); err != nil {
			return err
		}
	}
	d.relink(moved)
	return nil
}

// relocate gives an object another name. Of the one that was moved itself, name and RDN count as changed, even where they are as before.
func (d *Domain) relocate(o *object, name dn, itself bool) error {
	if !itself {
		n := o.clone()
		if err := n.rename(name); err != nil {
			return err
		}
		d.put(o, n)
		return nil
	}
	if err := d.replace(o, func(n *object) error { return n.rename(name) }); err != nil {
		return err
	}
	n := d.objects[name.key()]
	n.stamps["name"], n.stamps[strings.ToLower(name[0].attribute)], n.last = d.usn, d.usn, d.usn
	return nil
}

// rename sets the name with what follows from it.
func (o *object) rename(name dn) error {
	o.name, o.key = name, name.key()
	for attributeName, v := range map[string]string{
		"distinguishedName": name.String(), "name": name[0].value, strings.ToLower(name[0].attribute): name[0].value,
	} {
		if err := o.attrs.set(attributeName, v); err != nil {
			return err
		}
	}
	return nil
}

// relink corrects the values that name moved or deleted objects: moved maps their keys to the new names, or "" for none. Such values are
// references to objects; that these have other names changes nothing of who refers to them.
func (d *Domain) relink(moved map[string]string) {
	for _, o := range slices.Clone(d.order) {
		var n *object
		for _, attributeName := range []string{"member", "memberof", "manager", "managedby"} {
			at, ok := o.attrs[attributeName]
			if !ok || !slices.ContainsFunc(at.values, func(v []byte) bool { _, hit := renamed(moved, v); return hit }) {
				continue
			}
			if n == nil {
				n = o.clone()
			}
			n.setLinks(attributeName, at, moved)
		}
		if n != nil {
			d.put(o, n)
		}
	}
}

func (o *object) setLinks(attributeName string, at attribute, moved map[string]string) {
	next := attribute{name: at.name}
	for _, v := range at.values {
		if to, hit := renamed(moved, v); hit {
			v = []byte(to)
		}
		if len(v) > 0 {
			next.values = append(next.values, v)
		}
	}
	o.attrs[attributeName] = next
	if len(next.values) == 0 {
		delete(o.attrs, attributeName)
	}
	if attributeName != "member" {
		return
	}
	var links []link
	for _, l := range o.links {
		if to, hit := renamed(moved, l.value); hit {
			l.value = []byte(to)
		}
		if len(l.value) > 0 {
			links = append(links, l)
		}
	}
	o.links = links
}

func renamed(moved map[string]string, value []byte) (to string, hit bool) {
	name, err := parseDN(string(value))
	if err != nil {
		return "", false
	}
	to, hit = moved[name.key()]
	return to, hit
}

// Accounts lists the users and computers, or those that were deleted, in the order in which they were added.
func (d *Domain) Accounts(deleted bool) []Object {
	d.mu.RLock()
	defer d.mu.RUnlock()
	var all []Object
	for _, o := range d.order {
		if p := o.public(); p.Account != "" && p.SID != "" && o.deleted == deleted {
			all = append(all, p)
		}
	}
	return all
}

// Rights are what an account may beyond reading and what Grant lets it write.
type Rights struct {
	SeeDeleted bool // list and read Deleted Objects
	GetChanges bool // Replicating Directory Changes
}

// Allow gives an account, by its distinguished name, exactly these rights.
func (d *Domain) Allow(account string, r Rights) error {
	who, err := parseDN(account)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", account, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.rights[who.key()] = r
	return nil
}

// may returns the rights of the account that has signed in.
func (s *session) may() Rights {
	d := s.c.domain
	d.mu.RLock()
	defer d.mu.RUnlock()
	return d.rights[s.who]
}
