package jobs

import (
	"context"
	"errors"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/visit"
)

func TestPassAndPassAgain(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(9)
		shared := d.workstation(d.users[:3]...)
		c.vouch(0)
		c.run = func(context.Context, photopush.Workstation, int) error { time.Sleep(time.Second); return nil }
		tally := c.mustPass()
		if tally.Pushed != 12 || tally.Visited != 10 || c.inStep() != 12 || len(tally.Unfinished) != 0 || tally.NeedsPerson() {
			t.Errorf("%+v, %d in step", tally, c.inStep())
		}
		if c.most != c.Config.Visits {
			t.Errorf("%d visits at once, want %d", c.most, c.Config.Visits)
		}
		if tally = c.mustPass(); tally.Visited != 0 || c.visits() != 0 {
			t.Errorf("%d visits in a pass in which nothing had changed", c.visits())
		}
		before := c.writes()
		tally, err := c.pass(true)
		c.ok(err)
		if tally.Visited != 10 || tally.InStep != 12 || tally.Pushed != 0 || c.writes() != before {
			t.Errorf("%+v, %d writes", tally, c.writes()-before)
		}
		d.users[1].photo(5001)
		if tally = c.mustPass(); tally.Pushed != 2 || tally.Visited != 2 || tally.InStep != 2 || c.opened[shared.ID] != 1 || c.inStep() != 12 {
			t.Errorf("%+v, visited %v", tally, c.opened)
		}
	})
}

// TestPeopleWithoutPicture: why nothing is pushed is kept, and reported.
func TestPeopleWithoutPicture(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp)
		for range 5 {
			d.person()
		}
		w := d.workstation(d.users...)
		d.users[0].photos = nil
		d.users[1].photos[0].Bytes = []byte(broken)
		d.users[2].Enabled = false
		gone := d.users[3]
		d.users = append(d.users[:3], d.users[4])
		tally := c.mustPass()
		if diff := cmp.Diff(map[photopush.Reason]int{photopush.NoPhoto: 1, photopush.BadPhoto: 1, photopush.OutOfScope: 1}, tally.Skipped); diff != "" || tally.Pushed != 1 {
			t.Errorf("pushed %d, skipped:\n%s", tally.Pushed, diff)
		}
		for i, want := range []photopush.Pair{
			{Want: photopush.Leave, Reason: photopush.NoPhoto, Detail: "there is none"},
			{Want: photopush.Leave, Reason: photopush.BadPhoto, Detail: "cut off"},
			{Want: photopush.Leave, Reason: photopush.OutOfScope, Detail: "the user's account is disabled"},
		} {
			if p := c.stored(w, d.users[i].SID); p.Want != want.Want || p.Reason != want.Reason || p.Detail != want.Detail {
				t.Errorf("%+v, want %+v", p, want)
			}
		}
		if p := c.stored(w, gone.SID); p.Want != "" {
			t.Errorf("somebody whom the directory does not know has %+v", p)
		}
		had := d.users[3]
		d.users = d.users[:3] // he leaves
		before := c.writes()
		if tally = c.mustPass(); tally.Visited != 0 || c.writes() != before {
			t.Errorf("%d visits", tally.Visited)
		}
		if p := c.stored(w, had.SID); p.Want != photopush.Leave || p.Reason != photopush.OutOfScope || p.Have == "" {
			t.Errorf("%+v", p)
		}
		d.users = append(d.users, had) // and comes back
		if tally = c.mustPass(); tally.Visited != 0 || c.inStep() != 1 {
			t.Errorf("%d visits, %d in step", tally.Visited, c.inStep())
		}
	})
}

// TestPhotoGoneDuringThePass: what the visit finds replaces what the pass decided.
func TestPhotoGoneDuringThePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		c.run = func(context.Context, photopush.Workstation, int) error { d.users[0].photos = nil; return nil }
		tally := c.mustPass()
		if tally.Skipped[photopush.NoPhoto] != 1 || len(tally.Failed) != 0 || tally.NeedsPerson() {
			t.Errorf("%+v", tally)
		}
		if p := c.stored(d.workstations[0], d.users[0].SID); p.Want != photopush.Leave || p.Reason != photopush.NoPhoto {
			t.Errorf("%+v", p)
		}
		if c.mustPass(); c.visits() != 0 {
			t.Errorf("%d visits", c.visits())
		}
	})
}

// TestReadsThatEndEarly: nobody is gone for that, and the other domain is cared for.
func TestReadsThatEndEarly(t *testing.T) {
	dead := &photopush.Error{Reason: photopush.Offline, Op: "read directory", On: corp, Err: photopush.ErrNoDirectory}
	for name, fail := range map[string]func(*domain){
		"workstations": func(d *domain) { d.failStations = dead },
		"users":        func(d *domain) { d.failUsers = dead },
		"everything":   func(d *domain) { d.fail = dead },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				d, other := c.domain(corp).staff(3), c.domain("other.example").staff(2)
				c.mustPass()
				fail(d)
				other.users[1].photo(7001)
				tally, err := c.pass(false)
				if !errors.Is(err, photopush.ErrNoDirectory) || !strings.HasPrefix(err.Error(), "domain corp.example: read directory") {
					t.Errorf("%v", err)
				}
				if tally.Pushed != 1 || c.inStep() != 5 {
					t.Errorf("%+v, %d in step", tally, c.inStep())
				}
				for _, w := range d.workstations {
					if r := c.record(w); !r.GoneSince.IsZero() {
						t.Errorf("%s is gone since %s", w.Host, r.GoneSince)
					}
				}
				if p := c.stored(d.workstations[2], d.users[2].SID); p.Want == photopush.Leave {
					t.Errorf("%+v", p)
				}
				// what is due in the domain that cannot be read is visited all the same
				c.ok(c.db.SetVerify(t.Context(), nil))
				if tally, _ := c.pass(false); tally.Visited != 5 || tally.InStep != 5 {
					t.Errorf("%+v", tally)
				}
				if d.fail, other.fail = dead, dead; true {
					if tally, err := c.pass(true); err == nil || tally.Visited != 0 {
						t.Errorf("%v, %+v", err, tally)
					}
				}
			})
		})
	}
}

// TestDirectoryLostDuringThePass: workstations that answer are not off because a domain controller is.
func TestDirectoryLostDuringThePass(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		c.noSet = &photopush.Error{Reason: photopush.Offline, Op: "read directory", On: corp, Err: photopush.ErrNoDirectory}
		tally := c.mustPass()
		if len(tally.Offline) != 0 || tally.Failed[photopush.KDC] != 2 || tally.NeedsPerson() {
			t.Errorf("%+v", tally)
		}
		r := c.record(d.workstations[0])
		if wait := time.Until(r.Due); wait < 2*time.Minute || wait > 3*time.Minute || r.Reason != photopush.KDC || r.LastContact.IsZero() {
			t.Errorf("%+v", r)
		}
		c.noSet = nil
		time.Sleep(5 * time.Minute)
		if c.mustPass(); c.inStep() != 2 {
			t.Errorf("%d in step", c.inStep())
		}
	})
}

// TestTwice: a change of controller may yield everything twice.
func TestTwice(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		d.users, d.workstations = append(d.users, d.users...), append(d.workstations, d.workstations...)
		if tally := c.mustPass(); tally.Visited != 2 || c.inStep() != 2 {
			t.Errorf("%+v", tally)
		}
	})
}

// TestPhotosAreJudgedOnce: a photo that is known is not decoded again, unless the recipe is another one.
func TestPhotosAreJudgedOnce(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp)
		for range 3 {
			d.person()
		}
		d.users[0].photos = nil
		d.users[1].photos[0].Bytes = []byte(broken)
		for i, step := range []struct {
			change func()
			judged int
		}{
			{func() {}, 3},
			{func() {}, 0},
			{func() { d.users[2].photo(5001) }, 1},
			{func() { d.users[2].photos[0].Attribute = "jpegPhoto" }, 1},
			{func() { c.Recipe = func(photopush.User) string { return "r2" } }, 2},
			{func() {
				c.Recipe = func(u photopush.User) string { return "r2" + map[bool]string{true: " top"}[u.SID == d.users[2].SID] }
			}, 1},
			{func() { d.users[0].photo(5002) }, 1},
		} {
			step.change()
			c.digests = 0
			c.mustPass()
			if c.digests != step.judged {
				t.Errorf("step %d: %d photos were judged, want %d", i, c.digests, step.judged)
			}
		}
	})
}

// TestManyUsers: more than a batch of users and of photos.
func TestManyUsers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp)
		for range batchSize + 1 {
			d.person().photos = nil
		}
		for i := range 9 {
			d.users[i].photos = []photopush.Photo{{Attribute: "jpegPhoto", Bytes: append([]byte{byte(i)}, make([]byte, 1<<20)...)}}
		}
		c.mustPass()
		var batches []int
		for _, e := range c.seen {
			if e.Kind == ReadUsers {
				batches = append(batches, e.N)
			}
		}
		if diff := cmp.Diff([]int{8, batchSize + 1 - 8}, batches); diff != "" { // 8 MiB of photos, then the rest
			t.Error(diff)
		}
		if u, err := c.db.FindUsers(t.Context(), d.users[batchSize].AccountName); err != nil || len(u) != 1 {
			t.Errorf("the last one: %v, %v", u, err)
		}
	})
}

// TestProfileMeetsVisit: somebody who signed in on a known workstation is seen at the next look, and gets his picture in the same visit; a reinstalled
// workstation is believed nothing of.
func TestProfileMeetsVisit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		c.mustPass()
		d.machine(0).AddProfile(simProfile(d.users[1]))
		d.machine(1).Reinstall(time.Now(), "another")
		tally, err := c.pass(true)
		c.ok(err)
		if tally.Pushed != 2 || tally.InStep != 1 || c.inStep() != 3 {
			t.Errorf("%+v, %d in step", tally, c.inStep())
		}
	})
}

// TestOfflineWaits: no attempts, no failure, and back in hours.
func TestOfflineWaits(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(2)
		off := true
		c.open = func(_ context.Context, w photopush.Workstation) error {
			if off && w.ID == d.workstations[0].ID {
				return because(photopush.Offline, "no answer")
			}
			return nil
		}
		tally := c.mustPass()
		if len(tally.Offline) != 1 || len(tally.Failed) != 0 || len(tally.Unfinished) != 0 || tally.Pushed != 1 {
			t.Errorf("%+v", tally)
		}
		r := c.record(d.workstations[0])
		if wait := time.Until(r.Due); r.Attempts != 0 || wait < 2*time.Hour || wait > 3*time.Hour || !r.LastContact.IsZero() {
			t.Errorf("%+v", r)
		}
		if c.mustPass(); c.visits() != 0 {
			t.Error("tried again at once")
		}
		off = false
		time.Sleep(3 * time.Hour)
		if c.mustPass(); c.inStep() != 2 {
			t.Errorf("%d in step", c.inStep())
		}
	})
}

// TestPushesDoNotPutOffTheNextLook: a workstation with a new photo every two days is looked at anew all the same.
func TestPushesDoNotPutOffTheNextLook(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Config.VerifyEvery = 4 * 24 * time.Hour
		d := c.domain(corp).staff(1)
		looks := map[time.Time]bool{}
		for day := range 24 {
			if day%2 == 0 {
				d.users[0].photo(uint32(9000 + day))
			}
			c.mustPass()
			looks[c.record(d.workstations[0]).InventoryTime] = true
			time.Sleep(24 * time.Hour)
		}
		if len(looks) < 5 || len(looks) > 8 {
			t.Errorf("%d looks in 24 days, want one about every four", len(looks))
		}
	})
}

func TestScheduleCountsFromTheLastLook(t *testing.T) {
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	j := &Jobs{Config: testConfig(), Now: func() time.Time { return now }}
	ago := func(d time.Duration) *photopush.Inventory { return &photopush.Inventory{Taken: now.Add(-d)} }
	const id = "8c7ec6d4-09b5-4d9f-a1f5-1f5a6bd0a4a1"
	for name, test := range map[string]struct {
		known, seen *photopush.Inventory
		from        time.Time
	}{
		"looked":              {ago(100 * time.Hour), ago(time.Minute), now.Add(-time.Minute)},
		"pushed":              {ago(100 * time.Hour), ago(100 * time.Hour), now.Add(-100 * time.Hour)},
		"nothing to be done":  {ago(100 * time.Hour), nil, now.Add(-100 * time.Hour)},
		"the clock went back": {ago(-100 * time.Hour), nil, now},
	} {
		t.Run(name, func(t *testing.T) {
			r := photopush.Result{Claim: photopush.Claim{Workstation: photopush.Workstation{ID: id}, Inventory: test.known, Attempts: 3}, Outcome: photopush.Outcome{Inventory: test.seen}}
			j.schedule(t.Context(), &r)
			if want := place(id, j.Config.VerifyEvery, test.from); !r.VerifyDue.Equal(want) || !r.NextDue.IsZero() || r.Attempts != 0 {
				t.Errorf("to be looked at %s, want %s; due %s, %d attempts", r.VerifyDue, want, r.NextDue, r.Attempts)
			}
		})
	}
}

// TestUrgent: what passes soon decides when the workstation is tried again.
func TestUrgent(t *testing.T) {
	pair := func(reason photopush.Reason, want photopush.Want) photopush.Pair {
		return photopush.Pair{Want: want, Reason: reason}
	}
	for _, test := range []struct {
		o    photopush.Outcome
		want photopush.Reason
	}{
		{photopush.Outcome{Reason: photopush.Offline}, photopush.Offline},
		{photopush.Outcome{Reason: photopush.Denied, Pairs: []photopush.Pair{pair(photopush.Denied, "d")}}, photopush.Denied},
		{photopush.Outcome{Reason: photopush.Denied, Pairs: []photopush.Pair{pair(photopush.Denied, "d"), pair(photopush.Script, "d")}}, photopush.Script},
		{photopush.Outcome{Reason: photopush.Denied, Pairs: []photopush.Pair{pair(photopush.Script, photopush.Leave)}}, photopush.Denied},
		{photopush.Outcome{Reason: photopush.Auth, Err: &visit.PictureError{Err: because(photopush.Auth, "bind")}}, photopush.KDC},
	} {
		if got := urgent(&test.o); got != test.want {
			t.Errorf("%+v: %s, want %s", test.o, got, test.want)
		}
	}
}

func TestTally(t *testing.T) {
	d := photopush.Want("0123456789abcdef0123456789abcdef")
	pair := func(user photopush.SID, have string, reason photopush.Reason) photopush.Pair {
		return photopush.Pair{User: user, Want: d, Have: have, Reason: reason}
	}
	left := photopush.Pair{User: "l", Want: photopush.Leave, Reason: photopush.NoPhoto}
	w := photopush.Workstation{Host: "ws1"}
	err := errors.New("odd")
	for name, test := range map[string]struct {
		o     photopush.Outcome
		want  Tally
		human bool
	}{
		"off":            {photopush.Outcome{Reason: photopush.Offline}, Tally{Offline: []photopush.Workstation{w}}, false},
		"never reached":  {photopush.Outcome{Reason: photopush.NeverReachable}, Tally{Offline: []photopush.Workstation{w}}, false},
		"nothing to do":  {photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{pair("a", string(d), ""), left}}, Tally{Visited: 1, InStep: 1, Skipped: map[photopush.Reason]int{photopush.NoPhoto: 1}}, false},
		"pushed":         {photopush.Outcome{Contacted: true, Pushed: []photopush.SID{"a"}, Pairs: []photopush.Pair{pair("a", string(d), ""), pair("b", string(d), "")}}, Tally{Visited: 1, Pushed: 1, InStep: 1}, false},
		"fails as whole": {photopush.Outcome{Contacted: true, Reason: photopush.Denied, Err: err, Inventory: &photopush.Inventory{}}, Tally{Visited: 1, Failed: map[photopush.Reason]int{photopush.Denied: 1}, Unfinished: []Unfinished{{w, photopush.Outcome{Contacted: true, Reason: photopush.Denied, Err: err}}}}, true},
		"one fails": {photopush.Outcome{Contacted: true, Reason: photopush.Script, Err: err, Pushed: []photopush.SID{"b"}, Pairs: []photopush.Pair{pair("a", "", photopush.Script), pair("b", string(d), "")}},
			Tally{Visited: 1, Pushed: 1, Failed: map[photopush.Reason]int{photopush.Script: 1}, Unfinished: []Unfinished{{w, photopush.Outcome{Contacted: true, Reason: photopush.Script, Err: err, Pushed: []photopush.SID{"b"}}}}}, false},
		"pushed and overwritten": {photopush.Outcome{Contacted: true, Reason: photopush.Conflict, Err: err, Pushed: []photopush.SID{"a"}, Pairs: []photopush.Pair{pair("a", "", photopush.Conflict)}},
			Tally{Visited: 1, Failed: map[photopush.Reason]int{photopush.Conflict: 1}, Unfinished: []Unfinished{{w, photopush.Outcome{Contacted: true, Reason: photopush.Conflict, Err: err, Pushed: []photopush.SID{"a"}}}}}, false},
	} {
		t.Run(name, func(t *testing.T) {
			var got Tally
			got.Add(w, test.o)
			same := cmp.Comparer(func(a, b error) bool { return errors.Is(a, b) })
			if diff := cmp.Diff(test.want, got, same); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if got.NeedsPerson() != test.human {
				t.Errorf("needs a person: %v", !test.human)
			}
		})
	}
	var sum Tally
	for range 3 {
		sum.Add(w, photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{left}})
	}
	if sum.Visited != 3 || !maps.Equal(sum.Skipped, map[photopush.Reason]int{photopush.NoPhoto: 3}) {
		t.Errorf("%+v", sum)
	}
}
