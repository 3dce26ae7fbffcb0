package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	photopush "github.com/photopush/photopush"
)

// TestFaultReasons has a host that answers Create with every fault of knownFaults, and a few more.
func TestFaultReasons(t *testing.T) {
	reasons := map[photopush.Reason][]uint32{
		photopush.Denied:              {5, 2147942405, 1314, 1326, 2150859012, 2150859013, 2150859014, 2150859177},
		photopush.RemoteShellDisabled: {2150859180},
		photopush.Quota: {8, 14, 1455, 1816, 2147944216, 2150858815, 2150859173, 2150859174, 2150859175, 2150859176, 2150859179, 2150859236, 2150859237,
			2150859238, 2150859239, 2150859240, 2150859241, 2150859242},
		photopush.DiskFull: {112, 2147942512},
		photopush.Unsupported: {2, 3, 2147942402, 2147942403, 2150858790, 2150858811, 2150858823, 2150858824, 2150858825, 2150859231, 2150859250,
			2150859259, 2150859260, 2150859261},
		photopush.Internal: {0, 87, 12345, 2150858767, 2150858778, 2150858817, 2150858881},
		photopush.Timeout: {109, 232, 995, 2147943395, 1018, 2147943418, 2150858793, 2150858843, 2150859047,
			2150859212},
		photopush.Offline: {2150858770, 2150859046},
		photopush.DNS:     {2150859193},
		photopush.TLS:     {2150859194},
	}
	tested := map[uint32]bool{faultShellExists: true, faultCommandExists: true, faultAlreadyExists: true} // no failures here
	for want, codes := range reasons {
		for _, code := range codes {
			tested[code] = true
			t.Run(fmt.Sprint(code), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					h := newHost(t)
					h.override = func(_ int, r *soapRequest) *hostAnswer { return faultAnswer(r, code, "because") }
					_, err := testClient(t, testConfig(t), h.pipe).Open(t.Context(), testWorkstation)
					if got := photopush.ReasonOf(err); got != want {
						t.Errorf("got %v, want %s", err, want)
					}
					f, ok := errors.AsType[*Fault](err)
					if !ok || f.Code != code || f.Message != "because" || f.Subcode != "Some" {
						t.Errorf("fault is %+v", f)
					}
					if n := len(h.requests); n > 2 && code != faultOperationTimedOut {
						t.Errorf("%d requests: a fault is not asked for again", n)
					}
				})
			})
		}
	}
	for code := range knownFaults {
		if !tested[code] {
			t.Errorf("the known fault %d is not tested", code)
		}
	}
}

func TestFaultText(t *testing.T) {
	for want, f := range map[string]*Fault{
		"fault 5 (ACCESS_DENIED): Zugriff verweigert; the account must be an administrator there (WinRM RootSDDL, UAC remote filter)": {Code: 5, Message: "Zugriff verweigert"},
		"fault 2150859173 (QUOTA_MAX_SHELLS): plug-in: too many":                                                                      {Code: 2150859173, Provider: "plug-in: too many", Message: "no"},
		"fault 99 (InternalError): what": {Code: 99, Subcode: "InternalError", Message: "what"},
		"fault 0":                        {},
	} {
		if got := f.Error(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
	if got := (&Fault{Code: 99, inner: 5}).Reason(); got != photopush.Denied {
		t.Errorf("the reason of a nested code is %s", got)
	}
	if got := (&Fault{Subcode: "AccessDenied"}).Reason(); got != photopush.Denied {
		t.Errorf("the reason of a subcode without a code is %s", got)
	}
}

// TestStatuses has hosts whose HTTP server answers in place of WinRM.
func TestStatuses(t *testing.T) {
	const service = "the WinRM service refuses this kind of sign-in or unencrypted messages (winrm/config/service)"
	challenge := func(schemes ...string) http.Header { return http.Header{"Www-Authenticate": schemes} }
	for _, test := range []struct {
		name   string
		answer hostAnswer
		want   string
	}{
		{"401", hostAnswer{status: 401, header: challenge("Negotiate", `Basic realm="WSMAN"`)},
			"sign in to ws1.corp.example: auth: user name or password of svc was rejected"},
		{"401 in one field", hostAnswer{status: 401, header: challenge(`Negotiate, Basic realm="WSMAN"`)},
			"sign in to ws1.corp.example: auth: user name or password of svc was rejected"},
		{"401 without Basic", hostAnswer{status: 401, header: challenge("Negotiate", "Kerberos")},
			"sign in to ws1.corp.example: unsupported: the WinRM service offers only Negotiate, Kerberos; allow Basic there (winrm/config/service/auth), or choose another auth"},
		{"401 without anything", hostAnswer{status: 401},
			"sign in to ws1.corp.example: unsupported: the WinRM service offers nothing; allow Basic there (winrm/config/service/auth), or choose another auth"},
		{"400", hostAnswer{status: 400}, "open shell on ws1.corp.example: unsupported: HTTP status 400 Bad Request: " + knownStatus[400].name},
		{"404", hostAnswer{status: 404}, "open shell on ws1.corp.example: unsupported: HTTP status 404 Not Found: no WinRM service listens there under /wsman"},
		{"413", hostAnswer{status: 413}, "open shell on ws1.corp.example: unsupported: HTTP status 413 Request Entity Too Large: " + envelope},
		{"500", hostAnswer{status: 500}, "open shell on ws1.corp.example: unsupported: HTTP status 500 Internal Server Error: " + service},
		{"500 empty envelope", hostAnswer{status: 500, header: http.Header{"Content-Type": {soapType}}},
			"open shell on ws1.corp.example: unsupported: HTTP status 500 Internal Server Error: " + service},
		{"503", hostAnswer{status: 503}, "open shell on ws1.corp.example: timeout: HTTP status 503 Service Unavailable: the WinRM service is starting or stopping"},
		{"302", hostAnswer{status: 302, header: http.Header{"Location": {"http://elsewhere/"}}}, "open shell on ws1.corp.example: unsupported: HTTP status 302 Found"},
		{"a web page", hostAnswer{status: 200, header: http.Header{"Content-Type": {"text/html"}}, body: "<html>"},
			`open shell on ws1.corp.example: unsupported: not an answer of WinRM: content type "text/html"`},
		{"no HTTP", hostAnswer{raw: "SSH-2.0-OpenSSH_9\r\n\r\n"},
			`open shell on ws1.corp.example: unsupported: not an answer of WinRM: malformed HTTP response "SSH-2.0-OpenSSH_9"`},
		{"a huge body", hostAnswer{raw: "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n"},
			"open shell on ws1.corp.example: unsupported: not an answer of WinRM: the answer is longer than max_envelope allows"},
		{"an endless body", hostAnswer{raw: "HTTP/1.1 200 OK\r\n\r\n" + strings.Repeat("x", 600_000)},
			"open shell on ws1.corp.example: unsupported: not an answer of WinRM: the answer is longer than max_envelope allows"},
		{"endless chunks", hostAnswer{raw: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + strings.Repeat("1\r\nx\r\n", 200_000)},
			"open shell on ws1.corp.example: unsupported: not an answer of WinRM: the answer is longer than max_envelope allows"},
		{"an endless head", hostAnswer{raw: "HTTP/1.1 200 OK\r\n" + strings.Repeat("X: y\r\n", 10_000)},
			"open shell on ws1.corp.example: unsupported: not an answer of WinRM: the answer is longer than max_envelope allows"},
		{"interim answers", hostAnswer{raw: strings.Repeat("HTTP/1.1 100 Continue\r\n\r\n", 10)},
			"open shell on ws1.corp.example: unsupported: not an answer of WinRM: more than 5 interim answers"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.override = func(_ int, r *soapRequest) *hostAnswer {
					if r.name() == "Delete" {
						return nil
					}
					a := test.answer
					return &a
				}
				_, err := testClient(t, testConfig(t), h.pipe).Open(t.Context(), testWorkstation)
				if err == nil || err.Error() != test.want {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
				if strings.Contains(test.name, "401") && len(h.requests) != 1 {
					t.Errorf("the credential was sent %d times, want once", len(h.requests))
				}
				h.wg.Wait()
			})
		})
	}
}

// TestNotOurAnswer has hosts that answer something else than they were asked.
func TestNotOurAnswer(t *testing.T) {
	for name, body := range map[string]string{
		"it answers another request (RelatesTo)":                                        fmt.Sprintf(hostEnvelope, actionCreate+"Response", newID(), "<rsp:Shell><rsp:ShellId>A</rsp:ShellId></rsp:Shell>"),
		`the action is "http://schemas.xmlsoap.org/ws/2004/09/transfer/DeleteResponse"`: fmt.Sprintf(hostEnvelope, actionDelete+"Response", "ID", ""),
		"a shell was made, but its ShellId is missing":                                  fmt.Sprintf(hostEnvelope, actionCreate+"Response", "ID", ""),
		"the ShellId is no identifier": fmt.Sprintf(hostEnvelope, actionCreate+"Response", "ID",
			"<rsp:Shell><rsp:ShellId>&lt;inject/&gt;</rsp:ShellId></rsp:Shell>"),
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.override = func(_ int, r *soapRequest) *hostAnswer {
					return &hostAnswer{status: 200, body: strings.Replace(body, "uuid:ID<", "uuid:"+r.MessageID+"<", 1)}
				}
				_, err := testClient(t, testConfig(t), h.pipe).Open(t.Context(), testWorkstation)
				want := "open shell on ws1.corp.example: unsupported: not an answer of WinRM: " + name
				if err == nil || err.Error() != want {
					t.Errorf("got  %v\nwant %s", err, want)
				}
				h.wg.Wait()
			})
		})
	}
}

func TestDialReasons(t *testing.T) {
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for _, test := range []struct {
		ctx  context.Context
		err  error
		want photopush.Reason
	}{
		{t.Context(), &net.DNSError{Err: "no such host", Name: testHost, IsNotFound: true}, photopush.DNS},
		{t.Context(), &net.OpError{Op: "dial", Err: &net.DNSError{Err: "i/o timeout", IsTimeout: true}}, photopush.DNS},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}, photopush.Offline},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EHOSTUNREACH)}, photopush.Offline},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ENETUNREACH)}, photopush.Offline},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.ETIMEDOUT)}, photopush.Offline},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("socket", syscall.EMFILE)}, photopush.Internal},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EADDRNOTAVAIL)}, photopush.Internal},
		{t.Context(), &net.OpError{Op: "dial", Err: os.NewSyscallError("connect", syscall.EPERM)}, photopush.Internal},
		{cancelled, context.Canceled, photopush.Timeout},
	} {
		c := testClient(t, testConfig(t), func(context.Context, string, string) (net.Conn, error) { return nil, test.err })
		_, err := c.Open(test.ctx, testWorkstation)
		if got := photopush.ReasonOf(err); got != test.want || !errors.Is(err, test.err) {
			t.Errorf("%v: got %v, want %s", test.err, err, test.want)
		}
	}
}

func TestNoHost(t *testing.T) {
	c := testClient(t, testConfig(t), func(context.Context, string, string) (net.Conn, error) { panic("dialled") })
	for host, want := range map[string]string{
		"":               "connect to WS1: dns: the computer object has no dNSHostName",
		"ws1\r\nX: y":    `connect to "ws1\r\nX: y": dns: the dNSHostName is no host name`,
		"ws1/../x":       `connect to "ws1/../x": dns: the dNSHostName is no host name`,
		"ws1.corp.exam ": `connect to "ws1.corp.exam ": dns: the dNSHostName is no host name`,
	} {
		_, err := c.Open(t.Context(), photopush.Workstation{Name: "WS1", Host: host})
		if err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestTLS: what is not the named host with a certificate of our CA gets no credential.
func TestTLS(t *testing.T) {
	h := newHost(t)
	real := dialTo(h.listen())
	good := testConfig(t)
	system := good
	system.CAFile = ""
	for _, test := range []struct {
		name string
		cfg  Config
		host string
		dial func(context.Context, string, string) (net.Conn, error)
		want string
	}{
		{"other name", good, "ws2.corp.example", real, "TLS handshake with ws2.corp.example:5986: tls: tls: failed to verify certificate: x509: certificate is valid for"},
		{"other CA", system, testHost, real, "TLS handshake with ws1.corp.example:5986: tls: tls: failed to verify certificate: x509: certificate signed by unknown authority"},
		{"no TLS", good, testHost, hangUpAfter("HTTP/1.1 400 Bad Request\r\n\r\n"), "TLS handshake with ws1.corp.example:5986: tls: tls: first record does not look like a TLS handshake"},
		{"hangs up", good, testHost, hangUpAfter(""), "TLS handshake with ws1.corp.example:5986: tls: EOF; is a certificate bound to the WinRM listener there?"},
		{"old TLS", good, testHost, oldTLS(h.cert), "TLS handshake with ws1.corp.example:5986: tls: remote error: tls: protocol version not supported"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := testClient(t, test.cfg, test.dial).Open(t.Context(), photopush.Workstation{Host: test.host})
			if err == nil || !strings.HasPrefix(err.Error(), test.want) {
				t.Errorf("got  %v\nwant %s", err, test.want)
			}
		})
	}
	if len(h.names()) != 0 {
		t.Error("a request was sent")
	}
}

// hangUpAfter is a host that reads a little, says text and hangs up.
func hangUpAfter(text string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			theirs.Read(make([]byte, 4096))
			io.WriteString(theirs, text)
			theirs.Close()
		}()
		return ours, nil
	}
}

func oldTLS(cert tls.Certificate) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go func() {
			tls.Server(theirs, &tls.Config{Certificates: []tls.Certificate{cert}, MaxVersion: tls.VersionTLS11, MinVersion: tls.VersionTLS10}).Handshake()
			theirs.Close()
		}()
		return ours, nil
	}
}

// TestIPv6 reaches a host by its address.
func TestIPv6(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		var dialled string
		c := testClient(t, testConfig(t), func(ctx context.Context, network, address string) (net.Conn, error) {
			dialled = address
			return h.pipe(ctx, network, address)
		})
		s, err := c.Open(t.Context(), photopush.Workstation{Host: "::1"})
		if err != nil {
			t.Fatal(err)
		}
		if s.prelude.to != "https://[::1]:5986/wsman" || dialled != "[::1]:5986" {
			t.Errorf("dialled %s, To is %s", dialled, s.prelude.to)
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// TestNoSecrets: neither password nor its Basic form is in errors or logs.
func TestNoSecrets(t *testing.T) {
	for _, status := range []int{200, 401, 500} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			if status != 200 {
				h.override = func(int, *soapRequest) *hostAnswer {
					return &hostAnswer{status: status, header: http.Header{"WWW-Authenticate": {"Basic"}}}
				}
			}
			var log strings.Builder
			c, err := New(testConfig(t), Options{Dial: h.pipe, Logger: debugLogger(&log)})
			if err != nil {
				t.Fatal(err)
			}
			_, err, _ = visitWith(t.Context(), c, []byte("input"))
			text := log.String() + fmt.Sprintf("%v %+v %#v", err, c.mechanism, c.cfg)
			for _, secret := range []string{"secret", "c3ZjOnNlY3JldA"} {
				if strings.Contains(text, secret) {
					t.Errorf("%q is in %s", secret, text)
				}
			}
			if log.Len() == 0 {
				t.Error("nothing was logged")
			}
		})
	}
}

// TestNoPassword: a password file that cannot be read is not a rejected credential.
func TestNoPassword(t *testing.T) {
	h := newHost(t)
	cfg := testConfig(t)
	c := testClient(t, cfg, h.pipe)
	if err := os.Remove(cfg.PasswordFile); err != nil {
		t.Fatal(err)
	}
	_, err := c.Open(t.Context(), testWorkstation)
	if photopush.ReasonOf(err) != photopush.Internal || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
	h.wg.Wait()
}

// TestBasicWantsTLS: the mechanism itself refuses a connection without it.
func TestBasicWantsTLS(t *testing.T) {
	b := &basic{user: "svc", password: photopush.Secret{Env: "NEVER_READ"}}
	for _, state := range []*tls.ConnectionState{nil, {}} {
		if _, err := b.begin(t.Context(), peer{host: testHost, tls: state}); !errors.Is(err, errNoTLS) {
			t.Errorf("got %v", err)
		}
	}
}
