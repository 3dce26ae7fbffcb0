//go:build linux

package sambalab

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"time"
	"unicode/utf16"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// A User is an account to add.
type User struct {
	Name       string // sAMAccountName
	CN         string // empty for Name
	OU         string // empty for StaffOU
	Password   string // empty for an account that cannot sign in by password
	Photo      []byte // thumbnailPhoto, at most 102,400 bytes; nil for none
	JPEGPhoto  []byte // jpegPhoto
	Disabled   bool
	Attributes map[string][]string // others, such as displayName
}

// A Computer is a computer account to add.
type Computer struct {
	Name       string // without the closing $
	Host       string // dNSHostName; empty for none
	OS         string // operatingSystem
	OSVersion  string // operatingSystemVersion
	OU         string // empty for WorkstationsOU
	Disabled   bool
	Attributes map[string][]string
}

// userAccountControl (MS-ADTS 2.2.16).
const (
	accountDisabled    = 0x2
	passwordNotNeeded  = 0x20
	normalAccount      = 0x200
	workstationAccount = 0x1000
)

// AddUsers adds accounts over one connection, about a hundred a second, and tells their SIDs in the same order.
func (d *Domain) AddUsers(users ...User) []photopush.SID {
	d.t.Helper()
	sids := make([]photopush.SID, len(users))
	err := d.with(func(c *ldap.Conn) error {
		for i, u := range users {
			entry, err := add(c, u.request())
			if err != nil {
				return fmt.Errorf("add user %s: %w", u.Name, err)
			}
			sids[i] = decodeSID(entry.GetRawAttributeValue("objectSid"))
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return sids
}

// AddComputers adds computer accounts and tells their objectGUIDs in the same order.
func (d *Domain) AddComputers(computers ...Computer) []photopush.GUID {
	d.t.Helper()
	guids := make([]photopush.GUID, len(computers))
	err := d.with(func(c *ldap.Conn) error {
		for i, m := range computers {
			entry, err := add(c, m.request())
			if err != nil {
				return fmt.Errorf("add computer %s: %w", m.Name, err)
			}
			guids[i] = decodeGUID(entry.GetRawAttributeValue("objectGUID"))
		}
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
	return guids
}

// AddOU adds an organizational unit, such as OU=Sales,OU=Staff,DC=corp,DC=example.
func (d *Domain) AddOU(dn string) {
	d.t.Helper()
	if err := d.with(func(c *ldap.Conn) error { return addOU(c, dn) }); err != nil {
		d.t.Fatal(err)
	}
}

// Set replaces an attribute of an object; without values it is removed.
func (d *Domain) Set(dn, attribute string, values ...string) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		m := ldap.NewModifyRequest(dn, nil)
		m.Replace(attribute, values)
		return c.Modify(m)
	})
	if err != nil {
		d.t.Fatalf("set %s of %s: %v", attribute, dn, err)
	}
}

// Get reads the values of an attribute of an object, as the administrator.
func (d *Domain) Get(dn, attribute string) []string {
	d.t.Helper()
	var values []string
	err := d.with(func(c *ldap.Conn) error {
		found, err := c.Search(&ldap.SearchRequest{BaseDN: dn, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{attribute}})
		if err == nil && len(found.Entries) == 1 {
			values = found.Entries[0].GetAttributeValues(attribute)
		}
		return err
	})
	if err != nil {
		d.t.Fatalf("get %s of %s: %v", attribute, dn, err)
	}
	return values
}

// AddHost adds an A record to the domain's DNS: ws1.corp.example is 127.1.2.3.
func (d *Domain) AddHost(name, ip string) {
	d.t.Helper()
	label, ok := strings.CutSuffix(name, "."+Name)
	if !ok {
		d.t.Fatalf("%s is not in %s", name, Name)
	}
	err := d.with(func(c *ldap.Conn) error {
		r := ldap.NewAddRequest("DC="+label+","+zoneDN, nil)
		r.Attribute("objectClass", []string{"top", "dnsNode"})
		r.Attribute("dnsRecord", []string{addressRecord(ip)})
		return c.Add(r)
	})
	if err != nil {
		d.t.Fatalf("add host %s: %v", name, err)
	}
}

func (u User) request() *ldap.AddRequest {
	cn, ou, control := u.CN, u.OU, normalAccount
	if cn == "" {
		cn = u.Name
	}
	if ou == "" {
		ou = StaffOU
	}
	r := ldap.NewAddRequest("CN="+ldap.EscapeDN(cn)+","+ou, nil)
	r.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "user"})
	r.Attribute("sAMAccountName", []string{u.Name})
	r.Attribute("userPrincipalName", []string{u.Name + "@" + Name})
	if u.Password != "" {
		r.Attribute("unicodePwd", []string{encodePassword(u.Password)})
	} else {
		control |= passwordNotNeeded
	}
	if u.Disabled {
		control |= accountDisabled
	}
	if u.Photo != nil {
		r.Attribute("thumbnailPhoto", []string{string(u.Photo)})
	}
	if u.JPEGPhoto != nil {
		r.Attribute("jpegPhoto", []string{string(u.JPEGPhoto)})
	}
	return finish(r, control, u.Attributes)
}

func (m Computer) request() *ldap.AddRequest {
	ou, control := m.OU, workstationAccount
	if ou == "" {
		ou = WorkstationsOU
	}
	r := ldap.NewAddRequest("CN="+ldap.EscapeDN(m.Name)+","+ou, nil)
	r.Attribute("objectClass", []string{"top", "person", "organizationalPerson", "user", "computer"})
	r.Attribute("sAMAccountName", []string{m.Name + "$"})
	for name, value := range map[string]string{"dNSHostName": m.Host, "operatingSystem": m.OS, "operatingSystemVersion": m.OSVersion} {
		if value != "" {
			r.Attribute(name, []string{value})
		}
	}
	if m.Disabled {
		control |= accountDisabled
	}
	return finish(r, control, m.Attributes)
}

func finish(r *ldap.AddRequest, control int, others map[string][]string) *ldap.AddRequest {
	r.Attribute("userAccountControl", []string{strconv.Itoa(control)})
	for name, values := range others {
		r.Attribute(name, values)
	}
	return r
}

// add adds an object and reads back what the controller gave it.
func add(c *ldap.Conn, r *ldap.AddRequest) (*ldap.Entry, error) {
	if err := c.Add(r); err != nil {
		return nil, err
	}
	found, err := c.Search(&ldap.SearchRequest{
		BaseDN: r.DN, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"objectSid", "objectGUID"},
	})
	if err != nil {
		return nil, err
	}
	if len(found.Entries) != 1 {
		return nil, fmt.Errorf("%d objects are called %s, want 1", len(found.Entries), r.DN)
	}
	return found.Entries[0], nil
}

func addOU(c *ldap.Conn, dn string) error {
	r := ldap.NewAddRequest(dn, nil)
	r.Attribute("objectClass", []string{"top", "organizationalUnit"})
	if err := c.Add(r); err != nil {
		return fmt.Errorf("add %s: %w", dn, err)
	}
	return nil
}

const zoneDN = "DC=corp.example,CN=MicrosoftDNS,DC=DomainDnsZones," + BaseDN

// populate adds what every lab has, and gives the controller's names its address in place of the base's.
func (d *Domain) populate() error {
	return d.with(func(c *ldap.Conn) error {
		for _, dn := range []string{StaffOU, WorkstationsOU, ServiceOU} {
			if err := addOU(c, dn); err != nil {
				return err
			}
		}
		for _, u := range []User{
			{Name: "svc-read", OU: ServiceOU, Password: ReadPassword},
			{Name: KerberosUser, OU: ServiceOU, Password: KerberosPassword},
		} {
			if err := c.Add(u.request()); err != nil {
				return fmt.Errorf("add %s: %w", u.Name, err)
			}
		}
		return d.readdress(c)
	})
}

// readdress replaces the A records of the controller and of the domain; the zone's other records at the domain's node stay.
func (d *Domain) readdress(c *ldap.Conn) error {
	for _, node := range []string{"DC=dc1," + zoneDN, "DC=@," + zoneDN, "DC=gc,DC=_msdcs.corp.example,CN=MicrosoftDNS,DC=ForestDnsZones," + BaseDN} {
		found, err := c.Search(&ldap.SearchRequest{BaseDN: node, Scope: ldap.ScopeBaseObject, Filter: "(objectClass=*)", Attributes: []string{"dnsRecord"}})
		if err != nil {
			return fmt.Errorf("read DNS node %s: %w", node, err)
		}
		records := []string{addressRecord(d.IP)}
		for _, r := range found.Entries[0].GetRawAttributeValues("dnsRecord") {
			if len(r) < 4 || binary.LittleEndian.Uint16(r[2:]) != typeA {
				records = append(records, string(r))
			}
		}
		m := ldap.NewModifyRequest(node, nil)
		m.Replace("dnsRecord", records)
		if err := c.Modify(m); err != nil {
			return fmt.Errorf("write DNS node %s: %w", node, err)
		}
	}
	return nil
}

const typeA = 1

// addressRecord is the attribute dnsRecord of an A record.
func addressRecord(ip string) string { return dnsRecord(typeA, net.ParseIP(ip).To4()) }

// dnsRecord is the attribute of a record that never ages (MS-DNSP 2.3.2.2): length of the data, type, version 5, rank of a zone's own
// record, flags, serial, TTL (the only big-endian field), reserved, time stamp; then the data.
func dnsRecord(kind uint16, data []byte) string {
	b := binary.LittleEndian.AppendUint16(nil, uint16(len(data)))
	b = binary.LittleEndian.AppendUint16(b, kind)
	b = append(b, 5, 0xf0, 0, 0)
	b = binary.LittleEndian.AppendUint32(b, 1)
	b = binary.BigEndian.AppendUint32(b, 60)
	b = append(b, make([]byte, 8)...)
	return string(append(b, data...))
}

// with runs f on a connection of the administrator.
func (d *Domain) with(f func(*ldap.Conn) error) error {
	c, err := d.dial()
	if err != nil {
		return err
	}
	defer c.Close()
	return f(c)
}

// dial signs the administrator in.
func (d *Domain) dial() (*ldap.Conn, error) {
	text, err := os.ReadFile(d.CAFile)
	if err != nil {
		return nil, err
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, errors.New("no certificate in " + d.CAFile)
	}
	c, err := ldap.DialURL("ldaps://"+d.IP,
		ldap.DialWithTLSConfig(&tls.Config{RootCAs: pool, ServerName: d.host}),
		ldap.DialWithDialer(&net.Dialer{Timeout: 10 * time.Second}))
	if err != nil {
		return nil, err
	}
	c.SetTimeout(30 * time.Second)
	if err := c.Bind(adminUser, adminPassword); err != nil {
		c.Close()
		return nil, err
	}
	return c, nil
}

// encodePassword is a password as unicodePwd takes it: in quotation marks, UTF-16LE (MS-ADTS 3.1.1.3.1.5.1).
func encodePassword(password string) string {
	var b []byte
	for _, unit := range utf16.Encode([]rune(`"` + password + `"`)) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return string(b)
}

// decodeSID reads a SID (MS-DTYP 2.4.2.2).
func decodeSID(b []byte) photopush.SID {
	if len(b) < 8 || len(b) != 8+4*int(b[1]) {
		panic(fmt.Sprintf("sambalab: % x is no SID", b))
	}
	s := fmt.Sprintf("S-%d-%d", b[0], binary.BigEndian.Uint64(b)&0xffffffffffff)
	for i := 8; i < len(b); i += 4 {
		s += fmt.Sprintf("-%d", binary.LittleEndian.Uint32(b[i:]))
	}
	return photopush.SID(s)
}

// decodeGUID reads a GUID, whose first three parts are little-endian (MS-DTYP 2.3.4.2).
func decodeGUID(b []byte) photopush.GUID {
	if len(b) != 16 {
		panic(fmt.Sprintf("sambalab: % x is no GUID", b))
	}
	return photopush.GUID(fmt.Sprintf("%08x-%04x-%04x-%x-%x",
		binary.LittleEndian.Uint32(b), binary.LittleEndian.Uint16(b[4:]), binary.LittleEndian.Uint16(b[6:]), b[8:10], b[10:]))
}
