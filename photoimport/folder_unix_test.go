//go:build unix

package photoimport

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/text/unicode/norm"
)

// TestFolder: whose each file is, and what is said of those that are nobody's.
func TestFolder(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "cy", "jörg", "left", "a:b", "anna.maier", "anna")
	d.account("left").Enabled = false
	l := newLab(t, d)
	for i, name := range []string{"ADA.JPG", "deep/er/bob.jpeg", "cy.jpg", "other/cy.png", norm.NFD.String("jörg") + ".jpg", "a_b.jpg", "nobody.jpg", "anna.maier.jpg", ".hidden.jpg",
		".hidden/ada.jpg", "Thumbs.db", "notes.txt", "README"} {
		l.file(name, picture(uint32(i+1)))
	}
	must(t, os.Symlink(filepath.Join(l.folder, "ADA.JPG"), filepath.Join(l.folder, "left.jpg")))
	must(t, syscall.Mkfifo(filepath.Join(l.folder, "anna.jpg"), 0o600))
	p := l.plan(Request{})
	want := []string{
		"write: a:b a_b.jpg thumbnailPhoto", "write: ada ADA.JPG thumbnailPhoto", "write: anna.maier anna.maier.jpg thumbnailPhoto", "write: bob deep/er/bob.jpeg thumbnailPhoto",
		"write: jörg " + norm.NFD.String("jörg") + ".jpg thumbnailPhoto",
		"ambiguous: cy cy.jpg", "ambiguous: cy other/cy.png", "no user: nobody.jpg",
		"ignored: .hidden", "ignored: .hidden.jpg", "ignored: README", "ignored: Thumbs.db", "ignored: anna.jpg", "ignored: left.jpg", "ignored: notes.txt",
		"no file: anna",
	}
	if diff := cmp.Diff(want, told(p)); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if p.Files != 15 || p.People != 8 || !p.NeedsPerson() {
		t.Errorf("%d files, %d people, needs a person: %t", p.Files, p.People, p.NeedsPerson())
	}
}
