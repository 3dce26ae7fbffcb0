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

// values are the values of an attribute.
func values(texts ...string) [][]byte {
	var all [][]byte
	for _, s := range texts {
		all = append(all, []byte(s))
	}
	return all
}

// outcomes are what the store keeps of a run: account, attribute, outcome.
func (l *lab) outcomes(id string) []string {
	l.t.Helper()
	changes, err := l.Store.(interface {
		ImportChanges(context.Context, string) ([]photopush.ImportChange, error)
	}).ImportChanges(l.t.Context(), id)
	must(l.t, err)
	var all []string
	for _, c := range changes {
		all = append(all, c.Account+" "+c.Attribute+" "+string(c.Outcome))
	}
	slices.Sort(all)
	return all
}

// TestImport writes two attributes, leaves what is the same, and takes everything back.
func TestImport(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "cy", "protected")
	d.account("ada").values["thumbnailPhoto"] = values("old")
	d.account("bob").values["jpegPhoto"] = values("first", "second")
	d.account("protected").readOnly = true
	l := newLab(t, d)
	l.Config.Attributes = []string{"thumbnailPhoto", "jpegPhoto"}
	for i, name := range []string{"ada", "bob", "protected"} {
		l.file(name+".jpg", picture(uint32(i+1)))
	}
	l.file("cy.jpg", []byte("no photo"))
	p, id := l.run(Request{})
	want := []string{"written: ada ada.jpg thumbnailPhoto", "written: ada ada.jpg jpegPhoto", "written: bob bob.jpg thumbnailPhoto", "written: bob bob.jpg jpegPhoto",
		"denied: protected protected.jpg thumbnailPhoto", "denied: protected protected.jpg jpegPhoto", "unusable: cy cy.jpg thumbnailPhoto", "unusable: cy cy.jpg jpegPhoto"}
	if diff := cmp.Diff(want, told(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !strings.Contains(p.Rows[4].Detail, "ask for the right") || !strings.Contains(p.Rows[6].Detail, "it begins with") {
		t.Errorf("details %q and %q", p.Rows[4].Detail, p.Rows[6].Detail)
	}
	if got := l.outcomes(id); !slices.Equal(got, []string{"ada jpegPhoto written", "ada thumbnailPhoto written", "bob jpegPhoto written", "bob thumbnailPhoto written"}) {
		t.Errorf("stored is %q", got)
	}
	if p, id := l.run(Request{}); id != "" || p.Count(Same) != 4 || d.swaps != 4 {
		t.Errorf("again: run %q, %q, %d swaps", id, told(p), d.swaps)
	}
	l.file("ada.jpg", picture(9))
	if p := l.plan(Request{SkipExisting: true}); p.Count(Write) != 0 || p.Count(HasPhoto) != 4 {
		t.Errorf("with SkipExisting: %q", told(p))
	}

	back := l.undo(id, false)
	if back.Count(Written) != 4 {
		t.Errorf("undo: %q", told(back))
	}
	if a, b, c := d.photo("ada", "thumbnailPhoto"), d.photo("ada", "jpegPhoto"), d.photo("bob", "jpegPhoto"); a != "old" || b != "" || c != "first|second" {
		t.Errorf("after the undo: %q, %q, %q", a, b, c)
	}
	if again := l.undo(id, false); again.Count(Same) != 4 {
		t.Errorf("undone again: %q", told(again))
	}
	runs, kept, err := l.Runs(t.Context())
	must(t, err)
	if len(runs) != 2 || !slices.ContainsFunc(runs, func(r photopush.ImportRun) bool { return r.Undoes == id }) || len(kept) != 2 {
		t.Errorf("runs %+v, kept %v", runs, kept)
	}
	for _, r := range runs { // the undo of the undo writes the photos again
		if r.Undoes != "" {
			l.undo(r.ID, false)
		}
	}
	if d.photo("bob", "jpegPhoto") == "first|second" {
		t.Error("the undo was not undone")
	}
}

// TestUndoLeaves what somebody else has written since, unless it is forced, and who is gone.
func TestUndoLeaves(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "cy", "di")
	l := newLab(t, d)
	for i, a := range d.people {
		a.values["thumbnailPhoto"] = values("old " + a.AccountName)
		l.file(a.AccountName+".jpg", picture(uint32(i+1)))
	}
	_, id := l.run(Request{})
	d.account("ada").values["thumbnailPhoto"] = values("hers")
	d.account("bob").gone = true
	d.account("di").readOnly = true
	p := l.undo(id, false)
	want := []string{"written: cy thumbnailPhoto", "changed: ada thumbnailPhoto", "denied: di thumbnailPhoto", "no user: bob thumbnailPhoto"}
	if diff := cmp.Diff(want, told(p)); diff != "" || d.photo("ada", "thumbnailPhoto") != "hers" {
		t.Errorf("-want +got\n%s", diff)
	}
	p = l.undo(id, true)
	want = []string{"written: ada thumbnailPhoto", "same: cy thumbnailPhoto", "denied: di thumbnailPhoto", "no user: bob thumbnailPhoto"}
	if diff := cmp.Diff(want, told(p)); diff != "" || d.photo("ada", "thumbnailPhoto") != "old ada" {
		t.Errorf("forced: -want +got\n%s", diff)
	}
	l.Domains = nil
	if _, err := l.PlanUndo(t.Context(), UndoRequest{Run: id}); err == nil || !strings.Contains(err.Error(), "domain corp.example, which is not configured") {
		t.Errorf("without the domain: %v", err)
	}
}

// TestChangedSincePreview: neither a photo nor a file that is another one than was shown is written or used.
func TestChangedSincePreview(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "cy")
	l := newLab(t, d)
	for i, a := range d.people {
		l.file(a.AccountName+".jpg", picture(uint32(i+1)))
	}
	p := l.plan(Request{})
	d.account("ada").values["thumbnailPhoto"] = values("hers")
	d.account("cy").gone = true
	l.file("bob.jpg", picture(99))
	for i := range p.Rows { // as beyond the photos that are kept
		options := l.Config.fitting("thumbnailPhoto", "")
		f := p.Rows[i].from
		p.Rows[i].values = func() ([][]byte, error) {
			fitted, _, err := fitFile(f, options)
			if err != nil {
				return nil, err
			}
			return [][]byte{fitted.JPEG}, nil
		}
	}
	_, err := l.Run(t.Context(), p)
	must(t, err)
	if d.swaps != 0 || p.Count(Refused) != 3 {
		t.Errorf("%d swaps, %q", d.swaps, told(p))
	}
	details := p.Rows[0].Detail + p.Rows[1].Detail + p.Rows[2].Detail
	for _, want := range []string{"it has changed since the preview", "the file bob.jpg is another one than in the preview", "the user is gone"} {
		if !strings.Contains(details, want) {
			t.Errorf("%q does not say %q", details, want)
		}
	}
}

// TestFaults: what becomes of a run when writes fail in each way.
func TestFaults(t *testing.T) {
	offline := fmt.Errorf("%w: all", photopush.ErrNoDirectory)
	for _, test := range []struct {
		what    string
		err     error
		done    bool
		status  Status // of the second of five
		stops   bool
		outcome photopush.ImportOutcome
	}{
		{"refused", &photopush.Error{Reason: photopush.Denied, Err: errors.New("no")}, false, Refused, false, photopush.ImportRefused},
		{"no controller", &photopush.Error{Reason: photopush.Offline, Err: offline}, false, Refused, true, photopush.ImportRefused},
		{"lost, not carried out", &photopush.Error{Reason: photopush.Unknown, Err: offline}, false, Unknown, true, photopush.ImportUnknown},
		{"lost, carried out", &photopush.Error{Reason: photopush.Unknown, Err: offline}, true, Unknown, true, photopush.ImportUnknown},
		{"rejected", &photopush.Error{Reason: photopush.Auth, Err: errors.New("wrong password")}, false, Refused, true, photopush.ImportRefused},
		{"no secret", &photopush.SecretError{What: "password", Err: errors.New("gone")}, false, Refused, true, photopush.ImportRefused},
	} {
		t.Run(test.what, func(t *testing.T) {
			d := newDomain("corp.example", "a", "b", "c", "d", "e")
			l := newLab(t, d)
			l.Config.Jobs = 1
			for i, a := range d.people {
				a.values["thumbnailPhoto"] = values("old " + a.AccountName)
				l.file(a.AccountName+".jpg", picture(uint32(i+1)))
			}
			d.fail = func(n int, _ photopush.PhotoSwap) (bool, error) {
				if n == 2 {
					return test.done, test.err
				}
				return false, nil
			}
			p := l.plan(Request{})
			id, err := l.Run(t.Context(), p)
			if (err != nil) != test.stops || test.stops && !errors.Is(err, test.err) {
				t.Errorf("the run ends with %v", err)
			}
			of := map[string]Status{}
			for _, r := range p.Rows {
				of[r.User.AccountName] = r.Status
			}
			rest := Written
			if test.stops {
				rest = NotTried
			}
			if diff := cmp.Diff(map[string]Status{"a": Written, "b": test.status, "c": rest, "d": rest, "e": rest}, of); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if got := l.outcomes(id); got[1] != "b thumbnailPhoto "+string(test.outcome) {
				t.Errorf("stored is %q", got)
			}
			d.fail = nil
			l.run(Request{})
			if again := l.plan(Request{}); again.Count(Same) != 5 {
				t.Errorf("begun again it leaves %q", told(again))
			}
			l.undoAll()
			for _, a := range d.people {
				if got := d.photo(a.AccountName, "thumbnailPhoto"); got != "old "+a.AccountName {
					t.Errorf("after all is undone %s has %.10q", a.AccountName, got)
				}
			}
		})
	}
}

// undoAll undoes every run, the newest first.
func (l *lab) undoAll() {
	l.t.Helper()
	runs, kept, err := l.Runs(l.t.Context())
	must(l.t, err)
	for _, r := range runs {
		if _, ok := kept[r.ID]; ok {
			l.undo(r.ID, false)
		}
	}
}

// TestInterrupted: what has begun is ended although the context is done, the rest is not tried.
func TestInterrupted(t *testing.T) {
	d := newDomain("corp.example", "a", "b", "c")
	l := newLab(t, d)
	l.Config.Jobs = 1
	for i, a := range d.people {
		l.file(a.AccountName+".jpg", picture(uint32(i+1)))
	}
	p := l.plan(Request{})
	ctx, cancel := context.WithCancel(t.Context())
	d.before = func(photopush.PhotoSwap) { cancel() }
	id, err := l.Run(ctx, p)
	if !errors.Is(err, context.Canceled) || p.Count(Written) == 0 || p.Count(Written)+p.Count(NotTried) != 3 || p.Count(NotTried) == 0 {
		t.Errorf("%v, %q", err, told(p))
	}
	if got := l.outcomes(id); len(got) != p.Count(Written) {
		t.Errorf("stored is %q", got)
	}
}

// TestNoRecordNoChange: where nothing can be recorded, nothing is changed.
func TestNoRecordNoChange(t *testing.T) {
	d := newDomain("corp.example", "a", "b")
	l := newLab(t, d)
	l.Config.Jobs = 1
	l.file("a.jpg", picture(1))
	l.file("b.jpg", picture(2))
	must(t, os.WriteFile(l.Folder, nil, 0o600)) // a file where the folder is to be
	if _, err := l.Run(t.Context(), l.plan(Request{})); err == nil || !strings.Contains(err.Error(), "record import in "+l.Folder) || d.swaps != 0 {
		t.Errorf("%v, %d swaps", err, d.swaps)
	}
	must(t, os.Remove(l.Folder))
	r, err := l.begin(t.Context(), l.plan(Request{}))
	must(t, err)
	must(t, r.journal.file.Close()) // as a disk that has gone
	p := l.plan(Request{})
	if err := r.all(t.Context(), p); !errors.Is(err, os.ErrClosed) || d.swaps != 0 || p.Count(Refused) != 1 || p.Count(NotTried) != 1 {
		t.Errorf("%v, %d swaps, %q", err, d.swaps, told(p))
	}
}

// TestJournal: it is for us alone, says everything, and half a record at its end is none. Any other damage is told.
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
	if len(p.changes) != 2 || p.run.By != "tester" || p.run.Source != l.folder {
		t.Fatalf("it tells of %+v", p)
	}
	for _, c := range p.changes {
		old, err := p.old(c)
		if want := map[string]string{"a": "\x00old\xff", "b": ""}[c.Account]; err != nil || string(bytes.Join(old, nil)) != want || c.outcome != photopush.ImportWritten {
			t.Errorf("of %s: %q, %v, %s", c.Account, old, err, c.outcome)
		}
	}
	lines := bytes.SplitAfter(whole, []byte("\n"))
	for n := range len(whole) { // cut anywhere: what is told is a beginning of the whole
		must(t, os.WriteFile(path, whole[:n], 0o600))
		got, err := readPast(l.Folder, id)
		if err != nil || len(got.changes) > 2 {
			t.Fatalf("cut after %d bytes: %+v, %v", n, got, err)
		}
	}
	for i := range lines[:len(lines)-1] {
		damaged := slices.Clone(lines)
		damaged[i] = bytes.Replace(damaged[i], []byte("thumbnail"), []byte("thumbnaiI"), 1)
		damaged[i] = bytes.Replace(damaged[i], []byte("written"), []byte("refused"), 1)
		damaged[i] = bytes.Replace(damaged[i], []byte("tester"), []byte("texter"), 1)
		must(t, os.WriteFile(path, bytes.Join(damaged, nil), 0o600))
		if _, err := readPast(l.Folder, id); err == nil || !strings.Contains(err.Error(), fmt.Sprintf("record %d: it is damaged", i+1)) {
			t.Errorf("line %d: %v", i+1, err)
		}
	}
	must(t, os.WriteFile(path, nil, 0o600))
	if p, err := readPast(l.Folder, id); err != nil || len(p.changes) != 0 {
		t.Errorf("killed at once: %+v, %v", p, err)
	}
	other := journalPath(l.Folder, "20260714-101502-000000")
	must(t, os.WriteFile(other, whole, 0o600))
	if _, err := readPast(l.Folder, "20260714-101502-000000"); err == nil || !strings.Contains(err.Error(), "is the file of run "+id) {
		t.Errorf("another run's file: %v", err)
	}
	for _, bad := range []string{"", "x", "../" + id, id + "/", "20260714-101502-zzzzzz"} {
		if _, err := l.PlanUndo(t.Context(), UndoRequest{Run: bad}); err == nil || !strings.Contains(err.Error(), "is no run") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

func FuzzJournal(f *testing.F) {
	for _, r := range []record{{Run: &runRecord{ID: "20260714-101502-000000"}}, {Change: &changeRecord{No: 1, Old: values("a")}}, {Outcome: &outcomeRecord{No: 1}}} {
		text, err := json.Marshal(r)
		must(f, err)
		f.Add([]byte(checksum(text) + " " + string(text) + "\n"))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		p := &past{}
		if p.take(line, 0) == nil && len(p.changes) == 1 && p.changes[0].No != 1 {
			t.Errorf("change %d came first", p.changes[0].No)
		}
	})
}

// TestKilled begins where a killed run left its file: it is told, and undone.
func TestKilled(t *testing.T) {
	d := newDomain("corp.example", "a", "b", "c")
	l := newLab(t, d)
	l.Config.Jobs = 1
	for i, a := range d.people {
		a.values["thumbnailPhoto"] = values("old " + a.AccountName)
		l.file(a.AccountName+".jpg", picture(uint32(i+1)))
	}
	p := l.plan(Request{})
	r, err := l.begin(t.Context(), p)
	must(t, err)
	d.before = func(s photopush.PhotoSwap) {
		if s.User.AccountName == "b" {
			r.halt(errors.New("killed"))
		}
	}
	if err := r.all(t.Context(), p); err == nil {
		t.Error("it was not stopped")
	}
	must(t, r.journal.close()) // and neither outcomes nor the end are stored
	d.before = nil
	runs, kept, err := l.Runs(t.Context())
	must(t, err)
	if len(runs) != 1 || runs[0].Ended.IsZero() || runs[0].Written != 2 || len(kept) != 1 {
		t.Errorf("told is %+v, %v", runs, kept)
	}
	l.undo(runs[0].ID, false)
	for _, a := range d.people {
		if got := d.photo(a.AccountName, "thumbnailPhoto"); got != "old "+a.AccountName {
			t.Errorf("%s has %.10q", a.AccountName, got)
		}
	}
}

// TestPrune: files are kept for as long as is configured.
func TestPrune(t *testing.T) {
	d := newDomain("corp.example", "a")
	l := newLab(t, d)
	l.file("a.jpg", picture(1))
	_, first := l.run(Request{})
	must(t, os.WriteFile(filepath.Join(l.Folder, "notes.journal"), nil, 0o600)) // somebody else's
	l.now = l.now.Add(l.Config.KeepUndo + time.Hour)
	l.file("a.jpg", picture(2))
	_, second := l.run(Request{})
	runs, kept, err := l.Runs(t.Context())
	must(t, err)
	if _, ok := kept[second]; len(runs) != 2 || len(kept) != 1 || !ok {
		t.Errorf("%d runs, kept are %v", len(runs), kept)
	}
	if _, err := l.PlanUndo(t.Context(), UndoRequest{Run: first}); err == nil || !strings.Contains(err.Error(), "what it replaced is not kept any more") {
		t.Errorf("got %v", err)
	}
	if _, err := os.Stat(filepath.Join(l.Folder, "notes.journal")); err != nil {
		t.Error(err)
	}
}

// TestOneAtATime: another import waits for this one to end.
func TestOneAtATime(t *testing.T) {
	d := newDomain("corp.example", "a")
	l := newLab(t, d)
	l.file("a.jpg", picture(1))
	release, err := l.Store.LockImports()
	must(t, err)
	if _, err := l.Run(t.Context(), l.plan(Request{})); photopush.ReasonOf(err) != photopush.Conflict || d.swaps != 0 {
		t.Errorf("%v, %d swaps", err, d.swaps)
	}
	if _, _, err := l.Runs(t.Context()); err != nil {
		t.Errorf("looking at the runs: %v", err)
	}
	must(t, release())
}
