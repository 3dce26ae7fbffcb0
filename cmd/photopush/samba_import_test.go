//go:build linux

package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
)

// A sambaImport is a real directory of people, and a folder with photos for them: a badge each, so that the pixels tell whose photo somebody has.
type sambaImport struct {
	*sambaCompany
	folder string
	people int
	want   map[string]uint32 // by account, whose number is to be in the photo after the import
}

// Of the people of a sambaImport, these many have files that are odd.
const (
	sambaImportPeople = 200
	brokenFiles       = 5
	doubleFiles       = 5
	withoutFile       = 5
)

func newSambaImport(t testing.TB, people int) *sambaImport {
	t.Helper()
	s := &sambaImport{people: people, folder: t.TempDir(), want: map[string]uint32{},
		sambaCompany: &sambaCompany{Company: &lab.Company{}, domain: sambalab.New(t), dir: t.TempDir()}}
	s.domain.Shell(sambalab.Recipe(t, "../../docs/least-privilege.md", "write"))
	s.domain.SetPassword("CN=svc-photo,"+sambalab.ServiceOU, "lab-Photo-1")
	ca, err := simwin.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	s.writeFile(t, "ca.pem", string(ca.PEM()))
	s.writeFile(t, "work-password", "x\n")
	s.writeFile(t, "photo-password", "lab-Photo-1\n")
	s.ConfigFile = s.writeConfig(t, "photopush.yaml", "ldaps://"+s.domain.IP, s.domain.PasswordFile, // its DNS server dies with it
		"timeout: 5s", "writer:", "  bind_user: svc-photo@corp.example", "  password_file: photo-password")
	var users []sambalab.User
	for i := range s.people {
		u := sambalab.User{Name: fmt.Sprintf("u%d", 2001+i), Attributes: map[string][]string{"displayName": {fmt.Sprintf("Person %d", 2001+i)}}}
		if i%2 == 0 {
			u.Photo = badge.JPEG(uint32(9000+i), 96, 96, 80)
		}
		users = append(users, u)
	}
	s.domain.AddUsers(users...)
	return s
}

// files fills the folder.
func (s *sambaImport) files(t *testing.T) {
	t.Helper()
	put := func(name string, b []byte) {
		if err := os.WriteFile(filepath.Join(s.folder, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for i := range s.people {
		account, number := fmt.Sprintf("u%d", 2001+i), uint32(2001+i)
		switch {
		case i < brokenFiles:
			put(account+".jpg", badge.JPEG(number, 200, 200, 85)[:2000])
			continue
		case i < brokenFiles+doubleFiles:
			put(account+".jpg", badge.JPEG(number, 200, 200, 85))
			put(strings.ToUpper(account)+".png", badge.JPEG(number, 200, 200, 85))
			continue
		case i < brokenFiles+doubleFiles+withoutFile:
			put(fmt.Sprintf("nobody%d.jpg", i), badge.JPEG(number, 100, 100, 85))
			continue
		}
		name, content := importPhoto(i, account, number)
		put(name, content)
		s.want[account] = number
	}
}

// importPhoto is the i-th photo: one of each kind in turn.
func importPhoto(i int, account string, number uint32) (name string, content []byte) {
	switch i % 10 {
	case 0, 1, 2:
		orientation := []int{3, 6, 8}[i%10]
		return account + ".jpg", withOrientation(turned(badge.Draw(number, 300, 300), orientation), orientation)
	case 3, 4:
		return strings.ToUpper(account) + ".PNG", alphaBadge(number)
	case 5:
		return account + ".jpeg", noisyJPEG(number, 900) // far more than a directory takes
	case 6:
		if i == 16 { // 20 megapixels
			return account + ".jpg", badge.JPEG(number, 4500, 4500, 85)
		}
	}
	return account + ".jpg", badge.JPEG(number, 240, 240, 85)
}

// turned is a picture as a camera stores it whose EXIF data say how it is to be seen.
func turned(m image.Image, orientation int) image.Image {
	side := m.Bounds().Dx() - 1
	out := image.NewRGBA(m.Bounds())
	for y := range side + 1 {
		for x := range side + 1 {
			c := m.At(x, y)
			switch orientation {
			case 3:
				out.Set(side-x, side-y, c)
			case 6:
				out.Set(y, side-x, c)
			case 8:
				out.Set(side-y, x, c)
			}
		}
	}
	return out
}

func encodeJPEG(m image.Image, quality int) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, &jpeg.Options{Quality: quality}); err != nil {
		panic(err) // into memory: never
	}
	return b.Bytes()
}

// withOrientation is a JPEG with an EXIF segment that says its orientation.
func withOrientation(m image.Image, orientation int) []byte {
	plain := encodeJPEG(m, 90)
	exif := []byte("Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00")
	exif[24] = byte(orientation)
	return bytes.Join([][]byte{plain[:2], {0xff, 0xe1, 0, byte(len(exif) + 2)}, exif, plain[2:]}, nil)
}

// alphaBadge has a transparent border outside of the badge's grid.
func alphaBadge(number uint32) []byte {
	from := badge.Draw(number, 200, 200)
	m := image.NewNRGBA(from.Bounds())
	for y := range 200 {
		for x := range 200 {
			m.Set(x, y, from.At(x, y))
			if x < 10 || x >= 190 {
				m.Set(x, y, color.NRGBA{})
			}
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		panic(err) // into memory: never
	}
	return b.Bytes()
}

// noisyJPEG hardly shrinks.
func noisyJPEG(number uint32, side int) []byte {
	m, ok := badge.Draw(number, side, side).(*image.RGBA)
	if !ok {
		panic("badge.Draw gives another picture")
	}
	r := rand.New(rand.NewPCG(1, uint64(number)))
	for i := range m.Pix {
		if i%4 != 3 {
			m.Pix[i] = uint8(min(255, max(0, int(m.Pix[i])+r.IntN(60)-30)))
		}
	}
	return encodeJPEG(m, 97)
}

// An importResult is what import --format json says.
type importResult struct {
	Run    string         `json:"run"`
	Counts map[string]int `json:"counts"`
	Rows   []struct {
		Status string `json:"status"`
		User   string `json:"user"`
		Bytes  int    `json:"bytes"`
		Width  int    `json:"width"`
	} `json:"rows"`
}

func (s *sambaImport) run(t *testing.T, code int, args ...string) (result importResult) {
	t.Helper()
	r := built(t, s.ConfigFile, append([]string{"import", s.folder, "--format", "json"}, args...)...)
	if r.code != code {
		t.Fatalf("photopush import %v ends with %d: %s", args, r.code, r.stderr)
	}
	if err := json.Unmarshal([]byte(r.stdout), &result); err != nil {
		t.Fatalf("%v: %.300s", err, r.stdout)
	}
	return result
}

// photos are everybody's photos as the program exports them.
func (s *sambaImport) photos(t *testing.T) map[string][]byte {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "export")
	mustBuilt(t, s.ConfigFile, "export", dir)
	files, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	photos := map[string][]byte{}
	for _, f := range files {
		b, err := os.ReadFile(filepath.Join(dir, f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		photos[strings.TrimSuffix(f.Name(), filepath.Ext(f.Name()))] = b
	}
	return photos
}

// judge fails the test unless everybody who has a file has the photo of his number, upright, and everybody else the photo he had.
func (s *sambaImport) judge(t *testing.T, before, now map[string][]byte) {
	t.Helper()
	for i := range s.people {
		account := fmt.Sprintf("u%d", 2001+i)
		number, ok := s.want[account]
		if !ok {
			if !bytes.Equal(before[account], now[account]) {
				t.Errorf("%s has no file, and another photo", account)
			}
			continue
		}
		m, err := jpeg.Decode(bytes.NewReader(now[account]))
		if err != nil {
			t.Errorf("%s: %v", account, err)
			continue
		}
		if got, ok := badge.Read(m); !ok || got != number || len(now[account]) > 102_400 {
			t.Errorf("%s has the photo of %d, %t, %d bytes", account, got, ok, len(now[account]))
		}
	}
}

// TestSambaImport brings 200 mixed photos into a real directory: preview, skip, fit, a domain controller that is killed in the middle, and undo.
func TestSambaImport(t *testing.T) {
	s := newSambaImport(t, sambaImportPeople)
	s.files(t)
	before := s.photos(t)
	good := len(s.want)
	preview := s.run(t, 0)
	odd := map[string]int{"unusable": brokenFiles, "ambiguous": 2 * doubleFiles, "no user": withoutFile, "no file": withoutFile}
	want := map[string]int{"write": good}
	for status, n := range odd {
		want[status] = n
	}
	if diff := cmp.Diff(want, preview.Counts); diff != "" {
		t.Fatalf("preview: -want +got\n%s", diff)
	}
	for _, r := range preview.Rows {
		if r.Status == "write" && (r.Bytes > 102_400 || r.Width > 648) {
			t.Errorf("%s would get %d bytes, %d px", r.User, r.Bytes, r.Width)
		}
	}
	if diff := cmp.Diff(before, s.photos(t)); diff != "" {
		t.Fatal("the preview has changed something")
	}

	skipped := s.run(t, 4, "--skip-existing", "--yes")
	withPhoto := 0
	for account := range s.want {
		if before[account] != nil {
			withPhoto++
		}
	}
	if withPhoto == 0 || skipped.Counts["written"] != good-withPhoto {
		t.Fatalf("with --skip-existing: %v", skipped.Counts)
	}
	s.killedImport(t)
	last := s.run(t, 4, "--yes")
	if last.Counts["written"]+last.Counts["same"] != good || last.Counts["same"] < skipped.Counts["written"] {
		t.Errorf("after the controller was killed: %v", last.Counts)
	}
	s.judge(t, before, s.photos(t))
	if again := s.run(t, 4, "--yes"); again.Counts["same"] != good || again.Run != "" {
		t.Errorf("a second time: %v", again.Counts)
	}

	var runs []runResult
	if err := json.Unmarshal([]byte(mustBuilt(t, s.ConfigFile, "import", "--runs", "--format", "json").stdout), &runs); err != nil {
		t.Fatal(err)
	}
	written := 0
	for _, r := range runs {
		written += r.Written
		if r.KeptUntil != nil {
			mustBuilt(t, s.ConfigFile, "import", "--undo", r.Run, "--yes")
		}
	}
	if len(runs) != 3 || written > good {
		t.Errorf("%d runs have written %d photos, want 3 and at most %d", len(runs), written, good)
	}
	if diff := cmp.Diff(before, s.photos(t)); diff != "" {
		t.Errorf("after undoing every run the photos are others than before:\n%.500s", diff)
	}
	summary.Line(t, "import of %d mixed photos into Samba: preview, --skip-existing, fit, a domain controller killed in the middle, undo: every photo right, none written twice", good)
}

// killedImport kills the domain controller in the middle of an import, and starts it again.
func (s *sambaImport) killedImport(t *testing.T) {
	t.Helper()
	program, err := buildProgram()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--config", s.ConfigFile, "import", s.folder, "--yes")
	start(t, cmd)
	ended := make(chan int, 1)
	go func() { ended <- wait(t, cmd) }()
	for deadline := time.Now().Add(time.Minute); s.outcomes(t) < 20; {
		if time.Now().After(deadline) {
			t.Fatal("the import does not get on")
		}
		time.Sleep(time.Millisecond) // polling; nothing depends on its length
	}
	s.domain.Kill()
	if code := <-ended; code != exitDirectory {
		t.Errorf("without a domain controller the import ends with %d, want %d", code, exitDirectory)
	}
	s.domain.Start()
}

// outcomes counts the changes that the newest run's file tells the end of.
func (s *sambaImport) outcomes(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(s.dir, "imports", "*.journal"))
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 2 {
		return 0
	}
	b, err := os.ReadFile(files[len(files)-1])
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Count(b, []byte(` {"outcome":`))
}
