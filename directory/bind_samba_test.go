//go:build linux

package directory

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
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
	dir := open(t, cfg, Options{Kerberos: tickets})
	for range 2 {
		got, err := readPhotos(t, dir)
		if diff := cmp.Diff(want, got, cmp.Comparer(bytes.Equal)); err != nil || diff != "" {
			t.Fatalf("%v, -want +got\n%.1000s", err, diff)
		}
	}
	if s := tickets.Stats(); s.TGS != 1 || s.AS > 2 {
		t.Errorf("the KDC was asked %+v", s)
	}
}
