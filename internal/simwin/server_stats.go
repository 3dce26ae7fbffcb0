package simwin

import (
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats are the figures of the far end since the start or the last Reset.
type Stats struct {
	Requests      int            // HTTP requests whose end arrived, those answered 401 too; the n of faults and hooks counts them from 1
	Connections   int            // TCP connections that were accepted
	PerConnection []int          // requests of each of them, in the order they were accepted
	Processes     int            // processes that were started
	BytesReceived int64          // on the wire, TLS included
	BytesSent     int64          // likewise
	FailedLogons  map[string]int // refused logons by account, as in Options.Users; in lower case for accounts that do not exist
	InFlight      int            // visits whose shell is there and that have an open connection
	MaxInFlight   int            // the most of them at one time
	Visits        []VisitStats   // in the order their shells were created
}

// A VisitStats is one visit: a shell and the connections that used it. Requests that came on such a connection before the shell count too.
type VisitStats struct {
	Requests    int
	Connections int
	Processes   int
	Started     time.Time // when its first request arrived
	Ended       time.Time // when its shell was gone; zero before
}

// MaxRequests, MaxConnections and MaxProcesses are the largest figures of a visit.
func (s Stats) MaxRequests() int {
	return largest(s.Visits, func(v VisitStats) int { return v.Requests })
}

func (s Stats) MaxConnections() int {
	return largest(s.Visits, func(v VisitStats) int { return v.Connections })
}

func (s Stats) MaxProcesses() int {
	return largest(s.Visits, func(v VisitStats) int { return v.Processes })
}

func largest(visits []VisitStats, figure func(VisitStats) int) int {
	most := 0
	for _, v := range visits {
		most = max(most, figure(v))
	}
	return most
}

// Stats reads the counters.
func (s *Server) Stats() Stats { return s.meter.read() }

// Reset sets the counters to zero and n of faults and hooks with them. Open connections and shells stay, and are counted no more
// but for InFlight.
func (s *Server) Reset() { s.meter.reset() }

type visit struct {
	VisitStats
	number int // in the order of first requests, from 1
	shell  string
	open   map[*connection]bool
	seen   map[*connection]bool
}

func (v *visit) inFlight() bool { return v.shell != "" && v.Ended.IsZero() && len(v.open) > 0 }

type meter struct {
	clock          Clock
	received, sent atomic.Int64

	mu          sync.Mutex
	closedOne   *sync.Cond
	open        map[*connection]bool // not closed yet
	connections []*connection
	requests    int
	processes   int
	failed      map[string]int
	numbered    int      // visits that have a number
	visits      []*visit // that have or had a shell
	byShell     map[string]*visit
	maxInFlight int
}

func newMeter(clock Clock) *meter {
	m := &meter{clock: clock, open: map[*connection]bool{}, failed: map[string]int{}, byShell: map[string]*visit{}}
	m.closedOne = sync.NewCond(&m.mu)
	return m
}

func (m *meter) connectionOpened(c *connection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.open[c] = true
	m.connections = append(m.connections, c)
}

// connectionEnds: the client is gone, although the request it left behind may still be worked on.
func (m *meter) connectionEnds(c *connection) {
	m.mu.Lock()
	defer m.mu.Unlock()
	c.ended = true
	if c.visit != nil {
		delete(c.visit.open, c)
	}
}

func (m *meter) connectionClosed(c *connection) {
	m.connectionEnds(c)
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.open, c)
	m.closedOne.Broadcast()
}

// cutAll closes every connection without a word.
func (m *meter) cutAll() { m.cut(func(*connection) bool { return true }) }

func (m *meter) cut(which func(*connection) bool) {
	m.mu.Lock()
	list := slices.Collect(maps.Keys(m.open))
	m.mu.Unlock()
	for _, c := range list {
		if which(c) {
			c.Close()
		}
	}
}

func (m *meter) waitConnections() {
	m.mu.Lock()
	defer m.mu.Unlock()
	for len(m.open) > 0 {
		m.closedOne.Wait()
	}
}

// arrival is a request with its places in the counts.
type arrival struct {
	n       int // since the start or Reset
	visit   int // number of its visit
	inVisit int // place in its visit
}

// requestArrived counts a request; shell is the one it names, in upper case.
func (m *meter) requestArrived(c *connection, shell string) arrival {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests++
	c.requests++
	v := m.visitOf(c, shell)
	v.Requests++
	return arrival{m.requests, v.number, v.Requests}
}

// visitOf: a request that names a shell belongs to that shell's visit, on whichever connection it comes.
func (m *meter) visitOf(c *connection, shell string) *visit {
	v := m.byShell[shell]
	if v == nil {
		v = c.visit
	}
	if v == nil || !v.Ended.IsZero() {
		m.numbered++
		v = &visit{VisitStats: VisitStats{Started: m.clock.Now()}, number: m.numbered, open: map[*connection]bool{}, seen: map[*connection]bool{}}
	}
	if c.visit != v {
		if c.visit != nil {
			delete(c.visit.open, c)
		}
		c.visit = v
	}
	if !v.seen[c] {
		v.seen[c] = true
		v.Connections++
	}
	if !c.ended {
		v.open[c] = true
	}
	m.countInFlight()
	return v
}

func (m *meter) countInFlight() int {
	n := 0
	for _, v := range m.byShell {
		if v.inFlight() {
			n++
		}
	}
	m.maxInFlight = max(m.maxInFlight, n)
	return n
}

// shellMade: the connection's visit has a shell now; a second shell at the same time is a visit of its own.
func (m *meter) shellMade(c *connection, shell string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	v := c.visit
	if v == nil || v.shell != "" {
		c.visit = nil
		v = m.visitOf(c, "")
	}
	v.shell = shell
	m.visits = append(m.visits, v)
	m.byShell[shell] = v
	m.countInFlight()
}

func (m *meter) shellGone(shell string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if v := m.byShell[shell]; v != nil {
		v.Ended = m.clock.Now()
		delete(m.byShell, shell)
	}
}

func (m *meter) processStarted(shell string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.processes++
	if v := m.byShell[shell]; v != nil {
		v.Processes++
	}
}

func (m *meter) logonFailed(account string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failed[account]++
}

func (m *meter) read() Stats {
	m.mu.Lock()
	defer m.mu.Unlock()
	s := Stats{Requests: m.requests, Connections: len(m.connections), Processes: m.processes, BytesReceived: m.received.Load(),
		BytesSent: m.sent.Load(), FailedLogons: maps.Clone(m.failed), InFlight: m.countInFlight(), MaxInFlight: m.maxInFlight}
	for _, c := range m.connections {
		s.PerConnection = append(s.PerConnection, c.requests)
	}
	for _, v := range m.visits {
		s.Visits = append(s.Visits, v.VisitStats)
	}
	return s
}

func (m *meter) reset() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.requests, m.processes, m.numbered, m.maxInFlight = 0, 0, 0, 0
	m.connections, m.visits, m.failed = nil, nil, map[string]int{}
	m.received.Store(0)
	m.sent.Store(0)
}
