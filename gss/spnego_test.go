package gss

import (
	"bytes"
	"encoding/asn1"
	"encoding/hex"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

func TestSPNEGOInit(t *testing.T) {
	n := &negTokenInit{mechTypes: []asn1.ObjectIdentifier{oidMSKerberos, oidKerberos}, mechToken: []byte("token")}
	token := n.marshal()
	// Laid out by hand from RFC 4178 section 4.2 and RFC 2743 section 3.1.
	inner := "a0 29 30 27" + " a0 18 30 16" + " 06 09 2a 86 48 82 f7 12 01 02 02" + " 06 09 2a 86 48 86 f7 12 01 02 02" + " a2 07 04 05 74 6f 6b 65 6e"
	b, err := hex.DecodeString(strings.ReplaceAll(inner, " ", ""))
	if err != nil {
		t.Fatal(err)
	}
	b[1], b[3] = byte(len(b)-2), byte(len(b)-4)
	if got := frameToken(oidSPNEGO, b); !bytes.Equal(got, token) {
		t.Errorf("got  %x\nwant %x", token, got)
	}
	init, resp, err := parseSPNEGO(token)
	if err != nil || resp != nil || len(init.mechTypes) != 2 || !init.mechTypes[1].Equal(oidKerberos) || string(init.mechToken) != "token" {
		t.Errorf("got %+v, %+v, %v", init, resp, err)
	}
}

func TestSPNEGOResp(t *testing.T) {
	for _, n := range []*negTokenResp{
		{state: stateCompleted, mech: oidMSKerberos, token: []byte("reply"), mic: []byte("mic")},
		{state: stateReject},
		{state: stateAbsent, token: []byte("x")},
	} {
		init, resp, err := parseSPNEGO(n.marshal())
		if err != nil || init != nil || resp.state != n.state || !resp.mech.Equal(n.mech) || !bytes.Equal(resp.token, n.token) || !bytes.Equal(resp.mic, n.mic) {
			t.Errorf("%+v became %+v, %v", n, resp, err)
		}
	}
}

func TestFrame(t *testing.T) {
	for _, size := range []int{0, 1, 100, 200, 70_000} {
		inner := make([]byte, size)
		oid, got, err := unframeToken(frameToken(oidKerberos, inner))
		if err != nil || !oid.Equal(oidKerberos) || !bytes.Equal(got, inner) {
			t.Errorf("%d bytes: %v, %d bytes, %v", size, oid, len(got), err)
		}
	}
	good := frameToken(oidKerberos, []byte("inner"))
	for n := range good {
		if _, _, err := unframeToken(good[:n]); err == nil {
			t.Errorf("the first %d bytes were taken for a token", n)
		}
	}
}

func FuzzSPNEGO(f *testing.F) {
	f.Add((&negTokenInit{mechTypes: []asn1.ObjectIdentifier{oidKerberos}, mechToken: []byte("t")}).marshal())
	f.Add((&negTokenResp{state: stateIncomplete, mech: oidNTLM, token: []byte("t"), mic: []byte("m")}).marshal())
	// NegTokenInit2 of a Windows server, with its hint
	f.Add(frameToken(oidSPNEGO, sequence(0, func(b *cryptobyte.Builder) {
		b.AddASN1(explicit(3), func(b *cryptobyte.Builder) { b.AddASN1(cbasn1.SEQUENCE, func(*cryptobyte.Builder) {}) })
	})))
	f.Fuzz(func(t *testing.T, b []byte) {
		init, resp, err := parseSPNEGO(b)
		switch {
		case err != nil:
		case init != nil:
			if _, _, err := parseSPNEGO(init.marshal()); err != nil {
				t.Errorf("what was read cannot be written: %v", err)
			}
		default:
			if again := resp.marshal(); len(again) > len(b)+16 {
				t.Errorf("%d bytes became %d", len(b), len(again))
			}
		}
	})
}
