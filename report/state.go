package report

import (
	"time"

	"github.com/photopush/photopush"
)

// A State says in a word or two how a pair, a workstation or a user stands.
type State string

const (
	InStep       State = "in step"          // what should be there was read back
	Outdated     State = "outdated picture" // an earlier picture of ours is there, or a part of one
	Overwritten  State = "overwritten"      // somebody else has replaced ours; the next visit puts it back
	NeverApplied State = "never applied"    // none of ours is there yet
	NotRemoved   State = "not removed yet"  // none of ours should be there any more
	Offline      State = "offline"          // out of step, and the workstation does not answer
	Waiting      State = "waiting"          // being visited now, or something passing is in the way
	Blocked      State = "blocked"          // somebody must act first; the reason says what
	NoPhoto      State = "no photo"         // nothing to be put there
	BadPhoto     State = "bad photo"        // the photo in the directory cannot be used
	Removed      State = "removed"          // ours was read back as gone, for the reason that is given
	TakenAway    State = "taken away"       // by an administrator, until he gives it back
	Kept         State = "picture kept"     // ours stays, though the user is not cared for any more
	OwnPicture   State = "own picture"      // the user has replaced ours, and keeps his own (mode seed)
	LeftAlone    State = "left alone"       // out of scope: not ours to change
	NeverSeen    State = "never seen"       // a workstation that never answered; a user who was met on none
)

// States lists them as a summary does: what is well first.
func States() []State {
	return []State{InStep, Outdated, Overwritten, NeverApplied, NotRemoved, Waiting, Offline, Blocked, NoPhoto, BadPhoto, NeverSeen, Removed, TakenAway, Kept,
		OwnPicture, LeftAlone}
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
		return judgeLeft(s), s.Pair.Reason, s.Pair.Detail, s.Pair.Since
	case s.Pair.Want == photopush.Absent && s.Pair.InStep():
		state, since := judgeAbsent(s)
		return state, s.Pair.Reason, s.Pair.Detail, since
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

// judgeLeft: nothing is changed there.
func judgeLeft(s photopush.Status) State {
	reason, u := s.Pair.Reason, s.User
	leaver := u != nil && (reason == photopush.NoPhoto || reason == photopush.OutOfScope && (!u.Enabled || !u.GoneSince.IsZero()))
	switch {
	case reason == photopush.Overwritten:
		return OwnPicture
	case leaver && photopush.Ours(s.Pair.Have):
		return Kept
	}
	return leftState(reason)
}

// judgeAbsent: nothing of ours is there, as it should be. It counts as removed only where something of ours was.
func judgeAbsent(s photopush.Status) (State, time.Time) {
	held := heldSince(s)
	switch {
	case !held.IsZero():
		return TakenAway, held
	case !s.History.RemovedAt.IsZero():
		return Removed, s.History.RemovedAt
	}
	return leftState(s.Pair.Reason), time.Time{}
}

// heldSince is since when an administrator holds the picture back, here or everywhere.
func heldSince(s photopush.Status) time.Time {
	if s.User != nil && !s.User.Held.IsZero() {
		return s.User.Held
	}
	return s.Pair.Held
}

// judgePair: the pair is out of step, for a reason of its own or for its workstation's.
func judgePair(s photopush.Status, now time.Time) (State, photopush.Reason, string, time.Time) {
	w, p := s.Workstation, s.Pair
	since := p.Since
	if since.IsZero() {
		since = w.FirstFailed
	}
	reason, detail := w.Reason, w.Detail
	wanted := p.Want == photopush.Absent && (p.Reason == photopush.OutOfScope || p.Reason == photopush.NoPhoto) // why it is, not what is in the way
	if reason == "" && !wanted || p.Reason != "" && !away[reason] && !wanted {
		reason, detail = p.Reason, p.Detail
	}
	switch {
	case w.LeaseUntil.After(now):
		return Waiting, reason, detail, since
	case reason != "":
		return reasonState(reason), reason, detail, since
	case p.Want == "":
		return Waiting, "", "", since
	case p.Want == photopush.Absent:
		return NotRemoved, p.Reason, p.Detail, since
	}
	return haveState(p.Have), haveReason(p.Have), "", since
}

// haveState is how a pair stands that nothing is known to be in the way of.
func haveState(have string) State {
	switch have {
	case photopush.HaveNothing, photopush.HaveOther:
		return NeverApplied
	case photopush.HaveOverwritten:
		return Overwritten
	case photopush.HaveUnknown:
		return Waiting
	}
	return Outdated
}

func haveReason(have string) photopush.Reason {
	if have == photopush.HaveOverwritten {
		return photopush.Overwritten
	}
	return ""
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

// stale tells whether somebody lacks the picture he should have, or still has one that he should not have, or a workstation was never seen. A user without photo is one where he works; who was met on no
// workstation misses nothing yet, unless his photo must be replaced.
func (r Row) stale() bool {
	switch r.State {
	case InStep, LeftAlone, Removed, TakenAway, OwnPicture:
		return false
	case Kept:
		return r.Reason == photopush.NoPhoto
	case NoPhoto, NeverSeen:
		return r.Workstation != ""
	}
	return true
}
