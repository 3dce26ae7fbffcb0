package photoimport

import (
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
	"strings"
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

	Controller string `json:"controller,omitempty"` // domain controller that is to be asked
}

type outcomeRecord struct {
	No         int                     `json:"no"`
	Outcome    photopush.ImportOutcome `json:"outcome"`
	Detail     string                  `json:"detail,omitempty"`
	At         time.Time               `json:"at"`
	Controller string                  `json:"controller,omitempty"` // that was asked in the end
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

const journalSuffix = ".journal"

func journalPath(folder, id string) string { return filepath.Join(folder, id+journalSuffix) }

// A journal is a run's file while the run goes on. Records may be appended by several goroutines.
type journal struct {
	after func(int)

	mu      sync.Mutex // of what is written
	file    journalFile
	written int // records
	broken  error

	syncMu sync.Mutex // of what is on the disk
	synced int        // records
}

// A journalFile is an *os.File.
type journalFile interface {
	io.WriteCloser
	Sync() error
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

// sync puts what is written on the disk. After a failure the system may say that all is well although it has thrown away what it could not write, so that it is
// not asked again.
func (j *journal) sync(n int) error {
	j.syncMu.Lock()
	defer j.syncMu.Unlock()
	if j.synced >= n {
		return nil
	}
	j.mu.Lock()
	written, broken := j.written, j.broken
	j.mu.Unlock()
	if broken != nil {
		return broken
	}
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

// expired are the files of runs that began before a time.
func expired(folder string, before time.Time) (files []string, err error) {
	entries, err := os.ReadDir(folder)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, e := range entries {
		id, ok := strings.CutSuffix(e.Name(), journalSuffix)
		if !ok || !runID.MatchString(id) || !e.Type().IsRegular() {
			continue
		}
		if began, err := time.Parse(idTime, id[:len(idTime)]); err == nil && began.Before(before) {
			files = append(files, filepath.Join(folder, e.Name()))
		}
	}
	return files, err
}
