package simwin

import (
	"fmt"
	"strings"
)

// dispatch carries a request out; nil when its client is gone.
func (x *call) dispatch() *answer {
	t, r := x.s.shells, x.request
	switch {
	case !x.s.options.permitted(x.verdict.account):
		return faultAnswer(faultAccessDenied)
	case r.resource == nsConf && r.action == actionGet:
		return &answer{action: actionGet + "Response", namespaces: prefixesGet, body: x.s.config()}
	case strings.HasPrefix(r.resource, resourceWMI):
		return x.s.wmi.operate(r, x.verdict.account)
	case r.resource != resourceCmd && r.resource != nsShell:
		return faultAnswer(faultResource)
	case r.action == actionCreate && r.resource == resourceCmd:
		sh, a := t.create(x.s.ctx, r, x.verdict.account, x.clientIP())
		if sh != nil {
			x.s.meter.shellMade(x.c, strings.ToUpper(sh.id))
		}
		return a
	}
	operate, known := operations[r.action]
	if !known {
		return faultAnswer(faultAction)
	}
	sh, f := t.find(r, x.verdict.account)
	if f != nil {
		return faultAnswer(f)
	}
	defer func() { sh.release(t.clock.Now()) }()
	return operate(x, sh)
}

// operations are what can be done with a shell that is there.
var operations = map[string]func(*call, *shell) *answer{
	actionCommand: func(x *call, sh *shell) *answer { return x.s.shells.start(sh, x.request) },
	actionSend:    func(x *call, sh *shell) *answer { return x.s.shells.send(sh, x.request) },
	actionReceive: func(x *call, sh *shell) *answer { return x.s.shells.receive(x.http.Context(), sh, x.request) },
	actionSignal:  func(x *call, sh *shell) *answer { return x.s.shells.signal(sh, x.request) },
	actionDelete:  func(x *call, sh *shell) *answer { return x.s.shells.delete(sh) },
	actionGet:     func(x *call, sh *shell) *answer { return x.s.shells.get(sh) },
}

// config is the part of winrm/config that clients ask for (recorded: the whole; an administrator may read it).
func (s *Server) config() string {
	l := s.options.Limits
	return fmt.Sprintf(`<cfg:Config xmlns:cfg="%s"><cfg:MaxEnvelopeSizekb>%d</cfg:MaxEnvelopeSizekb><cfg:MaxTimeoutms>%d</cfg:MaxTimeoutms>`+
		`<cfg:MaxBatchItems>32000</cfg:MaxBatchItems><cfg:Service><cfg:MaxConcurrentOperationsPerUser>%d</cfg:MaxConcurrentOperationsPerUser>`+
		`<cfg:MaxConnections>%d</cfg:MaxConnections><cfg:AllowUnencrypted>false</cfg:AllowUnencrypted></cfg:Service>`+
		`<cfg:Winrs><cfg:AllowRemoteShellAccess>true</cfg:AllowRemoteShellAccess><cfg:IdleTimeout>%d</cfg:IdleTimeout><cfg:MaxConcurrentUsers>%d</cfg:MaxConcurrentUsers>`+
		`<cfg:MaxProcessesPerShell>%d</cfg:MaxProcessesPerShell><cfg:MaxShellsPerUser>%d</cfg:MaxShellsPerUser></cfg:Winrs></cfg:Config>`,
		nsConf, l.MaxEnvelopeSize/1024, l.MaxTimeout.Milliseconds(), l.MaxOperationsPerUser, l.MaxConnections, l.Idle.Milliseconds(), l.MaxUsers,
		l.MaxProcessesPerShell, l.MaxShellsPerUser)
}
