package winrm

import (
	"context"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
)

// closeTimeout is what Close allows itself for deleting the shell, whatever became of its caller's context.
const closeTimeout = 5 * time.Second

// A Session is one connection to one workstation with one shell. It is for one goroutine.
type Session struct {
	*link
	prelude prelude
	shellID string
	ours    bool // the workstation took our ShellId, so it takes our CommandIds too

	redials int   // connections that may still be made after a loss
	spoiled error // why nothing may be run here any more: an earlier command may still be running
	closed  bool
}

func (c *Client) newSession(w photopush.Workstation) (*Session, error) {
	l, err := c.newLink(w)
	if err != nil {
		return nil, err
	}
	s := &Session{link: l, redials: 1}
	s.prelude = prelude{to: s.url(), sessionID: newID(), envelope: c.envelopeLimit(s.host)}
	return s, c.enter(l)
}

// open connects and creates the shell. What may have been created in vain is deleted, quickly when ctx has ended.
func (s *Session) open(ctx context.Context) error {
	s.progress = newProgress(ctx)
	err := s.connect(ctx)
	if err == nil {
		s.sweep(ctx)
		if err = s.create(ctx); err == nil {
			s.progress.pass(StepShell, "")
			return nil
		}
		if mayBeDone(err) {
			s.discard(ctx)
		}
	}
	s.end()
	err = s.failure("open shell on", err)
	s.progress.fail(err)
	return err
}

func (s *Session) discard(ctx context.Context) {
	limit := closeTimeout
	if ctx.Err() != nil {
		limit = 700 * time.Millisecond
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), limit)
	defer cancel()
	if there, err := s.delete(ctx); err != nil || !there { // one that is not there may be on its way: the Create may be slower than its Delete
		s.client.rememberOrphan(s.host, s.shellID)
		s.log.Debug("a shell may be left behind until its idle time", "shell", s.shellID, "err", err)
	}
}

// create makes the shell under an identifier of our own, so that asking twice makes one.
func (s *Session) create(ctx context.Context) error {
	own := newID()
	s.shellID = own
	m := s.prelude.create(own, s.client.cfg.IdleTimeout, s.client.cfg.OperationTimeout)
	r, err := s.askTwice(ctx, m)
	switch {
	case tooLarge(err) && s.prelude.envelope > smallEnvelope: // it can only mean the size of answers that the message announces
		s.client.rememberSmall(s.host)
		s.prelude.envelope = smallEnvelope
		return s.create(ctx)
	case hasFault(err, faultShellExists, faultAlreadyExists):
		s.ours = true
		return nil
	case err != nil:
		return err
	}
	id, err := r.identified(actionCreate)
	if err != nil {
		return err
	}
	s.shellID, s.ours = id, strings.EqualFold(id, own)
	return nil
}

// Close deletes the shell, with it whatever still runs there, and closes the connection. It takes at most 5 s of its own, also when ctx
// has ended. An error means that the shell stays until its idle time.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer s.end()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if _, err := s.delete(ctx); err != nil {
		s.client.rememberOrphan(s.host, s.shellID)
		return s.failure("delete shell on", err)
	}
	return nil
}

// delete may dial once more for itself. A shell that is not there is no error.
func (s *Session) delete(ctx context.Context) (there bool, err error) {
	s.redials = 1
	_, err = s.askTwice(ctx, s.prelude.delete(s.shellID, min(closeTimeout, s.client.cfg.OperationTimeout)))
	if hasFault(err, faultUnexpectedSelectors, faultAborted) {
		return false, nil
	}
	return err == nil, err
}
