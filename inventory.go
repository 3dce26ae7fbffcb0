package photopush

import "time"

// An Inventory is what a workstation says of itself. It is hostile input: bounded, and only SIDs in scope are believed.
type Inventory struct {
	Taken        time.Time // UTC, by our clock
	PowerShell   string    // version of the engine, e.g. 5.1.22621.2506
	NETRelease   int       // release number of .NET Framework 4, e.g. 533320; 394802 is 4.6.2; 0 when there is none
	Build        int       // CurrentBuildNumber, e.g. 22631
	Revision     int       // UBR
	Release      string    // DisplayVersion, e.g. 23H2
	Edition      string    // EditionID
	Type         string    // InstallationType: Client, Server, Server Core
	InstallDate  int64     // Unix seconds
	MachineGUID  string    // with InstallDate names this installation
	Domain       string    // DNS domain the machine says it is in
	EntraJoined  bool      // hybrid-joined, when Domain is set too
	ProgramFiles string    // 64-bit Program Files, e.g. C:\Program Files
	FreeBytes    int64     // on the drive of ProgramFiles; -1 when it could not be read
	DefaultTile  bool      // policy UseDefaultTile: Windows ignores account pictures
	UsersACL     string    // owner and DACL (SDDL) of the key that holds all users' keys; empty where it is missing or could not be read
	OtherKeys    int       // keys in it whose name is no account's SID
	Truncated    bool      // a list was too long: who is missing from Accounts may be there
	Profiles     []Profile
	Accounts     []Account
}

// Installation names this installation of Windows; another one clears what we believe to be there.
func (i *Inventory) Installation() (installDate int64, machineGUID string) {
	return i.InstallDate, i.MachineGUID
}

// Account returns what is known of a user's account picture; a user without values and files has the state StateAbsent.
func (i *Inventory) Account(sid SID) Account {
	for _, a := range i.Accounts {
		if a.SID == sid {
			return a
		}
	}
	if i.Truncated {
		return Account{SID: sid, Error: "what is beyond the end of a list that was cut"}
	}
	return Account{SID: sid, State: StateAbsent}
}

// mostProfiles is how many a script lists.
const mostProfiles = 1000

// AllProfiles tells whether a profile that is not listed is not there: the list is not cut.
func (i *Inventory) AllProfiles() bool { return len(i.Profiles) < mostProfiles }

// KeyUsers names the key that holds all users' keys, where a key is named; the others are by their user's SID.
const KeyUsers = "Users"

// ACL is owner and DACL (SDDL) of a key; empty where it is missing or could not be read.
func (i *Inventory) ACL(key string) string {
	if key == KeyUsers {
		return i.UsersACL
	}
	return i.Account(SID(key)).ACL
}

// A Profile is a user profile on a workstation (ProfileList).
type Profile struct {
	SID         SID
	Loaded      bool      // HKEY_USERS\<SID> exists
	Interactive bool      // HKEY_USERS\<SID>\Volatile Environment exists: an interactive logon now
	LastUse     time.Time // the later of load and unload; zero where Windows does not say (before 1809)
}

// StateAbsent is the state of a user without an AccountPicture key.
const StateAbsent = "absent"

// An Account is the picture of one user on one workstation: registry values and our files.
type Account struct {
	SID     SID
	State   string    // names the Image values exactly; StateAbsent without a key. Changing verbs carry it back.
	Values  []Value   // Image values, in the order of their names in accountpicture
	Files   []File    // files in our folder of this user
	ACL     string    // owner and DACL (SDDL) of his key; empty without one or where it could not be read
	Changed time.Time // when the newest file was written that his values name and that is not ours; zero for none
	Saved   string    // the state that is kept there of before our first write; empty for none
	Earlier int       // how many of the values kept there name a file that still exists: they could be put back
	Journal bool      // a run was ended while it had changed the permissions of his key; the next one undoes that
	Error   string    // HRESULT and place when the key or folder could not be read, e.g. 0x80070005; then nothing is believed
}

// A Value is one Image value of the registry.
type Value struct {
	Name string // Image96
	Kind string // sz, expand_sz or other
	Data string // for sz and expand_sz, unexpanded; cut after 520 characters
}

// A File is a file in our folder.
type File struct {
	Name   string
	Length int64
	SHA256 string // lower-case hex; empty when it could not be read
}
