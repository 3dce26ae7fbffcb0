//go:build unix

package accountpicture_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/photopush/photopush"
	"github.com/photopush/photopush/accountpicture/golden"
	"github.com/photopush/photopush/internal/winelab"
)

// bench runs pairs of one script, one after the other. It gives what it knows of those that were run to their end.
func (e engine) bench(t *testing.T, pairs []golden.Pair) ([]benched, photopush.Output) {
	t.Helper()
	script, lines, text := batch(t, pairs)
	var overrides []string
	if text != "" {
		overrides = append(overrides, e.Override(t, text))
	}
	out, err := e.Run(t.Context(), winelab.Run{CommandLine: e.benchCommand(t), Stdin: []byte(script + lines), Overrides: overrides})
	if err != nil {
		t.Fatal(err)
	}
	return readBench(t, string(out.Stdout)), out
}

// benchCommand starts testdata/bench.ps1.
func (e engine) benchCommand(t *testing.T) string {
	t.Helper()
	return fmt.Sprintf(`powershell -NoProfile -NonInteractive -Command "$all=[string[]]@($input);. ([scriptblock]::Create([IO.File]::ReadAllText('Z:%s')))"`,
		strings.ReplaceAll(e.Override(t, bench), "/", `\`))
}
