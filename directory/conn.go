package directory

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A conn is one connection to one controller, for one call at a time. go-ldap waits for ever; every wait on a conn is watched, and
// ended by closing the connection below.
type conn struct {
	ldap       *ldap.Conn
	pdus       *pduConn
	raw        net.Conn
	controller *controller
	timeout    time.Duration
	reused     bool // it lay idle before this call
	clean      bool // no answer is outstanding
}

// newConn lets go-ldap speak over layer, which is encrypted and lies upon raw.
func newConn(controller *controller, raw, layer net.Conn, timeout time.Duration) *conn {
	pdus := &pduConn{Conn: layer}
	l := ldap.NewConn(pdus, true)
	l.Start()
	return &conn{ldap: l, pdus: pdus, raw: raw, controller: controller, timeout: timeout, clean: true}
}

// drop ends the connection at once.
func (c *conn) drop() {
	c.raw.Close()
	c.ldap.Close()
}

// quit takes leave of the server, and does not wait for it for more than a second.
func (c *conn) quit() {
	timer := time.AfterFunc(time.Second, func() { c.raw.Close() })
	defer timer.Stop()
	if c.clean && !c.ldap.IsClosing() {
		c.ldap.Unbind() // its error says that the connection is gone, which is what is wanted
	}
	c.drop()
}

// A watch ends waits on a connection: when the context ends, or when the server is silent for the timeout of the connection.
type watch struct {
	c      *conn
	ctx    context.Context
	timer  *time.Timer
	stop   func() bool
	silent atomic.Bool
}

// watch starts watching; the server's time runs.
func (c *conn) watch(ctx context.Context) *watch {
	w := &watch{c: c, ctx: ctx}
	w.timer = time.AfterFunc(c.timeout, func() {
		w.silent.Store(true)
		c.raw.Close()
	})
	w.stop = context.AfterFunc(ctx, func() { c.raw.Close() })
	return w
}

// pause stops the server's time while the caller is busy; resume gives it the whole time again.
func (w *watch) pause()  { w.timer.Stop() }
func (w *watch) resume() { w.timer.Reset(w.c.timeout) }

// end stops watching, and explains err when the watch was its cause.
func (w *watch) end(err error) error {
	w.timer.Stop()
	w.stop()
	switch {
	case w.ctx.Err() != nil:
		return w.ctx.Err()
	case w.silent.Load():
		return &lostError{photopush.Timeout, fmt.Errorf("no answer within %s", w.c.timeout)}
	}
	return err
}
