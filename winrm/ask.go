package winrm

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	photopush "github.com/photopush/photopush"
)

// ask sends a message and reads the answer. Where the message cannot have been processed it dials once more and sends it again.
func (s *Session) ask(ctx context.Context, m message) (*reply, error) {
	r := new(reply)
	err := s.askInto(ctx, m, r, false)
	return r, err
}

// askTwice is ask for a message that may be processed twice without harm: it is sent once more also when it may have been processed, or
// when the host took longer than OperationTimeout.
func (s *Session) askTwice(ctx context.Context, m message) (*reply, error) {
	r := new(reply)
	err := s.askInto(ctx, m, r, true)
	if hasFault(err, faultOperationTimedOut) {
		*r = reply{}
		err = s.askInto(ctx, m, r, true)
	}
	return r, err
}

func (s *Session) askInto(ctx context.Context, m message, r *reply, harmless bool) error {
	err := s.try(ctx, m, r)
	if s.worthAgain(ctx, err, harmless) {
		s.log.Debug("ask again on a new connection", "action", name(m.action), "err", err)
		return s.try(ctx, m, r)
	}
	return err
}

// worthAgain tells whether the message should be sent on a new connection. Time that ran out is not spent twice.
func (s *Session) worthAgain(ctx context.Context, err error, harmless bool) bool {
	lost, ok := errors.AsType[*lostError](err)
	return ok && (harmless || !lost.sent) && s.redials > 0 && s.rejected == nil && ctx.Err() == nil && !errors.Is(lost.err, os.ErrDeadlineExceeded)
}

// mayBeDone tells whether the message that failed with err may have been processed all the same.
func mayBeDone(err error) bool {
	if lost, ok := errors.AsType[*lostError](err); ok {
		return lost.sent
	}
	if status, ok := errors.AsType[*statusError](err); ok {
		return status.status == http.StatusInternalServerError // not WinRM's word
	}
	_, malformed := errors.AsType[*malformedError](err)
	_, output := errors.AsType[*outputError](err)
	return malformed || output || hasFault(err, faultOperationTimedOut)
}

var errNoRedial = errors.New("the connection was lost twice")

// try sends a message once, dialling before it when the connection was lost earlier, and nothing once the credential was rejected. A fault is an
// error of type *Fault; errAgain is for a message that must be built again.
func (s *Session) try(ctx context.Context, m message, r *reply) error {
	if s.rejected != nil {
		return s.rejected
	}
	if s.wire == nil {
		switch {
		case s.redials == 0 && s.lapsed != nil:
			return s.lapsed
		case s.redials == 0:
			return &lostError{err: errNoRedial}
		}
		s.redials--
		if err := s.connect(ctx); err != nil {
			s.drop()
			return err
		}
	}
	start := time.Now()
	a, err := s.post(ctx, m.envelope, m.written)
	if err == nil {
		err = s.read(m, a, r)
	}
	s.log.Debug("request", "action", name(m.action), "bytes", len(m.envelope), "took", time.Since(start).Round(time.Millisecond), "err", err)
	if s.wire.closing {
		s.drop()
	}
	return err
}

// read makes a reply of an answer, and checks that it answers m.
func (s *Session) read(m message, a *answer, r *reply) error {
	body, err := s.unseal(a)
	if err != nil {
		return err
	}
	if err := parse(body, r, int(s.client.cfg.MaxOutput)); err != nil {
		return err
	}
	return r.answers(m, a.status)
}

func isBlank(body []byte) bool { return len(bytes.TrimSpace(body)) == 0 }

// isSOAP goes by the media type; a sealed answer has its own, which the security context has judged.
func isSOAP(a *answer) bool {
	media, _, _ := strings.Cut(a.header.Get("Content-Type"), ";")
	media = strings.TrimSpace(media)
	return strings.EqualFold(media, "application/soap+xml") || strings.EqualFold(media, "multipart/encrypted")
}

// answers checks that r belongs to m. A host that could not read the request's header sends its fault without RelatesTo.
func (r *reply) answers(m message, status int) error {
	id, _ := strings.CutPrefix(r.relatesTo, "uuid:")
	switch {
	case r.fault != nil && (id == "" || strings.EqualFold(id, m.messageID)):
		return r.fault
	case !strings.EqualFold(id, m.messageID):
		return &malformedError{errors.New("it answers another request (RelatesTo)")}
	case r.action != m.action+"Response":
		return &malformedError{fmt.Errorf("the action is %q", clean(r.action, 120))}
	case status != http.StatusOK:
		return &statusError{status}
	}
	return nil
}

// name is the last part of an action, for the log.
func name(action string) string { return action[strings.LastIndexByte(action, '/')+1:] }

// dialReason tells why no connection came about: nothing that a workstation does before it answers is worse than offline.
func dialReason(ctx context.Context, err error) photopush.Reason {
	switch {
	case ctx.Err() != nil:
		return photopush.Timeout
	case ours(err):
		return photopush.Internal
	}
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return photopush.DNS
	}
	return photopush.Offline
}

// ours tells whether this machine refused to dial: out of descriptors, ports or memory, or forbidden by its own policy.
func ours(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.EADDRNOTAVAIL, syscall.ENOBUFS, syscall.ENOMEM, syscall.EPERM, syscall.EACCES} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// reasonOf gives errors of this package their Reason.
func reasonOf(err error) photopush.Reason {
	var r interface{ Reason() photopush.Reason }
	if errors.As(err, &r) {
		return r.Reason()
	}
	if _, ok := errors.AsType[*malformedError](err); ok {
		return photopush.Unsupported
	}
	if _, ok := errors.AsType[*outputError](err); ok {
		return photopush.Script
	}
	if _, ok := errors.AsType[*lostError](err); ok || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return photopush.Timeout
	}
	return photopush.ReasonOf(err)
}
