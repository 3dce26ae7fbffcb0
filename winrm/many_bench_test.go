//go:build linux

package winrm

import (
	"context"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/farend"
	"github.com/photopush/photopush/internal/summary"
)

// BenchmarkThousandWorkstations visits 1,000 workstations in another process, each once, with 100 KB of pictures, Kerberos and every message sealed,
// on as many lanes as a server has. Bar: 0.8 of the visits that script time and lanes allow.
func BenchmarkThousandWorkstations(b *testing.B) {
	for _, x := range []struct {
		script time.Duration
		lanes  int
	}{{300 * time.Millisecond, 32}, {3 * time.Second, 320}} {
		b.Run(fmt.Sprintf("script=%v,lanes=%d", x.script, x.lanes), func(b *testing.B) {
			c, hosts := thousand(b, x.script, nil)
			input := pushInput()[:script+100<<10]
			var took time.Duration
			n := 0
			for b.Loop() {
				begin := time.Now()
				visitAll(b, c, hosts, x.lanes, input)
				took += time.Since(begin)
				n += len(hosts)
			}
			rounds := (len(hosts) + x.lanes - 1) / x.lanes
			allowed := float64(len(hosts)) / (time.Duration(rounds) * x.script).Seconds()
			rate := float64(n) / took.Seconds()
			b.ReportMetric(rate, "visits/s")
			b.ReportMetric(rate/allowed, "of-allowed")
			if rate < 0.8*allowed {
				b.Errorf("%.0f visits/s, want at least 0.8 of the %.0f that %d lanes and scripts of %v allow", rate, allowed, x.lanes, x.script)
			}
			summary.Line(b, "visits to 1,000 workstations, scripts of %v, %d lanes: %.0f/s, %.2f × what these allow (bar 0.8)", x.script, x.lanes, rate, rate/allowed)
		})
	}
}

// BenchmarkMemory weighs what is alive, stacks included, while the visits are under way. Bar: 64 KB a visit and two envelopes for every Send that is
// being written, at any moment that is looked at.
func BenchmarkMemory(b *testing.B) {
	const lanes, perVisit = 320, 64 << 10
	var sending atomic.Int64
	c, hosts := thousand(b, 300*time.Millisecond, &sending)
	input := pushInput()[:script+100<<10]
	visitAll(b, c, hosts, lanes, input) // so that the tickets are there
	var peak, worst int64
	for b.Loop() {
		base := alive()
		done := make(chan struct{})
		go func() {
			defer close(done)
			visitAll(b, c, hosts, lanes, input)
		}()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			case <-time.After(50 * time.Millisecond):
				used := alive() - base
				peak = max(peak, used)
				worst = max(worst, used-2*sending.Load()*int64(c.cfg.MaxEnvelope))
			}
		}
	}
	b.ReportMetric(float64(peak)/lanes/1024, "peak-KB/visit")
	b.ReportMetric(float64(worst)/(lanes*perVisit), "of-bar")
	if worst > lanes*perVisit {
		b.Errorf("%d KB are alive besides the messages being sent, want at most %d KB for %d visits", worst>>10, lanes*perVisit>>10, lanes)
	}
	summary.Line(b, "memory of %d visits in flight: at most %.0f KB a visit (bar 64 KB and two envelopes for each message being sent)", lanes, float64(peak)/lanes/1024)
}

// alive is what the collector keeps, and the stacks, in bytes.
func alive() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}

// visitAll visits every host once.
func visitAll(b *testing.B, c *Client, hosts []string, lanes int, input []byte) {
	next := make(chan string, len(hosts))
	for _, h := range hosts {
		next <- h
	}
	close(next)
	var all sync.WaitGroup
	for range lanes {
		all.Go(func() {
			for host := range next {
				if err := visitOne(b.Context(), c, host, input); err != nil {
					b.Error(err)
				}
			}
		})
	}
	all.Wait()
}

func visitOne(ctx context.Context, c *Client, host string, input []byte) error {
	s, err := c.Open(ctx, photopush.Workstation{Name: host, Host: host})
	if err != nil {
		return err
	}
	_, err = s.Run(ctx, commandLine, input)
	if closed := s.Close(ctx); err == nil {
		err = closed
	}
	return err
}

// thousand are workstations in another process, and a client for them. Large writes under way are counted in sending, if it is not nil.
func thousand(b *testing.B, runs time.Duration, sending *atomic.Int64) (*Client, []string) {
	hosts := make([]string, 1000)
	for i := range hosts {
		hosts[i] = fmt.Sprintf("pc%04d.corp.example", i)
	}
	_, c := farClient(b, farend.Options{Host: testHost, Others: hosts, Runs: runs}, func(far *farend.FarEnd) dialer {
		return func(ctx context.Context, network, addr string) (net.Conn, error) {
			host, _, err := net.SplitHostPort(addr)
			if err != nil {
				return nil, err
			}
			conn, err := new(net.Dialer).DialContext(ctx, network, far.Others[host])
			if err != nil || sending == nil {
				return conn, err
			}
			return weighed{conn, sending}, nil
		}
	})
	return c, hosts
}

// weighed counts large writes while they are under way.
type weighed struct {
	net.Conn
	sending *atomic.Int64
}

func (c weighed) Write(p []byte) (int, error) {
	if len(p) > keptBuffer {
		c.sending.Add(1)
		defer c.sending.Add(-1)
	}
	return c.Conn.Write(p)
}
