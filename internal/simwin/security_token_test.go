package simwin

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestRightsOfDefaults checks tokens against descriptors that Windows and we give: which rights each has.
func TestRightsOfDefaults(t *testing.T) {
	user := standardUser(userSID)
	const addFile, addFolder, del, delChild, dac = fileWriteData, fileAppendData, rightDelete, fileDeleteChild, rightWriteDAC
	const read, set, sub, link = keyRead, keySetValue, keyCreateSub, keyCreateLink
	cases := []struct {
		name string
		sddl string
		g    mapping
		who  token
		may  []uint32
		not  []uint32
	}{
		{"user at the root", rootSDDL, fileMapping, user, []uint32{fileReadData, addFolder}, []uint32{addFile, del, delChild, dac}},
		{"administrator at the root", rootSDDL, fileMapping, administrator, []uint32{addFile, addFolder, delChild, dac}, nil},
		{"user in Program Files", programFilesSDDL, fileMapping, user, []uint32{fileReadData}, []uint32{addFile, addFolder, del, delChild, dac}},
		{"administrator in Program Files", programFilesSDDL, fileMapping, administrator, []uint32{addFile, addFolder, del}, []uint32{delChild, dac, rightWriteOwner}},
		{"SYSTEM in Program Files", programFilesSDDL, fileMapping, system, []uint32{addFile, addFolder, rightWriteOwner}, []uint32{delChild, dac}},
		{"user in Users", usersSDDL, fileMapping, user, []uint32{fileReadData}, []uint32{addFile, addFolder, del}},
		{"user in Public", publicSDDL, fileMapping, user, []uint32{addFile, addFolder}, []uint32{del, delChild, dac}},
		{"user in our pictures", pictureFolderSDDL, fileMapping, user, []uint32{fileReadData}, []uint32{addFile, addFolder, del, delChild, dac}},
		{"user in our state", stateFolderSDDL, fileMapping, user, nil, []uint32{fileReadData, addFile, rightReadControl, fileReadAttribute}},
		{"user at a key", defaultKeySDDL, keyMapping, user, []uint32{read}, []uint32{set, sub, link, del, dac}},
		{"administrator at a key", defaultKeySDDL, keyMapping, administrator, []uint32{read, set, sub, link, del, dac, rightWriteOwner}, nil},
		{"user at Windows' key", windowsKeySDDL, keyMapping, user, []uint32{read}, []uint32{set, sub, link, del, dac}},
		{"administrator at Windows' key", windowsKeySDDL, keyMapping, administrator, []uint32{read, read | dac}, []uint32{set, sub, link, del, rightWriteOwner}},
		{"user at the old recipe's key", oldRecipeSDDL, keyMapping, user, []uint32{read, set, sub, link, del, dac, rightWriteOwner}, nil},
		{"owner with his rights cut", "O:" + string(userSID) + "D:(A;;KR;;;OW)(A;;KA;;;SY)", keyMapping, user, []uint32{read}, []uint32{dac, set}},
		{"owner with none named", "O:" + string(userSID) + "D:(A;;KA;;;SY)", keyMapping, user, []uint32{dac, rightReadControl}, []uint32{read}},
	}
	for _, c := range cases {
		sd := mustSDDL(c.sddl)
		for _, right := range c.may {
			if !sd.allows(c.who, right, c.g) {
				t.Errorf("%s: has no %#x", c.name, right)
			}
		}
		for _, right := range c.not {
			if sd.allows(c.who, right, c.g) {
				t.Errorf("%s: has %#x", c.name, right)
			}
		}
	}
}

func TestCanonicalRules(t *testing.T) {
	for sddl, c := range map[string]struct {
		canonical bool
		with      string // after (A;;KW;;;BA) was added
	}{
		"D:(A;;KR;;;BA)(A;;KA;;;SY)":              {true, "D:(A;;KRKW;;;BA)(A;;KA;;;SY)"},
		"D:(D;;KW;;;BU)(A;CIID;KR;;;BA)":          {true, "D:(D;;KW;;;BU)(A;;KW;;;BA)(A;CIID;KR;;;BA)"},
		"D:NO_ACCESS_CONTROL":                     {true, "D:(A;OICI;0xffffffff;;;WD)(A;;KW;;;BA)"},
		"D:(A;CI;KR;;;BA)":                        {true, "D:(A;CI;KR;;;BA)(A;;KW;;;BA)"},
		"D:(A;;KR;;;BA)(D;;KW;;;BU)":              {false, ""},
		"D:(A;ID;KR;;;BA)(A;;KW;;;BU)":            {false, ""},
		"D:(A;NP;KR;;;BA)(A;IO;KA;;;BA)":          {true, "D:(A;;KRKW;;;BA)"},
		"D:(A;ID;KR;;;BA)(D;ID;KW;;;BU)":          {true, "D:(A;;KW;;;BA)(A;ID;KR;;;BA)(D;ID;KW;;;BU)"},
		"D:P(XA;;KR;;;BA;(Exists x))(D;;KW;;;BU)": {false, ""},
	} {
		sd := mustSDDL(sddl)
		if sd.canonical() != c.canonical {
			t.Errorf("%s: canonical is %v", sddl, sd.canonical())
		}
		if !c.canonical {
			continue
		}
		if diff := cmp.Diff(mustSDDL(c.with), sd.withRule(ACE{Allow, 0, keyWrite, sidAdministrators})); diff != "" {
			t.Errorf("%s: %s", sddl, diff)
		}
	}
}
