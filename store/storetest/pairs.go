package storetest

import (
	"errors"
	"time"

	"github.com/photopush/photopush"
)

func wants(s *suite) {
	s.company(1)
	began := s.now()
	s.set(want(1, 1, "a"))
	s.same("new", s.pair(1, 1), photopush.Pair{Workstation: id(1), User: sid(1), Want: "a", Since: began})

	s.wait(time.Minute)
	s.set(want(1, 1, "b"))
	s.same("since when stays", s.pair(1, 1), photopush.Pair{Workstation: id(1), User: sid(1), Want: "b", Since: began})

	s.finish(s.take(1), photopush.Outcome{Contacted: true, Finished: s.now(), Pairs: []photopush.Pair{
		{User: sid(1), Want: "b", Have: "", Reason: photopush.DiskFull, Detail: "no room"}}})
	s.set(want(1, 1, "b"))
	s.same("the visit's reason stays while the want is the same", s.pair(1, 1), photopush.Pair{Workstation: id(1), User: sid(1), Want: "b", Since: began,
		Reason: photopush.DiskFull, Detail: "no room"})

	left := want(1, 1, photopush.Leave)
	left.Reason, left.Detail = photopush.NoPhoto, "none"
	s.set(left)
	s.same("left", s.pair(1, 1), left)
	left.Reason, left.Detail = photopush.OutOfScope, "moved"
	s.set(left)
	s.same("left for another reason", s.pair(1, 1), left)

	s.set(want(1, 1, photopush.Absent))
	s.same("absent, and nothing there", s.pair(1, 1), want(1, 1, photopush.Absent))

	s.finish(s.take(1), photopush.Outcome{Contacted: true, Finished: s.now(), Pairs: []photopush.Pair{{User: sid(1), Want: photopush.Absent, Have: "b"}}})
	s.same("absent, and something there", s.pair(1, 1).Since, s.now())
	s.set(want(1, 1, "b"))
	s.same("wanted is what is there", s.pair(1, 1), photopush.Pair{Workstation: id(1), User: sid(1), Want: "b", Have: "b"})
}

func wantsMakeDue(s *suite) {
	s.company(1)
	later := s.now().Add(24 * time.Hour)
	rest := func(pairs ...photopush.Pair) {
		s.Helper()
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(1), NextDue: later, Outcome: photopush.Outcome{Contacted: true, Finished: s.now(), Pairs: pairs}}))
		s.same("due after the visit", s.record(1).Due, later)
	}
	rest(photopush.Pair{User: sid(1), Want: "a", Have: "a"})
	s.wait(time.Minute)
	for _, test := range []struct {
		name string
		want photopush.Want
		due  time.Time
	}{
		{"the same", "a", later}, {"leave", photopush.Leave, later}, {"back to what is there", "a", later}, {"another", "b", s.now()},
	} {
		s.set(want(1, 1, test.want))
		s.same(test.name, s.record(1).Due, test.due)
	}
	rest(photopush.Pair{User: sid(1), Want: "b", Have: "a", Reason: photopush.DiskFull})
	s.set(want(1, 1, "b"))
	s.same("the same, out of step", s.record(1).Due, later)
	s.set(want(1, 2, photopush.Absent))
	s.same("a new pair in step", s.record(1).Due, later)
	s.set(want(1, 1, photopush.Absent))
	s.same("absent, but something is there", s.record(1).Due, s.now())
	s.wait(time.Minute)
	s.set(want(1, 1, "c"))
	s.same("due earlier stays", s.record(1).Due, s.now().Add(-time.Minute))
}

func wantsRefuse(s *suite) {
	s.company(1)
	for _, p := range []photopush.Pair{{Workstation: id(1), User: sid(1)}, {Workstation: id(1), User: "S-1-5-18", Want: "a"}} {
		if err := s.SetWants(s.ctx, []photopush.Pair{want(1, 2, "a"), p}); photopush.ReasonOf(err) != photopush.Internal {
			s.Errorf("%v: %v", p, err)
		}
	}
	if err := s.SetWants(s.ctx, []photopush.Pair{want(1, 2, "a"), want(9, 1, "a")}); !errors.Is(err, photopush.ErrUnknownWorkstation) {
		s.Errorf("an unknown workstation: %v", err)
	}
	pairs, err := s.PairsOf(s.ctx, id(1))
	s.ok(err)
	s.same("nothing was stored", len(pairs), 0)
}

func sessions(s *suite) {
	s.company(1)
	day := func(n int) time.Time { return start.AddDate(0, 0, n) }
	put := func(u int, source string, first, last time.Time) {
		s.ok(s.PutSessions(s.ctx, []photopush.Session{{Workstation: id(1), User: sid(u), Source: source, FirstSeen: first, LastSeen: last}}))
	}
	put(2, "profile", day(3), day(3))
	put(1, "profile", day(2), day(4))
	put(1, "profile", day(3), day(5))
	put(1, "profile", day(1), day(1))
	put(1, "event", day(6), day(6))
	put(2, "profile", day(4), time.Time{})
	all, err := s.SessionsOf(s.ctx, id(1))
	s.ok(err)
	s.same("sessions", all, []photopush.Session{
		{Workstation: id(1), User: sid(1), Source: "event", FirstSeen: day(6), LastSeen: day(6)},
		{Workstation: id(1), User: sid(1), Source: "profile", FirstSeen: day(1), LastSeen: day(5)},
		{Workstation: id(1), User: sid(2), Source: "profile", FirstSeen: day(3), LastSeen: day(3)},
	})
	if err := s.PutSessions(s.ctx, []photopush.Session{{Workstation: id(1), User: "S-1-5-18", Source: "profile"}}); err == nil {
		s.Error("a service has a session")
	}
}

// staff: workstation 1 has sessions of 1 (two sources) and 2 and pairs of 2 and 3; 2 has nothing; 3 is gone; 4 has a session of somebody unknown.
func staff(s *suite) {
	s.company(5)
	at := func(h int) time.Time { return start.Add(time.Duration(h) * time.Hour) }
	s.ok(s.PutSessions(s.ctx, []photopush.Session{
		{Workstation: id(1), User: sid(1), Source: "event", FirstSeen: at(1), LastSeen: at(9)},
		{Workstation: id(1), User: sid(1), Source: "profile", FirstSeen: at(1), LastSeen: at(2)},
		{Workstation: id(1), User: sid(2), Source: "profile", FirstSeen: at(3), LastSeen: at(4)},
		{Workstation: id(3), User: sid(1), Source: "profile", FirstSeen: at(1), LastSeen: at(2)},
		{Workstation: id(4), User: sid(99), Source: "profile", FirstSeen: at(1), LastSeen: at(2)},
	}))
	s.set(want(1, 2, "digest2"), want(1, 3, "digest3"), want(3, 1, "digest1"))
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	for n := range 5 {
		s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{user(n + 1)}))
		if n+1 != 3 {
			s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(n + 1)}))
		}
	}
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
}

type row struct {
	Workstation photopush.GUID
	SID         photopush.SID
	Known       bool
	Source      string
	Want        photopush.Want
}

func planRow(p photopush.Plan) row {
	return row{p.Workstation.ID, p.SID, p.User != nil && p.User.SID == p.SID, p.Session.Source, p.Pair.Want}
}

func plan(s *suite) {
	staff(s)
	want := []row{{id(1), sid(1), true, "event", ""}, {id(1), sid(2), true, "profile", "digest2"}, {id(1), sid(3), true, "", "digest3"},
		{id(4), sid(99), false, "profile", ""}}
	var got []row
	var shared *photopush.WorkstationRecord
	for p, err := range s.Plan(s.ctx) {
		s.ok(err)
		got = append(got, planRow(p))
		if p.Workstation.ID == id(1) {
			if shared != nil && shared != p.Workstation {
				s.Error("the rows of a workstation do not share it")
			}
			shared = p.Workstation
			s.same("workstation", *shared, s.record(1))
		}
	}
	s.same("plan", got, want)
	for n := 1; n <= 4; n++ {
		got = nil
		all, err := s.PlanOf(s.ctx, id(n))
		s.ok(err)
		for _, p := range all {
			got = append(got, planRow(p))
		}
		var of []row
		for _, r := range want {
			if r.Workstation == id(n) {
				of = append(of, r)
			}
		}
		s.same("plan of one", got, of)
	}
	for range s.Plan(s.ctx) {
		break // and nothing stays open
	}
}

func planWhileSetting(s *suite) {
	s.company(3)
	for n := 1; n <= 3; n++ {
		s.ok(s.PutSessions(s.ctx, []photopush.Session{{Workstation: id(n), User: sid(n), Source: "profile"}}))
	}
	n := 0
	for p, err := range s.Plan(s.ctx) {
		s.ok(err)
		n++
		s.same("the snapshot", p.Pair.Want, photopush.Want(""))
		s.set(want(1, 1, "a"), want(2, 2, "a"), want(3, 3, "a"))
	}
	s.same("rows", n, 3)
}

func statuses(s *suite) {
	staff(s)
	type line struct {
		Workstation photopush.GUID
		User        photopush.SID
		Pair        photopush.SID
		Seen        bool
	}
	var got []line
	for st, err := range s.Statuses(s.ctx) {
		s.ok(err)
		l := line{Pair: st.Pair.User, Seen: !st.LastSeen.IsZero()}
		if st.Workstation != nil {
			l.Workstation = st.Workstation.ID
		}
		if st.User != nil {
			l.User = st.User.SID
		}
		got = append(got, l)
	}
	s.same("statuses", got, []line{
		{id(1), sid(1), "", true}, {id(1), sid(2), sid(2), true}, {id(1), sid(3), sid(3), false}, {id(2), "", "", false}, {id(4), "", "", false},
		{id(5), "", "", false}, {"", sid(4), "", false}, {"", sid(5), "", false},
	})
	for range s.Statuses(s.ctx) {
		break
	}
}
