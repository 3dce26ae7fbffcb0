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
	anyGroup   bool     // of which groups is not known
	digest     string   // names it: a place of another interest does not tell all
	blind      string   // not empty: why no controller tells all of it
}

// An attribute that no controller tells the changes of, in lower case, with why. Attributes that are not replicated have systemFlags
// 0x1 in MS-ADA1 to 3; constructed ones are in MS-ADTS 3.1.1.4.5, back links in 3.1.1.1.6.
var untold = func() map[string]string {
	m := map[string]string{}
	for why, names := range map[string]string{
		"each controller has its own value": "badPasswordTime badPwdCount lastLogoff lastLogon logonCount uSNChanged uSNCreated whenChanged",
		"it is made when it is asked for": "allowedAttributes allowedAttributesEffective canonicalName createTimeStamp modifyTimeStamp msDS-PrincipalName " +
			"msDS-User-Account-Control-Computed msDS-UserPasswordExpiryTimeComputed primaryGroupToken tokenGroups",
		"it is a link that other objects have": "directReports managedObjects msDS-IsPrimaryComputerFor msDS-MembersForAzRoleBL msDS-PSOApplied serverReferenceBL",
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
	for _, s := range []scope{people, devices} {
		names, err := filterAttributes(s.and(""))
		if err != nil {
			in.blind = fmt.Sprintf("%s.filter cannot be read: %v", s.key, err)
		}
		for _, name := range names {
			in.add(s.key, name)
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

func (in *interest) add(key, name string) {
	why, hidden := untold[strings.ToLower(name)]
	switch {
	case strings.EqualFold(name, "memberOf"):
		in.groups, in.anyGroup = true, true // a back link too, but the other end of it can be watched
	case hidden:
		in.blind = fmt.Sprintf("%s.filter asks for %s, whose changes no controller tells: %s", key, name, why)
	case !plainName.MatchString(name):
		in.blind = fmt.Sprintf("%s.filter asks for %q, whose changes no controller tells: want the attribute's name", key, clip(name))
	default:
		in.attributes = append(in.attributes, name)
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
	}{strings.ToLower(cfg.Name), cfg.Users, cfg.Workstations, int64(cfg.MaxPhotoSize), cfg.Changes, strings.ToLower(cfg.BindUser), in.attributes})
	if err != nil {
		in.blind = err.Error()
	}
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:16])
}

// filterAttributes lists the attributes that a filter asks for, as they are written there.
func filterAttributes(filter string) ([]string, error) {
	p, err := ldap.CompileFilter(filter)
	if err != nil {
		return nil, filterFault(err)
	}
	return packetAttributes(p), nil
}

// packetAttributes walks a filter (RFC 4511 4.5.1.7).
func packetAttributes(p *ber.Packet) (names []string) {
	switch p.Tag {
	case ldap.FilterAnd, ldap.FilterOr, ldap.FilterNot:
		for _, c := range p.Children {
			names = append(names, packetAttributes(c)...)
		}
	case ldap.FilterPresent:
		names = []string{p.Data.String()}
	case ldap.FilterExtensibleMatch:
		for _, c := range p.Children {
			if c.Tag == ldap.MatchingRuleAssertionType {
				names = append(names, c.Data.String())
			}
		}
	default:
		if len(p.Children) > 0 {
			names = []string{p.Children[0].Data.String()}
		}
	}
	return names
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
