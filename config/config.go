// Package config holds the configuration as a whole: one YAML file, read strictly, with every fault reported at once and with its
// line. The sections belong to the rooms, which declare their settings, defaults and rules beside the code that uses them; this
// package puts them together, and makes the sample file and the manual page out of the same declarations.
package config

import (
	"errors"
	"fmt"
	"strings"

	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/directory"
	"github.com/photopush/photopush/gss"
	"github.com/photopush/photopush/jobs"
	"github.com/photopush/photopush/photo"
	"github.com/photopush/photopush/photoimport"
	"github.com/photopush/photopush/pictures"
	"github.com/photopush/photopush/server"
	"github.com/photopush/photopush/store"
	"github.com/photopush/photopush/want"
	"github.com/photopush/photopush/winrm"
)

// A Config is what the file says, with defaults where it says nothing. It has been validated.
type Config struct {
	Database store.Config           `yaml:"database" help:"Where photopush remembers what is where."`
	Domains  []Domain               `yaml:"domains" help:"The domains to care for: whom and which computers, and how to reach them."`
	Photo    photo.Config           `yaml:"photo" help:"How pictures are made from a photo. Another recipe makes other pictures: every workstation gets them anew. photopush variants shows what a recipe makes of somebody's photo."`
	Policy   want.Policy            `yaml:"policy" help:"Who gets a picture where, as far as that is a matter of choice."`
	Pictures pictures.Config        `yaml:"pictures" help:"Which photo of a user is used, and the memory that holds pictures between making and pushing them."`
	Import   photoimport.Config     `yaml:"import" help:"How photopush import makes photos for the directory, and for how long it can be undone."`
	Registry accountpicture.Options `yaml:"registry" help:"How account pictures are written to the registry of a workstation."`
	Jobs     jobs.Config            `yaml:"jobs" help:"When workstations are visited, and how many at once."`
	Server   server.Config          `yaml:"server" help:"What photopush serve answers over HTTP."`
}

// A Domain is one Active Directory domain and its workstations.
type Domain struct {
	directory.Config `yaml:",inline"`
	Kerberos         gss.KerberosConfig `yaml:"kerberos" help:"Where tickets come from."`
	WinRM            winrm.Config       `yaml:"winrm" help:"How the workstations of this domain are reached."`
}

// Validate reports every fault of the domain; path is its place in the configuration.
func (d *Domain) Validate(path string) error {
	return errors.Join(d.Config.Validate(path), d.Kerberos.Validate(path+".kerberos"), d.WinRM.Validate(path+".winrm"))
}

// checkFiles asks every section that names files for those that will not do.
func (c *Config) checkFiles() error {
	errs := []error{c.Photo.CheckFiles("photo", c.domainNames()), c.Pictures.CheckFiles("pictures")}
	for i := range c.Domains {
		d, path := &c.Domains[i], fmt.Sprintf("domains[%d]", i)
		errs = append(errs, d.Config.CheckFiles(path), d.Kerberos.CheckFiles(path+".kerberos"), d.WinRM.CheckFiles(path+".winrm"))
	}
	return errors.Join(errs...)
}

// Recipes reads the crop file. The error reports every fault in it.
func (c *Config) Recipes() (*photo.Recipes, error) { return c.Photo.Recipes(c.domainNames()) }

func (c *Config) domainNames() []string {
	names := make([]string, len(c.Domains))
	for i := range c.Domains {
		names[i] = c.Domains[i].Name
	}
	return names
}

// validate asks every section, and checks what no section can see alone.
func (c *Config) validate() error {
	errs := []error{
		c.Database.Validate("database"),
		c.validateDomains(),
		c.Photo.Validate("photo"),
		c.Policy.Validate("policy"),
		c.Pictures.Validate("pictures"),
		c.Import.Validate("import"),
		c.Registry.Validate("registry"),
		c.Jobs.Validate("jobs"),
		c.Server.Validate("server"),
	}
	if len(c.Domains) > 1 {
		errs = append(errs, c.Pictures.OfSeveralDomains("pictures"))
	}
	return errors.Join(errs...)
}

func (c *Config) validateDomains() error {
	if len(c.Domains) == 0 {
		return errors.New("domains is empty, want at least one domain; `photopush config example` prints a file to start from")
	}
	var errs []error
	first := make(map[string]int, len(c.Domains))
	for i := range c.Domains {
		path := fmt.Sprintf("domains[%d]", i)
		errs = append(errs, c.Domains[i].Validate(path))
		name := strings.ToLower(c.Domains[i].Name)
		if j, ok := first[name]; ok && name != "" {
			errs = append(errs, fmt.Errorf("%s.name is %q, which domains[%d] has already", path, c.Domains[i].Name, j))
			continue
		}
		first[name] = i
	}
	return errors.Join(errs...)
}
