package winrm

import (
	"encoding"
	"os"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// TestDefaultConfig: the tags and DefaultConfig say the same.
func TestDefaultConfig(t *testing.T) {
	var c Config
	v := reflect.ValueOf(&c).Elem()
	for i := range v.NumField() {
		f, field := v.Type().Field(i), v.Field(i)
		if f.Tag.Get("help") == "" || f.Tag.Get("yaml") == "" {
			t.Errorf("%s lacks a tag", f.Name)
		}
		text, ok := f.Tag.Lookup("default")
		if !ok {
			continue
		}
		var err error
		switch p := field.Addr().Interface().(type) {
		case *string:
			*p = text
		case *int:
			*p, err = strconv.Atoi(text)
		case *time.Duration:
			*p, err = time.ParseDuration(text)
		case encoding.TextUnmarshaler:
			err = p.UnmarshalText([]byte(text))
		default:
			t.Errorf("%s has a type without a test", f.Name)
		}
		if err != nil {
			t.Errorf("%s: %v", f.Name, err)
		}
	}
	if diff := cmp.Diff(DefaultConfig(), c); diff != "" {
		t.Errorf("-DefaultConfig +tags:\n%s", diff)
	}
}

func TestValidate(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(*Config)
		want   string
	}{
		{"good", func(*Config) {}, ""},
		{"by variable", func(c *Config) { c.PasswordFile, c.PasswordEnv = "", "PW" }, ""},
		{"empty", func(c *Config) { *c = Config{} }, `
domains[0].winrm.transport is "", want http or https
domains[0].winrm.auth is "", want kerberos, ntlm, certificate or basic
domains[0].winrm.dial_timeout is 0s, want 100ms to 30s
domains[0].winrm.operation_timeout is 0s, want 1s to 15s
domains[0].winrm.request_timeout is 0s, want 5s to 10m0s
domains[0].winrm.run_timeout is 0s, want 1s to 1h0m0s
domains[0].winrm.idle_timeout is 0s, want 1m0s to 3m0s
domains[0].winrm.max_envelope is 0 B, want 150 KiB to 4 MiB
domains[0].winrm.max_output is 0 B, want 64 KiB to 256 MiB`},
		{"port", func(c *Config) { c.Port = 65536 }, `domains[0].winrm.port is 65536, want 1 to 65535, or 0 for the usual one`},
		{"basic in clear", func(c *Config) { c.Transport = "http" },
			`domains[0].winrm.auth is basic, which needs transport https: it would send the password in clear`},
		{"kerberos", func(c *Config) { c.Auth, c.Transport = "kerberos", "http" }, ""},
		{"kerberos over https", func(c *Config) { c.Auth = "kerberos" }, ""},
		{"keytab", func(c *Config) { c.Auth, c.PasswordFile, c.KeytabFile = "kerberos", "", "/keytab" }, ""},
		{"credential cache", func(c *Config) { c.Auth, c.User, c.PasswordFile, c.CCacheFile = "kerberos", "", "", "/ccache" }, ""},
		{"keytab and password", func(c *Config) { c.Auth, c.KeytabFile = "kerberos", "/keytab" },
			`domains[0].winrm.password_file is not the only one that is set of password_file, password_env, keytab_file, ccache_file; want one of them`},
		{"kerberos without secret", func(c *Config) { c.Auth, c.PasswordFile = "kerberos", "" },
			`domains[0].winrm.password_file is empty, want a file, or one of password_env, keytab_file, ccache_file`},
		{"kerberos without user", func(c *Config) { c.Auth, c.User = "kerberos", "" }, `domains[0].winrm.user is empty, want the account to sign in with`},
		{"kerberos with short domain", func(c *Config) { c.Auth, c.User = "kerberos", `CORP\svc` },
			`domains[0].winrm.user is "CORP\\svc", want an account of the domain, such as svc-push or svc-push@CORP.EXAMPLE`},
		{"kerberos header", func(c *Config) { c.Auth, c.KerberosHeader = "kerberos", "ntlm" },
			`domains[0].winrm.kerberos_header is "ntlm", want negotiate or kerberos`},
		{"ntlm", func(c *Config) { c.Auth, c.Transport, c.User = "ntlm", "http", `.\svc` }, ""},
		{"ntlm of a domain", func(c *Config) { c.Auth, c.User = "ntlm", `CORP\svc` },
			`domains[0].winrm.user is "CORP\\svc", an account of a domain: use kerberos for it, or name it in allow_domain_ntlm`},
		{"ntlm of a domain by name", func(c *Config) { c.Auth, c.User, c.AllowDomainNTLM = "ntlm", `CORP\svc`, []string{`corp\svc`} }, ""},
		{"ntlm of another by name", func(c *Config) { c.Auth, c.User, c.AllowDomainNTLM = "ntlm", `CORP\svc`, []string{`corp\svc2`} },
			`domains[0].winrm.user is "CORP\\svc", an account of a domain: use kerberos for it, or name it in allow_domain_ntlm`},
		{"ntlm with keytab", func(c *Config) { c.Auth, c.KeytabFile = "ntlm", "/keytab" },
			`domains[0].winrm.keytab_file is set, which belongs to auth kerberos, but auth is ntlm`},
		{"list for nothing", func(c *Config) { c.AllowDomainNTLM = []string{"x"} },
			`domains[0].winrm.allow_domain_ntlm is set, which belongs to auth ntlm, but auth is basic`},
		{"certificate", func(c *Config) {
			c.Auth, c.User, c.PasswordFile, c.CertificateFile, c.KeyFile = "certificate", "", "", "/cert", "/key"
		}, ""},
		{"certificate in clear", func(c *Config) {
			c.Auth, c.Transport, c.CertificateFile = "certificate", "http", "/cert"
		}, `
domains[0].winrm.auth is certificate, which needs transport https
domains[0].winrm.key_file is empty, want the key of the certificate
domains[0].winrm.user is set, or a password, but with auth certificate the workstation knows the account by the certificate`},
		{"domain account", func(c *Config) { c.User = `CORP\svc` },
			`domains[0].winrm.user is "CORP\\svc", want a local account of the workstations, such as svc-photopush: Windows accepts basic for local accounts only`},
		{"no user", func(c *Config) { c.User = "" }, `domains[0].winrm.user is empty, want the account to sign in with`},
		{"colon", func(c *Config) { c.User = "a:b" },
			`domains[0].winrm.user is "a:b", want a name without a colon and control characters, which basic cannot carry`},
		{"line break", func(c *Config) { c.User = "a\r\nX: y" },
			`domains[0].winrm.user is "a\r\nX: y", want a name without a colon and control characters, which basic cannot carry`},
		{"two passwords", func(c *Config) { c.PasswordEnv = "PW" }, `domains[0].winrm.password_file and password_env are both set, want one of them`},
		{"short request", func(c *Config) { c.RequestTimeout = 19 * time.Second }, `domains[0].winrm.request_timeout is 19s, want 20s to 10m0s`},
		{"long hold", func(c *Config) { c.OperationTimeout = 16 * time.Second }, `domains[0].winrm.operation_timeout is 16s, want 1s to 15s`},
	} {
		c := DefaultConfig()
		c.Transport, c.Auth, c.User, c.PasswordFile = "https", "basic", "svc", "/pw"
		test.change(&c)
		got := ""
		if err := c.Validate("domains[0].winrm"); err != nil {
			got = err.Error()
		}
		if want := strings.TrimPrefix(test.want, "\n"); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", test.name, got, want)
		}
	}
}

func TestNew(t *testing.T) {
	good := testConfig(t)
	bad := good
	bad.Port = -1
	if _, err := New(bad, Options{}); err == nil || err.Error() != "port is -1, want 1 to 65535, or 0 for the usual one" {
		t.Errorf("got %v", err)
	}
	missing := good
	missing.CAFile = filepath.Join(t.TempDir(), "missing.pem")
	if _, err := New(missing, Options{}); err == nil || !strings.HasPrefix(err.Error(), "read ca_file: open ") {
		t.Errorf("got %v", err)
	}
	empty := good
	empty.CAFile = filepath.Join(t.TempDir(), "empty.pem")
	if err := os.WriteFile(empty.CAFile, []byte("no certificate"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(empty, Options{}); err == nil || err.Error() != "read ca_file: "+empty.CAFile+" holds no certificate in PEM form" {
		t.Errorf("got %v", err)
	}
	c, err := New(good, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}
