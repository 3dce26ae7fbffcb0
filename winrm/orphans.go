package winrm

import (
	"context"
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
	if _, known := c.orphans[host]; known || len(c.orphans) < maxOrphanHosts {
		c.orphans[host] = orphan{shellID, time.Now()}
	}
}

type orphan struct {
	shellID string
	since   time.Time
}

// takeOrphan gives the host's shell that may still be there; after its idle time it has gone by itself.
func (c *Client) takeOrphan(host string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.orphans[host]
	delete(c.orphans, host)
	if !ok || time.Since(o.since) > c.cfg.IdleTimeout {
		return ""
	}
	return o.shellID
}

// sweep deletes the shell that an earlier session had to leave behind. Nothing depends on it, and it is asked once.
func (s *Session) sweep(ctx context.Context) {
	id := s.client.takeOrphan(s.host)
	if id == "" {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, orphanTimeout)
	defer cancel()
	if err := s.try(ctx, s.prelude.delete(id, min(orphanTimeout, s.client.cfg.OperationTimeout)), new(reply)); err != nil {
		s.log.Debug("delete shell left behind", "shell", id, "err", err)
	}
}
