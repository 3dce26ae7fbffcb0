//go:build linux

package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/internal/sambalab"
)

// sambaAccounts are all the ways to sign in with Kerberos.
func sambaAccounts(t *testing.T, d *sambalab.Domain) map[string]Account {
	password := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(password, []byte(sambalab.KerberosPassword+"\n"), 0o600))
	return map[string]Account{
		"password": {Auth: authKerberos, BindUser: sambalab.KerberosUser, PasswordFile: password},
		"keytab":   {Auth: authKerberos, BindUser: sambalab.KerberosUser + "@" + sambalab.Name, KeytabFile: d.Keytab(sambalab.KerberosUser)},
		"cache":    {Auth: authKerberos, CCacheFile: d.Cache(sambalab.KerberosUser, sambalab.KerberosPassword)},
	}
}

// sambaTickets are those of the account in the configuration.
func sambaTickets(t *testing.T, d *sambalab.Domain, cfg Config, kdcs ...string) *gss.Kerberos {
	t.Helper()
	k := gss.DefaultKerberosConfig()
	k.Realm, k.KDCs = sambalab.Realm, append(kdcs, d.KDC())
	tickets, err := gss.NewKerberos(k, *cfg.KerberosAccount(), gss.KerberosOptions{})
	must(t, err)
	t.Cleanup(func() { tickets.Close() })
	return tickets
}

// sambaPhotos are people enough for a few pages, with photos that fill more than one sealed buffer.
func sambaPhotos(d *sambalab.Domain) map[string][]byte {
	photos := map[string][]byte{}
	var people []sambalab.User
	for i := range 8 {
		u := sambalab.User{Name: fmt.Sprintf("u%04d", i), Photo: bytes.Repeat([]byte{byte(i), 0xd8}, 1+i*7000)}
		photos[u.Name] = u.Photo
		people = append(people, u)
	}
	d.AddUsers(people...)
	return photos
}

// readPhotos reads all people with their photos.
func readPhotos(t *testing.T, dir *Directory) (map[string][]byte, error) {
	t.Helper()
	photos := map[string][]byte{}
	err := dir.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, p []photopush.Photo) error {
		if _, again := photos[u.AccountName]; again {
			t.Errorf("%s came twice", u.AccountName)
		}
		if len(p) != 1 {
			return fmt.Errorf("%s has %d photos", u.AccountName, len(p))
		}
		photos[u.AccountName] = bytes.Clone(p[0].Bytes)
		return nil
	})
	return photos, err
}

// TestSambaKerberos signs in to a real domain controller with every kind of secret, sealed where it demands that, and within TLS.
func TestSambaKerberos(t *testing.T) {
	t.Run("strong authentication required", func(t *testing.T) {
		d := sambalab.NewWith(t, sambalab.Options{StrongAuth: "yes"})
		want := sambaPhotos(d)
		for name, account := range sambaAccounts(t, d) {
			t.Run("sealed, "+name, func(t *testing.T) { testSambaKerberos(t, d, d.LDAP(), overSealed, account, want) })
			t.Run("within TLS, "+name, func(t *testing.T) { testSambaRefuses(t, d, account) })
		}
	})
	t.Run("within TLS", func(t *testing.T) {
		d := sambalab.New(t)
		want := sambaPhotos(d)
		for name, account := range sambaAccounts(t, d) {
			for _, url := range []string{d.LDAPS(), d.LDAP()} {
				t.Run(url+", "+name, func(t *testing.T) { testSambaKerberos(t, d, url, overLDAPS, account, want) })
			}
		}
	})
}

func testSambaKerberos(t *testing.T, d *sambalab.Domain, url, encryption string, account Account, want map[string][]byte) {
	cfg := sambaConfig(d, url)
	cfg.Account, cfg.Encryption = account, encryption
	if encryption == overSealed {
		cfg.CAFile = "" // none is needed
	}
	tickets := sambaTickets(t, d, cfg)
	wire := &wireTap{dial: cfg.Resolver().DialContext}
	dir := open(t, cfg, Options{Kerberos: tickets, DialContext: wire.DialContext})
	for range 2 {
		got, err := readPhotos(t, dir)
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
			t.Fatalf("%v, -want +got\n%.1000s", err, diff)
		}
	}
	for _, clear := range []string{"thumbnailPhoto", "u0003", string(want["u0003"][:64])} {
		if wire.saw(clear) {
			t.Errorf("%q crossed the network in clear", clear)
		}
	}
	if !wire.saw("GSSAPI") && encryption == overSealed {
		t.Error("the tap saw nothing")
	}
	if s := tickets.Stats(); s.TGS != 1 || s.AS > 2 {
		t.Errorf("the KDC was asked %+v", s)
	}
}

// testSambaRefuses: a Samba that is set to require strong authentication takes no Kerberos within TLS, and Windows does; the refusal says that much.
func testSambaRefuses(t *testing.T, d *sambalab.Domain, account Account) {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Account = account
	_, err := readPhotos(t, open(t, cfg, Options{Kerberos: sambaTickets(t, d, cfg)}))
	if photopush.ReasonOf(err) != photopush.Unsupported || !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), "Sign or Seal are required") {
		t.Errorf("got %v", err)
	}
}

// A wireTap keeps what crosses the network.
type wireTap struct {
	dial func(ctx context.Context, network, address string) (net.Conn, error)

	mu   sync.Mutex
	seen bytes.Buffer
}

func (w *wireTap) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	c, err := w.dial(ctx, network, address)
	if err != nil {
		return nil, err
	}
	return &tappedConn{c, w}, nil
}

func (w *wireTap) saw(text string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return bytes.Contains(w.seen.Bytes(), []byte(text))
}

func (w *wireTap) see(b []byte) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen.Write(b)
}

type tappedConn struct {
	net.Conn
	tap *wireTap
}

func (c *tappedConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.see(p[:n])
	return n, err
}

func (c *tappedConn) Write(p []byte) (int, error) {
	c.tap.see(p)
	return c.Conn.Write(p)
}
