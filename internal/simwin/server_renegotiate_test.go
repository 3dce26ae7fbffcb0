//go:build linux

package simwin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/photopush/photopush/internal/krblab"
	"github.com/photopush/photopush/internal/summary"
)

// An sServer is OpenSSL's s_server with a person at its keyboard: it prints what its clients send, and sends what is typed.
type sServer struct {
	t        *testing.T
	keyboard io.Writer

	mu     sync.Mutex
	screen bytes.Buffer
	more   chan struct{} // something was printed; capacity 1
	ended  chan struct{}
}

// Write prints.
func (s *sServer) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case s.more <- struct{}{}:
	default:
	}
	return s.screen.Write(b)
}

func startSServer(t *testing.T, clients *CA) *sServer {
	t.Helper()
	openssl, err := exec.LookPath("openssl")
	if err != nil {
		krblab.Missing(t, "no openssl (Debian package openssl)")
	}
	pair, err := labCA().Issue("ws1.corp.example")
	if err != nil {
		t.Fatal(err)
	}
	cert, key := writePair(t, pair)
	roots := filepath.Join(t.TempDir(), "clients.pem")
	if err := os.WriteFile(roots, clients.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cmd := exec.CommandContext(ctx, openssl, "s_server", "-accept", "127.0.0.1:0", "-cert", cert, "-key", key, "-CAfile", roots, "-no_ticket", "-msg")
	cmd.Env = []string{"OPENSSL_CONF=/dev/null"}
	s := &sServer{t: t, more: make(chan struct{}, 1), ended: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = s, s
	if s.keyboard, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(s.ended)
		_ = cmd.Wait() // it is killed
	}()
	t.Cleanup(func() { cancel(); <-s.ended })
	return s
}

// prints waits until what was printed matches, and returns the screen.
func (s *sServer) prints(form string) (screen string, match []string) {
	s.t.Helper()
	re := regexp.MustCompile(`(?s)` + form)
	late := time.After(20 * time.Second)
	for {
		s.mu.Lock()
		screen = s.screen.String()
		s.mu.Unlock()
		if match = re.FindStringSubmatch(screen); match != nil {
			return screen, match
		}
		select {
		case <-s.more:
		case <-s.ended:
			s.t.Fatalf("s_server ended and printed no %s:\n%s", form, screen)
		case <-late:
			s.t.Fatalf("s_server prints no %s:\n%s", form, screen)
		}
	}
}

func (s *sServer) types(text string) {
	s.t.Helper()
	if _, err := io.WriteString(s.keyboard, text); err != nil {
		s.t.Fatal(err)
	}
}

// hexDump is how s_server prints a message of the handshake.
func hexDump(b []byte) string {
	var out strings.Builder
	for line := range slices.Chunk(b, 16) {
		fmt.Fprintf(&out, "% x\n", line)
	}
	return out.String()
}

// TestRenegotiation lets OpenSSL ask for our client's certificate as Windows does: when it has read a request, before it answers. The handshake
// before it had asked for none. The request was sent once; the answer, and what follows, use the connection as it was.
func TestRenegotiation(t *testing.T) {
	clients, err := NewCA()
	if err != nil {
		t.Fatal(err)
	}
	pair, err := clients.IssueClient("svc@corp.example")
	if err != nil {
		t.Fatal(err)
	}
	s := startSServer(t, clients)
	_, addr := s.prints(`ACCEPT (\S+)\n`)
	c := certificateClient(t, addr[1], pair)
	ch, err := c.Dial(t.Context(), ws1)
	if err != nil {
		t.Fatal(err)
	}
	defer ch.Close()
	const certificateRequest, authorization = "CertificateRequest\n", "\r\nAuthorization: " + mutualProfile + "\r\n"
	for i, name := range []string{"first", "second"} {
		request, answer := "<request>"+name+"</request>", "<answer>"+name+"</answer>"
		var got []byte
		var status int
		var failed error
		answered := make(chan struct{})
		go func() {
			defer close(answered)
			got, status, failed = ch.Post(t.Context(), []byte(request))
		}()
		screen, _ := s.prints(request)
		if i == 0 {
			if strings.Contains(screen, certificateRequest) {
				t.Fatal("the certificate was asked for in the first handshake")
			}
			s.types("R\n")
			// its own Finished is the last message
			s.prints(certificateRequest + `.*<<< TLS 1\.2, Handshake \[length [0-9a-f]+\], CertificateVerify.*>>> TLS 1\.2, Handshake \[length 0010\], Finished\n[^\n]*\n`)
		}
		s.types(fmt.Sprintf("HTTP/1.1 200 OK\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", soapType, len(answer), answer))
		<-answered
		if failed != nil || status != 200 || string(got) != answer {
			t.Fatalf("the %s answer is HTTP %d %s, %v", name, status, got, failed)
		}
	}
	screen, _ := s.prints("<request>second")
	_, certificate, _ := strings.Cut(hexDump(append(make([]byte, 10), pair.Certificate[0]...)), "\n") // type and lengths are ten bytes
	if dump := regexp.MustCompile(`(?m)^ +`).ReplaceAllString(screen, ""); !strings.Contains(dump, certificate) {
		t.Error("s_server got another certificate")
	}
	if n := strings.Count(screen, "depth=0 CN = svc@corp.example\nverify return:1\n"); n != 1 {
		t.Errorf("s_server verified the certificate %d times, want once", n)
	}
	for _, once := range []string{"POST /wsman HTTP/1.1\r\n", authorization} {
		if n := strings.Count(screen, once); n != 2 {
			t.Errorf("%d times %q, want one in each request", n, once)
		}
	}
	if n := strings.Count(screen, "ServerHelloDone\n"); n != 2 {
		t.Errorf("%d handshakes, want 2", n)
	}
	summary.Line(t, "certificate asked for by renegotiation: OpenSSL's s_server got and verified it, and the request and its answer survived")
}
