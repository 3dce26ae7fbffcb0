package directory

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/gss"
)

// Options are what a Directory takes from its surroundings; the zero value is usable.
type Options struct {
	Kerberos    *gss.Kerberos                                                        // of the account that Config.KerberosAccount tells; nil when it signs in without
	Logger      *slog.Logger                                                         // nil: nothing is logged
	DialContext func(ctx context.Context, network, address string) (net.Conn, error) // to host:port; nil: through the Resolver of the Config
	Now         func() time.Time                                                     // nil: time.Now

	PhotoAttributes []string // which attributes hold photos, in this order; nil: jpegPhoto and thumbnailPhoto; empty: none
}

// A Directory reads one domain. It is safe for concurrent use.
type Directory struct {
	cfg     Config
	log     *slog.Logger
	dial    func(ctx context.Context, network, address string) (net.Conn, error)
	now     func() time.Time
	tls     *tls.Config
	bind    binder
	people  scope
	devices scope
	photo   []string // attributes
	watched interest

	finder *finder // nil when the configuration names the controllers

	lookups chan struct{} // a slot for each search that may run beside the reads of everything
	writes  chan struct{} // a slot for each write; it may wait for lookups
	opening chan struct{} // held while connecting: a credential is proven once before it is used twice
	siting  chan struct{} // held while sites are read: who comes meanwhile waits for them

	mu          sync.Mutex
	closed      bool
	idle        []*conn
	controllers []*controller          // by preference
	current     *controller            // to which the last connection was opened
	lookAt      time.Time              // when DNS is asked again
	netbios     string                 // NetBIOS name of the domain, once it was read
	groups      map[string]knownGroups // by key of the scope
	foreign     map[string]bool        // groups of other domains that filters ask for, as they were logged
	schema      knownSchema
	places      map[string]locatedScope // by key of the scope and URL of the controller
	sites       Sites
	sitesUntil  time.Time // when they are read again
	sitesErr    error     // why they are not known until then
	told        episode
	telling     *episode // nil while no changes are told
	deletions   bool     // it was looked for whether they can be seen
}

// Idle connections that are kept, and lookups that run at once.
const (
	maxIdle    = 4
	maxLookups = 4
	maxWrites  = 4
)

// ErrAmbiguous is in the chain of an error when several objects have the name that was looked for.
var ErrAmbiguous = errors.New("the name is ambiguous")

// New prepares a domain from a configuration that Validate has accepted. It reads the CA file, and contacts nobody.
func New(cfg Config, opts Options) (*Directory, error) {
	if err := cfg.Validate(""); err != nil {
		return nil, err
	}
	pool, err := readCAs(cfg.CAFile)
	if err != nil {
		return nil, err
	}
	d := &Directory{
		cfg:     cfg,
		log:     opts.Logger,
		dial:    opts.DialContext,
		now:     opts.Now,
		tls:     &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		people:  userScope(cfg.Users),
		devices: workstationScope(cfg.Workstations),
		photo:   opts.PhotoAttributes,
		lookups: make(chan struct{}, maxLookups),
		writes:  make(chan struct{}, maxWrites),
		opening: make(chan struct{}, 1),
		groups:  map[string]knownGroups{},
		foreign: map[string]bool{},
		places:  map[string]locatedScope{},
		siting:  make(chan struct{}, 1),
	}
	if d.log == nil {
		d.log = slog.New(slog.DiscardHandler)
	}
	if d.dial == nil {
		d.dial = cfg.Resolver().DialContext
	}
	if d.now == nil {
		d.now = time.Now
	}
	if d.bind, err = newBinder(&cfg, opts.Kerberos, d.log, d.now); err != nil {
		return nil, err
	}
	if d.photo == nil {
		d.photo = photoAttributes
	}
	d.watched = newInterest(cfg, d.people, d.devices, d.photo)
	for i, s := range cfg.Controllers {
		u, err := parseController(s)
		if err != nil {
			return nil, err
		}
		d.controllers = append(d.controllers, newController(u, i))
	}
	if len(cfg.Controllers) == 0 {
		d.finder = newFinder(cfg, d.log)
	}
	return d, nil
}

// readCAs reads a PEM file of certificates; nil, the system's pool, for no file.
func readCAs(file string) (*x509.CertPool, error) {
	if file == "" {
		return nil, nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return nil, &photopush.Error{Reason: photopush.TLS, Op: "read ca_file", On: file, Err: err}
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(b) {
		return nil, &photopush.Error{Reason: photopush.TLS, Op: "read ca_file", On: file, Err: errors.New("it holds no PEM certificate")}
	}
	return pool, nil
}

// Name is the DNS name of the domain.
func (d *Directory) Name() string { return d.cfg.Name }

// Close ends the idle connections. Searches that are running end with theirs; later calls fail.
func (d *Directory) Close() error {
	d.mu.Lock()
	d.closed = true
	idle := d.idle
	d.idle = nil
	d.mu.Unlock()
	for _, c := range idle {
		c.quit()
	}
	return nil
}
