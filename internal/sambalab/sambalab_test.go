//go:build linux

package sambalab

import (
	"bytes"
	"context"
	"net"
	"os"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// TestDomain uses a domain as a client does: names from its DNS, a plain account, a photo read back, and the controller's ends.
func TestDomain(t *testing.T) {
	start := time.Now()
	d := New(t)
	t.Logf("started after %s", time.Since(start).Round(time.Millisecond))

	photo := bytes.Repeat([]byte{0xff, 0xd8, 0x00, '\n'}, 2000)
	sids := d.AddUsers(User{Name: "u1001", Photo: photo, Attributes: map[string][]string{"displayName": {"Ulla Müller"}}}, User{Name: "u1002", Disabled: true})
	if len(sids) != 2 || !sids[0].IsAccount() || sids[0] == sids[1] {
		t.Errorf("SIDs %v", sids)
	}
	guids := d.AddComputers(Computer{Name: "WS1", Host: "ws1.corp.example", OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)"})
	if len(guids) != 1 || len(guids[0]) != 36 {
		t.Errorf("GUIDs %v", guids)
	}
	d.AddHost("ws1.corp.example", "127.9.8.7")

	t.Run("DNS", func(t *testing.T) {
		r := &net.Resolver{PreferGo: true, Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, d.DNS())
		}}
		for host, want := range map[string]string{"ws1.corp.example": "127.9.8.7", Host: d.IP, Name: d.IP} {
			ips, err := r.LookupHost(t.Context(), host)
			if err != nil || len(ips) != 1 || ips[0] != want {
				t.Errorf("%s is %v, %v, want %s", host, ips, err, want)
			}
		}
	})
	t.Run("read", func(t *testing.T) {
		c := dialReader(t, d)
		found, err := c.Search(&ldap.SearchRequest{BaseDN: StaffOU, Scope: ldap.ScopeWholeSubtree, Filter: "(sAMAccountName=u1001)", Attributes: []string{"thumbnailPhoto", "objectSid"}})
		if err != nil || len(found.Entries) != 1 {
			t.Fatalf("found %v, %v", found, err)
		}
		if !bytes.Equal(found.Entries[0].GetRawAttributeValue("thumbnailPhoto"), photo) {
			t.Error("the photo was changed on its way")
		}
		if got := decodeSID(found.Entries[0].GetRawAttributeValue("objectSid")); got != sids[0] {
			t.Errorf("SID %s, want %s", got, sids[0])
		}
	})
	t.Run("hang and resume", func(t *testing.T) {
		c := dialReader(t, d)
		c.SetTimeout(300 * time.Millisecond)
		d.Hang()
		_, err := c.Search(rootDSE)
		d.Resume()
		if !ldap.IsErrorWithCode(err, ldap.ErrorNetwork) {
			t.Errorf("a hung controller answered: %v", err)
		}
		if _, err := dialReader(t, d).Search(rootDSE); err != nil {
			t.Errorf("after Resume: %v", err)
		}
	})
	t.Run("restart", func(t *testing.T) {
		d.Kill()
		if c, err := net.Dial("tcp", net.JoinHostPort(d.IP, "389")); err == nil {
			c.Close()
			t.Error("a killed controller answers")
		}
		d.Start()
		d.Restart()
		if _, err := dialReader(t, d).Search(rootDSE); err != nil {
			t.Error(err)
		}
	})
}

var rootDSE = &ldap.SearchRequest{Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"defaultNamingContext"}}

func dialReader(t *testing.T, d *Domain) *ldap.Conn {
	t.Helper()
	c, err := d.dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	password, err := os.ReadFile(d.PasswordFile)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Bind(ReadUser, string(bytes.TrimSpace(password))); err != nil {
		t.Fatal(err)
	}
	return c
}
