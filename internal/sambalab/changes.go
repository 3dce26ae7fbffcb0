//go:build linux

package sambalab

import (
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// DeletedObjects is the container of what was deleted.
const DeletedObjects = "CN=Deleted Objects," + BaseDN

// Move renames an object or puts it elsewhere; to is its new distinguished name. What lies below it goes along.
func (d *Domain) Move(from, to string) {
	d.t.Helper()
	name, parent := splitDN(to)
	err := d.with(func(c *ldap.Conn) error { return c.ModifyDN(ldap.NewModifyDNRequest(from, name, true, parent)) })
	if err != nil {
		d.t.Fatalf("move %s to %s: %v", from, to, err)
	}
}

// splitDN cuts the object's own name off, at the first comma that is not escaped.
func splitDN(dn string) (name, parent string) {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return dn[:i], dn[i+1:]
		}
	}
	return dn, ""
}

// AddGroup adds a global security group, such as CN=Sales,OU=Staff,DC=corp,DC=example.
func (d *Domain) AddGroup(dn string, members ...string) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		r := ldap.NewAddRequest(dn, nil)
		name, _ := splitDN(dn)
		r.Attribute("objectClass", []string{"top", "group"})
		r.Attribute("sAMAccountName", []string{strings.TrimPrefix(name, "CN=")})
		if len(members) > 0 {
			r.Attribute("member", members)
		}
		return c.Add(r)
	})
	if err != nil {
		d.t.Fatalf("add group %s: %v", dn, err)
	}
}

// An Account is a user or a computer.
type Account struct {
	DN      string
	GUID    photopush.GUID
	Name    string // sAMAccountName
	Deleted bool
}

// Accounts lists the users and computers below an object, deleted ones too where they are below it, as the administrator sees them.
func (d *Domain) Accounts(base string) (all []Account) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		found, err := c.Search(&ldap.SearchRequest{BaseDN: base, Scope: ldap.ScopeWholeSubtree, Filter: "(objectClass=user)",
			Attributes: []string{"objectGUID", "sAMAccountName", "isDeleted"}, Controls: []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}})
		if err != nil {
			return err
		}
		for _, e := range found.Entries {
			all = append(all, Account{e.DN, decodeGUID(e.GetRawAttributeValue("objectGUID")), e.GetAttributeValue("sAMAccountName"), e.GetAttributeValue("isDeleted") == "TRUE"})
		}
		return nil
	})
	if err != nil {
		d.t.Fatalf("list the accounts below %s: %v", base, err)
	}
	return all
}

// LetSeeDeleted lets ReadUser list and read Deleted Objects: LC and RP in the language of security descriptors. The administrator must take
// ownership first on Windows, and may not at all here: it is written into the database, beside a controller that runs.
func (d *Domain) LetSeeDeleted() {
	d.t.Helper()
	var sid string
	err := d.with(func(c *ldap.Conn) error {
		found, err := c.Search(&ldap.SearchRequest{BaseDN: ServiceOU, Scope: ldap.ScopeSingleLevel, Filter: "(sAMAccountName=svc-read)", Attributes: []string{"objectSid"}})
		if err == nil && len(found.Entries) == 1 {
			sid = string(decodeSID(found.Entries[0].GetRawAttributeValue("objectSid")))
		}
		return err
	})
	if err != nil || sid == "" {
		d.t.Fatalf("read the SID of %s: %v", ReadUser, err)
	}
	d.Shell(`ldbmodify -H $db --controls=show_deleted:1 --controls=sd_flags:1:4 <<LDIF
dn: ` + DeletedObjects + `
changetype: modify
replace: nTSecurityDescriptor
nTSecurityDescriptor: D:PAI(A;;RPLC;;;BA)(A;;CCDCLCSWRPWPSDRCWDWO;;;SY)(A;;LCRP;;;` + sid + `)
LDIF`)
}
