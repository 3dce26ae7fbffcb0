//go:build windows

package accountpicture_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/windows/registry"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/summary"
)

// These tests run on Windows itself, on its registry and in C:\Program Files\photopush. They have never run: no Windows was at hand when they were
// written (docs/windows-lab.md).

const (
	labVariable = "PHOTOPUSH_WINDOWS_LAB"
	labConsent  = "destroy-this-machine"
)

// destroys skips a test that leaves Windows broken, unless that was agreed to.
func destroys(t *testing.T) {
	t.Helper()
	if os.Getenv(labVariable) != labConsent {
		t.Skipf("this test deletes account pictures, profiles' keys and facts of this Windows from its registry. On a machine that can be thrown away, as an administrator, set %s=%s", labVariable, labConsent)
	}
}

// A shell is a PowerShell of this machine, with the functions that the scripts need there in place of their own.
type shell struct {
	name, path, overrides string
}

// coreFunctions do by .NET what the scripts do by .NET Framework, which pwsh does not have.
const coreFunctions = `function Get-PathSddl($path) { [IO.FileSystemAclExtensions]::GetAccessControl([IO.DirectoryInfo]::new($path), 'Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access') }
function New-SecureFolder($path, $sddl) {
  $security = [Security.AccessControl.DirectorySecurity]::new()
  $security.SetSecurityDescriptorSddlForm($sddl)
  $null = [IO.FileSystemAclExtensions]::CreateDirectory($security, $path)
}
`

// shells are Windows PowerShell, whose path the command line has, and PowerShell 7 where it is installed.
func shells() []shell {
	path, _, _ := strings.Cut(accountpicture.CommandLine, " ")
	all := []shell{{name: "powershell", path: path}}
	if path, err := exec.LookPath("pwsh.exe"); err == nil {
		all = append(all, shell{"pwsh", path, coreFunctions})
	}
	return all
}

// run executes a text of -Command. What the process printed is given in any case.
func (s shell) run(t *testing.T, command, stdin string) (stdout string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.path, "-NoProfile", "-NonInteractive", "-Command", command)
	cmd.Stdin = strings.NewReader(stdin)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		return out.String(), fmt.Errorf("%s: %w: %s", s.name, err, errs.String())
	}
	return out.String(), nil
}

// bench runs pairs of one script in one process.
func (s shell) bench(t *testing.T, pairs []golden.Pair) ([]benched, error) {
	t.Helper()
	script, lines, overrides := batch(t, pairs)
	script = replaceFunctions(replaceFunctions(script, s.overrides), overrides)
	file := filepath.Join(t.TempDir(), "bench.ps1")
	if err := os.WriteFile(file, []byte(bench), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, err := s.run(t, fmt.Sprintf("$all=[string[]]@($input);. ([scriptblock]::Create([IO.File]::ReadAllText('%s')))", file), script+lines)
	return readBench(t, stdout), err
}

// TestGoldenOnWindows runs the pairs by this machine's own PowerShell, on its registry and disk.
func TestGoldenOnWindows(t *testing.T) {
	destroys(t)
	pairs, err := golden.Load(filepath.Join("testdata", "golden"))
	if err != nil {
		t.Fatal(err)
	}
	all := len(pairs)
	pairs = slices.DeleteFunc(pairs, func(p golden.Pair) bool {
		return slices.ContainsFunc(p.Start.Keys, func(k golden.Key) bool { return strings.HasPrefix(k.Path, `HKU\`) }) // nobody can make keys right there
	})
	keep(t)
	for _, s := range shells() {
		t.Run(s.name, func(t *testing.T) {
			right := 0
			for _, script := range accountpicture.Scripts {
				of := slices.DeleteFunc(slices.Clone(pairs), func(p golden.Pair) bool { return p.Script() != script.Name })
				done, err := s.bench(t, of)
				if err != nil || len(done) != len(of) {
					t.Errorf("%d of %d pairs of %s were answered, %v", len(done), len(of), script.Name, err)
				}
				for i, b := range done {
					t.Run(of[i].Name, func(t *testing.T) {
						if err := b.check(of[i]); err != nil {
							t.Error(err)
							return
						}
						right++
					})
				}
			}
			t.Logf("%d of %d pairs are as they should be", right, all)
			summary.Line(t, "golden pairs on Windows, %s: %d of %d", s.name, right, all)
		})
	}
}

// keep puts back, at the end, what the pairs take away of the registry that Windows needs. What it cannot put back it tells.
func keep(t *testing.T) {
	t.Helper()
	for _, key := range []string{
		`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList`,
		`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\Policies\Explorer`,
		`HKLM\SYSTEM\CurrentControlSet\Control\CloudDomainJoin`,
		golden.UsersKey,
	} {
		file := filepath.Join(t.TempDir(), "kept.reg")
		if out, err := exec.CommandContext(t.Context(), "reg.exe", "export", key, file, "/y", "/reg:64").CombinedOutput(); err != nil {
			t.Logf("%s is not kept: %v: %s", key, err, out) // there is none, as a rule
			continue
		}
		t.Cleanup(func() {
			if out, err := exec.CommandContext(context.Background(), "reg.exe", "import", file, "/reg:64").CombinedOutput(); err != nil {
				t.Logf("%s is not as it was: %v: %s", key, err, out)
			}
		})
	}
	for _, k := range golden.Standard.Keys {
		path, _ := strings.CutPrefix(k.Path, `HKLM\`)
		for _, v := range k.Values {
			keepValue(t, path, v.Name)
		}
	}
}

// keepValue puts a value back at the end. Those that pairs write are texts and numbers.
func keepValue(t *testing.T, path, name string) {
	t.Helper()
	key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.QUERY_VALUE|registry.WOW64_64KEY)
	if errors.Is(err, registry.ErrNotExist) {
		return
	}
	if err != nil {
		t.Fatal(err)
	}
	defer key.Close()
	text, _, textErr := key.GetStringValue(name)
	number, _, numberErr := key.GetIntegerValue(name)
	t.Cleanup(func() {
		key, err := registry.OpenKey(registry.LOCAL_MACHINE, path, registry.SET_VALUE|registry.WOW64_64KEY)
		if err != nil {
			t.Log(err) // below ProfileList, where the account is made up
			return
		}
		defer key.Close()
		switch {
		case textErr == nil:
			err = key.SetStringValue(name, text)
		case numberErr == nil:
			err = key.SetDWordValue(name, uint32(number))
		default:
			err = key.DeleteValue(name)
		}
		if err != nil && !errors.Is(err, registry.ErrNotExist) {
			t.Errorf("%s of %s is not as it was: %v", name, path, err)
		}
	})
}

// TestFoldersOnWindows lets the push script, as shipped, make its folders, and reads their owners and DACLs.
func TestFoldersOnWindows(t *testing.T) {
	destroys(t)
	if err := os.RemoveAll(golden.Home); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(golden.Home); err != nil {
			t.Error(err)
		}
	})
	content := []byte("no picture\n")
	hash := accountpicture.Block{Text: string(content)}.SHA256()
	user := golden.User(9)
	input, err := accountpicture.Encode([]accountpicture.Verb{accountpicture.PutFile{
		SID: photopush.SID(user), File: strings.Repeat("0", 32) + "-" + hash[:16] + "-Image96.jpg", Bytes: content, SHA256: hash}})
	if err != nil {
		t.Fatal(err)
	}
	s := shells()[0]
	_, text, _ := strings.Cut(strings.TrimSuffix(accountpicture.CommandLine, `"`), `"`)
	stdout, err := s.run(t, text, string(input))
	if err != nil {
		t.Fatal(err)
	}
	if answers, err := accountpicture.ParseAnswer([]byte(stdout)); err != nil || len(answers) != 1 || !answers[0].OK {
		t.Fatalf("answered %q, %v", stdout, err)
	}
	for path, want := range folderDescriptors(user) {
		got, err := s.run(t, fmt.Sprintf("[IO.DirectoryInfo]::new('%s').GetAccessControl('Owner, Access').GetSecurityDescriptorSddlForm('Owner, Access')", path), "")
		if err != nil {
			t.Error(err)
			continue
		}
		got = strings.TrimSpace(got)
		if !slices.Equal(entriesOf(got), entriesOf(want)) || !strings.HasPrefix(got, "O:BAD:P") {
			t.Errorf("%s has %s, want %s", path, got, want)
		}
	}
}

// entriesOf are the entries of an SDDL in some order: Windows writes rights as we do.
func entriesOf(sddl string) []string {
	_, list, _ := strings.Cut(sddl, "(")
	entries := strings.Split(strings.TrimSuffix(list, ")"), ")(")
	slices.Sort(entries)
	return entries
}
