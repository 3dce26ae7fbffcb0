package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/spreadsheet"
)

// A photoColumn of the text.
type photoColumn struct {
	title string
	cell  func(PhotoRow) string
}

var photoColumns = []photoColumn{
	{"USER", func(r PhotoRow) string { return person(Row{User: r.User, DisplayName: r.DisplayName}) }},
	{"OU", func(r PhotoRow) string { return path(r.OU) }},
	{"STATE", func(r PhotoRow) string { return string(r.State) }},
	{"PHOTO", func(r PhotoRow) string { return r.Source }},
	{"SIZE", PhotoRow.size},
	{"BYTES", PhotoRow.bytes},
	{"WHY", func(r PhotoRow) string { return r.Detail }},
}

// size is 480×640 JPEG.
func (r PhotoRow) size() string {
	if r.Source == "" {
		return ""
	}
	return fmt.Sprintf("%d×%d %s", r.Width, r.Height, r.Format)
}

func (r PhotoRow) bytes() string {
	if r.Source == "" {
		return ""
	}
	return strconv.Itoa(r.Bytes)
}

// most is how wide a column is made: a longer cell moves the rest of its line.
const most = 48

// Text writes a line for each person, the counts of each organizational unit where there are several, and those of all. What is wrong stands last, so that a
// terminal may break the line there.
func (p *Photos) Text(w io.Writer) error {
	widths, rows := make([]int, len(photoColumns)), 0
	_, err := p.each(func(r PhotoRow) error {
		rows++
		for i, c := range photoColumns {
			widths[i] = max(widths[i], min(most, text.StringWidth(c.cell(r))))
		}
		return nil
	})
	if err != nil {
		return err
	}
	out := bufio.NewWriter(w)
	line := func(cell func(photoColumn) string) {
		var b strings.Builder
		for i, c := range photoColumns {
			if widths[i] > 0 {
				b.WriteString(text.Pad(cell(c), max(widths[i], len(c.title)), ' ') + strings.Repeat(" ", gap))
			}
		}
		out.WriteString(strings.TrimRight(b.String(), " ") + "\n")
	}
	if rows > 0 {
		line(func(c photoColumn) string { return c.title })
	}
	sum, err := p.each(func(r PhotoRow) error {
		line(func(c photoColumn) string { return c.cell(r) })
		return nil
	})
	if err != nil {
		return err
	}
	if rows > 0 {
		out.WriteString("\n")
	}
	sum.write(out)
	return out.Flush()
}

// write puts the counts for people.
func (s *PhotoSummary) write(w io.Writer) {
	if len(s.OUs) > 1 {
		for _, u := range s.units() {
			fmt.Fprintf(w, "%s: %s\n", u.name, s.OUs[u.dn])
		}
		fmt.Fprintln(w)
	}
	fmt.Fprintln(w, s)
}

// String is one line: 200 people: 150 good, 48 low, 1 broken, 1 missing; low is a photo of fewer than 192 px.
func (s PhotoSummary) String() string {
	line := fmt.Sprintf("%d people", s.People)
	if s.People == 1 {
		line = "1 person"
	}
	if s.People > 0 {
		line += ": " + s.States.String()
	}
	if s.States[PhotoLow] > 0 {
		line += fmt.Sprintf("; low is fewer than %d px", photopush.LowResolution)
	}
	switch s.Faulty {
	case 0:
	case 1:
		line += "; 1 has another photo that cannot be used"
	default:
		line += fmt.Sprintf("; %d have another photo that cannot be used", s.Faulty)
	}
	if s.Disabled > 0 {
		line += "; " + count(s.Disabled, "disabled account") + " not shown"
	}
	return line
}

// String is 150 good, 48 low.
func (c PhotoCounts) String() string {
	var parts []string
	for _, state := range PhotoStates() {
		if c[state] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c[state], state))
		}
	}
	return strings.Join(parts, ", ")
}

var photoTitles = []string{"user", "display_name", "sid", "domain", "ou", "state", "source", "format", "width", "height", "bytes", "detail"}

// CSV writes a line for each person with a header for a spreadsheet. Without a photo that is used, source, format
// and numbers are empty.
func (p *Photos) CSV(w io.Writer) error {
	c := spreadsheet.NewWriter(w)
	if err := c.Row(photoTitles...); err != nil {
		return err
	}
	_, err := p.each(func(r PhotoRow) error {
		var numbers [3]string
		if r.Source != "" {
			numbers = [3]string{strconv.Itoa(r.Width), strconv.Itoa(r.Height), strconv.Itoa(r.Bytes)}
		}
		return c.Row(r.User, r.DisplayName, string(r.SID), r.Domain, r.OU, string(r.State), r.Source, r.Format, numbers[0], numbers[1], numbers[2], r.Detail)
	})
	if err != nil {
		return err
	}
	return c.Flush()
}

type jsonPhoto struct {
	User        string        `json:"user"`
	DisplayName string        `json:"display_name"`
	SID         photopush.SID `json:"sid"`
	Domain      string        `json:"domain"`
	OU          string        `json:"ou"`
	State       PhotoState    `json:"state"`
	Source      string        `json:"source"`
	Format      string        `json:"format"`
	Width       int           `json:"width"`
	Height      int           `json:"height"`
	Bytes       int           `json:"bytes"`
	Detail      string        `json:"detail"`
}

type jsonPhotoSummary struct {
	People   int                    `json:"people"`
	States   PhotoCounts            `json:"states"`
	Faulty   int                    `json:"faulty"`
	Disabled int                    `json:"disabled"`
	OUs      map[string]PhotoCounts `json:"ous"`
}

// JSON writes one object: photos, a list with a line for each person, and summary. Every key is always there.
func (p *Photos) JSON(w io.Writer) error {
	out := bufio.NewWriter(w)
	encode := func(v any) error {
		e := json.NewEncoder(out)
		e.SetEscapeHTML(false)
		return e.Encode(v)
	}
	out.WriteString("{\n\"photos\": [\n")
	first := true
	sum, err := p.each(func(r PhotoRow) error {
		if !first {
			out.WriteString(",")
		}
		first = false
		return encode(jsonPhoto(r))
	})
	if err != nil {
		return err
	}
	out.WriteString("],\n\"summary\": ")
	if err := encode(jsonPhotoSummary(sum)); err != nil {
		return err
	}
	out.WriteString("}\n")
	return out.Flush()
}
