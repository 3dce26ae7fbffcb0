// Package want decides which pair should have which picture, with the evidence for it. It is pure: the same facts give the same want. Where
// facts come from and what becomes of a want is left to jobs and store.
package want

import (
	"errors"
	"fmt"
	"time"

	"github.com/photopush/photopush"
)

// Mode says what happens to a picture that somebody else put there.
type Mode string

const (
	Enforce Mode = "enforce" // our picture replaces it
	Seed    Mode = "seed"    // only a user without any picture gets ours
)

// Policy is what the administrator decided.
type Policy struct {
	Mode           Mode          `yaml:"mode" default:"enforce" help:"enforce: our picture replaces any other; seed: only users without a picture get one."`
	HybridJoined   HybridJoined  `yaml:"hybrid_joined" default:"report" help:"Machines that are joined to Entra ID too: report changes nothing there, push treats them like all others."`
	IncludeServers bool          `yaml:"include_servers" default:"false" help:"Put pictures on Windows Servers too; domain controllers never get one."`
	UnusedAfter    time.Duration `yaml:"unused_after" default:"4320h" help:"A user who has not been on a workstation for this long gets nothing new there; 0s for no limit."`
}

// HybridJoined says what to do on machines that are in a domain and in Entra ID.
type HybridJoined string

const (
	HybridReport HybridJoined = "report"
	HybridPush   HybridJoined = "push"
)

// Validate reports every fault; path is the section's key path.
func (p *Policy) Validate(path string) error {
	var errs []error
	if p.Mode != Enforce && p.Mode != Seed {
		errs = append(errs, fmt.Errorf("%s.mode is %q, want enforce or seed", path, p.Mode))
	}
	if p.HybridJoined != HybridReport && p.HybridJoined != HybridPush {
		errs = append(errs, fmt.Errorf("%s.hybrid_joined is %q, want report or push", path, p.HybridJoined))
	}
	if p.UnusedAfter < 0 {
		errs = append(errs, fmt.Errorf("%s.unused_after is %s, want 0s or more", path, p.UnusedAfter))
	}
	return errors.Join(errs...)
}

// Decision is what a pair should have, and why not a picture when it should not.
type Decision struct {
	Want   photopush.Want
	Reason photopush.Reason // empty with a digest
	Detail string           // one sentence to Reason
}

// Decide says what the pair of p should have at the time now. Pair.Have does not count, except with Seed, where a picture of ours stays ours.
func Decide(p photopush.Plan, policy Policy, now time.Time) Decision {
	return Decision{Want: photopush.Leave}
}

// Pair is p's pair with what was decided, ready to be stored; changed tells whether that differs from what was stored.
func (d Decision) Pair(p photopush.Plan) (pair photopush.Pair, changed bool) {
	return p.Pair, false
}
