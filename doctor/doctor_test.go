package doctor_test

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/doctor"
	"github.com/photopush/photopush/internal/simwin"
	"github.com/photopush/photopush/winrm"
)

const host = "ws1.corp.example"

var (
	workstation = photopush.Workstation{Name: "WS1", Host: host}
	order       = []string{doctor.Name, doctor.TCP, doctor.TLS, doctor.Authentication, doctor.Shell, doctor.Language, doctor.System, doctor.Policy, doctor.Rights, doctor.Path}
)

const (
	usersKey = `HKLM\` + accountpicture.UsersKey
	user     = "S-1-5-21-1-2-3-1001"
	other    = "S-1-5-21-1-2-3-1002"

	insiders = "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)"
	readOnly = "O:SYD:P(A;;KRWD;;;BA)(A;;KA;;;SY)" // of a key, for administrators
)

// A bench is a simulated workstation and a Checker that looks at it.
type bench struct {
	machine *simwin.Machine
	server  *simwin.Server
	checker *doctor.Checker
}

func newBench(t *testing.T, machine simwin.MachineOptions, change func(*simwin.Options)) *bench {
	t.Helper()
	ca, err := simwin.NewCA()
	if err != nil {
		t.Fatal(err)
	}
	cert, err := ca.Issue(host)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	cfg := winrm.DefaultConfig()
	cfg.Transport, cfg.Auth, cfg.User = "https", "basic", "svc-push"
	cfg.CAFile, cfg.PasswordFile = filepath.Join(dir, "ca.pem"), filepath.Join(dir, "password")
	for file, content := range map[string]string{cfg.CAFile: string(ca.PEM()), cfg.PasswordFile: "secret\n"} {
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	b := &bench{machine: simwin.NewMachine(machine)}
	o := simwin.Options{Host: host, Addr: "127.0.0.1:0", Certificate: cert, Users: map[string]string{"svc-push": "secret"}, Engine: b.machine}
	if change != nil {
		change(&o)
	}
	if b.server, err = simwin.Start(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.server.Close)
	client, err := winrm.New(cfg, winrm.Options{Dial: b.dial})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	})
	b.checker = checkerOf(client)
	return b
}

func (b *bench) dial(ctx context.Context, network, _ string) (net.Conn, error) {
	return new(net.Dialer).DialContext(ctx, network, b.server.Addr())
}

func checkerOf(client *winrm.Client) *doctor.Checker {
	return &doctor.Checker{
		LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1", "192.0.2.2"}, nil },
		Open: func(ctx context.Context, w photopush.Workstation) (doctor.Session, error) {
			s, err := client.Open(ctx, w)
			if err != nil {
				return nil, err
			}
			return s, nil
		},
		Now: time.Now,
	}
}

// unchanged fails the test when something was written on the workstation, or a shell left there.
func (b *bench) unchanged(t *testing.T, before simwin.Snapshot) {
	t.Helper()
	if diff := before.Diff(b.machine.Snapshot()); diff != nil || b.machine.Counters().Writes() != 0 {
		t.Errorf("%d writes, changed %q", b.machine.Counters().Writes(), diff)
	}
	for _, v := range b.server.Stats().Visits {
		if v.Ended.IsZero() {
			t.Error("a shell was left behind")
		}
	}
}

// states are the states of the steps up to the last that was tried.
func states(t *testing.T, steps []doctor.Step) (list []string) {
	t.Helper()
	if len(steps) != len(order) {
		t.Fatalf("%d steps, want %d", len(steps), len(order))
	}
	tried := 0
	for i, s := range steps {
		if s.Name != order[i] {
			t.Errorf("step %d is %s, want %s", i, s.Name, order[i])
		}
		list = append(list, s.State)
		if s.State != doctor.NotTried {
			tried = i + 1
		}
	}
	return list[:tried]
}

// failing checks a workstation that fails at a step: all steps before it are well, and none after it is tried.
func failing(t *testing.T, c *doctor.Checker, w photopush.Workstation, at string, reason photopush.Reason) doctor.Step {
	t.Helper()
	steps, err := walk(t, c, w)
	i := slices.Index(order, at)
	want := append(slices.Repeat([]string{doctor.OK}, i), doctor.Failed)
	if got := states(t, steps); !slices.Equal(got, want) {
		t.Fatalf("the steps are %q, want %q: %+v", got, want, steps)
	}
	s := steps[i]
	if s.Reason != reason || photopush.ReasonOf(err) != reason || !sentences(s.Remedy) {
		t.Errorf("%v: %+v, want %s", err, s, reason)
	}
	return s
}

// walk checks a workstation, and holds what was told on the way to what is told at the end.
func walk(t *testing.T, c *doctor.Checker, w photopush.Workstation) ([]doctor.Step, error) {
	t.Helper()
	var told []doctor.Step
	steps, err := c.Check(t.Context(), w, func(s doctor.Step) { told = append(told, s) })
	if !slices.Equal(told, steps) {
		t.Errorf("told on the way: %+v, at the end: %+v", told, steps)
	}
	return steps, err
}

// sentences tells whether a remedy reads as sentences, of which none promises what a check does not do.
func sentences(remedy string) bool {
	return remedy != "" && remedy[:1] == strings.ToUpper(remedy[:1]) && strings.HasSuffix(remedy, ".") && !strings.HasSuffix(remedy, "..") &&
		!strings.Contains(remedy, "tried again") && !strings.Contains(remedy, "next contact") && !strings.Contains(remedy, "Nothing to do")
}

func TestCheck(t *testing.T) {
	const may, safe = `keys may be made in AccountPicture\Users`, `safe down to C:\Program Files; our folder of pictures is not there yet`
	for name, test := range map[string]struct {
		prepare      func(*testing.T, *simwin.Machine)
		rights, path string
	}{
		"never pushed to": {func(*testing.T, *simwin.Machine) {}, may, safe},
		"pushed to": {func(t *testing.T, m *simwin.Machine) {
			must(t, m.MakeFolder(`C:\Program Files\photopush\AccountPictures`, "O:BA"+insiders))
			must(t, m.SecurePath(`C:\Program Files\photopush`, "O:BA"+insiders))
		}, may, `safe down to C:\Program Files\photopush\AccountPictures; a push looks at the folder of each user in it`},
		"no key yet": {func(_ *testing.T, m *simwin.Machine) { m.DeleteKey(usersKey) },
			`AccountPicture\Users is not there yet, and may be made`, safe},
		"a user's key refuses": {func(t *testing.T, m *simwin.Machine) {
			must(t, m.SecureKey(usersKey+`\`+user, readOnly))
			m.CreateKey(usersKey + `\` + other)
		}, may + "; 1 of 2 user keys refuses to be written, so that a push for these users is denied: " + user, safe},
		"many users' keys refuse": {func(t *testing.T, m *simwin.Machine) {
			for _, n := range "1234" {
				must(t, m.SecureKey(usersKey+`\S-1-5-21-1-2-3-`+string(n), readOnly))
			}
		}, may + "; 4 of 4 user keys refuse to be written, so that a push for these users is denied: S-1-5-21-1-2-3-1, S-1-5-21-1-2-3-2, S-1-5-21-1-2-3-3, …",
			safe},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, simwin.MachineOptions{}, nil)
			test.prepare(t, b.machine)
			before := b.machine.Snapshot()
			steps, err := walk(t, b.checker, workstation)
			if err != nil {
				t.Fatal(err)
			}
			if got := states(t, steps); !slices.Equal(got, slices.Repeat([]string{doctor.OK}, len(order))) {
				t.Errorf("the steps are %q", got)
			}
			for i, want := range []string{"192.0.2.1, 192.0.2.2", b.server.Addr(), "TLS 1.3, certificate of CN=" + host, "basic as svc-push", "", "full language mode",
				"build 22631.4317 (Enterprise 23H2), PowerShell 5.1.22621.2506, .NET release 533320", "UseDefaultTile is not set", test.rights, test.path} {
				if got := steps[i].Detail; got != want && (order[i] != doctor.TLS || !strings.HasPrefix(got, want)) {
					t.Errorf("%s says %q, want %q", order[i], got, want)
				}
			}
			b.unchanged(t, before)
			if n := b.server.Stats().Connections; n != 1 {
				t.Errorf("%d connections, want one", n)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestConnectionFails: what fails before the script runs.
func TestConnectionFails(t *testing.T) {
	for name, test := range map[string]struct {
		fault  simwin.Fault
		change func(*simwin.Options)
		at     string
		reason photopush.Reason
		remedy string // in place of the sentence
	}{
		"off": {simwin.Fault{Mode: simwin.Off}, nil, doctor.TCP, photopush.Offline, "The connection was refused: if the machine is on, start the WinRM service there, " +
			"give it a listener on that port, and let the firewall accept this server."},
		"another's certificate": {simwin.Fault{Mode: simwin.WrongCertificate}, nil, doctor.TLS, photopush.TLS, ""},
		"wrong password":        {simwin.Fault{}, func(o *simwin.Options) { o.Users["svc-push"] = "another" }, doctor.Authentication, photopush.Auth, ""},
		"basic not offered": {simwin.Fault{}, func(o *simwin.Options) { o.Offers = []string{"Negotiate"} }, doctor.Authentication, photopush.Unsupported,
			"Allow Basic there (winrm/config/service/auth), or choose another auth."},
		"no administrator": {simwin.Fault{Mode: simwin.AnswerFault, Code: 5}, nil, doctor.Shell, photopush.Denied,
			"The account must be an administrator there (WinRM RootSDDL, UAC remote filter)."},
		"no remote shells": {simwin.Fault{Mode: simwin.AnswerFault, Code: 2150859180}, nil, doctor.Shell, photopush.RemoteShellDisabled, ""},
		"lost in the script": {simwin.Fault{Mode: simwin.LoseAfter, Action: "Receive"}, nil, doctor.Language, photopush.Unknown,
			"The connection was lost, or time ran out, while the script ran, which changes nothing: check again."},
		"no service under /wsman": {simwin.Fault{Mode: simwin.Refuse, Status: 404}, nil, doctor.Authentication, photopush.Unsupported,
			"See whether that port is WinRM's, and whether it has a listener there (winrm enumerate winrm/config/listener)."},
		"not WinRM": {simwin.Fault{Mode: simwin.Refuse, Status: 403}, nil, doctor.Authentication, photopush.Unsupported,
			"Find out what listens on that port, or stands in between: it does not answer as WinRM."},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, simwin.MachineOptions{}, test.change)
			if test.fault.Mode != 0 {
				must(t, b.server.SetFault(test.fault))
			}
			s := failing(t, b.checker, workstation, test.at, test.reason)
			if want := cmp.Or(test.remedy, test.reason.Sentence()); s.Remedy != want {
				t.Errorf("what to do is %q, want %q", s.Remedy, want)
			}
			if test.remedy != "" && strings.Contains(s.Detail, strings.Trim(test.remedy[1:], ".")) {
				t.Errorf("the detail says what to do as well: %q", s.Detail)
			}
		})
	}
}

// TestMachineFails: what the script finds.
func TestMachineFails(t *testing.T) {
	for name, test := range map[string]struct {
		options simwin.MachineOptions
		prepare func(*testing.T, *simwin.Machine)
		at      string
		reason  photopush.Reason
		detail  string
	}{
		"constrained language": {simwin.MachineOptions{Constrained: true}, nil, doctor.Language, photopush.ConstrainedLanguage, `constrained language mode`},
		"old Windows":          {simwin.MachineOptions{Build: 10240}, nil, doctor.System, photopush.Unsupported, `its build is 10240`},
		"another run": {simwin.MachineOptions{}, func(t *testing.T, m *simwin.Machine) {
			m.WriteFile(`C:\Program Files\photopush\State\lock`, []byte("x"))
			if m.Hold(`C:\Program Files\photopush\State\lock`, true) == nil {
				t.Fatal("the lock cannot be held")
			}
		}, doctor.System, photopush.Conflict, `another run holds the lock`},
		"default pictures":                  {simwin.MachineOptions{UseDefaultTile: true}, nil, doctor.Policy, photopush.BlockedPolicy, `UseDefaultTile is set`},
		"old Windows with default pictures": {simwin.MachineOptions{Build: 10240, UseDefaultTile: true}, nil, doctor.System, photopush.Unsupported, `its build is 10240`},
		"key refused": {simwin.MachineOptions{}, func(t *testing.T, m *simwin.Machine) { must(t, m.SecureKey(usersKey, readOnly)) },
			doctor.Rights, photopush.Denied, `check: open-key, HRESULT 0x8013150A`},
		"Program Files open to users": {simwin.MachineOptions{}, func(t *testing.T, m *simwin.Machine) {
			must(t, m.SecurePath(`C:\Program Files`, "O:BA"+insiders+"(A;;0x1301bf;;;BU)"))
		}, doctor.Path, photopush.UnsafePath, `check: guard: C:\\Program Files can be changed by S-1-5-32-545`},
		"our folder is a link": {simwin.MachineOptions{}, func(_ *testing.T, m *simwin.Machine) {
			m.WriteFile(`C:\Program Files\photopush\x`, nil)
			m.SetAttributes(`C:\Program Files\photopush`, simwin.AttrDirectory|simwin.AttrReparsePoint)
		}, doctor.Path, photopush.UnsafePath, `photopush is a link`},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, test.options, nil)
			if test.prepare != nil {
				test.prepare(t, b.machine)
			}
			before := b.machine.Snapshot()
			s := failing(t, b.checker, workstation, test.at, test.reason)
			if !regexp.MustCompile(test.detail).MatchString(s.Detail) {
				t.Errorf("%s says %q, want %q", s.Name, s.Detail, test.detail)
			}
			b.unchanged(t, before)
		})
	}
}

// says is a program that answers every run with the next text.
type says []string

func (s *says) Run(_ context.Context, _ string, stdin io.Reader, stdout, _ io.Writer) (uint32, error) {
	if _, err := io.Copy(io.Discard, stdin); err != nil {
		return 1, err
	}
	text := (*s)[0]
	if len(*s) > 1 {
		*s = (*s)[1:]
	}
	_, err := io.WriteString(stdout, text)
	return 1, err
}

// TestOddAnswers: a workstation that answers something else than the script would is told from one that is well.
func TestOddAnswers(t *testing.T) {
	inventory := func() string {
		var out strings.Builder
		if _, err := simwin.NewMachine(simwin.MachineOptions{}).Run(t.Context(), accountpicture.CommandLine, strings.NewReader(accountpicture.ReadScript.Text+"inventory\n"), &out, io.Discard); err != nil {
			t.Fatal(err)
		}
		return out.String()
	}
	for name, test := range map[string]struct {
		says says
		at   string
	}{
		"nothing":           {says{""}, doctor.Language},
		"no line":           {says{"#photopush-answer\n#end-of-answer\n"}, doctor.Language},
		"another verb":      {says{"#photopush-answer\n" + `{"verb":"check","ok":true,"key":true,"users":0,"refused":[],"folder":true}` + "\n#end-of-answer\n"}, doctor.System},
		"no check":          {says{inventory(), ""}, doctor.Rights},
		"inventory for all": {says{inventory()}, doctor.Rights},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, simwin.MachineOptions{}, func(o *simwin.Options) { o.Engine = &test.says })
			failing(t, b.checker, workstation, test.at, photopush.Script)
		})
	}
}

func TestNameFails(t *testing.T) {
	b := newBench(t, simwin.MachineOptions{}, nil)
	failing(t, b.checker, photopush.Workstation{Name: "WS1"}, doctor.Name, photopush.DNS)
	b.checker.LookupHost = func(context.Context, string) ([]string, error) {
		return nil, &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	failing(t, b.checker, workstation, doctor.Name, photopush.DNS)
	if n := b.server.Stats().Connections; n != 0 {
		t.Errorf("%d connections to a host without a name", n)
	}
}

// TestRefusedBeforeDialling: a credential that is not used any more fails as authentication, although nobody was dialled.
func TestRefusedBeforeDialling(t *testing.T) {
	stopped := &photopush.Error{Reason: photopush.Auth, Op: "sign in as", On: "svc-push", Err: errors.New("it was rejected")}
	c := &doctor.Checker{
		LookupHost: func(context.Context, string) ([]string, error) { return []string{"192.0.2.1"}, nil },
		Open:       func(context.Context, photopush.Workstation) (doctor.Session, error) { return nil, stopped },
		Now:        time.Now,
	}
	steps, err := walk(t, c, workstation)
	if got, want := states(t, steps), []string{doctor.OK, doctor.NotTried, doctor.NotTried, doctor.Failed}; !slices.Equal(got, want) || err != stopped || steps[3].Reason != photopush.Auth {
		t.Errorf("%v, the steps are %q, want %q", err, got, want)
	}
}
