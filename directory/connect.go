package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// maxConnect bounds connecting, with TLS, to one controller; a shorter timeout counts.
const maxConnect = 10 * time.Second

var errClosed = errors.New("the directory is closed")

// maxProbe bounds how long a call that has a connection already waits for a better controller to be reached, and maxProbes for how many. For the
// answer to a bind it waits as long as any call: a wrong password is what a controller asks another one about first, and whoever does not wait for
// that would have it counted, and not know.
const (
	maxProbe  = 2 * time.Second
	maxProbes = 2
)

// acquire returns an idle connection, or opens one to the first controller that lets it. When a better controller than that of the idle
// connections may answer again, it is tried before. The error is final.
func (d *Directory) acquire(ctx context.Context, tried *trial) (*conn, error) {
	kept, err := d.takeIdle(tried)
	if err != nil || kept != nil && !d.mayImprove(kept.controller) {
		return kept, err
	}
	if kept != nil {
		select {
		case d.opening <- struct{}{}:
		default:
			return kept, nil // somebody else is looking
		}
	} else {
		select {
		case d.opening <- struct{}{}:
		case <-ctx.Done():
			return nil, canceled(ctx, "connect to "+d.cfg.Name)
		}
	}
	defer func() { <-d.opening }()
	return d.connect(ctx, tried, kept)
}

// connect opens a connection to the first controller that lets it, of those that DNS names now. With a kept connection it looks for a better one
// only: the kept one is returned when there is none, and ended otherwise. The caller holds opening.
func (d *Directory) connect(ctx context.Context, tried *trial, kept *conn) (_ *conn, err error) {
	defer func() {
		if err != nil && kept != nil {
			kept.quit()
		}
	}()
	for {
		if err := d.look(ctx); err != nil {
			return nil, err
		}
		c, err := d.openFirst(ctx, tried, kept)
		switch {
		case err != nil:
			return nil, err
		case c == nil && !d.lookAgain():
			return nil, tried.err(d.cfg.Name)
		case c == nil:
			continue
		case c == kept:
			return c, nil
		}
		if kept != nil {
			kept.quit()
		}
		kept = c
		moved, err := d.learnSite(ctx, c)
		switch {
		case isLost(err):
			c.drop()
			d.fail(tried, c.controller, err)
			kept = nil
		case err != nil:
			return nil, err
		case !moved:
			return c, nil
		}
	}
}

// openFirst opens a connection to the first candidate that lets it; nil when none does. With a kept connection the candidates are a few better
// controllers, which have little time, and the kept one is returned when none of them lets it, or none may be asked now.
func (d *Directory) openFirst(ctx context.Context, tried *trial, kept *conn) (*conn, error) {
	list, open := d.candidates(tried), d.open
	if kept != nil {
		list, open = d.better(tried, kept.controller), d.probe
		list = list[:min(len(list), maxProbes)]
	}
	for _, controller := range list {
		c, err := open(ctx, controller)
		if err == nil {
			d.inUse(controller)
			d.logFailures(tried)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, canceled(ctx, "connect to "+controller.url)
		}
		if kept != nil && isHeld(err) {
			break
		}
		if !isLost(err) {
			return nil, err
		}
		d.fail(tried, controller, err)
	}
	if kept != nil {
		d.logFailures(tried)
	}
	return kept, nil
}

// probe is open with little time to reach the controller.
func (d *Directory) probe(ctx context.Context, controller *controller) (*conn, error) {
	return d.openWithin(ctx, controller, maxProbe)
}

// fail notes that a controller could not be used.
func (d *Directory) fail(tried *trial, c *controller, err error) {
	d.rest(c)
	if isUnanswered(err) {
		d.restLonger(c, restAfterSilence)
	}
	tried.add(c, err)
}

// logFailures logs what went wrong before another controller was found; else the error of the call says it.
func (d *Directory) logFailures(tried *trial) {
	for _, f := range tried.failed[tried.logged:] {
		d.log.Warn("domain controller cannot be used, and is tried last for a while", "controller", f.controller.url, "reason", f.err.reason, "err", f.err)
	}
	tried.logged = len(tried.failed)
}

func (d *Directory) takeIdle(tried *trial) (*conn, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.closed {
		return nil, errClosed
	}
	d.idle = slices.DeleteFunc(d.idle, func(c *conn) bool {
		gone := c.ldap.IsClosing() || tried.has(c.controller)
		if gone {
			c.drop()
		}
		return gone
	})
	if len(d.idle) == 0 {
		return nil, nil
	}
	best := 0
	for i, c := range d.idle {
		if c.controller.preference() <= d.idle[best].controller.preference() {
			best = i // the last one of the best ones was used last
		}
	}
	c := d.idle[best]
	d.idle = slices.Delete(d.idle, best, best+1)
	c.reused = true
	return c, nil
}

// release keeps the connection for the next call when its last request ended regularly, and no better controller is in use meanwhile.
func (d *Directory) release(c *conn) {
	d.mu.Lock()
	keep := c.clean && !c.ldap.IsClosing() && !d.closed && len(d.idle) < maxIdle && c.controller.preference() <= d.current.preference()
	if keep {
		d.idle = append(d.idle, c)
	}
	d.mu.Unlock()
	if !keep {
		c.quit()
	}
}

func (d *Directory) open(ctx context.Context, controller *controller) (*conn, error) {
	return d.openWithin(ctx, controller, maxConnect)
}

// openWithin connects and encrypts, for which it has that long, and binds. What another controller may do better is a *lostError.
func (d *Directory) openWithin(ctx context.Context, controller *controller, limit time.Duration) (*conn, error) {
	config := d.tls.Clone()
	config.ServerName = controller.host
	if err := d.bind.prepare(config); err != nil {
		return nil, err
	}
	ch, err := d.reach(ctx, controller, config, limit)
	if err != nil {
		return nil, connectError(err)
	}
	layer, err := d.authenticate(ctx, ch)
	if err != nil {
		ch.raw.Close()
		return nil, err
	}
	d.log.Debug("connected", "controller", controller.url, "user", d.cfg.Account.Name())
	return newConn(controller, ch.raw, layer, d.cfg.Timeout), nil
}

// authenticate proves the account, and returns what LDAP is spoken over from then on.
func (d *Directory) authenticate(ctx context.Context, ch *channel) (net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, d.cfg.Timeout)
	defer cancel()
	layer, err := d.bind.bind(ctx, ch)
	if err == nil && ctx.Err() != nil { // the time ran out with the last answer, and with it the connection
		err = ch.lost(ctx, ctx.Err())
	}
	return layer, err
}

// reach returns a connection that is encrypted, with a certificate that was accepted, or is to be sealed by the bind.
func (d *Directory) reach(ctx context.Context, controller *controller, config *tls.Config, limit time.Duration) (*channel, error) {
	ctx, cancel := context.WithTimeout(ctx, min(limit, d.cfg.Timeout))
	defer cancel()
	raw, err := d.dial(ctx, "tcp", controller.addr)
	if err != nil {
		return nil, err
	}
	ch := &channel{Conn: raw, raw: raw, controller: controller, timeout: d.cfg.Timeout}
	if !controller.tls && d.cfg.Encryption == overSealed {
		return ch, nil
	}
	if err := ch.encrypt(ctx, config); err != nil {
		raw.Close()
		return nil, err
	}
	return ch, nil
}

// encrypt puts TLS on the connection.
func (ch *channel) encrypt(ctx context.Context, config *tls.Config) error {
	if !ch.controller.tls {
		if err := ch.startTLS(ctx); err != nil {
			return err
		}
	}
	encrypted := tls.Client(ch.raw, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		return tlsError(err, ch.controller.host)
	}
	ch.Conn, ch.tls = encrypted, encrypted
	return nil
}

// startTLSOID is the name of the extended operation (RFC 4511 4.14).
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// startTLS asks for encryption.
func (ch *channel) startTLS(ctx context.Context) error {
	a, err := ch.ask(ctx, extendedRequest(startTLSOID))
	switch {
	case ctx.Err() != nil:
		return ctx.Err()
	case err != nil:
		return &lostError{photopush.Offline, fmt.Errorf("StartTLS: connection lost: %w", err)}
	case a.code != ldap.LDAPResultSuccess:
		return &lostError{photopush.TLS, fmt.Errorf("StartTLS was refused: the controller may have no certificate yet: %w", &resultError{a.err()})}
	}
	return nil
}
