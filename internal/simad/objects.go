package simad

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// An object is never changed: a change puts another one in its place, so that a search may go on with what it holds.
type object struct {
	name    dn
	key     string
	attrs   attributes
	login   login
	stamps  stamps
	last    int64  // the latest of them
	links   []link // values of member, those that were taken off too
	deleted bool   // a tombstone
}

// A login is what a bind checks.
type login struct {
	password string
	locked   bool
	expired  bool // the account
	change   bool // the password must be changed first
}

func (o *object) below(base string) bool {
	return base == "" || o.key == base || strings.HasSuffix(o.key, ","+base)
}

func (o *object) guid() guid {
	var g guid
	copy(g[:], o.attrs.first("objectGUID"))
	return g
}

// attributes maps lower-case names to values.
type attributes map[string]attribute

type attribute struct {
	name   string
	values [][]byte
}

func newAttributes(classes []string) attributes {
	a := attributes{}
	for _, c := range classes {
		at := a["objectclass"]
		at.name = "objectClass"
		at.values = append(at.values, []byte(c))
		a["objectclass"] = at
	}
	return a
}

// set replaces the values; none, or one empty one, removes the attribute.
func (a attributes) set(name string, values ...string) error {
	t, ok := schema[strings.ToLower(name)]
	if !ok || t.constructed {
		return fmt.Errorf("simad: the schema has no attribute %q that can be set", name)
	}
	if len(values) == 0 || len(values) == 1 && values[0] == "" {
		delete(a, strings.ToLower(name))
		return nil
	}
	if t.single && len(values) > 1 {
		return fmt.Errorf("simad: %s has one value", t.name)
	}
	at := attribute{name: t.name}
	for _, v := range values {
		at.values = append(at.values, []byte(v))
	}
	a[strings.ToLower(name)] = at
	return nil
}

func (a attributes) first(name string) []byte {
	if at := a[strings.ToLower(name)]; len(at.values) > 0 {
		return at.values[0]
	}
	return nil
}

func (a attributes) clone() attributes {
	c := make(attributes, len(a))
	for k, v := range a {
		c[k] = v // values are never changed in place
	}
	return c
}

// An Object names what was added.
type Object struct {
	DN      string
	GUID    string // with dashes, lower case
	SID     string // empty for what has none
	Account string // sAMAccountName; empty likewise
}

func (o *object) public() Object {
	p := Object{DN: o.name.String(), GUID: o.guid().String(), Account: string(o.attrs.first("sAMAccountName"))}
	if sid := o.attrs.first("objectSid"); len(sid) >= 8 {
		p.SID = sidString(sid)
	}
	return p
}

var errNoObject = errors.New("simad: no such object")

// add puts a new object in, with the attributes that every object has.
func (d *Domain) add(name string, attrs attributes) (*object, error) {
	parsed, err := parseDN(name)
	if err != nil || len(parsed) == 0 {
		return nil, fmt.Errorf("simad: %q: %w", name, errDN)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.insert(parsed, attrs, login{})
}

func (d *Domain) insert(name dn, attrs attributes, l login) (*object, error) {
	if _, exists := d.objects[name.key()]; exists {
		return nil, fmt.Errorf("simad: %s exists already", name)
	}
	if name.key() != d.root.key() && !strings.EqualFold(name.String(), d.configuration()) {
		if err := d.ensureParents(name.parent()); err != nil {
			return nil, err
		}
		name = d.spelled(name)
	}
	d.usn++
	sum := sha256.Sum256([]byte("guid " + d.name + " " + strconv.FormatInt(d.usn, 10)))
	g := guid(sum[:16])
	now := d.now().UTC().Format(timeLayout)
	classes := attrs["objectclass"].values
	category := categories[strings.ToLower(string(classes[len(classes)-1]))]
	for _, v := range []struct{ name, value string }{
		{"objectGUID", string(g[:])}, {"distinguishedName", name.String()}, {"name", name[0].value},
		{strings.ToLower(name[0].attribute), name[0].value},
		{"whenCreated", now}, {"whenChanged", now}, {"instanceType", "4"},
		{"uSNCreated", strconv.FormatInt(d.usn, 10)}, {"uSNChanged", strconv.FormatInt(d.usn, 10)},
		{"objectCategory", "CN=" + category + ",CN=Schema," + d.configuration()},
	} {
		if err := attrs.set(v.name, v.value); err != nil {
			return nil, err
		}
	}
	o := &object{name: name, key: name.key(), attrs: attrs, login: l}
	o.stamp(&object{}, d.usn)
	d.objects[o.key] = o
	d.order = append(d.order, o)
	d.byGUID[g] = o
	d.backLinks(&object{key: o.key}, o)
	return d.byGUID[g], nil
}

// ensureParents makes the containers that are missing up to the domain.
func (d *Domain) ensureParents(name dn) error {
	if _, ok := d.objects[name.key()]; ok {
		return nil
	}
	if !(&object{key: name.key()}).below(d.root.key()) {
		return fmt.Errorf("simad: %s lies outside of %s", name, d.DN())
	}
	classes := []string{"top", "container"}
	if strings.EqualFold(name[0].attribute, "OU") {
		classes = []string{"top", "organizationalUnit"}
	}
	_, err := d.insert(name, newAttributes(classes), login{})
	return err
}

// spelled is the name of an object below one that is there: whatever whoever names the object called that, it keeps its own name.
func (d *Domain) spelled(name dn) dn {
	above := d.objects[name.parent().key()]
	if above == nil {
		return name
	}
	return append(dn{name[0]}, above.name...)
}

// AddOU makes an organisational unit or container, with those above it.
func (d *Domain) AddOU(name string) error {
	parsed, err := parseDN(name)
	if err != nil || len(parsed) == 0 {
		return fmt.Errorf("simad: %q: %w", name, errDN)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.ensureParents(parsed)
}

// A User to add. OU and Account must be set.
type User struct {
	OU             string // distinguished name of the container; made when it is missing
	Name           string // common name, may hold any characters; default Account
	Account        string // sAMAccountName
	UPN            string // default Account@domain; "-" for none
	DisplayName    string // default Name
	Password       string // empty: nobody can sign in
	Disabled       bool
	Locked         bool
	Expired        bool
	MustChange     bool // the password must be changed before the first use
	JPEGPhoto      [][]byte
	ThumbnailPhoto []byte
	Attributes     map[string][]string // further ones, by name
}

// AddUser adds a person's account, as Active Directory stores one.
func (d *Domain) AddUser(u User) (Object, error) {
	if u.Account == "" || u.OU == "" {
		return Object{}, errors.New("simad: a user needs an account and an OU")
	}
	name := orDefault(u.Name, u.Account)
	control := 0x200 // NORMAL_ACCOUNT
	if u.Disabled {
		control |= 2
	}
	values := map[string]string{
		"sAMAccountName":     u.Account,
		"userPrincipalName":  orDefault(u.UPN, u.Account+"@"+d.name),
		"displayName":        orDefault(u.DisplayName, name),
		"userAccountControl": strconv.Itoa(control),
		"primaryGroupID":     "513",
		"sAMAccountType":     "805306368",
		"thumbnailPhoto":     string(u.ThumbnailPhoto),
		"accountExpires":     "9223372036854775807",
		"pwdLastSet":         fileTime(d.now()),
	}
	if u.UPN == "-" {
		values["userPrincipalName"] = ""
	}
	attrs := newAttributes([]string{"top", "person", "organizationalPerson", "user"})
	if err := fillAttributes(attrs, values, u.Attributes); err != nil {
		return Object{}, err
	}
	if err := setPhotos(attrs, u.JPEGPhoto); err != nil {
		return Object{}, err
	}
	return d.addAccount(u.OU, name, attrs, login{u.Password, u.Locked, u.Expired, u.MustChange})
}

// A Computer to add. Name must be set.
type Computer struct {
	OU                 string // default CN=Computers of the domain
	Name               string // short name; sAMAccountName is it with a dollar sign
	Host               string // dNSHostName; default name.domain in lower case; "-" for none
	OS                 string // default Windows 11 Enterprise; "-" for none
	OSVersion          string // default 10.0 (22631)
	Disabled           bool
	DomainController   bool
	ReadOnlyController bool
	LastLogon          time.Time // zero: never
	PasswordSet        time.Time // zero: never
	ManagedBy          string    // distinguished name
	Attributes         map[string][]string
}

// AddComputer adds a computer's account.
func (d *Domain) AddComputer(c Computer) (Object, error) {
	if c.Name == "" {
		return Object{}, errors.New("simad: a computer needs a name")
	}
	control, group := 0x1000, "515" // WORKSTATION_TRUST_ACCOUNT, Domain Computers
	switch {
	case c.DomainController:
		control, group = 0x82000, "516" // SERVER_TRUST_ACCOUNT, TRUSTED_FOR_DELEGATION
	case c.ReadOnlyController:
		control, group = 0x5001000, "521" // PARTIAL_SECRETS_ACCOUNT, TRUSTED_TO_AUTH_FOR_DELEGATION
	}
	if c.Disabled {
		control |= 2
	}
	values := map[string]string{
		"sAMAccountName":         strings.ToUpper(c.Name) + "$",
		"dNSHostName":            orNone(c.Host, strings.ToLower(c.Name)+"."+d.name),
		"operatingSystem":        orNone(c.OS, "Windows 11 Enterprise"),
		"operatingSystemVersion": orNone(c.OSVersion, "10.0 (22631)"),
		"userAccountControl":     strconv.Itoa(control),
		"primaryGroupID":         group,
		"sAMAccountType":         "805306369",
		"pwdLastSet":             fileTime(c.PasswordSet),
		"managedBy":              c.ManagedBy,
	}
	if !c.LastLogon.IsZero() {
		values["lastLogonTimestamp"] = fileTime(c.LastLogon)
	}
	attrs := newAttributes([]string{"top", "person", "organizationalPerson", "user", "computer"})
	if err := fillAttributes(attrs, values, c.Attributes); err != nil {
		return Object{}, err
	}
	return d.addAccount(orDefault(c.OU, "CN=Computers,"+d.DN()), c.Name, attrs, login{})
}

func (d *Domain) addAccount(ou, name string, attrs attributes, l login) (Object, error) {
	parent, err := parseDN(ou)
	if err != nil {
		return Object{}, fmt.Errorf("simad: %q: %w", ou, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	if attrs.first("objectSid") == nil {
		if err := attrs.set("objectSid", string(d.accountSID(d.nextRID))); err != nil {
			return Object{}, err
		}
		d.nextRID++
	}
	o, err := d.insert(append(dn{{"CN", name}}, parent...), attrs, l)
	if err != nil {
		return Object{}, err
	}
	return o.public(), nil
}

func fillAttributes(attrs attributes, values map[string]string, more map[string][]string) error {
	for name, v := range values {
		if err := attrs.set(name, v); err != nil {
			return err
		}
	}
	for name, v := range more {
		if err := attrs.set(name, v...); err != nil {
			return err
		}
	}
	return nil
}

func setPhotos(attrs attributes, photos [][]byte) error {
	if len(photos) == 0 {
		return nil
	}
	values := make([]string, len(photos))
	for i, p := range photos {
		values[i] = string(p)
	}
	return attrs.set("jpegPhoto", values...)
}

func orDefault(s, def string) string {
	if s == "" {
		return def
	}
	return s
}

// orNone is orDefault, with "-" for an attribute that shall be absent.
func orNone(s, def string) string {
	if s == "-" {
		return ""
	}
	return orDefault(s, def)
}

// Set replaces the values of an attribute; none removes it. Values are bytes: those of objectSid and objectGUID are binary.
func (d *Domain) Set(name, attributeName string, values ...[]byte) error {
	texts := make([]string, len(values))
	for i, v := range values {
		texts[i] = string(v)
	}
	return d.change(name, func(o *object) error { return o.attrs.set(attributeName, texts...) })
}

// SetString is Set for text.
func (d *Domain) SetString(name, attributeName string, values ...string) error {
	return d.change(name, func(o *object) error { return o.attrs.set(attributeName, values...) })
}

// Remove takes an attribute off.
func (d *Domain) Remove(name, attributeName string) error { return d.SetString(name, attributeName) }

// SetPassword gives an account another password, and unlocks it.
func (d *Domain) SetPassword(name, password string) error {
	return d.change(name, func(o *object) error {
		o.login = login{password: password}
		return nil
	})
}

func (d *Domain) change(name string, f func(*object) error) error {
	parsed, err := parseDN(name)
	if err != nil {
		return fmt.Errorf("simad: %q: %w", name, err)
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	o := d.objects[parsed.key()]
	if o == nil {
		return fmt.Errorf("%w: %s", errNoObject, name)
	}
	return d.replace(o, f)
}

// replace puts a changed copy in the place of an object, and notes what was changed.
func (d *Domain) replace(o *object, f func(*object) error) error {
	n := o.clone()
	if err := f(n); err != nil {
		return err
	}
	d.usn++
	if err := n.attrs.set("uSNChanged", strconv.FormatInt(d.usn, 10)); err != nil {
		return err
	}
	if err := n.attrs.set("whenChanged", d.now().UTC().Format(timeLayout)); err != nil {
		return err
	}
	n.stamp(o, d.usn)
	d.put(o, n)
	d.backLinks(o, n)
	return nil
}

func (o *object) clone() *object {
	n := *o
	n.attrs = o.attrs.clone()
	return &n
}

// put puts n in the place of o.
func (d *Domain) put(o, n *object) {
	delete(d.objects, o.key)
	delete(d.byGUID, o.guid())
	d.objects[n.key] = n
	d.byGUID[n.guid()] = n
	d.order[slices.Index(d.order, o)] = n
}
