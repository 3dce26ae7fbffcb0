package simwin

import (
	"context"
	"errors"
	"io"
	"slices"
	"strings"

	"github.com/photopush/photopush/accountpicture"
)

// maxInput bounds what a run reads from its standard input.
const maxInput = 64 << 20

// Markers of the protocol, docs/script.md.
const (
	endOfCommon = "#end-of-common"
	endOfScript = "#end-of-script"
	beginAnswer = "#photopush-answer"
	endAnswer   = "#end-of-answer"
)

// Exit codes: of powershell.exe for an error that nobody caught, and of a process that was terminated; of the bootstrap for one it caught.
const (
	exitError  = 1
	exitCaught = 3
)

// A process is one run of the twin of a script. Its methods follow the functions of the scripts, in their words.
type process struct {
	m         *Machine
	script    accountpicture.Script
	verbs     []verb
	home      string // <ProgramFilesDir>\photopush
	pictures  string // home\AccountPictures
	state     string // home\State
	verbNow   string // the verb the run is at
	where     string // the step it is at
	truncated bool
	undone    []object      // what journals told to undo
	held      []*fileHandle // closed when the process ends
	counts    map[string]int
	effects   []Effect
}

// Run stands for powershell.exe: it does what the scripts do, and only when it is given exactly one of them, by exactly the command
// line that starts them. Any other command line or script is answered as one that does not parse: text on standard error, exit code 1.
// A process whose ctx ends stops at its next effect, like one that was terminated; what it holds open is closed.
func (m *Machine) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	argv := SplitCommandLine(commandLine)
	want := SplitCommandLine(accountpicture.CommandLine)
	if len(argv) == 0 || fold(argv[0]) != fold(want[0]) {
		return 0, ErrNoProgram
	}
	p := &process{m: m, counts: map[string]int{}}
	m.mu.Lock()
	m.counters.Processes++
	m.last = p
	constrained, delay := m.constrained, m.scriptTime
	m.mu.Unlock()
	input, err := readAll(ctx, stdin)
	if err != nil {
		return exitError, err
	}
	if commandLine != accountpicture.CommandLine {
		return exitError, say(stderr, "ParserError: only the command line of the script is known here")
	}
	if err := pause(ctx, delay); err != nil {
		return exitError, err
	}
	if constrained {
		return 0, writeAnswers(stdout, "\r\n", []object{startAnswer("constrained_language", "PowerShell is in constrained language mode")})
	}
	script, lines := cutScript(input)
	if script == "" {
		return exitCaught, writeAnswers(stdout, "\r\n", []object{startAnswer("script", "no-script")})
	}
	i := slices.IndexFunc(accountpicture.Scripts, func(s accountpicture.Script) bool { return s.Text == script })
	if i < 0 {
		return exitError, say(stderr, "ParserError: the script is none of ours, byte for byte")
	}
	p.script = accountpicture.Scripts[i]
	p.verbs = readVerbs(p.script, lines)
	return p.run(ctx, stdout)
}

// readAll reads standard input to its end, or until ctx is done.
func readAll(ctx context.Context, stdin io.Reader) (string, error) {
	closed := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		defer close(closed)
		if c, ok := stdin.(io.Closer); ok {
			c.Close()
		}
	})
	b, err := io.ReadAll(io.LimitReader(stdin, maxInput))
	if !stop() {
		<-closed
	}
	if ctx.Err() != nil {
		return "", ctx.Err()
	}
	return string(b), err
}

// cutScript parts the input as the bootstrap does: into the script, which are two blocks, each through the line that ends it, and the
// lines after it. Lines end with LF or CR LF, as a console's reader takes them. Without both lines, in their order, there is no script.
func cutScript(input string) (script string, rest []string) {
	lines := strings.Split(strings.TrimSuffix(strings.ReplaceAll(input, "\r\n", "\n"), "\n"), "\n")
	common, end := slices.Index(lines, endOfCommon), slices.Index(lines, endOfScript)
	if common < 0 || end <= common {
		return "", nil
	}
	return strings.Join(lines[:end+1], "\n") + "\n", lines[end+1:]
}

// startAnswer is what the bootstrap answers for itself.
func startAnswer(reason, text string) object {
	return object{{"verb", "start"}, {"ok", false}, {"reason", reason}, {"hresult", 0}, {"where", "bootstrap"}, {"message", text}}
}

func say(w io.Writer, text string) error {
	_, err := io.WriteString(w, text+"\r\n")
	return err
}

// writeAnswers writes all answers at once, between their markers. The script ends lines with LF, the bootstrap's plain output with CR LF.
func writeAnswers(w io.Writer, newline string, answers []object) error {
	lines := []string{beginAnswer}
	for _, a := range answers {
		lines = append(lines, a.json())
	}
	_, err := io.WriteString(w, strings.Join(append(lines, endAnswer), newline)+newline)
	return err
}

// run executes the verbs, in their order, until one fails. A process that ends on the way answers nothing.
func (p *process) run(ctx context.Context, stdout io.Writer) (uint32, error) {
	defer p.end()
	answers, err := p.execute(ctx)
	var f failure
	switch end, ended := errors.AsType[processEnd](err); {
	case ended:
		return end.code, nil
	case errors.As(err, &f):
		answers = append(answers, f.object(p.verbNow))
	case err != nil:
		return exitError, err
	}
	return 0, writeAnswers(stdout, "\n", answers)
}

// end closes what the process held open.
func (p *process) end() {
	for _, h := range p.held {
		p.m.close(h)
	}
}

// execute gives an answer per verb, up to the first failure. The error is a failure, or tells that the process has ended.
func (p *process) execute(ctx context.Context) ([]object, error) {
	if len(p.verbs) == 0 {
		return nil, nil
	}
	p.verbNow = p.verbs[0].name
	if err := p.findRoots(); err != nil {
		return nil, p.failed(err)
	}
	if err := p.startRun(ctx); err != nil {
		return nil, p.failed(err)
	}
	var answers []object
	for _, v := range p.verbs {
		p.verbNow = v.name
		members, err := p.invoke(ctx, v)
		if err != nil {
			return answers, p.failed(err)
		}
		answers = append(answers, append(object{{"verb", v.name}, {"ok", true}}, members...))
	}
	return answers, nil
}

// A failure is an answer with "ok":false.
type failure struct {
	reason  string
	hresult uint32
	where   string
	text    string
}

func (f failure) Error() string { return f.reason + " " + f.where + ": " + f.text }

func (f failure) object(verb string) object {
	return object{{"verb", verb}, {"ok", false}, {"reason", f.reason}, {"hresult", f.hresult}, {"where", f.where}, {"message", f.text[:min(len(f.text), 300)]}}
}

// failed makes a failure of an exception, at the step the run is at; other errors pass.
func (p *process) failed(err error) error {
	if w, ok := errors.AsType[winError](err); ok {
		return failure{reasonOf(w.hresult), w.hresult, p.where, w.text}
	}
	return err
}

// reasonOf is the table in docs/script.md.
func reasonOf(hresult uint32) string {
	switch hresult {
	case accessDenied, securityException, 0x8007051b, 0x80070522:
		return "denied"
	case diskFull, 0x80070027:
		return "disk_full"
	case 0x80070718:
		return "quota"
	case fileExists, alreadyExists:
		return "conflict"
	}
	return "script"
}
