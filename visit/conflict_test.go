package visit_test

import (
	"bytes"
	"context"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

// known brings the workstation into step, and returns what is stored then.
func known(s *scene) *photopush.Inventory {
	s.Helper()
	o := s.visit(s.Context(), nil)
	says(s.T, o, "", "")
	return o.Inventory
}

func TestConflictLooksAgainOnce(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*scene){
		"another picture": func(s *scene) { s.meddle(ada); s.meddle(bob) },
		"reinstalled": func(s *scene) {
			s.machine.Reinstall(time.Now().Add(-time.Hour).Truncate(time.Second), "0d9f4a52-90be-4f0e-8a44-000000000002")
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, ada, bob)
			inv := known(s)
			change(s)
			for i, sid := range []photopush.SID{ada, bob} {
				s.photo(sid, uint32(2001+i))
				s.want(sid)
			}
			o := s.visit(t.Context(), inv)
			says(t, o, "", "")
			s.inStep(o, ada, bob)
			if s.runs != 3 || s.looks != 1 || o.Unread || !slices.Contains(o.Pushed, bob) {
				t.Errorf("%d runs, %d looks, unread %v, pushed %v", s.runs, s.looks, o.Unread, o.Pushed)
			}
		})
	}
}

// TestEndlessConflict: something fights for one user's picture. The others get theirs all the same.
func TestEndlessConflict(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob, cleo)
	s.before = func(_ int, changes bool) error {
		if changes {
			s.meddle(ada)
		}
		return nil
	}
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Conflict, "state")
	s.inStep(o, bob, cleo)
	if p := pairOf(t, o, ada); p.InStep() || p.Reason != photopush.Conflict {
		t.Errorf("%+v", p)
	}
	if !o.Unread || s.looks != 2 || !slices.Equal(o.Pushed, []photopush.SID{bob, cleo}) {
		t.Errorf("unread %v, %d looks, pushed %v", o.Unread, s.looks, o.Pushed)
	}
}

// TestConflictThenNoLook: what is stored is known to be wrong, and nothing else is known.
func TestConflictThenNoLook(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada)
	inv := known(s)
	s.meddle(ada)
	s.photo(ada, 2001)
	s.want(ada)
	s.before = func(run int, _ bool) error {
		if run == 2 {
			return failure(photopush.Offline, "switched off")
		}
		return nil
	}
	o := s.visit(t.Context(), inv)
	says(t, o, photopush.Offline, "switched off")
	if !o.Unread || o.Inventory != nil {
		t.Errorf("unread %v, inventory %v", o.Unread, o.Inventory)
	}
}

func TestLockHeld(t *testing.T) {
	t.Parallel()
	const path = `C:\Program Files\photopush\State\lock`
	for name, test := range map[string]struct {
		freed  int // the run before which the lock is given free; 0 for never
		reason photopush.Reason
	}{
		"freed while it waits": {2, ""},
		"held for long":        {0, photopush.Conflict},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, ada)
				inv := known(s)
				s.photo(ada, 2001)
				s.want(ada)
				release := s.machine.Hold(path, true)
				s.before = func(run int, _ bool) error {
					if run == test.freed {
						release()
					}
					return nil
				}
				began := time.Now()
				o := s.visit(t.Context(), inv)
				if o.Reason != test.reason {
					t.Errorf("%q, %v", o.Reason, o.Err)
				}
				if waited := time.Since(began); waited < 3*time.Second || waited > 5*time.Second {
					t.Errorf("waited %s", waited)
				}
				if o.Unread != (test.reason != "") {
					t.Errorf("unread %v", o.Unread)
				}
				if test.reason == "" {
					s.inStep(o, ada)
				} else {
					release()
				}
			})
		})
	}
}

// TestDeniedForOne: a user whose key refuses us does not hold up the others, and looks right to nobody.
func TestDeniedForOne(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob, cleo)
	s.deny(bob)
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Denied, "open-key")
	s.inStep(o, ada, cleo)
	if p := pairOf(t, o, bob); p.Have != photopush.HavePart || p.Reason != photopush.Denied {
		t.Errorf("%+v", p)
	}
	if !o.Unread {
		t.Error("a failed run counts as read back")
	}
}

// TestValuesHalfSet: the next visit, made early for another user's sake, begins by looking and mends.
func TestValuesHalfSet(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.machine.SetFault(simwin.EffectFault{Effect: simwin.SetPictureValue, Nth: 5, HResult: 0x8007001F})
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Script, "Set-PictureValue, HRESULT 0x8007001F")
	s.inStep(o, bob)
	if p := pairOf(t, o, ada); p.Have != photopush.HaveUnknown || p.Reason != photopush.Script {
		t.Errorf("%+v", p)
	}
	if !o.Unread {
		t.Fatal("values that were half set count as read back")
	}
	o = s.visit(t.Context(), nil)
	says(t, o, "", "")
	s.inStep(o, ada, bob)
}

// TestUnreadableForOne: nothing is believed of a user whose values cannot be read, and nothing of his is touched.
func TestUnreadableForOne(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.machine.CreateKey(usersKey(ada))
	if err := s.machine.SecureKey(usersKey(ada), "O:SYG:SYD:P(A;;KA;;;SY)"); err != nil {
		t.Fatal(err)
	}
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Denied, "values could not be read")
	s.inStep(o, bob)
	if s.asked != 1 || len(s.kept) != 1 || o.Unread {
		t.Errorf("%d sets fetched, %d originals, unread %v", s.asked, len(s.kept), o.Unread)
	}
}

func TestAnswerLost(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada)
	inv := known(s)
	s.photo(ada, 2001)
	s.want(ada)
	s.lose[1] = failure(photopush.Unknown, "connection reset")
	o := s.visit(t.Context(), inv)
	says(t, o, photopush.Unknown, "connection reset")
	if !o.Unread || o.Inventory != nil || len(o.Pushed) != 0 {
		t.Errorf("unread %v, inventory %v, pushed %v", o.Unread, o.Inventory, o.Pushed)
	}
	if p := pairOf(t, o, ada); p.InStep() || p.Reason != photopush.Unknown {
		t.Errorf("%+v", p)
	}
	delete(s.lose, 1)
	if n := s.writes(func() { o = s.visit(t.Context(), nil) }); n != 0 {
		t.Errorf("%d writes of what was there already", n)
	}
	says(t, o, "", "")
	s.inStep(o, ada)
}

// TestAnswerCutOff: a run that changed something and did not say what.
func TestAnswerCutOff(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada)
	s.after = func(run int, out []byte) []byte {
		if run == 2 {
			return out[:len(out)/2]
		}
		return out
	}
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Script, "no complete answer")
	if !o.Unread || len(o.Pushed) != 0 || pairOf(t, o, ada).InStep() {
		t.Errorf("%+v", o)
	}
}

// TestDoneAndNotShown: a workstation that says yes, and reads back something else, is no success.
func TestDoneAndNotShown(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.after = func(run int, out []byte) []byte { // ada's Image32 names a file of somewhere else
		return bytes.Replace(out, []byte(`{"name":"Image32","kind":"sz","data":"C:`), []byte(`{"name":"Image32","kind":"sz","data":"D:`), 1)
	}
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Conflict, "the workstation did what was asked, and yet does not show it")
	if p := pairOf(t, o, ada); p.InStep() || p.Reason != photopush.Conflict || p.Have != photopush.HaveOverwritten {
		t.Errorf("%+v", p)
	}
	if s.looks != 2 || !o.Unread || !slices.Equal(o.Pushed, []photopush.SID{bob}) {
		t.Errorf("%d looks, unread %v, pushed %v", s.looks, o.Unread, o.Pushed)
	}
	s.inStep(o, bob)
}

// TestConflictGoesBeforeOtherFailures: one user's lasting trouble does not keep another's picture from being looked at again.
func TestConflictGoesBeforeOtherFailures(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.deny(ada)
	s.after = func(run int, out []byte) []byte {
		if run == 3 { // the look, ada's, and now bob's
			return bytes.Replace(out, []byte(`{"name":"Image32","kind":"sz","data":"C:`), []byte(`{"name":"Image32","kind":"sz","data":"D:`), 1)
		}
		return out
	}
	o := s.visit(t.Context(), nil)
	says(t, o, photopush.Denied, "open-key")
	s.inStep(o, bob)
	if s.looks != 2 || pairOf(t, o, ada).Reason != photopush.Denied {
		t.Errorf("%d looks, %+v", s.looks, pairOf(t, o, ada))
	}
}

// TestPushedTwiceCountsOnce: what was pushed was replaced at once, and is pushed again when the visit looks again for another's sake.
func TestPushedTwiceCountsOnce(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.before = func(run int, _ bool) error {
		callAt(run, 2, func() { s.meddle(bob) })
		callAt(run, 3, func() { s.meddle(ada) })
		return nil
	}
	o := s.visit(t.Context(), nil)
	says(t, o, "", "")
	s.inStep(o, ada, bob)
	if !slices.Equal(o.Pushed, []photopush.SID{ada, bob}) || s.runs != 4 {
		t.Errorf("pushed %v in %d runs", o.Pushed, s.runs)
	}
}

func TestInterrupted(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		at      func(s *scene, cancel func())
		reason  photopush.Reason
		unread  bool
		learnt  bool
		expires bool // the deadline passes, nobody interrupts
	}{
		"while it looks":                {func(s *scene, c func()) { s.before = func(int, bool) error { c(); return nil } }, photopush.Unknown, false, false, false},
		"while it writes":               {func(s *scene, c func()) { s.before = func(n int, _ bool) error { callAt(n, 2, c); return nil } }, photopush.Unknown, true, true, false},
		"while it waits":                {func(s *scene, c func()) { s.machine.SetFault(holdFirst(c)) }, photopush.Unknown, true, true, false},
		"deadline while it writes":      {func(s *scene, c func()) { s.machine.SetFault(holdFirst(nil)) }, photopush.Timeout, true, true, true},
		"while a picture is being made": {func(s *scene, c func()) { s.after = func(_ int, b []byte) []byte { c(); return b } }, photopush.Unknown, false, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, ada, bob)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				test.at(s, cancel)
				began := time.Now()
				o := s.visit(ctx, nil)
				if limit := map[bool]time.Duration{true: time.Minute}[test.expires]; time.Since(began) != limit {
					t.Errorf("returned after %s, want %s", time.Since(began), limit)
				}
				if o.Reason != test.reason || o.Unread != test.unread || (o.Inventory != nil) != test.learnt || !o.Contacted {
					t.Errorf("%q, unread %v, inventory %v, contacted %v: %v", o.Reason, o.Unread, o.Inventory != nil, o.Contacted, o.Err)
				}
				if s.asked > 2 || !test.unread && s.asked > 1 {
					t.Errorf("%d picture sets were asked for", s.asked)
				}
				for _, p := range o.Pairs {
					if p.InStep() || p.Reason != test.reason {
						t.Errorf("%+v", p)
					}
				}
			})
		})
	}
}

func callAt(n, at int, f func()) {
	if n == at {
		f()
	}
}

// holdFirst lets the script stand still at its first effect, until the context of its run ends.
func holdFirst(reached func()) simwin.EffectFault {
	f := simwin.EffectFault{Kind: simwin.Hold, Release: make(chan struct{})}
	if reached != nil {
		f.Reached = make(chan struct{})
		go func() {
			<-f.Reached
			reached()
		}()
	}
	return f
}

// TestLockWaitIsInterrupted: who interrupts does not wait for the lock.
func TestLockWaitIsInterrupted(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, ada)
		known(s)
		defer s.machine.Hold(`C:\Program Files\photopush\State\lock`, true)()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		began := time.Now()
		o := s.visit(ctx, nil)
		if took := time.Since(began); took != 2*time.Second || o.Reason != photopush.Timeout {
			t.Errorf("ended after %s with %q, %v", took, o.Reason, o.Err)
		}
	})
}

func TestCloseFails(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada)
	s.closing = failure(photopush.Offline, "gone")
	o := s.visit(t.Context(), nil)
	says(t, o, "", "")
	s.inStep(o, ada)
}
