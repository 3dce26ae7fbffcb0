package accountpicture

import (
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/photopush/photopush"
)

// PutFile puts one picture file there. It changes nothing when a file of that name exists.
type PutFile struct {
	SID    photopush.SID
	File   string // a FileName; its hash is that of Bytes
	Bytes  []byte // at least one, at most MaxFile
	SHA256 string // of Bytes, lower-case hex
}

// SaveOriginal keeps on the workstation what the user has, before we write for the first time.
type SaveOriginal struct {
	SID   photopush.SID
	State string // expected, and kept
}

// SetValues lets the user's values name files that are there.
type SetValues struct {
	SID    photopush.SID
	State  string // expected before
	Rungs  Rungs
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

func (PutFile) Name() string               { return "put_file" }
func (v PutFile) User() photopush.SID      { return v.SID }
func (PutFile) Changes() bool              { return true }
func (SaveOriginal) Name() string          { return "save_original" }
func (v SaveOriginal) User() photopush.SID { return v.SID }
func (SaveOriginal) Changes() bool         { return true }
func (SetValues) Name() string             { return "set_values" }
func (v SetValues) User() photopush.SID    { return v.SID }
func (SetValues) Changes() bool            { return true }
func (DeleteFiles) Name() string           { return "delete_files" }
func (v DeleteFiles) User() photopush.SID  { return v.SID }
func (DeleteFiles) Changes() bool          { return true }

func (v PutFile) lines() ([]string, error) {
	n, ok := ParseFileName(v.File)
	err := errors.Join(
		fault(v.SID.IsAccount(), "user %q is no account", v.SID),
		fault(ok, "%q is no name of a picture file", v.File),
		fault(hexSHA256.MatchString(v.SHA256) && strings.HasPrefix(v.SHA256, n.Hash), "the hash %q does not begin as the name %s tells", v.SHA256, v.File),
		fault(len(v.Bytes) >= 1 && len(v.Bytes) <= MaxFile, "%s has %d bytes, want 1 to %d", v.File, len(v.Bytes), MaxFile))
	return append([]string{fields(v.Name(), string(v.SID), v.File, strconv.Itoa(len(v.Bytes)), v.SHA256)}, base64Lines(v.Bytes)...), err
}

func (v SaveOriginal) lines() ([]string, error) {
	return []string{fields(v.Name(), string(v.SID), v.State)}, userAndState(v.SID, v.State)
}

func (v SetValues) lines() ([]string, error) {
	err := errors.Join(userAndState(v.SID, v.State), v.Rungs.check(), fault(len(v.Values) > 0, "no value is named"))
	line := []string{v.Name(), string(v.SID), v.State, v.Rungs.field()}
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
