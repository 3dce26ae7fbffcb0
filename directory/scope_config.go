package directory

import (
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// A UserScope says which people are cared for.
type UserScope struct {
	Bases   []string `yaml:"bases" help:"Distinguished names; users at or below them are in scope. There is no 'everything' by default." example:"[\"OU=Staff,DC=corp,DC=example\"]"`
	Filter  string   `yaml:"filter" help:"LDAP filter that users must match as well; empty for all of them." example:"(department=Sales)"`
	Groups  []string `yaml:"groups" help:"Distinguished names of groups of this domain. Users must be members of one of them as well: directly, through groups in them, or by their primary group. Empty: groups do not count." example:"[\"CN=Photos,OU=Groups,DC=corp,DC=example\"]"`
	Exclude []string `yaml:"exclude" help:"Distinguished names below the bases; users at or below them are left out." example:"[\"OU=Leavers,OU=Staff,DC=corp,DC=example\"]"`
}

// A WorkstationScope says which computers are cared for. Domain controllers never are.
type WorkstationScope struct {
	Bases          []string `yaml:"bases" help:"Distinguished names; computers at or below them are in scope. There is no 'everything' by default." example:"[\"OU=Workstations,DC=corp,DC=example\"]"`
	Filter         string   `yaml:"filter" help:"LDAP filter that computers must match as well; empty for all of them." example:"(operatingSystem=Windows*)"`
	Groups         []string `yaml:"groups" help:"Distinguished names of groups of this domain. Computers must be members of one of them as well: directly, through groups in them, or by their primary group. Empty: groups do not count." example:"[\"CN=Pilot,OU=Groups,DC=corp,DC=example\"]"`
	Exclude        []string `yaml:"exclude" help:"Distinguished names below the bases; computers at or below them are left out." example:"[\"OU=Kiosks,OU=Workstations,DC=corp,DC=example\"]"`
	IncludeServers bool     `yaml:"include_servers" help:"Whether computers that run Windows Server are workstations too; domain controllers never are."`
}

// A scopeConfig is what the sections users and workstations have in common.
type scopeConfig struct {
	key                    string
	bases, exclude, groups []string
	filter                 string
}

func (c UserScope) parts() scopeConfig {
	return scopeConfig{"users", c.Bases, c.Exclude, c.Groups, c.Filter}
}

func (c WorkstationScope) parts() scopeConfig {
	return scopeConfig{"workstations", c.Bases, c.Exclude, c.Groups, c.Filter}
}

// maxNames bounds the lists of a scope: each name costs searches.
const maxNames = 100

// validate reports every fault; root is the distinguished name of the domain.
func (s scopeConfig) validate(v configFaults, root string) {
	if len(s.bases) == 0 {
		v.add("%s.bases is empty, want at least one distinguished name: there is no 'everything' by default", s.key)
	}
	for _, list := range []struct {
		key   string
		names []string
		check func(string) error
	}{
		{"bases", s.bases, func(name string) error { return checkName(name, "OU=Staff", root) }},
		{"exclude", s.exclude, func(name string) error { return s.checkExclude(name, root) }},
		{"groups", s.groups, func(name string) error { return checkName(name, "CN=Photos,OU=Groups", root) }},
	} {
		if len(list.names) > maxNames {
			v.add("%s.%s has %d names, want at most %d", s.key, list.key, len(list.names), maxNames)
		}
		for i, name := range list.names {
			if err := list.check(name); err != nil {
				v.add("%s.%s[%d] is %q, %w", s.key, list.key, i, name, err)
			}
		}
	}
	if s.filter == "" {
		return
	}
	if _, err := ldap.CompileFilter(s.filter); err != nil {
		v.add("%s.filter is %q, want an LDAP filter in parentheses, such as (department=Sales): %w", s.key, s.filter, filterFault(err))
	}
}

// checkExclude says what is wrong with a name that is to be left out: it must lie below a base, and leave something of each.
func (s scopeConfig) checkExclude(name, root string) error {
	if err := checkName(name, "OU=Leavers,OU=Staff", root); err != nil {
		return err
	}
	bases := parseBases(s.bases)
	if len(bases) == 0 {
		return nil // there is a fault already
	}
	excluded := parseBases([]string{name})[0]
	for _, b := range bases {
		if excluded.covers(b.parsed) {
			return fmt.Errorf("which leaves nothing of the base %s", b.name)
		}
	}
	if covering(bases, excluded.parsed) < 0 {
		return fmt.Errorf("want a name below one of %s.bases: what lies elsewhere is left out anyway", s.key)
	}
	return nil
}

// filterFault drops the result code that go-ldap puts before its filter errors.
func filterFault(err error) error {
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.Err != nil {
		return errors.New(strings.TrimPrefix(e.Err.Error(), "ldap: "))
	}
	return err
}

// checkName says what is wrong with a distinguished name of the domain whose own name is root.
func checkName(s, example, root string) error {
	dn, err := parseName(s)
	if err != nil || len(dn.RDNs) == 0 {
		return fmt.Errorf("want a distinguished name, such as %s,%s", example, root)
	}
	domain, err := ldap.ParseDN(root)
	if err != nil {
		return nil // the name of the domain is the fault
	}
	switch other := domainOf(dn); {
	case strings.EqualFold(other, domainOf(domain)):
		return nil
	case other == "":
		return fmt.Errorf("want a distinguished name within %s", root)
	default:
		return fmt.Errorf("want a distinguished name within %s: this one belongs to the section of the domain %s", root, other)
	}
}

// domainOf is the DNS name of the domain that an object lies in, also of one below another by its name: corp.example for OU=Staff,DC=corp,DC=example.
func domainOf(dn *ldap.DN) string {
	var labels []string
	for i := len(dn.RDNs) - 1; i >= 0; i-- {
		a := dn.RDNs[i].Attributes
		if len(a) != 1 || !strings.EqualFold(a[0].Type, "DC") {
			break
		}
		labels = append([]string{a[0].Value}, labels...)
	}
	return strings.Join(labels, ".")
}
