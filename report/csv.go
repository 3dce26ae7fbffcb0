package report

import (
	"encoding/csv"
	"io"
	"strings"
	"time"
)

var csvHeader = []string{"workstation", "os", "ou", "user", "display_name", "sid", "state", "since", "reason", "detail", "last_seen",
	"last_contact", "last_success", "next_try"}

// CSV writes the rows with a header (RFC 4180), as UTF-8 with a byte order mark, without which Excel takes it for something else. Times are
// RFC 3339 in UTC, empty where it has not happened.
func (r *Report) CSV(w io.Writer) error {
	if _, err := io.WriteString(w, "\ufeff"); err != nil {
		return err
	}
	c := csv.NewWriter(w)
	c.UseCRLF = true
	if err := c.Write(csvHeader); err != nil {
		return err
	}
	for _, row := range r.Rows {
		record := []string{row.Workstation, row.OS, row.OU, row.User, row.DisplayName, string(row.SID), string(row.State), stamp(row.Since),
			string(row.Reason), row.Detail, stamp(row.LastSeen), stamp(row.LastContact), stamp(row.LastSuccess), stamp(row.NextTry)}
		for i := range record {
			record[i] = harmless(record[i])
		}
		if err := c.Write(record); err != nil {
			return err
		}
	}
	c.Flush()
	return c.Error()
}

// harmless keeps a spreadsheet from taking a cell for a formula (OWASP, CSV injection): an apostrophe makes it text.
func harmless(cell string) string {
	if cell != "" && strings.ContainsRune("=+-@\t\r\n＝＋－＠", []rune(cell)[0]) {
		return "'" + cell
	}
	return cell
}

func stamp(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}
