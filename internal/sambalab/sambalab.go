//go:build linux

package sambalab

import (
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// What is the same in every lab.
const (
	Name   = "corp.example"
	BaseDN = "DC=corp,DC=example"
	Host   = "dc1.corp.example"

	StaffOU        = "OU=Staff," + BaseDN
	WorkstationsOU = "OU=Workstations," + BaseDN
	ServiceOU      = "OU=Service," + BaseDN

	// ReadUser is a plain domain user, who can read everything that photopush needs.
	ReadUser     = "svc-read@" + Name
	ReadPassword = "lab-Read-1"

	// KerberosUser is another one, for tickets.
	KerberosUser     = "svc-krb"
	KerberosPassword = "lab-Krb-1"

	adminUser     = "administrator@" + Name
	adminPassword = "lab-Admin-1"
)

// A Domain is one domain with one controller. Its methods may be used by one goroutine at a time.
type Domain struct {
	IP           string // loopback address of the controller
	CAFile       string // PEM of the authority that signed the controller's certificate
	OtherCAFile  string // PEM of an authority that signed nothing
	PasswordFile string // holds ReadPassword

	t      testing.TB
	o      Options
	host   string // of the controller
	dir    string
	proc   *process // nil while it is stopped
	signer signer
}

// Options say what is not as usual; the zero value is the usual lab.
type Options struct {
	Seed       Seed   // accounts that are there from the start; the first such domain on a machine takes a minute more
	StrongAuth string // Samba's "ldap server require strong auth"; empty for allow_sasl_over_tls. With yes, Kerberos seals or is refused
}

const saslOverTLS = "allow_sasl_over_tls"

// New starts a domain with the organizational units Staff, Workstations and Service and the accounts ReadUser and KerberosUser; it answers when New
// returns. The first one on a machine takes some seconds more.
func New(t testing.TB) *Domain {
	t.Helper()
	return NewWith(t, Options{})
}

// NewWith is New with options.
func NewWith(t testing.TB, o Options) *Domain {
	t.Helper()
	if why := unable(); why != "" {
		if os.Getenv("CI") == "true" {
			t.Fatal(why)
		}
		t.Skip(why)
	}
	if o.StrongAuth == "" {
		o.StrongAuth = saslOverTLS
	}
	d := &Domain{t: t, o: o, host: Host, dir: newFolder(t), IP: freeIP(t)}
	populate, tarball := d.populate, baseTarball
	if o.Seed != (Seed{}) {
		populate, tarball = func() error { return d.with(d.readdress) }, func() (string, error) { return seededTarball(t, o.Seed) }
	}
	file, err := tarball()
	if err == nil {
		err = d.prepare(file)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(d.Kill)
	d.Start()
	if err := populate(); err != nil {
		t.Fatal(err)
	}
	return d
}

// newFolder makes a folder with a short name, whatever the test is called: Samba has Unix sockets there, whose paths end at 108 bytes.
func newFolder(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "sambalab")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// unable says why no domain controller can be started here; empty when one can.
func unable() string {
	const install = "scripts/test-deps installs what is needed"
	if os.Geteuid() != 0 {
		return "no real Active Directory: ports 53, 88 and 389 need root"
	}
	for _, program := range []string{"samba", "samba-tool", "samba_spnupdate", "kinit", "ldbmodify", "tar"} {
		if _, err := exec.LookPath(program); err != nil {
			return fmt.Sprintf("no real Active Directory: %v; %s", err, install)
		}
	}
	return ""
}

// freeIP chooses a loopback address that nobody listens on; LDAP's ports cannot be changed in Samba, so each lab has its own.
func freeIP(t testing.TB) string {
	t.Helper()
	for range 100 {
		ip := fmt.Sprintf("127.%d.%d.%d", 64+rand.IntN(64), rand.IntN(256), 1+rand.IntN(254))
		if allFree(ip) {
			return ip
		}
	}
	t.Fatal("no loopback address has its LDAP and DNS ports free: does something listen on 0.0.0.0:389, :636, :88 or :53?")
	return ""
}

func allFree(ip string) bool {
	for _, port := range []string{"53", "88", "389", "636"} {
		l, err := net.Listen("tcp", net.JoinHostPort(ip, port))
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}

// prepare lays out the domain's folder from one that was made once.
func (d *Domain) prepare(tarball string) error {
	if out, err := exec.Command("tar", "-xf", tarball, "-C", d.dir).CombinedOutput(); err != nil {
		return fmt.Errorf("unpack %s (remove it if it is broken): %w: %s", tarball, err, out)
	}
	if err := writeConfig(d.dir, d.IP, d.o.StrongAuth); err != nil {
		return err
	}
	d.PasswordFile = filepath.Join(d.dir, "svc-read.password")
	if err := os.WriteFile(d.PasswordFile, []byte(ReadPassword+"\n"), 0o600); err != nil {
		return err
	}
	return d.makeCertificates()
}

// LDAPS is the controller's URL for LDAP over TLS; its name resolves with the domain's own DNS server.
func (d *Domain) LDAPS() string { return "ldaps://" + d.host }

// LDAP is the controller's URL for LDAP with StartTLS.
func (d *Domain) LDAP() string { return "ldap://" + d.host }

// DNS is the address of the domain's DNS server, IP:port.
func (d *Domain) DNS() string { return net.JoinHostPort(d.IP, "53") }

// log is the end of the controller's log, for a test that fails.
func (d *Domain) log() string {
	b, err := os.ReadFile(filepath.Join(d.dir, "log.samba"))
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(b)), "\n")
	return strings.Join(lines[max(0, len(lines)-20):], "\n")
}

// await asks until it is true, at most for a minute.
func (d *Domain) await(what string, condition func() bool) {
	d.t.Helper()
	deadline := time.NewTimer(time.Minute)
	defer deadline.Stop()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for !condition() {
		select {
		case <-deadline.C:
			d.t.Fatalf("not within a minute: %s; end of its log:\n%s", what, d.log())
		case <-tick.C:
		}
	}
}
