package simad

import (
	"slices"
	"strconv"
	"strings"

	ber "github.com/go-asn1-ber/asn1-ber"
)

// entry sends one object with the attributes that were asked for.
func (s *session) entry(m *message, o *object) error {
	return s.entryWith(m, o, s.attributesOf(m, o))
}

// entryWith sends one object with these attributes.
func (s *session) entryWith(m *message, o *object, attributes []attribute) error {
	op := operation(opEntry)
	name := o.name.String()
	if m.search.extended {
		name = s.c.domain.extendedName(name, m.search.extendedText)
	}
	op.AppendChild(octetString(name))
	list := ber.NewSequence("attributes")
	for _, a := range attributes {
		list.AppendChild(encodeAttribute(s.c.ownNumber(o, a), m.search.typesOnly))
	}
	op.AppendChild(list)
	s.c.counts.entries.Add(1)
	if err := s.send(m.id, op); err != nil {
		return err
	}
	s.c.faults.hangs(HangPage, s.done)
	return nil
}

func encodeAttribute(a attribute, typesOnly bool) *ber.Packet {
	p := ber.NewSequence("")
	p.AppendChild(octetString(a.name))
	values := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	if !typesOnly {
		for _, v := range a.values {
			values.AppendChild(octetString(string(v)))
		}
	}
	p.AppendChild(values)
	return p
}

// selected returns the attributes of an object: all for an empty list or *, none for 1.1 (RFC 4511 4.5.1.8). Constructed ones come
// only when they are named. Names come back as the schema spells them, as from Windows.
func (d *Domain) selected(who string, o *object, names []string) []attribute {
	all := len(names) == 0 || slices.Contains(names, "*")
	var list []attribute
	if all {
		for _, a := range o.attrs {
			list = append(list, a)
		}
		slices.SortFunc(list, func(a, b attribute) int { return strings.Compare(a.name, b.name) })
	}
	for _, name := range names {
		t, known := schema[strings.ToLower(name)]
		switch a := o.attrs[strings.ToLower(name)]; {
		case !known:
		case t.name == "allowedAttributesEffective":
			if e := d.effective(who, o); len(e.values) > 0 {
				list = append(list, e)
			}
		case t.constructed:
			list = append(list, d.construct(o, t))
		case !all && len(a.values) > 0:
			list = append(list, a)
		}
	}
	return list
}

func (d *Domain) construct(o *object, t attributeType) attribute {
	var v string
	switch t.name {
	case "canonicalName":
		v = d.canonicalName(o)
	case "createTimeStamp":
		v = string(o.attrs.first("whenCreated"))
	case "modifyTimeStamp":
		v = string(o.attrs.first("whenChanged"))
	case "parentGUID":
		return attribute{t.name, d.parentGUID(o)}
	case "msDS-ReplAttributeMetaData":
		return attribute{name: t.name} // its values are made by the controller
	}
	return attribute{t.name, [][]byte{[]byte(v)}}
}

// canonicalName is corp.example/Staff/Ada.
func (d *Domain) canonicalName(o *object) string {
	s := d.name
	for i := len(o.name) - len(d.root) - 1; i >= 0; i-- {
		s += "/" + strings.ReplaceAll(o.name[i].value, "/", `\/`)
	}
	return s
}

// rootDSE answers the search for what the controller is (MS-ADTS 3.1.1.3.2); everybody may ask.
func (s *session) rootDSE(m *message) error {
	d := s.c.domain
	d.mu.RLock()
	usn := strconv.FormatInt(d.usn+s.c.replica().offset, 10)
	d.mu.RUnlock()
	configuration := d.configuration()
	values := []struct {
		name   string
		values []string
	}{
		{"defaultNamingContext", []string{d.DN()}},
		{"rootDomainNamingContext", []string{d.forest}},
		{"configurationNamingContext", []string{configuration}},
		{"schemaNamingContext", []string{"CN=Schema," + configuration}},
		{"namingContexts", []string{d.DN(), configuration, "CN=Schema," + configuration}},
		{"dnsHostName", []string{s.c.host}},
		{"serverName", []string{s.c.server}},
		{"dsServiceName", []string{s.c.DSA()}},
		{"ldapServiceName", []string{d.name + ":" + strings.SplitN(s.c.host, ".", 2)[0] + "$@" + strings.ToUpper(d.name)}},
		{"supportedLDAPVersion", []string{"3", "2"}},
		{"supportedControl", []string{oidPaged, oidDomainScope, oidShowDeleted, oidDirSync, oidExtendedDN}},
		{"supportedExtension", []string{oidStartTLS}},
		{"supportedSASLMechanisms", []string{"GSSAPI", "GSS-SPNEGO", "EXTERNAL", "DIGEST-MD5"}},
		{"supportedCapabilities", []string{"1.2.840.113556.1.4.800", "1.2.840.113556.1.4.1670", "1.2.840.113556.1.4.1791"}},
		{"highestCommittedUSN", []string{usn}},
		{"currentTime", []string{d.now().UTC().Format(timeLayout)}},
		{"isSynchronized", []string{"TRUE"}},
		{"isGlobalCatalogReady", []string{"TRUE"}},
	}
	wanted := m.search.attributes
	all := len(wanted) == 0 || slices.Contains(wanted, "*")
	op := operation(opEntry)
	op.AppendChild(octetString(""))
	list := ber.NewSequence("attributes")
	for _, v := range values {
		if !all && !slices.ContainsFunc(wanted, func(w string) bool { return strings.EqualFold(w, v.name) }) {
			continue
		}
		a := attribute{name: v.name}
		for _, text := range v.values {
			a.values = append(a.values, []byte(text))
		}
		list.AppendChild(encodeAttribute(a, m.search.typesOnly))
	}
	op.AppendChild(list)
	s.c.counts.entries.Add(1)
	if err := s.send(m.id, op); err != nil {
		return err
	}
	return s.finish(m.id, opDone, result{})
}
