//go:build linux

// Package krblab starts a real MIT KDC for tests, on loopback and in a folder of its own, and services and clients built
// on MIT's library and gss-ntlmssp, so that Kerberos and NTLM are judged by parts that are not ours.
package krblab

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

// Realm is the realm of every KDC.
const Realm = "CORP.EXAMPLE"

// A KDC is one running MIT KDC.
type KDC struct {
	Addr     string // host:port, TCP
	Krb5Conf string // file for clients of MIT's library

	t    testing.TB
	dir  string
	cmd  *exec.Cmd
	done chan struct{}
}

// New starts a KDC; it answers when New returns. The encryption types are MIT's names; none stands for aes256-cts.
func New(t testing.TB, types ...string) *KDC {
	t.Helper()
	for _, program := range []string{"krb5kdc", "kdb5_util", "kadmin.local", "kinit"} {
		if _, err := exec.LookPath(program); err != nil {
			Missing(t, program+" is not installed (Debian packages krb5-kdc, krb5-admin-server, krb5-user)")
		}
	}
	if len(types) == 0 {
		types = []string{"aes256-cts"}
	}
	k := &KDC{t: t, dir: t.TempDir(), Addr: freeAddr(t)}
	k.Krb5Conf = filepath.Join(k.dir, "krb5.conf")
	k.write("krb5.conf", fmt.Sprintf(`[libdefaults]
	default_realm = %[1]s
	dns_lookup_kdc = false
	dns_canonicalize_hostname = false
	rdns = false
	udp_preference_limit = 1
	permitted_enctypes = %[3]s
[realms]
	%[1]s = {
		kdc = %[2]s
	}
[domain_realm]
	.corp.example = %[1]s
`, Realm, k.Addr, strings.Join(types, " ")))
	k.write("kdc.conf", fmt.Sprintf(`[kdcdefaults]
	kdc_listen = ""
	kdc_tcp_listen = %[2]s
[realms]
	%[1]s = {
		database_name = %[3]s/principal
		key_stash_file = %[3]s/stash
		acl_file = %[3]s/acl
		max_life = 10h
		supported_enctypes = %[4]s
		default_principal_flags = +preauth
	}
[logging]
	kdc = FILE:%[3]s/kdc.log
`, Realm, k.Addr, k.dir, strings.Join(types, ":normal ")+":normal"))
	k.run("kdb5_util", "create", "-r", Realm, "-s", "-P", "master")
	t.Cleanup(k.Kill)
	k.Start()
	return k
}

// Missing skips the test, and fails it in CI, where everything has to be installed.
func Missing(t testing.TB, why string) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatal(why)
	}
	t.Skip(why)
}

// freeAddr is on an address of its own, where nobody else takes the port before the KDC has it.
func freeAddr(t testing.TB) string {
	t.Helper()
	l, err := net.Listen("tcp", fmt.Sprintf("127.%d.%d.%d:0", 100+rand.IntN(100), rand.IntN(256), 1+rand.IntN(254)))
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

func (k *KDC) write(name, text string) {
	k.t.Helper()
	if err := os.WriteFile(filepath.Join(k.dir, name), []byte(text), 0o600); err != nil {
		k.t.Fatal(err)
	}
}

// Env is the environment for programs that use MIT's library.
func (k *KDC) Env() []string {
	return append(os.Environ(), "KRB5_CONFIG="+k.Krb5Conf, "KRB5_KDC_PROFILE="+filepath.Join(k.dir, "kdc.conf"), "KRB5RCACHETYPE=none",
		"KRB5CCNAME=FILE:"+filepath.Join(k.dir, "ccache"))
}

func (k *KDC) run(program string, args ...string) {
	k.t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = k.Env()
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("%s %v: %v\n%s", program, args, err, out)
	}
}

// Start starts the KDC again after Kill, and waits until it takes connections.
func (k *KDC) Start() {
	k.t.Helper()
	k.cmd = exec.Command("krb5kdc", "-n", "-r", Realm)
	k.cmd.Env = k.Env()
	k.cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	var said bytes.Buffer
	k.cmd.Stdout, k.cmd.Stderr = &said, &said
	if err := k.cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	k.done = make(chan struct{})
	cmd, done := k.cmd, k.done
	go func() {
		defer close(done)
		_ = cmd.Wait() // that it ended while it was needed is noticed by what needed it
	}()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if c, err := net.Dial("tcp", k.Addr); err == nil {
			c.Close()
			return
		}
		select {
		case <-done:
			k.t.Fatalf("the KDC ended at once: %s", said.String())
		default:
		}
		if time.Now().After(deadline) {
			k.t.Fatal("the KDC takes no connections")
		}
	}
}

// Kill ends the KDC at once. It may be ended already.
func (k *KDC) Kill() {
	if k.cmd == nil {
		return
	}
	_ = k.cmd.Process.Kill()
	<-k.done
	k.cmd = nil
}

// AddUser makes an account with a password. Its keys are of all types of the KDC, or of those that are named.
func (k *KDC) AddUser(name, password string, types ...string) {
	k.t.Helper()
	keys := ""
	if len(types) > 0 {
		keys = "-e " + strings.Join(types, ":normal,") + ":normal "
	}
	k.run("kadmin.local", "-r", Realm, "-q", fmt.Sprintf("addprinc %s-pw %s %s", keys, password, name))
	k.run("kadmin.local", "-r", Realm, "-q", "getprinc "+name)
}

// Keytab makes the services that are missing, with random keys, and returns a keytab file of all of the principals.
func (k *KDC) Keytab(principals ...string) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "keytab")
	var commands strings.Builder // for one kadmin.local: thousands take a few seconds
	for _, p := range principals {
		if strings.Contains(p, "/") {
			fmt.Fprintf(&commands, "addprinc -randkey %s\nktadd -k %s %s\n", p, file, p)
			continue
		}
		fmt.Fprintf(&commands, "ktadd -norandkey -k %s %s\n", file, p)
	}
	cmd := exec.Command("kadmin.local", "-r", Realm)
	cmd.Env, cmd.Stdin = k.Env(), strings.NewReader(commands.String())
	out, err := cmd.CombinedOutput()
	for _, p := range principals { // it exits with 0 whatever its commands came to
		if err == nil && !strings.Contains(string(out), "Entry for principal "+p+" with kvno") {
			err = fmt.Errorf("no key of %s", p)
		}
	}
	if err != nil {
		k.t.Fatalf("kadmin.local made no keytab: %v\n%s", err, out)
	}
	return file
}

// Forbid lets nobody have a ticket for a service any more: the KDC answers KDC_ERR_POLICY, as Windows does where an authentication policy forbids it.
func (k *KDC) Forbid(principal string) {
	k.t.Helper()
	k.run("kadmin.local", "-r", Realm, "-q", "modprinc -allow_tgs_req "+principal)
}

// KeytabRC4 makes a service whose only key is of RC4 and whose session keys are of AES, as Windows has them for old services, and returns its keytab
// file. The KDC must have been started with arcfour-hmac among its types.
func (k *KDC) KeytabRC4(principal string) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "keytab")
	k.run("kadmin.local", "-r", Realm, "-q", "addprinc -randkey -e arcfour-hmac:normal "+principal)
	k.run("kadmin.local", "-r", Realm, "-q", "setstr "+principal+" session_enctypes aes256-cts")
	k.run("kadmin.local", "-r", Realm, "-q", fmt.Sprintf("ktadd -norandkey -k %s %s", file, principal))
	return file
}

// Cache signs the account in with MIT's kinit and returns its credential cache.
func (k *KDC) Cache(name, password string) string {
	k.t.Helper()
	file := filepath.Join(k.t.TempDir(), "ccache")
	cmd := exec.Command("kinit", "-c", "FILE:"+file, name)
	cmd.Env, cmd.Stdin = k.Env(), strings.NewReader(password+"\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		k.t.Fatalf("kinit: %v\n%s", err, out)
	}
	return file
}

// Requests counts what the KDC has logged: tickets issued to sign in and for services, and failed pre-authentications.
func (k *KDC) Requests() (as, tgs, failed int) {
	k.t.Helper()
	b, err := os.ReadFile(filepath.Join(k.dir, "kdc.log"))
	if err != nil {
		k.t.Fatal(err)
	}
	for line := range strings.Lines(string(b)) {
		switch {
		case strings.Contains(line, "AS_REQ") && strings.Contains(line, "ISSUE"):
			as++
		case strings.Contains(line, "TGS_REQ") && strings.Contains(line, "ISSUE"):
			tgs++
		case strings.Contains(line, "PREAUTH_FAILED"):
			failed++
		}
	}
	return as, tgs, failed
}
