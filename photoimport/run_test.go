package photoimport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

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
	want := []string{"written: cy thumbnailPhoto", "changed: ada thumbnailPhoto", "denied: di thumbnailPhoto", "gone: bob thumbnailPhoto"}
	if diff := cmp.Diff(want, told(p)); diff != "" || d.photo("ada", "thumbnailPhoto") != "hers" {
		t.Errorf("-want +got\n%s", diff)
	}
	p = l.undo(id, true)
	want = []string{"written: ada thumbnailPhoto", "same: cy thumbnailPhoto", "denied: di thumbnailPhoto", "gone: bob thumbnailPhoto"}
	if diff := cmp.Diff(want, told(p)); diff != "" || d.photo("ada", "thumbnailPhoto") != "old ada" {
		t.Errorf("forced: -want +got\n%s", diff)
	}
	if !p.NeedsPerson() || p.Rows[3].Detail != "the user is gone, or out of scope by now" {
		t.Errorf("who is gone is told as %+v", p.Rows[3])
	}
}

// TestUndoOfDomains undoes in some domains: those that were not asked for are told, and one that is not configured any more needs a person, and keeps the others from nothing.
func TestUndoOfDomains(t *testing.T) {
	domains := []*domain{newDomain("a.example", "ada"), newDomain("b.example", "bob"), newDomain("c.example", "cy")}
	l := newLab(t, domains...)
	for i, name := range []string{"ada", "bob", "cy"} {
		l.file(name+".jpg", picture(uint32(i+1)))
	}
	_, id := l.run(Request{})
	all := l.Domains
	l.Domains = all[:1]
	p, err := l.PlanUndo(t.Context(), UndoRequest{Run: id, LeftOut: []string{"b.example"}})
	must(t, err)
	defer p.Close()
	if diff := cmp.Diff([]string{"write: ada thumbnailPhoto", "lost: cy thumbnailPhoto", "elsewhere: bob thumbnailPhoto"}, told(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if a, b := p.Rows[1].Detail, p.Rows[2].Detail; a != "domain c.example is not configured: add it to domains[], and undo the run again" || b != "domain b.example" {
		t.Errorf("told is %q and %q", a, b)
	}
	if _, err := l.Run(t.Context(), p); err != nil || domains[0].photo("ada", "thumbnailPhoto") != "" || domains[1].photo("bob", "thumbnailPhoto") == "" {
		t.Errorf("%v, %q", err, told(p))
	}
	if !p.NeedsPerson() {
		t.Error("nobody has to look at the domain that is not configured")
	}
	l.Domains = all[:2]
	if p, err := l.PlanUndo(t.Context(), UndoRequest{Run: id, LeftOut: []string{"c.example"}}); err != nil || p.NeedsPerson() {
		t.Errorf("domains that were not asked for need a person: %v", err)
	} else {
		must(t, p.Close())
	}
}

// TestUndoElsewhere: where another controller is read than was written to, and the photos are not there, the preview says so.
func TestUndoElsewhere(t *testing.T) {
	d := newDomain("corp.example", "ada")
	d.controller = "ldaps://dc1"
	l := newLab(t, d)
	l.file("ada.jpg", picture(1))
	_, id := l.run(Request{})
	imported := d.account("ada").values["thumbnailPhoto"]
	d.controller = "ldaps://dc2"
	if p := l.planUndo(UndoRequest{Run: id}); len(p.Notes) != 0 || p.Count(Write) != 1 {
		t.Errorf("replicated: %q, %q", told(p), p.Notes)
	}
	d.account("ada").values["thumbnailPhoto"] = nil // as before
	want := []string{"The run wrote at ldaps://dc1, and ldaps://dc2 was read now, where it may not have arrived yet: " +
		"if it ended not long ago, undo it again when the controllers have replicated."}
	p := l.planUndo(UndoRequest{Run: id})
	if diff := cmp.Diff(want, p.Notes); diff != "" || p.Count(Same) != 1 {
		t.Errorf("not replicated: %q, -want +got\n%s", told(p), diff)
	}
	var text, asJSON bytes.Buffer
	must(t, p.Text(&text, false))
	must(t, p.JSON(&asJSON, ""))
	if !strings.HasPrefix(text.String(), want[0]+"\n") || !strings.Contains(asJSON.String(), "may not have arrived") {
		t.Errorf("told is\n%s%s", &text, &asJSON)
	}
	d.controller = "ldaps://dc1"
	if p := l.planUndo(UndoRequest{Run: id}); len(p.Notes) != 0 {
		t.Errorf("at the same controller: %q", p.Notes)
	}
	d.account("ada").values["thumbnailPhoto"] = imported
}

// TestGoneBeforePreview: who is in scope when people are read, and not any more when photos are, is told.
func TestGoneBeforePreview(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob")
	l := newLab(t, d)
	l.Config.Attributes = []string{"thumbnailPhoto", "jpegPhoto"}
	l.file("ada.jpg", picture(1))
	l.file("bob.jpg", picture(2))
	d.account("bob").gone = true
	p := l.plan(Request{})
	want := []string{"write: ada ada.jpg thumbnailPhoto", "write: ada ada.jpg jpegPhoto", "gone: bob bob.jpg"}
	if diff := cmp.Diff(want, told(p)); diff != "" || !p.NeedsPerson() {
		t.Errorf("-want +got\n%s", diff)
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
		{"lost, then rejected", &photopush.Error{Reason: photopush.Unknown, Err: fmt.Errorf("lost: %w", &photopush.Error{Reason: photopush.Auth})}, true, Unknown, true, photopush.ImportUnknown},
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
