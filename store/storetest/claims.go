package storetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// finish stores an outcome that leaves nothing planned.
func (s *suite) finish(c photopush.Claim, o photopush.Outcome) {
	s.Helper()
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, Outcome: o}))
}

func claimOrder(s *suite) {
	s.company(4)
	for n := 1; n <= 4; n++ {
		s.finish(s.take(n), photopush.Outcome{})
	}
	at := s.now()
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, at.Add(1*time.Minute), photopush.Normal))
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(2)}, at.Add(3*time.Minute), photopush.OnDemand))
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(3)}, at.Add(2*time.Minute), photopush.Normal))
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(4)}, at.Add(4*time.Minute), photopush.OnDemand))
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(4)}, at.Add(5*time.Minute), photopush.Normal)) // neither later nor lower
	s.same("not due yet", hosts(s.claim(photopush.ClaimRequest{})), []string(nil))
	s.wait(time.Hour)
	var got []string
	for range 5 {
		got = append(got, hosts(s.claim(photopush.ClaimRequest{Limit: 1}))...)
	}
	s.same("order", got, []string{"ws2.corp.example", "ws4.corp.example", "ws1.corp.example", "ws3.corp.example"})
}

func claimLimits(s *suite) {
	s.company(9)
	other := workstation(10)
	other.Domain = "other.example"
	s.ok(s.PutWorkstations(s.ctx, 1, []photopush.Workstation{other}))
	count := func(what string, n int, r photopush.ClaimRequest) []photopush.Claim {
		s.Helper()
		claims := s.claim(r)
		s.same(what, len(claims), n)
		return claims
	}
	count("nothing of no domain", 0, photopush.ClaimRequest{Domains: []string{}})
	count("nothing of nothing", 0, photopush.ClaimRequest{Only: []photopush.GUID{}})
	count("one domain", 1, photopush.ClaimRequest{Domains: []string{"other.example", "third.example"}})
	count("only", 2, photopush.ClaimRequest{Only: []photopush.GUID{id(1), id(2), "none"}})
	count("only, and domain", 0, photopush.ClaimRequest{Only: []photopush.GUID{id(3)}, Domains: []string{"other.example"}})
	first := count("in flight", 2, photopush.ClaimRequest{MaxInFlight: 5})
	count("full", 0, photopush.ClaimRequest{MaxInFlight: 5})
	count("overfull", 0, photopush.ClaimRequest{MaxInFlight: 3})
	s.finish(first[0], photopush.Outcome{})
	count("one place", 1, photopush.ClaimRequest{MaxInFlight: 5})
	count("limit", 2, photopush.ClaimRequest{Limit: 2})
	count("the rest", 2, photopush.ClaimRequest{})
	for _, r := range []photopush.ClaimRequest{{Lease: time.Minute}, {Limit: 1}, {Limit: 1, Lease: -1}} {
		if _, err := s.Claim(s.ctx, r); err == nil {
			s.Errorf("%+v is claimed", r)
		}
	}
}

// A site has no more leases than it may, whatever is due there; those of unknown sites are not counted.
func claimSites(s *suite) {
	s.company(12)
	s.wait(time.Second)
	one := []photopush.GUID{}
	for n := 1; n <= 9; n++ {
		one = append(one, id(n))
	}
	for _, c := range s.claim(photopush.ClaimRequest{Only: one}) {
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, Site: map[bool]string{true: "Hub", false: "Branch"}[c.Workstation.ID <= id(5)], NextDue: s.now()}))
	}
	s.same("site", s.record(1).Site, "Hub")
	s.same("site that is not known", s.record(10).Site, "")
	bySite := func(what string, want map[string]int, r photopush.ClaimRequest) []photopush.Claim {
		s.Helper()
		claims := s.claim(r)
		got := map[string]int{}
		for _, c := range claims {
			got[c.Site]++
		}
		s.same(what, got, want)
		return claims
	}
	s.wait(time.Second)
	first := bySite("few", map[string]int{"": 3}, photopush.ClaimRequest{Limit: 3, MaxPerSite: 2}) // due first
	second := bySite("two of each", map[string]int{"Hub": 2, "Branch": 2}, photopush.ClaimRequest{MaxPerSite: 2})
	bySite("full", map[string]int{}, photopush.ClaimRequest{MaxPerSite: 2})
	bySite("below what lives", map[string]int{}, photopush.ClaimRequest{MaxPerSite: 1})
	s.finish(first[0], photopush.Outcome{})
	bySite("an unknown site makes no room", map[string]int{}, photopush.ClaimRequest{MaxPerSite: 2})
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: second[0]})) // its site is what it was
	bySite("room for one", map[string]int{second[0].Site: 1}, photopush.ClaimRequest{MaxPerSite: 2})
	bySite("no limit", map[string]int{"Hub": 2, "Branch": 2}, photopush.ClaimRequest{})
}

func claimNever(s *suite) {
	s.company(4)
	s.claim(photopush.ClaimRequest{Only: []photopush.GUID{id(1)}})
	off := workstation(2)
	off.Enabled = false
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(1), off, workstation(4)}))
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
	s.ok(s.SetVerify(s.ctx, nil))
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1), id(2), id(3)}, s.now(), photopush.OnDemand))
	s.same("claimed", hosts(s.claim(photopush.ClaimRequest{})), []string{"ws4.corp.example"})
	s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(2), workstation(3)}))
	got := hosts(s.claim(photopush.ClaimRequest{}))
	slices.Sort(got)
	s.same("claimed when they are back", got, []string{"ws2.corp.example", "ws3.corp.example"})
}

// Three openings of the database, as three processes, with four goroutines each: no workstation is held twice, and there are never more leases than allowed.
func claimsSideBySide(s *suite) {
	const workstations, inFlight = 200, 7
	s.company(workstations)
	var mu sync.Mutex
	held, visits, most := map[photopush.GUID]bool{}, map[photopush.GUID]int{}, 0
	enter := func(c photopush.Claim) {
		mu.Lock()
		defer mu.Unlock()
		if held[c.Workstation.ID] {
			s.Errorf("%s is held twice", c.Workstation.Host)
		}
		held[c.Workstation.ID] = true
		visits[c.Workstation.ID]++
		if most = max(most, len(held)); len(held) > inFlight {
			s.Errorf("%d leases live, want at most %d", len(held), inFlight)
		}
	}
	leave := func(c photopush.Claim) {
		mu.Lock()
		defer mu.Unlock()
		delete(held, c.Workstation.ID)
	}
	left := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(visits) < workstations
	}
	var group sync.WaitGroup
	for range 3 {
		db := s.another()
		for lane := range 4 {
			group.Go(func() {
				for left() {
					claims, err := db.Claim(s.ctx, photopush.ClaimRequest{Limit: lane + 1, Lease: time.Minute, MaxInFlight: inFlight})
					if err != nil {
						s.Error(err)
						return
					}
					for _, c := range claims {
						enter(c)
					}
					for _, c := range claims {
						leave(c) // before the lease ends, so that another's claim is no error
						if err := db.Finish(s.ctx, photopush.Result{Claim: c}); err != nil {
							s.Error(err)
							return
						}
					}
				}
			})
		}
	}
	group.Wait()
	for w, n := range visits {
		if n != 1 {
			s.Errorf("%s was visited %d times", w, n)
		}
	}
	if most < 2 {
		s.Errorf("at most %d leases lived at once: nothing was tried", most)
	}
}

func claimOne(s *suite) {
	s.company(2)
	s.finish(s.take(1), photopush.Outcome{})
	s.same("nothing due", s.record(1).Due, time.Time{})
	c := s.take(1) // due or not
	s.same("until", c.Until, s.now().Add(time.Minute))
	s.same("record", s.record(1).LeaseUntil, c.Until)
	other := s.another()
	_, held, got, err := other.ClaimOne(s.ctx, id(1), time.Hour)
	s.ok(err)
	s.same("held by another", got, false)
	s.same("until", held, c.Until)
	s.finish(c, photopush.Outcome{})
	c, _, got, err = other.ClaimOne(s.ctx, id(1), time.Hour)
	s.ok(err)
	s.same("free", got, true)
	s.same("claim", c.Workstation, workstation(1))
	off := workstation(2)
	off.Enabled = false
	s.ok(s.PutWorkstations(s.ctx, 1, []photopush.Workstation{off}))
	for _, unknown := range []photopush.GUID{id(2), "nothing"} {
		if _, _, _, err = s.ClaimOne(s.ctx, unknown, time.Minute); !errors.Is(err, photopush.ErrUnknownWorkstation) {
			s.Errorf("%s: %v", unknown, err)
		}
	}
}

func leaseEnds(s *suite) {
	s.company(1)
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Finished: s.now(), Inventory: &photopush.Inventory{Build: 22631}})
	old := s.take(1)
	s.wait(time.Minute - time.Millisecond)
	s.same("not yet", len(s.claim(photopush.ClaimRequest{MaxInFlight: 1})), 0)
	s.wait(time.Millisecond)
	claims := s.claim(photopush.ClaimRequest{MaxInFlight: 1})
	s.same("claimed again", len(claims), 1)
	if claims[0].Inventory != nil {
		s.Error("an inventory is planned from although a visit ended without a word")
	}
	s.lost(s.Finish(s.ctx, photopush.Result{Claim: old, Attempts: 7}))
	s.same("nothing of it was stored", s.record(1).Attempts, 0)
	s.finish(claims[0], photopush.Outcome{})
}

func (s *suite) lost(err error) {
	s.Helper()
	if !errors.Is(err, store.ErrLeaseLost) || photopush.ReasonOf(err) != photopush.Conflict {
		s.Errorf("error %v, want a lost lease", err)
	}
}

func release(s *suite) {
	s.company(1)
	s.finish(s.take(1), photopush.Outcome{Contacted: true, Finished: s.now(), Inventory: &photopush.Inventory{Build: 22631}})
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, s.now(), photopush.OnDemand))
	c := s.take(1)
	s.wait(time.Second)
	s.ok(s.Release(s.ctx, c))
	w := s.record(1)
	s.same("due", w.Due, s.now())
	s.same("priority", w.Priority, photopush.OnDemand)
	s.same("lease", w.LeaseUntil, time.Time{})
	again := s.take(1)
	if again.Inventory == nil {
		s.Error("the inventory is not trusted although nobody was there")
	}
	s.ok(s.Release(s.ctx, c)) // lost already
	s.same("held", s.record(1).LeaseUntil, again.Until)
	s.lost(s.Finish(s.ctx, photopush.Result{Claim: c}))
}

// putBack: a look that somebody asked for changes nothing of when the workstation is due, unless it was made due meanwhile.
func putBack(s *suite) {
	s.company(1)
	later := s.now().Add(3 * time.Hour)
	for name, due := range map[string]time.Time{"later": later, "never": {}} {
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(1), Outcome: photopush.Outcome{Workstation: id(1), Finished: s.now()}, NextDue: due}))
		c := s.take(1)
		s.same(name+": was due", c.Due, due)
		s.ok(s.PutBack(s.ctx, c))
		s.same(name, s.record(1).Due, due)
		s.ok(s.PutBack(s.ctx, c)) // given back already
	}
	c := s.take(1)
	s.ok(s.SetDue(s.ctx, []photopush.GUID{id(1)}, s.now(), photopush.OnDemand))
	s.ok(s.PutBack(s.ctx, c))
	s.same("made due meanwhile", s.record(1).Due, s.now())
	s.ok(s.Finish(s.ctx, photopush.Result{Claim: s.take(1), Outcome: photopush.Outcome{Workstation: id(1), Finished: s.now()}, NextDue: later}))
	c = s.take(1)
	s.ok(s.SetWants(s.ctx, []photopush.Pair{want(1, 1, "a")}))
	s.ok(s.PutBack(s.ctx, c))
	s.same("wanted meanwhile", s.record(1).Due, s.now())
}

func nextDue(s *suite) {
	check := func(what string, next time.Time, due, leased int) {
		s.Helper()
		n, d, l, err := s.NextDue(s.ctx)
		s.ok(err)
		s.same(what, fmt.Sprint(n, d, l), fmt.Sprint(next, due, leased))
	}
	check("empty", time.Time{}, 0, 0)
	s.company(3)
	check("new", start, 3, 0)
	claims := s.claim(photopush.ClaimRequest{})
	check("leased", start.Add(time.Minute), 0, 3)
	for i, c := range claims {
		s.ok(s.Finish(s.ctx, photopush.Result{Claim: c, NextDue: start.Add(time.Duration(i+1) * time.Hour)}))
	}
	check("planned", start.Add(time.Hour), 0, 0)
	s.wait(2 * time.Hour)
	check("two of them", start.Add(time.Hour), 2, 0)
}

func cancelled(s *suite) {
	s.company(1)
	ctx, cancel := context.WithCancel(s.ctx)
	cancel()
	claimErr := func() error {
		_, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 1, Lease: time.Minute})
		return err
	}
	_, usersErr := s.Users(ctx, []photopush.SID{sid(1)})
	for what, err := range map[string]error{
		"put": s.PutUsers(ctx, 1, []photopush.UserRecord{user(1)}), "claim": claimErr(), "users": usersErr, "verify": s.SetVerify(ctx, nil),
	} {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("%s: %v", what, err)
		}
	}
	for _, err := range s.Plan(ctx) {
		if !errors.Is(err, context.Canceled) {
			s.Errorf("plan: %v", err)
		}
	}
	s.same("and all goes on", len(s.claim(photopush.ClaimRequest{})), 1)
}
