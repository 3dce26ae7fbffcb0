package winrm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
)

// lookTimeout is how long a Receive is held that asks whether input has arrived whose answer was lost.
const lookTimeout = 5 * time.Second

// A run is one command in a session.
type run struct {
	*Session
	commandID string
	input     []byte
	limit     int           // bytes of an envelope
	begun     bool          // the command may be running
	effect    bool          // the command may have done something
	look      time.Duration // OperationTimeout of the first Receive when it looks whether the last Send arrived; 0 when that is known
	out       reply
}

// Run starts a command, feeds it input, ends its standard input, and returns what it printed once it has ended. The program is
// commandLine up to the first space, started without cmd.exe; the rest is handed to it as it is. The error is a *photopush.Error; with
// reason Unknown, or when ctx ended, the command may have done all or part of its work; nothing more is run in the session then.
func (s *Session) Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	if err := s.runnable(commandLine); err != nil {
		return photopush.Output{}, &photopush.Error{Reason: photopush.Internal, Op: "run on", On: s.host, Err: err}
	}
	limit := s.client.cfg.RunTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, &timeoutError{"the command did not end within", limit})
	defer cancel()
	r := &run{Session: s, input: input, limit: s.client.envelopeLimit(s.host)}
	if err := r.do(ctx, commandLine); err != nil {
		if r.begun {
			s.spoiled = err
		}
		return photopush.Output{}, r.failed(err)
	}
	return photopush.Output{Stdout: r.out.stdout, Stderr: r.out.stderr, ExitCode: r.out.exitCode}, nil
}

var (
	errNoProgram = errors.New("the command line names no program")
	errNotInXML  = errors.New("the command line has characters that XML cannot carry")
	errEnded     = errors.New("the session is closed")
)

func (s *Session) runnable(commandLine string) error {
	switch {
	case s.closed:
		return errEnded
	case s.spoiled != nil:
		return fmt.Errorf("an earlier command failed in this session: %w", s.spoiled)
	case commandLine == "" || commandLine[0] == ' ':
		return errNoProgram
	case !inXML(commandLine):
		return errNotInXML
	}
	return nil
}

// failed is what the caller sees: Unknown once the command may have done something, whatever went wrong after that.
func (r *run) failed(err error) error {
	if !r.effect {
		return r.failure("run on", err)
	}
	return &photopush.Error{Reason: photopush.Unknown, Op: "run on", On: r.host, Err: err}
}

func (r *run) do(ctx context.Context, commandLine string) error {
	program, arguments, _ := strings.Cut(commandLine, " ")
	if err := r.start(ctx, program, arguments); err != nil {
		return err
	}
	if err := r.feed(ctx); err != nil {
		return err
	}
	if err := r.collect(ctx); err != nil {
		return err
	}
	r.terminate(ctx)
	return nil
}

// start creates the command under an identifier of our own, so that asking twice starts one. A host that chooses identifiers itself
// (before Windows 8) is not asked twice.
func (r *run) start(ctx context.Context, program, arguments string) error {
	own := newID()
	r.commandID = own
	m := r.prelude.command(r.shellID, own, program, arguments, r.client.cfg.OperationTimeout)
	ask := r.askTwice
	if !r.ours {
		ask = r.ask
	}
	answer, err := ask(ctx, m)
	if hasFault(err, faultCommandExists, faultAlreadyExists) {
		answer, err = &reply{commandID: own}, nil
	}
	r.begun = err == nil || mayBeDone(err)
	r.effect = r.begun && len(r.input) == 0 // nothing holds it back
	if err != nil {
		return err
	}
	id, err := answer.identified(actionCommand)
	if err == nil {
		r.commandID = id
	}
	return err
}

// feed sends the input in as few messages as the host's limit allows, and the end of the stream with the last of them.
func (r *run) feed(ctx context.Context) error {
	for rest := r.input; ; {
		buf, _ := r.client.envelopes.Get().(*[]byte)
		if buf == nil {
			buf = new([]byte)
		}
		m, n := r.prelude.send((*buf)[:0], r.shellID, r.commandID, rest, r.room(), r.client.cfg.OperationTimeout)
		*buf = m.envelope
		m.written = func() { r.client.envelopes.Put(buf) } // answers may take long, and hundreds of visits wait for theirs
		err := r.sendOne(ctx, m, n == len(rest))
		switch {
		case errors.Is(err, errAgain):
			continue
		case hasFault(err, faultBrokenPipe, faultNoData, faultCommandTerminated):
			r.effect = true
			return nil // it ended without reading all of its input; its output says why
		case err != nil:
			return err
		}
		if rest = rest[n:]; len(rest) == 0 {
			return nil
		}
	}
}

// sealRoom is more than encryption and its frame add to a message, in bytes; hosts may count them too.
const sealRoom = 1 << 10

// room is how large an envelope may be, so that it is within the limit as it travels.
func (r *run) room() int {
	if r.client.cfg.Transport == overHTTP {
		return r.limit - sealRoom
	}
	return r.limit
}

// sendOne sends a piece of the input. A piece whose answer was lost is not sent again; if it was the last, collect looks what became of it.
func (r *run) sendOne(ctx context.Context, m message, last bool) error {
	answer := new(reply)
	err := r.try(ctx, m, answer)
	lost, isLost := errors.AsType[*lostError](err)
	switch {
	case err == nil:
		r.effect = true
		return nil
	case tooLarge(err) && r.limit > smallEnvelope:
		r.client.rememberSmall(r.host)
		r.limit = smallEnvelope
		return errAgain
	case r.worthAgain(ctx, err, false):
		r.limit = min(r.limit, smallEnvelope) // some hosts cut off a message that is too large for them
		return errAgain
	case mayBeDone(err):
		r.effect = true
		if isLost && lost.sent && last && r.worthAgain(ctx, err, true) {
			r.look = min(lookTimeout, r.client.cfg.OperationTimeout)
			return nil
		}
	}
	return err
}

// collect takes the output in until the command has ended.
func (r *run) collect(ctx context.Context) error {
	var p pacer
	timeout := r.client.cfg.OperationTimeout
	if r.look > 0 {
		timeout = r.look
	}
	for !r.out.done {
		had := len(r.out.stdout) + len(r.out.stderr)
		r.out.streams = 0
		p.begin()
		err := r.receive(ctx, timeout)
		silent := hasFault(err, faultOperationTimedOut, faultReceiveInProgress)
		if err != nil && !silent {
			return err
		}
		if r.out.done || len(r.out.stdout)+len(r.out.stderr) > had {
			r.look, timeout = 0, r.client.cfg.OperationTimeout
			continue
		}
		if r.look > 0 {
			return errInputLost
		}
		if err := p.wait(ctx); err != nil {
			return err
		}
	}
	return nil
}

var errInputLost = &lostError{sent: true, err: errors.New("the answer to the last input never came, and the command does not go on")}

// receive asks for output once. An answer that was lost is asked for again with the same MessageID.
func (r *run) receive(ctx context.Context, timeout time.Duration) error {
	r.out.relatesTo, r.out.action, r.out.fault, r.out.streamID = "", "", nil, ""
	m := r.prelude.receive(r.shellID, r.commandID, timeout)
	if err := r.askInto(ctx, m, &r.out, true); err != nil {
		return err
	}
	if !strings.EqualFold(r.out.streamID, r.commandID) && r.out.streamID != "" {
		return &malformedError{errors.New("the output is of another command")}
	}
	return nil
}

// terminate lets the host forget the command, as Windows' own client does. It has ended by now, so nothing depends on the answer.
func (r *run) terminate(ctx context.Context) {
	if _, err := r.ask(ctx, r.prelude.signal(r.shellID, r.commandID, r.client.cfg.OperationTimeout)); err != nil {
		r.log.Debug("signal", "err", err)
	}
}

// A pacer keeps a host that answers at once with nothing from being asked without pause.
type pacer struct {
	began time.Time
	fast  int // empty answers in a row that came at once
}

const (
	fastAnswer = 200 * time.Millisecond
	maxPause   = 2 * time.Second
)

func (p *pacer) begin() { p.began = time.Now() }

func (p *pacer) wait(ctx context.Context) error {
	if time.Since(p.began) >= fastAnswer {
		p.fast = 0
		return nil
	}
	t := time.NewTimer(min(fastAnswer<<min(p.fast, 10), maxPause))
	defer t.Stop()
	p.fast++
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
