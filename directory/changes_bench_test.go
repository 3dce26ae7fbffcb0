//go:build linux

package directory

import (
	"context"
	"fmt"
	"net"
	"sync/atomic"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simad"
)

// benchChanges is how many users change between two passes; the domains have benchUsers, and as many computers.
const benchChanges = 10

// BenchmarkPassSimad measures passes over a simulated domain: one in which nothing has changed, and one with ten changes, half of them of photos.
func BenchmarkPassSimad(b *testing.B) {
	c := newCompany(b, 1)
	photo := make([]byte, 10_000)
	for i := range benchUsers {
		c.user(b, simad.User{Account: fmt.Sprintf("u%05d", i+1), ThumbnailPhoto: photo})
	}
	for i := range benchUsers {
		c.computer(b, simad.Computer{Name: fmt.Sprintf("WS%05d", i+1)})
	}
	for _, method := range []string{methodDirSync, methodUSN} {
		b.Run(method, func(b *testing.B) {
			cfg := c.config()
			cfg.Changes = method
			benchPasses(b, cfg, simChanger{b, c})
		})
	}
}

// BenchmarkPassSamba measures the same over a real one.
func BenchmarkPassSamba(b *testing.B) {
	samba := sambalab.NewWith(b, sambalab.Options{Seed: sambalab.Seed{Users: benchUsers, Computers: benchUsers}})
	for _, method := range []string{methodDirSync, methodUSN} {
		b.Run(method, func(b *testing.B) {
			cfg := sambaConfig(samba, samba.LDAPS())
			cfg.Changes, cfg.PageSize = method, 500
			benchPasses(b, cfg, sambaChanger{samba})
		})
	}
}

// benchPasses compares passes with a complete read with photos in the same run: in time, and in bytes from the controller.
func benchPasses(b *testing.B, cfg Config, x changer) {
	var received atomic.Int64
	d := open(b, cfg, Options{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		c, err := cfg.Resolver().DialContext(ctx, network, address)
		return &countingConn{c, &received}, err
	}})
	k := &benchKeeper{b: b, d: d}
	start := time.Now()
	k.pass(true)
	full, fullBytes := time.Since(start), received.Load()
	n := 0
	for name, changes := range map[string]int{"nothing": 0, "ten": benchChanges} {
		b.Run(name, func(b *testing.B) {
			k.b = b
			var spent time.Duration
			var got int64
			for b.Loop() {
				for range changes {
					n++
					attribute := []string{"thumbnailPhoto", "displayName"}[n%2]
					x.set(fmt.Sprintf("CN=u%05d,%s", 1+n%benchUsers, staff), attribute, fmt.Sprint("pass ", n, " by ", cfg.Changes))
				}
				start, bytes := time.Now(), received.Load()
				if seen := k.pass(false); seen < changes || changes == 0 && seen > 0 {
					b.Fatalf("%d users were read, want %d", seen, changes)
				}
				spent += time.Since(start)
				got += received.Load() - bytes
			}
			b.ReportMetric(float64(spent.Milliseconds())/float64(b.N), "ms/pass")
			b.ReportMetric(float64(full)/(float64(spent)/float64(b.N)), "full/pass-time")
			b.ReportMetric(float64(fullBytes)/(float64(got)/float64(b.N)), "full/pass-bytes")
		})
	}
}

// A benchKeeper follows changes, and keeps nothing but the place.
type benchKeeper struct {
	b     testing.TB
	d     *Directory
	place []byte
}

// pass tells how many users were read.
func (k *benchKeeper) pass(all bool) (seen int) {
	told, err := k.d.Changes(k.b.Context(), k.place)
	must(k.b, err)
	if told.All != all {
		k.b.Fatalf("told %+v", told)
	}
	var ids, photos []photopush.GUID
	if !all {
		ids, photos = []photopush.GUID{}, []photopush.GUID{}
	}
	for _, c := range told.List {
		ids = append(ids, c.ID)
		if c.Photo {
			photos = append(photos, c.ID)
		}
	}
	count := func(photopush.User, []photopush.Photo) error { seen++; return nil }
	ignore := func(photopush.User, []photopush.Photo) error { return nil }
	if all {
		ignore = count
	} else {
		must(k.b, k.d.Users(k.b.Context(), photopush.UserQuery{IDs: ids}, count))
	}
	must(k.b, k.d.Users(k.b.Context(), photopush.UserQuery{IDs: photos, Photos: true}, ignore))
	must(k.b, k.d.Workstations(k.b.Context(), ids, func(photopush.Workstation) error { return nil }))
	k.place = told.Next
	return seen
}

// A countingConn counts what it reads.
type countingConn struct {
	net.Conn
	n *atomic.Int64
}

func (c *countingConn) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.n.Add(int64(n))
	return n, err
}
