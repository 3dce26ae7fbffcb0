package photoimport

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

// read reads a run's file, and closes it.
func (l *lab) read(id string) (*past, error) {
	p, err := readPast(l.Folder, id)
	if err == nil {
		must(l.t, p.close())
	}
	return p, err
}

// TestJournal: it is for us alone, says everything, and half a record at its end is none.
func TestJournal(t *testing.T) {
	d := newDomain("corp.example", "a", "b")
	l := newLab(t, d)
	d.account("a").values["thumbnailPhoto"] = values("\x00old\xff")
	l.file("a.jpg", picture(1))
	l.file("b.jpg", picture(2))
	_, id := l.run(Request{})
	path := journalPath(l.Folder, id)
	for name, want := range map[string]os.FileMode{l.Folder: 0o700, path: 0o600} {
		if fi, err := os.Stat(name); err != nil || fi.Mode().Perm() != want {
			t.Errorf("%s has mode %v, %v", name, fi.Mode(), err)
		}
	}
	whole, err := os.ReadFile(path)
	must(t, err)
	p, err := readPast(l.Folder, id)
	must(t, err)
	if len(p.changes) != 2 || p.run.By != "tester" || p.run.Source != l.folder || len(p.damaged) != 0 {
		t.Fatalf("it tells of %+v", p)
	}
	for _, c := range p.changes {
		old, err := p.old(c)
		if want := map[string]string{"a": "\x00old\xff", "b": ""}[c.Account]; err != nil || string(bytes.Join(old, nil)) != want || c.outcome != photopush.ImportWritten {
			t.Errorf("of %s: %q, %v, %s", c.Account, old, err, c.outcome)
		}
	}
	must(t, p.close())
	for n := range len(whole) { // cut anywhere: what is told is a beginning of the whole
		must(t, os.WriteFile(path, whole[:n], 0o600))
		got, err := l.read(id)
		if err != nil || len(got.changes) > 2 || len(got.damaged) != 0 {
			t.Fatalf("cut after %d bytes: %+v, %v", n, got, err)
		}
		if changed, err := hasChanged(l.Folder, id); err != nil || changed != (len(got.changes) > 0) {
			t.Fatalf("cut after %d bytes: changed is %t, %v", n, changed, err)
		}
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if p, err := l.read(id); err != nil || len(p.changes) != 0 {
		t.Errorf("killed at once: %+v, %v", p, err)
	}
	other := journalPath(l.Folder, "20260714-101502-000000")
	must(t, os.WriteFile(other, whole, 0o600))
	if _, err := l.read("20260714-101502-000000"); err == nil || !strings.Contains(err.Error(), "is the file of run "+id) {
		t.Errorf("another run's file: %v", err)
	}
	for _, bad := range []string{"", "x", "../" + id, id + "/", "20260714-101502-zzzzzz"} {
		if _, err := l.PlanUndo(t.Context(), UndoRequest{Run: bad}); err == nil || !strings.Contains(err.Error(), "is no run") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// damages are what a disk or a power loss makes of a file of lines: one of them damaged, without its end, in two parts, or a page of zeros.
var damages = map[string]func(lines [][]byte, i int) []byte{
	"a bit":         func(lines [][]byte, i int) []byte { lines[i][len(lines[i])/2] ^= 1; return bytes.Join(lines, nil) },
	"the end":       func(lines [][]byte, i int) []byte { lines[i][len(lines[i])-1] = '\r'; return bytes.Join(lines, nil) },
	"in two":        func(lines [][]byte, i int) []byte { lines[i][len(lines[i])/2] = '\n'; return bytes.Join(lines, nil) },
	"zeros":         func(lines [][]byte, i int) []byte { clear(lines[i]); return bytes.Join(lines, nil) },
	"zeros, at end": func(lines [][]byte, i int) []byte { return append(bytes.Join(lines[:i], nil), make([]byte, 5000)...) },
}

// TestDamagedAnywhere damages each record of a file in each way. What is told of the others is right; and where a change is not told, it is, or comes after, a record that
// is told to be suspect, or the file ends there.
func TestDamagedAnywhere(t *testing.T) {
	const id = "20260714-101502-00000a"
	record := func(r record) []byte {
		text, err := json.Marshal(r)
		must(t, err)
		return []byte(checksum(text) + " " + string(text) + "\n")
	}
	lines := [][]byte{record(record2(&runRecord{ID: id}))}
	change := func(no int) { lines = append(lines, record(change2(no))) }
	outcome := func(no int) { lines = append(lines, record(outcome2(no))) }
	change(1)
	change(2)
	outcome(2)
	change(3)
	outcome(1)
	outcome(3)
	change(4)
	l := newLab(t)
	must(t, os.MkdirAll(l.Folder, 0o700))
	for what, damage := range damages {
		for i := range lines {
			copied := make([][]byte, len(lines))
			for k := range lines {
				copied[k] = slices.Clone(lines[k])
			}
			must(t, os.WriteFile(journalPath(l.Folder, id), damage(copied, i), 0o600))
			p, err := l.read(id)
			if err != nil {
				t.Errorf("%s, line %d: %v", what, i+1, err)
				continue
			}
			lost := 0
			for no := 1; no <= 4; no++ {
				if no > len(p.changes) || p.changes[no-1].No == 0 {
					lost++
				} else if c := p.changes[no-1]; c.No != no || c.was != photopush.ValuesDigest(values(fmt.Sprint("old ", no))) || c.outcome == photopush.ImportRefused {
					t.Errorf("%s, line %d: change %d is told as %+v", what, i+1, no, c)
				}
			}
			atEnd := what == "zeros, at end" || i == len(lines)-1
			if lost > 0 && len(p.suspect) == 0 && !atEnd || lost > 2 && what != "zeros, at end" {
				t.Errorf("%s, line %d: %d changes are lost, suspect are %v", what, i+1, lost, p.suspect)
			}
			if what == "a bit" && i < len(lines)-1 && !slices.Equal(p.damaged, []int{i + 1}) {
				t.Errorf("line %d: damaged are %v", i+1, p.damaged)
			}
			if outcomes := []int{3, 5, 6}; what == "a bit" && slices.Contains(outcomes, i) && len(p.suspect) != 0 {
				t.Errorf("line %d is an outcome, and suspect are %v", i+1, p.suspect)
			}
		}
	}
}

func record2(r *runRecord) record { return record{Run: r} }
func change2(no int) record {
	return record{Change: &changeRecord{No: no, Domain: "corp.example", Account: "u", GUID: "g", Old: values(fmt.Sprint("old ", no)), New: "n"}}
}
func outcome2(no int) record {
	return record{Outcome: &outcomeRecord{No: no, Outcome: photopush.ImportWritten}}
}

// TestUndoDamaged: a damaged record keeps nobody else's photo from coming back, and needs a person.
func TestUndoDamaged(t *testing.T) {
	d := newDomain("corp.example", "a", "b", "c")
	l := newLab(t, d)
	l.Config.Jobs = 1
	for i, a := range d.people {
		a.values["thumbnailPhoto"] = values("old " + a.AccountName)
		l.file(a.AccountName+".jpg", picture(uint32(i+1)))
	}
	_, id := l.run(Request{})
	path := journalPath(l.Folder, id)
	whole, err := os.ReadFile(path)
	must(t, err)
	lines := bytes.SplitAfter(whole, []byte("\n")) // run, change a, outcome, change b, …
	lines[3][40] ^= 1
	must(t, os.WriteFile(path, bytes.Join(lines, nil), 0o600))
	p := l.undo(id, false)
	if diff := cmp.Diff([]string{"written: a thumbnailPhoto", "written: c thumbnailPhoto", "lost:"}, told(p)); diff != "" || !p.NeedsPerson() {
		t.Errorf("-want +got\n%s", diff)
	}
	if got, want := p.Rows[2].Detail, "record 4 of the run's file is damaged: whose photo it was cannot be told; look into a backup of "+path; got != want {
		t.Errorf("told is %q, want %q", got, want)
	}
	if _, kept, err := l.Runs(t.Context()); err != nil || len(kept) != 2 {
		t.Errorf("kept are %v, %v", kept, err)
	}
}

func FuzzJournal(f *testing.F) {
	for _, r := range []record{record2(&runRecord{ID: "20260714-101502-000000"}), change2(1), outcome2(1)} {
		text, err := json.Marshal(r)
		must(f, err)
		f.Add([]byte(checksum(text)+" "+string(text)+"\n"), []byte(text))
	}
	f.Fuzz(func(t *testing.T, line, text []byte) {
		p := &past{}
		for _, b := range [][]byte{line, []byte(checksum(text) + " " + string(text) + "\n")} { // the second one's checksum is right, whatever it says
			if p.take(b, 0) == nil && len(p.changes) == 1 && p.changes[0].No != 1 {
				t.Errorf("change %d came first", p.changes[0].No)
			}
		}
	})
}

// A flakyDisk fails once to take what is written.
type flakyDisk struct {
	journalFile
	syncs int
}

func (f *flakyDisk) Sync() error {
	if f.syncs++; f.syncs == 1 {
		return errors.New("input/output error")
	}
	return nil
}

// TestSyncFailsOnce: a disk that has thrown away what it could not write, and says the next time that all is well, is not believed by whoever waits for his record.
func TestSyncFailsOnce(t *testing.T) {
	j, err := newJournal(t.TempDir(), runRecord{ID: "20260714-101502-000000"}, nil)
	must(t, err)
	j.file = &flakyDisk{journalFile: j.file}
	first, err := j.write(change2(1))
	must(t, err)
	second, err := j.write(change2(2))
	must(t, err)
	for _, n := range []int{second, first, second} {
		if err := j.flushed(n); err == nil || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("record %d is on the disk: %v", n, err)
		}
	}
	if err := j.append(change2(3)); err == nil {
		t.Error("a further record was taken")
	}
	must(t, j.close())
}

// A flakyStore fails to take the outcomes of changes for so many times, or loses its end.
type flakyStore struct {
	Store
	puts  int // that fail
	ended []string
}

func (s *flakyStore) PutImportChanges(ctx context.Context, c []photopush.ImportChange) error {
	if s.puts > 0 && len(c) > 0 {
		s.puts--
		return errors.New("database is locked")
	}
	return s.Store.PutImportChanges(ctx, c)
}

func (s *flakyStore) EndImport(ctx context.Context, id string) error {
	s.ended = append(s.ended, id)
	return s.Store.EndImport(ctx, id)
}

func (s *flakyStore) ImportChanges(ctx context.Context, id string) ([]photopush.ImportChange, error) {
	return s.Store.(interface {
		ImportChanges(context.Context, string) ([]photopush.ImportChange, error)
	}).ImportChanges(ctx, id)
}

// TestStoreFails: outcomes that the store does not take are stored later, and the run has not ended before.
func TestStoreFails(t *testing.T) {
	for fails := range 3 {
		t.Run(fmt.Sprintf("%d times", fails), func(t *testing.T) {
			d := newDomain("corp.example")
			l := newLab(t, d)
			l.Config.Jobs = 1
			for i := range storeBatch + 5 {
				name := fmt.Sprintf("u%03d", i)
				d.people = append(d.people, newDomain("corp.example", name).people...)
				d.people[i].GUID = photopush.GUID(name)
				l.file(name+".jpg", picture(1))
			}
			s := &flakyStore{Store: l.Store, puts: fails}
			l.Store = s
			p := l.plan(Request{})
			id, err := l.Run(t.Context(), p)
			if (err != nil) != (fails > 0) {
				t.Errorf("the run ends with %v", err)
			}
			if got := len(s.ended); (got == 0) != (fails == 2) {
				t.Errorf("the run was ended %d times", got)
			}
			if _, _, err := l.Runs(t.Context()); err != nil || !slices.Equal(s.ended, []string{id}) {
				t.Errorf("looked at: %v, ended %v", err, s.ended)
			}
			if got := l.outcomes(id); len(got) != p.Count(Written) || len(got) < storeBatch {
				t.Errorf("%d outcomes are stored of %d", len(got), p.Count(Written))
			}
		})
	}
}

// TestTidyUnreadable: a run that was killed, and whose file cannot be read now, is not told to have ended; one whose file is gone is.
func TestTidyUnreadable(t *testing.T) {
	d := newDomain("corp.example", "a", "b")
	l := newLab(t, d)
	l.file("a.jpg", picture(1))
	p := l.plan(Request{})
	r, err := l.begin(t.Context(), p)
	must(t, err)
	must(t, r.all(t.Context(), p))
	must(t, r.journal.close()) // and killed
	path := journalPath(l.Folder, r.id)
	away := path + ".away"
	must(t, os.Rename(path, away))
	must(t, os.Mkdir(path, 0o700)) // which cannot be read as a file
	ended := func() bool {
		t.Helper()
		runs, _, err := l.Runs(t.Context())
		must(t, err)
		return !runs[0].Ended.IsZero()
	}
	if ended() {
		t.Error("a run that cannot be read has ended")
	}
	l.file("b.jpg", picture(2))
	if _, id := l.run(Request{}); id == "" {
		t.Error("it keeps everybody from importing")
	}
	must(t, os.Remove(path))
	must(t, os.Rename(away, path))
	runs, _, err := l.Runs(t.Context())
	must(t, err)
	if i := slices.IndexFunc(runs, func(x photopush.ImportRun) bool { return x.ID == r.id }); runs[i].Ended.IsZero() || runs[i].Written != 1 {
		t.Errorf("readable again it is told as %+v", runs[i])
	}
}

// TestKeepUndo: files are kept for as long as is configured, and not longer: that of a run that is being undone until that is done.
func TestKeepUndo(t *testing.T) {
	d := newDomain("corp.example", "a", "b")
	l := newLab(t, d)
	l.Config.Jobs = 1
	l.file("a.jpg", picture(1))
	l.file("b.jpg", picture(2))
	_, first := l.run(Request{})
	stranger := filepath.Join(l.Folder, "notes.journal")
	must(t, os.WriteFile(stranger, nil, 0o600))
	must(t, l.Tidy(t.Context()))
	kept := func(id string) bool { _, err := os.Stat(journalPath(l.Folder, id)); return err == nil }
	if !kept(first) {
		t.Error("it was removed at once")
	}
	l.now = l.now.Add(l.Config.KeepUndo + time.Hour)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	d.before = func(photopush.PhotoSwap) { cancel() }
	p := l.planUndo(UndoRequest{Run: first})
	if _, err := l.Run(ctx, p); !errors.Is(err, context.Canceled) || p.Count(Written) != 1 || p.Count(NotTried) != 1 || !kept(first) {
		t.Errorf("an undo in the middle: %v, %q, kept %t", err, told(p), kept(first))
	}
	d.before = nil
	p = l.undo(first, false)
	if p.Count(Written) != 1 || d.photo("a", "thumbnailPhoto")+d.photo("b", "thumbnailPhoto") != "" || kept(first) {
		t.Errorf("undone: %q, kept %t", told(p), kept(first))
	}
	if _, err := l.PlanUndo(t.Context(), UndoRequest{Run: first}); err == nil || !strings.Contains(err.Error(), "what it replaced is not kept any more") {
		t.Errorf("got %v", err)
	}

	_, second := l.run(Request{})
	l.now = l.now.Add(l.Config.KeepUndo + time.Hour)
	p = l.planUndo(UndoRequest{Run: second})
	release, err := l.Store.LockImports()
	must(t, err)
	must(t, l.Tidy(t.Context()))
	if !kept(second) {
		t.Error("it was removed while another process was importing")
	}
	must(t, release())
	must(t, l.Tidy(t.Context()))
	if kept(second) {
		t.Error("it is kept for longer than is configured")
	}
	if _, err := l.Run(t.Context(), p); err != nil || p.Count(Written) != 2 {
		t.Errorf("an undo that was planned before: %v, %q", err, told(p))
	}
	if _, err := os.Stat(stranger); err != nil {
		t.Error(err)
	}
}
