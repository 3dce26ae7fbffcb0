//go:build linux

package masterzen

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/farend"
	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/winrm"
)

func TestMain(m *testing.M) {
	farend.Main()
	goleak.VerifyTestMain(m)
}

const (
	testHost    = "ws1.corp.example"
	commandLine = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -Command "it & that <]]>"`
)

var testWorkstation = photopush.Workstation{ID: "8c7ec6d4-09b5-4d9f-a1f5-1f5a6bd0a4a1", Name: "WS1", Host: testHost}

// A realm is a real KDC with an account and the key of the workstation.
type realm struct {
	kdc     *krblab.KDC
	keytab  string // file
	config  winrm.Config
	service *gss.KerberosAcceptor
}

func newRealm(t testing.TB) *realm {
	t.Helper()
	r := &realm{kdc: krblab.New(t), config: winrm.DefaultConfig()}
	r.kdc.AddUser("svc-push", "Secret-1")
	r.config.User, r.config.PasswordFile = "svc-push", filepath.Join(t.TempDir(), "password")
	r.config.OperationTimeout = time.Second
	if err := os.WriteFile(r.config.PasswordFile, []byte("Secret-1\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	r.keytab = r.kdc.Keytab("HTTP/" + testHost)
	keys, err := os.ReadFile(r.keytab)
	if err != nil {
		t.Fatal(err)
	}
	if r.service, err = gss.NewKerberosAcceptor(keys, gss.AcceptorOptions{}); err != nil {
		t.Fatal(err)
	}
	return r
}

// tickets are those of the account, asked for once.
func (r *realm) tickets(t testing.TB) *gss.Kerberos {
	t.Helper()
	cfg := gss.DefaultKerberosConfig()
	cfg.Realm, cfg.KDCs = krblab.Realm, []string{r.kdc.Addr}
	k, err := gss.NewKerberos(cfg, gss.KerberosAccount{User: "svc-push", Password: r.config.Password()}, gss.KerberosOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// workstation starts a simulated one over HTTP; change may be nil.
func (r *realm) workstation(t testing.TB, e simwin.Engine, change func(*simwin.Options)) *simwin.Server {
	t.Helper()
	o := simwin.Options{Host: testHost, Addr: "127.0.0.1:0", Engine: e, Mechanisms: []simwin.Mechanism{simwin.NewKerberos("Negotiate", r.service, nil)}}
	if change != nil {
		change(&o)
	}
	s, err := simwin.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// options are how a client reaches addr, whatever host it means.
func (r *realm) options(t testing.TB, addr string) winrm.Options {
	return winrm.Options{Kerberos: r.tickets(t), Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, addr)
	}}
}

// client is masterzen's; change may be nil.
func (r *realm) client(t testing.TB, addr string, change func(*winrm.Config)) *Client {
	t.Helper()
	cfg := r.config
	if change != nil {
		change(&cfg)
	}
	c, err := New(cfg, r.options(t, addr))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

// program is one on a simulated workstation: it reads all of its input and tells how much it was.
type program struct {
	runs    atomic.Int32  // processes that had their whole input
	started chan struct{} // gets a word from each process; nil for none
	hold    bool          // it never ends by itself
	prints  int           // bytes of output besides
}

func (p *program) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	n, err := io.Copy(io.Discard, stdin)
	if err != nil || ctx.Err() != nil {
		return 1, ctx.Err()
	}
	if p.started != nil {
		p.started <- struct{}{}
	}
	if p.hold {
		<-ctx.Done()
		return 1, ctx.Err()
	}
	p.runs.Add(1)
	fmt.Fprintf(stdout, "%s\nread %d bytes\n", commandLine, n)
	fmt.Fprint(stderr, "warning")
	if _, err := stdout.Write(make([]byte, p.prints)); err != nil {
		return 1, nil // the shell is gone
	}
	return 1<<32 - 1, nil
}

// visit opens a session, runs one command and closes it.
func visit(ctx context.Context, c *Client, input []byte) (out photopush.Output, err, closed error) {
	s, err := c.Open(ctx, testWorkstation)
	if err != nil {
		return out, err, nil
	}
	out, err = s.Run(ctx, commandLine, input)
	return out, err, s.Close(ctx)
}
