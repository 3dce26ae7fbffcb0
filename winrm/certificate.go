package winrm

import (
	"context"
	"crypto/tls"
	"errors"
	"net/http"

	photopush "github.com/photopush/photopush"
)

// certificate signs in with a client's certificate in TLS (MS-WSMV 2.2.9.2 names only the URI; DSP0226 annex C.4). The workstation maps it to
// a local account whose password it keeps itself (winrm/config/service/certmapping): a rejection is Denied, of that workstation, and never stops
// the credential. (With an outdated password in the mapping each attempt is a failed logon of that account, there.)
type certificate struct{ file, key string }

// prepare reads the files, so that a renewed certificate counts from the next connection on.
func (c *certificate) prepare(host string) ([]tls.Certificate, error) {
	pair, err := photopush.LoadCertificate(c.file, c.key)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: host, Err: err}
	}
	return []tls.Certificate{pair}, nil
}

var errCertificateNeedsTLS = errors.New("a certificate needs TLS")

func (c *certificate) begin(_ context.Context, p peer) (security, error) {
	if p.tls == nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: p.host, Err: errCertificateNeedsTLS}
	}
	return &certificateContext{host: p.host, file: c.file}, nil
}

// certificateContext says in every request that the certificate is meant, and leaves bodies as they are.
type certificateContext struct{ host, file string }

// mutualProfile is the security profile of DSP0226 for HTTPS with certificates on both sides.
const mutualProfile = "http://schemas.dmtf.org/wbem/wsman/1/wsman/secprofile/https/mutual"

func (*certificateContext) establish(context.Context, poster) error { return nil }

func (*certificateContext) seal(envelope []byte) (http.Header, []byte, error) {
	return http.Header{"Authorization": {mutualProfile}, "Content-Type": {soapType}}, envelope, nil
}

func (*certificateContext) written() {}

func (*certificateContext) unseal(a *answer) ([]byte, error) { return a.body, nil }

var errNotMapped = &photopush.Cause{
	What: "the workstation does not accept the certificate",
	Do:   "allow Certificate there (winrm/config/service/auth), trust its CA, and map it to a local account (winrm/config/service/certmapping)",
}

func (c *certificateContext) challenged(*answer) error {
	return &photopush.Error{Reason: photopush.Denied, Op: "sign in to", On: c.host, Err: errNotMapped}
}
