package simwin

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

func post(t *testing.T, c *client, method, path, body string, header http.Header) (*http.Response, string) {
	t.Helper()
	r, err := http.NewRequest(method, "https://"+c.s.Addr()+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	res, err := c.http.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, string(b)
}

func basic(user, password string) string {
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

func TestWhatHTTPSysRefuses(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	good := http.Header{"Authorization": {basic("admin", "right")}, "Content-Type": {"application/soap+xml"}}
	with := func(name, value string) http.Header {
		h := good.Clone()
		h.Set(name, value)
		return h
	}
	create := c.envelope(actionCreate, "", `<rsp:Shell/>`)
	for _, k := range []struct {
		name, method, path, body string
		header                   http.Header
		status                   int
		closes                   bool
	}{
		{"another path", "POST", "/", create, good, 404, true},
		{"a path below", "POST", "/wsman/x", create, good, 404, true},
		{"another case", "POST", "/WSMan", create, good, 200, false},
		{"GET", "GET", "/wsman", "", good, 405, true},
		{"no body", "POST", "/wsman", "", good, 400, true},
		{"no credentials", "POST", "/wsman", create, http.Header{}, 401, true},
		{"a wrong password", "POST", "/wsman", create, with("Authorization", basic("admin", "wrong")), 401, true},
		{"an unknown mechanism", "POST", "/wsman", create, with("Authorization", "Digest x"), 401, true},
		{"no content type", "POST", "/wsman", create, http.Header{"Authorization": good["Authorization"]}, 415, true},
		{"a wrong content type", "POST", "/wsman", create, with("Content-Type", "text/xml"), 415, true},
		{"an unknown character set", "POST", "/wsman", create, with("Content-Type", "application/soap+xml;charset=latin1"), 500, false},
		{"sealed without a context", "POST", "/wsman", create, with("Content-Type", "multipart/encrypted;boundary=x"), 415, true},
		{"the largest request", "POST", "/wsman", create + strings.Repeat(" ", 512000-len(create)), good, 200, false},
		{"a larger one", "POST", "/wsman", create + strings.Repeat(" ", 512001-len(create)), good, 413, true},
	} {
		t.Run(k.name, func(t *testing.T) {
			res, body := post(t, c, k.method, k.path, k.body, k.header)
			if res.StatusCode != k.status {
				t.Errorf("HTTP %d: %s", res.StatusCode, body)
			}
			if res.Close != k.closes {
				t.Errorf("closes the connection: %v", res.Close)
			}
			if res.Header.Get("Server") != "Microsoft-HTTPAPI/2.0" || res.ContentLength != int64(len(body)) {
				t.Error(res.Header)
			}
			if offers := res.Header["Www-Authenticate"]; k.status == 401 && !slices.Equal(offers, []string{`Basic realm="WSMAN"`}) {
				t.Error(offers)
			}
		})
	}
}

func TestLogons(t *testing.T) {
	s := start(t, stuck, nil)
	for _, k := range []struct {
		user, password string
		owner          string // empty: refused
	}{
		{"admin", "right", "admin"}, {"ADMIN", "right", "admin"}, {`.\admin`, "right", "admin"}, {`WS1\admin`, "right", "admin"},
		{"other", "one", "other"},
		{`CORP\svc`, "domain", ""}, {"svc@corp.example", "domain", ""}, {"svc@CORP", "domain", ""}, {`corp.example\SVC`, "domain", ""}, // Basic is for local accounts
		{"svc", "domain", ""}, {"admin", "Right", ""}, {"admin@corp.example", "right", ""}, {"nobody", "right", ""}, {"Nobody", "", ""}, {`corp\svc`, "wrong", ""},
	} {
		c := dial(t, s)
		c.user, c.password = k.user, k.password
		res, body, err := c.do(c.envelope(actionCreate, "", `<rsp:Shell/>`))
		if err != nil {
			t.Fatal(err)
		}
		if k.owner == "" && res.StatusCode != 401 || k.owner != "" && !strings.Contains(string(body), "<rsp:Owner>"+k.owner+"</rsp:Owner>") {
			t.Errorf("%s: HTTP %d %s", k.user, res.StatusCode, body)
		}
	}
	want := map[string]int{"admin": 1, `CORP\svc`: 5, "svc": 1, "admin@corp.example": 1, "nobody": 2}
	got := s.Stats().FailedLogons
	for account, n := range want {
		if got[account] != n {
			t.Errorf("%d refused logons of %s, want %d", got[account], account, n)
		}
	}
	if len(got) != len(want) {
		t.Error(got)
	}
}

// A 401 offers what can be used, and nothing else.
func TestOffers(t *testing.T) {
	basic, negotiate, kerberos := NewBasic("", "", nil), newNegotiation("Negotiate", tokens{}, nil), newNegotiation("Kerberos", tokens{}, nil)
	for _, k := range []struct {
		mechanisms []Mechanism
		override   []string
		want       []string
	}{
		{[]Mechanism{basic, kerberos, negotiate}, nil, []string{"Negotiate", "Kerberos", `Basic realm="WSMAN"`}},
		{[]Mechanism{negotiate}, nil, []string{"Negotiate"}},
		{[]Mechanism{NewCertificates(CertificateOptions{}), basic}, nil, []string{`Basic realm="WSMAN"`}},
		{[]Mechanism{NewCertificates(CertificateOptions{})}, nil, nil},
		{[]Mechanism{basic}, []string{"CredSSP"}, []string{"CredSSP"}},
	} {
		s := start(t, stuck, func(o *Options) { o.Mechanisms, o.Offers = k.mechanisms, k.override })
		res, _ := post(t, dial(t, s), "POST", "/wsman", "", http.Header{})
		if got := res.Header["Www-Authenticate"]; res.StatusCode != 401 || !slices.Equal(got, k.want) {
			t.Errorf("HTTP %d offers %q, want %q", res.StatusCode, got, k.want)
		}
	}
}

// A host that does not offer Basic refuses it, and that is no failed logon.
func TestBasicIsNotOffered(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Offers = []string{"Negotiate"} })
	c := dial(t, s)
	res, _, err := c.do(c.envelope(actionCreate, "", `<rsp:Shell/>`))
	if err != nil {
		t.Fatal(err)
	}
	if res.StatusCode != 401 || !slices.Equal(res.Header["Www-Authenticate"], []string{"Negotiate"}) || len(s.Stats().FailedLogons) != 0 {
		t.Error(res.StatusCode, res.Header, s.Stats().FailedLogons)
	}
}

func TestIdentify(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	const identify = `<s:Envelope xmlns:s="` + nsSOAP + `" xmlns:i="` + nsIdent + `"><s:Header/><s:Body><i:Identify/></s:Body></s:Envelope>`
	soap := http.Header{"Content-Type": {"application/soap+xml;charset=UTF-8"}}
	if res, _ := post(t, c, "POST", "/wsman", identify, soap.Clone()); res.StatusCode != 401 {
		t.Error(res.StatusCode)
	}
	anonymous := soap.Clone()
	anonymous.Set("WSMANIDENTIFY", "unauthenticated")
	version := func(h http.Header) string {
		res, body := post(t, c, "POST", "/wsman", identify, h)
		root, err := parseXML([]byte(body))
		if err != nil || res.StatusCode != 200 {
			t.Fatal(res.StatusCode, err)
		}
		return bodyOf(root).child(nsIdent, "ProductVersion").value()
	}
	if v := version(anonymous); v != "OS: 0.0.0 SP: 0.0 Stack: 3.0" {
		t.Error(v)
	}
	known := soap.Clone()
	known.Set("Authorization", basic("admin", "right"))
	if v := version(known); v != "OS: 10.0.22631 SP: 0.0 Stack: 3.0" {
		t.Error(v)
	}
	// the header opens nothing else
	if res, _ := post(t, c, "POST", "/wsman", c.envelope(actionCreate, "", `<rsp:Shell/>`), anonymous); res.StatusCode != 401 {
		t.Error(res.StatusCode)
	}
}

func TestUTF16(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.header = http.Header{"Content-Type": {"application/soap+xml;charset=UTF-16"}}
	for _, cs := range []charset{utf16LittleEndian, utf16BigEndian} {
		res, body, err := c.do(string(encodeText([]byte(`<?xml version="1.0" encoding="utf-16"?>`+c.envelope(actionCreate, "", `<rsp:Shell><rsp:WorkingDirectory>C:\こ</rsp:WorkingDirectory></rsp:Shell>`)), cs)))
		if err != nil {
			t.Fatal(err)
		}
		text, got, err := decodeText(body, false)
		if err != nil || got != cs || res.StatusCode != 200 || !strings.Contains(string(text), `C:\こ`) || res.Header.Get("Content-Type") != "application/soap+xml;charset=UTF-16" {
			t.Error(res.StatusCode, res.Header, got, err)
		}
	}
}

func TestUTF16AnswersFitTheEnvelope(t *testing.T) {
	s := start(t, func(_ context.Context, _ string, _ io.Reader, out, _ io.Writer) (uint32, error) {
		out.Write(make([]byte, 20_000))
		return 0, nil
	}, nil)
	c := dial(t, s)
	c.maxSize = 16384
	c.create("", "")
	c.run(powershell)
	for total := 0; total < 20_000; {
		res, body, err := c.do(string(encodeText([]byte(c.envelope(actionReceive, "", c.receiveBody())), utf16LittleEndian)))
		if err != nil || res.StatusCode != 200 || len(body) > 16384 {
			t.Fatal(err, res, len(body))
		}
		text, _, err := decodeText(body, false)
		if err != nil {
			t.Fatal(err)
		}
		root, err := parseXML(text)
		if err != nil {
			t.Fatal(err)
		}
		total += len(readReceived(t, root).stdout)
	}
}

// A mechanism of legs that seals, as Kerberos will: the connection is authenticated, and messages are sealed and counted.
type legs struct{}

func (legs) Scheme() string                      { return "Kerberos" }
func (legs) Begin(*tls.ConnectionState) Exchange { return &legsState{} }

type legsState struct{ messages byte }

func (*legsState) Lasting() bool { return true }
func (x *legsState) Accept(credentials string) (account, token string, err error) {
	switch credentials {
	case "one":
		return "", "two", ErrContinue
	case "three":
		return "admin", "done", nil
	}
	return "", "", &LogonError{"admin"}
}

func (x *legsState) Unseal(_ http.Header, body []byte) ([]byte, error) {
	x.messages++
	if body[0] != x.messages {
		return nil, io.ErrUnexpectedEOF
	}
	return body[1:], nil
}

func (x *legsState) Seal(message []byte) (string, []byte, error) {
	return "multipart/encrypted;boundary=x", append([]byte{x.messages}, message...), nil
}

func TestConnectionsStayAuthenticated(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Mechanisms, o.Certificate.Certificate = []Mechanism{legs{}}, nil })
	c := dial(t, s)
	send := func(header http.Header, body string) *http.Response {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, s.URL(), strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Header = header
		res, err := c.http.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		io.Copy(io.Discard, res.Body)
		return res
	}
	sealed := func(n byte) string { return string(n) + c.envelope(actionCreate, "", `<rsp:Shell/>`) }
	media := http.Header{"Content-Type": {"multipart/encrypted;boundary=x"}}
	if res := send(media, sealed(1)); res.StatusCode != 401 || !res.Close {
		t.Error(res.StatusCode, res.Header)
	}
	if res := send(http.Header{"Authorization": {"Kerberos one"}}, ""); res.StatusCode != 401 || res.Header.Get("Www-Authenticate") != "Kerberos two" || res.Close {
		t.Error(res.StatusCode, res.Header)
	}
	if res := send(http.Header{"Authorization": {"Kerberos three"}}, ""); res.StatusCode != 200 || res.Header.Get("Www-Authenticate") != "Kerberos done" {
		t.Error(res.StatusCode, res.Header)
	}
	if res := send(media, sealed(1)); res.StatusCode != 200 || res.Header.Get("Content-Type") != "multipart/encrypted;boundary=x" {
		t.Error(res.StatusCode, res.Header)
	}
	// in clear over HTTP: AllowUnencrypted is false
	if res := send(http.Header{"Content-Type": {soapType}}, c.envelope(actionCreate, "", `<rsp:Shell/>`)); res.StatusCode != 500 || res.ContentLength != 0 {
		t.Error(res.StatusCode, res.Header)
	}
	if res := send(http.Header{"Authorization": {"Kerberos bad"}}, ""); res.StatusCode != 401 {
		t.Error(res.StatusCode)
	}
	if n := s.Stats().FailedLogons["admin"]; n != 1 {
		t.Errorf("%d failed logons", n)
	}
}

// A client that is killed is no visit in flight any more, while its shell lives on.
func TestClientGone(t *testing.T) {
	s := start(t, stuck, nil)
	c := dial(t, s)
	c.create("", "")
	if st := s.Stats(); st.InFlight != 1 {
		t.Errorf("%+v", st)
	}
	c.http.CloseIdleConnections()
	until(t, "the end of the connection is seen", func() bool { return s.Stats().InFlight == 0 })
	other := dial(t, s)
	other.create("", "")
	if st := s.Stats(); st.InFlight != 1 || st.MaxInFlight != 1 || len(st.Visits) != 2 {
		t.Errorf("%+v", st)
	}
	s.Reset()
	if st := s.Stats(); st.Requests != 0 || len(st.Visits) != 0 || st.InFlight != 1 {
		t.Errorf("%+v", st)
	}
}

func TestCloseWithEverythingRunning(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Log = slog.New(slog.DiscardHandler) })
	c := dial(t, s)
	c.create("", "")
	c.run(powershell)
	lost := make(chan error, 1)
	go func() {
		_, _, err := c.do(c.envelope(actionReceive, "", c.receiveBody()))
		lost <- err
	}()
	until(t, "the Receive came", func() bool { return s.Stats().Requests == 3 })
	begin := time.Now()
	s.Close()
	s.Close()
	if took := time.Since(begin); took > 2*time.Second {
		t.Errorf("closing took %v", took)
	}
	if err := <-lost; err == nil {
		t.Error("the Receive was answered")
	}
}

func TestCloseWithContext(t *testing.T) {
	s := start(t, stuck, nil)
	if _, err := Start(t.Context(), Options{Host: "ws2", Addr: s.Addr(), Engine: script(stuck)}); err == nil {
		t.Error("two workstations on one address")
	}
	if _, err := Start(t.Context(), Options{Host: "ws2"}); err == nil {
		t.Error("a workstation without an engine")
	}
}

func TestConfigAndItsEnvelope(t *testing.T) {
	s := start(t, stuck, func(o *Options) { o.Old = true })
	c := dial(t, s)
	c.maxSize = 8192
	message := strings.Replace(c.envelope(actionGet, "", ""), resourceCmd, nsConf, 1)
	root := c.post(200, message)
	if got := bodyOf(root).child(nsConf, "MaxEnvelopeSizekb").value(); got != "150" {
		t.Error(got)
	}
	c.wantFault(codeMaxEnvelopeExceeded, actionCreate, "", `<rsp:Shell><rsp:WorkingDirectory>`+strings.Repeat("x", 8000)+`</rsp:WorkingDirectory></rsp:Shell>`)
}
