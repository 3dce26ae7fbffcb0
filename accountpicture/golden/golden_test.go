package golden

import (
	"slices"
	"strings"
	"testing"
)

const pairText = `It shows something.
-- start --
tree {u1}
file {pictures}\{u1}\{name a96} = a96
key {users}\{u1}
  Image96 sz C:\x
held {home}\State\lock
missing {users}\{u2}
fault Set-PictureValue 2 0x80070005
-- input --
set_values	{u1}	{state u1}	plain	Image96={name a96}
-- answer --
{"verb":"set_values","ok":true,"sid":"{u1}","state":"{state-after u1}","values":{values-after u1}}
-- end --
tree {u1}
file {pictures}\{u1}\{name a96} = a96
key {users}\{u1}
  Image96 sz {pictures}\{u1}\{name a96}
`

func TestParse(t *testing.T) {
	p, err := Parse("x", []byte(pairText))
	if err != nil {
		t.Fatal(err)
	}
	// The hashes are those of sha256sum.
	const file = "ca978112ca1bbdcafac231b39a23dc4d-4476928c97c6687b-Image96.jpg"
	const before = "aa46d08ee79dbbb864c784f92e97acd23d3055756d5e3bf4697f9698c5630564"
	sid := "S-1-5-21-1004336348-1177238915-682003330-1001"
	if want := "set_values\t" + sid + "\t" + stateOf(p.Start, sid) + "\tplain\tImage96=" + file + "\n"; p.Input != want {
		t.Errorf("input %q, want %q", p.Input, want)
	}
	if stateOf(p.Start, sid) != before || stateOf(p.Start, sid) == stateOf(p.End, sid) || stateOf(State{}, sid) != "absent" {
		t.Errorf("states %s and %s", stateOf(p.Start, sid), stateOf(p.End, sid))
	}
	if want := []string{UsersKey + `\` + User(2)}; !slices.Equal(p.Start.Missing, want) {
		t.Errorf("missing are %v, want %v", p.Start.Missing, want)
	}
	if len(p.Start.Held) != 1 || p.Start.Held[0] != Lock || len(p.Start.Faults) != 1 || p.Start.Faults[0] != (Fault{"Set-PictureValue", 2, 0x80070005}) {
		t.Errorf("in the way are %v and %v", p.Start.Held, p.Start.Faults)
	}
	if err := p.CheckEnd(p.End.Keys, p.End.Folders, p.End.Files); err != nil {
		t.Error(err)
	}
	if p.CheckEnd(p.Start.Keys, p.End.Folders, p.End.Files) == nil || p.CheckEnd(p.End.Keys, nil, p.End.Files) == nil || p.CheckEnd(p.End.Keys, p.End.Folders, nil) == nil {
		t.Error("another end passes")
	}
	answer := "#photopush-answer\n" + p.Answer[0] + "\n#end-of-answer\n"
	if err := p.CheckAnswer([]byte(answer)); err != nil {
		t.Error(err)
	}
	for _, other := range []string{"", strings.Replace(answer, "true", "false", 1), strings.Replace(answer, "#end", "end", 1), strings.Replace(answer, p.Answer[0], p.Answer[0]+"\n"+p.Answer[0], 1)} {
		if p.CheckAnswer([]byte(other)) == nil {
			t.Errorf("%q passes", other)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for name, test := range map[string]struct{ text, want string }{
		"no comment":  {strings.TrimPrefix(pairText, "It shows something.\n"), "it does not say what it shows"},
		"no input":    {strings.Replace(pairText, "-- input --", "-- inputs --", 1), "want the sections start, input, answer, and perhaps end"},
		"twice":       {pairText + "-- end --\n", "section end is there twice"},
		"odd line":    {strings.Replace(pairText, "held", "hold", 1), `"hold C:\\Program Files\\photopush\\State\\lock" says nothing of a workstation`},
		"odd value":   {strings.Replace(pairText, "  Image96 sz C:\\x", "  Image96", 1), `"Image96" is no value of a key`},
		"odd fault":   {strings.Replace(pairText, "fault Set-PictureValue 2", "fault Set-PictureValue", 1), "fault [Set-PictureValue 0x80070005]: want effect, number of the call, HRESULT"},
		"odd HRESULT": {strings.Replace(pairText, "2 0x80070005", "2 E_FAIL", 1), `fault: strconv.ParseUint: parsing "E_FAIL": invalid syntax`},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := Parse("x", []byte(test.text)); err == nil || err.Error() != test.want {
				t.Errorf("error %v, want %s", err, test.want)
			}
		})
	}
	if _, err := Load(t.TempDir()); err == nil {
		t.Error("an empty folder has pairs")
	}
}
