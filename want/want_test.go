package want

import (
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

var now = time.Date(2026, 11, 23, 9, 0, 0, 0, time.UTC)

func good() photopush.Plan {
	return photopush.Plan{
		SID: "S-1-5-21-1-2-3-1001",
		Workstation: &photopush.WorkstationRecord{
			Workstation:   photopush.Workstation{ID: "ws", Domain: "corp.example", OS: "Windows 11 Enterprise", Enabled: true},
			InventoryTime: now, Facts: photopush.Facts{Build: 22631, Type: "Client", Domain: "corp.example"},
		},
		User:    &photopush.UserRecord{User: photopush.User{SID: "S-1-5-21-1-2-3-1001", Enabled: true}, Digest: "d1g35t"},
		Session: photopush.Session{LastSeen: now.Add(-time.Hour)},
	}
}

var since = time.Date(2026, 10, 1, 0, 0, 0, 0, time.UTC)

func left(r photopush.Reason, detail string) Decision {
	return Decision{Want: photopush.Leave, Reason: r, Detail: detail}
}

func taken(r photopush.Reason, detail string) Decision {
	return Decision{Want: photopush.Absent, Reason: r, Detail: detail, Leaver: true}
}

func TestDecide(t *testing.T) {
	picture := Decision{Want: "d1g35t"}
	servers := func(domains ...string) func(*Policy) {
		return func(p *Policy) {
			p.IncludeServers = map[string]bool{}
			for _, d := range domains {
				p.IncludeServers[d] = true
			}
		}
	}
	push := func(p *Policy) { p.HybridJoined = HybridPush }
	remove := func(p *Policy) { p.Leavers = LeaversRemove }
	seed := func(p *Policy) { p.Mode = ModeSeed }
	ended := func(p *photopush.Plan) { p.Session.Ended = since }
	have := func(word string) func(*photopush.Plan) {
		return func(p *photopush.Plan) { p.Pair.Have = word }
	}
	heldThere := Decision{Want: photopush.Absent, Reason: photopush.OutOfScope,
		Detail: "an administrator took the picture away there on 2026-10-01; `photopush push` gives it back"}
	heldEverywhere := Decision{Want: photopush.Absent, Reason: photopush.OutOfScope,
		Detail: "an administrator took the user's pictures away everywhere on 2026-10-01; `photopush push` without --workstation gives them back"}
	month := func(p *Policy) { p.UnusedAfter = 30 * 24 * time.Hour }
	for _, test := range []struct {
		name   string
		change func(*photopush.Plan)
		policy func(*Policy)
		want   Decision
	}{
		{"all well", nil, nil, picture},
		{"never inventoried", func(p *photopush.Plan) {
			p.Workstation.Facts, p.Workstation.InventoryTime = photopush.Facts{}, time.Time{}
		}, nil, picture},
		{"a pair without a session", func(p *photopush.Plan) { p.Session = photopush.Session{} }, month, picture},
		{"already there", func(p *photopush.Plan) { p.Pair.Have, p.Pair.Want = "d1g35t", "d1g35t" }, nil, picture},
		{"failed before", func(p *photopush.Plan) { p.Pair.Reason, p.Workstation.Reason = photopush.DiskFull, photopush.Denied }, nil, picture},

		{"workstation gone", func(p *photopush.Plan) { p.Workstation.GoneSince = since }, nil,
			left(photopush.OutOfScope, "the workstation is not in the directory's scope since 2026-10-01")},
		{"workstation disabled", func(p *photopush.Plan) { p.Workstation.Enabled = false }, nil, left(photopush.OutOfScope, "the computer account is disabled")},
		{"server, left to the directory", func(p *photopush.Plan) { p.Workstation.OS = "Windows Server 2022" }, nil, picture},
		{"server, not included", func(p *photopush.Plan) { p.Workstation.OS = "Windows Server 2022" }, servers("other.example"), left(photopush.OutOfScope, "servers are not included")},
		{"server by its inventory", func(p *photopush.Plan) { p.Workstation.Facts.Type = "Server Core" }, servers(), left(photopush.OutOfScope, "servers are not included")},
		{"server, included", func(p *photopush.Plan) { p.Workstation.OS, p.Workstation.Facts.Type = "Windows Server 2022", "Server" }, servers("corp.example"), picture},
		{"no server", nil, servers(), picture},

		{"nobody in the directory", func(p *photopush.Plan) { p.User = nil }, nil, left(photopush.OutOfScope, "the directory has no such user in scope")},
		{"user gone", func(p *photopush.Plan) { p.User.GoneSince = since }, nil, left(photopush.OutOfScope, "the user is not in the directory's scope since 2026-10-01")},
		{"user disabled", func(p *photopush.Plan) { p.User.Enabled = false }, nil, left(photopush.OutOfScope, "the user's account is disabled")},

		{"no photo", func(p *photopush.Plan) { p.User.Digest, p.User.PhotoReason = "", photopush.NoPhoto }, nil, left(photopush.NoPhoto, "")},
		{"no photo, and nobody said so", func(p *photopush.Plan) { p.User.Digest = "" }, nil, left(photopush.NoPhoto, "")},
		{"bad photo", func(p *photopush.Plan) {
			p.User.Digest, p.User.PhotoReason, p.User.PhotoDetail = "", photopush.BadPhoto, "100% noise"
		}, nil, left(photopush.BadPhoto, "100% noise")},

		{"used a month ago", func(p *photopush.Plan) { p.Session.LastSeen = now.Add(-30 * 24 * time.Hour) }, month, picture},
		{"used longer ago", func(p *photopush.Plan) { p.Session.LastSeen = now.Add(-30*24*time.Hour - time.Second) }, month,
			left(photopush.OutOfScope, "the user was last seen there on 2026-10-24 (unused_after)")},
		{"used longer ago, no limit", func(p *photopush.Plan) { p.Session.LastSeen = since }, nil, picture},
		{"nobody knows when", func(p *photopush.Plan) { p.Session.LastSeen = time.Time{} }, month, picture},

		{"policy", func(p *photopush.Plan) { p.Workstation.Facts.DefaultTile = true }, nil, left(photopush.BlockedPolicy, "the policy UseDefaultTile is set")},
		{"oldest Windows", func(p *photopush.Plan) { p.Workstation.Facts.Build = 14393 }, nil, picture},
		{"older Windows", func(p *photopush.Plan) { p.Workstation.Facts.Build = 10586 }, nil, left(photopush.Unsupported, "Windows build 10586 is older than 14393")},
		{"hybrid", func(p *photopush.Plan) { p.Workstation.Facts.EntraJoined = true }, nil, left(photopush.OutOfScope, "joined to Entra ID too, so only reported (hybrid_joined)")},
		{"hybrid, push", func(p *photopush.Plan) { p.Workstation.Facts.EntraJoined = true }, push, picture},
		{"Entra ID alone", func(p *photopush.Plan) { p.Workstation.Facts.EntraJoined, p.Workstation.Facts.Domain = true, "" }, nil, picture},

		{"held there", func(p *photopush.Plan) { p.Pair.Held = since }, nil, heldThere},
		{"held everywhere", func(p *photopush.Plan) { p.User.Held, p.Pair.Held = since, now }, nil, heldEverywhere},
		{"held, and nobody in the directory", func(p *photopush.Plan) { p.Pair.Held, p.User = since, nil }, nil, heldThere},
		{"held, on a machine that is only reported", func(p *photopush.Plan) { p.Pair.Held, p.Workstation.Facts.EntraJoined = since, true }, nil, heldThere},
		{"held, and the account is disabled", func(p *photopush.Plan) { p.Pair.Held, p.User.Enabled = since, false }, remove, heldThere},
		{"held, and the workstation is disabled", func(p *photopush.Plan) { p.Pair.Held, p.Workstation.Enabled = since, false }, nil,
			left(photopush.OutOfScope, "the computer account is disabled")},

		{"leaver: gone", func(p *photopush.Plan) { p.User.GoneSince = since }, remove, taken(photopush.OutOfScope, "the user is not in the directory's scope since 2026-10-01")},
		{"leaver: disabled", func(p *photopush.Plan) { p.User.Enabled = false }, remove, taken(photopush.OutOfScope, "the user's account is disabled")},
		{"leaver: photo removed", func(p *photopush.Plan) { p.User.Digest, p.User.PhotoReason = "", photopush.NoPhoto }, remove, taken(photopush.NoPhoto, "")},
		{"leaver: profile gone", ended, remove, taken(photopush.OutOfScope, "the user's profile there is gone since 2026-10-01")},
		{"no leaver: profile gone, and that is kept", ended, nil, picture},
		{"no leaver: bad photo", func(p *photopush.Plan) { p.User.Digest, p.User.PhotoReason = "", photopush.BadPhoto }, remove, left(photopush.BadPhoto, "")},
		{"no leaver: photo not judged", func(p *photopush.Plan) { p.User.Digest = "" }, remove, left(photopush.NoPhoto, "")},
		{"no leaver: never in the directory", func(p *photopush.Plan) { p.User, p.Session.Ended = nil, since }, remove,
			left(photopush.OutOfScope, "the directory has no such user in scope")},
		{"no leaver: workstation gone", func(p *photopush.Plan) { p.Workstation.GoneSince, p.User.Enabled = since, false }, remove,
			left(photopush.OutOfScope, "the workstation is not in the directory's scope since 2026-10-01")},
		{"no leaver: used long ago", func(p *photopush.Plan) { p.Session.LastSeen = since }, func(p *Policy) { remove(p); month(p) },
			left(photopush.OutOfScope, "the user was last seen there on 2026-10-01 (unused_after)")},
		{"leaver where pictures are hidden", func(p *photopush.Plan) { p.User.Enabled, p.Workstation.Facts.DefaultTile = false, true }, remove,
			taken(photopush.OutOfScope, "the user's account is disabled")},
		{"leaver where nothing is changed", func(p *photopush.Plan) { p.User.Enabled, p.Workstation.Facts.EntraJoined = false, true }, remove,
			left(photopush.OutOfScope, "the user's account is disabled")},
		{"leaver where nothing can be changed", func(p *photopush.Plan) { p.User.Enabled, p.Workstation.Facts.Build = false, 10586 }, remove,
			left(photopush.OutOfScope, "the user's account is disabled")},

		{"seed: nothing there", have(photopush.HaveNothing), seed, picture},
		{"seed: ours", have("old"), seed, picture},
		{"seed: a part of ours", have(photopush.HavePart), seed, picture},
		{"seed: not known", have(photopush.HaveUnknown), seed, picture},
		{"seed: his own", have(photopush.HaveOther), seed, left(photopush.OutOfScope, "the user has a picture of his own (mode seed)")},
		{"seed: his own in the place of ours", have(photopush.HaveOverwritten), seed,
			left(photopush.Overwritten, "the user has put a picture of his own in its place, which stays (mode seed)")},
		{"enforce: his own", have(photopush.HaveOther), nil, picture},
		{"enforce: his own in the place of ours", have(photopush.HaveOverwritten), nil, picture},
		{"seed: a leaver's own", func(p *photopush.Plan) { p.Pair.Have, p.User.Enabled = photopush.HaveOverwritten, false },
			func(p *Policy) { seed(p); remove(p) }, taken(photopush.OutOfScope, "the user's account is disabled")},

		{"several: the workstation first", func(p *photopush.Plan) { p.Workstation.Enabled, p.User = false, nil }, nil, left(photopush.OutOfScope, "the computer account is disabled")},
		{"several: the user before his photo", func(p *photopush.Plan) { p.User.Enabled, p.User.Digest = false, "" }, nil, left(photopush.OutOfScope, "the user's account is disabled")},
		{"several: the photo before the policy", func(p *photopush.Plan) { p.User.Digest, p.Workstation.Facts.DefaultTile = "", true }, nil, left(photopush.NoPhoto, "")},
		{"several: the policy before the age", func(p *photopush.Plan) { p.Workstation.Facts.Build, p.Workstation.Facts.DefaultTile = 10240, true }, nil,
			left(photopush.BlockedPolicy, "the policy UseDefaultTile is set")},
	} {
		t.Run(test.name, func(t *testing.T) {
			p, policy := good(), Policy{Mode: ModeEnforce, Leavers: LeaversKeep, HybridJoined: HybridReport}
			if test.change != nil {
				test.change(&p)
			}
			if test.policy != nil {
				test.policy(&policy)
			}
			got := Decide(p, policy, now)
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if (got.Want.Digest() == "") != (got.Reason != "") {
				t.Errorf("%+v: a picture has no reason, and none has one", got)
			}
		})
	}
}

func TestDecisionPair(t *testing.T) {
	denied := photopush.Pair{Want: "a", Have: "b", Reason: photopush.Denied, Detail: "by a visit", Since: since}
	noPhoto := photopush.Pair{Want: photopush.Leave, Have: "b", Reason: photopush.NoPhoto}
	there := photopush.Pair{Want: photopush.Absent, Have: "b", Reason: photopush.Denied, Since: since}
	away := photopush.Pair{Want: photopush.Absent, Have: photopush.HaveOther, Reason: photopush.NoPhoto}
	for _, test := range []struct {
		name    string
		stored  photopush.Pair
		d       Decision
		want    photopush.Pair
		changed bool
	}{
		{"new", photopush.Pair{}, Decision{Want: "a"}, photopush.Pair{Want: "a"}, true},
		{"new, left alone", photopush.Pair{}, left(photopush.NoPhoto, ""), photopush.Pair{Want: photopush.Leave, Reason: photopush.NoPhoto}, true},
		{"the same", denied, Decision{Want: "a"}, denied, false},
		{"another", denied, Decision{Want: "c"}, photopush.Pair{Want: "c", Have: "b", Since: since}, true},
		{"left alone", denied, left(photopush.NoPhoto, ""), photopush.Pair{Want: photopush.Leave, Have: "b", Reason: photopush.NoPhoto, Since: since}, true},
		{"absent", denied, taken(photopush.NoPhoto, ""), photopush.Pair{Want: photopush.Absent, Have: "b", Reason: photopush.NoPhoto, Since: since}, true},
		{"absent, and there still", there, taken(photopush.NoPhoto, ""), there, false},
		{"absent still", away, taken(photopush.NoPhoto, ""), away, false},
		{"absent for another reason", away, taken(photopush.OutOfScope, "disabled"),
			photopush.Pair{Want: photopush.Absent, Have: photopush.HaveOther, Reason: photopush.OutOfScope, Detail: "disabled"}, true},
		{"left alone still", noPhoto, left(photopush.NoPhoto, ""), noPhoto, false},
		{"left alone for another reason", noPhoto, left(photopush.BadPhoto, ""), photopush.Pair{Want: photopush.Leave, Have: "b", Reason: photopush.BadPhoto}, true},
		{"left alone with another detail", noPhoto, left(photopush.NoPhoto, "removed"), photopush.Pair{Want: photopush.Leave, Have: "b", Reason: photopush.NoPhoto, Detail: "removed"}, true},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := good()
			p.Pair = test.stored
			got, changed := test.d.Pair(p)
			test.want.Workstation, test.want.User = p.Workstation.ID, p.SID
			if diff := cmp.Diff(test.want, got); diff != "" || changed != test.changed {
				t.Errorf("changed %v, want %v (-want +got):\n%s", changed, test.changed, diff)
			}
		})
	}
}

func TestValidate(t *testing.T) {
	err := (&Policy{Mode: "ask", Leavers: "forget", LeaversLimit: 101, HybridJoined: "maybe", UnusedAfter: -time.Hour}).Validate("policy")
	const want = `policy.mode is "ask", want enforce or seed
policy.leavers is "forget", want keep or remove
policy.leavers_limit is 101, want 0 to 100
policy.hybrid_joined is "maybe", want report or push
policy.unused_after is -1h0m0s, want 0s or more`
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	for _, fine := range []Policy{
		{Mode: ModeEnforce, Leavers: LeaversKeep, HybridJoined: HybridReport},
		{Mode: ModeSeed, Leavers: LeaversRemove, LeaversLimit: 100, HybridJoined: HybridPush, UnusedAfter: time.Hour},
	} {
		if err := fine.Validate("policy"); err != nil {
			t.Error(err)
		}
	}
}

func TestMostRemoved(t *testing.T) {
	for _, test := range []struct{ percent, pictures, most int }{{5, 0, 10}, {5, 200, 10}, {5, 220, 11}, {0, 10_000, 10}, {100, 300, 300}} {
		if got := (&Policy{LeaversLimit: test.percent}).MostRemoved(test.pictures); got != test.most {
			t.Errorf("%d %% of %d: %d, want %d", test.percent, test.pictures, got, test.most)
		}
	}
}

// BenchmarkDecide decides for 100,000 workstations with 3 users each, as a pass does; the rows come from memory here, from the database in package store's
// BenchmarkPlan.
func BenchmarkDecide(b *testing.B) {
	const workstations, each = 100_000, 3
	users := make([]photopush.UserRecord, workstations)
	for i := range users {
		users[i] = photopush.UserRecord{User: photopush.User{Enabled: true}, Digest: fmt.Sprintf("%032x", i)}
	}
	policy := Policy{HybridJoined: HybridReport}
	pictures := 0
	for b.Loop() {
		for n := range workstations {
			w := good().Workstation
			for i := range each {
				p := photopush.Plan{Workstation: w, User: &users[(n+i)%workstations]}
				if d := Decide(p, policy, now); d.Want != photopush.Leave {
					pictures++
				}
			}
		}
	}
	if pictures != b.N*workstations*each {
		b.Fatalf("%d pictures", pictures)
	}
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/plan")
}
