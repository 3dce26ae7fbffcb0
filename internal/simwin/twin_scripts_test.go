package simwin

import (
	"fmt"
	"strings"
	"testing"

	"github.com/photopush/photopush/accountpicture"
)

// TestBlocks feeds inputs in which the lines that end the script's blocks are not where they belong.
func TestBlocks(t *testing.T) {
	text := accountpicture.PushScript.Text
	noScript := "#photopush-answer\r\n" + startAnswer("script", "no-script").json() + "\r\n#end-of-answer\r\n"
	cases := map[string]struct {
		input, want string
		code        uint32
	}{
		"lines end with CR LF": {strings.ReplaceAll(text+"recover\n", "\n", "\r\n"), "#photopush-answer\n" + `{"verb":"recover","ok":true,"undone":[]}` + "\n#end-of-answer\n", 0},
		"no last line end":     {text + "recover", "#photopush-answer\n" + `{"verb":"recover","ok":true,"undone":[]}` + "\n#end-of-answer\n", 0},
		"no verb":              {strings.TrimSuffix(text, "\n"), "#photopush-answer\n#end-of-answer\n", 0},
		"empty":                {"", noScript, 3},
		"one block":            {strings.Replace(text, endOfCommon+"\n", "", 1), noScript, 3},
		"no end":               {strings.Replace(text, endOfScript+"\n", "", 1), noScript, 3},
		"blocks exchanged":     {endOfScript + "\n" + text, noScript, 3},
		"an empty line more":   {strings.Replace(text, endOfCommon, endOfCommon+"\n", 1), "ParserError: the script is none of ours, byte for byte\r\n", 1},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			out, code, err := startTwin(t.Context(), NewMachine(MachineOptions{}), c.input)
			if err != nil || code != c.code || out != c.want {
				t.Errorf("%d, %v: %q, want %d: %q", code, err, out, c.code, c.want)
			}
		})
	}
}

// TestVerbsOfScripts: a script does its own verbs, and calls others a line that does not fit.
func TestVerbsOfScripts(t *testing.T) {
	verbs := map[string][]string{
		"read":   {"inventory", "check"},
		"push":   {"put_file", "save_original", "set_values", "delete_files", "recover"},
		"repair": {"restore_original", "delete_values", "tighten_acl", "delete_files", "recover"},
	}
	for _, s := range accountpicture.Scripts {
		for _, list := range verbs {
			for _, verb := range list {
				name := "input"
				if s.Knows(verb) {
					name = verb
				}
				got := runScript(t, NewMachine(MachineOptions{}), s, verb+"\tx")[0]
				if got["verb"] != name || got.failure() != "script 0x0 input" {
					t.Errorf("%s says %v of %s, want a line of %s that does not fit", s.Name, got, verb, name)
				}
			}
		}
		for _, verb := range verbs[s.Name] {
			if !s.Knows(verb) {
				t.Errorf("%s does not know %s", s.Name, verb)
			}
		}
	}
}

// TestStart: a run that reads makes nothing, one that changes makes State with the lock, even where no line fits.
func TestStart(t *testing.T) {
	for _, s := range accountpicture.Scripts {
		m := NewMachine(MachineOptions{})
		before := m.Snapshot()
		runScript(t, m, s, "nothing that is known")
		var got []string
		for _, line := range before.Diff(m.Snapshot()) {
			path, what, _ := strings.Cut(line, ": ")
			kind, _, _ := strings.Cut(what, " ")
			got = append(got, path+" "+kind)
		}
		want := fmt.Sprintf("[+ %s folder + %s\\State folder + %s\\State\\lock file]", ourHome, ourHome, ourHome)
		if s.Name == "read" {
			want = "[]"
		}
		if fmt.Sprint(got) != want {
			t.Errorf("%s leaves %v, want %s", s.Name, got, want)
		}
	}
}

// TestReadGuardsNothing: a run that reads opens the lock where it is, whoever may have put it there; one that changes does not.
func TestReadGuardsNothing(t *testing.T) {
	m := NewMachine(MachineOptions{})
	if err := m.MakeFolder(ourHome+`\State`, "O:BUD:P(A;OICI;FA;;;BU)"); err != nil {
		t.Fatal(err)
	}
	m.WriteFile(ourHome+`\State\lock`, nil)
	if got := oneAnswer(t, m, "inventory"); !got.ok() {
		t.Errorf("an inventory: %v", got)
	}
	if got := m.Effects(); len(got) != 1 || got[0].Name != EnterLock {
		t.Errorf("an inventory has the effects %v, want the lock", got)
	}
	if got := oneAnswer(t, m, "recover").failure(); got != "unsafe_path 0x0 guard" {
		t.Errorf("recover: %s", got)
	}
}
