package directory

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/photopush/photopush"
)

// How long controllers found by DNS are believed, and how soon DNS is asked again after it did not answer, or when none of them could be used.
const (
	keepFound  = 10 * time.Minute
	retryFound = time.Minute
)

// maxFound bounds the controllers that are used of what DNS answers: the best ones, by site and priority. maxNamed bounds what is looked at.
const (
	maxFound = 16
	maxNamed = 2000
)

// A finder finds the controllers of a domain by DNS. It is used by whoever holds Directory.opening.
type finder struct {
	domain    string // DNS name, in lower case
	scheme    string // of the URLs of what it finds
	site      string // of this server; empty while it is not known
	learns    bool   // the site is not configured, but told by the subnets of the forest
	learnAt   time.Time
	asked     time.Time
	lookupSRV func(ctx context.Context, service, proto, name string) ([]*net.SRV, error)
	log       *slog.Logger
	strangers map[string]bool // hosts that were logged as left out
	last      []found         // what DNS named last
}

func newFinder(cfg Config, log *slog.Logger) *finder {
	scheme := "ldaps"
	if cfg.Encryption != overLDAPS {
		scheme = "ldap"
	}
	return &finder{
		domain: strings.ToLower(cfg.Name), scheme: scheme, site: cfg.Site, learns: cfg.Site == "", lookupSRV: cfg.Resolver().LookupSRV,
		log: log, strangers: map[string]bool{},
	}
}

// A found controller is one that DNS names.
type found struct {
	url    *url.URL
	tier   int
	answer string // the name that DNS was asked for
}

// find asks DNS for the controllers of the site, then for those of the domain (MS-ADTS 6.3.6.1): each priority of each answer is a tier, and in a tier
// their order is by chance, by weight (RFC 2782). The port in the records is not used: it is that of plain LDAP, and Active Directory has no records
// for LDAPS. Where one question fails, otherwise than by the answer that there are none, its answer of before stays, and whole is false. An error means
// that no question was answered with a controller.
func (f *finder) find(ctx context.Context) (list []found, whole bool, err error) {
	names := []string{"dc._msdcs." + f.domain}
	if f.site != "" {
		names = slices.Insert(names, 0, f.site+"._sites.dc._msdcs."+f.domain)
	}
	var errs []error
	seen := map[string]bool{}
	tier, fresh := 0, 0
	whole = true
	for _, name := range names {
		records, err := f.lookupSRV(ctx, "ldap", "tcp", name)
		switch before := len(list); {
		case len(records) > 0 || err == nil:
			list = f.take(list, name, records, seen, &tier)
			fresh += len(list) - before
		case isNotFound(err):
			f.log.Debug("no domain controllers in DNS", "name", "_ldap._tcp."+name, "err", err)
			errs = append(errs, err)
		default:
			f.log.Debug("DNS does not tell domain controllers", "name", "_ldap._tcp."+name, "err", err)
			errs, whole = append(errs, err), false
			list = f.keep(list, name, seen, &tier)
		}
	}
	if fresh > 0 {
		f.last = list
		return list, whole, nil
	}
	if len(errs) == 0 {
		errs = append(errs, fmt.Errorf("none of the hosts at _ldap._tcp.%s is of the domain", names[len(names)-1]))
	}
	return nil, false, errs[len(errs)-1]
}

// isNotFound tells whether DNS answered that there is no such name, or nothing of the kind at it.
func isNotFound(err error) bool {
	e, ok := errors.AsType[*net.DNSError](err)
	return ok && e.IsNotFound
}

// keep adds to the list what the name was answered with before, by the tiers that it had there.
func (f *finder) keep(list []found, name string, seen map[string]bool, tier *int) []found {
	first := -1
	for _, k := range f.last {
		if k.answer != name {
			continue
		}
		if first < 0 {
			first = k.tier - *tier
		}
		k.tier -= first
		*tier = k.tier
		if !seen[k.url.Host] && len(list) < maxNamed {
			seen[k.url.Host] = true
			list = append(list, k)
		}
	}
	*tier++
	return list
}

// take adds the records, whose order is by priority, to the list, but for hosts that were seen. A host outside the domain is left out: whoever forges DNS, or may add records to it,
// could otherwise have our password sent to a host of his own, with a certificate that any public authority gives him.
func (f *finder) take(list []found, name string, records []*net.SRV, seen map[string]bool, tier *int) []found {
	for i, r := range records {
		if i > 0 && r.Priority != records[i-1].Priority {
			*tier++
		}
		host, err := decodeHost(r.Target)
		if err != nil || host == "" { // the root: the service is decidedly not there
			continue
		}
		if !strings.HasSuffix(host, "."+f.domain) {
			f.leaveOut(host)
			continue
		}
		if !seen[host] && len(list) < maxNamed {
			seen[host] = true
			list = append(list, found{&url.URL{Scheme: f.scheme, Host: host}, *tier, name})
		}
	}
	*tier++
	return list
}

// leaveOut logs a host that is not taken, once, for a bounded number of hosts.
func (f *finder) leaveOut(host string) {
	if f.strangers[host] || len(f.strangers) >= maxFound {
		return
	}
	f.strangers[host] = true
	f.log.Warn("host that DNS names as domain controller is left out: its name does not end with the domain's; list it in controllers if it is one",
		"domain", f.domain, "host", host)
}

// look asks DNS for the controllers when that is due. While it does not answer, those of before stay; an error means that there are none. The
// caller holds opening.
func (d *Directory) look(ctx context.Context) error {
	f := d.finder
	if f == nil {
		return nil
	}
	d.mu.Lock()
	due, known := !d.now().Before(d.lookAt), len(d.controllers)
	d.mu.Unlock()
	if !due {
		return nil
	}
	list, whole, err := f.find(ctx)
	f.asked = d.now()
	switch {
	case err == nil && whole:
		d.renew(list, keepFound)
		return nil
	case err == nil:
		d.log.Warn("DNS tells the domain controllers of the site, or of the domain, only: of the others those of before stay", "domain", d.cfg.Name)
		d.renew(list, retryFound)
		return nil
	case ctx.Err() != nil:
		return canceled(ctx, "find the domain controllers of "+d.cfg.Name)
	case known == 0:
		return &photopush.Error{Reason: photopush.DNS, Op: "read directory", On: d.cfg.Name, Err: &notFoundError{err}}
	}
	d.log.Warn("domain controllers cannot be looked up, those of before stay", "domain", d.cfg.Name, "err", err)
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookAt = f.asked.Add(retryFound)
	return nil
}

// lookAgain lets the next look ask DNS, unless it was asked just now: none of the controllers that it named can be used.
func (d *Directory) lookAgain() bool {
	if d.finder == nil || d.now().Before(d.finder.asked.Add(retryFound)) {
		return false
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookAt = time.Time{}
	return true
}

// renew takes over what DNS names now, to be believed for a time. What is known of a controller's health stays.
func (d *Directory) renew(list []found, believed time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookAt = d.finder.asked.Add(believed)
	old := d.controllers
	changed := false
	d.controllers = nil
	for _, f := range choose(list, old, d.current) {
		i := indexURL(old, f)
		if i < 0 {
			changed = true
			c := newController(f.url, f.tier)
			c.found = true
			d.controllers = append(d.controllers, c)
			continue
		}
		old[i].tier = f.tier
		d.controllers = append(d.controllers, old[i])
	}
	for _, c := range old {
		if !slices.Contains(d.controllers, c) {
			changed, c.retired = true, true
		}
	}
	if changed {
		d.log.Info("domain controllers by DNS", "domain", d.cfg.Name, "site", d.finder.site, "controllers", urls(d.controllers))
	}
}

// choose takes the best of many controllers, in their order. Of those that are alike it takes whom we know before others: DNS names them in another order
// each time, and whoever moves from one to the next begins anew with the numbers of its changes. The current one stays among them whatever its tier.
func choose(list []found, known []*controller, current *controller) []found {
	if len(list) <= maxFound {
		return list
	}
	order := make([]int, len(list))
	strange, inUse := make([]bool, len(list)), -1
	for i, f := range list {
		order[i], strange[i] = i, indexURL(known, f) < 0
		if current != nil && current.url == f.url.String() {
			inUse = i
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Or(rank(a != inUse, b != inUse), cmp.Compare(list[a].tier, list[b].tier), rank(strange[a], strange[b]))
	})
	order = order[:maxFound]
	slices.Sort(order)
	chosen := make([]found, len(order))
	for i, n := range order {
		chosen[i] = list[n]
	}
	return chosen
}

func indexURL(list []*controller, f found) int {
	url := f.url.String()
	return slices.IndexFunc(list, func(c *controller) bool { return c.url == url })
}

func urls(list []*controller) []string {
	names := make([]string, len(list))
	for i, c := range list {
		names[i] = c.url
	}
	return names
}

// learnSite finds the site of this server, from the address that it has on the connection, and tells whether it is another one than before: then
// DNS is to be asked again. Where the site is configured, or controllers are, it does nothing.
func (d *Directory) learnSite(ctx context.Context, c *conn) (moved bool, err error) {
	f := d.finder
	if f == nil || !f.learns || d.now().Before(f.learnAt) {
		return false, nil
	}
	sites, fresh, err := d.knownSites()
	if !fresh || err != nil {
		sites, err = d.readSites(ctx, c)
		switch {
		case ctx.Err() != nil:
			return false, canceled(ctx, "read sites of "+d.cfg.Name)
		case isLost(err):
			return false, err
		case err != nil:
			d.log.Warn("site of this server is not known: name it in domains[].site", "domain", d.cfg.Name, "err", err)
			f.learnAt = d.now().Add(retrySites)
			return false, nil
		}
		d.keepSites(sites)
	}
	f.learnAt = d.now().Add(keepSites)
	addr := localAddr(c.raw)
	site := sites.Site(addr)
	if site == f.site {
		return false, nil
	}
	d.log.Info("site of this server", "domain", d.cfg.Name, "address", addr.String(), "site", site, "before", f.site)
	f.site = site
	d.mu.Lock()
	defer d.mu.Unlock()
	d.lookAt = time.Time{}
	return true, nil
}

// localAddr is our address on a connection; the zero address where it has none.
func localAddr(c net.Conn) netip.Addr {
	ap, err := netip.ParseAddrPort(c.LocalAddr().String())
	if err != nil {
		return netip.Addr{}
	}
	return ap.Addr()
}

// A notFoundError says that DNS names no controller.
type notFoundError struct{ err error }

func (e *notFoundError) Error() string {
	return fmt.Sprintf("%v: DNS names none: %v", photopush.ErrNoDirectory, e.err)
}

func (e *notFoundError) Unwrap() []error { return []error{photopush.ErrNoDirectory, e.err} }

// Remedy is what an administrator can do.
func (e *notFoundError) Remedy() string {
	if _, ok := errors.AsType[*net.DNSError](e.err); ok {
		return "name DNS servers that know the domain in domains[].dns_servers, or its domain controllers in domains[].controllers"
	}
	return "name the domain controllers in domains[].controllers"
}
