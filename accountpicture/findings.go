package accountpicture

import (
	"fmt"
	"slices"
	"strings"

	"github.com/photopush/photopush"
)

// insiders may write: SYSTEM, Administrators, TrustedInstaller. The script leaves their entries alone.
var insiders = []string{"S-1-5-18", "S-1-5-32-544", "S-1-5-80-956008885-3418522649-1831038044-1853292631-2271478464"}

// domainUsers is how a SID of Domain Users ends; an alias stands for that of the workstation's domain.
const (
	domainUsers      = "-513"
	domainUsersAlias = "DU"
)

// everybody are trustees that every user is among (MS-DTYP 2.4.2.4).
var everybody = map[string]string{
	"S-1-1-0":        "Everyone",
	"S-1-5-4":        "INTERACTIVE",
	"S-1-5-11":       "Authenticated Users",
	"S-1-5-32-545":   "Users (BUILTIN)",
	domainUsersAlias: "Domain Users",
}

// Findings are the keys that ordinary users may write, KeyUsers first, then those of users by SID. Asked of an inventory that was taken after
// a repair, they are what is left: what a group policy sets again, and what no repair can mend (Unclear, no DACL at all).
func Findings(inv *photopush.Inventory) []photopush.Finding {
	all := judge(KeyUsers, inv.UsersACL)
	for _, a := range inv.Accounts {
		all = append(all, judge(string(a.SID), a.ACL)...)
	}
	return all
}

// judge gives the findings of one key; none where it is missing or could not be read, which the workstation tells as an empty text.
func judge(key, sddl string) []photopush.Finding {
	if sddl == "" {
		return nil
	}
	acl, err := ParseSDDL(sddl)
	if err != nil {
		return []photopush.Finding{{Key: key, Unclear: err.Error(), SDDL: sddl}}
	}
	var all []photopush.Finding
	if !insider(acl.Owner) {
		all = append(all, photopush.Finding{Key: key, Trustee: acl.Owner, Name: trusteeName(acl.Owner), Owner: true, May: "change its permissions, as its owner", SDDL: sddl})
	}
	if acl.Open {
		all = append(all, photopush.Finding{Key: key, Trustee: "S-1-1-0", Name: everybody["S-1-1-0"], May: "full control", Below: key == KeyUsers, SDDL: sddl})
	}
	for _, e := range acl.Entries {
		below := key == KeyUsers && e.Container
		if _, named := ordinary(key, e.Trustee); !named || !e.writes() || e.InheritOnly && !below {
			continue
		}
		f := photopush.Finding{Key: key, Trustee: e.Trustee, Name: trusteeName(e.Trustee), May: rightsInWords(e.Mask), Inherited: e.Inherited, Below: below, SDDL: sddl}
		if !slices.Contains(all, f) {
			all = append(all, f)
		}
	}
	return all
}

// ordinary tells whether a trustee is an ordinary user, or a group that every one is in. On a user's key that is the user too.
func ordinary(key, trustee string) (name string, ok bool) {
	if name, ok := everybody[trustee]; ok {
		return name, true
	}
	if isDomainUsers(trustee) {
		return everybody[domainUsersAlias], true
	}
	return trustee, trustee == key
}

func isDomainUsers(trustee string) bool {
	return photopush.SID(trustee).IsAccount() && strings.HasSuffix(trustee, domainUsers)
}

func trusteeName(trustee string) string {
	name, _ := ordinary("", trustee)
	return name
}

// insider tells whether a trustee is one of those who may own and write a key. Administrators of the domain are among the computer's.
func insider(trustee string) bool { return slices.Contains(insiders, trustee) }

// writes are the rights with which somebody changes a key, or makes it another's.
const writes = keySetValue | keyCreateSubKey | keyCreateLink | keyDelete | keyWriteDAC | keyWriteOwner | genericAll | genericWrite

// writes tells whether the entry lets its trustee write. A condition is not judged: it may hold.
func (e Entry) writes() bool { return e.Allow && e.Mask&writes != 0 }

func rightsInWords(mask uint32) string {
	if mask&genericAll != 0 || mask&keyAll == keyAll {
		return "full control"
	}
	var words []string
	for _, r := range []struct {
		mask uint32
		word string
	}{
		{keySetValue | genericWrite, "set values"}, {keyCreateSubKey | genericWrite, "create keys"}, {keyCreateLink, "create links"},
		{keyDelete, "delete it"}, {keyWriteDAC, "change its permissions"}, {keyWriteOwner, "become its owner"},
	} {
		if mask&r.mask != 0 {
			words = append(words, r.word)
		}
	}
	return strings.Join(words, ", ")
}

// closed tells whether the inventory proves that only administrators can write to the key of a user now, and make one: without that, it may be a
// link that a user has planted, and nobody knows whose permissions would be changed with it. A link that was planted before the keys were
// closed is not seen: the scripts look at what a key holds.
func closed(inv *photopush.Inventory, a photopush.Account) bool {
	return closedKey(inv.UsersACL) && closedKey(a.ACL)
}

func closedKey(sddl string) bool {
	acl, err := ParseSDDL(sddl)
	return err == nil && !acl.Open && insider(acl.Owner) && !slices.ContainsFunc(acl.Entries, func(e Entry) bool {
		return e.writes() && !insider(e.Trustee) && !placeholder(e.Trustee)
	})
}

// placeholder tells whether a trustee stands for whoever makes or owns a key, and who is judged as such: CREATOR OWNER, CREATOR GROUP,
// OWNER RIGHTS; or for administrators of the domain, who are the computer's.
func placeholder(trustee string) bool {
	return slices.Contains([]string{"S-1-3-0", "S-1-3-1", "S-1-3-4", "DA", "EA"}, trustee)
}

// InWords is a finding in one line.
func InWords(f photopush.Finding) string {
	key := keyPath(f.Key)
	if f.Unclear != "" {
		return fmt.Sprintf("the permissions of %s cannot be judged: %s", key, f.Unclear)
	}
	s := fmt.Sprintf("%s may write %s: %s", f.Name, key, f.May)
	if f.Inherited {
		s += ", inherited"
	}
	return s
}

// keyPath is the whole path of KeyUsers, or of the key of a user.
func keyPath(key string) string {
	if key == KeyUsers {
		return `HKLM\` + UsersKey
	}
	return `HKLM\` + UsersKey + `\` + key
}
