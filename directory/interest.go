package directory

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

// An interest is what must be told when it changes: it follows from the configuration alone.
type interest struct {
	photo      []string // attributes that hold photos
	attributes []string // what is read of users and workstations, what the filters ask for, and what tells of moves and deletions
	groups     bool     // the members of groups decide who is in scope
	memberOf   []string // distinguished names of groups that filters ask for, beside those that the configuration names
	anyGroup   bool     // filters ask for groups in ways that do not tell which
	digest     string   // names it: a place of another interest does not tell all
	blind      string   // not empty: why no controller tells all of it
	asked      []asked  // of which the schema may say so too
}

// An asked attribute is one that the filter of a section asks for, and that is not read anyway.
type asked struct{ key, attribute string }

// The usual attributes that no controller tells the changes of, in lower case, with why: those need not be looked up in the schema.
var untold = func() map[string]string {
	m := map[string]string{}
	for why, names := range map[string]string{
		ownValue: "badPasswordTime badPwdCount lastLogoff lastLogon logonCount uSNChanged uSNCreated whenChanged",
		made: "allowedAttributes allowedAttributesEffective canonicalName createTimeStamp modifyTimeStamp msDS-PrincipalName " +
			"msDS-User-Account-Control-Computed msDS-UserPasswordExpiryTimeComputed primaryGroupToken tokenGroups",
		backLink: "directReports managedObjects msDS-IsPrimaryComputerFor msDS-MembersForAzRoleBL msDS-PSOApplied serverReferenceBL",
	} {
		for name := range strings.FieldsSeq(names) {
			m[strings.ToLower(name)] = why
		}
	}
	return m
}()

// newInterest is the interest of a configuration. Filters ask for attributes that are not read: they decide who is in scope.
func newInterest(cfg Config, people, devices scope, photo []string) interest {
	in := interest{photo: photo, attributes: slices.Concat(userAttributes, photo, workstationAttributes, []string{"name", "isDeleted"})}
	// A distinguished name is told by name, and by the containers that are moved.
	known := slices.Concat(in.attributes, []string{"objectClass", "objectCategory", "distinguishedName"})
	for _, s := range []scope{people, devices} {
		asked, err := filterTerms(s.and(""))
		if err != nil {
			in.blind = fmt.Sprintf("%s.filter cannot be read: %v", s.key, err)
		}
		for _, t := range asked {
			in.add(s.key, t, known)
		}
		in.groups = in.groups || len(s.groups) > 0
	}
	if in.groups {
		in.attributes = append(in.attributes, "member")
	}
	slices.SortFunc(in.attributes, func(a, b string) int { return strings.Compare(strings.ToLower(a), strings.ToLower(b)) })
	in.attributes = slices.CompactFunc(in.attributes, strings.EqualFold)
	in.digest = in.name(cfg)
	return in
}

// plainName is the form of an attribute's name (RFC 4512 1.4 keystring); a number in its place is told by no controller under that name.
var plainName = regexp.MustCompile(`\A[A-Za-z][A-Za-z0-9-]*\z`)

func (in *interest) add(key string, t term, known []string) {
	why, hidden := untold[strings.ToLower(t.attribute)]
	switch {
	case strings.EqualFold(t.attribute, "memberOf"): // a back link too, but the other end of it can be watched
		in.groups = true
		if _, err := ldap.ParseDN(t.value); err != nil || t.value == "" {
			in.anyGroup = true
			return
		}
		in.memberOf = append(in.memberOf, t.value)
	case hidden:
		in.blind = untoldBy(key, t.attribute, why)
	case !plainName.MatchString(t.attribute):
		in.blind = fmt.Sprintf("%s.filter asks for %q, whose changes no controller tells: want the attribute's name", key, clip(t.attribute))
	default:
		in.attributes = append(in.attributes, t.attribute)
		if !containsFold(known, t.attribute) && !slices.ContainsFunc(in.asked, func(a asked) bool { return strings.EqualFold(a.attribute, t.attribute) }) {
			in.asked = append(in.asked, asked{key, t.attribute})
		}
	}
}

// name is a digest of everything that decides what is read.
func (in *interest) name(cfg Config) string {
	b, err := json.Marshal(struct {
		Domain       string
		Users        UserScope
		Workstations WorkstationScope
		Largest      int64
		Changes      string
		Account      string
		Attributes   []string
	}{strings.ToLower(cfg.Name), cfg.Users, cfg.Workstations, int64(cfg.MaxPhotoSize), cfg.Changes, strings.ToLower(cfg.Account.identity()), in.attributes})
	if err != nil {
		in.blind = err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// A term is one attribute that a filter asks for, as it is written there.
type term struct {
	attribute string
	value     string // that it must have, or by a rule be connected with; empty for all other questions
}

// filterTerms lists what a filter asks for.
func filterTerms(filter string) ([]term, error) {
	p, err := ldap.CompileFilter(filter)
	if err != nil {
		return nil, filterFault(err)
	}
	return packetTerms(p), nil
}

// packetTerms walks a filter (RFC 4511 4.5.1.7).
func packetTerms(p *ber.Packet) (all []term) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, c := range p.Children {
			all = append(all, packetTerms(c)...)
		}
	case ldap.FilterPresent:
		all = []term{{attribute: p.Data.String()}}
	case ldap.FilterExtensibleMatch:
		var t term
		for _, c := range p.Children {
			switch c.Tag {
			case ldap.MatchingRuleAssertionType:
				t.attribute = c.Data.String()
			case ldap.MatchingRuleAssertionMatchValue:
				t.value = c.Data.String()
			}
		}
		all = []term{t}
	case ldap.FilterSubstrings:
		all = []term{{attribute: p.Children[0].Data.String()}}
	default: // equal, greater, less and approximate: attribute and value
		all = []term{{p.Children[0].Data.String(), p.Children[1].Data.String()}}
	}
	return all
}

// Classes of objects that are told of: users and computers, which are users too; what may have them below it; and groups where their members count.
// objectClass stays when an object is deleted, objectCategory does not.
const (
	accountClasses   = "(objectClass=user)"
	containerClasses = "(objectClass=organizationalUnit)(objectClass=container)(objectClass=builtinDomain)(objectClass=lostAndFound)" +
		"(objectClass=organization)(objectClass=locality)(objectClass=country)"
	groupClass = "(objectClass=group)"
)

// filter finds every object of interest, deleted ones too.
func (in interest) filter() string {
	f := "(|" + accountClasses + containerClasses
	if in.groups {
		f += groupClass
	}
	return f + ")"
}
