package simwin

import (
	"io"
	"sync"
)

// A pipe carries standard input from Send to the process. Writing never waits: what Windows keeps back in an anonymous pipe and in the
// plugin, it keeps.
type pipe struct {
	mu      sync.Mutex
	more    *sync.Cond
	data    []byte
	ended   bool // the client said End
	stopped bool // the process is gone, or closed its end
}

func newPipe() *pipe {
	p := &pipe{}
	p.more = sync.NewCond(&p.mu)
	return p
}

// send is the client's side; false when nobody reads any more, or after End.
func (p *pipe) send(data []byte, end bool) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended || p.stopped {
		return false
	}
	p.data = append(p.data, data...)
	p.ended = end
	p.more.Broadcast()
	return true
}

// Read is the process's side: io.EOF after End, io.ErrClosedPipe when the shell is gone.
func (p *pipe) Read(b []byte) (int, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for len(p.data) == 0 && !p.ended && !p.stopped {
		p.more.Wait()
	}
	switch {
	case p.stopped:
		return 0, io.ErrClosedPipe
	case len(p.data) == 0:
		return 0, io.EOF
	}
	n := copy(b, p.data)
	p.data = p.data[n:]
	return n, nil
}

// Close stops reading.
func (p *pipe) Close() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.stopped, p.data = true, nil
	p.more.Broadcast()
	return nil
}
