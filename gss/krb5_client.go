package gss

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"time"

	"github.com/jcmturner/gokrb5/v8/config"
	"github.com/jcmturner/gokrb5/v8/iana/etypeID"
	"github.com/jcmturner/gokrb5/v8/iana/nametype"
	"github.com/jcmturner/gokrb5/v8/types"

	photopush "github.com/photopush/photopush"
)

const (
	maxTickets = 100_000         // service tickets that are kept
	renewEarly = 2 * time.Minute // before a ticket's end
	maxHops    = 5               // realms on the way to a service
)

// A Kerberos is one account with its tickets. It may be used by many goroutines, and starts none. The first context asks for a
// ticket-granting ticket; after that a service costs one request for as long as its ticket lives.
type Kerberos struct {
	cfg     KerberosConfig
	account KerberosAccount
	opts    KerberosOptions
	log     *slog.Logger
	client  types.PrincipalName
	realm   string
	as, tgs *config.Config // what gokrb5 takes of its requests from

	mu      sync.Mutex
	tickets map[string]credential // by SPN, and by the realm for ticket-granting tickets
	flights map[string]*flight
	byAddr  map[string]*kdc
	stats   KerberosStats

	unanswered photopush.Unanswered // of the password or keytab
}

// KerberosStats count requests to KDCs.
type KerberosStats struct {
	AS  int // for a ticket-granting ticket; a password costs two, the first of which learns the salt
	TGS int // for service tickets
}

// A Target is the service that a context is made with.
type Target struct {
	SPNs     []string // tried in their order while the KDC does not know the name
	Bindings []byte   // of the TLS channel; nil without TLS
	Bare     bool     // without SPNEGO
	Unsealed bool     // no message will be sealed: TLS protects them. Windows wants it said in LDAP (MS-ADTS 5.1.1.1.2)
}

var (
	errNoRealm   = errors.New("no realm is configured")
	errNoSecret  = errors.New("want a password, a keytab or a credential cache, and one of them only")
	errNoUser    = errors.New("the account has no name")
	errAddress   = errors.New("Kerberos knows names only, and this is an address")
	errShortName = errors.New("Kerberos wants the full name of a host")
	errNoSPN     = errors.New("no service was named")
)

// NewKerberos checks what it is given; it contacts nobody.
func NewKerberos(cfg KerberosConfig, account KerberosAccount, opts KerberosOptions) (*Kerberos, error) {
	if err := cfg.Validate("kerberos"); err != nil {
		return nil, err
	}
	k := &Kerberos{
		cfg: cfg, account: account, opts: opts, log: opts.Logger, realm: cfg.Realm, tickets: map[string]credential{}, flights: map[string]*flight{},
		byAddr: map[string]*kdc{},
	}
	if err := k.name(); err != nil {
		return nil, &photopush.Error{Reason: photopush.Internal, Op: "use account", On: account.User, Err: err}
	}
	if k.log == nil {
		k.log = slog.New(slog.DiscardHandler)
	}
	if k.opts.Dial == nil {
		k.opts.Dial = new(net.Dialer).DialContext
	}
	if k.opts.LookupSRV == nil {
		k.opts.LookupSRV = func(ctx context.Context, service, proto, name string) ([]*net.SRV, error) {
			_, found, err := net.DefaultResolver.LookupSRV(ctx, service, proto, name)
			return found, err
		}
	}
	var err error
	if k.as, err = k.requests(false); err != nil {
		return nil, err
	}
	k.tgs, err = k.requests(true)
	return k, err
}

func (k *Kerberos) name() error {
	secrets := 0
	for _, set := range []bool{k.account.Password != (photopush.Secret{}), k.account.KeytabFile != "", k.account.CacheFile != ""} {
		if set {
			secrets++
		}
	}
	user, realm, _ := strings.Cut(k.account.User, "@")
	if realm != "" {
		k.realm = strings.ToUpper(realm)
	}
	switch {
	case secrets != 1:
		return errNoSecret
	case user == "" && k.account.CacheFile == "":
		return errNoUser
	case k.realm == "":
		return errNoRealm
	}
	k.client = types.NewPrincipalName(nametype.KRB_NT_PRINCIPAL, user)
	return nil
}

// requests is the configuration of gokrb5's requests. Names are made canonical in requests for services only, where KDCs refer to other realms.
func (k *Kerberos) requests(canonicalize bool) (*config.Config, error) {
	c := config.New()
	if k.cfg.Krb5Conf != "" {
		loaded, err := loadKrb5Conf(k.cfg.Krb5Conf)
		if err != nil {
			return nil, &photopush.Error{Reason: photopush.Internal, Op: "read", On: k.cfg.Krb5Conf, Err: err}
		}
		c = loaded
	}
	types := []int32{etypeID.AES256_CTS_HMAC_SHA1_96, etypeID.AES128_CTS_HMAC_SHA1_96, etypeID.AES256_CTS_HMAC_SHA384_192, etypeID.AES128_CTS_HMAC_SHA256_128}
	d := &c.LibDefaults
	d.DefaultRealm, d.NoAddresses, d.Canonicalize, d.Forwardable, d.Proxiable = k.realm, true, canonicalize, false, false
	d.Clockskew, d.TicketLifetime, d.RenewLifetime = maxSkew, 24*time.Hour, 0
	// The session key seals messages, so it is AES also where a ticket may be RC4.
	d.DefaultTktEnctypeIDs, d.DefaultTGSEnctypeIDs = types, types
	if k.cfg.AllowRC4 {
		d.DefaultTktEnctypeIDs = append(types[:len(types):len(types)], etypeID.RC4_HMAC)
	}
	return c, nil
}

// Stats tell how many requests were sent so far.
func (k *Kerberos) Stats() KerberosStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.stats
}

// Close forgets the tickets.
func (k *Kerberos) Close() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	clear(k.tickets)
	return nil
}

// Forget drops the ticket of a service, which the service could not read.
func (k *Kerberos) Forget(spn string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	delete(k.tickets, spn)
}

// Initiate makes our side of a context, with a ticket that is there or is asked for.
func (k *Kerberos) Initiate(ctx context.Context, t Target) (Context, error) {
	err := error(&photopush.Error{Reason: photopush.Internal, Op: "sign in to", On: "service", Err: errNoSPN})
	for _, spn := range t.SPNs {
		var c credential
		if c, err = k.ticket(ctx, spn); err == nil {
			return newContext(&initiator{credential: c, bindings: t.Bindings, bare: t.Bare, unsealed: t.Unsealed, modified: func() { k.Forget(spn) }}), nil
		}
		if refused, ok := errors.AsType[*kdcError](err); !ok || refused.ErrorCode != kdcUnknownService {
			break
		}
	}
	return nil, err
}

// ticket is the service's, cached until shortly before its end.
func (k *Kerberos) ticket(ctx context.Context, spn string) (credential, error) {
	_, host, _ := strings.Cut(spn, "/")
	switch {
	case net.ParseIP(strings.Trim(host, "[]")) != nil:
		return credential{}, &photopush.Error{Reason: photopush.DNS, Op: "sign in to", On: spn, Err: errAddress}
	case !strings.Contains(host, "."):
		return credential{}, &photopush.Error{Reason: photopush.DNS, Op: "sign in to", On: spn, Err: errShortName}
	}
	return k.shared(ctx, spn, func() (credential, error) { return k.requestTicket(ctx, spn) })
}

// A flight is a request whose result others wait for.
type flight struct {
	done chan struct{}
	got  credential
	err  error
}

// shared returns what is cached, or the result of one request that all who ask at the time share, a refusal too: a wrong password is
// tried once. A caller who gives up leaves the request to the next one.
func (k *Kerberos) shared(ctx context.Context, name string, request func() (credential, error)) (credential, error) {
	for {
		k.mu.Lock()
		if c, ok := k.tickets[name]; ok && time.Until(c.end) > renewEarly {
			k.mu.Unlock()
			return c, nil
		}
		f, running := k.flights[name]
		if !running {
			f = &flight{done: make(chan struct{})}
			k.flights[name] = f
			k.mu.Unlock()
			return k.lead(f, name, request)
		}
		k.mu.Unlock()
		select {
		case <-f.done:
			if f.err != nil && photopush.ReasonOf(f.err) == photopush.Timeout && ctx.Err() == nil {
				continue
			}
			return f.got, f.err
		case <-ctx.Done():
			return credential{}, &photopush.Error{Reason: waited(ctx), Op: "get a ticket for", On: name, Err: context.Cause(ctx)}
		}
	}
}

func (k *Kerberos) lead(f *flight, name string, request func() (credential, error)) (credential, error) {
	f.err = &photopush.Error{Reason: photopush.Internal, Op: "get a ticket for", On: name, Err: fmt.Errorf("the request ended early")}
	defer func() {
		k.mu.Lock()
		defer k.mu.Unlock()
		delete(k.flights, name)
		if f.err == nil {
			k.keep(name, f.got)
		}
		close(f.done)
	}()
	f.got, f.err = request()
	return f.got, f.err
}

// keep makes room by dropping any ticket: each costs one request to get again.
func (k *Kerberos) keep(name string, c credential) {
	for other := range k.tickets {
		if len(k.tickets) < maxTickets {
			break
		}
		delete(k.tickets, other)
	}
	k.tickets[name] = c
}
