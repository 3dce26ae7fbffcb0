//go:build linux

package main

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"image/png"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/badge"
	"github.com/photopush/photopush/internal/lab"
	"github.com/photopush/photopush/internal/sambalab"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/internal/summary"
)

// A sambaCompany is a real Active Directory with simulated workstations.
type sambaCompany struct {
	*lab.Company
	domain *sambalab.Domain
	ca     *simwin.CA
	dir    string
}

// Account and port of the workstations.
const (
	sambaWorkUser     = "svc-push"
	sambaWorkPassword = "lab-Push-1"
	sambaWorkPort     = "5986"
)

// southOU has what a distinguished name may have: a comma and an umlaut.
const southOU = `OU=Büro\, Süd,` + sambalab.WorkstationsOU

// sambaPeople are as odd as those of a directory.
func sambaPeople() (users []sambalab.User, people []*lab.Person) {
	for _, p := range []struct {
		user  sambalab.User
		photo lab.Photo
	}{
		{sambalab.User{Name: "u1001", Photo: badge.JPEG(1001, 240, 240, 85)}, lab.GoodPhoto},
		{sambalab.User{Name: "u1002", CN: "Lovelace, Ada", Photo: pngBadge(1002)}, lab.GoodPhoto},
		{sambalab.User{Name: "jörg.müßig", CN: "Jörg Müßig", Photo: badge.JPEG(1003, 96, 96, 80), JPEGPhoto: badge.JPEG(1003, 480, 640, 90)}, lab.GoodPhoto},
		{sambalab.User{Name: "u1004", Photo: badge.JPEG(1004, 96, 96, 85), Disabled: true}, lab.NoPhoto}, // nothing is wanted for him
		{sambalab.User{Name: "u1005", Photo: badge.JPEG(1005, 240, 240, 85)[:3000]}, lab.BrokenPhoto},
		{sambalab.User{Name: "u1006", Photo: padded(badge.JPEG(1006, 240, 240, 85), 102_400)}, lab.GoodPhoto}, // as large as thumbnailPhoto may be
		{sambalab.User{Name: "u1007", Photo: badge.JPEG(1007, 96, 96, 85)}, lab.GoodPhoto},
		{sambalab.User{Name: "u1008"}, lab.NoPhoto},
	} {
		users = append(users, p.user)
		people = append(people, &lab.Person{Account: p.user.Name, Number: uint32(1001 + len(people)), Photo: p.photo})
	}
	return users, people
}

func pngBadge(number uint32) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, badge.Draw(number, 160, 160)); err != nil {
		panic(err) // into memory: never
	}
	return b.Bytes()
}

// padded gives a JPEG exactly so many bytes: comments after its first marker hold nothing.
func padded(jpeg []byte, size int) []byte {
	const marker, most = 4, 60_000
	var comments []byte
	for missing := size - len(jpeg); missing > 0; missing = size - len(jpeg) - len(comments) {
		n := min(missing, most)
		if rest := missing - n; rest > 0 && rest < marker {
			n -= marker // the next comment needs room for itself
		}
		comments = append(comments, 0xff, 0xfe, byte((n-2)>>8), byte(n-2))
		comments = append(comments, make([]byte, n-marker)...)
	}
	return slices.Concat(jpeg[:2], comments, jpeg[2:])
}

// newSambaCompany has three workstations; the last one is off.
func newSambaCompany(t *testing.T) *sambaCompany {
	c := &sambaCompany{Company: &lab.Company{}, domain: sambalab.New(t), dir: t.TempDir()}
	t.Cleanup(c.Close)
	var users []sambalab.User
	users, c.People = sambaPeople()
	for i, sid := range c.domain.AddUsers(users...) {
		c.People[i].SID = sid
	}
	var err error
	if c.ca, err = simwin.NewCA(); err != nil {
		t.Fatal(err)
	}
	c.domain.AddOU(southOU)
	c.addWorkstation(t, sambalab.Computer{Name: "WS1", Host: "WS1.corp.example", OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)"}, "u1001", "u1002", "u1004")
	c.addWorkstation(t, sambalab.Computer{Name: "WS2", Host: "ws2.corp.example", OS: "Windows 10 Pro", OU: southOU}, "u1001", "jörg.müßig", "u1005", "u1006", "u1008")
	off := c.addWorkstation(t, sambalab.Computer{Name: "WS3", Host: "ws3.corp.example", OS: "Windows 11 Pro", OSVersion: "10.0 (26100)"}, "u1007")
	off.Oddity = lab.Off
	if err := off.Switch(false); err != nil {
		t.Fatal(err)
	}
	c.writeFile(t, "ca.pem", string(c.ca.PEM()))
	c.writeFile(t, "work-password", sambaWorkPassword+"\n")
	c.ConfigFile = c.writeConfig(t, "photopush.yaml", c.domain.LDAPS(), c.domain.PasswordFile, "page_size: 3")
	return c
}

func (c *sambaCompany) writeFile(t testing.TB, name, content string) string {
	t.Helper()
	path := filepath.Join(c.dir, name)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// writeConfig writes a configuration that reads the domain by a URL and with a password, and more lines for the domain; all of them have one
// database.
func (c *sambaCompany) writeConfig(t testing.TB, name, url, passwordFile string, more ...string) string {
	t.Helper()
	return c.writeFile(t, name, fmt.Sprintf(`database:
  path: photopush.db
domains:
  - name: %s
    controllers: ["%s"]
    ca_file: %s
    bind_user: %s
    password_file: %s
    dns_servers: ["%s"]
    users:
      bases: ["%s"]
    workstations:
      bases: ["%s"]
    winrm:
      transport: https
      auth: basic
      port: %s
      ca_file: ca.pem
      user: %s
      password_file: work-password
    %s
`, sambalab.Name, url, c.domain.CAFile, sambalab.ReadUser, passwordFile, c.domain.DNS(), sambalab.StaffOU, sambalab.WorkstationsOU, sambaWorkPort, sambaWorkUser, strings.Join(more, "\n    ")))
}

// addWorkstation adds a computer account, an A record and a simulated workstation behind it, which the people have signed in on.
func (c *sambaCompany) addWorkstation(t *testing.T, computer sambalab.Computer, accounts ...string) *lab.Workstation {
	t.Helper()
	w := &lab.Workstation{Host: strings.ToLower(computer.Host), ID: c.domain.AddComputers(computer)[0]}
	w.Machine = simwin.NewMachine(simwin.MachineOptions{MachineGUID: fmt.Sprintf("7d3a1c52-90be-4f0e-8a44-%012x", len(c.Workstations))})
	for _, account := range accounts {
		p := c.person(account)
		w.Users = append(w.Users, p)
		seen := time.Now().Add(-time.Hour)
		w.Machine.AddProfile(simwin.UserProfile{SID: p.SID, Name: p.Account, Load: seen.Add(-time.Hour), Unload: seen})
	}
	cert, err := c.ca.Issue(w.Host)
	if err != nil {
		t.Fatal(err)
	}
	ip := c.serve(t, w, simwin.Options{
		Host: w.Host, Certificate: cert, Engine: w.Machine, Users: map[string]string{sambaWorkUser: sambaWorkPassword},
	})
	c.domain.AddHost(w.Host, ip)
	c.Workstations = append(c.Workstations, w)
	return w
}

// serve starts a workstation on a loopback address that nobody uses.
func (c *sambaCompany) serve(t *testing.T, w *lab.Workstation, o simwin.Options) (ip string) {
	t.Helper()
	var err error
	for range 20 {
		ip = fmt.Sprintf("127.%d.%d.%d", 192+rand.IntN(60), rand.IntN(256), 1+rand.IntN(254))
		o.Addr = net.JoinHostPort(ip, sambaWorkPort)
		if w.Server, err = simwin.Start(t.Context(), o); err == nil {
			return ip
		}
	}
	t.Fatal(err)
	return ""
}

func (c *sambaCompany) person(account string) *lab.Person {
	return c.People[slices.IndexFunc(c.People, func(p *lab.Person) bool { return p.Account == account })]
}

// newPhoto replaces u1001's photo in the directory.
func (c *sambaCompany) newPhoto(number uint32) {
	c.domain.Set("CN=u1001,"+sambalab.StaffOU, "thumbnailPhoto", string(badge.JPEG(number, 448, 448, 85)))
	c.person("u1001").Number = number
}

// judge fails the test unless every workstation shows everybody's right picture, as it is stored.
func (c *sambaCompany) judge(t *testing.T) {
	t.Helper()
	if n := judge(t, c.Company); n != 5 {
		t.Errorf("%d pairs are in step, want 5", n)
	}
}

// says runs a command with the company's configuration; see saysWith.
func (c *sambaCompany) says(t *testing.T, code int, stdout, stderr string, args ...string) {
	t.Helper()
	saysWith(t, c.ConfigFile, code, stdout, stderr, args...)
}

// saysWith runs a command and compares its exit code, its standard output, sorted by lines, and its standard error. A * at the end of
// stderr stands for the rest of its only line.
func saysWith(t *testing.T, config string, code int, stdout, stderr string, args ...string) {
	t.Helper()
	r := built(t, config, args...)
	got := strings.Join(slices.Sorted(strings.Lines(r.stdout)), "")
	if r.code != code || got != stdout || !like(r.stderr, stderr) {
		t.Errorf("photopush %v ends with %d, prints %q and %q,\nwant %d, %q and %q", args, r.code, got, r.stderr, code, stdout, stderr)
	}
}

// like tells whether text is want, or begins with it and is one line where want ends with a *.
func like(text, want string) bool {
	begin, open := strings.CutSuffix(want, "*")
	if !open {
		return text == want
	}
	return strings.HasPrefix(text, begin) && strings.Count(text, "\n") == 1
}

// TestSamba runs the program against a real Active Directory domain controller.
func TestSamba(t *testing.T) {
	begin := time.Now()
	c := newSambaCompany(t)
	t.Logf("domain and workstations after %s", time.Since(begin).Round(time.Millisecond))
	for _, step := range []struct {
		name string
		run  func(*testing.T)
	}{
		{"sync", c.testSync},
		{"push", c.testPush},
		{"push that cannot be done", c.testRefusals},
		{"stale", c.testStale},
		{"StartTLS", c.testStartTLS},
		{"no controller listed", c.testByDNS},
		{"Kerberos", c.testKerberos},
		{"wrong password", c.testWrongPassword},
		{"dead domain controller", c.testDead},
	} {
		if !t.Run(step.name, step.run) {
			t.FailNow() // each begins where the one before ended
		}
	}
	summary.Line(t, "real Active Directory (Samba): sync, push and stale by the built program, over LDAPS and StartTLS, sealed by Kerberos, with a wrong password and a dead domain controller")
}

func (c *sambaCompany) testSync(t *testing.T) {
	c.says(t, 0, "2 workstations visited: 5 pictures pushed, 0 in step already.\n"+
		"Left alone: bad_photo 1, no_photo 1, out_of_scope 1.\n"+
		"Waiting until they are on: 1 workstation: ws3.corp.example.\n", "", "sync")
	c.judge(t)
	before := writes(c.Company)
	c.says(t, 0, "0 workstations visited: 0 pictures pushed, 0 in step already.\n", "", "sync")
	c.says(t, 0, "2 workstations visited: 0 pictures pushed, 5 in step already.\n"+
		"Left alone: bad_photo 1, no_photo 1, out_of_scope 1.\n"+
		"Waiting until they are on: 1 workstation: ws3.corp.example.\n", "", "sync", "--verify")
	if n := writes(c.Company) - before; n != 0 {
		t.Errorf("%d writes where all is well", n)
	}
}

func (c *sambaCompany) testPush(t *testing.T) {
	c.newPhoto(5001)
	c.says(t, 0, "u1001: ws1.corp.example: applied, shows at next sign-in\nu1001: ws2.corp.example: applied, shows at next sign-in\n", "", "push", "u1001")
	c.judge(t)
	c.says(t, 0, "jörg.müßig: ws2.corp.example: in step already\n", "", "push", "jörg.müßig")
	c.says(t, 0, `CORP\u1002: ws1.corp.example: in step already`+"\n", "", "push", `CORP\u1002`)
}

func (c *sambaCompany) testRefusals(t *testing.T) {
	c.says(t, 3, "", "photopush: push nobody: find user nobody: out_of_scope: no such user\n", "push", "nobody")
	c.says(t, 3, "", "photopush: push u1001: find workstation ws9: out_of_scope: no such workstation\n", "push", "u1001", "-w", "ws9")
	c.says(t, 4, "", "photopush: push u1007: no inventory shows a profile of the user: name one with --workstation, or run `photopush sync` first\n", "push", "u1007")
	c.says(t, 4, "", "photopush: push u1007: ws3.corp.example: offline: connect to ws3.corp.example:5986: *", "push", "u1007", "-w", "ws3")
	c.says(t, 4, "", "photopush: push u1004: ws1.corp.example: out_of_scope: leave picture on ws1.corp.example: the user's account is disabled\n", "push", "u1004")
	c.says(t, 4, "", "photopush: push u1005: ws2.corp.example: bad_photo: *", "push", "u1005")
	c.says(t, 4, "", "photopush: push u1008: ws2.corp.example: no_photo: *", "push", "u1008")
	c.judge(t)
}

func (c *sambaCompany) testStale(t *testing.T) {
	rows, err := csv.NewReader(strings.NewReader(mustBuilt(t, c.ConfigFile, "stale", "--format", "csv").stdout)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var got [][]string
	for _, row := range rows[1:] {
		got = append(got, []string{row[0], row[1], row[2], row[3], row[6], row[8]})
	}
	south := `OU=Büro\, Süd,` + sambalab.WorkstationsOU
	want := [][]string{
		{"ws2.corp.example", "Windows 10 Pro", south, "u1005", "bad photo", "bad_photo"},
		{"ws2.corp.example", "Windows 10 Pro", south, "u1008", "no photo", "no_photo"},
		{"ws3.corp.example", "Windows 11 Pro 10.0 (26100)", sambalab.WorkstationsOU, "u1007", "offline", "offline"},
	}
	if !slices.EqualFunc(got, want, slices.Equal) {
		t.Errorf("stale --format csv has %q,\nwant %q", got, want)
	}
	var report struct {
		Rows []struct {
			Workstation string           `json:"workstation"`
			User        string           `json:"user"`
			Reason      photopush.Reason `json:"reason"`
			NextTry     *time.Time       `json:"next_try"`
		} `json:"rows"`
	}
	if err := json.Unmarshal([]byte(mustBuilt(t, c.ConfigFile, "stale", "--format", "json").stdout), &report); err != nil {
		t.Fatal(err)
	}
	last := report.Rows[len(report.Rows)-1]
	if len(report.Rows) != len(want) || last.Workstation != "ws3.corp.example" || last.User != "u1007" || last.Reason != photopush.Offline || last.NextTry == nil {
		t.Errorf("stale --format json has %+v", report.Rows)
	}
	text := mustBuilt(t, c.ConfigFile, "stale").stdout
	if !slices.ContainsFunc(strings.Split(text, "\n"), func(line string) bool {
		return strings.HasPrefix(line, "ws3.corp.example") && strings.Contains(line, "offline")
	}) {
		t.Errorf("stale does not tell that ws3 is off:\n%s", text)
	}
}

// testStartTLS reads the domain over ldap://.
func (c *sambaCompany) testStartTLS(t *testing.T) {
	tls := c.writeConfig(t, "starttls.yaml", c.domain.LDAP(), c.domain.PasswordFile)
	c.newPhoto(6001)
	if r := mustBuilt(t, tls, "sync"); !strings.HasPrefix(r.stdout, "2 workstations visited: 2 pictures pushed, 3 in step already.\n") {
		t.Errorf("sync prints %q", r.stdout)
	}
	c.judge(t)
	c.newPhoto(6002)
	if r := mustBuilt(t, tls, "push", "u1001"); strings.Count(r.stdout, "applied") != 2 {
		t.Errorf("push prints %q", r.stdout)
	}
	c.judge(t)
}

// unlisted writes a configuration that names no controller, and more lines for the domain.
func (c *sambaCompany) unlisted(t *testing.T, name string, more ...string) string {
	t.Helper()
	listed := c.writeConfig(t, name, c.domain.LDAPS(), c.domain.PasswordFile, more...)
	b, err := os.ReadFile(listed)
	if err != nil {
		t.Fatal(err)
	}
	return c.writeFile(t, name, strings.Replace(string(b), fmt.Sprintf("    controllers: [%q]\n", c.domain.LDAPS()), "", 1))
}

// testByDNS finds the controller by its SRV records, and says which one it is.
func (c *sambaCompany) testByDNS(t *testing.T) {
	c.domain.AddSite("Berlin", "127.0.0.0/8")
	c.newPhoto(6003)
	for name, want := range map[string]string{"site: " + sambalab.DefaultSite: "site=" + sambalab.DefaultSite, "encryption: starttls": "site=Berlin", "page_size: 3": "site=Berlin"} {
		scheme := map[bool]string{true: "ldap", false: "ldaps"}[strings.Contains(name, "starttls")]
		r := built(t, c.unlisted(t, "unlisted.yaml", name), "--log-level", "info", "push", "u1001")
		used := fmt.Sprintf("msg=\"domain controller in use\" domain=corp.example controller=%s://dc1.corp.example\n", scheme)
		if r.code != 0 || strings.Count(r.stdout, "u1001: ") != 2 || !strings.Contains(r.stderr, want) || strings.Count(r.stderr, used) != 1 {
			t.Errorf("%s: push ends with %d, prints %q and %q, want %s and %s in it", name, r.code, r.stdout, r.stderr, want, used)
		}
	}
	c.judge(t)
}

// sealed writes a configuration that names neither controller nor KDC, and signs in with Kerberos and that secret.
func (c *sambaCompany) sealed(t *testing.T, name, secret string) string {
	t.Helper()
	b, err := os.ReadFile(c.unlisted(t, name))
	if err != nil {
		t.Fatal(err)
	}
	simple := fmt.Sprintf("    bind_user: %s\n    password_file: %s\n", sambalab.ReadUser, c.domain.PasswordFile)
	kerberos := fmt.Sprintf("    auth: kerberos\n    encryption: sealed\n    bind_user: %s\n    %s\n", sambalab.KerberosUser, secret)
	text := strings.Replace(string(b), simple, kerberos, 1)
	if text == string(b) {
		t.Fatalf("no account in\n%s", text)
	}
	return c.writeFile(t, name, text)
}

// testKerberos reads the domain over port 389, sealed, with a keytab; then with a wrong password, which is counted where it arrives.
func (c *sambaCompany) testKerberos(t *testing.T) {
	keytab := c.sealed(t, "keytab.yaml", "keytab_file: "+c.domain.Keytab(sambalab.KerberosUser))
	mustBuilt(t, keytab, "config", "check")
	c.newPhoto(6004)
	r := built(t, keytab, "--log-level", "info", "push", "u1001")
	if r.code != 0 || strings.Count(r.stdout, "applied") != 2 || !strings.Contains(r.stderr, "controller=ldap://dc1.corp.example") {
		t.Errorf("push ends with %d, prints %q and %q", r.code, r.stdout, r.stderr)
	}
	c.judge(t)

	c.domain.Set(sambalab.BaseDN, "lockoutThreshold", "5") // without one, the controller counts nothing
	wrong := c.sealed(t, "wrong-krb.yaml", "password_file: "+c.writeFile(t, "wrong-krb-password", "hunter2\n"))
	for _, stderr := range []string{
		"photopush: domain corp.example: get a ticket as svc-krb@CORP.EXAMPLE for krbtgt/CORP.EXAMPLE: auth: *",
		"photopush: domain corp.example: use account svc-krb: auth: *",
	} {
		saysWith(t, wrong, exitCredential, "", stderr, "sync")
		if got := c.domain.Get("CN="+sambalab.KerberosUser+","+sambalab.ServiceOU, "badPwdCount"); !slices.Equal(got, []string{"1"}) {
			t.Errorf("the controller counts %v wrong passwords, want 1", got)
		}
	}
	c.writeFile(t, "wrong-krb-password", sambalab.KerberosPassword+"\n")
	mustBuilt(t, wrong, "push", "u1001")
}

// testWrongPassword counts attempts where they arrive.
func (c *sambaCompany) testWrongPassword(t *testing.T) {
	c.domain.Set(sambalab.BaseDN, "lockoutThreshold", "5") // without one, the controller counts nothing
	password := c.writeFile(t, "wrong-password", "hunter2\n")
	wrong := c.writeConfig(t, "wrong.yaml", c.domain.LDAPS(), password)
	for _, try := range []struct {
		stderr string
		args   []string
	}{
		{"photopush: domain corp.example: bind at ldaps://dc1.corp.example as svc-read@corp.example: auth: wrong user name or password: *", []string{"sync"}},
		{"photopush: domain corp.example: use account svc-read@corp.example: auth: *", []string{"sync"}},
		{"photopush: push u1001: use account svc-read@corp.example: auth: *", []string{"push", "u1001"}},
	} {
		saysWith(t, wrong, exitCredential, "", try.stderr, try.args...)
		if got := c.domain.Get("CN=svc-read,"+sambalab.ServiceOU, "badPwdCount"); !slices.Equal(got, []string{"1"}) {
			t.Errorf("after photopush %v the controller counts %v wrong passwords, want 1", try.args, got)
		}
	}
	c.writeFile(t, "wrong-password", sambalab.ReadPassword+"\n")
	mustBuilt(t, wrong, "push", "u1001")
}

// testDead: without a domain controller that answers nothing is pushed, and what is known can still be told. Its DNS server is gone with
// it; the second configuration names it by its address.
func (c *sambaCompany) testDead(t *testing.T) {
	url := "ldaps://" + c.domain.IP
	byAddress := c.writeConfig(t, "address.yaml", url, c.domain.PasswordFile, "timeout: 2s")
	c.domain.Hang()
	saysWith(t, byAddress, exitDirectory, "", "photopush: domain corp.example: read directory corp.example: *", "sync")
	c.domain.Resume()
	c.domain.Kill()
	saysWith(t, byAddress, exitDirectory, "", "photopush: domain corp.example: read directory corp.example: *", "sync")
	c.says(t, exitDirectory, "", "photopush: domain corp.example: read directory corp.example: dns: no domain controller answers: ldaps://dc1.corp.example: *", "sync")
	c.says(t, exitDirectory, "", "photopush: push u1001: read directory corp.example: dns: no domain controller answers: ldaps://dc1.corp.example: *", "push", "u1001")
	saysWith(t, c.unlisted(t, "unlisted.yaml"), exitDirectory, "", "photopush: domain corp.example: read directory corp.example: dns: no domain controller answers: DNS names none: "+
		"lookup _ldap._tcp.dc._msdcs.corp.example on "+c.domain.DNS()+": *", "sync")
	if r := mustBuilt(t, c.ConfigFile, "stale"); !strings.Contains(r.stdout, "ws3.corp.example") {
		t.Errorf("stale prints %q", r.stdout)
	}
	c.domain.Start()
	off := c.Workstations[2]
	if err := off.Switch(true); err != nil {
		t.Fatal(err)
	}
	off.Oddity = lab.Ordinary
	c.says(t, 0, "u1007: ws3.corp.example: applied, shows at next sign-in\n", "", "push", "u1007", "-w", "ws3")
	if n := judge(t, c.Company); n != 6 {
		t.Errorf("%d pairs are in step, want 6", n)
	}
}
