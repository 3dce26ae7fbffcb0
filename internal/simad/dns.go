package simad

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A dnsServer answers for the hosts and services of a domain, over udp and tcp on one port: A and AAAA for what AddHost was given, SRV for
// what AddSRV was, NXDOMAIN else.
type dnsServer struct {
	domain *Domain
	addr   string
	udp    net.PacketConn
	tcp    net.Listener
	wg     sync.WaitGroup
	ctx    context.Context
	cancel context.CancelFunc
}

func serveDNS(d *Domain, at netip.AddrPort) (*dnsServer, error) {
	s := &dnsServer{domain: d}
	var err error
	for range 20 { // a free port of udp may be taken in tcp
		if s.udp, err = net.ListenPacket("udp", at.String()); err != nil {
			break
		}
		s.addr = s.udp.LocalAddr().String()
		if s.tcp, err = net.Listen("tcp", s.addr); err == nil {
			break
		}
		s.udp.Close()
		if at.Port() != 0 {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("simad: DNS: %w", err)
	}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	s.wg.Go(s.serveUDP)
	s.wg.Go(s.serveTCP)
	return s, nil
}

func (s *dnsServer) close() {
	s.cancel()
	s.udp.Close()
	s.tcp.Close()
	s.wg.Wait()
}

func (s *dnsServer) serveUDP() {
	buf := make([]byte, 4096)
	for {
		n, from, err := s.udp.ReadFrom(buf)
		if err != nil {
			if s.ctx.Err() != nil {
				return
			}
			continue // an ICMP answer to an earlier datagram
		}
		if answer, err := s.domain.answerUDP(buf[:n]); err == nil {
			s.udp.WriteTo(answer, from)
		}
	}
}

func (s *dnsServer) serveTCP() {
	for {
		c, err := s.tcp.Accept()
		if err != nil {
			return
		}
		s.wg.Go(func() {
			defer c.Close()
			defer context.AfterFunc(s.ctx, func() { c.Close() })()
			for s.answerTCP(c) == nil {
			}
		})
	}
}

func (s *dnsServer) answerTCP(c net.Conn) error {
	c.SetDeadline(time.Now().Add(10 * time.Second))
	var length [2]byte
	if _, err := io.ReadFull(c, length[:]); err != nil {
		return err
	}
	query := make([]byte, binary.BigEndian.Uint16(length[:]))
	if _, err := io.ReadFull(c, query); err != nil {
		return err
	}
	answer, err := s.domain.answerDNS(query)
	if err != nil {
		return err
	}
	_, err = c.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(answer))), answer...))
	return err
}

// answerUDP answers one query within the size that the client takes: 512 bytes, or what it says in an OPT record (RFC 6891 6.2.3). A longer
// answer is empty and marked as truncated, so that the client asks over tcp.
func (d *Domain) answerUDP(query []byte) ([]byte, error) {
	answer, err := d.answerDNS(query)
	if err != nil || len(answer) <= datagramSize(query) {
		return answer, err
	}
	var m dnsmessage.Message
	if err := m.Unpack(answer); err != nil {
		return nil, err
	}
	m.Truncated, m.Answers = true, nil
	return m.Pack()
}

func datagramSize(query []byte) int {
	size := 512
	var m dnsmessage.Message
	if m.Unpack(query) != nil {
		return size
	}
	for _, r := range m.Additionals {
		if r.Header.Type == dnsmessage.TypeOPT {
			size = max(size, min(int(r.Header.Class), 4096))
		}
	}
	return size
}

// answerDNS answers one query (RFC 1035 4).
func (d *Domain) answerDNS(query []byte) ([]byte, error) {
	var p dnsmessage.Parser
	header, err := p.Start(query)
	if err != nil {
		return nil, err
	}
	q, err := p.Question()
	if err != nil {
		return nil, err
	}
	if header.Response || header.OpCode != 0 {
		return nil, errors.New("no query")
	}
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	bodies, known := d.lookUp(q)
	if !known {
		answer.RCode = dnsmessage.RCodeNameError
	}
	for _, body := range bodies {
		answer.Answers = append(answer.Answers, dnsmessage.Resource{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   body,
		})
	}
	return answer.Pack()
}

// lookUp finds the records of the type that is asked for; known tells whether the name has records at all.
func (d *Domain) lookUp(q dnsmessage.Question) (bodies []dnsmessage.ResourceBody, known bool) {
	ip, isHost := d.host(q.Name.String())
	switch {
	case q.Type == dnsmessage.TypeA && ip.Is4():
		bodies = append(bodies, &dnsmessage.AResource{A: ip.As4()})
	case q.Type == dnsmessage.TypeAAAA && ip.Is6():
		bodies = append(bodies, &dnsmessage.AAAAResource{AAAA: ip.As16()})
	}
	services := d.services(q.Name.String())
	for _, r := range services {
		target, err := dnsmessage.NewName(strings.TrimSuffix(r.Target, ".") + ".")
		if err == nil && q.Type == dnsmessage.TypeSRV {
			bodies = append(bodies, &dnsmessage.SRVResource{Priority: r.Priority, Weight: r.Weight, Port: r.Port, Target: target})
		}
	}
	return bodies, isHost || len(services) > 0
}

// An SRV is a record that names a server of a service (RFC 2782).
type SRV struct {
	Name     string // _ldap._tcp.dc._msdcs.corp.example
	Target   string
	Port     uint16
	Priority uint16
	Weight   uint16
}

// AddSRV puts a record into the DNS of every controller of the domain.
func (d *Domain) AddSRV(r SRV) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := strings.ToLower(strings.TrimSuffix(r.Name, "."))
	d.records[key] = append(d.records[key], r)
}

// RemoveSRV takes a record out again.
func (d *Domain) RemoveSRV(r SRV) {
	d.mu.Lock()
	defer d.mu.Unlock()
	key := strings.ToLower(strings.TrimSuffix(r.Name, "."))
	d.records[key] = slices.DeleteFunc(d.records[key], func(old SRV) bool { return old == r })
}

func (d *Domain) services(name string) []SRV {
	d.mu.RLock()
	defer d.mu.RUnlock()
	return slices.Clone(d.records[strings.ToLower(strings.TrimSuffix(name, "."))])
}

// controllerRecords are those that a controller registers for LDAP (MS-ADTS 6.3.2.3). The port is always that of plain LDAP: Active Directory has no
// records for LDAPS.
func (d *Domain) controllerRecords(opts ControllerOptions) []SRV {
	r := SRV{Target: opts.Host, Port: 389, Priority: opts.Priority, Weight: opts.Weight}
	var list []SRV
	for _, service := range []string{
		"_ldap._tcp.", "_ldap._tcp.dc._msdcs.", "_ldap._tcp." + opts.Site + "._sites.", "_ldap._tcp." + opts.Site + "._sites.dc._msdcs.",
	} {
		r.Name = service + d.name
		list = append(list, r)
	}
	return list
}
