package directory

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// asked lists the controllers that saw a bind since before.
func (c *company) asked(before []int) []string {
	var hosts []string
	for i, dc := range c.dcs {
		if i >= len(before) || dc.Counts().Binds > before[i] {
			hosts = append(hosts, strings.TrimSuffix(dc.Host(), ".corp.example"))
		}
	}
	return hosts
}

func (c *company) binds() []int {
	n := make([]int, len(c.dcs))
	for i, dc := range c.dcs {
		n[i] = dc.Counts().Binds
	}
	return n
}

// readsFrom fails unless a read brings all users, and opens connections to these controllers only; to none when it has one already.
func (c *company) readsFrom(t *testing.T, d *Directory, names []string, want ...string) {
	t.Helper()
	before := c.binds()
	got, err := accounts(t, d)
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Fatalf("%v, -want +got\n%s", err, diff)
	}
	if diff := cmp.Diff(want, c.asked(before)); diff != "" {
		t.Errorf("connected to, -want +got\n%s", diff)
	}
}

// TestDiscovery finds controllers by DNS, in the site that is configured, or learnt, or in none.
func TestDiscovery(t *testing.T) {
	for name, test := range map[string]struct {
		site       string
		encryption string
		subnet     string   // of Berlin
		down       []int    // controllers that are off
		want       []string // any of them is used in the end
		first      []string // was used before the site was known
	}{
		"site configured":              {site: "Berlin", want: []string{"dc3"}},
		"site in another case":         {site: "bERLIN", want: []string{"dc3"}},
		"StartTLS":                     {site: "Berlin", encryption: "starttls", want: []string{"dc3"}},
		"next priority of the site":    {site: "Berlin", down: []int{2}, want: []string{"dc2"}},
		"no controller of the site":    {site: "Berlin", down: []int{1, 2}, want: []string{"dc1", "dc4"}},
		"site without controllers":     {site: "Paris", want: []string{"dc1", "dc3", "dc4"}},
		"site that is not there":       {site: "Nowhere", want: []string{"dc1", "dc3", "dc4"}},
		"learnt":                       {subnet: "127.0.0.0/8", want: []string{"dc3"}, first: []string{"dc1", "dc3", "dc4"}},
		"learnt, of the next priority": {subnet: "127.0.0.1/32", down: []int{2}, want: []string{"dc2"}, first: []string{"dc1", "dc4"}},
		"learnt, all of it down":       {subnet: "127.0.0.1/32", down: []int{1, 2}, want: []string{"dc1", "dc4"}},
		"in no subnet":                 {subnet: "10.0.0.0/8", want: []string{"dc1", "dc3", "dc4"}},
		"no subnets":                   {want: []string{"dc1", "dc3", "dc4"}},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, 1)
			names := c.fill(t, 3)
			must(t, c.AddSite("Berlin"))
			must(t, c.AddSite("Paris"))
			if test.subnet != "" {
				must(t, c.AddSubnet(test.subnet, "Berlin"))
			}
			c.serve(t, simad.ControllerOptions{Site: "Berlin", Priority: 10})
			c.serve(t, simad.ControllerOptions{Site: "Berlin"})
			c.serve(t, simad.ControllerOptions{})
			for _, i := range test.down {
				must(t, c.dcs[i].SetDown(true))
			}
			cfg, dial := c.unlisted()
			cfg.Site = test.site
			if test.encryption != "" {
				cfg.Encryption = test.encryption
			}
			d := open(t, cfg, Options{DialContext: dial})
			got, err := accounts(t, d)
			if diff := cmp.Diff(names, got); err != nil || diff != "" {
				t.Fatalf("%v, -want +got\n%s", err, diff)
			}
			used := strings.TrimSuffix(regexp.MustCompile(`^ldaps?://`).ReplaceAllString(d.current.url, ""), ".corp.example")
			if !slices.Contains(test.want, used) {
				t.Errorf("%s is in use, want one of %v", used, test.want)
			}
			for _, host := range c.asked([]int{0, 0, 0, 0}) {
				if host != used && !slices.Contains(test.first, host) {
					t.Errorf("%s was asked too", host)
				}
			}
			if tls := c.dcs[2].Counts().StartTLS; (tls > 0) != (test.encryption == "starttls") {
				t.Errorf("StartTLS was asked for %d times", tls)
			}
			before := c.binds()
			if _, err := accounts(t, d); err != nil || len(c.asked(before)) != 0 {
				t.Errorf("the next read: %v, new connections to %v", err, c.asked(before))
			}
		})
	}
}

// TestDiscoveryCutEverywhere cuts the connection to the controller of the site at each answer, those about sites too: the read is whole
// from the one outside of the site, and nothing comes twice.
func TestDiscoveryCutEverywhere(t *testing.T) {
	c := newCompany(t, 0)
	names := c.fill(t, 12)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("127.0.0.0/8")))
	near, far := c.serve(t, simad.ControllerOptions{Site: "Berlin"}), c.serve(t, simad.ControllerOptions{Priority: 9})
	cfg, dial := c.unlisted()
	cfg.PageSize = 5
	// A bind, the rootDSE in 2 answers, a subnet and its end, the base and its end, 12 entries and 3 ends are 22 answers.
	for n := 1; n <= 23; n++ {
		for _, place := range []simad.Place{simad.Before, simad.Inside, simad.After} {
			before := far.Counts().Binds
			near.SetFaults(simad.Faults{Cut: simad.Cut{N: n, Where: place}})
			got, err := accounts(t, open(t, cfg, Options{DialContext: dial}))
			if diff := cmp.Diff(names, got); err != nil || diff != "" {
				t.Errorf("cut %d, %d: %v, -want +got\n%s", n, place, err, diff)
			}
			if moved, whole := far.Counts().Binds > before, n == 23 || n == 22 && place == simad.After; moved == whole {
				t.Errorf("cut %d, %d: was the far controller used? %v", n, place, moved)
			}
		}
	}
}

// TestNothingFound says what is missing, and what to do.
func TestNothingFound(t *testing.T) {
	dead, err := net.ListenPacket("udp", "127.0.0.1:0")
	must(t, err)
	must(t, dead.Close())
	for name, test := range map[string]struct {
		change func(*company, *Config)
		want   string
	}{
		"no records":     {func(c *company, _ *Config) {}, "DNS names none: lookup _ldap._tcp.dc._msdcs.corp.example on ADDR: no such host"},
		"a site as well": {func(_ *company, cfg *Config) { cfg.Site = "Berlin" }, "DNS names none: lookup _ldap._tcp.dc._msdcs.corp.example on ADDR: no such host"},
		"strangers": {func(c *company, _ *Config) {
			for _, host := range []string{"dc1.corp.test", "evilcorp.example", "corp.example", "dc 1.corp.example", "."} {
				c.AddSRV(simad.SRV{Name: "_ldap._tcp.dc._msdcs.corp.example", Target: host, Port: 389})
			}
		}, "DNS names none: none of the hosts at _ldap._tcp.dc._msdcs.corp.example is of the domain"},
		"no server": {func(_ *company, cfg *Config) { cfg.DNSServers = []string{dead.LocalAddr().String()} },
			"DNS names none: lookup _ldap._tcp.dc._msdcs.corp.example on ADDR: read udp ADDR->ADDR: read: connection refused"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, 1)
			c.dcs[0].SetRegistered(false)
			cfg, _ := c.unlisted()
			test.change(c, &cfg)
			d := open(t, cfg, Options{DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
				t.Errorf("%s was dialled", address)
				return nil, errors.New("no")
			}})
			_, err := accounts(t, d)
			if !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) != photopush.DNS || !strings.Contains(photopush.Remedy(err), "domains[].controllers") {
				t.Fatalf("got %v", err)
			}
			got := regexp.MustCompile(`127\.0\.0\.1:\d+`).ReplaceAllString(err.Error(), "ADDR")
			if want := "read directory corp.example: dns: no domain controller answers: " + test.want; got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
		})
	}
}

// TestFoundLater finds nothing first: the next call asks DNS anew.
func TestFoundLater(t *testing.T) {
	c := newCompany(t, 1)
	c.dcs[0].SetRegistered(false)
	cfg, dial := c.unlisted()
	d := open(t, cfg, Options{DialContext: dial})
	if _, err := accounts(t, d); photopush.ReasonOf(err) != photopush.DNS {
		t.Errorf("got %v", err)
	}
	c.dcs[0].SetRegistered(true)
	if _, err := accounts(t, d); err != nil {
		t.Errorf("once DNS names one: %v", err)
	}
}

// TestHostileDNS answers with a thousand hosts, of which most are none of the domain's: few are taken, and none of the others is ever dialled.
func TestHostileDNS(t *testing.T) {
	c := newCompany(t, 1)
	c.fill(t, 1)
	must(t, c.dcs[0].SetDown(true))
	for i := range 500 {
		for _, host := range []string{"dc%d.evil.test", "host%d.corp.example"} {
			c.AddSRV(simad.SRV{Name: "_ldap._tcp.dc._msdcs.corp.example", Target: fmt.Sprintf(host, i), Port: 1, Weight: 1})
		}
	}
	cfg, _ := c.unlisted()
	log := &logBuffer{}
	dialled := 0
	d := open(t, cfg, Options{Logger: log.logger(), DialContext: func(_ context.Context, _, address string) (net.Conn, error) {
		dialled++
		if !strings.HasSuffix(address, ".corp.example:636") {
			t.Errorf("%s was dialled", address)
		}
		return nil, errors.New("refused")
	}})
	for range 2 {
		if _, err := accounts(t, d); !errors.Is(err, photopush.ErrNoDirectory) || dialled != maxFound {
			t.Errorf("%d hosts were dialled, %v", dialled, err)
		}
		dialled = 0
	}
	if n := strings.Count(log.String(), "is left out"); n != maxFound {
		t.Errorf("%d log lines about strangers, want %d", n, maxFound)
	}
}

// TestManyControllers has more controllers alike than are used: whatever order DNS names them in, those that are known stay, and the one in use with
// them, as long as DNS names them.
func TestManyControllers(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	for i := 2; i <= 40; i++ {
		c.AddSRV(simad.SRV{Name: "_ldap._tcp.dc._msdcs.corp.example", Target: fmt.Sprintf("dc%d.corp.example", i), Port: 389, Weight: 100})
	}
	now := time.Now()
	log := &logBuffer{}
	cfg, _ := c.unlisted()
	d := open(t, cfg, Options{Now: func() time.Time { return now }, Logger: log.logger(), DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, c.dcs[0].LDAPSAddr()) // they are all the one, under the name that was asked for
	}})
	var all []string
	for i := 1; i <= 40; i++ {
		all = append(all, fmt.Sprintf("dc%d.corp.example", i))
	}
	c.dcs[0].SetCertificate(c.ca.issue(t, all...))
	got, err := accounts(t, d)
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Fatalf("%v, -want +got\n%s", err, diff)
	}
	first, known := d.current, sortedURLs(d)
	for i := range 20 {
		now = now.Add(keepFound)
		c.dcs[0].CutConnections()
		if _, err := accounts(t, d); err != nil || d.current != first {
			t.Fatalf("look %d: %s is in use after %s, %v", i, d.current.url, first.url, err)
		}
	}
	if diff := cmp.Diff(known, sortedURLs(d)); diff != "" || len(known) != maxFound {
		t.Errorf("%d controllers; after twenty looks -want +got\n%s", len(known), diff)
	}
	if n := strings.Count(log.String(), "domain controllers by DNS"); n != 1 {
		t.Errorf("%d log lines about other controllers", n)
	}
}

func sortedURLs(d *Directory) []string {
	list := urls(d.controllers)
	slices.Sort(list)
	return list
}

// TestChoose takes the best tiers, in them whom it knows, and the one in use in any case.
func TestChoose(t *testing.T) {
	at := func(host string) *url.URL { return &url.URL{Scheme: "ldaps", Host: host} }
	var list []found
	var known []*controller
	for i := range 20 {
		list = append(list, found{at(fmt.Sprintf("near%02d", i)), 0, ""})
		if i >= 10 {
			known = append(known, newController(list[i].url, 0))
		}
	}
	for i := range 5 {
		list = append(list, found{at(fmt.Sprintf("far%d", i)), 1, ""})
		known = append(known, newController(list[20+i].url, 1))
	}
	for name, test := range map[string]struct {
		list    []found
		current *controller
		want    string
	}{
		"few":             {list[:16], nil, "near00 near01 near02 near03 near04 near05 near06 near07 near08 near09 near10 near11 near12 near13 near14 near15"},
		"known ones":      {list, known[3], "near00 near01 near02 near03 near04 near05 near10 near11 near12 near13 near14 near15 near16 near17 near18 near19"},
		"a far one":       {list, known[14], "near00 near01 near02 near03 near04 near10 near11 near12 near13 near14 near15 near16 near17 near18 near19 far4"},
		"one that's gone": {list[:24], known[14], "near00 near01 near02 near03 near04 near05 near10 near11 near12 near13 near14 near15 near16 near17 near18 near19"},
	} {
		t.Run(name, func(t *testing.T) {
			var got []string
			for _, f := range choose(test.list, known, test.current) {
				got = append(got, f.url.Host)
			}
			if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestNewAndRetiredControllers changes DNS while a Directory is in use.
func TestNewAndRetiredControllers(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	must(t, c.AddSite("Berlin"))
	now := time.Now()
	log := &logBuffer{}
	cfg, dial := c.unlisted()
	cfg.Site = "Berlin"
	d := open(t, cfg, Options{DialContext: dial, Now: func() time.Time { return now }, Logger: log.logger()})
	read := func(want ...string) { t.Helper(); c.readsFrom(t, d, names, want...) }
	read("dc1")
	c.serve(t, simad.ControllerOptions{Site: "Berlin"})
	read()
	now = now.Add(keepFound)
	read("dc2")                                                       // nearer than the first one
	waitFor(t, func() bool { return c.dcs[0].Counts().Unbinds == 1 }) // the far one is taken leave of
	c.serve(t, simad.ControllerOptions{Site: "Berlin"})
	c.dcs[1].SetRegistered(false)
	now = now.Add(keepFound)
	read("dc3") // the second one is retired, though it answers
	for _, dc := range c.dcs {
		dc.SetRegistered(false)
	}
	now = now.Add(keepFound)
	for range 2 {
		read() // no record at all: rather a fault of DNS
	}
	if n := strings.Count(log.String(), "cannot be looked up"); n != 1 {
		t.Errorf("%d log lines: %s", n, log)
	}
	c.dcs[0].SetRegistered(true)
	now = now.Add(retryFound)
	read("dc1")
	var lines []string
	for _, m := range regexp.MustCompile(`msg="domain controller in use" domain=corp.example (.*)`).FindAllStringSubmatch(log.String(), -1) {
		lines = append(lines, m[1])
	}
	want := []string{"controller=ldaps://dc1.corp.example", "controller=ldaps://dc2.corp.example before=ldaps://dc1.corp.example",
		"controller=ldaps://dc3.corp.example before=ldaps://dc2.corp.example", "controller=ldaps://dc1.corp.example before=ldaps://dc3.corp.example"}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("the log says, -want +got\n%s", diff)
	}
}

// TestHalfAnswered has DNS fail to answer one of the two questions: what it had answered to that one stays, in its tiers, and DNS is asked again soon. That a
// question has no answer any more is an answer.
func TestHalfAnswered(t *testing.T) {
	const site, domain = "Berlin._sites.dc._msdcs.corp.example", "dc._msdcs.corp.example"
	srv := func(host string, priority uint16) *net.SRV {
		return &net.SRV{Target: host + ".corp.example.", Priority: priority}
	}
	failed, none := &net.DNSError{Err: "server misbehaving", IsTemporary: true}, &net.DNSError{Err: "no such host", IsNotFound: true}
	for name, test := range map[string]struct {
		fails string
		err   error
		want  string
		again time.Duration
	}{
		"the site's fails":    {site, failed, "near1:0 near2:1 far:2 far2:3", retryFound},
		"the site's is gone":  {site, none, "near1:0 far:0 far2:1", keepFound},
		"the domain's fails":  {domain, failed, "near1:0 near2:1 far:2 far2:3", retryFound},
		"the domain's gone":   {domain, none, "near1:0 near2:1", keepFound},
		"both are answered":   {"", nil, "near1:0 near2:1 far:2 far2:3", keepFound},
		"both fail":           {"_msdcs", failed, "near1:0 near2:1 far:2 far2:3", retryFound},
		"the site's ran late": {site, context.DeadlineExceeded, "near1:0 near2:1 far:2 far2:3", retryFound},
	} {
		t.Run(name, func(t *testing.T) {
			c := newCompany(t, 1)
			cfg, _ := c.unlisted()
			cfg.Site = "Berlin"
			now := time.Now()
			d := open(t, cfg, Options{Now: func() time.Time { return now }})
			fails := ""
			d.finder.lookupSRV = func(_ context.Context, _, _, name string) ([]*net.SRV, error) {
				switch {
				case fails != "" && (name == fails || fails == "_msdcs"):
					return nil, test.err
				case name == site:
					return []*net.SRV{srv("near1", 0), srv("near2", 1)}, nil
				}
				return []*net.SRV{srv("near1", 0), srv("far", 0), srv("far2", 5)}, nil
			}
			must(t, d.look(t.Context()))
			fails = test.fails
			for range 2 {
				now = now.Add(keepFound)
				must(t, d.look(t.Context()))
				var got []string
				for _, c := range d.controllers {
					got = append(got, fmt.Sprintf("%s:%d", strings.TrimSuffix(c.host, ".corp.example"), c.tier))
				}
				if diff := cmp.Diff(test.want, strings.Join(got, " ")); diff != "" || !d.lookAt.Equal(now.Add(test.again)) {
					t.Errorf("DNS is asked again after %s, want %s; -want +got\n%s", d.lookAt.Sub(now), test.again, diff)
				}
			}
		})
	}
}

// TestLookAgain asks DNS before its time when none of the controllers that it named can be used, and once only.
func TestLookAgain(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	now := time.Now()
	cfg, dial := c.unlisted()
	d := open(t, cfg, Options{DialContext: dial, Now: func() time.Time { return now }})
	_, err := accounts(t, d)
	must(t, err)
	must(t, c.dcs[0].SetDown(true))
	c.serve(t, simad.ControllerOptions{})
	if _, err := accounts(t, d); !errors.Is(err, photopush.ErrNoDirectory) {
		t.Errorf("DNS was asked just before, and has to be left alone: %v", err)
	}
	now = now.Add(retryFound)
	got, err := accounts(t, d)
	if diff := cmp.Diff(names, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

// TestSitesCannotBeRead goes on without a site.
func TestSitesCannotBeRead(t *testing.T) {
	c := newCompany(t, 1)
	names := c.fill(t, 3)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("127.0.0.0/8")))
	must(t, c.Delete("CN=Subnets,CN=Sites,CN=Configuration,DC=corp,DC=example"))
	cfg, dial := c.unlisted()
	log := &logBuffer{}
	d := open(t, cfg, Options{DialContext: dial, Logger: log.logger()})
	for range 2 {
		got, err := accounts(t, d)
		if diff := cmp.Diff(names, got); err != nil || diff != "" {
			t.Errorf("%v, -want +got\n%s", err, diff)
		}
		c.dcs[0].CutConnections()
	}
	if n := strings.Count(log.String(), "name it in domains[].site"); n != 1 {
		t.Errorf("%d log lines: %s", n, log)
	}
}

// TestConcurrentDiscovery has many callers while controllers go and come: each read is whole.
func TestConcurrentDiscovery(t *testing.T) {
	c := newCompany(t, 2)
	names := c.fill(t, 3)
	must(t, c.AddSite("Berlin", netip.MustParsePrefix("127.0.0.0/8")))
	c.serve(t, simad.ControllerOptions{Site: "Berlin"})
	var mu sync.Mutex
	now := time.Now()
	cfg, dial := c.unlisted()
	d := open(t, cfg, Options{DialContext: dial, Now: func() time.Time {
		mu.Lock()
		defer mu.Unlock()
		now = now.Add(5 * time.Second) // DNS is asked often, and rests end soon
		return now
	}})
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			for range 10 {
				got, err := accounts(t, d)
				if diff := cmp.Diff(names, got); err != nil || diff != "" {
					t.Errorf("%v, -want +got\n%s", err, diff)
				}
				if i == 0 {
					c.dcs[2].CutConnections()
				}
				if _, err := d.Sites(t.Context()); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
}
