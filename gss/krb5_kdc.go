package gss

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"strings"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"

	photopush "github.com/photopush/photopush"
)

// maxKDCAnswer bounds what a KDC may say; a ticket with a large PAC has some 50 KB.
const maxKDCAnswer = 256 << 10

// A kdcError is a KRB-ERROR of a KDC.
type kdcError struct {
	messages.KRBError
	kdc string
}

func (e *kdcError) Error() string { return fmt.Sprintf("KDC %s: %v", e.kdc, e.KRBError.Error()) }

const kdcUnavailable = 29 // KDC_ERR_SVC_UNAVAILABLE: another one may answer

// maxAsking is how many requests of one account are under way at once: a pass begins with one for every lane. MIT's KDC hangs up beyond some 40.
const maxAsking = 16

// ask sends a request to the KDCs of a realm, one after another until one answers; TCP, as RFC 4120 section 7.2.2 has it.
func (k *Kerberos) ask(ctx context.Context, realm string, request []byte) ([]byte, error) {
	select {
	case k.asking <- struct{}{}:
		defer func() { <-k.asking }()
	case <-ctx.Done():
		return nil, k.noKDC(ctx, realm, context.Cause(ctx))
	}
	addrs, err := k.kdcs(ctx, realm)
	if err != nil {
		return nil, k.noKDC(ctx, realm, err)
	}
	var errs []error
	for _, addr := range addrs {
		answer, err := k.askOne(ctx, addr, request)
		if ctx.Err() != nil {
			return nil, k.noKDC(ctx, realm, context.Cause(ctx))
		}
		if err == nil && len(answer) > 0 && answer[0] == 0x7e {
			refused := &kdcError{kdc: addr}
			if err = refused.Unmarshal(answer); err == nil && refused.ErrorCode != kdcUnavailable {
				return nil, refused
			}
		}
		if err == nil {
			return answer, nil
		}
		k.log.Debug("a KDC did not answer", "kdc", addr, "err", err)
		errs = append(errs, fmt.Errorf("KDC %s: %w", addr, err))
	}
	return nil, k.noKDC(ctx, realm, errors.Join(errs...))
}

func (k *Kerberos) noKDC(ctx context.Context, realm string, err error) error {
	reason := photopush.KDC
	if ctx.Err() != nil {
		reason = photopush.Timeout
	}
	return &photopush.Error{Reason: reason, Op: "ask a KDC of", On: realm, Err: err}
}

func (k *Kerberos) askOne(ctx context.Context, addr string, request []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, k.cfg.Timeout)
	defer cancel()
	conn, err := k.opts.Dial(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	stop := context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	b := binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(request)), uint32(len(request)))
	if _, err := conn.Write(append(b, request...)); err != nil {
		return nil, err
	}
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxKDCAnswer {
		return nil, fmt.Errorf("it announces %d bytes, more than %d", n, maxKDCAnswer)
	}
	answer := make([]byte, n)
	_, err = io.ReadFull(conn, answer)
	return answer, err
}

// kdcs are the addresses of a realm's KDCs: those of the configuration, of krb5.conf, of DNS.
func (k *Kerberos) kdcs(ctx context.Context, realm string) ([]string, error) {
	var names []string
	if strings.EqualFold(realm, k.cfg.Realm) {
		names = k.cfg.KDCs
	}
	for i := range k.tgs.Realms {
		if r := &k.tgs.Realms[i]; len(names) == 0 && r.Realm == realm {
			names = r.KDC
		}
	}
	if len(names) == 0 {
		found, err := k.opts.LookupSRV(ctx, "kerberos", "tcp", strings.ToLower(realm))
		if err != nil {
			return nil, err
		}
		for _, s := range found {
			names = append(names, net.JoinHostPort(strings.TrimSuffix(s.Target, "."), strconv.Itoa(int(s.Port))))
		}
	}
	if len(names) == 0 {
		return nil, fmt.Errorf("DNS has no _kerberos._tcp.%s; name them in kerberos.kdcs", strings.ToLower(realm))
	}
	addrs := make([]string, len(names))
	for i, n := range names {
		if _, _, err := net.SplitHostPort(n); err != nil {
			n = net.JoinHostPort(n, "88")
		}
		addrs[i] = n
	}
	return addrs, nil
}
