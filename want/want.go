// Package want decides which pair should have which picture, with the evidence for it. It is pure: the same facts give the same want. Where
// facts come from is left to directory, logon and visit; what becomes of a want to jobs and store.
package want

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// oldestBuild is the oldest Windows that is served: Windows 10 1607 and Windows Server 2016.
const oldestBuild = 14393

// A Decision is what a pair should have, and why no picture of ours where it should not.
type Decision struct {
	Want   photopush.Want
	Reason photopush.Reason // empty with a digest
	Detail string           // one sentence to Reason
	Leaver bool             // absent because the policy has leavers' pictures removed
}

// Decide says what the user of p should have on the workstation of p, at the time now. Of p.Pair it looks at what an administrator holds back, and in mode seed at
// what is there: nothing else that is there counts. Without a picture to put there whatever is there is left alone, but for leavers' where they are removed.
func Decide(p photopush.Plan, policy Policy, now time.Time) Decision {
	for _, rule := range rules {
		if d := rule(facts{p, policy, now}); d.Want != "" {
			return d
		}
	}
	return Decision{Want: photopush.Want(p.User.Digest)}
}

type facts struct {
	photopush.Plan
	policy Policy
	now    time.Time
}

// rules are asked in this order; the first that has an answer decides. What a person must do for the user comes before the state of the workstation:
// nobody is told of a policy on behalf of a user who would get nothing anyway.
var rules = []func(facts) Decision{workstationInScope, held, userInScope, profile, photo, unused, policySet, windows, hybrid, ownPicture}

func leave(r photopush.Reason, format string, args ...any) Decision {
	return Decision{Want: photopush.Leave, Reason: r, Detail: fmt.Sprintf(format, args...)}
}

// leaver is what becomes of the picture of somebody who is not cared for any more. A machine on which nothing is changed, or nothing can be, is left alone.
func leaver(f facts, r photopush.Reason, format string, args ...any) Decision {
	d := leave(r, format, args...)
	if f.policy.Leavers == LeaversRemove && windows(f).Want == "" && hybrid(f).Want == "" {
		d.Want, d.Leaver = photopush.Absent, true
	}
	return d
}

func workstationInScope(f facts) Decision {
	w := f.Workstation
	switch {
	case !w.GoneSince.IsZero():
		return leave(photopush.OutOfScope, "the workstation is not in the directory's scope since %s", w.GoneSince.Format(time.DateOnly))
	case !w.Enabled:
		return leave(photopush.OutOfScope, "the computer account is disabled")
	case f.policy.IncludeServers != nil && !f.policy.IncludeServers[w.Domain] && (w.Server() || strings.HasPrefix(w.Facts.Type, "Server")):
		return leave(photopush.OutOfScope, "servers are not included")
	}
	return Decision{}
}

// held: somebody took this picture away on purpose, whatever else is decided for the user.
func held(f facts) Decision {
	d := Decision{Want: photopush.Absent, Reason: photopush.OutOfScope}
	switch {
	case f.User != nil && !f.User.Held.IsZero():
		d.Detail = fmt.Sprintf("an administrator took the user's pictures away everywhere on %s; `photopush push` without --workstation gives them back",
			f.User.Held.Format(time.DateOnly))
	case !f.Pair.Held.IsZero():
		d.Detail = fmt.Sprintf("an administrator took the picture away there on %s; `photopush push` gives it back", f.Pair.Held.Format(time.DateOnly))
	default:
		return Decision{}
	}
	return d
}

// userInScope: of a user whom the directory has never had nothing is known, so that nothing of his is removed either.
func userInScope(f facts) Decision {
	switch u := f.User; {
	case u == nil:
		return leave(photopush.OutOfScope, "the directory has no such user in scope")
	case !u.GoneSince.IsZero():
		return leaver(f, photopush.OutOfScope, "the user is not in the directory's scope since %s", u.GoneSince.Format(time.DateOnly))
	case !u.Enabled:
		return leaver(f, photopush.OutOfScope, "the user's account is disabled")
	}
	return Decision{}
}

// profile: that it is gone matters only where leavers are removed.
func profile(f facts) Decision {
	if f.Session.Ended.IsZero() || f.policy.Leavers != LeaversRemove {
		return Decision{}
	}
	return leaver(f, photopush.OutOfScope, "the user's profile there is gone since %s", f.Session.Ended.Format(time.DateOnly))
}

// photo: one that cannot be used says nothing of what the user wants, and neither does one that nobody has judged yet.
func photo(f facts) Decision {
	switch u := f.User; {
	case u.Digest != "":
		return Decision{}
	case u.PhotoReason == photopush.NoPhoto:
		return leaver(f, photopush.NoPhoto, "%s", u.PhotoDetail)
	default:
		return leave(cmp.Or(u.PhotoReason, photopush.NoPhoto), "%s", u.PhotoDetail)
	}
}

// unused: a session without a time is no evidence of anything, and a pair without a session was asked for by a person.
func unused(f facts) Decision {
	last, limit := f.Session.LastSeen, f.policy.UnusedAfter
	if limit == 0 || last.IsZero() || f.now.Sub(last) <= limit {
		return Decision{}
	}
	return leave(photopush.OutOfScope, "the user was last seen there on %s (unused_after)", last.Format(time.DateOnly))
}

func policySet(f facts) Decision {
	if !f.Workstation.Facts.DefaultTile {
		return Decision{}
	}
	return leave(photopush.BlockedPolicy, "the policy UseDefaultTile is set")
}

func windows(f facts) Decision {
	b := f.Workstation.Facts.Build
	if b == 0 || b >= oldestBuild {
		return Decision{}
	}
	return leave(photopush.Unsupported, "Windows build %d is older than %d", b, oldestBuild)
}

func hybrid(f facts) Decision {
	known := f.Workstation.Facts
	if f.policy.HybridJoined == HybridPush || known.Domain == "" || !known.EntraJoined {
		return Decision{}
	}
	return leave(photopush.OutOfScope, "joined to Entra ID too, so only reported (hybrid_joined)")
}

// ownPicture: in mode seed a picture stays that the user has chosen himself.
func ownPicture(f facts) Decision {
	if f.policy.Mode != ModeSeed {
		return Decision{}
	}
	switch f.Pair.Have {
	case photopush.HaveOther:
		return leave(photopush.OutOfScope, "the user has a picture of his own (mode seed)")
	case photopush.HaveOverwritten:
		return leave(photopush.Overwritten, "the user has put a picture of his own in its place, which stays (mode seed)")
	}
	return Decision{}
}

// Pair is p's pair with what was decided, ready to be stored. changed tells whether that differs from what is stored: another want, or another
// reason for no picture of ours. While a pair is out of step with the same want the reason that a visit gave stays.
func (d Decision) Pair(p photopush.Plan) (pair photopush.Pair, changed bool) {
	pair = p.Pair
	pair.Workstation, pair.User = p.Workstation.ID, p.SID
	same := d.Reason == pair.Reason && d.Detail == pair.Detail || d.Want.Digest() != "" || !pair.InStep()
	if d.Want == pair.Want && same {
		return pair, false
	}
	pair.Want, pair.Reason, pair.Detail = d.Want, d.Reason, d.Detail
	return pair, true
}
