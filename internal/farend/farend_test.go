//go:build linux

package farend_test

import (
	"os"
	"slices"
	"testing"

	"github.com/photopush/photopush/internal/farend"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/winrm"

	photopush "github.com/photopush/photopush"
)

func TestMain(m *testing.M) {
	farend.Main()
	os.Exit(m.Run())
}

const host = "ws1.corp.example"

// TestFarEnd: another process counts what is sent to it, and the recorder here sees the same exchanges as whoever makes them.
func TestFarEnd(t *testing.T) {
	keytab, err := os.ReadFile(krblab.New(t).Keytab("HTTP/" + host))
	if err != nil {
		t.Fatal(err)
	}
	far := farend.Start(t, farend.Options{Host: host, Keytab: keytab, Users: map[string]string{"svc": "secret"}})
	t.Setenv("FAREND_TEST_PASSWORD", "secret")
	cfg := winrm.DefaultConfig()
	cfg.Transport, cfg.Auth, cfg.User, cfg.PasswordEnv, cfg.CAFile = "https", "basic", "svc", "FAREND_TEST_PASSWORD", t.TempDir()+"/ca.pem"
	if err := os.WriteFile(cfg.CAFile, far.CA, 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := winrm.New(cfg, winrm.Options{Dial: farend.DialTo(far.HTTPS, nil)})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	s, err := c.Open(t.Context(), photopush.Workstation{Name: "WS1", Host: host})
	if err != nil {
		t.Fatal(err)
	}
	out, err := s.Run(t.Context(), `C:\Windows\System32\cmd.exe /c x`, make([]byte, 12345))
	if err != nil || string(out.Stdout) != "read 12345 bytes\n" {
		t.Fatalf("got %q, %v", out.Stdout, err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	if n := far.Counts(); n.HTTPS.Requests != 6 || n.HTTP.Requests != 0 || n.Input != 12345 {
		t.Errorf("counts are %+v", n)
	}
	far.Reset()
	if n := far.Counts(); n.HTTPS.Requests != 0 || n.Input != 0 {
		t.Errorf("counts are %+v after Reset", n)
	}
	for _, secret := range []bool{false, true} {
		r := new(farend.Recorder)
		p := far.Poster(host, secret, r)
		want := []farend.Exchange{{Sent: 0, Got: 0}, {Sent: 100_000, Got: 7}, {Sent: 3, Got: 50_000}}
		for _, e := range want {
			if err := p.Post(t.Context(), make([]byte, e.Sent), make([]byte, e.Got)); err != nil {
				t.Fatal(err)
			}
		}
		p.Close()
		if got := r.Exchanges(); !secret && !slices.Equal(got, want) {
			t.Errorf("recorded %v, want %v", got, want)
		}
	}
}
