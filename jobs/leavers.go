package jobs

import (
	"fmt"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/want"
)

// A RemovalsError says that a pass would have taken away so many leavers' pictures that a mistake is more likely: it took none.
type RemovalsError struct {
	Removals int // pictures that would have been taken away
	Pictures int // of so many that are there
	Most     int // so many may be
}

func (e *RemovalsError) Error() string {
	return fmt.Sprintf("%d of %d pictures would be taken away at once because their users are leavers, and %d may be (policy.leavers_limit), so none is: "+
		"check the scope (users.bases and users.filter of each domain); if it is right, run `photopush sync --allow-removals`", e.Removals, e.Pictures, e.Most)
}

// leavers are the pairs whose picture a pass newly wants away for the policy's sake. They are stored together or not at all.
type leavers struct {
	pairs    []photopush.Pair
	removals int // of them those where something of ours is
	pictures int // pairs of all where something of ours is
}

// count looks at every pair of a plan, with what becomes of it.
func (l *leavers) count(before photopush.Pair) {
	if photopush.Ours(before.Have) {
		l.pictures++
	}
}

// add keeps a pair back.
func (l *leavers) add(p photopush.Pair) {
	l.pairs = append(l.pairs, p)
	if photopush.Ours(p.Have) {
		l.removals++
	}
}

// check is an error when they are too many to be believed.
func (l *leavers) check(policy want.Policy) error {
	if most := policy.MostRemoved(l.pictures); l.removals > most {
		return &RemovalsError{l.removals, l.pictures, most}
	}
	return nil
}

// decideAlone decides for a pair without the others. Only a pass, which sees how many there are, takes leavers' pictures away: until it has decided so
// they stay.
func (j *Jobs) decideAlone(p photopush.Plan, now time.Time) want.Decision {
	d := want.Decide(p, j.Policy, now)
	if newlyLeaver(d, p.Pair) {
		d.Want = photopush.Leave
	}
	return d
}

// newlyLeaver tells whether a decision would take away the picture of somebody who was no leaver when the last pass decided.
func newlyLeaver(d want.Decision, before photopush.Pair) bool {
	return d.Leaver && before.Want != photopush.Absent
}
