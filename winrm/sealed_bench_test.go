//go:build linux

package winrm

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hmac"
	"crypto/sha1"
	"net"
	"os"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/farend"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/summary"
)

// maxSealedCPU bounds what a sealed push costs the client: processor time, as a multiple of that for the same bytes by net/http, encrypted and
// authenticated by the standard library.
const maxSealedCPU = 1.5

// BenchmarkKnownStateSealed and BenchmarkFirstContactSealed are BenchmarkKnownState and BenchmarkFirstContact over HTTP, with Kerberos and every
// message sealed. The bars are the same: signing in is among the requests.
func BenchmarkKnownStateSealed(b *testing.B) { benchmarkSealed(b, 1, 7) }

func BenchmarkFirstContactSealed(b *testing.B) { benchmarkSealed(b, 2, 11) }

func benchmarkSealed(b *testing.B, runs, requests int) {
	l := newKerberosLab(b, headerNegotiate, testHost)
	benchmarkVisit(b, l.server, l.client, runs, requests)
}

// BenchmarkSealedCPU is the processor time of a push over HTTP with Kerberos, every message sealed, from connecting to the end of the shell, beside
// the same exchanges by net/http with AES-CBC and HMAC-SHA1 on the same bytes, in turns. The workstation is in another process.
func BenchmarkSealedCPU(b *testing.B) {
	far, client, recorder := sealedFarEnd(b)
	input := pushInput()
	ours := func() {
		s, err := client.Open(b.Context(), testWorkstation)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := s.Run(b.Context(), commandLine, input); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(b.Context()); err != nil {
			b.Fatal(err)
		}
	}
	ours() // it gets the ticket, too
	theirs := standardLibrary(b, far, recorder.Exchanges())
	theirs()
	far.Reset()
	var spent [2]time.Duration
	pushes := 0
	for b.Loop() {
		pushes++
		for i, f := range []func(){ours, theirs} {
			spent[i] += cpu(b, f)
		}
	}
	stats := far.Counts().HTTP
	if stats.Requests != 7*pushes || stats.MaxConnections() != 1 || stats.MaxProcesses() != 1 {
		b.Errorf("%d requests for %d pushes, at most %d connections and %d processes, want 7, 1 and 1 each", stats.Requests, pushes, stats.MaxConnections(), stats.MaxProcesses())
	}
	ratio := float64(spent[0]) / float64(spent[1])
	b.ReportMetric(float64(spent[0].Microseconds())/float64(pushes), "cpu-µs/push")
	b.ReportMetric(ratio, "ours/standard")
	if ratio > maxSealedCPU {
		b.Errorf("a sealed push takes %.2f times the processor time of net/http, AES-CBC and HMAC on the same bytes, want at most %.1f", ratio, maxSealedCPU)
	}
	summary.Line(b, "processor time of a sealed push: %.2f × that of net/http, AES-CBC and HMAC-SHA1 on the same bytes (bar %.1f)", ratio, maxSealedCPU)
}

func cpu(b *testing.B, f func()) time.Duration {
	before, err := farend.CPU()
	if err != nil {
		b.Fatal(err)
	}
	f()
	after, err := farend.CPU()
	if err != nil {
		b.Fatal(err)
	}
	return after - before
}

// sealedFarEnd is a workstation in another process, a client with tickets of a real KDC, and what records their exchanges.
func sealedFarEnd(b *testing.B) (*farend.FarEnd, *Client, *farend.Recorder) {
	recorder := new(farend.Recorder)
	far, client := farClient(b, farend.Options{Host: testHost}, func(far *farend.FarEnd) dialer { return farend.DialTo(far.HTTP, recorder) })
	return far, client, recorder
}

type dialer func(ctx context.Context, network, addr string) (net.Conn, error)

// farClient starts workstations in another process, with keys of a real KDC, and a client that reaches them by dial.
func farClient(b *testing.B, o farend.Options, dial func(*farend.FarEnd) dialer) (*farend.FarEnd, *Client) {
	kdc := krblab.New(b)
	kdc.AddUser("svc-push", "Secret-1")
	principals := []string{"HTTP/" + o.Host}
	for _, host := range o.Others {
		principals = append(principals, "HTTP/"+host)
	}
	var err error
	if o.Keytab, err = os.ReadFile(kdc.Keytab(principals...)); err != nil {
		b.Fatal(err)
	}
	far := farend.Start(b, o)
	cfg := DefaultConfig()
	cfg.User, cfg.PasswordEnv = "svc-push", "PHOTOPUSH_TEST_PASSWORD"
	b.Setenv(cfg.PasswordEnv, "Secret-1")
	kcfg := gss.DefaultKerberosConfig()
	kcfg.Realm, kcfg.KDCs = krblab.Realm, []string{kdc.Addr}
	tickets, err := gss.NewKerberos(kcfg, gss.KerberosAccount{User: cfg.User, Password: photopush.Secret{Env: cfg.PasswordEnv}}, gss.KerberosOptions{})
	if err != nil {
		b.Fatal(err)
	}
	client, err := New(cfg, Options{Kerberos: tickets, Dial: dial(far)})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { client.Close() })
	return far, client
}

// standardLibrary makes the exchanges on one new connection of net/http. All but the first, which signs in, are encrypted and authenticated, and
// their answers decrypted and verified; buffers are used again.
func standardLibrary(b *testing.B, far *farend.FarEnd, exchanges []farend.Exchange) func() {
	largest := 0
	for _, e := range exchanges {
		largest = max(largest, e.Sent, e.Got)
	}
	sent, got := make([]byte, largest), make([]byte, largest)
	return func() {
		block, err := aes.NewCipher(make([]byte, 32))
		if err != nil {
			b.Fatal(err)
		}
		mac, iv := hmac.New(sha1.New, make([]byte, 32)), make([]byte, aes.BlockSize)
		protect := func(mode cipher.BlockMode, message []byte) {
			mac.Reset()
			mac.Write(message)
			mac.Sum(iv[:0:0])
			whole := len(message) / aes.BlockSize * aes.BlockSize
			mode.CryptBlocks(message[:whole], message[:whole])
		}
		poster := far.Poster(testHost, false, nil)
		defer poster.Close()
		for i, e := range exchanges {
			if i > 0 {
				protect(cipher.NewCBCEncrypter(block, iv), sent[:e.Sent])
			}
			if err := poster.Post(b.Context(), sent[:e.Sent], got[:e.Got]); err != nil {
				b.Fatal(err)
			}
			if i > 0 {
				protect(cipher.NewCBCDecrypter(block, iv), got[:e.Got])
			}
		}
	}
}
