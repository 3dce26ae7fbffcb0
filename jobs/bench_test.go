package jobs

import (
	"context"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/store"
	"github.com/photopush/photopush/want"
)

// BenchmarkPlan plans a company of 20,000 workstations with three people each: when every want is new, and when none is. The bar, for five times as
// many where nothing is new, is 3 s and 300 MB; the heap is that of this process at its highest, read at every thousandth pair.
func BenchmarkPlan(b *testing.B) {
	for _, first := range []bool{true, false} {
		b.Run(map[bool]string{true: "every want new", false: "nothing new"}[first], func(b *testing.B) {
			j := largeCompany(b, 20_000, 3)
			ctx := context.Background()
			if !first {
				check(b, j.plan(ctx, false))
			}
			var peak uint64
			j.Policy = want.Policy{HybridJoined: want.HybridReport}
			watched := &watchedStore{Store: j.Store, peak: &peak}
			j.Store = watched
			for n := 0; b.Loop(); n++ {
				if first && n > 0 {
					b.StopTimer()
					fresh := largeCompany(b, 20_000, 3)
					watched.Store = fresh.Store
					b.StartTimer()
				}
				check(b, j.plan(ctx, false))
			}
			b.ReportMetric(float64(peak)/1e6, "MB-heap")
			b.ReportMetric(float64(watched.pairs)/b.Elapsed().Seconds(), "pairs/s")
		})
	}
}

func check(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// largeCompany is a database of people who each use a few workstations.
func largeCompany(tb testing.TB, workstations, each int) *Jobs {
	tb.Helper()
	ctx := context.Background()
	s, err := store.Open(ctx, store.Config{Path: filepath.Join(tb.TempDir(), "p.db")}, store.Options{})
	check(tb, err)
	tb.Cleanup(func() { check(tb, s.Close()) })
	sid := func(n int) photopush.SID { return photopush.SID(fmt.Sprintf("S-1-5-21-1-2-3-%d", 1000+n)) }
	var ws []photopush.Workstation
	var users []photopush.UserRecord
	var evidence []photopush.Session
	for n := range workstations {
		id := photopush.GUID(fmt.Sprintf("00000000-0000-0000-0002-%012d", n))
		ws = append(ws, photopush.Workstation{ID: id, Domain: corp, Name: fmt.Sprintf("WS%d", n), Host: fmt.Sprintf("ws%d.%s", n, corp), OS: "Windows 11 Enterprise",
			DN: fmt.Sprintf("CN=WS%d,OU=Workstations,DC=corp,DC=example", n), Enabled: true})
		users = append(users, photopush.UserRecord{PhotoHash: fmt.Sprintf("%064x", n), Digest: fmt.Sprintf("%032x", n), User: photopush.User{SID: sid(n), Domain: corp,
			AccountName: fmt.Sprintf("u%d", n), DN: fmt.Sprintf("CN=u%d,OU=Staff,DC=corp,DC=example", n), DisplayName: "Some One", Enabled: true}})
		for i := range each {
			evidence = append(evidence, photopush.Session{Workstation: id, User: sid((n + i) % workstations), Source: "profile", FirstSeen: time.Now(), LastSeen: time.Now()})
		}
	}
	pass, err := s.BeginPass(ctx, corp)
	check(tb, err)
	check(tb, s.PutWorkstations(ctx, pass, ws))
	check(tb, s.PutUsers(ctx, pass, users))
	check(tb, s.PutSessions(ctx, evidence))
	return &Jobs{Config: testConfig(), Store: s, Log: slog.New(slog.DiscardHandler), Now: time.Now}
}

// A watchedStore reads the heap while it yields a plan.
type watchedStore struct {
	Store
	pairs int
	peak  *uint64
}

func (w *watchedStore) Plan(ctx context.Context) iter.Seq2[photopush.Plan, error] {
	return func(yield func(photopush.Plan, error) bool) {
		for p, err := range w.Store.Plan(ctx) {
			if w.pairs++; w.pairs%1000 == 0 {
				var m runtime.MemStats
				runtime.ReadMemStats(&m)
				*w.peak = max(*w.peak, m.HeapAlloc)
			}
			if !yield(p, err) {
				return
			}
		}
	}
}
