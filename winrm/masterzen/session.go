package masterzen

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
	"unicode/utf8"

	zen "github.com/masterzen/winrm"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/winrm"
)

// closeTimeout is what Close allows itself for deleting the shell, whatever became of its caller's context.
const closeTimeout = 5 * time.Second

// A Session is one connection to one workstation with one shell. It is for one goroutine.
type Session struct {
	client      *Client
	w           photopush.Workstation
	transporter *Transporter
	zen         *zen.Client
	shell       *zen.Shell
	spoiled     error // why nothing may be run here any more
	closed      bool
}

var (
	errEnded     = errors.New("the session is closed")
	errNoProgram = errors.New("the command line names no program")
	errNotInXML  = errors.New("the command line has characters that XML cannot carry")
)

// Run starts a command, feeds it input, ends its standard input, and returns what it printed once it has ended. The program is
// commandLine up to the first space, started without cmd.exe; the rest is handed to it as it is. The error is a *photopush.Error; with
// reason Unknown, or when ctx ended, the command may have done all or part of its work. After an error nothing more is run in the session.
func (s *Session) Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	if err := s.runnable(commandLine); err != nil {
		return photopush.Output{}, &photopush.Error{Reason: photopush.Internal, Op: "run on", On: s.w.Host, Err: err}
	}
	limit := s.client.cfg.RunTimeout
	ctx, cancel := context.WithTimeoutCause(ctx, limit, fmt.Errorf("the command did not end within %v", limit))
	defer cancel()
	out, err := s.run(ctx, commandLine, input)
	if err == nil {
		return out, nil
	}
	s.spoiled = err
	if s.transporter.fed || s.transporter.begun && len(input) == 0 { // nothing holds back a command without input
		return photopush.Output{}, &photopush.Error{Reason: photopush.Unknown, Op: "run on", On: s.w.Host, Err: cause(err)}
	}
	return photopush.Output{}, s.failure("run on", err)
}

func (s *Session) runnable(commandLine string) error {
	switch {
	case s.closed:
		return errEnded
	case s.spoiled != nil:
		return fmt.Errorf("an earlier command failed in this session: %w", s.spoiled)
	case commandLine == "" || commandLine[0] == ' ':
		return errNoProgram
	case !utf8.ValidString(commandLine) || strings.ContainsFunc(commandLine, notInXML):
		return errNotInXML
	}
	return nil
}

func notInXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff
}

// run lets masterzen run the command. What masterzen says of a failure counts only where the transporter knows of none.
func (s *Session) run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	s.transporter.begin(ctx)
	program, arguments, more := strings.Cut(commandLine, " ")
	words := []string{inCDATA(arguments)}
	if !more {
		words = nil
	}
	cmd, err := s.shell.Execute(inCDATA(program), words...)
	if err != nil {
		return photopush.Output{}, s.reported(err)
	}
	var errs [3]error
	stdout, stderr := s.collector(), s.collector()
	var copying sync.WaitGroup
	copying.Go(func() { _, errs[0] = io.Copy(stdout, cmd.Stdout) })
	copying.Go(func() { _, errs[1] = io.Copy(stderr, cmd.Stderr) })
	errs[2] = s.feed(cmd, input)
	cmd.Wait()
	copying.Wait()
	if err := s.reported(errs[:]...); err != nil {
		return photopush.Output{}, err
	}
	if err := cmd.Close(); err != nil { // it has ended by now: nothing depends on the answer
		s.client.log.Debug("signal", "workstation", s.w.Host, "err", err)
	}
	return photopush.Output{Stdout: stdout.b, Stderr: stderr.b, ExitCode: uint32(cmd.ExitCode())}, nil
}

// reported is why a message failed, or else what masterzen itself says.
func (s *Session) reported(errs ...error) error {
	if err := s.transporter.Err(); err != nil {
		return err
	}
	return errors.Join(errs...)
}

// feed sends the input in pieces that fit into a message, and the end of the stream with the last of them. A failure ends the command too: its
// next request for output is refused.
func (s *Session) feed(cmd *zen.Command, input []byte) error {
	room := s.pieceSize()
	for len(input) > 0 {
		piece := input[:min(room, len(input))]
		input = input[len(piece):]
		s.transporter.last = len(input) == 0
		if _, err := cmd.Stdin.Write(piece); err != nil {
			_ = s.transporter.fail(s.failure("feed command on", err)) // unless the message has failed, and said why
			return err
		}
	}
	return cmd.Stdin.Close()
}

// pieceSize is how many bytes of input a message has room for: what is left beside its other parts, in base64. Identifiers are taken for as long
// as they may be.
func (s *Session) pieceSize() int {
	id := strings.Repeat("x", maxID)
	rest := len(zen.NewSendInputRequest(s.transporter.channel.URL(), id, id, nil, true, &s.zen.Parameters).String())
	return (s.transporter.maxMessage - rest) / 4 * 3
}

// maxID is the longest identifier of a shell or a command that winrm.Channel.Check lets through.
const maxID = 100

// Close deletes the shell, with it whatever still runs there, and closes the connection. It takes at most 5 s of its own, also when ctx
// has ended. An error, a *photopush.Error, means that the shell stays until its idle time.
func (s *Session) Close(ctx context.Context) error {
	if s.closed {
		return nil
	}
	s.closed = true
	defer func() { s.transporter.channel.Close() }()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), closeTimeout)
	defer cancel()
	if err := s.delete(ctx); err != nil {
		return s.failure("delete shell on", err)
	}
	return nil
}

// Faults by which a shell is gone already.
const (
	faultAborted             = 995        // ERROR_OPERATION_ABORTED
	faultUnexpectedSelectors = 2150858843 // ERROR_WSMAN_UNEXPECTED_SELECTORS
)

// delete makes a new connection for it where the old one is lost, unless the credential was rejected.
func (s *Session) delete(ctx context.Context) error {
	for again := false; ; again = true {
		s.transporter.begin(ctx)
		err := s.shell.Close()
		if failure := s.transporter.Err(); failure != nil {
			err = failure
		}
		f, isFault := errors.AsType[*winrm.Fault](err)
		switch {
		case isFault && (f.Code == faultUnexpectedSelectors || f.Code == faultAborted):
			return nil
		case err == nil || isFault || again || s.transporter.channel.Rejected() != nil:
			return err
		}
		s.transporter.channel.Close()
		ch, err := s.client.way.Dial(ctx, s.w)
		if err != nil {
			return err
		}
		s.transporter.channel = ch
	}
}

// A collector keeps output up to max_output; more is a failure, and is read on, so that masterzen's goroutine ends.
type collector struct {
	session *Session
	b       []byte
}

func (s *Session) collector() *collector { return &collector{session: s} }

func (c *collector) Write(p []byte) (int, error) {
	if limit := int(c.session.client.cfg.MaxOutput); len(c.b)+len(p) > limit {
		_ = c.session.transporter.fail(&photopush.Error{Reason: photopush.Script, Op: "read output of", On: c.session.w.Host,
			Err: fmt.Errorf("the command printed more than %d bytes (max_output)", limit)})
		return len(p), nil
	}
	c.b = append(c.b, p...)
	return len(p), nil
}

// inCDATA makes text fit for the CDATA section that masterzen puts it into.
func inCDATA(text string) string { return strings.ReplaceAll(text, "]]>", "]]]]><![CDATA[>") }
