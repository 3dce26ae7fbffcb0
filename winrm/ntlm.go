package winrm

import (
	"context"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// newNTLM signs in with a password by NTLMv2. Its messages are bare inside Negotiate, as Windows' own clients send them where NTLM is all they
// have: there is nothing to negotiate, so that nothing can be negotiated down. A rejection is the credential's fault, for nothing else was looked at.
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
