package gss

import (
	"fmt"
	"strings"
)

// More error codes of KDCs and services (RFC 4120 section 7.5.9), which differ in what to do only.
const (
	kdcWrongRealm = 68
	krbNoTGT      = 67
)

// touchSecret is what is left to do once an account that was refused for something else than its secret may sign in again (docs/reasons.md).
const touchSecret = "; then touch the file of its password or keytab: it is not used again until that file has changed"

// Remedy is what to do about a KDC's refusal, a sentence without its ends.
func (e *kdcError) Remedy() string {
	service, host := splitSPN(e.SName.PrincipalNameString())
	switch e.ErrorCode {
	case kdcUnknownClient:
		return "correct the account's name (user, kerberos.realm): the domain does not know it"
	case kdcUnknownService:
		if service == "krbtgt" || host == "" {
			return "correct kerberos.realm: the KDC does not know it"
		}
		return noPrincipal(service, host)
	case kdcNoEType:
		return "let account and service have keys of AES (msDS-SupportedEncryptionTypes; a new password makes them), or set allow_rc4"
	case kdcRevoked:
		return "enable or unlock the account in the domain, or widen the hours in which it may sign in" + touchSecret
	case kdcNameExpired:
		return "the account has expired: give it another end in the domain" + touchSecret
	case kdcKeyExpired:
		if e.forService { // whose password it is that has expired the KDC's log tells
			break
		}
		return "the password has expired, or must be changed at the next sign-in: set a new one in the domain and in its file"
	case kdcPreauthFailed:
		return "correct the password, or the keytab, in its file: it is not the account's, and is not used again until the file has changed"
	case kdcPolicy:
		if e.forService {
			return fmt.Sprintf("let the account sign in to %s: an authentication policy or silo of it, or selective authentication of its domain, forbids that", host)
		}
		return "let the account sign in: its hours, its computers or an authentication policy forbid it" + touchSecret
	case kdcServiceExpired, kdcServiceRevoked:
		return fmt.Sprintf("enable the computer account of %s, or give it another end in the domain", host)
	case krbSkew, krbNotYet, krbExpired:
		return fmt.Sprintf("set the time of this server, or of the KDC %s: they differ by more than five minutes", e.kdc)
	case kdcWrongRealm:
		return "correct kerberos.realm, or the realm in the account's name: the KDC serves another one"
	}
	return fmt.Sprintf("find out in the log of the KDC %s why it refuses", e.kdc)
}

// Remedy is what to do about a service's refusal, a sentence without its ends.
func (e *peerError) Remedy() string {
	service, host := splitSPN(e.spn)
	machine, class := "workstation", "HTTP"
	if service == "ldap" {
		machine, class = "domain controller", "ldap"
	}
	switch e.code {
	case krbModified, krbBadIntegrity, krbNotUs, krbBadKVNO, krbNoKey:
		return fmt.Sprintf("correct the DNS record of %s if another machine has its address, and see by setspn -Q %s/%s whether another account took that name", host, class, host)
	case krbSkew, krbNotYet, krbExpired:
		return fmt.Sprintf("set the time of the %s, or of this server: they differ by more than five minutes", machine)
	case krbNoTGT:
		return fmt.Sprintf("restart the %s, or join it to the domain anew: it has no ticket of its own", machine)
	}
	return fmt.Sprintf("find out in the System and Security logs of the %s why it refuses the ticket", machine)
}

// splitSPN gives class and host of a service's name, which may have the domain behind them: ldap/dc1.corp.example/corp.example.
func splitSPN(spn string) (class, host string) {
	class, host, _ = strings.Cut(spn, "/")
	host, _, _ = strings.Cut(host, "/")
	return class, host
}

// noPrincipal is what to do where the domain has no such service. A computer has HTTP by HOST; a domain controller has ldap itself.
func noPrincipal(service, host string) string {
	if service == "ldap" {
		return fmt.Sprintf("name domain controllers by their full names: none has ldap/%s as servicePrincipalName; see setspn -Q ldap/%s", host, host)
	}
	return fmt.Sprintf("no computer has HTTP/%s (by HOST) nor WSMAN/%s as servicePrincipalName: see setspn -Q HTTP/%s, and correct the computer object, or the name", host, host, host)
}
