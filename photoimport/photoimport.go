// Package photoimport brings photos from a folder or a list into the directory, and takes them back: which file is whose, what would be written, the writing
// with a record of everything that was there before, and its undoing. It also writes the directory's photos into files.
//
// Nothing is written that was not shown before as a Row of a Plan. Every change is recorded in the run's file, with the bytes that were there, before it is made,
// so that a run which ends anywhere can be undone completely. Reading and writing a domain is left to package directory, making photos fit to photo.
package photoimport

import (
	"context"
	"log/slog"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

// A Directory is one domain, as the account that may write photos sees it. Errors are of type *photopush.Error, or the context's.
type Directory interface {
	Name() string
	// NetBIOSName is the name before a backslash, CORP in CORP\anna; empty where the directory does not tell it.
	NetBIOSName(ctx context.Context) (string, error)
	// Controller is the domain controller in use; empty before the first.
	Controller() string
	// People reads everybody in scope with further attributes as text.
	People(ctx context.Context, attributes []string, yield func(photopush.User, map[string][]string) error) error
	// PhotoStates reads attributes of the users whole; who is not in scope is left out.
	PhotoStates(ctx context.Context, ids []photopush.GUID, attributes []string, yield func(photopush.PhotoState) error) error
	// SwapPhoto replaces values, provided that they are the old ones still, and has read back what it wrote when it returns nil. An error with the
	// reason unknown says that the values may have been written; with photopush.ErrNoDirectory in its chain nobody else can be written either.
	SwapPhoto(ctx context.Context, s photopush.PhotoSwap) error
	// MayNotWrite is the error for an attribute that PhotoStates has shown as not writable.
	MayNotWrite(u photopush.User, attribute string) error
}

// A Store keeps what runs did, without photos.
type Store interface {
	LockImports() (release func() error, err error)
	BeginImport(ctx context.Context, r photopush.ImportRun) error
	PutImportChanges(ctx context.Context, changes []photopush.ImportChange) error
	EndImport(ctx context.Context, id string) error
	Imports(ctx context.Context) ([]photopush.ImportRun, error)
	// UnendedImports are the runs without an end: one that is going on, and those that were killed.
	UnendedImports(ctx context.Context) (ids []string, err error)
}

// An Importer plans and runs imports. Its fields are set before it is used.
type Importer struct {
	Config  Config
	Domains []Directory
	Store   Store
	Folder  string // of the runs' files; made when it is missing
	By      string // account of the operating system that runs it
	Log     *slog.Logger
	Now     func() time.Time
	Observe func(Progress) // called by one goroutine at a time; nil for nobody

	AfterRecord func(n int) // called after the n-th record of a run's file is on the disk; only tests set it
}

// Progress says how far a plan or a run is.
type Progress struct {
	Phase Phase
	Done  int
	Of    int // 0 where that is not known
}

// A Phase is what is being done.
type Phase string

const (
	ReadingPeople Phase = "reading people"
	ReadingPhotos Phase = "reading photos"
	FittingPhotos Phase = "fitting photos"
	WritingPhotos Phase = "writing photos"
)

func (im *Importer) observe(phase Phase, done, of int) {
	if im.Observe != nil {
		im.Observe(Progress{phase, done, of})
	}
}

// A Status is what is to be done, or was done, about a file or a person.
type Status string

const (
	Write     Status = "write"     // the values are to be written
	Same      Status = "same"      // the directory has them already
	HasPhoto  Status = "has photo" // there is another photo, which is to be left alone
	Changed   Status = "changed"   // of an undo: somebody else has written another photo since
	Denied    Status = "denied"    // the account may not write there
	Unusable  Status = "unusable"  // no photo can be made of the file
	Ambiguous Status = "ambiguous" // two files of one person, or two persons of one file
	Gone      Status = "gone"      // the person has gone, or is out of scope by now
	Lost      Status = "lost"      // of an undo: what was there before cannot be put back
	Elsewhere Status = "elsewhere" // of an undo: in a domain that was not asked for
	NoUser    Status = "no user"   // nobody in scope is meant
	Ignored   Status = "ignored"   // no photo by its name, hidden, or a link
	NoFile    Status = "no file"   // an enabled person without a file

	Written  Status = "written"
	Refused  Status = "refused"   // not written, for the reason in Detail
	Unknown  Status = "unknown"   // nobody could be asked what became of it
	NotTried Status = "not tried" // the run ended before
)

// Statuses lists them in the order in which they are told.
func Statuses() []Status {
	return []Status{Write, Written, Same, HasPhoto, Changed, Refused, Unknown, NotTried, Denied, Gone, Lost, Unusable, Ambiguous, NoUser, Elsewhere, Ignored, NoFile}
}

// NeedsPerson tells whether somebody has to look at it: a photo that was meant for somebody did not get there.
func (s Status) NeedsPerson() bool {
	switch s {
	case Changed, Refused, Unknown, NotTried, Denied, Gone, Lost, Unusable, Ambiguous:
		return true
	}
	return false
}

// A Row is one attribute of one person, or a file or person that nothing can be done about.
type Row struct {
	Status    Status
	User      photopush.User // zero where nobody is meant
	File      string         // within the source; empty for none
	Attribute string
	Was       int // bytes of the values that are there now

	Source        photo.Info // of the file; zero where it was not read
	SourceBytes   int
	Width, Height int // px of what is to be written
	Bytes         int
	Quality       int // of the JPEG; 0: the pixels of the file are kept

	Detail string // why; empty where the status says all

	from   *file // of an import
	dir    Directory
	old    string                   // ValuesDigest of what is there
	new    string                   // of what is to be there
	values func() ([][]byte, error) // what is to be there
}

// A Plan is what an import or an undo would do.
type Plan struct {
	Source string
	Undoes string // run; empty for an import
	Rows   []Row
	Notes  []string // what is to be known of the rows; a sentence each
	Files  int      // that were looked at
	People int      // in scope

	close func() error // ends what is held open of the source, or of the run's file
}

// Close ends what the plan holds open.
func (p *Plan) Close() error { return p.close() }

// Count is how many rows have the status.
func (p *Plan) Count(s Status) int {
	n := 0
	for i := range p.Rows {
		if p.Rows[i].Status == s {
			n++
		}
	}
	return n
}

// NeedsPerson tells whether any row does.
func (p *Plan) NeedsPerson() bool {
	for i := range p.Rows {
		if p.Rows[i].Status.NeedsPerson() {
			return true
		}
	}
	return false
}
