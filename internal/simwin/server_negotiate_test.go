package simwin

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/winrm"
)

// withNTLM makes a workstation that takes NTLM; without a certificate it is one of plain HTTP.
func withNTLM(t *testing.T, o *Options) {
	t.Helper()
	service, err := NewNTLM(NTLMOptions{Host: o.Host, Domain: o.Domain, NetBIOS: "CORP", Users: o.Users})
	if err != nil {
		t.Fatal(err)
	}
	o.Mechanisms = []Mechanism{NewNegotiate(&gss.Acceptor{NTLM: service}, leafOf(t, o.Certificate))}
}

func leafOf(t *testing.T, c tls.Certificate) *x509.Certificate {
	t.Helper()
	if len(c.Certificate) == 0 {
		return nil
	}
	leaf, err := x509.ParseCertificate(c.Certificate[0])
	if err != nil {
		t.Fatal(err)
	}
	return leaf
}

func plainHTTP(o *Options) { o.Certificate.Certificate = nil }

// ntlmClient is our client.
func ntlmClient(t *testing.T, s *Server, user, password string) *winrm.Client {
	t.Helper()
	cfg := winrm.DefaultConfig()
	cfg.Auth, cfg.User, cfg.AllowDomainNTLM = "ntlm", user, []string{user}
	cfg.PasswordFile = filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(cfg.PasswordFile, []byte(password), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := winrm.New(cfg, winrm.Options{Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

var ws1 = photopush.Workstation{Name: "WS1", Host: "ws1.corp.example"}

// TestNTLMVisits: two requests to sign in and one for each message, all on one connection; the shell is the account's.
func TestNTLMVisits(t *testing.T) {
	for _, k := range []struct{ user, password, owner string }{
		{"admin", "right", "admin"}, {`.\ADMIN`, "right", "admin"}, {`CORP\svc`, "domain", `CORP\svc`}, {"svc@corp.example", "domain", `CORP\svc`},
	} {
		t.Run(k.user, func(t *testing.T) {
			s := start(t, echo, func(o *Options) { plainHTTP(o); withNTLM(t, o) })
			session, err := ntlmClient(t, s, k.user, k.password).Open(t.Context(), ws1)
			if err != nil {
				t.Fatal(err)
			}
			if owners := shellOwners(s); len(owners) != 1 || owners[0] != k.owner {
				t.Errorf("the shells are those of %v", owners)
			}
			input := bytes.Repeat([]byte("picture "), 30_000)
			if out, err := session.Run(t.Context(), powershell, input); err != nil || !bytes.Equal(out.Stdout, input) {
				t.Errorf("%d bytes, %v", len(out.Stdout), err)
			}
			if err := session.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if st := s.Stats(); st.Requests != 8 || st.Connections != 1 || len(st.FailedLogons) != 0 {
				t.Errorf("%+v", st)
			}
		})
	}
}

// TestNTLMSignsInAgain: after 15 s of silence a connection is signed in no more, and stays open for the client to do it again.
func TestNTLMSignsInAgain(t *testing.T) {
	clock := NewManualClock(time.Now())
	s := start(t, echo, func(o *Options) { plainHTTP(o); withNTLM(t, o); o.Clock = clock })
	session, err := ntlmClient(t, s, "admin", "right").Open(t.Context(), ws1)
	if err != nil {
		t.Fatal(err)
	}
	clock.Advance(20 * time.Second)
	if _, err := session.Run(t.Context(), powershell, []byte("x")); err != nil {
		t.Fatal(err)
	}
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if st := s.Stats(); st.Requests != 11 || st.Connections != 1 {
		t.Errorf("%d requests on %d connections, want 11 on 1: one was refused, two signed in again", st.Requests, st.Connections)
	}
}

// TestNTLMRefusedOnce: a wrong password costs one logon.
func TestNTLMRefusedOnce(t *testing.T) {
	s := start(t, echo, func(o *Options) { plainHTTP(o); withNTLM(t, o) })
	for user, account := range map[string]string{"admin": "admin", `corp\svc`: `CORP\svc`, "Nobody": "nobody"} {
		if _, err := ntlmClient(t, s, user, "wrong").Open(t.Context(), ws1); photopush.ReasonOf(err) != photopush.Auth {
			t.Errorf("%s: %v", user, err)
		}
		if n := s.Stats().FailedLogons[account]; n != 1 {
			t.Errorf("%d refused logons of %s, want 1: %v", n, account, s.Stats().FailedLogons)
		}
	}
}

// TestPasswords: which account is meant by the names in a message.
func TestPasswords(t *testing.T) {
	find := NTLMOptions{Host: "ws1.corp.example", Domain: "corp.example", NetBIOS: "CORP",
		Users: map[string]string{"admin": "a", "both": "local", `CORP\both`: "domain", `CORP\svc`: "s", `OTHER\far`: "f"}}.passwords()
	for _, k := range []struct{ domain, user, account string }{
		{"", "admin", "admin"}, {"", "ADMIN", "admin"}, {"WS1", "admin", "admin"}, {".", "admin", "admin"}, {"ELSEWHERE", "admin", "admin"},
		{"CORP", "admin", ""}, {"", "both", "both"}, {"corp", "Both", `CORP\both`}, {"corp.example", "both", `CORP\both`}, {"WS1", "both", "both"},
		{"", "svc", `CORP\svc`}, {"WS1", "svc", ""}, {"", "svc@corp.example", `CORP\svc`}, {"", "svc@CORP", `CORP\svc`}, {"", "svc@else.example", ""},
		{"", "admin@corp.example", ""}, {"OTHER", "far", ""}, {"", "", ""},
	} {
		password, account, ok := find(k.domain, k.user)
		if account != k.account || ok != (k.account != "") || ok && password == "" {
			t.Errorf(`%s\%s is %q, %v, want %q`, k.domain, k.user, account, ok, k.account)
		}
	}
}

// TestSealedAnswerTooLarge: the fault in place of an answer is the next sealed message, and the connection goes on.
func TestSealedAnswerTooLarge(t *testing.T) {
	s := start(t, echo, func(o *Options) { plainHTTP(o); withNTLM(t, o) })
	ch, err := ntlmClient(t, s, "admin", "right").Dial(t.Context(), ws1)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	c := dial(t, s)
	c.maxSize = 8192
	large := c.envelope(actionCreate, "", `<rsp:Shell><rsp:WorkingDirectory>`+strings.Repeat("x", 8000)+`</rsp:WorkingDirectory></rsp:Shell>`)
	for _, k := range []struct {
		message, holds string
		status         int
	}{{large, `Code="2150858824"`, 500}, {large, `exceeds the maximum envelope size that is allowed (8192)`, 500}, {c.envelope(actionCreate, "", `<rsp:Shell/>`), "<rsp:ShellId>", 200}} {
		answer, status, err := ch.Post(t.Context(), []byte(k.message))
		if err != nil || status != k.status || !strings.Contains(string(answer), k.holds) {
			t.Errorf("HTTP %d, %v: %s", status, err, answer)
		}
	}
}

func TestAccountOf(t *testing.T) {
	o := Options{Domain: "corp.example", NetBIOS: "CORP"}
	for peer, want := range map[string]string{"svc@CORP.EXAMPLE": `CORP\svc`, "svc@ELSE.EXAMPLE": "svc@ELSE.EXAMPLE", "admin": "admin", `CORP\svc`: `CORP\svc`} {
		if got := o.accountOf(peer); got != want {
			t.Errorf("%s is %s, want %s", peer, got, want)
		}
	}
	if got := (Options{Domain: "corp.example"}).accountOf("svc@CORP.EXAMPLE"); got != "svc@CORP.EXAMPLE" {
		t.Error(got)
	}
}

// tokens is an acceptor that ends with the second token.
type tokens struct{ gss.Context }

func (tokens) Accept([]byte) gss.Context { return &tokenContext{} }

type tokenContext struct {
	gss.Context
	legs int
}

func (c *tokenContext) Step(context.Context, []byte) ([]byte, bool, error) {
	c.legs++
	return []byte("token"), c.legs == 2, nil
}

func (*tokenContext) Peer() string { return "admin" }

// TestSchemes: SPNEGO is for Negotiate only, and an exchange under one scheme is no other's.
func TestSchemes(t *testing.T) {
	spnego := "\x60\x0a\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x00"
	for token, want := range map[string]bool{spnego: true, "\x60\x0b\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02": false, "NTLMSSP\x00": false, "": false, spnego[:4]: false} {
		if got := inSPNEGO([]byte(token)); got != want {
			t.Errorf("%q is in SPNEGO: %v", token, got)
		}
	}
	s := start(t, echo, func(o *Options) {
		o.Mechanisms = []Mechanism{NewNegotiate(tokens{}, leafOf(t, o.Certificate)), newNegotiation("Kerberos", tokens{}, nil)}
	})
	c := dial(t, s)
	sign := func(authorization string) (int, string) {
		t.Helper()
		res, _ := post(t, c, "POST", "/wsman", "", http.Header{"Authorization": {authorization}})
		return res.StatusCode, res.Header.Get("Www-Authenticate")
	}
	const bare, framed = "Ynl0ZXM=", "YAoGBisGAQUFAqAA"
	for _, k := range []struct {
		authorization string
		status        int
		answer        string
	}{
		{"Kerberos " + framed, 401, "Negotiate"}, {"Negotiate !", 401, "Negotiate"},
		{"Kerberos " + bare, 401, "Kerberos dG9rZW4="}, {"Negotiate " + bare, 401, "Negotiate dG9rZW4="}, {"Kerberos " + bare, 200, "Kerberos dG9rZW4="},
		{"Negotiate " + framed, 200, "Negotiate dG9rZW4="}, {"Negotiate " + framed, 401, "Negotiate dG9rZW4="},
	} {
		if status, answer := sign(k.authorization); status != k.status || answer != k.answer {
			t.Errorf("%s: HTTP %d, %s; want %d, %s", k.authorization, status, answer, k.status, k.answer)
		}
	}
	// in the middle of a new exchange the old one is over
	res, _ := post(t, c, "POST", "/wsman", c.envelope(actionCreate, "", `<rsp:Shell/>`), http.Header{"Content-Type": {soapType}})
	if res.StatusCode != 401 || !res.Close {
		t.Errorf("HTTP %d", res.StatusCode)
	}
}

// FuzzNegotiate gives a workstation two tokens: whatever they hold, it signs nobody in, and says so in base64.
func FuzzNegotiate(f *testing.F) {
	f.Add("TlRMTVNTUAABAAAAMpCI4gAAAAAoAAAAAAAAACgAAAAGAbEdAAAADw==", "TlRMTVNTUAADAAAA")
	f.Add("YAoGBisGAQUFAqAA", "oQcwBaADCgEB")
	f.Add("!", "")
	service, err := NewNTLM(NTLMOptions{Host: "ws1.corp.example", Users: map[string]string{"admin": "right"}})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, first, second string) {
		for _, n := range []*Negotiation{NewNegotiate(&gss.Acceptor{NTLM: service}, nil), newNegotiation("Kerberos", service, nil)} {
			x := n.Begin(nil)
			for _, token := range []string{first, second} {
				account, answer, err := x.Accept(token)
				if err == nil || account != "" || strings.ContainsAny(answer, "\r\n ") {
					t.Fatalf("%q after %q: %q, %q, %v", second, first, account, answer, err)
				}
			}
			if _, err := x.(Sealer).Unseal(http.Header{}, []byte(second)); err == nil {
				t.Fatal("a message was unsealed without a context")
			}
			if _, _, err := x.(Sealer).Seal([]byte(second)); err == nil {
				t.Fatal("a message was sealed without a context")
			}
		}
	})
}
