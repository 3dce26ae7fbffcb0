package photoimport

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"sync"
	"time"

	"github.com/photopush/photopush"
)

// A record is one line of a run's file: the first 16 hex digits of SHA-256 over the rest, a space, and the record as JSON.
type record struct {
	Run     *runRecord     `json:"run,omitempty"`     // the first one
	Change  *changeRecord  `json:"change,omitempty"`  // on the disk before the change is made
	Outcome *outcomeRecord `json:"outcome,omitempty"` // what became of it
}

type runRecord struct {
	ID      string    `json:"id"`
	Undoes  string    `json:"undoes,omitempty"`
	Source  string    `json:"source,omitempty"`
	By      string    `json:"by"`
	Started time.Time `json:"started"`
}

type changeRecord struct {
	No        int            `json:"no"`
	Domain    string         `json:"domain"`
	GUID      photopush.GUID `json:"guid"`
	SID       photopush.SID  `json:"sid"`
	Account   string         `json:"account"`
	DN        string         `json:"dn"`
	Attribute string         `json:"attribute"`
	Old       [][]byte       `json:"old"` // what is there, byte for byte
	New       string         `json:"new"` // ValuesDigest of what is to be there
}

type outcomeRecord struct {
	No      int                     `json:"no"`
	Outcome photopush.ImportOutcome `json:"outcome"`
	Detail  string                  `json:"detail,omitempty"`
	At      time.Time               `json:"at"`
}

const (
	sumDigits = 16
	maxRecord = 128 << 20 // bytes of a line: what an attribute can hold, in base64
)

var runID = regexp.MustCompile(`\A[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\z`)

const idTime = "20060102-150405"

func newRunID(at time.Time) string {
	var b [3]byte
	rand.Read(b[:])
	return at.UTC().Format(idTime) + "-" + hex.EncodeToString(b[:])
}

func journalPath(folder, id string) string { return filepath.Join(folder, id+".journal") }

// A journal is a run's file while the run goes on. Records may be appended by several goroutines.
type journal struct {
	after func(int)

	mu      sync.Mutex // of what is written
	file    *os.File
	written int // records
	broken  error

	syncMu sync.Mutex // of what is on the disk
	synced int        // records
}

// newJournal makes the file, for us alone, with its first record.
func newJournal(folder string, r runRecord, after func(int)) (*journal, error) {
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, err
	}
	if err := os.Chmod(folder, 0o700); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(journalPath(folder, r.ID), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	j := &journal{file: f, after: after}
	if err := errors.Join(j.append(record{Run: &r}), syncFolder(folder), syncFolder(filepath.Dir(folder))); err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return j, nil
}

// syncFolder puts the names in a folder on the disk, where the system has such a thing.
func syncFolder(name string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	d, err := os.Open(name)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// append writes a record and returns when it is on the disk. Those who wait at the same time share one visit to the disk. After an error the file is used
// no more: what stands at its end may be half a record.
func (j *journal) append(r record) error {
	n, err := j.write(r)
	if err != nil {
		return err
	}
	return j.flushed(n)
}

// flushed returns when the first n records are on the disk.
func (j *journal) flushed(n int) error {
	if err := j.sync(n); err != nil {
		return err
	}
	if j.after != nil {
		j.after(n)
	}
	return nil
}

func (j *journal) write(r record) (n int, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return 0, err
	}
	line := fmt.Appendf(nil, "%s %s\n", checksum(text), text)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.broken != nil {
		return 0, j.broken
	}
	if _, err := j.file.Write(line); err != nil {
		j.broken = err
		return 0, err
	}
	j.written++
	return j.written, nil
}

func (j *journal) sync(n int) error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.synced >= n {
		return nil
	}
	j.mu.Lock()
	written := j.written
	j.mu.Unlock()
	if err := j.file.Sync(); err != nil {
		j.mu.Lock()
		defer j.mu.Unlock()
		j.broken = err
		return err
	}
	j.synced = written
	return nil
}

func (j *journal) close() error { return errors.Join(j.file.Sync(), j.file.Close()) }

func checksum(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:])[:sumDigits]
}

// A past run is what its file tells. The photos stay in the file.
type past struct {
	run     runRecord
	changes []pastChange
	path    string
}

type pastChange struct {
	changeRecord                         // without Old
	was          string                  // ValuesDigest of Old
	wasSize      int                     // bytes of Old
	offset       int64                   // of the line
	outcome      photopush.ImportOutcome // empty: the run ended in between
	detail       string
	at           time.Time
}

// readPast reads a run's file. Half a record at its end is that of a change that was not begun.
func readPast(folder, id string) (*past, error) {
	if !runID.MatchString(id) {
		return nil, fmt.Errorf("%q is no run: `photopush import --runs` lists them", shown(id))
	}
	p := &past{path: journalPath(folder, id)}
	f, err := os.Open(p.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("there is no run %s, or what it replaced is not kept any more: `photopush import --runs` lists them", id)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	in := bufio.NewReaderSize(f, 1<<20)
	for offset, n := int64(0), 1; ; n++ {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			return p, p.complete(id)
		}
		if err != nil {
			return nil, fmt.Errorf("%s: record %d: %w", p.path, n, err)
		}
		if err := p.take(line, offset); err != nil {
			return nil, fmt.Errorf("%s: record %d: %w", p.path, n, err)
		}
		offset += int64(len(line))
	}
}

// readLine reads a line with its end; io.EOF also for one that has none.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			return line, nil
		case len(line) > maxRecord:
			return nil, fmt.Errorf("it has more than %d MiB", maxRecord>>20)
		case !errors.Is(err, bufio.ErrBufferFull):
			return nil, err
		}
	}
}

var errDamaged = errors.New("it is damaged: its checksum is another one")

func decodeRecord(line []byte) (r record, err error) {
	sum, text, ok := bytes.Cut(bytes.TrimSuffix(line, []byte("\n")), []byte(" "))
	if !ok || string(sum) != checksum(text) {
		return r, errDamaged
	}
	return r, json.Unmarshal(text, &r)
}

func (p *past) take(line []byte, offset int64) error {
	r, err := decodeRecord(line)
	if err != nil {
		return err
	}
	switch {
	case r.Run != nil:
		p.run = *r.Run
	case r.Change != nil:
		c := pastChange{changeRecord: *r.Change, was: photopush.ValuesDigest(r.Change.Old), wasSize: size(r.Change.Old), offset: offset}
		c.Old = nil
		if c.No != len(p.changes)+1 {
			return fmt.Errorf("it is change %d, want %d", c.No, len(p.changes)+1)
		}
		p.changes = append(p.changes, c)
	case r.Outcome != nil:
		if r.Outcome.No < 1 || r.Outcome.No > len(p.changes) {
			return fmt.Errorf("it tells of change %d, of which nothing was recorded", r.Outcome.No)
		}
		c := &p.changes[r.Outcome.No-1]
		c.outcome, c.detail, c.at = r.Outcome.Outcome, r.Outcome.Detail, r.Outcome.At
	}
	return nil
}

// complete checks that the file is that of the run. One that was killed at once has no record, and has changed nothing.
func (p *past) complete(id string) error {
	if p.run.ID != id && (p.run.ID != "" || len(p.changes) > 0) {
		return fmt.Errorf("%s is the file of run %s", p.path, shown(p.run.ID))
	}
	return nil
}

// old reads what was there before a change.
func (p *past) old(c pastChange) ([][]byte, error) {
	f, err := os.Open(p.path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if _, err := f.Seek(c.offset, io.SeekStart); err != nil {
		return nil, err
	}
	line, err := readLine(bufio.NewReaderSize(f, 256<<10))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", p.path, err)
	}
	r, err := decodeRecord(line)
	if err != nil || r.Change == nil || r.Change.No != c.No {
		return nil, fmt.Errorf("%s: change %d: %w", p.path, c.No, errors.Join(errDamaged, err))
	}
	return r.Change.Old, nil
}

// stored are the changes as the store keeps them. What became of a change without an outcome nobody knows.
func (p *past) stored() []photopush.ImportChange {
	all := make([]photopush.ImportChange, len(p.changes))
	for i, c := range p.changes {
		all[i] = c.stored(p.run.ID, c.was, c.New, c.outcome, c.detail, c.at)
		if c.outcome == "" {
			all[i].Outcome, all[i].Detail = photopush.ImportUnknown, "the run ended in the middle of it"
		}
	}
	return all
}

func (c *changeRecord) stored(run, before, after string, outcome photopush.ImportOutcome, detail string, at time.Time) photopush.ImportChange {
	return photopush.ImportChange{Run: run, No: c.No, Domain: c.Domain, GUID: c.GUID, SID: c.SID, Account: c.Account, DN: c.DN, Attribute: c.Attribute,
		Before: before, After: after, Outcome: outcome, Detail: detail, At: at}
}

// prune removes the files of runs that began before a time.
func prune(folder string, before time.Time) error {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	var errs []error
	for _, e := range entries {
		id, ok := bytes.CutSuffix([]byte(e.Name()), []byte(".journal"))
		if !ok || !runID.Match(id) || !e.Type().IsRegular() {
			continue
		}
		if began, err := time.Parse(idTime, string(id[:len(idTime)])); err == nil && began.Before(before) {
			errs = append(errs, os.Remove(filepath.Join(folder, e.Name())))
		}
	}
	return errors.Join(errs...)
}
