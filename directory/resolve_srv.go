package directory

import (
	"context"
	"errors"
	"net"
	"strings"
)

// LookupSRV finds the servers of a service (RFC 2782), by priority and weight; names of the domain at dns_servers, when there are some.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(r.servers) == 0 || name != r.domain && !strings.HasSuffix(name, "."+r.domain) {
		_, found, err := net.DefaultResolver.LookupSRV(ctx, service, proto, name)
		return found, err
	}
	var last error
	for i, s := range r.servers {
		share, cancel := shareOf(ctx, len(r.servers)-i)
		_, found, err := s.net.LookupSRV(share, service, proto, name+".")
		cancel()
		if err == nil {
			return found, nil
		}
		last = err
		e, ok := errors.AsType[*net.DNSError](err)
		if ok {
			e.Server = s.addr
		}
		if ok && e.IsNotFound || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}
