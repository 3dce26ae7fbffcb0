package simwin

import (
	"context"
	"encoding/base64"
	"fmt"
	"strings"
	"time"
)

// A receipt is one Receive, which goes on when its client's connection is lost: its answer waits there for the same message to come again
// (pypsrp's experience: the exact same request returns the same data). Receives of one command are served one after another.
type receipt struct {
	messageID string
	done      chan struct{}
	answer    *answer
}

// receive is rsp:Receive. It returns nil when ctx ends before there is an answer; the receipt then still gets one.
func (t *shells) receive(ctx context.Context, sh *shell, r *request) *answer {
	desired := r.body.child(nsShell, "DesiredStream")
	if !r.body.is(nsShell, "Receive") || desired == nil {
		return faultAnswer(faultSchema)
	}
	c, f := sh.command(desired)
	if f != nil {
		return faultAnswer(f)
	}
	streams := strings.Fields(desired.text)
	if len(streams) == 0 || !subset(streams, sh.output...) {
		return faultAnswer(faultBadParameter)
	}
	p := t.receipt(sh, c, r, streams)
	select {
	case <-p.done:
		return p.answer
	case <-ctx.Done():
		return nil
	}
}

func (t *shells) receipt(sh *shell, c *command, r *request, streams []string) *receipt {
	p := &receipt{messageID: r.messageID, done: make(chan struct{})}
	c.mu.Lock()
	before := c.last
	if before != nil && before.messageID == r.messageID {
		c.mu.Unlock()
		return before
	}
	c.last = p
	c.mu.Unlock()
	serve := func() {
		defer close(p.done)
		deadline, stop := t.clock.After(t.patience(r))
		defer stop()
		p.answer = t.inTurn(c, r, streams, before, deadline)
	}
	if !t.work(sh, serve) {
		p.answer = faultAnswer(faultAborted)
		close(p.done)
	}
	return p
}

func (t *shells) inTurn(c *command, r *request, streams []string, before *receipt, deadline <-chan time.Time) *answer {
	if before != nil {
		select {
		case <-before.done:
		case <-deadline:
			return faultAnswer(faultTimedOut)
		}
	}
	return t.collect(c, r, streams, deadline)
}

// patience is how long a request may take: its OperationTimeout, at most the service's own MaxTimeoutms.
func (t *shells) patience(r *request) time.Duration {
	if r.timeout == 0 {
		return t.limits.MaxTimeout
	}
	return min(r.timeout, t.limits.MaxTimeout)
}

// collect waits for output or the end of the process, then a little longer for what comes right behind it.
func (t *shells) collect(c *command, r *request, streams []string, deadline <-chan time.Time) *answer {
	room := t.limits.room(r)
	var gather <-chan time.Time
	for {
		c.mu.Lock()
		ready, bytes, changed := c.ready(streams)
		answer := c.settled()
		c.mu.Unlock()
		switch {
		case answer != nil:
			return answer
		case ready, bytes >= room, bytes > 0 && (t.limits.Gather < 0 || c.piecemeal):
			return c.take(streams, room)
		case bytes > 0 && gather == nil:
			fired, stop := t.clock.After(t.limits.Gather)
			defer stop()
			gather = fired
		}
		select {
		case <-changed:
		case <-gather:
			return c.take(streams, room)
		case <-deadline:
			if bytes > 0 {
				return c.take(streams, room)
			}
			return faultAnswer(faultTimedOut)
		}
	}
}

// settled: a command that is gone, or whose end was already told, has nothing to receive.
func (c *command) settled() *answer {
	switch {
	case c.aborted:
		return faultAnswer(faultAborted)
	case c.told:
		return faultAnswer(faultUnknownCommand)
	}
	return nil
}

// ready tells whether the process has ended, and how much output waits.
func (c *command) ready(streams []string) (ended bool, bytes int, changed <-chan struct{}) {
	for _, s := range streams {
		bytes += c.waiting[s]
	}
	return !c.running, bytes, c.changed
}

// room is how many characters of body fit into an answer to r.
func (l Limits) room(r *request) int {
	size := l.MaxEnvelopeSize
	if r.maxSize > 0 {
		size = min(size, r.maxSize)
	}
	if r.charset != utf8Charset {
		size /= 2
	}
	return size - envelopeRoom(r)
}

// take moves output into an answer until it is full, and tells the end when all is out.
func (c *command) take(streams []string, room int) *answer {
	var b strings.Builder
	b.WriteString(`<rsp:ReceiveResponse>`)
	tail := fmt.Sprintf(`<rsp:CommandState CommandId="%s" State="%s/CommandState/`, escape(c.id), nsShell)
	ends := ""
	for _, s := range streams {
		ends += openStream(s, c.id, true) + `</rsp:Stream>`
	}
	room -= len(ends) + len(tail) + 200
	c.change(func() {
		whole := c.moveOutput(&b, streams, room)
		switch {
		case whole && !c.running:
			b.WriteString(ends + tail + fmt.Sprintf(`Done"><rsp:ExitCode>%d</rsp:ExitCode></rsp:CommandState>`, c.exit))
			c.told = true
		default:
			b.WriteString(tail + `Running"></rsp:CommandState>`)
		}
	})
	b.WriteString(`</rsp:ReceiveResponse>`)
	return &answer{action: actionReceive + "Response", namespaces: prefixesReceive, body: b.String()}
}

// moveOutput writes chunks of the streams as they came, one rsp:Stream each, and cuts one that does not fit. It tells whether nothing is left;
// piecemeal, whether nothing was there.
func (c *command) moveOutput(b *strings.Builder, streams []string, room int) (whole bool) {
	whole = true
	var rest []chunk
	for _, k := range c.queue {
		if !whole || !subset([]string{k.stream}, streams...) {
			rest = append(rest, k)
			continue
		}
		head := openStream(k.stream, c.id, false)
		fits := (room - b.Len() - len(head) - len(`</rsp:Stream>`)) / 4 * 3
		n := min(max(fits, 0), len(k.data))
		if n > 0 {
			b.WriteString(head + base64.StdEncoding.EncodeToString(k.data[:n]) + `</rsp:Stream>`)
			c.waiting[k.stream] -= n
		}
		if n < len(k.data) {
			rest = append(rest, chunk{k.stream, k.data[n:]})
		}
		whole = n == len(k.data) && !c.piecemeal
	}
	c.queue = rest
	return whole
}

func openStream(name, id string, end bool) string {
	if end {
		return `<rsp:Stream Name="` + name + `" CommandId="` + escape(id) + `" End="true">`
	}
	return `<rsp:Stream Name="` + name + `" CommandId="` + escape(id) + `">`
}
