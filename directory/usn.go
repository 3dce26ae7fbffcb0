package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// Each controller counts the changes of its database, those that it hears of from others too, and every object has the number of its last
// change there: uSNChanged (MS-ADTS 3.1.1.1.9). The numbers of one controller mean nothing to another one; a database has a name,
// invocationId, and gets another one when it is restored.

// replMetaData tells of each attribute of an object when it was changed last (MS-ADTS 3.1.1.4.5.37). Not every account may read it, and not
// every server has it.
const replMetaData = "msDS-ReplAttributeMetaData"

// beginCount takes the number that one controller has come to.
func (d *Directory) beginCount(ctx context.Context, p *place) error {
	return d.use(ctx, func(c *conn) error {
		d.toldBy(c.controller)
		invocation, high, err := c.counter(ctx)
		if err != nil {
			return refuse(ctx, err)
		}
		*p = p.counted(invocation, high)
		p.Method, p.Cookie = methodUSN, nil
		return nil
	})
}

// countSince tells what has changed at one controller since its number in the place, and moves that on.
func (d *Directory) countSince(ctx context.Context, p *place) (t *tally, err error) {
	next := *p
	err = d.use(ctx, func(c *conn) error {
		d.toldBy(c.controller)
		t = newTally(d.watched, *p) // what a controller told before it was lost is told again
		invocation, high, err := c.counter(ctx)
		if err != nil {
			return refuse(ctx, err)
		}
		known, ok := p.usn(invocation)
		switch {
		case !ok:
			t.why = fmt.Sprintf("how far the changes at %s are known was never noted", c.controller.url)
			return nil
		case high < known:
			t.why = fmt.Sprintf("%s has counted %d changes, and had counted %d before: an earlier state of it was put back", c.controller.url, high, known)
			return nil
		}
		next = p.counted(invocation, high)
		if high == known {
			return nil
		}
		err = c.countedSince(ctx, d.countRequest(known), uint32(d.cfg.PageSize), func(e *ldap.Entry) error { return t.counted(e, known) })
		if errors.Is(err, errStopped) {
			return nil
		}
		return refuse(ctx, err)
	})
	*p = next
	return t, err
}

func (d *Directory) countRequest(known int64) *ldap.SearchRequest {
	filter := "(&" + d.watched.filter() + "(uSNChanged>=" + strconv.FormatInt(known+1, 10) + "))"
	return ldap.NewSearchRequest(d.root(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter,
		[]string{"objectGUID", "objectClass", replMetaData}, nil)
}

// counter reads which database a controller has, and how many changes it has counted.
func (c *conn) counter(ctx context.Context) (invocation rawGUID, high int64, err error) {
	read := func(base string, attributes ...string) (*ldap.Entry, error) {
		request := ldap.NewSearchRequest(base, ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)", attributes, nil)
		entries, err := c.run(ctx, request, "read", strings.Join(attributes, " and "))
		if err == nil && len(entries) != 1 {
			err = fmt.Errorf("%s shows no %s", c.controller.url, strings.Join(attributes, " and "))
		}
		if err != nil {
			return nil, err
		}
		return entries[0], nil
	}
	root, err := read("", "dsServiceName", "highestCommittedUSN")
	if err != nil {
		return invocation, 0, err
	}
	high, err = strconv.ParseInt(root.GetEqualFoldAttributeValue("highestCommittedUSN"), 10, 64)
	service := root.GetEqualFoldAttributeValue("dsServiceName")
	if err != nil || high < 0 || service == "" {
		return invocation, 0, fmt.Errorf("%s does not say how many changes it has counted", c.controller.url)
	}
	settings, err := read(service, "invocationId")
	if err != nil {
		return invocation, 0, err
	}
	b := settings.GetEqualFoldRawAttributeValue("invocationId")
	if len(b) != len(invocation) {
		return invocation, 0, fmt.Errorf("%s shows no invocationId of its database", c.controller.url)
	}
	return rawGUID(b), high, nil
}

// countedSince reads page by page what a request finds, deleted objects too.
func (c *conn) countedSince(ctx context.Context, request *ldap.SearchRequest, pageSize uint32, entry func(*ldap.Entry) error) error {
	paging := ldap.NewControlPaging(pageSize)
	request.Controls = []ldap.Control{paging, ldap.NewControlMicrosoftShowDeleted()}
	for {
		cookie, err := c.page(ctx, request, entry, func() {})
		if err != nil {
			return searchError(err, "read changes of", request.BaseDN+" at "+c.controller.url)
		}
		if len(cookie) == 0 {
			return nil
		}
		paging.SetCookie(cookie)
	}
}

// counted takes an object that has changed since the controller had counted to known. Of a container or a group that is enough to know: they change
// rarely.
func (t *tally) counted(e *ldap.Entry, known int64) error {
	guid, ok := t.identity(e)
	if !ok {
		return errStopped
	}
	classes := e.GetEqualFoldAttributeValues("objectClass")
	switch {
	case hasClass(classes, "user"):
		t.add(guid, t.in.photoCounted(e, known))
	case !hasClass(classes, "group"):
		t.named = append(t.named, guid)
	case t.in.groups && t.from.watches(guid):
		t.membersChanged(e)
	}
	if t.why != "" {
		return errStopped
	}
	return nil
}

func hasClass(classes []string, name string) bool {
	return slices.ContainsFunc(classes, func(c string) bool { return strings.EqualFold(c, name) })
}

// photoCounted tells whether a photo may have been changed since the controller had counted to known: it was, or nothing says that it was not.
func (in interest) photoCounted(e *ldap.Entry, known int64) bool {
	values := e.GetEqualFoldRawAttributeValues(replMetaData)
	for _, v := range values {
		name, ok := textBetween(v, "<pszAttributeName>", "</pszAttributeName>")
		if !ok {
			return true
		}
		if !slices.ContainsFunc(in.photo, func(a string) bool { return strings.EqualFold(a, string(name)) }) {
			continue
		}
		text, _ := textBetween(v, "<usnLocalChange>", "</usnLocalChange>")
		if usn, err := strconv.ParseInt(string(text), 10, 64); err != nil || usn > known {
			return true
		}
	}
	return len(values) == 0
}

func textBetween(b []byte, before, after string) ([]byte, bool) {
	_, rest, ok := bytes.Cut(b, []byte(before))
	text, _, closed := bytes.Cut(rest, []byte(after))
	return text, ok && closed
}
