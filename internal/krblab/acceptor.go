//go:build linux

package krblab

import (
	"bufio"
	_ "embed"
	"encoding/base64"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// python is Debian's, which has Debian's modules, whatever else is in the path.
const python = "/usr/bin/python3"

//go:embed acceptor.py
var acceptorScript string

// A Judge is one side of a context, made by MIT's library through python3-gssapi in a process of its own.
type Judge struct {
	in  io.WriteCloser
	out *bufio.Reader
}

// An Acceptor is the service's side of a Kerberos context.
type Acceptor struct{ *Judge }

// Accept starts a service with that keytab and channel binding; nil for none.
func (k *KDC) Accept(keytab string, bindings []byte) *Acceptor {
	k.t.Helper()
	env := append(k.Env(), "KRB5_KTNAME=FILE:"+keytab)
	return &Acceptor{startJudge(k.t, env, acceptorScript, base64.StdEncoding.EncodeToString(bindings))}
}

func startJudge(t testing.TB, env []string, script string, args ...string) *Judge {
	t.Helper()
	requireGSSAPI(t)
	cmd := exec.Command(python, append([]string{"-c", script}, args...)...)
	cmd.Env = env
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
		_ = cmd.Wait() // it ends with its input
	})
	return &Judge{in, bufio.NewReaderSize(out, 1<<20)}
}

func requireGSSAPI(t testing.TB) {
	t.Helper()
	if err := exec.Command(python, "-c", "import gssapi").Run(); err != nil {
		Missing(t, "python3 has no gssapi (Debian package python3-gssapi)")
	}
}

// ask gets two words and data.
func (j *Judge) ask(word string, data []byte) ([]string, error) {
	if _, err := fmt.Fprintf(j.in, "%s %s\n", word, base64.StdEncoding.EncodeToString(data)); err != nil {
		return nil, err
	}
	line, err := j.out.ReadString('\n')
	if err != nil {
		return nil, fmt.Errorf("the judge ended: %w", err)
	}
	words := strings.Split(strings.TrimRight(line, "\n"), " ")
	if words[0] != "ok" || len(words) != 4 {
		return nil, fmt.Errorf("MIT's library: %s", strings.TrimSpace(line))
	}
	return words[1:], nil
}

// Step gives the library a token; it returns its token, and the client's name once the context is there.
func (a *Acceptor) Step(token []byte) (out []byte, client string, err error) {
	words, err := a.ask("step", token)
	if err != nil {
		return nil, "", err
	}
	if words[0] == "done" {
		client = words[1]
	}
	out, err = base64.StdEncoding.DecodeString(words[2])
	return out, client, err
}

// Sign lets the library verify a message that is not sealed and sign it again; "nothing" for an empty one.
func (a *Acceptor) Sign(signed []byte) ([]byte, error) {
	words, err := a.ask("sign", signed)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(words[2])
}

// Echo lets the library unwrap a message and seal it again; header is how many bytes it splits off.
func (a *Acceptor) Echo(sealed []byte) (answer []byte, header string, err error) {
	words, err := a.ask("echo", sealed)
	if err != nil {
		return nil, "", err
	}
	answer, err = base64.StdEncoding.DecodeString(words[2])
	return answer, words[0], err
}
