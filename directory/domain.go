package directory

import (
	"context"
	"errors"
	"strings"

	"github.com/go-ldap/ldap/v3"

	"github.com/photopush/photopush"
)

// isOurs tells whether a name before a backslash means this domain: its DNS name or its NetBIOS name.
func (d *Directory) isOurs(ctx context.Context, name string) (bool, error) {
	if strings.EqualFold(name, d.cfg.Name) {
		return true, nil
	}
	netbios, err := d.NetBIOSName(ctx)
	return strings.EqualFold(name, netbios), err
}

// NetBIOSName is the domain's name before a backslash, CORP in CORP\anna: nETBIOSName of its crossRef object (MS-ADTS 6.1.1.2.1.1.4), which is read once. It is
// empty where the account sees no such object. Errors are of type *photopush.Error, or the context's.
func (d *Directory) NetBIOSName(ctx context.Context) (string, error) {
	d.mu.Lock()
	known := d.netbios
	d.mu.Unlock()
	if known != "" {
		return known, nil
	}
	root := ""
	err := d.use(ctx, func(c *conn) (err error) {
		root, err = c.configurationRoot(ctx)
		return err
	})
	if err != nil {
		return "", err
	}
	partitions := scope{key: "name", bases: parseBases([]string{"CN=Partitions," + root}), kind: "(objectClass=crossRef)"}.withFilter()
	filter := partitions.and(equals("nCName", domainDN(d.cfg.Name)))
	found, err := d.search(ctx, query{"read NetBIOS name", partitions, filter, []string{"objectGUID", "nETBIOSName"}})
	if err != nil || len(found) == 0 {
		return "", err
	}
	name := text(found[0], "nETBIOSName")
	d.mu.Lock()
	d.netbios = name
	d.mu.Unlock()
	return name, nil
}

// configurationRoot asks the rootDSE for the distinguished name of the configuration, which lies in the forest's root domain.
func (c *conn) configurationRoot(ctx context.Context) (string, error) {
	request := ldap.NewSearchRequest("", ldap.ScopeBaseObject, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=*)",
		[]string{"configurationNamingContext"}, nil)
	entries, err := c.run(ctx, request, "read", "rootDSE")
	if err != nil {
		return "", err
	}
	root := ""
	if len(entries) == 1 {
		root = entries[0].GetEqualFoldAttributeValue("configurationNamingContext")
	}
	if dn, err := ldap.ParseDN(root); err != nil || len(dn.RDNs) == 0 || len(root) > maxText {
		return "", &photopush.Error{Reason: photopush.Unsupported, Op: "read rootDSE of", On: c.controller.url,
			Err: errors.New("it does not name its configuration: is it a domain controller?")}
	}
	return root, nil
}
