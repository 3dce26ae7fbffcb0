package simad

import (
	"bufio"
	"crypto/tls"
	"errors"
	"net"
	"sync"
	"sync/atomic"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// A session is one connection. It answers its requests one after another, as they come.
type session struct {
	c     *Controller
	raw   net.Conn
	conn  net.Conn // raw, or TLS over it
	in    *bufio.Reader
	tls   bool
	bound bool
	who   string // key of the account that is bound; empty for nobody

	external string // key of the account that the client's certificate stands for
	implicit bool   // TLS was there from the beginning, with a certificate of the client's

	sent  int
	pages pageStates

	lapsed atomic.Bool // the sign-in ends with the next request

	once sync.Once
	done chan struct{} // closed when the connection is cut
}

func newSession(c *Controller, raw net.Conn) *session {
	return &session{c: c, raw: raw, conn: raw, done: make(chan struct{})}
}

// cut ends the connection without a word.
func (s *session) cut() {
	s.once.Do(func() {
		close(s.done)
		s.raw.Close()
	})
}

var errEnd = errors.New("the connection ends")

func (s *session) serve(secure bool) {
	defer s.cut()
	s.c.counts.connections.Add(1)
	s.c.faults.hangs(HangAccept, s.done)
	if secure {
		if s.startTLS(true) != nil {
			return
		}
	}
	s.in = bufio.NewReader(s.conn)
	for {
		b, err := readMessage(s.in)
		if err != nil {
			return
		}
		m, err := decodeMessage(b)
		if err != nil {
			s.disconnect()
			return
		}
		if err := s.handle(m); err != nil {
			return
		}
	}
}

// startTLS begins TLS; secure says that it was there from the beginning.
func (s *session) startTLS(secure bool) error {
	certificate := s.c.certificate.Load()
	if certificate == nil {
		return errEnd // a controller without a certificate resets the connection
	}
	conn := tls.Server(s.conn, s.c.tlsConfig(*certificate))
	s.conn = conn
	if err := conn.Handshake(); err != nil {
		return err
	}
	s.tls = true
	s.certificateSignIn(conn.ConnectionState(), secure)
	return nil
}

// disconnect sends the Notice of Disconnection (RFC 4511 4.4.1).
func (s *session) disconnect() {
	op := result{code: protocolError, text: "00000057: LdapErr: DSID-0C0C0092, comment: Error decoding ldap message, data 0, v4563\x00"}.
		append(operation(opExtendedResult))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, "1.3.6.1.4.1.1466.20036", "responseName"))
	s.send(0, op)
}

// handle answers a request. An error ends the connection.
func (s *session) handle(m *message) error {
	if s.lapsed.Swap(false) {
		s.bound, s.who = false, ""
	}
	switch m.op {
	case opBind:
		s.c.faults.hangs(HangBind, s.done)
		return s.finish(m.id, opBindResponse, s.bind(m.bind))
	case opSearch:
		s.c.faults.hangs(HangSearch, s.done)
		return s.search(m)
	case opUnbind:
		s.c.counts.unbinds.Add(1)
		return errEnd
	case opAbandon:
		s.c.counts.abandons.Add(1) // requests are answered in turn: there is none left to give up
		return nil
	case opExtended:
		return s.extended(m)
	case opModify:
		s.c.faults.hangs(HangWrite, s.done)
		return s.modify(m)
	case opAdd, opDelete, opModifyDN:
		s.c.counts.writes.Add(1)
		return s.finish(m.id, m.op+1, result{code: insufficientAccessRights, text: noAccess}) // nobody is granted these
	case opCompare:
		return s.finish(m.id, m.op+1, result{code: unwillingToPerform, text: "simad does not compare"})
	}
	s.disconnect()
	return errEnd
}

const oidStartTLS = "1.3.6.1.4.1.1466.20037"

func (s *session) extended(m *message) error {
	if m.extended == oidWhoAmI {
		return s.whoAmI(m.id)
	}
	if m.extended != oidStartTLS {
		return s.finish(m.id, opExtendedResult, result{code: protocolError,
			text: "0000203D: LdapErr: DSID-0C0911F3, comment: Unknown extended request OID, data 0, v4563\x00"})
	}
	if s.tls || s.c.certificate.Load() == nil {
		text := "00000000: LdapErr: DSID-0C090E57, comment: Error initializing SSL/TLS, data 0, v4563\x00"
		if s.tls {
			text = "00002028: LdapErr: DSID-0C090E16, comment: TLS or SSL already in effect, data 0, v4563\x00"
		}
		return s.finish(m.id, opExtendedResult, result{code: map[bool]int{true: operationsError, false: unavailable}[s.tls], text: text})
	}
	s.c.counts.startTLS.Add(1)
	op := result{}.append(operation(opExtendedResult))
	op.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 10, oidStartTLS, "responseName"))
	if err := s.send(m.id, op); err != nil {
		return err
	}
	if s.in.Buffered() > 0 {
		return errEnd // bytes in clear behind the request must not be taken for protected ones
	}
	if err := s.startTLS(false); err != nil {
		return err
	}
	s.in = bufio.NewReader(s.conn)
	return nil
}

func (s *session) finish(id int64, op ber.Tag, r result, controls ...*ber.Packet) error {
	return s.send(id, r.append(operation(op)), controls...)
}

// send writes one answer, with the faults of now.
func (s *session) send(id int64, op *ber.Packet, controls ...*ber.Packet) error {
	b := encodeMessage(id, op, controls...)
	s.sent++
	if delay := s.c.faults.get().Delay; delay > 0 && !s.wait(delay) {
		return errEnd
	}
	cut, now := s.c.faults.next(s.sent)
	if now {
		switch cut.Where {
		case Before:
			b = nil
		case Inside:
			b = b[:len(b)/2]
		}
	}
	if len(b) > 0 {
		if _, err := s.conn.Write(b); err != nil {
			return err
		}
	}
	if now {
		s.cut()
		return errEnd
	}
	s.c.counts.answers.Add(1)
	return nil
}

// wait lets time pass, unless the connection is cut before.
func (s *session) wait(d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-s.done:
		return false
	}
}
