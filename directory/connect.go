package directory

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"time"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// maxConnect bounds connecting, with TLS, to one controller; a shorter timeout counts.
const maxConnect = 10 * time.Second

var errClosed = errors.New("the directory is closed")

// acquire returns an idle connection, or opens one to the first controller that lets it. Its error is final.
func (d *Directory) acquire(ctx context.Context, tried *trial) (*conn, error) {
	if c, err := d.takeIdle(tried); c != nil || err != nil {
		return c, err
	}
	select {
	case d.opening <- struct{}{}:
		defer func() { <-d.opening }()
	case <-ctx.Done():
		return nil, canceled(ctx, "connect to "+d.cfg.Name)
	}
	for _, controller := range d.candidates(tried) {
		c, err := d.open(ctx, controller)
		if err == nil {
			d.unrest(controller)
			d.logFailures(tried)
			return c, nil
		}
		if ctx.Err() != nil {
			return nil, canceled(ctx, "connect to "+controller.url)
		}
		if !isLost(err) {
			return nil, err
		}
		d.fail(tried, controller, err)
	}
	return nil, tried.err(d.cfg.Name)
}

// fail notes that a controller could not be used.
func (d *Directory) fail(tried *trial, c *controller, err error) {
	d.rest(c)
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
	for len(d.idle) > 0 {
		c := d.idle[len(d.idle)-1]
		d.idle = slices.Delete(d.idle, len(d.idle)-1, len(d.idle))
		if c.ldap.IsClosing() || tried.has(c.controller) {
			c.drop()
			continue
		}
		c.reused = true
		return c, nil
	}
	return nil, nil
}

// release keeps the connection for the next call when its last request ended regularly.
func (d *Directory) release(c *conn) {
	d.mu.Lock()
	keep := c.clean && !c.ldap.IsClosing() && !d.closed && len(d.idle) < maxIdle
	if keep {
		d.idle = append(d.idle, c)
	}
	d.mu.Unlock()
	if !keep {
		c.quit()
	}
}

// open connects, encrypts and binds. What another controller may do better is a *lostError.
func (d *Directory) open(ctx context.Context, controller *controller) (*conn, error) {
	encrypted, raw, err := d.encrypt(ctx, controller)
	if err != nil {
		return nil, connectError(err)
	}
	c := newConn(controller, raw, encrypted, d.cfg.Timeout)
	if err := d.bind.bind(ctx, c); err != nil {
		c.drop()
		return nil, err
	}
	d.log.Debug("connected", "controller", controller.url, "user", d.cfg.BindUser)
	return c, nil
}

// encrypt returns a TLS connection whose certificate was accepted, and the connection below it.
func (d *Directory) encrypt(ctx context.Context, controller *controller) (*tls.Conn, net.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, min(maxConnect, d.cfg.Timeout))
	defer cancel()
	raw, err := d.dial(ctx, "tcp", controller.addr)
	if err != nil {
		return nil, nil, err
	}
	if !controller.tls {
		if err := startTLS(ctx, raw); err != nil {
			raw.Close()
			return nil, nil, err
		}
	}
	config := d.tls.Clone()
	config.ServerName = controller.host
	encrypted := tls.Client(raw, config)
	if err := encrypted.HandshakeContext(ctx); err != nil {
		raw.Close()
		return nil, nil, tlsError(err, controller.host)
	}
	return encrypted, raw, nil
}

// startTLSOID is the name of the extended operation (RFC 4511 4.14).
const startTLSOID = "1.3.6.1.4.1.1466.20037"

// startTLS asks for encryption and reads the answer, and nothing beyond it. It is done here, not by go-ldap, so that the
// handshake has a context and keeps its typed errors.
func startTLS(ctx context.Context, raw net.Conn) error {
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	request := ber.NewSequence("LDAPMessage")
	request.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagInteger, 1, "messageID"))
	extended := ber.Encode(ber.ClassApplication, ber.TypeConstructed, ldap.ApplicationExtendedRequest, nil, "ExtendedRequest")
	extended.AppendChild(ber.NewString(ber.ClassContext, ber.TypePrimitive, 0, startTLSOID, "requestName"))
	request.AppendChild(extended)
	if _, err := raw.Write(request.Bytes()); err != nil {
		return startTLSFault(ctx, err)
	}
	answer, err := readElement(raw, nil)
	if err != nil {
		return startTLSFault(ctx, err)
	}
	if err := checkElement(answer, 0); err != nil {
		return startTLSFault(ctx, err)
	}
	packet, err := ber.DecodePacketErr(answer)
	if err != nil {
		return startTLSFault(ctx, err)
	}
	if err := ldap.GetLDAPError(packet); err != nil {
		return startTLSFault(ctx, err)
	}
	if !stop() {
		return ctx.Err()
	}
	return nil
}

func startTLSFault(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.ResultCode < ldap.ErrorNetwork {
		return &lostError{photopush.TLS, fmt.Errorf("StartTLS was refused: the controller may have no certificate yet: %w", &resultError{e})}
	}
	return &lostError{photopush.Offline, fmt.Errorf("StartTLS: connection lost: %w", err)}
}
