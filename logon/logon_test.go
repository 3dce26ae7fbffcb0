package logon

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

var taken = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

const (
	ada = photopush.SID("S-1-5-21-1-2-3-1001")
	ben = photopush.SID("S-1-5-21-1-2-3-1002")
)

func TestFromInventory(t *testing.T) {
	before, after := taken.Add(-48*time.Hour), taken.Add(time.Hour)
	seen := func(user photopush.SID, first, last time.Time) photopush.Session {
		return photopush.Session{Workstation: "ws", User: user, Source: SourceProfile, FirstSeen: first, LastSeen: last}
	}
	for _, test := range []struct {
		name     string
		profiles []photopush.Profile
		want     []photopush.Session
	}{
		{"none", nil, nil},
		{"used before", []photopush.Profile{{SID: ada, LastUse: before}}, []photopush.Session{seen(ada, before, before)}},
		{"loaded", []photopush.Profile{{SID: ada, LastUse: before, Loaded: true}}, []photopush.Session{seen(ada, taken, taken)}},
		{"signed in", []photopush.Profile{{SID: ada, LastUse: before, Interactive: true}}, []photopush.Session{seen(ada, taken, taken)}},
		{"before 1809", []photopush.Profile{{SID: ada}}, []photopush.Session{seen(ada, taken, time.Time{})}},
		{"a clock that is ahead", []photopush.Profile{{SID: ada, LastUse: after}}, []photopush.Session{seen(ada, taken, taken)}},
		{"another zone", []photopush.Profile{{SID: ada, LastUse: before.In(time.FixedZone("", 7200))}}, []photopush.Session{seen(ada, before, before)}},
		{"services and strangers", []photopush.Profile{{SID: "S-1-5-18"}, {SID: "S-1-5-80-1-2-3-4-5"}, {SID: "S-1-12-1-1-2-3-4"}, {SID: ada + ".bak"}, {SID: ""}}, nil},
		{"two, in their order", []photopush.Profile{{SID: ben, LastUse: before}, {SID: ada, Loaded: true}},
			[]photopush.Session{seen(ben, before, before), seen(ada, taken, taken)}},
		{"twice", []photopush.Profile{{SID: ada, LastUse: before.Add(-time.Hour)}, {SID: ada, LastUse: before}, {SID: ada}}, []photopush.Session{seen(ada, before, before)}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := FromInventory("ws", &photopush.Inventory{Taken: taken, Profiles: test.profiles})
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
	if got := FromInventory("ws", nil); got != nil {
		t.Errorf("without an inventory: %v", got)
	}
}
