package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/photopush/photopush"
)

const (
	gap       = 2  // columns between two cells
	wide      = 56 // cells that wrap are narrowed to this width,
	narrow    = 28 // then to this one, before anything is left out
	leastName = 20 // a name is broken to this width when nothing else helps
)

// A column of the text.
type column struct {
	title string
	cell  func(Row, time.Time) string
	least int // width it may be wrapped to; 0: it is not wrapped
	drop  int // who goes first where there is no room; 0 stays
}

// expendable are the columns up to this drop: they go before others are wrapped to their least.
const expendable = 6

var columns = []column{
	{"Workstation", func(r Row, _ time.Time) string { return r.Workstation }, 0, 0},
	{"OS", func(r Row, _ time.Time) string { return r.OS }, 22, 3},
	{"OU", func(r Row, _ time.Time) string { return path(r.OU) }, 14, 4},
	{"User", func(r Row, _ time.Time) string { return person(r) }, 20, 0},
	{"State", func(r Row, _ time.Time) string { return string(r.State) }, 11, 0},
	{"Since", func(r Row, now time.Time) string { return relative(r.Since, now) }, 0, 8},
	{"Why", func(r Row, _ time.Time) string { return why(r) }, 20, 0},
	{"Photo", func(r Row, _ time.Time) string { return lowPhoto(r) }, 0, 2},
	{"Overwritten", func(r Row, now time.Time) string { return overwritten(r, now) }, 11, 6},
	{"Last contact", func(r Row, now time.Time) string { return relative(r.LastContact, now) }, 0, 5},
	{"Last success", func(r Row, now time.Time) string { return relative(r.LastSuccess, now) }, 0, 1},
	{"Next try", func(r Row, now time.Time) string { return relative(r.NextTry, now) }, 0, 7},
}

// Text writes a table for people, what the reasons mean, what else was found, and the summary. The table is at most width columns wide where that can be: cells are wrapped, and the
// columns that matter least left out. 0 is no limit.
func (r *Report) Text(w io.Writer, width int) error {
	var b strings.Builder
	if len(r.Rows) > 0 {
		b.WriteString(r.table(width) + "\n\n")
	}
	for _, reason := range r.reasons() {
		b.WriteString(wrap(string(reason)+": "+reason.Sentence(), width) + "\n\n")
	}
	for _, note := range r.notes() {
		b.WriteString(wrap(note, width) + "\n\n")
	}
	b.WriteString(r.Summary.String() + "\n")
	_, err := io.WriteString(w, trimLines(b.String()))
	return err
}

func wrap(s string, width int) string {
	if width <= 0 {
		return s
	}
	return text.WrapSoft(s, width)
}

func trimLines(s string) string {
	lines := strings.Split(s, "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

func (r *Report) table(width int) string {
	shown, widths := r.columns(width)
	t := table.NewWriter()
	style := table.StyleDefault
	style.Options = table.OptionsNoBordersAndSeparators
	style.Box.PaddingLeft, style.Box.PaddingRight = "", strings.Repeat(" ", gap)
	t.SetStyle(style)
	header := table.Row{}
	var configs []table.ColumnConfig
	for i, c := range shown {
		header = append(header, c.title)
		configs = append(configs, table.ColumnConfig{Number: i + 1, WidthMax: widths[i], WidthMaxEnforcer: text.WrapSoft})
	}
	t.AppendHeader(header)
	t.SetColumnConfigs(configs)
	for _, row := range r.Rows {
		cells := table.Row{}
		for _, c := range shown {
			cells = append(cells, c.cell(row, r.Now))
		}
		t.AppendRow(cells)
	}
	return t.Render()
}

// columns chooses the columns, and how wide they may be. Columns that are empty in every row are left out.
func (r *Report) columns(width int) (shown []column, widths []int) {
	for _, c := range columns {
		most := 0
		for _, row := range r.Rows {
			most = max(most, text.StringWidth(c.cell(row, r.Now)))
		}
		if most > 0 {
			shown, widths = append(shown, c), append(widths, max(most, len(c.title)))
		}
	}
	if width <= 0 {
		return shown, widths
	}
	l := layout{shown, widths, width}
	l.wrap(wide)
	l.wrap(narrow)
	l.drop(expendable)
	l.wrap(0)
	l.drop(len(columns))
	for i := range l.widths {
		l.shrink(i, leastName)
	}
	return l.shown, l.widths
}

type layout struct {
	shown  []column
	widths []int
	width  int // there is no more
}

// excess is by how much it does not fit.
func (l *layout) excess() int {
	sum := -gap
	for _, w := range l.widths {
		sum += w + gap
	}
	return sum - l.width
}

func (l *layout) shrink(i, to int) {
	if over := l.excess(); over > 0 {
		l.widths[i] = min(l.widths[i], max(to, l.widths[i]-over))
	}
}

// wrap narrows the columns that wrap, to the given width or their least, as far as needed.
func (l *layout) wrap(to int) {
	for i, c := range l.shown {
		if c.least > 0 {
			l.shrink(i, max(to, c.least))
		}
	}
}

// drop leaves columns out, up to the given rank, as far as needed.
func (l *layout) drop(most int) {
	for rank := 1; rank <= most && l.excess() > 0; rank++ {
		i := slices.IndexFunc(l.shown, func(c column) bool { return c.drop == rank })
		if i >= 0 {
			l.shown, l.widths = slices.Delete(l.shown, i, i+1), slices.Delete(l.widths, i, i+1)
		}
	}
}

// reasons are those of the rows, in the order of the closed set.
func (r *Report) reasons() (found []photopush.Reason) {
	for _, reason := range photopush.Reasons() {
		if slices.ContainsFunc(r.Rows, func(row Row) bool { return row.Reason == reason }) {
			found = append(found, reason)
		}
	}
	return found
}

func person(r Row) string {
	if r.DisplayName == "" || r.DisplayName == r.User {
		return r.User
	}
	return r.User + " (" + r.DisplayName + ")"
}

func why(r Row) string {
	if r.Detail == "" {
		return string(r.Reason)
	}
	if strings.Contains(r.Detail, string(r.Reason)) { // the text of an error names it already
		return r.Detail
	}
	return string(r.Reason) + ": " + r.Detail
}

// lowPhoto is 96×96 low, and empty for a photo that is large enough.
func lowPhoto(r Row) string {
	if !r.LowResolution {
		return ""
	}
	return fmt.Sprintf("%d×%d low", r.PhotoWidth, r.PhotoHeight)
}

// overwritten is how often, and when that was seen last: 3 times, 2 h ago.
func overwritten(r Row, now time.Time) string {
	switch r.Overwritten {
	case 0:
		return ""
	case 1:
		return "once, " + relative(r.OverwrittenAt, now)
	}
	return fmt.Sprintf("%d times, %s", r.Overwritten, relative(r.OverwrittenAt, now))
}

// path is the units of a distinguished name, outermost first: Sales/Laptops.
func path(dn string) string {
	var units []string
	for dn != "" {
		var part string
		part, dn = firstPart(dn)
		key, value, ok := strings.Cut(part, "=")
		if ok && !strings.EqualFold(strings.TrimSpace(key), "DC") {
			units = append(units, value)
		}
	}
	slices.Reverse(units)
	return strings.Join(units, "/")
}

// firstPart cuts at the first comma that is not escaped, and takes the backslashes away (RFC 4514 section 3; hex pairs stay as they are).
func firstPart(dn string) (part, rest string) {
	var b strings.Builder
	for i := 0; i < len(dn); i++ {
		switch {
		case dn[i] == ',':
			return b.String(), dn[i+1:]
		case dn[i] == '\\' && i+1 < len(dn) && !isHex(dn[i+1]):
			i++
		}
		b.WriteByte(dn[i])
	}
	return b.String(), ""
}

func isHex(c byte) bool { return strings.IndexByte("0123456789abcdefABCDEF", c) >= 0 }

// relative is a time as people say it: 5 min ago, in 3 h, 4 days ago, and the date after two weeks.
func relative(t, now time.Time) string {
	if t.IsZero() {
		return ""
	}
	d := now.Sub(t)
	size := d.Abs()
	var amount string
	switch {
	case size < time.Minute:
		return "now"
	case size < time.Hour:
		amount = fmt.Sprintf("%d min", size/time.Minute)
	case size < 48*time.Hour:
		amount = fmt.Sprintf("%d h", size/time.Hour)
	case size < 14*24*time.Hour:
		amount = fmt.Sprintf("%d days", size/(24*time.Hour))
	default:
		return t.UTC().Format(time.DateOnly)
	}
	if d < 0 {
		return "in " + amount
	}
	return amount + " ago"
}

// String is one line: 150 pairs of 60 users on 50 workstations: 140 in step, 6 offline, 4 no photo; 12 users have a photo of low resolution.
func (s Summary) String() string {
	line := fmt.Sprintf("%s of %s on %s", count(s.Pairs, "pair"), count(s.Users, "user"), count(s.Workstations, "workstation"))
	var parts []string
	for _, state := range States() {
		if n := s.States[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if len(parts) > 0 {
		line += ": " + strings.Join(parts, ", ")
	}
	switch s.LowResolution {
	case 0:
		return line
	case 1:
		return line + "; 1 user has a photo of low resolution"
	}
	return fmt.Sprintf("%s; %d users have a photo of low resolution", line, s.LowResolution)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
