package accountpicture

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf16"

	"github.com/photopush/photopush"
)

// protocolVersion is the version of the script's protocol.
const protocolVersion = 2

// The inventory as the script writes it, docs/script.md.
type (
	wireInventory struct {
		envelope
		Version      int           `json:"version"`
		PS           string        `json:"ps"`
		NET          int64         `json:"net"`
		Build        int64         `json:"build"`
		UBR          int64         `json:"ubr"`
		Display      string        `json:"display"`
		Edition      string        `json:"edition"`
		Type         string        `json:"type"`
		Installed    int64         `json:"installed"`
		Machine      string        `json:"machine"`
		Domain       string        `json:"domain"`
		Entra        bool          `json:"entra"`
		ProgramFiles string        `json:"program_files"`
		Free         int64         `json:"free"`
		DefaultTile  bool          `json:"default_tile"`
		Profiles     []wireProfile `json:"profiles"`
		ACL          string        `json:"acl"`
		Others       int64         `json:"others"`
		Users        []wireUser    `json:"users"`
		Truncated    bool          `json:"truncated"`
	}
	wireProfile struct {
		SID         photopush.SID `json:"sid"`
		Loaded      bool          `json:"loaded"`
		Interactive bool          `json:"interactive"`
		Load        int64         `json:"load"`
		Unload      int64         `json:"unload"`
	}
	wireUser struct {
		SID     photopush.SID `json:"sid"`
		State   string        `json:"state"`
		Values  []wireValue   `json:"values"`
		Files   []wireFile    `json:"files"`
		ACL     string        `json:"acl"`
		Changed int64         `json:"changed"`
		Saved   string        `json:"saved"`
		Earlier int           `json:"earlier"`
		Journal bool          `json:"journal"`
		Error   string        `json:"error"`
	}
	wireValue struct {
		Name string `json:"name"`
		Kind string `json:"kind"`
		Data string `json:"data"`
	}
	wireFile struct {
		Name   string `json:"name"`
		Length int64  `json:"length"`
		SHA256 string `json:"sha256"`
	}
)

var (
	programFilesForm = regexp.MustCompile(`\A[A-Za-z]:(\\[A-Za-z0-9 ()_-]+)+\z`)
	userErrorForm    = regexp.MustCompile(`\A(0x[0-9a-f]{8} (values|files|state))?\z`)
)

func parseInventory(line []byte) (Answer, error) {
	var w wireInventory
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	profiles, profilesErr := parseProfiles(w.Profiles)
	accounts, accountsErr := parseAccounts(w.Users)
	err := errors.Join(profilesErr, accountsErr,
		fault(w.Version == protocolVersion, "the protocol has version %d, want %d", w.Version, protocolVersion),
		fault(len(w.ProgramFiles) <= maxText && programFilesForm.MatchString(w.ProgramFiles), "program_files is %q", cut(w.ProgramFiles, maxText)),
		fault(w.Free >= -1, "free is %d", w.Free),
		boundedSDDL(w.ACL), number("others", w.Others),
		number("net", w.NET), number("build", w.Build), number("ubr", w.UBR), number("installed", w.Installed))
	return Answer{Truncated: w.Truncated, Inventory: &photopush.Inventory{Truncated: w.Truncated,
		PowerShell: clean(w.PS, maxText), NETRelease: int(w.NET), Build: int(w.Build), Revision: int(w.UBR),
		Release: clean(w.Display, maxText), Edition: clean(w.Edition, maxText), Type: clean(w.Type, maxText),
		InstallDate: w.Installed, MachineGUID: clean(w.Machine, maxText), Domain: clean(w.Domain, maxText), EntraJoined: w.Entra,
		ProgramFiles: w.ProgramFiles, FreeBytes: w.Free, DefaultTile: w.DefaultTile, UsersACL: w.ACL, OtherKeys: int(w.Others),
		Profiles: profiles, Accounts: accounts,
	}}, err
}

// number checks a number that was a DWORD.
func number(name string, n int64) error {
	return fault(n >= 0 && n <= 1<<32-1, "%s is %d", name, n)
}

func parseProfiles(wire []wireProfile) ([]photopush.Profile, error) {
	if len(wire) > maxPerson {
		return nil, fmt.Errorf("%d profiles, want at most %d", len(wire), maxPerson)
	}
	profiles := make([]photopush.Profile, 0, len(wire))
	for _, w := range wire {
		if err := isUser(w.SID); err != nil {
			return nil, err
		}
		profiles = append(profiles, photopush.Profile{SID: w.SID, Loaded: w.Loaded, Interactive: w.Interactive, LastUse: fileTime(max(w.Load, w.Unload))})
	}
	slices.SortFunc(profiles, func(a, b photopush.Profile) int { return cmp.Compare(a.SID, b.SID) })
	for i := range profiles[:max(len(profiles)-1, 0)] {
		if profiles[i].SID == profiles[i+1].SID {
			return nil, fmt.Errorf("the profile of %s is listed twice", profiles[i].SID)
		}
	}
	return profiles, nil
}

// FILETIME counts 100 ns since 1601 (MS-DTYP 2.3.3).
const (
	fileTimePerSecond = 10_000_000
	fileTimeToUnix    = 11_644_473_600            // seconds from 1601 to 1970
	fileTimeMax       = 2_650_467_744_000_000_000 // the year 9999 has passed
)

func fileTime(t int64) time.Time {
	if t <= 0 || t >= fileTimeMax {
		return time.Time{}
	}
	return time.Unix(t/fileTimePerSecond-fileTimeToUnix, t%fileTimePerSecond*100).UTC()
}

func parseAccounts(wire []wireUser) ([]photopush.Account, error) {
	if len(wire) > maxPerson {
		return nil, fmt.Errorf("%d users, want at most %d", len(wire), maxPerson)
	}
	accounts := make([]photopush.Account, 0, len(wire))
	for _, w := range wire {
		a, err := parseAccount(w)
		if err != nil {
			return nil, err
		}
		accounts = append(accounts, a)
	}
	slices.SortFunc(accounts, func(a, b photopush.Account) int { return cmp.Compare(a.SID, b.SID) })
	for i := range accounts[:max(len(accounts)-1, 0)] {
		if accounts[i].SID == accounts[i+1].SID {
			return nil, fmt.Errorf("user %s is listed twice", accounts[i].SID)
		}
	}
	return accounts, nil
}

func parseAccount(w wireUser) (photopush.Account, error) {
	if err := isUser(w.SID); err != nil {
		return photopush.Account{}, err
	}
	values, valuesErr := parseValues(w.Values)
	files, filesErr := parseFiles(w.Files)
	unread := strings.HasSuffix(w.Error, " values")
	err := errors.Join(valuesErr, filesErr,
		fault(userErrorForm.MatchString(w.Error), "its error is %q", cut(w.Error, 40)),
		fault(unread && w.State == "" || stateForm.MatchString(w.State), "its state is %q", cut(w.State, 70)),
		boundedSDDL(w.ACL),
		fault(w.Saved == "" || stateForm.MatchString(w.Saved), "its saved state is %q", cut(w.Saved, 70)),
		fault(w.Earlier >= 0 && w.Earlier <= len(ValueNames), "%d of its saved values could be put back", w.Earlier))
	if err != nil {
		return photopush.Account{}, fmt.Errorf("user %s: %w", w.SID, err)
	}
	return photopush.Account{SID: w.SID, State: w.State, Values: values, Files: files,
		ACL: w.ACL, Changed: fileTime(w.Changed), Saved: w.Saved, Earlier: w.Earlier, Journal: w.Journal, Error: w.Error}, nil
}

// parseValues wants each value at most once, in the order of ValueNames.
func parseValues(wire []wireValue) ([]photopush.Value, error) {
	values := make([]photopush.Value, 0, min(len(wire), len(ValueNames)))
	last := -1
	for _, w := range wire {
		i := slices.Index(ValueNames, w.Name)
		if i <= last {
			return nil, fmt.Errorf("value %q is unknown, or out of order", cut(w.Name, 40))
		}
		last = i
		kind := w.Kind == kindString || w.Kind == kindExpand || w.Kind == kindOther && w.Data == ""
		if !kind || units(w.Data) > maxData {
			return nil, fmt.Errorf("value %s is of kind %q with %d UTF-16 code units", w.Name, cut(w.Kind, 40), units(w.Data))
		}
		values = append(values, photopush.Value{Name: w.Name, Kind: w.Kind, Data: w.Data})
	}
	return values, nil
}

// parseFiles wants each file at most once, sorted by name.
func parseFiles(wire []wireFile) ([]photopush.File, error) {
	if len(wire) > maxFiles {
		return nil, fmt.Errorf("%d files, want at most %d", len(wire), maxFiles)
	}
	files := make([]photopush.File, 0, len(wire))
	for i, w := range wire {
		_, ok := ParseFileName(w.Name)
		if !ok || i > 0 && w.Name <= wire[i-1].Name {
			return nil, fmt.Errorf("file %q has no name of ours, or is out of order", cut(w.Name, 100))
		}
		if w.Length < 0 || w.SHA256 != "" && !hexSHA256.MatchString(w.SHA256) {
			return nil, fmt.Errorf("file %s has %d bytes and the hash %q", w.Name, w.Length, cut(w.SHA256, 70))
		}
		files = append(files, photopush.File{Name: w.Name, Length: w.Length, SHA256: w.SHA256})
	}
	return files, nil
}

// units counts the UTF-16 code units of s.
func units(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// cut shortens text that goes into an error.
func cut(s string, most int) string {
	if len(s) <= most {
		return s
	}
	return s[:most] + "…"
}

// clean is text of a workstation that may be shown: at most so many UTF-16 code units, and printable.
func clean(s string, most int) string {
	var b strings.Builder
	for _, r := range s {
		if most -= utf16.RuneLen(r); most < 0 {
			break
		}
		if !unicode.IsPrint(r) {
			r = ' '
		}
		b.WriteRune(r)
	}
	return b.String()
}
