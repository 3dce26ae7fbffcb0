package simwin

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net"
	"net/http"
	"slices"
	"sync"
	"time"
)

// Options say what a workstation is to its clients. Addr, Certificate and Engine must be set.
type Options struct {
	Host        string            // its dNSHostName
	Addr        string            // host:port to listen on, e.g. 127.1.0.7:5986; port 0 picks one
	Certificate tls.Certificate   // an empty one makes a plain HTTP listener
	Users       map[string]string // passwords by account: name for local ones, CORP\name for a domain's
	Domain      string            // DNS name of the domain: CORP\svc is then also svc@corp.example
	NetBIOS     string            // the domain's other name, CORP: whom a ticket names svc@CORP.EXAMPLE, is then CORP\svc
	Mechanisms  []Mechanism       // how clients may authenticate; nil for Basic alone, which Windows refuses until it is allowed
	Offers      []string          // values of WWW-Authenticate in a 401; nil for those of Mechanisms. What is not offered is refused
	// Administrators are the accounts that belong to the local group Administrators; nil for whoever signs in. Others get fault 5.
	Administrators []string
	// FilterTokens is Windows' own default, LocalAccountTokenFilterPolicy 0: over the network no local account but BuiltIn is an administrator.
	FilterTokens bool
	BuiltIn      string   // the local account with RID 500; empty for Administrator
	Engine       Engine   // what runs the commands
	WMI          WMI      // what WMI tells; nil for nothing
	WMIDenied    []string // accounts that lack Remote Enable on the namespaces of WMI
	Programs     []string // full paths that can be started without cmd.exe; nil for cmd.exe and powershell.exe
	Version      string   // OS part of Identify's ProductVersion; empty for 10.0.22631 SP: 0.0
	Old          bool     // as Windows 7: no ActivityId in answers, smaller limits
	Limits       Limits
	// Piecemeal hands output over in the smallest portions that the recorded answers show: text and line end are Streams of their own, an answer
	// to Receive has one Stream with output in it, and the end of the process comes in an answer of its own.
	Piecemeal bool
	Clock     Clock                      // nil for the wall clock
	Log       *slog.Logger               // nil for none
	OnRequest func(n int, action string) // called before the n-th request is carried out; see Stats.Requests for how they count
	OnAnswer  func(n int, action string) // called after that, before its answer is sent
}

// Limits of the service; a zero means Windows' default (MS-WSMV 2.2.4.10, 2.2.4.36 and 2.2.4.42; a recorded configuration; those of Windows 7
// are in public reports and in Microsoft's "Installation and configuration for Windows Remote Management").
type Limits struct {
	// MaxEnvelopeSize bounds a request or an answer, in bytes: 512,000, before Windows 8 153,600. MS-WSMV says of it both "SOAP data" and
	// "request packets"; here all of a request's body counts, sealed as it came, which is the stricter way to read it.
	MaxEnvelopeSize int
	// MaxOperationsPerUser is MaxConcurrentOperationsPerUser: 1,500, before Windows 8 15. What counts: see shells.operations.
	MaxOperationsPerUser int
	MaxShellsPerUser     int           // 30, before Windows 8 5
	MaxProcessesPerShell int           // 25, before Windows 8 15
	MaxUsers             int           // that have shells, MaxConcurrentUsers: 10, before Windows 8 5
	MaxConnections       int           // requests that are worked on at one time: 300, before Windows 8 25
	Idle                 time.Duration // of a shell that names none: 2 h
	MinIdle, MaxIdle     time.Duration // 1 min, 2,147,483.647 s
	MaxTimeout           time.Duration // of a request: 60 s
	// Gather is how much longer a Receive with output waits for more of it; a recorded answer to a waiting Receive holds several writes
	// and the end of the process. 100 ms; negative for not at all.
	Gather time.Duration
}

func (l Limits) complete(old bool) Limits {
	if old {
		set(&l.MaxEnvelopeSize, 153_600)
		set(&l.MaxOperationsPerUser, 15)
		set(&l.MaxShellsPerUser, 5)
		set(&l.MaxProcessesPerShell, 15)
		set(&l.MaxUsers, 5)
		set(&l.MaxConnections, 25)
	}
	set(&l.MaxEnvelopeSize, 512_000)
	set(&l.MaxOperationsPerUser, 1500)
	set(&l.MaxShellsPerUser, 30)
	set(&l.MaxProcessesPerShell, 25)
	set(&l.MaxUsers, 10)
	set(&l.MaxConnections, 300)
	set(&l.Idle, 2*time.Hour)
	set(&l.MinIdle, time.Minute)
	set(&l.MaxIdle, 2147483647*time.Millisecond)
	set(&l.MaxTimeout, time.Minute)
	set(&l.Gather, 100*time.Millisecond)
	return l
}

func set[T comparable](field *T, value T) {
	var zero T
	if *field == zero {
		*field = value
	}
}

func (o Options) complete() Options {
	if o.Mechanisms == nil {
		o.Mechanisms = []Mechanism{NewBasic(o.Host, o.Domain, o.Users)}
	}
	if o.Offers == nil {
		o.Offers = offersOf(o.Mechanisms)
	}
	if o.Programs == nil {
		for _, folder := range []string{"System32", "SysWOW64"} {
			o.Programs = append(o.Programs, `C:\Windows\`+folder+`\cmd.exe`, `C:\Windows\`+folder+`\WindowsPowerShell\v1.0\powershell.exe`)
		}
	}
	set(&o.BuiltIn, "Administrator")
	set(&o.Version, "10.0.22631 SP: 0.0")
	o.Limits = o.Limits.complete(o.Old)
	if o.Clock == nil {
		o.Clock = wallClock{}
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	o.Users = maps.Clone(o.Users)
	return o
}

// A Server is the WinRM service of one workstation.
type Server struct {
	options Options
	http    *http.Server
	shells  *shells
	wmi     *enumerations
	meter   *meter
	faults  *faults
	addr    string
	serving sync.WaitGroup // listeners
	ctx     context.Context
	stop    context.CancelFunc
	release func() bool // of the context that Start was given
	// wrong is a certificate for another host by nobody's authority, for the fault of that name.
	wrong tls.Certificate

	mu       sync.Mutex
	listener *switchable // nil while the workstation is off
	closing  bool
	closed   chan struct{} // Close has finished
	active   int           // requests being worked on
	idle     *sync.Cond
}

// Start listens and answers until Close or the end of ctx.
func Start(ctx context.Context, o Options) (*Server, error) {
	if o.Engine == nil {
		return nil, errors.New("simwin: no engine is set for " + o.Host)
	}
	o = o.complete()
	wrong, err := wrongCertificate()
	if err != nil {
		return nil, err
	}
	s := &Server{options: o, meter: newMeter(o.Clock), faults: newFaults(), addr: o.Addr, wrong: wrong, closed: make(chan struct{})}
	s.idle = sync.NewCond(&s.mu)
	s.ctx, s.stop = context.WithCancel(context.WithoutCancel(ctx))
	s.shells = &shells{
		engine: o.Engine, programs: o.Programs, limits: o.Limits, piecemeal: o.Piecemeal, clock: o.Clock, byID: map[string]*shell{},
		gone: s.meter.shellGone, started: s.meter.processStarted,
		fail: func(err error) {
			o.Log.Error("the engine of a simulated workstation failed", "host", o.Host, "err", err)
		},
	}
	s.wmi = &enumerations{wmi: o.WMI, denied: o.WMIDenied, limits: o.Limits, clock: o.Clock, byID: map[string]*enumeration{}}
	s.http = &http.Server{
		Handler:           s,
		ConnContext:       withConnection,
		BaseContext:       func(net.Listener) context.Context { return s.ctx },
		TLSNextProto:      map[string]func(*http.Server, *tls.Conn, http.Handler){}, // no HTTP/2, as WinRM clients have it
		ReadHeaderTimeout: 2 * time.Minute,                                          // MaxPacketRetrievalTimeSeconds
		IdleTimeout:       2 * time.Minute,                                          // http.sys' default
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		MaxHeaderBytes:    64 << 10,
	}
	if err := s.listen(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		s.Close()
		return nil, err
	}
	s.mu.Lock()
	s.release = context.AfterFunc(ctx, s.Close)
	s.mu.Unlock()
	return s, nil
}

// Addr is the address it listens on, with the port that was picked.
func (s *Server) Addr() string { return s.addr }

// URL is where clients post to.
func (s *Server) URL() string {
	scheme := "https"
	if len(s.options.Certificate.Certificate) == 0 {
		scheme = "http"
	}
	return scheme + "://" + s.addr + "/wsman"
}

// listen opens the listener; a workstation that was off keeps its port.
func (s *Server) listen() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener != nil || s.closing {
		return nil
	}
	inner, err := net.Listen("tcp", s.addr)
	if err != nil {
		return fmt.Errorf("listen as workstation %s: %w", s.options.Host, err)
	}
	s.addr = inner.Addr().String()
	s.listener = newSwitchable(inner, s.meter, s.faults)
	var front net.Listener = s.listener
	if len(s.options.Certificate.Certificate) > 0 {
		front = tls.NewListener(front, &tls.Config{GetCertificate: s.certificate, MinVersion: tls.VersionTLS12, ClientAuth: s.clientAuth()})
	}
	s.serving.Go(func() { _ = s.http.Serve(front) }) // it ends with the listener
	return nil
}

// clientAuth: certificates are asked for where they can sign in; see Certificates.
func (s *Server) clientAuth() tls.ClientAuthType {
	for _, m := range s.options.Mechanisms {
		if m.Scheme() == mutualProfile {
			return tls.RequestClientCert
		}
	}
	return tls.NoClientCert
}

func (s *Server) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	if s.faults.wrongCertificate() {
		return &s.wrong, nil
	}
	return &s.options.Certificate, nil
}

func wrongCertificate() (tls.Certificate, error) {
	ca, err := NewCA()
	if err != nil {
		return tls.Certificate{}, err
	}
	return ca.Issue("somebody-else.invalid")
}

// powerOff closes the listener and cuts every connection; shells and their processes die with the system.
func (s *Server) powerOff() {
	s.mu.Lock()
	l := s.listener
	s.listener = nil
	s.mu.Unlock()
	if l == nil {
		return
	}
	l.Close()
	s.meter.cutAll()
	s.shells.endAll()
}

// Close stops listening, cuts the connections, ends all processes and waits for all of it. It may be called more than once.
func (s *Server) Close() {
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		<-s.closed
		return
	}
	s.closing = true
	l := s.listener
	s.listener = nil
	if s.release != nil {
		s.release()
	}
	s.mu.Unlock()
	defer close(s.closed)
	s.stop()
	if l != nil {
		l.Close()
	}
	s.http.Close()
	s.meter.cutAll()
	s.mu.Lock()
	for s.active > 0 {
		s.idle.Wait()
	}
	s.mu.Unlock()
	s.shells.close()
	s.serving.Wait()
	s.meter.waitConnections()
}

// begin counts a request that is worked on, and tells how many there are now; 0 once the server closes.
func (s *Server) begin() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return 0
	}
	s.active++
	return s.active
}

func (s *Server) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.active--
	s.idle.Broadcast()
}

func (s *Server) offers(scheme string) bool {
	return slices.ContainsFunc(s.options.Offers, func(o string) bool { return schemeOf(o) == schemeOf(scheme) })
}
