package simad

import (
	"fmt"
	"slices"
	"strings"
)

// A grant lets an account write attributes of the objects at and below a container.
type grant struct {
	who        string   // key of the account
	below      string   // key of the container
	attributes []string // lower case
}

// Grant lets an account, by its distinguished name, write attributes of everything below a container, as an access control entry for property writes
// does that is inherited. Without one an account may write its own photos alone.
func (d *Domain) Grant(account, container string, attributes ...string) error {
	who, err := parseDN(account)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", account, err)
	}
	below, err := parseDN(container)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", container, err)
	}
	g := grant{who: who.key(), below: below.key()}
	for _, a := range attributes {
		if _, known := schema[strings.ToLower(a)]; !known {
			return fmt.Errorf("simad: the schema has no attribute %q", a)
		}
		g.attributes = append(g.attributes, strings.ToLower(a))
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grants = append(d.grants, g)
	return nil
}

// Revoke takes every grant of an account away.
func (d *Domain) Revoke(account string) error {
	who, err := parseDN(account)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", account, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.grants = slices.DeleteFunc(d.grants, func(g grant) bool { return g.who == who.key() })
	return nil
}

// allowed tells whether an account may write an attribute of an object. By default everybody may write the property set Personal Information of
// his own object, which thumbnailPhoto is in and jpegPhoto is not.
func (d *Domain) allowed(who string, o *object, attribute string) bool {
	if who == o.key && attribute == "thumbnailphoto" {
		return true
	}
	return slices.ContainsFunc(d.grants, func(g grant) bool {
		return g.who == who && o.below(g.below) && slices.Contains(g.attributes, attribute)
	})
}

// effective is allowedAttributesEffective (MS-ADTS 3.1.1.4.5.7): what whoever asks may write.
func (d *Domain) effective(who string, o *object) attribute {
	a := attribute{name: "allowedAttributesEffective"}
	for name, t := range schema {
		if !t.constructed && d.allowed(who, o, name) {
			a.values = append(a.values, []byte(t.name))
		}
	}
	slices.SortFunc(a.values, func(x, y []byte) int { return strings.Compare(string(x), string(y)) })
	return a
}
