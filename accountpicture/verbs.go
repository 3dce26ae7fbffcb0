package accountpicture

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
)

// A Verb is one thing that the script is asked to do. docs/script.md says what each does and expects.
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

// PutFile puts one picture file there. It changes nothing when a file of that name exists.
type PutFile struct {
	SID    photopush.SID
	File   string // a FileName; its hash is that of Bytes
	Bytes  []byte // at least one, at most MaxFile
	SHA256 string // of Bytes, lower-case hex
}

// SetValues lets the user's values name files that are there.
type SetValues struct {
	SID    photopush.SID
	State  string  // expected before
	Values []Named // at least one, in the order in which they are set
}

// A Named is a value and the file of the user that it is to name.
type Named struct {
	Value string // one of ValueNames
	File  string // a FileName
}

// DeleteFiles deletes files of the user that no value names.
type DeleteFiles struct {
	SID   photopush.SID
	State string // expected before
	Files []string
}

// MaxFile is the largest picture file.
const MaxFile = 99_999_999

// rungPlain is the first rung of the rights ladder: the rights that the account has.
const rungPlain = "plain"

func (TakeInventory) Name() string        { return "inventory" }
func (TakeInventory) User() photopush.SID { return "" }
func (TakeInventory) Changes() bool       { return false }
func (Check) Name() string                { return "check" }
func (Check) User() photopush.SID         { return "" }
func (Check) Changes() bool               { return false }
func (PutFile) Name() string              { return "put_file" }
func (v PutFile) User() photopush.SID     { return v.SID }
func (PutFile) Changes() bool             { return true }
func (SetValues) Name() string            { return "set_values" }
func (v SetValues) User() photopush.SID   { return v.SID }
func (SetValues) Changes() bool           { return true }
func (DeleteFiles) Name() string          { return "delete_files" }
func (v DeleteFiles) User() photopush.SID { return v.SID }
func (DeleteFiles) Changes() bool         { return true }

var (
	hexSHA256 = regexp.MustCompile(`\A[0-9a-f]{64}\z`)
	stateForm = regexp.MustCompile(`\A(absent|[0-9a-f]{64})\z`)
)

func (v TakeInventory) lines() ([]string, error) { return []string{v.Name()}, nil }
func (v Check) lines() ([]string, error)         { return []string{v.Name()}, nil }

func (v PutFile) lines() ([]string, error) {
	n, ok := ParseFileName(v.File)
	err := errors.Join(
		fault(v.SID.IsAccount(), "user %q is no account", v.SID),
		fault(ok, "%q is no name of a picture file", v.File),
		fault(hexSHA256.MatchString(v.SHA256) && strings.HasPrefix(v.SHA256, n.Hash), "the hash %q does not begin as the name %s tells", v.SHA256, v.File),
		fault(len(v.Bytes) >= 1 && len(v.Bytes) <= MaxFile, "%s has %d bytes, want 1 to %d", v.File, len(v.Bytes), MaxFile))
	return append([]string{fields(v.Name(), string(v.SID), v.File, strconv.Itoa(len(v.Bytes)), v.SHA256)}, base64Lines(v.Bytes)...), err
}

func (v SetValues) lines() ([]string, error) {
	err := errors.Join(userAndState(v.SID, v.State), fault(len(v.Values) > 0, "no value is named"))
	line := []string{v.Name(), string(v.SID), v.State, rungPlain}
	for i, n := range v.Values {
		_, ok := ParseFileName(n.File)
		twice := slices.ContainsFunc(v.Values[:i], func(o Named) bool { return o.Value == n.Value })
		err = errors.Join(err,
			fault(slices.Contains(ValueNames, n.Value), "%q is no name of a value", n.Value),
			fault(!twice, "the value %s is named twice", n.Value),
			fault(ok, "%q is no name of a picture file", n.File))
		line = append(line, n.Value+"="+n.File)
	}
	return []string{fields(line...)}, err
}

func (v DeleteFiles) lines() ([]string, error) {
	err := errors.Join(userAndState(v.SID, v.State), fault(len(v.Files) > 0, "no file is named"))
	for _, f := range v.Files {
		_, ok := ParseFileName(f)
		err = errors.Join(err, fault(ok, "%q is no name of a picture file", f))
	}
	return []string{fields(append([]string{v.Name(), string(v.SID), v.State}, v.Files...)...)}, err
}

func userAndState(sid photopush.SID, state string) error {
	return errors.Join(fault(sid.IsAccount(), "user %q is no account", sid), fault(stateForm.MatchString(state), "%q is no state", state))
}

func fault(holds bool, format string, args ...any) error {
	if holds {
		return nil
	}
	return fmt.Errorf(format, args...)
}

func fields(f ...string) string { return strings.Join(f, "\t") }
