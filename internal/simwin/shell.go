package simwin

import (
	"context"
	"maps"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// A shell is a text-based command shell (MS-WSMV 3.1.1): it holds processes and is gone after its idle time.
type shell struct {
	id        string // as the client or the server wrote it
	owner     string
	clientIP  string
	directory string
	variables []variable
	input     []string
	output    []string
	idle      time.Duration
	created   time.Time
	started   int // commands, guarded by the table

	ctx  context.Context // ends the shell's processes
	stop context.CancelFunc
	work sync.WaitGroup // processes, pending Receives and the idle watch

	mu       sync.Mutex
	used     time.Time
	busy     int           // requests being worked on
	released chan struct{} // tells the idle watch that one ended; capacity 1
	commands map[string]*command
	dead     bool
}

type variable struct{ name, value string }

// shells is the table of a workstation's shells.
type shells struct {
	engine    Engine
	programs  []string
	limits    Limits
	piecemeal bool
	clock     Clock
	gone      func(id string) // called after a shell has left the table
	started   func(id string) // called when a process starts in the shell
	fail      func(err error) // called with an error of the engine itself

	all  sync.WaitGroup // what any shell's work waits for, also of shells that are gone
	mu   sync.Mutex
	byID map[string]*shell // by id in upper case
}

// work runs f as something that belongs to the shell; false when the shell is gone.
func (t *shells) work(sh *shell, f func()) bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return false
	}
	t.all.Add(1)
	sh.work.Add(1)
	go func() {
		defer t.all.Done()
		defer sh.work.Done()
		f()
	}()
	return true
}

var guidForm = regexp.MustCompile(`\A[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}\z`)

// find is the shell a request names, marked as in use until release.
func (t *shells) find(r *request, owner string) (*shell, *soapFault) {
	if f := checkSelectors(r); f != nil {
		return nil, f
	}
	t.mu.Lock()
	sh := t.byID[r.shellID()]
	t.mu.Unlock()
	switch {
	case sh == nil || !sh.acquire():
		return nil, faultUnknownShell(r.selectors["ShellId"])
	case sh.owner != owner:
		sh.release(t.clock.Now())
		return nil, faultDifferentToken
	}
	return sh, nil
}

func checkSelectors(r *request) *soapFault {
	if r.selectors["ShellId"] == "" {
		return faultSelectors("InsufficientSelectors", codeInsufficient)
	}
	if len(r.selectors) > 1 {
		return faultSelectors("UnexpectedSelectors", codeUnexpectedSelectors)
	}
	return nil
}

func (sh *shell) acquire() bool {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.dead {
		return false
	}
	sh.busy++
	return true
}

func (sh *shell) release(now time.Time) {
	sh.mu.Lock()
	sh.busy--
	sh.used = now
	sh.mu.Unlock()
	select {
	case sh.released <- struct{}{}:
	default:
	}
}

// create is wxf:Create of rsp:Shell.
func (t *shells) create(ctx context.Context, r *request, owner, clientIP string) (*shell, *answer) {
	sh, f := t.read(r)
	if f != nil {
		return nil, faultAnswer(f)
	}
	sh.owner, sh.clientIP = owner, clientIP
	if f := t.add(ctx, sh); f != nil {
		return nil, faultAnswer(f)
	}
	body := `<x:ResourceCreated><a:Address>` + escape(r.to) + `</a:Address><a:ReferenceParameters><w:ResourceURI>` + resourceCmd +
		`</w:ResourceURI><w:SelectorSet><w:Selector Name="ShellId">` + escape(sh.id) + `</w:Selector></w:SelectorSet></a:ReferenceParameters></x:ResourceCreated>` +
		sh.describe(t.clock.Now())
	return sh, &answer{action: actionCreate + "Response", namespaces: prefixesFull, body: body}
}

func (t *shells) read(r *request) (*shell, *soapFault) {
	if !r.body.is(nsShell, "Shell") {
		return nil, faultSchema
	}
	sh := &shell{
		id: newID(), directory: r.body.child(nsShell, "WorkingDirectory").value(), idle: t.limits.Idle, created: t.clock.Now(), used: t.clock.Now(),
		input: words(r.body, "InputStreams"), output: words(r.body, "OutputStreams"),
		commands: map[string]*command{}, released: make(chan struct{}, 1),
	}
	if id, ok := r.body.attr("ShellId"); ok {
		if !guidForm.MatchString(id) {
			return nil, faultShellID
		}
		sh.id = id
	}
	if !subset(sh.input, "stdin") || !subset(sh.output, "stdout", "stderr") {
		return nil, faultBadParameter
	}
	if f := t.readIdle(sh, r.body); f != nil {
		return nil, f
	}
	return sh, sh.readVariables(r.body.child(nsShell, "Environment"))
}

// readIdle: the idle time of a shell has bounds (MS-WSMV: at least a minute).
func (t *shells) readIdle(sh *shell, body *element) *soapFault {
	for _, name := range []string{"IdleTimeOut", "IdleTimeout"} {
		n := body.child(nsShell, name)
		if n == nil {
			continue
		}
		d, err := parseDuration(n.value())
		if err != nil {
			return faultSchema
		}
		if d < t.limits.MinIdle || d > t.limits.MaxIdle {
			return faultIdleTimeOut
		}
		sh.idle = d
	}
	return nil
}

func (sh *shell) readVariables(environment *element) *soapFault {
	if environment == nil {
		return nil
	}
	for _, k := range environment.kids {
		name, named := k.attr("Name")
		if !k.is(nsShell, "Variable") || !named {
			return faultSchema
		}
		sh.variables = append(sh.variables, variable{name, k.text})
	}
	return nil
}

func (t *shells) add(ctx context.Context, sh *shell) *soapFault {
	t.mu.Lock()
	defer t.mu.Unlock()
	key := strings.ToUpper(sh.id)
	if t.byID[key] != nil {
		return faultShellExists
	}
	if f := t.admit(sh.owner); f != nil {
		return f
	}
	sh.ctx, sh.stop = context.WithCancel(ctx)
	t.byID[key] = sh
	t.work(sh, func() { t.watch(sh) })
	return nil
}

// watch deletes the shell once nobody has used it for its idle time. A running process does not count as use.
func (t *shells) watch(sh *shell) {
	for {
		fired, stop := t.clock.After(sh.idleLeft(t.clock.Now()))
		select {
		case <-fired:
		case <-sh.released:
		case <-sh.ctx.Done():
			stop()
			return
		}
		stop()
		if sh.idleLeft(t.clock.Now()) <= 0 {
			t.forget(sh)
			return
		}
	}
}

func (sh *shell) idleLeft(now time.Time) time.Duration {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	if sh.busy > 0 {
		return sh.idle
	}
	return sh.idle - now.Sub(sh.used)
}

// forget takes a shell off the table and ends what runs in it; it does not wait for that.
func (t *shells) forget(sh *shell) {
	sh.mu.Lock()
	already := sh.dead
	sh.dead = true
	sh.mu.Unlock()
	if already {
		return
	}
	t.mu.Lock()
	delete(t.byID, strings.ToUpper(sh.id))
	t.mu.Unlock()
	sh.stop()
	for _, c := range sh.all() {
		c.abort()
	}
	t.gone(strings.ToUpper(sh.id))
}

func (sh *shell) all() []*command {
	sh.mu.Lock()
	defer sh.mu.Unlock()
	return slices.Collect(maps.Values(sh.commands))
}

// delete is wxf:Delete: when it answers, no process of the shell runs any more.
func (t *shells) delete(sh *shell) *answer {
	t.forget(sh)
	sh.work.Wait()
	return &answer{action: actionDelete + "Response", namespaces: prefixesDelete}
}

// get is wxf:Get of a shell: its state, as in the answer to Create.
func (t *shells) get(sh *shell) *answer {
	return &answer{action: actionGet + "Response", namespaces: prefixesGet, body: sh.describe(t.clock.Now())}
}

// endAll ends all shells with what runs in them, and waits for that.
func (t *shells) endAll() {
	t.mu.Lock()
	list := slices.Collect(maps.Values(t.byID))
	t.mu.Unlock()
	for _, sh := range list {
		t.forget(sh)
	}
	for _, sh := range list {
		sh.work.Wait()
	}
}

// close is endAll when no request can come any more; it also waits for shells that are gone already.
func (t *shells) close() {
	t.endAll()
	t.all.Wait()
}

// describe is the shell's state in the order of the recorded answers.
func (sh *shell) describe(now time.Time) string {
	sh.mu.Lock()
	used := sh.used
	sh.mu.Unlock()
	var b strings.Builder
	put := func(name, value string) { b.WriteString(`<rsp:` + name + `>` + escape(value) + `</rsp:` + name + `>`) }
	b.WriteString(`<rsp:Shell xmlns:rsp="` + nsShell + `">`)
	put("ShellId", sh.id)
	put("ResourceUri", resourceCmd)
	put("Owner", sh.owner)
	put("ClientIP", sh.clientIP)
	if sh.directory != "" {
		put("WorkingDirectory", sh.directory)
	}
	if len(sh.variables) > 0 {
		b.WriteString(`<rsp:Environment>`)
		for _, v := range sh.variables {
			b.WriteString(`<rsp:Variable Name="` + escape(v.name) + `">` + escape(v.value) + `</rsp:Variable>`)
		}
		b.WriteString(`</rsp:Environment>`)
	}
	put("IdleTimeOut", windowsSeconds(sh.idle))
	put("InputStreams", strings.Join(sh.input, " "))
	put("OutputStreams", strings.Join(sh.output, " "))
	put("ShellRunTime", windowsDays(now.Sub(sh.created)))
	put("ShellInactivity", windowsDays(now.Sub(used)))
	b.WriteString(`</rsp:Shell>`)
	return b.String()
}

func words(n *element, name string) []string { return strings.Fields(n.child(nsShell, name).value()) }

func subset(have []string, of ...string) bool {
	return !slices.ContainsFunc(have, func(s string) bool { return !slices.Contains(of, s) })
}
