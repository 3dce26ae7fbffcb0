package simad

import (
	"bytes"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// A syntax says how values of an attribute are written and compared (MS-ADTS 3.1.1.2.2.2).
type syntax int

const (
	textSyntax    syntax = iota // String(Unicode) and its like: compared without case
	oidSyntax                   // names of classes
	octetSyntax                 // bytes, compared exactly
	sidSyntax                   // a binary SID; in filters also S-1-…
	guidSyntax                  // a binary GUID; in filters also with dashes
	dnSyntax                    // a distinguished name
	integerSyntax               // 32 or 64 bits, decimal
	timeSyntax                  // generalised time, 20260131123456.0Z
	boolSyntax                  // TRUE, FALSE
)

type attributeType struct {
	name        string
	syntax      syntax
	single      bool
	constructed bool // made when asked for by name, never stored
	category    bool // objectCategory: a class's name stands for its distinguished name
	most        int  // rangeUpper: bytes of a value at most; 0 for no limit
}

// schema holds the attributes that the simulation knows; a filter on another one is Undefined, as in Active Directory.
var schema = makeSchema()

func makeSchema() map[string]attributeType {
	m := map[string]attributeType{}
	add := func(s syntax, single bool, names ...string) {
		for _, n := range names {
			m[strings.ToLower(n)] = attributeType{name: n, syntax: s, single: single}
		}
	}
	add(textSyntax, true, "sAMAccountName", "userPrincipalName", "displayName", "givenName", "sn", "mail", "department",
		"title", "company", "employeeID", "dNSHostName", "operatingSystem", "operatingSystemVersion", "cn", "name", "ou", "dc", "nETBIOSName",
		"dnsRoot", "location", "physicalDeliveryOfficeName", "lDAPDisplayName", "c", "l", "st", "streetAddress", "telephoneNumber", "extensionAttribute1")
	add(textSyntax, false, "description", "servicePrincipalName", "proxyAddresses", "info", "altSecurityIdentities")
	add(oidSyntax, false, "objectClass")
	add(octetSyntax, true, "thumbnailPhoto", "msDS-GenerationId", "invocationId")
	add(octetSyntax, false, "jpegPhoto", "photo")
	add(sidSyntax, true, "objectSid")
	add(guidSyntax, true, "objectGUID")
	add(dnSyntax, true, "distinguishedName", "managedBy", "manager", "objectCategory", "nCName", "siteObject", "serverReference", "lastKnownParent")
	add(dnSyntax, false, "member", "memberOf", "managedObjects", "directReports", "msDS-PrimaryComputer", "nonSecurityMember", "nonSecurityMemberBL")
	add(integerSyntax, true, "userAccountControl", "primaryGroupID", "sAMAccountType", "groupType", "pwdLastSet", "lastLogon", "lastLogonTimestamp",
		"accountExpires", "badPwdCount", "lockoutTime", "logonCount", "uSNCreated", "uSNChanged", "instanceType", "systemFlags",
		"msDS-SupportedEncryptionTypes", "adminCount", "codePage", "countryCode", "linkID")
	add(timeSyntax, true, "whenCreated", "whenChanged")
	add(boolSyntax, true, "isCriticalSystemObject", "showInAdvancedViewOnly", "isDeleted", "isRecycled")
	category := m["objectcategory"]
	category.category = true
	m["objectcategory"] = category
	photo := m["thumbnailphoto"]
	photo.most = 102_400 // MS-ADA3 2.307
	m["thumbnailphoto"] = photo
	for name, s := range map[string]syntax{
		"canonicalName": textSyntax, "createTimeStamp": timeSyntax, "modifyTimeStamp": timeSyntax, "allowedAttributesEffective": oidSyntax,
		"parentGUID": guidSyntax, "msDS-ReplAttributeMetaData": textSyntax,
	} {
		m[strings.ToLower(name)] = attributeType{name: name, syntax: s, single: s != oidSyntax, constructed: true}
	}
	return m
}

// categories are the last parts of defaultObjectCategory, by lDAPDisplayName of the class: the category of a user is Person.
var categories = map[string]string{
	"person": "Person", "user": "Person", "contact": "Person", "inetorgperson": "Person", "organizationalperson": "Person",
	"computer": "Computer", "group": "Group", "organizationalunit": "Organizational-Unit", "container": "Container",
	"domain": "Domain-DNS", "domaindns": "Domain-DNS", "configuration": "Configuration", "dmd": "DMD", "crossref": "Cross-Ref",
	"crossrefcontainer": "Cross-Ref-Container",
	"sitescontainer":    "Sites-Container", "site": "Site", "subnetcontainer": "Subnet-Container", "subnet": "Subnet",
	"serverscontainer": "Servers-Container", "server": "Server", "ntdsdsa": "NTDS-DSA",
	"msds-managedserviceaccount": "ms-DS-Managed-Service-Account", "msds-groupmanagedserviceaccount": "ms-DS-Group-Managed-Service-Account",
}

const timeLayout = "20060102150405.0Z"

// A matcher compares the values of one attribute; values of a filter that have the wrong form match nothing.
func (t attributeType) normalize(d *Domain, value []byte) (string, bool) {
	switch t.syntax {
	case textSyntax, oidSyntax:
		return fold(string(value)), true
	case sidSyntax:
		return normalizeSID(value)
	case guidSyntax:
		return normalizeGUID(value)
	case dnSyntax:
		return t.normalizeDN(d, string(value))
	case integerSyntax:
		n, err := strconv.ParseInt(string(value), 10, 64)
		return strconv.FormatInt(n, 10), err == nil
	case timeSyntax:
		at, err := time.Parse("20060102150405Z0700", trimFraction(string(value)))
		return at.UTC().Format(timeLayout), err == nil
	case boolSyntax:
		s := strings.ToUpper(string(value))
		return s, s == "TRUE" || s == "FALSE"
	}
	return string(value), true
}

// normalizeDN makes the key of a distinguished name; of a class's name, where that is allowed, the key of its category.
func (t attributeType) normalizeDN(d *Domain, s string) (string, bool) {
	if last, ok := categories[strings.ToLower(s)]; ok && t.category {
		s = "CN=" + last + ",CN=Schema," + d.configuration()
	}
	name, err := parseDN(s)
	return name.key(), err == nil
}

func trimFraction(s string) string {
	if i, j := strings.IndexByte(s, '.'), strings.LastIndexAny(s, "Z+-"); i >= 0 && j > i {
		return s[:i] + s[j:]
	}
	return s
}

func normalizeSID(value []byte) (string, bool) {
	if !bytes.HasPrefix(value, []byte("S-")) && !bytes.HasPrefix(value, []byte("s-")) {
		return string(value), true
	}
	b, err := parseSID(string(value))
	return string(b), err == nil
}

func normalizeGUID(value []byte) (string, bool) {
	if len(value) != 36 {
		return string(value), true
	}
	g, err := parseGUID(string(value))
	return string(g[:]), err == nil
}

// compare orders two normalised values; ok is false where the syntax has no order.
func (t attributeType) compare(a, b string) (order int, ok bool) {
	switch t.syntax {
	case integerSyntax:
		x, err1 := strconv.ParseInt(a, 10, 64)
		y, err2 := strconv.ParseInt(b, 10, 64)
		switch {
		case err1 != nil || err2 != nil:
			return 0, false
		case x < y:
			return -1, true
		case x > y:
			return 1, true
		}
		return 0, true
	case textSyntax, timeSyntax, octetSyntax:
		return strings.Compare(a, b), true
	}
	return 0, false
}

// substrings tells whether parts of values can be looked for.
func (t attributeType) substrings() bool {
	return t.syntax == textSyntax || t.syntax == octetSyntax
}

// A guid is an objectGUID as it travels: its first three fields little-endian.
type guid [16]byte

// String writes it with dashes.
func (g guid) String() string {
	return fmt.Sprintf("%08x-%04x-%04x-%x-%x", binary.LittleEndian.Uint32(g[0:]), binary.LittleEndian.Uint16(g[4:]),
		binary.LittleEndian.Uint16(g[6:]), g[8:10], g[10:16])
}

func parseGUID(s string) (guid, error) {
	b, err := hex.DecodeString(strings.ReplaceAll(s, "-", ""))
	if err != nil || len(b) != 16 || len(s) != 36 {
		return guid{}, fmt.Errorf("%q is no GUID", s)
	}
	g := guid(b)
	g[0], g[1], g[2], g[3] = b[3], b[2], b[1], b[0]
	g[4], g[5], g[6], g[7] = b[5], b[4], b[7], b[6]
	return g, nil
}

func parseSID(s string) ([]byte, error) {
	parts := strings.Split(s, "-")
	if len(parts) < 3 || len(parts) > 18 {
		return nil, fmt.Errorf("%q is no SID", s)
	}
	authority, err := strconv.ParseUint(parts[2], 0, 48)
	if err != nil || parts[1] != "1" {
		return nil, fmt.Errorf("%q is no SID", s)
	}
	b := binary.BigEndian.AppendUint64(nil, authority)
	b[0], b[1] = 1, byte(len(parts)-3)
	for _, p := range parts[3:] {
		n, err := strconv.ParseUint(p, 10, 32)
		if err != nil {
			return nil, fmt.Errorf("%q is no SID", s)
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(n))
	}
	return b, nil
}

func sidString(b []byte) string {
	s := fmt.Sprintf("S-%d-%d", b[0], binary.BigEndian.Uint64(append([]byte{0, 0}, b[2:8]...)))
	for sub := b[8:]; len(sub) >= 4; sub = sub[4:] {
		s += "-" + strconv.FormatUint(uint64(binary.LittleEndian.Uint32(sub)), 10)
	}
	return s
}

// fileTime is a time as attributes such as pwdLastSet hold it: steps of 100 ns since 1601; 0 for the zero time.
func fileTime(t time.Time) string {
	if t.IsZero() {
		return "0"
	}
	return strconv.FormatInt(t.Unix()*1e7+int64(t.Nanosecond())/100+116444736000000000, 10)
}
