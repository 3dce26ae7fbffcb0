package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// Sites tell the site of an address: the subnets of a forest as they were read at one time. They are not changed any more, and safe for concurrent
// use; the zero value knows no site.
type Sites struct {
	names map[netip.Prefix]string // by subnet, IPv4 ones as such
}

// NewSites makes Sites of subnets with the names of their sites.
func NewSites(subnets map[netip.Prefix]string) Sites {
	s := Sites{map[netip.Prefix]string{}}
	for subnet, site := range subnets {
		s.add(subnet, site)
	}
	return s
}

// add leaves a subnet as it was known before, and tells whether this is a new one.
func (s Sites) add(subnet netip.Prefix, site string) bool {
	if addr := subnet.Addr(); addr.Is4In6() {
		subnet = netip.PrefixFrom(addr.Unmap(), subnet.Bits()-96)
	}
	subnet = subnet.Masked()
	if _, known := s.names[subnet]; known || !subnet.IsValid() {
		return false
	}
	s.names[subnet] = site
	return true
}

// Site is the name of the site whose subnet holds the address; where subnets lie within each other, that of the smallest. It is empty for an
// address that no subnet holds.
func (s Sites) Site(addr netip.Addr) string {
	addr = addr.Unmap().WithZone("")
	if len(s.names) == 0 || !addr.IsValid() {
		return ""
	}
	for bits := addr.BitLen(); bits >= 0; bits-- {
		subnet, err := addr.Prefix(bits)
		if err != nil {
			return ""
		}
		if site, ok := s.names[subnet]; ok {
			return site
		}
	}
	return ""
}

// Bounds of what is kept of sites, and how long. Forests have some thousand subnets; the name of a site is a label of DNS, because it stands in the
// names of SRV records (MS-ADTS 6.3.2.3).
const (
	maxSubnets   = 100_000
	keepSites    = 4 * time.Hour
	retrySites   = 10 * time.Minute
	maxSiteLines = 5 // log lines about subnets that cannot be used, per read
)

// Sites reads the sites and subnets of the forest, or returns those read in the last hours. When they cannot be read anew, the old ones stay; an error
// means that there are none at all. Either is logged once, and holds for some minutes, in which no controller is asked: many ask for sites, one after
// another, and none must wait for controllers that let the one before wait in vain. A rejected account is not held so: its owner wants to know.
func (d *Directory) Sites(ctx context.Context) (Sites, error) {
	select {
	case d.siting <- struct{}{}:
		defer func() { <-d.siting }()
	case <-ctx.Done():
		return Sites{}, canceled(ctx, "read sites of "+d.cfg.Name)
	}
	known, fresh, err := d.knownSites()
	if fresh {
		return known, err
	}
	var read Sites
	err = d.use(ctx, func(c *conn) (err error) {
		read, err = d.readSites(ctx, c)
		return err
	})
	switch {
	case err == nil:
		d.keepSites(read)
		return read, nil
	case errors.Is(ctx.Err(), context.Canceled), passing(err):
		return Sites{}, err
	}
	return d.missSites(known, err)
}

// passing tells whether an error is found again without asking anybody, and must not outlive its cause: the account was rejected, or has no secret.
func passing(err error) bool {
	_, unusable := errors.AsType[*photopush.SecretError](err)
	return unusable || photopush.ReasonOf(err) == photopush.Auth || errors.Is(err, errClosed)
}

// knownSites are the sites that were read last, or why there are none, and whether that holds for now.
func (d *Directory) knownSites() (s Sites, fresh bool, err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.sites, d.now().Before(d.sitesUntil), d.sitesErr
}

func (d *Directory) keepSites(s Sites) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sites, d.sitesUntil, d.sitesErr = s, d.now().Add(keepSites), nil
}

// missSites goes on with the sites of before, or without any, for a while.
func (d *Directory) missSites(known Sites, err error) (Sites, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.sitesUntil = d.now().Add(retrySites)
	if known.names != nil {
		d.log.Warn("sites cannot be read, those of before stay", "domain", d.cfg.Name, "err", err)
		return known, nil
	}
	d.log.Warn("sites cannot be read, and none are known", "domain", d.cfg.Name, "err", err)
	d.sitesErr = fmt.Errorf("not tried again before %s: %w", d.sitesUntil.Format(time.TimeOnly), err)
	return Sites{}, err
}

// readSites reads the subnets over one connection (MS-ADTS 6.1.1.2.2.2.1), page by page. Those that cannot be used are counted, logged and left out.
func (d *Directory) readSites(ctx context.Context, c *conn) (Sites, error) {
	root, err := c.configurationRoot(ctx)
	if err != nil {
		return Sites{}, err
	}
	r := siteReading{d: d, sites: NewSites(nil)}
	if r.container, err = ldap.ParseDN("CN=Sites," + root); err != nil {
		return Sites{}, &photopush.Error{Reason: photopush.Unsupported, Op: "read sites of", On: d.cfg.Name, Err: err}
	}
	subnets := "CN=Subnets,CN=Sites," + root
	paging := ldap.NewControlPaging(uint32(d.cfg.PageSize))
	request := ldap.NewSearchRequest(subnets, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=subnet)",
		[]string{"cn", "siteObject"}, []ldap.Control{paging})
	for {
		cookie, err := c.page(ctx, request, r.subnet, func() { r.skipped++ })
		if errors.Is(err, errStopped) {
			return Sites{}, &photopush.Error{Reason: photopush.Quota, Op: "read sites of", On: d.cfg.Name, Err: fmt.Errorf("there are more than %d subnets", maxSubnets)}
		}
		if err != nil {
			return Sites{}, searchError(err, "read sites below", subnets+" at "+c.controller.url)
		}
		if len(cookie) == 0 {
			break
		}
		paging.SetCookie(cookie)
	}
	d.log.Debug("read sites", "domain", d.cfg.Name, "subnets", len(r.sites.names), "skipped", r.skipped)
	return r.sites, nil
}

// A siteReading gathers subnets.
type siteReading struct {
	d         *Directory
	container *ldap.DN // of the sites
	sites     Sites
	skipped   int
}

// subnet takes one object of class subnet; it ends the read with errStopped when there are too many.
func (r *siteReading) subnet(e *ldap.Entry) error {
	if len(r.sites.names) >= maxSubnets {
		return errStopped
	}
	subnet, err := netip.ParsePrefix(e.GetEqualFoldAttributeValue("cn"))
	if err != nil {
		r.skip(e, errors.New("its name is no subnet, such as 10.0.0.0/24"))
		return nil
	}
	site, err := r.site(e.GetEqualFoldAttributeValue("siteObject"))
	switch {
	case err != nil:
		r.skip(e, err)
	case !r.sites.add(subnet, site):
		r.skip(e, errors.New("another one is the same subnet"))
	}
	return nil
}

// site is the name of the site with that distinguished name.
func (r *siteReading) site(name string) (string, error) {
	if name == "" {
		return "", errors.New("it belongs to no site")
	}
	fault := errors.New("its siteObject is no site")
	if len(name) > maxText {
		return "", fault
	}
	dn, err := ldap.ParseDN(name)
	if err != nil || len(dn.RDNs) != len(r.container.RDNs)+1 || !r.container.AncestorOfFold(dn) || len(dn.RDNs[0].Attributes) != 1 {
		return "", fault
	}
	site := dn.RDNs[0].Attributes[0].Value
	if !siteName(site) {
		return "", errors.New("the name of its site is no DNS label")
	}
	return site, nil
}

func (r *siteReading) skip(e *ldap.Entry, err error) {
	if r.skipped++; r.skipped <= maxSiteLines {
		r.d.log.Debug("subnet is left out", "dn", clip(decodeText(e.DN)), "err", err)
	}
}

// siteName tells whether s can be the name of a site.
func siteName(s string) bool { return hostLabel(strings.ToLower(s)) }
