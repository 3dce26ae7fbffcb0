package directory

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// failedBinds is what all controllers together saw.
func (c *company) failedBinds() int {
	n := 0
	for _, dc := range c.dcs {
		n += dc.Counts().FailedBinds
	}
	return n
}

// TestWrongPassword costs one attempt, however often and from however many places it is used, until its file changes.
func TestWrongPassword(t *testing.T) {
	c := newCompany(t, 2)
	c.fill(t, 3)
	c.setPassword(t, "wrong")
	d := open(t, c.config(), Options{})
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			for range 3 {
				_, err := accounts(t, d)
				_, _, errUser := d.User(t.Context(), "u0001")
				for _, err := range []error{err, errUser} {
					want := "bind at " + c.dcs[0].URL("ldaps") + " as svc-read@corp.example: auth: wrong user name or password: LDAP result 49 Invalid Credentials: " +
						"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data 52e, v4563"
					if photopush.ReasonOf(err) != photopush.Auth || err.Error() != want || errors.Is(err, photopush.ErrNoDirectory) {
						t.Errorf("got  %v\nwant %s", err, want)
					}
				}
			}
		})
	}
	wg.Wait()
	if n := c.failedBinds(); n != 1 {
		t.Errorf("the far end counts %d rejected binds, want 1", n)
	}
	c.setPassword(t, readerPwd)
	if got, err := accounts(t, d); err != nil || len(got) != 3 {
		t.Errorf("with the right password %d users, %v", len(got), err)
	}
	c.setPassword(t, "another wrong one")
	for _, dc := range c.dcs {
		dc.CutConnections()
	}
	if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.Auth || c.failedBinds() != 2 {
		t.Errorf("got %v after %d rejected binds", err, c.failedBinds())
	}
}

func TestRejections(t *testing.T) {
	const touch = "; then touch the password's file: it is not used again until that file has changed."
	for words, test := range map[string]struct {
		change func(*simad.User)
		remedy string
	}{
		"wrong user name or password":        {func(u *simad.User) { u.Password = "other" }, photopush.Auth.Sentence()},
		"the account is disabled":            {func(u *simad.User) { u.Disabled = true }, "Enable the account in the domain" + touch},
		"the account is locked":              {func(u *simad.User) { u.Locked = true }, "Unlock the account in the domain, once it is known who sent wrong passwords" + touch},
		"the account has expired":            {func(u *simad.User) { u.Expired = true }, "Give the account another end in the domain: it has expired" + touch},
		"the password must be changed first": {func(u *simad.User) { u.MustChange = true }, photopush.Auth.Sentence()},
	} {
		t.Run(words, func(t *testing.T) {
			c := newCompany(t, 2)
			u := simad.User{OU: "OU=Service,DC=corp,DC=example", Account: "svc2", Password: readerPwd}
			test.change(&u)
			c.user(t, u)
			cfg := c.config()
			cfg.BindUser = `CORP\svc2`
			_, err := accounts(t, open(t, cfg, Options{}))
			want := "bind at " + c.dcs[0].URL("ldaps") + ` as CORP\svc2: auth: ` + words + ": LDAP result 49 "
			if photopush.ReasonOf(err) != photopush.Auth || !strings.HasPrefix(err.Error(), want) || c.failedBinds() != 1 {
				t.Errorf("got %v after %d rejected binds\nwant %s", err, c.failedBinds(), want)
			}
			if got := photopush.Remedy(err); got != test.remedy {
				t.Errorf("to do is %q, want %q", got, test.remedy)
			}
			if strings.Contains(err.Error(), readerPwd) {
				t.Error("the password is in the error")
			}
		})
	}
}

// TestReleased enables an account that was found disabled: it is tried again once its password's file was touched, and not before.
func TestReleased(t *testing.T) {
	c := newCompany(t, 1)
	c.user(t, simad.User{OU: "OU=Service,DC=corp,DC=example", Account: "svc2", Password: readerPwd, Disabled: true})
	cfg := c.config()
	cfg.BindUser = `CORP\svc2`
	d := open(t, cfg, Options{})
	fails := func() {
		t.Helper()
		if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.Auth || c.failedBinds() != 1 {
			t.Errorf("got %v after %d rejected binds, want 1", err, c.failedBinds())
		}
	}
	fails()
	must(t, c.Set("CN=svc2,OU=Service,DC=corp,DC=example", "userAccountControl", []byte("512")))
	fails()
	later := time.Now().Add(time.Minute)
	must(t, os.Chtimes(cfg.PasswordFile, later, later))
	if _, err := accounts(t, d); err != nil || c.failedBinds() != 1 {
		t.Errorf("after the touch: %v, %d rejected binds", err, c.failedBinds())
	}
}

func TestRejectionWords(t *testing.T) {
	for text, want := range map[string]string{
		"80090308: LdapErr: DSID-0C090400, comment: AcceptSecurityContext error, data 532, v1db1\x00": "the password has expired",
		"80090308: LdapErr: x, data 52E, v1": "wrong user name or password",
		"80090308: LdapErr: x, data 52ef, v": "user name or password was rejected",
		"Simple Bind Failed: NT_STATUS_X":    "user name or password was rejected",
		"":                                   "user name or password was rejected",
	} {
		if got := rejection(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

// TestSASLRefusals: a refusal of a ticket names every cause that it may have.
func TestSASLRefusals(t *testing.T) {
	const refused = "80090308: LdapErr: DSID-0C090702, comment: AcceptSecurityContext error, data %s, v4563\x00"
	key, tls := "its key may have changed since the ticket was given", "the controller sees another TLS connection than we do"
	for _, test := range []struct {
		data      string
		code      uint16
		withinTLS bool
		reason    photopush.Reason
		says, not string
	}{
		{"80090346", 49, true, photopush.TLS, tls, key},
		{"57", 49, true, photopush.Denied, "either " + key, ""},
		{"57", 49, true, photopush.Denied, "or " + tls, ""},
		{"57", 49, false, photopush.Denied, key, tls},
		{"57", 53, true, photopush.Unsupported, "does not let anybody sign in", tls},
		{"52e", 49, true, photopush.Denied, key, tls},
		{"533", 49, true, photopush.Denied, "the account is disabled", tls},
	} {
		err := saslError(&answer{code: test.code, text: fmt.Sprintf(refused, test.data)}, reader, "ldaps://dc1.corp.example", test.withinTLS)
		lost, ok := errors.AsType[*lostError](err)
		if !ok || lost.reason != test.reason || !strings.Contains(err.Error(), test.says) || test.not != "" && strings.Contains(err.Error(), test.not) {
			t.Errorf("data %s with code %d: %v", test.data, test.code, err)
		}
	}
}

// TestBindForms signs in with each form of name.
func TestBindForms(t *testing.T) {
	c := newCompany(t, 1)
	for i, user := range []string{reader, "SVC-READ@CORP.EXAMPLE", `CORP\svc-read`, readerDN, strings.ToLower(readerDN)} {
		cfg := c.config()
		cfg.BindUser = user
		if _, err := accounts(t, open(t, cfg, Options{})); err != nil || c.dcs[0].Counts().Binds != i+1 {
			t.Errorf("%s: %v", user, err)
		}
	}
}

func TestPasswordPlaces(t *testing.T) {
	c := newCompany(t, 1)
	t.Setenv("PHOTOPUSH_TEST_PASSWORD", readerPwd)
	for name, test := range map[string]struct {
		change func(*Config)
		want   string
	}{
		"environment":       {func(cfg *Config) { cfg.PasswordFile, cfg.PasswordEnv = "", "PHOTOPUSH_TEST_PASSWORD" }, ""},
		"empty environment": {func(cfg *Config) { cfg.PasswordFile, cfg.PasswordEnv = "", "PHOTOPUSH_TEST_NONE" }, "bind as svc-read@corp.example: internal: cannot use the secret in environment variable PHOTOPUSH_TEST_NONE: it is empty; "},
		"no file":           {func(cfg *Config) { cfg.PasswordFile += ".gone" }, "bind as svc-read@corp.example: internal: cannot use the secret in file "},
		"empty file": {func(cfg *Config) {
			cfg.PasswordFile += ".empty"
			must(t, os.WriteFile(cfg.PasswordFile, nil, 0o600))
		}, "bind as svc-read@corp.example: internal: cannot use the secret in file "},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := c.config()
			test.change(&cfg)
			_, err := accounts(t, open(t, cfg, Options{}))
			if (err == nil) != (test.want == "") || err != nil && (!strings.HasPrefix(err.Error(), test.want)) {
				t.Errorf("got %v, want %s", err, test.want)
			}
			if _, ok := errors.AsType[*photopush.SecretError](err); ok != (err != nil) {
				t.Errorf("%#v does not say that the secret was not tried", err)
			}
		})
	}
	if n := c.failedBinds(); n != 0 {
		t.Errorf("%d rejected binds", n)
	}
}

func TestClose(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 3)
	d := open(t, c.config(), Options{})
	n := 0
	must(t, d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error {
		if n++; n == 2 {
			return d.Close() // the read that runs goes on
		}
		return nil
	}))
	if n != 3 {
		t.Errorf("read %d users", n)
	}
	if _, err := accounts(t, d); !errors.Is(err, errClosed) {
		t.Errorf("after Close: %v", err)
	}
	must(t, d.Close())
	waitFor(t, func() bool { return c.dcs[0].Counts().Unbinds == 1 })
}

// TestPool runs lookups beside each other over few connections.
func TestPool(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 20)
	d := open(t, c.config(), Options{})
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			name := fmt.Sprintf("u%04d", i+1)
			for range 10 {
				if u, _, err := d.User(t.Context(), name); err != nil || u.AccountName != name {
					t.Errorf("%s is %v, %v", name, u, err)
				}
			}
		})
	}
	wg.Wait()
	// A search each, and those for the place of the base, until it is known.
	if n := c.dcs[0].Counts(); n.Connections > maxIdle || n.Searches < 201 || n.Searches > 200+maxLookups {
		t.Errorf("the far end counts %+v", n)
	}
}
