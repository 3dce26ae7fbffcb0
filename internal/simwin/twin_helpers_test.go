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

// runTwin feeds lines to the machine after the script, and returns its answers.
func runTwin(t *testing.T, m *Machine, lines ...string) []answerLine {
	t.Helper()
	out, code, err := startTwin(t.Context(), m, accountpicture.Script+strings.Join(lines, "\n")+"\n")
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
