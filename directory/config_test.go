package directory

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// goodConfig is one that Validate accepts.
func goodConfig() Config {
	return Config{
		Name:         "corp.example",
		Controllers:  []string{"ldaps://dc1.corp.example", "ldap://10.0.0.1:3389"},
		Encryption:   "ldaps",
		Changes:      "auto",
		Account:      Account{Auth: "simple", BindUser: "svc@corp.example", PasswordFile: "/etc/photopush/password"},
		Users:        UserScope{Bases: []string{"OU=Staff,DC=corp,DC=example"}},
		Workstations: WorkstationScope{Bases: []string{`OU=Work\, all,dc=CORP,dc=example`}},
		PageSize:     500,
		Timeout:      30 * time.Second,
		MaxPhotoSize: 5 << 20,
		DNSServers:   []string{"10.0.0.1", "[fd00::1]:53", "fd00::2"},
	}
}

// kerberosAccount changes a configuration to an account that signs in by Kerberos.
func kerberosAccount(a Account) func(*Config) {
	return func(c *Config) {
		a.Auth = "kerberos"
		c.Account, c.Controllers = a, []string{"ldaps://dc1.corp.example"}
	}
}

func TestValidate(t *testing.T) {
	const (
		wantName = "want the DNS name of the domain, such as corp.example"
		wantURL  = "want ldaps://host[:port] or ldap://host[:port]"
		wantUser = `want user@domain, DOMAIN\user or a distinguished name`
		wantFull = "want the controller's full name, such as dc1.corp.example: Kerberos knows no addresses"
		wantBase = "want at least one distinguished name: there is no 'everything' by default"
	)
	for name, test := range map[string]struct {
		change func(*Config)
		want   []string
	}{
		"good":           {func(*Config) {}, nil},
		"name empty":     {func(c *Config) { c.Name = "" }, []string{"domains[0].name is empty, " + wantName}},
		"name bad":       {func(c *Config) { c.Name = "corp example" }, []string{`domains[0].name is "corp example", ` + wantName}},
		"no controllers": {func(c *Config) { c.Controllers = nil }, nil},
		"site":           {func(c *Config) { c.Controllers, c.Site = nil, "Default-First-Site-Name" }, nil},
		"site bad": {func(c *Config) { c.Site = "Berlin.corp" },
			[]string{`domains[0].site is "Berlin.corp", want the name of a site of Active Directory, such as Default-First-Site-Name`}},
		"controller http": {func(c *Config) { c.Controllers[1] = "http://dc1" }, []string{`domains[0].controllers[1] is "http://dc1", ` + wantURL}},
		"controller bare": {func(c *Config) { c.Controllers[0] = "dc1" }, []string{`domains[0].controllers[0] is "dc1", ` + wantURL}},
		"controller with a password": {func(c *Config) { c.Controllers[0] = "ldaps://u:p@dc1" },
			[]string{`domains[0].controllers[0] is "ldaps://u:p@dc1", ` + wantURL}},
		"controller with a path": {func(c *Config) { c.Controllers[0] = "ldaps://dc1/x" }, []string{`domains[0].controllers[0] is "ldaps://dc1/x", ` + wantURL}},
		"controller port":        {func(c *Config) { c.Controllers[0] = "ldaps://dc1:0" }, []string{`domains[0].controllers[0] is "ldaps://dc1:0", ` + wantURL}},
		"user empty":             {func(c *Config) { c.BindUser = "" }, []string{"domains[0].bind_user is empty, " + wantUser}},
		"user bare":              {func(c *Config) { c.BindUser = "svc" }, []string{`domains[0].bind_user is "svc", ` + wantUser}},
		"user down-level":        {func(c *Config) { c.BindUser = `CORP\svc` }, nil},
		"user as name":           {func(c *Config) { c.BindUser = `CN=a\, b,DC=corp` }, nil},
		"no password":            {func(c *Config) { c.PasswordFile = "" }, []string{"domains[0].password_file is empty, want it or password_env"}},
		"two passwords":          {func(c *Config) { c.PasswordEnv = "X" }, []string{"domains[0].password_file and password_env are both set, want one of them"}},
		"changes":                {func(c *Config) { c.Changes = "some" }, []string{`domains[0].changes is "some", want auto, dirsync, usn or full`}},
		"encryption":             {func(c *Config) { c.Encryption = "none" }, []string{`domains[0].encryption is "none", want ldaps, starttls or sealed`}},
		"writer":                 {func(c *Config) { c.Writer = Account{Auth: "simple", BindUser: `CORP\writer`, PasswordEnv: "X"} }, nil},
		"writer without a password": {func(c *Config) { c.Writer = Account{Auth: "simple", BindUser: "writer"} },
			[]string{"domains[0].writer.bind_user is \"writer\", " + wantUser, "domains[0].writer.password_file is empty, want it or password_env"}},
		"auth": {func(c *Config) { c.Auth = "ntlm" }, []string{`domains[0].auth is "ntlm", want simple, kerberos or certificate`}},
		"simple with a keytab": {func(c *Config) { c.KeytabFile = "/k" },
			[]string{"domains[0].keytab_file is set, which belongs to auth kerberos, but auth is simple"}},
		"kerberos":              {kerberosAccount(Account{BindUser: "svc@CORP.EXAMPLE", PasswordEnv: "X"}), nil},
		"kerberos with a cache": {kerberosAccount(Account{CCacheFile: "/c"}), nil},
		"kerberos of nobody":    {kerberosAccount(Account{KeytabFile: "/k"}), []string{"domains[0].bind_user is empty, want user or user@REALM"}},
		"kerberos down-level": {kerberosAccount(Account{BindUser: `CORP\svc`, KeytabFile: "/k"}),
			[]string{`domains[0].bind_user is "CORP\\svc", want user or user@REALM with auth kerberos`}},
		"kerberos with two secrets": {kerberosAccount(Account{BindUser: "svc", KeytabFile: "/k", CCacheFile: "/c"}),
			[]string{"domains[0].password_file, password_env, keytab_file and ccache_file: 2 of them are set, want one"}},
		"kerberos without a secret": {kerberosAccount(Account{BindUser: "svc"}),
			[]string{"domains[0].password_file, password_env, keytab_file and ccache_file: 0 of them are set, want one"}},
		"kerberos by address": {func(c *Config) {
			kerberosAccount(Account{BindUser: "svc", KeytabFile: "/k"})(c)
			c.Controllers = []string{"ldap://10.0.0.1:3389", "ldaps://dc1"}
		}, []string{
			`domains[0].controllers[0] is "ldap://10.0.0.1:3389", ` + wantFull, `domains[0].controllers[1] is "ldaps://dc1", ` + wantFull}},
		"writer with kerberos by address": {func(c *Config) { c.Writer = Account{Auth: "kerberos", BindUser: "svc", KeytabFile: "/k"} },
			[]string{`domains[0].controllers[1] is "ldap://10.0.0.1:3389", ` + wantFull}},
		"certificate": {func(c *Config) { c.Account = Account{Auth: "certificate", CertificateFile: "/c", KeyFile: "/k"} }, nil},
		"certificate and a name": {func(c *Config) {
			c.Account = Account{Auth: "certificate", BindUser: "svc", PasswordEnv: "X", CCacheFile: "/c"}
		}, []string{
			"domains[0].certificate_file is empty, want the client's certificate",
			"domains[0].key_file is empty, want the key of the certificate",
			"domains[0].bind_user is set, but with auth certificate the domain knows the account by the certificate",
			"domains[0].password_env is set, but with auth certificate the domain knows the account by the certificate",
			"domains[0].ccache_file is set, which belongs to auth kerberos, but auth is certificate"}},
		"sealed": {func(c *Config) {
			kerberosAccount(Account{BindUser: "svc", KeytabFile: "/k"})(c)
			c.Encryption = "sealed"
		}, nil},
		"sealed without kerberos": {func(c *Config) { c.Encryption = "sealed" },
			[]string{"domains[0].encryption is sealed, which needs auth kerberos, of the writer too: it is Kerberos that seals"}},
		"no bases": {func(c *Config) { c.Users.Bases, c.Workstations.Bases = nil, nil },
			[]string{"domains[0].users.bases is empty, " + wantBase, "domains[0].workstations.bases is empty, " + wantBase}},
		"base no name": {func(c *Config) { c.Users.Bases[0] = "Staff" },
			[]string{`domains[0].users.bases[0] is "Staff", want a distinguished name, such as OU=Staff,DC=corp,DC=example`}},
		"base elsewhere": {func(c *Config) { c.Users.Bases[0] = "OU=Staff,DC=corp,DC=test" },
			[]string{`domains[0].users.bases[0] is "OU=Staff,DC=corp,DC=test", want a distinguished name within DC=corp,DC=example: this one belongs to the section of the domain corp.test`}},
		"base in a domain below": {func(c *Config) { c.Users.Bases[0] = "OU=Staff,dc=Sales,DC=corp,DC=example" },
			[]string{`domains[0].users.bases[0] is "OU=Staff,dc=Sales,DC=corp,DC=example", want a distinguished name within DC=corp,DC=example: this one belongs to the section of the domain Sales.corp.example`}},
		"base in no domain": {func(c *Config) { c.Users.Bases[0] = "OU=Staff" },
			[]string{`domains[0].users.bases[0] is "OU=Staff", want a distinguished name within DC=corp,DC=example`}},
		"excluded": {func(c *Config) { c.Users.Exclude = []string{"ou=leavers,ou=staff,dc=corp,dc=example"} }, nil},
		"excluded no name": {func(c *Config) { c.Users.Exclude = []string{"Leavers"} },
			[]string{`domains[0].users.exclude[0] is "Leavers", want a distinguished name, such as OU=Leavers,OU=Staff,DC=corp,DC=example`}},
		"excluded is a base": {func(c *Config) { c.Users.Exclude = []string{"OU=Staff,DC=corp,DC=example"} },
			[]string{`domains[0].users.exclude[0] is "OU=Staff,DC=corp,DC=example", which leaves nothing of the base OU=Staff,DC=corp,DC=example`}},
		"excluded elsewhere": {func(c *Config) { c.Workstations.Exclude = []string{"OU=x,DC=corp,DC=example"} },
			[]string{`domains[0].workstations.exclude[0] is "OU=x,DC=corp,DC=example", want a name below one of workstations.bases: what lies elsewhere is left out anyway`}},
		"groups": {func(c *Config) { c.Users.Groups = []string{`CN=a\,b,OU=Groups,DC=corp,DC=example`} }, nil},
		"group no name": {func(c *Config) { c.Users.Groups = []string{"Photos"} },
			[]string{`domains[0].users.groups[0] is "Photos", want a distinguished name, such as CN=Photos,OU=Groups,DC=corp,DC=example`}},
		"group of another domain": {func(c *Config) { c.Workstations.Groups = []string{"CN=g,DC=other,DC=example"} },
			[]string{`domains[0].workstations.groups[0] is "CN=g,DC=other,DC=example", want a distinguished name within DC=corp,DC=example: this one belongs to the section of the domain other.example`}},
		"many groups": {func(c *Config) { c.Users.Groups = slices.Repeat([]string{"CN=g,DC=corp,DC=example"}, 101) },
			[]string{"domains[0].users.groups has 101 names, want at most 100"}},
		"base is the domain": {func(c *Config) { c.Users.Bases[0] = "dc=Corp,dc=example" }, nil},
		"filter good":        {func(c *Config) { c.Users.Filter = "(|(department=Sales)(department=Shipping))" }, nil},
		"filter open": {func(c *Config) { c.Users.Filter = "(department=Sales" },
			[]string{`domains[0].users.filter is "(department=Sales", want an LDAP filter in parentheses, such as (department=Sales): unexpected end of filter`}},
		"filter that would widen": {func(c *Config) { c.Workstations.Filter = "(a=b))(|(objectClass=*)" },
			[]string{`domains[0].workstations.filter is "(a=b))(|(objectClass=*)", want an LDAP filter in parentheses, such as (department=Sales): finished compiling filter with extra at end: )(|(objectClass=*)`}},
		"page size": {func(c *Config) { c.PageSize = 1001 }, []string{"domains[0].page_size is 1001, want 1 to 1000"}},
		"timeout":   {func(c *Config) { c.Timeout = 0 }, []string{"domains[0].timeout is 0s, want 1s to 10m"}},
		"photo size": {func(c *Config) { c.MaxPhotoSize = 64 << 20 },
			[]string{"domains[0].max_photo_size is 64 MiB, want 1 KiB to 16 MiB"}},
		"dns": {func(c *Config) { c.DNSServers = []string{"10.0.0.1", "dc1", "10.0.0.1:0"} },
			[]string{`domains[0].dns_servers[1] is "dc1", want an IP address, or IP:port`, `domains[0].dns_servers[2] is "10.0.0.1:0", want an IP address, or IP:port`}},
	} {
		t.Run(name, func(t *testing.T) {
			c := goodConfig()
			test.change(&c)
			var got []string
			if err := c.Validate("domains[0]"); err != nil {
				got = strings.Split(err.Error(), "\n")
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if _, err := New(c, Options{Kerberos: new(gss.Kerberos)}); (err == nil) != (test.want == nil) {
				t.Errorf("New returned %v", err)
			}
		})
	}
}

func TestAsWriter(t *testing.T) {
	c := goodConfig()
	want := "write to directory corp.example: internal: no account may write there: configure the domain's section writer with the account that photos are written with"
	if _, err := c.AsWriter(); err == nil || err.Error() != want {
		t.Errorf("without a writer: %v", err)
	}
	c.Writer = Account{Auth: "simple", BindUser: `CORP\writer`, PasswordEnv: "X"}
	w, err := c.AsWriter()
	expect := goodConfig()
	expect.Account = c.Writer
	if diff := cmp.Diff(expect, w); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
	if c.BindUser != "svc@corp.example" {
		t.Errorf("the reader has become %s", c.BindUser)
	}
}

func TestScopeOfConfig(t *testing.T) {
	c := goodConfig()
	c.Users.Filter, c.Workstations.Filter, c.Workstations.IncludeServers = "(a=b)", "(c=d)", true
	c.Users.Groups, c.Users.Exclude = []string{"g"}, []string{"x"}
	c.Workstations.Groups, c.Workstations.Exclude = []string{"h"}, []string{"y"}
	want := photopush.Scope{
		UserBases: c.Users.Bases, UserFilter: "(a=b)",
		UserGroups: []string{"g"}, UserExclude: []string{"x"},
		WorkstationBases: c.Workstations.Bases, WorkstationFilter: "(c=d)", IncludeServers: true,
		WorkstationGroups: []string{"h"}, WorkstationExclude: []string{"y"},
	}
	if diff := cmp.Diff(want, c.Scope()); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestParseBases(t *testing.T) {
	for name, test := range map[string]struct{ in, want []string }{
		"apart":  {[]string{"OU=a,DC=x", "OU=b,DC=x"}, []string{"OU=a,DC=x", "OU=b,DC=x"}},
		"nested": {[]string{"OU=s,OU=a,DC=x", "ou=A,dc=X"}, []string{"ou=A,dc=X"}},
		"twice":  {[]string{"OU=a,DC=x", "ou=a, dc=x"}, []string{"OU=a,DC=x"}},
		"thrice": {[]string{"OU=a,DC=x", "DC=x", "OU=b,DC=x", "dc=x"}, []string{"DC=x"}},
		"suffix": {[]string{"OU=a,DC=x", "OU=ba,DC=x"}, []string{"OU=a,DC=x", "OU=ba,DC=x"}},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, b := range parseBases(test.in) {
				got = append(got, b.name)
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}
