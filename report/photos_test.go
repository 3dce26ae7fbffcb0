package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

// people has somebody for each state of a photo.
func people() []photopush.UserRecord {
	in := func(ou string, u *photopush.UserRecord) photopush.UserRecord {
		u.Domain, u.DN = "corp.example", "CN="+u.AccountName+","+ou+"DC=corp,DC=example"
		return *u
	}
	none := func(u *photopush.UserRecord, r photopush.Reason, detail string) *photopush.UserRecord {
		u.Digest, u.Photo, u.PhotoReason, u.PhotoDetail = "", photopush.PhotoFacts{}, r, detail
		return u
	}
	const sales, it = "OU=Sales,", `OU=IT\, central,`
	border, file, odd, left, old := user("u1", "On the Border"), user("u2", "Fay File"), user("u3", "Otto Odd"), user("u9", "Lee Aver"), user("u10", "")
	border.Photo.Width, border.Photo.Height = 192, 4000
	file.Photo.Source = photopush.SourceFile
	odd.PhotoDetail = `file "odd` + "\x1b" + `.jpg": JPEG: it is cut off`
	left.Enabled = false
	old.Photo = photopush.PhotoFacts{}
	return []photopush.UserRecord{
		in(sales, border), in(it, file), in(sales, odd), in(sales, low(user("u4", "Lou Low"))),
		in(it, none(user("u5", "=Nobody()"), photopush.NoPhoto, "neither jpegPhoto nor thumbnailPhoto has a value")),
		in("", none(user("u6", "名前\u202e"), photopush.BadPhoto, "jpegPhoto: it looks like PDF; want JPEG, PNG, GIF, BMP or WebP")),
		in(sales, none(user("u7", strings.Repeat("Long ", 12)), photopush.Internal, "no memory")), in(sales, left), in(sales, old),
	}
}

func TestPhotosGolden(t *testing.T) {
	for _, test := range []struct {
		file  string
		only  []PhotoState
		write func(*Photos, io.Writer) error
	}{
		{"photos.txt", nil, (*Photos).Text},
		{"photos-broken.txt", []PhotoState{PhotoBroken, PhotoMissing}, (*Photos).Text},
		{"photos.csv", nil, (*Photos).CSV},
		{"photos.json", nil, (*Photos).JSON},
	} {
		t.Run(test.file, func(t *testing.T) {
			var b bytes.Buffer
			if err := test.write(&Photos{People: each(people()), Only: test.only}, &b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", test.file)
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Error(diff)
			}
			if bytes.ContainsAny(b.Bytes(), "\x1b") || bytes.Contains(b.Bytes(), []byte("\u202e")) {
				t.Error("control characters come through")
			}
		})
	}
}

// TestPhotosShown: who is shown with each choice, and that the counts are always of everybody.
func TestPhotosShown(t *testing.T) {
	for _, c := range []struct {
		only []PhotoState
		want string
	}{
		{nil, "u1 u2 u3 u4 u5 u6 u7 u10"},
		{[]PhotoState{PhotoLow}, "u4"},
		{[]PhotoState{PhotoMissing}, "u5"},
		{[]PhotoState{PhotoBroken}, "u3 u6"},
		{[]PhotoState{PhotoLow, PhotoMissing}, "u4 u5"},
	} {
		p := &Photos{People: each(people()), Only: c.only}
		var asJSON, asCSV bytes.Buffer
		if err := errors.Join(p.JSON(&asJSON), p.CSV(&asCSV)); err != nil {
			t.Fatal(err)
		}
		var read struct {
			Photos  []jsonPhoto
			Summary jsonPhotoSummary
		}
		if err := json.Unmarshal(asJSON.Bytes(), &read); err != nil {
			t.Fatal(err)
		}
		var fromJSON, fromCSV []string
		for _, r := range read.Photos {
			fromJSON = append(fromJSON, r.User)
		}
		lines, err := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(asCSV.Bytes(), []byte("\ufeff")))).ReadAll()
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range lines[1:] {
			fromCSV = append(fromCSV, line[0])
		}
		if j, s := strings.Join(fromJSON, " "), strings.Join(fromCSV, " "); j != c.want || s != c.want {
			t.Errorf("%v: %s, %s, want %s", c.only, j, s, c.want)
		}
		want := PhotoCounts{PhotoGood: 3, PhotoLow: 1, PhotoBroken: 1, PhotoMissing: 1, PhotoUnread: 2}
		if diff := cmp.Diff(want, read.Summary.States); diff != "" || read.Summary.People != 8 || read.Summary.Disabled != 1 || read.Summary.Faulty != 1 || len(read.Summary.OUs) != 3 {
			t.Errorf("%v: %+v %s", c.only, read.Summary, diff)
		}
	}
}

// TestPhotosFail: an error of the source or of the output ends it, and is told.
func TestPhotosFail(t *testing.T) {
	lost := errors.New("lost")
	failing := &Photos{People: func(yield func(photopush.UserRecord, error) bool) {
		if yield(people()[0], nil) {
			yield(photopush.UserRecord{}, lost)
		}
	}}
	whole := &Photos{People: each(people())}
	for name, write := range map[string]func(*Photos, io.Writer) error{"text": (*Photos).Text, "csv": (*Photos).CSV, "json": (*Photos).JSON} {
		if err := write(failing, io.Discard); !errors.Is(err, lost) {
			t.Errorf("%s: %v", name, err)
		}
		if err := write(whole, closed{lost}); !errors.Is(err, lost) {
			t.Errorf("%s into what is closed: %v", name, err)
		}
	}
	if _, err := failing.Summary(); !errors.Is(err, lost) {
		t.Error(err)
	}
}

// A closed output takes nothing.
type closed struct{ err error }

func (c closed) Write([]byte) (int, error) { return 0, c.err }

// TestUnits: the domain is told where there are several.
func TestUnits(t *testing.T) {
	sum := PhotoSummary{OUs: map[string]PhotoCounts{"OU=B,OU=A,DC=corp,DC=example": nil, "DC=corp,DC=example": nil, `OU=x\, y,DC=corp,DC=example`: nil}}
	for _, want := range []string{"A/B|corp.example|x, y", "corp.example|corp.example/A/B|corp.example/x, y|lab.example/A/B"} {
		var names []string
		for _, u := range sum.units() {
			names = append(names, u.name)
		}
		if got := strings.Join(names, "|"); got != want {
			t.Errorf("%s, want %s", got, want)
		}
		sum.OUs["OU=B,OU=A,DC=lab,DC=example"] = nil
	}
}

func TestPhotoSummary(t *testing.T) {
	for want, n := range map[string]int{"0 people": 0, "1 person: 1 good": 1} {
		s, err := (&Photos{People: each(people()[:n])}).Summary()
		if err != nil || s.String() != want {
			t.Errorf("%s, %v, want %s", s, err, want)
		}
	}
}

// TestPhotosStream: memory does not grow with the people.
func TestPhotosStream(t *testing.T) {
	const n, part = 50_000, 10_000
	var held []uint64
	all := people()
	p := &Photos{People: func(yield func(photopush.UserRecord, error) bool) {
		held = nil
		for i := range n {
			u := all[i%len(all)]
			u.AccountName = fmt.Sprintf("user-%d", i)
			if i%part == part-1 {
				var m runtime.MemStats
				runtime.GC()
				runtime.ReadMemStats(&m)
				held = append(held, m.HeapAlloc)
			}
			if !yield(u, nil) {
				return
			}
		}
	}}
	for name, write := range map[string]func(io.Writer) error{"text": p.Text, "csv": p.CSV, "json": p.JSON} {
		if err := write(io.Discard); err != nil {
			t.Fatal(err)
		}
		if len(held) != n/part || held[len(held)-1] > held[0]+2<<20 { // a row kept for each would be some 20 MB
			t.Errorf("%s: bytes held after each %d people: %v", name, part, held)
		}
	}
}
