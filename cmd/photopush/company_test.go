package main

import (
	"bytes"
	"testing"

	"github.com/photopush/photopush/internal/lab"
)

// newCompany starts a simulated company that ends with the test.
func newCompany(t *testing.T, o lab.Options) *lab.Company {
	t.Helper()
	o.Dir = t.TempDir()
	c, err := lab.Start(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

// photopush runs a command in process, and returns what it printed and its exit code.
func photopushRun(t *testing.T, c *lab.Company, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	var out, errs bytes.Buffer
	code = run(append([]string{"--config", c.ConfigFile}, args...), nil, &out, &errs)
	return out.String(), errs.String(), code
}

func TestSync(t *testing.T) {
	c := newCompany(t, lab.Options{Users: 20, Workstations: 10})
	stdout, stderr, code := photopushRun(t, c, "--log-level", "debug", "sync")
	t.Logf("exit %d\n%s\n%s", code, stdout, stderr)
	for _, w := range c.Workstations {
		t.Logf("%s %s %+v %+v", w.Host, w.Oddity, w.Machine.Counters(), w.Server.Stats())
	}
}
