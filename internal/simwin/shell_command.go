package simwin

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"unicode/utf16"
)

// Limits of a command line: cmd.exe takes 8,191 characters, of which WinRM's own `cmd.exe /c` leaves 8,157 (measured by public clients);
// CreateProcess takes 32,766.
const (
	maxCmdLine    = 8157
	maxCreateLine = 32766
)

// exitControlC is STATUS_CONTROL_C_EXIT, the exit code of a process that a signal ended.
const exitControlC = 0xC000013A

// outputRoom is how much output a stream keeps for Receive before the process has to wait.
const outputRoom = 1 << 20

// A command is a process in a shell, with what it has written and nobody has received yet.
type command struct {
	id        string
	stdin     *pipe
	piecemeal bool
	ctx       context.Context // of the process
	stop      context.CancelFunc

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at every change
	queue   []chunk
	waiting map[string]int // bytes in queue by stream
	running bool
	exit    uint32
	killed  uint32 // exit code of a killed process; 0 while nobody killed it
	aborted bool   // the command is gone: terminated, or its shell deleted
	told    bool   // Done was answered
	last    *receipt
}

type chunk struct {
	stream string
	data   []byte
}

// change does f under the lock and wakes whoever waits.
func (c *command) change(f func()) {
	c.mu.Lock()
	defer c.mu.Unlock()
	f()
	close(c.changed)
	c.changed = make(chan struct{})
}

// start is rsp:Command.
func (t *shells) start(sh *shell, r *request) *answer {
	n := r.body
	program := n.child(nsShell, "Command")
	if !n.is(nsShell, "CommandLine") || program == nil {
		return faultAnswer(faultSchema)
	}
	parts := []string{program.text}
	for _, k := range n.kids {
		if k.is(nsShell, "Arguments") {
			parts = append(parts, k.text)
		}
	}
	skip, f := readSwitches(r)
	if f == nil && skip {
		f = t.findProgram(program.text, strings.Join(parts, " "))
	}
	if f != nil {
		return faultAnswer(f)
	}
	c, f := t.register(sh, n)
	if f != nil {
		return faultAnswer(f)
	}
	if !t.launch(sh, c, strings.Join(parts, " "), skip) {
		return faultAnswer(faultUnknownShell(sh.id))
	}
	return &answer{action: actionCommand + "Response", namespaces: prefixesFull,
		body: `<rsp:CommandResponse><rsp:CommandId>` + escape(c.id) + `</rsp:CommandId></rsp:CommandResponse>`}
}

// readSwitches: both options are booleans. Whether stdin is a console makes no difference to the bytes a program reads here.
func readSwitches(r *request) (skip bool, f *soapFault) {
	for _, name := range []string{"WINRS_SKIP_CMD_SHELL", "WINRS_CONSOLEMODE_STDIN"} {
		text, given := r.option(name)
		value, ok := parseBool(text)
		if given && !ok {
			return false, faultOptions
		}
		if name == "WINRS_SKIP_CMD_SHELL" {
			skip = value
		}
	}
	return skip, nil
}

// findProgram: without cmd.exe the program must be named by its full path, no search takes place (recorded: a bare powershell.exe is not found).
func (t *shells) findProgram(program, line string) *soapFault {
	if len(utf16.Encode([]rune(line))) > maxCreateLine {
		return faultNameTooLong
	}
	path := strings.Trim(program, `"`)
	if !slices.ContainsFunc(t.programs, func(p string) bool { return strings.EqualFold(p, path) }) {
		return faultFileNotFound
	}
	return nil
}

func (t *shells) register(sh *shell, n *element) (*command, *soapFault) {
	c := &command{id: newID(), stdin: newPipe(), piecemeal: t.piecemeal, changed: make(chan struct{}), waiting: map[string]int{}, running: true}
	if id, ok := n.attr("CommandId"); ok {
		if !guidForm.MatchString(id) {
			return nil, faultCommandID
		}
		c.id = id
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	sh.mu.Lock()
	defer sh.mu.Unlock()
	key := strings.ToUpper(c.id)
	if sh.commands[key] != nil {
		return nil, faultCommandExists
	}
	if sh.dead {
		return nil, faultUnknownShell(sh.id)
	}
	active := 0
	for _, other := range sh.commands {
		if other.alive() {
			active++
		}
	}
	if active >= t.limits.MaxProcessesPerShell {
		return nil, faultCommandsPerShell
	}
	if t.operations(sh.owner) >= t.limits.MaxOperationsPerUser {
		return nil, faultMaxOperations(t.limits.MaxOperationsPerUser)
	}
	sh.started++
	c.ctx, c.stop = context.WithCancel(sh.ctx)
	sh.commands[key] = c
	return c, nil
}

func (c *command) alive() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.running
}

// launch starts the process; it runs until it ends by itself, by a signal, or with its shell.
func (t *shells) launch(sh *shell, c *command, line string, skip bool) bool {
	return t.work(sh, func() {
		t.started(strings.ToUpper(sh.id))
		exit := t.run(c.ctx, c, line, skip)
		c.stop()
		c.stdin.Close()
		c.change(func() {
			c.running, c.exit = false, exit
			if c.killed != 0 {
				c.exit = c.killed
			}
		})
	})
}

func (t *shells) run(ctx context.Context, c *command, line string, skip bool) uint32 {
	stdout, stderr := &stream{c, "stdout"}, &stream{c, "stderr"}
	if !skip && len(utf16.Encode([]rune(line))) > maxCmdLine {
		io.WriteString(stderr, "The command line is too long.\r\n")
		return 1
	}
	exit, err := t.engine.Run(ctx, line, c.stdin, stdout, stderr)
	switch {
	case err == nil:
		return exit
	case ctx.Err() != nil:
		return exitControlC
	case errors.Is(err, ErrNoProgram):
		name := SplitCommandLine(line)[0]
		io.WriteString(stderr, "'"+name+"' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n")
		return 1
	}
	t.fail(err)
	return 1
}

// A stream is the process's side of stdout or stderr.
type stream struct {
	c    *command
	name string
}

// Write keeps data for Receive, and waits while there is no room; a process that is being ended gets io.ErrClosedPipe.
func (s *stream) Write(data []byte) (int, error) {
	c := s.c
	for {
		c.mu.Lock()
		full, gone, changed := c.waiting[s.name] >= outputRoom, c.aborted || c.killed != 0, c.changed
		c.mu.Unlock()
		if gone {
			return 0, io.ErrClosedPipe
		}
		if !full {
			break
		}
		<-changed
	}
	if len(data) > 0 {
		c.change(func() {
			for _, piece := range c.pieces(slices.Clone(data)) {
				c.queue = append(c.queue, chunk{s.name, piece})
			}
			c.waiting[s.name] += len(data)
		})
	}
	return len(data), nil
}

// pieces are what one write becomes: as a whole, or text and line ends by turns.
func (c *command) pieces(data []byte) (list [][]byte) {
	for c.piecemeal && len(data) > 0 {
		n := bytes.IndexAny(data, "\r\n")
		switch {
		case n < 0:
			return append(list, data)
		case n == 0:
			for n < len(data) && (data[n] == '\r' || data[n] == '\n') {
				n++
			}
		}
		list, data = append(list, data[:n]), data[n:]
	}
	if len(data) > 0 {
		list = append(list, data)
	}
	return list
}

// kill ends the process with an exit code; the command stays.
func (c *command) kill(code uint32) {
	c.change(func() {
		if c.running && c.killed == 0 {
			c.killed = code
		}
	})
	c.stop()
	c.stdin.Close()
}

// abort ends the process and the command with it: a Receive that waits is answered with a fault.
func (c *command) abort() {
	c.kill(1)
	c.change(func() { c.aborted = true })
}

// command is the command that a body's CommandId names; without one, the shell itself is meant, which a command shell does not have (recorded).
func (sh *shell) command(n *element) (*command, *soapFault) {
	id, ok := n.attr("CommandId")
	if !ok {
		return nil, faultBadParameter
	}
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if c := sh.commands[strings.ToUpper(id)]; c != nil {
		return c, nil
	}
	return nil, faultUnknownCommand
}

// send is rsp:Send. Its streams are taken in their order; after End, or when the process is gone, nobody reads them.
func (t *shells) send(sh *shell, r *request) *answer {
	if !r.body.is(nsShell, "Send") || len(r.body.kids) == 0 {
		return faultAnswer(faultSchema)
	}
	for _, k := range r.body.kids {
		if f := sh.sendStream(k); f != nil {
			return faultAnswer(f)
		}
	}
	return &answer{action: actionSend + "Response", namespaces: prefixesFull, body: `<rsp:SendResponse/>`}
}

func (sh *shell) sendStream(k *element) *soapFault {
	name, _ := k.attr("Name")
	ended, _ := k.attr("End")
	end, ok := parseBool(ended)
	data, err := base64.StdEncoding.DecodeString(strings.Join(strings.Fields(k.text), ""))
	if !k.is(nsShell, "Stream") || !ok || err != nil || !slices.Contains(sh.input, name) {
		return faultSchema
	}
	c, f := sh.command(k)
	if f == nil && !c.stdin.send(data, end) {
		return faultPipeClosing
	}
	return f
}

// signal is rsp:Signal: terminate takes the command away, the two keys end its process only.
func (t *shells) signal(sh *shell, r *request) *answer {
	if !r.body.is(nsShell, "Signal") {
		return faultAnswer(faultSchema)
	}
	c, f := sh.command(r.body)
	if f != nil {
		return faultAnswer(f)
	}
	switch strings.TrimPrefix(r.body.child(nsShell, "Code").value(), nsShell+"/signal/") {
	case "terminate", "Terminate":
		c.abort()
		sh.mu.Lock()
		delete(sh.commands, strings.ToUpper(c.id))
		sh.mu.Unlock()
	case "ctrl_c", "ctrl_break":
		c.kill(exitControlC)
	default:
		return faultAnswer(faultBadParameter)
	}
	return &answer{action: actionSignal + "Response", namespaces: prefixesFull, body: `<rsp:SignalResponse/>`}
}
