package directory

import (
	"context"
	"errors"
	"net"
	"strings"
)

// LookupSRV finds the servers of a service (RFC 2782), by priority and weight; names of the domain at dns_servers, when there are some. Errors are
// *net.DNSError. Records whose target is no name are left out; that is an error only where no other record is left.
func (r *Resolver) LookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	name = strings.ToLower(strings.TrimSuffix(name, "."))
	if len(r.servers) == 0 || name != r.domain && !strings.HasSuffix(name, "."+r.domain) {
		return lookupSRV(ctx, net.DefaultResolver, service, proto, name)
	}
	var last error
	for i, s := range r.servers {
		share, cancel := shareOf(ctx, len(r.servers)-i)
		found, err := s.lookupSRV(share, service, proto, name)
		cancel()
		if err == nil {
			return found, nil
		}
		last = err
		if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

func (s dnsServer) lookupSRV(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	found, err := lookupSRV(ctx, s.net, service, proto, name)
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		e.Server = s.addr // the resolver names the system's server, which it did not ask
	}
	return found, err
}

// lookupSRV asks for an absolute name, so that no search list is tried.
func lookupSRV(ctx context.Context, r *net.Resolver, service, proto, name string) ([]*net.SRV, error) {
	_, found, err := r.LookupSRV(ctx, service, proto, name+".")
	if len(found) > 0 {
		return found, nil
	}
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		e.Name = "_" + service + "._" + proto + "." + name
	}
	return nil, err
}
