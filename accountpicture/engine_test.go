//go:build unix

package accountpicture_test

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"unicode/utf16"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/winelab"
)

// An engine is a workstation with the real PowerShell engine, which can be put into any state.
type engine struct {
	*winelab.Workstation
}

func newEngine(t *testing.T) engine { return engine{winelab.New(t)} }

// verbs executes verbs, and gives their answers.
func (e engine) verbs(t *testing.T, verbs []accountpicture.Verb, overrides ...string) []accountpicture.Answer {
	t.Helper()
	input, err := accountpicture.Encode(verbs)
	if err != nil {
		t.Fatal(err)
	}
	attempt := func(int) photopush.Output {
		out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: input, Overrides: overrides})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	var out photopush.Output
	if _, reads := verbs[0].(accountpicture.TakeInventory); reads && len(verbs) == 1 { // which can be asked again
		said, stderr := answersTo(t, 1, new(atomic.Int32), attempt)
		out = photopush.Output{Stdout: []byte(strings.Join(said, "")), Stderr: stderr}
	} else {
		out = attempt(0)
	}
	answers, err := accountpicture.ParseAnswer(out.Stdout)
	if err != nil {
		t.Fatalf("%v\nexit code %d\nstdout %s\nstderr %s", err, out.ExitCode, out.Stdout, out.Stderr)
	}
	return answers
}

// reset takes away what pairs can have left behind: the registry that they touch, and our folder.
const reset = `[-HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users]
[HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users]
[-HKEY_LOCAL_MACHINE\SOFTWARE\wine-override]
[-HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer]
[-HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\CloudDomainJoin]
[-HKEY_LOCAL_MACHINE\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList]
`

// seed puts the workstation into a start, but for what an override plays. It gives the descriptors of the keys that the start describes, as the
// workstation prints them.
func (e engine) seed(t *testing.T, s golden.State) map[string]string {
	t.Helper()
	for _, path := range []string{golden.Home, golden.Public} {
		if err := os.RemoveAll(e.HostPath(path)); err != nil {
			t.Fatal(err)
		}
	}
	var reg strings.Builder
	reg.WriteString(reset)
	for n := 1; n <= 9; n++ {
		fmt.Fprintf(&reg, "[-HKEY_USERS\\%s]\n", golden.User(n))
	}
	for _, k := range slices.Concat(golden.Standard.Keys, s.Keys) {
		writeKey(&reg, k)
	}
	for _, path := range s.Missing {
		fmt.Fprintf(&reg, "[-%s]\n", strings.Replace(path, "HKLM", "HKEY_LOCAL_MACHINE", 1))
	}
	for _, f := range s.Folders {
		if err := os.MkdirAll(e.HostPath(f), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	e.Import(t, reg.String())
	for _, f := range s.Files {
		if strings.HasPrefix(f.Path, golden.Public) {
			if err := os.MkdirAll(filepath.Dir(e.HostPath(f.Path)), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if err := os.WriteFile(e.HostPath(f.Path), f.Content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return e.setKeyDescriptors(t, s.KeyDescriptors).now
}

func writeKey(reg *strings.Builder, k golden.Key) {
	path := strings.Replace(k.Path, "HKLM", "HKEY_LOCAL_MACHINE", 1)
	path = strings.Replace(path, "HKU", "HKEY_USERS", 1)
	fmt.Fprintf(reg, "\n[%s]\n", path)
	for _, v := range k.Values {
		data := ""
		switch v.Kind {
		case "sz":
			data = "hex(1):" + commas(utf16Bytes(v.Data))
		case "expand_sz":
			data = "hex(2):" + commas(utf16Bytes(v.Data))
		case "dword":
			n, err := strconv.ParseUint(v.Data, 10, 32)
			if err != nil {
				panic(err)
			}
			data = fmt.Sprintf("dword:%08x", n)
		case "binary":
			b, err := hex.DecodeString(v.Data)
			if err != nil {
				panic(err)
			}
			data = "hex:" + commas(b)
		}
		fmt.Fprintf(reg, "%q=%s\n", v.Name, data)
	}
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
}

func commas(b []byte) string {
	parts := make([]string, len(b))
	for i, c := range b {
		parts[i] = fmt.Sprintf("%02x", c)
	}
	return strings.Join(parts, ",")
}

// setKeyDescriptors changes the DACLs of keys, as an administrator of the workstation would, those of keys below others first; it gives what
// they were and what they are now.
func (e engine) setKeyDescriptors(t *testing.T, sddl map[string]string) (printed struct{ before, now map[string]string }) {
	t.Helper()
	printed.before, printed.now = map[string]string{}, map[string]string{}
	if len(sddl) == 0 {
		return printed
	}
	const one = `$k=$h.OpenSubKey('%[1]s',[Microsoft.Win32.RegistryKeyPermissionCheck]::ReadWriteSubTree,[Security.AccessControl.RegistryRights]'ChangePermissions, ReadPermissions');` +
		`if($k){'%[1]s='+$k.GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access');$s=[Security.AccessControl.RegistrySecurity]::new();$s.SetSecurityDescriptorSddlForm('%[2]s','Access');$k.SetAccessControl($s);` +
		`'%[1]s='+$k.GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access')};`
	command := `powershell -Command "$h=[Microsoft.Win32.RegistryKey]::OpenBaseKey('LocalMachine','Registry64');`
	keys := slices.Sorted(maps.Keys(sddl))
	slices.Reverse(keys)
	for _, key := range keys {
		path, _ := strings.CutPrefix(key, `HKLM\`)
		command += fmt.Sprintf(one, path, sddl[key][strings.Index(sddl[key], "D:"):])
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: command + `'done'"`})
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Fields(strings.ReplaceAll(string(out.Stdout), " ", "?"))
	if len(lines) == 0 || lines[len(lines)-1] != "done" {
		t.Fatalf("change DACLs: %s%s", out.Stdout, out.Stderr)
	}
	for _, line := range lines[:len(lines)-1] {
		path, text, _ := strings.Cut(strings.ReplaceAll(line, "?", " "), "=")
		if path = `HKLM\` + path; printed.before[path] == "" {
			printed.before[path] = text
		}
		printed.now[path] = text
	}
	return printed
}

// overrideText are functions in place of the script's own: descriptors and links as the states have them, effects that fail. Where there
// are several states, $case says in which of them the script runs.
func overrideText(states []golden.State) string {
	var sddl, attributes strings.Builder
	faults := map[string]string{} // what an effect does first, by effect
	for i, s := range states {
		when := ""
		if len(states) > 1 {
			when = fmt.Sprintf("$case -eq %d -and ", i)
		}
		for path, d := range s.Descriptors {
			fmt.Fprintf(&sddl, "  if (%s$path.TrimEnd('\\') -eq '%s') { return '%s' }\n", when, strings.TrimRight(path, `\`), d)
		}
		for _, path := range s.Links {
			fmt.Fprintf(&attributes, "  if (%s$path.TrimEnd('\\') -eq '%s') { return [IO.FileAttributes]'Directory, ReparsePoint' }\n", when, path)
		}
		for _, f := range s.Faults {
			faults[f.Effect] += fmt.Sprintf("  if (%s$run['calls %s'] -eq %d) { throw [IO.IOException]::new('a fault', [int] 0x%08x) }\n", when, f.Effect, f.Call, f.HResult)
		}
	}
	var b strings.Builder
	if sddl.Len() > 0 {
		fmt.Fprintf(&b, "function Get-PathSddl([string] $path) {\n%s  Shipped-Get-PathSddl $path\n}\n", sddl.String())
	}
	if attributes.Len() > 0 {
		fmt.Fprintf(&b, "function Get-PathAttributes([string] $path) {\n%s  Shipped-Get-PathAttributes $path\n}\n", attributes.String())
	}
	for effect, first := range faults {
		fmt.Fprintf(&b, "function %[1]s {\n  $run['calls %[1]s'] = 1 + $run['calls %[1]s']\n%[2]s  Shipped-%[1]s @args\n}\n", effect, first)
	}
	return b.String()
}

// Where a fault stands.
const (
	before = "before"
	after  = "after"
)

// faultText is a function that does what the effect does, and at its n-th call something else before or after that.
func faultText(effect string, call int, where, action string) string {
	first, last := "", ""
	hit := fmt.Sprintf("  if ($run['calls'] -eq %d) { %s }\n", call, action)
	if where == before {
		first = hit
	} else {
		last = hit
	}
	return fmt.Sprintf("function %s {\n  $run['calls'] = 1 + $run['calls']\n%s  Shipped-%s @args\n%s}\n", effect, first, effect, last)
}

// hold lets another process of the workstation open a file for itself alone, until the test calls what it returns.
func (e engine) hold(t *testing.T, path string) (release func()) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), e.Powershell(), "-Command",
		fmt.Sprintf("$f=[IO.File]::Open('%s','Open','ReadWrite','None');'held';[Threading.Thread]::Sleep(300000)", path))
	cmd.Env = e.Environ()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	release = func() {
		if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
			t.Error(err)
		}
		_ = cmd.Wait() // it was killed
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if strings.TrimSpace(line) != "held" {
		release()
		t.Fatalf("hold %s: %q, %v", path, line, err)
	}
	return release
}

// keys reads everything below AccountPicture\Users, with a program that is not ours.
func (e engine) keys(t *testing.T) []golden.Key {
	t.Helper()
	var keys []golden.Key
	for path, values := range e.Keys(t, golden.UsersKey) {
		k := golden.Key{Path: strings.Replace(path, "HKEY_LOCAL_MACHINE", "HKLM", 1)}
		for name, v := range values {
			k.Values = append(k.Values, goldenValue(t, name, v))
		}
		keys = append(keys, k)
	}
	return keys
}

func goldenValue(t *testing.T, name string, v winelab.RegistryValue) golden.Value {
	t.Helper()
	kinds := map[string]string{"REG_SZ": "sz", "REG_EXPAND_SZ": "expand_sz", "REG_DWORD": "dword", "REG_BINARY": "binary"}
	data := v.Data
	switch v.Type {
	case "REG_DWORD":
		n, err := strconv.ParseUint(data, 0, 32)
		if err != nil {
			t.Fatal(err)
		}
		data = strconv.FormatUint(n, 10)
	case "REG_BINARY":
		data = strings.ToLower(data)
	}
	return golden.Value{Name: name, Kind: kinds[v.Type], Data: data}
}

// tree lists our folders and files, seen from outside the workstation.
func (e engine) tree(t *testing.T) (folders []string, files []golden.File) {
	t.Helper()
	root := e.HostPath(golden.Home)
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && path == root {
			return fs.SkipAll
		}
		if err != nil {
			return err
		}
		windows := golden.Home + strings.ReplaceAll(strings.TrimPrefix(path, root), "/", `\`)
		if d.IsDir() {
			folders = append(folders, windows)
			return nil
		}
		content, err := os.ReadFile(path)
		files = append(files, golden.File{Path: windows, Content: content})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders, files
}
