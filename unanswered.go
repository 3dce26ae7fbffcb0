package photopush

import (
	"fmt"
	"time"
)

// How often a secret is sent to nobody's answer, and how long it then rests: the time after which Windows suggests to forget wrong passwords
// ("Reset account lockout counter after").
const (
	maxUnanswered = 2
	lockoutWindow = 30 * time.Minute
)

// Unanswered counts how often a secret was sent and no answer came. Whoever is silent may have found it wrong all the same, and have counted that
// towards the lockout of the account. So it is sent twice, and from then on once in half an hour, until an answer comes or the secret is another one.
// The zero value has sent nothing; it is not safe for concurrent use.
type Unanswered struct {
	mark SecretMark
	sent int
	last time.Time
	err  error // what came in place of the last answer
}

// Held returns a *HeldError while the secret with that mark must not be sent, and nil otherwise.
func (u *Unanswered) Held(mark SecretMark, now time.Time) error {
	if mark != u.mark {
		*u = Unanswered{mark: mark}
	}
	until := u.last.Add(lockoutWindow)
	if u.sent < maxUnanswered || !now.Before(until) {
		return nil
	}
	return &HeldError{Sent: u.sent, Until: until, Err: u.err}
}

// Note counts that the secret of which Held was asked was sent, and err came in place of an answer.
func (u *Unanswered) Note(now time.Time, err error) {
	u.sent++
	u.last, u.err = now, err
}

// Answered forgets what was counted: the secret was accepted.
func (u *Unanswered) Answered() { u.sent, u.err = 0, nil }

// A HeldError says that a secret is not sent for a while, because nobody answered when it was.
type HeldError struct {
	Sent  int       // how often it was, in a row
	Until time.Time // from then on it is sent once more
	Err   error     // what came in place of the last answer; it is told, and not in the chain: this error is of now
}

func (e *HeldError) Error() string {
	return fmt.Sprintf("the password or key was sent %d times and not answered, so that it may be wrong: lest the account be locked it is not sent again before %s; "+
		"the last time: %v", e.Sent, e.Until.Format(time.TimeOnly), e.Err)
}

// Remedy is what to do about it.
func (e *HeldError) Remedy() string {
	return "find out why the domain controllers do not answer, and whether the password or key is right: one that is put into its file anew is sent at once"
}
