package winrm

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush/internal/simwin"
)

// payload is the size of JPEG that every comparison here pushes, and script that of the longest script.
const (
	payload = 260 << 10
	script  = 20_000
)

// pushInput is what is sent with payload.
func pushInput() []byte { return inputOf(payload) }

// inputOf is a script and n bytes as base64 lines, as docs/script.md has them.
func inputOf(n int) []byte {
	var b bytes.Buffer
	b.WriteString(strings.Repeat("# a line of the script\n", script/23))
	data := make([]byte, n)
	for i := range data {
		data[i] = byte(i * 7919 >> 3)
	}
	text := base64.StdEncoding.EncodeToString(data)
	for len(text) > 4096 {
		b.WriteString(text[:4096] + "\n")
		text = text[4096:]
	}
	b.WriteString(text + "\n.\n")
	return b.Bytes()
}

// BenchmarkKnownState is a push to a workstation whose state is known, counted by the far end on the wire, TLS included. Bars: 7 requests,
// 1 connection, 1 process, 1.85 bytes sent for a byte of payload and script.
func BenchmarkKnownState(b *testing.B) { benchmarkTLS(b, 1, 7) }

// BenchmarkFirstContact takes the inventory before it. Bars: 11 requests, 1 connection, 2 processes.
func BenchmarkFirstContact(b *testing.B) { benchmarkTLS(b, 2, 11) }

func benchmarkTLS(b *testing.B, runs, requests int) {
	host, c := simulated(b, &engine{}, func(o *simwin.Options, _ *Config) { o.Limits.Gather = -1 })
	benchmarkVisit(b, host, c, runs, requests)
}

func benchmarkVisit(b *testing.B, host *simwin.Server, c *Client, runs, requests int) {
	input := pushInput()
	b.ReportAllocs()
	for b.Loop() {
		s, err := c.Open(b.Context(), testWorkstation)
		if err != nil {
			b.Fatal(err)
		}
		for range runs {
			if _, err := s.Run(b.Context(), commandLine, input); err != nil {
				b.Fatal(err)
			}
		}
		if err := s.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	stats := host.Stats()
	ratio := float64(stats.BytesReceived) / float64(len(stats.Visits)) / (payload + script)
	b.ReportMetric(float64(stats.MaxRequests()), "requests/visit")
	b.ReportMetric(float64(stats.MaxConnections()), "connections/visit")
	b.ReportMetric(float64(stats.MaxProcesses()), "processes/visit")
	if stats.MaxRequests() > requests || stats.MaxConnections() > 1 || stats.MaxProcesses() > runs {
		b.Errorf("%d requests, %d connections, %d processes, want at most %d, 1, %d", stats.MaxRequests(), stats.MaxConnections(), stats.MaxProcesses(), requests, runs)
	}
	if runs == 1 {
		b.ReportMetric(ratio, "sent/(payload+script)")
		if ratio > 1.85 {
			b.Errorf("%.2f bytes sent for a byte of payload and script, want at most 1.85", ratio)
		}
	}
}

// BenchmarkBuildSend builds a Send of 300 KB beside base64 alone, in turns; the ratio is ours to base64's.
func BenchmarkBuildSend(b *testing.B) {
	p := prelude{to: "https://ws1.corp.example:5986/wsman", sessionID: newID(), envelope: 512000}
	input, shell, command := make([]byte, 300<<10), newID(), newID()
	buf, encoded := make([]byte, 0, 512<<10), make([]byte, 512<<10)
	sides(b, func() { p.send(buf[:0], shell, command, input, 512000, 15*time.Second) }, func() { base64.StdEncoding.Encode(encoded, input) })
}

// BenchmarkParseReceive parses an answer with 64 KB of output beside encoding/xml's tokens and base64, in turns.
func BenchmarkParseReceive(b *testing.B) {
	text := base64.StdEncoding.EncodeToString(make([]byte, 64<<10))
	answer := []byte(receiveBody(`<rsp:Stream Name="stdout" CommandId="C">` + text + `</rsp:Stream>` + doneState + `<rsp:ExitCode>0</rsp:ExitCode></rsp:CommandState>`))
	var r reply
	ours := func() {
		r = reply{stdout: r.stdout[:0]}
		if err := parse(answer, &r, 1<<20); err != nil {
			b.Fatal(err)
		}
	}
	sides(b, ours, func() {
		d := xml.NewDecoder(bytes.NewReader(answer))
		for {
			t, err := d.Token()
			if err == io.EOF {
				return
			}
			if data, ok := t.(xml.CharData); ok && len(data) > 100 {
				if _, err := base64.StdEncoding.DecodeString(string(data)); err != nil {
					b.Fatal(err)
				}
			}
		}
	})
	allocs := testing.AllocsPerRun(100, ours)
	b.ReportMetric(allocs, "allocs/answer")
	if allocs > 10 {
		b.Errorf("%.0f allocations for an answer, want at most 10", allocs)
	}
}

// BenchmarkPost sends 400 KB and gets a short answer, on our connection and on one of net/http, in turns.
func BenchmarkPost(b *testing.B) {
	h := newHost(b)
	h.raw = func(*http.Request, []byte) ([]byte, *hostAnswer) { return nil, &hostAnswer{status: 200, body: "short"} }
	c := testClient(b, testConfig(b), dialTo(h.listen()))
	s, err := c.newSession(testWorkstation)
	if err != nil {
		b.Fatal(err)
	}
	if err := s.connect(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer s.end()
	transport := &http.Transport{DialContext: c.dial, TLSClientConfig: s.tlsConfig(nil)}
	defer transport.CloseIdleConnections()
	body, header := make([]byte, 400<<10), http.Header{"Content-Type": {soapType}}
	sides(b, func() {
		if a, err := s.wire.post(b.Context(), header, body); err != nil || string(a.body) != "short" {
			b.Fatal(err)
		}
	}, func() {
		resp, err := (&http.Client{Transport: transport}).Post("https://"+testHost+"/wsman", soapType, bytes.NewReader(body))
		if err != nil {
			b.Fatal(err)
		}
		if _, err := io.Copy(io.Discard, resp.Body); err != nil {
			b.Fatal(err)
		}
		resp.Body.Close()
	})
}

// sides measures two ways to do a thing, in turns and in one run, and reports the ratio of their times.
func sides(b *testing.B, ours, theirs func()) {
	var spent [2]time.Duration
	b.ReportAllocs()
	for b.Loop() {
		for i, f := range []func(){ours, theirs} {
			start := time.Now()
			f()
			spent[i] += time.Since(start)
		}
	}
	b.ReportMetric(float64(spent[0])/float64(spent[1]), "ours/theirs")
}
