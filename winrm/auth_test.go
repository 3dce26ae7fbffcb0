package winrm

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"

	photopush "github.com/photopush/photopush"
)

// turns is a mechanism with all that Kerberos will need of the interface: a handshake in requests of its own, sealed bodies, a sequence that
// every message and answer counts up, and a new context after a challenge.
type turns struct{ begun []*turnsContext }

type turnsContext struct {
	host        string
	leaf        []byte
	established int
	out, in     int
}

func (*turns) prepare(string) ([]tls.Certificate, error) { return nil, nil }

func (m *turns) begin(_ context.Context, p peer) (security, error) {
	c := &turnsContext{host: p.host, leaf: p.tls.PeerCertificates[0].Raw}
	m.begun = append(m.begun, c)
	return c, nil
}

func (c *turnsContext) establish(ctx context.Context, post poster) error {
	a, err := post(ctx, http.Header{"Authorization": {"Turns hello"}}, nil)
	if err != nil {
		return err
	}
	if a.status != http.StatusOK || a.header.Get("WWW-Authenticate") != "Turns welcome" {
		return &photopush.Error{Reason: photopush.Auth, Op: "sign in to", On: c.host}
	}
	c.established++
	c.out, c.in = 0, 0
	return nil
}

func (c *turnsContext) seal(envelope []byte) (http.Header, []byte, error) {
	c.out++
	body := flip(fmt.Appendf(nil, "%d:%s", c.out, envelope))
	return http.Header{"Content-Type": {"multipart/encrypted;protocol=turns"}}, body, nil
}

func (c *turnsContext) written() {}

func (c *turnsContext) unseal(a *answer) ([]byte, error) {
	c.in++
	number, envelope, ok := bytes.Cut(flip(a.body), []byte(":"))
	if !ok || string(number) != fmt.Sprint(c.in) {
		return nil, &malformedError{fmt.Errorf("answer %q, want %d", number, c.in)}
	}
	return envelope, nil
}

func (c *turnsContext) challenged(*answer) error { return nil }

func flip(b []byte) []byte {
	out := make([]byte, len(b))
	for i := range b {
		out[i] = b[i] ^ 0x80
	}
	return out
}

// TestSealedConversation: contexts belong to connections, see every message and answer in their order, and begin anew after a 401.
func TestSealedConversation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		m := &turns{}
		c := testClient(t, testConfig(t), h.pipe)
		c.mechanism = m
		out, in := 0, 0
		refused := false
		h.raw = func(req *http.Request, body []byte) (plain []byte, answer *hostAnswer) {
			if req.Header.Get("Authorization") == "Turns hello" {
				out, in = 0, 0
				return nil, &hostAnswer{status: 200, header: http.Header{"WWW-Authenticate": {"Turns welcome"}}}
			}
			number, plain, _ := bytes.Cut(flip(body), []byte(":"))
			if in++; string(number) != fmt.Sprint(in) {
				t.Errorf("message %s, want %d", number, in)
			}
			if bytes.Contains(plain, []byte("shell/Receive")) && !refused {
				refused = true // the context has expired, as after some idle time
				return nil, &hostAnswer{status: 401, header: http.Header{"WWW-Authenticate": {"Turns"}}}
			}
			return plain, nil
		}
		h.seal = func(a *hostAnswer) {
			out++
			a.body = string(flip(fmt.Appendf(nil, "%d:%s", out, a.body)))
			a.header = http.Header{"Content-Type": {"multipart/encrypted;protocol=turns"}}
		}
		h.cutAt[6] = before // Signal; the shell is deleted on a second connection, in a second context
		output, err, closed := visitWith(t.Context(), c, []byte("12345"))
		if err != nil || closed != nil || string(output.Stdout) != "read 5 bytes" {
			t.Errorf("got %q, %v, %v", output.Stdout, err, closed)
		}
		if len(m.begun) != 2 || m.begun[0].established != 2 || m.begun[1].established != 1 || h.conns != 2 {
			t.Errorf("%d contexts on %d connections, want 2 on 2, the first established twice", len(m.begun), h.conns)
		}
		if !bytes.Equal(m.begun[0].leaf, h.cert.Certificate[0]) || m.begun[0].host != testHost {
			t.Error("the context was not bound to the host and its certificate")
		}
	})
}

// TestChallengeLoop: a host that challenges again and again is not asked for ever.
func TestChallengeLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t)
		c := testClient(t, testConfig(t), h.pipe)
		c.mechanism = &turns{}
		posts := 0
		h.raw = func(req *http.Request, _ []byte) ([]byte, *hostAnswer) {
			posts++
			if req.Header.Get("Authorization") != "" {
				return nil, &hostAnswer{status: 200, header: http.Header{"WWW-Authenticate": {"Turns welcome"}}}
			}
			return nil, &hostAnswer{status: 401}
		}
		_, err := c.Open(t.Context(), testWorkstation)
		if photopush.ReasonOf(err) != photopush.Denied || posts != 4 || !errors.Is(err, errSignedIn) {
			t.Errorf("got %v after %d requests, want denied after 4", err, posts)
		}
	})
}
