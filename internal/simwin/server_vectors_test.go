package simwin

import (
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/goccy/go-yaml"
	"github.com/google/go-cmp/cmp"
)

// vectorFolder is where recorded answers of a real Windows lie; they are not part of the project.
func vectorFolder(t *testing.T) string {
	shared := os.Getenv("PHOTOPUSH_SHARED")
	if shared == "" {
		shared = filepath.Join("..", "..", "..", "shared")
	}
	folder := filepath.Join(shared, "vectors", "winrs")
	if _, err := os.Stat(folder); err == nil {
		return folder
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("the recorded answers are not in %s; set PHOTOPUSH_SHARED", folder)
	}
	t.Skipf("the recorded answers are not in %s", folder)
	return ""
}

type recording struct {
	Messages []struct {
		Request, Response string
		Error             struct{ Code int } `yaml:"transport_error"`
	}
}

// A deviation is a line of a recorded answer that ours need not have.
type deviation struct {
	answer int // from 1
	line   string
}

// accepted are the faults of the recordings themselves.
var accepted = map[string]deviation{
	// The request names a variable with two backslashes and its answer with none, while the recorded output of `set` shows one: the recording
	// was changed on its way through strings of Python.
	"test_winrs_environment": {1, "Variable"},
	// The answer to Delete relates to a message that the recording does not hold.
	"test_winrs_unicode": {5, "RelatesTo"},
}

// TestRecordedAnswers replays every recorded request, with an engine that writes what the recorded process wrote, and compares the answers.
func TestRecordedAnswers(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(vectorFolder(t), "*.yml"))
	if err != nil || len(files) == 0 {
		t.Fatal("no recordings", err)
	}
	compared := 0
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yml")
		t.Run(name, func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var rec recording
			if err := yaml.Unmarshal(text, &rec); err != nil {
				t.Fatal(err)
			}
			compared += replay(t, rec, accepted[name])
		})
	}
	t.Logf("%d answers of %d recordings compared", compared, len(files))
}

// A player is an engine that writes bursts as the test hands them over.
type player struct {
	bursts chan burst
	wrote  chan bool
}

type burst struct {
	chunks []chunk
	done   bool
	exit   uint32
}

func (p *player) Run(ctx context.Context, _ string, _ io.Reader, stdout, stderr io.Writer) (uint32, error) {
	for {
		select {
		case <-ctx.Done():
			return 0, ctx.Err()
		case b := <-p.bursts:
			for _, c := range b.chunks {
				if c.stream == "stdout" {
					stdout.Write(c.data)
				} else {
					stderr.Write(c.data)
				}
			}
			p.wrote <- true
			if b.done {
				return b.exit, nil
			}
		}
	}
}

var (
	messageID = regexp.MustCompile(`(<a:MessageID>uuid:)[0-9A-F-]{36}`)
	activity  = regexp.MustCompile(`(<p:ActivityId>)[0-9A-F-]{36}`)
	clientIP  = regexp.MustCompile(`(<rsp:ClientIP>)[^<]*`)
	shellText = regexp.MustCompile(`<rsp:ShellId>([0-9A-F-]{36})`)
	cmdText   = regexp.MustCompile(`<rsp:CommandId>([0-9A-F-]{36})`)
	ownerText = regexp.MustCompile(`<rsp:Owner>([^<]*)`)
)

func replay(t *testing.T, rec recording, accepted deviation) int {
	var all string
	for _, m := range rec.Messages {
		all += m.Response
	}
	owner := ownerText.FindStringSubmatch(all)[1]
	p := &player{make(chan burst), make(chan bool)}
	clock := NewManualClock(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC))
	s := start(t, p.Run, func(o *Options) {
		o.Old, o.Clock = !strings.Contains(all, "ActivityId"), clock
		o.Mechanisms = []Mechanism{anyBasic(o.Host, owner, "right")} // one was recorded with a domain account, by another mechanism
		o.Limits.Gather = -1
	})
	c := dial(t, s)
	c.user = owner
	ids := map[string]string{} // recorded: ours
	for i, m := range rec.Messages {
		request := rename(m.Request, ids)
		play(t, s, p, m.Response)
		status, got := exchange(t, c, clock, request, strings.Contains(m.Response, `Code="2150858793"`))
		want := 200
		if m.Error.Code != 0 {
			want = m.Error.Code
		}
		if status != want {
			t.Fatalf("answer %d has HTTP %d, want %d: %s", i+1, status, want, got)
		}
		for _, form := range []*regexp.Regexp{shellText, cmdText} {
			if theirs, ours := form.FindStringSubmatch(m.Response), form.FindStringSubmatch(got); theirs != nil && ours != nil {
				ids[theirs[1]] = ours[1]
			}
		}
		skip := ""
		if accepted.answer == i+1 {
			skip = accepted.line
		}
		compare(t, i+1, rename(m.Response, ids), got, skip)
	}
	return len(rec.Messages)
}

func rename(text string, ids map[string]string) string {
	for from, to := range ids {
		text = strings.ReplaceAll(text, from, to)
	}
	return text
}

// play has the process write what the recorded answer holds, before it is asked for.
func play(t *testing.T, s *Server, p *player, response string) {
	root, err := parseXML([]byte(response))
	if err != nil {
		t.Fatal(err)
	}
	answer := bodyOf(root)
	if !answer.is(nsShell, "ReceiveResponse") {
		return
	}
	b := burst{}
	for _, k := range answer.kids {
		if data, _ := base64.StdEncoding.DecodeString(k.text); len(data) > 0 {
			name, _ := k.attr("Name")
			b.chunks = append(b.chunks, chunk{name, data})
		}
		if exit := k.child(nsShell, "ExitCode"); exit != nil {
			code, err := strconv.ParseUint(exit.value(), 10, 32)
			if err != nil {
				t.Fatal(err)
			}
			b.done, b.exit = true, uint32(code)
		}
	}
	p.bursts <- b
	<-p.wrote
	if b.done {
		until(t, "the process ends", func() bool { return running(s) == 0 })
	}
}

func running(s *Server) int {
	s.shells.mu.Lock()
	defer s.shells.mu.Unlock()
	n := 0
	for _, sh := range s.shells.byID {
		for _, c := range sh.all() {
			if c.alive() {
				n++
			}
		}
	}
	return n
}

// exchange posts a request; when it is to run into its OperationTimeout, the clock is put forward while it waits.
func exchange(t *testing.T, c *client, clock *ManualClock, request string, timesOut bool) (int, string) {
	type result struct {
		res  *http.Response
		body []byte
		err  error
	}
	waits := clock.Waiting()
	got := make(chan result, 1)
	go func() {
		res, body, err := c.do(request)
		got <- result{res, body, err}
	}()
	if timesOut {
		until(t, "the Receive waits", func() bool { return clock.Waiting() > waits })
		clock.Advance(10 * time.Second)
	}
	r := <-got
	if r.err != nil {
		t.Fatal(r.err)
	}
	return r.res.StatusCode, string(r.body)
}

func compare(t *testing.T, n int, want, got, skip string) {
	t.Helper()
	lines := func(text string) []string {
		text = messageID.ReplaceAllString(activity.ReplaceAllString(clientIP.ReplaceAllString(text, "${1}IP"), "${1}ID"), "${1}ID")
		root, err := parseXML([]byte(text))
		if err != nil {
			t.Fatalf("answer %d: %v in %s", n, err, text)
		}
		list := canonical(root, "")
		if skip != "" {
			list = slices.DeleteFunc(list, func(line string) bool { return strings.Contains(line, skip) })
		}
		return list
	}
	if diff := cmp.Diff(lines(want), lines(got)); diff != "" {
		t.Errorf("answer %d differs (- Windows, + ours):\n%s", n, diff)
	}
}

// canonical writes an element as lines: names with namespaces, declared prefixes, attributes in order of their names, text.
func canonical(n *element, indent string) []string {
	var attrs []string
	for _, a := range n.attrs {
		attrs = append(attrs, fmt.Sprintf("{%s}%s=%q", a.Name.Space, a.Name.Local, a.Value))
	}
	slices.Sort(attrs)
	list := []string{fmt.Sprintf("%s{%s}%s %s %q", indent, n.space, n.name, strings.Join(attrs, " "), n.text)}
	for _, k := range n.kids {
		list = append(list, canonical(k, indent+" ")...)
	}
	return list
}

// anyBasic accepts Basic for accounts of a domain too.
func anyBasic(host, owner, password string) *Basic {
	b := NewBasic(host, "", map[string]string{owner: password})
	for name, a := range b.accounts {
		a.ofDomain = false
		b.accounts[name] = a
	}
	return b
}
