package winrm

import (
	"net/http"
	"os"
	"testing"
	"testing/synctest"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/simwin"
)

// withNTLM makes a simulated workstation one that takes NTLM over HTTP, and the client one that uses it.
func withNTLM(t *testing.T, o *simwin.Options, cfg *Config) {
	t.Helper()
	service, err := simwin.NewNTLM(simwin.NTLMOptions{Host: o.Host, Users: o.Users})
	if err != nil {
		t.Fatal(err)
	}
	o.Certificate.Certificate, o.Mechanisms = nil, []simwin.Mechanism{simwin.NewNegotiate(&gss.Acceptor{NTLM: service}, nil)}
	cfg.Transport, cfg.Auth, cfg.CAFile = overHTTP, authNTLM, ""
}

// TestOneFailedLogon: whenever in a visit a password turns out to be wrong, it costs one failed logon there: nothing that follows tries it again.
func TestOneFailedLogon(t *testing.T) {
	for _, auth := range []string{authBasic, authNTLM} {
		for when, test := range map[string]struct {
			fault  simwin.Fault
			quiet  bool // until the workstation wants a new sign-in
			orphan bool
			opens  bool
		}{
			"open":            {},
			"sweep":           {orphan: true},
			"redial":          {opens: true, fault: simwin.Fault{Mode: simwin.LoseBefore, Action: "Command", Times: 1}},
			"redial at end":   {opens: true, fault: simwin.Fault{Mode: simwin.LoseBefore, Action: "Signal", Times: 1}},
			"sign in anew":    {opens: true, quiet: true},
			"and then a loss": {opens: true, quiet: true, fault: simwin.Fault{Mode: simwin.LoseBefore, Action: "Command"}},
		} {
			if auth == authBasic && test.quiet {
				continue // it signs in with every request
			}
			t.Run(auth+" "+when, func(t *testing.T) {
				clock, password := simwin.NewManualClock(time.Now()), ""
				host, c := simulated(t, &engine{}, func(o *simwin.Options, cfg *Config) {
					o.Clock, password = clock, cfg.PasswordFile
					if auth == authNTLM {
						withNTLM(t, o, cfg)
					}
				})
				change := func() {
					if err := os.WriteFile(password, []byte("wrong\n"), 0o600); err != nil {
						t.Fatal(err)
					}
				}
				if test.orphan {
					c.rememberOrphan(testHost, newID())
				}
				if !test.opens {
					change()
				}
				s, err := c.Open(t.Context(), testWorkstation)
				if test.opens {
					if err != nil {
						t.Fatal(err)
					}
					change()
					if test.quiet {
						clock.Advance(20 * time.Second)
					}
					setFault(t, host, test.fault)
					_, err = s.Run(t.Context(), commandLine, []byte("x"))
					again := s.Close(t.Context())
					if photopush.ReasonOf(again) != photopush.Auth || len(c.orphans) != 1 {
						t.Errorf("Close: got %v, %d shells remembered", again, len(c.orphans))
					}
					if when == "redial at end" { // nothing depends on Signal
						err = again
					}
				}
				if photopush.ReasonOf(err) != photopush.Auth {
					t.Errorf("got %v", err)
				}
				if n := host.Stats().FailedLogons["svc"]; n != 1 {
					t.Errorf("%d failed logons, want 1", n)
				}
				if test.orphan && len(c.orphans) != 1 {
					t.Error("the shell left behind is forgotten")
				}
			})
		}
	}
}

// TestRejectedMidway: a workstation that rejects the credential in the middle of a visit does not get it again.
func TestRejectedMidway(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h, n := newHost(t), 0
		h.override = func(_ int, r *soapRequest) *hostAnswer {
			if r.name() == "Create" {
				return nil
			}
			n++
			return &hostAnswer{status: 401, header: http.Header{"WWW-Authenticate": {"Basic"}}}
		}
		_, err, closed := visitWith(t.Context(), testClient(t, testConfig(t), h.pipe), []byte("x"))
		if photopush.ReasonOf(err) != photopush.Auth || photopush.ReasonOf(closed) != photopush.Auth || n != 1 {
			t.Errorf("got %v, then %v; the credential was rejected %d times", err, closed, n)
		}
	})
}

// TestSpent: a host that answers the token with the credential by no answer, or none that tells, does not get another in this visit.
func TestSpent(t *testing.T) {
	for name, deny := range map[string]*hostAnswer{
		"breaks off": {raw: "HTTP/1.1 "},
		"rubbish":    {raw: "SSH-2.0-OpenSSH_9\r\n\r\n"},
		"no WinRM":   {status: 503},
		"a page":     {status: 404, body: "<html>"},
		"no token":   {status: 200, header: http.Header{"WWW-Authenticate": {"Negotiate !"}}},
		"rejection":  {status: 401, header: http.Header{"WWW-Authenticate": {"Kerberos"}}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				h := newSealedHost(t, 2, "")
				c := negotiating(t, h, photopush.Auth)
				s, err := c.Open(t.Context(), testWorkstation)
				if err != nil {
					t.Fatal(err)
				}
				ch, err := c.Dial(t.Context(), testWorkstation)
				if err != nil {
					t.Fatal(err)
				}
				defer ch.Close()
				h.far, h.deny, h.spared = nil, deny, 5
				_, err = s.Run(t.Context(), commandLine, []byte("x"))
				if closed := s.Close(t.Context()); err == nil || photopush.ReasonOf(closed) != photopush.ReasonOf(err) {
					t.Errorf("got %v, then %v", err, closed)
				}
				if h.tokens != 6 {
					t.Errorf("%d tokens, want 2 for each sign-in before and 2 for the one that failed", h.tokens)
				}
				h.spared = 7
				_, _, err = ch.Post(t.Context(), []byte("<Envelope/>"))
				_, _, again := ch.Post(t.Context(), []byte("<Envelope/>"))
				if err == nil || photopush.ReasonOf(again) != photopush.ReasonOf(err) || ch.Rejected() == nil || h.tokens != 8 {
					t.Errorf("got %v, then %v, %d tokens", err, again, h.tokens)
				}
			})
		})
	}
}

// TestUnanswered: as long as no answer shows that the account may sign in, a host that breaks the connection gets the credential twice, as Create is
// repeated, and not once more.
func TestUnanswered(t *testing.T) {
	for _, when := range []cut{before, after, midway} {
		synctest.Test(t, func(t *testing.T) {
			h := newHost(t)
			for i := range 10 {
				h.cutAt[i+1] = when
			}
			c := testClient(t, testConfig(t), h.pipe)
			c.rememberOrphan(testHost, newID())
			if _, err := c.Open(t.Context(), testWorkstation); photopush.ReasonOf(err) != photopush.Timeout || len(h.requests) != maxUnanswered {
				t.Errorf("got %v after %d requests", err, len(h.requests))
			}
		})
	}
}

// TestLapsed: when signing in anew fails, its reason stays that of the connection; a session may make another one for its shell.
func TestLapsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newSealedHost(t, 1, "proof")
		c := negotiating(t, h, photopush.Denied)
		ch, err := c.Dial(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		defer ch.Close()
		s, err := c.Open(t.Context(), testWorkstation)
		if err != nil {
			t.Fatal(err)
		}
		refuse := &hostAnswer{status: 401, header: http.Header{"WWW-Authenticate": {"Negotiate"}}}
		h.far, h.deny = nil, refuse
		for i := range 3 {
			if _, _, err := ch.Post(t.Context(), []byte("<Envelope/>")); photopush.ReasonOf(err) != photopush.Denied {
				t.Errorf("message %d: got %v", i, err)
			}
		}
		for i := range 3 {
			if _, err := s.Run(t.Context(), commandLine, []byte("x")); photopush.ReasonOf(err) != photopush.Denied {
				t.Errorf("run %d: got %v", i, err)
			}
		}
		if h.tokens != 5 {
			t.Errorf("%d tokens, want 2 that were accepted, and of those refused one for each connection and one for the redial", h.tokens)
		}
		h.deny = nil
		if err := s.Close(t.Context()); err != nil || len(h.shells) != 0 {
			t.Errorf("got %v, %d shells", err, len(h.shells))
		}
	})
}
