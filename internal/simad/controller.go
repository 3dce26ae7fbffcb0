package simad

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"sync"
	"sync/atomic"
)

// ControllerOptions say where and as whom a controller answers.
type ControllerOptions struct {
	Host        string          // name in the domain; default dc1.<domain>
	IP          netip.Addr      // loopback address to listen on; default 127.0.0.1
	LDAPPort    uint16          // 0: any free port, as for the others
	LDAPSPort   uint16          //
	DNSPort     uint16          // udp and tcp
	Certificate tls.Certificate // for LDAPS and StartTLS; without one neither works, as on a controller that has none
	ClientCAs   *x509.CertPool  // authorities that are trusted for the sign-ins of clients (NTAuth); nil for none
	StrictTLS   bool            // a client's certificate that is not trusted ends TLS; else it stands for nobody
	MaxPageSize int             // default 1000, as in Active Directory's default query policy
	MaxValRange int             // values of an attribute that are sent at once; default 1500, as there; -1 for no limit, as Samba has none
	SambaRules  bool            // result codes of changes as Samba has them: 21 where Windows answers 19, 20 where a second value does not fit
	Site        string          // default DefaultSite; it must be there
	Priority    uint16          // of its SRV records (RFC 2782): the lowest comes first
	Weight      uint16          // default 100, as in Windows
	MaxChanges  int             // objects in one answer to DirSync; default 1000
}

// A Controller is one domain controller that serves a Domain. Several may serve the same one.
type Controller struct {
	domain  *Domain
	host    string
	server  string // distinguished name of its object of class server
	max     int
	ranges  int   // MaxValRange
	srv     []SRV // its records in DNS
	options ControllerOptions

	certificate atomic.Pointer[tls.Certificate]
	database    atomic.Pointer[replica]
	counts      counters
	faults      faultBox

	mu        sync.Mutex
	closed    bool
	down      bool
	listeners map[string]*endpoint // by kind: ldap, ldaps
	conns     map[*session]struct{}
	dns       *dnsServer
	wg        sync.WaitGroup
}

// An endpoint is an address that can be closed and opened again.
type endpoint struct {
	addr     string
	listener net.Listener
}

// Serve starts a controller. Close it when done.
func (d *Domain) Serve(opts ControllerOptions) (*Controller, error) {
	if opts.Host == "" {
		opts.Host = "dc1." + d.name
	}
	if !opts.IP.IsValid() {
		opts.IP = netip.AddrFrom4([4]byte{127, 0, 0, 1})
	}
	if opts.MaxPageSize == 0 {
		opts.MaxPageSize = 1000
	}
	if opts.MaxValRange == 0 {
		opts.MaxValRange = 1500
	}
	if opts.Weight == 0 {
		opts.Weight = 100
	}
	if opts.MaxChanges == 0 {
		opts.MaxChanges = 1000
	}
	opts.Site = orDefault(opts.Site, DefaultSite)
	c := &Controller{domain: d, host: opts.Host, max: opts.MaxPageSize, ranges: opts.MaxValRange, options: opts, srv: d.controllerRecords(opts),
		listeners: map[string]*endpoint{}, conns: map[*session]struct{}{}}
	if err := c.register(opts.Site); err != nil {
		return nil, err
	}
	c.faults.released = make(chan struct{})
	c.renumber()
	c.SetCertificate(opts.Certificate)
	ports := map[string]uint16{"ldap": opts.LDAPPort, "ldaps": opts.LDAPSPort}
	for _, kind := range []string{"ldap", "ldaps"} {
		c.listeners[kind] = &endpoint{addr: netip.AddrPortFrom(opts.IP, ports[kind]).String()}
		if err := c.listen(kind); err != nil {
			c.Close()
			return nil, err
		}
	}
	dns, err := serveDNS(d, netip.AddrPortFrom(opts.IP, opts.DNSPort))
	if err != nil {
		c.Close()
		return nil, err
	}
	c.dns = dns
	c.SetRegistered(true)
	return c, nil
}

// SetRegistered puts the controller's records into DNS, or takes them out, as when it is retired; Serve puts them in.
func (c *Controller) SetRegistered(registered bool) {
	for _, r := range c.srv {
		c.domain.RemoveSRV(r)
		if registered {
			c.domain.AddSRV(r)
		}
	}
	if registered {
		c.domain.AddHost(c.host, c.options.IP)
	} else {
		c.domain.RemoveHost(c.host)
	}
}

// listen opens an endpoint, at the address it had before if it had one.
func (c *Controller) listen(kind string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return errors.New("simad: the controller is closed")
	}
	e := c.listeners[kind]
	l, err := net.Listen("tcp", e.addr)
	if err != nil {
		return fmt.Errorf("simad: %w", err)
	}
	e.listener, e.addr = l, l.Addr().String()
	c.wg.Go(func() { c.accept(l, kind == "ldaps") })
	return nil
}

func (c *Controller) accept(l net.Listener, secure bool) {
	for {
		raw, err := l.Accept()
		if err != nil {
			return
		}
		s := newSession(c, raw)
		c.mu.Lock()
		if c.closed || c.down {
			c.mu.Unlock()
			raw.Close()
			continue
		}
		c.conns[s] = struct{}{}
		c.wg.Go(func() {
			defer c.forget(s)
			s.serve(secure)
		})
		c.mu.Unlock()
	}
}

func (c *Controller) forget(s *session) {
	s.raw.Close()
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.conns, s)
}

// SetCertificate exchanges the certificate for the connections that follow.
func (c *Controller) SetCertificate(cert tls.Certificate) {
	if len(cert.Certificate) == 0 {
		c.certificate.Store(nil)
		return
	}
	c.certificate.Store(&cert)
}

// LDAPAddr is where LDAP with StartTLS answers, host:port.
func (c *Controller) LDAPAddr() string { return c.addr("ldap") }

// LDAPSAddr is where LDAPS answers, host:port.
func (c *Controller) LDAPSAddr() string { return c.addr("ldaps") }

// DNSAddr is where the DNS server answers, over udp and tcp.
func (c *Controller) DNSAddr() string { return c.dns.addr }

// Host is the DNS name of the controller.
func (c *Controller) Host() string { return c.host }

// URL is where the controller answers under its DNS name; scheme is ldap or ldaps.
func (c *Controller) URL(scheme string) string {
	_, port, err := net.SplitHostPort(c.addr(scheme))
	if err != nil {
		return ""
	}
	return scheme + "://" + net.JoinHostPort(c.host, port)
}

func (c *Controller) addr(kind string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.listeners[kind]; e != nil {
		return e.addr
	}
	return ""
}

// SetDown switches the controller off and on again, LDAP only: while it is down, connections are refused and the open ones are cut.
func (c *Controller) SetDown(down bool) error {
	c.mu.Lock()
	was := c.down
	c.down = down
	c.mu.Unlock()
	switch {
	case was == down:
		return nil
	case down:
		c.stopListening()
		c.CutConnections()
		return nil
	}
	return errors.Join(c.listen("ldap"), c.listen("ldaps"))
}

func (c *Controller) stopListening() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, e := range c.listeners {
		if e.listener != nil {
			e.listener.Close()
			e.listener = nil
		}
	}
}

// CutConnections ends every open connection without a word.
func (c *Controller) CutConnections() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.conns {
		s.cut()
	}
}

// LapseSignIns ends the sign-in of every open connection, and leaves the connections open, as when the tickets that they rest on have expired.
func (c *Controller) LapseSignIns() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for s := range c.conns {
		s.lapsed.Store(true)
	}
}

// Close ends everything and waits until nothing is left behind.
func (c *Controller) Close() error {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		return nil
	}
	c.closed = true
	c.mu.Unlock()
	c.stopListening()
	c.CutConnections()
	if c.dns != nil {
		c.dns.close()
	}
	c.wg.Wait()
	return nil
}
