package photopush

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// An Error says what was tried on what, and why not, in a word that decides what happens next.
type Error struct {
	Reason Reason
	Op     string // what was tried: "open shell", "bind"
	On     string // on what: a host name, a distinguished name, a file
	Err    error  // the cause; may be nil
}

func (e *Error) Error() string {
	s := e.Op
	if e.On != "" {
		if s != "" {
			s += " "
		}
		s += e.On
	}
	if s != "" {
		s += ": "
	}
	s += string(e.Reason)
	if e.Err != nil {
		s += ": " + e.Err.Error()
	}
	return s
}

func (e *Error) Unwrap() error { return e.Err }

// A Cause is an error that knows what to do about it better than the sentence of a reason.
type Cause struct {
	What string
	Do   string // a sentence that begins in lower case and has no full stop
}

func (e *Cause) Error() string { return e.What + "; " + e.Do }

// Remedy is what to do about it.
func (e *Cause) Remedy() string { return e.Do }

// Remedy is what to do about err: what an error in its chain says of just this case, else what its reason's sentence says. Errors say it by
// a method Remedy() string, as Cause does; empty means that the sentence will do.
func Remedy(err error) string {
	var r interface{ Remedy() string }
	if errors.As(err, &r) {
		if do := r.Remedy(); do != "" {
			return strings.ToUpper(do[:1]) + do[1:] + "."
		}
	}
	return ReasonOf(err).Sentence()
}

// ErrNoDirectory is in the chain of an error when no domain controller could be used at all (exit code 6).
var ErrNoDirectory = errors.New("no domain controller answers")

// ErrOvertaken is in the chain when another process has read the same since: everything is to be read anew.
var ErrOvertaken = errors.New("another process has read it meanwhile")

// ErrUnknownUser and ErrUnknownWorkstation are in the chain when nobody has that name (exit code 3).
var (
	ErrUnknownUser        = errors.New("no such user")
	ErrUnknownWorkstation = errors.New("no such workstation")
)

// ReasonOf is the reason in err's chain; "" for nil, Timeout for an expired deadline, Internal for an error without one.
func ReasonOf(err error) Reason {
	if err == nil {
		return ""
	}
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Reason
	}
	if errors.Is(err, context.DeadlineExceeded) {
		return Timeout
	}
	return Internal
}

// HasReason tells whether err, or any error that it was made of, has the reason: what was decided by the outermost one may have its cause further in.
func HasReason(err error, reason Reason) bool {
	if e, ok := err.(*Error); ok && e.Reason == reason {
		return true
	}
	switch e := err.(type) {
	case interface{ Unwrap() []error }:
		return slices.ContainsFunc(e.Unwrap(), func(err error) bool { return HasReason(err, reason) })
	case interface{ Unwrap() error }:
		return HasReason(e.Unwrap(), reason)
	}
	return false
}

// Detail is what err says besides its reason, for places that show the reason already: what was tried on what, and the cause.
func Detail(err error) string {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		if err == nil {
			return ""
		}
		return err.Error()
	}
	parts := []string{strings.TrimSpace(e.Op + " " + e.On)}
	if e.Err != nil {
		parts = append(parts, e.Err.Error())
	}
	return strings.TrimPrefix(strings.Join(parts, ": "), ": ")
}
