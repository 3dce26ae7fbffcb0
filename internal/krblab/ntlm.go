//go:build linux

package krblab

import (
	_ "embed"
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"
)

//go:embed ntlm.py
var ntlmScript string

// An NTLM is one side of an NTLM context, made by gss-ntlmssp.
type NTLM struct{ *Judge }

// AcceptNTLM starts a service that knows the accounts, written DOMAIN:name:password. It negotiates in SPNEGO or takes bare messages as they come.
func AcceptNTLM(t testing.TB, bindings []byte, accounts ...string) *NTLM {
	t.Helper()
	return startNTLM(t, accounts, "accept", "ntlm", base64.StdEncoding.EncodeToString(bindings))
}

// AcceptNTLMInSPNEGO is AcceptNTLM for clients that negotiate.
func AcceptNTLMInSPNEGO(t testing.TB, bindings []byte, accounts ...string) *NTLM {
	t.Helper()
	return startNTLM(t, accounts, "accept", "spnego", base64.StdEncoding.EncodeToString(bindings))
}

// InitiateNTLM starts a client; mech is ntlm or spnego, user is DOMAIN\name as account has it.
func InitiateNTLM(t testing.TB, mech string, bindings []byte, user, account string) *NTLM {
	t.Helper()
	return startNTLM(t, []string{account}, "initiate", mech, base64.StdEncoding.EncodeToString(bindings), user)
}

func startNTLM(t testing.TB, accounts []string, args ...string) *NTLM {
	t.Helper()
	return &NTLM{startJudge(t, ntlmEnv(t, accounts), ntlmScript, args...)}
}

// ntlmEnv is the environment of programs that use gss-ntlmssp with those accounts.
func ntlmEnv(t testing.TB, accounts []string) []string {
	t.Helper()
	if found, err := filepath.Glob("/etc/gss/mech.d/*ntlmssp*"); err != nil || len(found) == 0 {
		Missing(t, "MIT's library has no NTLM (Debian package gss-ntlmssp)")
	}
	file := filepath.Join(t.TempDir(), "accounts")
	var text []byte
	for _, a := range accounts {
		text = append(append(text, a...), '\n')
	}
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return append(os.Environ(), "NTLM_USER_FILE="+file, "KRB5_CONFIG=/dev/null", "KRB5RCACHETYPE=none", "LC_ALL=C.UTF-8", "LM_COMPAT_LEVEL=5",
		"NETBIOS_COMPUTER_NAME=PC1", "NETBIOS_DOMAIN_NAME=CORP")
}

// Step gives the library a token, nil at the beginning of a client. who is the client's name once a service knows it.
func (n *NTLM) Step(token []byte) (out []byte, done bool, who string, err error) {
	words, err := n.ask("step", token)
	if err != nil {
		return nil, false, "", err
	}
	out, err = base64.StdEncoding.DecodeString(words[2])
	return out, words[0] == "done", words[1], err
}

// Echo lets the library unwrap a message and seal it again; "nothing" for an empty one, which it does not seal.
func (n *NTLM) Echo(sealed []byte) ([]byte, error) { return n.data("echo", sealed) }

// Wrap lets the library seal a message.
func (n *NTLM) Wrap(message []byte) ([]byte, error) { return n.data("wrap", message) }

func (n *NTLM) data(word string, data []byte) ([]byte, error) {
	words, err := n.ask(word, data)
	if err != nil {
		return nil, err
	}
	return base64.StdEncoding.DecodeString(words[2])
}
