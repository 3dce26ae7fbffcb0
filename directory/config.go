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

	"github.com/photopush/photopush"
)

// A Config is one domain of the configuration, domains[].
type Config struct {
	Name         string   `yaml:"name" help:"DNS name of the domain." example:"corp.example"`
	Controllers  []string `yaml:"controllers" help:"Domain controllers in the order in which they are tried: ldaps://host[:port], or ldap://host[:port], which starts TLS, or with encryption sealed is sealed by Kerberos. Nothing is ever sent in clear. Empty to find them by DNS." example:"[ldaps://dc1.corp.example, ldaps://dc2.corp.example]"`
	Site         string   `yaml:"site" help:"Active Directory site of this server, whose controllers are preferred where they are found by DNS; empty to learn it from the forest's subnets." example:"Berlin"`
	Encryption   string   `yaml:"encryption" default:"ldaps" help:"How controllers that are found by DNS are spoken to: ldaps, on port 636; starttls, on port 389; or sealed, on port 389, where Kerberos signs and encrypts and no certificate is needed (auth kerberos only)."`
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
		UserBases:          c.Users.Bases,
		UserFilter:         c.Users.Filter,
		UserGroups:         c.Users.Groups,
		UserExclude:        c.Users.Exclude,
		WorkstationBases:   c.Workstations.Bases,
		WorkstationFilter:  c.Workstations.Filter,
		WorkstationGroups:  c.Workstations.Groups,
		WorkstationExclude: c.Workstations.Exclude,
		IncludeServers:     c.Workstations.IncludeServers,
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
	c.Users.parts().validate(v, root)
	c.Workstations.parts().validate(v, root)
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
	overSealed   = "sealed"
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
		u, err := parseController(s)
		switch {
		case err != nil:
			v.add("controllers[%d] is %q, %w", i, s, err)
		case c.withKerberos() && !kerberosHost(u.Hostname()):
			v.add("controllers[%d] is %q, want the controller's full name, such as dc1.corp.example: Kerberos knows no addresses", i, s)
		}
	}
	switch c.Encryption {
	case overLDAPS, overStartTLS:
	case overSealed:
		if c.Auth != authKerberos || !c.Writer.isZero() && c.Writer.Auth != authKerberos {
			v.add("encryption is sealed, which needs auth kerberos, of the writer too: it is Kerberos that seals")
		}
	default:
		v.add("encryption is %q, want ldaps, starttls or sealed", c.Encryption)
	}
	for i, s := range c.DNSServers {
		if _, err := dnsServerAddr(s); err != nil {
			v.add("dns_servers[%d] is %q, %w", i, s, err)
		}
	}
}

// withKerberos tells whether one of the accounts signs in by Kerberos.
func (c *Config) withKerberos() bool {
	return c.Auth == authKerberos || !c.Writer.isZero() && c.Writer.Auth == authKerberos
}

// kerberosHost tells whether a ticket can be asked for a service of that host: it must have its full name.
func kerberosHost(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && strings.Contains(strings.TrimSuffix(host, "."), ".")
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
	want := errors.New("want ldaps://host[:port] or ldap://host[:port]")
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
