package photoimport

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A domain is a directory in memory.
type domain struct {
	name       string
	netbios    string // empty where it does not tell it
	unread     error  // of reading that
	controller string

	mu     sync.Mutex
	people []*account
	swaps  int
	fail   func(n int, s photopush.PhotoSwap) (done bool, err error) // of the n-th swap, from 1; done: it takes effect all the same
	before func(s photopush.PhotoSwap)                               // called before each swap
}

type account struct {
	photopush.User
	texts    map[string][]string
	values   map[string][][]byte
	readOnly bool
	gone     bool
}

func newDomain(name string, accounts ...string) *domain {
	first, _, _ := strings.Cut(name, ".")
	d := &domain{name: name, netbios: strings.ToUpper(first)}
	for i, a := range accounts {
		d.people = append(d.people, &account{
			User: photopush.User{SID: photopush.SID(fmt.Sprintf("S-1-5-21-1-2-%d-%d", len(name), 1001+i)), GUID: photopush.GUID(fmt.Sprintf("%s-%d", name, i)), Domain: name,
				DN: "CN=" + a + ",OU=Staff", AccountName: a, UPN: a + "@" + name, DisplayName: strings.ToUpper(a), Enabled: true},
			texts: map[string][]string{}, values: map[string][][]byte{},
		})
	}
	return d
}

func (d *domain) account(name string) *account {
	i := slices.IndexFunc(d.people, func(a *account) bool { return a.AccountName == name })
	return d.people[i]
}

// photo is somebody's photo as text.
func (d *domain) photo(name, attribute string) string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return string(bytes.Join(d.account(name).values[attribute], []byte("|")))
}

func (d *domain) Name() string       { return d.name }
func (d *domain) Controller() string { return d.controller }

func (d *domain) NetBIOSName(context.Context) (string, error) { return d.netbios, d.unread }

func (d *domain) People(ctx context.Context, _ []string, yield func(photopush.User, map[string][]string) error) error {
	for _, a := range d.people {
		if err := errors.Join(ctx.Err(), yield(a.User, a.texts)); err != nil {
			return err
		}
	}
	return nil
}

func (d *domain) PhotoStates(ctx context.Context, ids []photopush.GUID, attributes []string, yield func(photopush.PhotoState) error) error {
	for _, a := range d.people {
		if a.gone || !slices.Contains(ids, a.GUID) {
			continue
		}
		s := photopush.PhotoState{User: a.User, Values: map[string][][]byte{}, Writable: map[string]bool{}}
		d.mu.Lock()
		for _, name := range attributes {
			s.Values[name], s.Writable[name] = a.values[name], !a.readOnly
		}
		d.mu.Unlock()
		if err := errors.Join(ctx.Err(), yield(s)); err != nil {
			return err
		}
	}
	return nil
}

func (d *domain) SwapPhoto(ctx context.Context, s photopush.PhotoSwap) error {
	if d.before != nil {
		d.before(s)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.swaps++
	a := d.account(s.User.AccountName)
	if !photopush.SameValues(a.values[s.Attribute], s.Old) {
		return &photopush.Error{Reason: photopush.Conflict, Op: "write", On: s.User.DN, Err: errors.New("it has changed")}
	}
	if d.fail != nil {
		if done, err := d.fail(d.swaps, s); err != nil {
			if done {
				a.values[s.Attribute] = s.New
			}
			return err
		}
	}
	a.values[s.Attribute] = s.New
	return ctx.Err()
}

func (d *domain) MayNotWrite(u photopush.User, attribute string) error {
	return &photopush.Error{Reason: photopush.Denied, Op: "write " + attribute + " of", On: u.DN, Err: errors.New("ask for the right")}
}

// config is the section as its defaults have it.
func config() Config {
	return Config{Attributes: []string{"thumbnailPhoto"}, Match: "{sAMAccountName}.*", Size: 648, ThumbnailBytes: 102_400, JPEGPhotoSize: 1080, JPEGPhotoBytes: 500_000, Jobs: 4,
		KeepUndo: 2160 * time.Hour}
}

// A lab is an importer with a store of its own.
type lab struct {
	*Importer
	t      testing.TB
	folder string // of photos
	now    time.Time
}

func newLab(t testing.TB, domains ...*domain) *lab {
	t.Helper()
	s, err := store.Open(t.Context(), store.Config{Path: filepath.Join(t.TempDir(), "p.db")}, store.Options{})
	must(t, err)
	t.Cleanup(func() { must(t, s.Close()) })
	l := &lab{t: t, folder: t.TempDir(), now: time.Date(2026, 7, 14, 10, 15, 2, 0, time.UTC)}
	l.Importer = &Importer{Config: config(), Store: s, Folder: filepath.Join(t.TempDir(), "imports"), By: "tester", Log: slog.New(slog.DiscardHandler), Now: func() time.Time { return l.now }}
	for _, d := range domains {
		l.Domains = append(l.Domains, d)
	}
	return l
}

// file puts a file into the folder.
func (l *lab) file(name string, content []byte) {
	l.t.Helper()
	path := filepath.Join(l.folder, name)
	must(l.t, os.MkdirAll(filepath.Dir(path), 0o700))
	must(l.t, os.WriteFile(path, content, 0o600))
}

// picture is a photo with a number.
func picture(n uint32) []byte { return badge.JPEG(n, 120, 160, 90) }

func (l *lab) plan(r Request) *Plan {
	l.t.Helper()
	if r.Source == "" {
		r.Source = l.folder
	}
	p, err := l.Plan(l.t.Context(), r)
	must(l.t, err)
	l.t.Cleanup(func() { must(l.t, p.Close()) })
	return p
}

// run plans and runs.
func (l *lab) run(r Request) (*Plan, string) {
	l.t.Helper()
	p := l.plan(r)
	id, err := l.Run(l.t.Context(), p)
	must(l.t, err)
	return p, id
}

func (l *lab) planUndo(u UndoRequest) *Plan {
	l.t.Helper()
	p, err := l.PlanUndo(l.t.Context(), u)
	must(l.t, err)
	l.t.Cleanup(func() { must(l.t, p.Close()) })
	return p
}

func (l *lab) undo(id string, force bool) *Plan {
	l.t.Helper()
	p := l.planUndo(UndoRequest{Run: id, Force: force})
	_, err := l.Run(l.t.Context(), p)
	must(l.t, err)
	return p
}

// told are the rows as text: status, account, file, attribute.
func told(p *Plan) []string {
	var rows []string
	for _, r := range p.Rows {
		rows = append(rows, strings.Join(strings.Fields(fmt.Sprintf("%s: %s %s %s", r.Status, r.User.AccountName, r.File, r.Attribute)), " "))
	}
	return rows
}
