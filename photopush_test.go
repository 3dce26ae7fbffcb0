package photopush_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	photopush "github.com/photopush/photopush"
)

func TestSIDIsAccount(t *testing.T) {
	for sid, want := range map[photopush.SID]bool{
		"S-1-5-21-1004336348-1177238915-682003330-1001": true,
		"S-1-5-18": false,
		"S-1-12-1-1004336348-1177238915-682003330-1001": false,
		"s-1-5-21-1-2-3-4":           false,
		"S-1-5-21-1-2-3-4\n":         false,
		"S-1-5-21-1-2-3":             false,
		"S-1-5-21-1-2-3-4-5":         false,
		`S-1-5-21-1-2-3-4\..`:        false,
		"S-1-5-21-1-2-3-٤":           false,
		"S-1-5-21-12345678901-2-3-4": false,
		photopush.SID("S-1-5-21-1-2-3-" + strings.Repeat("4", 1_000_000)): false,
	} {
		if got := sid.IsAccount(); got != want {
			t.Errorf("%.60s: %v, want %v", sid, got, want)
		}
	}
}

func TestOU(t *testing.T) {
	for dn, want := range map[string]string{
		"CN=Anna,OU=Staff,DC=corp,DC=example": "OU=Staff,DC=corp,DC=example",
		`CN=Miller\, Anna,OU=Staff,DC=corp`:   "OU=Staff,DC=corp",
		`CN=back\\,OU=Staff,DC=corp`:          "OU=Staff,DC=corp",
		"CN=Anna, OU=Staff":                   "OU=Staff",
		"DC=example":                          "",
		`CN=ends in a backslash\`:             "",
		"":                                    "",
	} {
		if got := (photopush.User{DN: dn}).OU(); got != want {
			t.Errorf("%s: %q, want %q", dn, got, want)
		}
		if got := (photopush.Workstation{DN: dn}).OU(); got != want {
			t.Errorf("%s: %q, want %q", dn, got, want)
		}
	}
}

func TestPairInStep(t *testing.T) {
	for _, c := range []struct {
		want photopush.Want
		have string
		in   bool
	}{
		{"d1", "d1", true}, {"d1", "d2", false}, {"d1", "", false},
		{photopush.Absent, "", true}, {photopush.Absent, "d1", false},
		{photopush.Leave, "", true}, {photopush.Leave, "d1", true},
	} {
		if got := (photopush.Pair{Want: c.want, Have: c.have}).InStep(); got != c.in {
			t.Errorf("want %s, have %q: %v", c.want, c.have, got)
		}
	}
}

func TestEveryReasonHasItsSentence(t *testing.T) {
	seen := map[photopush.Reason]bool{}
	for _, r := range photopush.Reasons() {
		s := r.Sentence()
		if seen[r] || !strings.HasSuffix(s, ".") || strings.ToUpper(s[:1]) != s[:1] {
			t.Errorf("%s: %q", r, s)
		}
		seen[r] = true
	}
	if len(seen) != 25 {
		t.Errorf("%d reasons, want the 25 of the design", len(seen))
	}
	manual, err := os.ReadFile("docs/reasons.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range photopush.Reasons() {
		if row := fmt.Sprintf("| `%s` | %s |\n", r, r.Sentence()); !strings.Contains(string(manual), row) {
			t.Errorf("docs/reasons.md lacks the row %s", row)
		}
	}
	if got := photopush.Reason("no such").Sentence(); got != "" {
		t.Errorf("a reason outside the set says %q", got)
	}
}

func TestReasonOf(t *testing.T) {
	denied := &photopush.Error{Reason: photopush.Denied, Op: "open shell", On: "ws1.corp.example", Err: errors.New("fault 5")}
	if got := denied.Error(); got != "open shell ws1.corp.example: denied: fault 5" {
		t.Error(got)
	}
	for want, err := range map[photopush.Reason]error{
		"":                 nil,
		photopush.Denied:   fmt.Errorf("visit: %w", denied),
		photopush.Timeout:  fmt.Errorf("read: %w", context.DeadlineExceeded),
		photopush.Internal: errors.New("no reason"),
	} {
		if got := photopush.ReasonOf(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
}

func TestHasReason(t *testing.T) {
	auth := &photopush.Error{Reason: photopush.Auth}
	for name, test := range map[string]struct {
		err  error
		want bool
	}{
		"none":             {nil, false},
		"another":          {&photopush.Error{Reason: photopush.Offline, Err: errors.New("auth")}, false},
		"itself":           {auth, true},
		"within another":   {&photopush.Error{Reason: photopush.Unknown, Err: fmt.Errorf("lost: %w", auth)}, true},
		"among several":    {fmt.Errorf("a: %w", errors.Join(errors.New("x"), &photopush.Error{Reason: photopush.Offline, Err: errors.Join(photopush.ErrNoDirectory, auth)})), true},
		"none among these": {errors.Join(errors.New("x"), photopush.ErrNoDirectory), false},
	} {
		if got := photopush.HasReason(test.err, photopush.Auth); got != test.want {
			t.Errorf("%s: %t, want %t", name, got, test.want)
		}
	}
}

func TestBytes(t *testing.T) {
	for text, want := range map[string]photopush.Bytes{
		"64 MiB": 64 << 20, "64MiB": 64 << 20, "100 KB": 100_000, "512 B": 512, "1 GiB": 1 << 30, "0 B": 0,
	} {
		var got photopush.Bytes
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
		var again photopush.Bytes
		if err := again.UnmarshalText([]byte(got.String())); err != nil || again != want {
			t.Errorf("%s is printed as %s: %d, %v", text, got, again, err)
		}
	}
	for _, text := range []string{"", "64", "-1 B", "1.5 MiB", "MiB", "9999999999999 GiB", "1 mib"} {
		var got photopush.Bytes
		err := got.UnmarshalText([]byte(text))
		if want := fmt.Sprintf("%q is not a size, want a whole number with a unit, such as 64 MiB", text); err == nil || err.Error() != want {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestRemedy(t *testing.T) {
	cause := &photopush.Cause{What: "it is odd", Do: "mend it"}
	for want, err := range map[string]error{
		"":                           nil,
		"Mend it.":                   &photopush.Error{Reason: photopush.TLS, Err: fmt.Errorf("look: %w", cause)},
		photopush.TLS.Sentence():     &photopush.Error{Reason: photopush.TLS, Err: errors.New("odd")},
		photopush.Timeout.Sentence(): &photopush.Error{Reason: photopush.Timeout, Err: &photopush.Cause{What: "it knows nothing to do"}},
	} {
		if got := photopush.Remedy(err); got != want {
			t.Errorf("%v: %q, want %q", err, got, want)
		}
	}
	if cause.Error() != "it is odd; mend it" {
		t.Error(cause)
	}
	stop := &photopush.Error{Reason: photopush.Auth, Err: &photopush.CredentialStop{Detail: "locked"}}
	if got := photopush.Remedy(stop); !strings.HasSuffix(got, "put that right in the domain, then touch the file.") {
		t.Errorf("a stopped account: %q", got)
	}
}

func TestSecret(t *testing.T) {
	t.Setenv("PHOTOPUSH_TEST_SECRET", "from the environment")
	dir := t.TempDir()
	file := func(name, content string) photopush.Secret {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return photopush.Secret{File: path}
	}
	const put = "; put it there, readable by the account that photopush runs as"
	for _, c := range []struct {
		secret photopush.Secret
		want   string
		err    string
	}{
		{photopush.Secret{Env: "PHOTOPUSH_TEST_SECRET"}, "from the environment", ""},
		{file("plain", "hunter2"), "hunter2", ""},
		{file("line", "hunter2\r\nsecond line"), "hunter2", ""},
		{file("bom", "\ufeffhunter2\n"), "hunter2", ""},
		{file("space", " hunter 2 "), " hunter 2 ", ""},
		{file("empty", "\n"), "", "/empty: it is empty" + put},
		{file("long", strings.Repeat("x", 5000)), "", "/long: it has more than 4096 bytes" + put},
		{file("latin1", "caf\xe9"), "", "/latin1: it is not UTF-8" + put},
		{photopush.Secret{File: filepath.Join(dir, "none")}, "", "cannot use the password in file " + filepath.Join(dir, "none") + ": no such file or directory" + put},
		{photopush.Secret{Env: "PHOTOPUSH_TEST_NONE"}, "", "cannot use the password in environment variable PHOTOPUSH_TEST_NONE: it is empty; set it in the environment of photopush"},
		{photopush.Secret{}, "", "no secret is named: set a file or an environment variable; set it in the environment of photopush"},
		{photopush.Secret{File: "a", Env: "b"}, "", "a file and an environment variable are both named, want one of them" + put},
	} {
		got, err := c.secret.Reveal()
		if _, ok := errors.AsType[*photopush.SecretError](err); ok != (err != nil) {
			t.Errorf("%s: %#v", c.secret, err)
		}
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.HasSuffix(err.Error(), c.err) {
			t.Errorf("%s: %q, %v", c.secret, got, err)
		}
	}
	s := file("printed", "hunter2")
	var log strings.Builder
	slog.New(slog.NewTextHandler(&log, nil)).Info("x", "secret", s)
	if all := log.String() + fmt.Sprintf("%v %+v %#v %s", s, s, s, s); strings.Contains(all, "hunter2") {
		t.Error("printing shows the secret: ", all)
	}
}

func TestSecretMarkChangesWithTheFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "password")
	s := photopush.Secret{File: path}
	if _, err := s.Mark(); err == nil {
		t.Error("a missing file has a mark")
	}
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Mark(); err == nil {
		t.Error("an empty file has a mark")
	}
	if err := os.WriteFile(path, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	first, err := s.Mark()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	second, err := s.Mark()
	if err != nil || first == second {
		t.Errorf("%v, %v, %v", first, second, err)
	}
}
