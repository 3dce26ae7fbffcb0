package photoimport

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/photopush/photopush"
)

// A past run is what its file tells. The photos stay in the file, which is open until close.
type past struct {
	run     runRecord
	changes []pastChange // by their numbers; one whose record is damaged has number 0
	damaged []int        // records that are damaged, counted from 1
	suspect []int        // those of them that may have been changes
	file    *os.File

	recent []int // damaged lines since the last change
	room   int   // changes that may have stood in them, for a line that has lost its end runs into the next
}

// minChange is less than the shortest record of a change has, in bytes.
const minChange = 100

type pastChange struct {
	changeRecord                         // without Old
	was          string                  // ValuesDigest of Old
	wasSize      int                     // bytes of Old
	offset       int64                   // of the line
	outcome      photopush.ImportOutcome // empty: the run ended in between, or the record of it is damaged
	detail       string
	at           time.Time
}

// A missingError says that a run has no file.
type missingError struct{ run string }

func (e *missingError) Error() string {
	return fmt.Sprintf("there is no run %s, or what it replaced is not kept any more: `photopush import --runs` lists them", e.run)
}

func (e *missingError) Unwrap() error { return fs.ErrNotExist }

// openPast opens a run's file; a *missingError where there is none.
func openPast(folder, id string) (*os.File, error) {
	if !runID.MatchString(id) {
		return nil, fmt.Errorf("%q is no run: `photopush import --runs` lists them", shown(id))
	}
	f, err := os.Open(journalPath(folder, id))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, &missingError{id}
	}
	return f, err
}

// readPast reads a run's file. Half a record at its end is that of a change that was not begun. A record that is damaged is passed over, and told. The
// caller closes it.
func readPast(folder, id string) (_ *past, err error) {
	f, err := openPast(folder, id)
	if err != nil {
		return nil, err
	}
	p := &past{file: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Close())
		}
	}()
	in := bufio.NewReaderSize(f, 1<<20)
	for offset, n := int64(0), 1; ; n++ {
		line, size, err := readLine(in)
		if errors.Is(err, io.EOF) {
			p.suspect = append(p.suspect, p.recent...)
			return p, p.complete(id)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: record %d: %w", f.Name(), n, err)
		}
		if p.take(line, offset) != nil {
			p.damaged, p.recent = append(p.damaged, n), append(p.recent, n)
			p.room += 1 + int(size/minChange)
		}
		offset += size
	}
}

func (p *past) close() error { return p.file.Close() }

// readLine reads a line with its end, and its size in the file; io.EOF also for one that has no end. Of a line that is too long for a record nothing is returned.
func readLine(in *bufio.Reader) (line []byte, size int64, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if size += int64(len(part)); size <= maxRecord {
			line = append(line, part...)
		} else {
			line = nil
		}
		if err == nil || !errors.Is(err, bufio.ErrBufferFull) {
			return line, size, err
		}
	}
}

var errDamaged = errors.New("it is damaged")

func decodeRecord(line []byte) (r record, err error) {
	sum, text, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok || string(sum) != checksum(text) || json.Unmarshal(text, &r) != nil {
		return record{}, errDamaged
	}
	return r, nil
}

func (p *past) take(line []byte, offset int64) error {
	r, err := decodeRecord(line)
	if err != nil {
		return err
	}
	switch {
	case r.Run != nil && p.run.ID == "" && len(p.changes) == 0:
		p.run = *r.Run
	case r.Change != nil:
		return p.takeChange(r.Change, offset)
	case r.Outcome != nil:
		return p.takeOutcome(r.Outcome)
	default:
		return errDamaged
	}
	return nil
}

// takeChange takes a change. Changes stand in the order of their numbers: one that is left out must be among the damaged records since the one before, and where
// none is, those were records of outcomes, without which a change is only looked at once more.
func (p *past) takeChange(c *changeRecord, offset int64) error {
	lost := c.No - len(p.changes) - 1
	if lost < 0 || lost > p.room {
		return errDamaged
	}
	if lost > 0 {
		p.suspect = append(p.suspect, p.recent...)
	}
	p.recent, p.room = nil, 0
	p.changes = append(p.changes, make([]pastChange, lost)...)
	taken := pastChange{changeRecord: *c, was: photopush.ValuesDigest(c.Old), wasSize: size(c.Old), offset: offset}
	taken.Old = nil
	p.changes = append(p.changes, taken)
	return nil
}

func (p *past) takeOutcome(o *outcomeRecord) error {
	switch {
	case o.No < 1 || o.No > len(p.changes)+p.room:
		return errDamaged
	case o.No > len(p.changes) || p.changes[o.No-1].No == 0:
		return nil // of a change whose record is damaged
	}
	c := &p.changes[o.No-1]
	c.outcome, c.detail, c.at = o.Outcome, o.Detail, o.At
	if o.Controller != "" {
		c.Controller = o.Controller
	}
	return nil
}

// complete checks that the file is that of the run. One that was killed at once has no record, and has changed nothing.
func (p *past) complete(id string) error {
	if p.run.ID != "" && p.run.ID != id {
		return fmt.Errorf("%s is the file of run %s", p.file.Name(), shown(p.run.ID))
	}
	p.run.ID = id
	return nil
}

// hasChanged tells whether a run's file tells of a change, or may have; it reads no further than that.
func hasChanged(folder, id string) (changed bool, err error) {
	f, err := openPast(folder, id)
	if err != nil {
		return false, err
	}
	defer f.Close()
	in := bufio.NewReader(f)
	for {
		line, _, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return false, nil
		}
		if err != nil {
			return false, err
		}
		if r, err := decodeRecord(line); err != nil || r.Change != nil {
			return true, nil
		}
	}
}

// old reads what was there before a change.
func (p *past) old(c pastChange) ([][]byte, error) {
	line, _, err := readLine(bufio.NewReaderSize(io.NewSectionReader(p.file, c.offset, 2*maxRecord), 256<<10))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.file.Name(), err)
	}
	r, err := decodeRecord(line)
	if err != nil || r.Change == nil || r.Change.No != c.No {
		return nil, fmt.Errorf("%s: change %d: %w", p.file.Name(), c.No, errDamaged)
	}
	return r.Change.Old, nil
}

// stored are the changes as the store keeps them. What became of a change without an outcome nobody knows.
func (p *past) stored() []photopush.ImportChange {
	all := make([]photopush.ImportChange, 0, len(p.changes))
	for _, c := range p.changes {
		switch {
		case c.No == 0: // damaged
		case c.outcome == "":
			all = append(all, c.stored(p.run.ID, c.was, c.New, photopush.ImportUnknown, "the run ended in the middle of it", c.at))
		default:
			all = append(all, c.stored(p.run.ID, c.was, c.New, c.outcome, c.detail, c.at))
		}
	}
	return all
}

func (c *changeRecord) stored(run, before, after string, outcome photopush.ImportOutcome, detail string, at time.Time) photopush.ImportChange {
	return photopush.ImportChange{Run: run, No: c.No, Domain: c.Domain, GUID: c.GUID, SID: c.SID, Account: c.Account, DN: c.DN, Attribute: c.Attribute,
		Before: before, After: after, Outcome: outcome, Detail: detail, At: at}
}
