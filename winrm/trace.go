package winrm

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"time"
)

// The steps of opening, in their order.
const (
	StepConnect = "connect" // the name is resolved, a TCP connection made
	StepTLS     = "tls"     // the handshake; over http there is none, and it is not told
	StepSignIn  = "sign-in" // the workstation accepts the account, and proves who it is where the mechanism does that
	StepShell   = "shell"   // the workstation creates a shell
)

// A Step is how one step of opening went.
type Step struct {
	Name   string
	Took   time.Duration
	Detail string // of one that went well, for people: the address reached; version and certificate of TLS; mechanism, account, and the peer where it proves who it is
	Err    error  // a *photopush.Error, which is that of Open too; nil when the step went well
}

// WithTrace lets Open, given the context that it returns, call told after each step, in order and from its own goroutine; after one that
// failed no other is told, and without one Open did not begin. A connection that is lost and made again is not told again. With basic and
// certificate the sign-in travels with the message that creates the shell: it takes the time of both.
func WithTrace(ctx context.Context, told func(Step)) context.Context {
	return context.WithValue(ctx, traceKey{}, told)
}

type traceKey struct{}

// progress is how far an opening has come, for a trace. Nil tells nobody.
type progress struct {
	told  func(Step)
	at    string // the step that is under way; empty when all is told
	since time.Time
}

// newProgress begins with the first step; nil when ctx has no trace.
func newProgress(ctx context.Context) *progress {
	told, ok := ctx.Value(traceKey{}).(func(Step))
	if !ok {
		return nil
	}
	return &progress{told, StepConnect, time.Now()}
}

// afterStep is what follows a step.
var afterStep = map[string]string{StepConnect: StepTLS, StepTLS: StepSignIn, StepSignIn: StepShell, StepShell: ""}

// pass tells that a step went well, and begins the next, unless the step was passed before.
func (p *progress) pass(step, detail string) {
	if p == nil || p.at != step {
		return
	}
	p.told(Step{Name: step, Took: time.Since(p.since), Detail: detail})
	p.at, p.since = afterStep[step], time.Now()
}

// skip goes on from one step to another without telling those between them.
func (p *progress) skip(from, to string) {
	if p != nil && p.at == from {
		p.at = to
	}
}

// fail tells that the step under way failed.
func (p *progress) fail(err error) {
	if p == nil || p.at == "" {
		return
	}
	p.told(Step{Name: p.at, Took: time.Since(p.since), Err: err})
	p.at = ""
}

// dialled tells of the TCP connection that was made.
func (p *progress) dialled(conn net.Conn) {
	if p != nil {
		p.pass(StepConnect, conn.RemoteAddr().String())
	}
}

// shaken tells of the TLS handshake; state is nil where there was none.
func (p *progress) shaken(state *tls.ConnectionState) {
	switch {
	case p == nil:
	case state == nil:
		p.skip(StepTLS, StepSignIn)
	default:
		p.pass(StepTLS, describeTLS(state))
	}
}

func describeTLS(state *tls.ConnectionState) string {
	leaf := state.PeerCertificates[0]
	subject := leaf.Subject.String()
	if subject == "" && len(leaf.DNSNames) > 0 {
		subject = leaf.DNSNames[0]
	}
	return tls.VersionName(state.Version) + ", certificate of " + clean(cmp.Or(subject, "nobody"), 200) + " valid until " + leaf.NotAfter.UTC().Format(time.DateOnly)
}

// signedIn tells that the account was accepted.
func (l *link) signedIn() {
	if l.progress == nil {
		return
	}
	detail := l.client.cfg.Auth + " as " + l.client.cfg.Account()
	if n, ok := l.security.(*negotiated); ok && n.context != nil && n.how.mutual { // else the peer is only who was asked for
		if peer := n.context.Peer(); peer != "" {
			detail += ", " + peer
		}
	}
	l.progress.pass(StepSignIn, detail)
}
