package directory

import (
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A Config is one domain of the configuration, domains[].
type Config struct {
	Name         string   `yaml:"name" help:"DNS name of the domain." example:"corp.example"`
	Controllers  []string `yaml:"controllers" help:"Domain controllers in the order in which they are tried: ldaps://host[:port], or ldap://host[:port], which always starts TLS. Nothing is ever sent in clear. Empty to find them by DNS." example:"[ldaps://dc1.corp.example, ldaps://dc2.corp.example]"`
	Site         string   `yaml:"site" help:"Active Directory site of this server, whose controllers are preferred where they are found by DNS; empty to learn it from the forest's subnets." example:"Berlin"`
	Encryption   string   `yaml:"encryption" default:"ldaps" help:"How controllers that are found by DNS are spoken to: ldaps, on port 636; or starttls, on port 389."`
	CAFile       string   `yaml:"ca_file" help:"PEM file of the CA that signed the controllers' certificates; empty for the CAs of the system." example:"/etc/photopush/corp-ca.pem"`
	Account      `yaml:",inline"`
	Writer       Account          `yaml:"writer" help:"The account that photopush import writes photos with, another one than the account that reads: its keys mean the same as above. Without it nothing is written to the directory."`
	Users        UserScope        `yaml:"users"`
	Workstations WorkstationScope `yaml:"workstations"`
	Changes      string           `yaml:"changes" default:"auto" help:"How a pass finds what has changed since the last one: dirsync, which any account may use and every controller understands; usn, by the numbers that each controller counts its changes with; full, which reads everything each time; or auto, the best of them that works."`
	PageSize     int              `yaml:"page_size" default:"500" help:"Objects asked for at once, 1 to 1000."`
	Timeout      time.Duration    `yaml:"timeout" default:"30s" help:"Longest wait for the next answer of a controller, 1s to 10m."`
	MaxPhotoSize photopush.Bytes  `yaml:"max_photo_size" default:"5 MiB" help:"Largest photo that is read from the directory, 1 KiB to 16 MiB; a longer one is cut, and counts as broken."`
	DNSServers   []string         `yaml:"dns_servers" help:"DNS servers that know the names of this domain, as IP or IP:port; empty for the resolver of the system." example:"[10.0.0.10, 10.0.0.11]"`
}

// A UserScope says which people are cared for.
type UserScope struct {
	Bases  []string `yaml:"bases" help:"Distinguished names; users at or below them are in scope. There is no 'everything' by default." example:"[\"OU=Staff,DC=corp,DC=example\"]"`
	Filter string   `yaml:"filter" help:"LDAP filter that users must match as well; empty for all of them." example:"(department=Sales)"`
}

// A WorkstationScope says which computers are cared for. Domain controllers never are.
type WorkstationScope struct {
	Bases          []string `yaml:"bases" help:"Distinguished names; computers at or below them are in scope. There is no 'everything' by default." example:"[\"OU=Workstations,DC=corp,DC=example\"]"`
	Filter         string   `yaml:"filter" help:"LDAP filter that computers must match as well; empty for all of them." example:"(operatingSystem=Windows*)"`
	IncludeServers bool     `yaml:"include_servers" help:"Whether computers that run Windows Server are workstations too; domain controllers never are."`
}

// AsWriter is the configuration of the same domain with the account of the section writer in place of the one that reads. Its error says to
// configure the section when that is empty.
func (c Config) AsWriter() (Config, error) {
	if c.Writer.isZero() {
		return Config{}, &photopush.Error{Reason: photopush.Internal, Op: "write to directory", On: c.Name,
			Err: errors.New("no account may write there: configure the domain's section writer with the account that photos are written with")}
	}
	c.Account, c.Writer = c.Writer, Account{}
	return c, nil
}

// Scope is the scope as the other rooms know it.
func (c *Config) Scope() photopush.Scope {
	return photopush.Scope{
		UserBases:         c.Users.Bases,
		UserFilter:        c.Users.Filter,
		WorkstationBases:  c.Workstations.Bases,
		WorkstationFilter: c.Workstations.Filter,
		IncludeServers:    c.Workstations.IncludeServers,
	}
}

// Validate reports every fault; path is the prefix of its keys, such as domains[0]. It reads no file.
func (c *Config) Validate(path string) error {
	v := configFaults{path, new([]error)}
	c.validateServers(v)
	c.Account.validate(v)
	if !c.Writer.isZero() {
		c.Writer.validate(v.section("writer"))
	}
	root := domainDN(c.Name)
	validateScope(v, "users", c.Users.Bases, c.Users.Filter, root)
	validateScope(v, "workstations", c.Workstations.Bases, c.Workstations.Filter, root)
	switch c.Changes {
	case methodAuto, methodDirSync, methodUSN, methodFull:
	default:
		v.add("changes is %q, want auto, dirsync, usn or full", c.Changes)
	}
	if c.PageSize < 1 || c.PageSize > 1000 {
		v.add("page_size is %d, want 1 to 1000", c.PageSize)
	}
	if c.Timeout < time.Second || c.Timeout > 10*time.Minute {
		v.add("timeout is %s, want 1s to 10m", c.Timeout)
	}
	if c.MaxPhotoSize < 1<<10 || c.MaxPhotoSize > 16<<20 {
		v.add("max_photo_size is %s, want 1 KiB to 16 MiB", c.MaxPhotoSize)
	}
	return errors.Join(*v.errs...)
}

// CheckFiles reads the files that the section names, and reports each that will not do; path is as for Validate.
func (c *Config) CheckFiles(path string) error {
	var errs []error
	if _, err := readCAs(c.CAFile); err != nil {
		errs = append(errs, fmt.Errorf("%s.ca_file: %w", path, errors.Unwrap(err)))
	}
	return errors.Join(append(errs, c.Account.checkFiles(path), c.Writer.checkFiles(path+".writer"))...)
}

// Values of encryption.
const (
	overLDAPS    = "ldaps"
	overStartTLS = "starttls"
)

var dnsName = regexp.MustCompile(`\A[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\z`)

func (c *Config) validateServers(v configFaults) {
	switch {
	case c.Name == "":
		v.add("name is empty, want the DNS name of the domain, such as corp.example")
	case len(c.Name) > 253 || !dnsName.MatchString(c.Name):
		v.add("name is %q, want the DNS name of the domain, such as corp.example", c.Name)
	}
	if c.Site != "" && !siteName(c.Site) {
		v.add("site is %q, want the name of a site of Active Directory, such as Default-First-Site-Name", c.Site)
	}
	for i, s := range c.Controllers {
		if _, err := parseController(s); err != nil {
			v.add("controllers[%d] is %q, %w", i, s, err)
		}
	}
	if c.Encryption != overLDAPS && c.Encryption != overStartTLS {
		v.add("encryption is %q, want ldaps or starttls", c.Encryption)
	}
	for i, s := range c.DNSServers {
		if _, err := dnsServerAddr(s); err != nil {
			v.add("dns_servers[%d] is %q, %w", i, s, err)
		}
	}
}

func validateScope(v configFaults, key string, bases []string, filter, root string) {
	if len(bases) == 0 {
		v.add("%s.bases is empty, want at least one distinguished name: there is no 'everything' by default", key)
	}
	for i, s := range bases {
		if err := checkBase(s, root); err != nil {
			v.add("%s.bases[%d] is %q, %w", key, i, s, err)
		}
	}
	if filter == "" {
		return
	}
	if _, err := ldap.CompileFilter(filter); err != nil {
		v.add("%s.filter is %q, want an LDAP filter in parentheses, such as (department=Sales): %w", key, filter, filterFault(err))
	}
}

// filterFault drops the result code that go-ldap puts before its filter errors.
func filterFault(err error) error {
	if e, ok := errors.AsType[*ldap.Error](err); ok && e.Err != nil {
		return errors.New(strings.TrimPrefix(e.Err.Error(), "ldap: "))
	}
	return err
}

// checkBase says what is wrong with the base s of the domain whose distinguished name is root.
func checkBase(s, root string) error {
	dn, err := ldap.ParseDN(s)
	if err != nil || len(dn.RDNs) == 0 {
		return fmt.Errorf("want a distinguished name, such as OU=Staff,%s", root)
	}
	domain, err := ldap.ParseDN(root)
	if err != nil {
		return nil // the name of the domain is the fault
	}
	switch other := domainOf(dn); {
	case strings.EqualFold(other, domainOf(domain)):
		return nil
	case other == "":
		return fmt.Errorf("want a distinguished name within %s", root)
	default:
		return fmt.Errorf("want a distinguished name within %s: this one belongs to the section of the domain %s", root, other)
	}
}

// domainOf is the DNS name of the domain that an object lies in, also of one below another by its name: corp.example for OU=Staff,DC=corp,DC=example.
func domainOf(dn *ldap.DN) string {
	var labels []string
	for i := len(dn.RDNs) - 1; i >= 0; i-- {
		a := dn.RDNs[i].Attributes
		if len(a) != 1 || !strings.EqualFold(a[0].Type, "DC") {
			break
		}
		labels = append([]string{a[0].Value}, labels...)
	}
	return strings.Join(labels, ".")
}

// domainDN is the distinguished name of a domain: corp.example is DC=corp,DC=example.
func domainDN(name string) string {
	if name == "" || !dnsName.MatchString(name) {
		return "DC=corp,DC=example"
	}
	return "DC=" + strings.ReplaceAll(name, ".", ",DC=")
}

// parseController reads the URL of a controller and fills in the port.
func parseController(s string) (*url.URL, error) {
	want := errors.New("want ldaps://host[:port], or ldap://host[:port], which starts TLS")
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "ldaps" && u.Scheme != "ldap", u.Hostname() == "",
		u.User != nil, u.Path != "" && u.Path != "/", u.RawQuery != "", u.Fragment != "":
		return nil, want
	}
	if _, err := netip.ParseAddr(u.Hostname()); err != nil && !dnsName.MatchString(strings.TrimSuffix(u.Hostname(), ".")) {
		return nil, want
	}
	if u.Port() != "" {
		if n, err := strconv.Atoi(u.Port()); err != nil || n < 1 || n > 65535 {
			return nil, want
		}
	}
	u.Path = ""
	return u, nil
}

// configFaults collects what is wrong with a section and those in it.
type configFaults struct {
	path string
	errs *[]error
}

func (v configFaults) add(format string, args ...any) {
	*v.errs = append(*v.errs, fmt.Errorf(strings.ReplaceAll(join(v.path, ""), "%", "%%")+format, args...))
}

// section collects the faults of an inner section together with those of this one.
func (v configFaults) section(key string) configFaults {
	return configFaults{join(v.path, key), v.errs}
}

// join is a key with the path of its section before it, if that has one.
func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
