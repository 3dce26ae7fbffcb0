package winrm

import (
	"bufio"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"reflect"
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
)

// Recorded from a Windows Server 2012 R2; the version as Windows tells it to whoever has not signed in.
const recordedIdentity = `<s:Envelope xml:lang="en-US" xmlns:s="http://www.w3.org/2003/05/soap-envelope"><s:Header></s:Header><s:Body><wsmid:IdentifyResponse ` +
	`xmlns:wsmid="http://schemas.dmtf.org/wbem/wsman/identity/1/wsmanidentity.xsd"><wsmid:ProtocolVersion>http://schemas.dmtf.org/wbem/wsman/1/wsman.xsd` +
	`</wsmid:ProtocolVersion><wsmid:ProductVendor>Microsoft Corporation</wsmid:ProductVendor><wsmid:ProductVersion>OS: 0.0.0 SP: 0.0 Stack: 3.0` +
	`</wsmid:ProductVersion><wsmid:SecurityProfiles><wsmid:SecurityProfileName>http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos` +
	`</wsmid:SecurityProfileName></wsmid:SecurityProfiles></wsmid:IdentifyResponse></s:Body></s:Envelope>`

// TestIdentifyHTTP looks at the one message that may be in clear: it carries no credential.
func TestIdentifyHTTP(t *testing.T) {
	ours, theirs := net.Pipe()
	seen := make(chan *http.Request, 1)
	go func() {
		defer close(seen)
		req, err := http.ReadRequest(bufio.NewReader(theirs))
		if err != nil {
			return
		}
		body, _ := io.ReadAll(req.Body)
		req.Body = io.NopCloser(strings.NewReader(string(body)))
		(&hostAnswer{status: 200, body: recordedIdentity}).write(theirs)
		seen <- req
	}()
	cfg := testConfig(t)
	cfg.Transport, cfg.Auth, cfg.PasswordFile, cfg.CAFile = overHTTP, authKerberos, "", ""
	cfg.KeytabFile = "not-there"
	c := &Client{cfg: cfg, log: debugLogger(io.Discard), open: map[*link]struct{}{}, small: map[string]struct{}{},
		dial: func(context.Context, string, string) (net.Conn, error) { return ours, nil }}
	got, err := c.Identify(t.Context(), testWorkstation)
	want := Identity{
		ProtocolVersion: nsWSMan, ProductVendor: "Microsoft Corporation", ProductVersion: "OS: 0.0.0 SP: 0.0 Stack: 3.0", Stack: "3.0",
		SecurityProfiles: []string{"http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/http/spnego-kerberos"},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	req := <-seen
	if req == nil || req.Header.Get("Wsmanidentify") != "unauthenticated" || req.Header.Get("Authorization") != "" {
		t.Fatalf("request is %+v", req)
	}
	if body, _ := io.ReadAll(req.Body); string(body) != identifyMessage {
		t.Errorf("body is %s", body)
	}
	if len(c.open) > 0 {
		t.Error("the connection counts as open")
	}
}

func TestIdentifyHTTPS(t *testing.T) {
	for _, test := range []struct {
		name   string
		answer hostAnswer
		reason photopush.Reason
	}{
		{"fine", hostAnswer{status: 200, body: recordedIdentity}, ""},
		{"not there", hostAnswer{status: 404}, photopush.Unsupported},
		{"wants a sign-in", hostAnswer{status: 401}, photopush.Unsupported},
		{"stopping", hostAnswer{status: 503}, photopush.Timeout},
		{"no XML", hostAnswer{status: 200, body: "hello"}, photopush.Unsupported},
		{"no identity", hostAnswer{status: 200, body: strings.ReplaceAll(recordedIdentity, "IdentifyResponse", "Other")}, photopush.Unsupported},
		{"too long", hostAnswer{status: 200, body: recordedIdentity + strings.Repeat(" ", maxIdentity)}, photopush.Unsupported},
		{"lost", hostAnswer{raw: "HTTP/1.1 200"}, photopush.Timeout},
	} {
		t.Run(test.name, func(t *testing.T) {
			h := newHost(t)
			h.raw = func(*http.Request, []byte) ([]byte, *hostAnswer) { return nil, &test.answer }
			id, err := testClient(t, testConfig(t), h.pipe).Identify(t.Context(), testWorkstation)
			if photopush.ReasonOf(err) != test.reason || err == nil && id.Stack != "3.0" {
				t.Errorf("got %+v, %v, want %q", id, err, test.reason)
			}
			if _, ok := errors.AsType[*photopush.Error](err); err != nil && !ok {
				t.Errorf("error %T", err)
			}
		})
	}
}

func FuzzParseIdentity(f *testing.F) {
	f.Add([]byte(recordedIdentity))
	f.Add([]byte(strings.ReplaceAll(recordedIdentity, "0.0.0", "10.0.22631")))
	f.Fuzz(func(t *testing.T, body []byte) {
		id, err := parseIdentity(body)
		if _, ok := errors.AsType[*malformedError](err); err != nil && !ok {
			t.Errorf("error %T", err)
		}
		if len(id.SecurityProfiles) > maxProfiles {
			t.Errorf("%d profiles", len(id.SecurityProfiles))
		}
	})
}
