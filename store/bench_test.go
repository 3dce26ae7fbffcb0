package store_test

import (
	"context"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
)

func openAt(tb testing.TB, path string, o store.Options) *store.Store {
	tb.Helper()
	s, err := store.Open(context.Background(), store.Config{Path: path}, o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		if err := s.Close(); err != nil {
			tb.Error(err)
		}
	})
	return s
}

func ok(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func id(n int) photopush.GUID { return photopush.GUID(fmt.Sprintf("8c7ec6d4-09b5-4d9f-a1f5-%012x", n)) }
func sid(n int) photopush.SID {
	return photopush.SID(fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", n))
}

func digest(n int) string { return fmt.Sprintf("%032x", n) }

// company puts workstations that are due, and users each on `each` of them.
func company(tb testing.TB, s *store.Store, workstations, each int) {
	tb.Helper()
	ctx := context.Background()
	pass, err := s.BeginPass(ctx, "corp.example")
	ok(tb, err)
	var ws []photopush.Workstation
	var users []photopush.UserRecord
	var sessions []photopush.Session
	seen := time.Now()
	for n := range workstations {
		ws = append(ws, photopush.Workstation{ID: id(n), Domain: "corp.example", Name: fmt.Sprintf("WS%06d", n), Host: fmt.Sprintf("ws%06d.corp.example", n),
			DN: fmt.Sprintf("CN=WS%06d,OU=Workstations,DC=corp,DC=example", n), OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)", Enabled: true})
		users = append(users, photopush.UserRecord{Digest: digest(n), PhotoHash: digest(n) + digest(n), User: photopush.User{SID: sid(n), Domain: "corp.example",
			AccountName: fmt.Sprintf("u%06d", n), DisplayName: "Some One", DN: fmt.Sprintf("CN=u%06d,OU=People,DC=corp,DC=example", n), Enabled: true}})
		for i := range each {
			sessions = append(sessions, photopush.Session{Workstation: id(n), User: sid((n + i) % workstations), Source: "profile", FirstSeen: seen, LastSeen: seen})
		}
	}
	ok(tb, s.PutWorkstations(ctx, pass, ws))
	ok(tb, s.PutUsers(ctx, pass, users))
	ok(tb, s.PutSessions(ctx, sessions))
}

// BenchmarkClaimFinish claims workstations and finishes them, batch by batch. The bar is 50,000 of them in a second.
func BenchmarkClaimFinish(b *testing.B) {
	for _, bench := range []struct {
		name   string
		result func(photopush.Claim) photopush.Outcome
	}{
		{"off", func(photopush.Claim) photopush.Outcome { return photopush.Outcome{Reason: photopush.Offline} }},
		{"3 pairs in step", func(c photopush.Claim) photopush.Outcome { return seenOutcome(c, nil) }},
		{"3 pairs, inventory", func(c photopush.Claim) photopush.Outcome { return seenOutcome(c, inventory(c.Workstation.ID)) }},
	} {
		b.Run(bench.name, func(b *testing.B) {
			const workstations, batch = 5_000, 500
			s := openAt(b, filepath.Join(b.TempDir(), "p.db"), store.Options{})
			company(b, s, workstations, 0)
			ctx := context.Background()
			round := func() int {
				claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: batch, Lease: time.Minute, MaxInFlight: batch})
				ok(b, err)
				if len(claims) != batch {
					b.Fatalf("%d claims", len(claims))
				}
				results := make([]photopush.Result, len(claims))
				for i, c := range claims {
					results[i] = photopush.Result{Claim: c, NextDue: time.Now(), Outcome: bench.result(c)}
				}
				lost, err := s.FinishAll(ctx, results)
				ok(b, err)
				if slices.ContainsFunc(lost, func(err error) bool { return err != nil }) {
					b.Fatal("a lease was lost")
				}
				return len(claims)
			}
			for range workstations / batch {
				round() // the pairs are known then, as they are on every pass but the first
			}
			done, cpu := 0, cpuTime()
			for b.Loop() {
				done += round()
			}
			b.ReportMetric(float64(done)/(cpuTime()-cpu).Seconds(), "workstations/cpu-s")
			b.ReportMetric(float64(done)/b.Elapsed().Seconds(), "workstations/s")
			b.ReportMetric(0, "ns/op")
		})
	}
}

func seenOutcome(c photopush.Claim, inv *photopush.Inventory) photopush.Outcome {
	o := photopush.Outcome{Contacted: true, Finished: time.Now(), Inventory: inv}
	for i := range 3 {
		o.Pairs = append(o.Pairs, photopush.Pair{User: sid(i), Want: photopush.Want(digest(i)), Have: digest(i)})
	}
	return o
}

func inventory(w photopush.GUID) *photopush.Inventory {
	inv := &photopush.Inventory{Taken: time.Now(), Build: 22631, Domain: "corp.example", MachineGUID: string(w), InstallDate: 1700000000}
	for i := range 3 {
		a := photopush.Account{SID: sid(i), State: digest(i) + digest(i)}
		for _, size := range []int{32, 40, 48, 64, 96, 192, 208, 240, 424, 448, 1080} {
			name := fmt.Sprintf("%s-%016x-Image%d.jpg", digest(i), i, size)
			a.Values = append(a.Values, photopush.Value{Name: fmt.Sprintf("Image%d", size), Kind: "sz", Data: `C:\Program Files\photopush\AccountPictures\` + string(sid(i)) + `\` + name})
			a.Files = append(a.Files, photopush.File{Name: name, Length: 12345, SHA256: digest(i) + digest(i)})
		}
		inv.Profiles = append(inv.Profiles, photopush.Profile{SID: sid(i), LastUse: time.Now()})
		inv.Accounts = append(inv.Accounts, a)
	}
	return inv
}

// BenchmarkClaimOnDemand measures how long an on-demand push waits for its claim while 60,000 are due and another goroutine claims and finishes them in
// batches. The bar is 200 ms for 95 of 100.
func BenchmarkClaimOnDemand(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "p.db"), store.Options{})
	company(b, s, 60_000, 0)
	other := openAt(b, s.Path(), store.Options{})
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- claimAll(ctx, other) }()
	var waits []time.Duration
	for n := 0; b.Loop(); n++ {
		began := time.Now()
		ok(b, s.SetDue(ctx, []photopush.GUID{id(n % 60_000)}, began, photopush.OnDemand))
		c, _, got, err := s.ClaimOne(ctx, id(n%60_000), time.Minute)
		ok(b, err)
		waits = append(waits, time.Since(began))
		if got {
			ok(b, s.Release(ctx, c))
		}
	}
	cancel()
	<-ended
	slices.Sort(waits)
	b.ReportMetric(float64(waits[len(waits)*95/100].Microseconds())/1000, "ms-p95")
	b.ReportMetric(float64(waits[len(waits)-1].Microseconds())/1000, "ms-max")
}

func claimAll(ctx context.Context, s *store.Store) error {
	for {
		claims, err := s.Claim(ctx, photopush.ClaimRequest{Limit: 500, Lease: time.Minute})
		if err != nil {
			return err
		}
		results := make([]photopush.Result, len(claims))
		for i, c := range claims {
			results[i] = photopush.Result{Claim: c, NextDue: time.Now(), Outcome: seenOutcome(c, nil)}
		}
		if _, err := s.FinishAll(ctx, results); err != nil {
			return err
		}
	}
}

// BenchmarkPlan reads 100,000 workstations with 3 users each for a plan; deciding is measured in package want. The bars of both together are 3 s and 300 MB.
func BenchmarkPlan(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "p.db"), store.Options{})
	company(b, s, 100_000, 3)
	ctx := context.Background()
	var heap uint64
	rows, cpu := 0, cpuTime()
	for b.Loop() {
		for _, err := range s.Plan(ctx) {
			ok(b, err)
			if rows++; rows%50_000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				heap = max(heap, m.HeapInuse)
			}
		}
	}
	b.ReportMetric((cpuTime()-cpu).Seconds()/float64(b.N), "cpu-s/plan")
	b.ReportMetric(b.Elapsed().Seconds()/float64(b.N), "s/plan")
	b.ReportMetric(float64(heap)/1e6, "heap-MB")
	b.ReportMetric(0, "ns/op")
}

// BenchmarkSetWants stores the 300,000 wants of a first plan.
func BenchmarkSetWants(b *testing.B) {
	s := openAt(b, filepath.Join(b.TempDir(), "p.db"), store.Options{})
	const workstations = 100_000
	company(b, s, workstations, 0)
	var batch []photopush.Pair
	n, set := 0, 0
	for b.Loop() {
		batch = batch[:0]
		for i := range 1000 {
			batch = append(batch, photopush.Pair{Workstation: id((n + i/3) % workstations), User: sid(i % 3), Want: photopush.Want(digest(n))})
		}
		n += 1000 / 3
		ok(b, s.SetWants(context.Background(), batch))
		set += len(batch)
	}
	b.ReportMetric(float64(set)/b.Elapsed().Seconds(), "wants/s")
	b.ReportMetric(0, "ns/op")
}
