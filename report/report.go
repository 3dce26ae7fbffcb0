// Package report tells which workstations and people do not have the picture they should have, since when and why: as text, CSV and JSON.
// It reads nothing itself: its material comes as photopush.Status.
package report

import (
	"io"
	"iter"
	"time"

	"github.com/photopush/photopush"
)

// Options say what a report shows.
type Options struct {
	All   bool // rows in step, too
	Now   time.Time
	Width int // columns of the terminal for Text; 0 for no limit
}

// A Report is rows and their summary.
type Report struct {
	Rows    []Row
	Summary Summary
}

// A Row is one line.
type Row struct{}

// A Summary counts every pair, shown or not.
type Summary struct{}

// Make judges the material.
func Make(statuses iter.Seq2[photopush.Status, error], o Options) (*Report, error) { return nil, nil }

// Text, CSV and JSON write it.
func (r *Report) Text(w io.Writer, width int) error { return nil }
func (r *Report) CSV(w io.Writer) error             { return nil }
func (r *Report) JSON(w io.Writer) error            { return nil }
