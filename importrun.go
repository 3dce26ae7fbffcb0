package photopush

import "time"

// An ImportRun is one run that wrote photos into the directory, or put earlier ones back.
type ImportRun struct {
	ID      string // 20260714-101502-3f2a91: when it began, UTC, and a random part
	Undoes  string // the run whose photos it took back; empty for an import
	Source  string // folder or file that the photos came from; empty for an undo
	By      string // account of the operating system that ran it
	Started time.Time
	Ended   time.Time // zero while it is running, and after it was killed until the next import or look at the runs

	Written int // attributes that have other values by it, as read back
	Refused int // that it did not write
	Unknown int // of which nobody could be asked what became of them
}

// An ImportChange is what a run did to one attribute of one user. Photos themselves are in the run's file, not here.
type ImportChange struct {
	Run       string
	No        int // counts from 1 within the run
	Domain    string
	GUID      GUID
	SID       SID
	Account   string
	DN        string
	Attribute string
	Before    string // ValuesDigest of what was there; empty for nothing
	After     string // of what was to be there
	Outcome   ImportOutcome
	Detail    string    // why it was not written; empty where it was
	At        time.Time // when that was known
}

// An ImportOutcome is what became of a change.
type ImportOutcome string

const (
	ImportWritten ImportOutcome = "written" // read back
	ImportRefused ImportOutcome = "refused" // nothing was changed
	ImportUnknown ImportOutcome = "unknown" // it may be written or not
)
