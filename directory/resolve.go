package directory

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"strings"
	"time"
)

// dnsTimeout is the longest that one DNS server has for an answer before the next one is asked.
const dnsTimeout = 3 * time.Second

// A Resolver looks up names of one domain at the DNS servers of that domain, and all other names where the system looks.
// Workstations are found through it too.
type Resolver struct {
	domain  string
	servers []dnsServer // none: the system's resolver for every name
	dialer  net.Dialer
}

type dnsServer struct {
	addr string
	net  *net.Resolver
}

// Resolver builds the resolver of the domain from dns_servers; invalid addresses, which Validate reports, are left out.
func (c *Config) Resolver() *Resolver {
	r := &Resolver{domain: strings.ToLower(strings.TrimSuffix(c.Name, "."))}
	for _, s := range c.DNSServers {
		addr, err := dnsServerAddr(s)
		if err != nil {
			continue
		}
		r.servers = append(r.servers, dnsServer{addr, &net.Resolver{
			PreferGo: true,
			Dial: func(ctx context.Context, network, _ string) (net.Conn, error) {
				return r.dialer.DialContext(ctx, network, addr)
			},
		}})
	}
	return r
}

func dnsServerAddr(s string) (string, error) {
	if ip, err := netip.ParseAddr(s); err == nil {
		return net.JoinHostPort(ip.String(), "53"), nil
	}
	if ap, err := netip.ParseAddrPort(s); err == nil && ap.Port() != 0 {
		return ap.String(), nil
	}
	return "", errors.New("want an IP address, or IP:port")
}

// LookupHost returns the addresses of host. Errors are *net.DNSError and name the server that was asked.
func (r *Resolver) LookupHost(ctx context.Context, host string) ([]string, error) {
	if _, err := netip.ParseAddr(host); err == nil {
		return []string{host}, nil
	}
	name := strings.ToLower(strings.TrimSuffix(host, "."))
	if len(r.servers) == 0 || name != r.domain && !strings.HasSuffix(name, "."+r.domain) {
		return net.DefaultResolver.LookupHost(ctx, host)
	}
	var last error
	for i, s := range r.servers {
		share, cancel := shareOf(ctx, len(r.servers)-i) // a silent server leaves time for the next one
		addrs, err := s.lookup(share, name)
		cancel()
		if err == nil {
			return addrs, nil
		}
		last = err
		if e, ok := errors.AsType[*net.DNSError](err); ok && e.IsNotFound || ctx.Err() != nil {
			break
		}
	}
	return nil, last
}

// lookup asks one server for an absolute name, so that no search list is tried.
func (s dnsServer) lookup(ctx context.Context, name string) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, dnsTimeout)
	defer cancel()
	addrs, err := s.net.LookupHost(ctx, name+".")
	if e, ok := errors.AsType[*net.DNSError](err); ok {
		e.Server = s.addr // the resolver names the system's server, which it did not ask
		e.Name = name
	}
	return addrs, err
}

// DialContext connects to a name and port, trying the addresses of the name in turn.
func (r *Resolver) DialContext(ctx context.Context, network, address string) (net.Conn, error) {
	host, port, err := net.SplitHostPort(address)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	addrs, err := r.LookupHost(ctx, host)
	if err != nil {
		return nil, &net.OpError{Op: "dial", Net: network, Err: err}
	}
	var last error
	for i, addr := range addrs {
		share, cancel := shareOf(ctx, len(addrs)-i)
		c, err := r.dialer.DialContext(share, network, net.JoinHostPort(addr, port))
		cancel()
		if err == nil {
			return c, nil
		}
		last = err
	}
	return nil, last
}

// shareOf gives one of n attempts its part of the time that is left.
func shareOf(ctx context.Context, n int) (context.Context, context.CancelFunc) {
	deadline, ok := ctx.Deadline()
	if !ok || n <= 1 {
		return context.WithCancel(ctx)
	}
	return context.WithTimeout(ctx, time.Until(deadline)/time.Duration(n))
}
