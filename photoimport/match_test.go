package photoimport

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

func TestFolderBounds(t *testing.T) {
	l := newLab(t, newDomain("corp.example", "ada"))
	l.file(strings.Repeat("d/", maxDepth+1)+"ada.jpg", picture(1))
	if got := told(l.plan(Request{})); !slices.Contains(got, "no file: ada") || !strings.HasPrefix(got[0], "ignored: d/d/") {
		t.Errorf("too deep: %q", got)
	}
	for name, want := range map[string]string{
		filepath.Join(l.folder, "none"): "no such file or directory", os.DevNull: "it is neither a folder nor a file",
	} {
		_, err := l.Plan(t.Context(), Request{Source: name})
		if e, ok := errors.AsType[*SourceError](err); !ok || e.Error() != "read "+name+": "+want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// TestPatterns matches by attributes, of one domain and of two.
func TestPatterns(t *testing.T) {
	d, other := newDomain("corp.example", "ada", "bob", "cy"), newDomain("other.example", "ada", "eve")
	d.account("ada").texts["employeeID"] = []string{"0017"}
	d.account("bob").texts["employeeID"] = []string{"0018"}
	d.account("cy").texts["employeeID"] = []string{"0019", "0020"} // nobody can tell which
	for _, test := range []struct {
		pattern string
		files   []string
		want    []string
	}{
		{"{employeeID}.jpg", []string{"0017.JPG", "0018.png", "0019.jpg"},
			[]string{"write: ada 0017.JPG thumbnailPhoto", "no user: 0019.jpg", "ignored: 0018.png", "no file: ada", "no file: bob", "no file: cy", "no file: eve"}},
		{"{userPrincipalName}.*", []string{"ada@corp.example.jpg", "ADA@other.example.jpg"},
			[]string{"write: ada ADA@other.example.jpg thumbnailPhoto", "write: ada ada@corp.example.jpg thumbnailPhoto", "no file: bob", "no file: cy", "no file: eve"}},
		{"{sAMAccountName}.*", []string{"ada.jpg", "eve.jpg"},
			[]string{"write: eve eve.jpg thumbnailPhoto", "ambiguous: ada.jpg", "no file: ada", "no file: ada", "no file: bob", "no file: cy"}},
		{"photo of {displayName}.*", []string{"Photo of EVE.jpg"},
			[]string{"write: eve Photo of EVE.jpg thumbnailPhoto", "no file: ada", "no file: ada", "no file: bob", "no file: cy"}},
		{"{objectSid}.*", []string{"s-1-5-21-1-2-12-1002.jpg"},
			[]string{"write: bob s-1-5-21-1-2-12-1002.jpg thumbnailPhoto", "no file: ada", "no file: ada", "no file: cy", "no file: eve"}},
	} {
		t.Run(test.pattern, func(t *testing.T) {
			l := newLab(t, d, other)
			l.Config.Match = test.pattern
			for i, f := range test.files {
				l.file(f, picture(uint32(i+1)))
			}
			if diff := cmp.Diff(test.want, told(l.plan(Request{}))); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// utf16le is text as Windows PowerShell's -Encoding Unicode writes it.
func utf16le(s string) string {
	b := "\xff\xfe"
	for _, r := range s {
		b += string([]byte{byte(r), byte(r >> 8)})
	}
	return b
}

func TestList(t *testing.T) {
	d := newDomain("corp.example", "ada", "bob", "cy")
	d.account("bob").texts["employeeID"] = []string{"0018"}
	both := []string{"write: ada a.jpg thumbnailPhoto", "write: bob b.jpg thumbnailPhoto", "no file: cy"}
	for _, test := range []struct {
		what, text string
		columns    Columns
		want       []string
		err        string
	}{
		{"commas", "user,file\nada,a.jpg\nbob,b.jpg\n", Columns{}, both, ""},
		{"semicolons, a mark, line ends of Windows, quotes", "\ufeff\"Name\";\"sAMAccountName\";\"Picture\"\r\n\"Ada, L.\";\"ADA\";\"a.jpg\"\r\nx;bob;b.jpg\r\n", Columns{}, both, ""},
		{"tabs in UTF-16", utf16le("user\tfile\r\nada\ta.jpg\r\nbob\tb.jpg\r\n"), Columns{}, both, ""},
		{"Export-Csv", "#TYPE System.Object\r\n\"user\",\"file\"\r\n\"ada\",\"a.jpg\"\r\n\"bob\",\"b.jpg\"\r\n", Columns{}, both, ""},
		{"every form of a name", "user,file\nCORP\\ada,a.jpg\nbob@corp.example,b.jpg\nS-1-5-21-1-2-12-1003,deep\\c.jpg\n", Columns{},
			[]string{"write: ada a.jpg thumbnailPhoto", "write: bob b.jpg thumbnailPhoto", `write: cy deep\c.jpg thumbnailPhoto`}, ""},
		{"an attribute", "employeeID,file\n0018,b.jpg\n0099,a.jpg\n", Columns{}, []string{"write: bob b.jpg thumbnailPhoto", "no user: a.jpg", "no file: ada", "no file: cy"}, ""},
		{"other words", "who,what\nada,a.jpg\nbob,b.jpg\n", Columns{"who", "What"}, both, ""},
		{"a line twice", "user,file\nada,a.jpg\nada,a.jpg\nbob,b.jpg\n\n", Columns{}, both, ""},
		{"two files of one", "user,file\nada,a.jpg\nADA,b.jpg\n", Columns{}, []string{"ambiguous: ada a.jpg", "ambiguous: ada b.jpg", "no file: bob", "no file: cy"}, ""},
		{"one file of two", "user,file\nada,a.jpg\nbob,a.jpg\n", Columns{}, []string{"ambiguous: ada a.jpg", "ambiguous: bob a.jpg", "no file: cy"}, ""},
		{"one file of two, spelled otherwise", "user,file\nada,deep/c.jpg\nbob,deep\\c.jpg\n", Columns{},
			[]string{"ambiguous: ada deep/c.jpg", `ambiguous: bob deep\c.jpg`, "no file: cy"}, ""},
		{"one file of three, by detours and in capitals", "user,file\nada,a.jpg\nbob,./deep/../a.jpg\ncy,A.JPG\n", Columns{},
			[]string{"ambiguous: ada a.jpg", "ambiguous: bob ./deep/../a.jpg", "ambiguous: cy A.JPG"}, ""},
		{"one file of one, spelled otherwise", "user,file\nada,a.jpg\nbob,b.jpg\nada,./a.jpg\nada,a.jpg\n", Columns{}, both, ""},
		{"empty columns between tabs", "user\tdepartment\tfile\tnote\nada\t\ta.jpg\tb.jpg\nbob\tIT\tb.jpg\t\n", Columns{}, both, ""},
		{"a line that begins with a tab", "note\tuser\tfile\tuser of old\n\tada\ta.jpg\tbob\nx\tbob\tb.jpg\tada\n", Columns{}, both, ""},
		{"what is not there, and what is no photo", "user,file\nada,none.jpg\nbob,list.csv\ncy,\n,b.jpg\n", Columns{},
			[]string{"unusable: ada none.jpg thumbnailPhoto", "unusable: bob list.csv thumbnailPhoto", "ignored: b.jpg", "ignored: line 4", "no file: cy"}, ""},
		{"no column", "a,b\nada,a.jpg\n", Columns{}, nil, `its header is "a,b", want a column of people`},
		{"a column that there is not", "user,file\n", Columns{User: "x"}, nil, "name them with --user-column and --file-column"},
		{"one column for both", "user\n", Columns{File: "user"}, nil, "want a column of people"},
		{"a short line", "user,file\nada\n", Columns{}, nil, "line 2 has 1 columns, want at least 2"},
		{"empty", "", Columns{}, nil, "it is empty, want a header"},
		{"Windows-1252", "user,file\nj\xf6rg,a.jpg\n", Columns{}, nil, "line 2 is not UTF-8: save the list as CSV UTF-8"},
		{"quotes that do not end", "user,file\n\"ada,a.jpg\n", Columns{}, nil, "extraneous or missing"},
	} {
		t.Run(test.what, func(t *testing.T) {
			l := newLab(t, d)
			for name, n := range map[string]uint32{"a.jpg": 1, "b.jpg": 2, "deep/c.jpg": 3} {
				l.file(name, picture(n))
			}
			l.file("list.csv", []byte(test.text))
			p, err := l.Plan(t.Context(), Request{Source: filepath.Join(l.folder, "list.csv"), Columns: test.columns})
			if test.err != "" {
				if _, ok := errors.AsType[*SourceError](err); !ok || !strings.Contains(err.Error(), test.err) {
					t.Errorf("got %v, want %s", err, test.err)
				}
				return
			}
			must(t, err)
			defer p.Close()
			if diff := cmp.Diff(test.want, told(p)); diff != "" {
				t.Errorf("-want +got\n%s", diff)
			}
		})
	}
}

// TestListOfDomains: a name before a backslash means the domain that has it, and nobody where it may mean two.
func TestListOfDomains(t *testing.T) {
	secret := &photopush.SecretError{What: "password", Place: photopush.Secret{File: "reader"}, Err: errors.New("it is empty")}
	refused := &photopush.Error{Reason: photopush.Denied, Op: "read NetBIOS name", Err: errors.New("no right to read it")}
	note := func(domain, why, label string) []string {
		return []string{"The NetBIOS name of " + domain + " is not known (" + why + `): people of the list who are called ` + label + `\… are taken for its own.`}
	}
	for _, test := range []struct {
		what      string
		one, two  string // NetBIOS names of corp.example and corp.other; - for an error
		err       error
		who       string
		want      string
		wantNotes []string
	}{
		{"the first label is another's name", "FIRM", "CORP", nil, `CORP\ada`, "corp.other", nil},
		{"another name than the first label", "FIRM", "CORP", nil, `firm\ada`, "corp.example", nil},
		{"the first label of two that is the name of none", "FIRM", "SHOP", nil, `CORP\ada`, "no user", nil},
		{"somebody of one domain, by the other's name", "FIRM", "CORP", nil, `FIRM\eve`, "no user", nil},
		{"one name of two", "CORP", "corp", nil, `CORP\ada`, "ambiguous", nil},
		{"one name of two, of whom one has such a person", "CORP", "CORP", nil, `CORP\eve`, "ambiguous", nil},
		{"one name of two, by the DNS name", "CORP", "CORP", nil, `Corp.Other\ada`, "corp.other", nil},
		{"unread", "-", "SHOP", refused, `CORP\ada`, "corp.example", note("corp.example", "read NetBIOS name: no right to read it", "CORP")},
		{"unread, and another's name", "-", "CORP", refused, `CORP\eve`, "ambiguous", note("corp.example", "read NetBIOS name: no right to read it", "CORP")},
		{"not told", "", "SHOP", nil, `CORP\ada`, "corp.example", note("corp.example", "the directory does not tell it", "CORP")},
		{"not needed", "-", "-", refused, `ada@corp.other`, "corp.other", nil},
		{"no secret", "-", "CORP", secret, `CORP\ada`, "domain corp.example: " + secret.Error(), nil},
	} {
		t.Run(test.what, func(t *testing.T) {
			one, two := newDomain("corp.example", "ada"), newDomain("corp.other", "ada", "eve")
			for d, name := range map[*domain]string{one: test.one, two: test.two} {
				if d.netbios = name; name == "-" {
					d.netbios, d.unread = "", test.err
				}
			}
			l := newLab(t, one, two)
			l.file("a.jpg", picture(1))
			l.file("list.csv", []byte("user,file\n"+test.who+",a.jpg\n"))
			p, err := l.Plan(t.Context(), Request{Source: filepath.Join(l.folder, "list.csv")})
			if err != nil {
				if err.Error() != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			defer p.Close()
			i := slices.IndexFunc(p.Rows, func(r Row) bool { return r.File == "a.jpg" })
			got := string(p.Rows[i].Status)
			if p.Rows[i].Status == Write {
				got = p.Rows[i].User.Domain
			}
			if got != test.want {
				t.Errorf("%s is of %s, want %s: %q", test.who, got, test.want, told(p))
			}
			if diff := cmp.Diff(test.wantNotes, p.Notes); diff != "" {
				t.Errorf("notes: -want +got\n%s", diff)
			}
		})
	}
}

func FuzzList(f *testing.F) {
	f.Add([]byte("user,file\nada,a.jpg\n"))
	f.Add([]byte(utf16le("user;file\r\n\"a\";b\r\n")))
	f.Fuzz(func(t *testing.T, text []byte) {
		decoded, err := decodeList(text)
		if err != nil {
			return
		}
		s := &source{}
		if s.parse(decoded, t.TempDir(), Columns{}) != nil {
			return
		}
		for _, file := range s.files {
			if file.who == "" || file.name == "" {
				t.Errorf("line %d is of %q: %q", file.line, file.who, file.name)
			}
		}
	})
}

func TestSafeName(t *testing.T) {
	for text, want := range map[string]string{
		"ada": "ada", "ada@corp.example": "ada@corp.example", "Müller, Jörg": "Müller, Jörg", `a/b\c:d*e?f"g<h>i|j`: "a_b_c_d_e_f_g_h_i_j",
		"..": "_", "": "_", ".hidden": "_hidden", "../../etc/passwd": "__.._etc_passwd", "trailing. .": "trailing", " leading": "_leading", "tab\there": "tab_here", "bad\xff": "bad_",
		"CON": "_CON", "con": "_con", "Nul.txt": "_Nul.txt", "COM1": "_COM1", "com¹": "_com¹", "COM10": "COM10", "COMET": "COMET", "LPT9.x": "_LPT9.x", "aux ": "_aux", "console": "console",
		strings.Repeat("ü", 200): strings.Repeat("ü", maxSafe/2),
	} {
		if got := SafeName(text); got != want {
			t.Errorf("%q is %q, want %q", text, got, want)
		}
	}
}

func FuzzSafeName(f *testing.F) {
	f.Add("a/b")
	f.Add("CON .x")
	f.Fuzz(func(t *testing.T, text string) {
		name := SafeName(text)
		if name == "" || len(name) > maxSafe+1 || strings.ContainsAny(name, "/\\:*?\"<>|\x00") || strings.HasPrefix(name, ".") || strings.HasSuffix(name, ".") || !filepath.IsLocal(name+".jpg") {
			t.Errorf("%q is %q", text, name)
		}
		if again := SafeName(name); again != name {
			t.Errorf("%q is %q, and that is %q", text, name, again)
		}
	})
}

// TestColoursAreTold: what became of colours, or could not, stands in the preview.
func TestColoursAreTold(t *testing.T) {
	l := newLab(t, newDomain("corp.example", "ada"))
	p := picture(1)
	l.file("ada.jpg", slices.Concat(p[:2], []byte("\xff\xe2\x00\x14ICC_PROFILE\x00\x01\x01half"), p[2:]))
	var text strings.Builder
	plan := l.plan(Request{})
	must(t, plan.Text(&text, false))
	if plan.Count(Write) != 1 || !strings.Contains(text.String(), "its colours may look different, for its colour profile cannot be used: it is damaged") {
		t.Errorf("told is\n%s", &text)
	}
}
