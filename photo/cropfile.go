package photo

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/photopush/photopush"
)

// Config is the section photo of the configuration.
type Config struct {
	Recipe   `yaml:",inline"`
	CropFile string `yaml:"crop_file" help:"CSV file of people whose photo is cut otherwise, a line each: u1001,top. The name is an account name, user principal name, DOMAIN\\account or SID; the crop auto, centre, top, or square:x:y:side in pixels of the upright photo. Read when photopush starts. Empty for nobody." example:"/etc/photopush/crops.csv"`
}

// CheckFiles reads the crop file and reports every fault in it; path is the key of the section, domains as for Recipes.
func (c *Config) CheckFiles(path string, domains []string) error {
	_, faults := c.readCrops(domains)
	for i := range faults {
		faults[i] = fmt.Errorf("%s.crop_file: %w", path, faults[i])
	}
	return errors.Join(faults...)
}

// Recipes reads the crop file, and reports every fault in it. A name before a backslash there is one of domains, or its first label.
func (c *Config) Recipes(domains []string) (*Recipes, error) {
	crops, faults := c.readCrops(domains)
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	return &Recipes{Recipe: c.Recipe, crops: crops}, nil
}

// Recipes are the recipe, and the crops of those who have one of their own.
type Recipes struct {
	Recipe Recipe // of everybody else
	crops  map[string]Crop
}

// For is the recipe by which the pictures of u are made. Of several lines that name him the one counts that names him most closely: by SID,
// by user principal name, with his domain, by account name alone.
func (r *Recipes) For(u photopush.User) Recipe {
	recipe := r.Recipe
	for _, name := range []string{string(u.SID), u.UPN, u.AccountName + "@" + u.Domain, u.Domain + `\` + u.AccountName, u.AccountName} {
		if c, ok := r.crops[strings.ToLower(name)]; ok {
			recipe.Crop = c
			break
		}
	}
	return recipe
}

// Name names the recipes of everybody together: another one says that somebody's pictures may be made otherwise.
func (r *Recipes) Name() string {
	h := sha256.New()
	io.WriteString(h, r.Recipe.Digest(nil))
	for _, name := range slices.Sorted(maps.Keys(r.crops)) {
		fmt.Fprintf(h, "%q %s\n", name, r.crops[name])
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// Bounds of the crop file, and of what is told of its faults.
const (
	maxCropFile   = 4 << 20 // bytes
	maxCropLines  = 50_000
	maxCropName   = 512 // bytes
	maxCropFaults = 100
)

// readCrops reads the file, when there is one. Each fault names file and line.
func (c *Config) readCrops(domains []string) (map[string]Crop, []error) {
	if c.CropFile == "" {
		return nil, nil
	}
	f, err := os.Open(c.CropFile)
	if err != nil {
		return nil, []error{err}
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxCropFile+1))
	if err != nil {
		return nil, []error{err}
	}
	return parseCrops(filepath.Clean(c.CropFile), data, domains)
}

// parseCrops reads the lines of a crop file; file is its name in faults. The names are in lower case in what it returns, and those with a
// domain have its DNS name.
func parseCrops(file string, data []byte, domains []string) (map[string]Crop, []error) {
	p := cropParser{file: file, domains: domains, crops: map[string]Crop{}, first: map[string]int{}}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	if len(data) > maxCropFile {
		return nil, []error{fmt.Errorf("%s has more than %d bytes", file, maxCropFile)}
	}
	for line := range bytes.Lines(data) {
		if p.line++; p.line > maxCropLines {
			p.fault("there are more than %d lines", maxCropLines)
			break
		}
		p.add(string(bytes.TrimRight(line, "\r\n")))
	}
	if more := p.count - len(p.faults); more > 0 {
		p.faults = append(p.faults, fmt.Errorf("%s has %d more faults", file, more))
	}
	return p.crops, p.faults
}

// A cropParser goes over the lines of a crop file, on after a fault.
type cropParser struct {
	file    string
	domains []string
	line    int
	crops   map[string]Crop
	first   map[string]int // the line in which a name stands
	faults  []error        // the first of them
	count   int            // all
}

func (p *cropParser) fault(format string, args ...any) {
	if p.count++; p.count <= maxCropFaults {
		p.faults = append(p.faults, fmt.Errorf("%s:%d: %w", p.file, p.line, fmt.Errorf(format, args...)))
	}
}

// add reads one line. Empty ones, those that begin with # and a headline say nothing.
func (p *cropParser) add(line string) {
	switch {
	case !utf8.ValidString(line) || strings.ContainsRune(line, 0):
		p.fault("this line is not UTF-8: save the file with that encoding")
		return
	case strings.TrimSpace(line) == "" || strings.HasPrefix(line, "#"):
		return
	}
	fields, err := csv.NewReader(strings.NewReader(line)).Read()
	if err != nil || len(fields) != 2 {
		p.fault("it is %q, want a name and a crop with a comma between, such as u1001,top", clip(line))
		return
	}
	name, text := strings.TrimSpace(fields[0]), strings.TrimSpace(fields[1])
	if p.line == 1 && strings.EqualFold(text, "crop") {
		return
	}
	key, err := p.name(name)
	if err != nil {
		p.fault("name is %q, %w", clip(name), err)
	}
	crop, cropErr := ParseCrop(text)
	if cropErr != nil {
		p.fault("%w", cropErr)
	}
	if err != nil || cropErr != nil {
		return
	}
	if first, ok := p.first[key]; ok {
		p.fault("%s stands here a second time, first in line %d: remove one of them", clip(name), first)
		return
	}
	p.first[key], p.crops[key] = p.line, crop
}

// name is the key of a name in one of the four forms.
func (p *cropParser) name(name string) (key string, err error) {
	key = strings.ToLower(name)
	domain, account, hasDomain := strings.Cut(key, `\`)
	switch {
	case name == "" || len(name) > maxCropName || strings.ContainsFunc(name, unicode.IsControl), hasDomain && (domain == "" || account == ""):
		return "", errors.New(`want an account name, a user principal name, DOMAIN\account or a SID`)
	case strings.HasPrefix(key, "s-1-") && !photopush.SID(strings.ToUpper(name)).IsAccount():
		return "", errors.New("want the SID of an account, S-1-5-21-…")
	case hasDomain:
		domain, err = p.domain(domain)
		return domain + `\` + account, err
	}
	return key, nil
}

// domain is the DNS name of the domain called name, in lower case. The directory is not asked: a NetBIOS name that is not the first label is
// not known here, and told, for a line that silently meant nobody would be worse.
func (p *cropParser) domain(name string) (string, error) {
	var found []string
	for _, d := range p.domains {
		d = strings.ToLower(d)
		label, _, _ := strings.Cut(d, ".")
		switch name {
		case d:
			return d, nil
		case label:
			found = append(found, d)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf(`want a domain of the configuration before the backslash, by its DNS name (%s) or that up to the first dot`, strings.Join(p.domains, ", "))
	}
	return "", fmt.Errorf("which domain is that? It may be %s: write the DNS name", strings.Join(found, " or "))
}
