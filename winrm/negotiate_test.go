package winrm

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// sealing is a security context that tests can look through: a header of 16 bytes with sequence and checksum, data with every bit turned.
type sealing struct {
	gss.Context // nil: WinRM signs nothing without sealing it
	sent, got   int
	legs        int // tokens that the initiator sends
	proof       bool
	steps       int
	stepErr     error
}

func (s *sealing) Step(_ context.Context, token []byte) ([]byte, bool, error) {
	s.steps++
	switch {
	case s.steps > 1 && s.stepErr != nil:
		return nil, false, s.stepErr
	case s.steps <= s.legs:
		return fmt.Appendf(nil, "token %d", s.steps), s.steps == s.legs && !s.proof, nil
	case string(token) != "proof":
		return nil, false, &photopush.Error{Reason: photopush.WrongHost, Op: "check", On: "proof"}
	}
	return nil, true, nil
}

func (s *sealing) Seal(dst, message []byte) ([]byte, int, error) {
	s.sent++
	dst = fmt.Appendf(dst, "%08x%08x", s.sent, crc32.ChecksumIEEE(message))
	for _, b := range message {
		dst = append(dst, ^b)
	}
	return dst, 16, nil
}

var errBroken = errors.New("broken seal")

func (s *sealing) Unseal(sealed []byte) ([]byte, error) {
	s.got++
	if len(sealed) < 16 {
		return nil, errBroken
	}
	message := sealed[16:]
	for i := range message {
		message[i] = ^message[i]
	}
	if string(sealed[:16]) != fmt.Sprintf("%08x%08x", s.got, crc32.ChecksumIEEE(message)) {
		return nil, errBroken
	}
	return message, nil
}

func (s *sealing) Peer() string { return "HTTP/" + testHost }

// A sealedHost is a host that takes sealed messages only.
type sealedHost struct {
	*host
	far      *sealing
	legs     int
	proof    string // with the answer 200
	requests int
	tokens   int
	last     []byte // binding
	deny     *hostAnswer
	spared   int // tokens that deny is not the answer to
	contexts int
}

func newSealedHost(t *testing.T, legs int, proof string) *sealedHost {
	h := &sealedHost{host: newHost(t), legs: legs, proof: proof}
	h.plain = true
	h.raw, h.seal = h.open, h.shut
	return h
}

func (h *sealedHost) open(req *http.Request, body []byte) ([]byte, *hostAnswer) {
	h.requests++
	if auth := req.Header.Get("Authorization"); auth != "" {
		h.tokens++
		if h.deny != nil && h.tokens > h.spared {
			return nil, h.deny
		}
		if len(body) != 0 {
			h.t.Error("a message travels with a token")
		}
		token, _ := base64.StdEncoding.DecodeString(strings.TrimPrefix(auth, "Negotiate "))
		if string(token) != fmt.Sprintf("token %d", h.legs) {
			return nil, &hostAnswer{status: 401, header: http.Header{"Www-Authenticate": {"Negotiate bW9yZQ=="}}}
		}
		h.far, h.contexts = &sealing{}, h.contexts+1
		a := &hostAnswer{status: 200, header: http.Header{}}
		if h.proof != "" {
			a.header.Set("WWW-Authenticate", "Negotiate "+base64.StdEncoding.EncodeToString([]byte(h.proof)))
		}
		return nil, a
	}
	if bytes.Contains(body, []byte("Envelope")) {
		h.t.Error("a message travels in clear")
	}
	if h.far == nil {
		return nil, &hostAnswer{status: 401, header: http.Header{"Www-Authenticate": {"Negotiate"}}}
	}
	f, err := parseMultipart(req.Header.Get("Content-Type"), body)
	if err != nil {
		h.t.Error(err)
	}
	plain, err := h.far.Unseal(f.sealed)
	if err != nil {
		h.t.Error(err)
	}
	return plain, nil
}

func (h *sealedHost) shut(a *hostAnswer) {
	body, err := appendMultipart(nil, protocolNegotiate, []byte(a.body), h.far.Seal)
	if err != nil {
		h.t.Error(err)
	}
	a.body, a.header = string(body), http.Header{"Content-Type": {multipartType(protocolNegotiate)}}
}

// negotiating is a client that signs in with sealing contexts.
func negotiating(t *testing.T, h *sealedHost, rejected photopush.Reason) *Client {
	cfg := testConfig(t)
	c := testClient(t, cfg, h.pipe)
	c.cfg.Transport = overHTTP
	if !h.plain {
		c.cfg.Transport = overHTTPS
	}
	c.mechanism = &negotiation{
		scheme: "Negotiate", protocol: protocolNegotiate, account: "svc", rejected: rejected, fqdn: true,
		start: func(_ context.Context, _ string, bindings []byte, _ bool) (gss.Context, error) {
			h.last = bindings
			return &sealing{legs: h.legs, proof: h.proof != ""}, nil
		},
	}
	return c
}

// TestSealedBudget: over plain HTTP every message and answer is sealed, and a visit is 7 requests, a first contact 11.
func TestSealedBudget(t *testing.T) {
	for runs, want := range map[int]int{1: 7, 2: 11} {
		synctest.Test(t, func(t *testing.T) {
			h := newSealedHost(t, 1, "proof")
			s, err := negotiating(t, h, photopush.Denied).Open(t.Context(), testWorkstation)
			if err != nil {
				t.Fatal(err)
			}
			for range runs {
				out, err := s.Run(t.Context(), commandLine, make([]byte, 300_000))
				if err != nil || string(out.Stdout) != "read 300000 bytes" {
					t.Errorf("got %q, %v", out.Stdout, err)
				}
			}
			if err := s.Close(t.Context()); err != nil {
				t.Error(err)
			}
			if h.requests != want || h.conns != 1 || h.contexts != 1 || h.last != nil {
				t.Errorf("%d requests, %d connections, %d contexts, want %d, 1, 1", h.requests, h.conns, h.contexts, want)
			}
		})
	}
}

// TestInsideTLS: the context is bound to the certificate, and messages travel as they are.
func TestInsideTLS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSealedHost(t, 2, "")
		h.plain, h.host.seal = false, nil
		open := h.raw
		h.host.raw = func(req *http.Request, body []byte) ([]byte, *hostAnswer) {
			if req.Header.Get("Authorization") == "" {
				return body, nil
			}
			return open(req, body)
		}
		out, err, closed := visitWith(t.Context(), negotiating(t, h, photopush.Auth), []byte("12345"))
		if err != nil || closed != nil || string(out.Stdout) != "read 5 bytes" {
			t.Errorf("got %q, %v, %v", out.Stdout, err, closed)
		}
		if !bytes.HasPrefix(h.last, []byte("tls-server-end-point:")) || h.tokens != 2 {
			t.Errorf("bound to %q after %d tokens", h.last, h.tokens)
		}
	})
}

// TestSignedOut: a context that has expired is made anew, once, and the message is sent again.
func TestSignedOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSealedHost(t, 1, "proof")
		c := negotiating(t, h, photopush.Denied)
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		h.far = nil
		if out, err := s.Run(t.Context(), commandLine, []byte("123")); err != nil || string(out.Stdout) != "read 3 bytes" {
			t.Errorf("got %q, %v", out.Stdout, err)
		}
		if err := s.Close(t.Context()); err != nil || h.contexts != 2 || h.conns != 1 || h.started != 1 {
			t.Errorf("%v; %d contexts, %d connections, %d commands, want 2, 1, 1", err, h.contexts, h.conns, h.started)
		}
	})
}

// TestSignedOutAtInput: a piece of input whose buffer is in use elsewhere by then is built again, and not for ever.
func TestSignedOutAtInput(t *testing.T) {
	for _, always := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newSealedHost(t, 1, "proof")
			open, refused := h.host.raw, 0
			h.host.raw = func(req *http.Request, body []byte) ([]byte, *hostAnswer) {
				plain, a := open(req, body)
				if bytes.Contains(plain, []byte("shell/Send")) && (always || refused == 0) {
					refused++
					return nil, &hostAnswer{status: 401, header: http.Header{"WWW-Authenticate": {"Negotiate"}}}
				}
				return plain, a
			}
			out, err, closed := visitWith(t.Context(), negotiating(t, h, photopush.Denied), make([]byte, 300_000))
			if always {
				if photopush.ReasonOf(err) != photopush.Denied || refused != 2 {
					t.Errorf("got %v after %d refusals, want denied after 2", err, refused)
				}
			} else if err != nil || string(out.Stdout) != "read 300000 bytes" {
				t.Errorf("got %q, %v", out.Stdout, err)
			}
			if closed != nil {
				t.Error(closed)
			}
		})
	}
}

// TestRefusals: how a sign-in fails, and that no message leaves then.
func TestRefusals(t *testing.T) {
	answer401 := func(fields ...string) *hostAnswer {
		return &hostAnswer{status: 401, header: http.Header{"Www-Authenticate": fields}}
	}
	for _, test := range []struct {
		name     string
		legs     int
		proof    string
		rejected photopush.Reason
		deny     *hostAnswer
		stepErr  error
		want     photopush.Reason
		tokens   int
	}{
		{"no proof", 1, "proof", photopush.Denied, &hostAnswer{status: 200}, nil, photopush.Unsupported, 1},
		{"ntlm rejected, other offers", 2, "", photopush.Auth, answer401(`Basic realm="WSMAN"`, "Kerberos"), nil, photopush.Auth, 2},
		{"ntlm rejected, no offers", 2, "", photopush.Auth, answer401(), nil, photopush.Auth, 2},
		{"ntlm rejected, no base64", 2, "", photopush.Auth, answer401("Negotiate !"), nil, photopush.Auth, 2},
		{"ntlm, no offers", 2, "", photopush.Auth, answer401(), nil, photopush.Unsupported, 1},
		{"wrong proof", 1, "other", photopush.Denied, nil, nil, photopush.WrongHost, 1},
		{"kerberos rejected", 1, "proof", photopush.Denied, answer401("Negotiate"), nil, photopush.Denied, 1},
		{"not offered", 1, "proof", photopush.Denied, answer401(`Basic realm="WSMAN"`), nil, photopush.Unsupported, 1},
		{"wrong key", 1, "proof", photopush.Denied, answer401("Negotiate bW9yZQ=="),
			&photopush.Error{Reason: photopush.WrongHost, Op: "sign in to", On: testHost}, photopush.WrongHost, 1},
		{"clock", 1, "proof", photopush.Denied, answer401("Negotiate bW9yZQ=="),
			&photopush.Error{Reason: photopush.ClockSkew, Op: "sign in to", On: testHost}, photopush.ClockSkew, 1},
		{"no base64", 1, "proof", photopush.Denied, answer401("Negotiate !"), nil, photopush.Unsupported, 1},
		{"ntlm not taken", 2, "", photopush.Auth, answer401("Negotiate"), nil, photopush.Unsupported, 1},
		{"ntlm rejected", 2, "", photopush.Auth, answer401("Negotiate bW9yZQ=="), nil, photopush.Auth, 2},
		{"without end", 9, "", photopush.Auth, answer401("Negotiate bW9yZQ=="), nil, photopush.Unsupported, maxLegs},
		{"forbidden", 1, "proof", photopush.Denied, &hostAnswer{status: 404}, nil, photopush.Unsupported, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newSealedHost(t, test.legs, test.proof)
				h.deny, h.spared = test.deny, test.tokens-1
				c := negotiating(t, h, test.rejected)
				c.mechanism.(*negotiation).start = func(context.Context, string, []byte, bool) (gss.Context, error) {
					return &sealing{legs: test.legs, proof: test.proof != "", stepErr: test.stepErr}, nil
				}
				_, err := c.Open(t.Context(), testWorkstation)
				if photopush.ReasonOf(err) != test.want || h.requests != test.tokens || h.tokens != test.tokens {
					t.Errorf("got %v after %d requests, want %s after %d", err, h.requests, test.want, test.tokens)
				}
			})
		})
	}
}

// TestUnsealedAnswers are refused, whatever they say.
func TestUnsealedAnswers(t *testing.T) {
	for name, answer := range map[string]*hostAnswer{
		"result": {status: 200, body: "<s:Envelope/>"},
		"fault":  {status: 500, body: "<s:Envelope/>"},
		"broken": {status: 200, body: "--Encrypted Boundary", header: http.Header{"Content-Type": {multipartType(protocolNegotiate)}}},
	} {
		synctest.Test(t, func(t *testing.T) {
			h := newSealedHost(t, 1, "proof")
			seal := h.host.seal
			h.override = func(_ int, r *soapRequest) *hostAnswer {
				if r.name() != "Receive" {
					return nil
				}
				return answer
			}
			h.host.seal = func(a *hostAnswer) {
				if a != answer {
					seal(a)
				}
			}
			_, err, closed := visitWith(t.Context(), negotiating(t, h, photopush.Denied), []byte("x"))
			if photopush.ReasonOf(err) != photopush.Unknown || closed != nil {
				t.Errorf("%s: got %v, %v, want unknown", name, err, closed)
			}
			if _, malformed := errors.AsType[*malformedError](err); !malformed {
				t.Errorf("%s: got %v", name, err)
			}
		})
	}
}

// TestChallengesEnd: a host that accepts every sign-in and no message is asked twice.
func TestChallengesEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSealedHost(t, 1, "proof")
		open := h.host.raw
		h.host.raw = func(req *http.Request, body []byte) ([]byte, *hostAnswer) {
			plain, a := open(req, body)
			if a == nil {
				a = &hostAnswer{status: 401, header: http.Header{"Www-Authenticate": {"Negotiate"}}}
			}
			return plain, a
		}
		_, err := negotiating(t, h, photopush.Denied).Open(t.Context(), testWorkstation)
		if photopush.ReasonOf(err) != photopush.Denied || h.requests != 4 {
			t.Errorf("got %v after %d requests, want denied after 4", err, h.requests)
		}
	})
}

// TestSilentHandshake: a host that does not answer a token is given up in time, and at once when the caller goes.
func TestSilentHandshake(t *testing.T) {
	for _, cancelled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			h := newSealedHost(t, 1, "proof")
			h.deny = &hostAnswer{hang: true}
			h.host.raw = func(*http.Request, []byte) ([]byte, *hostAnswer) {
				return []byte(`<x/>`), nil
			}
			h.override = func(int, *soapRequest) *hostAnswer { return &hostAnswer{hang: true} }
			h.host.seal = nil
			c := negotiating(t, h, photopush.Denied)
			ctx, limit := t.Context(), c.cfg.RequestTimeout
			if cancelled {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 50*time.Millisecond)
				defer cancel()
				limit = time.Second
			}
			start := time.Now()
			_, err := c.Open(ctx, testWorkstation)
			if took := time.Since(start); photopush.ReasonOf(err) != photopush.Timeout || took > limit {
				t.Errorf("got %v after %v, want timeout within %v", err, took, limit)
			}
		})
	}
}

// TestShortNames: Kerberos has no keys for addresses and short names; nobody is dialled for them.
func TestShortNames(t *testing.T) {
	n := &negotiation{fqdn: true}
	for name, good := range map[string]bool{"ws1.corp.example": true, "ws1": false, "ws1.": false, "10.0.0.1": false, "::1": false, "fe80::1%eth0": false} {
		if _, err := n.prepare(name); (err == nil) != good {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestUnknownToTheKDC: a name that has no key costs no second round, for the host has not been asked.
func TestUnknownToTheKDC(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, starts := newSealedHost(t, 1, "proof"), 0
		c := negotiating(t, h, photopush.Denied)
		n := c.mechanism.(*negotiation)
		n.mistaken = func(string) { t.Error("a ticket is forgotten that nobody has seen") }
		n.start = func(context.Context, string, []byte, bool) (gss.Context, error) {
			starts++
			return nil, &photopush.Error{Reason: photopush.WrongHost, Op: "get ticket for", On: testHost}
		}
		if _, err := c.Open(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.WrongHost || starts != 1 || h.requests != 0 {
			t.Errorf("got %v, asked for tickets %d times, %d requests", err, starts, h.requests)
		}
	})
}
