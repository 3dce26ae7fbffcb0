// Package spreadsheet writes tables as CSV that spreadsheets open as they are, and that cannot do anything there. It knows nothing of what the tables tell.
package spreadsheet

import (
	"encoding/csv"
	"io"
	"regexp"
	"strings"
)

// A Writer writes rows (RFC 4180), as UTF-8 with a byte order mark, without which Excel takes it for something else. No cell is a formula, whatever is in it.
type Writer struct {
	w   io.Writer
	csv *csv.Writer // nil before the first row
}

// NewWriter writes to w. Flush ends it.
func NewWriter(w io.Writer) *Writer { return &Writer{w: w} }

// Row writes a row; the first one is the header.
func (w *Writer) Row(cells ...string) error {
	if w.csv == nil {
		if _, err := io.WriteString(w.w, "\ufeff"); err != nil {
			return err
		}
		w.csv = csv.NewWriter(w.w)
		w.csv.UseCRLF = true
	}
	record := make([]string, len(cells))
	for i, cell := range cells {
		record[i] = harmless(cell)
	}
	return w.csv.Write(record)
}

// Flush hands over what is not yet written.
func (w *Writer) Flush() error {
	if w.csv == nil {
		return nil
	}
	w.csv.Flush()
	return w.csv.Error()
}

// formula finds the signs that begin a formula, where a cell begins or may be made to begin. An Excel whose list separator is the semicolon, as in Germany and
// France, does not know the commas: it splits a cell at semicolons, and at line ends too, for a quote counts for it only at the beginning of what it takes for a cell.
var formula = regexp.MustCompile(`(^\p{Z}*|[;\t\r\n][\p{Z}"]*)([=+\-@＝＋－＠])`)

// harmless keeps a spreadsheet from taking a cell, or a part of one, for a formula (OWASP, CSV injection): an apostrophe makes it text. Quotes around the cell would
// not do: where they matter they are not looked at.
func harmless(cell string) string {
	safe := formula.ReplaceAllString(cell, "${1}'${2}")
	if cell != "" && strings.ContainsRune("\t\r\n", rune(cell[0])) {
		return "'" + safe
	}
	return safe
}
