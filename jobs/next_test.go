package jobs

import (
	"fmt"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
)

func testConfig() Config {
	return Config{Schedule: "0 * * * *", TimeZone: "UTC", Visits: 16, VisitDeadline: time.Minute, VerifyEvery: 168 * time.Hour, FullReadEvery: 168 * time.Hour, OfflineRetry: 2 * time.Hour}
}

func TestEveryReasonHasANextTry(t *testing.T) {
	c, now := testConfig(), time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for _, r := range photopush.Reasons() {
		for attempts := range 100 {
			due, failed := c.next(r, attempts, now)
			wait := due.Sub(now)
			if wait < time.Minute || wait > 31*time.Hour {
				t.Fatalf("%s after %d attempts: again in %s", r, attempts, wait)
			}
			if offline := kindOf(r) == waits; offline != (failed == attempts) || !offline && failed != attempts+1 {
				t.Fatalf("%s after %d attempts counts as %d", r, attempts, failed)
			}
		}
	}
}

func TestNextTry(t *testing.T) {
	c, now := testConfig(), time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	for _, s := range []struct {
		reason         photopush.Reason
		attempts       int
		shortest, most time.Duration
	}{
		{photopush.Offline, 7, 2 * time.Hour, 3 * time.Hour},
		{photopush.Conflict, 0, 2 * time.Minute, 3 * time.Minute},
		{photopush.Conflict, 3, 16 * time.Minute, 20 * time.Minute},
		{photopush.Unknown, 1 << 30, 24 * time.Hour, 30 * time.Hour},
		{photopush.Denied, 0, 24 * time.Hour, 25 * time.Hour},
	} {
		due, _ := c.next(s.reason, s.attempts, now)
		if wait := due.Sub(now); wait < s.shortest || wait > s.most {
			t.Errorf("%q after %d attempts: again in %s, want %s to %s", s.reason, s.attempts, wait, s.shortest, s.most)
		}
	}
}

func TestPlaceSpreadsWorkstationsAndStaysTheirs(t *testing.T) {
	const every, n = 168 * time.Hour, 2000
	now := time.Date(2026, 11, 23, 4, 0, 0, 0, time.UTC)
	perDay := map[int]int{}
	for i := range n {
		id := photopush.GUID(fmt.Sprintf("00000000-0000-0000-0000-%012d", i))
		at := place(id, every, now)
		if wait := at.Sub(now); wait < every/2 || wait >= every*3/2 {
			t.Fatalf("%s has its place in %s", id, wait)
		}
		if next := place(id, every, at); next.Sub(at) != every {
			t.Fatalf("%s moves from %s to %s", id, at, next)
		}
		perDay[int(at.Sub(now.Add(every/2))/(24*time.Hour))]++
	}
	for day := range 7 {
		if got := perDay[day]; got < n/7*7/10 || got > n/7*13/10 {
			t.Errorf("%d of %d have their place on day %d", got, n, day)
		}
	}
}

func TestConfigFaults(t *testing.T) {
	good := testConfig()
	if err := good.Validate("jobs"); err != nil {
		t.Error(err)
	}
	bad := Config{Schedule: "sometimes", TimeZone: "Mars/Olympus", Visits: 0, VisitsPerSite: -1, VisitDeadline: time.Second, VerifyEvery: time.Minute, OfflineRetry: 48 * time.Hour}
	want := `jobs.schedule is "sometimes", want a cron expression of five fields such as "0 * * * *": expected exactly 5 fields, found 1: [sometimes]
jobs.time_zone is "Mars/Olympus", want an IANA name such as Europe/Berlin, or Local
jobs.visits is 0, want 1 to 1000
jobs.visits_per_site is -1, want 0 to 1000
jobs.visit_deadline is 1s, want 10s to 30m0s
jobs.verify_every is 1m0s, want 1h0m0s to 2160h0m0s
jobs.full_read_every is 0s, want 1h0m0s to 2160h0m0s
jobs.offline_retry is 48h0m0s, want 1m0s to 24h0m0s`
	if err := bad.Validate("jobs"); err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
}
