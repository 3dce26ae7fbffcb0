//go:build linux

package directory

import (
	"context"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// A sambaChanger changes a real domain.
type sambaChanger struct{ d *sambalab.Domain }

func (s sambaChanger) set(dn, attribute string, values ...string) { s.d.Set(dn, attribute, values...) }
func (s sambaChanger) move(from, to string)                       { s.d.Move(from, to) }
func (s sambaChanger) remove(dn string)                           { s.d.Delete(dn) }
func (s sambaChanger) addOU(dn string)                            { s.d.AddOU(dn) }
func (s sambaChanger) addComputer(name, ou string) {
	s.d.AddComputers(sambalab.Computer{Name: name, OU: ou})
}
func (s sambaChanger) addUser(account, ou, photo string) {
	u := sambalab.User{Name: account, OU: ou}
	if photo != "" {
		u.Photo = []byte(photo)
	}
	s.d.AddUsers(u)
}

func (s sambaChanger) addGroup(dn string, members ...string) { s.d.AddGroup(dn, members...) }

// watchedSamba is what watched is for a simulated domain.
func watchedSamba(d *sambalab.Domain, method string) Config {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Changes, cfg.PageSize = method, 2
	cfg.Users.Filter = "(!(department=Away))"
	cfg.Workstations.Bases = []string{machines, staff}
	return cfg
}

// TestSambaChanges makes the same steps in a real domain as TestChanges in a simulated one, with the controller killed every third time. Two copies are kept, by
// each method.
func TestSambaChanges(t *testing.T) {
	samba := sambalab.New(t)
	samba.LetSeeDeleted()
	populate(sambaChanger{samba})
	kept := map[string]*keeper{methodDirSync: {}, methodUSN: {}}
	for method, k := range kept {
		if told := k.pass(t, open(t, watchedSamba(samba, method), Options{})); !told.All || told.Next == nil {
			t.Fatalf("the first answer of %s is %+v", method, told)
		}
	}
	for i, step := range steps {
		t.Run(step.what, func(t *testing.T) {
			step.change(sambaChanger{samba})
			if i%3 == 0 {
				samba.Kill()
				samba.Start()
			}
			accounts := map[photopush.GUID]string{}
			for _, a := range samba.Accounts(sambalab.BaseDN) {
				accounts[a.GUID] = a.Name
			}
			for method, k := range kept {
				told := k.pass(t, open(t, watchedSamba(samba, method), Options{})) // the place outlives the process
				got := names(told, accounts)
				switch {
				case told.All:
					t.Errorf("%s reads everything: %s", method, told.Why)
				case method == methodDirSync:
					if diff := cmp.Diff(step.told, got); diff != "" {
						t.Errorf("-want +told by %s\n%s", method, diff)
					}
				case !tells(got, step.told):
					t.Errorf("%s tells %v, want %v at least", method, got, step.told)
				}
				k.check(t, open(t, watchedSamba(samba, method), Options{}))
			}
		})
	}
}

// TestSambaRandomChanges changes a real domain at random.
func TestSambaRandomChanges(t *testing.T) {
	samba := sambalab.New(t)
	samba.LetSeeDeleted()
	populate(sambaChanger{samba})
	r := newRandomizer(1, sambaChanger{samba}, func() (list []string) {
		for _, ou := range []string{staff, machines, outside} {
			for _, a := range samba.Accounts(ou) {
				list = append(list, a.DN)
			}
		}
		return list
	})
	kept := map[string]*keeper{methodDirSync: {}, methodUSN: {}}
	dirs := map[string]*Directory{}
	for method := range kept {
		dirs[method] = open(t, watchedSamba(samba, method), Options{})
	}
	for pass := range 25 {
		for method, k := range kept {
			if told := k.pass(t, dirs[method]); told.All != (pass == 0) {
				t.Errorf("pass %d: everything is read: %s", pass, told.Why)
			}
			k.check(t, dirs[method])
		}
		if t.Failed() {
			t.Fatalf("after pass %d", pass)
		}
		for range 4 {
			r.change()
		}
	}
}

// TestSambaWatchedGroups changes groups of a real domain that decide who is in scope.
func TestSambaWatchedGroups(t *testing.T) {
	samba := sambalab.New(t)
	samba.LetSeeDeleted()
	populate(sambaChanger{samba})
	addWatchedGroups(sambaChanger{samba})
	kept, cfgs := map[string]*keeper{}, map[string]Config{}
	for _, method := range []string{methodDirSync, methodUSN} {
		for name, scoped := range groupScopes {
			cfg := watchedSamba(samba, method)
			scoped(&cfg)
			name = method + " " + name
			kept[name], cfgs[name] = &keeper{}, cfg
			kept[name].pass(t, open(t, cfg, Options{}))
		}
	}
	for _, step := range groupSteps {
		step.change(sambaChanger{samba})
		for name, k := range kept {
			t.Run(step.what+" "+name, func(t *testing.T) { k.checkGroups(t, cfgs[name], step.all) })
		}
	}
}

// TestSambaChangesCut cuts the connection to a real controller all over a pass that reads changes. What the pass did not bring, the next one brings.
func TestSambaChangesCut(t *testing.T) {
	samba := sambalab.New(t)
	samba.LetSeeDeleted()
	populate(sambaChanger{samba})
	cutter := newCutter(t, samba.LDAPSAddr())
	dial := func(ctx context.Context, network, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, network, cutter.addr)
	}
	n := 0
	for _, method := range []string{methodDirSync, methodUSN} {
		cfg, k, failed := watchedSamba(samba, method), &keeper{}, 0
		k.pass(t, open(t, cfg, Options{}))
		for at, whole := 1, false; !whole; at += 2 {
			n++
			someChanges(sambaChanger{samba}, n)
			cutter.cutAt(at, n%2 == 0)
			told, err := passError(t, k, open(t, cfg, Options{DialContext: dial}))
			if err != nil {
				failed++
			} else if told.All {
				t.Errorf("%s, cut at record %d: everything is read: %s", method, at, told.Why)
			}
			whole = cutter.records() < at
			cutter.cutAt(0, false)
			fresh := open(t, cfg, Options{})
			k.pass(t, fresh)
			k.check(t, fresh)
			if t.Failed() {
				t.Fatalf("%s, cut at record %d", method, at)
			}
		}
		t.Logf("%s: %d passes failed", method, failed)
		if failed < 3 {
			t.Errorf("%s: only %d passes failed", method, failed)
		}
	}
}

// TestSambaDeletedUnseen deletes somebody while the account may not see what was deleted: that is noticed by the next complete read, and said once.
func TestSambaDeletedUnseen(t *testing.T) {
	samba := sambalab.New(t)
	populate(sambaChanger{samba})
	log := &logBuffer{}
	d := open(t, watchedSamba(samba, methodAuto), Options{Logger: log.logger()})
	k := &keeper{}
	k.pass(t, d)
	before := len(k.users)
	samba.Delete("CN=bob," + staff)
	if told := k.pass(t, d); told.All || len(told.List) > 0 || len(k.users) != before {
		t.Errorf("told %+v of %d users", told, len(k.users))
	}
	k.place = nil
	if told := k.pass(t, d); !told.All || len(k.users) != before-1 {
		t.Errorf("told %+v, %d users are left", told, len(k.users))
	}
	k.check(t, d)
	want := "the account cannot see what was deleted"
	if n := strings.Count(log.String(), want); n != 1 {
		t.Errorf("%d lines say so: %s", n, log)
	}
	samba.LetSeeDeleted()
	log2 := &logBuffer{}
	if _, err := open(t, watchedSamba(samba, methodAuto), Options{Logger: log2.logger()}).Changes(t.Context(), nil); err != nil || strings.Contains(log2.String(), want) {
		t.Errorf("with the right: %v, %s", err, log2)
	}
}

// TestSimadTellsAsSamba makes the steps in a simulated and in a real domain side by side, and compares what DirSync answers, attribute by attribute.
func TestSimadTellsAsSamba(t *testing.T) {
	samba := sambalab.New(t)
	samba.LetSeeDeleted()
	sim, cfg := watched(t, methodDirSync, 1)
	must(t, sim.SetPassword(readerDN, sambalab.ReadPassword))
	populate(sambaChanger{samba})
	conns := []*ldap.Conn{dialLDAP(t, cfg, sim.dcs[0].URL("ldaps")), dialLDAP(t, sambaConfig(samba, samba.LDAPS()), samba.LDAPS())}
	var cookies [2][]byte
	for i, c := range conns {
		answer, next := rawChanges(c, 1, nil, nothing)
		if cookies[i] = next; len(next) == 0 {
			t.Fatalf("no cookie: %s", answer)
		}
	}
	for i, step := range steps {
		t.Run(step.what, func(t *testing.T) {
			step.change(simChanger{t, sim})
			step.change(sambaChanger{samba})
			for _, flags := range []int64{1, int64(int32(-0x7fffffff))} {
				var told [2]string
				var next [2][]byte
				for i, c := range conns {
					told[i], next[i] = rawChanges(c, flags, cookies[i], "(|(objectClass=user)(objectClass=organizationalUnit)(objectClass=group))")
				}
				if diff := cmp.Diff(told[1], told[0]); diff != "" {
					t.Errorf("flags %#x, -Samba +simad\n%s", uint32(flags), diff)
				}
				if flags == 1 && i%2 == 0 {
					continue // the next step is told together with this one
				}
				cookies = next
			}
		})
	}
	for name, ask := range map[string]func(*ldap.Conn) string{
		"below an OU":             func(c *ldap.Conn) string { return dirSyncAnswer(c, staff, 1, nil) },
		"below an OU, as replica": func(c *ldap.Conn) string { return dirSyncAnswer(c, staff, 0, nil) },
		"as replica":              func(c *ldap.Conn) string { return dirSyncAnswer(c, sambalab.BaseDN, 0, nil) },
		"a foreign cookie":        func(c *ldap.Conn) string { return dirSyncAnswer(c, sambalab.BaseDN, 1, []byte("other")) },
	} {
		if got, want := ask(conns[0]), ask(conns[1]); got != want {
			t.Errorf("%s: simad answers %s, Samba %s", name, got, want)
		}
	}
}

// rawChanges is what DirSync answers, an object a line; GUIDs in it are left out, and the value of userAccountControl, which the two begin differently.
func rawChanges(c *ldap.Conn, flags int64, cookie []byte, filter string) (answer string, next []byte) {
	request := ldap.NewSearchRequest(sambalab.BaseDN, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, filter,
		[]string{"name", "sAMAccountName", "department", "thumbnailPhoto", "jpegPhoto", "userAccountControl", "telephoneNumber", "member", "isDeleted", "objectClass", "cn"}, nil)
	r, err := c.DirSync(request, flags, 0, cookie)
	if err != nil {
		return answerCode(err), nil
	}
	var lines []string
	for _, e := range r.Entries {
		var attributes []string
		for _, a := range e.Attributes {
			text := fmt.Sprintf("%s=%q", a.Name, a.Values)
			if strings.HasSuffix(a.Name, "GUID") || a.Name == "userAccountControl" {
				text = fmt.Sprintf("%s: %d values", a.Name, len(a.Values))
			}
			attributes = append(attributes, text)
		}
		slices.Sort(attributes)
		lines = append(lines, strings.ToLower(e.DN)+" "+strings.Join(attributes, " "))
	}
	slices.Sort(lines)
	if sync, ok := ldap.FindControl(r.Controls, ldap.ControlTypeDirSync).(*ldap.ControlDirSync); ok {
		next = sync.Cookie
	}
	return tombstone.ReplaceAllString(strings.Join(lines, "\n"), "DEL:…"), next
}

var tombstone = regexp.MustCompile(`(?i)DEL:[0-9a-f-]{36}`)

func dirSyncAnswer(c *ldap.Conn, base string, flags int64, cookie []byte) string {
	_, err := c.DirSync(ldap.NewSearchRequest(base, ldap.ScopeWholeSubtree, ldap.NeverDerefAliases, 0, 0, false, "(objectClass=user)", []string{"name"}, nil), flags, 0, cookie)
	return answerCode(err)
}
