package winrm

import (
	"context"
	"crypto/tls"
	"fmt"
	"net/http"
)

// A mechanism signs one account in. Mechanisms that talk to a KDC keep their tickets; contexts are made for each connection.
type mechanism interface {
	// prepare says what the client shows in the TLS handshake, before anybody is dialled; most mechanisms show nothing.
	prepare(host string) ([]tls.Certificate, error)

	// begin makes the context for a new connection. It sends nothing.
	begin(ctx context.Context, p peer) (security, error)
}

// peer is who a security context is made with.
type peer struct {
	host string               // full name, as in the certificate and in service principal names
	tls  *tls.ConnectionState // nil without TLS; its leaf certificate is what a context is bound to
}

// security is the security context of one TCP connection, used by one goroutine. It sees every message before it is sent and every
// answer before it is parsed, so that it can sign, seal and count them.
type security interface {
	// establish exchanges tokens in requests of its own, before the first message and after each challenge that was accepted. A
	// mechanism whose first token can travel with a message sends nothing here. The error is a *spentError when it may have cost a logon.
	establish(ctx context.Context, post poster) error

	// seal turns an envelope into the header fields and the body to send. The body may share memory with the envelope.
	seal(envelope []byte) (http.Header, []byte, error)

	// written: the body is no longer needed, whether it was sent or not, so that its memory may be used again.
	written()

	// unseal returns the envelope of an answer, verified. Faults are sealed too. The result may share memory with the answer.
	unseal(a *answer) ([]byte, error)

	// challenged judges an answer 401 to a message, which was not processed by that. Nil: establish, and send the message once more; a
	// second 401 is the end. Else a *photopush.Error: auth when the credential was rejected, unsupported when the host does not offer
	// the mechanism.
	challenged(a *answer) error
}

// poster sends one request on the connection.
type poster func(ctx context.Context, header http.Header, body []byte) (*answer, error)

// soapType is the media type of an envelope (MS-WSMV 2.1); Windows answers in the character set it was asked in.
const soapType = "application/soap+xml;charset=UTF-8"

// newMechanism is that of cfg.Auth, and no other.
func newMechanism(cfg *Config, opts Options) (mechanism, error) {
	switch cfg.Auth {
	case authKerberos:
		return newKerberos(cfg, opts.Kerberos)
	case authCertificate:
		return &certificate{file: cfg.CertificateFile, key: cfg.KeyFile}, nil
	case authNTLM:
		return newNTLM(cfg)
	case authBasic:
		return &basic{user: cfg.User, password: cfg.Password()}, nil
	}
	return nil, fmt.Errorf("auth is %q, want kerberos, ntlm, certificate or basic", cfg.Auth)
}
