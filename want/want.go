// Package want decides which pair should have which picture, with the evidence for it. It is pure: the same facts give the same want. Where
// facts come from is left to directory, logon and visit; what becomes of a want to jobs and store.
package want

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// oldestBuild is the oldest Windows that is served: Windows 10 1607 and Windows Server 2016.
const oldestBuild = 14393

// HybridJoined says what to do on machines that are in a domain and in Entra ID, where Windows may take the picture from the cloud.
type HybridJoined string

const (
	HybridReport HybridJoined = "report" // change nothing there, and say so
	HybridPush   HybridJoined = "push"   // treat them like all others
)

// Policy is what the administrator decided.
type Policy struct {
	HybridJoined   HybridJoined    `yaml:"hybrid_joined" default:"report" help:"Machines joined to Entra ID too: report changes nothing there and says so; push treats them like all others."`
	UnusedAfter    time.Duration   `yaml:"unused_after" default:"0s" help:"A user who has not used a workstation for this long gets no picture there; 0s for no limit." example:"4320h"`
	IncludeServers map[string]bool `yaml:"-"` // domains whose servers are included; nil leaves it to the directory, which reads only those in scope
}

// Validate reports every fault; path is the section's key path.
func (p *Policy) Validate(path string) error {
	var errs []error
	if p.HybridJoined != HybridReport && p.HybridJoined != HybridPush {
		errs = append(errs, fmt.Errorf("%s.hybrid_joined is %q, want report or push", path, p.HybridJoined))
	}
	if p.UnusedAfter < 0 {
		errs = append(errs, fmt.Errorf("%s.unused_after is %s, want 0s or more", path, p.UnusedAfter))
	}
	return errors.Join(errs...)
}

// A Decision is what a pair should have, and why no picture of ours where it should not.
type Decision struct {
	Want   photopush.Want
	Reason photopush.Reason // empty with a digest
	Detail string           // one sentence to Reason
}

// Decide says what the user of p should have on the workstation of p, at the time now. What is there already does not count, and p.Pair is not looked at.
// Without a picture to put there whatever is there is left alone.
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
var rules = []func(facts) Decision{workstationInScope, userInScope, photo, unused, policySet, windows, hybrid}

func leave(r photopush.Reason, format string, args ...any) Decision {
	return Decision{photopush.Leave, r, fmt.Sprintf(format, args...)}
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

func userInScope(f facts) Decision {
	switch u := f.User; {
	case u == nil:
		return leave(photopush.OutOfScope, "the directory has no such user in scope")
	case !u.GoneSince.IsZero():
		return leave(photopush.OutOfScope, "the user is not in the directory's scope since %s", u.GoneSince.Format(time.DateOnly))
	case !u.Enabled:
		return leave(photopush.OutOfScope, "the user's account is disabled")
	}
	return Decision{}
}

func photo(f facts) Decision {
	if f.User.Digest != "" {
		return Decision{}
	}
	return Decision{photopush.Leave, cmp.Or(f.User.PhotoReason, photopush.NoPhoto), f.User.PhotoDetail}
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

// Pair is p's pair with what was decided, ready to be stored. changed tells whether that differs from what is stored: another want, or another
// reason to leave it alone. With the same digest the reason that a visit gave stays.
func (d Decision) Pair(p photopush.Plan) (pair photopush.Pair, changed bool) {
	pair = p.Pair
	pair.Workstation, pair.User = p.Workstation.ID, p.SID
	if d.Want == pair.Want && (d.Want != photopush.Leave || d.Reason == pair.Reason && d.Detail == pair.Detail) {
		return pair, false
	}
	pair.Want, pair.Reason, pair.Detail = d.Want, d.Reason, d.Detail
	return pair, true
}
