package jobs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/photo"
	"github.com/photopush/photopush/store"
	"github.com/photopush/photopush/visit"
	"github.com/photopush/photopush/want"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// A company is one or several domains in memory, with workstations on which the script's twin runs, a real database, and Jobs over them. Most
// tests have it in a bubble of testing/synctest, where hours pass at once.
type company struct {
	*testing.T
	*Jobs
	db   *store.Store
	spy  *spy
	log  *logged
	dir  string
	seen []Event

	mu       sync.Mutex
	domains  []*domain
	machines map[photopush.GUID]*simwin.Machine
	rendered map[string]*photo.Set
	digests  int // photos that were judged
	noSet    error

	open     func(ctx context.Context, w photopush.Workstation) error        // before a session is opened
	run      func(ctx context.Context, w photopush.Workstation, n int) error // before the n-th run of a session
	opened   map[photopush.GUID]int
	inFlight map[photopush.GUID]int
	most     int // visits at one time
	twice    int // times that a workstation had two
}

// A domain is a directory in memory.
type domain struct {
	c            *company
	name         string
	users        []*employee
	hired        int // people so far, those too that are gone
	workstations []photopush.Workstation
	failUsers    error // after all users but the last
	failStations error // likewise
	fail         error // of everything
	reads        int

	history *[]photopush.Change // what has changed; nil: the controller tells nothing of that
	lost    string              // why it does not know any more what has changed
	strays  bool                // reads go to another controller than the one that tells
	began   []byte              // where the last answer began
	asked   tellings            // since the last pass that a test ran
}

// tellings count what a directory told.
type tellings struct{ Changes, Users, Photos, Workstations int }

type employee struct {
	photopush.User
	c      *company
	photos []photopush.Photo
}

const corp = "corp.example"

// newCompany has no domain yet.
func newCompany(t *testing.T) *company {
	c := &company{T: t, dir: t.TempDir(), log: &logged{}, machines: map[photopush.GUID]*simwin.Machine{}, rendered: map[string]*photo.Set{},
		opened: map[photopush.GUID]int{}, inFlight: map[photopush.GUID]int{}}
	c.db = c.another(store.Options{})
	c.spy = &spy{Store: c.db}
	config := testConfig()
	config.Visits = 4
	c.Jobs = &Jobs{Config: config, Store: c.spy, Pictures: c, Recipe: func(photopush.User) string { return "r1" }, Policy: want.Policy{HybridJoined: want.HybridReport},
		Sessions: sessions, Log: slog.New(slog.NewTextHandler(c.log, nil)), Now: time.Now, Observe: c.observe}
	return c
}

// another opens the database as another process would.
func (c *company) another(o store.Options) *store.Store {
	c.Helper()
	s, err := store.Open(context.Background(), store.Config{Path: filepath.Join(c.dir, "p.db")}, o)
	c.ok(err)
	c.Cleanup(func() {
		if err := s.Close(); err != nil {
			c.Error(err)
		}
	})
	return s
}

func (c *company) ok(err error) {
	c.Helper()
	if err != nil {
		c.Fatal(err)
	}
}

// domain adds a domain with accounts of its own.
func (c *company) domain(name string) *domain {
	d := &domain{c: c, name: name}
	c.domains = append(c.domains, d)
	c.password(name+"-read", "one")
	c.password(name+"-work", "one")
	c.Jobs.Domains = append(c.Jobs.Domains, &Domain{Name: name, Directory: d, Remote: c,
		DirectoryLogon: Logon{"svc-read@" + name, "ldap-simple", photopush.Secret{File: filepath.Join(c.dir, name+"-read")}},
		RemoteLogon:    Logon{"svc-push@" + name, "basic", photopush.Secret{File: filepath.Join(c.dir, name+"-work")}}})
	return d
}

// password writes a secret; its time is that of the bubble.
func (c *company) password(name, text string) {
	c.Helper()
	file := filepath.Join(c.dir, name)
	c.ok(os.WriteFile(file, []byte(text), 0o600))
	c.ok(os.Chtimes(file, time.Now(), time.Now()))
}

// staff adds people, each with a photo of his own, and a workstation for each.
func (d *domain) staff(n int) *domain {
	for range n {
		d.workstation(d.person())
	}
	return d
}

func (d *domain) person() *employee {
	number := 1000*(1+slices.Index(d.c.domains, d)) + d.hired
	d.hired++
	account := fmt.Sprintf("u%d", number)
	p := &employee{c: d.c, User: photopush.User{SID: photopush.SID(fmt.Sprintf("S-1-5-21-1-2-3-%d", number)), GUID: photopush.GUID(fmt.Sprintf("00000000-0000-0000-0001-%012d", number)),
		Domain: d.name, DN: "CN=" + account + ",OU=Staff", AccountName: account, UPN: account + "@" + d.name, Enabled: true}}
	p.photo(uint32(number))
	d.users = append(d.users, p)
	return p
}

// photo gives the person a photo with that number in it.
func (p *employee) photo(number uint32) {
	drawn := []photopush.Photo{{Attribute: "thumbnailPhoto", Bytes: badge.JPEG(number, 48, 48, 85)}}
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	p.photos = drawn
}

// has is what the directory has of the person now.
func (p *employee) has() []photopush.Photo {
	p.c.mu.Lock()
	defer p.c.mu.Unlock()
	return p.photos
}

// workstation adds one with profiles of these people.
func (d *domain) workstation(people ...*employee) photopush.Workstation {
	number := 1000*(1+slices.Index(d.c.domains, d)) + len(d.workstations)
	name := fmt.Sprintf("WS%d", number)
	w := photopush.Workstation{ID: photopush.GUID(fmt.Sprintf("00000000-0000-0000-0002-%012d", number)), Domain: d.name, DN: "CN=" + name + ",OU=Workstations",
		Name: name, Host: strings.ToLower(name) + "." + d.name, OS: "Windows 11 Enterprise", Enabled: true}
	d.workstations = append(d.workstations, w)
	m := simwin.NewMachine(simwin.MachineOptions{MachineGUID: string(w.ID)})
	d.c.machines[w.ID] = m
	for _, p := range people {
		m.AddProfile(simwin.UserProfile{SID: p.SID, Name: p.AccountName, Load: time.Now().Add(-time.Hour)})
	}
	return w
}

func (d *domain) machine(i int) *simwin.Machine { return d.c.machines[d.workstations[i].ID] }

// tells makes the directory remember what changes.
func (d *domain) tells() *domain {
	d.history = &[]photopush.Change{}
	return d
}

func (d *domain) changed(id photopush.GUID, photo bool) {
	*d.history = append(*d.history, photopush.Change{ID: id, Photo: photo})
}

func (d *domain) Changes(_ context.Context, since []byte) (photopush.Changes, error) {
	d.asked.Changes++
	d.began = since
	switch {
	case d.fail != nil:
		return photopush.Changes{}, d.fail
	case d.history == nil:
		return photopush.Changes{All: true, Why: "nothing is remembered"}, nil
	}
	next := []byte(strconv.Itoa(len(*d.history)))
	if why := cmp.Or(d.lost, map[bool]string{true: "it was never read"}[since == nil]); why != "" {
		return photopush.Changes{All: true, Why: why, Next: next}, nil
	}
	n, err := strconv.Atoi(string(since))
	if err != nil {
		return photopush.Changes{}, err
	}
	at := map[photopush.GUID]int{}
	c := photopush.Changes{Next: next}
	for _, change := range (*d.history)[n:] {
		if i, ok := at[change.ID]; ok {
			c.List[i].Photo = c.List[i].Photo || change.Photo
			continue
		}
		at[change.ID] = len(c.List)
		c.List = append(c.List, change)
	}
	return c, nil
}

func (d *domain) Settled(told photopush.Changes) []byte {
	if d.strays {
		return d.began
	}
	return told.Next
}

func (d *domain) Users(ctx context.Context, q photopush.UserQuery, yield func(photopush.User, []photopush.Photo) error) error {
	d.reads++
	return each(ctx, d.users, cmp.Or(d.fail, d.failUsers), func(p *employee) error {
		switch {
		case q.IDs != nil && !slices.Contains(q.IDs, p.GUID):
			return nil
		case q.Photos:
			d.asked.Photos++
			return yield(p.User, p.has())
		}
		d.asked.Users++
		return yield(p.User, nil)
	})
}

func (d *domain) Workstations(ctx context.Context, ids []photopush.GUID, yield func(photopush.Workstation) error) error {
	d.reads++
	return each(ctx, d.workstations, cmp.Or(d.fail, d.failStations), func(w photopush.Workstation) error {
		if ids != nil && !slices.Contains(ids, w.ID) {
			return nil
		}
		d.asked.Workstations++
		return yield(w)
	})
}

// each yields all, or all but the last before the error.
func each[T any](ctx context.Context, all []T, fail error, yield func(T) error) error {
	if fail != nil && len(all) > 0 {
		all = all[:len(all)-1]
	}
	for _, v := range all {
		if err := cmp.Or(ctx.Err(), yield(v)); err != nil {
			return err
		}
	}
	return fail
}

func (d *domain) User(_ context.Context, name string) (photopush.User, []photopush.Photo, error) {
	d.reads++
	if d.fail != nil {
		return photopush.User{}, nil, d.fail
	}
	for _, p := range d.users {
		if p.AccountName == name || p.AccountName+"@"+d.name == name {
			return p.User, p.has(), nil
		}
	}
	return photopush.User{}, nil, fmt.Errorf("%s in %s: %w", name, d.name, photopush.ErrUnknownUser)
}

func (d *domain) Workstation(_ context.Context, name string) (photopush.Workstation, error) {
	d.reads++
	if d.fail != nil {
		return photopush.Workstation{}, d.fail
	}
	for _, w := range d.workstations {
		if strings.EqualFold(w.Name, name) || w.Host == name {
			return w, nil
		}
	}
	return photopush.Workstation{}, fmt.Errorf("%s in %s: %w", name, d.name, photopush.ErrUnknownWorkstation)
}

// broken is the content of photos that cannot be decoded, unjudgeable of those of which nobody knows.
const (
	broken      = "broken"
	unjudgeable = "unjudgeable"
)

// Choose is Pictures': the first photo without a fault is the best.
func (c *company) Choose(_ photopush.User, photos []photopush.Photo) (photopush.Choice, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.digests++
	photos, detail := usable(photos)
	name, err := digest(photos)
	if err != nil {
		return photopush.Choice{}, err
	}
	facts := photopush.PhotoFacts{Source: photos[0].Attribute, Format: "JPEG", Width: 48, Height: 48, Bytes: len(photos[0].Bytes)}
	return photopush.Choice{Digest: name, Photo: facts, Detail: detail}, nil
}

// usable leaves out the first photo where it has a fault, and tells that; unless it is the only one.
func usable(photos []photopush.Photo) (rest []photopush.Photo, fault string) {
	if len(photos) > 1 && photos[0].Fault != "" {
		return photos[1:], photos[0].Fault
	}
	return photos, ""
}

func digest(photos []photopush.Photo) (string, error) {
	switch {
	case len(photos) == 0:
		return "", &photopush.Error{Reason: photopush.NoPhoto, Op: "choose photo", Err: errors.New("there is none")}
	case photos[0].Fault != "":
		return "", &photopush.Error{Reason: photopush.BadPhoto, Op: "choose photo", Err: errors.New(photos[0].Fault)}
	case string(photos[0].Bytes) == unjudgeable:
		return "", &photopush.Error{Reason: photopush.Internal, Op: "choose photo", Err: errors.New("no memory")}
	case string(photos[0].Bytes) == broken:
		return "", &photopush.Error{Reason: photopush.BadPhoto, Op: "choose photo", Err: errors.New("cut off")}
	}
	return photo.DefaultRecipe().Digest(photos[0].Bytes), nil
}

// Set is Pictures': what the directories and files have of the user now.
func (c *company) Set(ctx context.Context, user photopush.SID, _ string) (*photo.Set, error) {
	p := c.person(user)
	known, err := c.db.User(ctx, user)
	if err != nil {
		return nil, err
	}
	photos, err := c.WithFiles(ctx, known, p.has())
	if err != nil {
		return nil, err
	}
	photos, _ = usable(photos)
	c.mu.Lock()
	defer c.mu.Unlock()
	name, err := digest(photos)
	if err := cmp.Or(ctx.Err(), c.noSet, err); err != nil {
		return nil, err
	}
	if c.rendered[name] == nil {
		if c.rendered[name], err = photo.Render(photos[0].Bytes, photo.DefaultRecipe()); err != nil {
			return nil, err
		}
	}
	return c.rendered[name], nil
}

func (c *company) person(sid photopush.SID) *employee {
	for _, d := range c.domains {
		for _, p := range d.users {
			if p.SID == sid {
				return p
			}
		}
	}
	return &employee{}
}

// sessions are those of the profiles, as package logon finds them.
func sessions(id photopush.GUID, inv *photopush.Inventory) (all []photopush.Session) {
	for _, p := range inv.Profiles {
		all = append(all, photopush.Session{Workstation: id, User: p.SID, Source: "profile", FirstSeen: inv.Taken, LastSeen: inv.Taken})
	}
	return all
}

// A session is one with a company's workstation.
type session struct {
	c *company
	w photopush.Workstation
	n int
}

func (c *company) Open(ctx context.Context, w photopush.Workstation) (visit.Session, error) {
	c.mu.Lock()
	c.opened[w.ID]++
	c.inFlight[w.ID]++
	c.most = max(c.most, len(c.inFlight))
	if c.inFlight[w.ID] > 1 {
		c.twice++
	}
	hook := c.open
	c.mu.Unlock()
	if hook != nil {
		if err := hook(ctx, w); err != nil {
			c.left(w)
			return nil, err
		}
	}
	return &session{c: c, w: w}, nil
}

func (c *company) left(w photopush.Workstation) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.inFlight[w.ID]--; c.inFlight[w.ID] == 0 {
		delete(c.inFlight, w.ID)
	}
}

func (s *session) Run(ctx context.Context, commandLine string, input []byte) (photopush.Output, error) {
	s.n++
	if s.c.run != nil {
		if err := s.c.run(ctx, s.w, s.n); err != nil {
			return photopush.Output{}, err
		}
	}
	var stdout, stderr bytes.Buffer
	code, err := s.c.machines[s.w.ID].Run(ctx, commandLine, bytes.NewReader(input), &stdout, &stderr)
	return photopush.Output{Stdout: stdout.Bytes(), Stderr: stderr.Bytes(), ExitCode: code}, err
}

func (s *session) Close(context.Context) error {
	s.c.left(s.w)
	return nil
}

func (c *company) observe(e Event) { c.seen = append(c.seen, e) }

// pass runs one, and returns what it did.
func (c *company) pass(verify bool) (*Tally, error) {
	c.seen, c.opened = nil, map[photopush.GUID]int{}
	err := c.Pass(c.Context(), PassRequest{Verify: verify})
	return c.tally(), err
}

func (c *company) tally() *Tally {
	t := &Tally{}
	for _, e := range c.seen {
		if e.Kind == Visited {
			t.Add(e.Workstation, e.Outcome)
		}
	}
	if c.twice > 0 {
		c.Errorf("a workstation had two visits at once, %d times", c.twice)
	}
	return t
}

// mustPass runs a pass without an error.
func (c *company) mustPass() *Tally {
	c.Helper()
	t, err := c.pass(false)
	c.ok(err)
	return t
}

func (c *company) record(w photopush.Workstation) photopush.WorkstationRecord {
	c.Helper()
	r, err := c.db.Workstation(context.Background(), w.ID)
	c.ok(err)
	return r
}

// stored is the pair as it is kept.
func (c *company) stored(w photopush.Workstation, sid photopush.SID) photopush.Pair {
	c.Helper()
	pairs, err := c.db.PairsOf(context.Background(), w.ID)
	c.ok(err)
	for _, p := range pairs {
		if p.User == sid {
			return p
		}
	}
	return photopush.Pair{}
}

// inStep counts the pairs that are stored as in step with a picture, and fails where a workstation shows something else.
func (c *company) inStep() (n int) {
	c.Helper()
	for s, err := range c.db.Statuses(context.Background()) {
		c.ok(err)
		if s.Pair.Want.Digest() == "" || !s.Pair.InStep() {
			continue
		}
		n++
		if shown, _ := c.machines[s.Workstation.ID].CheckIntact().Shown(s.Pair.User); shown.Digest != s.Pair.Have {
			c.Errorf("%s on %s is stored as %s and shows %+v", s.Pair.User, s.Workstation.Host, s.Pair.Have, shown)
		}
	}
	return n
}

func (c *company) writes() (n int) {
	for m := range maps.Values(c.machines) {
		n += m.Counters().Writes()
	}
	return n
}

// visits counts the sessions that were asked for since the last pass began.
func (c *company) visits() (n int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for v := range maps.Values(c.opened) {
		n += v
	}
	return n
}

// A spy counts what is asked of a store, and fails where it is told to.
type spy struct {
	Store
	mu                           sync.Mutex
	nextDue, claims, released    int
	failFinish, failDue, failing error  // failing: Claim
	putting                      func() // before PutUsers; nil for nothing
}

func (s *spy) PutUsers(ctx context.Context, pass int64, users []photopush.UserRecord) error {
	if s.putting != nil {
		s.putting()
	}
	return s.Store.PutUsers(ctx, pass, users)
}

func (s *spy) count(n *int, err *error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	*n++
	if err == nil {
		return nil
	}
	return *err
}

func (s *spy) NextDue(ctx context.Context, domains ...string) (time.Time, int, int, error) {
	if err := s.count(&s.nextDue, &s.failDue); err != nil {
		return time.Time{}, 0, 0, err
	}
	return s.Store.NextDue(ctx, domains...)
}

func (s *spy) Claim(ctx context.Context, r photopush.ClaimRequest) ([]photopush.Claim, error) {
	claims, err := s.Store.Claim(ctx, r)
	return claims, cmp.Or(err, s.count(&s.claims, &s.failing))
}

func (s *spy) Release(ctx context.Context, c photopush.Claim) error {
	return cmp.Or(s.count(&s.released, nil), s.Store.Release(ctx, c))
}

func (s *spy) FinishAll(ctx context.Context, rs []photopush.Result) ([]error, error) {
	if s.failFinish != nil {
		return nil, s.failFinish
	}
	return s.Store.FinishAll(ctx, rs)
}

// logged is a log that can be read while it is written.
type logged struct {
	mu sync.Mutex
	b  strings.Builder
}

func (l *logged) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(b)
}

func (l *logged) count(text string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Count(l.b.String(), text)
}

func because(reason photopush.Reason, cause string) error {
	return &photopush.Error{Reason: reason, Op: "try", On: "it", Err: errors.New(cause)}
}

func simProfile(p *employee) simwin.UserProfile {
	return simwin.UserProfile{SID: p.SID, Name: p.AccountName, Load: time.Now().Add(-time.Hour)}
}

// vouch lets the credential of a domain's workstations count as good, so that many may sign in at once.
func (c *company) vouch(domain int) {
	c.Helper()
	credential, err := c.Jobs.Domains[domain].RemoteLogon.credential()
	c.ok(err)
	c.ok(c.db.Accepted(context.Background(), credential, ""))
}

// bubble runs a test in a bubble of its own, beside others.
func bubble(t *testing.T, f func(*testing.T)) {
	t.Helper()
	t.Parallel()
	synctest.Test(t, f)
}
