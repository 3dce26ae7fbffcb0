package jobs

import (
	"errors"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/want"
)

// profileList is where Windows lists its profiles.
const profileList = `HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\`

// shows counts the people whose own workstation shows a picture of ours.
func (d *domain) shows(people []*employee) (n int) {
	for i, p := range people {
		if shown, _ := d.machine(i).CheckIntact().Shown(p.SID); shown.Digest != "" {
			n++
		}
	}
	return n
}

// TestLeavers: whoever leaves loses his picture, by the second pass at the latest, and gets it again when he comes back.
func TestLeavers(t *testing.T) {
	for name, leave := range map[string]func(*domain) (back func()){
		"photo removed": func(d *domain) func() {
			photos := d.users[0].photos
			d.users[0].photos = nil
			return func() { d.users[0].photos = photos }
		},
		"account disabled": func(d *domain) func() {
			d.users[0].Enabled = false
			return func() { d.users[0].Enabled = true }
		},
		"out of scope": func(d *domain) func() {
			users := d.users
			d.users = users[1:]
			return func() { d.users = users }
		},
		"profile gone": func(d *domain) func() {
			d.machine(0).DeleteKey(profileList + string(d.users[0].SID))
			return func() {
				d.machine(0).AddProfile(simwin.UserProfile{SID: d.users[0].SID, Name: d.users[0].AccountName, Load: time.Now()})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T) {
				c := newCompany(t)
				c.Policy.Leavers = want.LeaversRemove
				d := c.domain(corp).staff(2)
				people := d.users
				c.mustPass()
				back := leave(d)
				removed := 0
				for range 2 {
					tally, err := c.pass(true)
					if err != nil {
						t.Fatal(err)
					}
					removed += tally.Removed
				}
				if removed != 1 {
					t.Errorf("%d are counted as removed", removed)
				}
				w := d.workstations[0]
				p := c.stored(w, people[0].SID)
				if p.Want != photopush.Absent || !p.InStep() || p.Reason == "" || d.shows(people) != 1 {
					t.Fatalf("%+v; %d show a picture", p, d.shows(people))
				}
				writes := c.writes()
				if _, err := c.pass(true); err != nil || c.writes() != writes || c.stored(w, people[0].SID).Reason != p.Reason {
					t.Errorf("it does not stay so: %v", err)
				}
				back()
				for range 2 {
					if _, err := c.pass(true); err != nil {
						t.Fatal(err)
					}
				}
				if d.shows(people) != 2 || c.inStep() != 2 {
					t.Errorf("%d show a picture, %d in step", d.shows(people), c.inStep())
				}
			})
		})
	}
}

// TestTooManyLeavers: a mistake in the scope takes nobody's picture away, not even where somebody looks meanwhile; the rest of the pass goes on.
func TestTooManyLeavers(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Policy.Leavers, c.Policy.LeaversLimit = want.LeaversRemove, 5
		d := c.domain(corp).staff(12)
		people := d.users
		c.mustPass()
		d.users = people[11:]
		people[11].photo(77)
		for _, verify := range []bool{false, true, false} {
			tally, err := c.pass(verify)
			tooMany, ok := errors.AsType[*RemovalsError](err)
			if !ok || *tooMany != (RemovalsError{11, 12, 10}) {
				t.Fatalf("got %v", err)
			}
			if d.shows(people) != 12 || len(tally.Failed) > 0 {
				t.Errorf("%d show a picture, failed %v", d.shows(people), tally.Failed)
			}
		}
		if shown, _ := d.machine(11).CheckIntact().Shown(people[11].SID); shown.Digest != c.stored(d.workstations[11], people[11].SID).Want.Digest() {
			t.Error("his new photo was not pushed")
		}
		err := c.Pass(t.Context(), PassRequest{AllowRemovals: true})
		if err != nil || d.shows(people) != 1 {
			t.Errorf("allowed: %v, %d show a picture", err, d.shows(people))
		}
		if c.mustPass(); d.shows(people) != 1 {
			t.Errorf("%d show a picture", d.shows(people))
		}
	})
}

// TestSeed: what the user has chosen himself stays, from the first contact on; when he removes it he gets ours.
func TestSeed(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		c.Policy.Mode = want.ModeSeed
		d := c.domain(corp).staff(3)
		own := func(i int) { d.machine(i).AddWindowsPicture(d.users[i].SID, 4711) }
		own(0)
		pass := func() {
			t.Helper()
			if _, err := c.pass(true); err != nil {
				t.Fatal(err)
			}
		}
		pass()
		if p := c.stored(d.workstations[0], d.users[0].SID); p.Want != photopush.Leave || p.Have != photopush.HaveOther {
			t.Errorf("his own from the beginning: %+v", p)
		}
		own(1)
		if tally, err := c.pass(true); err != nil || tally.Replaced != 1 || tally.Skipped[photopush.Overwritten] != 1 {
			t.Errorf("%v: %+v", err, tally)
		}
		if p := c.stored(d.workstations[1], d.users[1].SID); p.Want != photopush.Leave || p.Reason != photopush.Overwritten || p.Have != photopush.HaveOverwritten {
			t.Errorf("his own later: %+v", p)
		}
		writes := c.writes()
		if pass(); c.writes() != writes || c.inStep() != 1 {
			t.Errorf("it does not stay so: %d in step", c.inStep())
		}
		for i := range 2 {
			for name := range d.machine(i).Values(pictureKey(d.users[i].SID)) {
				d.machine(i).DeleteValue(pictureKey(d.users[i].SID), name)
			}
		}
		if pass(); c.inStep() != 3 {
			t.Errorf("his own is gone: %d in step", c.inStep())
		}
	})
}

func pictureKey(sid photopush.SID) string {
	return `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users\` + string(sid)
}
