package gss

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/jcmturner/gofork/encoding/asn1"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/iana/patype"
	"github.com/jcmturner/gokrb5/v8/messages"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

// A forgetfulKDC asks for pre-authentication, and is silent to it: what it may have thought of the password nobody learns.
type forgetfulKDC struct {
	asked  atomic.Int32
	proofs atomic.Int32 // requests with a proof of the password
	answer []byte       // to a proof; empty hangs up
}

// dial takes one request, whatever the address.
func (k *forgetfulKDC) dial(context.Context, string, string) (net.Conn, error) {
	ours, theirs := net.Pipe()
	go func() {
		defer theirs.Close()
		if answer := k.serve(theirs); len(answer) > 0 {
			theirs.Write(append(binary.BigEndian.AppendUint32(nil, uint32(len(answer))), answer...))
		}
	}()
	return ours, nil
}

func (k *forgetfulKDC) serve(conn io.Reader) []byte {
	b, err := readAnswer(conn) // a request has the same form
	if err != nil {
		return nil
	}
	k.asked.Add(1)
	var req messages.ASReq
	if req.Unmarshal(b) != nil {
		return nil
	}
	if req.PAData.Contains(patype.PA_ENC_TIMESTAMP) {
		k.proofs.Add(1)
		return k.answer
	}
	refused := messages.NewKRBError(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "krbtgt/CORP.EXAMPLE"), "CORP.EXAMPLE", kdcPreauthNeeded, "")
	info, errInfo := asn1.Marshal(types.ETypeInfo2{{EType: etypeID.AES256_CTS_HMAC_SHA1_96, Salt: "CORP.EXAMPLEsvc", S2KParams: []byte{0, 0, 0, 1}}})
	data, errData := asn1.Marshal(types.PADataSequence{{PADataType: patype.PA_ETYPE_INFO2, PADataValue: info}})
	refused.EData = data
	answer, err := refused.Marshal()
	if errors.Join(errInfo, errData, err) != nil {
		return nil
	}
	return answer
}

// TestUnansweredProof sends a proof of the password to two of many KDCs that do not answer it, and then once in half an hour, until the file has changed.
func TestUnansweredProof(t *testing.T) {
	unavailable := messages.NewKRBError(types.NewPrincipalName(nametype.KRB_NT_SRV_INST, "krbtgt/CORP.EXAMPLE"), "CORP.EXAMPLE", kdcUnavailable, "")
	away, err := unavailable.Marshal()
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		answer []byte
		counts bool
	}{
		"hangs up":       {nil, true},
		"says nonsense":  {[]byte{0x7e, 1, 2}, true},
		"is unavailable": {away, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) { testUnansweredProof(t, &forgetfulKDC{answer: test.answer}, test.counts) })
		})
	}
}

func testUnansweredProof(t *testing.T, kdc *forgetfulKDC, counts bool) {
	file := filepath.Join(t.TempDir(), "password")
	write := func(password string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(password+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("wrong")
	cfg := DefaultKerberosConfig()
	cfg.Realm = "CORP.EXAMPLE"
	for i := range 6 {
		cfg.KDCs = append(cfg.KDCs, fmt.Sprintf("dc%d.corp.example", i+1))
	}
	k, err := NewKerberos(cfg, KerberosAccount{User: "svc", Password: photopush.Secret{File: file}}, KerberosOptions{Dial: kdc.dial})
	if err != nil {
		t.Fatal(err)
	}
	if !counts {
		if _, err := k.Initiate(t.Context(), Target{SPNs: []string{"ldap/dc1.corp.example"}}); photopush.ReasonOf(err) != photopush.KDC || kdc.proofs.Load() != 6 {
			t.Errorf("%v after %d proofs, want one for each KDC", err, kdc.proofs.Load())
		}
		return
	}
	fails := func(proofs int32) {
		t.Helper()
		for range 3 {
			_, err := k.Initiate(t.Context(), Target{SPNs: []string{"ldap/dc1.corp.example"}})
			held, ok := errors.AsType[*photopush.HeldError](err)
			if !ok || photopush.ReasonOf(err) != photopush.KDC || !strings.Contains(held.Err.Error(), "KDC dc") {
				t.Errorf("got %v", err)
			}
		}
		if n := kdc.proofs.Load(); n != proofs {
			t.Errorf("%d proofs of the password were sent, want %d", n, proofs)
		}
	}
	fails(2)
	asked := kdc.asked.Load()
	time.Sleep(30*time.Minute - time.Second)
	fails(2)
	if n := kdc.asked.Load(); n != asked {
		t.Errorf("%d requests while the password must not be sent", n-asked)
	}
	time.Sleep(time.Second)
	fails(3)
	write("another one")
	fails(5)
}

// TestKDCsByDNS takes few of the names that DNS has, and none that is no host.
func TestKDCsByDNS(t *testing.T) {
	found := []*net.SRV{{Target: ".", Port: 88}}
	for i := range 500 {
		found = append(found, &net.SRV{Target: fmt.Sprintf("dc%d.corp.example.", i), Port: 88})
	}
	dialled := map[string]bool{}
	k, err := NewKerberos(KerberosConfig{Realm: "CORP.EXAMPLE", Timeout: time.Second}, KerberosAccount{User: "svc", Password: testSecret(t, "Secret-1")}, KerberosOptions{
		LookupSRV: func(context.Context, string, string, string) ([]*net.SRV, error) { return found, nil },
		Dial: func(_ context.Context, _, addr string) (net.Conn, error) {
			dialled[addr] = true
			return nil, errors.New("refused")
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Initiate(t.Context(), Target{SPNs: []string{"ldap/dc1.corp.example"}}); photopush.ReasonOf(err) != photopush.KDC {
		t.Errorf("got %v", err)
	}
	if len(dialled) != maxKDCs || !dialled["dc0.corp.example:88"] || dialled[":88"] {
		t.Errorf("dialled %v", dialled)
	}
}
