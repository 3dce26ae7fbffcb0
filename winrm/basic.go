package winrm

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"net/http"
	"strings"
	"unicode"

	photopush "github.com/photopush/photopush"
)

// basic signs in with a user name and a password (RFC 7617), inside TLS only.
type basic struct {
	user     string
	password photopush.Secret
}

func notInBasic(r rune) bool { return r == ':' || unicode.IsControl(r) }

var errNoTLS = errors.New("basic needs TLS: user name and password are not sent in clear")

func (*basic) prepare(string) ([]tls.Certificate, error) { return nil, nil }

// begin reads the password, so that a corrected file counts from the next connection on.
func (b *basic) begin(_ context.Context, p peer) (security, error) {
	if p.tls == nil || !p.tls.HandshakeComplete {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: p.host, Err: errNoTLS}
	}
	password, err := b.password.Reveal()
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: p.host, Err: err}
	}
	token := base64.StdEncoding.EncodeToString([]byte(b.user + ":" + password))
	return &basicContext{host: p.host, user: b.user, authorization: "Basic " + token}, nil
}

// basicContext repeats the credential in every request and leaves bodies as they are.
type basicContext struct {
	host, user    string
	authorization string
}

func (*basicContext) establish(context.Context, poster) error { return nil }

func (c *basicContext) seal(envelope []byte) (http.Header, []byte, error) {
	return http.Header{"Authorization": {c.authorization}, "Content-Type": {soapType}}, envelope, nil
}

func (*basicContext) written() {}

func (*basicContext) unseal(a *answer) ([]byte, error) { return a.body, nil }

func (c *basicContext) challenged(a *answer) error {
	offers := a.header.Values("WWW-Authenticate")
	if offered(offers, "Basic") {
		return &photopush.Error{Reason: photopush.Auth, Op: "sign in to", On: c.host, Err: &rejectedError{"user name or password", c.user}}
	}
	return &photopush.Error{Reason: photopush.Unsupported, Op: "sign in to", On: c.host, Err: &notOfferedError{"Basic", schemes(offers)}}
}

// rejectedError is an answer 401 to a credential that the host was ready to look at.
type rejectedError struct{ what, user string }

func (e *rejectedError) Error() string { return e.what + " of " + e.user + " was rejected" }

// notOfferedError is an answer 401 of a host that would not look at our kind of credential.
type notOfferedError struct{ want, offers string }

func (e *notOfferedError) Error() string {
	offers := "offers nothing"
	if e.offers != "" {
		offers = "offers only " + e.offers
	}
	return "the WinRM service " + offers + "; " + e.Remedy()
}

// Remedy is what to do about it.
func (e *notOfferedError) Remedy() string {
	return "allow " + e.want + " there (winrm/config/service/auth), or choose another auth"
}

// offered tells whether the WWW-Authenticate fields offer the scheme. Windows sends a field for each; what joins them into one (RFC 9110, 11.6.1) must not
// make a rejected password look like a host that did not want it, for then it would be tried everywhere.
func offered(fields []string, scheme string) bool {
	for _, f := range fields {
		for challenge := range strings.SplitSeq(f, ",") {
			if strings.EqualFold(schemeOf(challenge), scheme) {
				return true
			}
		}
	}
	return false
}

func schemes(fields []string) string {
	var names []string
	for _, f := range fields {
		names = append(names, clean(schemeOf(f), 40))
	}
	return clean(strings.Join(names, ", "), 200)
}

func schemeOf(field string) string {
	name, _, _ := strings.Cut(strings.TrimSpace(field), " ")
	return name
}
