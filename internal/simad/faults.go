package simad

import (
	"strings"
	"sync"
	"sync/atomic"
	"time"
)

// Faults say how a controller misbehaves; the zero value is a healthy one.
type Faults struct {
	Cut         Cut           // end a connection at one answer
	Delay       time.Duration // before every answer
	Hang        Hang          // stop answering at one point
	Result      int           // every search ends with this result code at once, for example 3, 10, 51 or 52; 0: none
	ResultAfter int           // searches, pages counted, that are answered before Result
	ResultBase  string        // searches from this base alone end with Result; empty: all
	NoControl   string        // the OID of a control that is refused with unavailableCriticalExtension, as by a server that does not know it
	NoPaging    bool          // the controls of paged results and of DirSync are not answered: the end of a page is missing
	Endless     bool          // DirSync says that there is more, and does not go on

	WriteResult int       // every modify request ends with this result code, and changes nothing; 0: none
	LoseWrite   WriteLoss // end the connection at one modify request
}

// A Cut ends the connection at the N-th answer that is sent after SetFaults, counted from 1 over all connections; 0 never.
type Cut struct {
	N     int
	Where Place
	Every bool // the N-th of each connection, not of all together
}

// A WriteLoss ends the connection at the N-th modify request after SetFaults, counted from 1; 0 never.
type WriteLoss struct {
	N    int
	Loss Loss
}

// A Loss is what becomes of a request when its connection ends.
type Loss int

const (
	NoLoss     Loss = iota
	LoseWrite       // it is not carried out
	LoseAnswer      // it is carried out, and nobody is told
)

// A Place is where an answer is cut.
type Place int

const (
	Before Place = iota // nothing of the answer is sent
	Inside              // half of its bytes are sent
	After               // it is sent whole
)

// A Hang is the point from which a controller is silent, with connections left open.
type Hang int

const (
	NoHang     Hang = iota
	HangAccept      // nothing is answered, not even the TLS handshake
	HangBind        // a bind is read and not answered
	HangSearch      // a search is read and not answered
	HangPage        // a search is answered with its first entry, and no more
	HangSync        // a search with the control of DirSync is read and not answered
	HangWrite       // a modify request is read, and neither carried out nor answered
)

// faultBox holds the faults of now. A hang is released when they change.
type faultBox struct {
	mu       sync.Mutex
	faults   Faults
	answers  int // sent since the faults were set
	writes   int // modify requests since then
	searches int // begun since
	released chan struct{}
	onWrite  func(n int, done bool)
	onSearch func(n int)
}

// SetFaults replaces the faults, and starts to count answers anew. What hangs goes on.
func (c *Controller) SetFaults(f Faults) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	close(c.faults.released)
	c.faults.released = make(chan struct{})
	c.faults.faults = f
	c.faults.answers, c.faults.searches, c.faults.writes = 0, 0, 0
}

// Answered is how many answers were sent since SetFaults, or begun.
func (c *Controller) Answered() int {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	return c.faults.answers
}

func (b *faultBox) get() Faults {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.faults
}

// OnSearch calls f before each search request of the controller is answered, counted from 1 since SetFaults. Nil for nobody.
func (c *Controller) OnSearch(f func(n int)) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.onSearch = f
}

// result counts a search from a base, and tells the code that it is to end with; success for none.
func (b *faultBox) result(base string) int {
	b.mu.Lock()
	b.searches++
	f, n := b.onSearch, b.searches
	b.mu.Unlock()
	if f != nil {
		f(n)
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.searches <= b.faults.ResultAfter || b.faults.ResultBase != "" && !strings.EqualFold(b.faults.ResultBase, base) {
		return success
	}
	return b.faults.Result
}

// next counts an answer and tells whether it is to be cut; own is its number on its connection.
func (b *faultBox) next(own int) (Cut, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.answers++
	n := b.answers
	if b.faults.Cut.Every {
		n = own
	}
	return b.faults.Cut, b.faults.Cut.N > 0 && n == b.faults.Cut.N
}

// write counts a modify request, and tells what becomes of it.
func (b *faultBox) write() Loss {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.writes++
	if b.writes == b.faults.LoseWrite.N {
		return b.faults.LoseWrite.Loss
	}
	return NoLoss
}

// OnWrite calls f before and after the effect of each modify request of the controller, counted from 1, before it is answered. Nil for nobody.
func (c *Controller) OnWrite(f func(n int, done bool)) {
	c.faults.mu.Lock()
	defer c.faults.mu.Unlock()
	c.faults.onWrite = f
}

func (c *Controller) hook(n int, done bool) {
	c.faults.mu.Lock()
	f := c.faults.onWrite
	c.faults.mu.Unlock()
	if f != nil {
		f(n, done)
	}
}

// hangs waits while the controller hangs at h, until the faults change or done is closed.
func (b *faultBox) hangs(h Hang, done <-chan struct{}) {
	for {
		b.mu.Lock()
		released, stuck := b.released, b.faults.Hang == h
		b.mu.Unlock()
		if !stuck {
			return
		}
		select {
		case <-released:
		case <-done:
			return
		}
	}
}

// Counts are what a controller has seen since it was started. The far end's word: nothing here is told by a client.
type Counts struct {
	Connections int // accepted
	Binds       int // sign-ins that succeeded, by password or certificate
	FailedBinds int // passwords that were refused, and certificates that stand for nobody
	Searches    int // requests, a page each
	Entries     int // sent
	Answers     int // messages sent, entries too
	Unbinds     int // connections that took leave
	Abandons    int
	StartTLS    int
	Writes      int // add, modify, delete and rename requests
	Changes     int // modify requests that were carried out
}

type counters struct {
	connections, binds, failedBinds, searches, entries, answers, unbinds, abandons, startTLS, writes, changes atomic.Int64
}

// Counts returns the counters.
func (c *Controller) Counts() Counts {
	n := &c.counts
	return Counts{
		Connections: int(n.connections.Load()),
		Binds:       int(n.binds.Load()),
		FailedBinds: int(n.failedBinds.Load()),
		Searches:    int(n.searches.Load()),
		Entries:     int(n.entries.Load()),
		Answers:     int(n.answers.Load()),
		Unbinds:     int(n.unbinds.Load()),
		Abandons:    int(n.abandons.Load()),
		StartTLS:    int(n.startTLS.Load()),
		Writes:      int(n.writes.Load()),
		Changes:     int(n.changes.Load()),
	}
}
