package gss

import (
	"bytes"
	"encoding/asn1"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
)

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// The common values of MS-NLMP 4.2.1, and the challenge of 4.2.4.3.
const (
	exampleChallenge = "4e544c4d53535000 02000000 0c000c00 38000000 33828ae2 0123456789abcdef 0000000000000000 24002400 44000000 060070170000000f " +
		"530065007200760065007200 02000c0044006f006d00610069006e00 01000c00530065007200760065007200 00000000"
	exampleInfo = "02000c0044006f006d00610069006e0001000c0053006500720076006500720000000000"
)

// TestNTLMVectors are the examples of MS-NLMP 4.2.4.
func TestNTLMVectors(t *testing.T) {
	check := func(what string, got []byte, want string) {
		t.Helper()
		if !bytes.Equal(got, unhex(t, want)) {
			t.Errorf("%s is %x, want %s", what, got, want)
		}
	}
	key := ntlmResponseKey("User", "Domain", "Password")
	check("NTOWFv2 (4.2.4.1.1)", key, "0c868a403bfd7a93a3001ef22ef02e3f")
	server, nonce := [8]byte{1, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef}, [8]byte(bytes.Repeat([]byte{0xaa}, 8))
	client := ntlmClientChallenge(0, nonce, unhex(t, exampleInfo))
	proof, session := ntlmProof(key, server, client)
	check("the NTLMv2 response (4.2.4.2.2)", proof, "68cd0ab851e51c96aabc927bebef6a1c")
	check("the session base key (4.2.4.1.2)", session, "8de40ccadbc14a82f15cb0ad0de95ca3")
	random := bytes.Repeat([]byte{0x55}, 16)
	check("the encrypted session key (4.2.4.2.3)", rc4Once(session, random), "c5dad2544fc9799094ce1ce90bc9d03e")
	s := newNTLMSealer(random, true)
	check("SEALKEY (4.2.4.4)", s.out.sealing, "59f600973cc4960a25480a7c196e4c58")
	check("SIGNKEY (4.2.4.4)", s.out.signing, "4788dc861b4782f35d43fd98fe1a2d39")
	sealed, header, err := s.Seal(nil, toUTF16("Plaintext"))
	if err != nil || header != ntlmTag {
		t.Fatalf("header %d, %v", header, err)
	}
	check("the sealed message (4.2.4.4)", sealed, "010000007fb38ec5c55d497600000000"+"54e50165bf1936dc996020c1811b0f06fb5f")
}

// TestNTLMWantsTheTime: the challenge of MS-NLMP 4.2.4.3 has no time, so that nothing would protect the messages; it is not answered.
func TestNTLMWantsTheTime(t *testing.T) {
	i := initiate(t, "User", "Password", Target{Bare: true})
	if _, _, err := i.Step(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	out, done, err := i.Step(t.Context(), unhex(t, exampleChallenge))
	if !errors.Is(err, errNoTime) || photopush.ReasonOf(err) != photopush.Unsupported || done || out != nil {
		t.Errorf("%x, %v, %v", out, done, err)
	}
}

func testSecret(t testing.TB, text string) photopush.Secret {
	t.Helper()
	file := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return photopush.Secret{File: file}
}

// pc1 knows the local account svc and CORP\push, both with the password Secret-ä1.
func pc1(t testing.TB, change func(*NTLMAcceptorOptions)) *NTLMAcceptor {
	t.Helper()
	o := NTLMAcceptorOptions{
		Computer: "PC1", Host: "pc1.corp.example", Domain: "CORP", DNSDomain: "corp.example",
		Password: func(domain, user string) (string, string, bool) {
			switch name := strings.ToLower(domain + `\` + user); name {
			case `\svc`, `pc1\svc`:
				return "Secret-ä1", "svc", true
			case `corp\push`, `\push@corp.example`:
				return "Secret-ä1", `CORP\push`, true
			}
			return "", "", false
		},
	}
	if change != nil {
		change(&o)
	}
	a, err := NewNTLMAcceptor(o)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// converse exchanges tokens until both sides are done or one refuses.
func converse(t testing.TB, i, a Context, alter func(leg int, token []byte)) error {
	t.Helper()
	var token []byte
	for leg := range 8 {
		out, done, err := i.Step(t.Context(), token)
		if err != nil || done && len(out) == 0 {
			return err
		}
		if alter != nil {
			alter(2*leg, out)
		}
		var complete bool
		if token, complete, err = a.Step(t.Context(), out); err != nil {
			return err
		}
		if complete && done {
			return nil
		}
		if alter != nil {
			alter(2*leg+1, token)
		}
	}
	t.Fatal("the exchange has no end")
	return nil
}

func initiate(t testing.TB, user, password string, target Target) Context {
	t.Helper()
	n, err := NewNTLM(NTLMAccount{User: user, Password: testSecret(t, password)})
	if err != nil {
		t.Fatal(err)
	}
	if target.SPNs == nil {
		target.SPNs = []string{"HTTP/pc1.corp.example"}
	}
	c, err := n.Initiate(t.Context(), target)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// TestNTLM: accounts of every spelling, bare and in SPNEGO, then messages both ways.
func TestNTLM(t *testing.T) {
	for user, peer := range map[string]string{"svc": "svc", `.\SVC`: "svc", `PC1\svc`: "svc", `CORP\push`: `CORP\push`, "push@corp.example": `CORP\push`} {
		for _, bare := range []bool{true, false} {
			i, a := initiate(t, user, "Secret-ä1", Target{Bare: bare}), (&Acceptor{NTLM: pc1(t, nil)}).Accept(nil)
			if err := converse(t, i, a, nil); err != nil {
				t.Errorf("%s, bare %v: %v", user, bare, err)
				continue
			}
			if a.Peer() != peer || i.Peer() != "HTTP/pc1.corp.example" {
				t.Errorf("%s: %s signed in to %s", user, a.Peer(), i.Peer())
			}
			for n := range 3 {
				for _, way := range [][2]Context{{i, a}, {a, i}} {
					message := bytes.Repeat([]byte{byte(n)}, n*1000)
					sealed, header, err := way[0].Seal(nil, message)
					if err != nil || header != 16 || len(sealed) != 16+len(message) || n > 0 && bytes.Contains(sealed, message[:8]) {
						t.Fatalf("sealed %d bytes to %d with a header of %d: %v", len(message), len(sealed), header, err)
					}
					if got, err := way[1].Unseal(sealed); err != nil || !bytes.Equal(got, message) {
						t.Fatalf("unsealed: %v", err)
					}
				}
			}
		}
	}
}

// TestNTLMRefusals: what is refused, for which reason, and that a refused logon names the account and not the password.
func TestNTLMRefusals(t *testing.T) {
	binding := []byte("tls-server-end-point:1")
	for _, x := range []struct {
		name, user, password string
		ours, theirs         []byte
		change               func(*NTLMAcceptorOptions)
		alter                func(leg int, token []byte)
		want                 photopush.Reason
		account              string
	}{
		{name: "wrong password", user: "svc", password: "Wrong-1", want: photopush.Auth, account: "svc"},
		{name: "no such account", user: `CORP\nobody`, password: "Secret-ä1", want: photopush.Auth, account: `CORP\nobody`},
		{name: "another domain", user: `OTHER\svc`, password: "Secret-ä1", want: photopush.Auth, account: `OTHER\svc`},
		{name: "wrong binding", user: "svc", password: "Secret-ä1", ours: []byte("tls-server-end-point:2"), theirs: binding, want: photopush.WrongHost},
		{name: "no binding, none required", user: "svc", password: "Secret-ä1", theirs: binding},
		{name: "right binding", user: "svc", password: "Secret-ä1", ours: binding, theirs: binding},
		{name: "no binding", user: "svc", password: "Secret-ä1", theirs: binding, change: func(o *NTLMAcceptorOptions) { o.RequireBindings = true }, want: photopush.Denied},
		{name: "a flag of the first message altered", user: "svc", password: "Secret-ä1", alter: func(leg int, token []byte) {
			if leg == 0 {
				token[15] ^= 0x80 // 56 bits, which nobody needs
			}
		}, want: photopush.Unsupported},
		{name: "the time taken out of the challenge", user: "svc", password: "Secret-ä1", alter: func(leg int, token []byte) {
			if leg == 1 { // it becomes an attribute that nobody knows
				token[bytes.Index(token, []byte{avTimestamp, 0, 8, 0})] = 99
			}
		}, want: photopush.Unsupported},
		{name: "the challenge altered", user: "svc", password: "Secret-ä1", alter: func(leg int, token []byte) {
			if leg == 1 {
				token[23] ^= 0x80 // 56 bits
			}
		}, want: photopush.Unsupported},
		{name: "the response altered", user: "svc", password: "Secret-ä1", alter: func(leg int, token []byte) {
			if leg == 2 {
				token[63] ^= 0x80
			}
		}, want: photopush.Unsupported},
		{name: "no sealing offered", user: "svc", password: "Secret-ä1", alter: func(leg int, token []byte) {
			if leg == 1 {
				token[20] &^= ntlmSeal
			}
		}, want: photopush.Unsupported},
		{name: "clock of last week", user: "svc", password: "Secret-ä1", alter: nil, change: func(o *NTLMAcceptorOptions) {
			calls := 0
			o.Now = func() time.Time { calls++; return time.Now().Add(time.Duration(calls) * 100 * time.Hour) }
		}, want: photopush.Auth, account: "svc"},
	} {
		t.Run(x.name, func(t *testing.T) {
			i, a := initiate(t, x.user, x.password, Target{Bare: true, Bindings: x.ours}), pc1(t, x.change).Accept(x.theirs)
			err := converse(t, i, a, x.alter)
			if x.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			refused, _ := errors.AsType[*LogonError](err)
			if photopush.ReasonOf(err) != x.want || strings.Contains(err.Error(), x.password) || (refused != nil) != (x.account != "") {
				t.Fatalf("got %v, want %s", err, x.want)
			}
			if refused != nil && refused.Account != x.account {
				t.Errorf("%s was refused, want %s", refused.Account, x.account)
			}
		})
	}
}

// TestNTLMFirstChoiceKerberos: a client that tries Kerberos first is told to send a token for NTLM, and must sign its list of mechanisms then.
func TestNTLMFirstChoiceKerberos(t *testing.T) {
	mechs := []asn1.ObjectIdentifier{oidMSKerberos, oidNTLM}
	for name, x := range map[string]struct {
		list []byte // that is signed; nil for none
		want error
	}{
		"signed":       {mechList(mechs), nil},
		"not signed":   {nil, errListMIC},
		"another list": {mechList(mechs[1:]), errListMIC},
	} {
		raw := &ntlmInitiator{NTLM: &NTLM{user: "svc"}, spn: "HTTP/pc1.corp.example", secret: "Secret-ä1"}
		i, a := newContext(raw), (&Acceptor{NTLM: pc1(t, nil)}).Accept(nil)
		negotiate, _, err := i.Step(t.Context(), nil)
		if err != nil {
			t.Fatal(err)
		}
		token, _, err := a.Step(t.Context(), (&negTokenInit{mechTypes: mechs, mechToken: []byte("a ticket")}).marshal())
		if err != nil {
			t.Fatal(err)
		}
		if _, resp, err := parseSPNEGO(token); err != nil || resp == nil || !resp.mech.Equal(oidNTLM) || resp.token != nil || resp.state != stateRequestMIC {
			t.Fatalf("%+v, %v", resp, err)
		}
		if token, _, err = a.Step(t.Context(), (&negTokenResp{state: stateAbsent, token: negotiate}).marshal()); err != nil {
			t.Fatal(err)
		}
		_, resp, err := parseSPNEGO(token)
		if err != nil {
			t.Fatal(err)
		}
		last := &negTokenResp{state: stateAbsent}
		if last.token, _, err = i.Step(t.Context(), resp.token); err != nil {
			t.Fatal(err)
		}
		if x.list != nil {
			last.mic = raw.seal.listMIC(x.list)
		}
		if _, done, err := a.Step(t.Context(), last.marshal()); !errors.Is(err, x.want) || done != (x.want == nil) {
			t.Errorf("%s: %v, %v", name, done, err)
		}
	}
}

// TestNTLMInSPNEGO: what a service may answer at the end, and what it means. Nothing is sealed before the list of mechanisms is verified.
func TestNTLMInSPNEGO(t *testing.T) {
	for name, x := range map[string]struct {
		answer func(right *negTokenResp) *negTokenResp
		want   photopush.Reason
	}{
		"another signature": {func(r *negTokenResp) *negTokenResp { r.mic[5] ^= 1; return r }, photopush.Unsupported},
		"no signature":      {func(r *negTokenResp) *negTokenResp { r.mic = nil; return r }, photopush.Unsupported},
		"not completed":     {func(r *negTokenResp) *negTokenResp { r.state = stateIncomplete; return r }, photopush.Unsupported},
		"rejected":          {func(*negTokenResp) *negTokenResp { return &negTokenResp{state: stateReject} }, photopush.Auth},
	} {
		i, a := initiate(t, "svc", "Secret-ä1", Target{}), pc1(t, nil).Accept(nil)
		var token []byte
		for range 2 {
			out, _, err := i.Step(t.Context(), token)
			if err != nil {
				t.Fatal(err)
			}
			if token, _, err = a.Step(t.Context(), out); err != nil {
				t.Fatal(err)
			}
		}
		if _, _, err := i.Seal(nil, nil); !errors.Is(err, errNotDone) {
			t.Errorf("%s: sealed before the end: %v", name, err)
		}
		_, right, err := parseSPNEGO(token)
		if err != nil {
			t.Fatal(err)
		}
		_, done, err := i.Step(t.Context(), x.answer(right).marshal())
		if photopush.ReasonOf(err) != x.want || done {
			t.Errorf("%s: %v, %v", name, done, err)
		}
		if _, _, sealing := i.Seal(nil, nil); sealing != err {
			t.Errorf("%s: sealed after it: %v", name, sealing)
		}
	}
	i := initiate(t, "svc", "Secret-ä1", Target{})
	if _, _, err := i.Step(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	if _, _, err := i.Step(t.Context(), (&negTokenResp{state: stateReject}).marshal()); photopush.ReasonOf(err) != photopush.Unsupported {
		t.Errorf("a service that does not take NTLM: %v", err) // it has seen no credential
	}
}

// TestNothingAfterAnError: a service does not let another try at the same challenge, nor a client answer a second one.
func TestNothingAfterAnError(t *testing.T) {
	wrong, right, a := initiate(t, "svc", "Wrong-1", Target{Bare: true}), initiate(t, "svc", "Secret-ä1", Target{Bare: true}), pc1(t, nil).Accept(nil)
	negotiate, _, err := wrong.Step(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := right.Step(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	challenge, _, err := a.Step(t.Context(), negotiate)
	if err != nil {
		t.Fatal(err)
	}
	for _, i := range []Context{wrong, right} {
		token, _, err := i.Step(t.Context(), bytes.Clone(challenge))
		if err != nil {
			t.Fatal(err)
		}
		if _, done, err := a.Step(t.Context(), token); photopush.ReasonOf(err) != photopush.Auth || done {
			t.Errorf("%v, %v", done, err)
		}
	}
	i := initiate(t, "svc", "Secret-ä1", Target{Bare: true})
	if _, _, err := i.Step(t.Context(), nil); err != nil {
		t.Fatal(err)
	}
	_, _, first := i.Step(t.Context(), []byte("rubbish"))
	if _, _, err := i.Step(t.Context(), challenge); first == nil || err != first {
		t.Errorf("%v, then %v", first, err)
	}
}

// TestNTLMSequence: a message that is altered, repeated or left out ends the context.
func TestNTLMSequence(t *testing.T) {
	for name, spoil := range map[string]func(first, second []byte) []byte{
		"altered":  func(first, _ []byte) []byte { first[20] ^= 1; return first },
		"left out": func(_, second []byte) []byte { return second },
		"short":    func(first, _ []byte) []byte { return first[:15] },
		"repeated": nil,
	} {
		i, a := initiate(t, "svc", "Secret-ä1", Target{Bare: true}), pc1(t, nil).Accept(nil)
		if err := converse(t, i, a, nil); err != nil {
			t.Fatal(err)
		}
		first, _, err1 := i.Seal(nil, []byte("first message"))
		second, _, err2 := i.Seal(nil, []byte("second message"))
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		if spoil == nil {
			if _, err := a.Unseal(bytes.Clone(first)); err != nil {
				t.Fatal(err)
			}
			spoil = func(first, _ []byte) []byte { return first }
		}
		if _, err := a.Unseal(spoil(bytes.Clone(first), second)); photopush.ReasonOf(err) != photopush.Unsupported {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := a.Unseal(second); err == nil {
			t.Errorf("%s: the context goes on", name)
		}
	}
}

// TestNTLMBeforeItIsThere: contexts that are not established, or already are, say so.
func TestNTLMBeforeItIsThere(t *testing.T) {
	i, a := initiate(t, "svc", "Secret-ä1", Target{Bare: true}), (&Acceptor{NTLM: pc1(t, nil)}).Accept(nil)
	for _, c := range []Context{i, a, pc1(t, nil).Accept(nil)} {
		_, _, sealing := c.Seal(nil, nil)
		_, unsealing := c.Unseal(make([]byte, 16))
		if photopush.ReasonOf(sealing) != photopush.Internal || photopush.ReasonOf(unsealing) != photopush.Internal {
			t.Errorf("%v, %v", sealing, unsealing)
		}
	}
	if err := converse(t, i, a, nil); err != nil {
		t.Fatal(err)
	}
	for _, c := range []Context{i, a} {
		if _, _, err := c.Step(t.Context(), nil); !errors.Is(err, errContextEnd) {
			t.Errorf("got %v", err)
		}
	}
}

// pywinrmNegotiate is the first message of ntlm-auth, by which pywinrm signs in: the OEM character set, and no flag for NTLM.
const pywinrmNegotiate = "4e544c4d5353500001000000329088e2000000002800000000000000280000000601b11d0000000f"

// TestNTLMWithoutUnicode: names are in the character set that the client asked for, and one of the two it must ask for.
func TestNTLMWithoutUnicode(t *testing.T) {
	negotiate := unhex(t, pywinrmNegotiate)
	challenge, done, err := pc1(t, nil).Accept(nil).Step(t.Context(), negotiate)
	if err != nil || done {
		t.Fatal(done, err)
	}
	flags := binary.LittleEndian.Uint32(challenge[20:])
	if target, err := ntlmField(challenge, 12); err != nil || string(target) != "CORP" || flags&(ntlmUnicode|ntlmOEM|ntlmNTLM) != ntlmOEM|ntlmNTLM {
		t.Errorf("%q, %v, flags %08x", target, err, flags)
	}
	negotiate[12] &^= ntlmOEM
	if _, _, err := pc1(t, nil).Accept(nil).Step(t.Context(), negotiate); photopush.ReasonOf(err) != photopush.Unsupported {
		t.Errorf("without any character set: %v", err)
	}
	for text, good := range map[string]bool{"svc": true, "": true, "sv\xe7": false} {
		if got, err := fromOEM([]byte(text)); (err == nil) != good || good && got != text {
			t.Errorf("%q is %q, %v", text, got, err)
		}
	}
}

// FuzzNTLM: no message makes either side panic, and none but the right one makes a context.
func FuzzNTLM(f *testing.F) {
	i := initiate(f, "svc", "Secret-ä1", Target{Bare: true})
	a := pc1(f, nil).Accept(nil)
	negotiate, _, err := i.Step(f.Context(), nil)
	if err != nil {
		f.Fatal(err)
	}
	challenge, _, err := a.Step(f.Context(), negotiate)
	if err != nil {
		f.Fatal(err)
	}
	authenticate, _, err := i.Step(f.Context(), challenge)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(negotiate)
	f.Add(challenge)
	f.Add(authenticate)
	f.Add(unhex(f, exampleChallenge))
	f.Add(unhex(f, pywinrmNegotiate))
	f.Add((&negTokenInit{mechTypes: []asn1.ObjectIdentifier{oidNTLM}, mechToken: negotiate}).marshal())
	secret := testSecret(f, "Secret-ä1")
	f.Fuzz(func(t *testing.T, token []byte) {
		n, err := NewNTLM(NTLMAccount{User: "svc", Password: secret})
		if err != nil {
			t.Fatal(err)
		}
		for _, bare := range []bool{true, false} {
			i, err := n.Initiate(t.Context(), Target{SPNs: []string{"HTTP/pc1"}, Bare: bare})
			if err != nil {
				t.Fatal(err)
			}
			if _, _, err := i.Step(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if out, _, err := i.Step(t.Context(), bytes.Clone(token)); err == nil && bare {
				if _, err := readAuthenticate(out); err != nil {
					t.Errorf("we cannot read what we sent: %v", err)
				}
			}
		}
		a := (&Acceptor{NTLM: pc1(t, nil)}).Accept(nil)
		for range 2 {
			if _, done, _ := a.Step(t.Context(), bytes.Clone(token)); done {
				t.Error("a context without a password")
			}
		}
		if m, err := readAuthenticate(token); err == nil && binary.LittleEndian.Uint32(token[60:])&ntlmSeal == 0 {
			t.Errorf("%+v without sealing", m)
		}
	})
}
