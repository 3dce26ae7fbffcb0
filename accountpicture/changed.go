package accountpicture

import (
	"errors"

	"github.com/photopush/photopush"
)

// asBefore is nil where a key's owner and entries are after a temporary entry what they were before it.
func asBefore(op string, user photopush.SID, before, after string) error {
	if before == after {
		return nil
	}
	was, err := ParseSDDL(before)
	is, err2 := ParseSDDL(after)
	if err = errors.Join(err, err2); err == nil {
		err = was.SameAs(is)
	}
	if err == nil {
		return nil
	}
	return &photopush.Error{Reason: photopush.Script, Op: op, On: string(user), Err: &Changed{user, err}}
}

// Changed is in the chain of an error when the permissions of a user's key are not as they were before a temporary entry.
type Changed struct {
	User photopush.SID
	Err  error // what differs
}

func (e *Changed) Error() string {
	return "the permissions of the key are not as before: " + e.Err.Error()
}
func (e *Changed) Unwrap() error { return e.Err }

// ProtectionAdded tells whether a key that inherited from the key above could do so before a temporary entry, and does not any more: a DACL
// without inherited entries is written as a protected one, or it would inherit anew.
func (a Answer) ProtectionAdded() bool {
	was, err := ParseSDDL(a.Before)
	is, err2 := ParseSDDL(a.After)
	return a.Rung == rungACE && err == nil && err2 == nil && !was.Protected && is.Protected
}
