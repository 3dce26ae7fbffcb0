package directory

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/go-ldap/ldap/v3"
)

// The schema says of each attribute whether a controller tells its changes: linkID is odd for a back link, which other objects have the other end of (MS-ADTS
// 3.1.1.1.6), and of systemFlags these bits count (MS-ADTS 2.2.10).
const (
	notReplicated = 0x1
	constructed   = 0x4
)

// Why a controller does not tell the changes of an attribute.
const (
	ownValue = "each controller has its own value"
	made     = "it is made when it is asked for"
	backLink = "it is a link that other objects have"
)

// How long what the schema says is kept, and how long it is done without where it cannot be read.
const (
	keepSchema  = 4 * time.Hour
	retrySchema = 10 * time.Minute
)

// knownSchema is what the schema said of the attributes that the filters ask for.
type knownSchema struct {
	until time.Time // it is read again then; zero: it was never read
	blind string    // not empty: why no controller tells all of them
	said  string    // the last line of the log
}

// blindness is why no controller tells all that is of interest; it is empty where one does. What we know by heart of attributes (untold) is supplemented by the
// schema, for there are more back links than can be listed, those of extensions too. Errors are those of a read.
func (d *Directory) blindness(ctx context.Context) (string, error) {
	if d.watched.blind != "" || len(d.watched.asked) == 0 {
		return d.watched.blind, nil
	}
	d.mu.Lock()
	known := d.schema
	d.mu.Unlock()
	if d.now().Before(known.until) {
		return known.blind, nil
	}
	blind, unknown, err := d.askSchema(ctx)
	next := knownSchema{until: d.now().Add(keepSchema), blind: blind}
	if isUntold(err) {
		next.until, next.blind = d.now().Add(retrySchema), known.blind
		unknown = fmt.Sprintf("the schema cannot be read: %v", err)
	} else if err != nil {
		return "", err
	}
	if next.said = unknown; unknown != "" && unknown != known.said {
		d.log.Warn("whether changes of all attributes that the filters ask for are told is not known; if not, they are noticed when everything is read",
			"domain", d.cfg.Name, "why", unknown)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	d.schema = next
	return next.blind, nil
}

// askSchema asks the schema for the attributes of the filters; unknown names one that it does not show. A refusedError says that it cannot be read.
func (d *Directory) askSchema(ctx context.Context) (blind, unknown string, err error) {
	var names []string
	for _, a := range d.watched.asked {
		names = append(names, a.attribute)
	}
	hidden := map[string]string{}
	err = d.use(ctx, func(c *conn) error {
		clear(hidden)
		root, err := c.configurationRoot(ctx)
		for part := range slices.Chunk(names, idsPerSearch) {
			if err == nil {
				err = c.askSchema(ctx, "CN=Schema,"+root, part, hidden)
			}
		}
		return refuse(ctx, err)
	})
	if err != nil {
		return "", "", err
	}
	for _, a := range d.watched.asked {
		switch why, shown := hidden[strings.ToLower(a.attribute)]; {
		case !shown:
			unknown = fmt.Sprintf("the schema does not show the attribute %s, which %s.filter asks for", a.attribute, a.key)
		case why != "":
			blind = untoldBy(a.key, a.attribute, why)
		}
	}
	return blind, unknown, nil
}

// askSchema notes of the attributes with these names, in lower case, why their changes are not told; empty where they are.
func (c *conn) askSchema(ctx context.Context, schema string, names []string, hidden map[string]string) error {
	var any strings.Builder
	for _, name := range names {
		any.WriteString(equals("lDAPDisplayName", name))
	}
	request := ldap.NewSearchRequest(schema, ldap.ScopeSingleLevel, ldap.NeverDerefAliases, 0, 0, false,
		"(&(objectClass=attributeSchema)(|"+any.String()+"))", []string{"lDAPDisplayName", "linkID", "systemFlags"}, nil)
	entries, err := c.run(ctx, request, "read schema at", schema)
	for _, e := range entries {
		name := strings.ToLower(e.GetEqualFoldAttributeValue("lDAPDisplayName"))
		if !containsFold(names, name) {
			continue
		}
		if why := hiddenBy(e.GetEqualFoldAttributeValue("linkID"), e.GetEqualFoldAttributeValue("systemFlags")); why != "" || hidden[name] == "" {
			hidden[name] = why
		}
	}
	return err
}

// hiddenBy tells why the changes of an attribute with these values in the schema are not told; both may be absent.
func hiddenBy(linkID, systemFlags string) string {
	number := func(s string) (int64, bool) {
		if s == "" {
			return 0, true
		}
		n, err := strconv.ParseInt(s, 10, 32)
		return n, err == nil
	}
	link, ok := number(linkID)
	flags, alsoOK := number(systemFlags)
	switch {
	case !ok || !alsoOK:
		return "what the schema says of it cannot be read"
	case link&1 != 0:
		return backLink
	case flags&constructed != 0:
		return made
	case flags&notReplicated != 0:
		return ownValue
	}
	return ""
}

// untoldBy says what the filter of a section asks for in vain.
func untoldBy(key, attribute, why string) string {
	return fmt.Sprintf("%s.filter asks for %s, whose changes no controller tells: %s", key, attribute, why)
}
