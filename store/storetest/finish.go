package storetest

import (
	"errors"
	"testing"
	"time"

	"github.com/photopush/photopush"
)

func (s *suite) inventory() *photopush.Inventory {
	return &photopush.Inventory{Taken: s.now(), PowerShell: "5.1.22621.2506", Build: 22631, Type: "Client", InstallDate: 1700000000, MachineGUID: "guid",
		Domain: domain, EntraJoined: true, DefaultTile: true, FreeBytes: -1,
		Profiles: []photopush.Profile{{SID: sid(1), Loaded: true, LastUse: s.now()}},
		Accounts: []photopush.Account{{SID: sid(1), State: "x", Values: []photopush.Value{{Name: "Image96", Kind: "sz", Data: `C:\ü.jpg`}}}}}
}

func finishStores(s *suite) {
	s.company(1)
	c := s.take(1)
	s.wait(time.Second)
	inv := s.inventory()
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, NextDue: s.now().Add(2 * time.Hour), VerifyDue: s.now().Add(time.Hour),
		Outcome: photopush.Outcome{Contacted: true, Finished: s.now(), Inventory: inv, Pairs: []photopush.Pair{
			{User: sid(1), Want: "a", Have: "a", Original: []photopush.Value{{Name: "Image96", Kind: "sz", Data: "x"}}},
			{User: sid(2), Want: "b", Have: "", Reason: photopush.DiskFull, Detail: "8 bytes\tfree", Original: []photopush.Value{}},
			{User: sid(3), Want: photopush.Leave, Reason: photopush.NoPhoto},
		}},
		Sessions: []photopush.Session{{User: sid(1), Source: "profile", FirstSeen: start, LastSeen: s.now()}}}))
	s.same("workstation", s.record(1), photopush.WorkstationRecord{Workstation: workstation(1), Due: s.now().Add(time.Hour), LastContact: s.now(),
		LastSuccess: s.now(), VerifyDue: s.now().Add(time.Hour), InventoryTime: s.now(), Facts: inv.Facts()})
	pairs, err := s.PairsOf(s.ctx, id(1))
	s.ok(err)
	s.same("pairs", pairs, []photopush.Pair{
		{Workstation: id(1), User: sid(1), Want: "a", Have: "a", Original: []photopush.Value{{Name: "Image96", Kind: "sz", Data: "x"}}},
		{Workstation: id(1), User: sid(2), Want: "b", Reason: photopush.DiskFull, Detail: "8 bytes free", Since: s.now(), Original: []photopush.Value{}},
		{Workstation: id(1), User: sid(3), Want: photopush.Leave, Reason: photopush.NoPhoto},
	})
	evidence, err := s.SessionsOf(s.ctx, id(1))
	s.ok(err)
	s.same("sessions", evidence, []photopush.Session{{Workstation: id(1), User: sid(1), Source: "profile", FirstSeen: start, LastSeen: s.now()}})
	got, usable, err := s.Inventory(s.ctx, id(1))
	s.ok(err)
	s.same("inventory", got, inv)
	s.same("usable", usable, true)
	s.same("inventory of the next claim", s.take(1).Inventory, inv)
}

func finishNeedsLease(s *suite) {
	s.company(2)
	c := s.take(1)
	forged := c
	forged.Workstation.ID = id(2)
	s.lost(s.Finish(s.ctx, photopush.Result{Claim: forged}))
	for _, token := range []string{"", "1", "1-", "x-y", "-1-", "2-" + c.Token, c.Token + "0"} {
		forged = c
		forged.Token = token
		s.lost(s.Finish(s.ctx, photopush.Result{Claim: forged}))
	}
	lost, err := s.FinishAll(s.ctx, []photopush.Result{{Claim: forged}, {Claim: c, Attempts: 3}, {Claim: c, Attempts: 4}})
	s.ok(err)
	s.lost(lost[0])
	s.ok(lost[1])
	s.lost(lost[2])
	s.same("stored once", s.record(1).Attempts, 3)
}

func finishAndDue(s *suite) {
	s.company(1)
	hour := func(n int) time.Time { return start.Add(time.Duration(n) * time.Hour) }
	for _, test := range []struct {
		name         string
		next, verify time.Time
		during       func()
		due          time.Time
		priority     photopush.Priority
	}{
		{"nothing planned", time.Time{}, time.Time{}, nil, time.Time{}, 0},
		{"next", hour(2), time.Time{}, nil, hour(2), 0},
		{"verify alone", time.Time{}, hour(3), nil, hour(3), 0},
		{"verify earlier", hour(4), hour(3), nil, hour(3), 0},
		{"set due meanwhile, earlier", hour(4), time.Time{}, func() { s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, hour(1), photopush.OnDemand)) }, hour(1), photopush.OnDemand},
		{"set due meanwhile, later", hour(4), time.Time{}, func() { s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, hour(5), photopush.Normal)) }, hour(4), 0},
		{"set due meanwhile, nothing planned", time.Time{}, time.Time{}, func() { s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, hour(5), photopush.Normal)) }, hour(5), 0},
	} {
		c := s.take(1)
		if test.during != nil {
			test.during()
		}
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, NextDue: test.next, VerifyDue: test.verify}))
		w := s.record(1)
		s.same(test.name, w.Due, test.due)
		s.same(test.name+": priority", w.Priority, test.priority)
		c = s.take(1) // what was on demand is done by a claim
		s.finish(c, photopush.Outcome{})
		s.same(test.name+": priority after", s.record(1).Priority, photopush.Normal)
	}
}

// A hostile error has a text that a workstation chose.
type hostile string

func (h hostile) Error() string { return string(h) }

func finishKeepsAttempts(s *suite) {
	s.company(1)
	fail := func(attempts int, r photopush.Reason, contacted bool, err error) photopush.WorkstationRecord {
		s.Helper()
		s.wait(time.Minute)
		c := s.take(1)
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, Attempts: attempts, Outcome: photopush.Outcome{Reason: r, Err: err, Contacted: contacted, Finished: s.now()}}))
		s.same("attempts of the next claim", s.takeAndRelease().Attempts, attempts)
		return s.record(1)
	}
	w := fail(0, "", true, nil)
	good := s.now()
	s.same("good", []time.Time{w.LastContact, w.LastSuccess, w.FirstFailed}, []time.Time{good, good, {}})
	w = fail(0, photopush.Offline, false, errors.New("no answer"))
	first := s.now()
	s.same("off", []time.Time{w.LastContact, w.LastSuccess, w.FirstFailed}, []time.Time{good, good, first})
	s.same("why", string(w.Reason)+" "+w.Detail, "offline no answer")
	w = fail(1, photopush.Denied, true, hostile("denied\r\n"))
	denied := s.now()
	s.same("denied", []time.Time{w.LastContact, w.LastSuccess, w.FirstFailed}, []time.Time{denied, good, first})
	w = fail(0, "", true, nil)
	s.same("good again", []time.Time{w.LastContact, w.LastSuccess, w.FirstFailed}, []time.Time{s.now(), s.now(), {}})
	s.same("why no more", string(w.Reason)+w.Detail, "")
}

func (s *suite) takeAndRelease() photopush.Claim {
	s.Helper()
	c := s.take(1)
	s.ok(s.Release(s.ctx, c))
	return c
}

// What changes while a visit runs is seen to after it, however the visit ends; what the visit tried in vain waits.
func wantDuringVisit(s *suite) {
	left := want(1, 1, photopush.Leave)
	left.Reason = photopush.NoPhoto
	for _, test := range []struct {
		name   string
		before []photopush.Pair
		during []photopush.Pair
		seen   []photopush.Pair
		reason photopush.Reason
		after  photopush.Pair
		again  bool
	}{
		{"nothing", []photopush.Pair{want(1, 1, "a")}, nil, []photopush.Pair{{User: sid(1), Want: "a", Have: "a"}}, "", photopush.Pair{Want: "a", Have: "a"}, false},
		{"another photo", []photopush.Pair{want(1, 1, "a")}, []photopush.Pair{want(1, 1, "b")}, []photopush.Pair{{User: sid(1), Want: "a", Have: "a"}}, "",
			photopush.Pair{Want: "b", Have: "a", Since: start}, true},
		{"another photo, failed", []photopush.Pair{want(1, 1, "a")}, []photopush.Pair{want(1, 1, "b")},
			[]photopush.Pair{{User: sid(1), Want: "a", Have: "", Reason: photopush.Script, Detail: "of the old want"}}, "",
			photopush.Pair{Want: "b", Have: "", Since: start}, true},
		{"photo removed", []photopush.Pair{want(1, 1, "a")}, []photopush.Pair{left}, []photopush.Pair{{User: sid(1), Want: "a", Have: "a"}}, "",
			photopush.Pair{Want: photopush.Leave, Have: "a", Reason: photopush.NoPhoto}, false},
		{"not wanted there any more", []photopush.Pair{want(1, 1, "a")}, []photopush.Pair{want(1, 1, photopush.Absent)}, []photopush.Pair{{User: sid(1), Want: "a", Have: "a"}}, "",
			photopush.Pair{Want: photopush.Absent, Have: "a", Since: start}, true},
		{"the same in the end", []photopush.Pair{want(1, 1, "a")}, []photopush.Pair{want(1, 1, "b"), want(1, 1, "a")},
			[]photopush.Pair{{User: sid(1), Want: "a", Have: "", Reason: photopush.DiskFull}}, "", photopush.Pair{Want: "a", Reason: photopush.DiskFull, Since: start}, false},
		{"tried in vain", []photopush.Pair{want(1, 1, "a")}, nil, []photopush.Pair{{User: sid(1), Want: "a", Reason: photopush.DiskFull}}, "",
			photopush.Pair{Want: "a", Reason: photopush.DiskFull, Since: start}, false},
		{"a new user", nil, []photopush.Pair{want(1, 1, "a")}, nil, "", photopush.Pair{Want: "a", Since: start}, true},
		{"a new user, and it is off", nil, []photopush.Pair{want(1, 1, "a")}, nil, photopush.Offline, photopush.Pair{Want: "a", Since: start}, false},
		{"off", []photopush.Pair{want(1, 1, "a")}, nil, nil, photopush.Offline, photopush.Pair{Want: "a", Since: start}, false},
		{"known, and not looked at", []photopush.Pair{want(1, 1, "a")}, nil, nil, "", photopush.Pair{Want: "a", Since: start}, false},
	} {
		s.Run(test.name, func(t *testing.T) {
			s := s.fresh(t)
			s.company(1)
			s.set(test.before...)
			c := s.take(1)
			s.set(test.during...)
			later := s.now().Add(time.Hour)
			s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, NextDue: later, Outcome: photopush.Outcome{Reason: test.reason, Contacted: test.reason == "",
				Finished: s.now(), Pairs: test.seen}}))
			test.after.Workstation, test.after.User = id(1), sid(1)
			s.same("pair", s.pair(1, 1), test.after)
			due := later
			if test.again {
				due = s.now()
			}
			s.same("due", s.record(1).Due, due)
		})
	}
}

// A visit decides from a fresh inventory: what it wanted counts, unless somebody set the want while it ran.
func visitsWant(s *suite) {
	s.company(1)
	s.set(want(1, 1, "a"), want(1, 2, photopush.Leave))
	blocked := photopush.Pair{User: sid(1), Want: photopush.Leave, Reason: photopush.BlockedPolicy, Detail: "the policy is set"}
	now := photopush.Pair{User: sid(2), Want: "b", Have: "b"}
	later := s.now().Add(time.Hour)
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(1), NextDue: later,
		Outcome: photopush.Outcome{Contacted: true, Finished: s.now(), Pairs: []photopush.Pair{blocked, now}}}))
	blocked.Workstation, now.Workstation = id(1), id(1)
	s.same("blocked", s.pair(1, 1), blocked)
	s.same("wanted", s.pair(1, 2), now)
	s.same("due", s.record(1).Due, later)
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{{User: sid(1), Want: photopush.Leave}}})
	s.same("left alone without a word", s.pair(1, 1), blocked)
}

func anotherInstallation(s *suite) {
	visit := func(inv *photopush.Inventory, pairs ...photopush.Pair) {
		s.Helper()
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(1), NextDue: s.now().Add(time.Hour),
			Outcome: photopush.Outcome{Contacted: true, Finished: s.now(), Inventory: inv, Pairs: pairs}}))
	}
	old, other, later := s.inventory(), s.inventory(), s.inventory()
	other.MachineGUID = "another"
	later.MachineGUID, later.InstallDate = "another", 1800000000
	s.company(1)
	had := []photopush.Value{{Name: "Image96"}}
	left := photopush.Pair{User: sid(3), Want: photopush.Leave, Have: "c", Reason: photopush.NoPhoto}
	both := []photopush.Pair{{User: sid(1), Want: "a", Have: "a", Original: had}, {User: sid(2), Want: "b", Have: "b", Original: had}, left}
	visit(old, both...)
	visit(old)
	s.same("the same installation", s.pair(1, 2).Have, "b")
	s.same("due", s.record(1).Due, s.now().Add(time.Hour))

	s.wait(time.Minute)
	visit(other, photopush.Pair{User: sid(1), Want: "a", Have: "a", Original: []photopush.Value{}})
	s.same("looked at", s.pair(1, 1), photopush.Pair{Workstation: id(1), User: sid(1), Want: "a", Have: "a", Original: []photopush.Value{}})
	s.same("forgotten", s.pair(1, 2), photopush.Pair{Workstation: id(1), User: sid(2), Want: "b", Since: s.now()})
	s.same("left", s.pair(1, 3), photopush.Pair{Workstation: id(1), User: sid(3), Want: photopush.Leave, Reason: photopush.NoPhoto})
	s.same("due", s.record(1).Due, s.now())

	visit(later, both...)
	s.same("installed at another time", s.pair(1, 2), photopush.Pair{Workstation: id(1), User: sid(2), Want: "b", Have: "b", Original: had})
	s.same("due", s.record(1).Due, s.now().Add(time.Hour))
}

func originalsOnce(s *suite) {
	s.company(1)
	first, second := []photopush.Value{{Name: "Image96", Kind: "sz", Data: "his"}}, []photopush.Value{{Name: "Image96", Kind: "sz", Data: "ours"}}
	of := func(u int, v []photopush.Value) photopush.Pair {
		return photopush.Pair{Workstation: id(1), User: sid(u), Want: "a", Original: v}
	}
	s.set(want(1, 1, "a"), want(1, 2, "a"), want(1, 3, "a"))
	s.ok(s.KeepOriginals(s.ctx, []photopush.Pair{of(1, first), of(2, []photopush.Value{}), of(3, nil)}))
	s.ok(s.KeepOriginals(s.ctx, []photopush.Pair{of(1, second), of(2, second)}))
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{of(1, second), of(2, second), of(3, nil)}})
	s.same("first", s.pair(1, 1).Original, first)
	s.same("nothing before", s.pair(1, 2).Original, []photopush.Value{})
	s.same("not known", s.pair(1, 3).Original, []photopush.Value(nil))
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Pairs: []photopush.Pair{of(3, second)}})
	s.same("known now", s.pair(1, 3).Original, second)
}

func inventoryUsable(s *suite) {
	s.company(1)
	for _, test := range []struct {
		name   string
		o      photopush.Outcome
		usable bool
	}{
		{"off", photopush.Outcome{Reason: photopush.Offline}, true},
		{"refused before anything was done", photopush.Outcome{Reason: photopush.Denied, Contacted: true}, true},
		{"not read back", photopush.Outcome{Reason: photopush.Script, Contacted: true, Unread: true}, false},
		{"lost", photopush.Outcome{Reason: photopush.Unknown}, false},
		{"read, and then something was changed", photopush.Outcome{Contacted: true, Inventory: s.inventory(), Unread: true}, false},
		{"read", photopush.Outcome{Contacted: true, Inventory: s.inventory()}, true},
	} {
		s.finish(s.take(1), photopush.Outcome{Contacted: true, Inventory: s.inventory()})
		s.finish(s.take(1), test.o)
		_, usable, err := s.Inventory(s.ctx, id(1))
		s.ok(err)
		s.same(test.name, usable, test.usable)
		s.same(test.name+": claim", s.takeAndRelease().Inventory != nil, test.usable)
	}
	inv, usable, err := s.Inventory(s.ctx, id(9))
	if inv != nil || usable || err != nil {
		s.Errorf("unknown workstation: %v %v %v", inv, usable, err)
	}
}

func verify(s *suite) {
	s.company(2)
	for _, c := range s.claim(photopush.ClaimRequest{}) {
		s.same("new", c.Verify, false)
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, VerifyDue: s.now().Add(time.Hour)}))
	}
	s.same("early", s.takeAndRelease().Verify, false)
	s.wait(time.Hour)
	c := s.take(1)
	s.same("verify is due", c.Verify, true)
	s.finish(c, photopush.Outcome{})
	s.same("done", s.record(1).VerifyDue, time.Time{})

	s.ok(s.SetVerify(s.ctx, []photopush.GUID{id(1)}))
	c = s.take(1)
	s.same("asked for", c.Verify, true)
	s.wait(time.Second)
	s.ok(s.SetVerify(s.ctx, nil)) // while the visit runs
	s.wait(time.Second)
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, NextDue: s.now().Add(time.Hour), VerifyDue: s.now().Add(time.Hour)}))
	claims := s.claim(photopush.ClaimRequest{})
	s.same("both once more", len(claims), 2)
	for _, c := range claims {
		s.same("verify", c.Verify, true)
		s.finish(c, photopush.Outcome{})
	}
	s.same("none", len(s.claim(photopush.ClaimRequest{})), 0)
}
