package jobs

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
)

// A cabinet is PhotoFiles in memory.
type cabinet struct {
	mu     sync.Mutex
	files  map[string][]photopush.Photo // by account
	listed map[string][]photopush.Photo // as they were at the last List; nil while they are not known
	away   error                        // of List
	locked map[string]error             // of Photos, by account
	reads  int
}

func (f *cabinet) List(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listed = nil; f.away != nil {
		return f.away
	}
	f.listed = map[string][]photopush.Photo{}
	for account, files := range f.files {
		f.listed[account] = files
	}
	return ctx.Err()
}

func (f *cabinet) Mark(u photopush.User) (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	mark := ""
	for _, p := range f.listed[u.AccountName] {
		mark += fmt.Sprintf("%s %d ", p.File, len(p.Bytes))
	}
	return mark, f.listed != nil
}

func (f *cabinet) Photos(ctx context.Context, u photopush.User) ([]photopush.Photo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.listed == nil {
		return nil, f.away
	}
	if f.listed[u.AccountName] != nil {
		f.reads++
	}
	return f.listed[u.AccountName], errors.Join(f.locked[u.AccountName], ctx.Err())
}

// put gives somebody a file with that number in it; 0 takes his away.
func (f *cabinet) put(p *employee, number uint32) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if number == 0 {
		delete(f.files, p.AccountName)
		return
	}
	f.files[p.AccountName] = []photopush.Photo{{Attribute: photopush.SourceFile, File: p.AccountName + ".jpg", Bytes: badge.JPEG(number, 64, 64, 80+int(number%10))}}
}

var errAway = &photopush.Error{Reason: photopush.Internal, Op: "list the photos in", On: "/srv/photos", Err: errors.New("no such file or directory")}

// newFiled is a domain that tells what changes, with four people of whom the first has a file.
func newFiled(t *testing.T) (*company, *domain, *cabinet) {
	c := newCompany(t)
	f := &cabinet{files: map[string][]photopush.Photo{}, locked: map[string]error{}}
	c.PhotoFiles = f
	d := c.domain(corp).tells().staff(4)
	f.put(d.users[0], 8000)
	return c, d, f
}

// source is where the picture of each comes from.
func (d *domain) sources() (sources []string) {
	for _, p := range d.users {
		sources = append(sources, d.c.user(p).Photo.Source)
	}
	return sources
}

// TestFileChanges: a file that is added, replaced or removed gives its user another picture, although the directory tells nothing of him. Where nothing changed
// no file is read.
func TestFileChanges(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d, f := newFiled(t)
		a, b := d.users[0], d.users[1]
		const file, thumbnail = "file", "thumbnailPhoto"
		for _, step := range []struct {
			name    string
			change  func()
			asked   tellings
			read    int
			sources []string
		}{
			{"first pass", func() {}, tellings{Photos: 4, Workstations: 4}, 1, []string{file, thumbnail, thumbnail, thumbnail}},
			{"nothing", func() {}, tellings{}, 0, []string{file, thumbnail, thumbnail, thumbnail}},
			{"added", func() { f.put(b, 8001) }, tellings{Photos: 1}, 1, []string{file, file, thumbnail, thumbnail}},
			{"replaced", func() { f.put(a, 8002) }, tellings{Photos: 1}, 1, []string{file, file, thumbnail, thumbnail}},
			{"removed", func() { f.put(a, 0) }, tellings{Photos: 1}, 0, []string{thumbnail, file, thumbnail, thumbnail}},
			{"another name", func() {
				f.put(&employee{User: photopush.User{AccountName: "new"}}, 8003)
				b.AccountName = "new"
				d.changed(b.GUID, false)
			}, tellings{Users: 1, Photos: 1}, 1, []string{thumbnail, file, thumbnail, thumbnail}},
			{"moved", func() { b.DN = "CN=x,OU=Other"; d.changed(b.GUID, false) }, tellings{Users: 1}, 0, []string{thumbnail, file, thumbnail, thumbnail}},
			{"history lost", func() { d.lost = "lost" }, tellings{Photos: 4, Workstations: 4}, 0, []string{thumbnail, file, thumbnail, thumbnail}},
			{"no folder any more", func() {
				d.lost = ""
				c.PhotoFiles, c.Recipes, c.Recipe = nil, "without", func(photopush.User) string { return "without" }
			},
				tellings{Photos: 4}, 0, []string{thumbnail, thumbnail, thumbnail, thumbnail}},
		} {
			step.change()
			before := f.reads
			changes := []string{c.user0(a), c.user0(b)}
			d.asks(step.name, d.reading(), step.asked)
			if read := f.reads - before; read < step.read || step.read == 0 && read > 0 { // visits read them too
				t.Errorf("%s: %d files were read, want %d", step.name, read, step.read)
			}
			if diff := cmp.Diff(step.sources, d.sources()); diff != "" {
				t.Errorf("%s: %s", step.name, diff)
			}
			if c.inStep() != 4 {
				t.Errorf("%s: %d in step", step.name, c.inStep())
			}
			if quiet := step.asked.Photos == 0; quiet != (changes[0] == c.user0(a) && changes[1] == c.user0(b)) && step.name != "history lost" {
				t.Errorf("%s: digests were %v, are %s %s", step.name, changes, c.user0(a), c.user0(b))
			}
		}
	})
}

// user0 is the digest that is stored of somebody, empty for none.
func (c *company) user0(p *employee) string {
	u, err := c.db.Users(context.Background(), []photopush.SID{p.SID})
	c.ok(err)
	return u[p.SID].Digest
}

// TestFolderAway: while the folder cannot be listed the pass says so once and goes on, and nobody loses the picture that was made of a file, whatever the
// directory says of him; a photo that changes there meanwhile is taken where no file was chosen.
func TestFolderAway(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d, f := newFiled(t)
		a, b := d.users[0], d.users[1]
		c.mustPass()
		want := c.user(a)
		f.away = errAway
		for step, change := range []func(){
			func() {},
			func() { a.photo(9000); d.changed(a.GUID, true) },
			func() { d.lost = "lost" },
			func() { d.lost = ""; a.DisplayName = "Renamed"; d.changed(a.GUID, false) },
		} {
			change()
			_, err := c.pass(false)
			if err == nil || strings.Count(err.Error(), "/srv/photos") != 1 || !errors.Is(err, errAway) {
				t.Errorf("step %d: %v", step, err)
			}
			got := c.user(a)
			if got.Digest != want.Digest || got.Photo != want.Photo || c.inStep() != 4 {
				t.Errorf("step %d: %+v, want the picture of %+v; %d in step", step, got, want, c.inStep())
			}
		}
		b.photo(9001)
		d.changed(b.GUID, true)
		before := c.user(b).Digest
		if _, err := c.pass(false); err == nil || c.user(b).Digest == before || c.inStep() != 4 {
			t.Errorf("%v, %d in step", err, c.inStep())
		}

		f.away = nil
		c.mustPass()
		if got := c.user(a); got.Digest != want.Digest || got.PhotoFiles != want.PhotoFiles || got.DisplayName != "Renamed" {
			t.Errorf("back again: %+v", got)
		}
		if asked := d.reading(); asked.Photos != 0 {
			t.Errorf("back again, and nothing changed: %+v", asked)
		}
	})
}

// TestFolderAwayDuringVisit: a picture that must be made anew of a file is not made of another photo meanwhile.
func TestFolderAwayDuringVisit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d, f := newFiled(t)
		c.mustPass()
		d.machine(0).AddWindowsPicture(d.users[0].SID, 7)
		f.away = errAway
		c.ok(c.db.SetVerify(t.Context(), nil))
		tally, err := c.pass(false)
		if !errors.Is(err, errAway) || tally.Pushed != 0 || tally.Failed[photopush.Internal] != 1 {
			t.Errorf("%+v, %v", tally, err)
		}
		if p := c.stored(d.workstations[0], d.users[0].SID); p.Reason != photopush.Internal || !strings.Contains(p.Detail, "/srv/photos") {
			t.Errorf("%+v", p)
		}
	})
}

// TestFileUnreadable: a file that cannot be read is tried again in each pass, and told. Whose picture was made of it keeps it; anybody else gets the
// directory's.
func TestFileUnreadable(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d, f := newFiled(t)
		a, b, none := d.users[0], d.users[1], d.users[2]
		none.photos = nil
		c.mustPass()
		want := c.user(a)
		for _, p := range []*employee{a, b, none} {
			f.put(p, 8100)
			f.locked[p.AccountName] = errors.New("permission denied")
		}
		for range 2 {
			d.asks("unreadable", d.reading(), tellings{Photos: 3})
			if u := c.user(a); u.Digest != want.Digest || u.Photo != want.Photo || u.PhotoDetail != "the picture made before stays: permission denied" {
				t.Errorf("%+v", u)
			}
			if u := c.user(b); u.Photo.Source != "thumbnailPhoto" || u.PhotoDetail != "permission denied" {
				t.Errorf("%+v", u)
			}
			if u := c.user(none); u.PhotoReason != photopush.BadPhoto || u.PhotoDetail != "permission denied" {
				t.Errorf("%+v", u)
			}
		}
		clear(f.locked)
		d.asks("readable", d.reading(), tellings{Photos: 3})
		for _, p := range []*employee{a, b, none} {
			if u := c.user(p); u.Photo.Source != "file" || u.PhotoDetail != "" || u.PhotoFiles == "" {
				t.Errorf("%+v", u)
			}
		}
		f.locked[none.AccountName] = errors.New("permission denied")
		f.put(none, 8102)
		d.reading()
		f.put(none, 0) // and gone, with nothing in the directory
		d.reading()
		if u := c.user(none); u.PhotoReason != photopush.NoPhoto || u.Photo != (photopush.PhotoFacts{}) {
			t.Errorf("%+v", u)
		}
	})
}

// TestPushOfFile: a push looks at the files itself.
func TestPushOfFile(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c, d, f := newFiled(t)
		c.mustPass()
		f.put(d.users[1], 8200)
		lines, err := c.push(t.Context(), d.users[1].AccountName)
		if u := c.user(d.users[1]); err != nil || strings.Join(lines, "|") != "WS1001 pushed" || u.Photo.Source != "file" {
			t.Errorf("%v, %v, %+v", lines, err, u)
		}
		f.away = errAway
		d.machine(1).AddWindowsPicture(d.users[1].SID, 7)
		lines, err = c.push(t.Context(), d.users[1].AccountName)
		if err != nil || len(lines) != 1 || !strings.Contains(lines[0], "/srv/photos") || c.log.count("photos in files are not looked at") != 1 {
			t.Errorf("%v, %v", lines, err)
		}
		if _, _, err := c.User(t.Context(), d.users[1].AccountName); !errors.Is(err, errAway) {
			t.Errorf("%v", err)
		}
		if _, photos, err := c.User(t.Context(), d.users[2].AccountName); err != nil || len(photos) != 2 || photos[0].Fault == "" {
			t.Errorf("%+v, %v", photos, err)
		}
	})
}

// TestManyFiles: the directory does not wait for long while files are decoded.
func TestManyFiles(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		f := &cabinet{files: map[string][]photopush.Photo{}}
		c.PhotoFiles = f
		d := c.domain(corp)
		for range 70 {
			p := d.person()
			p.photos = nil
			f.put(p, 8300)
		}
		d.person().photos = nil
		c.mustPass()
		var batches []int
		for _, e := range c.seen {
			if e.Kind == ReadUsers {
				batches = append(batches, e.N)
			}
		}
		if diff := cmp.Diff([]int{32, 32, 7}, batches); diff != "" {
			t.Error(diff)
		}
	})
}

// TestFactsOfOldRows: what an older version has stored lacks the photo's facts, and gets them.
func TestFactsOfOldRows(t *testing.T) {
	bubble(t, func(t *testing.T) {
		c := newCompany(t)
		d := c.domain(corp).staff(1)
		c.mustPass()
		want := c.user(d.users[0])
		old := want
		old.Photo = photopush.PhotoFacts{}
		c.ok(c.db.PutUsers(t.Context(), 0, []photopush.UserRecord{old}))
		if c.mustPass(); want.Photo.Width != 48 {
			t.Errorf("%+v", want)
		}
		if diff := cmp.Diff(want, c.user(d.users[0])); diff != "" {
			t.Error(diff)
		}
	})
}
