package directory

import (
	"bytes"

	"github.com/photopush/photopush"
)

// An episode is one answer to Changes and the reads that follow it. What the answer tells is true of the controller that gave it; another one may
// not have heard of it yet. When such a one was read, the next answer begins where this one did.
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

// unstrayed is where to begin: at since, or where the last episode began when reads after it went astray, or why that is not known.
func (d *Directory) unstrayed(since []byte) (from []byte, why string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case !d.told.strayed || !bytes.Equal(since, d.told.next):
		return since, ""
	case d.told.from == nil:
		return nil, "the last read went over to another controller, which may not have known all yet"
	}
	return d.told.from, ""
}
