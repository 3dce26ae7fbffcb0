// Package storetest is one suite for every database that a store.Store can keep its tables in.
package storetest

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

// A Database makes a new, empty database for a test, and returns what opens it. It may be opened several times at once, as by several processes; what it opens
// is closed when the test ends.
type Database func(t testing.TB) (open func(store.Options) *store.Store)

// Run runs the suite.
func Run(t *testing.T, database Database) {
	for _, test := range []struct {
		name string
		run  func(*suite)
	}{
		{"pass marks who was missing", passMarksMissing},
		{"unfinished pass marks nobody", unfinishedPass},
		{"passes side by side", passesSideBySide},
		{"pass refuses what is no account", passRefusesNoAccount},
		{"changes", changes},
		{"changes overtaken", changesOvertaken},
		{"users of a domain", usersOfDomain},
		{"find users", findUsers},
		{"find workstations", findWorkstations},
		{"workstations of a user", workstationsOf},
		{"wants", wants},
		{"wants make due", wantsMakeDue},
		{"wants refuse what is none", wantsRefuse},
		{"sessions", sessions},
		{"plan", plan},
		{"plan while wants are set", planWhileSetting},
		{"status", statuses},
		{"claim order", claimOrder},
		{"claim limits", claimLimits},
		{"claim limits by site", claimSites},
		{"claim never what is held, disabled or gone", claimNever},
		{"claims side by side are exact", claimsSideBySide},
		{"claim one", claimOne},
		{"lease ends", leaseEnds},
		{"release", release},
		{"put back", putBack},
		{"finish stores", finishStores},
		{"finish needs the lease", finishNeedsLease},
		{"finish and due", finishAndDue},
		{"finish keeps attempts", finishKeepsAttempts},
		{"want set during a visit", wantDuringVisit},
		{"visit's want replaces", visitsWant},
		{"another installation", anotherInstallation},
		{"originals are kept once", originalsOnce},
		{"inventory not to be planned from", inventoryUsable},
		{"verify", verify},
		{"next due", nextDue},
		{"hold", hold},
		{"absent for a reason", absentReasons},
		{"history", history},
		{"profiles gone", profilesGone},
		{"findings", findings},
		{"repairs", repairs},
		{"credential: two rejections stop", twoRejectionsStop},
		{"credential: many visits and processes cost two attempts", twoAttempts},
		{"credential: a success lets many in", successLetsMany},
		{"credential: a rejecting workstation is not asked again", notAskedAgain},
		{"credential: workstations known to reject do not stop it", knownToReject},
		{"credential: another mark begins anew", anotherMark},
		{"credential: permit ends", permitEnds},
		{"credential: stop and clear", stopAndClear},
		{"credential: a corrected secret is tried again", retryRejected},
		{"imports", imports},
		{"imports run one at a time", importsOneAtATime},
		{"cancelled", cancelled},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.run((&suite{database: database}).fresh(t))
		})
	}
}

var start = time.Date(2026, 1, 5, 8, 0, 0, 0, time.UTC)

type suite struct {
	*testing.T
	*store.Store
	ctx   context.Context
	clock *clock
	open  func(store.Options) *store.Store

	database Database
}

// fresh is a suite with a database of its own.
func (s *suite) fresh(t *testing.T) *suite {
	f := &suite{T: t, ctx: t.Context(), clock: &clock{now: start}, database: s.database, open: s.database(t)}
	f.Store = f.another()
	return f
}

// another opens the database once more, as another process would.
func (s *suite) another() *store.Store {
	return s.open(store.Options{Clock: s.clock.Now})
}

type clock struct {
	mu  sync.Mutex
	now time.Time
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (s *suite) wait(d time.Duration) {
	s.clock.mu.Lock()
	defer s.clock.mu.Unlock()
	s.clock.now = s.clock.now.Add(d)
}

func (s *suite) now() time.Time { return s.clock.Now() }

func (s *suite) ok(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *suite) same(what string, got, want any) {
	s.Helper()
	if diff := cmp.Diff(want, got); diff != "" {
		s.Errorf("%s (-want +got):\n%s", what, diff)
	}
}

const domain = "corp.example"

func id(n int) photopush.GUID { return photopush.GUID(fmt.Sprintf("8c7ec6d4-09b5-4d9f-a1f5-%012d", n)) }

func sid(n int) photopush.SID { return photopush.SID(fmt.Sprintf("S-1-5-21-1-2-3-%d", 1000+n)) }

func workstation(n int) photopush.Workstation {
	return photopush.Workstation{ID: id(n), Domain: domain, DN: fmt.Sprintf("CN=WS%d,OU=PCs,DC=corp,DC=example", n), Name: fmt.Sprintf("WS%d", n),
		Host: fmt.Sprintf("ws%d.corp.example", n), OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)", Enabled: true,
		LastLogon: start.Add(-time.Hour), PasswordSet: start.Add(-2 * time.Hour), ManagedBy: "CN=u1,DC=corp,DC=example"}
}

func user(n int) photopush.UserRecord {
	return photopush.UserRecord{User: photopush.User{SID: sid(n), GUID: photopush.GUID(fmt.Sprintf("guid-%d", n)), Domain: domain,
		DN: fmt.Sprintf("CN=u%d,OU=People,DC=corp,DC=example", n), AccountName: fmt.Sprintf("u%d", n), UPN: fmt.Sprintf("u%d@corp.example", n),
		DisplayName: fmt.Sprintf("User %d", n), Enabled: true}, PhotoHash: fmt.Sprintf("hash%d", n), Digest: fmt.Sprintf("digest%d", n)}
}

// company puts workstations 1 to n and users 1 to n, in a pass that has ended.
func (s *suite) company(n int) {
	s.Helper()
	pass, err := s.BeginPass(s.ctx, domain)
	s.ok(err)
	for i := 1; i <= n; i++ {
		s.ok(s.PutUsers(s.ctx, pass, []photopush.UserRecord{user(i)}))
		s.ok(s.PutWorkstations(s.ctx, pass, []photopush.Workstation{workstation(i)}))
	}
	_, _, err = s.EndPass(s.ctx, domain, pass, photopush.Bookmark{})
	s.ok(err)
}

func (s *suite) claim(r photopush.ClaimRequest) []photopush.Claim {
	s.Helper()
	if r.Limit == 0 {
		r.Limit = 100
	}
	if r.Lease == 0 {
		r.Lease = time.Minute
	}
	claims, err := s.Claim(s.ctx, r)
	s.ok(err)
	return claims
}

// take claims exactly workstation n.
func (s *suite) take(n int) photopush.Claim {
	s.Helper()
	c, _, got, err := s.ClaimOne(s.ctx, id(n), time.Minute)
	s.ok(err)
	if !got {
		s.Fatalf("workstation %d is held", n)
	}
	return c
}

func (s *suite) pair(w, u int) photopush.Pair {
	s.Helper()
	pairs, err := s.PairsOf(s.ctx, id(w))
	s.ok(err)
	for _, p := range pairs {
		if p.User == sid(u) {
			return p
		}
	}
	s.Fatalf("workstation %d has no pair of user %d", w, u)
	return photopush.Pair{}
}

func (s *suite) record(n int) photopush.WorkstationRecord {
	s.Helper()
	w, err := s.Workstation(s.ctx, id(n))
	s.ok(err)
	return w
}

func (s *suite) set(pairs ...photopush.Pair) {
	s.Helper()
	s.ok(s.SetWants(s.ctx, pairs))
}

func want(w, u int, v photopush.Want) photopush.Pair {
	return photopush.Pair{Workstation: id(w), User: sid(u), Want: v}
}

func hosts(claims []photopush.Claim) []string {
	var all []string
	for _, c := range claims {
		all = append(all, c.Workstation.Host)
	}
	return all
}
