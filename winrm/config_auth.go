package winrm

import (
	"slices"
	"strings"
	"unicode"

	photopush "github.com/photopush/photopush"
)

// Values of transport, auth and kerberos_header.
const (
	overHTTP  = "http"
	overHTTPS = "https"

	authKerberos    = "kerberos"
	authNTLM        = "ntlm"
	authCertificate = "certificate"
	authBasic       = "basic"

	headerNegotiate = "negotiate"
	headerKerberos  = "kerberos"
)

// port is the one that is dialled.
func (c *Config) port() int {
	switch {
	case c.Port != 0:
		return c.Port
	case c.Transport == overHTTPS:
		return 5986
	}
	return 5985
}

// Account names who signs in, for people and for the guard of credentials.
func (c *Config) Account() string {
	switch {
	case c.Auth == authCertificate:
		return "certificate " + c.CertificateFile
	case c.User == "" && c.CCacheFile != "":
		return "credential cache " + c.CCacheFile
	}
	return c.User
}

// Secret is what proves the account: the place of the password, or the file that stands for it.
func (c *Config) Secret() photopush.Secret {
	for _, file := range []string{c.KeytabFile, c.CCacheFile, c.KeyFile} {
		if file != "" {
			return photopush.Secret{File: file}
		}
	}
	return c.Password()
}

type faultFunc func(format string, args ...any)

// validateAccount checks transport, auth, and what belongs to that kind of auth.
func (c *Config) validateAccount(fault faultFunc) {
	if c.Transport != overHTTP && c.Transport != overHTTPS {
		fault("transport is %q, want http or https", c.Transport)
	}
	switch c.Auth {
	case authKerberos:
		c.validateKerberos(fault)
	case authNTLM:
		c.validateNTLM(fault)
	case authCertificate:
		c.validateCertificate(fault)
	case authBasic:
		c.validateBasic(fault)
	default:
		fault("auth is %q, want kerberos, ntlm, certificate or basic", c.Auth)
		return
	}
	for _, k := range []struct{ key, value, auth string }{
		{"keytab_file", c.KeytabFile, authKerberos},
		{"ccache_file", c.CCacheFile, authKerberos},
		{"certificate_file", c.CertificateFile, authCertificate},
		{"key_file", c.KeyFile, authCertificate},
	} {
		if k.value != "" && k.auth != c.Auth {
			fault("%s is set, which belongs to auth %s, but auth is %s", k.key, k.auth, c.Auth)
		}
	}
	if len(c.AllowDomainNTLM) > 0 && c.Auth != authNTLM {
		fault("allow_domain_ntlm is set, which belongs to auth ntlm, but auth is %s", c.Auth)
	}
}

func (c *Config) validateKerberos(fault faultFunc) {
	switch {
	case c.User == "" && c.CCacheFile == "":
		fault("user is empty, want the account to sign in with")
	case strings.Contains(c.User, `\`) || strings.ContainsFunc(c.User, unicode.IsControl):
		fault("user is %q, want an account of the domain, such as svc-push or svc-push@CORP.EXAMPLE", c.User)
	}
	if c.KerberosHeader != headerNegotiate && c.KerberosHeader != headerKerberos {
		fault("kerberos_header is %q, want negotiate or kerberos", c.KerberosHeader)
	}
	set := 0
	for _, place := range []string{c.PasswordFile, c.PasswordEnv, c.KeytabFile, c.CCacheFile} {
		if place != "" {
			set++
		}
	}
	switch {
	case set == 0:
		fault("password_file is empty, want a file, or one of password_env, keytab_file, ccache_file")
	case set > 1:
		fault("password_file is not the only one that is set of password_file, password_env, keytab_file, ccache_file; want one of them")
	}
}

func (c *Config) validateNTLM(fault faultFunc) {
	switch {
	case c.User == "":
		fault("user is empty, want the account to sign in with")
	case strings.ContainsFunc(c.User, unicode.IsControl):
		fault("user is %q, want a name without control characters", c.User)
	case !localUser(c.User) && !slices.ContainsFunc(c.AllowDomainNTLM, func(s string) bool { return strings.EqualFold(s, c.User) }):
		fault("user is %q, an account of a domain: use kerberos for it, or name it in allow_domain_ntlm", c.User)
	}
	c.validatePassword(fault)
}

func (c *Config) validateCertificate(fault faultFunc) {
	if c.Transport == overHTTP {
		fault("auth is certificate, which needs transport https")
	}
	if c.CertificateFile == "" {
		fault("certificate_file is empty, want the client's certificate")
	}
	if c.KeyFile == "" {
		fault("key_file is empty, want the key of the certificate")
	}
	if c.User != "" || c.PasswordFile != "" || c.PasswordEnv != "" {
		fault("user is set, or a password, but with auth certificate the workstation knows the account by the certificate")
	}
}

func (c *Config) validateBasic(fault faultFunc) {
	if c.Transport == overHTTP {
		fault("auth is basic, which needs transport https: it would send the password in clear")
	}
	switch {
	case c.User == "":
		fault("user is empty, want the account to sign in with")
	case strings.ContainsFunc(c.User, notInBasic):
		fault("user is %q, want a name without a colon and control characters, which basic cannot carry", c.User)
	case !localUser(c.User):
		fault("user is %q, want a local account of the workstations, such as svc-photopush: Windows accepts basic for local accounts only", c.User)
	}
	c.validatePassword(fault)
}

func (c *Config) validatePassword(fault faultFunc) {
	switch {
	case c.PasswordFile != "" && c.PasswordEnv != "":
		fault("password_file and password_env are both set, want one of them")
	case c.PasswordFile == "" && c.PasswordEnv == "":
		fault("password_file is empty, want a file, or password_env")
	}
}

// localUser tells whether the name is that of an account of the workstation itself, with or without .\ before it.
func localUser(user string) bool { return !strings.ContainsAny(strings.TrimPrefix(user, `.\`), `\@`) }
