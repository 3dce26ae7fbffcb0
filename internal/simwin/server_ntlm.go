package simwin

import (
	"strings"

	"github.com/photopush/photopush/gss"
)

// An NTLMOptions says where a workstation is and whom it knows.
type NTLMOptions struct {
	Host    string            // its dNSHostName
	Domain  string            // DNS name of its domain; empty for none
	NetBIOS string            // name of its domain, CORP; empty for none
	Users   map[string]string // passwords, as in Options.Users
}

// NewNTLM is a workstation that accepts NTLM for its own accounts and, as a member of a domain, for those of the domain.
func NewNTLM(o NTLMOptions) (*gss.NTLMAcceptor, error) {
	return gss.NewNTLMAcceptor(gss.NTLMAcceptorOptions{
		Computer: computerName(o.Host), Host: o.Host, Domain: o.NetBIOS, DNSDomain: o.Domain, Password: o.passwords(),
	})
}

// computerName is the NetBIOS name that Windows gives a host: its first label, 15 characters of it.
func computerName(host string) string {
	label, _, _ := strings.Cut(host, ".")
	return strings.ToUpper(label[:min(len(label), 15)])
}

// passwords looks an account up by the names in an AUTHENTICATE. A domain that is the workstation's own is asked for its accounts; without a
// domain, a name is one of the workstation's and then one of its domain; a domain that is not known counts as the workstation (Microsoft's
// "User authentication with Windows NT", KB 102716, section on network logons). A principal name has its domain in itself.
func (o NTLMOptions) passwords() func(domain, user string) (password, account string, ok bool) {
	local, ofDomain := map[string]string{}, map[string]string{} // accounts by name in lower case
	for account := range o.Users {
		if domain, name, ok := strings.Cut(account, `\`); !ok {
			local[strings.ToLower(account)] = account
		} else if strings.EqualFold(domain, o.NetBIOS) {
			ofDomain[strings.ToLower(name)] = account
		}
	}
	return func(domain, user string) (password, account string, ok bool) {
		name, realm, principal := strings.Cut(strings.ToLower(user), "@")
		own := func(d string) bool {
			return d != "" && (strings.EqualFold(d, o.NetBIOS) || strings.EqualFold(d, o.Domain))
		}
		switch {
		case own(domain) || domain == "" && principal && own(realm):
			account, ok = ofDomain[name]
		case principal:
		default:
			if account, ok = local[name]; !ok && domain == "" {
				account, ok = ofDomain[name]
			}
		}
		return o.Users[account], account, ok
	}
}
