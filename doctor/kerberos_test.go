//go:build linux

package doctor_test

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/doctor"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/winrm"
)

// kerberosBench is a workstation over plain HTTP, whose clock is ahead of ours, with a key of a real KDC. The account's
// password is Secret-1, and secret is what we take for it.
func kerberosBench(t *testing.T, ahead time.Duration, secret string) (*bench, *krblab.KDC) {
	t.Helper()
	kdc := krblab.New(t)
	kdc.AddUser("svc-push", "Secret-1")
	password := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(password, []byte(secret+"\n"), 0o600))
	keys, err := os.ReadFile(kdc.Keytab("HTTP/" + host))
	must(t, err)
	kdc.Keytab("HTTP/ws2.corp.example") // the key of a machine that is not there any more
	service, err := gss.NewKerberosAcceptor(keys, gss.AcceptorOptions{Now: func() time.Time { return time.Now().Add(ahead) }})
	must(t, err)
	b := &bench{machine: simwin.NewMachine(simwin.MachineOptions{})}
	b.server, err = simwin.Start(t.Context(), simwin.Options{
		Host: host, Addr: "127.0.0.1:0", Engine: b.machine, Mechanisms: []simwin.Mechanism{simwin.NewKerberos("Negotiate", service, nil)},
	})
	must(t, err)
	t.Cleanup(b.server.Close)
	kcfg := gss.DefaultKerberosConfig()
	kcfg.Realm, kcfg.KDCs = krblab.Realm, []string{kdc.Addr}
	tickets, err := gss.NewKerberos(kcfg, gss.KerberosAccount{User: "svc-push", Password: photopush.Secret{File: password}}, gss.KerberosOptions{})
	must(t, err)
	t.Cleanup(func() {
		if err := tickets.Close(); err != nil {
			t.Error(err)
		}
	})
	cfg := winrm.DefaultConfig()
	cfg.User, cfg.PasswordFile = "svc-push", password
	client, err := winrm.New(cfg, winrm.Options{Kerberos: tickets, Dial: b.dial})
	must(t, err)
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	b.checker = checkerOf(client)
	return b, kdc
}

// kerberosFails checks a workstation that fails when signing in; over plain HTTP the step of TLS is not used.
func kerberosFails(t *testing.T, b *bench, w photopush.Workstation, reason photopush.Reason, remedy string) {
	t.Helper()
	steps, err := walk(t, b.checker, w)
	want := []string{doctor.OK, doctor.OK, doctor.NotUsed, doctor.Failed}
	if got := states(t, steps); !slices.Equal(got, want) || photopush.ReasonOf(err) != reason || steps[3].Reason != reason {
		t.Errorf("%v, the steps are %q, want %q and %s: %+v", err, got, want, reason, steps[3])
	}
	if steps[3].Remedy != remedy || !sentences(remedy) {
		t.Errorf("what to do is %q, want %q", steps[3].Remedy, remedy)
	}
}

func TestKerberos(t *testing.T) {
	b, kdc := kerberosBench(t, 0, "Secret-1")
	steps, err := walk(t, b.checker, workstation)
	must(t, err)
	want := slices.Repeat([]string{doctor.OK}, len(order))
	want[slices.Index(order, doctor.TLS)] = doctor.NotUsed
	if got := states(t, steps); !slices.Equal(got, want) {
		t.Errorf("the steps are %q, want %q", got, want)
	}
	if steps[2].Detail != "messages are sealed by the sign-in" || steps[3].Detail != "kerberos as svc-push, HTTP/"+host {
		t.Errorf("they say %q and %q", steps[2].Detail, steps[3].Detail)
	}
	kerberosFails(t, b, photopush.Workstation{Name: "WS2", Host: "ws2.corp.example"}, photopush.WrongHost,
		"Correct the DNS record of ws2.corp.example if another machine has its address, and see by setspn -Q HTTP/ws2.corp.example whether another account took that name.")
	kerberosFails(t, b, photopush.Workstation{Name: "WS9", Host: "ws9.corp.example"}, photopush.WrongHost,
		"No computer has HTTP/ws9.corp.example (by HOST) nor WSMAN/ws9.corp.example as servicePrincipalName: see setspn -Q HTTP/ws9.corp.example, and correct the computer object, or the name.")
	short, err := walk(t, b.checker, photopush.Workstation{Name: "WS1", Host: "ws1"})
	if do := "Correct dNSHostName of the computer object: Windows sets it when the workstation restarts in its domain."; short[3].Remedy != do || short[1].State != doctor.NotTried {
		t.Errorf("%v: what to do is %q, want %q: %+v", err, short[3].Remedy, do, short)
	}

	kdc.Kill()
	fresh := photopush.Workstation{Name: "WS3", Host: "ws3.corp.example"} // there is no ticket for it yet
	kerberosFails(t, b, fresh, photopush.KDC,
		"No Kerberos key distribution centre answers. Check that a domain controller of the domain is reachable on port 88.")
}

func TestClockSkew(t *testing.T) {
	b, _ := kerberosBench(t, 10*time.Minute, "Secret-1")
	kerberosFails(t, b, workstation, photopush.ClockSkew, "Set the time of the workstation, or of this server: they differ by more than five minutes.")
}

func TestWrongPasswordAtTheKDC(t *testing.T) {
	b, _ := kerberosBench(t, 0, "Secret-2")
	kerberosFails(t, b, workstation, photopush.Auth,
		"Correct the password, or the keytab, in its file: it is not the account's, and is not used again until the file has changed.")
}
