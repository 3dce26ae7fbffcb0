package winrm

import (
	"context"
	"errors"
	"maps"
	"time"
)

const (
	maxOrphanHosts = 4096 // hosts with shells left behind that are remembered
	orphanTimeout  = 5 * time.Second
)

// rememberOrphan notes a shell that could not be deleted, one for each host: the next session there deletes it, so that it does not count
// against the account's quota until its idle time.
func (c *Client) rememberOrphan(host, shellID string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.orphans[host]; !known && len(c.orphans) >= maxOrphanHosts {
		maps.DeleteFunc(c.orphans, func(_ string, o orphan) bool { return c.gone(o) })
		if len(c.orphans) >= maxOrphanHosts {
			return
		}
	}
	c.orphans[host] = orphan{shellID, time.Now()}
}

type orphan struct {
	shellID string
	since   time.Time
}

// gone tells that the shell has ended by itself.
func (c *Client) gone(o orphan) bool { return time.Since(o.since) > c.cfg.IdleTimeout }

// takeOrphan gives the host's shell that may still be there.
func (c *Client) takeOrphan(host string) (o orphan, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok = c.orphans[host]
	delete(c.orphans, host)
	return o, ok && !c.gone(o)
}

// putBackOrphan remembers what was taken in vain, unless another is known there by now.
func (c *Client) putBackOrphan(host string, o orphan) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := c.orphans[host]; !known && len(c.orphans) < maxOrphanHosts {
		c.orphans[host] = o
	}
}

// sweep deletes the shell that an earlier session had to leave behind, by one request. Nothing depends on it; a credential that is rejected here is not
// sent again by what follows. A shell whose deletion was not answered, or may have been too early, is remembered further.
func (s *Session) sweep(ctx context.Context) {
	o, ok := s.client.takeOrphan(s.host)
	if !ok {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	err := s.try(ctx, s.prelude.delete(o.shellID, min(orphanTimeout, s.client.cfg.OperationTimeout)), new(reply))
	if err == nil {
		return
	}
	s.log.Debug("delete shell left behind", "shell", o.shellID, "err", err)
	_, answered := errors.AsType[*Fault](err)
	onItsWay := hasFault(err, faultUnexpectedSelectors) && time.Since(o.since) < s.client.cfg.RequestTimeout // the host may not have come to its Create yet
	if !answered || onItsWay {
		s.client.putBackOrphan(s.host, o)
	}
}
