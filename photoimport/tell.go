package photoimport

import (
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/photopush/photopush/spreadsheet"
)

// fewRows is how many rows of a status Text lists unless it is to list all.
const fewRows = 20

// countedOnly are told by their number: nothing is to be done about them.
var countedOnly = map[Status]bool{Same: true, HasPhoto: true, Written: true}

// titles head the sections of a text; %s is the number of rows.
var titles = map[Status]string{
	Write:     "%s would be written",
	Written:   "%s written",
	Same:      "%s there already, left alone",
	HasPhoto:  "%s left alone, for the person has a photo",
	Changed:   "%s left alone, for somebody else has written another photo since",
	Refused:   "%s not written",
	Unknown:   "%s written or not, which nobody could be asked",
	NotTried:  "%s not tried",
	Denied:    "%s that the account may not write",
	Gone:      "%s of people who have gone, or are out of scope by now",
	Lost:      "%s that cannot be put back",
	Elsewhere: "%s of other domains, left out",
	Unusable:  "%s that no photo can be made of",
	Ambiguous: "%s that fit more than one",
	NoUser:    "%s that nobody in scope is meant by",
	Ignored:   "%s passed over",
	NoFile:    "%s without a file",
}

// noun is what the rows of a status are.
func (s Status) noun(n int) string {
	noun := "photo"
	switch s {
	case NoFile:
		noun = "person"
	case Unusable, Ambiguous, NoUser, Ignored:
		noun = "file"
	}
	switch {
	case n == 1:
		return "1 " + noun
	case noun == "person":
		return fmt.Sprintf("%d people", n)
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

// Text writes the notes, and a section for each status, with its rows; of many the first ones, unless all is set.
func (p *Plan) Text(w io.Writer, all bool) error {
	for _, note := range p.Notes {
		if _, err := fmt.Fprintln(w, note); err != nil {
			return err
		}
	}
	for _, s := range Statuses() {
		n := p.Count(s)
		if n == 0 {
			continue
		}
		line := fmt.Sprintf(titles[s], s.noun(n))
		if countedOnly[s] && !all {
			if _, err := fmt.Fprintf(w, "%s.\n", line); err != nil {
				return err
			}
			continue
		}
		if _, err := fmt.Fprintf(w, "%s:\n", line); err != nil {
			return err
		}
		if err := p.section(w, s, n, all); err != nil {
			return err
		}
	}
	return nil
}

func (p *Plan) section(w io.Writer, s Status, n int, all bool) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	told := 0
	for i := range p.Rows {
		if p.Rows[i].Status != s {
			continue
		}
		if told == fewRows && !all {
			break
		}
		told++
		fmt.Fprintln(t, "  "+strings.TrimRight(p.Rows[i].line(), "\t "))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	if told == n {
		return nil
	}
	_, err := fmt.Fprintf(w, "  and %d more: --all lists them\n", n-told)
	return err
}

// line is a row of a text: who, where from, what, and why not.
func (r *Row) line() string {
	var cells []string
	if r.User.AccountName != "" {
		cells = append(cells, r.User.AccountName)
	}
	if r.File != "" {
		cells = append(cells, r.File)
	}
	if r.Attribute != "" {
		cells = append(cells, r.Attribute)
	}
	if r.Status == Write || r.Status == Written {
		cells = append(cells, r.what())
	}
	return strings.Join(append(cells, r.Detail), "\t")
}

// what says what becomes of the file, or of an undo what comes back.
func (r *Row) what() string {
	to := fmt.Sprintf("%d bytes", r.Bytes)
	if r.Width > 0 {
		quality := "as it is, without metadata"
		if r.Quality > 0 {
			quality = fmt.Sprintf("quality %d", r.Quality)
		}
		to = fmt.Sprintf("%s %d×%d, %d bytes -> %d×%d, %d bytes, %s", r.Source.Format, r.Source.Width, r.Source.Height, r.SourceBytes, r.Width, r.Height, r.Bytes, quality)
	} else if r.new == "" {
		to = "none, as before"
	}
	if r.Was > 0 {
		to += fmt.Sprintf(" (now %d bytes)", r.Was)
	}
	return to
}

// A jsonRow is a Row as JSON and CSV have it; sizes are 0 where they are not known.
type jsonRow struct {
	Status       Status `json:"status"`
	User         string `json:"user,omitempty"`
	DisplayName  string `json:"display_name,omitempty"`
	SID          string `json:"sid,omitempty"`
	Domain       string `json:"domain,omitempty"`
	DN           string `json:"dn,omitempty"`
	File         string `json:"file,omitempty"`
	Attribute    string `json:"attribute,omitempty"`
	SourceFormat string `json:"source_format,omitempty"`
	SourceWidth  int    `json:"source_width,omitempty"`
	SourceHeight int    `json:"source_height,omitempty"`
	SourceBytes  int    `json:"source_bytes,omitempty"`
	Width        int    `json:"width,omitempty"`
	Height       int    `json:"height,omitempty"`
	Bytes        int    `json:"bytes,omitempty"`
	Quality      int    `json:"quality,omitempty"`
	BytesBefore  int    `json:"bytes_before,omitempty"`
	Detail       string `json:"detail,omitempty"`
}

func (r *Row) json() jsonRow {
	return jsonRow{r.Status, r.User.AccountName, r.User.DisplayName, string(r.User.SID), r.User.Domain, r.User.DN, r.File, r.Attribute, string(r.Source.Format),
		r.Source.Width, r.Source.Height, r.SourceBytes, r.Width, r.Height, r.Bytes, r.Quality, r.Was, r.Detail}
}

// JSON writes one object: what the plan is of, the run that has carried it out or an empty text, what is to be known of the rows, the number of rows of each status, and the rows.
func (p *Plan) JSON(w io.Writer, run string) error {
	counts := map[Status]int{}
	rows := make([]jsonRow, len(p.Rows))
	for i := range p.Rows {
		counts[p.Rows[i].Status]++
		rows[i] = p.Rows[i].json()
	}
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	return e.Encode(struct {
		Source string         `json:"source,omitempty"`
		Undoes string         `json:"undoes,omitempty"`
		Run    string         `json:"run"`
		Files  int            `json:"files"`
		People int            `json:"people"`
		Notes  []string       `json:"notes,omitempty"`
		Counts map[Status]int `json:"counts"`
		Rows   []jsonRow      `json:"rows"`
	}{p.Source, p.Undoes, run, p.Files, p.People, p.Notes, counts, rows})
}

// CSV writes the rows with a header for a spreadsheet.
func (p *Plan) CSV(w io.Writer) error {
	c := spreadsheet.NewWriter(w)
	if err := c.Row("status", "user", "display_name", "sid", "domain", "dn", "file", "attribute", "source_format", "source_width", "source_height",
		"source_bytes", "width", "height", "bytes", "quality", "bytes_before", "detail"); err != nil {
		return err
	}
	for i := range p.Rows {
		r := p.Rows[i].json()
		n := strconv.Itoa
		if err := c.Row(string(r.Status), r.User, r.DisplayName, r.SID, r.Domain, r.DN, r.File, r.Attribute, r.SourceFormat, n(r.SourceWidth), n(r.SourceHeight),
			n(r.SourceBytes), n(r.Width), n(r.Height), n(r.Bytes), n(r.Quality), n(r.BytesBefore), r.Detail); err != nil {
			return err
		}
	}
	return c.Flush()
}
