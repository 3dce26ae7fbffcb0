package simwin

import (
	"context"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"
)

func TestClientChoosesIDs(t *testing.T) {
	s := start(t, echo, nil)
	c := dial(t, s)
	const shell, command = "6F1903CA-E06A-4A8B-BDFC-B44203149D55", "6f1903ca-e06a-4a8b-bdfc-b44203149d56"
	c.create(` ShellId="`+shell+`"`, "")
	if c.shell != shell {
		t.Fatalf("shell %s", c.shell)
	}
	line := `<rsp:CommandLine CommandId="` + command + `"><rsp:Command>powershell.exe</rsp:Command></rsp:CommandLine>`
	c.ask(200, actionCommand, "", line)
	c.wantFault(codeCommandExists, actionCommand, "", line)
	c.wantFault(codeCommandID, actionCommand, "", strings.Replace(line, command, "mine", 1))
	c.command = command
	c.send("x", "true")
	if got := c.receiveAll(); got.stdout != "x" {
		t.Errorf("%+v", got)
	}
	body := `<rsp:Shell ShellId="` + shell + `"><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout</rsp:OutputStreams></rsp:Shell>`
	other := dial(t, s)
	other.wantFault(codeShellExists, actionCreate, "", body)
	other.wantFault(codeShellID, actionCreate, "", strings.Replace(body, shell, "mine", 1))
	c.delete()
	other.ask(200, actionCreate, "", body)
}

func TestUnknownShellAndCommand(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	known, shell := c.command, c.shell
	c.command = newID()
	c.wantFault(codeUnexpectedSelectors, actionReceive, "", c.receiveBody())
	c.wantFault(codeUnexpectedSelectors, actionSend, "", c.sendBody("x", "true"))
	c.wantFault(codeUnexpectedSelectors, actionSignal, "", `<rsp:Signal CommandId="`+c.command+`"><rsp:Code>x</rsp:Code></rsp:Signal>`)
	c.command = known
	c.wantFault(codeInvalidParameter, actionSignal, "", `<rsp:Signal CommandId="`+known+`"><rsp:Code>x</rsp:Code></rsp:Signal>`)
	c.shell = newID()
	c.wantFault(codeUnexpectedSelectors, actionReceive, "", c.receiveBody())
	c.wantFault(codeUnexpectedSelectors, actionDelete, "", "")
	c.shell = ""
	c.wantFault(codeInsufficient, actionReceive, "", c.receiveBody())
	c.shell = shell
	c.delete()
	c.wantFault(codeUnexpectedSelectors, actionDelete, "", "")
	if n := running(s); n != 0 {
		t.Errorf("%d processes run after Delete", n)
	}
}

// A shell belongs to who made it.
func TestShellOfAnotherUser(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.create("", "")
	c.user, c.password = "other", "one"
	c.wantFault(codeDifferentToken, actionDelete, "", "")
	c.user, c.password = "admin", "right"
	c.delete()
}

func TestIdleShellIsDeleted(t *testing.T) {
	clock := NewManualClock(time.Unix(0, 0))
	s := start(t, stuck, func(o *Options) { o.Clock = clock })
	c := dial(t, s)
	c.create("", "<rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut>")
	c.run(powershell)
	until(t, "the idle watch waits", func() bool { return clock.Waiting() == 1 })
	clock.Advance(59 * time.Second)
	c.ask(200, actionGet, "", "")
	until(t, "the idle watch waits again", func() bool { return clock.Waiting() == 1 })
	clock.Advance(59 * time.Second)
	until(t, "the idle watch waits on", func() bool { return clock.Waiting() == 1 })
	if running(s) != 1 {
		t.Fatal("the shell was used 59 s ago, and is gone")
	}
	clock.Advance(time.Second)
	until(t, "the process ends", func() bool { return running(s) == 0 })
	c.wantFault(codeUnexpectedSelectors, actionGet, "", "")
	for _, tooShort := range []string{"PT59S", "PT2147484S"} {
		c.wantFault(codeIdleTimeOut, actionCreate, "", `<rsp:Shell><rsp:IdleTimeOut>`+tooShort+`</rsp:IdleTimeOut></rsp:Shell>`)
	}
}

// A waiting Receive keeps its shell alive.
func TestReceiveIsUse(t *testing.T) {
	clock := NewManualClock(time.Unix(0, 0))
	s := start(t, stuck, func(o *Options) { o.Clock, o.Limits.MaxTimeout = clock, time.Hour })
	c := dial(t, s)
	c.timeout = "PT90S"
	c.create("", "<rsp:IdleTimeOut>PT60S</rsp:IdleTimeOut>")
	c.run(powershell)
	faulted := make(chan *element, 1)
	go func() { faulted <- c.ask(500, actionReceive, "", c.receiveBody()) }()
	until(t, "the Receive waits", func() bool { return clock.Waiting() == 2 })
	clock.Advance(90 * time.Second)
	c.wantFaultIn(codeTimedOut, <-faulted)
	c.delete()
}

func TestRepeatedReceiveGetsTheSameAnswer(t *testing.T) {
	s := start(t, echo, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	c.send("once", "true")
	message := c.message(newID(), actionReceive, "", c.receiveBody())
	first := readReceived(t, c.post(200, message))
	if first.stdout != "once" || !first.done {
		t.Fatalf("%+v", first)
	}
	if again := readReceived(t, c.post(200, message)); again != first {
		t.Errorf("%+v, want %+v", again, first)
	}
	c.wantFault(codeUnexpectedSelectors, actionReceive, "", c.receiveBody()) // its end was told
	c.signal("ctrl_c")
	c.signal("terminate")
	c.wantFault(codeUnexpectedSelectors, actionSignal, "", `<rsp:Signal CommandId="`+c.command+`"><rsp:Code>`+nsShell+`/signal/terminate</rsp:Code></rsp:Signal>`)
}

// The answer of a Receive whose connection is lost waits for the same message.
func TestLostReceive(t *testing.T) {
	release := make(chan struct{})
	s := start(t, func(_ context.Context, _ string, _ io.Reader, out, _ io.Writer) (uint32, error) {
		<-release
		io.WriteString(out, "late")
		return 0, nil
	}, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	message := c.message(newID(), actionReceive, "", c.receiveBody())
	if err := s.AddFault(Fault{Mode: LoseAfter, Action: "Receive", Times: 1}); err != nil {
		t.Fatal(err)
	}
	close(release)
	if _, _, err := c.do(message); err == nil {
		t.Fatal("an answer came over a lost connection")
	}
	if got := readReceived(t, c.post(200, message)); got.stdout != "late" || !got.done {
		t.Errorf("%+v", got)
	}
	if st := s.Stats(); len(st.Visits) != 1 || st.Visits[0].Connections != 2 || st.Visits[0].Requests != 4 {
		t.Errorf("%+v", st)
	}
}

func TestSignals(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	c.signal("ctrl_c")
	if got := c.receiveAll(); got.exit != "3221225786" {
		t.Errorf("%+v", got)
	}
	c.run(powershell)
	faulted := make(chan *element, 1)
	requests := s.Stats().Requests
	go func() { faulted <- c.ask(500, actionReceive, "", c.receiveBody()) }()
	until(t, "the Receive waits", func() bool { return s.Stats().Requests > requests })
	c.signal("terminate")
	root := <-faulted
	if bodyOf(root).child(nsSOAP, "Detail") == nil {
		t.Fatal("no fault")
	}
	if running(s) != 0 {
		until(t, "the process ends", func() bool { return running(s) == 0 })
	}
}

func TestQuotas(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Limits.MaxShellsPerUser, o.Limits.MaxProcessesPerShell = 2, 1 })
	c := dial(t, s)
	c.create("", "")
	first := c.shell
	c.create("", "")
	c.shell = ""
	c.wantFault(codeMaxShells, actionCreate, "", `<rsp:Shell><rsp:InputStreams>stdin</rsp:InputStreams></rsp:Shell>`)
	c.user, c.password = "other", "one"
	c.create("", "")
	c.user, c.password = "admin", "right"
	c.shell = first
	c.run(powershell)
	c.wantFault(codeCommandsPerShell, actionCommand, "", `<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command></rsp:CommandLine>`)
	c.signal("terminate")
	until(t, "the process ends", func() bool { return running(s) == 0 })
	c.run(powershell)
}

// A command counts as an operation until its shell is gone, and both limits are those of a user.
func TestOperationQuota(t *testing.T) {
	s := start(t, echo, func(o *Options) { o.Old, o.Limits.MaxOperationsPerUser = true, 4 })
	const line = `<rsp:CommandLine><rsp:Command>powershell.exe</rsp:Command></rsp:CommandLine>`
	c := dial(t, s)
	c.create("", "")
	for range 3 {
		c.run(powershell)
		c.send("", "true")
		c.receiveAll()
		c.signal("terminate")
	}
	c.wantFault(codeMaxOperations, actionCommand, "", line)
	other := dial(t, s)
	other.user, other.password = "other", "one"
	other.create("", "")
	second := dial(t, s)
	root := second.ask(500, actionCreate, "", `<rsp:Shell/>`)
	second.wantFaultIn(codeMaxOperations, root)
	text := bodyOf(root).child(nsSOAP, "Reason").child(nsSOAP, "Text").value()
	if want := "The WS-Management service cannot process the request. This user is allowed a maximum number of 4 concurrent operations, which has been " +
		"exceeded. Close existing operations for this user, or raise the quota for this user."; text != want {
		t.Errorf("the fault says %q", text)
	}
	c.delete()
	second.ask(200, actionCreate, "", `<rsp:Shell/>`)
}

func TestShellUsers(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Limits.MaxUsers = 1 })
	c := dial(t, s)
	c.create("", "")
	c.create("", "")
	other := dial(t, s)
	other.user, other.password = "other", "one"
	other.wantFault(codeMaxShellUsers, actionCreate, "", `<rsp:Shell/>`)
}

// Requests that wait count: a third at the same time is refused, and taken once another is over.
func TestMaxConnections(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Limits.MaxConnections = 1 })
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	waiting := make(chan *element, 1)
	requests := s.Stats().Requests
	go func() { waiting <- c.ask(500, actionReceive, "", c.receiveBody()) }()
	until(t, "the Receive waits", func() bool { return s.Stats().Requests > requests })
	other := dial(t, s)
	other.wantFault(codeSystemQuota, actionCreate, "", `<rsp:Shell/>`)
	s.shells.endAll()
	<-waiting
	until(t, "the Receive is over", func() bool {
		s.mu.Lock()
		defer s.mu.Unlock()
		return s.active == 0
	})
	other.ask(200, actionCreate, "", `<rsp:Shell/>`)
}

// Output at its worst: every text, every line end and the end of the process in an answer of its own.
func TestPiecemeal(t *testing.T) {
	s := start(t, func(_ context.Context, _ string, _ io.Reader, out, errs io.Writer) (uint32, error) {
		io.WriteString(out, "one\r\n\r\ntwo")
		io.WriteString(errs, "three\n")
		return 7, nil
	}, func(o *Options) { o.Piecemeal = true })
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	until(t, "the process ends", func() bool { return running(s) == 0 })
	for _, want := range []received{
		{stdout: "one", streams: 1}, {stdout: "\r\n\r\n", streams: 1}, {stdout: "two", streams: 1}, {stderr: "three", streams: 1}, {stderr: "\n", streams: 1},
		{done: true, exit: "7", streams: 2},
	} {
		if got := c.receive(); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
}

// Our client puts together what comes in pieces, sealed each: a few lines of a script's answer, and more than a pipe holds.
func TestPiecemealVisit(t *testing.T) {
	s := start(t, echo, func(o *Options) { plainHTTP(o); withNTLM(t, o); o.Piecemeal = true })
	session, err := ntlmClient(t, s, "admin", "right").Open(t.Context(), ws1)
	if err != nil {
		t.Fatal(err)
	}
	want := 3 + 1 // two to sign in, Create, Delete
	for _, k := range []struct {
		input  string
		pieces int
	}{
		{"{\"verb\":\"inventory\"}\r\n{}\n\nend", 5},
		{strings.Repeat(strings.Repeat("x", 1500)+"\r\n", 60), 120},
		{strings.Repeat("y", 150_000) + "\n", 2},
		{"", 0},
	} {
		if out, err := session.Run(t.Context(), powershell, []byte(k.input)); err != nil || string(out.Stdout) != k.input {
			t.Errorf("%d bytes of %d, %v", len(out.Stdout), len(k.input), err)
		}
		if want += 3 + k.pieces + 1; s.Stats().Requests != want-1 { // Command, Send and Signal, a Receive for each piece and one for the end
			t.Errorf("%d requests after %d bytes, want %d", s.Stats().Requests, len(k.input), want-1)
		}
	}
	if err := session.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if st := s.Stats(); st.Requests != want || st.Connections != 1 || len(shellOwners(s)) != 0 {
		t.Errorf("%d requests on %d connections, want %d on 1", st.Requests, st.Connections, want)
	}
}

func TestCommandLines(t *testing.T) {
	var line string
	s := start(t, func(_ context.Context, l string, _ io.Reader, _, _ io.Writer) (uint32, error) {
		if line = l; strings.HasPrefix(l, "nosuch") {
			return 0, fmt.Errorf("start: %w", ErrNoProgram)
		}
		return 0, nil
	}, nil)
	for _, k := range []struct {
		skip, program, argument string
		fault                   uint32
		stderr, exit            string
	}{
		{"TRUE", "powershell.exe", "x", codeFileNotFound, "", ""},
		{"TRUE", `C:\nosuch.exe`, "x", codeFileNotFound, "", ""},
		{"TRUE", `"` + strings.ToLower(powershell) + `"`, "x", 0, "", "0"},
		{"TRUE", powershell, strings.Repeat("x", 32766), codeNameTooLong, "", ""},
		{"FALSE", "powershell.exe", "x", 0, "", "0"},
		{"FALSE", "powershell.exe", strings.Repeat("x", 8157-len("powershell.exe ")), 0, "", "0"},
		{"FALSE", "powershell.exe", strings.Repeat("x", 8158-len("powershell.exe ")), 0, "The command line is too long.\r\n", "1"},
		{"FALSE", "nosuch", "x", 0, "'nosuch' is not recognized as an internal or external command,\r\noperable program or batch file.\r\n", "1"},
		{"perhaps", powershell, "x", codeInvalidOptions, "", ""},
	} {
		c := dial(t, s)
		c.create("", "")
		line = ""
		body := `<rsp:CommandLine><rsp:Command>` + escape(k.program) + `</rsp:Command><rsp:Arguments>` + k.argument + `</rsp:Arguments></rsp:CommandLine>`
		if k.fault != 0 {
			c.wantFault(k.fault, actionCommand, fmt.Sprintf(optionSkip, k.skip), body)
			continue
		}
		c.command = bodyOf(c.ask(200, actionCommand, fmt.Sprintf(optionSkip, k.skip), body)).child(nsShell, "CommandId").value()
		if got := c.receiveAll(); got.stderr != k.stderr || got.exit != k.exit {
			t.Errorf("%.60s: %+v", k.program, got)
		}
		if k.exit == "0" && line != k.program+" "+k.argument {
			t.Errorf("%.60s: the engine got %.80q", k.program, line)
		}
	}
}

func TestSendRefuses(t *testing.T) {
	s := start(t, echo, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	stream := func(attributes, text string) string {
		return `<rsp:Send><rsp:Stream CommandId="` + c.command + `" ` + attributes + `>` + text + `</rsp:Stream></rsp:Send>`
	}
	c.wantFault(codeSchema, actionSend, "", stream(`Name="pr"`, "eA=="))
	c.wantFault(codeSchema, actionSend, "", stream(`Name="stdin"`, "!"))
	c.wantFault(codeSchema, actionSend, "", stream(`Name="stdin" End="maybe"`, "eA=="))
	c.wantFault(codeSchema, actionSend, "", `<rsp:Send/>`)
	c.ask(200, actionSend, "", stream(`Name="stdin" End="1"`, ""))
	c.wantFault(codePipeClosing, actionSend, "", stream(`Name="stdin"`, "eA=="))
	if got := c.receiveAll(); got.stdout != "" || got.exit != "0" {
		t.Errorf("%+v", got)
	}
}

// A process that writes more than anybody receives has to wait; ending it frees it.
func TestOutputHasARoom(t *testing.T) {
	wrote := make(chan error, 1)
	s := start(t, func(_ context.Context, _ string, _ io.Reader, out, _ io.Writer) (uint32, error) {
		block := make([]byte, 64<<10)
		for {
			if _, err := out.Write(block); err != nil {
				wrote <- err
				return 0, nil
			}
		}
	}, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	c.receive()
	c.delete()
	if err := <-wrote; err == nil {
		t.Error("the process could write on")
	}
}
