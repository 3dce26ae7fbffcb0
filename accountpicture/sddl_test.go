package accountpicture

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
)

func TestParseSDDL(t *testing.T) {
	for text, want := range map[string]ACL{
		"O:SYD:P(A;;KR;;;WD)":              {Owner: "S-1-5-18", Protected: true, Entries: []Entry{{Allow: true, Mask: 0x20019, Trustee: "S-1-1-0", Kind: "A", Rest: ";"}}},
		"O:BAD:AI(A;CIID;CCSWRPRCWD;;;BA)": {Owner: "S-1-5-32-544", Entries: []Entry{{Allow: true, Container: true, Inherited: true, Mask: 0x60019, Trustee: "S-1-5-32-544", Kind: "A", Rest: ";"}}},
		"O:" + string(user1) + "D:PAI(D;OICIIONP;0x10000000;;;DU)(A;;983103;;;S-1-5-4)(A;;01777;;;AN)(A;;;;;WD)": {Owner: string(user1), Protected: true, Entries: []Entry{
			{Container: true, Object: true, InheritOnly: true, NoPropagate: true, Mask: 0x10000000, Trustee: "DU", Kind: "D", Rest: ";"},
			{Allow: true, Mask: 0xf003f, Trustee: "S-1-5-4", Kind: "A", Rest: ";"},
			{Allow: true, Mask: 0x3ff, Trustee: "S-1-5-7", Kind: "A", Rest: ";"},
			{Allow: true, Trustee: "S-1-1-0", Kind: "A", Rest: ";"}}},
		`O:BAD:(XA;;KA;;;BU;(Title == "a)\;(b" && (x)))(OA;;KA;bf967aba-0de6-11d0-a285-00aa003049e2;;AU)`: {Owner: "S-1-5-32-544", Entries: []Entry{
			{Allow: true, Mask: 0xf003f, Trustee: "S-1-5-32-545", Kind: "XA", Rest: `;;(Title == "a)\;(b" && (x))`},
			{Allow: true, Mask: 0xf003f, Trustee: "S-1-5-11", Kind: "OA", Rest: "bf967aba-0de6-11d0-a285-00aa003049e2;"}}},
		"O:BAD:":                  {Owner: "S-1-5-32-544"},
		"O:BAD:NO_ACCESS_CONTROL": {Owner: "S-1-5-32-544", Open: true},
		"O:BA":                    {Owner: "S-1-5-32-544", Open: true},
	} {
		got, err := ParseSDDL(text)
		if diff := cmp.Diff(want, got); err != nil || diff != "" {
			t.Errorf("%s: %v (-want +got):\n%s", text, err, diff)
		}
	}
}

func TestParseSDDLRefuses(t *testing.T) {
	for text, want := range map[string]string{
		"":                                 "they name no owner",
		"D:(A;;KR;;;WD)":                   "they name no owner",
		"O:D:":                             `the owner: "" is no trustee`,
		"O:XXD:":                           `the owner: "XX" is no trustee`,
		"O:BAG:SYD:":                       "no DACL follows the owner",
		"O:BAD:(A;;KR;;;WD":                "entry 1: it is in no parentheses",
		"O:BAD:(A;;KR;;;WD)x":              "entry 2: it is in no parentheses",
		"O:BAD:(A;;KR;;WD)":                "entry 1: it has 5 fields, want at least 6",
		"O:BAD:(AU;;KR;;;WD)":              `entry 1: its type is "AU"`,
		"O:BAD:(A;CICI;KR;;;WD)":           `entry 1: its flags are "CICI"`,
		"O:BAD:(A;C;KR;;;WD)":              `entry 1: its flags are "C"`,
		"O:BAD:(A;;KRX;;;WD)":              `entry 1: its rights are "KRX"`,
		"O:BAD:(A;;0x123456789;;;WD)":      `entry 1: its rights are "0x123456789"`,
		"O:BAD:(A;;9999999999;;;WD)":       `entry 1: its rights are "9999999999"`,
		"O:BAD:(A;;0b1;;;WD)":              `entry 1: its rights are "0b1"`,
		"O:BAD:(A;;KR;;;S-1-5-)":           `entry 1: "S-1-5-" is no trustee`,
		"O:BAD:NO_ACCESS_CONTROL(A;;;;;a)": "entries stand where there is no DACL",
		"O:BAD:" + strings.Repeat("(A;;;;;WD)", 501): "they have more than 500 entries",
		"O:BAD:" + strings.Repeat("(A;;;;;WD)", 800): "they have 8000 characters or more, and may be cut",
	} {
		_, err := ParseSDDL(text)
		if err == nil || !strings.HasPrefix(err.Error(), "read the permissions ") || !strings.HasSuffix(err.Error(), ": "+want) {
			t.Errorf("%.60s: error %v, want %s", text, err, want)
		}
	}
}

func TestSameAs(t *testing.T) {
	for name, test := range map[string]struct{ a, b, want string }{
		"the same text":         {windowsMade, windowsMade, ""},
		"another order":         {"O:SYD:P(A;;KR;;;WD)(A;;KA;;;SY)", "O:SYD:P(A;;KA;;;SY)(A;;KR;;;WD)(A;;KA;;;SY)", ""},
		"other words":           {"O:SYD:P(A;;KR;;;WD)", "O:S-1-5-18D:P(A;;CCSWRPRC;;;S-1-1-0)", ""},
		"a protection added":    {"O:SYD:(A;;KR;;;WD)", "O:SYD:P(A;;KR;;;WD)", ""},
		"a protection lost":     {"O:SYD:P(A;;KR;;;WD)", "O:SYD:AI(A;;KR;;;WD)", "they are no longer protected from inheritance"},
		"the owner":             {"O:SYD:P", "O:BAD:P", "the owner is S-1-5-32-544, was S-1-5-18"},
		"an entry left behind":  {"O:SYD:P(A;;KR;;;WD)", "O:SYD:P(A;;KR;;;WD)(A;;0x3;;;BA)", "(A;;0x3;;;S-1-5-32-544) was added"},
		"an entry lost":         {"O:SYD:P(A;;KR;;;WD)(A;OICINPIOID;KA;;;SY)", "O:SYD:P(A;;KR;;;WD)", "(A;OICINPIOID;0xf003f;;;S-1-5-18) is missing"},
		"inherited, not own":    {"O:SYD:(A;CIID;KR;;;WD)", "O:SYD:P(A;CI;KR;;;WD)", "(A;CIID;0x20019;;;S-1-1-0) is missing\n(A;CI;0x20019;;;S-1-1-0) was added"},
		"a condition":           {"O:SYD:P(XA;;KR;;;WD;(a))", "O:SYD:P(XA;;KR;;;WD;(b))", "(XA;;0x20019;;;S-1-1-0;(a)) is missing\n(XA;;0x20019;;;S-1-1-0;(b)) was added"},
		"no DACL any more":      {"O:SYD:P", "O:SYD:PNO_ACCESS_CONTROL", "no DACL at all: true, was false"},
		"of an object, no more": {"O:SYD:P(OA;;KR;;x;WD)", "O:SYD:P(OA;;KR;x;;WD)", "(OA;;0x20019;;x;S-1-1-0) is missing\n(OA;;0x20019;x;;S-1-1-0) was added"},
	} {
		a, err := ParseSDDL(test.a)
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseSDDL(test.b)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		if err := a.SameAs(b); err != nil {
			got = err.Error()
		}
		if got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// FuzzParseSDDL wants of whatever is read that it is bounded, that it is the same as itself, and that its entries can be read again.
func FuzzParseSDDL(f *testing.F) {
	for _, text := range []string{windowsUsers, windowsMade, windowsUsers + "(A;OICI;KA;;;BU)(XA;CI;0x1;;;DU;(@User.Title==\"x\"))(OA;;GA;x;y;S-1-5-21-1-2-3-513)", "O:BAD:NO_ACCESS_CONTROL", "O:BA"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		acl, err := ParseSDDL(text)
		if err != nil {
			if len(err.Error()) > 2000 {
				t.Fatalf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		if len(acl.Entries) > maxEntries || acl.SameAs(acl) != nil {
			t.Fatalf("read %+v", acl)
		}
		inv := emptyInventory()
		inv.UsersACL = text
		edit(inv, user1, func(*photopush.Account) {})
		inv.Accounts[0].ACL = text
		Describe(PlanRepair(inv), inv, func(photopush.SID) string { return "" })
		for _, e := range acl.Entries {
			s := e.String()
			if len(s) >= 200 || clean(s, len(s)) != s { // shortened, or not as it stood there
				continue
			}
			if again, err := ParseSDDL("O:BAD:" + s); err != nil || len(again.Entries) != 1 {
				t.Fatalf("%s of %q cannot be read: %v", s, text, err)
			}
		}
	})
}
