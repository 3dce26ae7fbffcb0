//go:build linux

package krblab

import (
	"bufio"
	_ "embed"
	"encoding/base64"
	"encoding/json"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

//go:embed service.py
var serviceScript string

// ServiceOptions say what a Service is like.
type ServiceOptions struct {
	Certificate string   // file with certificate and key in PEM form; empty for plain HTTP
	Own         bool     // the client must be bound to the certificate, if it is bound to anything
	Binding     []byte   // the same with another channel binding; nil for none
	Loose       bool     // answers are framed as careless peers do
	Accounts    []string // those of NTLM, as DOMAIN:name:password
}

// A Service runs beside the test. That of Serve answers sealed messages over HTTP as WinRM does, each with itself (an empty one with "nothing"; what
// begins with "fault" as a fault, status 500). Its security contexts are MIT's library's and gss-ntlmssp's, its frames Python's.
type Service struct {
	Addr string // host:port

	t     testing.TB
	lines chan string
}

// Serve starts a service with that keytab.
func (k *KDC) Serve(keytab string, o ServiceOptions) *Service {
	k.t.Helper()
	return serve(k.t, append(k.Env(), "KRB5_KTNAME=FILE:"+keytab), o)
}

// ServeNTLM starts a service that knows the accounts only.
func ServeNTLM(t testing.TB, o ServiceOptions) *Service {
	t.Helper()
	return serve(t, ntlmEnv(t, o.Accounts), o)
}

func serve(t testing.TB, env []string, o ServiceOptions) *Service {
	t.Helper()
	return startService(t, env, serviceScript, map[string]any{"certificate": o.Certificate, "binding": bindingOption(o.Own, o.Binding), "loose": o.Loose})
}

// bindingOption is a channel binding as the scripts take it.
func bindingOption(own bool, binding []byte) string {
	if own {
		return "own"
	}
	return base64.StdEncoding.EncodeToString(binding)
}

// startService starts a script that says where it listens, and then what happens.
func startService(t testing.TB, env []string, script string, o map[string]any) *Service {
	t.Helper()
	requireGSSAPI(t)
	options, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(python, "-c", script, string(options))
	cmd.Env = env
	cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	s := &Service{t: t, lines: make(chan string, 1000)}
	lines := bufio.NewScanner(out)
	var reading sync.WaitGroup
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		reading.Wait()
		_ = cmd.Wait() // that it was killed
	})
	if !lines.Scan() || !strings.HasPrefix(lines.Text(), "listening ") {
		t.Fatalf("the service says %q", lines.Text())
	}
	s.Addr = "127.0.0.1:" + strings.TrimPrefix(lines.Text(), "listening ")
	reading.Go(func() {
		defer close(s.lines)
		for lines.Scan() {
			s.lines <- lines.Text()
		}
	})
	return s
}

// Said waits for the next of its lines, such as "signed-in SCHEME NAME", or "error TEXT" of what it refused.
func (s *Service) Said() string {
	s.t.Helper()
	line, ok := <-s.lines
	if !ok {
		s.t.Fatal("the service has ended")
	}
	return line
}
