package want

import (
	"errors"
	"fmt"
	"time"
)

// HybridJoined says what to do on machines that are in a domain and in Entra ID, where Windows may take the picture from the cloud.
type HybridJoined string

const (
	HybridReport HybridJoined = "report" // change nothing there, and say so
	HybridPush   HybridJoined = "push"   // treat them like all others
)

// Mode says what becomes of pictures that users have chosen themselves.
type Mode string

const (
	ModeEnforce Mode = "enforce" // ours replaces it
	ModeSeed    Mode = "seed"    // it stays
)

// Leavers says what becomes of the pictures of people who are not cared for any more.
type Leavers string

const (
	LeaversKeep   Leavers = "keep"   // they stay as they are
	LeaversRemove Leavers = "remove" // they are taken away
)

// fewestLeavers may always be removed at once: a small company would never be allowed to remove anybody's otherwise.
const fewestLeavers = 10

// Policy is what the administrator decided.
type Policy struct {
	Mode           Mode            `yaml:"mode" default:"enforce" help:"enforce: the picture is ours everywhere, and one that a user chooses himself is replaced. seed: a user who has a picture of his own keeps it; when he removes it, that is seen when the workstation is looked at the next time (jobs.verify_every), and he gets ours again."`
	Leavers        Leavers         `yaml:"leavers" default:"keep" help:"What becomes of pictures of ours when the photo is removed from the directory, the account is disabled, the user leaves the scope, or his profile is deleted on the workstation. keep: they stay as they are. remove: they are taken away, and the picture of before comes back where it is still there. A photo that cannot be decoded removes nothing, nor does a workstation that leaves the scope."`
	LeaversLimit   int             `yaml:"leavers_limit" default:"5" help:"With leavers: remove, how many percent of all pictures one pass may take away, 0 to 100; 10 of them it always may. When it would be more, as after a mistake in users.bases, none is taken away and the pass says so; photopush sync --allow-removals does it all the same."`
	HybridJoined   HybridJoined    `yaml:"hybrid_joined" default:"report" help:"Machines joined to Entra ID too: report changes nothing there and says so; push treats them like all others."`
	UnusedAfter    time.Duration   `yaml:"unused_after" default:"0s" help:"A user who has not used a workstation for this long gets no picture there; 0s for no limit." example:"4320h"`
	IncludeServers map[string]bool `yaml:"-"` // domains whose servers are included; nil leaves it to the directory, which reads only those in scope
}

// Validate reports every fault; path is the section's key path.
func (p *Policy) Validate(path string) error {
	var errs []error
	if p.Mode != ModeEnforce && p.Mode != ModeSeed {
		errs = append(errs, fmt.Errorf("%s.mode is %q, want enforce or seed", path, p.Mode))
	}
	if p.Leavers != LeaversKeep && p.Leavers != LeaversRemove {
		errs = append(errs, fmt.Errorf("%s.leavers is %q, want keep or remove", path, p.Leavers))
	}
	if p.LeaversLimit < 0 || p.LeaversLimit > 100 {
		errs = append(errs, fmt.Errorf("%s.leavers_limit is %d, want 0 to 100", path, p.LeaversLimit))
	}
	if p.HybridJoined != HybridReport && p.HybridJoined != HybridPush {
		errs = append(errs, fmt.Errorf("%s.hybrid_joined is %q, want report or push", path, p.HybridJoined))
	}
	if p.UnusedAfter < 0 {
		errs = append(errs, fmt.Errorf("%s.unused_after is %s, want 0s or more", path, p.UnusedAfter))
	}
	return errors.Join(errs...)
}

// MostRemoved is how many leavers' pictures one pass may take away, of so many pictures that are there.
func (p *Policy) MostRemoved(pictures int) int {
	return max(fewestLeavers, pictures*p.LeaversLimit/100)
}
