package directory

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

func TestSiteOfAddress(t *testing.T) {
	subnets := map[netip.Prefix]string{}
	for subnet, site := range map[string]string{
		"10.0.0.0/8": "Wide", "10.1.0.0/16": "Berlin", "10.1.2.0/24": "Lab", "10.1.2.7/32": "Host", "192.168.1.77/24": "Unmasked",
		"2001:db8::/32": "Six", "2001:db8:1::/48": "Deep", "::ffff:172.16.0.0/108": "Mapped",
	} {
		subnets[netip.MustParsePrefix(subnet)] = site
	}
	s := NewSites(subnets)
	for addr, want := range map[string]string{
		"10.9.9.9": "Wide", "10.1.9.9": "Berlin", "10.1.2.3": "Lab", "10.1.2.7": "Host", "::ffff:10.1.2.3": "Lab", "192.168.1.1": "Unmasked", "192.168.2.1": "",
		"2001:db8:2::1": "Six", "2001:db8:1::1": "Deep", "2001:db9::1": "", "fe80::1%eth0": "", "172.20.1.1": "Mapped", "172.32.1.1": "", "127.0.0.1": "",
	} {
		if got := s.Site(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
	all := NewSites(map[netip.Prefix]string{netip.MustParsePrefix("0.0.0.0/0"): "All", {}: "invalid"})
	if got := all.Site(netip.MustParseAddr("8.8.8.8")); got != "All" {
		t.Errorf("got %q", got)
	}
	if got := all.Site(netip.MustParseAddr("::1")) + all.Site(netip.Addr{}) + (Sites{}).Site(netip.MustParseAddr("8.8.8.8")); got != "" {
		t.Errorf("got %q", got)
	}
}

// TestSites reads subnets as a forest has them, broken ones too, over several pages.
func TestSites(t *testing.T) {
	c := newCompany(t, 1)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("2001:db8::/32")))
	must(t, c.AddSite("Paris", netip.MustParsePrefix("10.2.0.0/16")))
	for subnet, site := range map[string]string{"10.3.0.0/16": "", "10.4.0.0": "Berlin", "nonsense": "Berlin", "10.2.0.1/16": "Berlin", "10.5.0.0/33": "Berlin"} {
		must(t, c.AddSubnet(subnet, site))
	}
	for subnet, site := range map[string]string{
		"10.6.0.0/16": "CN=Berlin,OU=Elsewhere,DC=corp,DC=example", "10.7.0.0/16": "CN=Servers,CN=Berlin,CN=Sites,CN=Configuration,DC=corp,DC=example",
		"10.8.0.0/16": "no name", "10.9.0.0/16": "CN=a b,CN=Sites,CN=Configuration,DC=corp,DC=example", "10.10.0.0/16": strings.Repeat("CN=a,", maxText),
	} {
		must(t, c.AddSubnet(subnet, ""))
		must(t, c.SetString("CN="+subnet+",CN=Subnets,CN=Sites,CN=Configuration,DC=corp,DC=example", "siteObject", site))
	}
	cfg := c.config()
	cfg.PageSize = 2
	s, err := open(t, cfg, Options{}).Sites(t.Context())
	must(t, err)
	want := NewSites(map[netip.Prefix]string{netip.MustParsePrefix("10.1.0.0/16"): "Berlin", netip.MustParsePrefix("2001:db8::/32"): "Berlin", netip.MustParsePrefix("10.2.0.0/16"): "Paris"})
	if diff := cmp.Diff(want.names, s.names, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

// TestSitesAreKept reads sites again after hours only, keeps the old ones while they cannot be read, and has none where there never were some.
func TestSitesAreKept(t *testing.T) {
	c := newCompany(t, 1)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16")))
	now := time.Now()
	log := &logBuffer{}
	d := open(t, c.config(), Options{Now: func() time.Time { return now }, Logger: log.logger()})
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if s, err := d.Sites(canceled); !errors.Is(err, context.Canceled) || s.names != nil {
		t.Errorf("with a context that has ended: %v, %v", s, err)
	}
	must(t, c.dcs[0].SetDown(true))
	if s, err := d.Sites(t.Context()); !errors.Is(err, photopush.ErrNoDirectory) || s.names != nil {
		t.Errorf("without a controller: %v, %v", s, err)
	}
	must(t, c.dcs[0].SetDown(false))
	now = now.Add(retrySites)
	site := func(addr string) string {
		s, err := d.Sites(t.Context())
		must(t, err)
		return s.Site(netip.MustParseAddr(addr))
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			if s, err := d.Sites(t.Context()); err != nil || s.Site(netip.MustParseAddr("10.1.1.1")) != "Berlin" {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
	wg.Wait()
	searches := c.dcs[0].Counts().Searches
	must(t, c.AddSubnet("10.2.0.0/16", "Berlin"))
	now = now.Add(keepSites - time.Second)
	if got := site("10.2.1.1"); got != "" || c.dcs[0].Counts().Searches != searches {
		t.Errorf("read before time: %q, %d searches, want %d", got, c.dcs[0].Counts().Searches, searches)
	}
	now = now.Add(time.Second)
	must(t, c.dcs[0].SetDown(true))
	for range 2 {
		if got := site("10.1.1.1"); got != "Berlin" {
			t.Errorf("while no controller answers: %q", got)
		}
	}
	if n := strings.Count(log.String(), "sites cannot be read, those of before stay"); n != 1 {
		t.Errorf("%d log lines: %s", n, log)
	}
	must(t, c.dcs[0].SetDown(false))
	now = now.Add(retrySites)
	if got := site("10.2.1.1"); got != "Berlin" {
		t.Errorf("after that: %q", got)
	}
}

// TestSitesAreMissed remembers for some minutes that sites cannot be read, and says so once: who asks meanwhile contacts nobody.
func TestSitesAreMissed(t *testing.T) {
	c := newCompany(t, 2)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16")))
	must(t, c.Delete("CN=Subnets,CN=Sites,CN=Configuration,DC=corp,DC=example"))
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	log := &logBuffer{}
	d := open(t, c.config(), Options{Now: func() time.Time { return now }, Logger: log.logger()})
	missed := func(asked int) {
		t.Helper()
		for range 5 {
			if s, err := d.Sites(t.Context()); photopush.ReasonOf(err) != photopush.Denied || s.names != nil {
				t.Errorf("got %v, %v", s, err)
			}
		}
		if n := strings.Count(log.String(), "sites cannot be read"); n != asked || c.dcs[0].Counts().Searches != 2*asked {
			t.Errorf("%d log lines, %d searches: %s", n, c.dcs[0].Counts().Searches, log)
		}
	}
	missed(1)
	now = now.Add(retrySites)
	missed(2)
	if _, err := d.Sites(t.Context()); !strings.HasPrefix(err.Error(), "not tried again before 03:24:05: read sites below CN=Subnets") {
		t.Errorf("got %v", err)
	}
}

// TestSitesOfSilentController is asked by many who have little time, while the controller is silent: each one's time is all that it costs, and those who come
// later wait for nothing.
func TestSitesOfSilentController(t *testing.T) {
	t.Parallel()
	c := newCompany(t, 1)
	c.dcs[0].SetFaults(simad.Faults{Hang: simad.HangSearch})
	d := open(t, c.config(), Options{})
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			if s, err := d.Sites(ctx); err == nil || s.names != nil {
				t.Errorf("got %v, %v", s, err)
			}
		})
	}
	wg.Wait()
	asked := c.dcs[0].Counts()
	for range 8 {
		if _, err := d.Sites(t.Context()); err == nil || c.dcs[0].Counts() != asked {
			t.Errorf("got %v, and the controller was asked again", err)
		}
	}
}

// TestSitesAndAccount does not hold what the account's owner can mend: a rejected account, and a missing password, are the same for everybody and cost
// nobody anything.
func TestSitesAndAccount(t *testing.T) {
	c := newCompany(t, 1)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("10.1.0.0/16")))
	d := open(t, c.config(), Options{})
	for _, password := range []string{"wrong", ""} {
		c.setPassword(t, password)
		if _, err := d.Sites(t.Context()); err == nil || errors.Is(err, photopush.ErrNoDirectory) {
			t.Errorf("with password %q: %v", password, err)
		}
	}
	c.setPassword(t, readerPwd)
	if s, err := d.Sites(t.Context()); err != nil || s.Site(netip.MustParseAddr("10.1.1.1")) != "Berlin" || c.failedBinds() != 1 {
		t.Errorf("got %v, %v after %d rejections", s, err, c.failedBinds())
	}
}

// TestSitesCutEverywhere cuts the connection at each answer; the read is whole from the second controller.
func TestSitesCutEverywhere(t *testing.T) {
	c := newCompany(t, 2)
	must(t, c.AddSite("Berlin"))
	for i := range 7 {
		must(t, c.AddSubnet(fmt.Sprintf("10.%d.0.0/16", i), "Berlin"))
	}
	cfg := c.config()
	cfg.PageSize = 3
	for n := 1; n <= 13; n++ { // a bind, the rootDSE in two answers, 7 entries and 3 ends
		for _, place := range []simad.Place{simad.Before, simad.Inside, simad.After} {
			c.dcs[0].SetFaults(simad.Faults{Cut: simad.Cut{N: n, Where: place}})
			s, err := open(t, cfg, Options{}).Sites(t.Context())
			if err != nil || len(s.names) != 7 {
				t.Errorf("cut %d, %d: %d subnets, %v", n, place, len(s.names), err)
			}
		}
	}
}

// TestTooManySubnets ends the read where a directory has more subnets than any forest.
func TestTooManySubnets(t *testing.T) {
	r := siteReading{sites: NewSites(nil)}
	for i := range maxSubnets {
		r.sites.add(netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 32), "Berlin")
	}
	if err := r.subnet(ldap.NewEntry("CN=11.0.0.0/8", map[string][]string{"cn": {"11.0.0.0/8"}})); err != errStopped || len(r.sites.names) != maxSubnets {
		t.Errorf("%d subnets, %v", len(r.sites.names), err)
	}
}
