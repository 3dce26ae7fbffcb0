// Package simad is a simulated Active Directory for tests and the demo: a domain in memory, and domain controllers that serve it over LDAP
// and DNS on loopback. It is written from how Windows and Samba answer, not from what our client sends, and shares no code with
// the client: messages are built on asn1-ber, distinguished names and filters are its own.
//
// A Domain holds the objects. Each Controller started with Serve answers for it, has its own certificate, faults and counters, and a DNS
// server. Searching, binding (simple, and by a client's certificate), StartTLS and paging are as on Windows. Objects may be modified over LDAP by whom Grant lets, by the rules of
// the schema; adding, deleting and renaming is nobody's right.
//
// What tests change in a Domain (Set, Move, Delete …) is recorded as by a replica: DirSync tells the attributes that have changed, uSNChanged
// counts for each controller by itself, and what was deleted leaves a tombstone for those who may see it (Allow). All controllers know a
// change at once.
//
// Sources: RFC 4511, RFC 2696, MS-ADTS; where Samba and Windows differ, Windows is followed unless said otherwise.
package simad

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"time"
)

// Options of a Domain; the zero value is usable.
type Options struct {
	NetBIOS string           // name before a backslash; default: the first label in capitals
	Now     func() time.Time // default time.Now
}

// A Domain is the database that its controllers share. It is safe for concurrent use.
type Domain struct {
	name    string // corp.example
	netbios string
	root    dn
	forest  string // distinguished name of the forest's root domain
	tree    *tree  // the domains of the forest
	now     func() time.Time
	sid     []byte // binary SID of the domain

	mu      sync.RWMutex
	objects map[string]*object // by key of the distinguished name
	order   []*object          // in order of creation
	byGUID  map[guid]*object
	nextRID uint32
	usn     int64
	hosts   map[string]netip.Addr // names in DNS, lower case
	grants  []grant               // who may write what
	rights  map[string]Rights     // by key of the account
	served  int                   // controllers that were started
	records map[string][]SRV      // services in DNS, likewise
	others  []*Domain             // of the forest
}

// A tree is the domains of a forest.
type tree struct {
	mu      sync.Mutex
	domains []*Domain
}

var domainName = regexp.MustCompile(`\A[a-z0-9-]+(\.[a-z0-9-]+)+\z`)

// NewDomain makes the first domain of a forest with what a new one has: the naming contexts, Users, Computers, Domain Controllers, one site, and the
// crossRef object that holds the NetBIOS name. SIDs and GUIDs follow from names, so that two runs agree.
func NewDomain(name string, opts Options) (*Domain, error) {
	d, err := newDomain(name, "", opts)
	if err != nil {
		return nil, err
	}
	d.tree = &tree{domains: []*Domain{d}}
	return d, nil
}

// newDomain makes a domain of the forest whose root domain has that distinguished name; empty for its own.
func newDomain(name, forest string, opts Options) (*Domain, error) {
	name = strings.ToLower(name)
	if !domainName.MatchString(name) {
		return nil, fmt.Errorf("simad: %q is no DNS name of a domain", name)
	}
	d := &Domain{
		name:    name,
		netbios: opts.NetBIOS,
		now:     opts.Now,
		objects: map[string]*object{},
		byGUID:  map[guid]*object{},
		nextRID: 1104,
		hosts:   map[string]netip.Addr{},
		records: map[string][]SRV{},
		forest:  forest,
		rights:  map[string]Rights{},
		sid:     domainSID(name),
	}
	if d.netbios == "" {
		d.netbios = strings.ToUpper(strings.SplitN(name, ".", 2)[0])
	}
	if d.now == nil {
		d.now = time.Now
	}
	root, err := parseDN(d.DN())
	if err != nil {
		return nil, err
	}
	d.root = root
	if d.forest == "" {
		d.forest = d.DN()
	}
	return d, d.populate()
}

// DN is the distinguished name of the domain, DC=corp,DC=example.
func (d *Domain) DN() string { return "DC=" + strings.ReplaceAll(d.name, ".", ",DC=") }

// Name is the DNS name of the domain.
func (d *Domain) Name() string { return d.name }

// NetBIOS is the NetBIOS name of the domain.
func (d *Domain) NetBIOS() string { return d.netbios }

// AddHost puts an address into the DNS of every controller; name is fully qualified.
func (d *Domain) AddHost(name string, ip netip.Addr) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.hosts[strings.ToLower(strings.TrimSuffix(name, "."))] = ip
}

// RemoveHost takes a name out of DNS again.
func (d *Domain) RemoveHost(name string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	delete(d.hosts, strings.ToLower(strings.TrimSuffix(name, ".")))
}

func (d *Domain) host(name string) (netip.Addr, bool) {
	d.mu.RLock()
	defer d.mu.RUnlock()
	ip, ok := d.hosts[strings.ToLower(strings.TrimSuffix(name, "."))]
	return ip, ok
}

// domainSID is S-1-5-21 with three numbers that follow from the name.
func domainSID(name string) []byte {
	sum := sha256.Sum256([]byte("sid " + name))
	sid := []byte{1, 4, 0, 0, 0, 0, 0, 5}
	sid = binary.LittleEndian.AppendUint32(sid, 21)
	for i := range 3 {
		sid = binary.LittleEndian.AppendUint32(sid, binary.LittleEndian.Uint32(sum[4*i:])|1)
	}
	return sid
}

// accountSID is the domain's SID with a relative identifier.
func (d *Domain) accountSID(rid uint32) []byte {
	sid := append([]byte(nil), d.sid...)
	sid[1]++
	return binary.LittleEndian.AppendUint32(sid, rid)
}

// populate makes the objects of an empty domain.
func (d *Domain) populate() error {
	domainSID := string(d.sid)
	containers := []struct {
		dn      string
		classes []string
		more    map[string][]string
	}{
		{d.DN(), []string{"top", "domain", "domainDNS"}, map[string][]string{
			"objectSid": {domainSID}, "dc": {strings.SplitN(d.name, ".", 2)[0]}}},
		{d.configuration(), []string{"top", "configuration"}, nil},
		{"CN=Schema," + d.configuration(), []string{"top", "dMD"}, nil},
		{"CN=Partitions," + d.configuration(), []string{"top", "crossRefContainer"}, nil},
		{"CN=Sites," + d.configuration(), []string{"top", "sitesContainer"}, nil},
		{"CN=Subnets,CN=Sites," + d.configuration(), []string{"top", "subnetContainer"}, nil},
		{"CN=Users," + d.DN(), []string{"top", "container"}, nil},
		{"CN=Computers," + d.DN(), []string{"top", "container"}, nil},
		{"OU=Domain Controllers," + d.DN(), []string{"top", "organizationalUnit"}, nil},
		{"CN=Deleted Objects," + d.DN(), []string{"top", "container"}, nil},
	}
	for _, c := range containers {
		attrs := newAttributes(c.classes)
		for name, values := range c.more {
			if err := attrs.set(name, values...); err != nil {
				return err
			}
		}
		if _, err := d.add(c.dn, attrs); err != nil {
			return err
		}
	}
	// Deleted Objects counts as deleted itself (MS-ADTS 6.1.1.4.2): only those see it who may see what lies in it.
	err := d.change("CN=Deleted Objects,"+d.DN(), func(o *object) error {
		o.deleted = true
		return o.attrs.set("isDeleted", "TRUE")
	})
	if err != nil {
		return err
	}
	if err := d.addCrossRef(d); err != nil {
		return err
	}
	return d.addSite(DefaultSite)
}
