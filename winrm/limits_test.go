package winrm

import (
	"bytes"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
)

// TestSendFillsTheEnvelope: a piece is as large as the limit allows, to the last base64 group.
func TestSendFillsTheEnvelope(t *testing.T) {
	p := prelude{to: "https://ws1.corp.example:5986/wsman", sessionID: newID(), envelope: 512000}
	input := bytes.Repeat([]byte{0xff, 0, 1}, 300_000)
	for limit := 153600; limit < 153600+50; limit++ {
		m, n := p.send(nil, newID(), newID(), input, limit, 15*time.Second)
		if len(m.envelope) > limit || len(m.envelope) < limit-3-len(` End="true"`) || n%3 != 0 {
			t.Errorf("limit %d: an envelope of %d bytes with %d of input", limit, len(m.envelope), n)
		}
	}
	_, n := p.send(nil, newID(), newID(), input, 512000, 15*time.Second)
	if n < 382_400 {
		t.Errorf("one Send of 512,000 bytes carries %d, want about 382,500", n)
	}
	m, k := p.send(nil, newID(), newID(), input[:n], 512000, 15*time.Second)
	if k != n || !bytes.Contains(m.envelope, []byte(`End="true"`)) || len(m.envelope) > 512000 {
		t.Errorf("what fills one Send does not end it: %d of %d in %d bytes", k, n, len(m.envelope))
	}
}

// TestSmallEnvelopes has hosts that take no more than 150 KB. It is noticed once and remembered for the next session.
func TestSmallEnvelopes(t *testing.T) {
	refusals := map[string]func(r *soapRequest) *hostAnswer{
		"HTTP 413": func(*soapRequest) *hostAnswer { return &hostAnswer{status: 413} },
		"HTTP 413 and close": func(*soapRequest) *hostAnswer {
			return &hostAnswer{status: 413, header: http.Header{"Connection": {"close"}}}
		},
	}
	for _, code := range []uint32{2150858790, 2150858823, 2150858824, 2150858825} {
		refusals[fmt.Sprint("fault ", code)] = func(r *soapRequest) *hostAnswer { return faultAnswer(r, code, "too large") }
	}
	for name, refuse := range refusals {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newHost(t)
				h.override = func(_ int, r *soapRequest) *hostAnswer {
					if r.size > smallEnvelope {
						return refuse(r)
					}
					return nil
				}
				c := testClient(t, testConfig(t), h.pipe)
				for _, want := range []string{"Create Command Send Send Send Send Receive Signal Delete", "Create Command Send Send Send Receive Signal Delete"} {
					h.requests = nil
					out, err, closed := visitWith(t.Context(), c, make([]byte, 300_000))
					if err != nil || closed != nil || string(out.Stdout) != "read 300000 bytes" {
						t.Errorf("got %q, %v, %v", out.Stdout, err, closed)
					}
					if got := strings.Join(h.names(), " "); got != want {
						t.Errorf("requests are %s, want %s", got, want)
					}
				}
			})
		})
	}
}

// TestAnnouncedEnvelope has a host that refuses the size of answers we would take, and is asked again with the size of the oldest.
func TestAnnouncedEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.MaxEnvelope > smallEnvelope {
				return faultAnswer(r, faultMaxEnvelope, "too large")
			}
			return nil
		}
		c := testClient(t, testConfig(t), h.pipe)
		for _, want := range []string{"Create Create Command Send Receive Signal Delete", "Create Command Send Receive Signal Delete"} {
			h.requests = nil
			if _, err, closed := visitWith(t.Context(), c, []byte("x")); err != nil || closed != nil {
				t.Errorf("got %v, %v", err, closed)
			}
			if got := strings.Join(h.names(), " "); got != want {
				t.Errorf("requests are %s, want %s", got, want)
			}
		}
	})
}

// TestTooSmallEnvelope: a host that refuses 150 KB too is told so.
func TestTooSmallEnvelope(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.limit = 100_000
		_, err, closed := visitWith(t.Context(), testClient(t, testConfig(t), h.pipe), make([]byte, 300_000))
		want := "run on ws1.corp.example: unsupported: fault 2150858825 (SERVER_ENVELOPE_LIMIT): the envelope is too large; " + envelope
		if err == nil || err.Error() != want || closed != nil {
			t.Errorf("got  %v, %v\nwant %s", err, closed, want)
		}
		if got := strings.Join(h.names(), " "); got != "Create Command Send Send Delete" {
			t.Errorf("requests are %s", got)
		}
	})
}

// TestCommandThatDoesNotRead: a command that ended before its input arrived has said why.
func TestCommandThatDoesNotRead(t *testing.T) {
	for _, code := range []uint32{109, 232, 2147942632, 2150859212} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			h.program = func([]byte) (string, int64) { return "constrained", 3 }
			h.override = func(_ int, r *soapRequest) *hostAnswer {
				if r.name() == "Send" {
					h.shells[r.ShellID].commands[r.OwnID].ended = true
					return faultAnswer(r, code, "the pipe is being closed")
				}
				return nil
			}
			out, err, closed := visitWith(t.Context(), testClient(t, testConfig(t), h.pipe), make([]byte, 700_000))
			if err != nil || closed != nil || string(out.Stdout) != "constrained" || out.ExitCode != 3 {
				t.Errorf("%d: got %q, %d, %v, %v", code, out.Stdout, out.ExitCode, err, closed)
			}
		})
	}
}

// TestTooMuchOutput ends a command that prints without end.
func TestTooMuchOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() != "Receive" {
				return nil
			}
			return okAnswer(r, `<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="`+r.OwnID+`">`+strings.Repeat("AAAA", 20_000)+
				`</rsp:Stream></rsp:ReceiveResponse>`)
		}
		cfg := testConfig(t)
		cfg.MaxOutput = 1 << 20
		_, err, closed := visitWith(t.Context(), testClient(t, cfg, h.pipe), []byte("x"))
		want := "run on ws1.corp.example: unknown: the command printed more than 1048576 bytes (max_output)"
		if err == nil || err.Error() != want || closed != nil {
			t.Errorf("got %v, %v, want %s", err, closed, want)
		}
		if n := len(h.requests); n > 25 {
			t.Errorf("%d requests", n)
		}
	})
}

// TestOutputInPieces joins what several answers bring, and does not pause where there is output.
func TestOutputInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		left := 50
		h.program = func([]byte) (string, int64) { return "end", 0 }
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() != "Receive" || left == 0 {
				return nil
			}
			left--
			return okAnswer(r, `<rsp:ReceiveResponse><rsp:Stream Name="stdout" CommandId="`+strings.ToLower(r.OwnID)+`">eA==</rsp:Stream>`+
				`<rsp:Stream Name="stderr" CommandId="`+strings.ToLower(r.OwnID)+`">eQ==</rsp:Stream></rsp:ReceiveResponse>`)
		}
		start := time.Now()
		out, err, _ := visitWith(t.Context(), testClient(t, testConfig(t), h.pipe), []byte("x"))
		if want := strings.Repeat("x", 50) + "end"; err != nil || string(out.Stdout) != want || string(out.Stderr) != strings.Repeat("y", 50) {
			t.Errorf("got %q, %q, %v", out.Stdout, out.Stderr, err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("it took %v", took)
		}
	})
}

// TestCommandLines: what cannot be sent is refused before anything is sent.
func TestCommandLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		c := testClient(t, testConfig(t), h.pipe)
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		for line, want := range map[string]error{"": errNoProgram, " a": errNoProgram, "a \x00": errNotInXML, "a \xff": errNotInXML} {
			if _, err := s.Run(t.Context(), line, nil); photopush.ReasonOf(err) != photopush.Internal || !strings.Contains(err.Error(), want.Error()) {
				t.Errorf("%q: got %v", line, err)
			}
		}
		for _, line := range []string{"a", `C:\a b "c" <d> & 'e' ` + "\r\n\tü€😀"} {
			if _, err := s.Run(t.Context(), line, nil); err != nil {
				t.Errorf("%q: %v", line, err)
			}
			var got string
			for _, r := range h.requests {
				if r.name() == "Command" {
					got = strings.TrimSuffix(r.Command+" "+r.Arguments, " ")
				}
			}
			if got != line {
				t.Errorf("the host got %q, want %q", got, line)
			}
		}
		if err := s.Close(t.Context()); err != nil {
			t.Error(err)
		}
	})
}
