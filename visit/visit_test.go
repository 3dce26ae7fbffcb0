package visit_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

func TestFirstContact(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.meddle(bob)
	o := s.visit(t.Context(), nil)
	says(t, o, "", "")
	s.inStep(o, ada, bob)
	if !o.Contacted || o.Unread || o.Inventory == nil || s.looks != 1 || s.runs != 2 {
		t.Errorf("contacted %v, unread %v, inventory %v, %d runs, %d looks", o.Contacted, o.Unread, o.Inventory != nil, s.runs, s.looks)
	}
	if !slices.Equal(o.Pushed, []photopush.SID{ada, bob}) {
		t.Errorf("pushed %v", o.Pushed)
	}
	if len(s.kept) != 2 || s.kept[0].Original == nil || len(s.kept[0].Original) != 0 || len(s.kept[1].Original) != len(simwin.PictureSizes) || s.writesWhenKept != 0 {
		t.Errorf("after %d writes, the originals %+v were kept", s.writesWhenKept, s.kept)
	}
	if diff := cmp.Diff(s.kept[1].Original, pairOf(t, o, bob).Original); diff != "" {
		t.Errorf("the outcome has other originals:\n%s", diff)
	}
}

func TestKnownWorkstation(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	inv := s.visit(t.Context(), nil).Inventory
	for _, test := range []struct {
		name   string
		change func()
		inv    bool // the inventory is given
		runs   int
		pushed []photopush.SID
		learnt bool
	}{
		{name: "in step, planned from what is stored", inv: true},
		{name: "in step, looked at anew", runs: 1, learnt: true},
		{name: "a new photo", change: func() { s.photo(ada, 2001); s.want(ada) }, inv: true, runs: 1, pushed: []photopush.SID{ada}, learnt: true},
		{name: "a value tampered with", change: func() { s.machine.SetValue(usersKey(bob), "Image96", simwin.StringValue(`\\evil\x.jpg`)) }, runs: 2, pushed: []photopush.SID{bob}, learnt: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			s.T = t
			if test.change != nil {
				test.change()
			}
			var known *photopush.Inventory
			if test.inv {
				known = inv
			}
			var o photopush.Outcome
			n := s.writes(func() { o = s.visit(t.Context(), known) })
			says(t, o, "", "")
			s.inStep(o, ada, bob)
			if s.runs != test.runs || !slices.Equal(o.Pushed, test.pushed) || (n > 0) != (len(test.pushed) > 0) {
				t.Errorf("%d runs, %d writes, pushed %v, want %d runs, pushed %v", s.runs, n, o.Pushed, test.runs, test.pushed)
			}
			if (o.Inventory != nil) != test.learnt || o.Unread {
				t.Errorf("inventory %v, unread %v", o.Inventory != nil, o.Unread)
			}
			if len(s.kept) != 0 {
				t.Errorf("originals were kept again: %+v", s.kept)
			}
			if o.Inventory != nil {
				inv = o.Inventory
			}
		})
	}
}

// TestPhotoChangedSinceThePass: what is wanted follows what was pushed.
func TestPhotoChangedSinceThePass(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada)
	s.photo(ada, 2001)
	o := s.visit(t.Context(), nil)
	s.inStep(o, ada)
	if p := pairOf(t, o, ada); p.Want != photopush.Want(s.sets[ada].Digest) || p.Want == s.wants[ada] {
		t.Errorf("wants %s, with the set %s", p.Want, s.sets[ada].Digest)
	}
	// back to the photo that is there already
	s.wants[ada] = "00000000000000000000000000000000"
	if n := s.writes(func() { o = s.visit(t.Context(), nil) }); n != 0 {
		t.Errorf("%d writes", n)
	}
	says(t, o, "", "")
	s.inStep(o, ada)
}

func TestNoPicture(t *testing.T) {
	t.Parallel()
	gone := &photopush.Error{Reason: photopush.Offline, Op: "read directory", On: "corp.example", Err: photopush.ErrNoDirectory}
	for _, test := range []struct {
		err          error
		want         photopush.Want // empty: as before
		pair, reason photopush.Reason
		detail       string
	}{
		{failure(photopush.NoPhoto, "none"), photopush.Leave, photopush.NoPhoto, "", "open shell on ws1.corp.example: none"},
		{failure(photopush.BadPhoto, "cut off"), photopush.Leave, photopush.BadPhoto, "", "open shell on ws1.corp.example: cut off"},
		{failure(photopush.OutOfScope, "gone"), photopush.Leave, photopush.OutOfScope, "", "open shell on ws1.corp.example: gone"},
		{gone, "", photopush.KDC, photopush.KDC, "get the picture of " + string(ada) + ": read directory corp.example: offline: no domain controller answers"},
		{failure(photopush.Timeout, "slow"), "", photopush.KDC, photopush.KDC, "get the picture of " + string(ada) + ": open shell on ws1.corp.example: timeout: slow"},
		{failure(photopush.Auth, "expired"), "", photopush.Auth, photopush.Auth, "get the picture of " + string(ada) + ": open shell on ws1.corp.example: auth: expired"},
		{errors.New("odd"), "", photopush.Internal, photopush.Internal, "get the picture of " + string(ada) + ": odd"},
	} {
		t.Run(fmt.Sprint(photopush.ReasonOf(test.err)), func(t *testing.T) {
			s := newScene(t, ada, bob)
			s.noSet[ada] = test.err
			want := test.want
			if want == "" {
				want = s.wants[ada]
			}
			o := s.visit(t.Context(), nil)
			if o.Reason != test.reason || !o.Contacted || o.Unread || o.Inventory == nil {
				t.Errorf("%+v", o)
			}
			if p := pairOf(t, o, ada); p.Want != want || p.Reason != test.pair || p.Detail != test.detail || p.Have != "" {
				t.Errorf("%+v, want %s %s %s", p, want, test.pair, test.detail)
			}
			s.inStep(o, bob)
			if !slices.Equal(o.Pushed, []photopush.SID{bob}) || len(s.kept) != 1 || s.kept[0].User != bob {
				t.Errorf("pushed %v, kept %+v", o.Pushed, s.kept)
			}
		})
	}
}

// TestOurOwnPictureIsNoOriginal: the database was lost, and a value of ours damaged.
func TestOurOwnPictureIsNoOriginal(t *testing.T) {
	t.Parallel()
	s := newScene(t, ada, bob)
	s.visit(t.Context(), nil)
	s.machine.SetValue(usersKey(ada), "Image96", simwin.StringValue(`C:\somewhere\else.jpg`))
	s.meddle(bob) // all values: that is what he has chosen
	o := s.visit(t.Context(), nil)
	s.inStep(o, ada, bob)
	if len(s.kept) != 1 || s.kept[0].User != bob || len(s.kept[0].Original) != len(simwin.PictureSizes) {
		t.Errorf("kept %+v", s.kept)
	}
	if p := pairOf(t, o, ada); p.Original != nil {
		t.Errorf("the outcome keeps %v", p.Original)
	}
}

// TestNothingIsWritten lists what ends a visit before its first write.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		set    func(*scene)
		reason photopush.Reason
		text   string
		runs   int
		kept   int
	}{
		"no address":          {func(s *scene) { s.w.Host = "" }, photopush.DNS, "connect to WS1: dns: the computer object has no dNSHostName", 0, 0},
		"an old Windows":      {func(s *scene) { s.machine = simwin.NewMachine(simwin.MachineOptions{Build: 10586}); addProfile(s) }, photopush.Unsupported, "its build is 10586", 1, 0},
		"an old .NET":         {func(s *scene) { s.machine = simwin.NewMachine(simwin.MachineOptions{Net: 378389}); addProfile(s) }, photopush.Unsupported, "378389", 1, 0},
		"policy":              {func(s *scene) { s.machine.SetDefaultTile(true) }, photopush.BlockedPolicy, "UseDefaultTile is set", 1, 0},
		"constrained":         {func(s *scene) { s.machine.SetConstrained(true) }, photopush.ConstrainedLanguage, "constrained language mode", 1, 0},
		"disk full":           {func(s *scene) { s.machine.SetFree(1 << 20) }, photopush.DiskFull, "1 MiB are free", 1, 1},
		"no pairs to be had":  {func(s *scene) { s.pairs = failure(photopush.Internal, "database") }, photopush.Internal, "database", 1, 0},
		"original not stored": {func(s *scene) { s.keep = failure(photopush.Internal, "database") }, photopush.Internal, "database", 1, 1},
		"no answer": {func(s *scene) { s.after = func(int, []byte) []byte { return []byte("Access is denied.\r\n") } }, photopush.Script,
			"no complete answer on standard output (exit code 0)", 1, 0},
		"the picture is for nobody": {func(s *scene) { s.sets[ada].Variants = nil }, photopush.Internal, "there is no picture", 1, 1},
	} {
		t.Run(name, func(t *testing.T) {
			s := newScene(t, ada)
			test.set(s)
			var o photopush.Outcome
			if n := s.writes(func() { o = s.visit(t.Context(), nil) }); n != 0 {
				t.Errorf("%d writes", n)
			}
			says(t, o, test.reason, test.text)
			if s.runs != test.runs || len(s.kept) != test.kept || len(o.Pushed) != 0 || o.Unread {
				t.Errorf("%d runs, kept %d, pushed %v, unread %v", s.runs, len(s.kept), o.Pushed, o.Unread)
			}
			for _, p := range o.Pairs {
				if p.InStep() || p.Reason != test.reason || p.Have != "" {
					t.Errorf("%+v", p)
				}
			}
		})
	}
}

func addProfile(s *scene) {
	s.machine.AddProfile(simwin.UserProfile{SID: ada, Name: "ada"})
}

// TestOpenFails tells who counts as having answered.
func TestOpenFails(t *testing.T) {
	t.Parallel()
	stop := &photopush.Error{Reason: photopush.Auth, Err: &photopush.CredentialStop{Detail: "rejected before"}}
	for _, test := range []struct {
		err       error
		reason    photopush.Reason
		contacted bool
	}{
		{failure(photopush.Offline, "no answer"), photopush.Offline, false},
		{failure(photopush.DNS, "no such host"), photopush.DNS, false},
		{failure(photopush.KDC, "no answer"), photopush.KDC, false},
		{failure(photopush.Timeout, "too slow"), photopush.Timeout, false},
		{failure(photopush.Internal, "no ports left"), photopush.Internal, false},
		{failure(photopush.Auth, "401"), photopush.Auth, true},
		{failure(photopush.TLS, "unknown authority"), photopush.TLS, true},
		{failure(photopush.Denied, "fault 5"), photopush.Denied, true},
		{failure(photopush.Quota, "too many shells"), photopush.Quota, true},
		{stop, photopush.Auth, false},
		{fmt.Errorf("permit: %w", context.Canceled), photopush.Unknown, false},
		{fmt.Errorf("permit: %w", context.DeadlineExceeded), photopush.Timeout, false},
	} {
		t.Run(test.err.Error(), func(t *testing.T) {
			s := newScene(t, ada)
			s.open = test.err
			o := s.visit(t.Context(), &photopush.Inventory{})
			if o.Reason != test.reason || !errors.Is(o.Err, test.err) || o.Contacted != test.contacted {
				t.Errorf("%q, %v, contacted %v", o.Reason, o.Err, o.Contacted)
			}
			if o.Inventory != nil || o.Unread || len(o.Pairs) != 0 {
				t.Errorf("nothing was learnt, and yet: %+v", o)
			}
		})
	}
}
