package directory

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// How changes are found: the values of domains[].changes, and of a place's method.
const (
	methodAuto    = "auto"
	methodDirSync = "dirsync"
	methodUSN     = "usn"
	methodFull    = "full"
)

// Changes tells which users and computers, in scope or not, were added, changed, moved or deleted since a place that an earlier answer named; nil is
// none. Others may be among them, such as groups. All is set, with why, where that is not certain. In either case Next is the place where
// the next changes begin, to be kept once the caller has read what is told; which place is then to be kept, Settled says. Errors are those of a read.
func (d *Directory) Changes(ctx context.Context, since []byte) (photopush.Changes, error) {
	if d.cfg.Changes == methodFull {
		return photopush.Changes{All: true, Why: "the configuration says so: changes is full"}, ctx.Err()
	}
	switch blind, err := d.blindness(ctx); {
	case err != nil:
		return photopush.Changes{}, err
	case blind != "":
		return photopush.Changes{All: true, Why: blind}, ctx.Err()
	}
	from, why := d.placeOf(since)
	told, err := d.tell(ctx, from, why)
	if err != nil {
		d.endTelling(since, nil)
		return photopush.Changes{}, err
	}
	d.endTelling(since, &told)
	return told, nil
}

// tell tells what has changed since a place, unless it is known why everything must be read, or turns out to be so.
func (d *Directory) tell(ctx context.Context, from place, why string) (told photopush.Changes, err error) {
	if why == "" {
		if told, why, err = d.changesSince(ctx, from); err != nil {
			return told, err
		}
	}
	if why != "" {
		return d.beginAgain(ctx, from, why)
	}
	return told, nil
}

// placeOf is the place that since names, or why changes since then are not known.
func (d *Directory) placeOf(since []byte) (p place, why string) {
	if len(since) == 0 {
		return place{}, "nothing tells from where on: it was never read, or the last read went over to another controller, which may not have known all"
	}
	p, err := decodePlace(since)
	switch {
	case err != nil:
		return place{}, fmt.Sprintf("the place up to which it was read is of no use: %v", err)
	case p.Scope != d.watched.digest:
		return place{}, "it was read for another scope, account or choice of attributes"
	}
	return p, ""
}

// changesSince tells what has changed since a place, or why everything must be read.
func (d *Directory) changesSince(ctx context.Context, from place) (told photopush.Changes, why string, err error) {
	var found *tally
	switch from.Method {
	case methodDirSync:
		found, err = d.syncSince(ctx, &from)
	default:
		found, err = d.countSince(ctx, &from)
	}
	if isUntold(err) {
		return told, fmt.Sprintf("what has changed is not told: %v", err), nil
	}
	if err != nil {
		return told, "", err
	}
	if found.why == "" {
		if err := errors.Join(d.openContainers(ctx, found), d.lookForGroups(ctx, found)); err != nil {
			return told, "", err
		}
	}
	if found.why != "" {
		return told, found.why, nil
	}
	told.List = found.list()
	if told.Next, err = from.encode(); err != nil {
		return told, fmt.Sprintf("the place cannot be kept: %v", err), nil
	}
	d.log.Debug("changes", "domain", d.cfg.Name, "method", from.Method, "changed", len(told.List))
	return told, "", nil
}

// beginAgain is the answer that everything must be read: it takes the place from which the changes after that read are told. before is the place that
// was of no use, as far as one was known.
func (d *Directory) beginAgain(ctx context.Context, before place, why string) (photopush.Changes, error) {
	all := photopush.Changes{All: true, Why: why}
	p := place{Method: before.Method, Scope: d.watched.digest, Counts: before.Counts}
	err := d.begin(ctx, &p)
	if isUntold(err) {
		all.Why += fmt.Sprintf("; and the next time too: what changes is not told: %v", err)
		return all, nil
	}
	if err == nil {
		err = d.watchGroups(ctx, &p) // after the place was taken: a group that is put into another one from now on is told of
	}
	if err != nil {
		return photopush.Changes{}, err
	}
	if all.Next, err = p.encode(); err != nil {
		all.Next, all.Why = nil, all.Why+fmt.Sprintf("; and the next time too: the place cannot be kept: %v", err)
	}
	d.lookForDeleted(ctx)
	return all, nil
}

// begin takes the place of now, by the best method that is allowed and not refused.
func (d *Directory) begin(ctx context.Context, p *place) error {
	if d.cfg.Changes != methodUSN {
		sync := *p
		err := d.beginSync(ctx, &sync)
		if !isUntold(err) || d.cfg.Changes == methodDirSync {
			*p = sync
			return err
		}
		d.log.Info("DirSync is refused or not answered: changes are found by the numbers that each controller counts them with", "domain", d.cfg.Name, "err", err)
	}
	return d.beginCount(ctx, p)
}

// watchGroups notes in a place which groups decide who is in scope.
func (d *Directory) watchGroups(ctx context.Context, p *place) error {
	p.AnyGroup, p.Groups = d.watched.anyGroup, nil
	groups, err := d.groupClosure(ctx)
	if err != nil {
		return err
	}
	asked, all, err := d.askedGroups(ctx)
	if err != nil {
		return err
	}
	p.AnyGroup = p.AnyGroup || !all
	for _, g := range asked {
		groups = append(groups, g.guid)
	}
	if len(groups) > maxGroupsKept {
		p.AnyGroup = true
		return nil
	}
	for _, guid := range groups {
		p.Groups = append(p.Groups, guid[:]...)
	}
	return nil
}

// askedGroups reads the groups that filters ask for, and those in them. all is false where one is not there, may not be seen, or is none: the filter says
// the same of it, until there is one. So is it where they are too many. A group of another domain is left out, for no change of it is told here.
func (d *Directory) askedGroups(ctx context.Context) (asked []group, all bool, err error) {
	all = true
	for _, name := range d.watched.memberOf {
		g, err := d.findGroup(ctx, "the filter", name)
		switch {
		case err == nil:
			asked = addGroups(asked, g)
		case resultCode(err) == ldap.LDAPResultReferral:
			d.noteForeign(name)
		case isRefusal(err):
			all = false
		default:
			return nil, false, err
		}
	}
	switch asked, err = d.withInner(ctx, "the filters", asked); {
	case err == nil:
		return asked, all, nil
	case isRefusal(err):
		return nil, false, nil
	}
	return nil, false, err
}

// isRefusal tells whether err says that groups cannot be read, and will not be the next time either: by a server's answer, or by what it shows of them.
func isRefusal(err error) bool {
	if errors.Is(err, photopush.ErrNoDirectory) { // for whatever reason: it may be there again
		return false
	}
	reason := photopush.ReasonOf(err)
	return isAnswer(err) || reason == photopush.Denied || reason == photopush.Quota
}

// noteForeign logs once that a filter asks for a group whose members another domain keeps.
func (d *Directory) noteForeign(name string) {
	d.mu.Lock()
	noted := d.foreign[name]
	d.foreign[name] = true
	d.mu.Unlock()
	if !noted {
		d.log.Warn("a filter asks for a group of another domain: who comes into it or leaves it is noticed when everything is read; ask for a group of this domain to have it noticed at once",
			"domain", d.cfg.Name, "group", name)
	}
}

// A refusedError is a controller's answer that it does not tell what has changed, not to this account or not since that place. Another controller
// would answer the same.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// isUntold tells whether err says that a question about changes was refused, or let wait until the time was over. Other questions may be answered: a domain is
// not left unread because nobody tells what changes in it, and where nobody answers at all, the read says so.
func isUntold(err error) bool {
	if _, refused := errors.AsType[*refusedError](err); refused {
		return true
	}
	e, ok := errors.AsType[*noDirectoryError](err)
	return ok && slices.ContainsFunc(e.failed, func(f failure) bool { return f.err.reason == photopush.Timeout })
}

// refuse marks the answers of a server to a question about changes; what is lost stays so.
func refuse(ctx context.Context, err error) error {
	if err == nil || isLost(err) || ctx.Err() != nil {
		return err
	}
	return &refusedError{err}
}

// root is the distinguished name of the domain.
func (d *Directory) root() string { return domainDN(d.cfg.Name) }

// deletedObjects names the container of what was deleted by its well-known GUID (MS-ADTS 6.1.1.4.2), whatever it is called.
func (d *Directory) deletedObjects() string {
	return "<WKGUID=18E2EA80684F11D2B9AA00C04F79F805," + d.root() + ">"
}

// lookForDeleted looks once whether deletions can be seen, and says so if not: they are noticed by the next complete read then.
func (d *Directory) lookForDeleted(ctx context.Context) {
	d.mu.Lock()
	looked := d.deletions
	d.mu.Unlock()
	if looked {
		return
	}
	visible := false
	err := d.use(ctx, func(c *conn) error {
		request := ldap.NewSearchRequest(d.deletedObjects(), ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
			[]string{"objectGUID"}, []ldap.Control{ldap.NewControlMicrosoftShowDeleted()})
		entries, err := c.run(ctx, request, "look for", "Deleted Objects")
		visible = err == nil && len(entries) == 1 && len(entries[0].GetEqualFoldRawAttributeValue("objectGUID")) > 0
		return err
	})
	if err != nil && !isAnswer(err) {
		d.log.Debug("whether deletions can be seen is not known", "domain", d.cfg.Name, "err", err)
		return
	}
	d.mu.Lock()
	d.deletions = true
	d.mu.Unlock()
	if !visible {
		d.log.Info("the account cannot see what was deleted: deletions are noticed when everything is read. docs/least-privilege.md says which right it lacks",
			"domain", d.cfg.Name, "account", d.cfg.Account.Name())
	}
}

// isAnswer tells whether an error is a server's answer to a search.
func isAnswer(err error) bool {
	e, ok := errors.AsType[*ldap.Error](err)
	return ok && e.ResultCode < ldap.ErrorNetwork && !isLost(err) && !errors.Is(err, photopush.ErrNoDirectory) && photopush.ReasonOf(err) != photopush.Auth
}
