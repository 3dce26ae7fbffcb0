package winrm

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	photopush "github.com/photopush/photopush"
	"github.com/photopush/photopush/internal/simwin"
)

// trace collects the steps of one Open.
type trace []Step

func (s *trace) in(ctx context.Context) context.Context {
	return WithTrace(ctx, func(step Step) { *s = append(*s, step) })
}

// lines are the steps in short: a name, and the reason of a failure.
func (s trace) lines() (lines []string) {
	for _, step := range s {
		lines = append(lines, strings.TrimSpace(step.Name+" "+string(photopush.ReasonOf(step.Err))))
	}
	return lines
}

func TestTrace(t *testing.T) {
	s, c := simulated(t, &engine{}, nil)
	var steps trace
	session, err := c.Open(steps.in(t.Context()), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	if err := session.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	want := []string{regexp.QuoteMeta(s.Addr()), `TLS 1\.3, certificate of CN=ws1\.corp\.example valid until 20[0-9]{2}-[0-9]{2}-[0-9]{2}`, "basic as svc", ""}
	if diff := cmp.Diff([]string{StepConnect, StepTLS, StepSignIn, StepShell}, steps.lines()); diff != "" {
		t.Fatalf("steps (-want +got):\n%s", diff)
	}
	for i, step := range steps {
		if !regexp.MustCompile(`\A`+want[i]+`\z`).MatchString(step.Detail) || step.Took <= 0 {
			t.Errorf("%s took %v: %q", step.Name, step.Took, step.Detail)
		}
	}
}

// TestTraceFailures: what failed is told at its step, with the error of Open, and nothing after it.
func TestTraceFailures(t *testing.T) {
	passed := []string{StepConnect, StepTLS, StepSignIn, StepShell}
	for name, test := range map[string]struct {
		fault  simwin.Fault
		change func(*simwin.Options, *Config)
		step   string
		reason photopush.Reason
	}{
		"off":                   {simwin.Fault{Mode: simwin.Off}, nil, StepConnect, photopush.Offline},
		"another's certificate": {simwin.Fault{Mode: simwin.WrongCertificate}, nil, StepTLS, photopush.TLS},
		"wrong password":        {simwin.Fault{}, func(o *simwin.Options, _ *Config) { o.Users = map[string]string{"svc": "other"} }, StepSignIn, photopush.Auth},
		"basic not offered":     {simwin.Fault{}, func(o *simwin.Options, _ *Config) { o.Offers = []string{"Kerberos"} }, StepSignIn, photopush.Unsupported},
		"no WinRM":              {simwin.Fault{Mode: simwin.Refuse, Status: http.StatusNotFound}, nil, StepSignIn, photopush.Unsupported},
		"no administrator":      {simwin.Fault{Mode: simwin.AnswerFault, Code: 5}, nil, StepShell, photopush.Denied},
		"no remote shells":      {simwin.Fault{Mode: simwin.AnswerFault, Code: 2150859180}, nil, StepShell, photopush.RemoteShellDisabled},
	} {
		t.Run(name, func(t *testing.T) {
			s, c := simulated(t, &engine{}, test.change)
			if test.fault.Mode != 0 {
				setFault(t, s, test.fault)
			}
			var steps trace
			_, err := c.Open(steps.in(t.Context()), testWorkstation)
			want := slices.Clone(passed[:slices.Index(passed, test.step)+1])
			want[len(want)-1] += " " + string(test.reason)
			if diff := cmp.Diff(want, steps.lines()); diff != "" || photopush.ReasonOf(err) != test.reason {
				t.Fatalf("%v, steps (-want +got):\n%s", err, diff)
			}
			if last := steps[len(steps)-1]; last.Err != err {
				t.Errorf("the last step failed with %v, Open with %v", last.Err, err)
			}
		})
	}
}

// TestTraceOfALoss: a connection that is made again is not told again.
func TestTraceOfALoss(t *testing.T) {
	s, c := simulated(t, &engine{}, nil)
	setFault(t, s, simwin.Fault{Mode: simwin.LoseAfter, Request: 1})
	var steps trace
	session, err := c.Open(steps.in(t.Context()), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{StepConnect, StepTLS, StepSignIn, StepShell}, steps.lines()); diff != "" || s.Stats().Connections != 2 {
		t.Errorf("%d connections, steps (-want +got):\n%s", s.Stats().Connections, diff)
	}
	if err := session.Close(t.Context()); err != nil {
		t.Error(err)
	}
}

// TestNTLMTrace: the sign-in names no peer, since NTLM does not prove who it is.
func TestNTLMTrace(t *testing.T) {
	_, c := simulated(t, &engine{}, func(o *simwin.Options, cfg *Config) { withNTLM(t, o, cfg) })
	var steps trace
	s, err := c.Open(steps.in(t.Context()), testWorkstation)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if got := steps[1]; got.Name != StepSignIn || got.Detail != "ntlm as svc" {
		t.Errorf("got %s: %q", got.Name, got.Detail)
	}
}
