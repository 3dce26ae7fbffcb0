package report

import (
	"encoding/json"
	"io"
	"time"

	"github.com/photopush/photopush"
)

type jsonReport struct {
	Generated string      `json:"generated"`
	Rows      []jsonRow   `json:"rows"`
	Summary   jsonSummary `json:"summary"`
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
}

type jsonSummary struct {
	Workstations int           `json:"workstations"`
	Users        int           `json:"users"`
	Pairs        int           `json:"pairs"`
	States       map[State]int `json:"states"`
}

// JSON writes one object: generated, rows, summary. Every key is always there; a time is RFC 3339 in UTC, null where it has not happened.
func (r *Report) JSON(w io.Writer) error {
	out := jsonReport{Generated: stamp(r.Now), Rows: make([]jsonRow, len(r.Rows)), Summary: jsonSummary(r.Summary)}
	for i, row := range r.Rows {
		out.Rows[i] = jsonRow{row.Workstation, row.OS, row.OU, row.User, row.DisplayName, row.SID, row.State, stampOrNil(row.Since), row.Reason,
			row.Detail, stampOrNil(row.LastSeen), stampOrNil(row.LastContact), stampOrNil(row.LastSuccess), stampOrNil(row.NextTry)}
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
