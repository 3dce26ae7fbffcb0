package accountpicture

import (
	"slices"
	"testing"

	"github.com/photopush/photopush"
)

func TestHave(t *testing.T) {
	set := makeSet("set", 32, 96)
	for want, edit := range map[string]func(a *photopush.Account){
		set.Digest:                func(*photopush.Account) {},
		photopush.HaveNothing:     func(a *photopush.Account) { a.Values, a.Files = nil, nil },
		photopush.HaveOther:       func(a *photopush.Account) { a.Values, a.Files = before(), nil },
		photopush.HaveOverwritten: func(a *photopush.Account) { a.Values[3].Data = `\\evil\x.jpg` },
		photopush.HavePart:        func(a *photopush.Account) { a.Files[0].SHA256 = hash(nil) },
		photopush.HaveUnknown:     func(a *photopush.Account) { a.Error = "0x80070005 state" },
	} {
		p := newStation(emptyInventory())
		p.run(t, plan(t, p.inv, Wish{User: user1, Set: set}), -1)
		edit(&p.inv.Accounts[0])
		if got := Have(p.inv, user1); got != want {
			t.Errorf("has %q, want %q", got, want)
		}
	}
	for name, edit := range map[string]func(a *photopush.Account){
		"files alone":    func(a *photopush.Account) { a.Values = nil },
		"values alone":   func(a *photopush.Account) { a.Files = nil },
		"a value is not": func(a *photopush.Account) { a.Values = a.Values[1:] },
	} {
		p := newStation(emptyInventory())
		p.run(t, plan(t, p.inv, Wish{User: user1, Set: set}), -1)
		edit(&p.inv.Accounts[0])
		if got := Have(p.inv, user1); got != photopush.HavePart {
			t.Errorf("%s: has %q, want %s", name, got, photopush.HavePart)
		}
	}
	if got := Have(emptyInventory(), user1); got != photopush.HaveNothing {
		t.Errorf("an unknown user has %q", got)
	}
}

func TestOverwritten(t *testing.T) {
	p := newStation(emptyInventory())
	p.run(t, plan(t, p.inv, Wish{User: user1, Set: makeSet("set", 96)}), -1)
	if got := Overwritten(p.inv, user1); got != nil {
		t.Errorf("in step, yet overwritten: %v", got)
	}
	foreign := photopush.Value{Name: "Image40", Kind: "sz", Data: `C:\Users\Public\AccountPictures\x-Image40.jpg`}
	p.inv.Accounts[0].Values[1] = foreign
	if got := Overwritten(p.inv, user1); !slices.Equal(got, []photopush.Value{foreign}) {
		t.Errorf("overwritten: %v, want %v", got, foreign)
	}
	p.inv.Accounts[0].Files = nil
	if got := Overwritten(p.inv, user1); got != nil {
		t.Errorf("never written, yet overwritten: %v", got)
	}
	if got := Overwritten(p.inv, user2); got != nil {
		t.Errorf("unknown, yet overwritten: %v", got)
	}
}
