package photoimport

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// export exports into a folder, and tells of each photo its file, and whether it was written.
func (l *lab) export(r ExportRequest) map[string]bool {
	l.t.Helper()
	if r.Attributes == nil {
		r.Attributes = []string{"thumbnailPhoto"}
	}
	if r.Match == "" {
		r.Match = "{sAMAccountName}"
	}
	files := map[string]bool{}
	must(l.t, l.Export(l.t.Context(), r, func(x Exported) error {
		if x.Err != nil && !errors.Is(x.Err, fs.ErrExist) && x.File != "" {
			l.t.Errorf("%s: %v", x.File, x.Err)
		}
		files[x.User.AccountName+" "+x.File] = x.Err == nil
		return nil
	}))
	return files
}

func TestExport(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "con", "../cy", "a:b", "a?b", "broken", "none")
	for i, a := range d.people[:6] {
		a.values["thumbnailPhoto"] = [][]byte{picture(uint32(i + 1))}
	}
	d.account("ada").values["jpegPhoto"] = [][]byte{picture(11), picture(12)}
	d.account("broken").values["thumbnailPhoto"] = values("no picture")
	d.account("bob").DisplayName = "Ada"
	l := newLab(t, d)
	folder := filepath.Join(t.TempDir(), "new")
	want := map[string]bool{"ada ada.jpg": true, "bob bob.jpg": true, "con _con.jpg": true, "../cy __cy.jpg": true, "a:b a_b.jpg": true, "a?b a_b=person2.jpg": true, "broken broken.bin": true}
	if diff := cmp.Diff(want, l.export(ExportRequest{Folder: folder})); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if b, err := os.ReadFile(filepath.Join(folder, "__cy.jpg")); err != nil || string(b) != d.photo("../cy", "thumbnailPhoto") {
		t.Errorf("%d bytes, %v", len(b), err)
	}

	// An import finds them again, but for the two that are alike.
	p := l.plan(Request{Source: folder})
	if p.Count(Same) != 4 || p.Count(Ambiguous) != 1 || p.Count(Write) != 0 {
		t.Errorf("imported again: %q", told(p))
	}

	// What is there is left, unless it is forced; a link in the place of a file is replaced, not followed.
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("precious"), 0o600))
	must(t, os.Remove(filepath.Join(folder, "bob.jpg")))
	must(t, os.Symlink(outside, filepath.Join(folder, "bob.jpg")))
	for name, written := range l.export(ExportRequest{Folder: folder}) {
		if written {
			t.Errorf("%s was replaced", name)
		}
	}
	for name, written := range l.export(ExportRequest{Folder: folder, Force: true}) {
		if !written {
			t.Errorf("%s was not replaced", name)
		}
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "precious" {
		t.Errorf("outside the folder is %q, %v", b, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != len(want) {
		t.Errorf("%d files, %v", len(entries), err)
	}

	both := l.export(ExportRequest{Folder: t.TempDir(), Attributes: []string{"thumbnailPhoto", "jpegPhoto"}, Match: "{displayName}.*"})
	for _, name := range []string{"ada thumbnailPhoto/ADA.jpg", "bob thumbnailPhoto/Ada=person2.jpg", "ada jpegPhoto/ADA.jpg", "ada jpegPhoto/ADA=value2.jpg"} {
		if !both[name] {
			t.Errorf("%s is missing: %v", name, both)
		}
	}
	if got := l.export(ExportRequest{Folder: t.TempDir(), Match: "{employeeID}"}); got["ada "] || len(got) != 7 {
		t.Errorf("without the attribute: %v", got)
	}
}

func TestExportRefuses(t *testing.T) {
	l := newLab(t, newDomain("corp.example", "ada"))
	file := filepath.Join(l.folder, "file")
	must(t, os.WriteFile(file, nil, 0o600))
	for _, r := range []ExportRequest{{Folder: l.folder, Match: "x"}, {Folder: l.folder, Match: "{mail}.jpg"}, {Folder: file, Match: "{mail}"}} {
		err := l.Export(t.Context(), r, func(Exported) error { return nil })
		if _, ok := errors.AsType[*SourceError](err); !ok {
			t.Errorf("%+v: %v", r, err)
		}
	}
	stop := errors.New("stop")
	l.Domains[0].(*domain).account("ada").values["thumbnailPhoto"] = values("x")
	if err := l.Export(t.Context(), ExportRequest{Folder: l.folder, Attributes: []string{"thumbnailPhoto"}, Match: "{sAMAccountName}"}, func(Exported) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("got %v", err)
	}
	for match, want := range map[string]string{"{a}.jpg": "{a}", "{a}.*": "{a}.*", "{a}": "{a}", "x": "x"} {
		if got := ExportName(match); got != want {
			t.Errorf("%s is %s, want %s", match, got, want)
		}
	}
}

func TestValidate(t *testing.T) {
	c := config()
	must(t, c.Validate("import"))
	bad := Config{Attributes: []string{"photo", "jpegPhoto", "jpegPhoto"}, Match: "x", Size: 95, ThumbnailBytes: 102_401, JPEGPhotoSize: 4097, JPEGPhotoBytes: 1, Jobs: 5, KeepUndo: 1}
	want := `import.attributes[0] is "photo", want thumbnailPhoto or jpegPhoto
import.attributes[2] is "jpegPhoto", which stands there already
import.match is "x": it names no attribute, want one in braces, such as {sAMAccountName}.jpg
import.size is 95, want 96 to 2048
import.jpeg_photo_size is 4097, want 96 to 4096
import.jobs is 5, want 1 to 4
import.thumbnail_bytes is 102401 B, want 4 KiB to 100 KiB
import.jpeg_photo_bytes is 1 B, want 4 KiB to 4 MiB
import.keep_undo is 1ns, want 1h to 87600h`
	if err := bad.Validate("import"); err == nil || err.Error() != want {
		t.Errorf("got\n%v\nwant\n%s", err, want)
	}
	if err := (&Config{Match: "{a}", Size: 96, ThumbnailBytes: 4096, JPEGPhotoSize: 96, JPEGPhotoBytes: 4096, Jobs: 1, KeepUndo: time.Hour}).Validate("import"); err == nil {
		t.Error("no attribute was taken")
	}
}

// TestExportNamesNobodyElse: files of further values, and of people whose names are alike, have names that an import takes for nobody's, whoever comes first, whoever
// comes later, and whatever people are called.
func TestExportNamesNobodyElse(t *testing.T) {
	d := newDomain("corp.example", "svc", "svc_2", "o:x", "o?x", "marked")
	d.account("svc").values["thumbnailPhoto"] = [][]byte{picture(1), picture(2), picture(3)}
	for i, name := range []string{"o:x", "o?x", "marked"} {
		d.account(name).values["thumbnailPhoto"] = [][]byte{picture(uint32(i + 4))}
	}
	for _, a := range d.people {
		a.texts["cn"] = []string{a.AccountName}
	}
	d.account("marked").texts["cn"] = []string{"SVC=Value2"} // as an account cannot be called
	for _, test := range []struct{ match, marked string }{{"{sAMAccountName}", "marked"}, {"{cn}", "SVC=Value2_"}} {
		want := map[string]bool{"svc svc.jpg": true, "svc svc=value2.jpg": true, "svc svc=value3.jpg": true, "o:x o_x.jpg": true, "o?x o_x=person2.jpg": true,
			"marked " + test.marked + ".jpg": true}
		for range 2 {
			l := newLab(t, d)
			folder := t.TempDir()
			if diff := cmp.Diff(want, l.export(ExportRequest{Folder: folder, Match: test.match})); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			late := newDomain("late.example", "svc=value3", "o_x=person2")
			for _, a := range late.people {
				a.texts["cn"] = []string{a.AccountName}
			}
			l.Domains = append(l.Domains, late)
			for _, extension := range []string{"", ".*", ".jpg"} {
				l.Config.Match = test.match + extension
				got := slices.DeleteFunc(told(l.plan(Request{Source: folder})), func(row string) bool { return strings.HasPrefix(row, "no file:") })
				want := []string{"write: svc svc.jpg thumbnailPhoto", "same: marked " + test.marked + ".jpg thumbnailPhoto", "ambiguous: o_x.jpg",
					"ignored: o_x=person2.jpg", "ignored: svc=value2.jpg", "ignored: svc=value3.jpg"} // of svc's values an import keeps one
				if diff := cmp.Diff(want, got); diff != "" {
					t.Errorf("%s: -want +got\n%s", l.Config.Match, diff)
				}
			}
			slices.Reverse(d.people)
		}
	}
}
