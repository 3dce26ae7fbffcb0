package config

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"
)

var update = flag.Bool("update", false, "write the expected errors in testdata, deploy/photopush.yaml and docs/configuration.md")

func noMore(*Config) error { return nil }

// TestRules reads a good and a bad file for each rule: the errors are expected to the letter.
func TestRules(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil || len(files) == 0 {
		t.Fatalf("no rules in testdata: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txtar"), func(t *testing.T) { testRule(t, file) })
	}
}

func testRule(t *testing.T, file string) {
	a, err := txtar.ParseFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if len(a.Files) != 3 {
		t.Fatalf("%d files, want good.yaml, bad.yaml and error.txt", len(a.Files))
	}
	good, bad, want := a.Files[0].Data, a.Files[1].Data, string(a.Files[2].Data)
	if _, err := parse("photopush.yaml", good, noMore); err != nil {
		t.Errorf("good.yaml has faults:\n%v", err)
	}
	_, err = parse("photopush.yaml", bad, noMore)
	if err == nil {
		t.Fatal("bad.yaml has no fault")
	}
	got := err.Error() + "\n"
	if *update {
		a.Files[2].Data = []byte(got)
		if err := os.WriteFile(file, txtar.Format(a), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if got != want {
		t.Errorf("error\n%s\nwant\n%s", got, want)
	}
	for _, err := range flatten(err) {
		if f, ok := errors.AsType[*Fault](err); !ok || f.Line < 1 || f.File != "photopush.yaml" {
			t.Errorf("%#v is no fault with a place", err)
		}
	}
}

func TestValues(t *testing.T) {
	folder := t.TempDir()
	file := filepath.Join(folder, "photopush.yaml")
	text := "\ufeff" + strings.ReplaceAll(`
domains:
  - name: corp.example
    controllers: [ldaps://dc1.corp.example, "ldap://10.0.0.2:3890"]
    bind_user: svc-read@corp.example
    password_file: secrets/ldap
    ca_file: /etc/ssl/corp.pem
    users:
      bases: ["OU=Staff,DC=corp,DC=example"]
      filter: >-
        (&(department=Sales)(mail=*))
    workstations: {bases: ["OU=Workstations,DC=corp,DC=example"], include_servers: true}
    timeout: 1m30s
    winrm:
      user: 12345
      password_env: WINRM_PASSWORD
      max_envelope: 200 KiB
photo:
  # nothing is set here
jobs:
  verify_every: 1d12h
`, "\n", "\r\n")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := Load(file)
	if err != nil {
		t.Fatal(err)
	}
	d := c.Domains[0]
	for _, v := range []struct {
		name      string
		got, want any
	}{
		{"relative file", d.PasswordFile, filepath.Join(folder, "secrets/ldap")},
		{"absolute file", d.CAFile, "/etc/ssl/corp.pem"},
		{"no file", d.WinRM.CAFile, ""},
		{"folded text", d.Users.Filter, "(&(department=Sales)(mail=*))"},
		{"flow mapping", d.Workstations.IncludeServers, true},
		{"duration", d.Timeout, 90 * time.Second},
		{"days", c.Jobs.VerifyEvery, 36 * time.Hour},
		{"number as text", d.WinRM.User, "12345"},
		{"size", int64(d.WinRM.MaxEnvelope), int64(200 << 10)},
		{"default in a list", d.PageSize, 500},
		{"default in a section of a list", d.WinRM.Transport, "http"},
		{"default in an empty section", c.Photo.Quality, 90},
		{"default in a missing section", c.Server.Listen, "127.0.0.1:8470"},
		{"default that is true", c.Registry.TemporaryEntry, true},
	} {
		if v.got != v.want {
			t.Errorf("%s: %v, want %v", v.name, v.got, v.want)
		}
	}
}

func TestNoFile(t *testing.T) {
	_, err := Load("testdata/none.yaml")
	want := "no configuration file testdata/none.yaml: name one with --config, or start from what `photopush config example` prints"
	if err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
}

// TestCheck: every file that the configuration names is read; what will not do is reported with its line, beside the other faults.
func TestCheck(t *testing.T) {
	folder := t.TempDir()
	write := func(name, content string) string {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	write("empty", "")
	write("password", "secret\n")
	domain := `  - name: %s
    controllers: [ldaps://dc1.corp.example]
    bind_user: svc-read@corp.example
    users: {bases: ["OU=Staff,DC=%[1]s"]}
    workstations: {bases: ["OU=Workstations,DC=%[1]s"]}
`
	file := write("photopush.yaml", "domains:\n"+
		fmt.Sprintf(domain, "a")+`    ca_file: none.pem
    password_file: none
    winrm: {user: svc-push, keytab_file: none.keytab}
    kerberos: {krb5_conf: none.conf}
`+fmt.Sprintf(domain, "b")+`    ca_file: empty
    password_file: empty
    winrm:
      transport: https
      auth: certificate
      certificate_file: password
      key_file: none.key
`+fmt.Sprintf(domain, "c")+`    password_file: password
    winrm: {user: svc-push, ccache_file: empty, ca_file: none.pem, port: 70000}
`+fmt.Sprintf(domain, "d")+`    password_file: password
    winrm: {user: svc-push, password_file: password}
    writer: {auth: kerberos, bind_user: svc-write, keytab_file: password}
  - name: f
    auth: certificate
    certificate_file: none.pem
    key_file: password
    users: {bases: ["OU=Staff,DC=f"]}
    workstations: {bases: ["OU=Workstations,DC=f"]}
    winrm: {user: svc-push, password_file: password}
photo:
  crop_file: crops.csv
`)
	write("crops.csv", "user,crop\nA\\u1001,top\nE\\u1002,top\nu1003,left\n")
	const put = "; put it there, readable by the account that photopush runs as"
	want := strings.ReplaceAll(`FILE:7: domains[0].ca_file: open FOLDER/none.pem: no such file or directory
FILE:8: domains[0].password_file: cannot use the password in file FOLDER/none: no such file or directory`+put+`
FILE:9: domains[0].winrm.keytab_file: cannot use the keytab in file FOLDER/none.keytab: no such file or directory`+put+`
FILE:10: domains[0].kerberos.krb5_conf: configuration file could not be opened: FOLDER/none.conf open FOLDER/none.conf: no such file or directory
FILE:16: domains[1].ca_file: it holds no PEM certificate
FILE:17: domains[1].password_file: cannot use the password in file FOLDER/empty: it is empty`+put+`
FILE:22: domains[1].winrm.key_file: cannot use the key in file FOLDER/none.key: no such file or directory`+put+`
FILE:29: domains[2].winrm.port is 70000, want 1 to 65535, or 0 for the usual one
FILE:29: domains[2].winrm.ca_file: open FOLDER/none.pem: no such file or directory
FILE:29: domains[2].winrm.ccache_file: cannot use the credential cache in file FOLDER/empty: it is empty`+put+`
FILE:37: domains[3].writer.keytab_file: cannot use the keytab in file FOLDER/password: it is no keytab: invalid keytab data. First byte does not equal 5`+put+`
FILE:40: domains[4].certificate_file: cannot use the certificate in file FOLDER/none.pem: no such file or directory`+put+`
FILE:46: photo.crop_file: FOLDER/crops.csv:3: name is "E\\u1002", want a domain of the configuration before the backslash, by its DNS name (a, b, c, d, f) or that up to the first dot
FILE:46: photo.crop_file: FOLDER/crops.csv:4: crop is "left", want auto, centre, top, or square:x:y:side with a side of 32 to 16384 px`, "FOLDER", folder)
	if _, err := Check(file); err == nil || err.Error() != strings.ReplaceAll(want, "FILE", file) {
		t.Errorf("faults\n%v\nwant\n%s", err, strings.ReplaceAll(want, "FILE", file))
	}
	if _, err := Load(file); err == nil || strings.Count(err.Error(), "\n") > 0 {
		t.Errorf("Load reads more than the file: %v", err)
	}
}

func TestEncodings(t *testing.T) {
	for name, c := range map[string]struct{ data, want string }{
		"UTF-16 LE":             {"\xff\xfed\x00", "x.yaml:1: the file is UTF-16 or binary, want UTF-8: save it with that encoding"},
		"UTF-16 BE":             {"\xfe\xff\x00d", "x.yaml:1: the file is UTF-16 or binary, want UTF-8: save it with that encoding"},
		"UTF-16 without a mark": {"d\x00o\x00", "x.yaml:1: the file is UTF-16 or binary, want UTF-8: save it with that encoding"},
		"Latin-1":               {"# ok\n# M\xfcnchen\n", "x.yaml:2: this line is not UTF-8: save the file with that encoding"},
		"large":                 {strings.Repeat("#\n", maxFile/2+1), "x.yaml:1: the file has more than 1048576 bytes"},
		"empty":                 {"", "x.yaml:1: domains is empty, want at least one domain; `photopush config example` prints a file to start from"},
		"comments alone":        {"# nothing\n", "x.yaml:1: domains is empty, want at least one domain; `photopush config example` prints a file to start from"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := parse("x.yaml", []byte(c.data), noMore); err == nil || err.Error() != c.want {
				t.Errorf("error %v, want %s", err, c.want)
			}
		})
	}
}

// TestHostile feeds the file at its largest with what makes the parser slow or deep: every one is refused, and soon. The test's own
// deadline is generous; without the bounds most of these take minutes or end the process.
func TestHostile(t *testing.T) {
	for name, unit := range map[string]string{
		"lists": "[", "mappings": "{a: ", "entries": "- ", "keys": "? ", "anchors": "&a ", "tags": "!a ", "documents": "---\n", "pairs": "a: b\n",
		"quotes": "'a' ", "open quote": "a: \"x\n", "colons": "a:", "aliases": "*a ", "brackets": "][", "directives": "%YAML 1.2\n", "literals": "a: |\n  x\n",
	} {
		t.Run(name, func(t *testing.T) {
			start := time.Now()
			if _, err := parse("x.yaml", []byte(strings.Repeat(unit, maxFile/len(unit))), noMore); err == nil {
				t.Error("no error")
			}
			if took := time.Since(start); took > 20*time.Second {
				t.Errorf("took %s", took)
			}
		})
	}
	t.Run("indentation", func(t *testing.T) {
		var b strings.Builder
		for i := range 1000 {
			b.WriteString(strings.Repeat(" ", i) + "a:\n")
		}
		if _, err := parse("x.yaml", []byte(b.String()), noMore); err == nil || !strings.Contains(err.Error(), "nested more than 16 levels deep") {
			t.Errorf("error %.200v, want one about nesting", err)
		}
	})
}

// TestEveryKey holds the rooms to what this package can read: a help text for every key, a default of the right form, an example for
// every list and every key that must be set.
func TestEveryKey(t *testing.T) {
	must := required()
	var walk func(typ reflect.Type, path string)
	walk = func(typ reflect.Type, path string) {
		for _, f := range fields(typ) {
			full := join(path, f.key)
			switch {
			case f.section():
				walk(f.typ, full)
				continue
			case f.list():
				walk(f.typ.Elem(), full+"[0]")
				continue
			case !strings.HasSuffix(f.help, "."):
				t.Errorf("%s: help is %q, want a sentence", full, f.help)
			case f.standard == "" && f.example == "" && (must[full] || f.typ.Kind() == reflect.Slice):
				t.Errorf("%s has no example", full)
			case f.standard == "" && f.sampleValue() == "":
				t.Errorf("%s has no default", full)
			}
		}
	}
	walk(reflect.TypeFor[Config](), "")
}

func TestGenerated(t *testing.T) {
	for file, want := range map[string][]byte{"../deploy/photopush.yaml": Example(), "../docs/configuration.md": Manual()} {
		if *update {
			if err := os.WriteFile(file, want, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		got, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(string(want), string(got)); diff != "" {
			t.Errorf("%s is not what the code says; run: go generate ./config\n%s", file, diff)
		}
	}
	if _, err := Load("../deploy/photopush.yaml"); err != nil {
		t.Errorf("the shipped sample has faults:\n%v", err)
	}
}

// otherLogons are keys of the sample that exclude others: the other places of a secret, and what belongs to other kinds of sign-in.
var otherLogons = []string{"password_env", "keytab_file", "certificate_file", "key_file", "allow_domain_ntlm"}

// TestExample reads the sample as it is, and with every key that it shows switched on.
func TestExample(t *testing.T) {
	if _, err := parse("photopush.yaml", Example(), noMore); err != nil {
		t.Errorf("the sample has faults:\n%v", err)
	}
	var all []string
	for l := range strings.Lines(string(Example())) {
		margin, rest, ok := strings.Cut(l, "#")
		switch {
		case ok && strings.TrimSpace(margin) == "" && slices.Contains(otherLogons, strings.Split(rest, ":")[0]):
		case ok && strings.TrimSpace(margin) == "" && rest[0] != ' ' && rest[0] != '\n':
			all = append(all, margin+rest)
		default:
			all = append(all, l)
		}
	}
	c, err := parse("photopush.yaml", []byte(strings.Join(all, "")), noMore)
	if err != nil {
		t.Fatalf("the sample with all keys has faults:\n%v", err)
	}
	if len(all) < 60 || c.Domains[0].Users.Filter == "" || c.Domains[0].WinRM.CAFile == "" {
		t.Error("not every key was switched on")
	}
}

func FuzzParse(f *testing.F) {
	files, err := filepath.Glob("testdata/*.txtar")
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range files {
		a, err := txtar.ParseFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(a.Files[0].Data)
		f.Add(a.Files[1].Data)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parse("x.yaml", data, noMore)
		if (c == nil) == (err == nil) {
			t.Fatalf("%v and %v, want one of them", c, err)
		}
		for _, err := range flatten(err) {
			fault, ok := errors.AsType[*Fault](err)
			if !ok || fault.Line < 1 || fault.Line > strings.Count(string(data), "\n")+2 {
				t.Errorf("%v has no place in the file", err)
			}
		}
	})
}
