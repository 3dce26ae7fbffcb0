package directory

import (
	"cmp"
	"math"
	"slices"
	"time"
)

// A controller that failed rests: it is tried after the others only. Each failure in a row doubles its rest, up to maxRest.
const (
	restAfterFault = time.Minute
	maxRest        = 16 * time.Minute
)

// restAfterSilence is how long a controller rests that left a password without an answer: when that may be sent again, the others come first.
const restAfterSilence = time.Hour

// candidates lists the controllers not yet tried, in the order in which to try them: by tier, in a tier the one in use first, and those that
// rest after all others.
func (d *Directory) candidates(tried *trial) []*controller {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	list := slices.DeleteFunc(slices.Clone(d.controllers), tried.has)
	slices.SortStableFunc(list, func(a, b *controller) int {
		return cmp.Or(rank(now.Before(a.resting), now.Before(b.resting)), cmp.Compare(a.tier, b.tier), rank(a != d.current, b != d.current))
	})
	return list
}

// better lists the controllers that are preferred to that of a connection, and may answer again.
func (d *Directory) better(tried *trial, than *controller) []*controller {
	list := d.candidates(tried)
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	return slices.DeleteFunc(list, func(c *controller) bool { return now.Before(c.resting) || c.tier >= than.preference() })
}

// rank orders false before true.
func rank(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// preference is the tier, the worst one for a controller that DNS does not name any more.
func (c *controller) preference() int {
	if c.retired {
		return math.MaxInt
	}
	return c.tier
}

// mayImprove tells whether it is time to look for a better controller than that of a connection.
func (d *Directory) mayImprove(than *controller) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	now := d.now()
	if d.finder != nil && !now.Before(d.lookAt) {
		return true
	}
	return slices.ContainsFunc(d.controllers, func(c *controller) bool { return c.tier < than.preference() && !now.Before(c.resting) })
}

// rest notes a failure.
func (d *Directory) rest(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.resting = d.now().Add(min(restAfterFault<<min(c.failures, 10), maxRest))
	c.failures++
}

// restLonger lets a controller rest for at least that long.
func (d *Directory) restLonger(c *controller, least time.Duration) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if until := d.now().Add(least); c.resting.Before(until) {
		c.resting = until
	}
}

// healthy notes that a whole call went well.
func (d *Directory) healthy(c *controller) {
	d.mu.Lock()
	defer d.mu.Unlock()
	c.failures, c.resting = 0, time.Time{}
}

// Controller is the domain controller to which connections are opened now, as the configuration would name it; empty before the first one.
func (d *Directory) Controller() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.current == nil {
		return ""
	}
	return d.current.url
}

// inUse notes to which controller connections are opened now, and logs when it is another one. Idle connections to worse ones are closed.
func (d *Directory) inUse(c *controller) {
	d.mu.Lock()
	before := d.current
	d.current = c
	var worse []*conn
	d.idle = slices.DeleteFunc(d.idle, func(i *conn) bool {
		if i.controller.preference() <= c.preference() {
			return false
		}
		worse = append(worse, i)
		return true
	})
	d.mu.Unlock()
	for _, i := range worse {
		i.quit()
	}
	switch {
	case before == nil:
		d.log.Info("domain controller in use", "domain", d.cfg.Name, "controller", c.url)
	case before != c:
		d.log.Info("domain controller in use", "domain", d.cfg.Name, "controller", c.url, "before", before.url)
	}
}
