package simad

import (
	"fmt"
	"strings"
)

// bind checks name and password, or the client's certificate, as a domain controller does, and says no in its words.
func (s *session) bind(b *bindRequest) result {
	s.bound, s.who = false, ""
	switch {
	case b.version != 3:
		return result{code: protocolError, text: "00000057: LdapErr: DSID-0C0C0092, comment: only version 3 is answered, data 0, v4563\x00"}
	case b.sasl == "EXTERNAL" && s.tls:
		return s.bindExternal()
	case !b.simple:
		return result{code: authMethodNotSupported, text: "00002027: LdapErr: DSID-0C090577, comment: Inappropriate authentication method, data 0, v4563\x00"}
	case b.password == "":
		return result{} // anonymous, and unauthenticated (RFC 4513 5.1.2): Active Directory says yes
	case !s.tls:
		return result{code: strongAuthRequired, text: "00002028: LdapErr: DSID-0C090259, comment: The server requires binds to turn on " +
			`integrity checking if SSL\TLS are not already active on the connection, data 0, v4563` + "\x00"}
	}
	who, data := s.c.domain.signIn(b.name, b.password)
	if data != 0 {
		s.c.counts.failedBinds.Add(1)
		return result{code: invalidCredentials, text: fmt.Sprintf(
			"80090308: LdapErr: DSID-0C09044E, comment: AcceptSecurityContext error, data %x, v4563\x00", data)}
	}
	s.c.counts.binds.Add(1)
	s.bound, s.who = true, who
	return result{}
}

// Reasons to refuse a sign-in (MS-ERREF 2.2).
const (
	logonFailure       = 0x52e
	accountDisabled    = 0x533
	accountExpired     = 0x701
	passwordMustChange = 0x773
	accountLocked      = 0x775
)

// signIn returns the key of the account and 0, or why it may not sign in. A wrong password hides the other reasons, but for the lock.
func (d *Domain) signIn(name, password string) (who string, data int) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	o := d.principal(name)
	if o == nil || o.login.password == "" {
		return "", logonFailure
	}
	return o.key, o.refusal(password)
}

// refusal is why the account may not sign in with the password; 0 when it may.
func (o *object) refusal(password string) int {
	switch {
	case o.login.locked:
		return accountLocked
	case o.login.password != password:
		return logonFailure
	case disabled(o):
		return accountDisabled
	case o.login.expired:
		return accountExpired
	case o.login.change:
		return passwordMustChange
	}
	return 0
}

// disabled reads ACCOUNTDISABLE of userAccountControl.
func disabled(o *object) bool {
	return matchFilter{"userAccountControl", ruleBitAnd, []byte("2")}.eval(nil, o) == isTrue
}

// principal finds an account by the forms of names that a simple bind takes (MS-ADTS 5.1.1.1.1): distinguished name, user principal name,
// account@domain, DOMAIN\account. A bare account name is none of them.
func (d *Domain) principal(name string) *object {
	if domain, account, ok := strings.Cut(name, `\`); ok && (strings.EqualFold(domain, d.netbios) || strings.EqualFold(domain, d.name)) {
		return d.byAttribute("sAMAccountName", account)
	}
	if account, domain, ok := strings.Cut(name, "@"); ok {
		if o := d.byAttribute("userPrincipalName", name); o != nil || !strings.EqualFold(domain, d.name) {
			return o
		}
		return d.byAttribute("sAMAccountName", account)
	}
	if parsed, err := parseDN(name); err == nil && len(parsed) > 0 {
		return d.objects[parsed.key()]
	}
	return nil
}

func (d *Domain) byAttribute(name, value string) *object {
	f := compareFilter{name, filterEqual, []byte(value)}
	for _, o := range d.order {
		if !o.deleted && f.eval(d, o) == isTrue {
			return o
		}
	}
	return nil
}
