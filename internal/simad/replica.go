package simad

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// A replica is the database of one controller: all controllers of a domain hold the same objects, but each counts changes by itself, and has a name
// for its count, invocationId (MS-ADTS 3.1.1.1.9).
type replica struct {
	offset int64 // what its USNs are ahead of the domain's
}

func (c *Controller) replica() *replica { return c.database.Load() }

// Reinstall gives the controller another invocationId and other USNs, as a restore from a backup does. The objects stay as they are.
func (c *Controller) Reinstall() error {
	n := c.renumber()
	sum := sha256.Sum256(fmt.Appendf(nil, "invocation %s %d", c.host, n))
	return c.domain.Set(c.DSA(), "invocationId", sum[:16])
}

// renumber gives the controller USNs that no other one has, and returns how many were given so.
func (c *Controller) renumber() int {
	d := c.domain
	d.mu.Lock()
	defer d.mu.Unlock()
	d.served++
	c.database.Store(&replica{offset: int64(d.served) * 8192})
	return d.served
}

// Rewind sets the controller's USNs back by n and keeps its invocationId, as a snapshot of a virtual machine wrongly does.
func (c *Controller) Rewind(n int64) { c.database.Store(&replica{offset: c.replica().offset - n}) }

// numbered are the attributes that hold USNs.
var numbered = []string{"usnchanged", "usncreated"}

// ownNumber is an attribute of o as this controller has it.
func (c *Controller) ownNumber(o *object, a attribute) attribute {
	if a.name == "msDS-ReplAttributeMetaData" {
		return attribute{a.name, o.metaData(c.replica().offset)}
	}
	if a.name != "uSNChanged" && a.name != "uSNCreated" || len(a.values) != 1 {
		return a
	}
	n, err := strconv.ParseInt(string(a.values[0]), 10, 64)
	if err != nil {
		return a
	}
	return attribute{a.name, [][]byte{strconv.AppendInt(nil, n+c.replica().offset, 10)}}
}

// ownNumbers is the filter for the domain that means what f means for this controller.
func (c *Controller) ownNumbers(f filter) filter {
	switch f := f.(type) {
	case andFilter:
		return andFilter(c.ownAll(f))
	case orFilter:
		return orFilter(c.ownAll(f))
	case notFilter:
		return notFilter{c.ownNumbers(f.inner)}
	case compareFilter:
		n, err := strconv.ParseInt(string(f.value), 10, 64)
		if name := strings.ToLower(f.attribute); err != nil || name != numbered[0] && name != numbered[1] {
			return f
		}
		f.value = strconv.AppendInt(nil, n-c.replica().offset, 10)
		return f
	}
	return f
}

func (c *Controller) ownAll(list []filter) []filter {
	all := make([]filter, len(list))
	for i, f := range list {
		all[i] = c.ownNumbers(f)
	}
	return all
}

// parentGUID is constructed from the name (MS-ADTS 3.1.1.4.5.36); the domain's root has none.
func (d *Domain) parentGUID(o *object) [][]byte {
	parent := d.objects[o.name.parent().key()]
	if parent == nil {
		return nil
	}
	g := parent.guid()
	return [][]byte{g[:]}
}

// metaData is msDS-ReplAttributeMetaData: one XML fragment for each attribute, ended by NUL (MS-ADTS 3.1.1.4.5.37, MS-DRSR DS_REPL_ATTR_META_DATA). offset is
// what the USNs of the controller are ahead of the domain's.
func (o *object) metaData(offset int64) [][]byte {
	var list [][]byte
	for name, usn := range o.stamps {
		list = append(list, fmt.Appendf(nil, "<DS_REPL_ATTR_META_DATA>\n\t<pszAttributeName>%s</pszAttributeName>\n\t<dwVersion>1</dwVersion>\n"+
			"\t<usnLocalChange>%d</usnLocalChange>\n</DS_REPL_ATTR_META_DATA>\n\x00", schema[name].name, usn+offset))
	}
	slices.SortFunc(list, bytes.Compare)
	return list
}
