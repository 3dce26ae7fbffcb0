package simwin

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestParseSDDL(t *testing.T) {
	got, err := ParseSDDL("O:BAG:SYD:PAI(A;OICIIO;SDGXGWGR;;;AU)(D;;0x1301bf;;;S-1-5-21-1-2-3-4)(XA;;FA;;;WD;(@User.x == {\"a)\", 1}))(OA;CI;;;;CO)S:(AU;SAFA;KA;;;WD)")
	if err != nil {
		t.Fatal(err)
	}
	want := SecurityDescriptor{Owner: sidAdministrators, Protected: true, AutoInherited: true, DACL: []ACE{
		{Allow, objectInherit | containerInherit | inheritOnly, 0xe0010000, sidAuthenticated},
		{Deny, 0, 0x1301bf, "S-1-5-21-1-2-3-4"},
		{AllowCallback, 0, 0x1f01ff, sidEveryone},
		{AllowObject, containerInherit, 0, sidCreatorOwner},
	}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	for _, null := range []string{"", "O:BA", "D:NO_ACCESS_CONTROL"} {
		if sd, err := ParseSDDL(null); err != nil || !sd.NullDACL {
			t.Errorf("%q: %+v, %v, want a null DACL", null, sd, err)
		}
	}
	if sd, err := ParseSDDL("D:"); err != nil || sd.NullDACL || len(sd.DACL) != 0 {
		t.Errorf("D: is an empty DACL, got %+v, %v", sd, err)
	}
}

func TestParseSDDLFaults(t *testing.T) {
	for text, want := range map[string]string{
		"X:BA":                    `SDDL "X:BA": want O:, G:, D: or S:, each once, at "X:BA"`,
		"O:BAO:BA":                `SDDL "O:BAO:BA": want O:, G:, D: or S:, each once, at "O:BA"`,
		"O:ZZ":                    `SDDL "O:ZZ": "ZZ" is no SID`,
		"O:S-1-5-x":               `SDDL "O:S-1-5-x": "S-1-5-x" is no SID`,
		"D:Q":                     `SDDL "D:Q": unknown DACL flag "Q"`,
		"D:(A;;FA;;;BA":           `SDDL "D:(A;;FA;;;BA": an entry is not closed`,
		"D:(A;;FA;;;BA)x":         `SDDL "D:(A;;FA;;;BA)x": want ( at "x"`,
		"D:(A;;FA;;BA)":           `SDDL "D:(A;;FA;;BA)": entry "A;;FA;;BA" has 5 fields, want 6`,
		"D:(ZZ;;FA;;;BA)":         `SDDL "D:(ZZ;;FA;;;BA)": unknown kind of entry "ZZ"`,
		"D:(A;QQ;FA;;;BA)":        `SDDL "D:(A;QQ;FA;;;BA)": unknown flag of an entry at "QQ"`,
		"D:(A;;QQ;;;BA)":          `SDDL "D:(A;;QQ;;;BA)": unknown right "QQ"`,
		"D:(A;;F;;;BA)":           `SDDL "D:(A;;F;;;BA)": unknown right "F"`,
		"D:(A;;0x1ffffffff;;;BA)": `SDDL "D:(A;;0x1ffffffff;;;BA)": rights "0x1ffffffff" are no number`,
		"D:(XA;;FA;;;BA)":         `SDDL "D:(XA;;FA;;;BA)": conditional entry "XA;;FA;;;BA" has no condition`,
		"D:(A;;FA;;;BA;(x))":      `SDDL "D:(A;;FA;;;BA;(x))": entry "A;;FA;;;BA;(x)" has 7 fields, want 6`,
	} {
		if _, err := ParseSDDL(text); err == nil || err.Error() != want {
			t.Errorf("%q:\n got %v\nwant %s", text, err, want)
		}
	}
	if _, err := ParseSDDL(strings.Repeat("(", maxSDDL+1)); err == nil {
		t.Error("a text without bound was read")
	}
}

func FuzzParseSDDL(f *testing.F) {
	for _, s := range []string{rootSDDL, programFilesSDDL, publicSDDL, defaultKeySDDL, stateFolderSDDL, "", "D:NO_ACCESS_CONTROL", "O:BAD:P(XA;;FA;;;WD;(@User.x == {1}))"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		sd, err := ParseSDDL(s)
		if err != nil {
			return
		}
		again, err := ParseSDDL(sd.String())
		if err != nil {
			t.Fatalf("%q became %q: %v", s, sd.String(), err)
		}
		if diff := cmp.Diff(sd, again); diff != "" {
			t.Fatalf("%q became %q: %s", s, sd.String(), diff)
		}
	})
}
