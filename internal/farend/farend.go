//go:build linux

// Package farend runs simulated workstations in a process of their own, so that a benchmark counts what the client alone costs: its processor
// time, its allocations. That process is the test's own program, executed again. Beside workstations it has a sink, which swallows plain
// requests and gives back as many bytes as it is asked for.
package farend

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"github.com/photopush/photopush/internal/simwin"
)

// Options say how the workstation is reached.
type Options struct {
	Host   string
	Keytab []byte            // of HTTP/Host, for Kerberos and sealed messages over HTTP
	Users  map[string]string // passwords by account, for Basic within TLS
	Others []string          // hosts of further workstations, over HTTP alone; the keytab has their keys too
	Runs   time.Duration     // how long a program runs once it has its input
}

// A FarEnd is the process under way. Its workstation runs one program, whatever it is told to start: it reads its standard input and tells how
// many bytes that were; what `echo` appends to a file is counted too.
type FarEnd struct {
	HTTP      string // addresses, host:port
	HTTPS     string
	Sink      string // plain HTTP
	SinkHTTPS string
	CA        []byte            // PEM, of whoever issued the certificate for Host
	Others    map[string]string // addresses by host

	t   testing.TB
	in  *json.Encoder
	out *json.Decoder
}

// Counts are what has arrived since the start or the last Reset.
type Counts struct {
	HTTP, HTTPS simwin.Stats
	Input       int64 // bytes of standard input
	Echoed      int64 // bytes that echo appended, decoded
}

// variable tells a program that it is to be a far end. Its Options come first on its standard input, as JSON.
const variable = "PHOTOPUSH_FAREND"

// Main is what TestMain begins with: in the process of a far end it serves until the parent has ended, and then ends the program. Elsewhere it does nothing.
func Main() {
	if os.Getenv(variable) == "" {
		return
	}
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "farend:", err)
		os.Exit(1)
	}
	os.Exit(0)
}

// Start starts the process; it ends with the test.
func Start(t testing.TB, o Options) *FarEnd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe")
	cmd.Env, cmd.Stderr = append(os.Environ(), variable+"=1"), os.Stderr
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		in.Close()
		if err := cmd.Wait(); err != nil {
			t.Errorf("the far end: %v", err)
		}
	})
	f := &FarEnd{t: t, in: json.NewEncoder(in), out: json.NewDecoder(out)}
	err = f.in.Encode(o)
	if err == nil {
		err = f.out.Decode(f)
	}
	if err != nil {
		t.Fatalf("the far end does not start (TestMain must begin with farend.Main): %v", err)
	}
	return f
}

// Counts reads the counters.
func (f *FarEnd) Counts() Counts {
	f.t.Helper()
	var c Counts
	f.ask("counts", &c)
	return c
}

// Reset sets the counters to zero.
func (f *FarEnd) Reset() {
	f.t.Helper()
	var done bool
	f.ask("reset", &done)
}

func (f *FarEnd) ask(word string, answer any) {
	f.t.Helper()
	err := f.in.Encode(word)
	if err == nil {
		err = f.out.Decode(answer)
	}
	if err != nil {
		f.t.Fatalf("ask the far end for %s: %v", word, err)
	}
}

// CPU is the processor time that this process has taken so far, in user and system mode.
func CPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("getrusage: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// answer is one line for the parent.
func answer(w io.Writer, v any) error { return json.NewEncoder(w).Encode(v) }
