//go:build linux

package directory

import (
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"net/netip"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// A sambaForest is a real domain with some hundred users who have photos, and from clone on a second controller.
type sambaForest struct {
	*sambalab.Domain
	second *sambalab.Domain
	names  []string
}

// TestSambaControllers finds real controllers by DNS, in sites, and loses them in the middle of reads.
func TestSambaControllers(t *testing.T) {
	f := &sambaForest{Domain: sambalab.New(t)}
	var users []sambalab.User
	for i := range 240 {
		name := fmt.Sprintf("u%04d", i)
		users = append(users, sambalab.User{Name: name, Photo: slices.Repeat([]byte(name), 500+i*5)})
		f.names = append(f.names, name)
	}
	f.AddUsers(users...)
	f.AddOU(groupsOU)
	var members []string
	for _, name := range f.names {
		members = append(members, staffDN(name))
	}
	f.AddGroup(groupDN("half"), members[:120]...)
	f.AddGroup(groupDN("all"), append(members[120:], groupDN("half"))...)
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"by DNS", f.testByDNS},
		{"sites", f.testSites},
		{"site without a controller", f.testEmptySite},
		{"second controller in our site", f.testSecond},
		{"killed in the middle", f.testKilled},
		{"cut in the middle", func(t *testing.T) { f.testCut(t) }},
		{"cut in the middle, with groups", func(t *testing.T) { f.testCut(t, groupDN("all")) }},
	} {
		if !t.Run(step.name, step.run) {
			t.FailNow() // each begins where the one before ended
		}
	}
}

// config names no controller.
func (f *sambaForest) config() Config {
	cfg := sambaConfig(f.Domain, "")
	cfg.Controllers, cfg.PageSize = nil, 20
	return cfg
}

// read reads all users, and fails unless each comes once; each is called before every user.
func (f *sambaForest) read(t *testing.T, d *Directory, each func(n int)) {
	t.Helper()
	var got []string
	err := d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, photos []photopush.Photo) error {
		each(len(got))
		got = append(got, u.AccountName)
		if len(photos) != 1 {
			t.Errorf("%s has %d photos", u.AccountName, len(photos))
		}
		return nil
	})
	slices.Sort(got)
	if diff := cmp.Diff(f.names, got); err != nil || diff != "" {
		t.Errorf("%v, -want +got\n%s", err, diff)
	}
}

func quietly(int) {}

func (f *sambaForest) testByDNS(t *testing.T) {
	for _, site := range []string{"", sambalab.DefaultSite, "Nowhere"} {
		for _, encryption := range []string{overLDAPS, overStartTLS} {
			cfg := f.config()
			cfg.Site, cfg.Encryption = site, encryption
			d := open(t, cfg, Options{})
			f.read(t, d, quietly)
			if want := map[string]string{overLDAPS: "ldaps://", overStartTLS: "ldap://"}[encryption] + sambalab.Host; d.current.url != want || len(d.controllers) != 1 {
				t.Errorf("site %q: %s of %v is in use, want %s", site, d.current.url, urls(d.controllers), want)
			}
		}
	}
}

func (f *sambaForest) testSites(t *testing.T) {
	f.AddSite("Berlin", "127.0.0.0/8", "2001:db8::/32")
	f.AddSubnet("10.0.0.0/8", sambalab.DefaultSite)
	s, err := open(t, f.config(), Options{}).Sites(t.Context())
	must(t, err)
	for addr, want := range map[string]string{"127.0.0.1": "Berlin", "2001:db8::7": "Berlin", "10.1.2.3": sambalab.DefaultSite, "192.0.2.1": ""} {
		if got := s.Site(netip.MustParseAddr(addr)); got != want {
			t.Errorf("%s is in %q, want %q", addr, got, want)
		}
	}
}

func (f *sambaForest) testEmptySite(t *testing.T) {
	d := open(t, f.config(), Options{})
	f.read(t, d, quietly)
	if d.finder.site != "Berlin" || d.current.host != sambalab.Host {
		t.Errorf("we are in site %q, and %s is in use", d.finder.site, d.current.url)
	}
}

func (f *sambaForest) testSecond(t *testing.T) {
	f.second = f.Clone("dc2.corp.example")
	f.AddController(f.second.Host(), "Berlin", 0)
	d := open(t, f.config(), Options{})
	f.read(t, d, quietly)
	if d.current.host != f.second.Host() || len(d.controllers) != 2 {
		t.Errorf("%s of %v is in use", d.current.url, urls(d.controllers))
	}
}

// testKilled ends the process of the controller that is in use in the middle of a page. It is preferred again once it is back.
func (f *sambaForest) testKilled(t *testing.T) {
	now := time.Now()
	d := open(t, f.config(), Options{Now: func() time.Time { return now }})
	for _, at := range []int{0, 70, 239} {
		f.read(t, d, func(n int) {
			if n == at {
				f.second.Kill()
			}
		})
		if at == 70 && d.current.host != sambalab.Host {
			t.Errorf("%s is in use after the kill", d.current.url)
		}
		f.second.Start()
		now = now.Add(maxRest)
		f.read(t, d, quietly)
		if d.current.host != f.second.Host() {
			t.Errorf("%s is in use after the other one came back", d.current.url)
		}
	}
}

// testCut cuts the connection to the first controller at places all over a read, within a record of TLS and between two. With groups, one that is cut
// while it lies idle is opened again.
func (f *sambaForest) testCut(t *testing.T, groups ...string) {
	p := newCutter(t, f.LDAPSAddr())
	cfg := f.config()
	cfg.Users.Groups = groups
	cfg.Controllers = []string{f.LDAPS(), f.second.LDAPS()}
	dial := func(ctx context.Context, network, address string) (net.Conn, error) {
		if address == sambalab.Host+":636" {
			return new(net.Dialer).DialContext(ctx, network, p.addr)
		}
		return cfg.Resolver().DialContext(ctx, network, address)
	}
	p.cutAt(0, false)
	f.read(t, open(t, cfg, Options{DialContext: dial}), quietly)
	total := p.records()
	if total < 50 {
		t.Fatalf("a read is %d records only", total)
	}
	cases := 0
	for n := 1; n <= total; n += total / 12 {
		for _, inside := range []bool{false, true} {
			p.cutAt(n, inside)
			d := open(t, cfg, Options{DialContext: dial})
			f.read(t, d, quietly)
			if d.current.host != f.second.Host() && groups == nil {
				t.Errorf("cut at record %d of %d: %s is in use", n, total, d.current.url)
			}
			cases++
		}
	}
	t.Logf("%d places in %d records", cases, total)
}

// A cutter passes connections on to a server, and cuts the n-th record of TLS that comes back on one, or in its middle.
type cutter struct {
	addr, server string

	mu     sync.Mutex
	n      int
	inside bool
	seen   int // records since cutAt
	conns  map[net.Conn]struct{}
}

func newCutter(t *testing.T, server string) *cutter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	p := &cutter{addr: l.Addr().String(), server: server, conns: map[net.Conn]struct{}{}}
	var wg sync.WaitGroup
	wg.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { p.pass(c) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		p.mu.Lock()
		for c := range p.conns {
			c.Close()
		}
		p.mu.Unlock()
		wg.Wait()
	})
	return p
}

// cutAt sets where connections are cut from now on: before the n-th record, or in its middle; 0 for nowhere.
func (p *cutter) cutAt(n int, inside bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.n, p.inside, p.seen = n, inside, 0
}

func (p *cutter) records() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.seen
}

// next counts a record.
func (p *cutter) next() (cut, inside bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.seen++
	return p.seen == p.n, p.inside
}

func (p *cutter) pass(client net.Conn) {
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		client.Close()
		return
	}
	p.mu.Lock()
	p.conns[client], p.conns[server] = struct{}{}, struct{}{}
	p.mu.Unlock()
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(server, client) // until either side is closed
		server.Close()
	}()
	p.back(client, server)
	client.Close()
	server.Close()
	<-done
}

// back passes records on until one is to be cut: type, version and length are five bytes (RFC 8446 5.1).
func (p *cutter) back(client, server net.Conn) {
	for {
		record := make([]byte, 5)
		if _, err := io.ReadFull(server, record); err != nil {
			return
		}
		record = append(record, make([]byte, binary.BigEndian.Uint16(record[3:]))...)
		if _, err := io.ReadFull(server, record[5:]); err != nil {
			return
		}
		cut, inside := p.next()
		switch {
		case cut && !inside:
			return
		case cut:
			record = record[:len(record)/2]
		}
		if _, err := client.Write(record); err != nil || cut {
			return
		}
	}
}
