package jobs

import (
	"hash/fnv"
	"math/rand/v2"
	"time"

	photopush "github.com/photopush/photopush"
)

// A kind is what a reason means for the next try.
type kind int

const (
	waits  kind = iota // the workstation is off: no failure, no attempt used
	soon               // something passing: minutes, doubling
	person             // somebody must act first: daily
)

// kindOf sorts the reasons a visit can end with.
func kindOf(r photopush.Reason) kind {
	switch r {
	case photopush.Offline, photopush.NeverReachable:
		return waits
	case photopush.Conflict, photopush.Quota, photopush.Unknown, photopush.Timeout, photopush.Script, photopush.Internal,
		photopush.KDC, photopush.DNS:
		return soon
	}
	return person
}

const (
	firstRetry = 2 * time.Minute
	daily      = 24 * time.Hour
)

// next says when a workstation is due again after a failure, and how many attempts count as failed by then.
func (c *Config) next(r photopush.Reason, attempts int, now time.Time) (due time.Time, failed int) {
	switch kindOf(r) {
	case waits:
		return now.Add(c.OfflineRetry + jitter(c.OfflineRetry/2)), attempts
	case soon:
		wait := min(firstRetry<<min(attempts, 10), daily)
		return now.Add(wait + jitter(wait/4)), attempts + 1
	}
	return now.Add(daily + jitter(time.Hour)), attempts + 1
}

// place is the workstation's own place in the interval, so that a thousand are not visited in one second; at least half an
// interval after the last look.
func place(id photopush.GUID, every time.Duration, last time.Time) time.Time {
	h := fnv.New64a()
	h.Write([]byte(id)) // never fails
	t := last.Truncate(every).Add(time.Duration(h.Sum64() % uint64(every)))
	for t.Before(last.Add(every / 2)) {
		t = t.Add(every)
	}
	return t
}

func jitter(most time.Duration) time.Duration {
	if most <= 0 {
		return 0
	}
	return rand.N(most)
}
