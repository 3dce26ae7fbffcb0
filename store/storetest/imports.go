package storetest

import (
	"errors"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// imports: a run and what became of its changes, with the last word about each.
func imports(s *suite) {
	first := photopush.ImportRun{ID: "20260105-080000-aa", Source: "/srv/photos", By: "admin", Started: s.now()}
	s.ok(s.BeginImport(s.ctx, first))
	change := func(no int, outcome photopush.ImportOutcome) photopush.ImportChange {
		return photopush.ImportChange{Run: first.ID, No: no, Domain: domain, GUID: id(no), SID: sid(no), Account: "u", DN: "CN=u", Attribute: "thumbnailPhoto",
			Before: "b", After: "a", Outcome: outcome, Detail: "why", At: s.now()}
	}
	want := []photopush.ImportChange{change(1, photopush.ImportWritten), change(2, photopush.ImportRefused), change(3, photopush.ImportUnknown)}
	s.ok(s.PutImportChanges(s.ctx, []photopush.ImportChange{change(3, photopush.ImportWritten), change(1, photopush.ImportWritten)}))
	s.ok(s.PutImportChanges(s.ctx, want[1:]))
	got, err := s.ImportChanges(s.ctx, first.ID)
	s.ok(err)
	s.same("changes", got, want)
	if err := s.PutImportChanges(s.ctx, []photopush.ImportChange{{Run: "none", No: 1}}); err == nil {
		s.Error("a change of a run that there is not was stored")
	}
	if err := s.BeginImport(s.ctx, first); err == nil {
		s.Error("a run was begun twice")
	}

	s.wait(time.Minute)
	second := photopush.ImportRun{ID: "20260105-080100-bb", Undoes: first.ID, By: "admin", Started: s.now()}
	s.ok(s.BeginImport(s.ctx, second))
	s.unended(second.ID, first.ID)
	s.ok(s.EndImport(s.ctx, first.ID))
	if err := s.EndImport(s.ctx, first.ID); err == nil {
		s.Error("a run ended twice")
	}
	s.unended(second.ID)
	first.Ended, first.Written, first.Refused, first.Unknown = s.now(), 1, 1, 1
	runs, err := s.another().Imports(s.ctx)
	s.ok(err)
	s.same("runs", runs, []photopush.ImportRun{second, first})
	s.ok(s.EndImport(s.ctx, second.ID))
	s.unended()
}

// unended: another process knows the runs without an end, and no others.
func (s *suite) unended(want ...string) {
	s.Helper()
	got, err := s.another().UnendedImports(s.ctx)
	s.ok(err)
	s.same("runs without an end", got, want)
}

// importsOneAtATime: another process must wait.
func importsOneAtATime(s *suite) {
	release, err := s.LockImports()
	s.ok(err)
	other := s.another()
	if _, err := other.LockImports(); !errors.Is(err, store.ErrImporting) || photopush.ReasonOf(err) != photopush.Conflict {
		s.Errorf("a second one: %v", err)
	}
	s.ok(release())
	release, err = other.LockImports()
	s.ok(err)
	s.ok(release())
}
