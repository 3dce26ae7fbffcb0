package directory

import (
	"bytes"

	"github.com/photopush/photopush"
)

// An episode is one answer to Changes and the reads that follow it. What the answer tells is true of the controller that gave it; another one may
// not have heard of it yet. When such a one was read, the next answer must begin where this one did.
type episode struct {
	from, next []byte
	teller     string // URL of the controller
	strayed    bool
}

// toldBy begins an episode: a controller tells the changes.
func (d *Directory) toldBy(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.telling = &episode{teller: c.url}
}

// readFrom notes which controller is read: while changes are told, for them, and else after they were.
func (d *Directory) readFrom(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := &d.told
	if d.telling != nil {
		e = d.telling
	}
	e.strayed = e.strayed || e.teller != "" && e.teller != c.url
}

// endTelling ends what toldBy has begun; told is nil after an error: then the episode before goes on.
func (d *Directory) endTelling(since []byte, told *photopush.Changes) {
	d.mu.Lock()
	defer d.mu.Unlock()
	e := d.telling
	d.telling = nil
	if e == nil || told == nil {
		return
	}
	if e.next = told.Next; !told.All {
		e.from = since
	}
	d.told = *e
}

// Settled is the place to be kept once what an answer of Changes tells was read: its Next, or, when reads after it went over to another controller, the
// place at which it began, so that the same is told again; nil where it had none.
func (d *Directory) Settled(told photopush.Changes) []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.told.strayed && bytes.Equal(told.Next, d.told.next) {
		return d.told.from
	}
	return told.Next
}
