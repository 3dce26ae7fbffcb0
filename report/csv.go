package report

import (
	"cmp"
	"io"
	"strconv"
	"time"

	"github.com/photopush/photopush/spreadsheet"
)

// What stands in the column state of lines that are no rows of the report.
const (
	openKey         = "open key"
	unclearKey      = "unclear key"
	pointsElsewhere = "points elsewhere"
)

// A csvColumn is filled from a line.
type csvColumn struct {
	title string
	cell  func(csvLine) string
}

// A csvLine is a row, or a finding or value that points elsewhere, told as one.
type csvLine struct {
	Row
	state string
	Finding
}

var csvColumns = []csvColumn{
	{"workstation", func(l csvLine) string { return l.Row.Workstation }},
	{"os", func(l csvLine) string { return l.OS }},
	{"ou", func(l csvLine) string { return l.OU }},
	{"user", func(l csvLine) string { return l.User }},
	{"display_name", func(l csvLine) string { return l.DisplayName }},
	{"sid", func(l csvLine) string { return string(l.SID) }},
	{"state", func(l csvLine) string { return cmp.Or(l.state, string(l.State)) }},
	{"since", func(l csvLine) string { return stamp(l.Row.Since) }},
	{"reason", func(l csvLine) string { return string(l.Reason) }},
	{"detail", func(l csvLine) string { return l.Detail }},
	{"last_seen", func(l csvLine) string { return stamp(l.LastSeen) }},
	{"last_contact", func(l csvLine) string { return stamp(l.LastContact) }},
	{"last_success", func(l csvLine) string { return stamp(l.LastSuccess) }},
	{"next_try", func(l csvLine) string { return stamp(l.NextTry) }},
	{"overwritten", func(l csvLine) string { return strconv.Itoa(l.Overwritten) }},
	{"overwritten_at", func(l csvLine) string { return stamp(l.OverwrittenAt) }},
	{"path", func(l csvLine) string { return l.Path }},
	{"path_changed", func(l csvLine) string { return stamp(l.PathChanged) }},
	{"held", func(l csvLine) string { return stamp(l.Held) }},
	{"removed_at", func(l csvLine) string { return stamp(l.RemovedAt) }},
	{"photo_source", func(l csvLine) string { return l.PhotoSource }},
	{"photo_width", func(l csvLine) string { return strconv.Itoa(l.PhotoWidth) }},
	{"photo_height", func(l csvLine) string { return strconv.Itoa(l.PhotoHeight) }},
	{"low_resolution", func(l csvLine) string { return strconv.FormatBool(l.LowResolution) }},
	{"key", func(l csvLine) string { return l.Key }},
	{"trustee", func(l csvLine) string { return l.Trustee }},
	{"may", func(l csvLine) string { return l.May }},
	{"sddl", func(l csvLine) string { return l.SDDL }},
}

// CSV writes the rows with a header for a spreadsheet, then a line for each finding and each value that points elsewhere. Times are RFC 3339 in UTC, empty where it has not happened.
func (r *Report) CSV(w io.Writer) error {
	c := spreadsheet.NewWriter(w)
	record := make([]string, len(csvColumns))
	for i, column := range csvColumns {
		record[i] = column.title
	}
	if err := c.Row(record...); err != nil {
		return err
	}
	for _, line := range r.lines() {
		for i, column := range csvColumns {
			record[i] = column.cell(line)
		}
		if err := c.Row(record...); err != nil {
			return err
		}
	}
	return c.Flush()
}

func (r *Report) lines() []csvLine {
	lines := make([]csvLine, 0, len(r.Rows)+len(r.Findings)+len(r.Elsewhere))
	for _, row := range r.Rows {
		lines = append(lines, csvLine{Row: row})
	}
	for _, f := range r.Findings {
		state := openKey
		if f.Unclear != "" {
			state = unclearKey
		}
		lines = append(lines, csvLine{Row: Row{Workstation: f.Workstation, Since: f.Since, Detail: cmp.Or(f.Unclear, f.Name)}, state: state, Finding: f})
	}
	for _, e := range r.Elsewhere {
		lines = append(lines, csvLine{Row: Row{Workstation: e.Workstation, User: e.User, SID: e.SID, Since: e.Since, Detail: e.Value + ": " + string(e.Kind),
			Path: e.Path}, state: pointsElsewhere})
	}
	return lines
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
