// Package photopush holds the nouns that cross the rooms of photopush, a server that keeps every Windows account picture in
// step with the photo in Active Directory. It knows no protocol and no database, and imports the standard library only.
//
// Start reading here, then jobs, which runs the loop: want against have, a visit for every workstation that differs.
package photopush

import (
	"regexp"
	"strings"
	"time"
)

// A SID is a security identifier in its string form, S-1-5-21-…-RID (MS-DTYP 2.4.2.1). It identifies a user for ever; names change.
type SID string

var accountSID = regexp.MustCompile(`\AS-1-5-21(-[0-9]{1,10}){4}\z`)

// IsAccount tells whether s has the form of a domain or local account's SID. Nothing else becomes a path, a registry key or a row.
func (s SID) IsAccount() bool { return accountSID.MatchString(string(s)) }

// A GUID is an objectGUID, lower-case hex with dashes: 8c7ec6d4-09b5-4d9f-a1f5-1f5a6bd0a4a1.
type GUID string

// A User is a person's account as the directory has it.
type User struct {
	SID         SID
	GUID        GUID
	Domain      string // name of the domain in the configuration, e.g. corp.example
	DN          string // distinguished name
	AccountName string // sAMAccountName
	UPN         string // userPrincipalName; empty where not set
	DisplayName string
	Enabled     bool
}

// OU is the distinguished name of the container the user lies in.
func (u User) OU() string { return parentDN(u.DN) }

// A Photo is one picture as the directory has it, or a file beside it: bytes that a user may have written himself, hostile until decoded.
type Photo struct {
	Attribute string // jpegPhoto, thumbnailPhoto, or SourceFile
	File      string // name of the file in the folder of originals; empty for an attribute
	Bytes     []byte // at most what directory was told to read
	Fault     string // why it cannot be used, where that is known without Bytes; empty else
}

// SourceFile is the attribute of a photo that is a file in the folder of originals.
const SourceFile = "file"

// A Workstation is a computer object of the directory. Its ID names it, Host is its address.
type Workstation struct {
	ID          GUID
	Domain      string // name of the domain in the configuration
	DN          string
	Name        string // sAMAccountName without the closing $
	Host        string // dNSHostName, lower case, fully qualified; empty where the object has none
	OS          string // operatingSystem, e.g. Windows 11 Enterprise
	OSVersion   string // operatingSystemVersion, e.g. 10.0 (22631)
	Enabled     bool
	LastLogon   time.Time // lastLogonTimestamp: up to 14 days behind; zero where never
	PasswordSet time.Time // pwdLastSet; zero where never
	ManagedBy   string    // distinguished name of who manages it, or empty
}

// OU is the distinguished name of the container the computer lies in.
func (w Workstation) OU() string { return parentDN(w.DN) }

// Server tells whether the operating system is a Windows Server.
func (w Workstation) Server() bool { return strings.Contains(strings.ToLower(w.OS), "server") }

// A Scope says which objects of a domain are ours to care for. There is no 'everything' by default.
type Scope struct {
	UserBases          []string // distinguished names; a user below any of them is in scope
	UserFilter         string   // LDAP filter, and-ed; empty for none
	UserGroups         []string // distinguished names; a user must be a member of one of them, if there are any
	UserExclude        []string // distinguished names; a user below any of them is out of scope
	WorkstationBases   []string
	WorkstationFilter  string
	WorkstationGroups  []string
	WorkstationExclude []string
	IncludeServers     bool // Windows Servers are workstations too; domain controllers never are
}

// A Session is evidence that a user uses a workstation.
type Session struct {
	Workstation GUID
	User        SID
	Source      string    // where the evidence comes from: profile
	FirstSeen   time.Time // UTC
	LastSeen    time.Time // UTC; for a profile its last load or unload
	Ended       time.Time // since when the profile is known to be gone; zero while it is there
}

// SourceProfile marks evidence that comes from a user profile on the workstation: an inventory lists all of them.
const SourceProfile = "profile"

// A Pair is one user on one workstation, with what should be there and what was read back there.
type Pair struct {
	Workstation GUID
	User        SID
	Want        Want
	Have        string    // digest of the picture set that was read back, value by value and file by file, or one of the words below
	Reason      Reason    // why Have is not Want; while it is: with a digest empty, else why no picture of ours is wanted
	Detail      string    // one sentence to Reason
	Since       time.Time // since when Have is not Want; zero while it is
	Original    []Value   // the values before our first write; nil before it
	Held        time.Time // since when an administrator wants no picture of ours there; zero where he does not
}

// What Have is where it is no digest.
const (
	HaveNothing     = ""            // neither a value nor a file of ours
	HaveOther       = "other"       // a picture that is not ours, and nothing of ours
	HaveOverwritten = "overwritten" // a picture that is not ours, at least in part, and something of ours
	HavePart        = "part"        // something of ours that is no complete picture set, and nothing of others
	HaveUnknown     = "unknown"     // it could not be read
)

// Ours tells whether have says that something of ours is there.
func Ours(have string) bool { return have != HaveNothing && have != HaveOther && have != HaveUnknown }

// InStep tells whether nothing is to be done for the pair.
func (p Pair) InStep() bool {
	switch p.Want {
	case Leave:
		return true
	case Absent:
		return p.Have == HaveNothing || p.Have == HaveOther
	}
	return p.Have == string(p.Want)
}

// A Want is what a pair should have: the digest of a picture set, Absent, or Leave.
type Want string

const (
	Leave  Want = "leave"  // whatever is there is not ours to change
	Absent Want = "absent" // no picture of ours
)

// Digest is the digest that Have must equal: empty for Absent and Leave.
func (w Want) Digest() string {
	if w == Leave || w == Absent {
		return ""
	}
	return string(w)
}

// A Claim is the right to visit one workstation until its lease ends.
type Claim struct {
	Workstation Workstation
	Token       string    // finishing requires it
	Until       time.Time // end of the lease, by the database's clock
	Site        string    // as WorkstationRecord has it
	Attempts    int       // failed visits in a row before this one; being offline is none
	Inventory   *Inventory
	Verify      bool      // look at the workstation although every pair is in step
	Due         time.Time // when it was due before somebody asked for it; zero where nothing was planned, and for what a pass claims
}

// A Visit is one contact with one workstation, as it is decided before it starts.
type Visit struct {
	Workstation Workstation
	Inventory   *Inventory // to plan from; nil when nothing is known, or when the workstation is to be looked at anew
	For         SID        // whom an administrator asked for; empty for nobody
	Order       Order      // what he asked for that user; empty: what is wanted
	DryRun      bool       // tell what would be done for that user (Outcome.Steps), and change nothing
}

// An Order is what an administrator asks for one user, whatever is wanted for him.
type Order string

const (
	Remove  Order = "remove"  // no picture of ours: what was there before comes back, where something is kept
	Restore Order = "restore" // what was there before us, and nothing is done where nothing of it is left
)

// An Outcome is what a visit found and did; only what was read back counts.
type Outcome struct {
	Workstation GUID
	Started     time.Time
	Finished    time.Time
	Contacted   bool       // the workstation answered
	Inventory   *Inventory // what is there now; nil when nothing was learnt
	Pairs       []Pair     // every pair the visit looked at, with Have as read back
	Unread      bool       // something may have been changed that was not read back: do not plan from what is stored
	Pushed      []SID      // users whose picture set was put there and read back
	Removed     []SID      // users of whom nothing of ours is there any more, as was read back
	Overwritten []Overwrite
	Findings    []Finding   // permissions in Inventory that let users write
	Elsewhere   []Elsewhere // values in Inventory that point elsewhere
	Steps       []string    // what a dry run would do, in words
	Reason      Reason      // why the visit failed as a whole; empty when it did not
	Err         error       // the error behind Reason
}

// An Overwrite is a picture of ours that somebody else has replaced since it was read back last: the user, a Microsoft account, another tool.
type Overwrite struct {
	User    SID
	Values  []Value   // those that are not ours
	Changed time.Time // when the newest of their files was written; zero where that is not known
}

// An Output is what a command on a workstation printed.
type Output struct {
	Stdout   []byte
	Stderr   []byte
	ExitCode uint32
}

func parentDN(dn string) string {
	for i := 0; i < len(dn); i++ {
		switch dn[i] {
		case '\\':
			i++
		case ',':
			return strings.TrimLeft(dn[i+1:], " ")
		}
	}
	return ""
}
