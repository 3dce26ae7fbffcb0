package report

import (
	"time"

	"github.com/photopush/photopush"
)

// A State says in a word or two how a pair, a workstation or a user stands.
type State string

const (
	InStep       State = "in step"          // what should be there was read back
	Outdated     State = "outdated picture" // an earlier picture of ours is there
	NeverApplied State = "never applied"    // none of ours is there yet
	Offline      State = "offline"          // out of step, and the workstation does not answer
	Waiting      State = "waiting"          // being visited now, or something passing is in the way
	Blocked      State = "blocked"          // somebody must act first; the reason says what
	NoPhoto      State = "no photo"         // nothing to be put there
	BadPhoto     State = "bad photo"        // the photo in the directory cannot be used
	LeftAlone    State = "left alone"       // out of scope: not ours to change
	NeverSeen    State = "never seen"       // a workstation that never answered; a user who was met on none
)

// States lists them as a summary does: what is well first.
func States() []State {
	return []State{InStep, Outdated, NeverApplied, Waiting, Offline, Blocked, NoPhoto, BadPhoto, NeverSeen, LeftAlone}
}

// passing are the reasons that need nobody to act.
var passing = map[photopush.Reason]bool{photopush.Conflict: true, photopush.Quota: true, photopush.Unknown: true, photopush.Timeout: true}

// away are the reasons of a workstation that could not be reached.
var away = map[photopush.Reason]bool{photopush.Offline: true, photopush.NeverReachable: true}

// judge says how it stands with a row, why, and since when.
func judge(s photopush.Status, now time.Time) (State, photopush.Reason, string, time.Time) {
	switch {
	case s.Workstation == nil:
		return judgeUser(s.User)
	case s.Pair.User == "" && s.User == nil:
		return judgeWorkstation(s.Workstation, now)
	case s.Pair.Want == photopush.Leave:
		return leftState(s.Pair.Reason), s.Pair.Reason, s.Pair.Detail, s.Pair.Since
	case s.Pair.Want != "" && s.Pair.InStep():
		return InStep, "", "", time.Time{}
	}
	return judgePair(s, now)
}

func judgeUser(u *photopush.UserRecord) (State, photopush.Reason, string, time.Time) {
	switch {
	case u == nil || !u.Enabled:
		return LeftAlone, photopush.OutOfScope, "", time.Time{}
	case u.Digest == "" && u.PhotoReason != "":
		return leftState(u.PhotoReason), u.PhotoReason, u.PhotoDetail, time.Time{}
	}
	return NeverSeen, "", "", time.Time{}
}

// judgeWorkstation: one that nobody is known to use is in step once it has answered.
func judgeWorkstation(w *photopush.WorkstationRecord, now time.Time) (State, photopush.Reason, string, time.Time) {
	switch {
	case !w.Enabled:
		return LeftAlone, photopush.OutOfScope, "the computer account is disabled", time.Time{}
	case w.LastContact.IsZero() && away[w.Reason] || w.LastContact.IsZero() && w.Reason == "":
		return NeverSeen, w.Reason, w.Detail, w.FirstFailed
	case w.Reason != "":
		return reasonState(w.Reason), w.Reason, w.Detail, w.FirstFailed
	}
	return InStep, "", "", time.Time{}
}

// judgePair: the pair is out of step, for a reason of its own or for its workstation's.
func judgePair(s photopush.Status, now time.Time) (State, photopush.Reason, string, time.Time) {
	w, p := s.Workstation, s.Pair
	since := p.Since
	if since.IsZero() {
		since = w.FirstFailed
	}
	reason, detail := w.Reason, w.Detail
	if reason == "" || p.Reason != "" && !away[reason] {
		reason, detail = p.Reason, p.Detail
	}
	switch {
	case w.LeaseUntil.After(now):
		return Waiting, reason, detail, since
	case reason != "":
		return reasonState(reason), reason, detail, since
	case p.Want == "":
		return Waiting, "", "", since
	case p.Have == "":
		return NeverApplied, "", "", since
	}
	return Outdated, "", "", since
}

func reasonState(r photopush.Reason) State {
	switch {
	case away[r]:
		return Offline
	case passing[r]:
		return Waiting
	}
	return Blocked
}

func leftState(r photopush.Reason) State {
	switch r {
	case photopush.NoPhoto:
		return NoPhoto
	case photopush.BadPhoto:
		return BadPhoto
	case photopush.OutOfScope, "":
		return LeftAlone
	}
	return Blocked
}

// stale tells whether somebody lacks the picture he should have, or a workstation was never seen. A user without photo is one where he works; who was met on no
// workstation misses nothing yet, unless his photo must be replaced.
func (r Row) stale() bool {
	switch r.State {
	case InStep, LeftAlone:
		return false
	case NoPhoto, NeverSeen:
		return r.Workstation != ""
	}
	return true
}
