//go:build linux

package masterzen

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	zen "github.com/masterzen/winrm"
	"github.com/masterzen/winrm/soap"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/winrm"
)

const cmdLine = `C:\Windows\System32\cmd.exe /c dir & exit` // in a CDATA of masterzen's, with nothing around it

// theirs is masterzen's client, as a program of its own uses it, over a connection of ours.
func theirs(t *testing.T, ctx context.Context, r *realm, w *simwin.Server, hasInput bool) (*zen.Client, *Transporter) {
	t.Helper()
	way, err := winrm.New(r.config, r.options(t, w.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { way.Close() })
	ch, err := way.Dial(ctx, testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ch.Close() })
	transporter := NewTransporter(ctx, ch, hasInput)
	p := *zen.DefaultParameters
	p.Timeout = "PT1S"
	p.TransportDecorator = func() zen.Transporter { return transporter }
	c, err := zen.NewClientWithParameters(zen.NewEndpoint(testHost, 5985, false, false, nil, nil, nil, 0), "", "", &p)
	if err != nil {
		t.Fatal(err)
	}
	return c, transporter
}

// TestTransporterAlone runs commands by masterzen's own client, several on one connection: with input, and without.
func TestTransporterAlone(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, &program{}, nil)
	c, transporter := theirs(t, t.Context(), r, w, true)
	input := bytes.Repeat([]byte("x"), 300_000)
	for range 2 {
		var stdout, stderr bytes.Buffer
		_, err := c.RunWithInput(cmdLine, &stdout, &stderr, bytes.NewReader(input))
		if want := cmdLine + "\nread 300000 bytes\n"; err != nil || stdout.String() != want || stderr.String() != "warning" || transporter.Err() != nil {
			t.Fatalf("got %q, %q, %v, %v", stdout.String(), stderr.String(), err, transporter.Err())
		}
	}
	// signing in, then Create, Command, two Sends, the one that ends, Receive, Signal, Delete
	if s := w.Stats(); s.Requests != 1+2*8 || s.Connections != 1 {
		t.Errorf("%d requests on %d connections, want 17 on 1", s.Requests, s.Connections)
	}
	w = r.workstation(t, noInput{}, nil)
	c, transporter = theirs(t, t.Context(), r, w, false)
	var stdout bytes.Buffer
	if code, err := c.Run(cmdLine, &stdout, io.Discard); err != nil || code != 3 || stdout.String() != "done" || transporter.Err() != nil {
		t.Errorf("got %q, %d, %v, %v", stdout.String(), code, err, transporter.Err())
	}
	allGone(t, w)
}

// noInput is a program that reads nothing.
type noInput struct{}

func (noInput) Run(_ context.Context, _ string, _ io.Reader, stdout, _ io.Writer) (uint32, error) {
	_, err := fmt.Fprint(stdout, "done")
	return 3, err
}

// TestTransporterFails: masterzen's own client gets an error for a fault, and stops.
func TestTransporterFails(t *testing.T) {
	r := newRealm(t)
	for name, fault := range map[string]simwin.Fault{
		"denied":   {Mode: simwin.AnswerFault, Action: "Receive", Code: 5},
		"quota":    {Mode: simwin.AnswerFault, Action: "Create", Code: 2150859173},
		"lost":     {Mode: simwin.LoseBefore, Action: "Receive"},
		"timeouts": {Mode: simwin.AnswerFault, Action: "Create", Code: 2150858793},
	} {
		t.Run(name, func(t *testing.T) {
			w := r.workstation(t, &program{}, nil)
			if err := w.SetFault(fault); err != nil {
				t.Fatal(err)
			}
			c, transporter := theirs(t, t.Context(), r, w, true)
			_, err := c.RunWithInput(cmdLine, io.Discard, io.Discard, strings.NewReader("x"))
			if _, ok := errors.AsType[*photopush.Error](transporter.Err()); err == nil || !ok {
				t.Errorf("got %v, %v", err, transporter.Err())
			}
			if n := w.Stats().Requests; n > 7 {
				t.Errorf("%d requests", n)
			}
		})
	}
}

// TestTransporterEnds: the end of the context ends a command that waits for input which never ends, before anything is asked for.
func TestTransporterEnds(t *testing.T) {
	r := newRealm(t)
	w := r.workstation(t, &program{}, nil)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c, transporter := theirs(t, ctx, r, w, true)
	shell, err := c.CreateShell()
	if err != nil {
		t.Fatal(err)
	}
	cmd, err := shell.Execute(cmdLine)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	cmd.Wait()
	if !errors.Is(transporter.Err(), context.Canceled) {
		t.Errorf("got %v", transporter.Err())
	}
	if n := w.Stats().Requests; n != 3 {
		t.Errorf("%d requests, want 3: signing in, Create, Command", n)
	}
}

// TestComplete: each message gets what masterzen leaves out, and one that is written otherwise is not sent.
func TestComplete(t *testing.T) {
	own := &Transporter{shell: &shellOptions{id: "0e2f5b9c-7d3a-4a7b-8000-6553f1000001", idle: 2 * time.Minute}}
	last := &Transporter{last: true}
	const url = "http://ws1.corp.example:5985/wsman"
	p := zen.DefaultParameters
	for _, test := range []struct {
		t      *Transporter
		m      *soap.SoapMessage
		has    []string
		hasNot []string
	}{
		{own, zen.NewOpenShellRequest(url, p),
			[]string{`<rsp:Shell ShellId="0E2F5B9C-7D3A-4A7B-8000-6553F1000001">`, `<rsp:IdleTimeOut>PT120S</rsp:IdleTimeOut></rsp:Shell>`, `"WINRS_NOPROFILE">TRUE<`}, nil},
		{new(Transporter), zen.NewOpenShellRequest(url, p), []string{`<rsp:Shell>`}, []string{"IdleTimeOut"}},
		{own, zen.NewExecuteCommandRequest(url, "S", `x Name="WINRS_SKIP_CMD_SHELL">FALSE<`, []string{inCDATA("a]]>b")}, p),
			[]string{`"WINRS_SKIP_CMD_SHELL">TRUE<`, `"WINRS_CONSOLEMODE_STDIN">FALSE<`, `x Name="WINRS_SKIP_CMD_SHELL">FALSE<]]>`, `<![CDATA[a]]]]><![CDATA[>b]]>`}, nil},
		{new(Transporter), zen.NewExecuteCommandRequest(url, "S", "x", nil, p), []string{`"WINRS_SKIP_CMD_SHELL">FALSE<`}, nil},
		{last, zen.NewSendInputRequest(url, "S", "C", []byte("x"), false, p), []string{`<rsp:Stream End="true" Name="stdin"`}, nil},
		{last, zen.NewSendInputRequest(url, "S", "C", nil, true, p), []string{`End="true"`}, []string{`End="true" Name`}},
		{new(Transporter), zen.NewSendInputRequest(url, "S", "C", []byte("x"), false, p), nil, []string{"End="}},
	} {
		m, err := test.t.complete(test.m.String())
		if err != nil || len(m.id) != 36 {
			t.Errorf("got %v, id %q", err, m.id)
		}
		for _, want := range test.has {
			if !strings.Contains(m.text, want) {
				t.Errorf("%s is missing in %s", want, m.text)
			}
		}
		for _, not := range test.hasNot {
			if strings.Contains(m.text, not) {
				t.Errorf("%s is in %s", not, m.text)
			}
		}
	}
	text := zen.NewExecuteCommandRequest(url, "S", "x", nil, p).String()
	for _, other := range []string{"", strings.ReplaceAll(text, "WINRS_SKIP", "WINRS_LEAP"), strings.ReplaceAll(text, "MessageID", "MessageNo")} {
		if _, err := own.complete(other); !errors.Is(err, errNotMasterzens) {
			t.Errorf("got %v", err)
		}
	}
	if _, err := (&Transporter{maxMessage: 100}).complete(text); err == nil {
		t.Error("a message that is too long is sent")
	}
}

// TestPace: a host that answers requests for output at once, with nothing or next to nothing, is not asked without pause.
func TestPace(t *testing.T) {
	const running = `<rsp:CommandState State="http://schemas.microsoft.com/wbem/wsman/1/windows/shell/CommandState/Running"/>`
	none := &photopush.Error{Reason: photopush.Timeout, Err: &winrm.Fault{Code: faultOperationTimedOut}}
	for name, test := range map[string]struct {
		answer string
		err    error
		want   error
		wait   time.Duration
	}{
		"nothing":           {"", none, errNoOutput, minWait},
		"an empty answer":   {running, nil, nil, minWait},
		"a long answer":     {running + strings.Repeat(" ", shortAnswer), nil, nil, 0},
		"the end":           {strings.Replace(running, "Running", "Done", 1), nil, nil, 0},
		"nothing, but slow": {"", none, errNoOutput, 0},
	} {
		synctest.Test(t, func(t *testing.T) {
			transporter, began := newTransporter(t.Context(), nil, true), time.Now()
			if strings.HasSuffix(name, "slow") {
				began = began.Add(-time.Second)
			}
			start := time.Now()
			_, err := transporter.judge(message{action: actionReceive}, test.answer, test.err, began)
			if took := time.Since(start); err != test.want || took != test.wait {
				t.Errorf("%s: got %v after %v, want %v after %v", name, err, took, test.want, test.wait)
			}
		})
	}
}

// TestTold: masterzen takes no failure for "no output yet", whatever a workstation puts into its fault.
func TestTold(t *testing.T) {
	transporter := newTransporter(t.Context(), nil, true)
	failure := &photopush.Error{Reason: photopush.Denied, Err: &winrm.Fault{Code: 5, Message: "OperationTimeout OperationTimeout"}}
	_, err := transporter.judge(message{action: actionReceive}, "", failure, time.Now())
	if err == nil || strings.Contains(err.Error(), "OperationTimeout") || !errors.Is(transporter.Err(), failure) {
		t.Errorf("got %v, %v", err, transporter.Err())
	}
}

func TestWithoutDeclaration(t *testing.T) {
	for text, want := range map[string]string{
		"<a/>": "<a/>", "\ufeff<a/>": "<a/>", `<?xml version="1.0" encoding="no-such"?><a/>`: "<a/>", "\ufeff \n<?xml version='1.0'?>\n<a/>": "<a/>",
	} {
		if got := strings.TrimSpace(withoutDeclaration(text)); got != want {
			t.Errorf("%q: got %q", text, got)
		}
	}
}
