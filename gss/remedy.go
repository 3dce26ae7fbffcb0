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

// Remedy is what to do about a KDC's refusal, a sentence without its ends.
func (e *kdcError) Remedy() string {
	service, host, _ := strings.Cut(e.SName.PrincipalNameString(), "/")
	switch e.ErrorCode {
	case kdcUnknownClient:
		return "correct the account's name (user, kerberos.realm): the domain does not know it"
	case kdcUnknownService:
		if service == "krbtgt" || host == "" {
			return "correct kerberos.realm: the KDC does not know it"
		}
		return noPrincipal(host)
	case kdcNoEType:
		return "let account and computer have keys of AES (msDS-SupportedEncryptionTypes; a new password makes them), or set allow_rc4"
	case kdcRevoked:
		return "enable or unlock the account in the domain, or widen the hours in which it may sign in"
	case kdcNameExpired:
		return "the account has expired: give it another end in the domain"
	case kdcKeyExpired:
		return "the password has expired, or must be changed at the next sign-in: set a new one in the domain and in its file"
	case kdcPreauthFailed:
		return "correct the password, or the keytab, in its file: it is not the account's, and is not used again until the file has changed"
	case kdcPolicy:
		return "a policy of the domain forbids it: look at the hours, computers and authentication policies of the account"
	case krbSkew, krbNotYet, krbExpired:
		return fmt.Sprintf("set the time of this server, or of the KDC %s: they differ by more than five minutes", e.kdc)
	case kdcWrongRealm:
		return "correct kerberos.realm, or the realm in the account's name: the KDC serves another one"
	}
	return fmt.Sprintf("find out in the log of the KDC %s why it refuses", e.kdc)
}

// Remedy is what to do about a service's refusal, a sentence without its ends.
func (e *peerError) Remedy() string {
	_, host, _ := strings.Cut(e.spn, "/")
	switch e.code {
	case krbModified, krbBadIntegrity, krbNotUs, krbNoKey:
		return fmt.Sprintf("correct the DNS record of %s if another machine has its address, and see by setspn -Q HTTP/%s whether another account took that name", host, host)
	case krbSkew, krbNotYet, krbExpired:
		return "set the time of the workstation, or of this server: they differ by more than five minutes"
	case krbNoTGT:
		return "restart the workstation, or join it to the domain anew: it has no ticket of its own"
	}
	return "find out in the System and Security logs of the workstation why it refuses the ticket"
}

// noPrincipal is what to do where the domain has no such service. A computer has HTTP by HOST.
func noPrincipal(host string) string {
	return fmt.Sprintf("no computer has HTTP/%s (by HOST) nor WSMAN/%s as servicePrincipalName: see setspn -Q HTTP/%s, and correct the computer object, or the name", host, host, host)
}
