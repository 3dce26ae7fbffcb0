package pictures

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/photo"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	alice photopush.SID = "S-1-5-21-1-2-3-1001"
	bob   photopush.SID = "S-1-5-21-1-2-3-1002"
)

// A fakeDirectory has photos, and counts who asks.
type fakeDirectory struct {
	mu     sync.Mutex
	photos map[photopush.SID][]photopush.Photo
	asked  int
	before func(ctx context.Context) error // when set, runs before each answer
}

func (d *fakeDirectory) Photos(ctx context.Context, sid photopush.SID) (photopush.User, []photopush.Photo, error) {
	d.mu.Lock()
	d.asked++
	photos, before := d.photos[sid], d.before
	d.mu.Unlock()
	if before != nil {
		if err := before(ctx); err != nil {
			return photopush.User{}, nil, err
		}
	}
	return photopush.User{SID: sid}, photos, nil
}

func (d *fakeDirectory) put(sid photopush.SID, raw []byte) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.photos[sid] = []photopush.Photo{{Attribute: "jpegPhoto", Bytes: raw}}
}

// directoryOf is a directory in which alice has a photo.
func directoryOf(raw []byte) *fakeDirectory {
	d := &fakeDirectory{photos: map[photopush.SID][]photopush.Photo{}}
	d.put(alice, raw)
	return d
}

// picture is a photo of one colour and side.
func picture(t testing.TB, side int, shade uint8) []byte {
	m := image.NewGray(image.Rect(0, 0, side, side))
	for i := range m.Pix {
		m.Pix[i] = shade
	}
	m.SetGray(side/2, side/2, color.Gray{Y: 255 - shade})
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

var defaultRule = Rule{Sources: []string{"jpegPhoto", "thumbnailPhoto"}, Prefer: Larger, Originals: FolderConfig{Match: "{sAMAccountName}"}}

func newCache(d *fakeDirectory) *Cache {
	return New(d, &photo.Recipes{Recipe: photo.DefaultRecipe()}, Config{Rule: defaultRule, CacheSize: minCacheSize})
}

func TestSetIsReadAndMadeOnce(t *testing.T) {
	raw := picture(t, 100, 7)
	d := directoryOf(raw)
	d.put(bob, raw)
	c := newCache(d)
	choice, err := c.Choose(photopush.User{SID: alice}, d.photos[alice])
	if err != nil {
		t.Fatal(err)
	}
	digest := choice.Digest
	sets := make([]*photo.Set, 200)
	var wg sync.WaitGroup
	for i := range sets {
		wg.Go(func() {
			sid := []photopush.SID{alice, bob}[i%2]
			set, err := c.Set(t.Context(), sid, digest)
			if err != nil {
				t.Error(err)
			}
			sets[i] = set
		})
	}
	wg.Wait()
	for i, set := range sets {
		if set != sets[0] {
			t.Fatalf("caller %d was given another set", i)
		}
	}
	if sets[0].Digest != digest || d.asked < 1 || d.asked > 2 { // once each, or bob found alice's
		t.Errorf("digest %s, want %s; the directory was asked %d times", sets[0].Digest, digest, d.asked)
	}
}

// TestSetOfOwnCrop: two people have one photo, and one of them a line in the crop file.
func TestSetOfOwnCrop(t *testing.T) {
	var b bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 64, 96))); err != nil {
		t.Fatal(err)
	}
	d := directoryOf(b.Bytes())
	d.put(bob, b.Bytes())
	file := filepath.Join(t.TempDir(), "crops.csv")
	if err := os.WriteFile(file, []byte(bob+",top"), 0o600); err != nil {
		t.Fatal(err)
	}
	recipes, err := (&photo.Config{Recipe: photo.DefaultRecipe(), CropFile: file}).Recipes(nil)
	if err != nil {
		t.Fatal(err)
	}
	c := New(d, recipes, Config{Rule: defaultRule, CacheSize: minCacheSize})
	for sid, crop := range map[photopush.SID]photo.Crop{alice: photo.CropAuto, bob: photo.CropTop} {
		want := photo.Recipe{Crop: crop, Quality: 90}.Digest(b.Bytes())
		choice, err := c.Choose(photopush.User{SID: sid}, d.photos[sid])
		if err != nil || choice.Digest != want {
			t.Errorf("%s: digest %s, %v, want %s", sid, choice.Digest, err, want)
		}
		if set, err := c.Set(t.Context(), sid, choice.Digest); err != nil || set.Digest != want {
			t.Errorf("%s: set %v, %v", sid, set, err)
		}
	}
}

func TestSetOfChangedPhoto(t *testing.T) {
	d := directoryOf(picture(t, 64, 1))
	c := newCache(d)
	old, err := c.Choose(photopush.User{SID: alice}, d.photos[alice])
	if err != nil {
		t.Fatal(err)
	}
	d.put(alice, picture(t, 64, 2))
	set, err := c.Set(t.Context(), alice, old.Digest)
	if err != nil {
		t.Fatal(err)
	}
	if want := c.recipes.Recipe.Digest(picture(t, 64, 2)); set.Digest != want || want == old.Digest {
		t.Errorf("digest %s, want %s", set.Digest, want)
	}
	again, err := c.Set(t.Context(), alice, set.Digest)
	if err != nil || again != set || d.asked != 1 {
		t.Errorf("%v; asked %d times", err, d.asked)
	}
}

// TestOneWaiterGivesUp ends the context of the caller who does the work: it is his error alone, and another takes over.
func TestOneWaiterGivesUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := picture(t, 64, 3)
		d := directoryOf(raw)
		d.before = func(ctx context.Context) error {
			<-ctx.Done() // as a directory does that hangs
			return ctx.Err()
		}
		c := newCache(d)
		digest := c.recipes.Recipe.Digest(raw)
		first, cancel := context.WithCancel(t.Context())
		var firstErr error
		sets := make([]*photo.Set, 50)
		var wg sync.WaitGroup
		wg.Go(func() { _, firstErr = c.Set(first, alice, digest) })
		synctest.Wait()
		for i := range sets {
			wg.Go(func() {
				set, err := c.Set(t.Context(), alice, digest)
				if err != nil {
					t.Error(err)
				}
				sets[i] = set
			})
		}
		synctest.Wait()
		d.mu.Lock()
		d.before = nil
		d.mu.Unlock()
		cancel()
		wg.Wait()
		if !errors.Is(firstErr, context.Canceled) || firstErr.Error() != "make the picture of "+string(alice)+": context canceled" {
			t.Errorf("the first was told %v", firstErr)
		}
		for _, set := range sets {
			if set == nil || set != sets[0] {
				t.Fatal("not all were given one set")
			}
		}
		if d.asked != 2 {
			t.Errorf("asked %d times, want 2", d.asked)
		}
	})
}

// TestWaiterLeaves ends the context of one who waits for another's work: he is told at once, and the work goes on.
func TestWaiterLeaves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := directoryOf(picture(t, 64, 4))
		proceed := make(chan struct{})
		d.before = func(context.Context) error { <-proceed; return nil }
		c := newCache(d)
		var set *photo.Set
		var wg sync.WaitGroup
		wg.Go(func() {
			var err error
			if set, err = c.Set(t.Context(), alice, "wanted"); err != nil {
				t.Error(err)
			}
		})
		synctest.Wait()
		leaves, cancel := context.WithCancel(t.Context())
		var leftErr error
		left := make(chan struct{})
		go func() {
			_, leftErr = c.Set(leaves, alice, "wanted")
			close(left)
		}()
		synctest.Wait()
		cancel()
		<-left
		if !errors.Is(leftErr, context.Canceled) {
			t.Errorf("who left was told %v", leftErr)
		}
		close(proceed)
		wg.Wait()
		if set == nil || d.asked != 1 {
			t.Errorf("set %v, asked %d times", set, d.asked)
		}
	})
}

// TestSlotsAreWaitedFor keeps every slot busy: nothing is decoded meanwhile, and who gives up is told at once.
func TestSlotsAreWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		raw := picture(t, 64, 5)
		c := newCache(directoryOf(raw))
		c.slots = make(chan struct{}, 2)
		c.slots <- struct{}{}
		c.slots <- struct{}{}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan error)
		go func() {
			_, err := c.Set(ctx, alice, "wanted")
			done <- err
		}()
		synctest.Wait()
		select {
		case err := <-done:
			t.Fatalf("did not wait: %v", err)
		default:
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("%v", err)
		}
		<-c.slots
		if _, err := c.Set(t.Context(), alice, "wanted"); err != nil {
			t.Error(err)
		}
		if len(c.slots) != 1 {
			t.Errorf("%d slots are taken, want 1", len(c.slots))
		}
	})
}

// TestFewAreFetchedAtOnce: the photos of no more users are held than are bound, however many are asked for; who gives up is told at once.
func TestFewAreFetchedAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const users = 3 * maxFetches
		d := directoryOf(nil)
		for i := range users {
			d.put(photopush.SID(fmt.Sprint(i)), picture(t, 32, uint8(i)))
		}
		proceed := make(chan struct{})
		d.before = func(context.Context) error { <-proceed; return nil }
		c := newCache(d)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		var made, left atomic.Int32
		for i := range users {
			wg.Go(func() {
				switch set, err := c.Set(ctx, photopush.SID(fmt.Sprint(i)), "wanted"); {
				case err == nil && set != nil:
					made.Add(1)
				case errors.Is(err, context.Canceled):
					left.Add(1)
				default:
					t.Error(err)
				}
			})
		}
		synctest.Wait()
		if d.asked != maxFetches {
			t.Errorf("%d users are read at once, want %d", d.asked, maxFetches)
		}
		for range maxFetches {
			proceed <- struct{}{}
		}
		synctest.Wait()
		if d.asked != 2*maxFetches || made.Load() != maxFetches {
			t.Errorf("%d users were asked for, and %d sets made", d.asked, made.Load())
		}
		cancel()
		synctest.Wait()
		if left.Load() != users-2*maxFetches {
			t.Errorf("%d gave up, want those who waited, %d", left.Load(), users-2*maxFetches)
		}
		close(proceed)
		wg.Wait()
		if len(c.fetches) != 0 {
			t.Errorf("%d are still held", len(c.fetches))
		}
	})
}

// TestNewerRequestReadsAnew does not give what was read for an old digest to one who wants the new photo.
func TestNewerRequestReadsAnew(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		before, after := picture(t, 64, 8), picture(t, 64, 9)
		d := directoryOf(before)
		c := newCache(d)
		proceed := make(chan struct{})
		d.before = func(context.Context) error { <-proceed; return nil }
		var old *photo.Set
		var wg sync.WaitGroup
		wg.Go(func() { old, _ = c.Set(t.Context(), alice, c.recipes.Recipe.Digest(before)) })
		synctest.Wait() // the old photo has been read
		d.put(alice, after)
		d.mu.Lock()
		d.before = nil
		d.mu.Unlock()
		set, err := c.Set(t.Context(), alice, c.recipes.Recipe.Digest(after))
		if err != nil || set.Digest != c.recipes.Recipe.Digest(after) {
			t.Errorf("set %v, %v", set, err)
		}
		close(proceed)
		wg.Wait()
		if old == nil || old.Digest != c.recipes.Recipe.Digest(before) {
			t.Errorf("old is %v", old)
		}
	})
}

func TestSourceErrors(t *testing.T) {
	d := directoryOf(nil)
	c := newCache(d)
	broken := &photopush.Error{Reason: photopush.Offline, Op: "search", On: "dc1", Err: photopush.ErrNoDirectory}
	d.before = func(context.Context) error { return broken }
	if _, err := c.Set(t.Context(), alice, ""); err != error(broken) {
		t.Errorf("%v, want the directory's own", err)
	}
	d.before = nil
	for want, photos := range map[string][]photopush.Photo{
		"choose photo of " + string(alice) + ": no_photo: neither jpegPhoto nor thumbnailPhoto has a value": nil,
		"choose photo of " + string(alice) + ": bad_photo: thumbnailPhoto: it looks like TIFF; want JPEG, PNG, GIF, BMP or WebP": {
			{Attribute: "thumbnailPhoto", Bytes: []byte("II*\x00")},
		},
	} {
		d.photos[alice] = photos
		if _, err := c.Set(t.Context(), alice, ""); err == nil || err.Error() != want {
			t.Errorf("%v\nwant %s", err, want)
		}
	}
	d.put(alice, picture(t, 40, 1))
	if _, err := c.Set(t.Context(), alice, ""); err != nil {
		t.Errorf("an error was kept: %v", err)
	}
}

func TestChoose(t *testing.T) {
	small, large := picture(t, 48, 1), picture(t, 96, 2)
	broken := large[:len(large)-20] // its header says that it is the larger one
	jpegPhoto := func(b []byte) photopush.Photo { return photopush.Photo{Attribute: "jpegPhoto", Bytes: b} }
	thumbnail := func(b []byte) photopush.Photo { return photopush.Photo{Attribute: "thumbnailPhoto", Bytes: b} }
	file := func(b []byte) photopush.Photo {
		return photopush.Photo{Attribute: photopush.SourceFile, File: "a\x1b.png", Bytes: b}
	}
	const brokenPNG, isPDF = "PNG: png: invalid format: unexpected EOF", "it looks like PDF; want JPEG, PNG, GIF, BMP or WebP"
	for _, c := range []struct {
		name   string
		photos []photopush.Photo
		prefer Preference
		want   string // source, side and bytes
		detail string // what is wrong with others, or the error
	}{
		{"one", []photopush.Photo{thumbnail(small)}, Larger, "thumbnailPhoto 48", ""},
		{"jpegPhoto is larger", []photopush.Photo{thumbnail(small), jpegPhoto(large)}, Larger, "jpegPhoto 96", ""},
		{"jpegPhoto is larger, but not the first", []photopush.Photo{thumbnail(small), jpegPhoto(large)}, First, "thumbnailPhoto 48", ""},
		{"thumbnailPhoto is larger", []photopush.Photo{jpegPhoto(small), thumbnail(large)}, Larger, "thumbnailPhoto 96", ""},
		{"equal: the first", []photopush.Photo{file(small), jpegPhoto(small), thumbnail(picture(t, 48, 9))}, Larger, "file 48", ""},
		{"a file is smaller", []photopush.Photo{file(small), jpegPhoto(large)}, Larger, "jpegPhoto 96", ""},
		{"a file is smaller, but the first", []photopush.Photo{file(small), jpegPhoto(large)}, First, "file 48", ""},
		{"the larger one is broken", []photopush.Photo{jpegPhoto(broken), thumbnail(small)}, Larger, "thumbnailPhoto 48", "jpegPhoto: " + brokenPNG},
		{"the first one is broken", []photopush.Photo{file(broken), thumbnail(small), jpegPhoto(large)}, First, "thumbnailPhoto 48", `file "a\x1b.png": ` + brokenPNG},
		{"a broken one behind a good one is not looked at", []photopush.Photo{jpegPhoto(small), thumbnail(broken)}, First, "jpegPhoto 48", ""},
		{"the first value is a stranger", []photopush.Photo{jpegPhoto([]byte("%PDF-1.4")), jpegPhoto(small)}, Larger, "jpegPhoto 48", "jpegPhoto: " + isPDF},
		{"a file could not be had", []photopush.Photo{{Attribute: "file", File: "x.jpg", Fault: "it has 40 MiB, at most 32 MiB"}, jpegPhoto(small)}, Larger, "jpegPhoto 48",
			`file "x.jpg": it has 40 MiB, at most 32 MiB`},
		{"none", nil, Larger, "", "choose photo: no_photo: neither jpegPhoto nor thumbnailPhoto has a value"},
		{"all bad", []photopush.Photo{jpegPhoto(broken), thumbnail([]byte("%PDF-1.4"))}, Larger, "",
			"choose photo: bad_photo: thumbnailPhoto: " + isPDF + "; jpegPhoto: " + brokenPNG},
	} {
		rule := defaultRule
		rule.Prefer = c.prefer
		got, err := rule.Choose(c.photos)
		cache := newCache(directoryOf(nil))
		cache.rule = rule
		choice, choiceErr := cache.Choose(photopush.User{SID: alice}, c.photos)
		if c.want == "" {
			if err == nil || err.Error() != c.detail || choiceErr == nil || choiceErr.Error() != c.detail {
				t.Errorf("%s: %v, %v, want %q", c.name, err, choiceErr, c.detail)
			}
			continue
		}
		raw := map[string][]byte{"48": small, "96": large}[c.want[len(c.want)-2:]]
		facts := choice.Photo
		if text := fmt.Sprintf("%s %d", facts.Source, facts.Width); err != nil || choiceErr != nil || text != c.want || !bytes.Equal(got.Bytes, raw) || got.Attribute != facts.Source {
			t.Errorf("%s: %s, %d bytes of %s, %v, %v", c.name, text, len(got.Bytes), got.Attribute, err, choiceErr)
		}
		want := photopush.Choice{Digest: photo.DefaultRecipe().Digest(raw), Detail: c.detail,
			Photo: photopush.PhotoFacts{Source: got.Attribute, Format: "PNG", Width: facts.Width, Height: facts.Width, Bytes: len(raw)}}
		if diff := cmp.Diff(want, choice); diff != "" {
			t.Errorf("%s: %s", c.name, diff)
		}
	}
}

// TestChooseRemembers asks again while no slot is free: what was decoded before, good or bad, needs none.
func TestChooseRemembers(t *testing.T) {
	c := newCache(directoryOf(nil))
	good := []photopush.Photo{{Attribute: "jpegPhoto", Bytes: picture(t, 50, 1)}}
	bad := []photopush.Photo{{Attribute: "jpegPhoto", Bytes: good[0].Bytes[:60]}}
	want, err := c.Choose(photopush.User{SID: alice}, good)
	if err != nil {
		t.Fatal(err)
	}
	_, wantErr := c.Choose(photopush.User{SID: alice}, bad)
	if photopush.ReasonOf(wantErr) != photopush.BadPhoto {
		t.Fatal(wantErr)
	}
	c.slots = nil // would block for ever
	if got, err := c.Choose(photopush.User{SID: alice}, good); err != nil || got != want {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if _, err := c.Choose(photopush.User{SID: alice}, bad); err == nil || err.Error() != wantErr.Error() {
		t.Errorf("%v, want %v", err, wantErr)
	}
}

// TestCacheStaysWithinItsSize makes more sets than fit: what is kept is what was used last, and never more than allowed.
func TestCacheStaysWithinItsSize(t *testing.T) {
	d := directoryOf(nil)
	c := newCache(d)
	raws := make([][]byte, 8)
	sets := make([]*photo.Set, len(raws))
	total := int64(0)
	for i := range raws {
		raws[i] = picture(t, 64, uint8(i))
		var err error
		if sets[i], err = photo.Render(raws[i], c.recipes.Recipe); err != nil {
			t.Fatal(err)
		}
		total += int64(sets[i].Bytes())
	}
	limit := total - 1 // one too many
	c.sets = newLRU[string, *photo.Set](limit)
	use := func(i int) (asked bool) {
		d.put(alice, raws[i])
		before := d.asked
		if set, err := c.Set(t.Context(), alice, sets[i].Digest); err != nil || set.Digest != sets[i].Digest {
			t.Fatalf("%d: %v", i, err)
		}
		if c.sets.used > limit {
			t.Fatalf("%d bytes are kept, at most %d", c.sets.used, limit)
		}
		return d.asked > before
	}
	for i := range 7 {
		use(i)
	}
	use(0) // 1 was now used least recently
	use(7)
	for i, want := range map[int]bool{0: false, 2: false, 3: false, 7: false} {
		if asked := use(i); asked != want {
			t.Errorf("picture %d was read again: %t, want %t", i, asked, want)
		}
	}
	if !use(1) {
		t.Error("picture 1 was kept")
	}
	c.sets = newLRU[string, *photo.Set](10)
	for range 2 {
		if !use(0) || c.sets.used != 0 {
			t.Error("a set larger than the cache was kept")
		}
	}
}

func TestLRU(t *testing.T) {
	l := newLRU[string, int](10)
	check := func(step string, used int64, keys ...string) {
		t.Helper()
		if l.used != used || len(l.items) != len(keys) || l.order.Len() != len(keys) {
			t.Fatalf("%s: used %d, %d items, want %d, %v", step, l.used, len(l.items), used, keys)
		}
		e := l.order.Front()
		for _, k := range keys { // last used first
			if got := e.Value.(lruItem[string, int]).key; got != k {
				t.Fatalf("%s: %s, want order %v", step, got, keys)
			}
			e = e.Next()
		}
	}
	l.add("a", 1, 4)
	l.add("b", 2, 6)
	check("full", 10, "b", "a")
	l.get("a")
	l.add("c", 3, 1)
	check("least recently used goes", 5, "c", "a")
	l.add("a", 5, 2)
	check("again, smaller", 3, "a", "c")
	l.add("d", 4, 11)
	check("too large", 3, "a", "c")
	l.add("a", 6, 11)
	check("again, too large", 1, "c")
	l.add("e", 7, 10)
	check("all go", 10, "e")
	if v, ok := l.get("e"); !ok || v != 7 {
		t.Error(v, ok)
	}
	if _, ok := l.get("a"); ok {
		t.Error("a is there")
	}
}

// TestFlightPanics lets the work of one caller panic: those who wait go on.
func TestFlightPanics(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var f flights[string, int]
		var calls atomic.Int32
		proceed := make(chan struct{})
		work := func() (int, error) {
			if calls.Add(1) == 1 {
				<-proceed
				panic("work")
			}
			return 42, nil
		}
		var wg sync.WaitGroup
		wg.Go(func() {
			defer func() {
				if recover() == nil {
					t.Error("the panic was swallowed")
				}
			}()
			f.do(t.Context(), "k", work)
		})
		synctest.Wait()
		for range 3 {
			wg.Go(func() {
				if n, err := f.do(t.Context(), "k", work); n != 42 || err != nil {
					t.Error(n, err)
				}
			})
		}
		synctest.Wait()
		close(proceed)
		wg.Wait()
		if len(f.running) != 0 {
			t.Error("a flight was left behind")
		}
	})
}
