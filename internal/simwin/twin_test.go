package simwin

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

var (
	small  = []byte("bytes of a small picture")
	large  = []byte(strings.Repeat("bytes of a large picture, ", 400))
	absent = photopush.StateAbsent
)

// put is the lines of a put_file.
func put(sid photopush.SID, data []byte, size int) []string {
	lines := []string{fmt.Sprintf("put_file\t%s\t%s\t%d\t%s", sid, fileName(data, size), len(data), sum(data))}
	for text := base64.StdEncoding.EncodeToString(data); text != ""; {
		n := min(4096, len(text))
		lines, text = append(lines, text[:n]), text[n:]
	}
	return append(lines, ".")
}

func setValues(sid photopush.SID, state string, pairs ...string) string {
	return strings.Join(append([]string{"set_values", string(sid), state, "plain"}, pairs...), "\t")
}

func deleteFiles(sid photopush.SID, state string, names ...string) string {
	return strings.Join(append([]string{"delete_files", string(sid), state}, names...), "\t")
}

// push is a whole push of two sizes to a user without a picture.
func push(sid photopush.SID) []string {
	return append(append(put(sid, small, 32), put(sid, large, 96)...),
		setValues(sid, absent, "Image32="+fileName(small, 32), "Image96="+fileName(large, 96)))
}

func TestPush(t *testing.T) {
	m := NewMachine(MachineOptions{})
	list := runTwin(t, m, push(userSID)...)
	if len(list) != 3 || !list[2].ok() {
		t.Fatalf("answers %v", list)
	}
	folder := ourPics + `\` + string(userSID)
	for name, data := range map[string][]byte{fileName(small, 32): small, fileName(large, 96): large} {
		if got, _ := m.ReadFile(folder + `\` + name); string(got) != string(data) {
			t.Errorf("%s holds %q", name, got)
		}
	}
	want := map[string]RegistryValue{"Image32": StringValue(folder + `\` + fileName(small, 32)), "Image96": StringValue(folder + `\` + fileName(large, 96))}
	if diff := cmp.Diff(want, m.Values(pictureUsersKey+`\`+string(userSID))); diff != "" {
		t.Error(diff)
	}
	if got, want := m.Counters(), (Counters{Processes: 1, RegistryWrites: 3, FileWrites: 3, FoldersCreated: 4}); got != want {
		t.Errorf("counted %+v, want %+v", got, want)
	}
	sd, _ := m.PathSecurity(ourHome + `\State`)
	if sd.String() != mustSDDL(stateFolderSDDL).String() {
		t.Errorf("State has %s", sd)
	}
	if list[2]["state"] != accountpicture.State([]photopush.Value{{Name: "Image32", Kind: "sz", Data: folder + `\` + fileName(small, 32)},
		{Name: "Image96", Kind: "sz", Data: folder + `\` + fileName(large, 96)}}) {
		t.Errorf("state %v is not what the server makes of the values", list[2]["state"])
	}
}

func TestSecondPushWritesNothing(t *testing.T) {
	m := NewMachine(MachineOptions{})
	runTwin(t, m, push(userSID)...)
	before, counted := m.Snapshot(), m.Counters()
	for _, a := range runTwin(t, m, append(put(userSID, small, 32), put(userSID, large, 96)...)...) {
		if a["state"] != "same" {
			t.Errorf("answer %v, want same", a)
		}
	}
	if diff := before.Diff(m.Snapshot()); diff != nil {
		t.Errorf("changed %q", diff)
	}
	if w := m.Counters().Writes() - counted.Writes(); w != 0 {
		t.Errorf("%d writes, want none", w)
	}
}

func TestWhatIsRefused(t *testing.T) {
	sid, name, length, hash := string(userSID), fileName(small, 32), fmt.Sprint(len(small)), sum(small)
	body := base64.StdEncoding.EncodeToString(small)
	put := func(fields ...string) []string {
		return []string{strings.Join(append([]string{"put_file"}, fields...), "\t"), body, "."}
	}
	cases := map[string]struct {
		lines []string
		want  string
	}{
		"unknown verb":           {[]string{"format_disk"}, "script 0x0 input"},
		"verb in capitals":       {[]string{"Inventory"}, "script 0x0 input"},
		"empty line":             {[]string{""}, "script 0x0 input"},
		"inventory with field":   {[]string{"inventory\tx"}, "script 0x0 input"},
		"too few fields":         {put(sid, name, length), "script 0x0 input"},
		"too many fields":        {put(sid, name, length, hash, "x"), "script 0x0 input"},
		"no account":             {put("S-1-5-18", name, length, hash), "script 0x0 input"},
		"SID that climbs":        {put(`..\..\Windows`, name, length, hash), "script 0x0 input"},
		"name that climbs":       {put(sid, `..\`+name, length, hash), "script 0x0 input"},
		"another extension":      {put(sid, strings.Replace(name, ".jpg", ".exe", 1), length, hash), "script 0x0 input"},
		"length with a zero":     {put(sid, name, "0"+length, hash), "script 0x0 input"},
		"hash in capitals":       {put(sid, name, length, strings.ToUpper(hash)), "script 0x0 input"},
		"name of another file":   {put(sid, fileName(large, 32), length, hash), "script 0x0 input"},
		"other length":           {put(sid, name, "1", hash), "script 0x0 content"},
		"other bytes":            {put(sid, fileName(large, 32), length, sum(large)), "script 0x0 content"},
		"bad base64":             {[]string{"put_file\t" + sid + "\t" + name + "\t" + length + "\t" + hash, "A", "."}, "script 0x0 input"},
		"no base64":              {[]string{"put_file\t" + sid + "\t" + name + "\t" + length + "\t" + hash, "ä", "."}, "script 0x0 input"},
		"no dot":                 {[]string{"put_file\t" + sid + "\t" + name + "\t" + length + "\t" + hash, body}, "script 0x0 input"},
		"unknown value":          {[]string{setValues(userSID, absent, "Image33="+name)}, "script 0x0 input"},
		"value in small":         {[]string{setValues(userSID, absent, "image32="+name)}, "script 0x0 input"},
		"value twice":            {[]string{setValues(userSID, absent, "Image32="+name, "Image32="+name)}, "script 0x0 input"},
		"no pair":                {[]string{setValues(userSID, absent)}, "script 0x0 input"},
		"another rung":           {[]string{strings.Replace(setValues(userSID, absent, "Image32="+name), "plain", "ace", 1)}, "script 0x0 input"},
		"no state":               {[]string{setValues(userSID, "unknown", "Image32="+name)}, "script 0x0 input"},
		"file that is not there": {[]string{setValues(userSID, absent, "Image32="+name)}, "conflict 0x0 file"},
		"another state":          {[]string{setValues(userSID, hash, "Image32="+name)}, "conflict 0x0 state"},
		"no file to delete":      {[]string{deleteFiles(userSID, absent)}, "script 0x0 input"},
		"delete by pattern":      {[]string{deleteFiles(userSID, absent, "*.jpg")}, "script 0x0 input"},
		"delete another state":   {[]string{deleteFiles(userSID, hash, name)}, "conflict 0x0 state"},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			runTwin(t, m, deleteFiles(userSID, absent, name)) // the lock's folder is there
			before := m.Snapshot()
			if got := oneAnswer(t, m, c.lines...).failure(); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			if diff := before.Diff(m.Snapshot()); diff != nil {
				t.Errorf("changed %q", diff)
			}
		})
	}
}

func TestFirstFailureStops(t *testing.T) {
	m := NewMachine(MachineOptions{})
	lines := append(append(put(userSID, small, 32), setValues(userSID, sum(small), "Image32="+fileName(small, 32))), put(userSID, large, 96)...)
	list := runTwin(t, m, lines...)
	if len(list) != 2 || !list[0].ok() || list[1].failure() != "conflict 0x0 state" {
		t.Errorf("answers %v", list)
	}
	if _, there := m.ReadFile(ourPics + `\` + string(userSID) + `\` + fileName(large, 96)); there {
		t.Error("a verb after the failure was executed")
	}
}

func TestDeleteFiles(t *testing.T) {
	synctest.Test(t, deleteSome) // a held file is waited for
}

func deleteSome(t *testing.T) {
	m := NewMachine(MachineOptions{})
	state := runTwin(t, m, push(userSID)...)[2]["state"].(string)
	old, held := []byte("an older picture"), []byte("a picture that somebody looks at")
	runTwin(t, m, append(put(userSID, old, 448), put(userSID, held, 64)...)...)
	folder := ourPics + `\` + string(userSID) + `\`
	release := m.Hold(folder+fileName(held, 64), false)
	defer release()

	if got := oneAnswer(t, m, deleteFiles(userSID, state, fileName(old, 448), fileName(small, 32))).failure(); got != "conflict 0x0 named" {
		t.Errorf("deleting a named file: %s", got)
	}
	if _, there := m.ReadFile(folder + fileName(old, 448)); !there {
		t.Error("a file was deleted although another one is still named")
	}
	missing := fileName([]byte("never there"), 40)
	a := oneAnswer(t, m, deleteFiles(userSID, state, fileName(old, 448), missing, fileName(held, 64)))
	want := answerLine{"verb": "delete_files", "ok": true, "sid": string(userSID), "deleted": []any{fileName(old, 448), missing}, "kept": []any{fileName(held, 64)}, "folder": true}
	if diff := cmp.Diff(want, a); diff != "" {
		t.Error(diff)
	}
}

func TestLock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		m := NewMachine(MachineOptions{})
		runTwin(t, m, push(userSID)...)
		release := m.Hold(ourHome+`\State\lock`, true)
		if got := oneAnswer(t, m, put(userSID, small, 32)...).failure(); got != "conflict 0x80070020 lock" {
			t.Errorf("held lock: %s", got)
		}
		if got := oneAnswer(t, m, "inventory").failure(); got != "conflict 0x80070020 lock" {
			t.Errorf("inventory with held lock: %s", got)
		}
		go func() {
			time.Sleep(250 * time.Millisecond) // of the bubble: a run tries for 300 ms
			release()
		}()
		if got := oneAnswer(t, m, "inventory"); !got.ok() {
			t.Errorf("a lock that was released in time: %v", got)
		}
	})
}

func TestOnlyTheScriptRuns(t *testing.T) {
	input := inputFor("inventory")
	cases := map[string]struct {
		command, input string
		want           string
		code           uint32
	}{
		"another command": {strings.Replace(accountpicture.CommandLine, "-NonInteractive", "-NoLogo", 1), input,
			"ParserError: only the command line of the script is known here\r\n", 1},
		"another script": {accountpicture.CommandLine, "#" + input, "ParserError: the script is none of ours, byte for byte\r\n", 1},
		"no script": {accountpicture.CommandLine, "inventory\n", "#photopush-answer\r\n" +
			`{"verb":"start","ok":false,"reason":"script","hresult":0,"where":"bootstrap","message":"no-script"}` + "\r\n#end-of-answer\r\n", 3},
		"nothing to do": {accountpicture.CommandLine, accountpicture.RepairScript.Text, "#photopush-answer\n#end-of-answer\n", 0},
	}
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			var out strings.Builder
			code, err := m.Run(t.Context(), c.command, strings.NewReader(c.input), &out, &out)
			if err != nil || code != c.code || out.String() != c.want {
				t.Errorf("%d, %v: %q, want %d: %q", code, err, out.String(), c.code, c.want)
			}
		})
	}
	if _, err := NewMachine(MachineOptions{}).Run(t.Context(), "powershell.exe", strings.NewReader(""), nil, nil); !errors.Is(err, ErrNoProgram) {
		t.Errorf("a bare name: %v, want ErrNoProgram", err)
	}
}

func TestConstrainedLanguage(t *testing.T) {
	m := NewMachine(MachineOptions{Constrained: true})
	before := m.Snapshot()
	out, code, err := startTwin(t.Context(), m, inputFor(push(userSID)...))
	if err != nil || code != 0 || !strings.Contains(out, `"reason":"constrained_language"`) {
		t.Errorf("%d, %v: %q", code, err, out)
	}
	if diff := before.Diff(m.Snapshot()); diff != nil {
		t.Errorf("changed %q", diff)
	}
}

// endless never ends until it is closed, like the pipe of a client that fell silent.
type endless struct{ closed chan struct{} }

func (e endless) Read([]byte) (int, error) { <-e.closed; return 0, errors.New("closed") }
func (e endless) Close() error             { close(e.closed); return nil }

func TestCancelWhileReading(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := NewMachine(MachineOptions{}).Run(ctx, accountpicture.CommandLine, endless{make(chan struct{})}, nil, nil); !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v, want context.Canceled", err)
	}
}
