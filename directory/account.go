package directory

import (
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// An Account is who signs in to the domain controllers, and how.
type Account struct {
	BindUser     string `yaml:"bind_user" help:"Account to sign in with: user@domain, DOMAIN\\user or a distinguished name. To read, a plain domain user is enough." example:"svc-photopush@corp.example"`
	PasswordFile string `yaml:"password_file" unless:"password_env is set" help:"File whose first line is the account's password." example:"/etc/photopush/ldap-password"`
	PasswordEnv  string `yaml:"password_env" help:"Environment variable that holds the password, instead of password_file."`
}

// isZero tells whether no account is named.
func (a Account) isZero() bool { return a == Account{} }

// Secret is where the password is kept.
func (a *Account) Secret() photopush.Secret {
	return photopush.Secret{File: a.PasswordFile, Env: a.PasswordEnv}
}

func (a *Account) validate(v configFaults) {
	switch {
	case a.BindUser == "":
		v.add(`bind_user is empty, want user@domain, DOMAIN\user or a distinguished name`)
	case !bindUserForm(a.BindUser):
		v.add(`bind_user is %q, want user@domain, DOMAIN\user or a distinguished name`, a.BindUser)
	}
	switch {
	case a.PasswordFile == "" && a.PasswordEnv == "":
		v.add("password_file is empty, want it or password_env")
	case a.PasswordFile != "" && a.PasswordEnv != "":
		v.add("password_file and password_env are both set, want one of them")
	}
}

// bindUserForm tells whether a controller can take s for a simple bind: a bare account name is refused by Active Directory
// (MS-ADTS 5.1.1.1.1).
func bindUserForm(s string) bool {
	if user, domain, ok := strings.Cut(s, "@"); ok && user != "" && domain != "" {
		return true
	}
	if domain, user, ok := strings.Cut(s, `\`); ok && domain != "" && user != "" && !strings.Contains(domain, "=") {
		return true
	}
	dn, err := ldap.ParseDN(s)
	return err == nil && len(dn.RDNs) > 0
}

// checkFiles reads the files that the account names.
func (a *Account) checkFiles(path string) error {
	if a.PasswordFile == "" {
		return nil
	}
	if _, err := a.Secret().Reveal(); err != nil {
		return fmt.Errorf("%s.password_file: %w", path, err)
	}
	return nil
}
