package directory

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simad"
)

func TestUserByName(t *testing.T) {
	c := newCompany(t, 1)
	ada := c.user(t, simad.User{Account: "ada", UPN: "ada.lovelace@example.com"})
	for _, account := range []string{"a,b", "jörg", "star*", "paren(s)", `back\slash`, "at home", "x=y"} {
		c.user(t, simad.User{Account: account, Name: account})
	}
	c.user(t, simad.User{Account: "swap1", UPN: "swap2@corp.example"})
	c.user(t, simad.User{Account: "swap2", UPN: "swap1@corp.example"})
	c.user(t, simad.User{Account: "twin1", UPN: "twin@example.com"})
	c.user(t, simad.User{Account: "twin2", UPN: "twin@example.com", OU: "OU=Deep," + staff})
	c.user(t, simad.User{Account: "away", OU: "OU=Other,DC=corp,DC=example"})
	c.user(t, simad.User{Account: "robot", Attributes: map[string][]string{"department": {"Robots"}}})
	c.computer(t, simad.Computer{Name: "PC1", OU: staff})
	cfg := c.config()
	cfg.Users.Filter = "(!(department=Robots))"
	d := open(t, cfg, Options{})

	const unknown = "out_of_scope: no such user"
	for name, want := range map[string]string{
		"ada": "ada", "ADA": "ada", "ada.lovelace@example.com": "ada", "ada@corp.example": "ada", "ADA@Corp.Example": "ada",
		`CORP\ada`: "ada", `corp\Ada`: "ada", `corp.example\ada`: "ada", string(ada): "ada", strings.ToLower(string(ada)): "ada",
		"a,b": "a,b", "jörg": "jörg", "star*": "star*", "paren(s)": "paren(s)", `CORP\back\slash`: `back\slash`, "at home": "at home", "x=y": "x=y",
		"swap1@corp.example": "swap2", "swap2@corp.example": "swap1", // the user principal name counts more than the account name
		"":                           unknown,
		"nobody":                     unknown,
		"a*":                         unknown,
		"*":                          unknown,
		"ada)(objectClass=*":         unknown,
		`OTHER\ada`:                  unknown,
		`CORP\`:                      unknown,
		"@corp.example":              unknown,
		"ada@other.example":          unknown,
		"PC1$":                       unknown,
		"S-1-5-21-1-2-3-4":           unknown,
		"S-1-5-32-544":               unknown,
		"S-1-5-21-1-2-3-99999999999": unknown,
		strings.Repeat("a", 600):     unknown,
		"away":                       "out_of_scope: no such user in scope: users.bases leaves out CN=away,OU=Other,DC=corp,DC=example",
		"robot":                      "out_of_scope: no such user in scope: users.filter leaves out CN=robot," + staff,
		"twin@example.com":           "conflict: the name is ambiguous: CN=twin1," + staff + "; CN=twin2,OU=Deep," + staff,
	} {
		t.Run(fmt.Sprintf("%.30q", name), func(t *testing.T) {
			u, _, err := d.User(t.Context(), name)
			got := u.AccountName
			if err != nil {
				got = strings.TrimPrefix(err.Error(), "find user "+clip(name)+": ")
				if name == "" {
					got = strings.TrimPrefix(err.Error(), "find user: ")
				}
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if unknown := strings.Contains(want, "no such user"); errors.Is(err, photopush.ErrUnknownUser) != unknown {
				t.Errorf("ErrUnknownUser is in the chain: %v", !unknown)
			}
			if ambiguous := strings.Contains(want, "ambiguous"); errors.Is(err, ErrAmbiguous) != ambiguous {
				t.Errorf("ErrAmbiguous is in the chain: %v", !ambiguous)
			}
		})
	}
}

func TestNetBIOSNameIsReadOnce(t *testing.T) {
	c := newCompany(t, 1)
	c.user(t, simad.User{Account: "ada"})
	d := open(t, c.config(), Options{})
	for range 3 {
		_, _, err := d.User(t.Context(), `CORP\ada`)
		must(t, err)
	}
	if n := c.dcs[0].Counts().Searches; n != 6 { // rootDSE, Partitions, the base, and a search for each call
		t.Errorf("%d searches, want 6", n)
	}
}

func TestManyCandidates(t *testing.T) {
	c := newCompany(t, 1)
	for i := range 15 {
		c.user(t, simad.User{Account: fmt.Sprintf("u%d", i), UPN: "same@example.com"})
	}
	_, _, err := open(t, c.config(), Options{}).User(t.Context(), "same@example.com")
	if !errors.Is(err, ErrAmbiguous) || strings.Count(err.Error(), "CN=u") != maxMatches || !strings.HasSuffix(err.Error(), "; and perhaps more") {
		t.Errorf("got %v", err)
	}
}

func TestPhotos(t *testing.T) {
	c := newCompany(t, 1)
	with := c.user(t, simad.User{Account: "with", JPEGPhoto: [][]byte{[]byte("big")}, ThumbnailPhoto: []byte("small")})
	without := c.user(t, simad.User{Account: "without"})
	away := c.user(t, simad.User{Account: "away", OU: "OU=Other,DC=corp,DC=example", ThumbnailPhoto: []byte("small")})
	d := open(t, c.config(), Options{})
	for sid, want := range map[photopush.SID][]photopush.Photo{
		with:    {{Attribute: "jpegPhoto", Bytes: []byte("big")}, {Attribute: "thumbnailPhoto", Bytes: []byte("small")}},
		without: nil,
	} {
		got, err := d.Photos(t.Context(), sid)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v, -want +got\n%s", sid, err, diff)
		}
	}
	for _, sid := range []photopush.SID{away, "S-1-5-21-1-2-3-4", "with", ""} {
		if got, err := d.Photos(t.Context(), sid); !errors.Is(err, photopush.ErrUnknownUser) || got != nil {
			t.Errorf("%q: %v, %v", sid, got, err)
		}
	}
}

// TestPhotoAttributes: only what is asked for is read, in that order.
func TestPhotoAttributes(t *testing.T) {
	c := newCompany(t, 1)
	sid := c.user(t, simad.User{Account: "ada", JPEGPhoto: [][]byte{[]byte("big")}, ThumbnailPhoto: []byte("small")})
	big, small := photopush.Photo{Attribute: "jpegPhoto", Bytes: []byte("big")}, photopush.Photo{Attribute: "thumbnailPhoto", Bytes: []byte("small")}
	for _, test := range []struct {
		attributes []string
		want       []photopush.Photo
	}{
		{nil, []photopush.Photo{big, small}},
		{[]string{"thumbnailPhoto", "jpegPhoto"}, []photopush.Photo{small, big}},
		{[]string{"thumbnailPhoto"}, []photopush.Photo{small}},
		{[]string{}, nil},
	} {
		d := open(t, c.config(), Options{PhotoAttributes: test.attributes})
		alone, err := d.Photos(t.Context(), sid)
		if diff := cmp.Diff(test.want, alone); err != nil || diff != "" {
			t.Errorf("%v: %v, -want +got\n%s", test.attributes, err, diff)
		}
		_, named, err := d.User(t.Context(), "ada")
		if diff := cmp.Diff(test.want, named); err != nil || diff != "" {
			t.Errorf("%v: %v, -want +got\n%s", test.attributes, err, diff)
		}
		err = d.Users(t.Context(), photopush.UserQuery{Photos: true}, func(_ photopush.User, read []photopush.Photo) error {
			if diff := cmp.Diff(test.want, read); diff != "" {
				t.Errorf("%v: -want +got\n%s", test.attributes, diff)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}

// office adds workstations of every kind.
func office(t *testing.T, c *company) {
	t.Helper()
	for _, w := range []simad.Computer{
		{Name: "WS1", LastLogon: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), PasswordSet: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ManagedBy: readerDN},
		{Name: "WS2", Host: "-", OS: "-", OSVersion: "-", Disabled: true},
		{Name: "WS3", Host: "evil.corp.example/x?y"},
		{Name: "SRV1", OS: "Windows Server 2022 Standard", OSVersion: "10.0 (20348)"},
		{Name: "DC8", OS: "Windows Server 2022 Standard", DomainController: true},
		{Name: "DC9", DomainController: true},
		{Name: "RODC1", ReadOnlyController: true},
		{Name: "GMSA1", Attributes: map[string][]string{"operatingSystem": {"Windows 10 Pro"}}},
		{Name: "AWAY", OU: "OU=Other,DC=corp,DC=example"},
	} {
		c.computer(t, w)
	}
	c.user(t, simad.User{Account: "person", OU: machines})
	must(t, c.SetString("CN=GMSA1,"+machines, "objectCategory", "CN=ms-DS-Group-Managed-Service-Account,CN=Schema,CN=Configuration,DC=corp,DC=example"))
}

func TestWorkstations(t *testing.T) {
	c := newCompany(t, 1)
	office(t, c)
	for _, servers := range []bool{false, true} {
		t.Run(fmt.Sprintf("servers %v", servers), func(t *testing.T) {
			cfg := c.config()
			cfg.Workstations.IncludeServers = servers
			log := &logBuffer{}
			var got []photopush.Workstation
			ids := map[photopush.GUID]bool{}
			must(t, open(t, cfg, Options{Logger: log.logger()}).Workstations(t.Context(), nil, func(w photopush.Workstation) error {
				ids[w.ID] = true
				w.ID = ""
				got = append(got, w)
				return nil
			}))
			want := []photopush.Workstation{
				{Domain: "corp.example", DN: "CN=WS1," + machines, Name: "WS1", Host: "ws1.corp.example", OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)",
					Enabled: true, LastLogon: time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC), PasswordSet: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), ManagedBy: readerDN},
				{Domain: "corp.example", DN: "CN=WS2," + machines, Name: "WS2"},
				{Domain: "corp.example", DN: "CN=WS3," + machines, Name: "WS3", OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)", Enabled: true},
			}
			if servers {
				want = append(want, photopush.Workstation{Domain: "corp.example", DN: "CN=SRV1," + machines, Name: "SRV1", Host: "srv1.corp.example",
					OS: "Windows Server 2022 Standard", OSVersion: "10.0 (20348)", Enabled: true})
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
			if len(ids) != len(want) || ids[""] {
				t.Errorf("IDs are %v", ids)
			}
			if !strings.Contains(log.String(), `workstation has no usable address" dn="CN=WS3,`) {
				t.Errorf("log is %s", log)
			}
		})
	}
}

// TestControllersNeverPass lets an administrator's filter and a careless server do what they can.
func TestControllersNeverPass(t *testing.T) {
	c := newCompany(t, 1)
	office(t, c)
	cfg := c.config()
	cfg.Workstations.IncludeServers = true
	d := open(t, cfg, Options{})
	d.devices.filter = computerFilter // as if the server did not look at the rest
	var names []string
	must(t, d.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
		names = append(names, w.Name)
		return nil
	}))
	if diff := cmp.Diff([]string{"WS1", "WS2", "WS3", "SRV1"}, names); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestWorkstationByName(t *testing.T) {
	c := newCompany(t, 1)
	office(t, c)
	c.computer(t, simad.Computer{Name: "LONGNAME-OF-A-W", Host: "longname-of-a-workstation.corp.example"})
	c.computer(t, simad.Computer{Name: "OLD", Host: "ws9.corp.example"})
	c.computer(t, simad.Computer{Name: "WS9"})
	d := open(t, c.config(), Options{})
	const (
		unknown = "out_of_scope: no such workstation"
		out     = "out_of_scope: no such workstation in scope: "
	)
	for name, want := range map[string]string{
		"ws1": "WS1", "WS1$": "WS1", "ws1.corp.example": "WS1", "WS1.CORP.EXAMPLE.": "WS1", "ws2": "WS2",
		"longname-of-a-workstation": "LONGNAME-OF-A-W", "longname-of-a-w": "LONGNAME-OF-A-W",
		"ws9":    "conflict: the name is ambiguous: CN=OLD," + machines + "; CN=WS9," + machines,
		"":       unknown,
		"ws*":    unknown,
		"nobody": unknown, "ws1.other.example": unknown, "a)(b=c": unknown, "person": unknown,
		"away": out + "workstations.bases leaves out CN=AWAY,OU=Other,DC=corp,DC=example",
		"srv1": out + "workstations.include_servers leaves out CN=SRV1," + machines,
		"dc9":  out + "a domain controller never is one: CN=DC9," + machines,
	} {
		t.Run(name, func(t *testing.T) {
			w, err := d.Workstation(t.Context(), name)
			got := w.Name
			if err != nil {
				got = strings.TrimPrefix(strings.TrimPrefix(err.Error(), "find workstation"), " "+name)
				got = strings.TrimPrefix(got, ": ")
			}
			if got != want {
				t.Errorf("got  %s\nwant %s", got, want)
			}
			if unknown := strings.Contains(want, "no such workstation"); errors.Is(err, photopush.ErrUnknownWorkstation) != unknown {
				t.Errorf("ErrUnknownWorkstation is in the chain: %v", !unknown)
			}
		})
	}
}
