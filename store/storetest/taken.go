package storetest

import (
	"errors"
	"time"

	"github.com/photopush/photopush"
)

func (s *suite) planned(w, u int) photopush.Plan {
	s.Helper()
	rows, err := s.PlanOf(s.ctx, id(w))
	s.ok(err)
	for _, p := range rows {
		if p.SID == sid(u) {
			return p
		}
	}
	s.Fatalf("workstation %d has no plan for user %d", w, u)
	return photopush.Plan{}
}

func hold(s *suite) {
	s.company(3)
	s.set(want(1, 1, "a"), want(2, 1, "a"), want(1, 2, "b"))
	first := s.now()
	s.ok(s.Hold(s.ctx, sid(1), []photopush.GUID{id(1), id(3)}, true))
	s.wait(time.Minute)
	s.ok(s.Hold(s.ctx, sid(1), []photopush.GUID{id(1)}, true)) // since it was
	held := func(what string, user, one, two, three time.Time) {
		s.Helper()
		var got []time.Time
		for w := 1; w <= 3; w++ {
			rows, err := s.PlanOf(s.ctx, id(w))
			s.ok(err)
			for _, p := range rows {
				if p.SID == sid(1) {
					got = append(got, p.Pair.Held)
				}
			}
		}
		u, err := s.User(s.ctx, sid(1))
		s.ok(err)
		s.same(what, append(got, u.Held), []time.Time{one, two, three, user})
	}
	none := time.Time{}
	held("two pairs", none, first, none, first)
	s.same("a pair of which nothing was known", s.planned(3, 1).Pair, photopush.Pair{Workstation: id(3), User: sid(1), Held: first})
	s.same("others", s.planned(1, 2).Pair.Held, none)

	s.set(want(1, 1, photopush.Absent))
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{{User: sid(1), Want: photopush.Absent}}})
	s.ok(s.PutUsers(s.ctx, 1, []photopush.UserRecord{user(1)}))
	held("wants, visits and passes change nothing", none, first, none, first)
	s.same("pair", s.pair(1, 1).Held, first)

	all := s.now()
	s.ok(s.Hold(s.ctx, sid(1), nil, true))
	s.wait(time.Minute)
	s.ok(s.Hold(s.ctx, sid(1), nil, true))
	held("everywhere", all, first, none, first)
	s.same("in the plan", s.planned(2, 1).User.Held, all)
	s.ok(s.Hold(s.ctx, sid(1), []photopush.GUID{id(1)}, false))
	held("given back on one", all, none, none, first)
	s.ok(s.Hold(s.ctx, sid(1), nil, false))
	held("given back", none, none, none, none)

	s.set(want(2, 9, "c"))
	s.ok(s.Hold(s.ctx, sid(9), nil, true))
	s.same("whom no directory has had", s.planned(2, 9).Pair.Held, s.now())
	s.ok(s.Hold(s.ctx, sid(9), nil, false))
	s.same("given back", s.planned(2, 9).Pair.Held, none)
	s.ok(s.Hold(s.ctx, sid(8), nil, false)) // nothing to give back
	if err := s.Hold(s.ctx, sid(1), []photopush.GUID{id(1), "none"}, true); !errors.Is(err, photopush.ErrUnknownWorkstation) {
		s.Errorf("an unknown workstation: %v", err)
	}
	held("nothing by halves", none, none, none, none)
	if err := s.Hold(s.ctx, "S-1-5-18", nil, true); err == nil {
		s.Error("a service is held")
	}
}

// What is wanted absent keeps its reason while it is gone, and that of the visit while it is not.
func absentReasons(s *suite) {
	s.company(1)
	gone := want(1, 1, photopush.Absent)
	gone.Reason, gone.Detail = photopush.OutOfScope, "disabled"
	see := func(have string, r photopush.Reason, detail string) {
		s.Helper()
		s.finish(s.take(1), photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{{User: sid(1), Want: photopush.Absent, Have: have, Reason: r, Detail: detail}}})
	}
	why := func(what, reason string) {
		s.Helper()
		p := s.pair(1, 1)
		s.same(what, string(p.Reason)+" "+p.Detail, reason)
	}
	s.set(gone)
	why("new", "out_of_scope disabled")
	see("old", photopush.Denied, "no")
	s.set(gone)
	why("there still", "denied no")
	see(photopush.HaveOther, photopush.OutOfScope, "disabled")
	why("gone", "out_of_scope disabled")
	gone.Reason, gone.Detail = photopush.NoPhoto, "removed"
	s.set(gone)
	why("gone, and another reason", "no_photo removed")
}

func (s *suite) history(w, u int) photopush.History {
	s.Helper()
	for st, err := range s.Statuses(s.ctx) {
		s.ok(err)
		if st.Workstation != nil && st.Workstation.ID == id(w) && st.Pair.User == sid(u) {
			return st.History
		}
	}
	s.Fatalf("workstation %d has no status of user %d", w, u)
	return photopush.History{}
}

func history(s *suite) {
	s.company(1)
	pairs := func(have string, w photopush.Want) []photopush.Pair {
		return []photopush.Pair{{User: sid(1), Want: w, Have: have}, {User: sid(2), Want: "b", Have: "b"}}
	}
	see := func(o photopush.Outcome) {
		s.Helper()
		s.wait(time.Minute)
		o.Contacted = true
		s.finish(s.take(1), o)
	}
	see(photopush.Outcome{Pairs: pairs("a", "a")})
	s.same("nothing happened", s.history(1, 1), photopush.History{})
	written := start.Add(-time.Hour)
	values := []photopush.Value{{Name: "Image32", Kind: "sz", Data: `C:\32.jpg`}, {Name: "Image96", Kind: "sz", Data: "C:\\96.\tjpg"}, {Name: "Image448", Kind: "other"}}
	see(photopush.Outcome{Pairs: pairs(photopush.HaveOverwritten, "a"), Overwritten: []photopush.Overwrite{{User: sid(1), Values: values, Changed: written}}})
	s.same("once", s.history(1, 1), photopush.History{Overwritten: 1, OverwrittenAt: s.now(), Path: `C:\96. jpg`, Changed: written})
	see(photopush.Outcome{Pairs: pairs("a", "a")})
	see(photopush.Outcome{Pairs: pairs(photopush.HaveOverwritten, "a"), Overwritten: []photopush.Overwrite{{User: sid(1)}}})
	twice := photopush.History{Overwritten: 2, OverwrittenAt: s.now()}
	s.same("twice", s.history(1, 1), twice)
	see(photopush.Outcome{Pairs: pairs("a", photopush.Absent)})
	s.same("there still", s.history(1, 1), twice)
	see(photopush.Outcome{Pairs: pairs(photopush.HaveOther, photopush.Absent), Removed: []photopush.SID{sid(1)}})
	twice.RemovedAt = s.now()
	s.same("removed", s.history(1, 1), twice)
	see(photopush.Outcome{Pairs: pairs(photopush.HaveNothing, photopush.Absent)})
	s.same("that was all", s.history(1, 1), twice)
	see(photopush.Outcome{Pairs: pairs("a", "a")})
	see(photopush.Outcome{Pairs: pairs(photopush.HaveNothing, photopush.Absent)}) // the visit that did it was lost
	twice.RemovedAt = s.now()
	s.same("found removed", s.history(1, 1), twice)
	s.same("the other", s.history(1, 2), photopush.History{})
}

// A profile that an inventory does not list any more has ended; evidence that comes later outweighs that.
func profilesGone(s *suite) {
	s.company(1)
	profile := func(u int) photopush.Profile { return photopush.Profile{SID: sid(u), LastUse: start.Add(-time.Hour)} }
	look := func(profiles ...photopush.Profile) time.Time {
		s.Helper()
		s.wait(time.Hour)
		inv := s.inventory()
		inv.Profiles = profiles
		r := photopush.Result{Claim: s.take(1), Outcome: photopush.Outcome{Contacted: true, Inventory: inv}}
		for _, p := range profiles {
			r.Sessions = append(r.Sessions, photopush.Session{User: p.SID, Source: photopush.SourceProfile, FirstSeen: start, LastSeen: p.LastUse})
		}
		s.ok(s.Finish(s.ctx, r))
		return inv.Taken
	}
	named := func() {
		s.Helper()
		s.ok(s.PutSessions(s.ctx, []photopush.Session{{Workstation: id(1), User: sid(1), Source: "named", FirstSeen: s.now(), LastSeen: s.now()}}))
	}
	ended := func(what string, one, two time.Time) {
		s.Helper()
		s.same(what, []time.Time{s.planned(1, 1).Session.Ended, s.planned(1, 2).Session.Ended}, []time.Time{one, two})
	}
	there := time.Time{}
	named()
	look(profile(1), profile(2))
	ended("both there", there, there)
	gone := look(profile(2))
	ended("one gone, though it was named before", gone, there)
	look(profile(2))
	ended("since then", gone, there)
	s.finish(s.take(1), photopush.Outcome{Reason: photopush.Offline})
	ended("off", gone, there)
	s.wait(time.Hour)
	named()
	ended("named after that", there, there)
	look(profile(1))
	ended("back", there, s.now())
	cut := make([]photopush.Profile, 1000)
	for i := range cut {
		cut[i] = profile(10 + i)
	}
	look(cut...)
	ended("a list that may be cut", there, s.now().Add(-time.Hour))
}

func findings(s *suite) {
	s.company(2)
	const before = "O:BAD:(A;;KA;;;BU)"
	users := photopush.Finding{Key: photopush.KeyUsers, Trustee: "S-1-5-32-545", Name: "Users (BUILTIN)", May: "full control", Below: true, SDDL: before}
	below := photopush.Finding{Key: string(sid(1)), Trustee: "S-1-5-32-545", May: "set values", Inherited: true, SDDL: before}
	unclear := photopush.Finding{Key: string(sid(2)), Owner: true, Unclear: "no\towner", SDDL: "?"}
	share := photopush.Elsewhere{User: sid(1), Value: photopush.Value{Name: "Image96", Kind: "sz", Data: `\\far\x.jpg`}, Kind: photopush.ElsewhereShare}
	look := func(w int, f []photopush.Finding, e []photopush.Elsewhere) time.Time {
		s.Helper()
		s.wait(time.Hour)
		s.finish(s.take(w), photopush.Outcome{Contacted: true, Inventory: s.inventory(), Findings: f, Elsewhere: e})
		return s.now()
	}
	is := func(what string, f []photopush.FindingRecord, e []photopush.ElsewhereRecord) {
		s.Helper()
		gotF, err := s.Findings(s.ctx)
		s.ok(err)
		gotE, err := s.Elsewhere(s.ctx)
		s.ok(err)
		s.same(what, gotF, f)
		s.same(what+": elsewhere", gotE, e)
	}
	where := func(n int) photopush.Workstation {
		return photopush.Workstation{ID: id(n), Domain: domain, Name: workstation(n).Name, Host: workstation(n).Host}
	}
	found := func(n int, f photopush.Finding, at time.Time) photopush.FindingRecord {
		return photopush.FindingRecord{Workstation: where(n), Finding: f, Found: at}
	}
	points := func(e photopush.Elsewhere, at time.Time) []photopush.ElsewhereRecord {
		return []photopush.ElsewhereRecord{{Workstation: where(1), Account: "u1", Elsewhere: e, Found: at}}
	}
	is("none", nil, nil)
	first := look(1, []photopush.Finding{users, below}, []photopush.Elsewhere{share})
	second := look(2, []photopush.Finding{unclear}, nil)
	unclear.Unclear = "no owner"
	both := []photopush.FindingRecord{found(1, users, first), found(1, below, first), found(2, unclear, second)}
	elsewhere := points(share, first)
	is("found", both, elsewhere)
	s.finish(s.take(1), photopush.Outcome{Reason: photopush.Offline})
	is("off", both, elsewhere)
	users.SDDL = "O:BAD:(A;;KA;;;BU)(A;;KR;;;WD)"
	share.Value.Data = `\\far\y.jpg`
	third := look(1, []photopush.Finding{users}, []photopush.Elsewhere{share})
	is("since it was found", []photopush.FindingRecord{found(1, users, first), both[2]}, points(share, third))
	look(1, nil, nil)
	is("closed", both[2:], nil)
	look(2, make([]photopush.Finding, 5000), nil)
	all, err := s.Findings(s.ctx)
	s.ok(err)
	s.same("what a workstation may make up is bounded", len(all), 100)
}

func repairs(s *suite) {
	s.company(1)
	look := func(users, own string) {
		s.Helper()
		inv := s.inventory()
		inv.UsersACL, inv.Accounts[0].ACL = users, own
		s.finish(s.take(1), photopush.Outcome{Contacted: true, Inventory: inv})
	}
	found := []photopush.Finding{{Key: photopush.KeyUsers, SDDL: "open"}, {Key: photopush.KeyUsers, SDDL: "open", Owner: true}, {Key: string(sid(1)), SDDL: "his"}, {Key: string(sid(2))}}
	look("open", "his")
	s.wait(time.Minute)
	at := s.now()
	s.ok(s.KeepSDDL(s.ctx, id(1), found))
	s.wait(time.Minute)
	s.ok(s.KeepSDDL(s.ctx, id(1), found)) // tried again
	is := func(what string, want ...photopush.Repair) {
		s.Helper()
		got, err := s.Repairs(s.ctx, id(1))
		s.ok(err)
		s.same(what, got, want)
	}
	one, two := photopush.Repair{Workstation: id(1), Key: photopush.KeyUsers, Before: "open", At: at}, photopush.Repair{Workstation: id(1), Key: string(sid(1)), Before: "his", At: at}
	is("before", one, two)
	s.finish(s.take(1), photopush.Outcome{Reason: photopush.Unknown})
	is("lost", one, two)
	look("closed", "mine")
	one.After, two.After = "closed", "mine"
	is("read", one, two)
	s.wait(time.Minute)
	s.ok(s.KeepSDDL(s.ctx, id(1), found[:1]))
	again := photopush.Repair{Workstation: id(1), Key: photopush.KeyUsers, Before: "open", At: s.now()}
	is("open once more", one, two, again)
	if err := s.KeepSDDL(s.ctx, "none", found); err == nil {
		s.Error("permissions of an unknown workstation are kept")
	}
}
