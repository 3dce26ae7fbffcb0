package photopush

import "time"

// A Finding is a permission on the keys of account pictures that lets ordinary users write: the trace of a recipe that gave them Full
// Control. What each field may be says accountpicture, which finds them.
type Finding struct {
	Key       string // KeyUsers, or the SID of the user whose key it is
	Trustee   string // who may write: a SID, or DU for Domain Users
	Name      string // of the trustee, as people know it; else the SID
	May       string // what it may do, in words
	Owner     bool   // it owns the key
	Inherited bool   // the entry comes from KeyUsers, and is mended there
	Below     bool   // keys below inherit the entry
	Unclear   string // why the permissions cannot be judged; then Trustee, Name and May are empty
	SDDL      string // owner and DACL of the key, as the workstation gives them
}

// An Elsewhere is a value that names a file where none of ours lies, nor one of the user's own folder below Public: somebody else has written it.
type Elsewhere struct {
	User  SID
	Value Value
	Kind  ElsewhereKind
}

// An ElsewhereKind says what kind of place a value names.
type ElsewhereKind string

const (
	ElsewhereShare  ElsewhereKind = "share"  // of another computer: whoever reads it signs in there
	ElsewhereDevice ElsewhereKind = "device" // a device path
	ElsewhereLocal  ElsewhereKind = "local"  // another place of the workstation
)

// A FindingRecord is a finding of a workstation's last inventory.
type FindingRecord struct {
	Workstation Workstation
	Finding
	Found time.Time // the first of the inventories in a row that show it
}

// An ElsewhereRecord is a value of a workstation's last inventory that points elsewhere.
type ElsewhereRecord struct {
	Workstation Workstation
	Account     string // sAMAccountName of its user; empty where the directory does not know him
	Elsewhere
	Found time.Time // the first of the inventories in a row that show it
}

// A Repair is one change of a key's permissions. Before was stored before it was asked for.
type Repair struct {
	Workstation GUID
	Key         string // as in Finding
	Before      string // SDDL
	After       string // SDDL as read back; empty where that has not come about, or is not known
	At          time.Time
}
