package simad

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// tlsConfig asks clients for a certificate, and does without (MS-ADTS 5.1.1.2).
func (c *Controller) tlsConfig(own tls.Certificate) *tls.Config {
	config := &tls.Config{Certificates: []tls.Certificate{own}, MinVersion: tls.VersionTLS12, ClientAuth: tls.RequestClientCert}
	if c.options.StrictTLS {
		config.ClientAuth, config.ClientCAs = tls.VerifyClientCertIfGiven, c.options.ClientCAs
		if config.ClientCAs == nil {
			config.ClientCAs = x509.NewCertPool() // the system's authorities sign nobody in
		}
	}
	return config
}

// holder is the key of the account that the certificate of a client stands for; empty for nobody.
func (c *Controller) holder(chain []*x509.Certificate) string {
	if len(chain) == 0 || c.options.ClientCAs == nil {
		return ""
	}
	between := x509.NewCertPool()
	for _, cert := range chain[1:] {
		between.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{Roots: c.options.ClientCAs, Intermediates: between, CurrentTime: c.domain.now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return ""
	}
	return c.domain.certified(chain[0].SubjectKeyId)
}

// certified finds the account to which a certificate is mapped by the identifier of its key, in altSecurityIdentities (MS-PKCA 3.1.5.2.1); empty for none
// that may sign in.
func (d *Domain) certified(key []byte) string {
	if len(key) == 0 {
		return ""
	}
	d.mu.RLock()
	defer d.mu.RUnlock()
	o := d.byAttribute("altSecurityIdentities", "X509:<SKI>"+hex.EncodeToString(key))
	if o == nil || o.refusal(o.login.password) != 0 {
		return ""
	}
	return o.key
}

// certificateSignIn notes whom the client's certificate stands for. Where TLS was there from the beginning he is signed in by that; where it was started, not
// before he says so by SASL EXTERNAL.
func (s *session) certificateSignIn(state tls.ConnectionState, secure bool) {
	s.external = s.c.holder(state.PeerCertificates)
	if !secure || len(state.PeerCertificates) == 0 {
		return
	}
	s.implicit = true
	s.signIn(s.external)
}

// signIn counts that somebody signed in without a password, or nobody did.
func (s *session) signIn(who string) {
	if who == "" {
		s.c.counts.failedBinds.Add(1)
		return
	}
	s.c.counts.binds.Add(1)
	s.bound, s.who = true, who
}

// bindExternal answers SASL EXTERNAL.
func (s *session) bindExternal() result {
	if s.implicit {
		return result{code: unwillingToPerform, text: "00002035: LdapErr: DSID-0C0904DC, comment: the connection is bound by its certificate, data 0, v4563\x00"}
	}
	s.signIn(s.external)
	if !s.bound {
		return result{code: invalidCredentials, text: "80090317: LdapErr: DSID-0C090610, comment: AcceptSecurityContext error, data 0, v4563\x00"}
	}
	return result{}
}

const oidWhoAmI = "1.3.6.1.4.1.4203.1.11.3"

// whoAmI tells whose the connection is: nothing for nobody (RFC 4532 2.1, MS-ADTS 3.1.1.3.4.2).
func (s *session) whoAmI(id int64) error {
	value := ""
	if s.bound {
		value = "u:" + s.c.domain.netbios + `\` + s.c.domain.accountName(s.who)
	}
	op := result{}.append(operation(opExtendedResult))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 11, value, "responseValue"))
	return s.send(id, op)
}

// accountName is the sAMAccountName of the account with that key.
func (d *Domain) accountName(key string) string {
	d.mu.RLock()
	defer d.mu.RUnlock()
	if o := d.objects[key]; o != nil {
		return string(o.attrs.first("sAMAccountName"))
	}
	return ""
}
