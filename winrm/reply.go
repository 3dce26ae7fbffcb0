package winrm

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
)

// Namespaces and URIs of MS-WSMV 2.2.1 and DSP0226.
const (
	nsSOAP       = "http://www.w3.org/2003/05/soap-envelope"
	nsAddressing = "http://schemas.xmlsoap.org/ws/2004/08/addressing"
	nsWSMan      = "http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd"
	nsWSManMS    = "http://schemas.microsoft.com/wbem/wsman/1/wsman.xsd"
	nsShell      = "http://schemas.microsoft.com/wbem/wsman/1/windows/shell"
	nsFault      = "http://schemas.microsoft.com/wbem/wsman/1/wsmanfault"

	actionCreate  = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Create"
	actionDelete  = "http://schemas.xmlsoap.org/ws/2004/09/transfer/Delete"
	actionCommand = nsShell + "/Command"
	actionSend    = nsShell + "/Send"
	actionReceive = nsShell + "/Receive"
	actionSignal  = nsShell + "/Signal"

	stateDone = nsShell + "/CommandState/Done"
)

// maxStreams bounds the pieces of output in one answer; Windows sends a few.
const maxStreams = 10000

// A reply is what an answer says.
type reply struct {
	action    string
	relatesTo string // MessageID of the request
	shellID   string // of CreateResponse
	commandID string // of CommandResponse
	fault     *Fault

	// of ReceiveResponse
	streamID string // CommandId of the streams and the state; all have the same
	stdout   []byte
	stderr   []byte
	streams  int
	done     bool
	exitCode uint32
}

// parser reads one answer into a reply. Output is appended to what reply.stdout and reply.stderr hold, until both hold more than limit bytes.
type parser struct {
	scanner
	reply   *reply
	limit   int
	scratch []byte
}

var (
	errNoEnvelope = errors.New("there is no SOAP envelope")
	errNoBody     = errors.New("the SOAP envelope has no body")
	errNoExitCode = errors.New("the command is done, but there is no exit code")
	errTwoIDs     = errors.New("the output is of more than one command")
)

// An outputError is a command that printed more than max_output.
type outputError struct{ limit int }

func (e *outputError) Error() string {
	return fmt.Sprintf("the command printed more than %d bytes (max_output)", e.limit)
}

// parse reads an answer. Errors are *malformedError or *outputError; r then holds what came before.
func parse(body []byte, r *reply, maxOutput int) error {
	p := parser{scanner: scanner{in: body}, reply: r, limit: maxOutput}
	err := p.envelope()
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*outputError](err); ok {
		return err
	}
	return &malformedError{err}
}

// child finds the next child element of the element that was opened last, skipping text; false at its end.
func (p *parser) child() (bool, error) {
	for {
		switch e, err := p.next(); {
		case err != nil:
			return false, err
		case e == startTag:
			return true, nil
		case e == endTag:
			return false, nil
		case e == endOfFile:
			return false, errTruncated
		}
	}
}

// skip reads to the end of the element that was opened last.
func (p *parser) skip() error {
	for depth := p.depth; p.depth >= depth; {
		if e, err := p.next(); err != nil {
			return err
		} else if e == endOfFile {
			return errTruncated
		}
	}
	return nil
}

// content is the text of the element that was opened last, to its end; children do not count. It is valid until the next call.
func (p *parser) content() ([]byte, error) {
	p.scratch = p.scratch[:0]
	for {
		e, err := p.next()
		switch {
		case err != nil:
			return nil, err
		case e == endTag:
			return p.scratch, nil
		case e == startTag:
			err = p.skip()
		case e == textRun && p.raw:
			p.scratch = append(p.scratch, p.text...)
		case e == textRun:
			p.scratch, err = appendText(p.scratch, p.text)
		default:
			err = errTruncated
		}
		if err != nil {
			return nil, err
		}
	}
}

func (p *parser) envelope() error {
	for {
		e, err := p.next()
		if err != nil {
			return err
		}
		if e == endOfFile {
			return errNoEnvelope
		}
		if e == startTag {
			break
		}
	}
	if !p.is(nsSOAP, "Envelope") {
		return errNoEnvelope
	}
	bodies := 0
	for {
		more, err := p.child()
		if err != nil {
			return err
		}
		if !more {
			break
		}
		switch {
		case p.is(nsSOAP, "Header"):
			err = p.header()
		case p.is(nsSOAP, "Body"):
			bodies++
			err = p.body()
		default:
			err = p.skip()
		}
		if err != nil {
			return err
		}
	}
	if bodies != 1 {
		return errNoBody
	}
	return p.trailer()
}

// trailer makes sure that nothing follows the envelope.
func (p *parser) trailer() error {
	for {
		switch e, err := p.next(); {
		case err != nil:
			return err
		case e == endOfFile:
			return nil
		case e == startTag:
			return errSyntax
		}
	}
}

func (p *parser) header() error {
	return p.each(func() error {
		switch {
		case p.is(nsAddressing, "Action"):
			return p.string(&p.reply.action)
		case p.is(nsAddressing, "RelatesTo"):
			return p.string(&p.reply.relatesTo)
		}
		return p.skip()
	})
}

func (p *parser) body() error {
	return p.each(func() error {
		switch {
		case p.is(nsShell, "ReceiveResponse"):
			return p.receiveResponse()
		case p.is(nsShell, "CommandResponse"):
			return p.one(nsShell, "CommandId", &p.reply.commandID)
		case p.is(nsShell, "Shell"):
			return p.one(nsShell, "ShellId", &p.reply.shellID)
		case p.is(nsSOAP, "Fault"):
			p.reply.fault = new(Fault)
			return p.fault(p.reply.fault)
		}
		return p.skip()
	})
}

// each calls f for every child of the element that was opened last; f reads the child to its end.
func (p *parser) each(f func() error) error {
	for {
		more, err := p.child()
		if err != nil || !more {
			return err
		}
		if err := f(); err != nil {
			return err
		}
	}
}

// one reads the text of the child with that name.
func (p *parser) one(space, local string, into *string) error {
	return p.each(func() error {
		if p.is(space, local) {
			return p.string(into)
		}
		return p.skip()
	})
}

// maxText bounds identifiers and the texts of faults.
const maxText = 4096

func (p *parser) string(into *string) error {
	text, err := p.content()
	if err != nil {
		return err
	}
	text = bytes.TrimSpace(text)
	*into = string(text[:min(len(text), maxText)])
	return nil
}

func (p *parser) receiveResponse() error {
	for {
		more, err := p.child()
		if err != nil || !more {
			return err
		}
		switch {
		case p.is(nsShell, "Stream"):
			err = p.stream()
		case p.is(nsShell, "CommandState"):
			err = p.commandState()
		default:
			err = p.skip()
		}
		if err != nil {
			return err
		}
	}
}

func (p *parser) stream() error {
	r := p.reply
	if r.streams++; r.streams > maxStreams {
		return fmt.Errorf("one answer has more than %d pieces of output", maxStreams)
	}
	if err := p.sameCommand(); err != nil {
		return err
	}
	into := &r.stdout
	switch name := p.attr("Name"); string(name) {
	case "stdout":
	case "stderr":
		into = &r.stderr
	default:
		return fmt.Errorf("there is no stream %q", clean(string(name), 40))
	}
	text, err := p.whole()
	if err != nil {
		return err
	}
	text = bytes.TrimSpace(text)
	size := base64.StdEncoding.DecodedLen(len(text))
	if len(r.stdout)+len(r.stderr)+size > p.limit+2 {
		return &outputError{p.limit}
	}
	*into, err = base64.StdEncoding.AppendDecode(*into, text)
	if err == nil && len(r.stdout)+len(r.stderr) > p.limit {
		return &outputError{p.limit}
	}
	return err
}

// whole is content without a copy where the text is one run without references, as base64 is.
func (p *parser) whole() ([]byte, error) {
	e, err := p.next()
	switch {
	case err != nil:
		return nil, err
	case e == endTag:
		return nil, nil
	case e != textRun || bytes.IndexByte(p.text, '&') >= 0:
		return nil, errSyntax
	}
	text := p.text
	if e, err = p.next(); err == nil && e != endTag {
		err = errSyntax
	}
	return text, err
}

func (p *parser) sameCommand() error {
	id := p.attr("CommandId")
	switch {
	case p.reply.streamID == "":
		p.reply.streamID = string(id[:min(len(id), maxText)])
	case string(id) != p.reply.streamID:
		return errTwoIDs
	}
	return nil
}

func (p *parser) commandState() error {
	if err := p.sameCommand(); err != nil {
		return err
	}
	p.reply.done = string(p.attr("State")) == stateDone
	var code string
	if err := p.one(nsShell, "ExitCode", &code); err != nil {
		return err
	}
	if !p.reply.done {
		return nil
	}
	if code == "" {
		return errNoExitCode
	}
	n, err := strconv.ParseInt(code, 10, 64)
	if err != nil || n < -1<<31 || n > 1<<32-1 {
		return fmt.Errorf("the exit code is %q", clean(code, 40))
	}
	p.reply.exitCode = uint32(n) // Windows writes it unsigned; exit(-1) is 4294967295
	return nil
}
