// Package golden reads the pairs that script and twin must answer alike: a start state that seeds a workstation, the input, the end
// state, and the answer. How a workstation is seeded and asked, it leaves to the test that has one.
//
// A pair is a txtar file. Its comment says what it shows; its sections are start, input, answer, and end, which is left out where
// nothing changes. start and end describe a workstation, line by line:
//
//	key KEY                        a registry key, HKLM\… or HKU\…
//	  NAME KIND DATA               indented: a value of that key, NAME @ for the default one; KIND is sz, expand_sz, dword (decimal) or binary (hex)
//	tree                           our folders photopush and State, with their own descriptors
//	tree SID                       these, AccountPictures, and the user's
//	folder PATH                    another folder, with the descriptor of our folders
//	file PATH = WORD               a file; its content is Content(WORD)
//	original SID                   State has what save_original kept of a user who had no key
//	original SID key               of one who had a key, with the values that stand indented below
//
// and in start also what is in the way:
//
//	descriptor PATH = SDDL         owner and DACL of a folder that is there
//	link PATH                      a folder that is there is a reparse point
//	held PATH                      somebody else has that file open for himself alone, during the run
//	keydescriptor KEY = SDDL       the DACL of a key that is there; in end, too, where it is not what it was
//	journal SID = SDDL             State has a journal of the user
//	missing KEY                    a key of the standard workstation is not there
//	fault EFFECT N HRESULT         the N-th call of the effect does nothing but fail with an IOException of that HRESULT
//
// The start is put on a standard workstation (Standard), which has no key below AccountPicture\Users and no folder of ours. The end names
// all keys below AccountPicture\Users with all values, and all folders and files below photopush but State\lock.
//
// input has the verbs, as they follow the script. answer has one line of JSON per answer. In all sections these are replaced:
//
//	{u1} … {u9}                    a user's SID; {u1} has a profile
//	{users} {home} {pictures}      HKLM\…\AccountPicture\Users; C:\Program Files\photopush; the folder AccountPictures in it
//	{name a96} {name a96 2}        the name of the file with Content(a96): picture set a, Image96; the same with number 2
//	{length a96} {sha a96}         of Content(a96)
//	{base64 a96}                   lines of base64
//	{0x80070005}                   the number in decimal
//	{state u1} {state-after u1}    of the user's values, in the start and in the end
//	{values u1} {values-after u1}  those values, as answers list them
//	{saved u1} {saved-after u1}    the state that is kept of the user, in the start and in the end
//	{user u1}                      the user's entry in an inventory of the start
//	{sum u1} {sum users}           in input: the sum of the descriptor of the user's key, or of Users, as the workstation itself prints it
//	{quiet}                        what every answer about values has where the rights ladder was not climbed
//
// Answers are compared as JSON, without message, and without the facts of a machine: ps, net, machine, free, and profiles of users whose
// SID begins with S-1-5-21-0-0-0- (Wine's own). In the pair, "*" is any value, and an SDDL is any with the same set of entries; its owner counts
// where it is named. The DACLs of keys that the start describes must be in the end as the end says, else as in the start.
package golden

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/tools/txtar"
)

// A Pair is what a workstation must answer to an input, and what it must be like then.
type Pair struct {
	Name   string // of its file, without .txtar
	About  string // what it shows
	Start  State
	Input  string // verbs, each line ended by LF
	Answer []string
	End    State // without what is in the way
}

// A State is what counts of a workstation.
type State struct {
	Keys    []Key
	Folders []string // paths on C:
	Files   []File

	Descriptors    map[string]string // SDDL of folders, by path
	KeyDescriptors map[string]string // SDDL of keys, by path
	Missing        []string          // keys
	Links          []string
	Held           []string
	Faults         []Fault

	originals []original
}

// Script is the name of the script that the input is for: that of its first verb that only one script has, push where both have it, else read.
func (p Pair) Script() string {
	shared := false
	for line := range strings.Lines(p.Input) {
		verb, _, _ := strings.Cut(strings.TrimRight(line, "\n"), "\t")
		switch verb {
		case "inventory", "check":
			return "read"
		case "put_file", "save_original", "set_values":
			return "push"
		case "restore_original", "delete_values", "tighten_acl":
			return "repair"
		case "delete_files", "recover":
			shared = true
		}
	}
	if shared {
		return "push"
	}
	return "read"
}

// InputOn is the input for a workstation that prints the descriptors of keys so, by path.
func (p Pair) InputOn(printed func(key string) string) string {
	return sum.ReplaceAllStringFunc(p.Input, func(s string) string {
		key := UsersKey
		if who := sum.FindStringSubmatch(s)[1]; who != "users" {
			key += `\` + User(int(who[1]-'0'))
		}
		return sha([]byte(printed(key)))
	})
}

var sum = regexp.MustCompile(`\{sum (users|u[1-9])\}`)

// A Key is a registry key with its values.
type Key struct {
	Path   string // HKLM\…
	Values []Value
}

// A Value is a registry value.
type Value struct {
	Name string
	Kind string // sz, expand_sz, dword, binary
	Data string // decimal for dword, hex for binary
}

// A File is a file on C:.
type File struct {
	Path    string
	Content []byte
}

// A Fault lets one call of an effect fail before it has done anything.
type Fault struct {
	Effect  string // a name of docs/script.md
	Call    int    // from 1
	HResult uint32
}

// Places of a standard workstation.
const (
	UsersKey = `HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion\AccountPicture\Users`
	Home     = `C:\Program Files\photopush`
	Pictures = Home + `\AccountPictures`
	Lock     = Home + `\State\lock`
	Public   = `C:\Users\Public\AccountPictures` // where Windows keeps pictures
)

// User is the SID of {u1} to {u9}.
func User(n int) string { return fmt.Sprintf("S-1-5-21-1004336348-1177238915-682003330-%d", 1000+n) }

// Standard is the workstation that every start is put on: the registry of a Windows 11 as far as the script reads it, without a picture.
var Standard = State{Keys: []Key{
	{`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion`, []Value{
		{"CurrentBuildNumber", "sz", "22631"}, {"UBR", "dword", "4317"}, {"DisplayVersion", "sz", "23H2"}, {"EditionID", "sz", "Enterprise"},
		{"InstallationType", "sz", "Client"}, {"InstallDate", "dword", "1700000000"}}},
	{`HKLM\SYSTEM\CurrentControlSet\Services\Tcpip\Parameters`, []Value{{"Domain", "sz", "corp.example"}}},
	{`HKLM\SOFTWARE\Microsoft\Windows\CurrentVersion`, []Value{{"ProgramFilesDir", "sz", `C:\Program Files`}}},
	{`HKLM\SOFTWARE\Microsoft\Windows NT\CurrentVersion\ProfileList\` + User(1), []Value{
		{"ProfileImagePath", "expand_sz", `C:\Users\u1001`}, {"State", "dword", "0"},
		{"LocalProfileLoadTimeHigh", "dword", "31130000"}, {"LocalProfileLoadTimeLow", "dword", "3000000000"},
		{"LocalProfileUnloadTimeHigh", "dword", "31130008"}, {"LocalProfileUnloadTimeLow", "dword", "1"}}},
}}

// Load reads all pairs of a folder, in the order of their names.
func Load(dir string) ([]Pair, error) {
	names, err := filepath.Glob(filepath.Join(dir, "*.txtar"))
	if err != nil {
		return nil, err
	}
	var pairs []Pair
	for _, name := range names {
		text, err := os.ReadFile(name)
		if err != nil {
			return nil, err
		}
		p, err := Parse(strings.TrimSuffix(filepath.Base(name), ".txtar"), text)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		pairs = append(pairs, p)
	}
	if len(pairs) == 0 {
		return nil, fmt.Errorf("%s has no pair", dir)
	}
	return pairs, nil
}

// Parse reads one pair.
func Parse(name string, text []byte) (Pair, error) {
	archive := txtar.Parse(text)
	sections := map[string]string{}
	for _, f := range archive.Files {
		if _, twice := sections[f.Name]; twice {
			return Pair{}, fmt.Errorf("section %s is there twice", f.Name)
		}
		sections[f.Name] = string(f.Data)
	}
	p := Pair{Name: name, About: strings.TrimSpace(string(archive.Comment))}
	if p.About == "" {
		return Pair{}, fmt.Errorf("it does not say what it shows")
	}
	start, ok := sections["start"]
	end, changes := sections["end"]
	input, answer := sections["input"], sections["answer"]
	if !ok || input == "" || answer == "" || len(sections) > 4 || len(sections) == 4 && !changes {
		return Pair{}, fmt.Errorf("want the sections start, input, answer, and perhaps end")
	}
	x := &expansion{}
	p.Start = x.state(x.expand(start))
	if x.start = p.Start; changes {
		p.End = x.state(x.expand(end))
	} else {
		p.End = p.Start
	}
	x.end = p.End
	p.Input = x.expand(strings.TrimLeft(input, "\n"))
	for line := range strings.Lines(x.expand(answer)) {
		if line = strings.TrimSpace(line); line != "" {
			p.Answer = append(p.Answer, line)
		}
	}
	return p, x.err
}

// Content is the content of a file by its word.
func Content(word string) []byte { return bytes.Repeat([]byte(word+" is a picture\n"), 40) }
