package winrm

import (
	"bufio"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"encoding/xml"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
)

// A host is a workstation's WinRM service in so far as these tests need one: it keeps shells, commands and their input, counts, and
// breaks where it is told. It reads requests with encoding/xml, so that it does not share the client's idea of them.
type host struct {
	t    testing.TB
	cert tls.Certificate

	mu       sync.Mutex
	conns    int
	live     int
	bytes    int
	requests []soapRequest
	shells   map[string]*hostShell
	created  int // shells ever
	started  int // commands ever
	unread   int // requests that were cut off

	plain    bool                                              // without TLS
	limit    int                                               // of an envelope
	program  func(stdin []byte) (stdout string, exit int64)    // nil: echo
	override func(n int, r *soapRequest) *hostAnswer           // instead of the usual answer; nil result for the usual one
	cutAt    map[int]cut                                       // by number of the request, from 1
	raw      func(*http.Request, []byte) ([]byte, *hostAnswer) // unseals a request, or answers it; nil for Basic
	seal     func(*hostAnswer)
	wg       sync.WaitGroup
}

type cut int

const (
	before cut = iota + 1 // the request is not processed
	after                 // it is, but the answer is lost
	midway                // it is, but the answer breaks off
	unread                // the connection ends before the request has arrived
)

type hostAnswer struct {
	status int
	header http.Header
	body   string
	hang   bool // no answer until the client goes away
	raw    string
}

type hostShell struct{ commands map[string]*hostCommand }

type hostCommand struct {
	line  string
	stdin []byte
	ended bool // input has ended
}

type soapRequest struct {
	Action    string
	MessageID string
	ShellID   string // selector
	OwnID     string // ShellId or CommandId attribute
	Command   string
	Arguments string
	Stream    []byte
	End       bool
	Timeout   string

	MaxEnvelope int
	size        int
}

// name is Create, Command, Send, Receive, Signal or Delete.
func (r *soapRequest) name() string { return name(r.Action) }

func newHost(t testing.TB) *host {
	return &host{t: t, cert: testCert(t), shells: map[string]*hostShell{}, limit: 512000, cutAt: map[int]cut{}}
}

// listen serves on loopback and returns the port.
func (h *host) listen() int {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		h.t.Fatal(err)
	}
	h.wg.Add(1)
	go func() {
		defer h.wg.Done()
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			h.wg.Add(1)
			go h.serve(conn)
		}
	}()
	h.t.Cleanup(func() { l.Close(); h.wg.Wait() })
	return l.Addr().(*net.TCPAddr).Port
}

// pipe is a Dial function that needs no network.
func (h *host) pipe(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	h.wg.Add(1)
	go h.serve(theirs)
	return ours, nil
}

func (h *host) serve(raw net.Conn) {
	defer h.wg.Done()
	h.count(&h.conns, 1)
	h.count(&h.live, 1)
	defer h.count(&h.live, -1)
	defer raw.Close()
	conn := net.Conn(countingConn{raw, h})
	if !h.plain {
		conn = tls.Server(conn, &tls.Config{Certificates: []tls.Certificate{h.cert}})
	}
	in := bufio.NewReader(conn)
	for {
		req, err := http.ReadRequest(in)
		if err != nil {
			return
		}
		if h.cutNext() == unread {
			h.count(&h.unread, 1)
			return
		}
		body, err := io.ReadAll(req.Body)
		if err != nil {
			return
		}
		if !h.answer(conn, req, body) {
			return
		}
	}
}

// cutNext is what happens to the request that arrives now.
func (h *host) cutNext() cut {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.cutAt[len(h.requests)+h.unread+1]
}

func (h *host) count(n *int, by int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	*n += by
}

// countingConn counts what the client sends.
type countingConn struct {
	net.Conn
	h *host
}

func (c countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.h.count(&c.h.bytes, n)
	return n, err
}

// answer processes one request; false ends the connection.
func (h *host) answer(conn net.Conn, req *http.Request, body []byte) bool {
	if h.raw != nil {
		plain, a := h.raw(req, body)
		if a != nil {
			return a.write(conn)
		}
		body = plain
		req.SetBasicAuth("svc", "secret")
	}
	r := parseRequest(h.t, body)
	h.mu.Lock()
	h.requests = append(h.requests, *r)
	n := len(h.requests) + h.unread
	when := h.cutAt[n]
	var a *hostAnswer
	if h.override != nil {
		a = h.override(n, r)
	}
	user, password, _ := req.BasicAuth()
	switch {
	case when == before:
		h.mu.Unlock()
		return false
	case a != nil:
	case user != "svc" || password != "secret":
		a = &hostAnswer{status: 401, header: http.Header{"WWW-Authenticate": {"Negotiate", `Basic realm="WSMAN"`}}}
	default:
		a = h.process(r)
	}
	h.mu.Unlock()
	if h.seal != nil && when != before {
		h.seal(a)
	}
	if a.hang {
		io.Copy(io.Discard, conn)
		return false
	}
	switch when {
	case after:
		return false
	case midway:
		io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: "+soapType+"\r\nContent-Length: 5000\r\n\r\n"+a.body[:len(a.body)/2])
		return false
	}
	return a.write(conn)
}

func (a *hostAnswer) write(conn net.Conn) bool {
	if a.raw != "" {
		io.WriteString(conn, a.raw)
		return false
	}
	resp := &http.Response{
		StatusCode: a.status, ProtoMajor: 1, ProtoMinor: 1, Header: a.header, ContentLength: int64(len(a.body)),
		Body: io.NopCloser(strings.NewReader(a.body)),
	}
	if resp.Header == nil {
		resp.Header = http.Header{}
	}
	if a.body != "" && resp.Header.Get("Content-Type") == "" {
		resp.Header.Set("Content-Type", soapType)
	}
	return resp.Write(conn) == nil && resp.Header.Get("Connection") != "close"
}

func (h *host) process(r *soapRequest) *hostAnswer {
	if r.size > h.limit {
		return faultAnswer(r, faultServerEnvelope, "the envelope is too large")
	}
	if r.name() == "Create" {
		if h.shells[r.OwnID] != nil {
			return faultAnswer(r, faultShellExists, "the shell exists")
		}
		h.shells[r.OwnID] = &hostShell{commands: map[string]*hostCommand{}}
		h.created++
		return okAnswer(r, `<rsp:Shell><rsp:ShellId>`+r.OwnID+`</rsp:ShellId></rsp:Shell>`)
	}
	sh := h.shells[r.ShellID]
	if sh == nil {
		return faultAnswer(r, faultUnexpectedSelectors, "no such shell")
	}
	switch r.name() {
	case "Delete":
		delete(h.shells, r.ShellID)
		return okAnswer(r, "")
	case "Command":
		if sh.commands[r.OwnID] != nil {
			return faultAnswer(r, faultCommandExists, "the command exists")
		}
		sh.commands[r.OwnID] = &hostCommand{line: r.Command + " " + r.Arguments}
		h.started++
		return okAnswer(r, `<rsp:CommandResponse><rsp:CommandId>`+r.OwnID+`</rsp:CommandId></rsp:CommandResponse>`)
	}
	c := sh.commands[r.OwnID]
	if c == nil {
		return faultAnswer(r, faultUnexpectedSelectors, "no such command")
	}
	switch r.name() {
	case "Send":
		c.stdin, c.ended = append(c.stdin, r.Stream...), r.End
		return okAnswer(r, `<rsp:SendResponse/>`)
	case "Signal":
		delete(sh.commands, r.OwnID)
		return okAnswer(r, `<rsp:SignalResponse/>`)
	}
	if !c.ended {
		return faultAnswer(r, faultOperationTimedOut, "nothing yet")
	}
	return okAnswer(r, h.output(r.OwnID, c))
}

func (h *host) output(id string, c *hostCommand) string {
	out, exit := "read "+fmt.Sprint(len(c.stdin))+" bytes", int64(0)
	if h.program != nil {
		out, exit = h.program(c.stdin)
	}
	half := len(out) / 2
	return fmt.Sprintf(`<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="%[1]s">%[2]s</rsp:Stream>`+
		`<rsp:Stream Name="stdout" CommandId="%[1]s">%[3]s</rsp:Stream><rsp:Stream Name="stderr" CommandId="%[1]s" End="true"></rsp:Stream>`+
		`<rsp:CommandState CommandId="%[1]s" State="%[4]s"><rsp:ExitCode>%[5]d</rsp:ExitCode></rsp:CommandState></rsp:ReceiveResponse>`,
		id, base64.StdEncoding.EncodeToString([]byte(out[:half])), base64.StdEncoding.EncodeToString([]byte(out[half:])), stateDone, exit)
}

const hostEnvelope = `<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:a="` + nsAddressing + `" xmlns:rsp="` + nsShell + `" xmlns:w="` + nsWSMan +
	`"><s:Header><a:Action>%s</a:Action><a:RelatesTo>uuid:%s</a:RelatesTo></s:Header><s:Body>%s</s:Body></s:Envelope>`

func okAnswer(r *soapRequest, body string) *hostAnswer {
	return &hostAnswer{status: 200, body: fmt.Sprintf(hostEnvelope, r.Action+"Response", r.MessageID, body)}
}

func faultAnswer(r *soapRequest, code uint32, text string) *hostAnswer {
	return &hostAnswer{status: 500, body: fmt.Sprintf(hostEnvelope, nsWSMan+"/fault", r.MessageID, fmt.Sprintf(
		`<s:Fault><s:Code><s:Value>s:Sender</s:Value><s:Subcode><s:Value>w:Some</s:Value></s:Subcode></s:Code><s:Reason><s:Text>%[2]s</s:Text></s:Reason>`+
			`<s:Detail><f:WSManFault xmlns:f="`+nsFault+`" Code="%[1]d"><f:Message>%[2]s</f:Message></f:WSManFault></s:Detail></s:Fault>`, code, text))}
}

func parseRequest(t testing.TB, body []byte) *soapRequest {
	var e struct {
		Header struct {
			Action, MessageID, OperationTimeout string
			MaxEnvelopeSize                     int
			Selector                            string `xml:"SelectorSet>Selector"`
		}
		Body struct {
			Shell struct {
				ID string `xml:"ShellId,attr"`
			}
			CommandLine struct {
				ID                 string `xml:"CommandId,attr"`
				Command, Arguments string
			}
			Send struct {
				Stream struct {
					ID   string `xml:"CommandId,attr"`
					End  bool   `xml:",attr"`
					Data string `xml:",chardata"`
				}
			}
			Receive struct {
				DesiredStream struct {
					ID string `xml:"CommandId,attr"`
				}
			}
			Signal struct {
				ID string `xml:"CommandId,attr"`
			}
		}
	}
	if err := xml.Unmarshal(body, &e); err != nil {
		t.Errorf("request is no XML: %v", err)
	}
	b := &e.Body
	r := &soapRequest{
		Action: e.Header.Action, MessageID: strings.TrimPrefix(e.Header.MessageID, "uuid:"), ShellID: e.Header.Selector, Timeout: e.Header.OperationTimeout,
		OwnID:   b.Shell.ID + b.CommandLine.ID + b.Send.Stream.ID + b.Receive.DesiredStream.ID + b.Signal.ID,
		Command: b.CommandLine.Command, Arguments: b.CommandLine.Arguments, End: b.Send.Stream.End, size: len(body),
		MaxEnvelope: e.Header.MaxEnvelopeSize,
	}
	var err error
	if r.Stream, err = base64.StdEncoding.DecodeString(b.Send.Stream.Data); err != nil {
		t.Errorf("input is no base64: %v", err)
	}
	return r
}

// names lists what was asked so far.
func (h *host) names() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var names []string
	for i := range h.requests {
		names = append(names, h.requests[i].name())
	}
	return names
}

func (h *host) left() (shells, live int) {
	h.mu.Lock()
	defer h.mu.Unlock()
	return len(h.shells), h.live
}

const testHost = "ws1.corp.example"

var testCertOnce = sync.OnceValues(func() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: testHost}, DNSNames: []string{testHost},
		IPAddresses: []net.IP{net.IPv6loopback, net.IPv4(127, 0, 0, 1)},
		NotBefore:   time.Unix(0, 0), NotAfter: time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
})

func testCert(t testing.TB) tls.Certificate {
	cert, err := testCertOnce()
	if err != nil {
		t.Fatal(err)
	}
	return cert
}

// testConfig is for hosts with testCert and the account svc, secret.
func testConfig(t testing.TB) Config {
	dir := t.TempDir()
	write := func(name string, data []byte) string {
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, data, 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	cfg := DefaultConfig()
	cfg.Transport, cfg.Auth = overHTTPS, authBasic
	cfg.User = "svc"
	cfg.PasswordFile = write("password", []byte("secret\n"))
	cfg.CAFile = write("ca.pem", pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: testCert(t).Certificate[0]}))
	return cfg
}

// dialTo reaches the port on loopback, whatever name is asked for.
func dialTo(port int) func(context.Context, string, string) (net.Conn, error) {
	return func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort("127.0.0.1", fmt.Sprint(port)))
	}
}

func testClient(t testing.TB, cfg Config, dial func(context.Context, string, string) (net.Conn, error)) *Client {
	c, err := New(cfg, Options{Dial: dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var testWorkstation = photopush.Workstation{Name: "WS1", Host: testHost}

func debugLogger(w io.Writer) *slog.Logger {
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{Level: slog.LevelDebug}))
}
