//go:build linux

package simwin

import (
	"bytes"
	"context"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/summary"
	"github.com/photopush/photopush/winrm"
)

// python is Debian's, which has Debian's modules, whatever else is in the path.
const python = "/usr/bin/python3"

//go:embed testdata/pywinrm.py
var pywinrmScript string

// A pywinrmVisit is what testdata/pywinrm.py is to do.
type pywinrmVisit struct {
	Endpoint   string `json:"endpoint"`
	Transport  string `json:"transport"` // ntlm, basic, certificate
	User       string `json:"user"`
	Password   string `json:"password"`
	CA         string `json:"ca,omitempty"` // file
	Cert       string `json:"cert,omitempty"`
	Key        string `json:"key,omitempty"`
	Encryption string `json:"encryption"` // never, auto, always
	Program    string `json:"program"`
	Input      []byte `json:"input"`
	Chunk      int    `json:"chunk"` // bytes of input in one message
}

type pywinrmResult struct {
	Stdout []byte `json:"stdout"`
	Stderr []byte `json:"stderr"`
	Code   uint32 `json:"code"`
	Sealed bool   `json:"sealed"`
	Failed string `json:"failed"` // credentials, transport, fault
	Says   string `json:"says"`
}

// pywinrm makes visits in a process of its own, with OpenSSL's legacy provider: MD4, which NTLM needs, is in no other.
func pywinrm(t *testing.T, visits ...pywinrmVisit) []pywinrmResult {
	t.Helper()
	conf := filepath.Join(t.TempDir(), "openssl.cnf")
	const providers = "openssl_conf = init\n[init]\nproviders = providers\n[providers]\ndefault = active\nlegacy = active\n[active]\nactivate = 1\n"
	if err := os.WriteFile(conf, []byte(providers), 0o600); err != nil {
		t.Fatal(err)
	}
	for i := range visits {
		set(&visits[i].Program, powershell)
		set(&visits[i].Chunk, 100_000)
	}
	want, err := json.Marshal(visits)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), python, "-c", pywinrmScript)
	cmd.Env = []string{"OPENSSL_CONF=" + conf, "PATH=/usr/bin:/bin", "NO_PROXY=*"}
	cmd.Stdin = bytes.NewReader(want)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("pywinrm: %v\n%s", err, stderr.String())
	}
	var got []pywinrmResult
	if err := json.Unmarshal(stdout.Bytes(), &got); err != nil || len(got) != len(visits) {
		t.Fatalf("pywinrm says %q: %v", stdout.String(), err)
	}
	return got
}

func needPywinrm(t *testing.T) {
	t.Helper()
	if err := exec.Command(python, "-c", "import winrm, requests_ntlm").Run(); err != nil {
		krblab.Missing(t, "python3 has no winrm (Debian package python3-winrm)")
	}
}

// judged is what the program on the workstation does: it reads all of its input and writes it to both streams in pieces.
func judged(_ context.Context, line string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	all, err := io.ReadAll(stdin)
	if err != nil {
		return 1, nil
	}
	if _, err := io.WriteString(stderr, line); err != nil {
		return 1, nil
	}
	for piece := range slices.Chunk(all, 70_000) {
		if _, err := stdout.Write(piece); err != nil {
			return 1, nil
		}
	}
	return 0xFFFFFFFE, nil
}

// noise is input that does not compress, with every byte in it.
func noise(size int) []byte {
	r := rand.New(rand.NewPCG(1, uint64(size)))
	b := make([]byte, size)
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// judgeVisits lets pywinrm make visits of several sizes, and returns how many requests it made.
func judgeVisits(t *testing.T, s *Server, v pywinrmVisit, sealed bool) int {
	t.Helper()
	before, sizes := s.Stats().Requests, []int{0, 5, 200_000}
	var visits []pywinrmVisit
	for _, size := range sizes {
		v.Input = noise(size)
		visits = append(visits, v)
	}
	for i, got := range pywinrm(t, visits...) {
		size := sizes[i]
		if got.Failed != "" {
			t.Fatalf("%d bytes: %s: %s", size, got.Failed, got.Says)
		}
		if !bytes.Equal(got.Stdout, visits[i].Input) || got.Code != 0xFFFFFFFE || string(got.Stderr) != powershell+` one "two  three"` {
			t.Errorf("%d bytes: %d came back, with %q and exit code %d", size, len(got.Stdout), got.Stderr, got.Code)
		}
		if got.Sealed != sealed {
			t.Errorf("messages were sealed: %v", got.Sealed)
		}
	}
	if n := len(shellOwners(s)); n != 0 {
		t.Errorf("%d shells are left", n)
	}
	return s.Stats().Requests - before
}

func labCAFile(t *testing.T) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(file, labCA().PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return file
}

// TestJudgeBasic: an independent client, with a password in TLS.
func TestJudgeBasic(t *testing.T) {
	needPywinrm(t)
	s := start(t, judged, nil)
	v := pywinrmVisit{Endpoint: s.URL(), Transport: "basic", User: "admin", Password: "right", CA: labCAFile(t), Encryption: "never"}
	requests := judgeVisits(t, s, v, false)
	v.Encryption = "auto"
	requests += judgeVisits(t, s, v, false)
	v.Password = "wrong"
	if got := pywinrm(t, v)[0]; got.Failed != "credentials" || s.Stats().FailedLogons["admin"] != 1 {
		t.Errorf("%s: %s; %v", got.Failed, got.Says, s.Stats().FailedLogons)
	}
	v.Password, v.Program = "right", `C:\nosuch.exe`
	if got := pywinrm(t, v)[0]; got.Failed != "fault" {
		t.Errorf("%s: %s", got.Failed, got.Says)
	}
	summary.Line(t, "simwin: pywinrm made 6 visits with Basic in TLS, %d requests", requests)
}

// TestJudgeNTLM: an independent client's NTLM seals what we unseal, and the other way round; accounts of the workstation and of its domain.
func TestJudgeNTLM(t *testing.T) {
	needPywinrm(t)
	s := start(t, judged, func(o *Options) { plainHTTP(o); withNTLM(t, o) })
	requests := 0
	for _, account := range []struct{ user, password string }{{"admin", "right"}, {`WS1\admin`, "right"}, {`CORP\svc`, "domain"}} {
		v := pywinrmVisit{Endpoint: s.URL(), Transport: "ntlm", User: account.user, Password: account.password, Encryption: "auto"}
		requests += judgeVisits(t, s, v, true)
	}
	if failed := s.Stats().FailedLogons; len(failed) != 0 {
		t.Errorf("refused logons: %v", failed)
	}
	for account, user := range map[string]string{"admin": "admin", `CORP\svc`: `corp\svc`, `corp\nobody`: `CORP\nobody`} {
		v := pywinrmVisit{Endpoint: s.URL(), Transport: "ntlm", User: user, Password: "wrong", Encryption: "always"}
		if got := pywinrm(t, v)[0]; got.Failed != "credentials" || s.Stats().FailedLogons[account] != 1 {
			t.Errorf("%s: %s: %s; %v", account, got.Failed, got.Says, s.Stats().FailedLogons)
		}
	}
	// Windows takes no messages that are not sealed
	v := pywinrmVisit{Endpoint: s.URL(), Transport: "ntlm", User: "admin", Password: "right", Encryption: "never"}
	if got := pywinrm(t, v)[0]; got.Failed != "transport" || !strings.HasPrefix(got.Says, "500 ") {
		t.Errorf("%s: %s", got.Failed, got.Says)
	}
	summary.Line(t, "simwin: pywinrm made 9 visits with sealed NTLM, %d requests", requests)
}

// TestJudgeNTLMInTLS: the client binds its sign-in to the certificate, and may leave its messages as they are.
func TestJudgeNTLMInTLS(t *testing.T) {
	needPywinrm(t)
	s := start(t, judged, func(o *Options) { withNTLM(t, o) })
	v := pywinrmVisit{Endpoint: s.URL(), Transport: "ntlm", User: "admin", Password: "right", CA: labCAFile(t), Encryption: "auto"}
	requests := judgeVisits(t, s, v, false)
	v.Encryption = "always"
	requests += judgeVisits(t, s, v, true)
	summary.Line(t, "simwin: pywinrm made 6 visits with NTLM in TLS, %d requests", requests)
}

// TestJudgeCertificate: the client shows its certificate when it is asked, and names the profile in every request.
func TestJudgeCertificate(t *testing.T) {
	needPywinrm(t)
	m := CertMapping{Issuer: labCA().Thumbprint(), Subject: "*@corp.example", URI: "*", Account: "admin", Password: "right"}
	s := start(t, judged, func(o *Options) {
		o.Mechanisms = []Mechanism{NewCertificates(CertificateOptions{Roots: labCA().Pool(), Users: o.Users, Mappings: []CertMapping{m}})}
	})
	v := pywinrmVisit{Endpoint: s.URL(), Transport: "certificate", CA: labCAFile(t), Encryption: "auto"}
	issue := func(upn string) {
		pair, err := labCA().IssueClient(upn)
		if err != nil {
			t.Fatal(err)
		}
		v.Cert, v.Key = writePair(t, pair)
	}
	issue("svc@corp.example")
	requests := judgeVisits(t, s, v, false)
	issue("svc@else.example")
	if got := pywinrm(t, v)[0]; got.Failed != "credentials" || len(s.Stats().FailedLogons) != 0 {
		t.Errorf("%s: %s; %v", got.Failed, got.Says, s.Stats().FailedLogons)
	}
	summary.Line(t, "simwin: pywinrm made 3 visits with a certificate, %d requests", requests)
}

// TestNegotiateTakesBoth: one scheme takes tickets of a real KDC and NTLM, and both are one account; the scheme Kerberos takes tickets that are
// not in SPNEGO.
func TestNegotiateTakesBoth(t *testing.T) {
	kdc := krblab.New(t)
	kdc.AddUser("svc", "domain")
	keys, err := os.ReadFile(kdc.Keytab("HTTP/" + ws1.Host))
	if err != nil {
		t.Fatal(err)
	}
	kerberos, err := gss.NewKerberosAcceptor(keys, gss.AcceptorOptions{})
	if err != nil {
		t.Fatal(err)
	}
	s := start(t, echo, func(o *Options) {
		plainHTTP(o)
		ntlm, err := NewNTLM(NTLMOptions{Host: o.Host, Domain: o.Domain, NetBIOS: "CORP", Users: o.Users})
		if err != nil {
			t.Fatal(err)
		}
		o.NetBIOS, o.Limits.MaxShellsPerUser = "CORP", 3
		o.Mechanisms = []Mechanism{NewNegotiate(&gss.Acceptor{Kerberos: kerberos, NTLM: ntlm}, nil), NewKerberos("Kerberos", kerberos, nil)}
	})
	tickets := labTickets(t, kdc)
	for _, c := range []*winrm.Client{
		kerberosClient(t, s, tickets, "negotiate"), kerberosClient(t, s, tickets, "kerberos"), ntlmClient(t, s, `CORP\svc`, "domain"),
	} {
		session, err := c.Open(t.Context(), ws1)
		if err != nil {
			t.Fatal(err)
		}
		if out, err := session.Run(t.Context(), powershell, []byte("input")); err != nil || string(out.Stdout) != "input" {
			t.Errorf("%q, %v", out.Stdout, err)
		}
	}
	if owners := shellOwners(s); !slices.Equal(owners, []string{`CORP\svc`, `CORP\svc`, `CORP\svc`}) {
		t.Errorf("the shells are those of %v", owners)
	}
	if _, err := ntlmClient(t, s, `CORP\svc`, "domain").Open(t.Context(), ws1); photopush.ReasonOf(err) != photopush.Quota {
		t.Errorf("a fourth shell: %v", err)
	}
	for bare, want := range map[bool]int{false: 401, true: 200} {
		g, err := tickets.Initiate(t.Context(), gss.Target{SPNs: []string{"HTTP/" + ws1.Host}, Bare: bare})
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := g.Step(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		c := &sealedClient{client: dial(t, s)}
		res, _ := c.send("", http.Header{"Authorization": {"Kerberos " + base64.StdEncoding.EncodeToString(token)}})
		if res.StatusCode != want {
			t.Errorf("a bare ticket (%v) under Kerberos: HTTP %d, want %d", bare, res.StatusCode, want)
		}
	}
}

func labTickets(t *testing.T, kdc *krblab.KDC) *gss.Kerberos {
	t.Helper()
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte("domain"), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg := gss.DefaultKerberosConfig()
	cfg.Realm, cfg.KDCs = krblab.Realm, []string{kdc.Addr}
	tickets, err := gss.NewKerberos(cfg, gss.KerberosAccount{User: "svc", Password: photopush.Secret{File: password}}, gss.KerberosOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return tickets
}

func kerberosClient(t *testing.T, s *Server, tickets *gss.Kerberos, header string) *winrm.Client {
	t.Helper()
	cfg := winrm.DefaultConfig()
	cfg.User, cfg.PasswordFile, cfg.KerberosHeader = "svc", "unused", header
	c, err := winrm.New(cfg, winrm.Options{Kerberos: tickets, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, s.Addr())
	}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// TestJudgeNTLMForms: gss-ntlmssp signs in by bare messages and in SPNEGO, and the workstation takes its sealed message with the last token, or
// behind it.
func TestJudgeNTLMForms(t *testing.T) {
	for _, k := range []struct {
		form  string
		early bool
	}{{"ntlm", false}, {"ntlm", true}, {"spnego", false}} { // in SPNEGO, MIT's library seals only when the service's last token has come
		t.Run(fmt.Sprintf("%s, message with the last token %v", k.form, k.early), func(t *testing.T) {
			s := start(t, judged, func(o *Options) { plainHTTP(o); withNTLM(t, o) })
			c := &sealedClient{client: dial(t, s), context: krblab.InitiateNTLM(t, k.form, nil, `CORP\svc`, "CORP:svc:domain")}
			create := c.envelope(actionCreate, "", `<rsp:Shell/>`)
			status, answer := c.signIn(map[bool]string{true: create}[k.early])
			if !k.early {
				if status != 200 || len(answer) != 0 {
					t.Fatalf("HTTP %d with %d bytes to the last token", status, len(answer))
				}
				status, answer = c.sealed(create, "")
			}
			if status != 200 {
				t.Fatalf("HTTP %d to a sealed message", status)
			}
			if owners := shellOwners(s); !slices.Equal(owners, []string{`CORP\svc`}) {
				t.Errorf("the shells are those of %v", owners)
			}
			if _, err := c.context.Echo(unframe(t, answer)); err != nil {
				t.Errorf("gss-ntlmssp does not take the answer: %v", err)
			}
		})
	}
}

// A sealedClient signs in and seals by gss-ntlmssp; it frames messages by itself, as MS-WSMV 2.2.9.1.1 shows them.
type sealedClient struct {
	*client
	context *krblab.NTLM
}

// signIn exchanges tokens until gss-ntlmssp is content. A message goes with the last one.
func (c *sealedClient) signIn(message string) (status int, answer string) {
	c.t.Helper()
	var reply []byte
	for range 4 {
		token, done, _, err := c.context.Step(reply)
		if err != nil {
			c.t.Fatal(err)
		}
		if len(token) == 0 {
			return status, answer
		}
		var res *http.Response
		if message != "" && done {
			status, answer = c.sealed(message, base64.StdEncoding.EncodeToString(token))
			return status, answer
		}
		res, answer = c.send("", http.Header{"Authorization": {"Negotiate " + base64.StdEncoding.EncodeToString(token)}})
		status = res.StatusCode
		_, text, _ := strings.Cut(res.Header.Get("Www-Authenticate"), " ")
		if reply, err = base64.StdEncoding.DecodeString(text); err != nil {
			c.t.Fatal(err)
		}
		if done && len(reply) == 0 {
			return status, answer
		}
	}
	c.t.Fatal("signing in does not end")
	return 0, ""
}

func (c *sealedClient) sealed(message, token string) (status int, answer string) {
	c.t.Helper()
	sealed, err := c.context.Wrap([]byte(message))
	if err != nil {
		c.t.Fatal(err)
	}
	body := "--Encrypted Boundary\r\n\tContent-Type: application/HTTP-SPNEGO-session-encrypted\r\n" +
		fmt.Sprintf("\tOriginalContent: type=application/soap+xml;charset=UTF-8;Length=%d\r\n", len(message)) +
		"--Encrypted Boundary\r\n\tContent-Type: application/octet-stream\r\n\x10\x00\x00\x00" + string(sealed) + "--Encrypted Boundary--\r\n"
	h := http.Header{"Content-Type": {`multipart/encrypted;protocol="application/HTTP-SPNEGO-session-encrypted";boundary="Encrypted Boundary"`}}
	if token != "" {
		h.Set("Authorization", "Negotiate "+token)
	}
	res, answer := c.send(body, h)
	return res.StatusCode, answer
}

func (c *sealedClient) send(body string, h http.Header) (*http.Response, string) {
	c.t.Helper()
	r, err := http.NewRequest(http.MethodPost, c.s.URL(), strings.NewReader(body))
	if err != nil {
		c.t.Fatal(err)
	}
	r.Header = h
	res, err := c.http.Do(r)
	if err != nil {
		c.t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		c.t.Fatal(err)
	}
	return res, string(b)
}

// unframe takes the sealed data, signature first, out of an answer.
func unframe(t *testing.T, answer string) []byte {
	t.Helper()
	_, data, ok := strings.Cut(answer, "application/octet-stream\r\n\x10\x00\x00\x00")
	data, end := strings.CutSuffix(data, "--Encrypted Boundary--\r\n")
	if !ok || !end {
		t.Fatalf("the answer is not framed: %q", answer)
	}
	return []byte(data)
}
