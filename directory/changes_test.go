package directory

import (
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/go-ldap/ldap/v3"
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
		k.users, k.pcs, k.place = users, pcs, d.Settled(told)
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
		k.users, k.pcs, k.place = users, pcs, d.Settled(told)
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

// names are the account names of the objects that were told, with * where the photo may be another one. accounts names users and computers by
// their GUIDs, deleted ones too; others that were told are left out.
func names(told photopush.Changes, accounts map[photopush.GUID]string) []string {
	var names []string
	for _, change := range told.List {
		switch name := accounts[change.ID]; {
		case name == "":
		case change.Photo:
			names = append(names, name+"*")
		default:
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// tells tells whether every name is among those that were told, where more may be: by uSNChanged every change of an object counts, and all that
// is not known of a photo counts as a change of it.
func tells(got, want []string) bool {
	for _, name := range want {
		if !slices.Contains(got, name) && !slices.Contains(got, name+"*") {
			return false
		}
	}
	return true
}

// accountNames are the account names of users and computers by GUID, deleted ones too.
func (c *company) accountNames() map[photopush.GUID]string {
	all := map[photopush.GUID]string{}
	for _, o := range slices.Concat(c.Accounts(false), c.Accounts(true)) {
		all[photopush.GUID(o.GUID)] = o.Account
	}
	return all
}

// accountDNs are the distinguished names of users and computers, but for the account that reads.
func (c *company) accountDNs() (list []string) {
	for _, o := range c.Accounts(false) {
		if o.DN != readerDN {
			list = append(list, o.DN)
		}
	}
	return list
}

// A changer changes a domain, simulated or real. What it cannot do ends the test.
type changer interface {
	set(dn, attribute string, values ...string)
	move(from, to string)
	remove(dn string)
	addOU(dn string)
	addUser(account, ou, photo string) // without a photo for ""
	addComputer(name, ou string)
	addGroup(dn string, members ...string)
}

// A simChanger changes a simulated domain.
type simChanger struct {
	testing.TB
	c *company
}

func (s simChanger) set(dn, attribute string, values ...string) {
	must(s, s.c.SetString(dn, attribute, values...))
}
func (s simChanger) move(from, to string) { must(s, s.c.Move(from, to)) }
func (s simChanger) remove(dn string)     { must(s, s.c.Delete(dn)) }
func (s simChanger) addOU(dn string)      { must(s, s.c.AddOU(dn)) }
func (s simChanger) addUser(account, ou, photo string) {
	s.c.user(s, simad.User{Account: account, OU: ou, ThumbnailPhoto: []byte(photo)})
}
func (s simChanger) addComputer(name, ou string) { s.c.computer(s, simad.Computer{Name: name, OU: ou}) }

func (s simChanger) addGroup(dn string, members ...string) {
	name, ou, _ := strings.Cut(dn, ",")
	_, err := s.c.AddGroup(simad.Group{OU: ou, Name: strings.TrimPrefix(name, "CN="), Members: members})
	must(s, err)
}

const (
	outside = "OU=Out,DC=corp,DC=example"
	deep    = "OU=Deep," + staff
)

// populate makes the company that steps begin with.
func populate(x changer) {
	for _, ou := range []string{deep, outside, "OU=New," + staff} {
		x.addOU(ou)
	}
	x.addUser("ada", staff, "photo of ada")
	x.addUser("bob", staff, "")
	x.addUser("di", deep, "photo of di")
	x.addUser("out", outside, "")
	x.addComputer("PC1", machines)
	x.addComputer("PC2", deep)
}

// steps are changes, with what DirSync tells of each: account names, with * where the photo may be another one.
var steps = []struct {
	what   string
	change func(changer)
	told   []string
}{
	{"nothing", func(changer) {}, nil},
	{"a photo added", func(x changer) { x.set("CN=bob,"+staff, "thumbnailPhoto", "photo of bob") }, []string{"bob*"}},
	{"a photo changed", func(x changer) { x.set("CN=ada,"+staff, "jpegPhoto", "one", "two") }, []string{"ada*"}},
	{"a photo removed", func(x changer) { x.set("CN=ada,"+staff, "thumbnailPhoto") }, []string{"ada*"}},
	{"disabled", func(x changer) { x.set("CN=ada,"+staff, "userAccountControl", "546") }, []string{"ada"}},
	{"what is not read", func(x changer) { x.set("CN=ada,"+staff, "telephoneNumber", "1") }, nil},
	{"out of scope by the filter", func(x changer) { x.set("CN=ada,"+staff, "department", "Away") }, []string{"ada"}},
	{"into scope by the filter", func(x changer) { x.set("CN=ada,"+staff, "department", "Sales") }, []string{"ada"}},
	{"moved out of scope", func(x changer) { x.move("CN=ada,"+staff, "CN=ada,"+outside) }, []string{"ada"}},
	{"moved into scope, and renamed", func(x changer) { x.move("CN=ada,"+outside, "CN=Ada L,"+staff) }, []string{"ada"}},
	{"an OU moved out of scope", func(x changer) { x.move(deep, "OU=Deep,"+outside) }, []string{"PC2$", "di"}},
	{"an OU moved into scope", func(x changer) { x.move("OU=Deep,"+outside, "OU=Deeper,"+staff) }, []string{"PC2$", "di"}},
	{"a computer renamed", func(x changer) { x.move("CN=PC1,"+machines, "CN=PC9,"+machines) }, []string{"PC1$"}},
	{"an account renamed", func(x changer) { x.set("CN=PC9,"+machines, "sAMAccountName", "PC9$") }, []string{"PC9$"}},
	{"added", func(x changer) { x.addUser("new", "OU=New,"+staff, "photo of new") }, []string{"new*"}},
	{"deleted", func(x changer) { x.remove("CN=bob," + staff); x.remove("CN=PC9," + machines) }, []string{"PC9$", "bob*"}},
	{"an OU deleted", func(x changer) { x.remove("CN=new,OU=New," + staff); x.remove("OU=New," + staff) }, []string{"new*"}},
}

// watched is a company whose changes are watched, with its configuration.
func watched(t testing.TB, method string, controllers int) (*company, Config) {
	t.Helper()
	c := newCompany(t, controllers)
	must(t, c.Allow(readerDN, simad.Rights{SeeDeleted: true}))
	populate(simChanger{t, c})
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
			if !first.All || !strings.Contains(first.Why, "it was never read") || first.Next == nil {
				t.Fatalf("the first answer is %+v", first)
			}
			for _, step := range steps {
				t.Run(step.what, func(t *testing.T) {
					step.change(simChanger{t, c})
					d := open(t, cfg, Options{}) // the place outlives the process
					told := k.pass(t, d)
					got := names(told, c.accountNames())
					switch {
					case told.All:
						t.Errorf("everything was read: %s", told.Why)
					case method != methodUSN:
						if diff := cmp.Diff(step.told, got); diff != "" {
							t.Errorf("-want +told\n%s", diff)
						}
					case !tells(got, step.told):
						t.Errorf("told %v, want %v at least", got, step.told)
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
		"full":           {func(cfg *Config) { cfg.Changes = methodFull }, "the configuration says so: changes is full"},
		"not replicated": {func(cfg *Config) { cfg.Users.Filter = "(|(lastLogon=*)(department=Sales))" }, "users.filter asks for lastLogon, whose changes no controller tells: each controller has its own value"},
		"constructed":    {func(cfg *Config) { cfg.Workstations.Filter = "(canonicalName=corp.example/Staff/*)" }, "workstations.filter asks for canonicalName, whose changes no controller tells: it is made when it is asked for"},
		"by number":      {func(cfg *Config) { cfg.Users.Filter = "(2.5.4.11=Sales)" }, `users.filter asks for "2.5.4.11", whose changes no controller tells: want the attribute's name`},
	} {
		t.Run(name, func(t *testing.T) {
			c, cfg := watched(t, methodAuto, 1)
			test.change(&cfg)
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
				r := newRandomizer(seed, simChanger{t, c}, c.accountDNs)
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
						r.change()
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
	x        changer
	accounts func() []string // distinguished names of users and computers
	added    int
	ous      map[string]string // parents of the OUs that are moved about
}

// newRandomizer makes some OUs to move about.
func newRandomizer(seed uint64, x changer, accounts func() []string) *randomizer {
	r := &randomizer{Rand: rand.New(rand.NewPCG(seed, 0)), x: x, accounts: accounts, ous: map[string]string{}}
	for _, name := range []string{"OU=A", "OU=B", "OU=C"} {
		r.ous[name] = staff
		x.addOU(name + "," + staff)
	}
	return r
}

func (r *randomizer) one(list ...string) string { return list[r.IntN(len(list))] }

// change makes one change that a domain may see.
func (r *randomizer) change() {
	r.added++
	ou := r.one("OU=A", "OU=B", "OU=C")
	parent := r.one(staff, machines, outside, ou+","+r.ous[ou])
	accounts := r.accounts()
	object := r.one(accounts...)
	name, at, _ := strings.Cut(object, ",")
	switch r.IntN(11) {
	case 0:
		r.x.addUser(fmt.Sprintf("n%d", r.added), parent, r.one("", fmt.Sprint("photo", r.added)))
	case 1:
		r.x.addComputer(fmt.Sprintf("N%d", r.added), parent)
	case 2, 3:
		r.x.set(object, "thumbnailPhoto", fmt.Sprint("photo", r.added))
	case 4:
		r.x.set(object, "thumbnailPhoto")
	case 5:
		r.x.set(object, "department", r.one("Away", "Sales"))
	case 6:
		r.x.set(object, "displayName", fmt.Sprint(r.IntN(1000)))
	case 7:
		r.x.move(object, name+","+parent)
	case 8:
		r.x.move(object, fmt.Sprintf("CN=r%d,%s", r.added, at))
	case 9:
		if len(accounts) > 5 {
			r.x.remove(object)
		}
	case 10:
		from, to := r.ous[ou], r.one(staff, outside, machines)
		r.x.move(ou+","+from, ou+","+to)
		r.ous[ou] = to
	}
}

const (
	photosGroup = "CN=photos,OU=Groups,DC=corp,DC=example"
	innerGroup  = "CN=inner,OU=Groups,DC=corp,DC=example"
	otherGroup  = "CN=other,OU=Groups,DC=corp,DC=example"
)

// addWatchedGroups puts ada into a group, and bob into a group within it.
func addWatchedGroups(x changer) {
	x.addOU("OU=Groups,DC=corp,DC=example")
	x.addGroup(innerGroup, "CN=bob,"+staff)
	x.addGroup(photosGroup, "CN=ada,"+staff, innerGroup)
	x.addGroup(otherGroup, "CN=ada,"+staff)
}

// groupSteps are changes of groups, with whether everything must be read.
var groupSteps = []struct {
	what   string
	change func(changer)
	all    bool
}{
	{"nothing", func(changer) {}, false},
	{"a member", func(x changer) { x.set(photosGroup, "member", "CN=ada,"+staff, innerGroup, "CN=di,"+deep) }, true},
	{"a member of another group", func(x changer) { x.set(otherGroup, "member", "CN=di,"+deep) }, false},
	{"a member of the inner group", func(x changer) { x.set(innerGroup, "member", "CN=bob,"+staff, "CN=out,"+outside) }, true},
	{"a member moved", func(x changer) { x.move("CN=out,"+outside, "CN=out,"+staff) }, false},
	{"a group more within", func(x changer) { x.set(innerGroup, "member", "CN=bob,"+staff, otherGroup) }, true},
	{"a member of that", func(x changer) { x.set(otherGroup, "member", "CN=di,"+deep, "CN=PC1,"+machines) }, true},
	{"a member renamed", func(x changer) { x.move("CN=di,"+deep, "CN=Di,"+deep) }, false},
	{"the inner group renamed", func(x changer) { x.move(innerGroup, "CN=inside,OU=Groups,DC=corp,DC=example") }, true},
	{"the inner group deleted", func(x changer) { x.remove("CN=inside,OU=Groups,DC=corp,DC=example") }, true},
}

// groupScopes are configurations whose scope follows from groups.
var groupScopes = map[string]func(*Config){
	"groups": func(cfg *Config) {
		cfg.Users.Groups, cfg.Workstations.Groups = []string{photosGroup}, []string{photosGroup}
	},
	"a filter with a rule": func(cfg *Config) { cfg.Users.Filter = "(memberOf:1.2.840.113556.1.4.1941:=" + photosGroup + ")" },
	"a filter that does not tell which": func(cfg *Config) {
		cfg.Users.Filter = "(|(memberOf:1.2.840.113556.1.4.1941:=" + photosGroup + ")(memberOf=CN=no longer there,OU=Groups,DC=corp,DC=example))"
	},
}

// TestWatchedGroups changes groups that decide who is in scope.
func TestWatchedGroups(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		for name, scoped := range groupScopes {
			t.Run(method+" "+name, func(t *testing.T) {
				t.Parallel()
				c, cfg := watched(t, method, 1)
				addWatchedGroups(simChanger{t, c})
				scoped(&cfg)
				k := &keeper{}
				k.pass(t, open(t, cfg, Options{}))
				for _, step := range groupSteps {
					t.Run(step.what, func(t *testing.T) {
						step.change(simChanger{t, c})
						k.checkGroups(t, cfg, step.all)
					})
				}
			})
		}
	}
}

// checkGroups makes a pass, which must read everything where all says so, and may where it is not known which groups count.
func (k *keeper) checkGroups(t *testing.T, cfg Config, all bool) {
	t.Helper()
	told := k.pass(t, open(t, cfg, Options{}))
	if told.All != all && (all || !strings.Contains(cfg.Users.Filter, "no longer there")) {
		t.Errorf("told %+v, want all: %t", told, all)
	}
	if told.All && !strings.Contains(told.Why, "has changed, and its members decide who is in scope") {
		t.Errorf("all, since %s", told.Why)
	}
	k.check(t, open(t, cfg, Options{}))
}

// TestExcludedRenamed renames a container that the configuration leaves out: whom it kept out must not get in.
func TestExcludedRenamed(t *testing.T) {
	for _, method := range []string{methodDirSync, methodUSN} {
		c, cfg := watched(t, method, 1)
		cfg.Users.Exclude = []string{deep}
		d, k := open(t, cfg, Options{}), &keeper{}
		k.pass(t, d)
		must(t, c.Move(deep, "OU=Deeper,"+staff))
		_, err := d.Changes(t.Context(), k.place)
		if photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(err.Error(), "correct users.exclude") {
			t.Errorf("%s: %v", method, err)
		}
	}
}

// TestFilterNamesForeignGroup asks in a filter for groups that this domain has not: one of another domain, whatever else decides, and names that a controller
// does not take, shows or knows. The domain is read all the same, and changes of its own groups go on being told.
func TestFilterNamesForeignGroup(t *testing.T) {
	const foreign = "CN=U,OU=Groups,DC=sales,DC=corp,DC=example"
	for name, test := range map[string]struct {
		also   string // beside the group that is watched
		result int    // to the search for it, instead of the domain's own answer
		any    bool   // any group's change lets everything be read
		warns  bool
	}{
		"another domain":  {foreign, 0, false, true},
		"another forest":  {"CN=U,DC=partner,DC=test", 0, false, true},
		"not there":       {"CN=gone," + groupsOU, 0, true, false},
		"no group":        {staffDN("ada"), 0, true, false},
		"a name refused":  {"CN=odd," + groupsOU, ldap.LDAPResultInvalidDNSyntax, true, false},
		"unwilling":       {"CN=odd," + groupsOU, ldap.LDAPResultUnwillingToPerform, true, false},
		"too much for it": {"CN=odd," + groupsOU, ldap.LDAPResultAdminLimitExceeded, true, false},
	} {
		for _, method := range []string{methodDirSync, methodUSN} {
			t.Run(name+" "+method, func(t *testing.T) {
				c, cfg := watched(t, method, 1)
				addWatchedGroups(simChanger{t, c})
				_, err := c.AddDomain("sales.corp.example", simad.Options{NetBIOS: "SALES"})
				must(t, err)
				cfg.Users.Filter = "(|(memberOf=" + photosGroup + ")(memberOf=" + test.also + "))"
				log := &logBuffer{}
				d, k := open(t, cfg, Options{Logger: log.logger()}), &keeper{}
				c.dcs[0].SetFaults(simad.Faults{Result: test.result, ResultBase: test.also})
				for range 2 {
					k.place = nil
					if told := k.pass(t, d); !told.All || told.Next == nil {
						t.Fatalf("told %+v", told)
					}
				}
				want := 0
				if test.warns {
					want = 1
				}
				if n := strings.Count(log.String(), "a filter asks for a group of another domain"); n != want {
					t.Errorf("%d warnings, want %d: %s", n, want, log)
				}
				simChanger{t, c}.set(otherGroup, "member", "CN=di,"+deep)
				if told := k.pass(t, d); told.All != test.any {
					t.Errorf("another group was changed: told %+v, want all: %t", told, test.any)
				}
				simChanger{t, c}.set(photosGroup, "member", "CN=bob,"+staff)
				if told := k.pass(t, d); !told.All {
					t.Errorf("the group was changed: told %+v", told)
				}
				k.check(t, d)
			})
		}
	}
}
