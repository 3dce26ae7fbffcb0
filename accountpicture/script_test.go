//go:build unix

package accountpicture_test

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/winelab"
)

func TestScriptText(t *testing.T) {
	for _, script := range accountpicture.Scripts {
		common, own, ok := strings.Cut(script.Text, "\n#end-of-common\n")
		if !ok || !strings.HasSuffix(own, "\n#end-of-script\n") || strings.Count(script.Text, "#end-of-script") != 1 || strings.Count(script.Text, "#end-of-common") != 1 {
			t.Errorf("%s has not two blocks with one last line each", script.Name)
		}
		for name, block := range map[string]string{"common": common, script.Name: own} {
			if len(block) >= 20_000 { // Windows logs a script block of that size in pieces (event 4104)
				t.Errorf("the block %s has %d bytes, want less than 20,000", name, len(block))
			}
			if lines := strings.Count(block, "\n"); lines > 400 {
				t.Errorf("the block %s has %d lines, want at most 400", name, lines)
			}
			if i := strings.IndexFunc(block, func(r rune) bool { return r > '~' || r < ' ' && r != '\n' }); i >= 0 {
				t.Errorf("byte %d of the block %s is no ASCII text", i, name)
			}
		}
	}
	line := accountpicture.CommandLine
	if strings.Count(line, `"`) != 2 || strings.HasSuffix(line, `\`) || len(line) > 8191 {
		t.Errorf("the command line has %d characters, %d double quotes; want one pair, and cmd.exe's 8,191 at most", len(line), strings.Count(line, `"`))
	}
}

// effects are the functions that change something, docs/script.md, by the scripts that have them.
var effects = map[string][]string{
	"push":   {"New-SecureFolder", "Write-NewFile", "Move-OwnFile", "Remove-OwnFile", "Remove-OwnFolder", "New-PictureKey", "Set-PictureValue", "Set-KeyDacl"},
	"repair": {"New-SecureFolder", "Write-NewFile", "Move-OwnFile", "Remove-OwnFile", "Remove-OwnFolder", "New-PictureKey", "Set-PictureValue", "Set-KeyDacl", "Remove-PictureKey", "Remove-PictureValue", "Set-KeyOwner"},
}

// TestEffectsAreTheOnlyOnes looks for calls that change something outside the effects; the script that only reads has none.
func TestEffectsAreTheOnlyOnes(t *testing.T) {
	changing := regexp.MustCompile(`(?i)[.:](Create|Set|Delete|Move|Copy|Replace|Write|Append)[A-Za-z]*\(|'(CreateNew|OpenOrCreate|Write|ReadWrite)'`)
	// of text, of a hash, of standard output, of a descriptor in memory
	harmless := []string{".Replace(", ":Create(", ":Replace(", ".Write(", ".SetSecurityDescriptorSddlForm(", ".SetAccessRuleProtection("}
	function := regexp.MustCompile(`(?m)^function ([A-Za-z-]+)\(`)
	for _, script := range accountpicture.Scripts {
		var inside, outside string
		for i, section := range strings.Split(script.Text, "\n# ---- ") {
			if i > 0 && strings.HasPrefix(section, "Effects") {
				inside += section
			} else {
				outside += section
			}
		}
		var found []string
		for _, m := range function.FindAllStringSubmatch(inside, -1) {
			found = append(found, m[1])
		}
		want := slices.Sorted(slices.Values(effects[script.Name]))
		if slices.Sort(found); !slices.Equal(found, want) {
			t.Errorf("%s has the effects %q, want %q", script.Name, found, want)
		}
		outside = strings.Replace(outside, "[IO.File]::Open($path, $mode, 'ReadWrite', 'None')", "", 1) // the lock
		for _, call := range changing.FindAllString(outside, -1) {
			if !slices.Contains(harmless, call) {
				t.Errorf("%s stands outside the effects of %s", call, script.Name)
			}
		}
	}
}

// TestOnEngine shows what only the real engine can say of script and bootstrap.
func TestOnEngine(t *testing.T) {
	t.Parallel()
	e := newEngine(t)
	t.Run("is for Windows PowerShell 5.1", e.testCheck)
	t.Run("bootstrap", e.testBootstrap)
	t.Run("three runs at once", e.testThreeRuns)
	t.Run("descriptors of folders", e.testDescriptors)
}

func (e engine) testCheck(t *testing.T) {
	for _, script := range accountpicture.Scripts {
		file := filepath.Join(t.TempDir(), script.Name+".ps1")
		if err := os.WriteFile(file, []byte(script.Text), 0o600); err != nil {
			t.Fatal(err)
		}
		if findings := e.Check(t, file); findings != "" {
			t.Error(findings)
		}
	}
	line := strings.TrimSuffix(accountpicture.CommandLine, `"`)
	bootstrap := filepath.Join(t.TempDir(), "bootstrap.ps1")
	if err := os.WriteFile(bootstrap, []byte(line[strings.Index(line, `"`)+1:]), 0o600); err != nil {
		t.Fatal(err)
	}
	if findings := e.Check(t, bootstrap); findings != "" {
		t.Error(findings)
	}
}

// testBootstrap shows the answers that the bootstrap gives for itself.
func (e engine) testBootstrap(t *testing.T) {
	e.seed(t, golden.State{})
	for name, test := range map[string]struct {
		stdin   string
		env     []string
		reason  photopush.Reason
		message string
		code    uint32
	}{
		"constrained language": {accountpicture.ReadScript.Text + "inventory\n", []string{"PSHOST_LANGUAGE=constrained"}, photopush.ConstrainedLanguage, "PowerShell is in constrained language mode", 0},
		"no input":             {"", nil, photopush.Script, "no-script", 3},
		"cut script":           {accountpicture.ReadScript.Text[:5000], nil, photopush.Script, "no-script", 3},
		"no own block":         {strings.Replace(accountpicture.ReadScript.Text, "#end-of-common", "#end", 1), nil, photopush.Script, "no-script", 3},
		"no PowerShell":        {"if (\n#end-of-common\n1\n#end-of-script\ninventory\n", nil, photopush.Script, "ParseException", 3},
	} {
		t.Run(name, func(t *testing.T) {
			out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: []byte(test.stdin), Env: test.env})
			if err != nil {
				t.Fatal(err)
			}
			answers, err := accountpicture.ParseAnswer(out.Stdout)
			if err != nil {
				t.Fatalf("%v: %s%s", err, out.Stdout, out.Stderr)
			}
			a := answers[0]
			if len(answers) != 1 || a.OK || a.Verb != "start" || a.Where != "bootstrap" || a.Reason != test.reason || a.Message != test.message || out.ExitCode != test.code {
				t.Errorf("answered %+v with exit code %d", answers, out.ExitCode)
			}
		})
	}
	if folders, _ := e.tree(t); len(folders) != 0 {
		t.Errorf("the bootstrap made %v", folders)
	}
}

// testThreeRuns starts three runs that change the same: whoever does not get the lock says so, and has done nothing.
func (e engine) testThreeRuns(t *testing.T) {
	e.seed(t, golden.State{})
	wish := []accountpicture.Wish{{User: testUser(0), Set: wantedSet}}
	verbs, err := accountpicture.Plan(inventory(t, benchEngine{e}), wish, accountpicture.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var wait sync.WaitGroup
	var said [3]string
	for i := range said {
		wait.Go(func() {
			input, err := accountpicture.Encode(verbs)
			if err != nil {
				t.Error(err)
				return
			}
			out, err := e.Run(t.Context(), winelab.Run{CommandLine: accountpicture.CommandLine, Stdin: input})
			if err != nil {
				t.Error(err)
				return
			}
			answers, err := accountpicture.ParseAnswer(out.Stdout)
			if err != nil || len(answers) == 0 {
				t.Errorf("%v: %s%s", err, out.Stdout, out.Stderr)
				return
			}
			last := answers[len(answers)-1]
			said[i] = fmt.Sprint(last.OK, " ", last.Reason, " ", last.Where)
		})
	}
	wait.Wait()
	slices.Sort(said[:])
	if said[2] != "true  " { // runs that do not overlap find the state changed, or nothing to do
		t.Errorf("nobody did it: %q", said)
	}
	for _, s := range said {
		// the first two may also meet where the folders are made: Wine's stand-in refuses to make one that is there by now
		if s != "true  " && s != "false conflict lock" && s != "false conflict state" && s != "false conflict New-SecureFolder" {
			t.Errorf("a run said %q", s)
		}
	}
	if have := accountpicture.Have(inventory(t, benchEngine{e}), wish[0].User); have != wish[0].Set.Digest {
		t.Errorf("the user has %q", have)
	}
}

// testDescriptors reads back which descriptor each folder was made with.
func (e engine) testDescriptors(t *testing.T) {
	e.seed(t, golden.State{})
	verbs, err := accountpicture.Plan(inventory(t, benchEngine{e}), []accountpicture.Wish{{User: testUser(0), Set: wantedSet}}, everything)
	if err != nil {
		t.Fatal(err)
	}
	e.verbs(t, verbs)
	want := folderDescriptors(string(testUser(0)))
	made := e.Keys(t, `HKLM\SOFTWARE\wine-override`)[`HKEY_LOCAL_MACHINE\SOFTWARE\wine-override`]
	if len(made) != len(want) {
		t.Errorf("made %v", made)
	}
	for path, sddl := range want {
		if got := made[strings.ToLower(path)].Data; got != sddl {
			t.Errorf("%s was made with %q, want %q", path, got, sddl)
		}
	}
	if _, err := os.Stat(e.HostPath(golden.Lock)); err != nil {
		t.Error(err)
	}
}
