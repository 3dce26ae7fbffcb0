package simwin

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"
)

// A connection is one TCP connection of a client: its bytes are counted, and what it has authenticated is kept here, as http.sys keeps it.
type connection struct {
	net.Conn
	meter *meter
	once  sync.Once

	mu        sync.Mutex
	exchanges map[string]Exchange // by scheme of the mechanism
	lasting   verdict
	used      time.Time // when the last request with lasting was answered

	parked   bool   // taken while the workstation was silent: nobody reads from it
	requests int    // guarded by the meter
	visit    *visit // guarded by the meter
	ended    bool   // guarded by the meter
}

func (c *connection) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.meter.received.Add(int64(n))
	// net/http ends a Read of its own by a deadline; that is no end.
	if err != nil && !errors.Is(err, os.ErrDeadlineExceeded) {
		c.meter.connectionEnds(c)
	}
	return n, err
}

func (c *connection) Write(b []byte) (int, error) {
	n, err := c.Conn.Write(b)
	c.meter.sent.Add(int64(n))
	return n, err
}

func (c *connection) Close() error {
	err := c.Conn.Close()
	c.once.Do(func() { c.meter.connectionClosed(c) })
	return err
}

func (c *connection) exchangeOf(m Mechanism, t *tls.ConnectionState) Exchange {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.exchanges == nil {
		c.exchanges = map[string]Exchange{}
	}
	x := c.exchanges[m.Scheme()]
	if x == nil {
		x = m.Begin(t)
		c.exchanges[m.Scheme()] = x
	}
	return x
}

func (c *connection) forget(m Mechanism) {
	c.mu.Lock()
	defer c.mu.Unlock()
	delete(c.exchanges, m.Scheme())
	c.lasting = verdict{}
}

// signOut: requests need credentials again.
func (c *connection) signOut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.lasting = verdict{}
}

func (c *connection) keep(v verdict) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v.account != "" && v.exchange.Lasting() {
		c.lasting = verdict{account: v.account, exchange: v.exchange}
	}
}

// maxIdle is after how long without a request a connection is no longer signed in: WinRM asks anew after 15 s (WinRb's auth_timeout tests).
const maxIdle = 15 * time.Second

func (c *connection) standing(now time.Time) verdict {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.lasting.account != "" && now.Sub(c.used) > maxIdle {
		c.lasting = verdict{}
		return verdict{expired: true}
	}
	return c.lasting
}

// answered starts the time of silence.
func (c *connection) answered(now time.Time) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.used = now
}

type connectionKey struct{}

func withConnection(ctx context.Context, nc net.Conn) context.Context {
	if t, ok := nc.(*tls.Conn); ok {
		nc = t.NetConn()
	}
	return context.WithValue(ctx, connectionKey{}, nc)
}

func connectionOf(r *http.Request) *connection {
	return r.Context().Value(connectionKey{}).(*connection)
}

// A switchable listener counts its connections. While the workstation is silent it takes them and never answers.
type switchable struct {
	net.Listener
	meter  *meter
	faults *faults
}

func newSwitchable(l net.Listener, m *meter, f *faults) *switchable { return &switchable{l, m, f} }

func (l *switchable) Accept() (net.Conn, error) {
	for {
		nc, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		c := &connection{Conn: nc, meter: l.meter, parked: l.faults.silent()}
		l.meter.connectionOpened(c)
		if !c.parked {
			return c, nil
		}
	}
}
