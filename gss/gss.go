// Package gss makes security contexts (RFC 2743): Kerberos (RFC 4120, 4121), NTLM (MS-NLMP) and SPNEGO (RFC 4178), both the side that
// initiates and the side that accepts. It turns tokens into contexts and messages into sealed messages, and knows neither HTTP nor LDAP.
//
// Every error is a *photopush.Error whose Reason says what happens next: Auth when the credential itself was rejected, KDC when no KDC
// answers, WrongHost when the peer cannot read a ticket made for its name, ClockSkew, Denied when the peer refuses an account that the KDC
// accepted, Unsupported when the peer breaks the protocol, Internal for faults of our own.
package gss

import (
	"context"
	"crypto"
	_ "crypto/sha256" // what ServerEndPoint may ask for
	_ "crypto/sha512"
	"crypto/x509"
	"hash"
)

// A Context is one side of a security context. It is for one connection and for one goroutine; once it is established with Kerberos, one goroutine
// may seal while another one unseals.
type Context interface {
	// Step takes the peer's token, nil when the initiator begins, and returns the token to send. A token that is not nil must be sent also
	// when done; done means that no further token is wanted from the peer and that messages can be sealed. An error ends the context; an
	// acceptor may return a token with it that tells the initiator why.
	Step(ctx context.Context, token []byte) (out []byte, done bool, err error)

	// Seal appends the sealed message to dst, and tells how many bytes of what it appended are the header that WinRM sends apart from the
	// encrypted data (MS-WSMV 2.2.9.1): the rest is as long as message. It counts the sequence up.
	Seal(dst, message []byte) (sealed []byte, header int, err error)

	// Unseal verifies header and data, as one piece, and the sequence, and returns the message, which shares memory with sealed.
	Unseal(sealed []byte) (message []byte, err error)

	// Sign appends a token with message, which everybody can read and nobody can change: GSS_Wrap without confidentiality (RFC 2743 section 2.3.3),
	// as the last step of SASL has it (RFC 4752 section 3.1). It counts the sequence up. With Kerberos only.
	Sign(dst, message []byte) (token []byte, err error)

	// Verify takes the peer's token of that kind, and refuses a sealed one, as Unseal refuses this one. The message shares memory with token.
	Verify(token []byte) (message []byte, err error)

	// Peer is the authenticated name: on the acceptor's side user@REALM or DOMAIN\user, on the initiator's the name of the service.
	Peer() string
}

// ServerEndPoint is the channel binding of a TLS connection to a server with that leaf certificate: "tls-server-end-point:" and the
// certificate's hash by its signature's algorithm, where MD5 and SHA-1 become SHA-256 (RFC 5929 section 4.1).
func ServerEndPoint(leaf *x509.Certificate) []byte {
	h := crypto.SHA256
	switch leaf.SignatureAlgorithm {
	case x509.SHA384WithRSA, x509.ECDSAWithSHA384, x509.SHA384WithRSAPSS:
		h = crypto.SHA384
	case x509.SHA512WithRSA, x509.ECDSAWithSHA512, x509.SHA512WithRSAPSS:
		h = crypto.SHA512
	}
	var sum hash.Hash = h.New()
	sum.Write(leaf.Raw)
	return sum.Sum([]byte("tls-server-end-point:"))
}
