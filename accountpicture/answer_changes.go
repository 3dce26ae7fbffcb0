package accountpicture

import (
	"errors"
	"fmt"
	"slices"

	"github.com/photopush/photopush"
)

func parsePutFile(line []byte) (Answer, error) {
	var w struct {
		envelope
		SID    photopush.SID `json:"sid"`
		Name   string        `json:"name"`
		SHA256 string        `json:"sha256"`
		State  string        `json:"state"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	_, named := ParseFileName(w.Name)
	err := errors.Join(isUser(w.SID),
		fault(named, "the file is %q", cut(w.Name, 100)),
		fault(hexSHA256.MatchString(w.SHA256), "the hash is %q", cut(w.SHA256, 70)),
		fault(w.State == "new" || w.State == "same", "the state of the file is %q", cut(w.State, 40)))
	return Answer{SID: w.SID, File: w.Name, SHA256: w.SHA256, New: w.State == "new"}, err
}

func parseSaveOriginal(line []byte) (Answer, error) {
	var w struct {
		envelope
		SID   photopush.SID `json:"sid"`
		State string        `json:"state"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	return Answer{SID: w.SID, State: w.State}, errors.Join(isUser(w.SID), fault(stateForm.MatchString(w.State), "the state is %q", cut(w.State, 70)))
}

// wireWritten is what every verb answers that writes values.
type wireWritten struct {
	envelope
	SID    photopush.SID `json:"sid"`
	Rung   string        `json:"rung"`
	Before string        `json:"before"`
	After  string        `json:"after"`
	State  string        `json:"state"`
	Values []wireValue   `json:"values"`
}

func (w wireWritten) answer() (Answer, error) {
	values, err := parseValues(w.Values)
	err = errors.Join(isUser(w.SID), err,
		fault(w.Rung == string(RungPlain) || w.Rung == rungACE, "the rung is %q", cut(w.Rung, 40)),
		fault(stateForm.MatchString(w.State), "the state is %q", cut(w.State, 70)),
		fault(w.State != photopush.StateAbsent || len(w.Values) == 0, "a missing key has %d values", len(w.Values)),
		boundedSDDL(w.Before), boundedSDDL(w.After),
		fault(w.Rung == rungACE || w.Before == "" && w.After == "", "the rung plain has permissions before and after"),
		fault(w.Rung != rungACE || w.Before != "" && w.After != "", "the rung ace lacks the permissions before or after"))
	return Answer{SID: w.SID, Rung: w.Rung, Before: w.Before, After: w.After, State: w.State, Values: values}, err
}

// boundedSDDL bounds owner and DACL. Whether they can be read is judged where they are used.
func boundedSDDL(text string) error {
	return fault(units(text) <= maxSDDL, "permissions of %d UTF-16 code units", units(text))
}

func parseWritten(line []byte) (Answer, error) {
	var w wireWritten
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	return w.answer()
}

func parseRestored(line []byte) (Answer, error) {
	var w struct {
		wireWritten
		Missing []string `json:"missing"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	a, err := w.answer()
	err = errors.Join(err, fault(len(w.Missing) <= len(ValueNames), "%d missing values", len(w.Missing)))
	for _, name := range w.Missing {
		err = errors.Join(err, fault(slices.Contains(ValueNames, name), "the missing value is %q", cut(name, 40)))
	}
	a.Missing = w.Missing
	return a, err
}

func parseDeleteFiles(line []byte) (Answer, error) {
	var w struct {
		envelope
		SID     photopush.SID `json:"sid"`
		Deleted []string      `json:"deleted"`
		Kept    []string      `json:"kept"`
		Folder  bool          `json:"folder"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	err := isUser(w.SID)
	for _, name := range slices.Concat(w.Deleted, w.Kept) {
		if _, ok := ParseFileName(name); !ok {
			err = errors.Join(err, fmt.Errorf("the file is %q", cut(name, 100)))
		}
	}
	return Answer{SID: w.SID, Deleted: w.Deleted, Kept: w.Kept, Folder: w.Folder}, err
}

func parseTightened(line []byte) (Answer, error) {
	var w struct {
		envelope
		Key    string `json:"key"`
		Before string `json:"before"`
		After  string `json:"after"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	v := TightenACL{Key: w.Key}
	err := errors.Join(
		fault(w.Key == KeyUsers || v.User().IsAccount(), "the key is %q", cut(w.Key, 70)),
		boundedSDDL(w.Before), boundedSDDL(w.After))
	return Answer{SID: v.User(), Before: w.Before, After: w.After}, err
}

func parseRecovered(line []byte) (Answer, error) {
	var w struct {
		envelope
		Undone []struct {
			SID   photopush.SID `json:"sid"`
			ACL   string        `json:"acl"`
			After string        `json:"after"`
		} `json:"undone"`
	}
	if err := strictly(line, &w); err != nil {
		return Answer{}, err
	}
	err := fault(len(w.Undone) <= maxPerson, "%d journals, want at most %d", len(w.Undone), maxPerson)
	undone := make([]Undone, 0, len(w.Undone))
	for i, u := range w.Undone {
		err = errors.Join(err, isUser(u.SID), boundedSDDL(u.ACL), boundedSDDL(u.After),
			fault(i == 0 || w.Undone[i-1].SID < u.SID, "the journals are not in order"))
		undone = append(undone, Undone(u))
	}
	return Answer{Undone: undone}, err
}
