//go:build linux

package sambalab

import (
	"encoding/binary"
	"net"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/go-ldap/ldap/v3"
)

// DefaultSite is the site of the controllers.
const DefaultSite = "Default-First-Site-Name"

const sitesDN = "CN=Sites,CN=Configuration," + BaseDN

// AddSite adds a site without a controller, with subnets such as 10.0.0.0/24.
func (d *Domain) AddSite(name string, subnets ...string) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		r := ldap.NewAddRequest("CN="+ldap.EscapeDN(name)+","+sitesDN, nil)
		r.Attribute("objectClass", []string{"top", "site"})
		return c.Add(r)
	})
	if err != nil {
		d.t.Fatalf("add site %s: %v", name, err)
	}
	for _, s := range subnets {
		d.AddSubnet(s, name)
	}
}

// AddSubnet adds a subnet of a site.
func (d *Domain) AddSubnet(subnet, site string) {
	d.t.Helper()
	err := d.with(func(c *ldap.Conn) error {
		r := ldap.NewAddRequest("CN="+ldap.EscapeDN(subnet)+",CN=Subnets,"+sitesDN, nil)
		r.Attribute("objectClass", []string{"top", "subnet"})
		r.Attribute("siteObject", []string{"CN=" + ldap.EscapeDN(site) + "," + sitesDN})
		return c.Add(r)
	})
	if err != nil {
		d.t.Fatalf("add subnet %s: %v", subnet, err)
	}
}

// AddController adds a controller's SRV records to the domain's DNS: those of all controllers, and those of its site.
func (d *Domain) AddController(host, site string, priority uint16) {
	d.t.Helper()
	for _, name := range []string{"_ldap._tcp.dc", "_ldap._tcp." + site + "._sites.dc"} {
		if err := d.with(func(c *ldap.Conn) error { return addRecord(c, "DC="+name+","+msdcsDN, serviceRecord(host, priority)) }); err != nil {
			d.t.Fatalf("add %s of %s to DNS: %v", name, host, err)
		}
	}
}

const msdcsDN = "DC=_msdcs.corp.example,CN=MicrosoftDNS,DC=ForestDnsZones," + BaseDN

// addRecord adds a record to a node of DNS, which it makes where it is missing.
func addRecord(c *ldap.Conn, node, record string) error {
	m := ldap.NewModifyRequest(node, nil)
	m.Add("dnsRecord", []string{record})
	err := c.Modify(m)
	if !ldap.IsErrorWithCode(err, ldap.LDAPResultNoSuchObject) {
		return err
	}
	r := ldap.NewAddRequest(node, nil)
	r.Attribute("objectClass", []string{"top", "dnsNode"})
	r.Attribute("dnsRecord", []string{record})
	return c.Add(r)
}

const typeSRV = 33

// serviceRecord is the attribute dnsRecord of an SRV record for LDAP: priority, weight and port (MS-DNSP 2.2.2.2.4.18), then the host as a counted name
// (2.2.2.2.2).
func serviceRecord(host string, priority uint16) string {
	labels := strings.Split(host, ".")
	name := []byte{0, byte(len(labels))}
	for _, l := range labels {
		name = append(append(name, byte(len(l))), l...)
	}
	name = append(name, 0)
	name[0] = byte(len(name) - 2)
	data := binary.BigEndian.AppendUint16(nil, priority)
	data = binary.BigEndian.AppendUint16(data, 100)
	data = binary.BigEndian.AppendUint16(data, 389)
	return dnsRecord(typeSRV, append(data, name...))
}

// Clone starts a second controller with a copy of everything that the first one has now, at an address, with a host name and with a certificate of its
// own; its name is in DNS, its SRV records are not. It takes the place of a replica as long as nothing is written: it has the same invocationId,
// does not replicate, and knows no Kerberos name for its host.
func (d *Domain) Clone(host string) *Domain {
	d.t.Helper()
	c := &Domain{t: d.t, o: d.o, host: host, dir: newFolder(d.t), IP: freeIP(d.t), CAFile: d.CAFile, OtherCAFile: d.OtherCAFile, PasswordFile: d.PasswordFile, signer: d.signer}
	d.AddHost(host, c.IP)
	if err := writeConfig(c.dir, c.IP, c.o.StrongAuth); err != nil {
		d.t.Fatal(err)
	}
	d.Stop()
	for _, name := range []string{"private", "state", "ca.pem"} {
		if out, err := exec.Command("cp", "-a", "-T", filepath.Join(d.dir, name), filepath.Join(c.dir, name)).CombinedOutput(); err != nil {
			d.t.Fatalf("copy %s of the controller: %v: %s", name, err, out)
		}
	}
	if err := c.certify(); err != nil {
		d.t.Fatal(err)
	}
	d.t.Cleanup(c.Kill)
	d.Start()
	c.Start()
	return c
}

// LDAPSAddr is where LDAPS answers, IP:port.
func (d *Domain) LDAPSAddr() string { return net.JoinHostPort(d.IP, "636") }

// Host is the controller's name.
func (d *Domain) Host() string { return d.host }
