package pictures

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/filematch"
	"github.com/photopush/photopush/photo"
)

// Config is the section pictures of the configuration.
type Config struct {
	Rule      `yaml:",inline"`
	CacheSize photopush.Bytes `yaml:"cache_size" default:"64 MiB" help:"Memory for picture sets that may be needed again; a set is 100 to 400 KB. At least 1 MiB."`
}

// A Rule says which photo of a user is used.
type Rule struct {
	Sources   []string     `yaml:"sources" default:"[jpegPhoto, thumbnailPhoto]" help:"Attributes of the directory that hold photos, in the order in which they are looked at; one that is left out is not read."`
	Prefer    Preference   `yaml:"prefer" default:"larger" help:"Which of several photos is used: larger (the one with the most pixels, of equals the first) or first (in the order of sources, files before all). One that cannot be decoded is passed over."`
	Originals FolderConfig `yaml:"originals" help:"A folder of files as a better source of photos. A file that is added, replaced or removed is noticed at the next pass."`
}

// A FolderConfig names a folder of photos, and says whose each file is.
type FolderConfig struct {
	Folder string `yaml:"folder" help:"Folder with the files, not those in folders below it; links are not followed. JPEG, PNG, GIF, BMP and WebP of up to 32 MiB, by their usual extensions. Empty for none." example:"/srv/photos"`
	Match  string `yaml:"match" default:"{sAMAccountName}" help:"Name of a user's file, in capitals or not, with {sAMAccountName}, {userPrincipalName}, {objectSid}, {objectGUID} or {domain} in braces. Without an extension, or with .* for it, any will do; all files that fit are looked at."`
}

const minCacheSize = 1 << 20

// attributes are those that hold photos.
var attributes = []string{"jpegPhoto", "thumbnailPhoto"}

// Validate reports every fault; path is the key of the section.
func (c *Config) Validate(path string) error {
	errs := []error{c.Rule.Validate(path)}
	if c.CacheSize < minCacheSize {
		errs = append(errs, fmt.Errorf("%s.cache_size is %s, want at least 1 MiB", path, c.CacheSize))
	}
	return errors.Join(errs...)
}

// Validate reports every fault; path is the key of the section.
func (r *Rule) Validate(path string) error {
	var errs []error
	for i, s := range r.Sources {
		switch {
		case !slices.Contains(attributes, s):
			errs = append(errs, fmt.Errorf("%s.sources[%d] is %q, want jpegPhoto or thumbnailPhoto", path, i, s))
		case slices.Contains(r.Sources[:i], s):
			errs = append(errs, fmt.Errorf("%s.sources[%d] is %q, which stands there already", path, i, s))
		}
	}
	if len(r.Sources) == 0 && r.Originals.Folder == "" {
		errs = append(errs, fmt.Errorf("%s.sources is empty, want jpegPhoto, thumbnailPhoto or both; it may be empty only where originals.folder is set", path))
	}
	if r.Prefer != Larger && r.Prefer != First {
		errs = append(errs, fmt.Errorf("%s.prefer is %q, want larger or first", path, string(r.Prefer)))
	}
	if _, err := r.Originals.pattern(); err != nil {
		errs = append(errs, fmt.Errorf("%s.originals.match is %q, %w", path, r.Originals.Match, err))
	}
	return errors.Join(errs...)
}

// CheckFiles reports whether the folder can be read; path is the key of the section.
func (r *Rule) CheckFiles(path string) error {
	folder, err := NewFolder(r.Originals)
	if folder == nil || err != nil {
		return nil // a fault of the pattern is told by Validate
	}
	if err := folder.List(context.Background()); err != nil {
		return fmt.Errorf("%s.originals.folder: %w", path, err)
	}
	return nil
}

// OfSeveralDomains reports whether a file could be taken for those of two people with the same account name; path is the key of the section.
func (r *Rule) OfSeveralDomains(path string) error {
	p, err := r.Originals.pattern()
	if err != nil || r.Originals.Folder == "" || slices.ContainsFunc(p.Attributes(), func(a string) bool { return !strings.EqualFold(a, "sAMAccountName") }) {
		return nil
	}
	return fmt.Errorf("%s.originals.match is %q, which is the same for two people of different domains, want {userPrincipalName}, {objectSid}, {objectGUID} or {domain} in it", path, r.Originals.Match)
}

// Name is another one whenever another photo may be chosen of the same: 16 hex digits.
func (r *Rule) Name() string {
	h := sha256.New()
	fmt.Fprintf(h, "%q %q %q %q", r.Sources, r.Prefer, r.Originals.Folder, r.Originals.Match)
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// where says where photos are looked for, in an error of a user who has none.
func (r *Rule) where() string {
	var text string
	switch len(r.Sources) {
	case 0:
		return "there is no file of his in " + r.Originals.Folder
	case 1:
		text = r.Sources[0] + " has no value"
	default:
		text = "neither " + strings.Join(r.Sources, " nor ") + " has a value"
	}
	if r.Originals.Folder != "" {
		text += ", and there is no file of his in " + r.Originals.Folder
	}
	return text
}

// pattern is Match, if it names nothing that a user does not have here.
func (c *FolderConfig) pattern() (*filematch.Pattern, error) {
	p, err := filematch.Parse(c.Match)
	if err != nil {
		return nil, err
	}
	for _, a := range p.Attributes() {
		if _, ok := attribute(photopush.User{}, a); !ok {
			return nil, fmt.Errorf("which names {%s}, want {sAMAccountName}, {userPrincipalName}, {objectSid}, {objectGUID} or {domain}", a)
		}
	}
	if e := p.Extension(); e != "" && !photo.IsExtension(e) {
		return nil, fmt.Errorf("which ends with %s, want the extension of a JPEG, PNG, GIF, BMP or WebP, or none for any", strings.ToLower(e))
	}
	return p, nil
}

// attribute is what a pattern names of a user; ok is false for a name that nothing has.
func attribute(u photopush.User, name string) (value string, ok bool) {
	switch strings.ToLower(name) {
	case "samaccountname":
		return u.AccountName, true
	case "userprincipalname":
		return u.UPN, true
	case "objectsid":
		return string(u.SID), true
	case "objectguid":
		return string(u.GUID), true
	case "domain":
		return u.Domain, true
	}
	return "", false
}
