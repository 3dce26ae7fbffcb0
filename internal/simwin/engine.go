package simwin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// An Engine stands for the programs of a workstation: it runs what a client starts in a shell. *Machine and Exec are engines.
type Engine interface {
	// Run executes one process and returns when it has ended. commandLine is what CreateProcess would get: the program, a space, the
	// arguments joined by spaces, as received. stdin is read as it arrives and ends when the client said End or the shell is gone; it
	// is an io.Closer when a Read may block, and closing it ends such a Read. Run returns soon after ctx is done, with ctx's error;
	// it leaves no goroutine and no process behind. An error otherwise means that the process could not be started: ErrNoProgram,
	// or anything else for a fault of the engine itself.
	Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) (exitCode uint32, err error)
}

// ErrNoProgram is Windows' ERROR_FILE_NOT_FOUND of CreateProcess: the engine has no program of that name.
var ErrNoProgram = errors.New("the system cannot find the file specified")

// Exec starts a real program in place of the one the client names, such as the lab's powershell on Wine. The arguments of the
// command line are split by Windows' rules and given to it; standard streams are the process's own. A Unix exit status has 8 bits:
// larger codes arrive cut.
type Exec struct {
	Path string   // the program to start
	Env  []string // its environment, KEY=value; nil for that of this process
}

// drain is how long output is still read after the process ended while another one, which it started, holds the pipe open.
const drain = 2 * time.Second

// Run starts the program in a process group of its own and kills the whole group when ctx is done.
func (e Exec) Run(ctx context.Context, commandLine string, stdin io.Reader, stdout, stderr io.Writer) (uint32, error) {
	argv := SplitCommandLine(commandLine)
	if len(argv) == 0 {
		return 0, ErrNoProgram
	}
	cmd := exec.CommandContext(ctx, e.Path, argv[1:]...)
	cmd.Env, cmd.Stdout, cmd.Stderr, cmd.WaitDelay = e.Env, stdout, stderr, drain
	ownGroup(cmd)
	in, err := cmd.StdinPipe()
	if err != nil {
		return 0, fmt.Errorf("start %s: %w", e.Path, err)
	}
	if err := cmd.Start(); err != nil {
		return 0, fmt.Errorf("start %s: %w", e.Path, err)
	}
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		_, _ = io.Copy(in, stdin) // a process that ends early closes the pipe; that is its right
		if ctx.Err() == nil {     // what is being killed must not take the end of its input for the client's End
			in.Close()
		}
	}()
	err = cmd.Wait()
	killGroup(cmd)
	if c, ok := stdin.(io.Closer); ok {
		c.Close()
	}
	<-fed
	return exitStatus(ctx, cmd, err)
}

func exitStatus(ctx context.Context, cmd *exec.Cmd, err error) (uint32, error) {
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if _, failed := errors.AsType[*exec.ExitError](err); err == nil || failed || errors.Is(err, exec.ErrWaitDelay) {
		return uint32(cmd.ProcessState.ExitCode()), nil
	}
	return 0, fmt.Errorf("run %s: %w", cmd.Path, err)
}

// SplitCommandLine splits as CommandLineToArgvW does: the program ends at its closing quote or the first blank; after it,
// backslashes count only before a quote, and of three quotes in a row one is kept.
func SplitCommandLine(line string) []string {
	if line == "" {
		return nil
	}
	program, rest := splitProgram(line)
	argv := []string{program}
	for {
		rest = strings.TrimLeft(rest, " \t")
		if rest == "" {
			return argv
		}
		var arg string
		arg, rest = splitArgument(rest)
		argv = append(argv, arg)
	}
}

func splitProgram(line string) (program, rest string) {
	if quoted, ok := strings.CutPrefix(line, `"`); ok {
		program, rest, _ = strings.Cut(quoted, `"`)
		return program, rest
	}
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		return line[:i], line[i:]
	}
	return line, ""
}

func splitArgument(s string) (arg, rest string) {
	var b strings.Builder
	quotes, slashes := 0, 0
	flush := func(n int) { b.WriteString(strings.Repeat(`\`, n)); slashes = 0 }
	for i := 0; i < len(s); i++ {
		switch c := s[i]; {
		case c == '\\':
			slashes++
		case c == '"' && slashes%2 == 1:
			flush(slashes / 2)
			b.WriteByte('"')
			i, quotes = runOfQuotes(s, i, quotes, &b)
		case c == '"':
			flush(slashes / 2)
			i, quotes = runOfQuotes(s, i, quotes+1, &b)
		case (c == ' ' || c == '\t') && quotes == 0:
			flush(slashes)
			return b.String(), s[i:]
		default:
			flush(slashes)
			b.WriteByte(c)
		}
	}
	flush(slashes)
	return b.String(), ""
}

// runOfQuotes takes the quotes that follow the one at i; quotes counts those since the argument was last outside quotes.
func runOfQuotes(s string, i, quotes int, b *strings.Builder) (int, int) {
	for ; i+1 < len(s) && s[i+1] == '"'; i++ {
		if quotes++; quotes == 3 {
			b.WriteByte('"')
			quotes = 0
		}
	}
	if quotes == 2 {
		quotes = 0
	}
	return i, quotes
}
