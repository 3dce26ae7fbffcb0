// Package report tells which workstations and people do not have the picture they should have, since when and why: as text, CSV and JSON.
// It reads nothing itself: its material comes as photopush.Status.
package report

import (
	"cmp"
	"iter"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/photopush/photopush"
)

// Options say what a report shows.
type Options struct {
	All bool      // what is in step, too
	Now time.Time // what "ago" is counted from
}

// Material is what a report is made of.
type Material struct {
	Statuses  iter.Seq2[photopush.Status, error]
	Findings  []photopush.FindingRecord   // by workstation
	Elsewhere []photopush.ElsewhereRecord // by workstation
}

// A Report is rows, by workstation and account, what was found on workstations besides, and a summary of both.
type Report struct {
	Now       time.Time
	Rows      []Row
	Findings  []Finding
	Elsewhere []Elsewhere
	Summary   Summary
}

// A Row is one user on one workstation; a workstation without users, or a user without workstations. Times are UTC, zero where it has not happened.
// Its texts hold no control characters.
type Row struct {
	Workstation string // full host name, or the short name where the directory has no other; empty for a user without workstations
	OS          string // with its version
	OU          string // distinguished name of the container the workstation lies in
	User        string // sAMAccountName, or the SID where the directory does not know the user; empty for a workstation without users
	DisplayName string
	SID         photopush.SID
	State       State
	Since       time.Time        // since when it is so
	Reason      photopush.Reason // why
	Detail      string           // one sentence to Reason
	LastSeen    time.Time        // last evidence that the user uses the workstation
	LastContact time.Time        // the workstation answered
	LastSuccess time.Time        // a visit to it ended well
	NextTry     time.Time        // when the workstation is visited next

	PhotoSource   string // of his photo that is used: jpegPhoto, thumbnailPhoto, or file; empty without one
	PhotoWidth    int    // px of the upright photo
	PhotoHeight   int
	LowResolution bool // its short side is below photopush.LowResolution

	Overwritten   int       // how often somebody else has replaced a picture of ours
	OverwrittenAt time.Time // when that was seen last
	Path          string    // the file that was in its place then
	PathChanged   time.Time // when that file was written
	Held          time.Time // since when an administrator holds the picture back
	RemovedAt     time.Time // when a picture of ours was read back as gone
}

// A Summary counts everything, shown or not.
type Summary struct {
	Workstations int           // not gone from the directory
	Users        int           // with a workstation
	Pairs        int           // of user and workstation
	States       map[State]int // rows in each state that occurs
	Overwritten  int           // pairs whose picture somebody else has replaced at least once
	OpenKeys     int           // workstations on which users may write keys of account pictures
	Unclear      int           // workstations on which nobody can tell whether they may
	Elsewhere    int           // workstations with values that point elsewhere

	LowResolution int // users with a workstation whose photo is of low resolution
}

// Make judges the material, and keeps the rows to be shown.
func Make(m Material, o Options) (*Report, error) {
	r := &Report{Now: o.Now.UTC(), Rows: []Row{}, Summary: Summary{States: map[State]int{}}}
	workstations, users := map[photopush.GUID]bool{}, map[photopush.SID]bool{}
	for s, err := range m.Statuses {
		if err != nil {
			return nil, err
		}
		row := makeRow(s, o.Now)
		r.Summary.States[row.State]++
		if row.Overwritten > 0 {
			r.Summary.Overwritten++
		}
		if s.Workstation != nil {
			workstations[s.Workstation.ID] = true
			if row.SID != "" {
				if row.LowResolution && !users[row.SID] {
					r.Summary.LowResolution++
				}
				users[row.SID] = true
				r.Summary.Pairs++
			}
		}
		if o.All || row.stale() {
			r.Rows = append(r.Rows, row)
		}
	}
	r.Summary.Workstations, r.Summary.Users = len(workstations), len(users)
	r.addFindings(m)
	slices.SortStableFunc(r.Rows, func(a, b Row) int {
		return cmp.Or(last(a.Workstation, b.Workstation), strings.Compare(a.Workstation, b.Workstation), strings.Compare(strings.ToLower(a.User), strings.ToLower(b.User)),
			strings.Compare(string(a.SID), string(b.SID)))
	})
	return r, nil
}

// last sorts the empty name behind the others.
func last(a, b string) int {
	switch {
	case a == "" && b != "":
		return 1
	case a != "" && b == "":
		return -1
	}
	return 0
}

func makeRow(s photopush.Status, now time.Time) Row {
	row := Row{SID: s.Pair.User, LastSeen: s.LastSeen}
	row.State, row.Reason, row.Detail, row.Since = judge(s, now)
	row.Overwritten, row.OverwrittenAt, row.PathChanged = s.History.Overwritten, s.History.OverwrittenAt, s.History.Changed
	row.Path, row.Held, row.RemovedAt = clean(s.History.Path), heldSince(s), s.History.RemovedAt
	if row.Reason == photopush.Overwritten {
		row.Detail = strings.Join(present(row.Detail, inItsPlace(s.History)), ": ")
	}
	row.Detail = clean(row.Detail)
	if u := s.User; u != nil {
		row.SID, row.User, row.DisplayName = u.SID, clean(u.AccountName), clean(u.DisplayName)
		row.PhotoSource, row.PhotoWidth, row.PhotoHeight, row.LowResolution = clean(u.Photo.Source), u.Photo.Width, u.Photo.Height, u.Photo.Low()
	}
	row.User = cmp.Or(row.User, string(row.SID))
	if w := s.Workstation; w != nil {
		row.Workstation, row.OU = clean(cmp.Or(w.Host, w.Name)), clean(w.OU())
		row.OS = clean(strings.TrimSpace(w.OS + " " + w.OSVersion))
		row.LastContact, row.LastSuccess = w.LastContact, w.LastSuccess
		if w.Enabled {
			row.NextTry = w.Due
		}
	}
	return row
}

// inItsPlace says what was there the last time that somebody had replaced a picture of ours.
func inItsPlace(h photopush.History) string {
	switch {
	case h.Path == "":
		return ""
	case h.Changed.IsZero():
		return h.Path
	}
	return h.Path + ", written " + h.Changed.UTC().Format(time.DateOnly)
}

func present(parts ...string) []string {
	return slices.DeleteFunc(parts, func(s string) bool { return s == "" })
}

// clean takes control and format characters out, with which a name in the directory could play tricks on a terminal.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) || unicode.Is(unicode.Cf, r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(s, "?"))
}
