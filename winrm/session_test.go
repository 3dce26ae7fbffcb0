package winrm

import (
	"context"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"

	"github.com/photopush/photopush/internal/farend"
)

func TestMain(m *testing.M) {
	farend.Main()
	goleak.VerifyTestMain(m)
}

const commandLine = `C:\Windows\System32\WindowsPowerShell\v1.0\powershell.exe -NoProfile -Command "a < b & c 'd'"`

func TestVisit(t *testing.T) {
	h := newHost(t)
	h.program = func(stdin []byte) (string, int64) { return strings.ToUpper(string(stdin)), -1 }
	c := testClient(t, testConfig(t), dialTo(h.listen()))
	s, err := c.Open(t.Context(), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	for _, input := range []string{"inventory\n", "put_file\n"} {
		out, err := s.Run(t.Context(), commandLine, []byte(input))
		if err != nil {
			t.Fatal(err)
		}
		if want := strings.ToUpper(input); string(out.Stdout) != want || len(out.Stderr) != 0 || out.ExitCode != 1<<32-1 {
			t.Errorf("got %q, %q, %d, want %q and 4294967295", out.Stdout, out.Stderr, out.ExitCode, want)
		}
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if err := s.Close(context.Background()); err != nil {
		t.Errorf("closing twice: %v", err)
	}
	want := strings.Fields("Create Command Send Receive Signal Command Send Receive Signal Delete")
	if got := h.names(); !slices.Equal(got, want) {
		t.Errorf("requests are %v, want %v", got, want)
	}
	r := h.requests[1]
	if got := r.Command + " " + r.Arguments; got != commandLine {
		t.Errorf("command line is %q, want %q", got, commandLine)
	}
	if shells, _ := h.left(); h.conns != 1 || shells != 0 {
		t.Errorf("%d connections, %d shells left, want 1 and 0", h.conns, shells)
	}
}
