//go:build unix

package accountpicture_test

import (
	_ "embed"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/winelab"
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

// bench runs pairs of one script, one after the other. It gives what it knows of those that were run to their end.
func (e engine) bench(t *testing.T, pairs []golden.Pair) ([]benched, photopush.Output) {
	t.Helper()
	var states []golden.State
	stdin := []byte(scriptText(pairs[0]))
	for _, p := range pairs {
		states = append(states, p.Start)
		stdin = append(stdin, strings.Join(benchLines(t, p), "\n")+"\n"...)
	}
	var overrides []string
	if text := overrideText(states); text != "" {
		overrides = append(overrides, e.Override(t, text))
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: e.benchCommand(t), Stdin: stdin, Overrides: overrides})
	if err != nil {
		t.Fatal(err)
	}
	return readBench(t, string(out.Stdout)), out
}

// benchCommand starts testdata/bench.ps1.
func (e engine) benchCommand(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`powershell -NoProfile -NonInteractive -Command "$all=[string[]]@($input);. ([scriptblock]::Create([IO.File]::ReadAllText('Z:%s')))"`,
		strings.ReplaceAll(e.Override(t, bench), "/", `\`))
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
