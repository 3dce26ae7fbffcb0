package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A query is one kind of object with what is to be read of it.
type query struct {
	op         string // for errors: read users
	scope      scope
	filter     string
	attributes []string
}

func (q query) request(b base, sizeLimit int) *ldap.SearchRequest {
	return ldap.NewSearchRequest(b.name, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, sizeLimit, 0, false, q.filter, q.attributes, nil)
}

// use runs f on a connection, and again on another one as long as f loses it and a controller is left. A connection that lay idle
// and is gone, or is nobody's any more, says nothing about its controller. f's other errors are final.
func (d *Directory) use(ctx context.Context, f func(*conn) error) error {
	tried := &trial{}
	for {
		c, err := d.acquire(ctx, tried)
		if err != nil {
			return err
		}
		err = f(c)
		if !isLost(err) && !c.lapsed(err) {
			if ctx.Err() == nil {
				d.healthy(c.controller)
			}
			d.release(c)
			return err
		}
		c.drop()
		if !c.reused {
			d.fail(tried, c.controller, err)
		}
	}
}

// lapsed tells whether the sign-in of a connection that lay idle may have ended. Active Directory answers operationsError then, as to other faults of
// a request ("a successful bind must be completed on the connection"). A connection with such an answer is not kept: so each call finds a new one in the
// end, whose answer counts.
func (c *conn) lapsed(err error) bool {
	if resultCode(err) != ldap.LDAPResultOperationsError {
		return false
	}
	c.clean = false
	return c.reused
}

// A reading is one read of everything that a query covers, over as many connections as it takes. It knows what was delivered, so
// that a base that is begun again on the next controller brings nothing twice.
type reading struct {
	d       *Directory
	query   query
	deliver func(*ldap.Entry, rawGUID) error
	members membership
	seen    map[rawGUID]struct{}
	stopped error // what deliver returned
	skipped int
	outside int // objects that are excluded or members of no group
	refs    int // referrals: not followed
}

// errStopped is the error of a read that its caller ended.
var errStopped = errors.New("stopped by the caller")

// readAll reads every base without regard to groups. deliver is called in the order of arrival, once per object; its error ends the
// read and is returned.
func (d *Directory) readAll(ctx context.Context, q query, deliver func(*ldap.Entry, rawGUID) error) error {
	return d.readEach(ctx, q, d.now(), everybody{}, []string{q.filter}, deliver)
}

// readEach reads every base with one filter after another, and delivers an object once even when several of them find it. Where the bases lie was
// looked up after that time.
func (d *Directory) readEach(ctx context.Context, q query, after time.Time, members membership, filters []string, deliver func(*ldap.Entry, rawGUID) error) error {
	r := &reading{d: d, query: q, deliver: deliver, members: members, seen: map[rawGUID]struct{}{}}
	for _, r.query.filter = range filters {
		for i := range q.scope.bases {
			err := d.use(ctx, func(c *conn) (err error) {
				d.readFrom(c.controller)
				if r.query.scope, err = d.located(ctx, c, q.scope, after); err != nil {
					return err
				}
				return r.base(ctx, c, r.query.scope.bases[i])
			})
			switch {
			case errors.Is(err, errStopped):
				return r.stopped
			case err != nil:
				return err
			}
		}
	}
	d.log.Debug(q.op, "domain", d.cfg.Name, "objects", len(r.seen), "outside", r.outside, "referrals", r.refs, "skipped", r.skipped)
	return nil
}

// Objects are asked for by their GUID where they are known, so many in one search. Members are too as long as that takes no more searches than
// this; of more, all objects are read, and those outside are passed over here. For a handful it is asked one by one whether they are in a group.
const (
	idsPerSearch = 100
	fewSearches  = 200
	fewIDs       = 20
)

// readObjects reads the objects of a scope, or with ids, which must be well-formed, those of them that are in scope.
func (d *Directory) readObjects(ctx context.Context, q query, ids []photopush.GUID, deliver func(*ldap.Entry, rawGUID) error) error {
	guids := make([]rawGUID, len(ids))
	for i, id := range ids {
		var err error
		if guids[i], err = encodeGUID(id); err != nil {
			return err
		}
	}
	after := d.now()
	if ids != nil {
		after = d.recently()
	}
	if len(q.scope.groups) == 0 {
		return d.readEach(ctx, q, after, everybody{}, q.scope.narrowed(ids == nil, guids), deliver)
	}
	q.attributes = forMembership(q.attributes)
	if ids != nil && len(ids) <= fewIDs {
		members, err := d.membersAmong(ctx, q.scope)
		if err != nil {
			return err
		}
		return d.readEach(ctx, q, after, members, q.scope.narrowed(false, guids), deliver)
	}
	members, err := d.readMembers(ctx, q.scope)
	if err != nil {
		return err
	}
	filters := members.filters(q.scope)
	if ids != nil || len(filters)*len(q.scope.bases) > fewSearches {
		filters = q.scope.narrowed(ids == nil, guids)
	}
	return d.readEach(ctx, q, after, members, filters, deliver)
}

// narrowed are the filters that find the objects with these GUIDs, or one that finds all.
func (s scope) narrowed(all bool, guids []rawGUID) []string {
	if all {
		return []string{s.and("")}
	}
	var filters []string
	for part := range slices.Chunk(guids, idsPerSearch) {
		filters = append(filters, s.and(anyGUID(part)))
	}
	return filters
}

// baseSearch asks for one object.
func baseSearch(name, filter string, attributes ...string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(name, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, filter, attributes, nil)
}

// base reads one base from its beginning over one connection: a paging cookie belongs to its connection.
func (r *reading) base(ctx context.Context, c *conn, b base) error {
	paging := ldap.NewControlPaging(uint32(r.d.cfg.PageSize))
	request := r.query.request(b, 0)
	request.Controls = []ldap.Control{paging}
	count, last := 0, ""
	for {
		cookie, err := c.page(ctx, request, func(e *ldap.Entry) error {
			count, last = count+1, e.DN
			return r.entry(ctx, b, e)
		}, func() { r.refs++ })
		if err != nil {
			return r.baseError(err, c, b, count, last)
		}
		if len(cookie) == 0 {
			return nil
		}
		paging.SetCookie(cookie)
	}
}

// baseError says where a read ended.
func (r *reading) baseError(err error, c *conn, b base, count int, last string) error {
	if errors.Is(err, errStopped) {
		return err
	}
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("%s below %s: %w", r.query.op, b.name, err)
	}
	err = searchError(err, r.query.op+" below", b.name+" at "+c.controller.url)
	lost, ok := errors.AsType[*lostError](err)
	if !ok {
		return err
	}
	where := "before the first object"
	if count > 0 {
		where = fmt.Sprintf("after %d objects, the last %s", count, clip(decodeText(last)))
	}
	return &lostError{lost.reason, fmt.Errorf("%s below %s, %s: %w", r.query.op, b.name, where, lost.err)}
}

// entry delivers one object, unless it was delivered before, lies elsewhere or is out of scope.
func (r *reading) entry(ctx context.Context, b base, e *ldap.Entry) error {
	guid, err := identify(b, r.query.scope, e)
	switch {
	case errors.Is(err, errForeign):
		r.stopped = r.d.foreignError(r.query, b, e)
		return errStopped
	case errors.Is(err, errLeftOut):
		r.outside++
		return nil
	case err != nil:
		r.skip(e, err)
		return nil
	}
	if _, dup := r.seen[guid]; dup {
		return nil
	}
	switch member, err := r.members.has(ctx, e); {
	case err != nil:
		r.stopped = err
		return errStopped
	case !member:
		r.outside++
		return nil
	}
	r.seen[guid] = struct{}{}
	err = r.deliver(e, guid)
	if fault, ok := errors.AsType[*objectError](err); ok {
		r.skip(e, fault)
		return nil
	}
	if err != nil {
		r.stopped = err
		return errStopped
	}
	return nil
}

// maxSkipLines bounds the log lines about objects that cannot be used, per read.
const maxSkipLines = 20

func (r *reading) skip(e *ldap.Entry, err error) {
	r.skipped++
	switch {
	case r.skipped <= maxSkipLines:
		r.d.log.Warn("object in the directory is left out", "dn", decodeText(e.DN), "err", err)
	case r.skipped == maxSkipLines+1:
		r.d.log.Warn("more objects in the directory are left out", "domain", r.d.cfg.Name)
	}
}

// An objectError says why an object cannot be used; the read goes on without it.
type objectError struct{ err error }

func (e *objectError) Error() string { return e.err.Error() }
func (e *objectError) Unwrap() error { return e.err }

// identify reads the GUID of an object, and checks that it lies where it was looked for, and nowhere that is excluded.
func identify(b base, s scope, e *ldap.Entry) (rawGUID, error) {
	dn, err := parseName(e.DN)
	switch {
	case err != nil:
		return rawGUID{}, fmt.Errorf("its distinguished name: %w", err)
	case !b.covers(dn):
		return rawGUID{}, errForeign
	case s.excludes(dn):
		return rawGUID{}, errLeftOut
	case len(e.Attributes) == 0:
		return rawGUID{}, fmt.Errorf("it shows no attribute: the account may read none, or its photos are larger than %d MiB together", maxPDU>>20)
	}
	return decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
}

// page reads one page and returns the cookie of the next; none after the last.
func (c *conn) page(ctx context.Context, request *ldap.SearchRequest, entry func(*ldap.Entry) error, referral func()) (cookie []byte, err error) {
	controls, err := c.stream(ctx, request, entry, referral)
	if err != nil {
		return nil, err
	}
	// Without this control the end of the page is not the server's word.
	paging, ok := ldap.FindControl(controls, ldap.ControlTypePaging).(*ldap.ControlPaging)
	if !ok {
		c.clean = false
		return nil, &lostError{photopush.Offline, errors.New("the page has no end: its paging control is missing")}
	}
	return paging.Cookie, nil
}

// stream runs one search, hands over what it finds as it arrives, and returns the controls that came last. That they are there is the caller's to
// check: it tells that the search has come to its end. After an error of entry the connection is of no use.
func (c *conn) stream(ctx context.Context, request *ldap.SearchRequest, entry func(*ldap.Entry) error, referral func()) ([]ldap.Control, error) {
	c.clean = false
	tap := newTap()
	c.pdus.tap.Store(tap)
	end, ended := make(chan struct{}), false
	var result *ldap.SearchResult
	var failure error
	go func() {
		defer close(end)
		result, failure = c.ldap.Search(request)
	}()
	defer func() {
		close(tap.closed)
		if !ended {
			c.drop()
			<-end
		}
	}()
	w := c.watch(ctx)
	for !ended {
		select {
		case e := <-tap.entries:
			w.pause()
			if err := entry(e); err != nil {
				return nil, w.end(err)
			}
			w.resume()
		case <-end:
			ended = true
		}
	}
	c.pdus.tap.Store(nil)
	if err := w.end(failure); err != nil {
		return nil, err
	}
	for range tap.references {
		referral()
	}
	c.clean = len(result.Controls) > 0
	return result.Controls, nil
}

// maxMatches bounds the answers to a name; more than one is ambiguous anyway.
const maxMatches = 10

// find returns the objects in scope that match, at most maxMatches of them.
func (d *Directory) find(ctx context.Context, q query) ([]*ldap.Entry, error) {
	members, err := d.membersAmong(ctx, q.scope)
	if err != nil {
		return nil, err
	}
	if len(q.scope.groups) > 0 {
		q.attributes = forMembership(q.attributes)
	}
	found, err := d.search(ctx, q)
	if err != nil {
		return nil, err
	}
	var kept []*ldap.Entry
	for _, e := range found {
		member, err := members.has(ctx, e)
		if err != nil {
			return nil, err
		}
		if member {
			kept = append(kept, e)
		}
	}
	return kept, nil
}

// search returns the objects of a scope that match, without regard to its groups.
func (d *Directory) search(ctx context.Context, q query) ([]*ldap.Entry, error) {
	select {
	case d.lookups <- struct{}{}:
		defer func() { <-d.lookups }()
	case <-ctx.Done():
		return nil, canceled(ctx, q.op)
	}
	var found []*ldap.Entry
	seen := map[rawGUID]struct{}{}
	given, after := q.scope, d.recently()
	for i := range given.bases {
		err := d.use(ctx, func(c *conn) (err error) {
			if q.scope, err = d.located(ctx, c, given, after); err != nil {
				return err
			}
			b := q.scope.bases[i]
			entries, err := c.search(ctx, q, b)
			if err != nil {
				return err
			}
			kept, err := d.matches(q, b, entries, seen)
			found = append(found, kept...)
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}

// matches keeps the entries that lie in the scope and were not found before.
func (d *Directory) matches(q query, b base, entries []*ldap.Entry, seen map[rawGUID]struct{}) (kept []*ldap.Entry, err error) {
	for _, e := range entries {
		guid, err := identify(b, q.scope, e)
		switch {
		case errors.Is(err, errForeign):
			return nil, d.foreignError(q, b, e)
		case errors.Is(err, errLeftOut):
			continue
		case err != nil:
			d.log.Warn("object in the directory is left out", "dn", decodeText(e.DN), "err", err)
			continue
		}
		if _, dup := seen[guid]; dup {
			continue
		}
		seen[guid] = struct{}{}
		kept = append(kept, e)
	}
	return kept, nil
}

// search runs one short search.
func (c *conn) search(ctx context.Context, q query, b base) ([]*ldap.Entry, error) {
	return c.run(ctx, q.request(b, maxMatches), q.op+" below", b.name)
}

// run runs one search without pages; reaching the size limit is no error.
func (c *conn) run(ctx context.Context, request *ldap.SearchRequest, op, on string) ([]*ldap.Entry, error) {
	c.clean = false
	w := c.watch(ctx)
	result, err := c.ldap.Search(request)
	if ended := w.end(nil); ended != nil {
		if !isLost(ended) {
			ended = fmt.Errorf("%s %s: %w", op, on, ended)
		}
		return nil, ended
	}
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.ResultCode == ldap.LDAPResultSizeLimitExceeded && len(result.Entries) > 0 {
		err = nil
	}
	err = searchError(err, op, on+" at "+c.controller.url)
	c.clean = !isLost(err)
	if err != nil {
		return nil, err
	}
	return result.Entries, nil
}
