package photopush

import "time"

// A UserRecord is a user with what his photo gave when it was last read.
type UserRecord struct {
	User
	Recipe      string // names the recipe by which the photo was judged
	PhotoHash   string // lower-case hex SHA-256 over the candidate photos as read; empty without one
	Digest      string // of the picture set made from the photo; empty without one
	PhotoReason Reason // NoPhoto or BadPhoto where Digest is empty
	PhotoDetail string // one sentence to PhotoReason; without a reason, what is wrong with photos of his that were not chosen
	PhotoFiles  string // names his files in the folder of originals, as they were when his photo was chosen; empty where he has none, a word where they could not be read
	Photo       PhotoFacts
	GoneSince   time.Time // when a complete read of his domain missed him first; zero while he is there
	Held        time.Time // since when an administrator wants no picture of ours for him anywhere; zero where he does not
}

// PhotoFacts tell which of a user's photos was chosen; the zero value where there is none.
type PhotoFacts struct {
	Source string // jpegPhoto, thumbnailPhoto, or file
	Format string // JPEG, PNG, …
	Width  int    // px of the upright photo
	Height int
	Bytes  int // as it was read
}

// LowResolution is the side in px of the picture at sign-in, on a screen without scaling: what is smaller is enlarged, here or by Windows, and looks blurred.
const LowResolution = 192

// Low tells whether the photo is too small for a picture that is sharp at sign-in.
func (f PhotoFacts) Low() bool { return f.Source != "" && min(f.Width, f.Height) < LowResolution }

// A Choice is the photo that was chosen of those that a user has, and the picture set that is made of it.
type Choice struct {
	Digest string
	Photo  PhotoFacts
	Detail string // what is wrong with photos of his that were not chosen; empty where nothing is
}

// A WorkstationRecord is a workstation with what is known of its visits. Times are UTC; zero where it has not happened.
type WorkstationRecord struct {
	Workstation
	Site          string    // of Active Directory, by the address it had at the last visit; empty while that is not known
	GoneSince     time.Time // when a complete read of its domain missed it first
	Due           time.Time // when it may be claimed next; zero while it is leased, or when nothing is planned
	Priority      Priority
	LeaseUntil    time.Time // zero while nobody visits it
	Attempts      int       // failed visits in a row; being offline is none
	FirstFailed   time.Time // the first failed visit of that row, offline ones included
	Reason        Reason    // why the last visit failed as a whole; empty when it did not
	Detail        string    // one sentence to Reason
	LastContact   time.Time // it answered
	LastSuccess   time.Time // a visit ended without a Reason
	VerifyDue     time.Time // from then on a visit looks at it although every pair is in step
	InventoryTime time.Time // zero: never inventoried
	Facts         Facts     // from its last inventory
}

// Facts are what wants are decided by, out of a workstation's last inventory.
type Facts struct {
	Build       int
	Type        string // InstallationType: Client, Server, Server Core
	Domain      string // DNS domain the machine says it is in
	EntraJoined bool
	DefaultTile bool // policy UseDefaultTile
}

// Facts are the inventory's part that wants are decided by.
func (i *Inventory) Facts() Facts {
	return Facts{Build: i.Build, Type: i.Type, Domain: i.Domain, EntraJoined: i.EntraJoined, DefaultTile: i.DefaultTile}
}

// A Priority orders what is due.
type Priority int

const (
	Normal   Priority = 0
	OnDemand Priority = 1 // before everything else
)

// A Plan is one user on one workstation with everything a want is decided by: a row for each session and each pair that is known.
type Plan struct {
	Workstation *WorkstationRecord // shared by the rows of one workstation; never changed
	User        *UserRecord        // nil when the directory does not know SID; shared by the rows of one user
	SID         SID
	Session     Session // of several sources the one seen last; zero when there is a pair without evidence
	Pair        Pair    // Want is empty when nothing was decided yet
}

// A Status is one row of the report's material: a pair, a workstation without pairs, or a user without workstations.
type Status struct {
	Workstation *WorkstationRecord // nil for a user without workstations
	User        *UserRecord        // nil for a workstation without pairs, and for a pair whose user the directory does not know
	Pair        Pair               // zero for a row that is no pair
	LastSeen    time.Time          // last evidence that the user uses the workstation; zero for none
	History     History            // what happened to the pair's picture
}

// A History is what happened to the picture of a pair. Times are UTC; zero where it has not happened.
type History struct {
	Overwritten   int       // how often somebody else has replaced a picture of ours
	OverwrittenAt time.Time // when that was seen last
	Path          string    // the file that the values named then
	Changed       time.Time // when that file was written; zero where that is not known
	RemovedAt     time.Time // when it was read back last that a picture of ours had gone, as was wanted
}

// A ClaimRequest says how much may be claimed.
type ClaimRequest struct {
	Limit       int           // at most so many at once, at least 1
	Lease       time.Duration // longer than a visit's deadline
	MaxInFlight int           // live leases of all processes together are never more than this; 0 for no limit
	MaxPerSite  int           // nor those of one site than this; 0 for no limit; workstations of an unknown site have none
	Only        []GUID        // nothing but these; nil for all
	Domains     []string      // nothing but workstations of these domains; nil for all
}

// A Result is what is to be kept of a visit.
type Result struct {
	Claim     Claim
	Site      string // where the workstation is; empty where that was not found out
	Outcome   Outcome
	Sessions  []Session // evidence that the visit's inventory gave
	Attempts  int       // failed visits in a row with this one
	NextDue   time.Time // zero: when a want changes, or VerifyDue comes
	VerifyDue time.Time // zero: never
}

// A Credential is an account with a way of proving it, as far as the count of its rejections needs it.
type Credential struct {
	Account   string     // as configured: CORP\svc-push or svc-push@corp.example
	Mechanism string     // basic, ldap-simple, ntlm, kerberos
	Mark      SecretMark // of its secret now: another mark is another credential
}

// A CredentialStop says since when a credential is not used any more, and why. It is an error with the reason Auth, and ends when a person
// changes the secret, or its file at least.
type CredentialStop struct {
	Credential Credential
	Since      time.Time
	Detail     string // who rejected it, and how
}

func (c *CredentialStop) Error() string {
	return c.Credential.Account + " (" + c.Credential.Mechanism + ") was rejected, and is not used again until its secret has changed: " + c.Detail
}

// Remedy is what to do about it.
func (c *CredentialStop) Remedy() string {
	return "correct the password or keytab in its file; where the account was locked, disabled or expired instead, put that right in the domain, then touch the file"
}
