package winrm

import (
	"context"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// newNTLM signs in with a password by NTLMv2. Its messages are bare inside Negotiate, as Windows' own clients send them where NTLM is all they
// have: there is nothing to negotiate, so that nothing can be negotiated down. A rejection counts as the credential's fault, since the answer does not
// tell a wrong password from a channel binding that is not the host's (something that opens TLS on the way), or from an account that may not sign in
// over the network, or not at this hour, or is locked or disabled: all of them are 401, and the first may lock the account.
func newNTLM(cfg *Config) (mechanism, error) {
	account, err := gss.NewNTLM(gss.NTLMAccount{User: cfg.User, Password: cfg.Password()})
	if err != nil {
		return nil, err
	}
	n := &negotiation{scheme: "Negotiate", protocol: protocolNegotiate, account: cfg.Account(), rejected: photopush.Auth}
	n.start = func(ctx context.Context, host string, bindings []byte, _ bool) (gss.Context, error) {
		return account.Initiate(ctx, gss.Target{SPNs: principals(host), Bindings: bindings, Bare: true})
	}
	return n, nil
}
