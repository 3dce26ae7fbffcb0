package directory

import (
	"crypto/x509"
	"encoding/asn1"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// An Account is who signs in to the domain controllers, and how.
type Account struct {
	Auth            string `yaml:"auth" default:"simple" help:"How to sign in: simple, with name and password inside TLS; kerberos, which hardened domains want, without the password ever being sent; or certificate, that of the client, inside TLS. It is never changed to another by itself."`
	BindUser        string `yaml:"bind_user" unless:"auth is certificate or ccache_file is set" help:"Account to sign in with. For simple: user@domain, DOMAIN\\user or a distinguished name; for kerberos: user or user@REALM. To read, a plain domain user is enough." example:"svc-photopush@corp.example"`
	PasswordFile    string `yaml:"password_file" unless:"auth is certificate or one of password_env, keytab_file and ccache_file is set" help:"For simple and kerberos: file whose first line is the account's password." example:"/etc/photopush/ldap-password"`
	PasswordEnv     string `yaml:"password_env" help:"For simple and kerberos: environment variable that holds the password, instead of password_file."`
	KeytabFile      string `yaml:"keytab_file" help:"For kerberos, instead of a password: file with the account's keys." example:"/etc/photopush/svc-photopush.keytab"`
	CCacheFile      string `yaml:"ccache_file" help:"For kerberos, instead of a password: credential cache with tickets, which someone else renews; bind_user may be empty then."`
	CertificateFile string `yaml:"certificate_file" help:"For certificate: PEM file with the client's certificate, which the domain maps to an account." example:"/etc/photopush/svc-photopush.pem"`
	KeyFile         string `yaml:"key_file" help:"For certificate: PEM file with the key of the certificate." example:"/etc/photopush/svc-photopush.key"`
}

// Values of auth.
const (
	authSimple      = "simple"
	authKerberos    = "kerberos"
	authCertificate = "certificate"
)

// isZero tells whether no account is named, however it would sign in.
func (a Account) isZero() bool { return a == Account{Auth: a.Auth} }

// Name is who signs in, for people and for the guard of credentials.
func (a *Account) Name() string {
	switch {
	case a.Auth == authCertificate:
		return "certificate " + a.CertificateFile
	case a.BindUser == "" && a.CCacheFile != "":
		return "credential cache " + a.CCacheFile
	}
	return a.BindUser
}

// identity tells one account from another as the domain does, as far as its files can be read now: what it sees of the directory depends on it. A renewed
// certificate, or a cache that is filled anew, stands for the same account.
func (a *Account) identity() string {
	switch {
	case a.Auth == authCertificate:
		if pair, err := photopush.LoadCertificate(a.CertificateFile, a.KeyFile); err == nil {
			return certificateHolder(pair.Leaf)
		}
	case a.BindUser == "" && a.CCacheFile != "":
		if owner, err := gss.CacheOwner(a.CCacheFile); err == nil {
			return owner
		}
	}
	return a.Name()
}

// subjectAltName is the extension of a certificate that mostly names an account of Active Directory (RFC 5280 4.2.1.6, MS-PKCA 3.1.5.2.1).
var subjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}

func certificateHolder(c *x509.Certificate) string {
	holder := "certificate of " + c.Subject.String()
	for _, e := range c.Extensions {
		if e.Id.Equal(subjectAltName) {
			holder += fmt.Sprintf(", %x", e.Value)
		}
	}
	return holder
}

// Mechanism is how, for the guard of credentials: ldap-simple, ldap-kerberos or ldap-certificate.
func (a *Account) Mechanism() string { return "ldap-" + a.Auth }

// Secret is what proves the account: the place of the password, or the file that stands for it. A certificate is renewed whenever its key is.
func (a *Account) Secret() photopush.Secret {
	for _, file := range []string{a.KeytabFile, a.CCacheFile, a.CertificateFile} {
		if file != "" {
			return photopush.Secret{File: file}
		}
	}
	return a.password()
}

func (a *Account) password() photopush.Secret {
	return photopush.Secret{File: a.PasswordFile, Env: a.PasswordEnv}
}

// KerberosAccount is the account as tickets are asked for with it; nil when it signs in without.
func (a *Account) KerberosAccount() *gss.KerberosAccount {
	if a.Auth != authKerberos {
		return nil
	}
	return &gss.KerberosAccount{User: a.BindUser, Password: a.password(), KeytabFile: a.KeytabFile, CacheFile: a.CCacheFile}
}

func (a *Account) validate(v configFaults) {
	switch a.Auth {
	case authSimple:
		a.validateSimple(v)
	case authKerberos:
		a.validateKerberos(v)
	case authCertificate:
		a.validateCertificate(v)
	default:
		v.add("auth is %q, want simple, kerberos or certificate", a.Auth)
		return
	}
	for _, k := range []struct{ key, value, auth string }{
		{"keytab_file", a.KeytabFile, authKerberos},
		{"ccache_file", a.CCacheFile, authKerberos},
		{"certificate_file", a.CertificateFile, authCertificate},
		{"key_file", a.KeyFile, authCertificate},
	} {
		if k.value != "" && k.auth != a.Auth {
			v.add("%s is set, which belongs to auth %s, but auth is %s", k.key, k.auth, a.Auth)
		}
	}
}

func (a *Account) validateSimple(v configFaults) {
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

func (a *Account) validateKerberos(v configFaults) {
	switch {
	case a.BindUser == "" && a.CCacheFile == "":
		v.add("bind_user is empty, want user or user@REALM")
	case strings.ContainsAny(a.BindUser, `\=/`) || strings.HasPrefix(a.BindUser, "@") || strings.ContainsFunc(a.BindUser, unicode.IsControl):
		v.add("bind_user is %q, want user or user@REALM with auth kerberos", a.BindUser)
	}
	set := 0
	for _, place := range []string{a.PasswordFile, a.PasswordEnv, a.KeytabFile, a.CCacheFile} {
		if place != "" {
			set++
		}
	}
	if set != 1 {
		v.add("password_file, password_env, keytab_file and ccache_file: %d of them are set, want one", set)
	}
}

func (a *Account) validateCertificate(v configFaults) {
	if a.CertificateFile == "" {
		v.add("certificate_file is empty, want the client's certificate")
	}
	if a.KeyFile == "" {
		v.add("key_file is empty, want the key of the certificate")
	}
	for _, k := range []struct{ key, value string }{{"bind_user", a.BindUser}, {"password_file", a.PasswordFile}, {"password_env", a.PasswordEnv}} {
		if k.value != "" {
			v.add("%s is set, but with auth certificate the domain knows the account by the certificate", k.key)
		}
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
	fault := func(key string, err error) error {
		if err != nil {
			err = fmt.Errorf("%s.%s: %w", path, key, err)
		}
		return err
	}
	switch {
	case a.Auth == authCertificate && a.CertificateFile != "" && a.KeyFile != "":
		key := "certificate_file"
		_, err := loadCertificate(a.CertificateFile, a.KeyFile, time.Now())
		if e, ok := errors.AsType[*photopush.SecretError](err); ok && e.Place.File == a.KeyFile {
			key = "key_file"
		}
		return fault(key, err)
	case a.KeytabFile != "":
		return fault("keytab_file", gss.KerberosAccount{KeytabFile: a.KeytabFile}.CheckFiles())
	case a.CCacheFile != "":
		return fault("ccache_file", gss.KerberosAccount{CacheFile: a.CCacheFile}.CheckFiles())
	case a.PasswordFile != "":
		_, err := a.password().Reveal()
		return fault("password_file", err)
	}
	return nil
}
