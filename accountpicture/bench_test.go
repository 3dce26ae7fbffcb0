package accountpicture_test

import (
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
)

// bench runs many pairs in one process of the engine: its start costs more than what they do.
//
//go:embed testdata/bench.ps1
var bench string

// A benched is what a pair left behind, and said.
type benched struct {
	answer      string
	keys        []golden.Key
	folders     []string
	files       []golden.File
	descriptors map[string]string // of the keys that the start describes
}

// batch is standard input of testdata/bench.ps1 for pairs of one script, and the functions to put in place of the script's own.
func batch(t *testing.T, pairs []golden.Pair) (script, lines, overrides string) {
	t.Helper()
	var states []golden.State
	for _, p := range pairs {
		states = append(states, p.Start)
		lines += strings.Join(benchLines(t, p), "\n") + "\n"
	}
	return scriptText(pairs[0]), lines, overrideText(states)
}

// scriptText is that of the script that a pair is for.
func scriptText(p golden.Pair) string {
	i := slices.IndexFunc(accountpicture.Scripts, func(s accountpicture.Script) bool { return s.Name == p.Script() })
	return accountpicture.Scripts[i].Text
}

// benchLines are the lines of a case, as testdata/bench.ps1 says.
func benchLines(t *testing.T, p golden.Pair) []string {
	t.Helper()
	lines := seedLines(t, p.Start)
	for line := range strings.Lines(p.Input) {
		lines = append(lines, "input\t"+strings.TrimSuffix(line, "\n"))
	}
	return append(lines, "run")
}

// seedLines put the workstation into a start.
func seedLines(t *testing.T, s golden.State) []string {
	t.Helper()
	var lines []string
	add := func(fields ...string) { lines = append(lines, strings.Join(fields, "\t")) }
	for _, k := range slices.Concat(golden.Standard.Keys, s.Keys) {
		add("key", k.Path)
		for _, v := range k.Values {
			data := utf16Bytes(v.Data)
			if v.Kind == "binary" {
				b, err := hex.DecodeString(v.Data)
				if err != nil {
					t.Fatal(err)
				}
				data = b
			} else {
				data = data[:len(data)-2] // the closing NUL
			}
			add("value", k.Path, v.Name, v.Kind, base64.StdEncoding.EncodeToString(data))
		}
	}
	for _, path := range s.Missing {
		add("gone", path)
	}
	for _, f := range s.Folders {
		add("folder", f)
	}
	for _, f := range s.Files {
		add("file", f.Path, base64.StdEncoding.EncodeToString(f.Content))
	}
	for _, path := range s.Held {
		add("held", path)
	}
	var keys []string
	for key := range s.KeyDescriptors {
		keys = append(keys, key)
	}
	slices.Sort(keys)
	slices.Reverse(keys) // those below others first
	for _, key := range keys {
		add("sddl", key, s.KeyDescriptors[key])
	}
	return lines
}

// readBench reads what the cases printed: each an answer, and what there was then.
func readBench(t *testing.T, stdout string) []benched {
	t.Helper()
	var done []benched
	now := benched{descriptors: map[string]string{}}
	for line := range strings.Lines(stdout) {
		dump, is := strings.CutPrefix(strings.TrimRight(line, "\r\n"), "#dump ")
		if !is {
			now.answer += line
			continue
		}
		word, rest, _ := strings.Cut(dump, "\t")
		f := strings.Split(rest, "\t")
		switch word {
		case "key":
			now.keys = append(now.keys, golden.Key{Path: f[0]})
		case "value":
			k := &now.keys[len(now.keys)-1]
			kinds := map[string]string{"String": "sz", "ExpandString": "expand_sz", "DWord": "dword", "Binary": "binary"}
			k.Values = append(k.Values, golden.Value{Name: f[1], Kind: kinds[f[2]], Data: unBase64UTF16(t, f[3])})
		case "folder":
			now.folders = append(now.folders, f[0])
		case "file":
			content, err := base64.StdEncoding.DecodeString(f[1])
			if err != nil {
				t.Fatal(err)
			}
			now.files = append(now.files, golden.File{Path: f[0], Content: content})
		case "sddl":
			now.descriptors[f[0]] = f[1]
		case "end":
			done = append(done, now)
			now = benched{descriptors: map[string]string{}}
		}
	}
	return done
}

func unBase64UTF16(t *testing.T, s string) string {
	t.Helper()
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		t.Fatal(err)
	}
	var u []uint16
	for i := 0; i+1 < len(b); i += 2 {
		u = append(u, uint16(b[i])|uint16(b[i+1])<<8)
	}
	return string(utf16.Decode(u))
}

// check compares what a pair did with what it should.
func (b benched) check(p golden.Pair) error {
	return errors.Join(p.CheckAnswer([]byte(b.answer)), p.CheckEnd(b.keys, b.folders, b.files), p.CheckDescriptors(b.descriptors))
}

func utf16Bytes(s string) []byte {
	var b []byte
	for _, u := range append(utf16.Encode([]rune(s)), 0) {
		b = append(b, byte(u), byte(u>>8))
	}
	return b
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

var functionStart = regexp.MustCompile(`(?m)^function ([A-Za-z0-9-]+)`)

// replaceFunctions puts the functions of overrides in place of those of the same name in a script, whose own stay callable as Shipped-NAME. What
// the script does not have is left out. Functions begin at the beginning of a line.
func replaceFunctions(script, overrides string) string {
	starts := functionStart.FindAllStringSubmatchIndex(overrides, -1)
	for i, m := range starts {
		end := len(overrides)
		if i+1 < len(starts) {
			end = starts[i+1][0]
		}
		own := regexp.MustCompile(`(?m)^function ` + regexp.QuoteMeta(overrides[m[2]:m[3]]) + `([ (])`)
		if at := own.FindStringSubmatchIndex(script); at != nil {
			shipped := "function Shipped-" + overrides[m[2]:m[3]] + script[at[2]:at[3]]
			script = script[:at[0]] + overrides[m[0]:end] + shipped + script[at[1]:]
		}
	}
	return script
}

func TestReplaceFunctions(t *testing.T) {
	const script = "function Get-Path($path) { 1 }\nfunction Get-PathSddl($path) { 2 }\nfunction Read-Verbs {\n  3\n}\n#end\n"
	got := replaceFunctions(script, "function Get-PathSddl([string] $path) {\n  Shipped-Get-PathSddl $path\n}\nfunction Read-Verbs {\n  Shipped-Read-Verbs @args\n}\nfunction Unknown { }\n")
	const want = "function Get-Path($path) { 1 }\nfunction Get-PathSddl([string] $path) {\n  Shipped-Get-PathSddl $path\n}\nfunction Shipped-Get-PathSddl($path) { 2 }\n" +
		"function Read-Verbs {\n  Shipped-Read-Verbs @args\n}\nfunction Shipped-Read-Verbs {\n  3\n}\n#end\n"
	if got != want {
		t.Errorf("it is\n%s\nwant\n%s", got, want)
	}
	for _, s := range accountpicture.Scripts {
		for _, m := range functionStart.FindAllStringSubmatch(s.Text, -1) {
			own := regexp.MustCompile(`(?m)^function Shipped-` + m[1] + `\b`)
			if got := replaceFunctions(s.Text, "function "+m[1]+" { }\n"); len(own.FindAllString(got, -1)) != 1 {
				t.Errorf("%s of %s is not replaced", m[1], s.Name)
			}
		}
	}
}

// folderDescriptors are owner and DACL with which the folders of a user and those above it are made, docs/script.md.
func folderDescriptors(user string) map[string]string {
	const ours = "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;0x1200a9;;;BU)(A;OICI;0x1200a9;;;AC)"
	return map[string]string{
		golden.Home:                  ours,
		golden.Home + `\State`:       "O:BAD:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)",
		golden.Pictures:              ours,
		golden.Pictures + `\` + user: ours,
	}
}
