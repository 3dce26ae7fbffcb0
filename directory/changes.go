package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

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

// Bounds of what is told one by one: where more has changed, a read of everything costs less.
const (
	maxChanges    = 50_000
	maxContainers = 20 // that were moved or renamed
)

// Changes tells which users and computers, in scope or not, were added, changed, moved or deleted since a place that an earlier answer named; nil is
// none. Others may be among them, such as groups. All is set, with why, where that is not certain. In either case Next is the place where
// the next changes begin: a read that begins after the answer, over the same Directory, sees everything up to there. Errors are those of a read.
func (d *Directory) Changes(ctx context.Context, since []byte) (photopush.Changes, error) {
	since, why := d.unstrayed(since)
	var from place
	if why == "" {
		from, why = d.placeOf(since)
	}
	var told photopush.Changes
	var err error
	if why == "" {
		if told, why, err = d.changesSince(ctx, from); err != nil {
			return photopush.Changes{}, err
		}
	}
	if why != "" {
		if told, err = d.beginAgain(ctx, from, why); err != nil {
			return photopush.Changes{}, err
		}
	}
	d.remember(since, told)
	return told, nil
}

// placeOf is the place that since names, or why changes since then are not known.
func (d *Directory) placeOf(since []byte) (p place, why string) {
	if len(since) == 0 {
		return place{}, "it was never read"
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
	if refused, ok := errors.AsType[*refusedError](err); ok {
		return told, fmt.Sprintf("what has changed is not told: %v", refused), nil
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
	if d.watched.blind != "" {
		all.Why += "; and each time: " + d.watched.blind
		return all, nil
	}
	if d.cfg.Changes == methodFull {
		return all, nil
	}
	p := place{Method: before.Method, Scope: d.watched.digest, Counts: before.Counts}
	err := d.begin(ctx, &p)
	if refused, ok := errors.AsType[*refusedError](err); ok {
		all.Why += fmt.Sprintf("; and the next time too: what changes is not told: %v", refused)
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
		refused, ok := errors.AsType[*refusedError](err)
		if !ok || d.cfg.Changes == methodDirSync {
			*p = sync
			return err
		}
		d.log.Info("DirSync is refused: changes are found by the numbers that each controller counts them with", "domain", d.cfg.Name, "err", refused)
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
	asked, err := d.readGroups(ctx, scope{key: "filter", groups: d.watched.memberOf})
	switch {
	case photopush.ReasonOf(err) == photopush.Denied: // such a group is not there: the filter says so too, until there is one
		p.AnyGroup = true
	case err != nil:
		return err
	}
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

// A refusedError is a controller's answer that it does not tell what has changed, not to this account or not since that place. Another controller
// would answer the same.
type refusedError struct{ err error }

func (e *refusedError) Error() string { return e.err.Error() }
func (e *refusedError) Unwrap() error { return e.err }

// refuse marks the answers of a server to a question about changes; what is lost stays so.
func refuse(ctx context.Context, err error) error {
	if err == nil || isLost(err) || ctx.Err() != nil {
		return err
	}
	return &refusedError{err}
}

// A tally collects what has changed.
type tally struct {
	in      interest
	from    place
	order   []rawGUID
	seen    map[rawGUID]*bool // whether its photos may be others
	named   []rawGUID         // that have another name or place: they may be containers, and groups
	deleted []rawGUID         // that may have been groups
	why     string            // everything must be read
}

func newTally(in interest, from place) *tally {
	return &tally{in: in, from: from, seen: map[rawGUID]*bool{}}
}

func (t *tally) add(guid rawGUID, photo bool) {
	if known := t.seen[guid]; known != nil {
		*known = *known || photo
		return
	}
	if len(t.order) == maxChanges {
		t.why = fmt.Sprintf("more than %d objects have changed", maxChanges)
		return
	}
	t.seen[guid] = &photo
	t.order = append(t.order, guid)
}

// list is what was collected; not nil.
func (t *tally) list() []photopush.Change {
	list := make([]photopush.Change, len(t.order))
	for i, guid := range t.order {
		list[i] = photopush.Change{ID: guid.GUID(), Photo: *t.seen[guid]}
	}
	return list
}

// identity reads the GUID of an object that has changed. An object that does not show it, or lost all attributes since it was too large to be read
// (bareEntry), cannot be told.
func (t *tally) identity(e *ldap.Entry) (guid rawGUID, ok bool) {
	guid, err := decodeGUID(e.GetEqualFoldRawAttributeValue("objectGUID"))
	if err != nil {
		t.why = fmt.Sprintf("%s has changed, and cannot be told: %v", clip(decodeText(e.DN)), err)
	}
	return guid, err == nil
}

func (t *tally) membersChanged(e *ldap.Entry) {
	t.why = fmt.Sprintf("the group %s has changed, and its members decide who is in scope", clip(decodeText(e.DN)))
}

// hasAttribute tells whether an entry brings an attribute, with values or without, whole or in part: member;range=1-1.
func hasAttribute(e *ldap.Entry, name string) bool {
	for _, a := range e.Attributes {
		if plain, _, _ := strings.Cut(a.Name, ";"); strings.EqualFold(plain, name) {
			return true
		}
	}
	return false
}

// hasPhoto tells whether an entry brings an attribute that holds photos.
func (in interest) hasPhoto(e *ldap.Entry) bool {
	return slices.ContainsFunc(in.photo, func(name string) bool { return hasAttribute(e, name) })
}

// openContainers adds the users and computers below containers that were moved or renamed: of themselves nothing has changed, but they lie elsewhere.
func (d *Directory) openContainers(ctx context.Context, t *tally) error {
	var names []string
	err := d.eachOf(ctx, "(|"+containerClasses+")", t.named, nil, func(e *ldap.Entry) { names = append(names, e.DN) })
	if err != nil || len(names) == 0 {
		return err
	}
	if len(names) > maxContainers {
		t.why = fmt.Sprintf("more than %d containers were moved or renamed", maxContainers)
		return nil
	}
	// Whom an excluded container kept out, it would let in under another name.
	if err := errors.Join(d.checkExcluded(ctx, d.people), d.checkExcluded(ctx, d.devices)); err != nil {
		return err
	}
	for _, name := range names {
		if err := d.openContainer(ctx, t, name); err != nil || t.why != "" {
			return err
		}
	}
	return nil
}

// lookForGroups looks, where groups count and it is not known which, whether one was renamed or deleted.
func (d *Directory) lookForGroups(ctx context.Context, t *tally) error {
	if !t.from.AnyGroup || t.why != "" {
		return nil
	}
	deleted := []ldap.Control{ldap.NewControlMicrosoftShowDeleted()}
	return errors.Join(
		d.eachOf(ctx, groupClass, t.named, nil, t.membersChanged),
		d.eachOf(ctx, groupClass, t.deleted, deleted, t.membersChanged))
}

// eachOf finds the objects of a class among those with these GUIDs, in the whole domain.
func (d *Directory) eachOf(ctx context.Context, class string, guids []rawGUID, controls []ldap.Control, found func(*ldap.Entry)) error {
	for part := range slices.Chunk(guids, idsPerSearch) {
		var entries []*ldap.Entry
		err := d.use(ctx, func(c *conn) error {
			request := ldap.NewSearchRequest(d.root(), ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(&"+class+anyGUID(part)+")",
				[]string{"objectGUID"}, controls)
			var err error
			entries, err = c.run(ctx, request, "look up what has changed below", d.root())
			return err
		})
		if err != nil {
			return err
		}
		for _, e := range entries {
			found(e)
		}
	}
	return nil
}

func (d *Directory) openContainer(ctx context.Context, t *tally, name string) error {
	below := scope{key: "name", bases: parseBases([]string{name}), kind: accountClasses}.withFilter()
	err := d.readAll(ctx, query{"read container", below, below.and(""), []string{"objectGUID"}}, func(_ *ldap.Entry, guid rawGUID) error {
		if t.add(guid, false); t.why != "" {
			return errStopped
		}
		return nil
	})
	if resultCode(err) == ldap.LDAPResultNoSuchObject {
		t.why = fmt.Sprintf("the container %s was moved again meanwhile", clip(decodeText(name)))
		return nil
	}
	if errors.Is(err, errStopped) {
		return nil
	}
	return err
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
			"domain", d.cfg.Name, "account", d.cfg.BindUser)
	}
}

// isAnswer tells whether an error is a server's answer to a search.
func isAnswer(err error) bool {
	e, ok := errors.AsType[*ldap.Error](err)
	return ok && e.ResultCode < ldap.ErrorNetwork && !isLost(err) && !errors.Is(err, photopush.ErrNoDirectory) && photopush.ReasonOf(err) != photopush.Auth
}

// An episode is one answer to Changes and the reads that follow it. What the answer tells is true of the controller that gave it; another one may
// not have heard of it yet. When such a one was read, the next answer begins where this one did.
type episode struct {
	from, next []byte
	teller     string // URL of the controller
	strayed    bool
}

// toldBy notes which controller tells the changes.
func (d *Directory) toldBy(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.episode.teller = c.url
}

// readFrom notes which controller is read.
func (d *Directory) readFrom(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.episode.teller != "" && d.episode.teller != c.url {
		d.episode.strayed = true
	}
}

// remember begins an episode.
func (d *Directory) remember(since []byte, told photopush.Changes) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if told.All {
		since = nil
	}
	d.episode = episode{from: since, next: told.Next, teller: d.episode.teller}
}

// unstrayed is where to begin: at since, or where the last episode began when reads after it went astray, or why that is not known.
func (d *Directory) unstrayed(since []byte) (from []byte, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.episode.strayed || !bytes.Equal(since, d.episode.next):
		return since, ""
	case d.episode.from == nil:
		return nil, "the last read went over to another controller, which may not have known all yet"
	}
	return d.episode.from, ""
}
