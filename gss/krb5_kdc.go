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
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/messages"

	photopush "github.com/photopush/photopush"
)

// maxKDCAnswer bounds what a KDC may say; a ticket with a large PAC has some 50 KB.
const maxKDCAnswer = 256 << 10

// A kdcError is a KRB-ERROR of a KDC.
type kdcError struct {
	messages.KRBError
	kdc        string
	forService bool // it was asked for a ticket of a service, not for the account's own
}

func (e *kdcError) Error() string { return fmt.Sprintf("KDC %s: %v", e.kdc, e.KRBError.Error()) }

const kdcUnavailable = 29 // KDC_ERR_SVC_UNAVAILABLE: another one may answer

const (
	// maxAsking is how many requests one KDC gets at once: a pass begins with one for every lane, and each takes some milliseconds. MIT's KDC
	// hangs up beyond some 40, and lets connections beyond five wait a second.
	maxAsking = 8
	// maxSilence is how long a KDC that did not answer is asked last.
	maxSilence = time.Minute
)

// A kdc is what is known of one KDC.
type kdc struct {
	asking chan struct{} // has one for each request under way

	mu     sync.Mutex
	silent time.Time // when it last did not answer; zero when it did since
}

// isSilent tells whether it should be asked last.
func (d *kdc) isSilent() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return time.Since(d.silent) < maxSilence
}

func (d *kdc) answered(yes bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.silent = time.Time{}
	if !yes {
		d.silent = time.Now()
	}
}

// known is what is known of the KDC at that address.
func (k *Kerberos) known(addr string) *kdc {
	k.mu.Lock()
	defer k.mu.Unlock()
	d, ok := k.byAddr[addr]
	if !ok {
		d = &kdc{asking: make(chan struct{}, maxAsking)}
		k.byAddr[addr] = d
	}
	return d
}

// ask sends a request to the KDCs of a realm, one after another until one answers; TCP, as RFC 4120 section 7.2.2 has it. Those that did not
// answer lately are asked last. unanswered is told of each that the request was sent to in vain, and its error is the end; nil asks the next one.
func (k *Kerberos) ask(ctx context.Context, realm string, request []byte, unanswered func(error) error) ([]byte, error) {
	addrs, err := k.kdcs(ctx, realm)
	if err != nil {
		return nil, k.noKDC(ctx, realm, err)
	}
	var errs []error
	postponed := addrs
	for _, allTheSame := range []bool{false, true} {
		list := postponed
		postponed = nil
		for _, addr := range list {
			answer, err := k.askOne(ctx, addr, request, allTheSame)
			switch refused, spoke := errors.AsType[*kdcError](err); {
			case err == nil:
				return answer, nil
			case errors.Is(err, errSilent):
				postponed = append(postponed, addr)
				continue
			case spoke && refused.ErrorCode != kdcUnavailable:
				return nil, refused
			}
			k.log.Debug("a KDC did not answer", "kdc", addr, "err", err)
			errs = append(errs, fmt.Errorf("KDC %s: %w", addr, err))
			if silent, ok := errors.AsType[*unansweredError](err); ok && unanswered != nil {
				if err := unanswered(fmt.Errorf("KDC %s: %w", addr, silent.err)); err != nil {
					return nil, err
				}
			}
			if ctx.Err() != nil {
				return nil, k.noKDC(ctx, realm, errors.Join(errs...))
			}
		}
	}
	return nil, k.noKDC(ctx, realm, errors.Join(errs...))
}

// noKDC is KDC, also when time ran out in waiting for one, and Timeout when the caller did not want to wait any more.
func (k *Kerberos) noKDC(ctx context.Context, realm string, err error) error {
	return &photopush.Error{Reason: waited(ctx), Op: "ask a KDC of", On: realm, Err: err}
}

func waited(ctx context.Context) photopush.Reason {
	if errors.Is(context.Cause(ctx), context.Canceled) {
		return photopush.Timeout
	}
	return photopush.KDC
}

var errSilent = errors.New("it did not answer lately")

// askOne waits for its turn at one KDC and asks it. Unless asked for all the same, one that was silent lately gives errSilent.
func (k *Kerberos) askOne(ctx context.Context, addr string, request []byte, allTheSame bool) ([]byte, error) {
	d := k.known(addr)
	select {
	case d.asking <- struct{}{}:
		defer func() { <-d.asking }()
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
	if !allTheSame && d.isSilent() {
		return nil, errSilent
	}
	answer, err := k.exchange(ctx, addr, request)
	if err == nil && len(answer) > 0 && answer[0] == 0x7e {
		refused := &kdcError{kdc: addr}
		if err = refused.Unmarshal(answer); err == nil {
			err = refused
		} else {
			err = &unansweredError{err}
		}
	}
	_, spoke := errors.AsType[*kdcError](err)
	if err == nil || spoke || ctx.Err() == nil { // it is not to blame for who gave up
		d.answered(err == nil || spoke)
	}
	return answer, err
}

// An unansweredError says that a request was sent, and what came back is no answer to it, or nothing.
type unansweredError struct{ err error }

func (e *unansweredError) Error() string { return e.err.Error() }
func (e *unansweredError) Unwrap() error { return e.err }

// exchange sends one request to one KDC and reads its answer.
func (k *Kerberos) exchange(ctx context.Context, addr string, request []byte) ([]byte, error) {
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
		return nil, &unansweredError{err} // all of it may have arrived
	}
	answer, err := readAnswer(conn)
	if err != nil {
		return nil, &unansweredError{err}
	}
	return answer, nil
}

// readAnswer reads an answer behind its length (RFC 4120 section 7.2.2).
func readAnswer(conn io.Reader) ([]byte, error) {
	var length [4]byte
	if _, err := io.ReadFull(conn, length[:]); err != nil {
		return nil, err
	}
	n := binary.BigEndian.Uint32(length[:])
	if n > maxKDCAnswer {
		return nil, fmt.Errorf("it announces %d bytes, more than %d", n, maxKDCAnswer)
	}
	answer := make([]byte, n)
	_, err := io.ReadFull(conn, answer)
	return answer, err
}

// maxKDCs bounds the KDCs that are taken of what DNS answers, in its order.
const maxKDCs = 16

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
			if host := strings.TrimSuffix(s.Target, "."); host != "" && len(names) < maxKDCs { // the root: the service is decidedly not there (RFC 2782)
				names = append(names, net.JoinHostPort(host, strconv.Itoa(int(s.Port))))
			}
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
