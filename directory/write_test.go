package directory

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sync/errgroup"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// newWriter is a company whose reading account may write photos of Staff, with ada, who has a photo "old".
func newWriter(t testing.TB, controllers int) (*company, photopush.User) {
	t.Helper()
	c := newCompany(t, controllers)
	must(t, c.Grant(readerDN, staff, photopush.ThumbnailPhoto, photopush.JPEGPhoto))
	c.user(t, simad.User{Account: "ada", ThumbnailPhoto: []byte("old"), Attributes: map[string][]string{"employeeID": {"17"}, "proxyAddresses": {"a", "b"}}})
	u, _, err := open(t, c.config(), Options{}).User(t.Context(), "ada")
	must(t, err)
	return c, u
}

// vals are the values of an attribute.
func vals(values ...string) [][]byte {
	var all [][]byte
	for _, v := range values {
		all = append(all, []byte(v))
	}
	return all
}

func swapOf(u photopush.User, old, to [][]byte) photopush.PhotoSwap {
	return photopush.PhotoSwap{User: u, Attribute: photopush.ThumbnailPhoto, Old: old, New: to}
}

// has is what the directory has, joined.
func has(t testing.TB, d *Directory, u photopush.User, attribute string) string {
	t.Helper()
	var got string
	must(t, d.PhotoStates(t.Context(), []photopush.GUID{u.GUID}, []string{attribute}, func(s photopush.PhotoState) error {
		got = string(bytes.Join(s.Values[attribute], []byte("|")))
		return nil
	}))
	return got
}

func TestSwapPhoto(t *testing.T) {
	c, ada := newWriter(t, 1)
	dir := open(t, c.config(), Options{})
	for _, step := range []struct {
		what      string
		attribute string
		old, to   [][]byte
		reason    photopush.Reason
		left      string
		requests  int
	}{
		{"replace", "thumbnailPhoto", vals("old"), vals("new"), "", "new", 1},
		{"again: it is done already", "thumbnailPhoto", vals("old"), vals("new"), "", "new", 0},
		{"from another state", "thumbnailPhoto", vals("old"), vals("newer"), photopush.Conflict, "new", 0},
		{"from none, where there is one", "thumbnailPhoto", nil, vals("newer"), photopush.Conflict, "new", 0},
		{"remove", "thumbnailPhoto", vals("new"), nil, "", "", 1},
		{"into none", "thumbnailPhoto", nil, vals("x"), "", "x", 1},
		{"as large as may be", "thumbnailPhoto", vals("x"), vals(strings.Repeat("a", photopush.MaxThumbnail)), "", strings.Repeat("a", photopush.MaxThumbnail), 1},
		{"too large", "thumbnailPhoto", vals(strings.Repeat("a", photopush.MaxThumbnail)), vals(strings.Repeat("b", photopush.MaxThumbnail+1)), photopush.BadPhoto,
			strings.Repeat("a", photopush.MaxThumbnail), 1},
		{"two values of one", "thumbnailPhoto", vals(strings.Repeat("a", photopush.MaxThumbnail)), vals("b", "c"), photopush.BadPhoto, strings.Repeat("a", photopush.MaxThumbnail), 1},
		{"several", "jpegPhoto", nil, vals("b", "c"), "", "b|c", 1},
		{"several by one, in another order", "jpegPhoto", vals("c", "b"), vals("d"), "", "d", 1},
		{"an attribute that is not granted", "photo", nil, vals("d"), photopush.Denied, "", 1},
		{"an attribute that there is not", "portrait", nil, vals("d"), photopush.Unsupported, "", 1},
	} {
		before := c.dcs[0].Counts().Writes
		err := dir.SwapPhoto(t.Context(), photopush.PhotoSwap{User: ada, Attribute: step.attribute, Old: step.old, New: step.to})
		if photopush.ReasonOf(err) != step.reason {
			t.Errorf("%s: %v, want %q", step.what, err, step.reason)
		}
		if got := has(t, dir, ada, step.attribute); got != step.left {
			t.Errorf("%s: left is %.20q, want %.20q", step.what, got, step.left)
		}
		if n := c.dcs[0].Counts().Writes - before; n != step.requests {
			t.Errorf("%s: %d requests, want %d", step.what, n, step.requests)
		}
	}
}

// TestSwapOutOfScope: who is gone, has moved away, or was never ours, is not written.
func TestSwapOutOfScope(t *testing.T) {
	c, ada := newWriter(t, 1)
	must(t, c.Grant(readerDN, "OU=Service,DC=corp,DC=example", photopush.ThumbnailPhoto))
	dir := open(t, c.config(), Options{})
	swap := swapOf(ada, vals("old"), vals("new"))
	wrong := swap
	wrong.User.GUID = "x"
	if err := dir.SwapPhoto(t.Context(), wrong); photopush.ReasonOf(err) != photopush.Internal {
		t.Errorf("a GUID that is none: %v", err)
	}
	moved := "CN=ada,OU=Service,DC=corp,DC=example"
	must(t, c.Move("CN=ada,"+staff, moved))
	err := dir.SwapPhoto(t.Context(), swap)
	if want := "write thumbnailPhoto of " + moved + ": out_of_scope: the user has moved out of scope"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	must(t, c.Delete(moved))
	err = dir.SwapPhoto(t.Context(), swap)
	if want := "write thumbnailPhoto of CN=ada," + staff + ": out_of_scope: the user is gone, or out of scope by now"; err == nil || err.Error() != want {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	if n := c.dcs[0].Counts().Writes; n != 0 {
		t.Errorf("%d requests", n)
	}
}

// TestSwapRefused lets the controller refuse with each code; the error is a sentence with the remedy.
func TestSwapRefused(t *testing.T) {
	c, ada := newWriter(t, 1)
	for result, want := range map[int]struct {
		reason photopush.Reason
		text   string
	}{
		10: {photopush.Unsupported, "the controller is read-only, and refers to another one: name one that takes changes"},
		11: {photopush.Quota, "the change is larger than the controller takes in one request"},
		16: {photopush.Unsupported, "the directory has no attribute thumbnailPhoto for users"},
		19: {photopush.BadPhoto, "the directory does not take a value of 3 bytes: thumbnailPhoto holds one value of at most 102400 bytes"},
		20: {photopush.BadPhoto, "thumbnailPhoto holds one value of at most 102400 bytes"},
		21: {photopush.BadPhoto, "thumbnailPhoto holds one value of at most 102400 bytes"},
		50: {photopush.Denied, "the account " + reader + " may not write thumbnailPhoto of users in " + staff + ": let it, as docs/least-privilege.md shows"},
		53: {photopush.Denied, "the controller refuses the change"},
		80: {photopush.Unsupported, "the controller does not carry out the change"},
	} {
		c.dcs[0].SetFaults(simad.Faults{WriteResult: result})
		err := open(t, c.config(), Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new")))
		if photopush.ReasonOf(err) != want.reason || !strings.Contains(err.Error(), want.text) {
			t.Errorf("code %d: %v,\nwant %s: %s", result, err, want.reason, want.text)
		}
	}
}

// TestSwapBusy: a controller that is busy is given time; the next one does it, and without one the error says who is to be asked.
func TestSwapBusy(t *testing.T) {
	c, ada := newWriter(t, 2)
	c.dcs[0].SetFaults(simad.Faults{WriteResult: 51})
	must(t, open(t, c.config(), Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new"))))
	if a, b := c.dcs[0].Counts().Writes, c.dcs[1].Counts().Changes; a != 1+len(busyPauses) || b != 1 {
		t.Errorf("%d requests at the busy controller and %d changes at the other", a, b)
	}
	cfg := c.config()
	cfg.Controllers = cfg.Controllers[:1]
	if err := open(t, cfg, Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("new"), vals("newer"))); !errors.Is(err, photopush.ErrNoDirectory) {
		t.Errorf("got %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	c.dcs[0].OnWrite(func(int, bool) { cancel() })
	if err := open(t, cfg, Options{}).SwapPhoto(ctx, swapOf(ada, vals("new"), vals("newer"))); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// TestSwapCutEverywhere cuts the connection at every answer and loses the request before and after its effect. With a second controller it is done, once;
// without one it is done, or the error says that it may be.
func TestSwapCutEverywhere(t *testing.T) {
	cases := 0
	faults := map[string]simad.Faults{
		"request lost": {LoseWrite: simad.WriteLoss{N: 1, Loss: simad.LoseWrite}}, "answer lost": {LoseWrite: simad.WriteLoss{N: 1, Loss: simad.LoseAnswer}},
	}
	for place, name := range map[simad.Place]string{simad.Before: "before", simad.Inside: "inside", simad.After: "after"} {
		for n := 1; n <= 7; n++ { // a bind, twice an entry and an end, and the answer in between: six
			faults[fmt.Sprintf("%s answer %d", name, n)] = simad.Faults{Cut: simad.Cut{N: n, Where: place}}
		}
	}
	for name, f := range faults {
		cases++
		t.Run(name, func(t *testing.T) {
			c, ada := newWriter(t, 2)
			c.dcs[0].SetFaults(f)
			must(t, open(t, c.config(), Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new"))))
			changes := c.dcs[0].Counts().Changes + c.dcs[1].Counts().Changes
			if got := has(t, open(t, c.config(), Options{}), ada, "thumbnailPhoto"); got != "new" || changes != 1 {
				t.Errorf("the photo is %q after %d changes, want new after 1", got, changes)
			}

			c, ada = newWriter(t, 1)
			c.dcs[0].SetFaults(f)
			err := open(t, c.config(), Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new")))
			sent := c.dcs[0].Counts().Writes > 0
			c.dcs[0].SetFaults(simad.Faults{})
			got := has(t, open(t, c.config(), Options{}), ada, "thumbnailPhoto")
			switch {
			case err == nil && got != "new":
				t.Errorf("no error, and the photo is %q", got)
			case err != nil && !errors.Is(err, photopush.ErrNoDirectory):
				t.Errorf("got %v", err)
			case err != nil && sent && photopush.ReasonOf(err) != photopush.Unknown:
				t.Errorf("a request was sent, and the error is %v", err)
			case err != nil && !sent && got != "old":
				t.Errorf("no request was sent, and the photo is %q", got)
			}
		})
	}
	t.Logf("%d places", cases)
}

// TestSwapHang: a controller that falls silent with the request is left after the timeout.
func TestSwapHang(t *testing.T) {
	t.Parallel()
	c, ada := newWriter(t, 2)
	c.dcs[0].SetFaults(simad.Faults{Hang: simad.HangWrite})
	cfg := c.config()
	cfg.Timeout = time.Second
	must(t, open(t, cfg, Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new"))))
	cfg.Controllers = cfg.Controllers[:1]
	err := open(t, cfg, Options{}).SwapPhoto(t.Context(), swapOf(ada, vals("new"), vals("newer")))
	if photopush.ReasonOf(err) != photopush.Unknown {
		t.Errorf("got %v", err)
	}
}

// TestSwapRace changes the photo between the look and the request: what somebody else wrote stays.
func TestSwapRace(t *testing.T) {
	c, ada := newWriter(t, 1)
	c.dcs[0].OnWrite(func(_ int, done bool) {
		if !done {
			must(t, c.Set("CN=ada,"+staff, "thumbnailPhoto", []byte("hers")))
		}
	})
	dir := open(t, c.config(), Options{})
	err := dir.SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new")))
	if photopush.ReasonOf(err) != photopush.Conflict || !strings.Contains(err.Error(), "somebody else has changed it") {
		t.Errorf("got %v", err)
	}
	if got := has(t, dir, ada, "thumbnailPhoto"); got != "hers" {
		t.Errorf("the photo is %q", got)
	}
}

// TestSwapLostThenChanged changes the photo after a request whose answer is lost, or after one that was carried out: nobody may say that nothing was changed.
func TestSwapLostThenChanged(t *testing.T) {
	for name, loss := range map[string]simad.Loss{"answer lost": simad.LoseAnswer, "request lost": simad.LoseWrite, "answered": simad.NoLoss} {
		t.Run(name, func(t *testing.T) {
			c, ada := newWriter(t, 2)
			c.dcs[0].SetFaults(simad.Faults{LoseWrite: simad.WriteLoss{N: 1, Loss: loss}})
			var once sync.Once
			for _, dc := range c.dcs {
				dc.OnSearch(func(int) {
					if c.dcs[0].Counts().Writes > 0 { // the read after the request
						once.Do(func() { must(t, c.Set("CN=ada,"+staff, "thumbnailPhoto", []byte("hers"))) })
					}
				})
			}
			dir := open(t, c.config(), Options{})
			err := dir.SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new")))
			if photopush.ReasonOf(err) != photopush.Unknown || errors.Is(err, photopush.ErrNoDirectory) {
				t.Errorf("got %v", err)
			}
			if got := has(t, dir, ada, "thumbnailPhoto"); got != "hers" {
				t.Errorf("the photo is %q", got)
			}
		})
	}
}

// TestSwapTooLarge: what no controller takes in one request is not sent.
func TestSwapTooLarge(t *testing.T) {
	c, ada := newWriter(t, 1)
	large := vals(strings.Repeat("a", maxRequest/2), strings.Repeat("b", maxRequest/2))
	must(t, c.Set("CN=ada,"+staff, "jpegPhoto", large...))
	dir := open(t, c.config(), Options{})
	err := dir.SwapPhoto(t.Context(), photopush.PhotoSwap{User: ada, Attribute: "jpegPhoto", Old: large, New: vals("c")})
	if photopush.ReasonOf(err) != photopush.Quota || !strings.Contains(err.Error(), "let an administrator clear the attribute (Set-ADUser -Clear jpegPhoto), and import again") {
		t.Errorf("got %v", err)
	}
	if n := c.dcs[0].Counts().Writes; n != 0 {
		t.Errorf("%d requests were sent", n)
	}
	must(t, dir.SwapPhoto(t.Context(), photopush.PhotoSwap{User: ada, Attribute: "jpegPhoto", Old: large, New: nil}))
}

func TestPhotoStates(t *testing.T) {
	c, ada := newWriter(t, 1)
	c.user(t, simad.User{Account: "bob", OU: "OU=Deep," + staff, JPEGPhoto: vals("a", "b")})
	c.user(t, simad.User{Account: "away", OU: "OU=Service,DC=corp,DC=example"})
	must(t, c.Revoke(readerDN))
	must(t, c.Grant(readerDN, "OU=Deep,"+staff, "jpegPhoto"))
	dir := open(t, c.config(), Options{})
	var ids []photopush.GUID
	must(t, dir.Users(t.Context(), photopush.UserQuery{}, func(u photopush.User, _ []photopush.Photo) error { ids = append(ids, u.GUID); return nil }))
	got := map[string]string{}
	must(t, dir.PhotoStates(t.Context(), append(ids, "00000000-0000-0000-0000-000000000001"), []string{"thumbnailPhoto", "jpegPhoto"}, func(s photopush.PhotoState) error {
		got[s.User.AccountName] = fmt.Sprintf("%s %s %v", s.Values["thumbnailPhoto"], s.Values["jpegPhoto"], s.Writable)
		return nil
	}))
	want := map[string]string{"ada": "[old] [] map[jpegPhoto:false thumbnailPhoto:false]", "bob": "[] [a b] map[jpegPhoto:true thumbnailPhoto:false]"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	must(t, dir.PhotoStates(t.Context(), nil, []string{"jpegPhoto"}, func(photopush.PhotoState) error { return errors.New("nobody was asked for") }))
	err := dir.MayNotWrite(ada, "thumbnailPhoto")
	if photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(err.Error(), "the account "+reader+" may not write thumbnailPhoto of users in "+staff) {
		t.Errorf("got %v", err)
	}
}

func TestPeople(t *testing.T) {
	c, _ := newWriter(t, 1)
	c.user(t, simad.User{Account: "bob", Disabled: true})
	got := map[string]map[string][]string{}
	must(t, open(t, c.config(), Options{}).People(t.Context(), []string{"employeeID", "proxyAddresses"}, func(u photopush.User, texts map[string][]string) error {
		for _, v := range texts {
			slices.Sort(v)
		}
		got[u.AccountName] = texts
		return nil
	}))
	want := map[string]map[string][]string{"ada": {"employeeID": {"17"}, "proxyAddresses": {"a", "b"}}, "bob": {}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestSwapInGroups: only members are written, and many writes at once do not wait for each other's lookups.
func TestSwapInGroups(t *testing.T) {
	c, ada := newWriter(t, 1)
	const staffGroup = "CN=Photos,OU=Groups,DC=corp,DC=example"
	_, err := c.AddGroup(simad.Group{OU: "OU=Groups,DC=corp,DC=example", Name: "Photos"})
	must(t, err)
	var users []photopush.User
	for i := range 3 * maxWrites {
		name := fmt.Sprintf("m%02d", i)
		c.user(t, simad.User{Account: name})
		must(t, c.AddMembers(staffGroup, "CN="+name+","+staff))
	}
	cfg := c.config()
	cfg.Users.Groups = []string{staffGroup}
	dir := open(t, cfg, Options{})
	must(t, dir.People(t.Context(), nil, func(u photopush.User, _ map[string][]string) error { users = append(users, u); return nil }))
	if len(users) != 3*maxWrites {
		t.Fatalf("%d people are in scope", len(users))
	}
	var g errgroup.Group
	for _, u := range users {
		g.Go(func() error { return dir.SwapPhoto(t.Context(), swapOf(u, nil, vals("new"))) })
	}
	must(t, g.Wait())
	err = dir.SwapPhoto(t.Context(), swapOf(ada, vals("old"), vals("new")))
	if photopush.ReasonOf(err) != photopush.OutOfScope {
		t.Errorf("who is in no group: %v", err)
	}
}
