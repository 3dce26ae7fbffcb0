package masterzen

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	zen "github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/winrm"
)

// A Transporter carries the messages of one masterzen/winrm client over one sealed connection, one after another. Every answer is judged before
// masterzen sees it; after the first failure every message fails at once, which ends masterzen's commands.
type Transporter struct {
	channel  *winrm.Channel
	hasInput bool

	// of a Session; zero where masterzen's client is used without
	shell      *shellOptions
	maxMessage int // bytes of an envelope; 0 for no limit here

	turn  chan struct{} // has the token of whoever may send
	last  bool          // the piece of input that is sent next is the last
	begun bool          // the command may be running
	fed   bool          // it may have got input

	mu     sync.Mutex
	ctx    context.Context // of the messages that are sent now: the interface of masterzen has none
	input  chan struct{}   // closed once the input of the command has ended; a new one for every command
	ended  bool            // input is closed
	failed error
	broken chan struct{} // closed with the first failure
}

// shellOptions complete what masterzen asks for: its shell gets a name of ours and an idle time, and its commands are started without cmd.exe.
type shellOptions struct {
	id   string
	idle time.Duration
}

// NewTransporter carries messages over ch, which stays the caller's to close, until ctx ends. For clients whose commands get input, by
// RunWithInput or RunWithString, hasInput holds requests for output back until the input has ended; a command without input would wait for
// ever then. It is used by
//
//	parameters.TransportDecorator = func() winrm.Transporter { return transporter }
func NewTransporter(ctx context.Context, ch *winrm.Channel, hasInput bool) *Transporter {
	return newTransporter(ctx, ch, hasInput)
}

func newTransporter(ctx context.Context, ch *winrm.Channel, hasInput bool) *Transporter {
	t := &Transporter{channel: ch, hasInput: hasInput, turn: make(chan struct{}, 1), input: make(chan struct{})}
	t.begin(ctx)
	return t
}

// begin forgets failures and takes another context. No message is on its way.
func (t *Transporter) begin(ctx context.Context) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ctx, t.failed, t.broken = ctx, nil, make(chan struct{})
	t.last, t.begun, t.fed = false, false, false
}

// Err is the first failure, a *photopush.Error; nil while there is none.
func (t *Transporter) Err() error {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.failed
}

// fail keeps the first failure.
func (t *Transporter) fail(err error) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.failed == nil {
		t.failed = err
		close(t.broken)
	}
	return told(t.failed)
}

// A toldError is what masterzen is told of a failure, which looks for a word in it.
type toldError string

func (e toldError) Error() string { return string(e) }

func told(err error) error {
	return toldError(strings.ReplaceAll(err.Error(), "OperationTimeout", "operation timeout"))
}

// errNoOutput makes masterzen ask for output again.
var errNoOutput = errors.New("OperationTimeout: there is no output yet")

// Transport has nothing to set up: the connection is there.
func (t *Transporter) Transport(*zen.Endpoint) error { return nil }

// Post sends a message and returns the answer, which is no fault.
func (t *Transporter) Post(_ *zen.Client, m *soap.SoapMessage) (string, error) {
	text, err := t.complete(m.String())
	if err != nil {
		return "", t.fail(&photopush.Error{Reason: photopush.Internal, Op: "complete message for", On: t.channel.URL(), Err: err})
	}
	if text.action == actionSend && text.ended() && t.inputEnded() {
		return "", nil // the last piece has said so
	}
	if err := t.take(text.action); err != nil {
		return "", err
	}
	defer func() { <-t.turn }()
	began := time.Now()
	answer, err := t.send(text)
	return t.judge(text, answer, err, began)
}

// inputEnded tells whether the command knows by now that nothing follows.
func (t *Transporter) inputEnded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.ended
}

// endInput lets requests for output through.
func (t *Transporter) endInput() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if !t.ended {
		t.ended = true
		close(t.input)
	}
}

// take waits for the message's turn, a request for output for the end of the input before it.
func (t *Transporter) take(action string) error {
	t.mu.Lock()
	ctx, input, broken := t.ctx, t.input, t.broken
	t.mu.Unlock()
	if action == actionReceive && t.hasInput {
		select {
		case <-input:
		case <-broken:
			return told(t.Err())
		case <-ctx.Done():
			return t.fail(t.over(ctx))
		}
	}
	select {
	case t.turn <- struct{}{}:
	case <-ctx.Done():
		return t.fail(t.over(ctx))
	}
	if err := t.Err(); err != nil {
		<-t.turn
		return told(err)
	}
	return nil
}

func (t *Transporter) over(ctx context.Context) error {
	return &photopush.Error{Reason: photopush.Timeout, Op: "send message to", On: t.channel.URL(), Err: context.Cause(ctx)}
}

// send posts the message and takes the answer in, which is valid until the next one.
func (t *Transporter) send(text message) (string, error) {
	t.mu.Lock()
	ctx := t.ctx
	if text.action == actionCommand {
		t.input, t.ended = make(chan struct{}), false
	}
	t.mu.Unlock()
	answer, status, err := t.channel.Post(ctx, []byte(text.text))
	maybe := err == nil || photopush.ReasonOf(err) == photopush.Unknown // it was carried out
	if err == nil {
		err = t.channel.Check(answer, status, text.action, text.id)
		f, isFault := errors.AsType[*winrm.Fault](err)
		maybe = !isFault || f.Code == faultOperationTimedOut
	}
	switch text.action {
	case actionCommand:
		t.begun = t.begun || maybe
	case actionSend:
		t.fed = t.fed || maybe
	}
	return string(answer), err
}

// Faults that are no failures.
const (
	faultBrokenPipe        = 109        // ERROR_BROKEN_PIPE
	faultNoData            = 232        // ERROR_NO_DATA
	faultOperationTimedOut = 2150858793 // ERROR_WSMAN_OPERATION_TIMEDOUT
	faultReceiveInProgress = 2150859047 // ERROR_WINRS_RECEIVE_IN_PROGRESS
	faultCommandTerminated = 2150859212 // ERROR_WSMAN_COMMAND_TERMINATED
	fromWin32              = 0x80070000 // an HRESULT of a Win32 error
)

// judge tells masterzen what became of a message.
func (t *Transporter) judge(text message, answer string, err error, began time.Time) (string, error) {
	f, isFault := errors.AsType[*winrm.Fault](err)
	code := uint32(0)
	if isFault {
		code = f.Code
	}
	switch {
	case text.action == actionReceive && (code == faultOperationTimedOut || code == faultReceiveInProgress):
		return "", firstOf(t.pause(began), errNoOutput)
	case text.action == actionSend && oneOf(code, faultBrokenPipe, faultNoData, faultCommandTerminated):
		t.fed = true
		t.endInput() // it ended without reading all of its input; its output says why
		return "", nil
	case err != nil:
		return "", t.fail(err)
	case text.action == actionSend && text.ended():
		t.endInput()
	case text.action == actionReceive && len(answer) < shortAnswer && !strings.Contains(answer, "/CommandState/Done"):
		err = t.pause(began)
	}
	return withoutDeclaration(answer), err
}

// firstOf is the first error there is.
func firstOf(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func oneOf(code uint32, codes ...uint32) bool {
	for _, c := range codes {
		if code == c || code == fromWin32|c {
			return true
		}
	}
	return false
}

// minWait is how long a request for output lasts at least that brought none, or hardly any, so that a host that does not hold it is not asked
// without pause. An answer of shortAnswer bytes has no more than some hundred of output.
const (
	minWait     = 200 * time.Millisecond
	shortAnswer = 2 << 10
)

// pause waits for what is left of that time.
func (t *Transporter) pause(began time.Time) error {
	t.mu.Lock()
	ctx, broken := t.ctx, t.broken
	t.mu.Unlock()
	timer := time.NewTimer(minWait - time.Since(began))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-broken:
		return told(t.Err())
	case <-ctx.Done():
		return t.fail(t.over(ctx))
	}
}
