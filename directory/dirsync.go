package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// DirSync tells the objects of a domain that have changed since a cookie, and of each the attributes that have (MS-ADTS 3.1.1.3.4.1.3). A cookie is a
// controller's note of how far it and all others are known, so that any controller of the domain goes on from it; one of them may
// tell again what another one has told.

// Flags of the control. With objectSecurity any account may ask, and is told what it may read; without it the account would need the right to
// replicate the domain. With incrementalValues only those members of a group come that were added or taken out. They travel as a
// signed number of 32 bits.
const (
	objectSecurity    = 0x1
	incrementalValues = 0x80000000
)

// syncBytes is the size of an answer that is asked for, the default of Windows' own clients; a controller may go by it or not.
const syncBytes = 1 << 20

// maxSyncRounds bounds the answers to one question: each brings some hundred objects at least.
const maxSyncRounds = 100_000

// nothing matches no object.
var nothing = equalsBytes("objectGUID", make([]byte, len(rawGUID{})))

// beginSync takes the cookie of now. It asks for no object at all: a cookie tells how far the controllers' changes are known, whatever was asked, so that the
// domain need not travel twice.
func (d *Directory) beginSync(ctx context.Context, p *place) error {
	*p = place{Method: methodDirSync, Scope: p.Scope, Groups: p.Groups, AnyGroup: p.AnyGroup}
	return d.use(ctx, func(c *conn) error {
		d.toldBy(c.controller)
		cookie, err := c.sync(ctx, d.syncRequest(nothing), nil, func(*ldap.Entry) error { return nil })
		p.Cookie = cookie
		return refuse(ctx, err)
	})
}

// syncSince tells what has changed since the place, and moves the place on.
func (d *Directory) syncSince(ctx context.Context, p *place) (t *tally, err error) {
	var cookie []byte
	err = d.use(ctx, func(c *conn) error {
		d.toldBy(c.controller)
		t = newTally(d.watched, *p) // what a controller told before it was lost is told again
		cookie, err = c.sync(ctx, d.syncRequest(d.watched.filter()), p.Cookie, t.synced)
		if errors.Is(err, errStopped) {
			return nil
		}
		return refuse(ctx, err)
	})
	p.Cookie = cookie
	return t, err
}

func (d *Directory) syncRequest(filter string) *ldap.SearchRequest {
	return ldap.NewSearchRequest(d.root(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter, d.watched.attributes, nil)
}

// sync asks until the controller has no more to tell, and returns its last cookie.
func (c *conn) sync(ctx context.Context, request *ldap.SearchRequest, cookie []byte, entry func(*ldap.Entry) error) ([]byte, error) {
	flags := uint32(objectSecurity | incrementalValues)
	for range maxSyncRounds {
		request.Controls = []ldap.Control{ldap.NewRequestControlDirSync(int64(int32(flags)), syncBytes, cookie)}
		controls, err := c.stream(ctx, request, entry, func() {})
		if err != nil {
			return nil, searchError(err, "read changes of", request.BaseDN+" at "+c.controller.url)
		}
		sync, ok := ldap.FindControl(controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync)
		switch {
		case !ok:
			return nil, &lostError{photopush.Offline, errors.New("the changes have no end: their DirSync control is missing")}
		case len(sync.Cookie) == 0 || len(sync.Cookie) > maxPlace/2:
			return nil, fmt.Errorf("%s ends the changes with a cookie of %d bytes", c.controller.url, len(sync.Cookie))
		case sync.Flags == 0:
			return sync.Cookie, nil
		case bytes.Equal(sync.Cookie, cookie):
			return nil, fmt.Errorf("%s says that there are more changes, and does not go on", c.controller.url)
		}
		cookie = bytes.Clone(sync.Cookie)
	}
	return nil, fmt.Errorf("%s has not told all changes after %d answers", c.controller.url, maxSyncRounds)
}

// synced takes an object that has changed, with what of it has.
func (t *tally) synced(e *ldap.Entry) error {
	guid, ok := t.identity(e)
	if !ok {
		return errStopped
	}
	member, named, deleted := hasAttribute(e, "member"), hasAttribute(e, "name"), strings.EqualFold(e.GetEqualFoldAttributeValue("isDeleted"), "TRUE")
	switch {
	case member && t.from.watches(guid), (named || deleted) && t.from.lists(guid): // a filter asks for a group by its name
		t.membersChanged(e)
	case member && !named && !deleted: // of a group that does not count
	default:
		t.add(guid, t.in.hasPhoto(e))
	}
	switch {
	case deleted:
		t.deleted = append(t.deleted, guid)
	case named:
		t.named = append(t.named, guid)
	}
	if t.why != "" {
		return errStopped
	}
	return nil
}
