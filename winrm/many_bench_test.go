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

// BenchmarkThousandWorkstations visits 1,000 workstations in another process, each once, with 100 KB of payload, Kerberos and every message sealed,
// on as many lanes as a server has. Bar: 0.8 of the visits that script time and lanes allow. The lanes divide the workstations, so that these are
// lanes/script time.
func BenchmarkThousandWorkstations(b *testing.B) {
	for _, x := range []struct {
		script time.Duration
		lanes  int
	}{{300 * time.Millisecond, 25}, {3 * time.Second, 250}} {
		b.Run(fmt.Sprintf("script=%v,lanes=%d", x.script, x.lanes), func(b *testing.B) {
			c, hosts := thousand(b, x.script, nil)
			input := inputOf(100 << 10)
			var took time.Duration
			n := 0
			for b.Loop() {
				begin := time.Now()
				visitAll(b, c, hosts, x.lanes, input)
				took += time.Since(begin)
				n += len(hosts)
			}
			allowed := float64(x.lanes) / x.script.Seconds()
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

// BenchmarkMemory weighs the memory in use, garbage and stacks included, while the visits are under way. Bar, at every moment that is looked at: 64 KB a
// visit, and two envelopes for every Send, from its first byte until the first of its answer. Nothing is collected but when the runtime does it by itself
// (GOGC as it comes).
func BenchmarkMemory(b *testing.B) {
	const lanes, perVisit = 320, 64 << 10
	var sends sends
	c, hosts := thousand(b, 300*time.Millisecond, &sends)
	input := inputOf(100 << 10)
	visitAll(b, c, hosts, lanes, input) // so that the tickets are there
	var peak, worst weight
	for b.Loop() {
		for range 3 { // what is in use before; pools keep what was used for two collections
			runtime.GC()
		}
		base := inUse()
		done := make(chan struct{})
		go func() {
			defer close(done)
			visitAll(b, c, hosts, lanes, input)
		}()
		for over := false; !over; {
			select {
			case <-done:
				over = true
			case <-time.After(3 * time.Millisecond):
				w := weight{sending: sends.underWay.Load(), used: inUse() - base}
				w.besides = w.used - 2*sends.largest.Load()*w.sending
				if w.used > peak.used {
					peak = w
				}
				if w.besides > worst.besides {
					worst = w
				}
			}
		}
	}
	b.ReportMetric(float64(peak.used)/lanes/1024, "peak-KB/visit")
	b.ReportMetric(float64(worst.besides)/(lanes*perVisit), "of-bar")
	if worst.besides > lanes*perVisit {
		b.Errorf("%d KB in use besides %d Sends, want at most %d KB for %d visits", worst.besides>>10, worst.sending, lanes*perVisit>>10, lanes)
	}
	summary.Line(b, "memory of %d visits in flight: %.0f KB a visit besides two envelopes of %d KB for each Send under way (bar 64 KB); at most %d KB a visit in all, with %d Sends",
		lanes, float64(worst.besides)/lanes/1024, sends.largest.Load()>>10, peak.used>>10/lanes, peak.sending)
}

// A weight is what is in use at one moment, in bytes.
type weight struct{ used, besides, sending int64 }

// inUse is what the heap and the stacks take, what nobody has collected yet included, in bytes.
func inUse() int64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapInuse + m.StackInuse)
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

// thousand are workstations in another process, and a client for them, whose Sends are counted if counted is not nil.
func thousand(b *testing.B, runs time.Duration, counted *sends) (*Client, []string) {
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
			if err != nil || counted == nil {
				return conn, err
			}
			return &weighed{Conn: conn, sends: counted}, nil
		}
	})
	return c, hosts
}

// sends are the messages with input: those under way, and the size of the largest, in bytes.
type sends struct{ underWay, largest atomic.Int64 }

// weighed counts the Sends of one connection: from their first byte until the first of their answer, for until then a client may need what it sent.
type weighed struct {
	net.Conn
	sends   *sends
	sending bool
}

func (c *weighed) Write(p []byte) (int, error) {
	if n := int64(len(p)); n > keptBuffer {
		c.begin(n)
	}
	return c.Conn.Write(p)
}

func (c *weighed) begin(n int64) {
	for old := c.sends.largest.Load(); n > old && !c.sends.largest.CompareAndSwap(old, n); {
		old = c.sends.largest.Load()
	}
	if !c.sending {
		c.sending = true
		c.sends.underWay.Add(1)
	}
}

func (c *weighed) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.answered()
	return n, err
}

func (c *weighed) Close() error {
	c.answered()
	return c.Conn.Close()
}

func (c *weighed) answered() {
	if c.sending {
		c.sending = false
		c.sends.underWay.Add(-1)
	}
}
