package simad

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// DefaultSite is the site that every forest begins with.
const DefaultSite = "Default-First-Site-Name"

// configuration is the distinguished name of the configuration, which lies in the root domain of the forest.
func (d *Domain) configuration() string { return "CN=Configuration," + d.forest }

func (d *Domain) siteDN(site string) string {
	return "CN=" + escapeValue(site) + ",CN=Sites," + d.configuration()
}

// AddSite adds a site of the forest with its subnets. The domains of a forest that are there already know it too.
func (d *Domain) AddSite(name string, subnets ...netip.Prefix) error {
	for _, m := range d.members() {
		if err := m.addSite(name); err != nil {
			return err
		}
	}
	for _, p := range subnets {
		if err := d.AddSubnet(p.String(), name); err != nil {
			return err
		}
	}
	return nil
}

func (d *Domain) addSite(name string) error {
	if _, err := d.addValues(d.siteDN(name), []string{"top", "site"}, nil); err != nil {
		return err
	}
	_, err := d.addValues("CN=Servers,"+d.siteDN(name), []string{"top", "serversContainer"}, nil)
	return err
}

// AddSubnet adds a subnet of a site (MS-ADTS 6.1.1.2.2.2.1). Its name is not checked, so that a broken one can be added too; a site that is
// empty is left out, as it may be in Active Directory.
func (d *Domain) AddSubnet(name, site string) error {
	values := map[string]string{}
	if site != "" {
		values["siteObject"] = d.siteDN(site)
	}
	for _, m := range d.members() {
		if _, err := m.addValues("CN="+escapeValue(name)+",CN=Subnets,CN=Sites,"+d.configuration(), []string{"top", "subnet"}, values); err != nil {
			return err
		}
	}
	return nil
}

func (d *Domain) addValues(name string, classes []string, values map[string]string) (*object, error) {
	attrs := newAttributes(classes)
	if err := fillAttributes(attrs, values, nil); err != nil {
		return nil, err
	}
	return d.add(name, attrs)
}

// AddDomain makes another domain of the same forest, such as child.corp.example: it has the same configuration, and each domain knows the
// other one by its crossRef object. Its controllers are its own.
func (d *Domain) AddDomain(name string, opts Options) (*Domain, error) {
	if opts.Now == nil {
		opts.Now = d.now
	}
	n, err := newDomain(name, d.forest, opts)
	if err != nil {
		return nil, err
	}
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	for _, m := range d.tree.domains {
		if err := errors.Join(m.addCrossRef(n), n.addCrossRef(m)); err != nil {
			return nil, err
		}
	}
	if err := d.copySites(n); err != nil {
		return nil, err
	}
	n.tree = d.tree
	d.tree.domains = append(d.tree.domains, n)
	return n, nil
}

// copySites gives another domain the sites and subnets of the forest, as replication does.
func (d *Domain) copySites(n *Domain) error {
	d.mu.RLock()
	defer d.mu.RUnlock()
	for _, o := range d.order {
		if !o.below(strings.ToLower("CN=Sites," + d.configuration())) {
			continue
		}
		n.mu.RLock()
		_, known := n.objects[o.key]
		n.mu.RUnlock()
		if known {
			continue
		}
		if _, err := n.add(o.name.String(), o.attrs.clone()); err != nil {
			return err
		}
	}
	return nil
}

// members are the domains of the forest.
func (d *Domain) members() []*Domain {
	d.tree.mu.Lock()
	defer d.tree.mu.Unlock()
	return append([]*Domain(nil), d.tree.domains...)
}

// addCrossRef makes the object by which a domain of the forest is known (MS-ADTS 6.1.1.2.1.1.4).
func (d *Domain) addCrossRef(other *Domain) error {
	_, err := d.addValues("CN="+escapeValue(other.netbios)+",CN=Partitions,"+d.configuration(), []string{"top", "crossRef"}, map[string]string{
		"nCName": other.DN(), "nETBIOSName": other.netbios, "dnsRoot": other.name, "systemFlags": "3"})
	if err == nil && other != d {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.others = append(d.others, other)
	}
	return err
}

// register makes the objects of a controller in the configuration (MS-ADTS 6.1.1.2.2.1.2.1): its server, and below it its DSA, which is named by
// dsServiceName and carries the invocationId. A controller that comes back keeps them.
func (c *Controller) register(site string) error {
	d := c.domain
	label := strings.ToUpper(strings.SplitN(c.host, ".", 2)[0])
	c.server = "CN=" + escapeValue(label) + ",CN=Servers," + d.siteDN(site)
	key, err := parseDN(c.server)
	if err != nil {
		return fmt.Errorf("simad: host %q: %w", c.host, err)
	}
	d.mu.RLock()
	_, known := d.objects[key.key()]
	d.mu.RUnlock()
	if known {
		return nil
	}
	if _, err := d.addValues(c.server, []string{"top", "server"}, map[string]string{"dNSHostName": c.host}); err != nil {
		return err
	}
	invocation := sha256.Sum256([]byte("invocation " + c.host))
	_, err = d.addValues(c.DSA(), []string{"top", "applicationSettings", "nTDSDSA"}, map[string]string{"invocationId": string(invocation[:16])})
	return err
}

// DSA is the distinguished name of the controller's object of class nTDSDSA, which the rootDSE calls dsServiceName. Its attribute
// invocationId changes when a controller is restored from a backup: Set it there.
func (c *Controller) DSA() string { return "CN=NTDS Settings," + c.server }
