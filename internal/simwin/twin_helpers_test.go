package simwin

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture"
)

const (
	userSID  = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1001")
	otherSID = photopush.SID("S-1-5-21-1004336348-1177238915-682003330-1002")
	ourHome  = `C:\Program Files\photopush`
	ourPics  = ourHome + `\AccountPictures`
)

// An answer is one line of a run's answer.
type answerLine map[string]any

// inputFor is the input of a run with these lines: they follow the script of the first verb that only one script knows. Of those that
// two know, push stands for both, and read for those that none knows.
func inputFor(lines ...string) string {
	script := accountpicture.ReadScript
	for _, line := range lines {
		verb, _, _ := strings.Cut(line, "\t")
		var know []accountpicture.Script
		for _, s := range accountpicture.Scripts {
			if s.Knows(verb) {
				know = append(know, s)
			}
		}
		if len(know) > 0 {
			script = know[0]
		}
		if len(know) == 1 {
			break
		}
	}
	return script.Text + strings.Join(lines, "\n") + "\n"
}

// runTwin feeds lines to the machine after their script, and returns its answers.
func runTwin(t *testing.T, m *Machine, lines ...string) []answerLine {
	t.Helper()
	return runInput(t, m, inputFor(lines...))
}

// runScript feeds lines to the machine after a script.
func runScript(t *testing.T, m *Machine, script accountpicture.Script, lines ...string) []answerLine {
	t.Helper()
	return runInput(t, m, script.Text+strings.Join(lines, "\n")+"\n")
}

func runInput(t *testing.T, m *Machine, input string) []answerLine {
	t.Helper()
	out, code, err := startTwin(t.Context(), m, input)
	if err != nil || code != 0 {
		t.Fatalf("run ended with %d, %v", code, err)
	}
	return answers(t, out)
}

func startTwin(ctx context.Context, m *Machine, input string) (stdout string, code uint32, err error) {
	var out, errs bytes.Buffer
	code, err = m.Run(ctx, accountpicture.CommandLine, strings.NewReader(input), &out, &errs)
	return out.String() + errs.String(), code, err
}

func answers(t *testing.T, out string) []answerLine {
	t.Helper()
	body, ok := strings.CutPrefix(out, "#photopush-answer\n")
	body, end := strings.CutSuffix(body, "#end-of-answer\n")
	if !ok || !end {
		t.Fatalf("no whole answer: %q", out)
	}
	var list []answerLine
	for line := range strings.Lines(body) {
		var a answerLine
		if err := json.Unmarshal([]byte(line), &a); err != nil {
			t.Fatalf("answer %q: %v", line, err)
		}
		list = append(list, a)
	}
	return list
}

// oneAnswer runs a single verb and returns its only answer.
func oneAnswer(t *testing.T, m *Machine, lines ...string) answerLine {
	t.Helper()
	list := runTwin(t, m, lines...)
	if len(list) != 1 {
		t.Fatalf("%d answers, want one: %v", len(list), list)
	}
	return list[0]
}

func (a answerLine) ok() bool { return a["ok"] == true }

// failure is reason, hresult and where of a failure, or its absence.
func (a answerLine) failure() string {
	if a.ok() {
		return "ok"
	}
	return fmt.Sprintf("%v %#x %v", a["reason"], uint32(a["hresult"].(float64)), a["where"])
}

const digest = "0123456789abcdef0123456789abcdef"

// fileName is the name that a picture of these bytes has.
func fileName(data []byte, size int) string {
	return fmt.Sprintf("%s-%s-Image%d.jpg", digest, sum(data)[:16], size)
}

func sum(data []byte) string {
	s := sha256.Sum256(data)
	return hex.EncodeToString(s[:])
}

// keyText is owner and DACL of a key as the workstation prints them.
func (m *Machine) keyText(path string) string {
	sd, ok := m.KeySecurity(path)
	if !ok {
		return ""
	}
	return sd.asRead().String()
}

// Lines of verbs.
func saveOriginal(sid photopush.SID, state string) string {
	return strings.Join([]string{"save_original", string(sid), state}, "\t")
}

func restoreOriginal(sid photopush.SID, state, rungs, saved string) string {
	return strings.Join([]string{"restore_original", string(sid), state, rungs, saved}, "\t")
}

func deleteValues(sid photopush.SID, state, rungs string, names ...string) string {
	return strings.Join(append([]string{"delete_values", string(sid), state, rungs}, names...), "\t")
}

func tightenACL(key, sum string, trustees ...string) string {
	return strings.Join(append([]string{"tighten_acl", key, sum}, trustees...), "\t")
}

// stateOf is the state of a user's values.
func stateOf(m *Machine, sid photopush.SID) string {
	a, err := (&process{m: m}).readValues(string(sid))
	if err != nil {
		return err.Error()
	}
	return a.state
}

// aclSum is what tighten_acl expects of a key's permissions as they are.
func aclSum(m *Machine, path string) string { return sum([]byte(m.keyText(path))) }

// refusals runs a line on machines that were made ready, and looks that nothing has changed but what the run's start makes.
func refusals(t *testing.T, ready func(*Machine), cases map[string]refusal) {
	for what, c := range cases {
		t.Run(what, func(t *testing.T) {
			m := NewMachine(MachineOptions{})
			pass(t, m)
			ready(m)
			if c.set != nil {
				c.set(m)
			}
			before := m.Snapshot()
			if got := oneAnswer(t, m, c.line(m)).failure(); got != c.want {
				t.Errorf("answer %q, want %q", got, c.want)
			}
			if diff := before.Diff(m.Snapshot()); diff != nil {
				t.Errorf("changed %q", diff)
			}
		})
	}
}

// A refusal is what a line is answered where something is in its way.
type refusal struct {
	set  func(*Machine)
	line func(*Machine) string
	want string
}

// says is a line that is the same on every machine.
func says(line string) func(*Machine) string { return func(*Machine) string { return line } }
