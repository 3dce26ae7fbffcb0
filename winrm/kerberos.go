package winrm

import (
	"context"
	"errors"
	"strings"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

var errNoKerberos = errors.New("auth kerberos needs Options.Kerberos")

// newKerberos signs in with tickets. The key of HTTP/fqdn is the workstation's own by its HOST alias; where it belongs to another account,
// WSMAN/fqdn is the workstation's, which WinRM registers itself.
func newKerberos(cfg *Config, k *gss.Kerberos) (mechanism, error) {
	if k == nil {
		return nil, errNoKerberos
	}
	n := &negotiation{scheme: "Negotiate", protocol: protocolNegotiate, account: cfg.Account(), rejected: photopush.Denied, fqdn: true, mutual: true}
	bare := cfg.KerberosHeader == headerKerberos
	if bare {
		n.scheme, n.protocol = "Kerberos", protocolKerberos
	}
	n.start = func(ctx context.Context, host string, bindings []byte, wsman bool) (gss.Context, error) {
		spns := principals(host)
		if wsman {
			spns = spns[1:]
		}
		return k.Initiate(ctx, gss.Target{SPNs: spns, Bindings: bindings, Bare: bare})
	}
	n.mistaken = func(host string) {
		for _, spn := range principals(host) {
			k.Forget(spn) // the key may have changed since
		}
	}
	return n, nil
}

func principals(host string) []string {
	host = strings.ToLower(strings.TrimSuffix(host, "."))
	return []string{"HTTP/" + host, "WSMAN/" + host}
}
