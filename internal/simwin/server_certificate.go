package simwin

import (
	"crypto/sha1" // thumbprints are SHA-1, whatever signs the certificates
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/hex"
	"errors"
	"strings"
	"time"

	"golang.org/x/crypto/cryptobyte"
	cbasn1 "golang.org/x/crypto/cryptobyte/asn1"
)

// mutualProfile stands in the Authorization field of clients that sign in with a certificate (DSP0226, annex C.4).
const mutualProfile = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

// A CertMapping gives client certificates an account of the workstation (MS-WSMV 2.2.4.3, winrm/config/service/certmapping).
type CertMapping struct {
	Issuer   string // thumbprint of the certificate that signed the client's: SHA-1, 40 hex digits
	Subject  string // a UPN or DNS name; a * at its begin or its end stands for any text
	URI      string // of the resources it is for; a * at its end stands for any text
	Account  string // a local account, as in Options.Users
	Password string // of the account, as it was when the mapping was made
	Disabled bool
}

// CertificateOptions say whom a workstation believes.
type CertificateOptions struct {
	Roots    *x509.CertPool
	Users    map[string]string // passwords of local accounts, as in Options.Users
	Mappings []CertMapping
	Now      func() time.Time // nil for the wall clock
}

// Certificates signs clients in by what they show in the TLS handshake. Windows asks for the certificate when it has seen the request, by a
// renegotiation, or by authentication after the handshake in TLS 1.3; Go's TLS cannot do either, so here every client is asked in the handshake, and
// may show none. (How our client is asked later is judged by OpenSSL, in TestRenegotiation.)
//
// Whoever is not trusted, not mapped, or mapped with a password that is wrong by now gets 401, as public clients report it ("the specified
// credentials were rejected by the server"); which of these it is, is not seen on a wire.
type Certificates struct{ options CertificateOptions }

// NewCertificates is the mechanism; a workstation without it is one where Certificate is not allowed in winrm/config/service/auth (the default).
func NewCertificates(o CertificateOptions) *Certificates {
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Certificates{o}
}

// Scheme is the URI of the profile.
func (*Certificates) Scheme() string { return mutualProfile }

// Begin looks at what the client has shown.
func (m *Certificates) Begin(c *tls.ConnectionState) Exchange {
	x := &certificateExchange{m: m}
	x.issuer, x.names, x.err = m.verify(c)
	return x
}

type certificateExchange struct {
	m      *Certificates
	issuer string
	names  []string
	err    error
}

// Lasting: the profile is named in every request.
func (*certificateExchange) Lasting() bool { return false }

var errNotMapped = errors.New("no mapping is for the certificate")

// Accept lets those in who have a mapping, for whatever resource: see account.
func (x *certificateExchange) Accept(string) (account, token string, err error) {
	if x.err != nil {
		return "", "", x.err
	}
	m, err := x.mapping("*")
	return m.Account, "", err
}

// account is who the client is for one resource, of which the request tells behind the sign-in.
func (x *certificateExchange) account(resource string) (string, error) {
	m, err := x.mapping(resource)
	if err != nil {
		return "", err
	}
	if password, ok := x.m.options.Users[m.Account]; !ok || password != m.Password {
		return "", &LogonError{m.Account}
	}
	return m.Account, nil
}

// mapping is the first one that fits; the resource * fits them all.
func (x *certificateExchange) mapping(resource string) (CertMapping, error) {
	for _, m := range x.m.options.Mappings {
		if !m.Disabled && strings.EqualFold(m.Issuer, x.issuer) && x.named(m.Subject) && (resource == "*" || matches(m.URI, resource, false)) {
			return m, nil
		}
	}
	return CertMapping{}, errNotMapped
}

func (x *certificateExchange) named(pattern string) bool {
	for _, name := range x.names {
		if matches(pattern, name, true) {
			return true
		}
	}
	return false
}

// matches compares without case; the star may be at the end, where leading is set also at the begin.
func matches(pattern, text string, leading bool) bool {
	pattern, text = strings.ToLower(pattern), strings.ToLower(text)
	if begin, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(text, begin)
	}
	if end, ok := strings.CutPrefix(pattern, "*"); ok && leading {
		return strings.HasSuffix(text, end)
	}
	return pattern == text
}

var errNoCertificate = errors.New("the client shows no certificate")

// verify returns the thumbprint of the issuer and the names of a client's certificate, which must be for client authentication.
func (m *Certificates) verify(c *tls.ConnectionState) (issuer string, names []string, err error) {
	if c == nil || len(c.PeerCertificates) == 0 {
		return "", nil, errNoCertificate
	}
	leaf, between := c.PeerCertificates[0], x509.NewCertPool()
	for _, cert := range c.PeerCertificates[1:] {
		between.AddCert(cert)
	}
	chains, err := leaf.Verify(x509.VerifyOptions{Roots: m.options.Roots, Intermediates: between, CurrentTime: m.options.Now(),
		KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth}})
	if err != nil {
		return "", nil, err
	}
	signer := chains[0][min(1, len(chains[0])-1)] // one that signed itself is its own issuer
	return Thumbprint(signer), append(userNames(leaf), leaf.DNSNames...), nil
}

// Thumbprint is how Windows names a certificate.
func Thumbprint(cert *x509.Certificate) string {
	sum := sha1.Sum(cert.Raw)
	return strings.ToUpper(hex.EncodeToString(sum[:]))
}

var (
	oidSubjectAltName = asn1.ObjectIdentifier{2, 5, 29, 17}
	oidUserName       = asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 311, 20, 2, 3} // szOID_NT_PRINCIPAL_NAME
)

// userNames are the user principal names among a certificate's alternative names, which crypto/x509 passes over.
func userNames(cert *x509.Certificate) []string {
	for _, e := range cert.Extensions {
		if e.Id.Equal(oidSubjectAltName) {
			return readUserNames(e.Value)
		}
	}
	return nil
}

// readUserNames reads GeneralNames (RFC 5280, 4.2.1.6): an otherName is a type and a value with a tag of its own.
func readUserNames(extension []byte) (names []string) {
	var list cryptobyte.String
	in := cryptobyte.String(extension)
	if !in.ReadASN1(&list, cbasn1.SEQUENCE) {
		return nil
	}
	for !list.Empty() {
		var name, value, text cryptobyte.String
		var tag cbasn1.Tag
		var kind asn1.ObjectIdentifier
		if !list.ReadAnyASN1(&name, &tag) {
			return names
		}
		if tag == cbasn1.Tag(0).ContextSpecific().Constructed() && name.ReadASN1ObjectIdentifier(&kind) && kind.Equal(oidUserName) &&
			name.ReadASN1(&value, cbasn1.Tag(0).ContextSpecific().Constructed()) && value.ReadASN1(&text, cbasn1.UTF8String) {
			names = append(names, string(text))
		}
	}
	return names
}
