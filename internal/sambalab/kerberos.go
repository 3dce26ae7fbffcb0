//go:build linux

package sambalab

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// Realm is the domain's realm of Kerberos.
const Realm = "CORP.EXAMPLE"

// KDC is where the controller's KDC answers, IP:port.
func (d *Domain) KDC() string { return net.JoinHostPort(d.IP, "88") }

// Keytab exports the keys of an account, as they are now, to a file.
func (d *Domain) Keytab(account string) string {
	d.t.Helper()
	file := filepath.Join(d.t.TempDir(), "keytab")
	cmd := exec.Command("samba-tool", "domain", "exportkeytab", file, "--principal="+account+"@"+Realm, "--configfile="+filepath.Join(d.dir, "smb.conf"))
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("export the keys of %s: %v: %s", account, err, out)
	}
	return file
}

// Cache signs an account in with MIT's kinit, and returns its credential cache.
func (d *Domain) Cache(account, password string) string {
	d.t.Helper()
	dir := d.t.TempDir()
	conf, file := filepath.Join(dir, "krb5.conf"), filepath.Join(dir, "ccache")
	text := fmt.Sprintf("[libdefaults]\ndefault_realm = %[1]s\ndns_lookup_kdc = false\nudp_preference_limit = 1\n[realms]\n%[1]s = {\nkdc = %[2]s\n}\n", Realm, d.KDC())
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		d.t.Fatal(err)
	}
	cmd := exec.Command("kinit", "-c", "FILE:"+file, account)
	cmd.Env, cmd.Stdin = append(os.Environ(), "KRB5_CONFIG="+conf), strings.NewReader(password+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		d.t.Fatalf("kinit: %v: %s", err, out)
	}
	return file
}
