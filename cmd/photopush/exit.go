package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/directory"
	"github.com/photopush/photopush/jobs"
)

// Exit codes; docs/exit-codes.md tells administrators.
const (
	exitDone        = 0
	exitInternal    = 1
	exitUsage       = 2 // command line or configuration
	exitNotFound    = 3 // no such user or workstation
	exitPerson      = 4 // something needs a person; for push: not in step everywhere at the end; for check: a step failed
	exitCredential  = 5 // a credential was rejected
	exitDirectory   = 6 // no domain controller or KDC
	exitInterrupted = 130
)

// An exitError carries its exit code. Without an error behind it, everything was said already.
type exitError struct {
	code int
	err  error
}

// withExit makes err end the process with code, whatever is behind it; err may be nil when nothing more is to be said.
func withExit(code int, err error) error { return &exitError{code, err} }

func (e *exitError) Error() string {
	if e.err == nil {
		return fmt.Sprintf("exit code %d", e.code)
	}
	return e.err.Error()
}

func (e *exitError) Unwrap() error { return e.err }

// exitCode is the exit code for err, by the table of docs/exit-codes.md. The credential comes before the directory: when every domain controller
// was given up because one of them rejected the password, the password is what a person must look at.
func exitCode(ctx context.Context, err error) int {
	if err == nil {
		return exitDone
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		return exitInterrupted
	}
	if e, ok := errors.AsType[*exitError](err); ok {
		return e.code
	}
	switch {
	case photopush.HasReason(err, photopush.Auth):
		return exitCredential
	case unusableSecret(err):
		return exitUsage
	case photopush.HasReason(err, photopush.KDC), errors.Is(err, photopush.ErrNoDirectory):
		return exitDirectory
	case errors.Is(err, photopush.ErrUnknownUser), errors.Is(err, photopush.ErrUnknownWorkstation), errors.Is(err, directory.ErrAmbiguous):
		return exitNotFound
	case tooManyRemovals(err):
		return exitPerson
	}
	return exitInternal
}

// unusableSecret tells whether a file that the configuration names, or a variable, holds no secret: nothing was tried.
func unusableSecret(err error) bool {
	_, ok := errors.AsType[*photopush.SecretError](err)
	return ok
}

// tooManyRemovals tells whether a pass took no leaver's picture away, for a person must say whether so many are meant.
func tooManyRemovals(err error) bool {
	_, ok := errors.AsType[*jobs.RemovalsError](err)
	return ok
}

// tell prints err, a line for each fault in it, and returns its exit code.
func tell(ctx context.Context, stderr io.Writer, err error) int {
	code := exitCode(ctx, err)
	if code == exitInterrupted {
		fmt.Fprintln(stderr, "photopush: interrupted")
		return code
	}
	if e, ok := errors.AsType[*exitError](err); err == nil || ok && e.err == nil {
		return code
	}
	for line := range strings.Lines(err.Error()) {
		fmt.Fprintf(stderr, "photopush: %s\n", strings.TrimRight(line, "\r\n"))
	}
	return code
}
