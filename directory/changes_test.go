package directory

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

// A keeper keeps a copy of who is in scope as the server does: complete at first, then by changes alone.
type keeper struct {
	place []byte
	users map[photopush.GUID]string // what is known of each, with the photos
	pcs   map[photopush.GUID]string
}

// pass brings the copy up to date and returns what it was told.
func (k *keeper) pass(t testing.TB, d *Directory) photopush.Changes {
	t.Helper()
	told, err := d.Changes(t.Context(), k.place)
	must(t, err)
	must(t, k.follow(t, d, told))
	return told
}

// follow reads what was told. Only when all was read the place counts.
func (k *keeper) follow(t testing.TB, d *Directory, told photopush.Changes) error {
	t.Helper()
	if told.All {
		users, pcs, err := readEverything(t, d)
		if err != nil {
			return err
		}
		k.users, k.pcs, k.place = users, pcs, told.Next
		return nil
	}
	ids, photos := []photopush.GUID{}, []photopush.GUID{}
	for _, c := range told.List {
		ids = append(ids, c.ID)
		if _, known := k.users[c.ID]; c.Photo || !known {
			photos = append(photos, c.ID)
		}
	}
	users, pcs := maps.Clone(k.users), maps.Clone(k.pcs)
	for _, id := range ids {
		delete(users, id)
		delete(pcs, id)
	}
	keep := func(photos bool) func(photopush.User, []photopush.Photo) error {
		return func(u photopush.User, p []photopush.Photo) error {
			_, old, _ := strings.Cut(k.users[u.GUID], photosFollow)
			if photos {
				old = fmt.Sprint(p)
			}
			users[u.GUID] = fmt.Sprintf("%+v", u) + photosFollow + old
			return nil
		}
	}
	err := errors.Join(
		d.Users(t.Context(), photopush.UserQuery{IDs: ids}, keep(false)),
		d.Users(t.Context(), photopush.UserQuery{IDs: photos, Photos: true}, keep(true)),
		d.Workstations(t.Context(), ids, func(w photopush.Workstation) error {
			pcs[w.ID] = fmt.Sprintf("%+v", w)
			return nil
		}))
	if err == nil {
		k.users, k.pcs, k.place = users, pcs, told.Next
	}
	return err
}

const photosFollow = " photos "

func readEverything(t testing.TB, d *Directory) (users, pcs map[photopush.GUID]string, err error) {
	t.Helper()
	users, pcs = map[photopush.GUID]string{}, map[photopush.GUID]string{}
	err = errors.Join(
		d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, p []photopush.Photo) error {
			users[u.GUID] = fmt.Sprintf("%+v", u) + photosFollow + fmt.Sprint(p)
			return nil
		}),
		d.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
			pcs[w.ID] = fmt.Sprintf("%+v", w)
			return nil
		}))
	return users, pcs, err
}

// check compares the copy with what a complete read finds now.
func (k *keeper) check(t testing.TB, d *Directory) {
	t.Helper()
	users, pcs, err := readEverything(t, d)
	must(t, err)
	if diff := cmp.Diff(users, k.users); diff != "" {
		t.Errorf("users, -read anew +kept\n%s", diff)
	}
	if diff := cmp.Diff(pcs, k.pcs); diff != "" {
		t.Errorf("workstations, -read anew +kept\n%s", diff)
	}
}

// told are the account names of the objects that were told, with * where the photo may be another one; "" of what has none.
func (c *company) told(changes photopush.Changes) []string {
	accounts := map[photopush.GUID]string{}
	for _, o := range slices.Concat(c.Accounts(false), c.Accounts(true)) {
		accounts[photopush.GUID(o.GUID)] = o.Account
	}
	var names []string
	for _, change := range changes.List {
		name := accounts[change.ID]
		if change.Photo {
			name += "*"
		}
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

var steps = []struct {
	what   string
	change func(*company) error
	told   []string // by DirSync
	all    string   // or a part of why everything is read
}{
	{"nothing", func(*company) error { return nil }, nil, ""},
	{"a photo added", func(c *company) error { return c.Set("CN=bob,"+staff, "thumbnailPhoto", []byte{1}) }, []string{"bob*"}, ""},
	{"a photo changed", func(c *company) error { return c.Set("CN=ada,"+staff, "jpegPhoto", []byte{1}, []byte{2}) }, []string{"ada*"}, ""},
	{"a photo removed", func(c *company) error { return c.Remove("CN=ada,"+staff, "thumbnailPhoto") }, []string{"ada*"}, ""},
	{"disabled", func(c *company) error { return c.SetString("CN=ada,"+staff, "userAccountControl", "514") }, []string{"ada"}, ""},
	{"what is not read", func(c *company) error { return c.SetString("CN=ada,"+staff, "telephoneNumber", "1") }, nil, ""},
	{"out of scope by the filter", func(c *company) error { return c.SetString("CN=ada,"+staff, "department", "Away") }, []string{"ada"}, ""},
	{"into scope by the filter", func(c *company) error { return c.SetString("CN=ada,"+staff, "department", "Sales") }, []string{"ada"}, ""},
	{"moved out of scope", func(c *company) error { return c.Move("CN=ada,"+staff, "CN=ada,OU=Out,DC=corp,DC=example") }, []string{"ada"}, ""},
	{"moved into scope, renamed", func(c *company) error { return c.Move("CN=ada,OU=Out,DC=corp,DC=example", "CN=Ada L,"+staff) }, []string{"ada"}, ""},
	{"an OU moved out of scope", func(c *company) error { return c.Move("OU=Deep,"+staff, "OU=Deep,OU=Out,DC=corp,DC=example") }, []string{"PC2$", "di"}, ""},
	{"an OU moved into scope", func(c *company) error { return c.Move("OU=Deep,OU=Out,DC=corp,DC=example", "OU=Deeper,"+staff) }, []string{"PC2$", "di"}, ""},
	{"a computer renamed", func(c *company) error { return c.Move("CN=PC1,"+machines, "CN=PC9,"+machines) }, []string{"PC1$"}, ""},
	{"added", func(c *company) error {
		_, err := c.AddUser(simad.User{OU: "OU=New," + staff, Account: "new", ThumbnailPhoto: []byte{5}})
		return err
	}, []string{"new*"}, ""},
	{"deleted", func(c *company) error { return errors.Join(c.Delete("CN=bob,"+staff), c.Delete("CN=PC9,"+machines)) }, []string{"PC1$", "bob*"}, ""},
	{"an OU deleted", func(c *company) error { return c.Delete("OU=New," + staff) }, []string{"new*"}, ""},
}

// watched is a company whose changes are watched, with its configuration.
func watched(t testing.TB, method string, controllers int) (*company, Config) {
	t.Helper()
	c := newCompany(t, controllers)
	must(t, c.Allow(readerDN, simad.Rights{SeeDeleted: true}))
	for _, u := range []simad.User{
		{Account: "ada", ThumbnailPhoto: []byte{1, 2}, JPEGPhoto: [][]byte{{3}}}, {Account: "bob"}, {Account: "di", OU: "OU=Deep," + staff}, {Account: "out", OU: "OU=Out,DC=corp,DC=example"},
	} {
		c.user(t, u)
	}
	c.computer(t, simad.Computer{Name: "PC1"})
	c.computer(t, simad.Computer{Name: "PC2", OU: "OU=Deep," + staff})
	cfg := c.config()
	cfg.Changes, cfg.PageSize = method, 2
	cfg.Users.Filter = "(!(department=Away))"
	cfg.Workstations.Bases = []string{machines, staff}
	return c, cfg
}

// TestChanges changes a domain step by step; each step is told as it was, and the copy stays what a complete read finds.
func TestChanges(t *testing.T) {
	for _, method := range []string{methodAuto, methodDirSync, methodUSN} {
		t.Run(method, func(t *testing.T) {
			c, cfg := watched(t, method, 1)
			k := &keeper{}
			first := k.pass(t, open(t, cfg, Options{}))
			if !first.All || first.Why != "it was never read" || first.Next == nil {
				t.Fatalf("the first answer is %+v", first)
			}
			for _, step := range steps {
				t.Run(step.what, func(t *testing.T) {
					must(t, step.change(c))
					d := open(t, cfg, Options{}) // the place outlives the process
					told := k.pass(t, d)
					got := c.told(told)
					switch {
					case told.All:
						t.Errorf("everything was read: %s", told.Why)
					case method != methodUSN:
						if diff := cmp.Diff(step.told, slices.DeleteFunc(got, func(s string) bool { return s == "" })); diff != "" {
							t.Errorf("-want +told\n%s", diff)
						}
					default: // whatever of an object has changed
						for _, name := range step.told {
							if !slices.Contains(got, name) && !slices.Contains(got, strings.TrimSuffix(name, "*")) {
								t.Errorf("told %v, %s is not among them", got, name)
							}
						}
					}
					k.check(t, open(t, cfg, Options{}))
				})
			}
		})
	}
}

// TestNothingChanged counts the searches of a pass in which nothing has changed.
func TestNothingChanged(t *testing.T) {
	for method, want := range map[string]int{methodAuto: 1, methodUSN: 2} {
		c, cfg := watched(t, method, 1)
		for i := range 300 {
			c.user(t, simad.User{Account: fmt.Sprintf("u%04d", i)})
		}
		d, k := open(t, cfg, Options{}), &keeper{}
		k.pass(t, d)
		before := c.dcs[0].Counts()
		told := k.pass(t, d)
		if after := c.dcs[0].Counts(); after.Searches-before.Searches != want || after.Entries-before.Entries > 2 || told.All || told.List == nil || len(told.List) > 0 {
			t.Errorf("%s: %d searches with %d entries, want %d; told %+v", method, after.Searches-before.Searches, after.Entries-before.Entries, want, told)
		}
	}
}

// TestWhyAll gives each reason to read everything; the answer after it is certain again.
func TestWhyAll(t *testing.T) {
	many := func(c *company) {
		for i := range maxContainers + 1 {
			must(t, c.AddOU(fmt.Sprintf("OU=%d,%s", i, staff)))
		}
	}
	for name, test := range map[string]struct {
		method string
		change func(c *company, cfg *Config, k *keeper)
		why    string
	}{
		"no JSON":          {methodAuto, func(_ *company, _ *Config, k *keeper) { k.place = []byte("nonsense") }, "the place up to which it was read is of no use: invalid character 'o' in literal null (expecting 'u')"},
		"another version":  {methodAuto, func(_ *company, _ *Config, k *keeper) { k.place = []byte(`{"version":9}`) }, "the place up to which it was read is of no use: it is of version 9, want 1"},
		"another filter":   {methodAuto, func(_ *company, cfg *Config, _ *keeper) { cfg.Users.Filter = "(department=Sales)" }, "it was read for another scope, account or choice of attributes"},
		"another base":     {methodUSN, func(_ *company, cfg *Config, _ *keeper) { cfg.Workstations.Bases = []string{machines} }, "it was read for another scope, account or choice of attributes"},
		"another method":   {methodUSN, func(_ *company, cfg *Config, _ *keeper) { cfg.Changes = methodDirSync }, "it was read for another scope, account or choice of attributes"},
		"a foreign cookie": {methodAuto, func(_ *company, _ *Config, k *keeper) { k.edit(t, func(p *place) { p.Cookie = []byte("other") }) }, "what has changed is not told: read changes of DC=corp,DC=example at $URL: unsupported: LDAP result 12 Unavailable Critical Extension: 00002040: SvcErr: DSID-031401E7, problem 5010 (UNAVAIL_EXTENSION), data 0"},
		"restored":         {methodUSN, func(c *company, _ *Config, _ *keeper) { must(t, c.dcs[0].Reinstall()) }, "how far the changes at $URL are known was never noted"},
		"set back":         {methodUSN, func(c *company, _ *Config, _ *keeper) { c.dcs[0].Rewind(1000) }, "an earlier state of it was put back"},
		"many OUs":         {methodAuto, func(c *company, _ *Config, _ *keeper) { many(c) }, "more than 20 containers were moved or renamed"},
		"many OUs, by usn": {methodUSN, func(c *company, _ *Config, _ *keeper) { many(c) }, "more than 20 containers were moved or renamed"},
		"no GUID": {methodAuto, func(c *company, _ *Config, _ *keeper) {
			must(t, c.Remove("CN=ada,"+staff, "objectGUID"))
			must(t, c.SetString("CN=ada,"+staff, "displayName", "x"))
		}, "CN=ada," + staff + " has changed, and cannot be told: objectGUID has 0 bytes, want 16"},
		"a group in a filter": {methodAuto, func(_ *company, cfg *Config, _ *keeper) { cfg.Users.Filter = "(memberOf=CN=g," + staff + ")" }, "it was read for another scope, account or choice of attributes"},
	} {
		t.Run(name, func(t *testing.T) {
			c, cfg := watched(t, test.method, 1)
			k := &keeper{}
			k.pass(t, open(t, cfg, Options{}))
			test.change(c, &cfg, k)
			d := open(t, cfg, Options{})
			told := k.pass(t, d)
			if want := strings.ReplaceAll(test.why, "$URL", c.dcs[0].URL("ldaps")); !told.All || !strings.Contains(told.Why, want) || told.List != nil {
				t.Errorf("told %+v\nwant all, since %s", told, want)
			}
			if told = k.pass(t, d); told.All {
				t.Errorf("the answer after it: %+v", told)
			}
			k.check(t, open(t, cfg, Options{}))
		})
	}
}

// edit changes what the kept place says.
func (k *keeper) edit(t testing.TB, change func(*place)) {
	t.Helper()
	p, err := decodePlace(k.place)
	must(t, err)
	change(&p)
	k.place, err = p.encode()
	must(t, err)
}

// TestNeverTold asks where no controller tells what changes.
func TestNeverTold(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*Config)
		why    string
	}{
		"full":           {func(cfg *Config) { cfg.Changes = methodFull }, "it was never read"},
		"not replicated": {func(cfg *Config) { cfg.Users.Filter = "(|(lastLogon=*)(department=Sales))" }, "it was never read; and each time: users.filter asks for lastLogon, whose changes no controller tells: each controller has its own value"},
		"constructed":    {func(cfg *Config) { cfg.Workstations.Filter = "(canonicalName=corp.example/Staff/*)" }, "it was never read; and each time: workstations.filter asks for canonicalName, whose changes no controller tells: it is made when it is asked for"},
		"by number":      {func(cfg *Config) { cfg.Users.Filter = "(2.5.4.11=Sales)" }, `it was never read; and each time: users.filter asks for "2.5.4.11", whose changes no controller tells: want the attribute's name`},
	} {
		t.Run(name, func(t *testing.T) {
			_, cfg := watched(t, methodAuto, 1)
			c, cfg2 := watched(t, methodAuto, 1)
			test.change(&cfg2)
			cfg = cfg2
			told, err := open(t, cfg, Options{}).Changes(t.Context(), nil)
			if err != nil || !told.All || told.Why != test.why || told.Next != nil {
				t.Errorf("told %+v, %v", told, err)
			}
			if n := c.dcs[0].Counts().Searches; n != 0 {
				t.Errorf("%d searches", n)
			}
		})
	}
}

// TestRandomChanges changes a domain at random; after every pass the copy is what a complete read finds.
func TestRandomChanges(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		for seed := range uint64(3) {
			t.Run(fmt.Sprintf("%s %d", method, seed), func(t *testing.T) {
				t.Parallel()
				c, cfg := watched(t, method, 2)
				r := &randomizer{rand.New(rand.NewPCG(seed, 0)), 0}
				k, all := &keeper{}, 0
				d, fresh := open(t, cfg, Options{}), open(t, cfg, Options{})
				for pass := range 60 {
					if pass%7 == 6 { // another controller
						must(t, c.dcs[pass%2].SetDown(true))
						must(t, c.dcs[1-pass%2].SetDown(false))
						d = open(t, cfg, Options{})
					}
					if told := k.pass(t, d); told.All {
						all++
					}
					k.check(t, fresh)
					if t.Failed() {
						t.Fatalf("after pass %d", pass)
					}
					for range r.IntN(4) {
						r.change(t, c)
					}
				}
				if all > 4 {
					t.Errorf("%d of 60 passes read everything", all)
				}
			})
		}
	}
}

// A randomizer changes a domain at random.
type randomizer struct {
	*rand.Rand
	added int
}

// change makes one change that a domain may see.
func (r *randomizer) change(t testing.TB, c *company) {
	t.Helper()
	ous := []string{staff, machines, "OU=Out,DC=corp,DC=example", "OU=A," + staff, "OU=B," + staff, "OU=A,OU=Out,DC=corp,DC=example"}
	ou := ous[r.IntN(len(ous))]
	objects := slices.DeleteFunc(c.Accounts(false), func(o simad.Object) bool { return o.DN == readerDN })
	object := objects[r.IntN(len(objects))].DN
	name, _, _ := strings.Cut(object, ",")
	var err error
	switch r.IntN(11) {
	case 0:
		r.added++
		_, err = c.AddUser(simad.User{OU: ou, Account: fmt.Sprintf("n%d", r.added), ThumbnailPhoto: []byte{byte(r.added)}})
	case 1:
		r.added++
		_, err = c.AddComputer(simad.Computer{OU: ou, Name: fmt.Sprintf("N%d", r.added)})
	case 2:
		err = c.Set(object, "thumbnailPhoto", []byte{byte(r.IntN(256)), 1})
	case 3:
		err = c.Remove(object, "thumbnailPhoto")
	case 4:
		err = c.SetString(object, "department", []string{"Away", "Sales"}[r.IntN(2)])
	case 5:
		err = c.SetString(object, "userAccountControl", []string{"512", "514"}[r.IntN(2)])
	case 6:
		err = c.SetString(object, "displayName", fmt.Sprint(r.IntN(1000)))
	case 7:
		err = c.Move(object, name+","+ou)
	case 8:
		r.added++
		_, rest, _ := strings.Cut(object, ",")
		err = c.Move(object, fmt.Sprintf("CN=r%d,%s", r.added, rest))
	case 9:
		if len(objects) > 5 {
			err = c.Delete(object)
		}
	case 10:
		r.moveOU(c)
	}
	must(t, err)
}

// moveOU moves an OU that is there to a place that is free; most often none is.
func (r *randomizer) moveOU(c *company) {
	from := []string{"OU=A," + staff, "OU=B," + staff, "OU=A,OU=Out,DC=corp,DC=example", "OU=Deep," + staff}
	c.Move(from[r.IntN(len(from))], from[r.IntN(len(from))]) // an error says that nothing was moved
}
