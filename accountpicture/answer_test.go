package accountpicture

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

const someHash = "9c1e185a5c5e9fc54612808977ee8f548b2258d31b1e1d1e1d1e1d1e1d1e1d1e"

const someFile = "0123456789abcdef0123456789abcdef-9c1e185a5c5e9fc5-Image96.jpg"

func framed(lines ...string) []byte {
	return []byte("banner\r\n#photopush-answer\n" + strings.Join(lines, "\n") + "\n#end-of-answer\nmore\n")
}

const inventoryLine = `{"verb":"inventory","ok":true,"version":2,"ps":"5.1.22621.2506","net":533320,"build":22631,"ubr":4317,"display":"23H2",` +
	`"edition":"Enterprise","type":"Client","installed":1700000000,"machine":"b5af4a2a","domain":"corp.example","entra":true,"program_files":"C:\u005cProgram Files",` +
	`"free":-1,"default_tile":true,"profiles":[{"sid":"S-1-5-21-1-2-3-1002","loaded":true,"interactive":true,"load":0,"unload":0},` +
	`{"sid":"S-1-5-21-1-2-3-1001","loaded":false,"interactive":false,"load":133702334924480000,"unload":1}],"acl":"O:BAD:(A;CI;KA;;;WD)","others":2,` +
	`"users":[{"sid":"S-1-5-21-1-2-3-1002","state":"","values":[],"files":[],"acl":"","changed":0,"saved":"","earlier":0,"journal":false,"error":"0x8013150a values"},` +
	`{"sid":"S-1-5-21-1-2-3-1001","state":"` + someHash + `","values":[{"name":"Image40","kind":"sz","data":"C:\u005cx \u00e4"},{"name":"Image96","kind":"other","data":""}],` +
	`"files":[{"name":"` + someFile + `","length":7,"sha256":"` + someHash + `"}],` +
	`"acl":"O:SYD:P(A;;KR;;;WD)","changed":133702334924480000,"saved":"absent","earlier":3,"journal":true,"error":""}],"truncated":true}`

func TestParseAnswer(t *testing.T) {
	got, err := ParseAnswer(framed(inventoryLine,
		`{"verb":"check","ok":true,"key":true,"users":3,"refused":["S-1-5-21-1-2-3-1001","S-1-5-21-1-2-3-1002"],"closed":["S-1-5-21-1-2-3-1002"],"folder":false}`,
		`{"verb":"put_file","ok":true,"sid":"S-1-5-21-1-2-3-1001","name":"`+someFile+`","sha256":"`+someHash+`","state":"same"}`,
		`{"verb":"save_original","ok":true,"sid":"S-1-5-21-1-2-3-1001","state":"absent"}`,
		`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"ace","before":"O:SYD:(A;;KR;;;WD)","after":"O:SYD:P(A;;KR;;;WD)","state":"`+someHash+`","values":[]}`,
		`{"verb":"delete_files","ok":true,"sid":"S-1-5-21-1-2-3-1001","deleted":["`+someFile+`"],"kept":[],"folder":true}`,
		`{"verb":"delete_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","before":"","after":"","state":"absent","values":[]}`,
		`{"verb":"restore_original","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","before":"","after":"","state":"absent","values":[],"missing":["Image96"]}`,
		`{"verb":"tighten_acl","ok":true,"key":"Users","before":"O:BAD:(A;;KA;;;WD)","after":"O:BAD:(A;;KR;;;WD)"}`,
		`{"verb":"tighten_acl","ok":true,"key":"S-1-5-21-1-2-3-1001","before":"x","after":"y"}`,
		`{"verb":"recover","ok":true,"undone":[{"sid":"S-1-5-21-1-2-3-1001","acl":"x","after":"y"},{"sid":"S-1-5-21-1-2-3-1002","acl":"","after":""}]}`,
		`{"verb":"input","ok":false,"reason":"denied","hresult":2147942405,"where":"Enter-Lock","message":"Zugriff \u001b verweigert"}`))
	if err != nil {
		t.Fatal(err)
	}
	want := []Answer{
		{Verb: "inventory", OK: true, Truncated: true, Inventory: &photopush.Inventory{
			PowerShell: "5.1.22621.2506", NETRelease: 533320, Build: 22631, Revision: 4317, Release: "23H2", Edition: "Enterprise", Type: "Client",
			InstallDate: 1700000000, MachineGUID: "b5af4a2a", Domain: "corp.example", EntraJoined: true, ProgramFiles: `C:\Program Files`, FreeBytes: -1, DefaultTile: true,
			UsersACL: "O:BAD:(A;CI;KA;;;WD)", OtherKeys: 2, Truncated: true,
			Profiles: []photopush.Profile{
				{SID: user1, LastUse: time.Date(2024, 9, 8, 1, 44, 52, 448000000, time.UTC)},
				{SID: user2, Loaded: true, Interactive: true}},
			Accounts: []photopush.Account{
				{SID: user1, State: someHash, Values: []photopush.Value{{Name: "Image40", Kind: "sz", Data: `C:\x ä`}, {Name: "Image96", Kind: "other"}},
					Files: []photopush.File{{Name: someFile, Length: 7, SHA256: someHash}},
					ACL:   "O:SYD:P(A;;KR;;;WD)", Changed: time.Date(2024, 9, 8, 1, 44, 52, 448000000, time.UTC), Saved: "absent", Earlier: 3, Journal: true},
				{SID: user2, Values: []photopush.Value{}, Files: []photopush.File{}, Error: "0x8013150a values"}},
		}},
		{Verb: "check", OK: true, Access: &Access{Key: true, Users: 3, Refused: []photopush.SID{user1, user2}, Closed: []photopush.SID{user2}}},
		{Verb: "put_file", OK: true, SID: user1, File: someFile, SHA256: someHash},
		{Verb: "save_original", OK: true, SID: user1, State: "absent"},
		{Verb: "set_values", OK: true, SID: user1, Rung: "ace", Before: "O:SYD:(A;;KR;;;WD)", After: "O:SYD:P(A;;KR;;;WD)", State: someHash, Values: []photopush.Value{}},
		{Verb: "delete_files", OK: true, SID: user1, Deleted: []string{someFile}, Kept: []string{}, Folder: true},
		{Verb: "delete_values", OK: true, SID: user1, Rung: "plain", State: "absent", Values: []photopush.Value{}},
		{Verb: "restore_original", OK: true, SID: user1, Rung: "plain", State: "absent", Values: []photopush.Value{}, Missing: []string{"Image96"}},
		{Verb: "tighten_acl", OK: true, Before: "O:BAD:(A;;KA;;;WD)", After: "O:BAD:(A;;KR;;;WD)"},
		{Verb: "tighten_acl", OK: true, SID: user1, Before: "x", After: "y"},
		{Verb: "recover", OK: true, Undone: []Undone{{SID: user1, ACL: "x", After: "y"}, {SID: user2}}},
		{Verb: "input", Reason: photopush.Denied, HResult: 0x80070005, Where: "Enter-Lock", Message: "Zugriff   verweigert"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("answers (-want +got):\n%s", diff)
	}
}

func TestParseAnswerRefuses(t *testing.T) {
	const failure = `{"verb":"put_file","ok":false,"reason":"denied","hresult":0,"where":"guard","message":""}`
	inventory := func(old, replacement string) string {
		if !strings.Contains(inventoryLine, old) {
			t.Fatalf("%s is not in the inventory", old)
		}
		return strings.Replace(inventoryLine, old, replacement, 1)
	}
	for name, test := range map[string]struct {
		line string
		want string
	}{
		"no JSON":                     {"x", "invalid character 'x' looking for beginning of value"},
		"two objects":                 {failure + "{}", "invalid character '{' after top-level value"},
		"no ok":                       {`{"verb":"inventory"}`, "ok is missing"},
		"unknown verb":                {`{"verb":"format","ok":true}`, `the verb is "format"`},
		"check of none":               {`{"verb":"check","ok":true,"key":true,"users":-1,"refused":[],"folder":true}`, "-1 users, of whom 0 are refused"},
		"check of many":               {`{"verb":"check","ok":true,"key":true,"users":1001,"refused":[],"folder":true}`, "1001 users, of whom 0 are refused"},
		"refused too many":            {`{"verb":"check","ok":true,"key":true,"users":0,"refused":["S-1-5-21-1-2-3-1001"],"folder":true}`, "0 users, of whom 1 are refused"},
		"refused nobody":              {`{"verb":"check","ok":true,"key":true,"users":1,"refused":["S-1-5-18"],"folder":true}`, `the user is "S-1-5-18"`},
		"refused twice":               {`{"verb":"check","ok":true,"key":true,"users":2,"refused":["S-1-5-21-1-2-3-1001","S-1-5-21-1-2-3-1001"],"folder":true}`, "the users are not in order"},
		"unknown field":               {`{"verb":"put_file","ok":true,"x":1}`, `json: unknown field "x"`},
		"failed verb":                 {strings.Replace(failure, "put_file", "format", 1), `the verb is "format"`},
		"reason":                      {strings.Replace(failure, "denied", "auth", 1), `the reason is "auth"`},
		"where":                       {strings.Replace(failure, "guard", "\\u001b[2J", 1), `the place is "\x1b[2J"`},
		"hresult":                     {strings.Replace(failure, `"hresult":0`, `"hresult":-1`, 1), "json: cannot unmarshal number -1 into Go struct field .hresult of type uint32"},
		"user":                        {`{"verb":"delete_files","ok":true,"sid":"S-1-5-18","deleted":[],"kept":[]}`, `the user is "S-1-5-18"`},
		"deleted":                     {`{"verb":"delete_files","ok":true,"sid":"S-1-5-21-1-2-3-1001","deleted":["..\\x"],"kept":[]}`, `the file is "..\\x"`},
		"rung":                        {`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"task","state":"absent","values":[]}`, `the rung is "task"`},
		"rung plain with permissions": {`{"verb":"delete_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","before":"x","state":"absent","values":[]}`, "the rung plain has permissions before and after"},
		"rung ace without":            {`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"ace","before":"x","state":"absent","values":[]}`, "the rung ace lacks the permissions before or after"},
		"long permissions":            {`{"verb":"tighten_acl","ok":true,"key":"Users","before":"` + strings.Repeat("x", 8001) + `"}`, "permissions of 8001 UTF-16 code units"},
		"key":                         {`{"verb":"tighten_acl","ok":true,"key":"S-1-5-18"}`, `the key is "S-1-5-18"`},
		"values of a missing key":     {`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","state":"absent","values":[{"name":"Image96","kind":"sz","data":""}]}`, "a missing key has 1 values"},
		"saved state":                 {`{"verb":"save_original","ok":true,"sid":"S-1-5-21-1-2-3-1001","state":""}`, `the state is ""`},
		"missing value":               {`{"verb":"restore_original","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","state":"absent","values":[],"missing":["Run"]}`, `the missing value is "Run"`},
		"closed, not refused":         {`{"verb":"check","ok":true,"key":true,"users":1,"refused":[],"closed":["S-1-5-21-1-2-3-1001"],"folder":true}`, "user S-1-5-21-1-2-3-1001 is closed, and not refused"},
		"journal of nobody":           {`{"verb":"recover","ok":true,"undone":[{"sid":"S-1-5-18"}]}`, `the user is "S-1-5-18"`},
		"journals out of order":       {`{"verb":"recover","ok":true,"undone":[{"sid":"S-1-5-21-1-2-3-1002"},{"sid":"S-1-5-21-1-2-3-1001"}]}`, "the journals are not in order"},
		"permissions of Users":        {inventory(`"acl":"O:BAD:(A;CI;KA;;;WD)"`, `"acl":"`+strings.Repeat("x", 8001)+`"`), "permissions of 8001 UTF-16 code units"},
		"other keys":                  {inventory(`"others":2`, `"others":-1`), "others is -1"},
		"saved":                       {inventory(`"saved":"absent"`, `"saved":"x"`), `user S-1-5-21-1-2-3-1001: its saved state is "x"`},
		"earlier":                     {inventory(`"earlier":3`, `"earlier":13`), "user S-1-5-21-1-2-3-1001: 13 of its saved values could be put back"},
		"state":                       {`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","state":"x","values":[]}`, `the state is "x"`},
		"value":                       {`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"plain","state":"` + someHash + `","values":[{"name":"Run","kind":"sz","data":""}]}`, `value "Run" is unknown, or out of order`},
		"name":                        {`{"verb":"put_file","ok":true,"sid":"S-1-5-21-1-2-3-1001","name":"x","sha256":"` + someHash + `","state":"new"}`, `the file is "x"`},
		"hash":                        {`{"verb":"put_file","ok":true,"sid":"S-1-5-21-1-2-3-1001","name":"` + someFile + `","sha256":"x","state":"new"}`, `the hash is "x"`},
		"state of a file":             {`{"verb":"put_file","ok":true,"sid":"S-1-5-21-1-2-3-1001","name":"` + someFile + `","sha256":"` + someHash + `","state":"x"}`, `the state of the file is "x"`},
		"version":                     {inventory(`"version":2`, `"version":1`), "the protocol has version 1, want 2"},
		"program files":               {inventory(`C:\u005cProgram Files`, `\u005c\u005cserver\u005cshare`), `program_files is "\\\\server\\share"`},
		"free":                        {inventory(`"free":-1`, `"free":-2`), "free is -2"},
		"build":                       {inventory(`"build":22631`, `"build":-1`), "build is -1"},
		"profile":                     {inventory(`"sid":"S-1-5-21-1-2-3-1002","loaded"`, `"sid":"S-1-5-18","loaded"`), `the user is "S-1-5-18"`},
		"profile twice":               {inventory(`"sid":"S-1-5-21-1-2-3-1002","loaded"`, `"sid":"S-1-5-21-1-2-3-1001","loaded"`), "the profile of S-1-5-21-1-2-3-1001 is listed twice"},
		"user twice":                  {inventory(`"sid":"S-1-5-21-1-2-3-1002","state"`, `"sid":"S-1-5-21-1-2-3-1001","state"`), "user S-1-5-21-1-2-3-1001 is listed twice"},
		"no state":                    {inventory(`"state":"`+someHash+`"`, `"state":""`), `user S-1-5-21-1-2-3-1001: its state is ""`},
		"error":                       {inventory(`0x8013150a values`, `bad values`), `user S-1-5-21-1-2-3-1002: its error is "bad values"`},
		"order of values":             {inventory(`"name":"Image40"`, `"name":"Image448"`), `user S-1-5-21-1-2-3-1001: value "Image96" is unknown, or out of order`},
		"kind":                        {inventory(`"kind":"other"`, `"kind":"dword"`), `user S-1-5-21-1-2-3-1001: value Image96 is of kind "dword" with 0 UTF-16 code units`},
		"long data":                   {inventory(`"data":"C:\u005cx \u00e4"`, `"data":"`+strings.Repeat("x", 521)+`"`), `user S-1-5-21-1-2-3-1001: value Image40 is of kind "sz" with 521 UTF-16 code units`},
		"file":                        {inventory(someFile, "x.jpg"), `user S-1-5-21-1-2-3-1001: file "x.jpg" has no name of ours, or is out of order`},
		"length":                      {inventory(`"length":7`, `"length":-7`), "user S-1-5-21-1-2-3-1001: file " + someFile + ` has -7 bytes and the hash "` + someHash + `"`},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := ParseAnswer(framed(test.line))
			if want := "line 1 of the answer: " + test.want; err == nil || err.Error() != want {
				t.Errorf("error %v, want %s", err, want)
			}
		})
	}
	if _, err := ParseAnswer(framed(failure, failure)); err == nil || err.Error() != "line 2 of the answer stands after a failure" {
		t.Errorf("after a failure: %v", err)
	}
	for name, stdout := range map[string]string{
		"nothing": "", "no begin": "#end-of-answer\n", "no end": "#photopush-answer\n" + failure + "\n", "cut": "#photopush-answer\n" + failure + "\n#end-of-ans", "indented": " #photopush-answer\n#end-of-answer\n",
	} {
		if _, err := ParseAnswer([]byte(stdout)); !errors.Is(err, ErrNoAnswer) {
			t.Errorf("%s: %v, want ErrNoAnswer", name, err)
		}
	}
	if _, err := ParseAnswer(make([]byte, MaxAnswer+1)); err == nil || err.Error() != "the answer has more than 16777216 bytes" {
		t.Errorf("too long: %v", err)
	}
	if _, err := ParseAnswer([]byte("#photopush-answer\n" + strings.Repeat("\n", maxAnswers+1) + "#end-of-answer\n")); err == nil || err.Error() != "the answer has more than 50000 lines" {
		t.Errorf("too many lines: %v", err)
	}
}

// FuzzParseAnswer wants of whatever is accepted that it is bounded, and that only users, names and texts of the agreed form are in it.
func FuzzParseAnswer(f *testing.F) {
	f.Add(framed(inventoryLine))
	f.Add(framed(`{"verb":"put_file","ok":true,"sid":"S-1-5-21-1-2-3-1001","name":"` + someFile + `","sha256":"` + someHash + `","state":"new"}`))
	f.Add(framed(`{"verb":"delete_files","ok":true,"sid":"S-1-5-21-1-2-3-1001","deleted":["` + someFile + `"],"kept":[]}`))
	f.Add(framed(`{"verb":"set_values","ok":true,"sid":"S-1-5-21-1-2-3-1001","rung":"ace","before":"O:SYD:(A;;KR;;;WD)","after":"O:SYD:P(A;;KR;;;WD)","state":"absent","values":[]}`))
	f.Add(framed(`{"verb":"recover","ok":true,"undone":[{"sid":"S-1-5-21-1-2-3-1001","acl":"x","after":"y"}]}`))
	f.Add(framed(`{"verb":"input","ok":false,"reason":"denied","hresult":2147942405,"where":"Enter-Lock","message":"\u001b"}`))
	f.Fuzz(func(t *testing.T, stdout []byte) {
		answers, err := ParseAnswer(stdout)
		if err != nil {
			return
		}
		for _, a := range answers {
			if a.SID != "" && !a.SID.IsAccount() || strings.ContainsFunc(a.Message+a.Where, func(r rune) bool { return !unicode.IsPrint(r) }) || len(a.Message) > 4*maxMessage {
				t.Fatalf("accepted %+v", a)
			}
			if a.Inventory == nil {
				continue
			}
			Findings(a.Inventory)
			Elsewhere(a.Inventory)
			encodable(t, PlanRepair(a.Inventory))
			for _, account := range a.Inventory.Accounts {
				if !account.SID.IsAccount() || len(account.Files) > maxFiles || len(account.Values) > len(ValueNames) {
					t.Fatalf("accepted %+v", account)
				}
				Have(a.Inventory, account.SID)
				Overwritten(a.Inventory, account.SID)
				for _, wish := range []Wish{{User: account.SID, Set: makeSet("set", 32, 96)}, {User: account.SID}} {
					verbs, err := Plan(a.Inventory, []Wish{wish}, Options{TemporaryEntry: true})
					if err != nil && photopush.ReasonOf(err) != photopush.DiskFull {
						t.Fatal(err)
					}
					encodable(t, verbs)
				}
			}
		}
	})
}

// encodable wants that every batch of a plan can be sent.
func encodable(t *testing.T, verbs []Verb) {
	t.Helper()
	for _, batch := range Batches(verbs) {
		if _, err := Encode(batch); err != nil {
			t.Fatalf("a plan that cannot be encoded: %v", err)
		}
	}
}

func FuzzParseFileName(f *testing.F) {
	f.Add(someFile)
	f.Add("0123456789abcdef0123456789abcdef-9c1e185a5c5e9fc5-12-Image1080.jpg")
	f.Fuzz(func(t *testing.T, name string) {
		if n, ok := ParseFileName(name); ok && n.String() != name {
			t.Fatalf("%q was read as %+v, which is %q", name, n, n)
		}
	})
}

func TestParseFileName(t *testing.T) {
	for name, want := range map[string]FileName{
		someFile: {strings.Repeat("0123456789abcdef", 2), "9c1e185a5c5e9fc5", 0, 96},
		"0123456789abcdef0123456789abcdef-9c1e185a5c5e9fc5-999-Image1080.jpg": {strings.Repeat("0123456789abcdef", 2), "9c1e185a5c5e9fc5", 999, 1080},
	} {
		if got, ok := ParseFileName(name); !ok || got != want || got.String() != name {
			t.Errorf("ParseFileName(%q) = %+v, %v", name, got, ok)
		}
	}
	for _, name := range []string{"", "x", someFile + "\n", strings.ToUpper(someFile), strings.Replace(someFile, "-Image96", "-0-Image96", 1),
		strings.Replace(someFile, "-Image96", "-1000-Image96", 1), strings.Replace(someFile, "96.jpg", "97.jpg", 1), `..\` + someFile, someFile + ":x"} {
		if n, ok := ParseFileName(name); ok {
			t.Errorf("ParseFileName(%q) = %+v", name, n)
		}
	}
}

func TestValueNames(t *testing.T) {
	want := []string{"Image32", "Image40", "Image48", "Image64", "Image96", "Image192", "Image200", "Image208", "Image240", "Image424", "Image448", "Image1080"}
	if !slices.Equal(ValueNames, want) {
		t.Errorf("ValueNames = %v", ValueNames)
	}
}

func TestEncode(t *testing.T) {
	content := []byte(strings.Repeat("a picture ", 400))
	name := FileName{Digest: strings.Repeat("ab", 16), Hash: hash(content)[:16], Size: 96}.String()
	got, err := Encode([]Verb{Recover{}, SaveOriginal{SID: user1, State: "absent"}, PutFile{SID: user1, File: name, Bytes: content, SHA256: hash(content)},
		SetValues{SID: user1, State: "absent", Rungs: RungsToEntry, Values: []Named{{"Image96", name}, {"Image40", name}}}, DeleteFiles{SID: user1, State: someHash, Files: []string{name, someFile}}})
	if err != nil {
		t.Fatal(err)
	}
	text, ok := strings.CutPrefix(string(got), PushScript.Text)
	lines := strings.Split(text, "\n")
	if !ok || len(lines) != 9 || len(lines[3]) != 4096 {
		t.Fatalf("%d lines after the script (%v), the first of base64 has %d characters", len(lines), ok, len(lines[3]))
	}
	lines[3], lines[4] = "", ""
	want := []string{"recover", fmt.Sprintf("save_original\t%s\tabsent", user1), fmt.Sprintf("put_file\t%s\t%s\t4000\t%s", user1, name, hash(content)), "", "", ".",
		fmt.Sprintf("set_values\t%s\tabsent\tplain,ace\tImage96=%s\tImage40=%s", user1, name, name), fmt.Sprintf("delete_files\t%s\t%s\t%s\t%s", user1, someHash, name, someFile), ""}
	if diff := cmp.Diff(want, lines); diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestEncodeRepair(t *testing.T) {
	got, err := Encode([]Verb{TightenACL{Key: KeyUsers, Sum: someHash, Trustees: []string{"S-1-1-0", TrusteeOwner}}, TightenACL{Key: string(user1), Sum: someHash, Trustees: []string{string(user1)}},
		RestoreOriginal{SID: user1, State: someHash, Saved: "absent"}, DeleteValues{SID: user2, State: someHash, Rungs: RungsToEntry, Values: []string{"Image96", "Image40"}}})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"tighten_acl\tUsers\t" + someHash + "\tS-1-1-0\towner", "tighten_acl\t" + string(user1) + "\t" + someHash + "\t" + string(user1),
		"restore_original\t" + string(user1) + "\t" + someHash + "\tplain\tabsent", "delete_values\t" + string(user2) + "\t" + someHash + "\tplain,ace\tImage96\tImage40", ""}
	text, ok := strings.CutPrefix(string(got), RepairScript.Text)
	if diff := cmp.Diff(want, strings.Split(text, "\n")); !ok || diff != "" {
		t.Errorf("input (-want +got):\n%s", diff)
	}
}

func TestEncodeRefuses(t *testing.T) {
	for name, test := range map[string]struct {
		verbs []Verb
		want  string
	}{
		"nothing": {nil, "encode verbs: there is none"},
		"put": {[]Verb{PutFile{SID: "S-1-5-18", File: someFile, SHA256: hash(nil)}},
			"verb 1, put_file: user \"S-1-5-18\" is no account\nthe hash \"" + hash(nil) + "\" does not begin as the name " + someFile + " tells\n" + someFile + " has 0 bytes, want 1 to 99999999"},
		"set": {[]Verb{Recover{}, SetValues{SID: user1, State: "x\ty", Values: []Named{{"Run", "x"}, {"Run", someFile}}}},
			"verb 2, set_values: \"x\\ty\" is no state\n\"Run\" is no name of a value\n\"x\" is no name of a picture file\n\"Run\" is no name of a value\nthe value Run is named twice"},
		"set nothing": {[]Verb{SetValues{SID: user1, State: "absent"}}, "verb 1, set_values: no value is named"},
		"delete":      {[]Verb{DeleteFiles{SID: user1, State: "absent", Files: []string{"*"}}}, `verb 1, delete_files: "*" is no name of a picture file`},
		"no script":   {[]Verb{TakeInventory{}, Recover{}}, "encode verbs: no script knows them all"},
		"rungs":       {[]Verb{SetValues{SID: user1, State: "absent", Rungs: "plain,task", Values: []Named{{"Image96", someFile}}}}, `verb 1, set_values: "plain,task" are no rungs`},
		"save":        {[]Verb{SaveOriginal{SID: user1}}, `verb 1, save_original: "" is no state`},
		"values": {[]Verb{DeleteValues{SID: user1, State: "absent", Values: []string{"Run", "Run"}}, DeleteValues{SID: user1, State: "absent"}},
			"verb 1, delete_values: \"Run\" is no name of a value\n\"Run\" is no name of a value\nthe value Run is named twice\nverb 2, delete_values: no value is named"},
		"restore": {[]Verb{RestoreOriginal{SID: user1, State: "absent"}}, `verb 1, restore_original: "" is no state`},
		"tighten": {[]Verb{TightenACL{Key: "Run", Trustees: []string{"S-1-5-18", "DU", "S-1-5-32-544\n"}}, TightenACL{Key: KeyUsers, Sum: someHash}},
			"verb 1, tighten_acl: \"Run\" is no key of account pictures\n\"\" is no hash\nthe trustee \"S-1-5-18\" cannot be kept from writing\n" +
				"the trustee \"DU\" cannot be kept from writing\nthe trustee \"S-1-5-32-544\\n\" cannot be kept from writing\nverb 2, tighten_acl: no trustee is named"},
		"delete nothing": {[]Verb{DeleteFiles{SID: user1, State: "absent"}}, "verb 1, delete_files: no file is named"},
	} {
		t.Run(name, func(t *testing.T) {
			if got, err := Encode(test.verbs); err == nil || err.Error() != test.want || got != nil {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
}
