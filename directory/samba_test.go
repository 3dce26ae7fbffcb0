//go:build linux

package directory

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/sambalab"
)

// sambaConfig reads a real domain as an administrator would set it up.
func sambaConfig(d *sambalab.Domain, url string) Config {
	return Config{
		Name:         sambalab.Name,
		Controllers:  []string{url},
		CAFile:       d.CAFile,
		Encryption:   "ldaps",
		Changes:      "auto",
		Account:      Account{Auth: "simple", BindUser: sambalab.ReadUser, PasswordFile: d.PasswordFile},
		Users:        UserScope{Bases: []string{sambalab.StaffOU}},
		Workstations: WorkstationScope{Bases: []string{sambalab.WorkstationsOU}},
		PageSize:     3,
		Timeout:      10 * time.Second,
		MaxPhotoSize: 5 << 20,
		DNSServers:   []string{d.DNS()},
	}
}

// sambaUsers are the odd ones that a directory has: what the reader must give back for each, besides SID and GUID.
var sambaUsers = []struct {
	add  sambalab.User
	want photopush.User
}{
	{sambalab.User{Name: "u1001", CN: "Lovelace, Ada", Photo: sambaPNG, Attributes: map[string][]string{"displayName": {"Ada Lovelace"}, "department": {"Sales"}}},
		photopush.User{AccountName: "u1001", DN: `CN=Lovelace\, Ada,` + sambalab.StaffOU, DisplayName: "Ada Lovelace", Enabled: true}},
	{sambalab.User{Name: "jörg.müßig", CN: "Jörg Müßig 张", JPEGPhoto: bytes.Repeat([]byte{0xff, 0xd8}, 100_000), Photo: []byte{0}},
		photopush.User{AccountName: "jörg.müßig", DN: "CN=Jörg Müßig 张," + sambalab.StaffOU, Enabled: true}},
	{sambalab.User{Name: "broken", Photo: []byte("no picture\x00\xff")},
		photopush.User{AccountName: "broken", DN: "CN=broken," + sambalab.StaffOU, Enabled: true}},
	{sambalab.User{Name: "nophoto", CN: `back\slash "quoted" + #1`},
		photopush.User{AccountName: "nophoto", DN: `CN=back\\slash \"quoted\" \+ \#1,` + sambalab.StaffOU, Enabled: true}},
	{sambalab.User{Name: "left", Disabled: true, Photo: sambaPNG},
		photopush.User{AccountName: "left", DN: "CN=left," + sambalab.StaffOU}},
	{sambalab.User{Name: "deep", OU: "OU=Deep," + sambalab.StaffOU, Photo: bytes.Repeat([]byte("x"), 102_400)},
		photopush.User{AccountName: "deep", DN: "CN=deep,OU=Deep," + sambalab.StaffOU, Enabled: true}},
	{sambalab.User{Name: "u1007", Attributes: map[string][]string{"department": {"Sales"}}},
		photopush.User{AccountName: "u1007", DN: "CN=u1007," + sambalab.StaffOU, Enabled: true}},
}

var sambaPNG = []byte("\x89PNG\r\n\x1a\n\x00\x00")

// TestSamba reads a real Active Directory domain controller.
func TestSamba(t *testing.T) {
	d := sambalab.New(t)
	d.AddOU("OU=Deep," + sambalab.StaffOU)
	var people []sambalab.User
	for _, u := range sambaUsers {
		people = append(people, u.add)
	}
	sids := d.AddUsers(people...)
	d.AddUsers(sambalab.User{Name: "away", OU: sambalab.ServiceOU})
	guids := d.AddComputers(
		sambalab.Computer{Name: "WS1", Host: "WS1.corp.example", OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)", Attributes: map[string][]string{"managedBy": {"CN=left," + sambalab.StaffOU}}},
		sambalab.Computer{Name: "WS2", Disabled: true},
		sambalab.Computer{Name: "SRV1", Host: "srv1.corp.example", OS: "Windows Server 2022 Standard"},
	)

	for _, url := range []string{d.LDAPS(), d.LDAP(), "ldaps://" + d.IP, "ldap://" + d.IP} {
		t.Run(strings.Replace(url, d.IP, "IP", 1), func(t *testing.T) { testSambaReads(t, sambaConfig(d, url), sids, guids) })
	}
	t.Run("by name", func(t *testing.T) { testSambaNames(t, d, sids) })
	t.Run("scope", func(t *testing.T) { testSambaScope(t, d) })
	t.Run("wrong CA", func(t *testing.T) { testSambaWrongCA(t, d) })
	t.Run("wrong password", func(t *testing.T) { testSambaWrongPassword(t, d) })
	t.Run("dead and hung controllers", func(t *testing.T) { testSambaDead(t, d) })
}

// testSambaReads reads all people and workstations, page by page.
func testSambaReads(t *testing.T, cfg Config, sids []photopush.SID, guids []photopush.GUID) {
	dir := open(t, cfg, Options{})
	want, photos := map[photopush.SID]photopush.User{}, map[photopush.SID][]photopush.Photo{}
	for i, u := range sambaUsers {
		w := u.want
		w.SID, w.Domain, w.UPN = sids[i], sambalab.Name, u.add.Name+"@"+sambalab.Name
		want[w.SID] = w
		if u.add.JPEGPhoto != nil {
			photos[w.SID] = append(photos[w.SID], photopush.Photo{Attribute: "jpegPhoto", Bytes: u.add.JPEGPhoto})
		}
		if u.add.Photo != nil {
			photos[w.SID] = append(photos[w.SID], photopush.Photo{Attribute: "thumbnailPhoto", Bytes: u.add.Photo})
		}
	}
	got, gotPhotos := map[photopush.SID]photopush.User{}, map[photopush.SID][]photopush.Photo{}
	must(t, dir.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, p []photopush.Photo) error {
		if len(u.GUID) != 36 {
			t.Errorf("%s has the GUID %q", u.AccountName, u.GUID)
		}
		u.GUID = ""
		got[u.SID] = u
		if p != nil {
			gotPhotos[u.SID] = p
		}
		return nil
	}))
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("users differ (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(photos, gotPhotos, cmp.Comparer(bytes.Equal)); diff != "" {
		t.Errorf("photos differ (-want +got):\n%.2000s", diff)
	}

	var found []photopush.Workstation
	must(t, dir.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
		if !w.PasswordSet.IsZero() {
			t.Errorf("%s has a password set at %s, want none", w.Name, w.PasswordSet)
		}
		found = append(found, w)
		return nil
	}))
	slices.SortFunc(found, func(a, b photopush.Workstation) int { return strings.Compare(a.Name, b.Name) })
	wantFound := []photopush.Workstation{
		{ID: guids[0], Domain: sambalab.Name, DN: "CN=WS1," + sambalab.WorkstationsOU, Name: "WS1", Host: "ws1.corp.example", OS: "Windows 11 Enterprise",
			OSVersion: "10.0 (22631)", Enabled: true, ManagedBy: "CN=left," + sambalab.StaffOU},
		{ID: guids[1], Domain: sambalab.Name, DN: "CN=WS2," + sambalab.WorkstationsOU, Name: "WS2"},
	}
	if diff := cmp.Diff(wantFound, found); diff != "" {
		t.Errorf("workstations differ (-want +got):\n%s", diff)
	}
}

// testSambaNames finds single users and workstations by every form of their names.
func testSambaNames(t *testing.T, d *sambalab.Domain, sids []photopush.SID) {
	dir := open(t, sambaConfig(d, d.LDAPS()), Options{})
	for name, want := range map[string]photopush.SID{
		"u1001": sids[0], "u1001@corp.example": sids[0], `CORP\U1001`: sids[0], string(sids[0]): sids[0], "jörg.müßig": sids[1], "JÖRG.MÜSSIG": "", "u1*": "",
	} {
		u, _, err := dir.User(t.Context(), name)
		if u.SID != want || (want == "") != errors.Is(err, photopush.ErrUnknownUser) {
			t.Errorf("%s is %s, %v, want %s", name, u.SID, err, want)
		}
	}
	_, _, err := dir.User(t.Context(), "away")
	want := "find user away: out_of_scope: no such user in scope: users.bases leaves out CN=away," + sambalab.ServiceOU
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	photos, err := dir.Photos(t.Context(), sids[0])
	if err != nil || len(photos) != 1 || !bytes.Equal(photos[0].Bytes, sambaPNG) {
		t.Errorf("photos %v, %v", photos, err)
	}
	for name, want := range map[string]string{"ws1": "WS1", "WS1$": "WS1", "Ws1.Corp.Example": "WS1", "ws9": ""} {
		w, err := dir.Workstation(t.Context(), name)
		if w.Name != want || (want == "") != errors.Is(err, photopush.ErrUnknownWorkstation) {
			t.Errorf("%s is %s, %v, want %s", name, w.Name, err, want)
		}
	}
	if _, err := dir.Workstation(t.Context(), "dc1.corp.example"); !errors.Is(err, photopush.ErrUnknownWorkstation) {
		t.Errorf("a domain controller is a workstation: %v", err)
	}
}

// testSambaScope narrows and widens what is in scope.
func testSambaScope(t *testing.T, d *sambalab.Domain) {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Users = UserScope{Bases: []string{"OU=Deep," + sambalab.StaffOU, sambalab.StaffOU}, Filter: "(|(department=Sales)(sAMAccountName=deep))"}
	cfg.Workstations = WorkstationScope{Bases: []string{sambalab.BaseDN}, Filter: "(operatingSystem=Windows*)", IncludeServers: true}
	dir := open(t, cfg, Options{})
	var names []string
	must(t, dir.Users(t.Context(), photopush.UserQuery{Photos: true}, func(u photopush.User, _ []photopush.Photo) error {
		names = append(names, u.AccountName)
		return nil
	}))
	must(t, dir.Workstations(t.Context(), nil, func(w photopush.Workstation) error {
		names = append(names, w.Name)
		return nil
	}))
	slices.Sort(names)
	if want := []string{"SRV1", "WS1", "deep", "u1001", "u1007"}; !slices.Equal(names, want) {
		t.Errorf("in scope are %v, want %v", names, want)
	}

	cfg.Users.Bases = []string{"OU=Missing," + sambalab.BaseDN}
	err := open(t, cfg, Options{}).Users(t.Context(), photopush.UserQuery{Photos: true}, func(photopush.User, []photopush.Photo) error { return nil })
	if photopush.ReasonOf(err) != photopush.Denied || !strings.Contains(err.Error(), "OU=Missing") {
		t.Errorf("a base that is not there: %v", err)
	}
}

func testSambaWrongCA(t *testing.T, d *sambalab.Domain) {
	for _, url := range []string{d.LDAPS(), d.LDAP()} {
		cfg := sambaConfig(d, url)
		cfg.CAFile = d.OtherCAFile
		_, _, err := open(t, cfg, Options{}).User(t.Context(), "u1001")
		if !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) != photopush.TLS || !strings.Contains(err.Error(), "ca_file") {
			t.Errorf("%s: %v, want a TLS fault that names ca_file", url, err)
		}
	}
}

// testSambaWrongPassword counts at the far end: a wrong password is sent once, however often something is asked.
func testSambaWrongPassword(t *testing.T, d *sambalab.Domain) {
	account := "CN=svc-read," + sambalab.ServiceOU
	d.Set(sambalab.BaseDN, "lockoutThreshold", "5") // without it, nothing is counted
	file := filepath.Join(t.TempDir(), "password")
	must(t, os.WriteFile(file, []byte("wrong\n"), 0o600))
	cfg := sambaConfig(d, d.LDAPS())
	cfg.PasswordFile = file
	dir := open(t, cfg, Options{})
	for range 3 {
		_, _, err := dir.User(t.Context(), "u1001")
		if photopush.ReasonOf(err) != photopush.Auth || errors.Is(err, photopush.ErrNoDirectory) || strings.Contains(err.Error(), "wrong\n") {
			t.Errorf("error %v, want reason auth", err)
		}
	}
	if got := d.Get(account, "badPwdCount"); !slices.Equal(got, []string{"1"}) {
		t.Errorf("the controller counts %v wrong passwords, want 1", got)
	}
	must(t, os.WriteFile(file, []byte(sambalab.ReadPassword+"\r\n"), 0o600))
	if _, _, err := dir.User(t.Context(), "u1001"); err != nil {
		t.Errorf("after the password was corrected: %v", err)
	}
}

// testSambaDead reads while the controller goes, hangs and comes back.
func testSambaDead(t *testing.T, d *sambalab.Domain) {
	cfg := sambaConfig(d, d.LDAPS())
	cfg.Controllers = append(cfg.Controllers, "ldap://"+d.IP) // another way to the same one
	cfg.Timeout = time.Second
	dir := open(t, cfg, Options{})
	read := func(ctx context.Context) error {
		_, _, err := dir.User(ctx, "u1001")
		return err
	}
	must(t, read(t.Context()))
	d.Restart()
	if err := read(t.Context()); err != nil {
		t.Errorf("after a restart, on a connection that is gone: %v", err)
	}
	d.Hang()
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	if err := read(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("a hung controller and a short deadline: %v", err)
	}
	cancel()
	if err := read(t.Context()); !errors.Is(err, photopush.ErrNoDirectory) {
		t.Errorf("a hung controller: %v, want ErrNoDirectory", err)
	}
	d.Resume()
	d.Kill()
	if err := read(t.Context()); !errors.Is(err, photopush.ErrNoDirectory) || photopush.ReasonOf(err) == photopush.Auth {
		t.Errorf("a dead controller: %v, want ErrNoDirectory", err)
	}
	d.Start()
	if err := read(t.Context()); err != nil {
		t.Errorf("the controller is back: %v", err)
	}
}
