package simwin

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// script is an engine that a test writes: a function that gets what Run gets.
type script func(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error)

func (f script) Run(ctx context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	return f(ctx, line, stdin, stdout, stderr)
}

// echo reads all of its input, then prints it.
func echo(_ context.Context, _ string, stdin io.Reader, stdout, _ io.Writer) (uint32, error) {
	all, err := io.ReadAll(stdin)
	if err != nil {
		return 1, nil
	}
	_, _ = stdout.Write(all)
	return 0, nil
}

// stuck runs until it is ended.
func stuck(ctx context.Context, _ string, _ io.Reader, _, _ io.Writer) (uint32, error) {
	<-ctx.Done()
	return 0, ctx.Err()
}

var labCA = sync.OnceValue(func() *CA {
	ca, err := NewCA()
	if err != nil {
		panic(err)
	}
	return ca
})

func start(t *testing.T, engine script, change func(*Options)) *Server {
	t.Helper()
	cert, err := labCA().Issue("ws1.corp.example", net.IPv4(127, 0, 0, 1))
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Host: "ws1.corp.example", Addr: "127.0.0.1:0", Certificate: cert, Engine: engine, Domain: "corp.example",
		Users: map[string]string{"admin": "right", "other": "one", `CORP\svc`: "domain"}}
	if change != nil {
		change(&o)
	}
	s, err := Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// A client posts what a test writes. It keeps one connection, as WinRM clients do.
type client struct {
	t        *testing.T
	s        *Server
	http     *http.Client
	user     string
	password string
	shell    string
	command  string
	timeout  string
	maxSize  int
	header   http.Header // in place of the usual ones
}

func dial(t *testing.T, s *Server) *client {
	tr := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: labCA().Pool(), ServerName: "ws1.corp.example"}}
	t.Cleanup(tr.CloseIdleConnections)
	return &client{t: t, s: s, http: &http.Client{Transport: tr}, user: "admin", password: "right", timeout: "PT20S", maxSize: 512000}
}

func (c *client) do(body string) (*http.Response, []byte, error) {
	r, err := http.NewRequest(http.MethodPost, c.s.URL(), strings.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	r.SetBasicAuth(c.user, c.password)
	r.Header.Set("Content-Type", "application/soap+xml;charset=UTF-8")
	for k, v := range c.header {
		r.Header[k] = v
	}
	res, err := c.http.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	return res, b, err
}

const envelopeForm = `<s:Envelope xmlns:rsp="` + nsShell + `" xmlns:s="` + nsSOAP + `" xmlns:wsa="` + nsAddr + `" xmlns:wsman="` + nsWSMan + `" xmlns:wsmv="` + nsMS + `">` +
	`<s:Header><wsa:Action s:mustUnderstand="true">%s</wsa:Action><wsmv:DataLocale s:mustUnderstand="false" xml:lang="en-US"/>` +
	`<wsman:Locale s:mustUnderstand="false" xml:lang="en-US"/><wsman:MaxEnvelopeSize s:mustUnderstand="true">%d</wsman:MaxEnvelopeSize>` +
	`<wsa:MessageID>uuid:%s</wsa:MessageID><wsman:OperationTimeout>%s</wsman:OperationTimeout><wsa:ReplyTo><wsa:Address s:mustUnderstand="true">` + anonymous +
	`</wsa:Address></wsa:ReplyTo><wsman:ResourceURI s:mustUnderstand="true">` + resourceCmd + `</wsman:ResourceURI><wsa:To>%s</wsa:To>%s</s:Header><s:Body>%s</s:Body></s:Envelope>`

func (c *client) envelope(action, headers, body string) string {
	return c.message(newID(), action, headers, body)
}

func (c *client) message(id, action, headers, body string) string {
	if c.shell != "" && !strings.Contains(headers, "SelectorSet") {
		headers += `<wsman:SelectorSet><wsman:Selector Name="ShellId">` + c.shell + `</wsman:Selector></wsman:SelectorSet>`
	}
	return fmt.Sprintf(envelopeForm, action, c.maxSize, id, c.timeout, c.s.URL(), headers, body)
}

// ask posts an envelope and returns the body of the answer, which must have the wanted status.
func (c *client) ask(status int, action, headers, body string) *element {
	c.t.Helper()
	return c.post(status, c.envelope(action, headers, body))
}

func (c *client) post(status int, message string) *element {
	c.t.Helper()
	res, b, err := c.do(message)
	if err != nil {
		c.t.Fatal(err)
	}
	if res.StatusCode != status {
		c.t.Fatalf("HTTP %d, want %d: %s", res.StatusCode, status, b)
	}
	root, err := parseXML(b)
	if err != nil {
		c.t.Fatalf("%v in %q", err, b)
	}
	return root
}

func bodyOf(root *element) *element {
	if b := root.child(nsSOAP, "Body"); b != nil && len(b.kids) > 0 {
		return b.kids[0]
	}
	return nil
}

func (c *client) create(attributes, more string) {
	c.t.Helper()
	c.shell = ""
	root := c.ask(200, actionCreate, "", `<rsp:Shell`+attributes+`><rsp:InputStreams>stdin</rsp:InputStreams><rsp:OutputStreams>stdout stderr</rsp:OutputStreams>`+more+`</rsp:Shell>`)
	c.shell = root.child(nsSOAP, "Body").child(nsShell, "Shell").child(nsShell, "ShellId").value()
	if c.shell == "" {
		c.t.Fatal("no shell id")
	}
}

const optionSkip = `<wsman:OptionSet s:mustUnderstand="true"><wsman:Option Name="WINRS_SKIP_CMD_SHELL">%s</wsman:Option></wsman:OptionSet>`
const powershell = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe`

func (c *client) run(program string, arguments ...string) {
	c.t.Helper()
	body := `<rsp:CommandLine><rsp:Command>` + program + `</rsp:Command>`
	for _, a := range arguments {
		body += `<rsp:Arguments>` + escape(a) + `</rsp:Arguments>`
	}
	root := c.ask(200, actionCommand, fmt.Sprintf(optionSkip, "TRUE"), body+`</rsp:CommandLine>`)
	c.command = bodyOf(root).child(nsShell, "CommandId").value()
}

func (c *client) send(data, end string) {
	c.t.Helper()
	c.ask(200, actionSend, "", c.sendBody(data, end))
}

func (c *client) sendBody(data, end string) string {
	return `<rsp:Send><rsp:Stream Name="stdin" CommandId="` + c.command + `" End="` + end + `">` + base64.StdEncoding.EncodeToString([]byte(data)) + `</rsp:Stream></rsp:Send>`
}

func (c *client) receiveBody() string {
	return `<rsp:Receive><rsp:DesiredStream CommandId="` + c.command + `">stdout stderr</rsp:DesiredStream></rsp:Receive>`
}

// received is what a ReceiveResponse holds.
type received struct {
	stdout, stderr string
	done           bool
	exit           string
	streams        int
}

func (c *client) receive() received {
	c.t.Helper()
	return readReceived(c.t, c.ask(200, actionReceive, "", c.receiveBody()))
}

func readReceived(t *testing.T, root *element) received {
	t.Helper()
	var got received
	for _, k := range bodyOf(root).kids {
		switch k.name {
		case "Stream":
			got.streams++
			data, err := base64.StdEncoding.DecodeString(k.text)
			if err != nil {
				t.Fatal(err)
			}
			if name, _ := k.attr("Name"); name == "stdout" {
				got.stdout += string(data)
			} else {
				got.stderr += string(data)
			}
		case "CommandState":
			state, _ := k.attr("State")
			got.done = strings.HasSuffix(state, "/Done")
			got.exit = k.child(nsShell, "ExitCode").value()
		}
	}
	return got
}

func (c *client) receiveAll() received {
	c.t.Helper()
	var all received
	for !all.done {
		r := c.receive()
		all.stdout, all.stderr, all.done, all.exit = all.stdout+r.stdout, all.stderr+r.stderr, r.done, r.exit
	}
	return all
}

func (c *client) signal(code string) {
	c.t.Helper()
	c.ask(200, actionSignal, "", `<rsp:Signal CommandId="`+c.command+`"><rsp:Code>`+nsShell+`/signal/`+code+`</rsp:Code></rsp:Signal>`)
}

func (c *client) delete() {
	c.t.Helper()
	c.ask(200, actionDelete, "", "")
}

// wantFault asks and expects a fault with the code.
func (c *client) wantFault(code uint32, action, headers, body string) {
	c.t.Helper()
	c.wantFaultIn(code, c.ask(500, action, headers, body))
}

func (c *client) wantFaultIn(code uint32, root *element) {
	c.t.Helper()
	got, _ := bodyOf(root).child(nsSOAP, "Detail").child(nsFault, "WSManFault").attr("Code")
	if want := strconv.FormatUint(uint64(code), 10); got != want {
		c.t.Fatalf("fault %s, want %s", got, want)
	}
}

// until waits for a condition; the deadline only keeps a broken test from hanging.
func until(t *testing.T, what string, true func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !true(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("never: " + what)
		}
	}
}

func TestSession(t *testing.T) {
	var line string
	s := start(t, func(ctx context.Context, l string, in io.Reader, out, errs io.Writer) (uint32, error) {
		line = l
		io.WriteString(errs, "warning")
		_, err := echo(ctx, l, in, out, errs)
		return 0xFFFFFFFE, err
	}, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell, "-NoProfile", "-Command", `"a  b"`)
	c.send("first ", "false")
	c.send("second", "true")
	if got := c.receiveAll(); got.stdout != "first second" || got.stderr != "warning" || got.exit != "4294967294" {
		t.Errorf("%+v", got)
	}
	c.signal("terminate")
	c.delete()
	if want := powershell + ` -NoProfile -Command "a  b"`; line != want {
		t.Errorf("command line %q, want %q", line, want)
	}
	st := s.Stats()
	if st.Requests != 7 || st.Connections != 1 || st.Processes != 1 || len(st.Visits) != 1 || st.MaxRequests() != 7 || st.MaxConnections() != 1 ||
		st.MaxProcesses() != 1 || st.InFlight != 0 || st.MaxInFlight != 1 || st.BytesReceived < 4000 || st.BytesSent < 4000 {
		t.Errorf("%+v", st)
	}
}

func TestInputArrivesWhileTheProcessRuns(t *testing.T) {
	s := start(t, func(_ context.Context, _ string, in io.Reader, out, _ io.Writer) (uint32, error) {
		lines := bufio.NewScanner(in)
		for lines.Scan() {
			fmt.Fprintf(out, "got %s\n", lines.Text())
		}
		return 0, nil
	}, nil)
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	c.send("one\n", "False")
	if got := c.receive(); got.stdout != "got one\n" || got.done {
		t.Fatalf("%+v", got)
	}
	c.send("two\n", "True")
	if got := c.receiveAll(); got.stdout != "got two\n" || got.exit != "0" {
		t.Errorf("%+v", got)
	}
	c.wantFault(codePipeClosing, actionSend, "", c.sendBody("late", "false"))
	c.delete()
}

func TestOutputIsSplitToTheEnvelope(t *testing.T) {
	big := bytes.Repeat([]byte("0123456789abcdef"), 30_000) // 480,000 bytes
	s := start(t, func(_ context.Context, _ string, _ io.Reader, out, _ io.Writer) (uint32, error) {
		out.Write(big)
		return 3, nil
	}, nil)
	for _, size := range []int{8192, 153600, 512000} {
		c := dial(t, s)
		c.maxSize = size
		c.create("", "")
		c.run(powershell)
		var all []byte
		for {
			res, b, err := c.do(c.envelope(actionReceive, "", c.receiveBody()))
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err, string(b))
			}
			if len(b) > size {
				t.Fatalf("an answer has %d bytes, the client takes %d", len(b), size)
			}
			root, err := parseXML(b)
			if err != nil {
				t.Fatal(err)
			}
			got := readReceived(t, root)
			all = append(all, got.stdout...)
			if got.done {
				break
			}
			if len(b) < size-1500 {
				t.Fatalf("an answer of %d bytes leaves room in %d", len(b), size)
			}
		}
		if !bytes.Equal(all, big) {
			t.Errorf("envelope %d: %d bytes came, want %d", size, len(all), len(big))
		}
		c.delete()
	}
}
