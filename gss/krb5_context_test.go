package gss

import (
	"bytes"
	"crypto/rand"
	"testing"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/keytab"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

const testSPN = "HTTP/pc1.corp.example"

// A service is a workstation's keytab, and tickets for it.
type service struct {
	keys  *keytab.Keytab
	etype int32
	end   time.Time
}

func newService(t testing.TB, password string, etype int32) *service {
	t.Helper()
	s := &service{keytab.New(), etype, time.Now().Add(time.Hour)}
	if err := s.keys.AddEntry(testSPN, "CORP.EXAMPLE", password, time.Now(), 1, etype); err != nil {
		t.Fatal(err)
	}
	return s
}

func (s *service) credential(t testing.TB) credential {
	t.Helper()
	client := types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, "svc")
	now := time.Now().UTC()
	ticket, key, err := messages.NewTicket(client, "CORP.EXAMPLE", types.NewPrincipalName(nametype.KRB_NT_SRV_INST, testSPN), "CORP.EXAMPLE",
		asn1.BitString{Bytes: make([]byte, 4), BitLength: 32}, s.keys, s.etype, 1, now, now, s.end, s.end)
	if err != nil {
		t.Fatal(err)
	}
	return credential{spn: testSPN, ticket: ticket, key: key, client: client, realm: "CORP.EXAMPLE", end: s.end}
}

func (s *service) acceptor(t testing.TB, o AcceptorOptions) *KerberosAcceptor {
	t.Helper()
	b, err := s.keys.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	a, err := NewKerberosAcceptor(b, o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// handshake carries tokens until both sides are done or one fails.
func handshake(t testing.TB, i, a Context) (ours, theirs error) {
	t.Helper()
	var token []byte
	for range 5 {
		out, done, err := i.Step(t.Context(), token)
		if err != nil || done && out == nil {
			return err, theirs
		}
		if token, _, theirs = a.Step(t.Context(), out); theirs != nil && token == nil {
			return nil, theirs
		}
		if done {
			return nil, theirs
		}
	}
	t.Fatal("the handshake has no end")
	return nil, nil
}

func TestKerberosContext(t *testing.T) {
	for _, etype := range []int32{etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA256_128} {
		for _, bare := range []bool{false, true} {
			s := newService(t, "secret", etype)
			i := newContext(&initiator{credential: s.credential(t), bare: bare, bindings: []byte("tls-server-end-point:x")})
			a := s.acceptor(t, AcceptorOptions{RequireBindings: true}).Accept([]byte("tls-server-end-point:x"))
			if _, _, err := i.Seal(nil, nil); err == nil {
				t.Error("a message was sealed before the context was there")
			}
			if ours, theirs := handshake(t, i, a); ours != nil || theirs != nil {
				t.Fatalf("type %d, bare %v: %v; %v", etype, bare, ours, theirs)
			}
			if a.Peer() != "svc@CORP.EXAMPLE" || i.Peer() != testSPN {
				t.Errorf("peers are %q and %q", a.Peer(), i.Peer())
			}
			message := make([]byte, 1000)
			rand.Read(message)
			for range 3 {
				for _, way := range [][2]Context{{i, a}, {a, i}} {
					sealed, _, err := way[0].Seal(nil, message)
					if err != nil {
						t.Fatal(err)
					}
					if got, err := way[1].Unseal(sealed); err != nil || !bytes.Equal(got, message) {
						t.Fatalf("type %d: %v", etype, err)
					}
				}
			}
		}
	}
}

func TestKerberosRefusals(t *testing.T) {
	good := newService(t, "secret", etypeID.AES256_CTS_HMAC_SHA1_96)
	old := newService(t, "secret", etypeID.AES256_CTS_HMAC_SHA1_96)
	old.end = time.Now().Add(-time.Hour)
	later := func() time.Time { return time.Now().Add(10 * time.Minute) }
	for _, c := range []struct {
		name       string
		client     *service
		server     *service
		options    AcceptorOptions
		ours       []byte
		theirs     []byte
		want, told photopush.Reason // what the initiator and the acceptor say
	}{
		{"another machine", good, newService(t, "other", etypeID.AES256_CTS_HMAC_SHA1_96), AcceptorOptions{}, nil, nil, photopush.WrongHost, photopush.WrongHost},
		{"clock", good, good, AcceptorOptions{Now: later}, nil, nil, photopush.ClockSkew, photopush.ClockSkew},
		{"expired", old, good, AcceptorOptions{}, nil, nil, photopush.ClockSkew, photopush.ClockSkew},
		{"other channel", good, good, AcceptorOptions{}, []byte("a"), []byte("b"), photopush.Unsupported, photopush.WrongHost},
		{"no channel", good, good, AcceptorOptions{RequireBindings: true}, nil, []byte("b"), photopush.Unsupported, photopush.Denied},
	} {
		for _, bare := range []bool{false, true} {
			forgotten := false
			i := newContext(&initiator{credential: c.client.credential(t), bare: bare, bindings: c.ours, modified: func() { forgotten = true }})
			ours, theirs := handshake(t, i, c.server.acceptor(t, c.options).Accept(c.theirs))
			if photopush.ReasonOf(ours) != c.want || photopush.ReasonOf(theirs) != c.told || !forgotten {
				t.Errorf("%s: the initiator says %v, the acceptor %v", c.name, ours, theirs)
			}
		}
	}
}

func TestReplay(t *testing.T) {
	s := newService(t, "secret", etypeID.AES256_CTS_HMAC_SHA1_96)
	service := s.acceptor(t, AcceptorOptions{})
	i := newContext(&initiator{credential: s.credential(t)})
	request, _, err := i.Step(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, done, err := service.Accept(nil).Step(t.Context(), request); err != nil || !done {
		t.Fatal(err)
	}
	if _, _, err := service.Accept(nil).Step(t.Context(), request); err == nil {
		t.Error("an authenticator was taken twice")
	}
}

// TestFalseAnswers: who cannot read the ticket cannot pose as the service.
func TestFalseAnswers(t *testing.T) {
	s := newService(t, "secret", etypeID.AES256_CTS_HMAC_SHA1_96)
	other := newContext(&initiator{credential: s.credential(t)})
	request, _, _ := other.Step(t.Context(), nil)
	answer, _, err := s.acceptor(t, AcceptorOptions{}).Accept(nil).Step(t.Context(), request)
	if err != nil {
		t.Fatal(err)
	}
	for name, token := range map[string][]byte{
		"nothing": {}, "noise": []byte("noise"), "another context's": answer,
		"completed without proof": (&negTokenResp{state: stateCompleted, mech: oidKerberos}).marshal(),
		"rejected":                (&negTokenResp{state: stateReject}).marshal(),
	} {
		i := newContext(&initiator{credential: s.credential(t)})
		if _, _, err := i.Step(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		if _, done, err := i.Step(t.Context(), token); err == nil || done {
			t.Errorf("%s was taken for the service's proof", name)
		}
	}
}

func FuzzKerberosTokens(f *testing.F) {
	s := newService(f, "secret", etypeID.AES128_CTS_HMAC_SHA1_96)
	cred := s.credential(f)
	first := newContext(&initiator{credential: cred})
	request, _, _ := first.Step(f.Context(), nil)
	answer, _, _ := s.acceptor(f, AcceptorOptions{}).Accept(nil).Step(f.Context(), request)
	f.Add(request)
	f.Add(answer)
	bad, _, _ := newService(f, "x", etypeID.AES128_CTS_HMAC_SHA1_96).acceptor(f, AcceptorOptions{}).Accept(nil).Step(f.Context(), request)
	f.Add(bad)
	service := s.acceptor(f, AcceptorOptions{})
	f.Fuzz(func(t *testing.T, token []byte) {
		_, _, _ = service.Accept(nil).Step(t.Context(), token)
		for _, bare := range []bool{false, true} {
			i := newContext(&initiator{credential: cred, bare: bare})
			if _, _, err := i.Step(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if _, done, err := i.Step(t.Context(), token); done || err == nil {
				t.Error("a made-up answer was taken for the service's")
			}
		}
	})
}
