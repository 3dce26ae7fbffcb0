package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// TestChangesCutEverywhere cuts the connection at each answer to a pass that reads changes. What the pass did not bring, the next one brings; with a second
// controller the pass itself is whole.
func TestChangesCutEverywhere(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		for place, name := range map[simad.Place]string{simad.Before: "before", simad.Inside: "inside", simad.After: "after"} {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				c, cfg := watched(t, method, 0)
				cfg.Users.Filter = "(!(displayName=Away))" // is read anyway: the schema is not asked, and the connection not used before (TestSchemaCutEverywhere)
				for range 2 {
					c.serve(t, simad.ControllerOptions{MaxChanges: 2})
				}
				cfg.Controllers, cfg.DNSServers = []string{c.dcs[0].URL("ldaps"), c.dcs[1].URL("ldaps")}, []string{c.dcs[0].DNSAddr()}
				one := cfg
				one.Controllers = one.Controllers[:1]
				x := simChanger{t, c}
				alone, both := &keeper{}, &keeper{}
				alone.pass(t, open(t, one, Options{}))
				both.pass(t, open(t, cfg, Options{}))
				failed, n := 0, 0
				for whole := false; !whole; {
					n++
					if n > 200 {
						t.Fatal("a pass has no end")
					}
					someChanges(x, n)
					cut := simad.Faults{Cut: simad.Cut{N: n, Where: place}}
					c.dcs[0].SetFaults(cut)
					told, err := passError(t, alone, open(t, one, Options{}))
					if whole = err == nil && c.dcs[0].Answered() < n; err != nil {
						failed++
					} else if told.All {
						t.Errorf("cut at %d: everything is read: %s", n, told.Why)
					}
					c.dcs[0].SetFaults(cut)
					d := open(t, cfg, Options{})
					both.pass(t, d)
					c.dcs[0].SetFaults(simad.Faults{})
					fresh := open(t, one, Options{})
					both.check(t, fresh)
					alone.pass(t, fresh)
					alone.check(t, fresh)
					if t.Failed() {
						t.Fatalf("cut at %d", n)
					}
				}
				t.Logf("%d cuts, %d passes failed", n, failed)
				if failed < 5 {
					t.Errorf("of %d passes only %d failed", n, failed)
				}
			})
		}
	}
}

// someChanges makes changes of every kind, so that a pass takes several answers to all of its questions.
func someChanges(x changer, n int) {
	x.set("CN=ada,"+staff, "thumbnailPhoto", fmt.Sprint("photo ", n))
	x.set("CN=bob,"+staff, "displayName", fmt.Sprint("Bob ", n))
	x.addUser(fmt.Sprint("new", n), outside, "")
	x.move(fmt.Sprintf("CN=new%d,%s", n, outside), fmt.Sprintf("CN=new%d,%s", n, staff))
	x.remove(fmt.Sprintf("CN=new%d,%s", n, staff))
	x.set("CN=PC1,"+machines, "operatingSystem", fmt.Sprint("Windows ", n))
	homes := []string{deep, "OU=Deep," + outside}
	x.move(homes[(n+1)%2], homes[n%2])
}

func passError(t testing.TB, k *keeper, d *Directory) (photopush.Changes, error) {
	told, err := d.Changes(t.Context(), k.place)
	if err != nil {
		return told, err
	}
	return told, k.follow(t, d, told)
}

// TestStrayedReads reads from another controller than the one that has told the changes: that one may not have heard of them yet, so that they
// are told once more, also to another process.
func TestStrayedReads(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		t.Run(method, func(t *testing.T) {
			c, cfg := watched(t, method, 2)
			now := time.Now()
			k, x := &keeper{}, simChanger{t, c}
			fresh := func() *Directory { return open(t, cfg, Options{Now: func() time.Time { return now }}) }
			onlyDC := func(n int) {
				must(t, c.dcs[n].SetDown(false))
				must(t, c.dcs[1-n].SetDown(true))
				now = now.Add(time.Hour) // those that failed are tried again
			}
			passAcross := func() photopush.Changes {
				onlyDC(0)
				d := fresh()
				told, err := d.Changes(t.Context(), k.place)
				must(t, err)
				onlyDC(1)
				must(t, k.follow(t, d, told))
				onlyDC(0)
				return told
			}
			if passAcross(); k.place != nil {
				t.Errorf("after a complete read from another controller a place is kept: %s", k.place)
			}
			if told := k.pass(t, fresh()); !told.All || !strings.Contains(told.Why, "the last read went over to another controller") {
				t.Errorf("after a complete read from another controller: %+v", told)
			}
			x.set("CN=ada,"+staff, "displayName", "Ada")
			for range 2 {
				if told := passAcross(); told.All || !tells(names(told, c.accountNames()), []string{"ada"}) {
					t.Errorf("told %+v", told)
				}
			}
			if told := k.pass(t, fresh()); told.All || !tells(names(told, c.accountNames()), []string{"ada"}) {
				t.Errorf("what was read from another controller is not told again: %+v", told)
			}
			if told := k.pass(t, fresh()); told.All || len(told.List) > 0 {
				t.Errorf("what was read from the same controller is told again: %+v", told)
			}
			k.check(t, fresh())
		})
	}
}

// TestEveryControllerTells goes from one controller to the other: DirSync's cookies are good for both, and each is asked for its own numbers once both are
// known.
func TestEveryControllerTells(t *testing.T) {
	for method, alls := range map[string]int{methodDirSync: 1, methodUSN: 2} {
		c, cfg := watched(t, method, 2)
		k, all := &keeper{}, 0
		for i := range 6 {
			must(t, c.dcs[i%2].SetDown(false))
			must(t, c.dcs[1-i%2].SetDown(true))
			d := open(t, cfg, Options{})
			if told := k.pass(t, d); told.All {
				all++
			}
			k.check(t, d)
			someChanges(simChanger{t, c}, i+1)
		}
		if all != alls {
			t.Errorf("%s: everything was read %d times, want %d", method, all, alls)
		}
	}
}

// TestDirSyncUnanswered lets no controller answer the question for changes, the first one or a later one: everything is read all the same. It does not
// matter that one of them is off.
func TestDirSyncUnanswered(t *testing.T) {
	for method, told := range map[string]string{methodAuto: methodUSN, methodDirSync: ""} {
		c, cfg := watched(t, method, 3)
		cfg.Timeout = time.Second
		must(t, c.dcs[0].SetDown(true))
		silent := func(h simad.Hang) {
			for _, dc := range c.dcs {
				dc.SetFaults(simad.Faults{Hang: h})
			}
		}
		silent(simad.HangSync)
		d, k := open(t, cfg, Options{}), &keeper{}
		if all := k.pass(t, d); !all.All || (all.Next != nil) != (told != "") {
			t.Errorf("%s: told %+v", method, all)
		}
		if p, err := decodePlace(k.place); told != "" && (err != nil || p.Method != told) {
			t.Errorf("%s: the place is %s, %v", method, k.place, err)
		}
		k.check(t, d)

		silent(simad.NoHang)
		k.place = nil
		k.pass(t, open(t, cfg, Options{}))
		if p, err := decodePlace(k.place); err != nil || p.Method != methodDirSync {
			t.Fatalf("%s: the place is %s, %v", method, k.place, err)
		}
		someChanges(simChanger{t, c}, 1)
		silent(simad.HangSync)
		if all := k.pass(t, open(t, cfg, Options{})); !all.All {
			t.Errorf("%s: later: told %+v", method, all)
		}
		k.check(t, d)
		silent(simad.HangSearch)
		if told, err := open(t, cfg, Options{}).Changes(t.Context(), k.place); err == nil && !told.All {
			t.Errorf("%s: where nobody answers: told %+v, %v", method, told, err)
		}
		silent(simad.NoHang)
	}
}

// TestDirSyncRefused lets every method be refused in turn.
func TestDirSyncRefused(t *testing.T) {
	for _, test := range []struct {
		method, refused string // a control
		next            bool
	}{
		{methodAuto, "1.2.840.113556.1.4.841", true}, {methodDirSync, "1.2.840.113556.1.4.841", false}, {methodUSN, "1.2.840.113556.1.4.841", true},
	} {
		t.Run(test.method, func(t *testing.T) {
			c, cfg := watched(t, test.method, 1)
			c.dcs[0].SetFaults(simad.Faults{NoControl: test.refused})
			log := &logBuffer{}
			d, k := open(t, cfg, Options{Logger: log.logger()}), &keeper{}
			for i := range 2 {
				told := k.pass(t, d)
				if all := i == 0 || !test.next; told.All != all || (told.Next != nil) != test.next {
					t.Errorf("pass %d: told %+v", i, told)
				}
				if !test.next && !strings.Contains(told.Why, "and the next time too: what changes is not told: read changes of DC=corp,DC=example") {
					t.Errorf("all, since %s", told.Why)
				}
				someChanges(simChanger{t, c}, i+1)
			}
			if n := strings.Count(log.String(), "DirSync is refused or not answered"); (n == 1) != (test.method == methodAuto) {
				t.Errorf("%d lines say that DirSync is refused: %s", n, log)
			}
			k.pass(t, d)
			k.check(t, d)
		})
	}
}

// TestDirSyncWithoutEnd gives answers that a controller must not give: what they leave open is never taken for all.
func TestDirSyncWithoutEnd(t *testing.T) {
	c, cfg := watched(t, methodDirSync, 1)
	d, k := open(t, cfg, Options{}), &keeper{}
	k.pass(t, d)
	someChanges(simChanger{t, c}, 1)
	c.dcs[0].SetFaults(simad.Faults{NoPaging: true})
	if told, err := d.Changes(t.Context(), k.place); !errors.Is(err, photopush.ErrNoDirectory) || !strings.Contains(err.Error(), "the changes have no end") {
		t.Errorf("without the control: %+v, %v", told, err)
	}
	c.dcs[0].SetFaults(simad.Faults{Endless: true})
	told, err := d.Changes(t.Context(), k.place)
	if err != nil || !told.All || told.Next != nil || !strings.Contains(told.Why, "says that there are more changes, and does not go on") {
		t.Errorf("endless: %+v, %v", told, err)
	}
	c.dcs[0].SetFaults(simad.Faults{})
	k.pass(t, d)
	k.check(t, d)
}
