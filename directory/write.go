package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// effectiveAttribute lists what whoever asks may write of an object (MS-ADTS 3.1.1.4.5.7).
const effectiveAttribute = "allowedAttributesEffective"

// maxTexts is how many values of a text attribute People looks at.
const maxTexts = 16

// People reads every user in scope with further attributes as text, each with its first values. It reads as Users does, and no photos.
func (d *Directory) People(ctx context.Context, attributes []string, yield func(photopush.User, map[string][]string) error) error {
	q := query{"read users", d.people, d.people.and(""), slices.Concat(userAttributes, attributes)}
	return d.readObjects(ctx, q, nil, func(e *ldap.Entry, guid rawGUID) error {
		u, err := d.user(e, guid)
		if err != nil {
			return &objectError{err}
		}
		texts := make(map[string][]string, len(attributes))
		for _, a := range attributes {
			for i, v := range e.GetEqualFoldAttributeValues(a) {
				if v = decodeText(v); v != "" && i < maxTexts {
					texts[a] = append(texts[a], v)
				}
			}
		}
		return yield(u, texts)
	})
}

// PhotoStates reads what photo attributes of the users hold, and whether the account may write them. Users that are not in scope are left out; the
// others come once each, in no order.
func (d *Directory) PhotoStates(ctx context.Context, ids []photopush.GUID, attributes []string, yield func(photopush.PhotoState) error) error {
	q := query{"read photos", d.people, "", slices.Concat(userAttributes, attributes, []string{effectiveAttribute})}
	return d.readObjects(ctx, q, append([]photopush.GUID{}, ids...), func(e *ldap.Entry, guid rawGUID) error {
		u, err := d.user(e, guid)
		if err != nil {
			return &objectError{err}
		}
		s := photopush.PhotoState{User: u, Values: map[string][][]byte{}, Writable: map[string]bool{}}
		for _, a := range attributes {
			s.Values[a] = e.GetEqualFoldRawAttributeValues(a)
			s.Writable[a] = containsFold(e.GetEqualFoldAttributeValues(effectiveAttribute), a)
		}
		return yield(s)
	})
}

func containsFold(all []string, s string) bool {
	return slices.ContainsFunc(all, func(v string) bool { return strings.EqualFold(v, s) })
}

// busyPauses are how long a write waits before it is tried again at a controller that says it is busy; then the next one is tried.
var busyPauses = []time.Duration{200 * time.Millisecond, time.Second}

// SwapPhoto puts other values into a photo attribute: one request deletes the old values and adds the new ones, so that a controller which has others refuses it,
// and nobody's change in between is lost. What was written is read back. Where the new values are there already nothing is written. A connection that is lost
// while a request is on its way leaves open whether it was carried out: the attribute is read again, at the next controller if need be, before anything is repeated.
//
// The error has the reason conflict when the attribute has neither the old values nor the new ones, denied when the account may not write it, out_of_scope when
// the user is not in scope any more, bad_photo when the directory does not take the values, quota when old and new ones are too large for one request, and
// unknown when a request was sent that may have been carried out, and the new values are not there: nobody could be asked, or there are others by now. With
// any other reason nothing was changed.
func (d *Directory) SwapPhoto(ctx context.Context, s photopush.PhotoSwap) error {
	select {
	case d.writes <- struct{}{}:
		defer func() { <-d.writes }()
	case <-ctx.Done():
		return canceled(ctx, "write "+s.Attribute)
	}
	w := &swap{PhotoSwap: s, d: d}
	err := d.use(ctx, func(c *conn) error { return w.run(ctx, c) })
	if err == nil || !w.loose {
		return err
	}
	what := "a request was sent, which was or may have been carried out; then"
	if w.open {
		what = "the connection was lost after the request had been sent, and nobody could be asked what became of it"
	}
	return &photopush.Error{Reason: photopush.Unknown, Op: "write " + s.Attribute + " of", On: s.User.DN, Err: fmt.Errorf("%s: %w", what, err)}
}

// A swap is a PhotoSwap under way.
type swap struct {
	photopush.PhotoSwap
	d      *Directory
	dn     string // where the user is now
	sent   int    // requests
	pauses int    // that were made because a controller was busy
	loose  bool   // a request was sent of which it is not known that it was refused
	open   bool   // the last request is such a one, and what became of it was not read yet
}

// maxRequests bounds the requests of one swap: a controller that says done, and has the old values afterwards, is not asked for ever.
const maxRequests = 8

// run does it on one connection, and may be run again on another.
func (w *swap) run(ctx context.Context, c *conn) error {
	for {
		have, err := w.read(ctx, c)
		if err != nil {
			return err
		}
		w.open = false
		switch {
		case photopush.SameValues(have, w.New):
			return nil
		case !photopush.SameValues(have, w.Old):
			return w.fail(photopush.Conflict, errors.New("it has changed since it was looked at, and is left as it is"))
		case w.sent == maxRequests:
			return w.fail(photopush.Unsupported, fmt.Errorf("after %d requests it is as it was before", w.sent))
		}
		if err := w.fits(); err != nil {
			return err
		}
		if err := w.modify(ctx, c); err != nil {
			return err
		}
	}
}

// maxRequest is the most that a request may carry, in bytes. Windows takes 10 MiB and ends the connection of a larger one (MS-ADTS 3.1.1.3.4.6, MaxReceiveBuffer),
// Samba 16 MB.
const maxRequest = 9 << 20

// fits refuses what no controller would take.
func (w *swap) fits() error {
	n := total(w.Old) + total(w.New)
	if n <= maxRequest {
		return nil
	}
	return w.fail(photopush.Quota, fmt.Errorf("what is there and what is to be there have %d bytes together, and a controller takes at most %d in one request: "+
		"let an administrator clear the attribute (Set-ADUser -Clear %s), and import again", n, maxRequest, w.Attribute))
}

func (w *swap) fail(reason photopush.Reason, err error) error {
	on := w.dn
	if on == "" {
		on = w.User.DN
	}
	return &photopush.Error{Reason: reason, Op: "write " + w.Attribute + " of", On: decodeText(on), Err: err}
}

// read reads the attribute's values, and where the user lies; he must be in scope still.
func (w *swap) read(ctx context.Context, c *conn) ([][]byte, error) {
	name, err := guidName(w.User.GUID)
	if err != nil {
		return nil, err
	}
	people, err := w.d.located(ctx, c, w.d.people, w.d.recently())
	if err != nil {
		return nil, err
	}
	request := ldap.NewSearchRequest(name, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, w.d.people.and(""),
		forMembership([]string{w.Attribute}), nil)
	entries, err := c.run(ctx, request, "read "+w.Attribute+" of", w.User.DN)
	switch {
	case isLost(err) || ctx.Err() != nil:
		return nil, err
	case resultCode(err) == ldap.LDAPResultNoSuchObject, err == nil && len(entries) != 1:
		return nil, w.fail(photopush.OutOfScope, errors.New("the user is gone, or out of scope by now"))
	case err != nil:
		return nil, err
	}
	for _, b := range people.bases {
		guid, err := identify(b, people, entries[0])
		switch {
		case errors.Is(err, errForeign), errors.Is(err, errLeftOut):
		case err != nil || guid.GUID() != w.User.GUID:
			return nil, w.fail(photopush.Unsupported, errors.Join(errors.New("another object was answered than was asked for"), err))
		default:
			w.dn = entries[0].DN
			return entries[0].GetEqualFoldRawAttributeValues(w.Attribute), w.checkMember(ctx, entries[0])
		}
	}
	w.dn = entries[0].DN
	w.d.forgetPlaces() // or the base was renamed
	return nil, w.fail(photopush.OutOfScope, errors.New("the user has moved out of scope"))
}

// checkMember refuses a user who is in none of the groups of the scope.
func (w *swap) checkMember(ctx context.Context, e *ldap.Entry) error {
	members, err := w.d.membersAmong(ctx, w.d.people)
	if err != nil {
		return err
	}
	if member, err := members.has(ctx, e); err != nil || member {
		return err
	}
	return w.fail(photopush.OutOfScope, errors.New("the user is in none of users.groups by now"))
}

// guidName is the name by which an object is found wherever it lies (MS-ADTS 3.1.1.3.1.2.4).
func guidName(id photopush.GUID) (string, error) {
	if _, err := encodeGUID(id); err != nil {
		return "", &photopush.Error{Reason: photopush.Internal, Op: "write photo", Err: err}
	}
	return "<GUID=" + string(id) + ">", nil
}

// modify sends the request. Without an error the attribute is to be read: the request was carried out, or the controller was busy.
func (w *swap) modify(ctx context.Context, c *conn) error {
	name, err := guidName(w.User.GUID)
	if err != nil {
		return err
	}
	request := ldap.NewModifyRequest(name, nil)
	if len(w.Old) > 0 {
		request.Delete(w.Attribute, texts(w.Old))
	}
	if len(w.New) > 0 {
		request.Add(w.Attribute, texts(w.New))
	}
	w.sent++
	before := w.loose
	c.clean, w.open, w.loose = false, true, true
	watch := c.watch(ctx)
	err = c.ldap.Modify(request)
	ended := watch.end(nil)
	code := resultCode(err)
	switch {
	case err == nil:
		c.clean = true
		return nil
	case code < 0 && ended != nil:
		return ended
	case code < 0:
		return searchError(err, "write "+w.Attribute+" of", w.dn+" at "+c.controller.url)
	}
	c.clean, w.open, w.loose = true, false, before // the controller says that it was not carried out
	if isBusy(code) && w.pauses < len(busyPauses) {
		return w.pause(ctx)
	}
	return w.refused(ctx, c, err)
}

func texts(values [][]byte) []string {
	all := make([]string, len(values))
	for i, v := range values {
		all[i] = string(v)
	}
	return all
}

// resultCode is the code that a server has answered; -1 for every other error, and for none.
func resultCode(err error) int {
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.ResultCode < ldap.ErrorNetwork {
		return int(e.ResultCode)
	}
	return -1
}

func isBusy(code int) bool { return code == ldap.LDAPResultBusy || code == ldap.LDAPResultUnavailable }

func (w *swap) pause(ctx context.Context) error {
	timer := time.NewTimer(busyPauses[w.pauses])
	defer timer.Stop()
	w.pauses++
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return canceled(ctx, "write "+w.Attribute)
	}
}

// refused explains a result code. Those that another value's presence brings are looked into first.
func (w *swap) refused(ctx context.Context, c *conn, err error) error {
	code := resultCode(err)
	switch code {
	case ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultConstraintViolation, ldap.LDAPResultAttributeOrValueExists, ldap.LDAPResultInvalidAttributeSyntax:
		have, readErr := w.read(ctx, c)
		switch {
		case readErr != nil:
			return readErr
		case photopush.SameValues(have, w.New):
			return nil
		case !photopush.SameValues(have, w.Old):
			return w.fail(photopush.Conflict, errors.New("somebody else has changed it at the same moment, and it is left as it is"))
		}
	case ldap.LDAPResultBusy, ldap.LDAPResultUnavailable:
		return searchError(err, "", "")
	case ldap.LDAPResultReferral:
		return &lostError{photopush.Unsupported, fmt.Errorf("the controller is read-only, and refers to another one: name one that takes changes: %w", err)}
	}
	reason, what := w.explain(code)
	e, _ := errors.AsType[*ldap.Error](err)
	return w.fail(reason, fmt.Errorf("%s: %w", what, &resultError{e}))
}

// explain says what a result code means for a write, and what to do.
func (w *swap) explain(code int) (photopush.Reason, string) {
	switch code {
	case ldap.LDAPResultInsufficientAccessRights:
		return photopush.Denied, w.d.noRight(w.Attribute, w.dn)
	case ldap.LDAPResultConstraintViolation, ldap.LDAPResultInvalidAttributeSyntax, ldap.LDAPResultAttributeOrValueExists:
		what := fmt.Sprintf("the directory does not take %s", sizes(w.New))
		if w.Attribute == photopush.ThumbnailPhoto {
			what += fmt.Sprintf(": thumbnailPhoto holds one value of at most %d bytes", photopush.MaxThumbnail)
		}
		return photopush.BadPhoto, what
	case ldap.LDAPResultNoSuchAttribute, ldap.LDAPResultUndefinedAttributeType:
		return photopush.Unsupported, "the directory has no attribute " + w.Attribute + " for users"
	case ldap.LDAPResultNoSuchObject:
		return photopush.OutOfScope, "the user is gone"
	case ldap.LDAPResultAdminLimitExceeded:
		return photopush.Quota, "the change is larger than the controller takes in one request: let an administrator clear the attribute, and import again"
	case ldap.LDAPResultUnwillingToPerform:
		return photopush.Denied, "the controller refuses the change, as it does for objects that it keeps itself"
	}
	return photopush.Unsupported, "the controller does not carry out the change"
}

// noRight says that the account may not write, and what to do.
func (d *Directory) noRight(attribute, dn string) string {
	ou := decodeText((&photopush.User{DN: dn}).OU())
	return fmt.Sprintf("the account %s may not write %s of users in %s: let it, as docs/least-privilege.md shows (what an OU grants does not reach members of "+
		"protected groups, such as administrators)", d.cfg.Account.Name(), attribute, ou)
}

// MayNotWrite is the error for a user whose PhotoState says that the account may not write an attribute.
func (d *Directory) MayNotWrite(u photopush.User, attribute string) error {
	return &photopush.Error{Reason: photopush.Denied, Op: "write " + attribute + " of", On: u.DN, Err: errors.New(d.noRight(attribute, u.DN))}
}

func sizes(values [][]byte) string {
	if len(values) == 1 {
		return fmt.Sprintf("a value of %d bytes", len(values[0]))
	}
	return fmt.Sprintf("%d values of %d bytes together", len(values), total(values))
}

func total(values [][]byte) (n int) {
	for _, v := range values {
		n += len(v)
	}
	return n
}
