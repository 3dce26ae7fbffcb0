package gss

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"time"

	photopush "github.com/photopush/photopush"
)

// KerberosConfig is where the KDCs of a domain are.
type KerberosConfig struct {
	Realm    string        `yaml:"realm" help:"Kerberos realm; empty for the domain's name in capital letters." example:"CORP.EXAMPLE"`
	KDCs     []string      `yaml:"kdcs" help:"Domain controllers to ask for tickets, as host or host:port; empty to find them by DNS (_kerberos._tcp)." example:"[\"dc1.corp.example\", \"dc2.corp.example\"]"`
	Krb5Conf string        `yaml:"krb5_conf" help:"krb5.conf that names the KDCs of other realms; empty for none." example:"/etc/krb5.conf"`
	AllowRC4 bool          `yaml:"allow_rc4" default:"false" help:"Accept tickets encrypted with RC4, for domains that have not turned to AES."`
	Timeout  time.Duration `yaml:"timeout" default:"5s" help:"How long one KDC may take to answer before the next one is asked, 1s to 30s."`
}

// DefaultKerberosConfig is what the default tags say.
func DefaultKerberosConfig() KerberosConfig { return KerberosConfig{Timeout: 5 * time.Second} }

// Validate reports every fault at once; path is the section's place in the file, such as domains[0].kerberos.
func (c *KerberosConfig) Validate(path string) error {
	if path != "" {
		path += "."
	}
	var errs []error
	if c.Timeout < time.Second || c.Timeout > 30*time.Second {
		errs = append(errs, fmt.Errorf("%stimeout is %v, want 1s to 30s", path, c.Timeout))
	}
	for i, kdc := range c.KDCs {
		if kdc == "" {
			errs = append(errs, fmt.Errorf("%skdcs[%d] is empty, want host or host:port", path, i))
		}
	}
	return errors.Join(errs...)
}

// A KerberosAccount is who signs in, with a password, a keytab or a credential cache.
type KerberosAccount struct {
	User       string // name or name@REALM; empty with a cache: its own
	Password   photopush.Secret
	KeytabFile string
	CacheFile  string
}

// KerberosOptions are what a Kerberos is given besides its configuration.
type KerberosOptions struct {
	Logger    *slog.Logger                                                                         // nil discards
	Dial      func(ctx context.Context, network, addr string) (net.Conn, error)                    // nil for the system's resolver
	LookupSRV func(ctx context.Context, service, proto, name string) (addrs []*net.SRV, err error) // in their order; nil for the system's
}
