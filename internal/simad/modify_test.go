package simad

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	ber "github.com/go-asn1-ber/asn1-ber"
	"github.com/go-ldap/ldap/v3"
)

const (
	service = "OU=Service,DC=corp,DC=example"
	writer  = "CN=svc-photo," + service
)

// newWriterLab has an account that may write both photos and the description of everybody in Staff, and nothing elsewhere.
func newWriterLab(t *testing.T, opts ControllerOptions) (*Domain, *Controller, *ldap.Conn) {
	t.Helper()
	d, c := newLab(t, opts)
	_, err := d.AddUser(User{OU: service, Account: "svc-photo", Password: password})
	must(t, err)
	must(t, d.Grant(writer, staff, "thumbnailPhoto", "jpegPhoto", "description"))
	return d, c, dial(t, c, "svc-photo@corp.example")
}

// change makes a modify request of one change: "add", "delete" or "replace".
func change(dn, operation, attribute string, values ...string) *ldap.ModifyRequest {
	m := ldap.NewModifyRequest(dn, nil)
	map[string]func(string, []string){"add": m.Add, "delete": m.Delete, "replace": m.Replace}[operation](attribute, values)
	return m
}

// TestModify puts one change to an object with a thumbnailPhoto of "old" and two jpegPhotos, "a" and "b".
func TestModify(t *testing.T) {
	d, _, conn := newWriterLab(t, ControllerOptions{})
	dn := "CN=ada," + staff
	for _, test := range []struct {
		operation, attribute string
		values               []string
		code                 int
		left                 string // of the attribute, joined
	}{
		{"replace", "thumbnailPhoto", []string{"new"}, 0, "new"},
		{"replace", "THUMBNAILPHOTO", nil, 0, ""},
		{"replace", "thumbnailPhoto", []string{""}, 21, "old"},
		{"replace", "thumbnailPhoto", []string{"x", "y"}, 19, "old"},
		{"replace", "thumbnailPhoto", []string{strings.Repeat("x", 102_401)}, 19, "old"},
		{"replace", "thumbnailPhoto", []string{strings.Repeat("x", 102_400)}, 0, strings.Repeat("x", 102_400)},
		{"replace", "jpegPhoto", []string{strings.Repeat("x", 102_401)}, 0, strings.Repeat("x", 102_401)},
		{"replace", "jpegPhoto", []string{"x", "x"}, 20, "a|b"},
		{"add", "thumbnailPhoto", []string{"new"}, 19, "old"},
		{"add", "thumbnailPhoto", []string{"old"}, 20, "old"},
		{"add", "jpegPhoto", []string{"c"}, 0, "a|b|c"},
		{"delete", "thumbnailPhoto", []string{"old"}, 0, ""},
		{"delete", "thumbnailPhoto", []string{"other"}, 16, "old"},
		{"delete", "thumbnailPhoto", nil, 0, ""},
		{"delete", "jpegPhoto", []string{"a"}, 0, "b"},
		{"delete", "description", nil, 16, ""},
		{"replace", "displayName", []string{"x"}, 50, "ada"},
		{"replace", "userAccountControl", []string{"514"}, 50, "512"},
		{"replace", "uSNChanged", []string{"1"}, 19, "*"},
		{"replace", "canonicalName", []string{"x"}, 19, "*"},
		{"replace", "noSuchThing", []string{"x"}, 16, "*"},
	} {
		t.Run(fmt.Sprintf("%s %s %.8q", test.operation, test.attribute, test.values), func(t *testing.T) {
			_, err := d.AddUser(User{OU: staff, Account: "ada", ThumbnailPhoto: []byte("old"), JPEGPhoto: [][]byte{[]byte("a"), []byte("b")}})
			must(t, err)
			defer func() { must(t, d.Delete(dn)) }()
			before := d.usn
			err = conn.Modify(change(dn, test.operation, test.attribute, test.values...))
			if resultCode(err) != test.code {
				t.Errorf("code %d, want %d: %v", resultCode(err), test.code, err)
			}
			if changed := d.usn > before; changed != (test.code == 0) {
				t.Errorf("the update sequence number went from %d to %d", before, d.usn)
			}
			if got := strings.Join(values(t, conn, dn, test.attribute), "|"); test.left != "*" && got != test.left {
				t.Errorf("left is %.20q, want %.20q", got, test.left)
			}
		})
	}
}

func values(t *testing.T, conn *ldap.Conn, dn, attribute string) []string {
	t.Helper()
	r, err := conn.Search(search(dn, ldap.ScopeBaseObject, "(objectClass=*)", attribute))
	must(t, err)
	return r.Entries[0].GetEqualFoldAttributeValues(attribute)
}

// A request is carried out whole or not at all; deleting the old value and adding a new one compares and swaps.
func TestModifyIsAtomic(t *testing.T) {
	d, c, conn := newWriterLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: staff, Account: "ada", ThumbnailPhoto: []byte("old")})
	must(t, err)
	swap := func(from, to string) error {
		m := ldap.NewModifyRequest("<GUID="+ada.GUID+">", nil)
		m.Delete("thumbnailPhoto", []string{from})
		m.Add("thumbnailPhoto", []string{to})
		return conn.Modify(m)
	}
	must(t, swap("old", "new"))
	if err := swap("old", "newer"); resultCode(err) != 16 {
		t.Errorf("from a value that is not there any more: %v", err)
	}
	both := change(ada.DN, "replace", "description", "x")
	both.Replace("displayName", []string{"y"})
	if err := conn.Modify(both); resultCode(err) != 50 {
		t.Errorf("one of two that is not allowed: %v", err)
	}
	if got := values(t, conn, ada.DN, "description"); len(got) != 0 {
		t.Errorf("half of it was done: %q", got)
	}
	if got := values(t, conn, ada.DN, "thumbnailPhoto"); !slices.Equal(got, []string{"new"}) {
		t.Errorf("the photo is %q", got)
	}
	if n := c.Counts(); n.Writes != 3 || n.Changes != 1 {
		t.Errorf("counts are %+v", n)
	}
}

func TestSambaRules(t *testing.T) {
	d, _, conn := newWriterLab(t, ControllerOptions{SambaRules: true})
	ada, err := d.AddUser(User{OU: staff, Account: "ada"})
	must(t, err)
	if err := conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", strings.Repeat("x", 102_401))); resultCode(err) != 21 {
		t.Errorf("too long: %v", err)
	}
	if err := conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", "x", "y")); resultCode(err) != 20 {
		t.Errorf("two values: %v", err)
	}
}

// TestRights: who was granted what, where, and what everybody may write of himself.
func TestRights(t *testing.T) {
	d, c, conn := newWriterLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: "OU=Deep," + staff, Account: "ada", Password: password})
	must(t, err)
	boss, err := d.AddUser(User{OU: "CN=Users," + d.DN(), Account: "boss"})
	must(t, err)
	effective := func(conn *ldap.Conn, dn string) string {
		return strings.Join(values(t, conn, dn, "allowedAttributesEffective"), " ")
	}
	self := dial(t, c, "ada@corp.example")
	for _, test := range []struct {
		conn *ldap.Conn
		dn   string
		want string
	}{
		{conn, ada.DN, "description jpegPhoto thumbnailPhoto"}, {conn, boss.DN, ""}, {conn, staff, "description jpegPhoto thumbnailPhoto"},
		{self, ada.DN, "thumbnailPhoto"}, {self, boss.DN, ""},
	} {
		if got := effective(test.conn, test.dn); got != test.want {
			t.Errorf("of %s may be written %q, want %q", test.dn, got, test.want)
		}
		code := map[bool]int{true: 0, false: 50}[strings.Contains(test.want, "thumbnailPhoto")]
		if err := test.conn.Modify(change(test.dn, "replace", "thumbnailPhoto", "x")); resultCode(err) != code {
			t.Errorf("%s: %v, want code %d", test.dn, err, code)
		}
	}
	must(t, d.Revoke(writer))
	if err := conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", "y")); resultCode(err) != 50 {
		t.Errorf("after the grant was taken away: %v", err)
	}
	for _, bad := range []error{d.Grant("x", staff), d.Grant(writer, "x"), d.Grant(writer, staff, "noSuchThing"), d.Revoke("x")} {
		if bad == nil {
			t.Error("a grant without sense was taken")
		}
	}
}

// TestWriteFaults loses requests before and after their effect; the far end's state tells them apart.
func TestWriteFaults(t *testing.T) {
	for loss, want := range map[Loss]string{LoseWrite: "old", LoseAnswer: "new"} {
		d, c, conn := newWriterLab(t, ControllerOptions{})
		ada, err := d.AddUser(User{OU: staff, Account: "ada", ThumbnailPhoto: []byte("old")})
		must(t, err)
		c.SetFaults(Faults{LoseWrite: WriteLoss{1, loss}})
		if err := conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", "new")); err == nil {
			t.Error("the connection was not cut")
		}
		if got := values(t, dial(t, c, reader), ada.DN, "thumbnailPhoto"); !slices.Equal(got, []string{want}) {
			t.Errorf("loss %d leaves %q, want %s", loss, got, want)
		}
	}
	d, c, conn := newWriterLab(t, ControllerOptions{})
	ada, err := d.AddUser(User{OU: staff, Account: "ada"})
	must(t, err)
	c.SetFaults(Faults{WriteResult: 51})
	if err := conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", "new")); resultCode(err) != 51 {
		t.Errorf("got %v", err)
	}
	c.SetFaults(Faults{})
	var seen []string
	c.OnWrite(func(n int, done bool) {
		seen = append(seen, fmt.Sprint(n, done, len(c.domain.objects[d.mustKey(t, ada.DN)].attrs.first("thumbnailPhoto"))))
	})
	must(t, conn.Modify(change(ada.DN, "replace", "thumbnailPhoto", "new")))
	if want := []string{"2 false 0", "2 true 3"}; !slices.Equal(seen, want) {
		t.Errorf("the hook saw %q, want %q", seen, want)
	}
}

func (d *Domain) mustKey(t *testing.T, name string) string {
	t.Helper()
	parsed, err := parseDN(name)
	must(t, err)
	return parsed.key()
}

func TestModifyIsChecked(t *testing.T) {
	whole := encodeMessage(7, encodeModify("CN=x", 2, "thumbnailPhoto", "v"))
	if m, err := decodeMessage(whole); err != nil || m.modify.object != "CN=x" || len(m.modify.changes) != 1 || !bytes.Equal(m.modify.changes[0].values[0], []byte("v")) {
		t.Errorf("got %+v, %v", m, err)
	}
	for name, b := range map[string][]byte{
		"operation": encodeMessage(7, encodeModify("CN=x", 3, "thumbnailPhoto", "v")),
		"no change": encodeMessage(7, operation(opModify)),
	} {
		if _, err := decodeMessage(b); err == nil {
			t.Errorf("%s was taken", name)
		}
	}
}

func encodeModify(dn string, op int64, attribute, value string) *ber.Packet {
	p := operation(opModify)
	p.AppendChild(octetString(dn))
	changes, c := ber.NewSequence(""), ber.NewSequence("")
	c.AppendChild(ber.NewInteger(ber.ClassUniversal, ber.TypePrimitive, ber.TagEnumerated, op, ""))
	partial := ber.NewSequence("")
	partial.AppendChild(octetString(attribute))
	set := ber.Encode(ber.ClassUniversal, ber.TypeConstructed, ber.TagSet, nil, "")
	set.AppendChild(octetString(value))
	partial.AppendChild(set)
	c.AppendChild(partial)
	changes.AppendChild(c)
	p.AppendChild(changes)
	return p
}
