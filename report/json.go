package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/photopush/photopush"
)

type jsonReport struct {
	Generated string          `json:"generated"`
	Rows      []jsonRow       `json:"rows"`
	Findings  []jsonFinding   `json:"findings"`
	Elsewhere []jsonElsewhere `json:"elsewhere"`
	Summary   jsonSummary     `json:"summary"`
}

type jsonRow struct {
	Workstation string           `json:"workstation"`
	OS          string           `json:"os"`
	OU          string           `json:"ou"`
	User        string           `json:"user"`
	DisplayName string           `json:"display_name"`
	SID         photopush.SID    `json:"sid"`
	State       State            `json:"state"`
	Since       *string          `json:"since"`
	Reason      photopush.Reason `json:"reason"`
	Detail      string           `json:"detail"`
	LastSeen    *string          `json:"last_seen"`
	LastContact *string          `json:"last_contact"`
	LastSuccess *string          `json:"last_success"`
	NextTry     *string          `json:"next_try"`

	PhotoSource   string `json:"photo_source"`
	PhotoWidth    int    `json:"photo_width"`
	PhotoHeight   int    `json:"photo_height"`
	LowResolution bool   `json:"low_resolution"`

	Overwritten   int     `json:"overwritten"`
	OverwrittenAt *string `json:"overwritten_at"`
	Path          string  `json:"path"`
	PathChanged   *string `json:"path_changed"`
	Held          *string `json:"held"`
	RemovedAt     *string `json:"removed_at"`
}

type jsonFinding struct {
	Workstation string  `json:"workstation"`
	Key         string  `json:"key"`
	Trustee     string  `json:"trustee"`
	Name        string  `json:"name"`
	May         string  `json:"may"`
	Owner       bool    `json:"owner"`
	Inherited   bool    `json:"inherited"`
	Unclear     string  `json:"unclear"`
	SDDL        string  `json:"sddl"`
	Since       *string `json:"since"`
}

type jsonElsewhere struct {
	Workstation string                  `json:"workstation"`
	User        string                  `json:"user"`
	SID         photopush.SID           `json:"sid"`
	Value       string                  `json:"value"`
	Path        string                  `json:"path"`
	Kind        photopush.ElsewhereKind `json:"kind"`
	Since       *string                 `json:"since"`
}

type jsonSummary struct {
	Workstations int           `json:"workstations"`
	Users        int           `json:"users"`
	Pairs        int           `json:"pairs"`
	States       map[State]int `json:"states"`
	Overwritten  int           `json:"overwritten"`
	OpenKeys     int           `json:"open_keys"`
	Unclear      int           `json:"unclear_keys"`
	Elsewhere    int           `json:"elsewhere"`

	LowResolution int `json:"low_resolution"`
}

// JSON writes one object: generated, rows, findings, elsewhere, summary. Every key is always there; a time is RFC 3339 in UTC, null where it has not happened.
func (r *Report) JSON(w io.Writer) error {
	out := jsonReport{Generated: stamp(r.Now), Rows: make([]jsonRow, len(r.Rows)), Findings: make([]jsonFinding, len(r.Findings)),
		Elsewhere: make([]jsonElsewhere, len(r.Elsewhere)), Summary: jsonSummary(r.Summary)}
	for i, row := range r.Rows {
		out.Rows[i] = jsonRow{row.Workstation, row.OS, row.OU, row.User, row.DisplayName, row.SID, row.State, stampOrNil(row.Since), row.Reason,
			row.Detail, stampOrNil(row.LastSeen), stampOrNil(row.LastContact), stampOrNil(row.LastSuccess), stampOrNil(row.NextTry),
			row.PhotoSource, row.PhotoWidth, row.PhotoHeight, row.LowResolution,
			row.Overwritten, stampOrNil(row.OverwrittenAt), row.Path, stampOrNil(row.PathChanged), stampOrNil(row.Held), stampOrNil(row.RemovedAt)}
	}
	for i, f := range r.Findings {
		out.Findings[i] = jsonFinding{f.Workstation, f.Key, f.Trustee, f.Name, f.May, f.Owner, f.Inherited, f.Unclear, f.SDDL, stampOrNil(f.Since)}
	}
	for i, e := range r.Elsewhere {
		out.Elsewhere[i] = jsonElsewhere{e.Workstation, e.User, e.SID, e.Value, e.Path, e.Kind, stampOrNil(e.Since)}
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(out)
}

func stampOrNil(t time.Time) *string {
	if t.IsZero() {
		return nil
	}
	s := stamp(t)
	return &s
}
