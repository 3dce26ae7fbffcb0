package pictures

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/photopush/photopush"
)

func TestValidate(t *testing.T) {
	for want, change := range map[string]func(c *Config){
		"":  func(*Config) {},
		" ": func(c *Config) { c.CacheSize = minCacheSize },
		"  ": func(c *Config) {
			c.Sources, c.Originals = nil, FolderConfig{Folder: "/srv", Match: "{DOMAIN}_{samaccountname}_{userPrincipalName}_{objectSid}_{objectGUID}.JPG"}
		},
		"pictures.cache_size is 1048575 B, want at least 1 MiB": func(c *Config) { c.CacheSize = minCacheSize - 1 },
		"pictures.cache_size is 0 B, want at least 1 MiB":       func(c *Config) { c.CacheSize = 0 },
		"pictures.cache_size is 512 KiB, want at least 1 MiB":   func(c *Config) { c.CacheSize = 512 << 10 },
		`pictures.sources[1] is "thumbnailphoto", want jpegPhoto or thumbnailPhoto`: func(c *Config) {
			c.Sources = []string{"jpegPhoto", "thumbnailphoto"}
		},
		`pictures.sources[1] is "jpegPhoto", which stands there already`:                                                        func(c *Config) { c.Sources = []string{"jpegPhoto", "jpegPhoto"} },
		"pictures.sources is empty, want jpegPhoto, thumbnailPhoto or both; it may be empty only where originals.folder is set": func(c *Config) { c.Sources = nil },
		`pictures.prefer is "largest", want larger or first`:                                                                    func(c *Config) { c.Prefer = "largest" },
		`pictures.originals.match is "photo.jpg", it names no attribute, want one in braces, such as {sAMAccountName}.jpg`: func(c *Config) {
			c.Originals.Match = "photo.jpg"
		},
		`pictures.originals.match is "{mail}", which names {mail}, want {sAMAccountName}, {userPrincipalName}, {objectSid}, {objectGUID} or {domain}`: func(c *Config) {
			c.Originals.Match = "{mail}"
		},
		`pictures.originals.match is "{sAMAccountName}.tiff", which ends with .tiff, want the extension of a JPEG, PNG, GIF, BMP or WebP, or none for any`: func(c *Config) {
			c.Originals.Match = "{sAMAccountName}.tiff"
		},
		"pictures.prefer is \"\", want larger or first\npictures.cache_size is 0 B, want at least 1 MiB": func(c *Config) { c.Prefer, c.CacheSize = "", 0 },
	} {
		c := Config{Rule: defaultRule, CacheSize: 64 << 20}
		change(&c)
		got := ""
		if err := c.Validate("pictures"); err != nil {
			got = err.Error()
		}
		if got != strings.TrimSpace(want) {
			t.Errorf("%s, want %q", got, want)
		}
	}
}

func TestOfSeveralDomains(t *testing.T) {
	for match, fits := range map[string]bool{"{sAMAccountName}": false, "{SAMACCOUNTNAME}.jpg": false, "{domain}_{sAMAccountName}": true, "{userPrincipalName}": true} {
		r := Rule{Originals: FolderConfig{Folder: "/srv", Match: match}}
		if err := r.OfSeveralDomains("pictures"); (err == nil) != fits {
			t.Errorf("%s: %v", match, err)
		}
		if r.Originals.Folder = ""; r.OfSeveralDomains("pictures") != nil {
			t.Errorf("%s: without a folder it does not matter", match)
		}
	}
}

// TestName: whatever may make another choice has another name.
func TestName(t *testing.T) {
	names := map[string]int{}
	for i, change := range []func(r *Rule){
		func(*Rule) {},
		func(r *Rule) { r.Prefer = First },
		func(r *Rule) { r.Sources = []string{"thumbnailPhoto", "jpegPhoto"} },
		func(r *Rule) { r.Sources = []string{"jpegPhoto"} },
		func(r *Rule) { r.Originals.Folder = "/srv" },
		func(r *Rule) { r.Originals.Match = "{userPrincipalName}" },
	} {
		r := defaultRule
		change(&r)
		if first, ok := names[r.Name()]; ok {
			t.Errorf("%d has the name of %d", i, first)
		}
		names[r.Name()] = i
	}
}

func TestCheckFiles(t *testing.T) {
	dir := t.TempDir()
	check := func(want string) {
		t.Helper()
		r := Rule{Originals: FolderConfig{Folder: filepath.Join(dir, "photos"), Match: "{sAMAccountName}"}}
		if got := fmt.Sprint(r.CheckFiles("pictures")); !strings.HasPrefix(got, want) {
			t.Errorf("%s, want %s", got, want)
		}
	}
	place := "pictures.originals.folder: list the photos in " + filepath.Join(dir, "photos") + ": internal: "
	check(place + "no such file or directory; see to it that ")
	if err := os.Mkdir(filepath.Join(dir, "photos"), 0o700); err != nil {
		t.Fatal(err)
	}
	check(place + "there is no photo in it; see to it that ")
	if err := os.WriteFile(filepath.Join(dir, "photos", "a.jpg"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	check("<nil>")
	if err := (&Rule{}).CheckFiles("pictures"); err != nil {
		t.Errorf("no folder: %v", err)
	}
}

func TestWhoHasNone(t *testing.T) {
	for _, c := range []struct {
		rule Rule
		want string
	}{
		{Rule{Sources: attributes}, "neither jpegPhoto nor thumbnailPhoto has a value"},
		{Rule{Sources: attributes[1:]}, "thumbnailPhoto has no value"},
		{Rule{Sources: attributes[:1], Originals: FolderConfig{Folder: "/srv"}}, "jpegPhoto has no value, and there is no file of his in /srv"},
		{Rule{Originals: FolderConfig{Folder: "/srv"}}, "there is no file of his in /srv"},
	} {
		_, err := c.rule.Choose(nil)
		if want := "choose photo: no_photo: " + c.want; photopush.ReasonOf(err) != photopush.NoPhoto || err.Error() != want {
			t.Errorf("%v, want %s", err, want)
		}
	}
}
