package simwin

import (
	"slices"
	"sync"
	"time"
)

// A Mode is a way in which the front of a workstation fails.
type Mode int

// The first group makes the workstation as a whole fail, the second the requests that are hit. What happens instead of the answer happens
// before the request is carried out, unless it says otherwise.
const (
	Off              Mode = iota + 1 // nothing listens: connections are refused; shells die with the system
	Silent                           // connections are taken, nothing is ever answered, not even TLS
	WrongCertificate                 // the certificate is for another host, by an unknown authority

	Slow        // the request is carried out after Delay
	Wait        // the request is carried out when Release is closed
	Refuse      // HTTP Status with an empty body: 403, 404, 503, …
	AnswerFault // a WS-Man fault with Code: 5, 2150859180, …
	LoseBefore  // the connection is cut before the request is carried out
	LoseAfter   // the connection is cut after the request was carried out, before the answer
	LoseMidway  // the connection is cut in the middle of the answer, after the request was carried out
	Garbage     // bytes that are no XML, as application/soap+xml
	WrongType   // the right answer as text/html, after the request was carried out
	EmptyError  // HTTP 500 with an empty body
	Oversize    // an envelope of Size bytes, 16 MiB unless set
	Endless     // a body without an end
)

// A Fault says which requests fail, and how. The zero values of its conditions hit every request.
type Fault struct {
	Mode    Mode
	Request int    // only the n-th request since the start or Reset, from 1
	Visit   int    // then Request counts within the n-th visit, from 1 (a visit begins with the first request of its connection)
	Action  string // only requests of this action: Create, Command, Send, Receive, Signal, Delete, Get, Identify
	Times   int    // over after so many requests; 0 for never

	Delay   time.Duration   // of Slow
	Status  int             // of Refuse
	Code    uint32          // of AnswerFault
	Size    int             // of Oversize
	Reached chan<- struct{} // closed when the first request comes to a Wait; nil for nobody who wants to know
	Release <-chan struct{} // ends a Wait
}

// SetFault replaces the faults of the workstation; without arguments it works again. When it was Off, it listens on the same address again.
func (s *Server) SetFault(faults ...Fault) error {
	s.faults.set(faults)
	if !s.faults.silent() {
		s.meter.cut(func(c *connection) bool { return c.parked })
	}
	if s.faults.has(Off) {
		s.powerOff()
		return nil
	}
	return s.listen()
}

// AddFault adds a fault to those that are set.
func (s *Server) AddFault(f Fault) error { return s.SetFault(append(s.faults.current(), f)...) }

type faults struct {
	mu      sync.Mutex
	list    []*armed
	changed chan struct{} // closed by the next set
}

type armed struct {
	Fault
	hits    int
	reached *sync.Once
}

func newFaults() *faults { return &faults{changed: make(chan struct{})} }

func (f *faults) set(list []Fault) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.list = nil
	for _, one := range list {
		f.list = append(f.list, &armed{Fault: one, reached: new(sync.Once)})
	}
	close(f.changed)
	f.changed = make(chan struct{})
}

// current is what is left of the faults.
func (f *faults) current() []Fault {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []Fault
	for _, a := range f.list {
		left := a.Fault
		if a.Times > 0 {
			left.Times -= a.hits
		}
		if a.Times == 0 || left.Times > 0 {
			list = append(list, left)
		}
	}
	return list
}

func (f *faults) has(m Mode) bool {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.ContainsFunc(f.list, func(a *armed) bool { return a.Mode == m })
}

func (f *faults) silent() bool           { return f.has(Silent) }
func (f *faults) wrongCertificate() bool { return f.has(WrongCertificate) }

// change is closed when other faults are set.
func (f *faults) change() <-chan struct{} {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.changed
}

// hit is every fault that this request meets, in the order they were set.
func (f *faults) hit(at arrival, action string) []*armed {
	f.mu.Lock()
	defer f.mu.Unlock()
	var list []*armed
	for _, a := range f.list {
		if a.meets(at, action) {
			a.hits++
			list = append(list, a)
		}
	}
	return list
}

func (a *armed) meets(at arrival, action string) bool {
	n := at.n
	if a.Visit != 0 {
		n = at.inVisit
	}
	switch {
	case a.Request != 0 && a.Request != n,
		a.Visit != 0 && a.Visit != at.visit,
		a.Action != "" && a.Action != action,
		a.Times != 0 && a.hits >= a.Times:
		return false
	}
	return true
}
