package simad

import (
	"strings"
	"testing"
)

// TestFold tells apart what Windows takes for the same and what not.
func TestFold(t *testing.T) {
	for _, same := range [][]string{
		{"München", "munchen", "MU\u0308NCHEN", "Ｍünchen"}, {"カナ", "かな", "ｶﾅ"}, {"ガ", "か"}, {"Ω", "ω"}, {"ǅ", "dz"}, {"Привет", "привет"},
	} {
		for _, other := range same[1:] {
			if fold(same[0]) != fold(other) {
				t.Errorf("%q is %q, and %q is %q", same[0], fold(same[0]), other, fold(other))
			}
		}
	}
	for _, other := range [][2]string{{"a", "b"}, {"München", "Muenchen"}, {"ー", ""}, {"カ", "キ"}, {"a b", "ab"}} {
		if fold(other[0]) == fold(other[1]) {
			t.Errorf("%q and %q are both %q", other[0], other[1], fold(other[0]))
		}
	}
}

// TestNamesOfParents adds and moves objects below containers that are named otherwise: their names are those of the containers.
func TestNamesOfParents(t *testing.T) {
	d, err := NewDomain("corp.example", Options{})
	if err != nil {
		t.Fatal(err)
	}
	const munich = "OU=München,DC=corp,DC=example"
	if err := d.AddOU(munich); err != nil {
		t.Fatal(err)
	}
	ada, err := d.AddUser(User{OU: "ou=munchen,dc=CORP,dc=example", Account: "ada"})
	if err != nil || ada.DN != "CN=ada,"+munich {
		t.Errorf("added as %q, %v", ada.DN, err)
	}
	bob, err := d.AddUser(User{OU: "CN=Users,DC=corp,DC=example", Account: "bob"})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Move(bob.DN, "CN=bob,"+strings.ToUpper(munich)); err != nil {
		t.Fatal(err)
	}
	for _, o := range d.Accounts(false) {
		if !strings.HasSuffix(o.DN, ","+munich) {
			t.Errorf("%q", o.DN)
		}
	}
}
