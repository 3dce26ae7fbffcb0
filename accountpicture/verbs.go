package accountpicture

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/photopush/photopush"
)

// A Verb is one thing that a script is asked to do. docs/script.md says what each does and expects.
type Verb interface {
	Name() string        // as the script knows it
	User() photopush.SID // whose picture it is about; empty for the workstation as a whole
	Changes() bool       // whether it may write
	lines() ([]string, error)
}

// TakeInventory asks what is there.
type TakeInventory struct{}

// Check asks whether a push could do its work: whether the keys may be written, and whether the folders are safe. It changes nothing.
type Check struct{}

// Recover asks what the start of the run has undone: every run of push or repair first takes back what an ended one left of a
// temporary entry.
type Recover struct{}

// Rungs are the rungs of the rights ladder that a verb which writes values may climb; empty means RungPlain.
type Rungs string

const (
	RungPlain    Rungs = "plain"     // the rights that the account has
	RungsToEntry Rungs = "plain,ace" // where they do not suffice: an entry for Administrators on this key, for the time of the writing
)

// rungACE is how an answer calls the second rung.
const rungACE = "ace"

func (TakeInventory) Name() string        { return "inventory" }
func (TakeInventory) User() photopush.SID { return "" }
func (TakeInventory) Changes() bool       { return false }
func (Check) Name() string                { return "check" }
func (Check) User() photopush.SID         { return "" }
func (Check) Changes() bool               { return false }
func (Recover) Name() string              { return "recover" }
func (Recover) User() photopush.SID       { return "" }
func (Recover) Changes() bool             { return true }

func (v TakeInventory) lines() ([]string, error) { return []string{v.Name()}, nil }
func (v Check) lines() ([]string, error)         { return []string{v.Name()}, nil }
func (v Recover) lines() ([]string, error)       { return []string{v.Name()}, nil }

var (
	hexSHA256 = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
	stateForm = regexp.MustCompile(`\A(absent|[0-9a-f]{64})\z`)
)

func userAndState(sid photopush.SID, state string) error {
	return errors.Join(fault(sid.IsAccount(), "user %q is no account", sid), fault(stateForm.MatchString(state), "%q is no state", state))
}

// field is the rungs as they stand in the verb's line.
func (r Rungs) field() string {
	if r == "" {
		return string(RungPlain)
	}
	return string(r)
}

func (r Rungs) check() error {
	return fault(r == "" || r == RungPlain || r == RungsToEntry, "%q are no rungs", string(r))
}

func fault(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func fields(f ...string) string { return strings.Join(f, "\t") }
