//go:build linux

package sambalab

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"text/template"
)

// smbConf keeps everything in the lab's folder, binds its address alone, and starts what a client of the domain needs: no file shares (the
// two that are named must be there for samba-tool), no RPC, no replication.
const smbConf = `[global]
	netbios name = DC1
	workgroup = CORP
	realm = CORP.EXAMPLE
	server role = active directory domain controller
	server services = ldap, cldap, kdc, dns
	interfaces = {{.IP}}/8
	bind interfaces only = yes
	dns forwarder =
	ldap server require strong auth = {{.StrongAuth}}
	tls enabled = yes
	tls keyfile = {{.Dir}}/dc.key
	tls certfile = {{.Dir}}/dc.pem
	tls cafile = {{.Dir}}/ca.pem
	private dir = {{.Dir}}/private
	binddns dir = {{.Dir}}/private/binddns
	state directory = {{.Dir}}/state
	cache directory = {{.Dir}}/cache
	lock directory = {{.Dir}}/lock
	pid directory = {{.Dir}}/run
	ncalrpc dir = {{.Dir}}/run/ncalrpc
	log file = {{.Dir}}/log.samba
[sysvol]
	path = {{.Dir}}/state/sysvol
	read only = no
[netlogon]
	path = {{.Dir}}/state/sysvol/corp.example/scripts
	read only = no
`

var smbTemplate = template.Must(template.New("smb.conf").Parse(smbConf))

// writeConfig writes dir/smb.conf, the only file with absolute paths: all else may be moved.
func writeConfig(dir, ip, strongAuth string) error {
	var b strings.Builder
	if err := smbTemplate.Execute(&b, struct{ Dir, IP, StrongAuth string }{dir, ip, strongAuth}); err != nil {
		return err
	}
	for _, d := range []string{"private", "state/sysvol/corp.example/scripts", "cache", "lock", "run"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(dir, "smb.conf"), []byte(b.String()), 0o644)
}

// baseIP is the controller's address in the base; populate corrects it.
const baseIP = "127.64.0.1"

// provision makes a new domain in dir. Passwords never expire, so that the base may be kept. The last command gives the controller the names
// by which its LDAP service is known to the KDC, which a Samba without the service dnsupdate leaves out.
var provision = [][]string{
	{"samba-tool", "domain", "provision", "--realm=CORP.EXAMPLE", "--domain=CORP", "--server-role=dc", "--dns-backend=SAMBA_INTERNAL",
		"--adminpass=" + adminPassword, "--host-name=dc1", "--host-ip=" + baseIP},
	{"samba-tool", "domain", "passwordsettings", "set", "--max-pwd-age=0", "--min-pwd-age=0", "--complexity=off"},
	{"samba_spnupdate"},
}

// baseTarball is a provisioned domain, made once for this version of Samba and of this file, and kept in the user's cache folder. Tests of
// several processes may ask at once: one of them makes it, the others wait.
func baseTarball() (string, error) {
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no folder to keep a domain in: %w", err)
	}
	folder := filepath.Join(cache, "photopush-test")
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return "", err
	}
	version, err := exec.Command("samba", "--version").Output()
	if err != nil {
		return "", fmt.Errorf("samba --version: %w", err)
	}
	name := fmt.Sprintf("%x", sha256.Sum256(fmt.Append(nil, string(version), smbConf, provision)))
	file := filepath.Join(folder, "samba-"+name[:16]+".tar.gz")
	unlock, err := lock(filepath.Join(folder, "samba.lock"))
	if err != nil {
		return "", err
	}
	defer unlock()
	if _, err := os.Stat(file); !errors.Is(err, os.ErrNotExist) {
		return file, err
	}
	return file, makeBase(file)
}

// makeBase provisions a domain and packs it into file, which appears complete or not at all.
func makeBase(file string) error {
	dir, err := os.MkdirTemp("", "sambalab")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	if err := writeConfig(dir, baseIP, saslOverTLS); err != nil {
		return err
	}
	for _, args := range provision {
		cmd := exec.Command(args[0], append(args[1:], "--configfile="+filepath.Join(dir, "smb.conf"))...)
		cmd.Env = append(cmd.Environ(), "TDB_NO_FSYNC=1")
		if out, err := cmd.CombinedOutput(); err != nil {
			return fmt.Errorf("%s: %w: %s", strings.Join(args[:min(len(args), 3)], " "), err, out)
		}
	}
	if out, err := exec.Command("tar", "-czf", file+".new", "-C", dir, "private", "state").CombinedOutput(); err != nil {
		return fmt.Errorf("pack the domain: %w: %s", err, out)
	}
	return os.Rename(file+".new", file)
}

// lock waits until no other process has the file.
func lock(file string) (unlock func(), err error) {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX); err != nil {
		f.Close()
		return nil, fmt.Errorf("lock %s: %w", file, err)
	}
	return func() { f.Close() }, nil
}
