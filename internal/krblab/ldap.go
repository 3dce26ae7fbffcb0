//go:build linux

package krblab

import _ "embed"

//go:embed ldap.py
var ldapScript string

// LDAPOptions say what an LDAP service is like.
type LDAPOptions struct {
	Certificate string            // file with certificate and key in PEM form; empty for no TLS
	StartTLS    bool              // TLS begins on request, else at once
	Own         bool              // the client must be bound to the certificate
	Binding     []byte            // or to another channel; nil for none
	Clients     string            // PEM file of the authorities whose certificates sign clients in; empty for none
	Accounts    map[string]string // the common name in a client's certificate: the account
	Offer       []byte            // of security layers (RFC 4752 section 3.1); nil for all three, and 64 KiB
	Sealed      bool              // the offer is sealed, as it must not be
	Chunk       int               // longest piece of an answer that is sealed in one; 0 for 1000 bytes
}

// ServeLDAP starts an LDAP service that signs clients in, by Kerberos with that keytab or by certificate, and finds nothing for them. Its security
// contexts are MIT's library's, TLS and messages Python's. It says "signed-in NAME layer N at most BYTES", "search in N buffers" and "error TEXT".
func (k *KDC) ServeLDAP(keytab string, o LDAPOptions) *Service {
	k.t.Helper()
	if o.Offer == nil {
		o.Offer = []byte{7, 1, 0, 0}
	}
	if o.Chunk == 0 {
		o.Chunk = 1000
	}
	if o.Accounts == nil {
		o.Accounts = map[string]string{}
	}
	return startService(k.t, append(k.Env(), "KRB5_KTNAME=FILE:"+keytab), ldapScript, map[string]any{
		"certificate": o.Certificate, "starttls": o.StartTLS, "binding": bindingOption(o.Own, o.Binding), "clients": o.Clients, "accounts": o.Accounts,
		"offer": o.Offer, "sealed": o.Sealed, "chunk": o.Chunk,
	})
}
