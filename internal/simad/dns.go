package simad

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A dnsServer answers for the hosts of a domain, over udp and tcp on one port: A and AAAA for what AddHost was given, NXDOMAIN else.
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
		if answer, err := s.domain.answerDNS(buf[:n]); err == nil {
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
	ip, known := d.host(q.Name.String())
	answer := dnsmessage.Message{
		Header:    dnsmessage.Header{ID: header.ID, Response: true, Authoritative: true, RecursionDesired: header.RecursionDesired, RecursionAvailable: true},
		Questions: []dnsmessage.Question{q},
	}
	if !known {
		answer.RCode = dnsmessage.RCodeNameError
	} else if body := record(q.Type, ip); body != nil {
		answer.Answers = []dnsmessage.Resource{{
			Header: dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 60},
			Body:   body,
		}}
	}
	return answer.Pack()
}

// record is the answer to a question of that type, nil when there is none.
func record(t dnsmessage.Type, ip netip.Addr) dnsmessage.ResourceBody {
	switch {
	case t == dnsmessage.TypeA && ip.Is4():
		return &dnsmessage.AResource{A: ip.As4()}
	case t == dnsmessage.TypeAAAA && ip.Is6():
		return &dnsmessage.AAAAResource{AAAA: ip.As16()}
	}
	return nil
}
