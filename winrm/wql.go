package winrm

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	photopush "github.com/photopush/photopush"
)

// Bounds of a query. MaxBatchItems of Windows is 32000 too, so that most queries are answered in one message.
const (
	maxElements    = 32000
	maxInstances   = 200_000 // of one query
	maxIdlePulls   = 8       // answers in a row that bring nothing
	maxQuery       = 8 << 10 // bytes of WQL
	releaseTimeout = 2 * time.Second
)

// errTooManyInstances and errTooManyBytes are queries that are answered with more than anybody has asked for.
var (
	errTooManyInstances = fmt.Errorf("the query gives more than %d instances", maxInstances)
	errTooManyBytes     = errors.New("the query gives more bytes than max_output allows")
	errNoProgress       = errors.New("the enumeration does not go on")
	errNoEnumeration    = errors.New("the enumeration has neither an end nor a context to go on with")
	errBadQuery         = errors.New("the namespace or the query cannot be sent")
)

// Query asks WMI with WQL in a namespace such as root/cimv2, and hands what it finds to each, one by one (DSP0226 section 8, with the dialect
// of MS-WSMV 2.2.4.26). When each returns an error, that ends the query and is returned as it is. Other errors are *photopush.Error: Denied
// when the account lacks rights in WMI, Internal for WQL that the workstation does not understand. A query changes nothing, so it may be
// asked again after any error. The Channel stays usable after a fault and after each has stopped it.
func (ch *Channel) Query(ctx context.Context, namespace, wql string, each func(Instance) error) error {
	if !sendable(namespace, wql) {
		return &photopush.Error{Reason: photopush.Internal, Op: "query WMI of", On: ch.link.host, Err: errBadQuery}
	}
	q := &query{ch: ch, namespace: namespace, each: each, left: int(ch.link.client.cfg.MaxOutput), timeout: ch.link.client.cfg.OperationTimeout}
	q.prelude = prelude{to: ch.URL(), sessionID: newID(), envelope: ch.link.client.envelopeLimit(ch.link.host)}
	err := q.run(ctx, wql)
	if q.stopped != nil {
		return q.stopped
	}
	return q.failure(err)
}

// sendable keeps what is no namespace out of the resource's URI.
func sendable(namespace, wql string) bool {
	odd := func(r rune) bool {
		return r != '/' && r != '_' && r != '-' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	}
	return namespace != "" && len(namespace) <= 200 && !strings.ContainsFunc(namespace, odd) && wql != "" && len(wql) <= maxQuery && inXML(wql)
}

// query is one enumeration under way.
type query struct {
	ch        *Channel
	prelude   prelude
	namespace string
	timeout   time.Duration
	each      func(Instance) error

	left    int   // bytes of answers that are still taken
	count   int   // instances so far
	stopped error // what each returned
}

func (q *query) run(ctx context.Context, wql string) error {
	p, err := q.ask(ctx, q.prelude.enumerate(q.namespace, wql, q.timeout))
	if err != nil {
		return err
	}
	for idle := 0; ; {
		if err := q.hand(p); err != nil {
			q.release(ctx, p)
			return err
		}
		switch {
		case p.end:
			return nil
		case p.context == "":
			return &malformedError{errNoEnumeration}
		case len(p.instances) > 0:
			idle = 0
		default:
			idle++
		}
		if idle == maxIdlePulls {
			q.release(ctx, p)
			return &malformedError{errNoProgress}
		}
		next, err := q.ask(ctx, q.prelude.pull(q.namespace, p.context, q.timeout))
		switch {
		case hasFault(err, faultOperationTimedOut): // nothing yet; the context stays
			p.instances = nil
		case err != nil:
			return err
		default:
			if next.context == "" { // may be left out while it stays the same (WS-Enumeration 3.2)
				next.context = p.context
			}
			p = next
		}
	}
}

// hand gives the instances of a page to the caller.
func (q *query) hand(p *page) error {
	for _, i := range p.instances {
		if q.count++; q.count > maxInstances {
			return &malformedError{errTooManyInstances}
		}
		if q.stopped = q.each(i); q.stopped != nil {
			return q.stopped
		}
	}
	return nil
}

func (q *query) ask(ctx context.Context, m message) (*page, error) {
	body, status, err := q.ch.Post(ctx, m.envelope)
	if err != nil {
		return nil, err
	}
	if q.left -= len(body); q.left < 0 {
		return nil, &malformedError{errTooManyBytes}
	}
	return readPage(body, m, status)
}

// release lets the workstation forget an enumeration that was not read to its end. It would forget it by itself in time.
func (q *query) release(ctx context.Context, p *page) {
	if p.end || p.context == "" {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), releaseTimeout)
	defer cancel()
	if _, err := q.ask(ctx, q.prelude.release(q.namespace, p.context, q.timeout)); err != nil {
		q.ch.link.log.Debug("an enumeration may be left behind", "err", err)
	}
}

// WMI's own codes (wbemcli.h), which some hosts hand through.
const (
	wmiAccessDenied     = 0x80041003
	wmiInvalidNamespace = 0x8004100e
	wmiInvalidClass     = 0x80041010
	faultWMIService     = 2150859012
	faultWMIProvider    = 2150859013
	faultWMIConnect     = 2150859014
)

// failure gives err the form that callers see. An answer that was lost does no harm here, so that Unknown would say too much.
func (q *query) failure(err error) error {
	if err == nil {
		return nil
	}
	host := q.ch.link.host
	if e, ok := errors.AsType[*photopush.Error](err); ok {
		if e.Reason != photopush.Unknown {
			return e
		}
		err = e.Err
	}
	f, ok := errors.AsType[*Fault](err)
	if !ok {
		return &photopush.Error{Reason: reasonOf(err), Op: "query WMI of", On: host, Err: err}
	}
	reason := f.Reason()
	for _, code := range []uint32{f.Code, f.inner} {
		switch code {
		case wmiAccessDenied, faultWMIService, faultWMIProvider, faultWMIConnect, 5, 0x80070005:
			reason = photopush.Denied
			err = fmt.Errorf("%w; give the account Enable Account and Remote Enable on the WMI namespace %s there, or make it an administrator", f, q.namespace)
		case wmiInvalidNamespace, wmiInvalidClass:
			reason = photopush.Unsupported
			err = fmt.Errorf("%w; the workstation has no such class in %s", f, q.namespace)
		default:
			continue
		}
		break
	}
	return &photopush.Error{Reason: reason, Op: "query WMI of", On: host, Err: err}
}
