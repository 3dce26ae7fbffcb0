package report

import (
	"bytes"
	"encoding/csv"
	"encoding/json"
	"errors"
	"flag"
	"iter"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"github.com/jedib0t/go-pretty/v6/text"

	"github.com/photopush/photopush"
)

var update = flag.Bool("update", false, "write the golden files anew")

var now = time.Date(2026, 11, 23, 9, 30, 0, 0, time.UTC)

func ago(d time.Duration) time.Time { return now.Add(-d) }

const day = 24 * time.Hour

func workstation(name string, change func(*photopush.WorkstationRecord)) *photopush.WorkstationRecord {
	w := &photopush.WorkstationRecord{Workstation: photopush.Workstation{
		ID: photopush.GUID(name), Name: strings.ToUpper(name), Host: name + ".corp.example", DN: "CN=" + name + ",OU=Laptops,OU=Sales,DC=corp,DC=example",
		OS: "Windows 11 Enterprise", OSVersion: "10.0 (22631)", Enabled: true,
	}, LastContact: ago(2 * time.Hour), LastSuccess: ago(2 * time.Hour), Due: now.Add(22 * time.Hour)}
	change(w)
	return w
}

func user(account, display string) *photopush.UserRecord {
	return &photopush.UserRecord{User: photopush.User{SID: sid(account), AccountName: account, DisplayName: display, Enabled: true}, Digest: "new",
		Photo: photopush.PhotoFacts{Source: "jpegPhoto", Format: "JPEG", Width: 648, Height: 648, Bytes: 60_000}}
}

// low gives a user a photo of low resolution.
func low(u *photopush.UserRecord) *photopush.UserRecord {
	u.Photo = photopush.PhotoFacts{Source: "thumbnailPhoto", Format: "PNG", Width: 96, Height: 128, Bytes: 4_000}
	return u
}

func sid(account string) photopush.SID {
	return "S-1-5-21-1-2-3-" + photopush.SID(strings.TrimLeft(account, "u"))
}

func pair(account string, want photopush.Want, have string, since time.Time) photopush.Pair {
	return photopush.Pair{User: sid(account), Want: want, Have: have, Since: since}
}

func because(p photopush.Pair, r photopush.Reason, detail string) photopush.Pair {
	p.Reason, p.Detail = r, detail
	return p
}

// material has a row for each state.
func material() []photopush.Status {
	fine := func(*photopush.WorkstationRecord) {}
	on := workstation("ws-02", fine)
	off := workstation("ws-01", func(w *photopush.WorkstationRecord) {
		w.Reason, w.Detail, w.FirstFailed = photopush.Offline, "connect to ws-01.corp.example: offline: no answer within 2s", ago(3*day)
		w.LastContact, w.LastSuccess, w.Due = ago(4*day), ago(4*day), now.Add(90*time.Minute)
	})
	denied := workstation("ws-03", func(w *photopush.WorkstationRecord) {
		w.Reason, w.Detail, w.FirstFailed = photopush.Denied, "open shell ws-03.corp.example: denied: 5: Access is denied", ago(30*day)
		w.LastSuccess = time.Time{}
	})
	policy := workstation("ws-04", fine)
	leased := workstation("ws-05", func(w *photopush.WorkstationRecord) { w.LeaseUntil, w.Due = now.Add(time.Minute), time.Time{} })
	never := workstation("ws-06", func(w *photopush.WorkstationRecord) {
		w.Reason, w.Detail, w.FirstFailed = photopush.Offline, "", ago(40*time.Minute)
		w.LastContact, w.LastSuccess = time.Time{}, time.Time{}
	})
	disabled := workstation("ws-07", func(w *photopush.WorkstationRecord) { w.Enabled = false })
	quota := workstation("ws-08", func(w *photopush.WorkstationRecord) { w.Reason = photopush.Quota })
	evil := user("u1010", "=cmd|'/c calc'!A1\x1b[31m\u202e")
	none, bad := user("u1006", "Fay No"), user("u1007", "Gil Bad")
	none.Photo, bad.Photo = photopush.PhotoFacts{}, photopush.PhotoFacts{}
	none.Digest, none.PhotoReason = "", photopush.NoPhoto
	bad.Digest, bad.PhotoReason, bad.PhotoDetail = "", photopush.BadPhoto, "jpegPhoto: not a JPEG"
	return []photopush.Status{
		{Workstation: on, User: low(user("u1001", "Ada Lovelace")), Pair: pair("u1001", "new", "new", time.Time{}), LastSeen: ago(day)},
		{Workstation: on, User: user("u1002", "Ben"), Pair: pair("u1002", "new", "old", ago(5*time.Minute)), LastSeen: ago(day)},
		{Workstation: on, User: low(user("u1003", "Cy")), Pair: pair("u1003", "new", "", ago(10*time.Second))},
		{Workstation: on, User: none, Pair: because(pair("u1006", photopush.Leave, "", time.Time{}), photopush.NoPhoto, "")},
		{Workstation: on, User: bad, Pair: because(pair("u1007", photopush.Leave, "", time.Time{}), photopush.BadPhoto, "jpegPhoto: not a JPEG")},
		{Workstation: on, Pair: because(pair("u1099", photopush.Leave, "", time.Time{}), photopush.OutOfScope, "the directory has no such user in scope")},
		{Workstation: off, User: low(user("u1001", "Ada Lovelace")), Pair: pair("u1001", "new", "old", ago(3*day))},
		{Workstation: denied, User: user("u1004", "Dee, née \"Doe\""), Pair: pair("u1004", "new", "", ago(30*day))},
		{Workstation: policy, User: user("u1005", ""), Pair: because(pair("u1005", photopush.Leave, "", time.Time{}), photopush.BlockedPolicy, "the policy UseDefaultTile is set")},
		{Workstation: leased, User: evil, Pair: pair("u1010", "new", "old", ago(47*time.Hour))},
		{Workstation: never},
		{Workstation: disabled},
		{Workstation: quota, User: low(user("u1001", "Ada Lovelace")), Pair: because(pair("u1001", "new", "", ago(13*day)), photopush.UnsafePath, `C:\Program Files\photopush is a link`)},
		{User: user("u1011", "Nobody's")},
		{User: bad},
		{User: none},
	}
}

// taken has a row for each state of pictures that others replaced, or that should not be there.
func taken() []photopush.Status {
	on := workstation("ws-09", func(*photopush.WorkstationRecord) {})
	off := workstation("ws-10", func(w *photopush.WorkstationRecord) {
		w.Reason, w.Detail, w.FirstFailed = photopush.Offline, "connect to ws-10.corp.example: offline: no answer within 2s", ago(3*day)
	})
	disabled, held := user("u1020", "Lee Aver"), user("u1024", "Hal Held")
	disabled.Enabled = false
	held.Held = ago(2 * day)
	const why, taken = "the user's account is disabled", "an administrator took the picture away there on 2026-11-22; `photopush push` gives it back"
	absent := func(account, have string, since time.Time) photopush.Pair {
		return because(pair(account, photopush.Absent, have, since), photopush.OutOfScope, why)
	}
	heldThere := because(pair("u1023", photopush.Absent, "", time.Time{}), photopush.OutOfScope, taken)
	heldThere.Held = ago(day)
	replaced := photopush.History{Overwritten: 1, OverwrittenAt: ago(2 * time.Hour), Path: `C:\Users\Public\AccountPictures\S-1-5-21-1-2-3-1021\{0E2F}-Image1080.jpg`, Changed: ago(day)}
	thrice := replaced
	thrice.Overwritten, thrice.Changed = 3, time.Time{}
	return []photopush.Status{
		{Workstation: on, User: disabled, Pair: absent("u1020", photopush.HaveOther, time.Time{}), History: photopush.History{RemovedAt: ago(3 * day)}},
		{Workstation: on, User: user("u1021", "Ida Own"), Pair: pair("u1021", "new", photopush.HaveOverwritten, ago(2*time.Hour)), History: replaced},
		{Workstation: on, User: user("u1022", ""), Pair: because(pair("u1022", photopush.Leave, photopush.HaveOverwritten, time.Time{}), photopush.Overwritten,
			"the user has put a picture of his own in its place, which stays (mode seed)"), History: thrice},
		{Workstation: on, User: user("u1023", ""), Pair: heldThere},
		{Workstation: on, User: held, Pair: because(pair("u1024", photopush.Absent, "", time.Time{}), photopush.OutOfScope, "held everywhere")},
		{Workstation: on, User: user("u1025", "In Step"), Pair: pair("u1025", "new", "new", time.Time{}), History: thrice},
		{Workstation: on, User: disabled, Pair: because(pair("u1026", photopush.Leave, "old", time.Time{}), photopush.OutOfScope, why)},
		{Workstation: on, User: disabled, Pair: absent("u1027", "old", ago(time.Hour))},
		{Workstation: on, User: disabled, Pair: absent("u1028", "", time.Time{})},
		{Workstation: on, User: disabled, Pair: because(absent("u1029", "old", ago(time.Hour)), photopush.Denied, "set values: denied")},
		{Workstation: off, User: disabled, Pair: absent("u1020", "old", ago(time.Hour))},
	}
}

// found has permissions and values that a report tells besides.
func found() Material {
	one, two := workstation("ws-01", func(*photopush.WorkstationRecord) {}).Workstation, workstation("ws-02", func(*photopush.WorkstationRecord) {}).Workstation
	const open = "O:BAG:SYD:AI(A;CI;KA;;;BU)(A;CIID;KA;;;BA)"
	finding := func(w photopush.Workstation, f photopush.Finding) photopush.FindingRecord {
		return photopush.FindingRecord{Workstation: w, Finding: f, Found: ago(20 * day)}
	}
	value := func(data string, kind photopush.ElsewhereKind) photopush.ElsewhereRecord {
		return photopush.ElsewhereRecord{Workstation: two, Account: "u1001", Found: ago(day),
			Elsewhere: photopush.Elsewhere{User: sid("u1001"), Value: photopush.Value{Name: "Image96", Kind: "sz", Data: data}, Kind: kind}}
	}
	unknown := value(`\\.\pipe\x`, photopush.ElsewhereDevice)
	unknown.Account, unknown.User = "", sid("u1098")
	return Material{
		Statuses: each(append(material(), taken()...)),
		Findings: []photopush.FindingRecord{
			finding(one, photopush.Finding{Key: photopush.KeyUsers, Trustee: "S-1-5-32-545", Name: "Users (BUILTIN)", May: "full control", Below: true, SDDL: open}),
			finding(one, photopush.Finding{Key: string(sid("u1001")), Trustee: "S-1-5-32-545", Name: "Users (BUILTIN)", May: "full control", Inherited: true, SDDL: open}),
			finding(two, photopush.Finding{Key: photopush.KeyUsers, Trustee: "S-1-1-0", Name: "Everyone", May: "set values", Owner: true, SDDL: "=evil\x1b"}),
			finding(two, photopush.Finding{Key: string(sid("u1002")), Unclear: `read the permissions "?": they name no owner`, SDDL: "?"}),
		},
		Elsewhere: []photopush.ElsewhereRecord{value(`\\far\share\x.jpg`, photopush.ElsewhereShare), value(`C:\Temp\x.jpg`, photopush.ElsewhereLocal), unknown},
	}
}

func each[T any](all []T) iter.Seq2[T, error] {
	return func(yield func(T, error) bool) {
		for _, s := range all {
			if !yield(s, nil) {
				return
			}
		}
	}
}

func TestGolden(t *testing.T) {
	for _, test := range []struct {
		file  string
		all   bool
		write func(*Report, *bytes.Buffer) error
	}{
		{"stale.txt", false, func(r *Report, b *bytes.Buffer) error { return r.Text(b, 0) }},
		{"stale-100.txt", false, func(r *Report, b *bytes.Buffer) error { return r.Text(b, 100) }},
		{"all-160.txt", true, func(r *Report, b *bytes.Buffer) error { return r.Text(b, 160) }},
		{"stale.csv", false, func(r *Report, b *bytes.Buffer) error { return r.CSV(b) }},
		{"stale.json", false, func(r *Report, b *bytes.Buffer) error { return r.JSON(b) }},
		{"all.csv", true, func(r *Report, b *bytes.Buffer) error { return r.CSV(b) }},
		{"all.txt", true, func(r *Report, b *bytes.Buffer) error { return r.Text(b, 0) }},
	} {
		t.Run(test.file, func(t *testing.T) {
			r, err := Make(found(), Options{All: test.all, Now: now})
			if err != nil {
				t.Fatal(err)
			}
			var b bytes.Buffer
			if err := test.write(r, &b); err != nil {
				t.Fatal(err)
			}
			file := filepath.Join("testdata", test.file)
			if *update {
				if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("%s (-want +got):\n%s", file, diff)
			}
		})
	}
}

func TestEveryStateOccurs(t *testing.T) {
	r, err := Make(found(), Options{All: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range States() {
		if r.Summary.States[s] == 0 {
			t.Errorf("the material has no row with the state %q", s)
		}
	}
	if len(r.Rows) != len(material())+len(taken()) {
		t.Errorf("%d rows of %d", len(r.Rows), len(material()))
	}
}

func TestEveryStateIsDocumented(t *testing.T) {
	page, err := os.ReadFile("../docs/report.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range States() {
		mark := ""
		if (Row{State: s, Workstation: "w"}).stale() {
			mark = "· "
		}
		if !strings.Contains(string(page), "\n| "+mark+string(s)+" | ") {
			t.Errorf("docs/report.md has no line for %q, or marks it wrongly", s)
		}
	}
}

// Every line but the summary fits, down to a width where only the columns that are never left out remain.
func TestTextFits(t *testing.T) {
	r, err := Make(found(), Options{All: true, Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for width := 80; width <= 240; width += 5 {
		var b bytes.Buffer
		if err := r.Text(&b, width); err != nil {
			t.Fatal(err)
		}
		table, _, _ := strings.Cut(b.String(), r.Summary.String())
		for line := range strings.SplitSeq(table, "\n") {
			if n := text.StringWidth(line); n > width {
				t.Errorf("width %d: a line has %d columns: %s", width, n, line)
			}
		}
		for _, must := range []string{"ws-03", "u1004", "blocked", "denied"} {
			if !strings.Contains(b.String(), must) {
				t.Errorf("width %d: %s is missing", width, must)
			}
		}
	}
}

func TestNothingToReport(t *testing.T) {
	fine := material()[:1]
	fine[0].User = user("u1001", "Ada Lovelace")
	r, err := Make(Material{Statuses: each(fine)}, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := r.Text(&b, 80); err != nil {
		t.Fatal(err)
	}
	if want := "1 pair of 1 user on 1 workstation: 1 in step\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
	b.Reset()
	if err := r.JSON(&b); err != nil || !strings.Contains(b.String(), `"findings": []`) {
		t.Errorf("no rows are no empty array: %v\n%s", err, b.String())
	}
}

func TestMakePassesOnErrors(t *testing.T) {
	broken := errors.New("broken")
	_, err := Make(Material{Statuses: func(yield func(photopush.Status, error) bool) { yield(photopush.Status{}, broken) }}, Options{})
	if !errors.Is(err, broken) {
		t.Errorf("got %v", err)
	}
}

type fullDisk struct{ room int }

func (f *fullDisk) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errors.New("disk full")
	}
	return len(b), nil
}

func TestWriteErrors(t *testing.T) {
	r, err := Make(Material{Statuses: each(material())}, Options{Now: now})
	if err != nil {
		t.Fatal(err)
	}
	for _, room := range []int{0, 3, 40} {
		if r.Text(&fullDisk{room}, 0) == nil || r.CSV(&fullDisk{room}) == nil || r.JSON(&fullDisk{room}) == nil {
			t.Errorf("with room for %d bytes a format reports no error", room)
		}
	}
}

func TestRelative(t *testing.T) {
	for _, test := range []struct {
		t    time.Time
		want string
	}{
		{time.Time{}, ""}, {now, "now"}, {ago(59 * time.Second), "now"}, {ago(time.Minute), "1 min ago"}, {ago(59 * time.Minute), "59 min ago"},
		{ago(time.Hour), "1 h ago"}, {ago(47 * time.Hour), "47 h ago"}, {ago(2 * day), "2 days ago"}, {ago(14 * day), "2026-11-09"},
		{now.Add(5 * time.Minute), "in 5 min"}, {now.Add(20 * day), "2026-12-13"},
	} {
		if got := relative(test.t, now); got != test.want {
			t.Errorf("%s: %q, want %q", test.t, got, test.want)
		}
	}
}

func TestPath(t *testing.T) {
	for dn, want := range map[string]string{
		"":                                   "",
		"OU=PCs,OU=Sales,DC=corp,DC=example": "Sales/PCs",
		`OU=R\, D,OU=A\\B, OU=x\=y,DC=corp`:  `x=y/A\B/R, D`,
		`CN=Computers,dc=corp`:               "Computers",
		`OU=caf\C3\A9,DC=corp`:               `caf\C3\A9`,
		`OU=ends in backslash\`:              `ends in backslash\`,
	} {
		if got := path(dn); got != want {
			t.Errorf("%s: %q, want %q", dn, got, want)
		}
	}
}

// FuzzCSV: whatever the directory says, the file is well-formed, tells the same, and no cell is a formula.
func FuzzCSV(f *testing.F) {
	f.Add("=1+1", "a\r\nb", "\"")
	f.Add("@x", "-1", "\t=1")
	f.Fuzz(func(t *testing.T, account, display, detail string) {
		s := material()[1]
		s.User = user("u1002", display)
		s.User.AccountName = account
		s.Pair.Reason, s.Pair.Detail = photopush.Denied, detail
		r, err := Make(Material{Statuses: each([]photopush.Status{s})}, Options{Now: now})
		if err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		if err := r.CSV(&b); err != nil {
			t.Fatal(err)
		}
		records, err := csv.NewReader(strings.NewReader(strings.TrimPrefix(b.String(), "\ufeff"))).ReadAll()
		if err != nil || len(records) != 2 {
			t.Fatalf("%d records, %v", len(records), err)
		}
		for _, cell := range records[1] {
			if cell != "" && strings.ContainsAny(cell[:1], "=+-@\t\r\n") {
				t.Errorf("the cell %q is a formula", cell)
			}
		}
		b.Reset()
		if err := r.Text(&b, 100); err != nil || !utf8.Valid(b.Bytes()) || bytes.ContainsAny(b.Bytes(), "\x1b\r\x07") {
			t.Errorf("text: %v %q", err, b.String())
		}
		b.Reset()
		if err := r.JSON(&b); err != nil || !json.Valid(b.Bytes()) {
			t.Errorf("JSON: %v %q", err, b.String())
		}
	})
}
